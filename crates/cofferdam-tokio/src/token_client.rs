//! Drives the token sources of all tenants: one request at a time for each, whoever goes away.
//!
//! The request itself is a task of its own and belongs to no caller. A caller that is dropped while
//! it waits only takes its place in the queue along; the request goes on for the others, and its
//! token is kept for whoever comes next. Each tenant has its own lock, which is held while the
//! machine decides and never while anything is sent, signed or waited for.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
};

use cofferdam_auth::source::{
    AccessToken, Alert, ClientConfig, Clients, Effect, Input, InvalidClient, NoToken, RefreshRate,
    RequestId, SourceLimits, TokenRequest, TokenSource,
};
use cofferdam_core::{Machine, Now, Scoped, TenantId};
use futures_util::future::{self, Either};
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
    task::AbortHandle,
};

use crate::{
    Clock, Networks, NoTls, random_bytes, sleep_until,
    token_http::{Exchange, Https, Refusal},
};

/// Tokens for all tenants, each from its own client.
///
/// Ask before each use and keep none: what is given out was checked a moment ago. Cloning copies a
/// pointer; the last copy that is dropped ends the renewals.
#[derive(Clone)]
pub struct TokenClient(Arc<Shared>);

type AlertHook = Box<dyn Fn(&TenantId, &Alert) + Send + Sync>;
type Answer = Result<AccessToken, NoToken>;

struct Shared {
    exchange: Box<dyn Exchange>,
    clock: Clock,
    limits: SourceLimits,
    on_alert: AlertHook,
    tenants: RwLock<Tenants>,
}

struct Tenants {
    clients: Clients,
    lanes: BTreeMap<TenantId, Arc<Lane>>,
}

/// One tenant.
struct Lane {
    state: Mutex<State>,
    /// The next timeout is another one than it was.
    changed: Notify,
    timer: Mutex<Option<AbortHandle>>,
    /// Where its requests run; a registration may be replaced from any thread.
    runtime: Handle,
}

struct State {
    source: TokenSource,
    waiting: BTreeMap<RequestId, oneshot::Sender<Answer>>,
    asked: u64,
}

impl TokenClient {
    /// A client for the registered tenants, over HTTPS: no redirects, no proxies, no address
    /// outside of `networks`, 3.5 s for an exchange, 16 KiB for an answer. `on_alert` hears what an operator should; it is called
    /// without a lock and must not block.
    ///
    /// # Errors
    ///
    /// [`NoTls`] if this machine has no usable trust store.
    pub fn new(
        networks: Networks,
        clients: Clients,
        limits: SourceLimits,
        on_alert: impl Fn(&TenantId, &Alert) + Send + Sync + 'static,
    ) -> Result<Self, NoTls> {
        Ok(Self::over(Box::new(Https::new(networks)?), clients, limits, Box::new(on_alert)))
    }

    fn over(
        exchange: Box<dyn Exchange>,
        clients: Clients,
        limits: SourceLimits,
        on_alert: AlertHook,
    ) -> Self {
        let tenants = RwLock::new(Tenants { clients, lanes: BTreeMap::new() });
        Self(Arc::new(Shared { exchange, clock: Clock::start(), limits, on_alert, tenants }))
    }

    /// A valid token of `tenant`'s own client. Cancel safe: a future
    /// that is dropped leaves the request under way to the others.
    ///
    /// # Errors
    ///
    /// [`NoToken`] if the tenant has no client, none could be had, or too many wait already.
    ///
    /// # Panics
    ///
    /// If it is not polled within a tokio runtime.
    pub async fn token(&self, tenant: &TenantId) -> Answer {
        let lane = self.0.lane(tenant).ok_or(NoToken::NoClient)?;
        let (request, answer) = lane.enqueue();
        let _place = Place { shared: &self.0, lane: &lane, request };
        self.0.tell(&lane, Input::Wanted { request });
        answer.await.unwrap_or(Err(NoToken::TimedOut))
    }

    /// Says that a server refused `token` (status 401). It is given out no more.
    pub fn reject(&self, token: &AccessToken) {
        if let Some(lane) = self.0.known_lane(token.tenant()) {
            self.0.tell(&lane, Input::Rejected { serial: token.serial() });
        }
    }

    /// Registers one more tenant's client.
    ///
    /// # Errors
    ///
    /// [`InvalidClient`] as [`Clients::register`] has it.
    pub fn register(&self, config: ClientConfig) -> Result<(), InvalidClient> {
        self.0.write().clients.register(config).map(drop)
    }

    /// Replaces a tenant's registration: a new secret, other scopes. Nobody has to wait for it if
    /// only the credential changed.
    ///
    /// # Errors
    ///
    /// [`InvalidClient`] as [`Clients::replace`] has it; the old registration stays then.
    pub fn replace(&self, config: ClientConfig) -> Result<(), InvalidClient> {
        let tenant = config.tenant.clone();
        // Told under the lock, so that of two replacements the later one is told last.
        let mut tenants = self.0.write();
        let client = tenants.clients.replace(config)?;
        if let Some(lane) = tenants.lanes.get(&tenant) {
            self.0.tell(lane, Input::Replaced { client });
        }
        Ok(())
    }

    /// Removes a tenant's client; whether there was one. Whoever waits for its token hears of it.
    #[must_use]
    pub fn remove(&self, tenant: &TenantId) -> bool {
        let (was_there, lane) = {
            let mut tenants = self.0.write();
            (tenants.clients.remove(tenant), tenants.lanes.remove(tenant))
        };
        if let Some(lane) = lane {
            self.0.tell(&lane, Input::Removed);
            lane.stop();
        }
        was_there
    }

