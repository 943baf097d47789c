//! Keeping every issuer's keys fresh over HTTP, and checking tokens against them.
//!
//! One task owns the [`Refresher`] and carries out what it asks for. A fetch is a task of its own,
//! at most one for each issuer, bounded in time by the client: a server that hangs holds up nobody
//! but those who wait for a key of *its* issuer. A check never waits for the task. It reads the
//! [`KeyRing`], and only a token whose key is not there asks for a fetch.
//!
//! # What a stranger can measure
//!
//! A key id that nobody knows is refused after a fetch if its issuer is registered, and could be
//! refused at once if it is not; the difference would tell who is a customer (SECURITY X01). So every
//! refusal that needs no issuer's signature and comes after the issuer was looked for (an unknown
//! issuer or key, a wrong type, an algorithm or signature that does not fit) comes after the same
//! span, [`PATIENCE`]; only a token that is good ends the wait. No more than [`MAX_PATIENT`] wait at
//! a time. The rest is refused at once, whatever they name, and the key is asked for all the same: a
//! client of a registered issuer finds it at its next try.

mod task;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use cofferdam_auth::{
    AuthFailure, InvalidIssuer, IssuerConfig, KeyRing, KeySet, Route, Unverified,
    refresh::{Alarm, FRESH, Refresher, Waiter},
};
use cofferdam_core::{ConnectionId, Epoch, Reason, TenantContext, TenantId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::{self, Instant, timeout_at},
};

use self::task::Keeping;
use crate::{Clock, JwksClient, JwksError, random_bytes};

/// How long a token is held that anybody could have made, before it is refused.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many such tokens are held at a time.
const MAX_PATIENT: usize = 1_024;
/// Unknown keys that may stand in the task's queue, and answers that may.
const QUEUE: usize = 1_024;

/// What happened to an issuer's keys that others should act on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyEvent {
    /// An issuer has published a set, and the ring is about to have it. For
    /// [`SessionRegistry::keys_changed`](crate::sessions::SessionRegistry::keys_changed), which ends
    /// the sessions of keys that are gone, or whose id is another key's now.
    Published {
        /// Whose issuer it is.
        tenant: TenantId,
        /// The issuer.
        issuer: String,
        /// All of them.
        keys: KeySet,
        /// The ids that were there before and are not, or are another key's now.
        withdrawn: Vec<Box<str>>,
    },
    /// An issuer is no longer registered: tell
    /// [`SessionRegistry::issuer_removed`](crate::sessions::SessionRegistry::issuer_removed).
    Removed {
        /// Whose issuer it was.
        tenant: TenantId,
        /// The issuer.
        issuer: String,
    },
    /// An operator should know.
    Alarm {
        /// Whose issuer it is.
        tenant: TenantId,
        /// The issuer.
        issuer: String,
        /// What is wrong.
        alarm: Alarm,
    },
}

