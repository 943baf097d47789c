//! What every handshake of a listener needs, in one value: keys, rules, limits and a clock.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, Mutex, PoisonError},
};

use cofferdam_auth::{
    AuthFailure, KeyRing, Route,
    upgrade::{Admission, Policy, Upgrade},
};
use cofferdam_core::{ConnectionId, Epoch, Scoped};
use http::request::Parts;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::http};

use super::{Asked, UpgradeError, UpgradeLayer, answer, ask, in_time, open, refuse};
use crate::{Clock, KeyKeeper, keys::is_anybodys, random_bytes};

/// Checks the upgrades of one listener. Cloning it copies a pointer.
///
/// [`accept`](Self::accept) takes sockets of whoever accepts connections; [`layer`](Self::layer)
/// does the same inside an HTTP server.
#[derive(Clone)]
pub struct Acceptor {
    shared: Arc<Shared>,
}

/// Where an [`Acceptor`] has its keys from.
#[derive(Debug, Clone)]
pub enum Keys {
    /// A ring that somebody else keeps fresh.
    Ring(Arc<KeyRing>),
    /// A keeper: a token of a key that is not there yet is held for a second while the key is
    /// fetched (SECURITY V03).
    Kept(KeyKeeper),
}

impl From<Arc<KeyRing>> for Keys {
    fn from(ring: Arc<KeyRing>) -> Self {
        Self::Ring(ring)
    }
}

impl From<KeyKeeper> for Keys {
    fn from(keeper: KeyKeeper) -> Self {
        Self::Kept(keeper)
    }
}

impl Keys {
    fn ring(&self) -> &KeyRing {
        match self {
            Self::Ring(ring) => ring,
            Self::Kept(keeper) => keeper.ring(),
        }
    }
}

struct Shared {
    keys: Keys,
    policy: Policy,
    route: Route<'static>,
    clock: Clock,
    bind: Box<dyn Fn() -> (ConnectionId, Epoch) + Send + Sync>,
    admission: Mutex<Admission>,
    handshakes: Semaphore,
}

/// How many connections are taken, and how fast (SECURITY N03).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many handshakes may be in progress at once, whoever's they are; 4,096 by default. It
    /// bounds what sockets cost that have not shown a credential yet: 16 KiB and 5 s each.
    pub handshakes: NonZeroUsize,
    /// How many connections a tenant may open in a second; 500 by default.
    pub per_tenant_rate: NonZeroU32,
    /// How many at once; 1,000 by default.
    pub per_tenant_burst: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        // Not zero, any of them.
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            handshakes: NonZeroUsize::new(4_096).unwrap_or(NonZeroUsize::MIN),
            per_tenant_rate: number(500),
            per_tenant_burst: number(1_000),
        }
    }
}

impl Acceptor {
    /// `bind` names each connection, and the fencing epoch that it begins in. `route` says what
    /// every token must be good for.
    #[must_use]
    pub fn new(
        keys: impl Into<Keys>,
        policy: Policy,
        route: Route<'static>,
        limits: Limits,
        clock: Clock,
        bind: impl Fn() -> (ConnectionId, Epoch) + Send + Sync + 'static,
    ) -> Self {
        let admission = Admission::new(limits.per_tenant_rate, limits.per_tenant_burst);
        let handshakes = limits.handshakes.get().min(Semaphore::MAX_PERMITS);
        Self {
            shared: Arc::new(Shared {
                keys: keys.into(),
                policy,
                route,
                clock,
                bind: Box::new(bind),
                admission: Mutex::new(admission),
                handshakes: Semaphore::new(handshakes),
            }),
        }
    }

    /// Answers one WebSocket handshake. The context belongs to this socket and to no other.
    ///
    /// # Errors
    ///
    /// [`UpgradeError`]. The peer was told as little as may be, and its socket is closed. What it
    /// sent without being asked was not read as anything.
    pub async fn accept<S>(
        &self,
        mut socket: S,
    ) -> Result<(WebSocketStream<S>, Upgrade), UpgradeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.shared.handshakes.try_acquire() {
            Ok(_until_the_end) => {
                // The head has its time, and what is said to it has its own: a key that is waited
                // for must not make a timeout of a refusal.
                let decided = match in_time(ask(&mut socket)).await {
                    Ok(Asked { parts, response }) => {
                        self.decide(&parts).await.map(|upgrade| (upgrade, response))
                    }
                    Err(error) => Err(error),
                };
                let upgrade = in_time(answer(&mut socket, decided)).await?;
                Ok((open(socket).await, upgrade))
            }
            Err(_) => {
                let refusing = refuse(&mut socket, UpgradeError::Overloaded);
                // The answer fits into any socket's buffer; whoever takes none is not waited for.
                let refused = tokio::time::timeout(super::OVERLOAD_PAUSE, refusing).await;
                refused.unwrap_or(Err(UpgradeError::Overloaded))
            }
        }
    }

    /// The same check as a middleware.
    #[must_use]
    pub fn layer(&self) -> UpgradeLayer {
        UpgradeLayer::new(self.clone())
    }

    /// Waits for a key that is not there yet, if there is a keeper.
    async fn decide(&self, parts: &Parts) -> Result<Upgrade, UpgradeError> {
        let binding = (self.shared.bind)();
        let check = || self.check(parts, binding);
        let mut checked = check();
        // The head is read again for its token only where there is something to wait for.
        if let Keys::Kept(keeper) = &self.shared.keys
            && let Err(failure) = &checked
            && is_anybodys(failure)
            && let Some(token) = self.shared.policy.token(parts)
        {
            checked = keeper.hold(token, failure.clone(), check).await;
        }
        self.admit(checked)
    }

    /// The same without waiting: the key is asked for, and whoever comes back finds it.
    pub(super) fn decide_now(&self, parts: &Parts) -> Result<Upgrade, UpgradeError> {
        let checked = self.check(parts, (self.shared.bind)());
        if let Err(failure) = &checked
            && let Keys::Kept(keeper) = &self.shared.keys
            && let Some(token) = self.shared.policy.token(parts)
        {
            keeper.ask_for_key(token, failure);
        }
        self.admit(checked)
    }

    fn check(
        &self,
        parts: &Parts,
        (connection, epoch): (ConnectionId, Epoch),
    ) -> Result<Upgrade, AuthFailure> {
        let shared = &*self.shared;
        let (verifier, now) = (shared.keys.ring().verifier(), shared.clock.now());
        shared.policy.check(&verifier, parts, &shared.route, now, connection, epoch)
    }

    /// The credential first, the tenant's limit after: before, nobody knows whose limit it is.
    fn admit(&self, checked: Result<Upgrade, AuthFailure>) -> Result<Upgrade, UpgradeError> {
        let upgrade = checked.map_err(UpgradeError::Denied)?;
        let tenant = upgrade.context.tenant();
        // Whoever panicked while holding it had changed one number at most.
        let mut admission = self.shared.admission.lock().unwrap_or_else(PoisonError::into_inner);
        admission.admit(tenant, self.shared.clock.now()).map_err(|wait| UpgradeError::Busy {
            tenant: tenant.clone(),
            retry_after: wait.spread(u64::from_le_bytes(random_bytes())),
        })?;
        drop(admission);
        Ok(upgrade)
    }
}

/// Shows the rules and nobody's keys.
impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("policy", &self.shared.policy).finish_non_exhaustive()
    }
}
