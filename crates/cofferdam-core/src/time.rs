//! Time as an argument: one reading of both clocks, taken once at the edge.

use core::time::Duration;

/// One reading of the monotonic and of the wall clock.
///
/// Whatever measures a span (timeouts, rates, leases) uses the monotonic part, which a clock jump
/// cannot touch; whatever compares with a date that somebody else wrote (`exp`, an event's time)
/// uses the wall part. Both are nanosecond or millisecond counts, not `std` instants, so that a
/// simulation can start at zero and a `no_std` crate can hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    monotonic_ns: u64,
    wall_ms: i64,
}

impl Now {
    /// A reading: time since any fixed start, and milliseconds since the Unix epoch.
    #[must_use]
    pub fn new(monotonic: Duration, wall_ms: i64) -> Self {
        let monotonic_ns = u64::try_from(monotonic.as_nanos()).unwrap_or(u64::MAX);
        Self { monotonic_ns, wall_ms }
    }

    /// A reading from two millisecond counts; for tests and simulations.
    #[must_use]
    pub const fn from_millis(monotonic_ms: u64, wall_ms: i64) -> Self {
        Self { monotonic_ns: monotonic_ms.saturating_mul(1_000_000), wall_ms }
    }

    /// Nanoseconds on the monotonic clock.
    #[must_use]
    pub const fn monotonic_ns(self) -> u64 {
        self.monotonic_ns
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn wall_ms(self) -> i64 {
        self.wall_ms
    }

    /// This reading moved `by` later on both clocks.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        let ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self {
            monotonic_ns: self.monotonic_ns.saturating_add(ns),
            wall_ms: self.wall_ms.saturating_add(ms),
        }
    }

    /// The monotonic time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.monotonic_ns.saturating_sub(earlier.monotonic_ns))
    }

    /// Whether `self` is at or past `deadline` on the monotonic clock.
    #[must_use]
    pub const fn reached(self, deadline: Self) -> bool {
        self.monotonic_ns >= deadline.monotonic_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_jumps_back_does_not_move_a_deadline() {
        let deadline = Now::from_millis(1_000, 5_000).after(Duration::from_secs(1));
        assert!(!Now::from_millis(1_999, 900_000).reached(deadline));
        assert!(Now::from_millis(2_000, -900_000).reached(deadline));
    }

    #[test]
    fn spans_never_go_below_zero() {
        let early = Now::from_millis(1, 0);
        assert_eq!(early.since(Now::from_millis(2, 0)), Duration::ZERO);
    }
}
