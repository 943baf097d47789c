//! Which session ends next, by either clock.
//!
//! Two ordered sets, as the orders differ: two sessions that end at one `exp` end at different
//! monotonic times if the wall clock moved between their openings. Whatever takes a session out of
//! one takes it out of the other.

use std::{collections::BTreeSet, time::Duration};

use cofferdam_core::{ConnectionId, Now, TenantContext, TenantId};

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

    /// When the credential ends by the wall clock, in milliseconds.
    pub(super) const fn wall_ms(self) -> i64 {
        self.wall_ms
    }
}

/// The deadlines of all sessions.
#[derive(Debug, Default)]
pub(super) struct Queue {
    monotonic: BTreeSet<(u64, TenantId, ConnectionId)>,
    wall: BTreeSet<(i64, TenantId, ConnectionId)>,
}

impl Queue {
    pub(super) fn insert(&mut self, tenant: &TenantId, connection: ConnectionId, at: Deadline) {
        self.monotonic.insert((at.monotonic_ns, tenant.clone(), connection));
        self.wall.insert((at.wall_ms, tenant.clone(), connection));
    }

    pub(super) fn remove(&mut self, tenant: &TenantId, connection: ConnectionId, at: Deadline) {
        self.monotonic.remove(&(at.monotonic_ns, tenant.clone(), connection));
        self.wall.remove(&(at.wall_ms, tenant.clone(), connection));
    }

    /// The earliest end on the monotonic clock, in nanoseconds.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.monotonic.first().map(|(at, ..)| *at)
    }

    /// A session that is over by the monotonic clock.
    pub(super) fn over_by_monotonic(&self, now: Now) -> Option<(TenantId, ConnectionId)> {
        let (at, tenant, connection) = self.monotonic.first()?;
        (*at <= now.monotonic_ns()).then(|| (tenant.clone(), *connection))
    }

    /// A session that is over by the wall clock.
    pub(super) fn over_by_wall(&self, now: Now) -> Option<(TenantId, ConnectionId)> {
        let (at, tenant, connection) = self.wall.first()?;
        (*at <= now.wall_ms()).then(|| (tenant.clone(), *connection))
    }
}
