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

/// Why a proof is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It was used before, or is so old that this is not known any more.
    Used,
    /// The tenant uses more than can be remembered.
    Full,
}

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
    /// The greatest time of issue, in milliseconds, of all that was forgotten with its tenant.
    floor: i64,
}

#[derive(Default)]
struct Memory {
    /// Which span of the clock the newer half is of.
    period: u64,
    newer: Half,
    older: Half,
    /// As above, of what was forgotten of this tenant.
    floor: i64,
}

struct Half {
    ids: BTreeSet<ProofId>,
    /// The greatest time of issue of these.
    issued_at_ms: i64,
}

impl Seen {
    pub(super) const fn new(span: Duration, room: usize) -> Self {
        // At most some twenty minutes, and more than none.
        let span = span.as_nanos() as u64;
        let tenants = Tenants { memories: BTreeMap::new(), sweep_at: FIRST_SWEEP, floor: i64::MIN };
        Self { span, room, tenants: Mutex::new(tenants) }
    }

    /// Notes that a proof is used now, for the first time.
    pub(super) fn take(
        &self,
        tenant: &TenantId,
        id: ProofId,
        issued_at_ms: i64,
        now: Now,
    ) -> Result<(), Refused> {
        let period = now.monotonic_ns() / self.span;
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = tenants.forget_the_idle(period);
        let floor = tenants.floor;
        let memory = tenants
            .memories
            .entry(tenant.clone())
            .or_insert_with(|| Memory { floor, ..Memory::default() });
        let old = memory.turn(period);
        let taken = memory.take(id, issued_at_ms, self.room);
        // Freeing tens of thousands takes its time, which is not everybody's.
        drop(tenants);
        drop((idle, old));
        taken
    }
}

impl Memory {
    /// A reading of the clock that is older than the last (another thread's) changes nothing.
    fn turn(&mut self, period: u64) -> [Half; 2] {
        if period <= self.period {
            return [Half::default(), Half::default()];
        }
        let is_next = period == self.period + 1;
        self.period = period;
        let newer = mem::take(&mut self.newer);
        let forgotten = if is_next {
            [mem::replace(&mut self.older, newer), Half::default()]
        } else {
            [mem::take(&mut self.older), newer]
        };
        self.floor = forgotten.iter().map(|half| half.issued_at_ms).fold(self.floor, i64::max);
        forgotten
    }

    fn take(&mut self, id: ProofId, issued_at_ms: i64, room: usize) -> Result<(), Refused> {
        let is_known = self.older.ids.contains(&id) || self.newer.ids.contains(&id);
        if is_known || issued_at_ms <= self.floor {
            return Err(Refused::Used);
        }
        if self.newer.ids.len() >= room {
            return Err(Refused::Full);
        }
        self.newer.ids.insert(id);
        self.newer.issued_at_ms = self.newer.issued_at_ms.max(issued_at_ms);
        Ok(())
    }

    fn latest(&self) -> i64 {
        self.floor.max(self.older.issued_at_ms).max(self.newer.issued_at_ms)
    }
}

impl Default for Half {
    fn default() -> Self {
        Self { ids: BTreeSet::new(), issued_at_ms: i64::MIN }
    }
}