/// Why an issuer was not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The registration is not sound.
    #[error(transparent)]
    Issuer(#[from] InvalidIssuer),
    /// The address of its keys is not one that is connected to.
    #[error(transparent)]
    Address(#[from] JwksError),
    /// The tenant has as many issuers as it may have, the issuer was removed meanwhile, or the keeper
    /// has ended.
    #[error("the keys of this issuer are not kept")]
    NotKept,
    /// Keys are fetched every 5 minutes, and may be no younger than twice that to be used.
    #[error("the longest key age is shorter than ten minutes")]
    KeyAge,
}

/// Keeps the keys of a [`KeyRing`] fresh. Cheap to clone; the task ends with the last clone.
///
/// What it finds out ends no session by itself: hand its events to the registry of sessions.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use cofferdam_auth::{IssuerConfig, KeyRing, Verifier, session::Limits};
/// # use cofferdam_core::{Authority, TenantId};
/// use cofferdam_tokio::{Clock, JwksClient, KeyEvent, KeyKeeper, Networks, random_bytes};
/// use cofferdam_tokio::sessions::SessionRegistry;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = Clock::start();
/// let ring = Arc::new(KeyRing::new(Verifier::new(Authority::new(random_bytes()))));
/// let (live, driver) = SessionRegistry::start(Arc::clone(&ring), clock, Limits::default());
/// let ending = live.clone();
/// let on_event = move |event| match event {
///     KeyEvent::Published { tenant, issuer, keys, .. } => {
///         ending.keys_changed(&tenant, &issuer, &keys);
///     }
///     KeyEvent::Removed { tenant, issuer } => ending.issuer_removed(&tenant, &issuer),
///     other => eprintln!("{other:?}"), // an operator should hear of it
/// };
/// let client = JwksClient::new(Networks::Public)?;
/// let (keeper, _task) = KeyKeeper::start(ring, client, clock, on_event);
///
/// let acme = TenantId::parse("acme")?;
/// let issuer = IssuerConfig::new("https://id.example.com/acme", acme.clone(), "events");
/// keeper.register(&issuer, "https://id.example.com/acme/jwks").await?;
/// // Accept sockets with `Acceptor::new(keeper.clone(), ..)`, open sessions with `live.open(..)`.
///
/// live.revoke(&acme, cofferdam_auth::Revoked::Subject("ana"))?; // no token, no session
/// keeper.remove("https://id.example.com/acme").await; // nor any of the issuer
/// drop(driver); // and at the end, none at all
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KeyKeeper {
    ring: Arc<KeyRing>,
    client: JwksClient,
    clock: Clock,
    asks: mpsc::UnboundedSender<Ask>,
    patient: Arc<Semaphore>,
    /// For those of the asks that strangers cause.
    room: Arc<Semaphore>,
    waiters: Arc<AtomicU64>,
}

/// Hears whether the keys of an issuer that was registered are there.
type Registered = oneshot::Sender<Result<bool, RegisterError>>;

enum Ask {
    Register {
        issuer: Box<IssuerConfig>,
        address: String,
        landed: Registered,
    },
    Remove {
        issuer: String,
        done: oneshot::Sender<()>,
    },
    Unknown {
        issuer: String,
        key_id: String,
        waiter: Waiter,
        answer: oneshot::Sender<bool>,
        /// Its place in the queue.
        place: OwnedSemaphorePermit,
    },
}

impl KeyKeeper {
    /// Starts the task. `on_event` is called in it, and must not block.
    ///
    /// Must be called within a Tokio runtime.
    pub fn start(
        ring: Arc<KeyRing>,
        client: JwksClient,
        clock: Clock,
        on_event: impl Fn(KeyEvent) + Send + 'static,
    ) -> (Self, JoinHandle<()>) {
        // Without a bound of its own: what an operator asks for must not wait behind strangers' tokens,
        // whose number is bounded by `room`. Sending is one step, which cannot be left half-way (S02).
        let (asks, inbox) = mpsc::unbounded_channel();
        let (landed, landings) = mpsc::channel(QUEUE);
        let keeping = Keeping {
            ring: Arc::clone(&ring),
            client: client.clone(),
            clock,
            machine: Refresher::new(random_bytes()),
            addresses: BTreeMap::new(),
            registering: BTreeMap::new(),
            waiting: BTreeMap::new(),
            landed,
            on_event,
        };
        let task = tokio::spawn(keeping.run(inbox, landings));
        let patient = Arc::new(Semaphore::new(MAX_PATIENT));
        let (room, waiters) = (Arc::new(Semaphore::new(QUEUE)), Arc::default());
        (Self { ring, client, clock, asks, patient, room, waiters }, task)
    }

    /// The keys of this moment.
    #[must_use]
    pub const fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// Registers an issuer and fetches its keys from `address`: whether they are there.
    ///
    /// If they are not, the issuer is registered all the same, and the fetch is tried again until
    /// they are. One try takes two seconds at most.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]; the issuer is not registered then.
    pub async fn register(
        &self,
        issuer: &IssuerConfig,
        address: &str,
    ) -> Result<bool, RegisterError> {
        self.client.check(address)?;
        if issuer.longest_key_age < FRESH * 2 {
            return Err(RegisterError::KeyAge);
        }
        let (landed, landing) = oneshot::channel();
        let issuer = Box::new(issuer.clone());
        let ask = Ask::Register { issuer, address: address.to_owned(), landed };
        self.asks.send(ask).map_err(|_| RegisterError::NotKept)?;
        landing.await.map_err(|_| RegisterError::NotKept)?
    }

    /// Removes an issuer: its tokens are refused from now on, and its keys no longer fetched. It may
    /// be registered again, also for another tenant, once this has returned.
    ///
    /// Cancel safe: a removal that was begun is carried out though nobody waits for it, before whatever
    /// is asked of the keeper later.
    pub async fn remove(&self, issuer: &str) {
        self.ring.remove(issuer);
        let (done, carried_out) = oneshot::channel();
        let ask = Ask::Remove { issuer: issuer.to_owned(), done };
        // A task that has ended fetches nothing either.
        if self.asks.send(ask).is_ok() {
            let _ = carried_out.await;
        }
    }

    /// [`KeyRing::verify`], and for a key that is not there yet one fetch and another try.
    ///
    /// A token whose key is there is decided at once, whatever the issuer's server does, unless it is
    /// one that anybody could have made: for an unknown issuer or key, a wrong type, algorithm or
    /// signature the refusal comes after a second, so that none of them tells who has an issuer here.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn verify(
        &self,
        token: &str,
        route: &Route<'_>,
        connection: ConnectionId,
        epoch: Epoch,
    ) -> Result<TenantContext, AuthFailure> {
        let check = || self.ring.verify(token, route, self.clock.now(), connection, epoch);
        self.verify_by(token, check).await
    }

    /// The same with a check of your own, which is made again when the key may be there. An
    /// [`Acceptor`](crate::upgrade::Acceptor) that was made with a keeper does so itself.
    ///
    /// # Errors
    ///
    /// What `check` says in the end.
    pub async fn verify_by<T>(
        &self,
        token: &str,
        check: impl Fn() -> Result<T, AuthFailure>,
    ) -> Result<T, AuthFailure> {
        match check() {
            Err(failure) if is_anybodys(&failure) => self.hold(token, failure, check).await,
            decided => decided,
        }
    }

    /// What becomes of a token that anybody could have made, and that was refused once.
    pub(crate) async fn hold<T>(
        &self,
        token: &str,
        failure: AuthFailure,
        check: impl Fn() -> Result<T, AuthFailure>,
    ) -> Result<T, AuthFailure> {
        let deadline = Instant::now() + PATIENCE;
        let Ok(_held) = self.patient.try_acquire() else {
            self.ask_for_key(token, &failure);
            return Err(failure);
        };
        if failure.reason() == Reason::UnknownKey && self.ask(token, deadline).await == Some(true) {
            match check() {
                Err(again) if is_anybodys(&again) => {}
                decided => return decided,
            }
        }
        // X01: whoever is refused has waited as long as everybody else.
        time::sleep_until(deadline).await;
        check()
    }

    /// Has the key fetched that `token` names, if it was refused for want of one. Waits for nothing:
    /// whoever comes back finds it.
    pub fn ask_for_key(&self, token: &str, failure: &AuthFailure) {
        // X01: the same work for a token whose issuer is not there; the task knows.
        if is_anybodys(failure) {
            let _nobody_waits = self.send_ask(token);
        }
    }

    async fn ask(&self, token: &str, deadline: Instant) -> Option<bool> {
        timeout_at(deadline, self.send_ask(token)?).await.ok()?.ok()
    }

    fn send_ask(&self, token: &str) -> Option<oneshot::Receiver<bool>> {
        let named = Unverified::inspect(token).ok()?;
        let (issuer, key_id) = (named.issuer().to_owned(), named.key_id().to_owned());
        let waiter = Waiter(self.waiters.fetch_add(1, Relaxed));
        let (answer, answered) = oneshot::channel();
        // A full queue is as good as no answer: a check must not wait for the task.
        let place = Arc::clone(&self.room).try_acquire_owned().ok()?;
        self.asks.send(Ask::Unknown { issuer, key_id, waiter, answer, place }).ok()?;
        Some(answered)
    }
}

/// Whether anybody could have made the token, and the refusal came after its issuer was looked for.
pub(crate) fn is_anybodys(failure: &AuthFailure) -> bool {
    matches!(
        failure.reason(),
        Reason::UnknownIssuer
            | Reason::UnknownKey
            | Reason::WrongTokenType
            | Reason::AlgorithmRefused
            | Reason::SignatureInvalid
    )
}

impl fmt::Debug for KeyKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyKeeper").field("ring", &self.ring).finish_non_exhaustive()
    }
}
