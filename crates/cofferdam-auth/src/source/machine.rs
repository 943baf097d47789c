//! The machine that keeps one tenant in a valid token.
//!
//! # When a token is renewed
//!
//! ```text
//! asked for   80 to 90 %        30 s left       expires
//!     |-----------|-----------------|--------------|
//!       served       served, and      renewed first; the old one is served
//!                    renewed behind   only if that fails (an outage)
//! ```
//!
//! The lifetime is counted on the monotonic clock from the moment at which the request was *sent*,
//! which is before the server can have begun to count; a wall clock that jumps moves nothing. A
//! token that nobody used since it came is not renewed ahead: an idle tenant costs one request and
//! then none. There is never more than one request of a tenant under way, and never two within a
//! second after a token came, whatever lifetimes a server hands out.
//!
//! # While requests fail
//!
//! The token in hand is served until it expires. Without one, callers wait for the next attempt
//! (each at most its longest wait) until the breaker opens; then they are refused at once and told
//! when to come again. See `pace` for the times.
//!
//! # Why one machine for each tenant
//!
//! A machine of all tenants would need one lock, one list of deadlines and one generator of random
//! numbers, each of which shows every tenant how busy the others are. That no two tenants share a
//! client is the registry's part ([`Clients`](super::Clients)).

use std::{sync::Arc, time::Duration};

use cofferdam_core::{Machine, Now, Scoped, TenantId};

use super::{
    AccessToken, Alert, Body, Client, Effect, Failure, Input, NoToken, RefreshRate, RequestId,
    SourceLimits, TokenRequest, Unsound,
    chance::Chance,
    pace::{Pace, share},
    rate::Renewals,
    response::Grant,
    waiters::Waiters,
};

/// A token with less than this left is renewed before it is used.
const MARGIN: Duration = Duration::from_secs(30);
/// After a token came, no other is asked for within this.
const SHORTEST_GAP: Duration = Duration::from_secs(1);

/// Keeps one tenant in a valid token.
#[derive(Debug)]
pub struct TokenSource {
    client: Arc<Client>,
    limits: SourceLimits,
    chance: Chance,
    latest: Now,
    held: Option<Held>,
    flight: Option<Flight>,
    attempts: u64,
    waiters: Waiters,
    pace: Pace,
    renewals: Renewals,
    last_failure: Option<Failure>,
    /// A token was rejected, and none has lived to its planned renewal since.
    rejected: bool,
    removed: bool,
}

/// The token in hand.
#[derive(Debug)]
struct Held {
    token: AccessToken,
    came: Now,
    /// When to renew it ahead; `None` if it is too short-lived for that.
    renew: Option<Now>,
    used: bool,
}

/// The request under way.
#[derive(Debug)]
struct Flight {
    attempt: u64,
    sent: Now,
    until: Now,
}

impl TokenSource {
    /// A source of tokens for this client's tenant. `seed` is fresh random bytes: jitter and the
    /// ids of assertions come from it, so two sources must not have the same.
    #[must_use]
    pub fn new(client: Arc<Client>, limits: SourceLimits, seed: [u8; 32]) -> Self {
        Self {
            client,
            limits,
            chance: Chance::new(&seed),
            latest: Now::default(),
            held: None,
            flight: None,
            attempts: 0,
            waiters: Waiters::default(),
            pace: Pace::default(),
            renewals: Renewals::default(),
            last_failure: None,
            rejected: false,
            removed: false,
        }
    }

    /// How often tokens were renewed lately: the metric.
    #[must_use]
    pub fn refresh_rate(&self, now: Now) -> RefreshRate {
        self.renewals.rate(now)
    }

    /// How many callers wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }

    fn wanted(&mut self, request: RequestId, now: Now, effects: &mut Vec<Effect>) {
        if self.removed {
            return self.answer(request, NoToken::NoClient, now, effects);
        }
        if let Some(held) = self.held.as_mut() {
            held.used = true;
            let left = held.token.expires().since(now);
            let just_came = now.since(held.came) < SHORTEST_GAP;
            if left > MARGIN || (just_came && !left.is_zero()) {
                let token = held.token.clone();
                return effects.push(Effect::Ready { request, token });
            }
        }
        self.send_if_allowed(now, effects);
        // While the breaker is not closed the token in hand is better than a wait.
        let waits = self.flight.is_some() || (self.alive(now).is_none() && !self.pace.is_open());
        if !waits {
            let why = self.failed_lately(now);
            return self.answer(request, why, now, effects);
        }
        let deadline = now.after(self.limits.longest_wait);
        if !self.waiters.add(request, deadline, self.limits.most_waiters) {
            self.answer(request, NoToken::Busy, now, effects);
        }
    }

