//! Which proofs were used, for as long as they could be used again. See the parent module.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use cofferdam_core::{Now, TenantId};

/// A proof, by its holder's key and its id.
pub(super) type ProofId = [u8; 16];

/// The proof was used before, or that cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used;

/// As many tenants are remembered before the first look for some to forget.
const FIRST_SWEEP: usize = 64;

pub(super) struct Seen {
    /// How long one half lasts, in nanoseconds.
    span: u64,
    /// How many ids one half of one tenant's holds.
    room: usize,
    tenants: Mutex<Tenants>,
}

struct Tenants {
    memories: BTreeMap<TenantId, Memory>,
    sweep_at: usize,
}

#[derive(Default)]
struct Memory {
    /// Which span of the clock the newer half is of.
    period: u64,
    newer: BTreeSet<ProofId>,
    older: BTreeSet<ProofId>,
}

impl Seen {
    pub(super) const fn new(span: Duration, room: usize) -> Self {
        // At most twenty minutes, and more than none.
        let span = span.as_nanos() as u64;
        let tenants = Tenants { memories: BTreeMap::new(), sweep_at: FIRST_SWEEP };
        Self { span, room, tenants: Mutex::new(tenants) }
    }

    /// Notes that a proof is used now, for the first time.
    pub(super) fn take(&self, tenant: &TenantId, id: ProofId, now: Now) -> Result<(), Used> {
        let period = now.monotonic_ns() / self.span;
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.forget_the_idle(period);
        let memory = tenants.memories.entry(tenant.clone()).or_default();
        memory.turn(period);
        if memory.older.contains(&id) || memory.newer.len() >= self.room {
            return Err(Used);
        }
        if memory.newer.insert(id) { Ok(()) } else { Err(Used) }
    }
}

impl Memory {
    /// A reading of the clock that is older than the last (another thread's) changes nothing.
    fn turn(&mut self, period: u64) {
        if period > self.period {
            let last = mem::take(&mut self.newer);
            let is_next = period == self.period + 1;
            self.older = if is_next { last } else { BTreeSet::new() };
            self.period = period;
        }
    }
}

impl Tenants {
    /// Costs nothing on average: the next look comes when there are twice as many as now.
    fn forget_the_idle(&mut self, period: u64) {
        if self.memories.len() >= self.sweep_at {
            self.memories.retain(|_, memory| memory.period + 1 >= period);
            self.sweep_at = FIRST_SWEEP.max(2 * self.memories.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN_S: u64 = 120;

    fn seen(room: usize) -> Seen {
        Seen::new(Duration::from_secs(SPAN_S), room)
    }

    fn at(seconds: u64) -> Now {
        Now::from_millis(seconds * 1_000, 0)
    }

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn id(number: u128) -> ProofId {
        number.to_be_bytes()
    }

    /// A14: for two windows after its first use, wherever in a span that was, and then no longer.
    #[test]
    fn a_proof_is_remembered_for_as_long_as_it_could_be_used() {
        for first in [0, 1, SPAN_S - 1, SPAN_S, 5 * SPAN_S + 7] {
            for later in 0..=SPAN_S {
                let seen = seen(10);
                assert_eq!(seen.take(&tenant("acme"), id(1), at(first)), Ok(()));
                assert_eq!(seen.take(&tenant("acme"), id(1), at(first + later)), Err(Used));
            }
            let seen = seen(10);
            assert_eq!(seen.take(&tenant("acme"), id(1), at(first)), Ok(()));
            assert_eq!(seen.take(&tenant("acme"), id(1), at(first + 2 * SPAN_S)), Ok(()));
        }
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let seen = seen(10);
        let acme = tenant("acme");
        assert_eq!(seen.take(&acme, id(1), at(3 * SPAN_S)), Ok(()));
        assert_eq!(seen.take(&acme, id(2), at(SPAN_S)), Ok(()));
        for (number, seconds) in [(1, SPAN_S), (1, 3 * SPAN_S), (2, 3 * SPAN_S + 1)] {
            assert_eq!(seen.take(&acme, id(number), at(seconds)), Err(Used));
        }
    }

    /// A14: the tenant whose memory is full is refused, and nobody else.
    #[test]
    fn a_full_memory_refuses_its_own_tenant_alone() {
        let seen = seen(3);
        for number in 0..3 {
            assert_eq!(seen.take(&tenant("acme"), id(number), at(0)), Ok(()));
        }
        assert_eq!(seen.take(&tenant("acme"), id(3), at(0)), Err(Used));
        // The same id of another tenant is another proof.
        assert_eq!(seen.take(&tenant("globex"), id(0), at(0)), Ok(()));
        // What stands in the older half takes no room, and is still known.
        assert_eq!(seen.take(&tenant("acme"), id(0), at(SPAN_S)), Err(Used));
        assert_eq!(seen.take(&tenant("acme"), id(3), at(SPAN_S)), Ok(()));
    }

    #[test]
    fn tenants_that_went_quiet_are_forgotten() {
        let seen = seen(3);
        for number in 0..1_000 {
            let quiet = tenant(&format!("t{number}"));
            assert_eq!(seen.take(&quiet, id(0), at(number * SPAN_S)), Ok(()));
        }
        assert!(seen.tenants.lock().unwrap().memories.len() <= FIRST_SWEEP);
        // Those that could still be used are not.
        assert_eq!(seen.take(&tenant("t999"), id(0), at(1_000 * SPAN_S)), Err(Used));
    }

    /// Looking for whom to forget costs nothing on average, and forgets nobody too early.
    #[test]
    fn tenants_whose_proofs_could_be_used_are_remembered() {
        let seen = seen(3);
        let all = || 0..3 * FIRST_SWEEP;
        for number in all() {
            assert_eq!(seen.take(&tenant(&format!("t{number}")), id(0), at(3 * SPAN_S)), Ok(()));
        }
        // Swept at 64 and at 128, and each time nobody went.
        let counts = || {
            let tenants = seen.tenants.lock().unwrap();
            (tenants.memories.len(), tenants.sweep_at)
        };
        assert_eq!(counts(), (192, 256));
        for number in 192..256 {
            assert_eq!(seen.take(&tenant(&format!("t{number}")), id(0), at(4 * SPAN_S)), Ok(()));
        }
        // Swept at 256, one span later and then two: the first could be used again by then.
        assert_eq!(seen.take(&tenant("later"), id(0), at(4 * SPAN_S)), Ok(()));
        assert_eq!(counts(), (257, 512));
        for number in all() {
            let again = seen.take(&tenant(&format!("t{number}")), id(0), at(4 * SPAN_S));
            assert_eq!(again, Err(Used), "{number}");
        }
        for number in 256..512 {
            assert_eq!(seen.take(&tenant(&format!("t{number}")), id(0), at(6 * SPAN_S)), Ok(()));
        }
        assert!(counts().0 <= 256, "{:?}", counts());
    }
}
