//! Virtual time: a clock that stands still until it is told to move.

use std::time::Duration;

use cofferdam_core::Now;

/// A clock for tests and simulations.
///
/// ```
/// use std::time::Duration;
/// let mut clock = cofferdam_sim::Clock::new();
/// let start = clock.now();
/// assert_eq!(clock.advance(Duration::from_secs(1)).since(start), Duration::from_secs(1));
/// assert_eq!(clock.now(), clock.now());
/// ```
#[derive(Debug, Clone)]
pub struct Clock {
    monotonic: Duration,
    wall_ms: i64,
}

impl Clock {
    /// Where the wall clock of [`Clock::new`] begins: 2026-01-01 00:00:00 UTC.
    pub const EPOCH_MS: i64 = 1_767_225_600_000;

    /// A clock whose monotonic part begins at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { monotonic: Duration::ZERO, wall_ms: Self::EPOCH_MS }
    }

    /// The current reading.
    #[must_use]
    pub fn now(&self) -> Now {
        Now::new(self.monotonic, self.wall_ms)
    }

    /// Lets time pass on both clocks, and reads them.
    pub fn advance(&mut self, by: Duration) -> Now {
        let wall = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.monotonic = self.monotonic.saturating_add(by);
        self.wall_ms = self.wall_ms.saturating_add(wall);
        self.now()
    }

    /// Moves the wall clock alone, as an operator or a time server does (S08).
    pub fn jump_wall(&mut self, by_ms: i64) -> Now {
        self.wall_ms = self.wall_ms.saturating_add(by_ms);
        self.now()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
