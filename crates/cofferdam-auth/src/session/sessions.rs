//! The machine that holds all open sessions and says when each must end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cofferdam_core::{ConnectionId, Machine, Now, Scoped, TenantContext, TenantId};

use super::{
    Effect, Input, Limits, Why,
    queue::{Deadline, Queue},
    room::Room,
};

/// How often the wall clock is looked at while there are sessions, in nanoseconds: how late a session
/// ends whose `exp` a jump of that clock has passed.
const WALL_CHECK_NS: u64 = 1_000_000_000;

/// Every open session of a process, and what was revoked of each tenant.
///
/// The work of an input is in proportion to what it ends, of a new key set and of what is revoked by
/// date to what its tenant has open, and to nothing that another tenant does.
/// Tenants share [`Limits::in_all`] and the feed's silence, and nothing else.
#[derive(Debug)]
pub struct Sessions {
    limits: Limits,
    rooms: BTreeMap<TenantId, Room>,
    /// Tenants with sessions, by when one of theirs ends.
    queue: Queue<TenantId>,
    count: usize,
    /// Tenants without sessions, by when what is remembered of them may be forgotten.
    quiet: BTreeSet<(u64, TenantId)>,
    heard: Option<Now>,
    /// The last second of the monotonic clock in which the wall clock was looked at. A grid that
    /// everybody shares, so that no tenant's inputs move another's checks.
    wall_checked: u64,
    latest: Now,
}

