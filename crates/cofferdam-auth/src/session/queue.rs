//! Which session ends next, by either clock.
//!
//! Two ordered sets, as the orders differ: two sessions that end at one `exp` end at different
//! monotonic times if the wall clock moved between their openings. Whatever takes a session out of
//! one takes it out of the other.
//!
//! A tenant has a queue of its sessions, and the machine one of the tenants, each by what ends first
//! of it. So a tenant whose sessions all end is taken out at once, and not session by session.

use std::{collections::BTreeSet, time::Duration};

use cofferdam_core::{Now, TenantContext};

/// When a session ends: whichever of both is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    monotonic_ns: u64,
    wall_ms: i64,
}

impl Deadline {
    /// What `now` leaves of the credential. A wall clock that was set back makes more of it look
    /// left than there ever was, so a lifetime is also as long as it was issued for at most.
    pub(super) fn of(context: &TenantContext, now: Now) -> Self {
        let wall_ms = context.expires_at_ms();
        let left = wall_ms.saturating_sub(now.wall_ms());
        let left = left.min(wall_ms.saturating_sub(context.issued_at_ms())).max(0);
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Self { monotonic_ns: now.after(left).monotonic_ns(), wall_ms }
    }

    pub(super) const fn is_reached(self, now: Now) -> bool {
        now.monotonic_ns() >= self.monotonic_ns || now.wall_ms() >= self.wall_ms
    }

    pub(super) const fn monotonic_ns(self) -> u64 {
        self.monotonic_ns
    }

    /// When the credential ends by the wall clock, in milliseconds.
    pub(super) const fn wall_ms(self) -> i64 {
        self.wall_ms
    }
}

/// The deadlines of whatever is told apart by a `K`.
#[derive(Debug)]
pub(super) struct Queue<K> {
    monotonic: BTreeSet<(u64, K)>,
    wall: BTreeSet<(i64, K)>,
}

impl<K: Clone + Ord> Queue<K> {
    pub(super) fn insert(&mut self, key: &K, at: Deadline) {
        self.monotonic.insert((at.monotonic_ns, key.clone()));
        self.wall.insert((at.wall_ms, key.clone()));
    }

    pub(super) fn remove(&mut self, key: &K, at: Deadline) {
        self.monotonic.remove(&(at.monotonic_ns, key.clone()));
        self.wall.remove(&(at.wall_ms, key.clone()));
    }

    /// The earliest end by each clock.
    pub(super) fn first(&self) -> Option<Deadline> {
        let monotonic_ns = self.monotonic.first()?.0;
        let wall_ms = self.wall.first()?.0;
        Some(Deadline { monotonic_ns, wall_ms })
    }

    /// What is over by the monotonic clock, the earliest first.
    pub(super) fn over_by_monotonic(&self, now: Now) -> Vec<K> {
        let over = self.monotonic.iter().take_while(|(at, _)| *at <= now.monotonic_ns());
        over.map(|(_, key)| key.clone()).collect()
    }

    /// What is over by the wall clock, the earliest first.
    pub(super) fn over_by_wall(&self, now: Now) -> Vec<K> {
        let over = self.wall.iter().take_while(|(at, _)| *at <= now.wall_ms());
        over.map(|(_, key)| key.clone()).collect()
    }
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { monotonic: BTreeSet::new(), wall: BTreeSet::new() }
    }
}
