//! When the next request may be made: full-jitter backoff, `Retry-After`, and the circuit breaker.
//!
//! After the n-th failure in a row the next request waits for a time drawn evenly from zero to
//! `min(30 s, 1 s * 2^(n-1))` ("full jitter", M. Brooker, AWS Architecture Blog, 2015): the clients
//! of a server that comes back are spread over the whole interval, where a fixed step keeps them
//! marching together. After [`THRESHOLD`] failures, or one that asking again will not mend, the
//! breaker opens for 15 to 30 s, in which callers are refused at once instead of waiting; then one
//! request is the probe that closes or opens it again. `Retry-After` lengthens a wait, by at most
//! [`LONGEST_RETRY_AFTER`] so that no answer can switch a tenant off, and gets jitter on top, since
//! the server told everybody the same.

use std::time::Duration;

use cofferdam_core::Now;

/// Failures in a row that open the breaker.
pub(super) const THRESHOLD: u32 = 5;
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The pace of one tenant's requests.
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
    open: bool,
    /// No request before this.
    until: Option<Now>,
}

impl Pace {
    /// Whether a request may be made.
    pub(super) fn may_send(&self, now: Now) -> bool {
        self.until.is_none_or(|until| now.reached(until))
    }

    /// The time before which no request is made, if there is one.
    pub(super) const fn until(&self) -> Option<Now> {
        self.until
    }

    /// Whether the breaker is open or half-open: nobody waits for the next request.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// A request failed; `draw` is evenly random. Whether the breaker opened with it.
    pub(super) fn failed(
        &mut self,
        now: Now,
        draw: u64,
        retry_after: Option<Duration>,
        is_lasting: bool,
    ) -> bool {
        self.failures = self.failures.saturating_add(1);
        let was_open = self.open;
        self.open = was_open || is_lasting || self.failures >= THRESHOLD;
        let own = if self.open {
            LONGEST / 2 + share(LONGEST / 2, draw)
        } else {
            share(ceiling(self.failures), draw)
        };
        let asked = retry_after
            .map_or(Duration::ZERO, |asked| asked.min(LONGEST_RETRY_AFTER) + share(FIRST, draw));
        self.until = Some(now.after(own.max(asked)));
        self.open && !was_open
    }

    /// A request succeeded. Whether the breaker closed with it. `is_sound` is false while the tokens
    /// that come are refused where they are used: then failures go on counting.
    pub(super) fn succeeded(&mut self, is_sound: bool) -> bool {
        let was_open = self.open;
        self.until = None;
        self.open = false;
        if is_sound {
            self.failures = 0;
        }
        was_open
    }
}

/// The most that the n-th failure in a row makes wait.
fn ceiling(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(doubled).min(LONGEST)
}

/// An even share of `whole`, more than zero.
pub(super) fn share(whole: Duration, draw: u64) -> Duration {
    let nanos = whole.as_nanos().saturating_mul(u128::from(draw) + 1) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wait(pace: &Pace, now: Now) -> Duration {
        pace.until().unwrap().since(now)
    }

    proptest! {
        #[test]
        fn jitter_is_within_its_ceiling(draws in prop::collection::vec(any::<u64>(), 1..40)) {
            let mut pace = Pace::default();
            let mut now = Now::default();
            for (n, draw) in (1..).zip(draws) {
                let opened = pace.failed(now, draw, None, false);
                prop_assert_eq!(opened, n == THRESHOLD);
                let wait = wait(&pace, now);
                if n < THRESHOLD {
                    prop_assert!(wait > Duration::ZERO && wait <= FIRST * (1 << (n - 1)));
                } else {
                    prop_assert!(wait >= LONGEST / 2 && wait <= LONGEST);
                }
                prop_assert!(!pace.may_send(now));
                now = now.after(wait);
                prop_assert!(pace.may_send(now));
            }
        }

        #[test]
        fn retry_after_is_honoured_within_its_bound(asked in 0_u64..1_000_000, draw: u64) {
            let asked = Duration::from_secs(asked);
            let mut pace = Pace::default();
            pace.failed(Now::default(), draw, Some(asked), false);
            let wait = wait(&pace, Now::default());
            prop_assert!(wait >= asked.min(LONGEST_RETRY_AFTER));
            prop_assert!(wait <= asked.min(LONGEST_RETRY_AFTER) + FIRST);
        }

        #[test]
        fn a_share_is_part_of_the_whole(whole in 1_u64..100_000_000_000, draw: u64) {
            let whole = Duration::from_nanos(whole);
            let part = share(whole, draw);
            prop_assert!(part > Duration::ZERO && part <= whole);
        }
    }

    #[test]
    fn jitter_fills_its_interval() {
        let whole = Duration::from_secs(8);
        assert_eq!(share(whole, u64::MAX), whole);
        assert_eq!(share(whole, u64::MAX / 2), whole / 2);
        assert_eq!(share(whole, 0), Duration::from_nanos(1));
        assert_eq!(ceiling(1), FIRST);
        assert_eq!(ceiling(5), Duration::from_secs(16));
        assert_eq!(ceiling(6), LONGEST);
        assert_eq!(ceiling(u32::MAX), LONGEST);
    }

    #[test]
    fn a_success_closes_the_breaker_and_a_lasting_failure_opens_it_at_once() {
        let mut pace = Pace::default();
        assert!(pace.failed(Now::default(), 0, None, true));
        assert!(!pace.failed(Now::default(), 0, None, false) && pace.is_open());
        assert!(pace.succeeded(true) && !pace.is_open() && pace.failures == 0);
        assert!(!pace.succeeded(true) && pace.may_send(Now::default()));
    }
}
