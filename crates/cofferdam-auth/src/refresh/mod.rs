//! Key sets that stay fresh: when to fetch one, what an answer means, and who waits for it.
//!
//! A verifier needs every issuer's keys *before* a token comes, and an issuer's server is somebody
//! else's: it may be slow, broken, or asked for by an attacker who makes up key ids. So fetching is
//! a [`Machine`] beside the verifier, never a step of a check:
//!
//! * **Fresh.** A set is good for [`FRESH`], or as long as the answer's `max-age` says if that is
//!   shorter. From 80 % of that time on it is fetched again, at a moment that differs from issuer to
//!   issuer, so that a fleet that started together does not fetch together.
//! * **Stale, not gone.** A fetch that fails changes nothing but the time of the next one (1 s,
//!   doubling to 60 s, half of it random). The last good set stays in force until the registration's
//!   [`longest_key_age`](crate::IssuerConfig::longest_key_age), with an [`Alarm`] after an hour. An
//!   empty or unsound set is a failure: an outage is not a withdrawal.
//! * **Withdrawn at once.** A key that is missing from a *successful* answer is named in
//!   [`Effect::Install`], so that its sessions end with it.
//! * **Asked for by strangers.** A key id that nobody knows may be a rotation that is ahead of us,
//!   or nonsense. It causes a fetch at most once in [`ASKED_AGAIN`] for its issuer; in between, and
//!   when too many wait already, the answer is no. One flight serves all who wait for it.
//!
//! What is known of a key id that does not exist is not stored: within [`ASKED_AGAIN`] of a fetch it
//! is absent from the set that was fetched, which says the same as a list of such ids would, for no
//! memory at all. Nothing is shared between issuers, and an issuer belongs to one tenant: however
//! many ids somebody invents in A's name, B's next fetch is when it would have been.
//!
//! Sources: RFC 7517; RFC 9111 section 5.2.2.1 (`max-age`); the caching of Nimbus JOSE's
//! `JWKSourceBuilder` (5 minutes, refresh ahead, one fetch in 30 s).

mod issuer;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::Hasher,
    time::Duration,
};

use cofferdam_core::{Machine, Now, Scoped, TenantId};
use siphasher::sip::SipHasher24;

use crate::{InvalidKeySet, KeySet};
use issuer::Issuer;

/// How long a set is fresh if its answer does not ask for less.
pub const FRESH: Duration = Duration::from_secs(300);
/// The least that an answer can ask for.
pub const SHORTEST: Duration = Duration::from_secs(30);
/// How often key ids that nobody knows may cause a fetch, for each issuer.
pub const ASKED_AGAIN: Duration = Duration::from_secs(30);
/// After this long without a good answer the operator hears of it, once.
pub const STALE: Duration = Duration::from_secs(60 * 60);
/// The most issuers of one tenant.
pub const MAX_ISSUERS: usize = 16;
/// The most who may wait for one issuer's answer.
pub const MAX_WAITING: usize = 256;

/// Numbers the fetches of one issuer; an answer to another one than the last is ignored. An issuer
/// that is registered again gets none of the numbers that it had: what comes late from the address
/// of an earlier registration is nobody's key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flight(pub u64);

/// Names somebody who waits for a key; the driver's own number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiter(pub u64);

/// What a driver tells the [`Refresher`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// The verifier has a new issuer, of this tenant.
    Register {
        /// The issuer, as in its registration.
        issuer: String,
        /// The tenant that it belongs to.
        tenant: TenantId,
    },
    /// The verifier no longer has the issuer.
    Remove {
        /// The issuer.
        issuer: String,
    },
    /// A fetch came to its end.
    Fetched {
        /// The issuer.
        issuer: String,
        /// Which fetch.
        flight: Flight,
        /// What came of it.
        answer: Answer,
    },
    /// A token of the issuer names a key that is not in its set.
    UnknownKey {
        /// The issuer.
        issuer: String,
        /// The key that the token names.
        key_id: String,
        /// Who wants to hear whether it is there now.
        waiter: Waiter,
    },
}

