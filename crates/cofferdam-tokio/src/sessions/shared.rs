//! One machine under one lock, and a channel for each session.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cofferdam_auth::{
    KeyRing,
    session::{
        Effect, FeedDown, Input, Limits, Notice, RevocationFeed, RevocationListener, Sessions,
        Target, Why,
    },
};
use cofferdam_core::{ConnectionId, Machine, Now, Scoped, TenantContext, TenantId};
use tokio::sync::{Notify, oneshot};

use crate::Clock;

/// How far a token may be dated ahead of our clock.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);

/// What guards, registry and driver share.
pub(super) struct Shared {
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Clock,
    feed: Option<Arc<dyn RevocationFeed>>,
    /// Whether the feed's silence matters, so that somebody must break it.
    speaks: bool,
    state: Mutex<State>,
    /// Tells the driver that something is due sooner than it waits for.
    pub(super) sooner: Notify,
}

/// What is changed in turns.
struct State {
    sessions: Sessions,
    waiting: BTreeMap<(TenantId, ConnectionId), oneshot::Sender<Why>>,
    effects: Vec<Effect>,
    waits_for: Option<Now>,
    stopped: bool,
}

impl Shared {
    pub(super) fn new(
        keys: Arc<KeyRing>,
        clock: Clock,
        limits: Limits,
        feed: Option<Arc<dyn RevocationFeed>>,
    ) -> Self {
        let state = State {
            sessions: Sessions::new(limits),
            waiting: BTreeMap::new(),
            effects: Vec::new(),
            waits_for: None,
            stopped: false,
        };
        let speaks = limits.feed.is_some();
        Self { keys, clock, feed, speaks, state: Mutex::new(state), sooner: Notify::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    /// The feed, if its silence matters.
    pub(super) fn spoken_to(&self) -> Option<&dyn RevocationFeed> {
        self.feed.as_deref().filter(|_| self.speaks)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the machine one input and carries out what it asks for. `sender` is the channel of the
    /// session that the input opens.
    pub(super) fn turn(
        &self,
        input: Input,
        sender: Option<oneshot::Sender<Why>>,
    ) -> Result<(), Why> {
        let opened = match &input {
            Input::Open { context } => Some(key_of(context)),
            _ => None,
        };
        let mut state = self.lock();
        if state.stopped && opened.is_some() {
            return Err(Why::Stopped);
        }
        let (woken, refused) = state.take(input, &self.clock);
        if refused.is_none()
            && let (Some(key), Some(sender)) = (opened, sender)
        {
            state.waiting.insert(key, sender);
        }
        self.hurry(&state);
        drop(state);
        wake(woken);
        refused.map_or(Ok(()), Err)
    }

    /// An input that cannot be refused.
    pub(super) fn tell(&self, input: Input) {
        // Only openings and renewals have an answer.
        let _ = self.turn(input, None);
    }

    pub(super) fn publish(&self, notice: &Notice) -> Result<(), FeedDown> {
        self.feed.as_ref().map_or(Ok(()), |feed| feed.publish(notice))
    }

    /// Wakes the driver if it waits for too long.
    fn hurry(&self, state: &State) {
        let next = state.sessions.poll_timeout();
        if next.is_some_and(|next| state.waits_for.is_none_or(|waits_for| !next.reached(waits_for)))
        {
            self.sooner.notify_one();
        }
    }

    /// Lets time pass; what to wait for next.
    pub(super) fn time_out(&self) -> Option<Now> {
        let mut state = self.lock();
        let mut effects = std::mem::take(&mut state.effects);
        state.sessions.handle_timeout(self.clock.now(), &mut effects);
        let (woken, _) = state.carry_out(effects);
        let next = state.sessions.poll_timeout();
        state.waits_for = next;
        drop(state);
        wake(woken);
        next
    }

    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        // A guard whose sender is gone knows why.
        let waiting = std::mem::take(&mut state.waiting);
        let (now, mut effects) = (self.clock.now(), Vec::new());
        for (tenant, connection) in waiting.keys().cloned() {
            state.sessions.handle_input(Input::Closed { tenant, connection }, now, &mut effects);
        }
        drop(state);
        drop(waiting);
    }

    /// Whether no token that the notice is about can still be good: one that is played back must not
    /// fill a list again.
    fn is_spent(&self, target: &Target, before_ms: i64) -> bool {
        let until = self.cut(before_ms).after(Notice::SPENT_AFTER);
        !matches!(target, Target::Key(_)) && until.wall_ms() < self.clock.now().wall_ms()
    }

    /// The moment of revocation, with the cut as its wall time: what a ring takes.
    pub(super) fn cut(&self, before_ms: i64) -> Now {
        Now::new(Duration::from_nanos(self.clock.now().monotonic_ns()), before_ms)
    }

    pub(super) fn renew(
        &self,
        tenant: &TenantId,
        connection: ConnectionId,
        context: TenantContext,
    ) -> Result<(), Why> {
        self.turn(Input::Renew { tenant: tenant.clone(), connection, context }, None)
    }

    /// The guard of this session is gone.
    pub(super) fn close(&self, tenant: &TenantId, connection: ConnectionId) {
        let mut state = self.lock();
        let sender = state.waiting.remove(&(tenant.clone(), connection));
        let (woken, _) =
            state.take(Input::Closed { tenant: tenant.clone(), connection }, &self.clock);
        drop(state);
        // Nobody is listening to the one, and a closing ends no other session.
        drop((sender, woken));
    }
}

type Woken = Vec<(oneshot::Sender<Why>, Why)>;

impl State {
    /// Gives the machine one input. The clock is read under the lock, so that the times of turns are
    /// in the order of turns.
    fn take(&mut self, input: Input, clock: &Clock) -> (Woken, Option<Why>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.sessions.handle_input(input, clock.now(), &mut effects);
        self.carry_out(effects)
    }

    /// The channels of sessions that ended, and why the input was refused.
    fn carry_out(&mut self, mut effects: Vec<Effect>) -> (Woken, Option<Why>) {
        let mut woken = Vec::new();
        let mut refused = None;
        for effect in effects.drain(..) {
            match effect {
                Effect::End { tenant, connection, why } => {
                    let sender = self.waiting.remove(&(tenant, connection));
                    woken.extend(sender.map(|sender| (sender, why)));
                }
                Effect::Refused { why, .. } => refused = Some(why),
            }
        }
        // One bulk revocation must not be room for ever.
        effects.shrink_to(1_024);
        self.effects = effects;
        (woken, refused)
    }
}

fn wake(woken: Woken) {
    for (sender, why) in woken {
        // A guard that is being dropped hears nothing, and needs to hear nothing.
        let _ = sender.send(why);
    }
}

fn key_of(context: &TenantContext) -> (TenantId, ConnectionId) {
    (context.tenant().clone(), context.connection())
}

/// Another node's revocation, in the order of our own.
impl RevocationListener for Shared {
    fn hear(&self, notice: &Notice) {
        if let Notice::Revoked { tenant, target, before_ms } = notice {
            if self.is_spent(target, *before_ms) {
                return;
            }
            self.keys.revoke_at_least(tenant, target.as_revoked(), self.cut(*before_ms));
        }
        self.tell(Input::from(notice.clone()));
    }
}
