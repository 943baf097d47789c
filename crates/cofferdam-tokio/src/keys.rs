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
//! refused at once if it is not; the difference would tell who is a customer (SECURITY X01). So all
//! who name an unknown issuer or key wait for the same span, [`PATIENCE`], and are refused together
//! with it; only a key that is found ends the wait. No more than [`MAX_PATIENT`] wait at a time, the
//! rest is refused at once, whatever they name.

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
    refresh::{Alarm, Answer, Effect, Flight, Input, Refresher, Waiter},
};
use cofferdam_core::{ConnectionId, Epoch, Machine, Reason, TenantContext, TenantId};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::{self, Instant, timeout_at},
};

use crate::{Clock, JwksClient, JwksError, random_bytes, sleep_until};

/// How long a token with an unknown issuer or key is held before it is refused.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many such tokens are held at a time.
const MAX_PATIENT: usize = 1_024;
/// Inputs that may stand in the task's queue.
const QUEUE: usize = 1_024;

/// What happened to an issuer's keys that others should act on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeyEvent {
    /// An issuer has published a set, and the ring is about to have it. For
    /// [`SessionRegistry::keys_changed`](crate::sessions::SessionRegistry::keys_changed).
    ///
    /// A key that is another one under an id that was there already is left out at first, so that
    /// the old one's sessions end, and a second event names it once the ring has the new one.
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
    /// The tenant has as many issuers as it may have, or the keeper has ended.
    #[error("the keys of this issuer are not kept")]
    NotKept,
}

/// Keeps the keys of a [`KeyRing`] fresh. Cheap to clone; the task ends with the last clone.
#[derive(Clone)]
pub struct KeyKeeper {
    ring: Arc<KeyRing>,
    client: JwksClient,
    clock: Clock,
    asks: mpsc::Sender<Ask>,
    patient: Arc<Semaphore>,
    waiters: Arc<AtomicU64>,
}

/// Hears whether the keys of an issuer that was registered are there.
type Registered = oneshot::Sender<Result<bool, RegisterError>>;

enum Ask {
    Register { issuer: Box<IssuerConfig>, address: String, landed: Registered },
    Remove { issuer: String },
    Unknown { issuer: String, key_id: String, waiter: Waiter, answer: oneshot::Sender<bool> },
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
        let (asks, inbox) = mpsc::channel(QUEUE);
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
        let waiters = Arc::default();
        (Self { ring, client, clock, asks, patient, waiters }, task)
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
        let (landed, landing) = oneshot::channel();
        let issuer = Box::new(issuer.clone());
        let ask = Ask::Register { issuer, address: address.to_owned(), landed };
        self.asks.send(ask).await.map_err(|_| RegisterError::NotKept)?;
        landing.await.map_err(|_| RegisterError::NotKept)?
    }

    /// Removes an issuer: its tokens are refused from now on, and its keys no longer fetched. It may
    /// be registered again, also for another tenant, once this has returned.
    pub async fn remove(&self, issuer: &str) {
        self.ring.remove(issuer);
        // A task that has ended fetches nothing either.
        let _ = self.asks.send(Ask::Remove { issuer: issuer.to_owned() }).await;
    }

    /// [`KeyRing::verify`], and for a key that is not there yet one fetch and another try.
    ///
    /// A token whose key is there is decided at once, whatever the issuer's server does.
    ///
    /// # Errors
    ///
    /// As there; for an unknown issuer or key mostly after a second (see the module's text).
    pub async fn verify(
        &self,
        token: &str,
        route: &Route<'_>,
        connection: ConnectionId,
        epoch: Epoch,
    ) -> Result<TenantContext, AuthFailure> {
        let check = || self.ring.verify(token, route, self.clock.now(), connection, epoch);
        let failure = match check() {
            Err(failure) if is_unknown(&failure) => failure,
            decided => return decided,
        };
        self.wait_for_key(token, &failure).await;
        check()
    }

    /// Waits until a key that `token` names, and for want of which it was refused, may be there.
    ///
    /// For checks that are not [`verify`](Self::verify): check, wait here if the failure's reason is
    /// [`Reason::UnknownKey`] or [`Reason::UnknownIssuer`], and check again. An
    /// [`Acceptor`](crate::upgrade::Acceptor) that was made with a keeper does so itself.
    pub async fn wait_for_key(&self, token: &str, failure: &AuthFailure) {
        let deadline = Instant::now() + PATIENCE;
        // An issuer's waiters have a bound of their own, so that strangers take nobody's place.
        if failure.reason() == Reason::UnknownKey && self.ask(token, deadline).await == Some(true) {
            return;
        }
        let Ok(_held) = self.patient.try_acquire() else { return };
        // X01: whoever is refused has waited as long as everybody else.
        time::sleep_until(deadline).await;
    }

    /// Has the key fetched that `token` names, if it was refused for want of one. Waits for nothing.
    pub fn ask_for_key(&self, token: &str, failure: &AuthFailure) {
        if failure.reason() == Reason::UnknownKey {
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
        self.asks.try_send(Ask::Unknown { issuer, key_id, waiter, answer }).ok()?;
        Some(answered)
    }
}

/// Whether the key may be there in a moment.
pub(crate) fn is_unknown(failure: &AuthFailure) -> bool {
    matches!(failure.reason(), Reason::UnknownKey | Reason::UnknownIssuer)
}

impl fmt::Debug for KeyKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyKeeper").field("ring", &self.ring).finish_non_exhaustive()
    }
}

