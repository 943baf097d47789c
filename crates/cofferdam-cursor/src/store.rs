//! Where cursors and gap records are kept: the contract, and an implementation in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cofferdam_core::{Scoped, TenantId};

use crate::{Cursor, GapRecord, StreamId};

/// One thing for a store to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The stream was handed over up to here.
    Cursor(Cursor),
    /// These positions are lost.
    Gap(GapRecord),
}

impl Scoped for Write {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Cursor(cursor) => cursor.tenant(),
            Self::Gap(gap) => gap.tenant(),
        }
    }
}

/// What became of one [`Write`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is durable.
    Stored,
    /// The store already holds this, or a later position of the same epoch; nothing changed.
    Stale,
    /// The store holds a later epoch: the writer was deposed, and must stop working on the stream.
    Fenced,
}

/// Durable cursors and gap records, of many tenants.
///
/// # Contract with the implementer
///
/// * `apply` is atomic: after an error or a crash either every write of the batch that earned
///   [`Outcome::Stored`] is there or none is. When it returns, the batch is as durable as the store
///   ever makes it.
/// * Writes take effect in the order given, and each is judged by itself: one tenant's fenced write
///   does not keep another's from being stored.
/// * A cursor is stored if the stream has none, or one that is smaller by (epoch, position). One of
///   an older epoch is `Fenced`, whatever its position; one of the same epoch that is not ahead is
///   `Stale`. A later epoch may go back in position, as its owner may be reading a new channel.
/// * A gap record is `Fenced` if the stream's cursor has a later epoch, `Stale` if the same record is
///   there already, and else stored.
/// * Keys are made of (tenant, stream) with lengths or types, never with a delimiter: `a` + `b:c` and
///   `a:b` + `c` must not meet (Q09).
/// * Errors may be spurious, and a caller may send a batch again; that is what `Stale` is for.
///
/// `cofferdam_sim::conformance::cursor_store` checks all of this.
pub trait CursorStore: Send + Sync {
    /// The cursor of a stream, if one was stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    fn load(&self, stream: &StreamId) -> Result<Option<Cursor>, StoreError>;

    /// Applies `batch` in one transaction; one outcome for each write, in order.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if nothing of the batch was stored, or if nobody can say.
    fn apply(&self, batch: &[Write]) -> Result<Vec<Outcome>, StoreError>;

    /// At most `limit` gap records of a stream in ascending order, beginning after `after`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot be read.
    fn gaps(
        &self,
        stream: &StreamId,
        after: Option<&GapRecord>,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError>;

    /// Forgets gap records that were reconciled (fetched another way, or written off). Those that
    /// are not there are no error.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if nothing was forgotten, or if nobody can say.
    fn reconcile(&self, gaps: &[GapRecord]) -> Result<(), StoreError>;
}

// Stores are kept behind `Arc<dyn CursorStore>`; this stops compiling if that breaks.
const _: Option<&dyn CursorStore> = None;

/// A store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, written or read just now.
    #[error("the cursor store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// It holds something that no version of the store has written.
    #[error("the cursor store is corrupt")]
    Corrupt,
}

/// Cursors and gap records in memory: for tests, and for deployments that reconcile by other means.
///
/// Grows with the number of streams and of unreconciled gaps, and forgets everything when dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    cursors: BTreeMap<StreamId, Cursor>,
    gaps: BTreeMap<StreamId, BTreeSet<GapRecord>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic elsewhere leaves nothing half done here: each write is one insertion.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CursorStore for MemoryStore {
    fn load(&self, stream: &StreamId) -> Result<Option<Cursor>, StoreError> {
        Ok(self.held().cursors.get(stream).cloned())
    }

    fn apply(&self, batch: &[Write]) -> Result<Vec<Outcome>, StoreError> {
        let mut held = self.held();
        Ok(batch.iter().map(|write| held.apply(write)).collect())
    }

    fn gaps(
        &self,
        stream: &StreamId,
        after: Option<&GapRecord>,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        let held = self.held();
        let gaps = held.gaps.get(stream).into_iter().flatten();
        Ok(gaps.filter(|&gap| after.is_none_or(|after| gap > after)).take(limit).cloned().collect())
    }

    fn reconcile(&self, gaps: &[GapRecord]) -> Result<(), StoreError> {
        let mut held = self.held();
        for gap in gaps {
            if let Some(kept) = held.gaps.get_mut(gap.stream()) {
                kept.remove(gap);
            }
        }
        Ok(())
    }
}

impl Held {
    fn apply(&mut self, write: &Write) -> Outcome {
        match write {
            Write::Cursor(cursor) => {
                let outcome = Outcome::of_cursor(self.cursors.get(cursor.stream()), cursor);
                if outcome == Outcome::Stored {
                    self.cursors.insert(cursor.stream().clone(), cursor.clone());
                }
                outcome
            }
            Write::Gap(gap) => {
                if Outcome::is_fenced(self.cursors.get(gap.stream()), gap) {
                    return Outcome::Fenced;
                }
                let gaps = self.gaps.entry(gap.stream().clone()).or_default();
                if gaps.insert(gap.clone()) { Outcome::Stored } else { Outcome::Stale }
            }
        }
    }
}

impl Outcome {
    /// What the contract says of `offered` where the store holds `held` for its stream.
    #[must_use]
    pub fn of_cursor(held: Option<&Cursor>, offered: &Cursor) -> Self {
        match held {
            Some(held) if offered.epoch() < held.epoch() => Self::Fenced,
            Some(held) if offered <= held => Self::Stale,
            _ => Self::Stored,
        }
    }

    /// Whether the contract fences `offered` where the store holds `held` for its stream.
    #[must_use]
    pub fn is_fenced(held: Option<&Cursor>, offered: &GapRecord) -> bool {
        held.is_some_and(|held| offered.epoch() < held.epoch())
    }
}
