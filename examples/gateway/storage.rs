//! The one thread that writes: audit files, dead letters, cursors.
//!
//! Tasks hand over what their compartments ask for, in order, and go on; this thread takes whatever
//! has gathered, writes it (each leaf file and each of the store's tables is synced once a batch),
//! and answers. One tenant's writes keep their order, so a dead letter is on disk before the cursor
//! that passes over it. A slower disk makes larger batches.
//!
//! A store that fails is tried again for a while. Meanwhile no leaf becomes durable, so every
//! compartment's audit log fills and its reader pauses: nothing is lost, and nothing goes on.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use cofferdam::{
    audit::VerifyingKey,
    core::{Scoped, TenantId},
    cursor::{CursorStore, StreamId, Write},
    queue::dead_letter::{DeadLetter, DeadLetterStore, LetterId, StoreError},
};
use cofferdam_redb::RedbStore;
use tokio::sync::mpsc;

/// Something to write.
pub(crate) enum Job {
    /// Append to a tenant's leaf file, and say so.
    Leaves { tenant: TenantId, size: u64, bytes: Vec<u8>, done: mpsc::UnboundedSender<Done> },
    /// Append to a tenant's checkpoint file.
    Checkpoint { tenant: TenantId, note: String },
    /// Store a dead letter.
    DeadLetter(DeadLetter),
    /// Forget a dead letter that was delivered after all.
    Forget { tenant: TenantId, id: LetterId },
    /// Move a cursor or file a gap.
    Cursor(Write),
}

/// What became of [`Job::Leaves`].
pub(crate) enum Done {
    Durable { size: u64, spare: Vec<u8> },
    Failed,
}

/// How many jobs are written together at most.
const BATCH: usize = 1_024;

/// The thread; it ends in an error if the store could not be written for too long.
pub(crate) type StorageThread = JoinHandle<Result<(), String>>;

/// The data folder.
pub(crate) struct Storage {
    folder: PathBuf,
    pub(crate) store: Arc<RedbStore>,
    /// Dead letters for which their tenant's share of the store had no room.
    pub(crate) lost_letters: Arc<AtomicU64>,
}

impl Storage {
    /// Opens the folder, which must be writable and used by nobody else.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let refuse = |error: io::Error| {
            format!("the data folder {} cannot be used: {error}", folder.display())
        };
        fs::create_dir_all(folder.join("audit")).map_err(refuse)?;
        fs::create_dir_all(folder.join("tenants")).map_err(refuse)?;
        let store = RedbStore::open(folder.join("state.redb")).map_err(|error| {
            format!("the data folder {} cannot be used: {error}", folder.display())
        })?;
        Ok(Self {
            folder: folder.to_path_buf(),
            store: Arc::new(store),
            lost_letters: Arc::default(),
        })
    }

    pub(crate) fn leaf_file(&self, tenant: &TenantId) -> PathBuf {
        self.folder.join("audit").join(format!("{tenant}.leaves"))
    }

    pub(crate) fn checkpoint_file(&self, tenant: &TenantId) -> PathBuf {
        self.folder.join("audit").join(format!("{tenant}.checkpoints"))
    }

    /// Puts a log's public key beside it, for `audit_verify`.
    pub(crate) fn publish_key(&self, tenant: &TenantId, key: &VerifyingKey) -> io::Result<()> {
        fs::write(
            self.leaf_file(tenant).with_file_name(format!("{tenant}.vkey")),
            format!("{key}\n"),
        )
    }

    /// Where a posted document of a tenant is kept.
    pub(crate) fn document_file(&self, tenant: &TenantId, name: &str) -> PathBuf {
        self.folder.join("tenants").join(format!("{tenant}.{name}.json"))
    }

    /// The cursor that a stream was left at.
    pub(crate) fn cursor(
        &self,
        stream: &StreamId,
    ) -> Result<Option<cofferdam::cursor::Cursor>, String> {
        self.store.load(stream).map_err(|error| error.to_string())
    }

    /// Starts the thread. It ends when every sender is gone, after the last job.
    pub(crate) fn start(
        &self,
        tenants: &[TenantId],
    ) -> io::Result<(mpsc::Sender<Job>, StorageThread)> {
        let mut files = BTreeMap::new();
        for tenant in tenants {
            let append = |path: PathBuf| OpenOptions::new().create(true).append(true).open(path);
            let leaves = append(self.leaf_file(tenant))?;
            let checkpoints = append(self.checkpoint_file(tenant))?;
            files.insert(tenant.clone(), Files { leaves, checkpoints });
        }
        let (sender, mut jobs) = mpsc::channel(4 * BATCH);
        let (store, lost_letters) = (Arc::clone(&self.store), Arc::clone(&self.lost_letters));
        let mut writer = Writer { store, lost_letters, files };
        let thread = std::thread::Builder::new().name("storage".into()).spawn(move || {
            let mut batch = Vec::with_capacity(BATCH);
            while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
                writer.write(&mut batch)?;
            }
            Ok(())
        })?;
        Ok((sender, thread))
    }
}

