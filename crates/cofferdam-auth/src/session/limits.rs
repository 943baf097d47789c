//! How many sessions there may be, and how long a silent feed is borne.

use std::time::Duration;

/// The bounds of [`Sessions`](super::Sessions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most sessions of one tenant; 10,000 by default.
    pub per_tenant: usize,
    /// The most sessions of all tenants; 100,000 by default. The last tenth of them is for tenants that
    /// hold less than a hundredth of all: with 100,000, a tenant that has 1,000 gets no more of them
    /// once 90,000 are open.
    pub in_all: usize,
    /// How long the feed may be silent. `None`, the default, is for a process that shares its
    /// revocations with nobody: what is told to it directly cannot be missed.
    pub feed: Option<FeedSilence>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_tenant: 10_000, in_all: 100_000, feed: None }
    }
}

/// How long the feed may be silent before a node that cannot hear of revocations stops.
///
/// A silent feed may hide a revocation, so silence ends sessions: a node that was cut off must not
/// go on serving what everybody else has refused (V05, fail closed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedSilence {
    pub(super) refuse_after: Duration,
    pub(super) close_after: Duration,
    pub(super) skew: Duration,
}

impl FeedSilence {
    /// No new sessions after this much silence, at most; 30 s by default.
    pub const MAX_REFUSE_AFTER: Duration = Duration::from_secs(30);
    /// No sessions at all after this much silence, at most; 60 s by default.
    pub const MAX_CLOSE_AFTER: Duration = Duration::from_secs(60);
    /// How far a heartbeat's date may be from ours to count, at most; 30 s by default.
    pub const MAX_SKEW: Duration = Duration::from_secs(30);

    /// Shorter spans than the defaults. Longer ones are cut to them, and closing is never later than
    /// the default nor earlier than refusing.
    #[must_use]
    pub fn within(refuse_after: Duration, close_after: Duration) -> Self {
        let refuse_after = refuse_after.min(Self::MAX_REFUSE_AFTER);
        let close_after = close_after.clamp(refuse_after, Self::MAX_CLOSE_AFTER);
        Self { refuse_after, close_after, skew: Self::MAX_SKEW }
    }

    /// Heartbeats whose date is further from ours than this are not counted: one that was recorded
    /// and is played back must not hide a silence.
    ///
    /// A heartbeat is as old as its date says by our clock. So the seconds by which the nodes' clocks
    /// differ are taken from the silence that is borne: with 30 s and a heartbeat every 10 s, nodes may
    /// differ by 20 s.
    #[must_use]
    pub fn with_skew(self, skew: Duration) -> Self {
        Self { skew: skew.min(Self::MAX_SKEW), ..self }
    }
}

impl Default for FeedSilence {
    fn default() -> Self {
        Self::within(Self::MAX_REFUSE_AFTER, Self::MAX_CLOSE_AFTER)
    }
}