/// What an issuer's server said.
#[derive(Clone)]
#[non_exhaustive]
pub enum Answer {
    /// 200, with a body that may be a key set.
    Set {
        /// The body.
        body: Vec<u8>,
        /// `ETag`, to be sent back with the next fetch.
        validator: Option<String>,
        /// `Cache-Control: max-age`; zero for `no-store` and `no-cache`.
        max_age: Option<Duration>,
    },
    /// 304: the set that was sent last is still the one.
    NotModified {
        /// As above.
        max_age: Option<Duration>,
    },
    /// No answer, or none of these.
    Failed,
}

/// Shows how long the body is: one that is refused may hold private keys.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { body, .. } => write!(f, "Set({} bytes)", body.len()),
            Self::NotModified { .. } => f.write_str("NotModified"),
            Self::Failed => f.write_str("Failed"),
        }
    }
}

/// What the [`Refresher`] asks of its driver.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Fetch the set of `issuer` from the address that was registered for it.
    Fetch {
        /// Whose issuer it is.
        tenant: TenantId,
        /// The issuer.
        issuer: String,
        /// Comes back with the answer.
        flight: Flight,
        /// For `If-None-Match`.
        validator: Option<String>,
    },
    /// Put the set in force: [`KeyRing::install_keys`](crate::KeyRing::install_keys).
    Install {
        /// Whose issuer it is.
        tenant: TenantId,
        /// The issuer.
        issuer: String,
        /// All of its keys.
        keys: KeySet,
        /// Keys that were there and are not any more, or that are another key now. End the sessions
        /// that were opened with them.
        withdrawn: Vec<Box<str>>,
    },
    /// Somebody need not wait any longer.
    Resume {
        /// Whose issuer it is.
        tenant: TenantId,
        /// Who.
        waiter: Waiter,
        /// Whether the key is there.
        found: bool,
    },
    /// Tell an operator.
    Alarm {
        /// Whose issuer it is.
        tenant: TenantId,
        /// The issuer.
        issuer: String,
        /// What is wrong.
        alarm: Alarm,
    },
}

impl Scoped for Effect {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Fetch { tenant, .. }
            | Self::Install { tenant, .. }
            | Self::Resume { tenant, .. }
            | Self::Alarm { tenant, .. } => tenant,
        }
    }
}

/// What an operator should know of an issuer's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alarm {
    /// The server answers with something that is no sound set. [`InvalidKeySet::PrivateKey`] means
    /// that it publishes secrets.
    Broken(InvalidKeySet),
    /// No good answer for [`STALE`]; the last good set, if there is one, is still in force.
    Stale,
    /// The tenant has [`MAX_ISSUERS`] already; this one's keys are not fetched.
    TooManyIssuers,
}

/// Decides when key sets are fetched, for all issuers of a process.
///
/// The driver carries [`Effect`]s out in their order, so that a key is in force before those who
/// wait for it are told. `cofferdam-tokio` has such a driver.
pub struct Refresher {
    seed: [u8; 16],
    issuers: BTreeMap<Box<str>, Issuer>,
    /// How many issuers each tenant has.
    owned: BTreeMap<TenantId, usize>,
    /// When each issuer wants to be looked at next, on the monotonic clock.
    due: BTreeSet<(u64, Box<str>)>,
    /// The highest number of a fetch for an issuer that is gone.
    numbered: u64,
}

impl Refresher {
    /// A machine without issuers. The seed must be random: it spreads the fetches over time.
    #[must_use]
    pub const fn new(seed: [u8; 16]) -> Self {
        Self {
            seed,
            issuers: BTreeMap::new(),
            owned: BTreeMap::new(),
            due: BTreeSet::new(),
            numbered: 0,
        }
    }