struct Files {
    leaves: File,
    checkpoints: File,
}

struct Writer {
    store: Arc<RedbStore>,
    lost_letters: Arc<AtomicU64>,
    files: BTreeMap<TenantId, Files>,
}

impl Writer {
    fn write(&mut self, batch: &mut Vec<Job>) -> Result<(), String> {
        let mut letters: BTreeMap<TenantId, Vec<DeadLetter>> = BTreeMap::new();
        let mut cursors: Vec<Write> = Vec::new();
        let mut forget: BTreeMap<TenantId, Vec<LetterId>> = BTreeMap::new();
        for job in batch.drain(..) {
            match job {
                Job::Leaves { tenant, size, bytes, done } => {
                    let _ = done.send(self.append(&tenant, size, bytes));
                }
                Job::Checkpoint { tenant, note } => {
                    // A note that is not written is missed by nobody: the next one covers more.
                    if let Some(files) = self.files.get_mut(&tenant)
                        && let Err(error) = files.checkpoints.write_all(note.as_bytes())
                    {
                        eprintln!("gateway: a checkpoint of {tenant} was not written: {error}");
                    }
                }
                Job::DeadLetter(letter) => {
                    letters.entry(letter.tenant().clone()).or_default().push(letter);
                }
                Job::Forget { tenant, id } => forget.entry(tenant).or_default().push(id),
                Job::Cursor(write) => cursors.push(write),
            }
        }
        // Letters before cursors: that keeps the order of effects, as a cursor write never has to
        // come before a letter.
        self.keep(letters)?;
        if !cursors.is_empty() {
            persist(|| self.store.apply(&cursors))?;
        }
        for (tenant, ids) in forget {
            persist(|| self.store.remove(&tenant, &ids))?;
        }
        Ok(())
    }

    /// Stores each tenant's letters. Where a tenant's share is full its letters are counted as lost,
    /// which fails the run's report; the other tenants' are stored all the same.
    fn keep(&self, letters: BTreeMap<TenantId, Vec<DeadLetter>>) -> Result<(), String> {
        for letters in letters.into_values() {
            let stored = persist(|| match self.store.append(&letters) {
                Err(StoreError::Full) => Ok(false),
                stored => stored.map(|()| true),
            })?;
            if !stored {
                self.lost_letters.fetch_add(letters.len() as u64, Relaxed);
            }
        }
        Ok(())
    }

    fn append(&mut self, tenant: &TenantId, size: u64, bytes: Vec<u8>) -> Done {
        let written = self.files.get_mut(tenant).map_or_else(
            || Err(io::ErrorKind::NotFound.into()),
            |files| files.leaves.write_all(&bytes).and_then(|()| files.leaves.sync_data()),
        );
        match written {
            Ok(()) => Done::Durable { size, spare: bytes },
            Err(_) => Done::Failed,
        }
    }
}

/// Tries until it works, for half a minute.
fn persist<T, E: Display>(mut write: impl FnMut() -> Result<T, E>) -> Result<T, String> {
    const TRIES: u32 = 150;
    for attempt in 1.. {
        match write() {
            Ok(done) => return Ok(done),
            Err(error) if attempt == TRIES => return Err(error.to_string()),
            Err(error) => {
                if attempt == 1 {
                    eprintln!(
                        "gateway: {error}; everybody's reading pauses until it can be written"
                    );
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    }
    Err("the store cannot be written".to_owned())
}

/// How many dead letters a tenant has, for the console.
pub(crate) fn letter_count(store: &RedbStore, tenant: &TenantId) -> u64 {
    store.count(tenant).unwrap_or(0)
}