    /// How often a tenant's token was renewed lately, as a gauge; `None` before its first use.
    #[must_use]
    pub fn refresh_rate(&self, tenant: &TenantId) -> Option<RefreshRate> {
        let lane = self.0.known_lane(tenant)?;
        let state = lane.lock();
        Some(state.source.refresh_rate(self.0.clock.now()))
    }
}

impl Shared {
    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Tenants> {
        self.tenants.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_lane(&self, tenant: &TenantId) -> Option<Arc<Lane>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.lanes.get(tenant).cloned()
    }

    /// The tenant's lane, made at its first use.
    fn lane(self: &Arc<Self>, tenant: &TenantId) -> Option<Arc<Lane>> {
        if let Some(lane) = self.known_lane(tenant) {
            return Some(lane);
        }
        let mut tenants = self.write();
        if let Some(lane) = tenants.lanes.get(tenant) {
            return Some(Arc::clone(lane));
        }
        let client = Arc::clone(tenants.clients.get(tenant)?);
        let lane = Arc::new(Lane::new(TokenSource::new(client, self.limits, random_bytes())));
        let time = keep_time(Arc::downgrade(self), Arc::clone(&lane), self.clock);
        let timer = lane.runtime.spawn(time);
        *lane.timer.lock().unwrap_or_else(PoisonError::into_inner) = Some(timer.abort_handle());
        tenants.lanes.insert(tenant.clone(), Arc::clone(&lane));
        Some(lane)
    }

    fn tell(self: &Arc<Self>, lane: &Arc<Lane>, input: Input) {
        self.step(lane, |source, now, effects| source.handle_input(input, now, effects));
    }

    fn step(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        step: impl FnOnce(&mut TokenSource, Now, &mut Vec<Effect>),
    ) {
        let mut effects = Vec::new();
        {
            let mut state = lane.lock();
            let due = state.source.poll_timeout();
            step(&mut state.source, self.clock.now(), &mut effects);
            if state.source.poll_timeout() != due {
                lane.changed.notify_one();
            }
            state.answer(&mut effects);
        }
        for effect in effects {
            match effect {
                Effect::Request(request) => {
                    lane.runtime.spawn(fly(Arc::clone(self), Arc::clone(lane), request));
                }
                Effect::Alert { tenant, why } => (self.on_alert)(&tenant, &why),
                // Given to their callers already.
                Effect::Ready { .. } | Effect::Refused { .. } => {}
            }
        }
    }

    async fn exchange(&self, request: &TokenRequest) -> Result<Input, Refusal> {
        let attempt = request.attempt();
        let answer = self.exchange.send(&request.http(self.clock.now())?).await?;
        let witness = match request.witness(&answer, self.clock.now()) {
            Ok(Some(question)) => Some(self.exchange.send(&question).await?),
            // The machine refuses the answer by itself, and says why.
            Ok(None) | Err(_) => None,
        };
        Ok(Input::Obtained { attempt, answer, witness })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let tenants = self.tenants.get_mut().unwrap_or_else(PoisonError::into_inner);
        tenants.lanes.values().for_each(|lane| lane.stop());
    }
}

/// Carries a request out. It belongs to no caller.
async fn fly(shared: Arc<Shared>, lane: Arc<Lane>, request: TokenRequest) {
    let attempt = request.attempt();
    let input = shared.exchange(&request).await.unwrap_or_else(|refusal| Input::Failed {
        attempt,
        why: refusal.why,
        retry_after: refusal.retry_after,
    });
    shared.tell(&lane, input);
}

/// Wakes the tenant's machine when it wants to be woken.
async fn keep_time(shared: Weak<Shared>, lane: Arc<Lane>, clock: Clock) {
    loop {
        let due = lane.lock().source.poll_timeout();
        let sleep = std::pin::pin!(sleep_until(&clock, due));
        let changed = std::pin::pin!(lane.changed.notified());
        if let Either::Right(_) = future::select(sleep, changed).await {
            continue;
        }
        let Some(shared) = shared.upgrade() else { return };
        shared.step(&lane, |source, now, effects| source.handle_timeout(now, effects));
    }
}

impl Lane {
    fn new(source: TokenSource) -> Self {
        let state = State { source, waiting: BTreeMap::new(), asked: 0 };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            timer: Mutex::new(None),
            runtime: Handle::current(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of an alert hook happens outside of the lock; the machine has none.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self) -> (RequestId, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        state.asked = state.asked.wrapping_add(1);
        let request = RequestId(state.asked);
        state.waiting.insert(request, sender);
        (request, receiver)
    }

    fn stop(&self) {
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(timer) = timer.take() {
            timer.abort();
        }
    }
}

impl State {
    /// Gives the callers their answers. One that has gone meanwhile takes none.
    fn answer(&mut self, effects: &mut [Effect]) {
        for effect in effects {
            let (request, answer) = match effect {
                Effect::Ready { request, token } => (*request, Ok(token.clone())),
                Effect::Refused { request, why, .. } => (*request, Err(why.clone())),
                Effect::Request(_) | Effect::Alert { .. } => continue,
            };
            if let Some(sender) = self.waiting.remove(&request) {
                let _ = sender.send(answer);
            }
        }
    }
}

/// A caller's place in the queue, given up when its future is dropped.
struct Place<'p> {
    shared: &'p Arc<Shared>,
    lane: &'p Arc<Lane>,
    request: RequestId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let waited = self.lane.lock().waiting.remove(&self.request).is_some();
        if waited {
            self.shared.tell(self.lane, Input::Abandoned { request: self.request });
        }
    }
}

/// Shows nothing of anybody.
impl fmt::Debug for TokenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClient").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