    /// The token in hand, if it has not expired.
    fn alive(&self, now: Now) -> Option<&AccessToken> {
        self.held.as_ref().map(|held| &held.token).filter(|token| !now.reached(token.expires()))
    }

    /// Gives `request` the token that is left, or refuses it.
    fn answer(&self, request: RequestId, why: NoToken, now: Now, effects: &mut Vec<Effect>) {
        effects.push(match self.alive(now) {
            Some(token) => Effect::Ready { request, token: token.clone() },
            None => Effect::Refused { tenant: self.tenant().clone(), request, why },
        });
    }

    fn answer_all(&mut self, why: &NoToken, now: Now, effects: &mut Vec<Effect>) {
        for request in self.waiters.take_all() {
            self.answer(request, why.clone(), now, effects);
        }
    }

    fn failed_lately(&self, now: Now) -> NoToken {
        let why = self.last_failure.clone().unwrap_or(Failure::Unreachable);
        let retry_after = self.pace.until().map_or(Duration::ZERO, |until| until.since(now));
        NoToken::Failed { why, retry_after }
    }

    fn send_if_allowed(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.removed || self.flight.is_some() || !self.pace.may_send(now) {
            return;
        }
        self.attempts = self.attempts.wrapping_add(1);
        let attempt = self.attempts;
        let until = now.after(self.limits.longest_flight);
        self.flight = Some(Flight { attempt, sent: now, until });
        let nonce = self.chance.nonce();
        effects.push(Effect::Request(TokenRequest::new(Arc::clone(&self.client), attempt, nonce)));
    }

    /// The flight that this is the outcome of; what belongs to none is late and nobody's.
    fn land(&mut self, attempt: u64) -> Option<Flight> {
        self.flight.take_if(|flight| flight.attempt == attempt)
    }

    fn obtained(
        &mut self,
        attempt: u64,
        answer: &Body,
        witness: Option<&Body>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(flight) = self.land(attempt) else { return };
        let read = Grant::read(answer.bytes()).and_then(|grant| {
            let lifetime = grant.check(&self.client, witness.map(Body::bytes), now)?;
            let expires = flight.sent.after(lifetime);
            if now.reached(expires) { Err(Unsound::Lifetime) } else { Ok((grant, expires)) }
        });
        match read {
            Ok((grant, expires)) => self.hold(grant, attempt, &flight, expires, now, effects),
            Err(unsound) => {
                let why = match &unsound {
                    Unsound::Scopes(drift) => Alert::ScopeDrift(Arc::clone(drift)),
                    other => Alert::Unsound(other.clone()),
                };
                self.alert(why, effects);
                self.failed(unsound.into(), None, now, effects);
            }
        }
    }

    fn hold(
        &mut self,
        grant: Grant,
        serial: u64,
        flight: &Flight,
        expires: Now,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let lifetime = expires.since(flight.sent);
        let ahead = lifetime / 10 * 8 + share(lifetime / 10, self.chance.draw());
        let ahead = ahead.min(lifetime.saturating_sub(MARGIN));
        let renew = Some(flight.sent.after(ahead)).filter(|renew| !now.reached(*renew));
        let usual = self.client.config.usual_lifetime.map_or(ahead, |usual| usual / 10 * 8);
        let token = AccessToken::new(self.tenant().clone(), serial, expires, grant.token);
        self.held = Some(Held { token, came: now, renew, used: self.waiters.len() > 0 });
        self.last_failure = None;
        if self.pace.succeeded(!self.rejected) {
            self.alert(Alert::BreakerClosed, effects);
        }
        if let Some(rate) = self.renewals.note(now, usual.max(SHORTEST_GAP)) {
            self.alert(Alert::RenewedTooOften(rate), effects);
        }
        // Alive: nobody is refused.
        self.answer_all(&NoToken::TimedOut, now, effects);
    }

