//! Why a store could not be opened, and how redb's many errors become the traits' few.

use std::error::Error;

use cofferdam_cursor::StoreError as CursorError;
use cofferdam_queue::dead_letter::StoreError as LetterError;

/// The store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or this one, has the file open.
    #[error("the store is open elsewhere")]
    InUse,
    /// The file cannot be read or written: permissions, a missing folder, a full or broken disk.
    #[error("the store cannot be opened for reading and writing")]
    Inaccessible(#[source] Box<dyn Error + Send + Sync>),
    /// The file is not a Cofferdam store.
    #[error("the file is not a cofferdam store")]
    Foreign,
    /// The file was written by a release with another table format.
    #[error("the store has table format {found} and this release reads format {expected}")]
    Format {
        /// The file's format.
        found: u64,
        /// What this release reads and writes.
        expected: u64,
    },
}

impl OpenError {
    pub(crate) fn from_redb(error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse,
            // What redb says of a file that is somebody else's.
            redb::Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => Self::Foreign,
            redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. } => Self::Foreign,
            other => Self::Inaccessible(Box::new(other)),
        }
    }
}

/// What went wrong in a transaction. redb's own texts may quote paths, so they stay in the source.
#[derive(Debug)]
pub(crate) enum Fault {
    Corrupt,
    Full,
    Redb(Box<redb::Error>),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Corrupted(_) => Self::Corrupt,
            other => Self::Redb(Box::new(other)),
        }
    }
}

impl From<Fault> for CursorError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Corrupt => Self::Corrupt,
            // Cursors have no shares that could be full; the disk is redb's to report.
            Fault::Full => Self::Unavailable("full".into()),
            Fault::Redb(error) => Self::Unavailable(error),
        }
    }
}

impl From<Fault> for LetterError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Corrupt => Self::Corrupt,
            Fault::Full => Self::Full,
            Fault::Redb(_) => Self::Unavailable,
        }
    }
}