/// The task's own.
struct Keeping<F> {
    ring: Arc<KeyRing>,
    client: JwksClient,
    clock: Clock,
    machine: Refresher,
    /// Whose each issuer is and where its keys are, by its registration.
    addresses: BTreeMap<String, (TenantId, Arc<str>)>,
    /// Who waits for an issuer's first answer.
    registering: BTreeMap<String, (Flight, Registered)>,
    waiting: BTreeMap<Waiter, oneshot::Sender<bool>>,
    landed: mpsc::Sender<(String, Flight, Answer)>,
    on_event: F,
}

impl<F: Fn(KeyEvent)> Keeping<F> {
    async fn run(
        mut self,
        mut asks: mpsc::Receiver<Ask>,
        mut landings: mpsc::Receiver<(String, Flight, Answer)>,
    ) {
        let mut effects = Vec::new();
        loop {
            let due = self.machine.poll_timeout();
            tokio::select! {
                ask = asks.recv() => {
                    let Some(ask) = ask else { return };
                    self.take(ask, &mut effects);
                }
                landing = landings.recv() => {
                    // `self` holds a sender, so there is always another one.
                    let Some((issuer, flight, answer)) = landing else { return };
                    let is_first = self.registering.get(&issuer).is_some_and(|(own, _)| *own == flight);
                    let registering = if is_first { self.registering.remove(&issuer) } else { None };
                    let input = Input::Fetched { issuer, flight, answer };
                    self.machine.handle_input(input, self.clock.now(), &mut effects);
                    if let Some((_, waiting)) = registering {
                        let is_set = |effect: &Effect| matches!(effect, Effect::Install { .. });
                        let is_there = effects.iter().any(is_set);
                        effects.drain(..).for_each(|effect| self.carry_out(effect));
                        // Whoever registered may not wait any more.
                        let _ = waiting.send(Ok(is_there));
                    }
                }
                () = sleep_until(&self.clock, due) => {
                    self.machine.handle_timeout(self.clock.now(), &mut effects);
                }
            }
            for effect in effects.drain(..) {
                self.carry_out(effect);
            }
            // Whoever has given up needs no answer; without this their number would only grow.
            if self.waiting.len() > MAX_PATIENT {
                self.waiting.retain(|_, answer| !answer.is_closed());
            }
        }
    }

    fn take(&mut self, ask: Ask, effects: &mut Vec<Effect>) {
        let now = self.clock.now();
        match ask {
            Ask::Register { issuer, address, landed } => {
                // Here and not by the caller: ring, machine and address are always of one
                // registration, whoever else registers or removes meanwhile.
                if let Err(error) = self.ring.register(&issuer) {
                    // Whoever registered may not wait any more.
                    let _ = landed.send(Err(error.into()));
                    return;
                }
                let (tenant, issuer) = (issuer.tenant, issuer.issuer);
                self.addresses.insert(issuer.clone(), (tenant.clone(), address.into()));
                let name = issuer.clone();
                self.machine.handle_input(Input::Register { issuer, tenant }, now, effects);
                if let Some(Effect::Fetch { flight, .. }) = effects.last() {
                    self.registering.insert(name, (*flight, landed));
                }
            }
            Ask::Remove { issuer } => {
                self.ring.remove(&issuer);
                self.registering.remove(&issuer);
                if let Some((tenant, _)) = self.addresses.remove(&issuer) {
                    (self.on_event)(KeyEvent::Removed { tenant, issuer: issuer.clone() });
                }
                self.machine.handle_input(Input::Remove { issuer }, now, effects);
            }
            Ask::Unknown { issuer, key_id, waiter, answer } => {
                self.waiting.insert(waiter, answer);
                self.machine.handle_input(
                    Input::UnknownKey { issuer, key_id, waiter },
                    now,
                    effects,
                );
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Fetch { issuer, flight, validator, .. } => {
                self.fetch(issuer, flight, validator);
            }
            Effect::Install { tenant, issuer, keys, withdrawn } => {
                self.install(tenant, issuer, keys, withdrawn);
            }
            Effect::Resume { waiter, found, .. } => {
                if let Some(answer) = self.waiting.remove(&waiter) {
                    // Whoever waited may have gone.
                    let _ = answer.send(found);
                }
            }
            Effect::Alarm { tenant, issuer, alarm } => {
                if alarm == Alarm::TooManyIssuers {
                    self.give_up(&issuer);
                }
                (self.on_event)(KeyEvent::Alarm { tenant, issuer, alarm });
            }
            // A kind of effect that this driver does not know asks for nothing that it could do.
            _ => {}
        }
    }

    /// Sessions first: one that opens in between is held against what is published.
    fn install(&self, tenant: TenantId, issuer: String, keys: KeySet, withdrawn: Vec<Box<str>>) {
        let (name, set) = (issuer.clone(), keys.clone());
        (self.on_event)(KeyEvent::Published { tenant, issuer, keys, withdrawn });
        // An issuer that was removed meanwhile has no keys to replace.
        let _ = self.ring.install_keys(&name, &set, self.clock.now());
    }

    /// There will be no fetch: an issuer without keys is not to look as if it waited for them.
    fn give_up(&mut self, issuer: &str) {
        self.ring.remove(issuer);
        self.addresses.remove(issuer);
        self.registering.remove(issuer);
    }

    fn fetch(&self, issuer: String, flight: Flight, validator: Option<String>) {
        let Some((_, address)) = self.addresses.get(&issuer).cloned() else { return };
        let (client, landed) = (self.client.clone(), self.landed.clone());
        tokio::spawn(async move {
            let answer = client.fetch(&address, validator.as_deref()).await;
            // Without a receiver the keeper has ended.
            let _ = landed.send((issuer, flight, answer.unwrap_or(Answer::Failed))).await;
        });
    }
}