    fn failed(
        &mut self,
        why: Failure,
        retry_after: Option<Duration>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let draw = self.chance.draw();
        let opened = self.pace.failed(now, draw, retry_after, why.is_lasting());
        if opened {
            self.alert(Alert::BreakerOpened(why.clone()), effects);
        }
        self.last_failure = Some(why);
        if self.pace.is_open() || self.alive(now).is_some() {
            let why = self.failed_lately(now);
            self.answer_all(&why, now, effects);
        }
    }

    fn alert(&self, why: Alert, effects: &mut Vec<Effect>) {
        effects.push(Effect::Alert { tenant: self.tenant().clone(), why });
    }

    fn rejected(&mut self, serial: u64, now: Now, effects: &mut Vec<Effect>) {
        // An older token's rejection says nothing of the newer one.
        if self.held.take_if(|held| held.token.serial() == serial).is_none() {
            return;
        }
        // Once is a revocation; again, before any token lived out its time, is a failure.
        if self.rejected {
            self.failed(Failure::Rejected, None, now, effects);
        }
        self.rejected = true;
    }

    fn replaced(&mut self, client: Arc<Client>, now: Now, effects: &mut Vec<Effect>) {
        if !client.tenant().same(self.tenant()) {
            return;
        }
        if !client.asserts_as(&self.client) {
            self.held = None;
        }
        self.client = client;
        self.pace = Pace::default();
        // The old registration's answer is nobody's any more.
        self.flight = None;
        self.removed = false;
        if self.waiters.len() > 0 {
            self.send_if_allowed(now, effects);
        }
    }

    fn removed(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.held = None;
        self.flight = None;
        self.removed = true;
        self.answer_all(&NoToken::NoClient, now, effects);
    }

    /// When the next request is due without anybody asking for it.
    fn next_request(&self) -> Option<Now> {
        if self.removed || self.flight.is_some() {
            return None;
        }
        let until = self.pace.until().unwrap_or_default();
        if self.waiters.len() > 0 {
            return Some(until);
        }
        let renew = self.held.as_ref().filter(|held| held.used)?.renew?;
        Some(if renew.reached(until) { renew } else { until })
    }

    /// `now`, or the latest time seen if that is later.
    fn advance(&mut self, now: Now) -> Now {
        if now.reached(self.latest) {
            self.latest = now;
        }
        self.latest
    }
}

impl Machine for TokenSource {
    type Input = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        let now = self.advance(now);
        match input {
            Input::Wanted { request } => self.wanted(request, now, effects),
            Input::Abandoned { request } => self.waiters.remove(request),
            Input::Obtained { attempt, answer, witness } => {
                self.obtained(attempt, &answer, witness.as_ref(), now, effects);
            }
            Input::Failed { attempt, why, retry_after } => {
                if self.land(attempt).is_some() {
                    self.failed(why, retry_after, now, effects);
                }
            }
            Input::Rejected { serial } => self.rejected(serial, now, effects),
            Input::Replaced { client } => self.replaced(client, now, effects),
            Input::Removed => self.removed(now, effects),
        }
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let now = self.advance(now);
        if self.held.take_if(|held| now.reached(held.token.expires())).is_some() {
            self.rejected = false;
        }
        if self.flight.take_if(|flight| now.reached(flight.until)).is_some() {
            self.failed(Failure::TimedOut, None, now, effects);
        }
        while let Some(request) = self.waiters.take_late(now) {
            self.answer(request, NoToken::TimedOut, now, effects);
        }
        if self.next_request().is_some_and(|due| now.reached(due)) {
            // A token that lived to its renewal or its end was good.
            self.rejected &= self.held.is_none();
            self.send_if_allowed(now, effects);
        }
    }

    fn poll_timeout(&self) -> Option<Now> {
        let expires = self.held.as_ref().map(|held| held.token.expires());
        let flight = self.flight.as_ref().map(|flight| flight.until);
        let waits = self.waiters.first_deadline();
        [expires, flight, waits, self.next_request()]
            .into_iter()
            .flatten()
            .min_by_key(|due| due.monotonic_ns())
    }
}

impl Scoped for TokenSource {
    fn tenant(&self) -> &TenantId {
        self.client.tenant()
    }
}
