//! One issuer's keys over time.

use std::time::Duration;

use cofferdam_core::{Now, TenantId};

use super::{
    ASKED_AGAIN, Alarm, Answer, Effect, FRESH, Flight, Jitter, MAX_WAITING, SHORTEST, STALE, Waiter,
};
use crate::KeySet;

/// A fetch that has not come back by then has failed; a driver gives up long before.
const GIVE_UP: Duration = Duration::from_secs(10);
/// After one failure; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// From this share of a set's time on it is fetched again, and by the other at the latest, which
/// leaves time for a failure and another try.
const AHEAD: (f64, f64) = (0.80, 0.95);

pub(super) struct Issuer {
    pub(super) tenant: TenantId,
    name: String,
    keys: Option<KeySet>,
    validator: Option<String>,
    /// The last good answer, or the registration.
    good_at: Now,
    flight: Option<Flight>,
    flights: u64,
    /// What the numbers of its fetches are counted from.
    numbered_from: u64,
    /// When to fetch next; during a fetch, when to give it up.
    due: Now,
    failures: u32,
    /// The last fetch that a key id nobody knew has caused.
    asked_at: Option<Now>,
    waiting: Vec<(Waiter, String)>,
    /// What the operator was told since the last good answer.
    told: Option<Alarm>,
    told_stale: bool,
}

impl Issuer {
    pub(super) fn new(name: &str, tenant: TenantId, numbered_from: u64, now: Now) -> Self {
        Self {
            tenant,
            name: name.to_owned(),
            keys: None,
            validator: None,
            good_at: now,
            flight: None,
            flights: 0,
            numbered_from,
            due: now,
            failures: 0,
            asked_at: None,
            waiting: Vec::new(),
            told: None,
            told_stale: false,
        }
    }

    pub(super) const fn due_ns(&self) -> u64 {
        self.due.monotonic_ns()
    }

    /// The number of its last fetch.
    pub(super) const fn last_number(&self) -> u64 {
        self.numbered_from + self.flights
    }

    /// Begins a fetch, unless there is one.
    pub(super) fn fetch(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.flight.is_some() {
            return;
        }
        self.flights += 1;
        let flight = Flight(self.last_number());
        self.flight = Some(flight);
        self.due = now.after(GIVE_UP);
        effects.push(Effect::Fetch {
            tenant: self.tenant.clone(),
            issuer: self.name.clone(),
            flight,
            validator: self.validator.clone(),
        });
    }

    pub(super) fn wake(&mut self, jitter: Jitter<'_>, now: Now, effects: &mut Vec<Effect>) {
        if !now.reached(self.due) {
            return;
        }
        if self.flight.take().is_some() {
            self.fail(jitter, now, effects);
            self.answer_waiting(effects);
        } else {
            self.fetch(now, effects);
        }
    }

    /// V03, V04: somebody needs a key that is not there.
    pub(super) fn ask(
        &mut self,
        key_id: String,
        waiter: Waiter,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let found = self.has(&key_id);
        let cools = self.asked_at.is_some_and(|asked| now.since(asked) < ASKED_AGAIN);
        let is_hopeless = self.flight.is_none() && cools;
        if found || is_hopeless || self.waiting.len() >= MAX_WAITING {
            effects.push(Effect::Resume { tenant: self.tenant.clone(), waiter, found });
            return;
        }
        self.waiting.push((waiter, key_id));
        if self.flight.is_none() {
            self.asked_at = Some(now);
            self.fetch(now, effects);
        }
    }

    pub(super) fn land(
        &mut self,
        flight: Flight,
        answer: Answer,
        jitter: Jitter<'_>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if self.flight != Some(flight) {
            return;
        }
        self.flight = None;
        match answer {
            Answer::Set { body, validator, max_age } => match KeySet::import(&body) {
                Ok(keys) => {
                    self.validator = validator;
                    self.succeed(keys, max_age, jitter, now, effects);
                }
                Err(error) => {
                    self.tell(Alarm::Broken(error), effects);
                    self.fail(jitter, now, effects);
                }
            },
            // Without a set of ours there is nothing that it could be about.
            Answer::NotModified { max_age } => match self.keys.clone() {
                Some(keys) => self.succeed(keys, max_age, jitter, now, effects),
                None => self.fail(jitter, now, effects),
            },
            Answer::Failed => self.fail(jitter, now, effects),
        }
        self.answer_waiting(effects);
    }

    /// Tells everybody who waits that nothing will come.
    pub(super) fn dismiss(mut self, effects: &mut Vec<Effect>) {
        self.keys = None;
        self.answer_waiting(effects);
    }

    fn succeed(
        &mut self,
        keys: KeySet,
        max_age: Option<Duration>,
        jitter: Jitter<'_>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let withdrawn = self.keys.as_ref().map(|old| old.withdrawn_by(&keys)).unwrap_or_default();
        self.keys = Some(keys.clone());
        self.good_at = now;
        self.failures = 0;
        (self.told, self.told_stale) = (None, false);
        let fresh = max_age.unwrap_or(FRESH).clamp(SHORTEST, FRESH);
        let (from, to) = (fresh.mul_f64(AHEAD.0), fresh.mul_f64(AHEAD.1));
        self.due = now.after(jitter.between(from, to, self.flights));
        effects.push(Effect::Install {
            tenant: self.tenant.clone(),
            issuer: self.name.clone(),
            keys,
            withdrawn,
        });
    }

    fn fail(&mut self, jitter: Jitter<'_>, now: Now, effects: &mut Vec<Effect>) {
        let doubled = FIRST_RETRY.saturating_mul(1 << self.failures.min(6));
        let span = doubled.min(LAST_RETRY);
        self.failures = self.failures.saturating_add(1);
        self.due = now.after(jitter.between(span / 2, span, self.flights));
        if now.since(self.good_at) >= STALE && !self.told_stale {
            self.told_stale = true;
            self.alarm(Alarm::Stale, effects);
        }
    }

    /// Once for each kind of fault, not with every try.
    fn tell(&mut self, alarm: Alarm, effects: &mut Vec<Effect>) {
        if self.told != Some(alarm) {
            self.told = Some(alarm);
            self.alarm(alarm, effects);
        }
    }

    fn alarm(&self, alarm: Alarm, effects: &mut Vec<Effect>) {
        let (tenant, issuer) = (self.tenant.clone(), self.name.clone());
        effects.push(Effect::Alarm { tenant, issuer, alarm });
    }

    fn answer_waiting(&mut self, effects: &mut Vec<Effect>) {
        for (waiter, key_id) in std::mem::take(&mut self.waiting) {
            let (tenant, found) = (self.tenant.clone(), self.has(&key_id));
            effects.push(Effect::Resume { tenant, waiter, found });
        }
    }

    fn has(&self, key_id: &str) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.get(key_id).is_some())
    }
}
