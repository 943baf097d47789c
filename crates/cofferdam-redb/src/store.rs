//! The store: one redb file, its tables, and the check that they are ours.

use std::{fmt, path::Path};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableError, WriteTransaction, backends::InMemoryBackend,
};

use crate::error::{Fault, OpenError};

/// The layout of keys and values. A release that changes it raises the number and says how to move.
const FORMAT: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("cofferdam.meta");
const FORMAT_KEY: &str = "format";

/// (tenant, stream) to (epoch, position).
pub(crate) const CURSORS: TableDefinition<'_, &[u8], (u64, u64)> =
    TableDefinition::new("cofferdam.cursors");
/// A gap is all key.
pub(crate) const GAPS: TableDefinition<'_, &[u8], ()> = TableDefinition::new("cofferdam.gaps");
/// (tenant, id) to the encoded letter.
pub(crate) const LETTERS: TableDefinition<'_, &[u8], &[u8]> =
    TableDefinition::new("cofferdam.letters");
/// Tenant to (next id, letters kept). Never removed, as ids are never used again.
pub(crate) const TALLIES: TableDefinition<'_, &[u8], (u64, u64)> =
    TableDefinition::new("cofferdam.tallies");

/// Cursors, gap records and dead letters of many tenants in one file.
///
/// One process holds the file at a time. Every batch is one transaction, on disk (`fdatasync`) when
/// the call returns; readers see whole batches and do not wait for writers. After an I/O error every
/// call fails until the store is opened again, as nobody can say what the disk did.
pub struct RedbStore {
    database: Database,
    letters_per_tenant: u64,
}

impl RedbStore {
    /// How many dead letters a tenant may have, unless told otherwise.
    pub const LETTERS_PER_TENANT: u64 = 100_000;

    /// Opens the store at `path`, or makes it. The folder must be there.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the file is open elsewhere, cannot be written, is not a store or is one of
    /// another format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::check(Database::create(path).map_err(OpenError::from_redb)?)
    }

    /// A store that is gone when it is dropped.
    ///
    /// # Errors
    ///
    /// [`OpenError::Inaccessible`] if there is no memory.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::on(InMemoryBackend::new())
    }

    /// A store on a backend of the caller's: for encryption at rest, or to inject faults.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn on(backend: impl StorageBackend) -> Result<Self, OpenError> {
        Self::check(Database::builder().create_with_backend(backend).map_err(OpenError::from_redb)?)
    }

    /// The same store with another bound on the dead letters of one tenant.
    #[must_use]
    pub fn with_letters_per_tenant(self, letters_per_tenant: u64) -> Self {
        Self { letters_per_tenant, ..self }
    }

    pub(crate) const fn letters_per_tenant(&self) -> u64 {
        self.letters_per_tenant
    }

    /// Claims an empty file, accepts one of this format, and refuses everything else.
    fn check(database: Database) -> Result<Self, OpenError> {
        let transaction = database.begin_write().map_err(OpenError::from_redb)?;
        let is_new = {
            let mut tables = transaction.list_tables().map_err(OpenError::from_redb)?;
            tables.next().is_none()
        };
        if is_new {
            make_tables(&transaction).map_err(OpenError::from_redb)?;
            transaction.commit().map_err(OpenError::from_redb)?;
        } else {
            let found = match transaction.open_table(META) {
                Ok(meta) => meta.get(FORMAT_KEY).map_err(OpenError::from_redb)?.map(|n| n.value()),
                Err(TableError::Storage(e)) => return Err(OpenError::from_redb(e)),
                Err(_) => return Err(OpenError::Foreign),
            };
            // Opening the table made it, if it was not there.
            transaction.abort().map_err(OpenError::from_redb)?;
            match found {
                Some(FORMAT) => {}
                Some(found) => return Err(OpenError::Format { found, expected: FORMAT }),
                None => return Err(OpenError::Foreign),
            }
        }
        Ok(Self { database, letters_per_tenant: Self::LETTERS_PER_TENANT })
    }

    pub(crate) fn read(&self) -> Result<ReadTransaction, Fault> {
        Ok(self.database.begin_read()?)
    }

    /// Runs `work` in one transaction: committed if it succeeds, else as if it had never begun.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let transaction = self.database.begin_write()?;
        match work(&transaction) {
            Ok(done) => {
                transaction.commit()?;
                Ok(done)
            }
            Err(fault) => {
                // What could go wrong here went wrong already; the first fault is the cause.
                drop(transaction.abort());
                Err(fault)
            }
        }
    }
}

/// All tables from the start: a reader never has to ask whether one is there yet.
fn make_tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    transaction.open_table(CURSORS)?;
    transaction.open_table(GAPS)?;
    transaction.open_table(LETTERS)?;
    transaction.open_table(TALLIES)?;
    Ok(())
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").finish_non_exhaustive()
    }
}