impl Sessions {
    /// No sessions. With a feed, none is opened before its first heartbeat.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            rooms: BTreeMap::new(),
            queue: Queue::default(),
            count: 0,
            quiet: BTreeSet::new(),
            heard: None,
            wall_checked: 0,
            latest: Now::default(),
        }
    }

    /// How many sessions are open.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether no session is open.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether this session is open.
    #[must_use]
    pub fn is_open(&self, tenant: &TenantId, connection: ConnectionId) -> bool {
        self.rooms.get(tenant).is_some_and(|room| room.get(connection).is_some())
    }

    /// The monotonic clock never goes back; a reading that does is the last one again.
    fn advance(&mut self, now: Now) -> Now {
        let ns = now.monotonic_ns().max(self.latest.monotonic_ns());
        self.latest = Now::new(Duration::from_nanos(ns), now.wall_ms());
        self.latest
    }

    fn open(&mut self, context: TenantContext, now: Now, effects: &mut Vec<Effect>) {
        let (tenant, connection) = (context.tenant().clone(), context.connection());
        if let Err(why) = self.admit(&context, now, effects) {
            effects.push(Effect::Refused { tenant, connection, why });
            return;
        }
        if self.count == 0 {
            self.wall_checked = grid(now);
        }
        let deadline = Deadline::of(&context, now);
        self.rooms.entry(tenant.clone()).or_default().insert(context, deadline);
        self.count += 1;
        self.settle(&tenant, now);
    }

    fn admit(
        &mut self,
        context: &TenantContext,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Why> {
        let tenant = context.tenant();
        if self.is_silent(now) {
            return Err(Why::FeedSilent);
        }
        if context.has_expired(now) {
            return Err(Why::Expired);
        }
        self.rooms.get(tenant).map_or(Ok(()), |room| room.admits(context))?;
        // A context of a later registration is proof that those before are over.
        self.begin(tenant, context.generation(), now, effects);
        let room = self.rooms.get(tenant);
        if room.is_some_and(|room| room.get(context.connection()).is_some()) {
            return Err(Why::InUse);
        }
        let held = room.map_or(0, Room::len);
        let is_full = held >= self.limits.per_tenant || self.count >= self.limits.in_all;
        if is_full || self.is_kept_from(held) { Err(Why::Full) } else { Ok(()) }
    }

    /// The last tenth of all room is for tenants that hold less than a hundredth of it: a few that
    /// are at their limits lock nobody else out.
    fn is_kept_from(&self, held: usize) -> bool {
        let in_all = self.limits.in_all;
        self.count >= in_all - in_all / 10 && held >= (in_all / 100).max(1)
    }

    fn begin(&mut self, tenant: &TenantId, least: u64, now: Now, effects: &mut Vec<Effect>) {
        let ended = self.rooms.entry(tenant.clone()).or_default().begin(least, now);
        self.end_all(tenant, ended, Why::Generation, effects);
        self.settle(tenant, now);
    }

    fn renew(
        &mut self,
        tenant: TenantId,
        connection: ConnectionId,
        context: TenantContext,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        match self.check_renewal(&tenant, connection, &context, now) {
            Ok(()) => {
                let Some(room) = self.rooms.get_mut(&tenant) else { return };
                let deadline = Deadline::of(&context, now);
                if room.remove(connection).is_some() {
                    room.insert(context, deadline);
                }
                self.settle(&tenant, now);
            }
            Err(why @ (Why::Unknown | Why::NotLater)) => {
                effects.push(Effect::Refused { tenant, connection, why });
            }
            Err(why) => {
                self.end(&tenant, connection, why, effects);
                self.settle(&tenant, now);
            }
        }
    }

    /// S05: a renewal changes when a session ends, and nothing about whose it is.
    fn check_renewal(
        &self,
        tenant: &TenantId,
        connection: ConnectionId,
        new: &TenantContext,
        now: Now,
    ) -> Result<(), Why> {
        let room = self.rooms.get(tenant).ok_or(Why::Unknown)?;
        let session = room.get(connection).ok_or(Why::Unknown)?;
        let old = &session.context;
        let is_same = new.tenant().same(old.tenant())
            && new.generation() == old.generation()
            && new.issuer() == old.issuer()
            && new.subject() == old.subject()
            && new.client() == old.client()
            && new.organisation() == old.organisation()
            && new.holder_key() == old.holder_key()
            && (new.connection(), new.epoch()) == (old.connection(), old.epoch());
        if !is_same {
            return Err(Why::ForeignRenewal);
        }
        if session.deadline.is_reached(now) {
            return Err(Why::Expired);
        }
        room.admits(new)?;
        if new.has_expired(now) || new.expires_at_ms() <= session.deadline.wall_ms() {
            return Err(Why::NotLater);
        }
        Ok(())
    }

    fn end_all(
        &mut self,
        tenant: &TenantId,
        connections: Vec<ConnectionId>,
        why: Why,
        effects: &mut Vec<Effect>,
    ) {
        let Some(room) = self.rooms.get_mut(tenant) else { return };
        if connections.len() < room.len() {
            for connection in connections {
                self.end(tenant, connection, why, effects);
            }
            return;
        }
        let ended = room.clear();
        self.count -= ended.len();
        effects.extend(ended.into_keys().map(|connection| {
            let tenant = tenant.clone();
            Effect::End { tenant, connection, why }
        }));
    }

    fn end(
        &mut self,
        tenant: &TenantId,
        connection: ConnectionId,
        why: Why,
        effects: &mut Vec<Effect>,
    ) {
        if self.forget(tenant, connection) {
            effects.push(Effect::End { tenant: tenant.clone(), connection, why });
        }
    }

    fn forget(&mut self, tenant: &TenantId, connection: ConnectionId) -> bool {
        let Some(room) = self.rooms.get_mut(tenant) else { return false };
        let is_open = room.remove(connection).is_some();
        self.count -= usize::from(is_open);
        is_open
    }

    /// To be called after whatever changed a tenant's sessions: notes which of them ends first. Lets
    /// go of a tenant of whom there is nothing, or notes until when there is.
    fn settle(&mut self, tenant: &TenantId, now: Now) {
        let Some(room) = self.rooms.get_mut(tenant) else { return };
        let first = room.queue.first();
        if room.queued_at != first {
            let noted = std::mem::replace(&mut room.queued_at, first);
            noted.into_iter().for_each(|at| self.queue.remove(tenant, at));
            first.into_iter().for_each(|at| self.queue.insert(tenant, at));
        }
        let at = room.forgotten_at_ns();
        if let Some(noted) = std::mem::replace(&mut room.quiet_at_ns, at) {
            self.quiet.remove(&(noted, tenant.clone()));
        }
        match at {
            Some(at) if at <= now.monotonic_ns() => drop(self.rooms.remove(tenant)),
            Some(at) => drop(self.quiet.insert((at, tenant.clone()))),
            None => {}
        }
    }

    fn is_silent(&self, now: Now) -> bool {
        let Some(feed) = self.limits.feed else { return false };
        self.heard.is_none_or(|heard| now.since(heard) >= feed.refuse_after)
    }

    fn feed_heard(&mut self, sent_ms: i64, now: Now) {
        let Some(feed) = self.limits.feed else { return };
        if u128::from(now.wall_ms().abs_diff(sent_ms)) > feed.skew.as_millis() {
            return;
        }
        // As old as it says: one that is played back hides no silence since.
        let age = u64::try_from(now.wall_ms().saturating_sub(sent_ms)).unwrap_or(0);
        // One from before this process began says nothing to it.
        let sent_ns = now.monotonic_ns().checked_sub(age.saturating_mul(1_000_000));
        let Some(sent_ns) = sent_ns else { return };
        let sent = Now::new(Duration::from_nanos(sent_ns), sent_ms);
        if self.heard.is_none_or(|heard| heard.monotonic_ns() < sent_ns) {
            self.heard = Some(sent);
        }
    }

    /// When the silence ends all sessions, if there are any.
    fn silent_at(&self) -> Option<Now> {
        let feed = self.limits.feed.filter(|_| self.count > 0)?;
        Some(self.heard?.after(feed.close_after))
    }

    fn expire(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for tenant in self.queue.over_by_monotonic(now) {
            let room = self.rooms.get(&tenant);
            let over = room.map(|room| room.queue.over_by_monotonic(now)).unwrap_or_default();
            self.end_all(&tenant, over, Why::Expired, effects);
            self.settle(&tenant, now);
        }
        if grid(now) <= self.wall_checked {
            return;
        }
        self.wall_checked = grid(now);
        for tenant in self.queue.over_by_wall(now) {
            let room = self.rooms.get(&tenant);
            let over = room.map(|room| room.queue.over_by_wall(now)).unwrap_or_default();
            self.end_all(&tenant, over, Why::Expired, effects);
            self.settle(&tenant, now);
        }
    }

    fn fall_silent(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.silent_at().is_some_and(|at| now.reached(at)) {
            return;
        }
        let tenants: Vec<TenantId> = self.rooms.keys().cloned().collect();
        for tenant in tenants {
            let connections = self.rooms.get(&tenant).map(Room::connections).unwrap_or_default();
            self.end_all(&tenant, connections, Why::FeedSilent, effects);
            self.settle(&tenant, now);
        }
    }
}

