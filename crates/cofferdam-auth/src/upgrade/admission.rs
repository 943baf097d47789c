//! How fast one tenant may open connections, so that its stampede is not everybody's (SECURITY N03).
//!
//! After a fail-over every client of a tenant comes back at once. The tenant is not known before
//! its token is verified, so the limit stands after the verification and before the `101`: what a
//! connection costs (buffers, a task, an attached consumer) comes after that, and a signature check
//! is what it takes to say whose limit it is. Anything keyed by what a stranger *says*, such as the
//! unverified issuer, would let a stranger use up a tenant's limit. What strangers cost is bounded
//! otherwise: the driver takes so many handshakes at once, and none for longer than some seconds.
//!
//! The limit is the generic cell rate algorithm (ITU-T I.371), as in `cofferdam-queue`, which this
//! crate does not depend on: one number for each tenant, the time at which its allowance is whole
//! again. A tenant whose time has passed differs in nothing from one that was never seen, and is
//! forgotten. Only verified tenants are remembered, so there are no more than registered ones.
//!
//! If everybody who was refused came back after the same wait, the stampede would only be late. So
//! a [`Wait`] has a width, the time that it takes to serve all who were refused since the last
//! pause, and each is sent to a random place in it.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, time::Duration};

use cofferdam_core::{Now, TenantId};

/// The longest that a client is told to stay away.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// As many tenants are remembered before the first look for some to forget.
const FIRST_SWEEP: usize = 64;

/// Admits connections, so many a second for each tenant.
#[derive(Clone)]
pub struct Admission {
    /// Nanoseconds that one connection takes off the allowance.
    interval: u64,
    /// The whole allowance in nanoseconds.
    burst: u64,
    tenants: BTreeMap<TenantId, Allowance>,
    sweep_at: usize,
}

#[derive(Clone, Copy, Default)]
struct Allowance {
    /// When it is whole again, in nanoseconds.
    whole_at: u64,
    /// How many were refused and, as far as one can know, wait to come back.
    waiting: u32,
}

/// How long to stay away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    at_least: Duration,
    width: Duration,
}

impl Admission {
    /// `rate_per_s` connections a second for each tenant, and `burst` at once. The interval between
    /// two is kept in whole nanoseconds.
    #[must_use]
    pub fn new(rate_per_s: NonZeroU32, burst: NonZeroU32) -> Self {
        let interval = 1_000_000_000 / u64::from(rate_per_s.get());
        Self {
            interval,
            burst: interval * u64::from(burst.get()),
            tenants: BTreeMap::new(),
            sweep_at: FIRST_SWEEP,
        }
    }

    /// Takes one connection off the tenant's allowance. Other tenants' do not matter.
    ///
    /// # Errors
    ///
    /// [`Wait`] if there is none left; nothing was taken then.
    pub fn admit(&mut self, tenant: &TenantId, now: Now) -> Result<(), Wait> {
        let now = now.monotonic_ns();
        self.forget_the_idle(now);
        let own = self.tenants.entry(tenant.clone()).or_default();
        if own.whole_at <= now {
            *own = Allowance { whole_at: now, waiting: 0 };
        }
        let whole_at = own.whole_at.saturating_add(self.interval);
        let early = whole_at.saturating_sub(now.saturating_add(self.burst));
        if early == 0 {
            own.whole_at = whole_at;
            own.waiting = own.waiting.saturating_sub(1);
            return Ok(());
        }
        own.waiting = own.waiting.saturating_add(1);
        let width = self.interval.saturating_mul(u64::from(own.waiting));
        Err(Wait { at_least: Duration::from_nanos(early), width: Duration::from_nanos(width) })
    }

    /// Costs nothing on average: the next look comes when there are twice as many as now.
    fn forget_the_idle(&mut self, now: u64) {
        if self.tenants.len() >= self.sweep_at {
            self.tenants.retain(|_, own| own.whole_at > now);
            self.sweep_at = FIRST_SWEEP.max(2 * self.tenants.len());
        }
    }
}

impl Wait {
    /// A wait for one client, by a random number of the whole range; at most a minute.
    #[must_use]
    pub fn spread(&self, random: u64) -> Duration {
        let width = u128::from(u64::try_from(self.width.as_nanos()).unwrap_or(u64::MAX));
        // Below `width`, so it fits.
        let part = ((width * u128::from(random)) >> 64) as u64;
        self.at_least.saturating_add(Duration::from_nanos(part)).min(LONGEST_WAIT)
    }
}

