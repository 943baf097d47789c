//! A token bucket in one number, under any clock.
//!
//! The generic cell rate algorithm (ITU-T I.371): instead of a level that somebody must refill, it
//! keeps the time at which the bucket would be full again. A request of `n` tokens moves that time
//! by `n` intervals and passes if it then lies no more than a whole burst ahead. Nothing ticks, a
//! bucket that was idle for a year needs no catching up, and how long a refused request would have
//! to wait is a subtraction.
//!
//! Time is counted in `1 / rate` nanoseconds, so that one token is exactly 10^9 units and no rate
//! rounds: 3 tokens a second are 3 tokens a second after a year.

use std::{num::NonZeroU32, time::Duration};

use cofferdam_core::Now;

/// Units that one token is worth.
const TOKEN: u128 = 1_000_000_000;

/// A rate limit: so many tokens a second, and so many at once.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: u128,
    burst: u128,
    /// When the bucket is full again, in units.
    full_at: u128,
    /// The latest time that was told, in units.
    now: u128,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate_per_s: NonZeroU32, burst: NonZeroU32) -> Self {
        let (rate, burst) = (u128::from(rate_per_s.get()), u128::from(burst.get()) * TOKEN);
        Self { rate, burst, full_at: 0, now: 0 }
    }

    /// Takes `n` tokens.
    ///
    /// # Errors
    ///
    /// How long until they could be taken, if nobody else took any; [`Duration::MAX`] if `n` is
    /// more than the bucket holds. Nothing was taken then.
    pub fn try_take(&mut self, n: u32, now: Now) -> Result<(), Duration> {
        self.full_at = self.offer(n, now)?;
        Ok(())
    }

    /// When the bucket would be full again after this request.
    fn offer(&mut self, n: u32, now: Now) -> Result<u128, Duration> {
        let cost = u128::from(n) * TOKEN;
        if cost > self.burst {
            return Err(Duration::MAX);
        }
        self.now = self.now.max(u128::from(now.monotonic_ns()) * self.rate);
        let full_at = self.full_at.max(self.now) + cost;
        match full_at.saturating_sub(self.now + self.burst) {
            0 => Ok(full_at),
            early => {
                let ns = early.div_ceil(self.rate);
                Err(Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)))
            }
        }
    }
}

/// Takes `n` tokens from a tenant's bucket and from the one that all tenants share, or from neither:
/// a tenant over its own limit does not eat into everybody's.
///
/// # Errors
///
/// How long until both would give, as [`TokenBucket::try_take`] says it.
pub fn take_both(
    tenant: &mut TokenBucket,
    global: &mut TokenBucket,
    n: u32,
    now: Now,
) -> Result<(), Duration> {
    match (tenant.offer(n, now), global.offer(n, now)) {
        (Ok(own), Ok(shared)) => {
            (tenant.full_at, global.full_at) = (own, shared);
            Ok(())
        }
        (Err(own), Err(shared)) => Err(own.max(shared)),
        (Err(wait), Ok(_)) | (Ok(_), Err(wait)) => Err(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(rate_per_s: u32, burst: u32) -> TokenBucket {
        TokenBucket::new(rate_per_s.try_into().unwrap(), burst.try_into().unwrap())
    }

    fn at(ns: u64) -> Now {
        Now::new(Duration::from_nanos(ns), 0)
    }

    #[test]
    fn gives_a_burst_and_then_the_rate() {
        let mut bucket = bucket(10, 3);
        for _ in 0..3 {
            assert_eq!(bucket.try_take(1, at(0)), Ok(()));
        }
        assert_eq!(bucket.try_take(1, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(bucket.try_take(1, at(99_999_999)), Err(Duration::from_nanos(1)));
        assert_eq!(bucket.try_take(1, at(100_000_000)), Ok(()));
        assert_eq!(bucket.try_take(1, at(100_000_000)), Err(Duration::from_millis(100)));
    }

    #[test]
    fn the_wait_that_it_names_is_exact_even_where_the_rate_does_not_divide_a_second() {
        for rate in [1, 3, 7, 999, 1_000_003, u32::MAX] {
            let mut bucket = bucket(rate, 5);
            bucket.try_take(5, at(17)).unwrap();
            let wait = u64::try_from(bucket.try_take(2, at(17)).unwrap_err().as_nanos()).unwrap();
            assert!(bucket.clone().try_take(2, at(17 + wait - 1)).is_err(), "rate {rate}");
            assert!(bucket.try_take(2, at(17 + wait)).is_ok(), "rate {rate}");
        }
    }

    /// Waits are rounded up to a nanosecond; what is rounded must not add up.
    #[test]
    fn a_rate_does_not_drift() {
        let mut bucket = bucket(3, 2);
        bucket.try_take(2, at(0)).unwrap();
        let mut now = 0;
        for _ in 0..3_000 {
            let wait = bucket.try_take(1, at(now)).unwrap_err();
            now += u64::try_from(wait.as_nanos()).unwrap();
            bucket.try_take(1, at(now)).unwrap();
        }
        assert_eq!(now, 1_000_000_000_000, "3,000 tokens take 1,000 s to the nanosecond");
    }

    #[test]
    fn more_than_a_burst_never_passes_and_takes_nothing() {
        let mut bucket = bucket(1, 2);
        assert_eq!(bucket.try_take(3, at(0)), Err(Duration::MAX));
        assert_eq!(bucket.try_take(2, at(0)), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_gives_and_takes_nothing() {
        let mut bucket = bucket(1, 1);
        bucket.try_take(1, at(5_000_000_000)).unwrap();
        assert_eq!(bucket.try_take(1, at(0)), Err(Duration::from_secs(1)));
        assert_eq!(bucket.try_take(1, at(6_000_000_000)), Ok(()));
    }

    #[test]
    fn the_end_of_time_does_not_panic() {
        let mut bucket = bucket(u32::MAX, u32::MAX);
        assert_eq!(bucket.try_take(u32::MAX, at(u64::MAX)), Ok(()));
        assert!(bucket.try_take(u32::MAX, at(u64::MAX)).is_err());
    }

    /// N02: a flood of one tenant is refused by its own bucket and leaves the shared one as it was.
    #[test]
    fn a_tenant_over_its_own_limit_does_not_eat_into_everybodys() {
        let (mut greedy, mut modest) = (bucket(1, 2), bucket(1, 2));
        let mut global = bucket(1, 4);
        let mut passed = 0;
        for _ in 0..1_000 {
            passed += u32::from(take_both(&mut greedy, &mut global, 1, at(0)).is_ok());
        }
        assert_eq!(passed, 2);
        assert_eq!(take_both(&mut modest, &mut global, 2, at(0)), Ok(()));
    }

    #[test]
    fn a_refusal_by_the_shared_bucket_is_not_charged_to_the_tenant() {
        let (mut tenant, mut global) = (bucket(1, 2), bucket(2, 1));
        take_both(&mut tenant, &mut global, 1, at(0)).unwrap();
        let wait = take_both(&mut tenant, &mut global, 1, at(0)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(tenant.try_take(1, at(0)), Ok(()));
    }
}
