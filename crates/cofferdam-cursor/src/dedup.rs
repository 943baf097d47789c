//! De-duplication: has this tenant's stream brought these bytes before, within the window?
//!
//! The window keeps the last `capacity` digests for at most `retention`, in arrival order, in a ring.
//! An open-addressed index of ring slots (linear probing, backward-shift deletion, never more than
//! half full) finds a digest in it. Both are allocated once: 24 bytes for a digest and its time and
//! 8 to 16 for its index, so 32 to 40 bytes per event and nothing that grows. Expiry is paid by the
//! check that finds an entry too old, so a check is O(1) amortised.
//!
//! A digest is SipHash-1-3 with 128 bits of output under a key of this tenant alone. Keyed, because
//! the bytes are the sender's: with a public hash it could aim a colliding event at one that is to be
//! swallowed, or fill one probe sequence. 128 bits, because a false "duplicate" is a lost event: for
//! a window of a million events its chance is about 2^-108 per check. One round a word rather than
//! two, as digests never leave the process and so give nobody anything to analyse; on a 1.6 KB event
//! that is a third of a microsecond.
//!
//! Rejected: `std`'s `HashMap` (hashes the digest again, with a key from the operating system, and
//! grows by doubling), Bloom and cuckoo filters (a false positive is a lost event), and one window
//! for all tenants (one tenant's flood would evict another's memory: I01).

use std::{fmt, hash::Hasher, time::Duration};

use cofferdam_core::{Now, Scoped, TenantId};
use siphasher::sip128::{Hasher128, SipHasher13};

/// Whether a tenant has shown some bytes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Not within the window; they are remembered now.
    Fresh,
    /// Within the window; the first sighting's time stands.
    Duplicate,
}

/// The secret from which each tenant's digest key is derived. `Debug` does not show it.
#[derive(Clone)]
pub struct DedupKey([u8; 16]);

impl DedupKey {
    /// The bytes must be random and secret; they need not outlive the process.
    #[must_use]
    pub const fn new(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    /// A tenant's own key: SipHash as a PRF of the tenant's name.
    fn of(&self, tenant: &TenantId) -> [u8; 16] {
        digest(&self.0, tenant.as_str().as_bytes()).to_le_bytes()
    }
}

impl fmt::Debug for DedupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DedupKey(..)")
    }
}

/// One tenant's window of what it has sent. The window's memory is allocated once, 32 to 40 bytes per event.
pub struct Deduplicator {
    tenant: TenantId,
    key: [u8; 16],
    retention: Duration,
    ring: Box<[Entry]>,
    /// Ring slots by digest; `VACANT` where there is none.
    index: Box<[u32]>,
    oldest: usize,
    len: usize,
    evicted_early: u64,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    digest: u128,
    seen_ns: u64,
}

const VACANT: u32 = u32::MAX;

impl Deduplicator {
    /// Remembers `capacity` events (from 1 to 2^24) of `tenant` for at most `retention`.
    #[must_use]
    pub fn new(tenant: TenantId, key: &DedupKey, capacity: u32, retention: Duration) -> Self {
        let capacity = capacity.clamp(1, 1 << 24) as usize;
        Self {
            key: key.of(&tenant),
            tenant,
            retention,
            ring: vec![Entry::default(); capacity].into_boxed_slice(),
            index: vec![VACANT; capacity.next_power_of_two() * 2].into_boxed_slice(),
            oldest: 0,
            len: 0,
            evicted_early: 0,
        }
    }

    /// Asks whether `bytes` (an event's id, or the whole of it) were seen, and remembers them.
    pub fn check(&mut self, bytes: &[u8], now: Now) -> Seen {
        self.expire(now);
        let digest = digest(&self.key, bytes);
        let at = match self.probe(digest) {
            Ok(_) => return Seen::Duplicate,
            Err(vacant) if self.len < self.ring.len() => vacant,
            Err(_) => {
                self.evicted_early = self.evicted_early.saturating_add(1);
                self.forget_oldest();
                // The eviction may have shifted entries into the place found before.
                match self.probe(digest) {
                    Ok(at) | Err(at) => at,
                }
            }
        };
        let slot = (self.oldest + self.len) % self.ring.len();
        self.ring[slot] = Entry { digest, seen_ns: now.monotonic_ns() };
        self.index[at] = slot as u32; // at most 2^24
        self.len += 1;
        Seen::Fresh
    }

    /// How many events are remembered.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How often an event was forgotten before its time because the window was full: where this
    /// grows, a redelivery may pass as fresh, and the capacity is too small for the rate.
    #[must_use]
    pub const fn evicted_early(&self) -> u64 {
        self.evicted_early
    }

    fn expire(&mut self, now: Now) {
        let kept_ns = u64::try_from(self.retention.as_nanos()).unwrap_or(u64::MAX);
        while self.len > 0 {
            let age = now.monotonic_ns().saturating_sub(self.ring[self.oldest].seen_ns);
            if age < kept_ns {
                return;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Ok(hole) = self.probe(self.ring[self.oldest].digest) {
            self.close(hole);
        }
        self.oldest = (self.oldest + 1) % self.ring.len();
        self.len -= 1;
    }

    /// The index place that holds `digest`, or else the vacant one where it belongs.
    fn probe(&self, digest: u128) -> Result<usize, usize> {
        let mut at = self.home(digest);
        // Ends: at least half of the places are vacant.
        loop {
            match self.index[at] {
                VACANT => return Err(at),
                slot if self.ring[slot as usize].digest == digest => return Ok(at),
                _ => at = (at + 1) & (self.index.len() - 1),
            }
        }
    }

    /// Empties a place and moves back whatever probed past it (Knuth, TAOCP 3, 6.4, algorithm R), so
    /// that there are no tombstones to pile up.
    fn close(&mut self, mut hole: usize) {
        let mask = self.index.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.index[at];
            if slot == VACANT {
                break;
            }
            let home = self.home(self.ring[slot as usize].digest);
            let from_home = at.wrapping_sub(home) & mask;
            let from_hole = at.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                self.index[hole] = slot;
                hole = at;
            }
        }
        self.index[hole] = VACANT;
    }

    const fn home(&self, digest: u128) -> usize {
        digest as usize & (self.index.len() - 1)
    }
}

impl Scoped for Deduplicator {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl fmt::Debug for Deduplicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplicator")
            .field("tenant", &self.tenant)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

fn digest(key: &[u8; 16], bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new_with_key(key);
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I01: not even the digests of identical bytes are the same under two tenants.
    #[test]
    fn tenants_have_keys_of_their_own() {
        let secret = DedupKey::new([5; 16]);
        let of =
            |id| Deduplicator::new(TenantId::parse(id).unwrap(), &secret, 8, Duration::MAX).key;
        assert_ne!(digest(&of("a"), b"event"), digest(&of("b"), b"event"));
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), secret.0);
    }
}