impl Tenants {
    /// Costs nothing on average: the next look comes when there are twice as many as now.
    fn forget_the_idle(&mut self, period: u64) -> Vec<Memory> {
        if self.memories.len() < self.sweep_at {
            return Vec::new();
        }
        let is_idle = |memory: &Memory| memory.period + 1 < period;
        let idle = self.memories.iter().filter(|(_, memory)| is_idle(memory));
        let idle: Vec<TenantId> = idle.map(|(tenant, _)| tenant.clone()).collect();
        let idle: Vec<Memory> = idle.iter().filter_map(|id| self.memories.remove(id)).collect();
        self.floor = idle.iter().map(Memory::latest).fold(self.floor, i64::max);
        self.sweep_at = FIRST_SWEEP.max(2 * self.memories.len());
        idle
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// A proof of this number, issued at one time and used at another, in seconds.
    fn issued(seen: &Seen, of: &str, number: u128, issue: u64, now: u64) -> Result<(), Refused> {
        let issued_at_ms = i64::try_from(issue).unwrap() * 1_000;
        seen.take(&tenant(of), id(number), issued_at_ms, at(now))
    }

    /// Issued when it is used.
    fn used(seen: &Seen, of: &str, number: u128, now: u64) -> Result<(), Refused> {
        issued(seen, of, number, now, now)
    }

    /// A14: for a span after its first use, wherever in a span that was, it is remembered; and when it
    /// is not, its time of issue is.
    #[test]
    fn a_proof_is_never_taken_twice() {
        for first in [0, 1, SPAN_S - 1, SPAN_S, 5 * SPAN_S + 7] {
            for later in 0..4 * SPAN_S {
                let seen = seen(10);
                assert_eq!(used(&seen, "acme", 1, first), Ok(()));
                let again = issued(&seen, "acme", 1, first, first + later);
                assert_eq!(again, Err(Refused::Used), "{first} {later}");
            }
        }
    }

    /// A14: what was issued before the last that was forgotten is not known to be unused.
    #[test]
    fn what_is_forgotten_leaves_its_time_behind() {
        let seen = seen(10);
        assert_eq!(used(&seen, "acme", 1, 100), Ok(()));
        assert_eq!(issued(&seen, "acme", 2, 160, 100), Ok(()));
        let now = 100 + 3 * SPAN_S;
        assert_eq!(issued(&seen, "acme", 3, 160, now), Err(Refused::Used));
        assert_eq!(issued(&seen, "acme", 3, 161, now), Ok(()));
        // Another tenant's memory is its own.
        assert_eq!(issued(&seen, "globex", 3, 160, now), Ok(()));
    }

    /// Two proofs may come in another order than they were made, also over the end of a span.
    #[test]
    fn a_proof_that_was_made_before_one_that_was_used_is_taken() {
        let seen = seen(10);
        assert_eq!(used(&seen, "acme", 1, SPAN_S - 1), Ok(()));
        assert_eq!(issued(&seen, "acme", 2, SPAN_S - 9, SPAN_S), Ok(()));
        assert_eq!(issued(&seen, "acme", 3, SPAN_S - 9, 2 * SPAN_S - 1), Ok(()));
    }

    /// S08: also when the clock is set back, or another clock is read.
    #[test]
    fn a_clock_that_goes_back_makes_no_proof_good_again() {
        let seen = seen(10);
        assert_eq!(used(&seen, "acme", 1, 3 * SPAN_S), Ok(()));
        assert_eq!(used(&seen, "acme", 2, SPAN_S), Ok(()));
        for (number, issue, now) in
            [(1, 3 * SPAN_S, SPAN_S), (1, 3 * SPAN_S, 3 * SPAN_S), (2, SPAN_S, 3 * SPAN_S + 1)]
        {
            assert_eq!(issued(&seen, "acme", number, issue, now), Err(Refused::Used));
        }
        // Far ahead, and back: both are forgotten, and not taken.
        assert_eq!(used(&seen, "acme", 3, 9 * SPAN_S), Ok(()));
        assert_eq!(issued(&seen, "acme", 1, 3 * SPAN_S, 3 * SPAN_S), Err(Refused::Used));
    }

    /// A14: the tenant whose memory is full is refused, and nobody else.
    #[test]
    fn a_full_memory_refuses_its_own_tenant_alone() {
        let seen = seen(3);
        for number in 0..3 {
            assert_eq!(used(&seen, "acme", number, 1), Ok(()));
        }
        assert_eq!(used(&seen, "acme", 3, 1), Err(Refused::Full));
        // The same id of another tenant is another proof.
        assert_eq!(used(&seen, "globex", 0, 1), Ok(()));
        // What stands in the older half takes no room, and is still known.
        assert_eq!(issued(&seen, "acme", 0, 1, SPAN_S), Err(Refused::Used));
        assert_eq!(used(&seen, "acme", 3, SPAN_S), Ok(()));
    }

    #[test]
    fn tenants_that_went_quiet_are_forgotten() {
        let seen = seen(3);
        for number in 0..1_000 {
            assert_eq!(used(&seen, &format!("t{number}"), 0, number * SPAN_S), Ok(()));
        }
        assert!(seen.tenants.lock().unwrap().memories.len() <= FIRST_SWEEP);
        // Those that could still be used are not, and those that were cannot be used again.
        assert_eq!(issued(&seen, "t999", 0, 999 * SPAN_S, 1_000 * SPAN_S), Err(Refused::Used));
        for number in [0, 1, 500] {
            let again = issued(&seen, &format!("t{number}"), 0, number * SPAN_S, 1_000 * SPAN_S);
            assert_eq!(again, Err(Refused::Used), "{number}");
        }
    }

    /// Looking for whom to forget costs nothing on average, and forgets nobody too early.
    #[test]
    fn tenants_whose_proofs_could_be_used_are_remembered() {
        let seen = seen(3);
        let named = |number: usize| format!("t{number}");
        let all = || 0..3 * FIRST_SWEEP;
        for number in all() {
            assert_eq!(used(&seen, &named(number), 0, 3 * SPAN_S), Ok(()));
        }
        // Swept at 64 and at 128, and each time nobody went.
        let counts = || {
            let tenants = seen.tenants.lock().unwrap();
            (tenants.memories.len(), tenants.sweep_at)
        };
        assert_eq!(counts(), (192, 256));
        for number in 192..257 {
            assert_eq!(used(&seen, &named(number), 0, 4 * SPAN_S), Ok(()));
        }
        // Swept at 256, one span later: the first could be used again by then.
        assert_eq!(counts(), (257, 512));
        for number in all() {
            let again = issued(&seen, &named(number), 0, 3 * SPAN_S, 4 * SPAN_S);
            assert_eq!(again, Err(Refused::Used), "{number}");
        }
        for number in 257..513 {
            assert_eq!(used(&seen, &named(number), 0, 6 * SPAN_S), Ok(()));
        }
        assert!(counts().0 <= 257, "{:?}", counts());
    }

    proptest! {
        /// A14: what a tenant is told is what it would be told if it were alone, also when others fill
        /// their memories, and when so many come and go that some are forgotten (noninterference).
        #[test]
        fn a_tenant_sees_the_same_alone(
            script in prop::collection::vec((0..150_u8, 0..3_u128, 0..=118_u64, 0..40_u64), 0..600),
        ) {
            let shared = seen(2);
            let alone: Vec<Seen> = (0..150).map(|_| seen(2)).collect();
            let mut now = 59;
            for (who, number, ahead, pause) in script {
                now += pause;
                // Anywhere within a window of 59 s, of which the span is a little over two.
                let issue = now - 59 + ahead;
                let name = format!("t{who}");
                let told = issued(&shared, &name, number, issue, now);
                prop_assert_eq!(told, issued(&alone[usize::from(who)], &name, number, issue, now));
            }
        }
    }
}
