//! Where dead letters are kept: what a store must promise, and how letters come back from one.

use cofferdam_core::{Scoped, TenantId, pipeline::Recorded, pipeline::Seal};

use super::DeadLetter;

/// The number of a stored letter within its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId(pub u64);

/// A letter and the number it is stored under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The number.
    pub id: LetterId,
    /// The letter.
    pub letter: DeadLetter,
}

/// Keeps dead letters.
///
/// # Contract
///
/// * Each letter is filed under its own tenant. Keys are [`store_key`]s or separate the tenant from
///   the rest as surely: by a length or a bucket, never by a delimiter.
/// * `append` is all or nothing, and durable when it returns `Ok`. It may have happened although it
///   says `Err` (the answer was lost): a caller that tries again may store a letter twice, and loses
///   none.
/// * Ids of one tenant ascend in the order of appends, are never used again, not even after a
///   removal or a restart, and do not depend on what other tenants do.
/// * `list` is in ascending order of ids, of letters above `after`, at most `limit`. What was
///   appended before the call and not removed is seen.
/// * A tenant sees, counts and removes its own letters only. Another tenant's id is absent, which
///   is not an error; nor is a tenant that has no letters.
/// * Full means [`StoreError::Full`], for the tenant whose share is full and for nobody else;
///   a store never makes room by itself.
/// * A stored letter that cannot be read is [`StoreError::Corrupt`], never skipped.
pub trait DeadLetterStore {
    /// Stores these letters, in this order.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; none of the letters is known to be stored then.
    fn append(&self, letters: &[DeadLetter]) -> Result<(), StoreError>;

    /// The tenant's letters above `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn list(
        &self,
        tenant: &TenantId,
        after: Option<LetterId>,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError>;

    /// Removes these of the tenant's letters, and says how many there were.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; all may still be there then.
    fn remove(&self, tenant: &TenantId, ids: &[LetterId]) -> Result<usize, StoreError>;

    /// How many letters the tenant has.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn count(&self, tenant: &TenantId) -> Result<u64, StoreError>;
}

const _: Option<&dyn DeadLetterStore> = None;

/// Why a store did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It does not answer; trying again may help.
    #[error("the dead letter store is unavailable")]
    Unavailable,
    /// The tenant's share of it is full.
    #[error("the tenant's share of the dead letter store is full")]
    Full,
    /// What is stored cannot be read.
    #[error("the dead letter store holds what is not a dead letter")]
    Corrupt,
}

/// A key for stores that have one key space for all tenants: length of the tenant's id, the id,
/// the letter's number in big-endian.
///
/// No key of one tenant is a prefix of another's or lies between two of another's, whatever the ids
/// hold: `a` with `b…` and `ab` with `…` differ in their first byte (SECURITY Q09).
#[must_use]
pub fn store_key(tenant: &TenantId, id: LetterId) -> Vec<u8> {
    let name = tenant.as_str().as_bytes();
    let mut key = Vec::with_capacity(1 + name.len() + size_of::<u64>());
    key.push(u8::try_from(name.len()).unwrap_or(u8::MAX)); // ids have 63 bytes at most
    key.extend_from_slice(name);
    key.extend_from_slice(&id.0.to_be_bytes());
    key
}

/// What [`redrive`] read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redriven {
    /// Events to offer again.
    pub ready: Vec<Ready>,
    /// Letters that must not be.
    pub quarantined: Vec<Quarantined>,
    /// The last letter that was read: where the next call goes on.
    pub last: Option<LetterId>,
}

/// An event to offer again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The letter that it was, to remove once the event is settled.
    pub id: LetterId,
    /// The lane to offer it to ([`Input::Redrive`](crate::Input::Redrive)); without one it is
    /// offered to all ([`Input::Offer`](crate::Input::Offer)).
    pub lane: Option<String>,
    /// The event, marked as a replay.
    pub event: Recorded,
}

/// A letter that was stored under this tenant and not sealed for it. It stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the dead letter was not sealed for this tenant")]
pub struct Quarantined {
    tenant: TenantId,
    id: LetterId,
}

impl Quarantined {
    /// The letter.
    #[must_use]
    pub fn id(&self) -> LetterId {
        self.id
    }
}

impl Scoped for Quarantined {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// Reads up to `limit` of the tenant's letters above `after` and opens them.
///
/// Nothing is removed: a letter may go only when its event has been settled as delivered, or a
/// crash between the two would lose it.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be read. A letter that does not open is no error of the
/// whole: it is [`Quarantined`], and the others come back.
pub fn redrive(
    store: &dyn DeadLetterStore,
    tenant: &TenantId,
    seal: &dyn Seal,
    after: Option<LetterId>,
    limit: usize,
) -> Result<Redriven, StoreError> {
    let mut redriven = Redriven { last: after, ..Redriven::default() };
    for Stored { id, letter } in store.list(tenant, after, limit)? {
        redriven.last = Some(id);
        // The store's word for whose letter it is counts as little as its word for the rest.
        let opened = letter.tenant().same(tenant).then(|| letter.open(seal));
        match opened {
            Some(Ok(event)) => {
                let lane = letter.lane().map(String::from);
                redriven.ready.push(Ready { id, lane, event });
            }
            _ => redriven.quarantined.push(Quarantined { tenant: tenant.clone(), id }),
        }
    }
    Ok(redriven)
}