impl Machine for Sessions {
    type Input = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        let now = self.advance(now);
        match input {
            Input::Open { context } => self.open(context, now, effects),
            Input::Renew { tenant, connection, context } => {
                self.renew(tenant, connection, context, now, effects);
            }
            Input::Closed { tenant, connection } => {
                self.forget(&tenant, connection);
                self.settle(&tenant, now);
            }
            Input::Revoke { tenant, target, before_ms, as_of_now } => {
                let cut = Now::new(Duration::from_nanos(now.monotonic_ns()), before_ms);
                let room = self.rooms.entry(tenant.clone()).or_default();
                let ended = room.revoke(&target, cut, as_of_now);
                self.end_all(&tenant, ended, Why::Revoked, effects);
                self.settle(&tenant, now);
            }
            Input::KeysChanged { tenant, issuer, keys } => {
                let room = self.rooms.entry(tenant.clone()).or_default();
                let ended = room.change_keys(&issuer, keys.into_iter().collect(), now);
                self.end_all(&tenant, ended, Why::KeyWithdrawn, effects);
                self.settle(&tenant, now);
            }
            Input::Generation { tenant, least } => {
                self.begin(&tenant, least, now, effects);
            }
            Input::FeedHeard { sent_ms } => self.feed_heard(sent_ms, now),
        }
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let now = self.advance(now);
        self.expire(now, effects);
        self.fall_silent(now, effects);
        while self.quiet.first().is_some_and(|(at, _)| *at <= now.monotonic_ns()) {
            let Some((_, tenant)) = self.quiet.pop_first() else { return };
            self.settle(&tenant, now);
        }
    }

    fn poll_timeout(&self) -> Option<Now> {
        let check = (self.count > 0).then(|| (self.wall_checked + 1).saturating_mul(WALL_CHECK_NS));
        let candidates = [
            self.queue.first().map(Deadline::monotonic_ns),
            check,
            self.silent_at().map(Now::monotonic_ns),
            self.quiet.first().map(|(at, _)| *at),
        ];
        let next = candidates.into_iter().flatten().min()?;
        Some(Now::new(Duration::from_nanos(next), self.latest.wall_ms()))
    }
}

/// Which second of the monotonic clock.
fn grid(now: Now) -> u64 {
    now.monotonic_ns() / WALL_CHECK_NS
}