/// Shows how many tenants it remembers, not whose they are.
impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("tenants", &self.tenants.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn admission(rate: u32, burst: u32) -> Admission {
        Admission::new(NonZeroU32::new(rate).unwrap(), NonZeroU32::new(burst).unwrap())
    }

    fn at(ms: u64) -> Now {
        Now::from_millis(ms, 0)
    }

    fn tenant(id: impl fmt::Display) -> TenantId {
        TenantId::parse(&format!("t{id}")).unwrap()
    }

    /// N03: ten thousand clients of one tenant come back at once; another tenant's one gets in.
    #[test]
    fn a_stampede_of_one_tenant_holds_up_no_other() {
        let mut admission = admission(100, 50);
        let (storm, quiet) = (tenant("storm"), tenant("quiet"));
        let admitted = (0..10_000).filter(|_| admission.admit(&storm, at(5)).is_ok()).count();
        assert_eq!(admitted, 50);
        assert_eq!(admission.admit(&quiet, at(5)), Ok(()));
    }

    #[test]
    fn the_rate_holds_after_the_burst() {
        let mut admission = admission(100, 50);
        let tenant = tenant("a");
        let in_ms = |from: u64, to: u64, admission: &mut Admission| {
            (from..to).filter(|&ms| admission.admit(&tenant, at(ms)).is_ok()).count()
        };
        // The burst, and what a second brings.
        assert_eq!(in_ms(0, 1_000, &mut admission), 50 + 99);
        assert_eq!(in_ms(1_000, 11_000, &mut admission), 1_000);
        // A clock that stands still, or goes back, brings nothing.
        assert!(admission.admit(&tenant, at(5_000)).is_err());
    }

    /// N03: the places that clients are sent to lie as far apart as they can be served.
    #[test]
    fn those_who_were_refused_do_not_come_back_at_once() {
        let mut admission = admission(100, 1);
        let tenant = tenant("a");
        assert!(admission.admit(&tenant, at(0)).is_ok());
        let mut waits = Vec::new();
        for client in 0..1_000_u64 {
            let wait = admission.admit(&tenant, at(0)).unwrap_err();
            // Evenly spread, as random numbers are.
            let random = client.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let one = wait.spread(random);
            assert!(one >= Duration::from_millis(10) && one <= wait.spread(u64::MAX));
            waits.push(one);
        }
        // A thousand at a hundred a second take ten seconds.
        let late = waits.iter().filter(|wait| **wait > Duration::from_secs(2)).count();
        assert!(late > 400, "{late}");
        assert!(waits.iter().all(|wait| *wait < Duration::from_secs(11)));
    }

    #[test]
    fn nobody_is_sent_away_for_longer_than_a_minute() {
        let wait = Wait { at_least: Duration::from_secs(50), width: Duration::from_secs(1_000) };
        assert_eq!(wait.spread(u64::MAX), Duration::from_secs(60));
        assert_eq!(wait.spread(0), Duration::from_secs(50));
    }

    #[test]
    fn tenants_that_went_quiet_are_forgotten() {
        let mut admission = admission(1_000, 10);
        for id in 0..10_000_u64 {
            assert!(admission.admit(&tenant(id), at(id)).is_ok());
        }
        assert!(admission.tenants.len() <= FIRST_SWEEP, "{}", admission.tenants.len());
    }

    /// N03: whoever has something to wait for is not forgotten, and looking for those who have not
    /// costs nothing on average.
    #[test]
    fn tenants_that_wait_are_remembered() {
        let mut admission = admission(1, 1);
        for id in 0..3 * FIRST_SWEEP {
            assert!(admission.admit(&tenant(id), at(0)).is_ok());
        }
        // Swept at 64 and at 128, and each time nobody went.
        assert_eq!((admission.tenants.len(), admission.sweep_at), (192, 256));
        let shown = format!("{admission:?}");
        assert!(shown.contains("192") && !shown.contains("t7"), "{shown}");
        assert!((0..192).all(|id| admission.admit(&tenant(id), at(999)).is_err()));
        // At 256, when all the others' allowance is whole again to the millisecond.
        for id in 192..256 {
            assert!(admission.admit(&tenant(id), at(999)).is_ok());
        }
        assert!(admission.admit(&tenant(1_000), at(1_000)).is_ok());
        assert_eq!((admission.tenants.len(), admission.sweep_at), (65, 128));
    }

    proptest! {
        /// N03: what a tenant is told is what it would be told if it were alone (noninterference).
        #[test]
        fn a_tenant_sees_the_same_alone(
            script in prop::collection::vec((0..4_u8, 0..30_u64), 0..400),
        ) {
            let mut shared = admission(100, 5);
            let mut alone = [(); 4].map(|()| admission(100, 5));
            let mut ms = 0;
            for (who, pause) in script {
                ms += pause;
                let tenant = tenant(who);
                let seen = shared.admit(&tenant, at(ms));
                prop_assert_eq!(seen, alone[usize::from(who)].admit(&tenant, at(ms)));
            }
        }
    }
}
