//! The edge of time and chance: where both are read.

use std::time::{Duration, SystemTime};

use cofferdam_core::Now;
use tokio::time::Instant;

/// Reads the monotonic and the wall clock together.
///
/// The monotonic part is tokio's, so that it stands still where a test pauses that.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose monotonic part begins here.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// One reading. A wall clock before 1970 reads as zero.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now::new(self.started.elapsed(), i64::try_from(wall.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Sleeps until `deadline` (a machine's `poll_timeout`), or for ever if there is none.
pub async fn sleep_until(clock: &Clock, deadline: Option<Now>) {
    match deadline {
        Some(deadline) => {
            let since_start = Duration::from_nanos(deadline.monotonic_ns());
            tokio::time::sleep_until(clock.started + since_start).await;
        }
        None => std::future::pending().await,
    }
}

/// Random bytes from the operating system, for keys and identifiers.
///
/// # Panics
///
/// If the operating system has none: a process that goes on with guessable keys is worse than one
/// that stops.
#[must_use]
#[expect(clippy::panic, reason = "there is no safe way to go on without random bytes")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        panic!("the operating system gives no random bytes");
    }
    bytes
}
