//! A store in memory: for tests, for deployments that may lose dead letters, and to read beside the
//! contract. It keeps encoded letters under flat keys, as a store on disk would.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cofferdam_core::{Scoped, TenantId};

use super::{DeadLetter, DeadLetterStore, LetterId, StoreError, Stored, store_key};

/// Dead letters in memory, at most so many for each tenant.
#[derive(Debug)]
pub struct MemoryStore {
    max_per_tenant: u64,
    shelves: Mutex<Shelves>,
}

#[derive(Default)]
struct Shelves {
    letters: BTreeMap<Vec<u8>, Vec<u8>>,
    tallies: BTreeMap<TenantId, Tally>,
}

/// What is kept of a tenant even when it has no letters left: its ids go on.
#[derive(Clone, Copy, Default)]
struct Tally {
    next_id: u64,
    count: u64,
}

impl MemoryStore {
    /// An empty store that holds at most `max_per_tenant` letters of each tenant.
    #[must_use]
    pub fn new(max_per_tenant: u64) -> Self {
        Self { max_per_tenant, shelves: Mutex::default() }
    }

    /// Nothing here panics half way through a change, so a poisoned lock guards sound shelves.
    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeadLetterStore for MemoryStore {
    fn append(&self, letters: &[DeadLetter]) -> Result<(), StoreError> {
        let mut shelves = self.shelves();
        let mut tallies = BTreeMap::new();
        let mut batch = Vec::with_capacity(letters.len());
        for letter in letters {
            let tenant = letter.tenant();
            let before = || shelves.tallies.get(tenant).copied().unwrap_or_default();
            let tally = tallies.entry(tenant.clone()).or_insert_with(before);
            if tally.count >= self.max_per_tenant {
                return Err(StoreError::Full);
            }
            let mut bytes = Vec::new();
            letter.encode(&mut bytes);
            batch.push((store_key(tenant, LetterId(tally.next_id)), bytes));
            tally.next_id += 1;
            tally.count += 1;
        }
        shelves.letters.extend(batch);
        shelves.tallies.extend(tallies);
        Ok(())
    }

    fn list(
        &self,
        tenant: &TenantId,
        after: Option<LetterId>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let first = match after {
            None => 0,
            Some(LetterId(u64::MAX)) => return Ok(Vec::new()),
            Some(LetterId(after)) => after + 1,
        };
        let range = store_key(tenant, LetterId(first))..=store_key(tenant, LetterId(u64::MAX));
        let read = |(key, bytes): (&Vec<u8>, &Vec<u8>)| {
            let id = key.last_chunk().ok_or(StoreError::Corrupt)?;
            let id = LetterId(u64::from_be_bytes(*id));
            let letter = DeadLetter::decode(tenant, bytes).map_err(|_| StoreError::Corrupt)?;
            Ok(Stored { id, letter })
        };
        self.shelves().letters.range(range).take(limit).map(read).collect()
    }

    fn remove(&self, tenant: &TenantId, ids: &[LetterId]) -> Result<usize, StoreError> {
        let mut guard = self.shelves();
        let shelves = &mut *guard;
        let Some(tally) = shelves.tallies.get_mut(tenant) else { return Ok(0) };
        let is_removed =
            |id: &&LetterId| shelves.letters.remove(&store_key(tenant, **id)).is_some();
        let removed = ids.iter().filter(is_removed).count();
        tally.count -= removed as u64;
        Ok(removed)
    }

    fn count(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        Ok(self.shelves().tallies.get(tenant).map_or(0, |tally| tally.count))
    }
}

/// Shows how much there is, not what.
impl std::fmt::Debug for Shelves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelves").field("letters", &self.letters.len()).finish_non_exhaustive()
    }
}
