//! Dead letters: [`DeadLetterStore`] on redb.

use std::collections::BTreeMap;

use cofferdam_core::{Scoped, TenantId};
use cofferdam_queue::dead_letter::{
    DeadLetter, DeadLetterStore, LetterId, StoreError, Stored, store_key,
};
use redb::ReadableTable;

use crate::{
    RedbStore,
    error::Fault,
    keys,
    store::{LETTERS, TALLIES},
};

impl DeadLetterStore for RedbStore {
    fn append(&self, letters: &[DeadLetter]) -> Result<(), StoreError> {
        if letters.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let mut table = transaction.open_table(LETTERS)?;
            let mut tallies = transaction.open_table(TALLIES)?;
            // One read and one write of a tally for each tenant of the batch, not for each letter.
            let mut batch: BTreeMap<&TenantId, (u64, u64)> = BTreeMap::new();
            let mut bytes = Vec::new();
            for letter in letters {
                let tenant = letter.tenant();
                if !batch.contains_key(tenant) {
                    batch.insert(tenant, tally(&tallies, tenant)?);
                }
                let (next_id, count) = batch.entry(tenant).or_default();
                if *count >= self.letters_per_tenant() {
                    return Err(Fault::Full);
                }
                bytes.clear();
                letter.encode(&mut bytes);
                table.insert(store_key(tenant, LetterId(*next_id)).as_slice(), bytes.as_slice())?;
                *next_id = next_id.checked_add(1).ok_or(Fault::Full)?;
                *count += 1;
            }
            for (tenant, tally) in batch {
                tallies.insert(keys::of_tenant(tenant).as_slice(), tally)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn list(
        &self,
        tenant: &TenantId,
        after: Option<LetterId>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let Some(first) = after.map_or(Some(0), |LetterId(after)| after.checked_add(1)) else {
            return Ok(Vec::new());
        };
        let (first, last) =
            (store_key(tenant, LetterId(first)), store_key(tenant, LetterId(u64::MAX)));
        let list = || {
            let table = self.read()?.open_table(LETTERS)?;
            let mut letters = Vec::new();
            for entry in table.range(first.as_slice()..=last.as_slice())?.take(limit) {
                let (key, bytes) = entry?;
                let id = *key.value().last_chunk().ok_or(Fault::Corrupt)?;
                let letter = DeadLetter::decode(tenant, bytes.value());
                letters.push(Stored {
                    id: LetterId(u64::from_be_bytes(id)),
                    letter: letter.map_err(|_| Fault::Corrupt)?,
                });
            }
            Ok::<_, Fault>(letters)
        };
        Ok(list()?)
    }

    fn remove(&self, tenant: &TenantId, ids: &[LetterId]) -> Result<usize, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let removed = self.write(|transaction| {
            let mut table = transaction.open_table(LETTERS)?;
            let mut removed = 0_usize;
            for &id in ids {
                removed += usize::from(table.remove(store_key(tenant, id).as_slice())?.is_some());
            }
            if removed > 0 {
                let mut tallies = transaction.open_table(TALLIES)?;
                let (next_id, count) = tally(&tallies, tenant)?;
                let left = count.checked_sub(removed as u64).ok_or(Fault::Corrupt)?;
                tallies.insert(keys::of_tenant(tenant).as_slice(), (next_id, left))?;
            }
            Ok(removed)
        })?;
        Ok(removed)
    }

    fn count(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let count = || {
            let tallies = self.read()?.open_table(TALLIES)?;
            Ok::<_, Fault>(tally(&tallies, tenant)?.1)
        };
        Ok(count()?)
    }
}

/// A tenant's next id and how many letters it has.
fn tally(
    tallies: &impl ReadableTable<&'static [u8], (u64, u64)>,
    tenant: &TenantId,
) -> Result<(u64, u64), Fault> {
    let entry = tallies.get(keys::of_tenant(tenant).as_slice())?;
    Ok(entry.map_or((0, 0), |entry| entry.value()))
}