    fn register(&mut self, name: String, tenant: TenantId, now: Now, effects: &mut Vec<Effect>) {
        if self.issuers.contains_key(name.as_str()) {
            return;
        }
        let own = self.owned.entry(tenant.clone()).or_default();
        if *own >= MAX_ISSUERS {
            effects.push(Effect::Alarm { tenant, issuer: name, alarm: Alarm::TooManyIssuers });
            return;
        }
        *own += 1;
        let issuer = Issuer::new(&name, tenant, self.numbered, now);
        self.issuers.insert(name.clone().into(), issuer);
        self.with(&name, |issuer, _, effects| issuer.fetch(now, effects), effects);
    }

    fn remove(&mut self, name: &str, effects: &mut Vec<Effect>) {
        if let Some(issuer) = self.issuers.remove(name) {
            self.due.remove(&(issuer.due_ns(), name.into()));
            self.numbered = self.numbered.max(issuer.last_number());
            if let Some(own) = self.owned.get_mut(&issuer.tenant) {
                *own -= 1;
                if *own == 0 {
                    self.owned.remove(&issuer.tenant);
                }
            }
            issuer.dismiss(effects);
        }
    }

    /// Does `change` to an issuer that is there, and keeps the order of what is due.
    fn with(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Issuer, Jitter<'_>, &mut Vec<Effect>),
        effects: &mut Vec<Effect>,
    ) {
        let Some(issuer) = self.issuers.get_mut(name) else { return };
        self.due.remove(&(issuer.due_ns(), name.into()));
        change(issuer, Jitter { seed: &self.seed, issuer: name }, effects);
        self.due.insert((issuer.due_ns(), name.into()));
    }
}

impl Machine for Refresher {
    type Input = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        match input {
            Input::Register { issuer, tenant } => self.register(issuer, tenant, now, effects),
            Input::Remove { issuer } => self.remove(&issuer, effects),
            Input::Fetched { issuer, flight, answer } => {
                let land = |issuer: &mut Issuer, jitter: Jitter<'_>, effects: &mut Vec<Effect>| {
                    issuer.land(flight, answer, jitter, now, effects);
                };
                self.with(&issuer, land, effects);
            }
            Input::UnknownKey { issuer, key_id, waiter } => {
                let ask = |issuer: &mut Issuer, _: Jitter<'_>, effects: &mut Vec<Effect>| {
                    issuer.ask(key_id, waiter, now, effects);
                };
                self.with(&issuer, ask, effects);
            }
        }
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut reached = Vec::new();
        while let Some((at, _)) = self.due.first()
            && *at <= now.monotonic_ns()
        {
            reached.extend(self.due.pop_first().map(|(_, name)| name));
        }
        for name in reached {
            self.with(&name, |issuer, jitter, effects| issuer.wake(jitter, now, effects), effects);
        }
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.due.first().map(|(at, _)| Now::new(Duration::from_nanos(*at), 0))
    }
}

/// Shows how many issuers there are, not whose.
impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher").field("issuers", &self.issuers.len()).finish_non_exhaustive()
    }
}

/// Numbers that look random and depend on nothing but the seed, the issuer and a count of its own:
/// one generator for all issuers would let each see how often the others drew.
#[derive(Clone, Copy)]
struct Jitter<'j> {
    seed: &'j [u8; 16],
    issuer: &'j str,
}

impl Jitter<'_> {
    /// A span from `least` to `most`, for the `count`th time.
    fn between(self, least: Duration, most: Duration, count: u64) -> Duration {
        let mut mac = SipHasher24::new_with_key(self.seed);
        mac.write_u64(count);
        mac.write(self.issuer.as_bytes());
        // 32 bits are finer than a nanosecond of a second; the product fits.
        let share = (mac.finish() >> 32) as u32;
        least + most.saturating_sub(least).mul_f64(f64::from(share) / f64::from(u32::MAX))
    }
}
