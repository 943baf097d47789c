//! The task that owns the machine of key sets, and carries out what it asks for.

use std::{collections::BTreeMap, sync::Arc};

use cofferdam_auth::{
    KeyRing, KeySet,
    refresh::{Alarm, Answer, Effect, Flight, Input, Refresher, Waiter},
};
use cofferdam_core::{Machine, TenantId};
use tokio::sync::{mpsc, oneshot};

use super::{Ask, KeyEvent, MAX_PATIENT, Registered};
use crate::{Clock, JwksClient, sleep_until};

/// The task's own.
pub(super) struct Keeping<F> {
    pub(super) ring: Arc<KeyRing>,
    pub(super) client: JwksClient,
    pub(super) clock: Clock,
    pub(super) machine: Refresher,
    /// Whose each issuer is and where its keys are, by its registration.
    pub(super) addresses: BTreeMap<String, (TenantId, Arc<str>)>,
    /// Who waits for an issuer's first answer.
    pub(super) registering: BTreeMap<String, (Flight, Registered)>,
    pub(super) waiting: BTreeMap<Waiter, oneshot::Sender<bool>>,
    pub(super) landed: mpsc::Sender<(String, Flight, Answer)>,
    pub(super) on_event: F,
}

impl<F: Fn(KeyEvent)> Keeping<F> {
    pub(super) async fn run(
        mut self,
        mut asks: mpsc::UnboundedReceiver<Ask>,
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
                // The ring knew none, so whatever is still known of an earlier one is over.
                self.forget(&issuer, effects);
                self.addresses.insert(issuer.clone(), (tenant.clone(), address.into()));
                let name = issuer.clone();
                self.machine.handle_input(Input::Register { issuer, tenant }, now, effects);
                if let Some(Effect::Fetch { flight, .. }) = effects.last() {
                    self.registering.insert(name, (*flight, landed));
                }
            }
            Ask::Remove { issuer, done } => {
                self.ring.remove(&issuer);
                self.forget(&issuer, effects);
                // Whoever removed it may not wait any more.
                let _ = done.send(());
            }
            Ask::Unknown { issuer, key_id, waiter, answer, place } => {
                drop(place);
                self.waiting.insert(waiter, answer);
                self.machine.handle_input(
                    Input::UnknownKey { issuer, key_id, waiter },
                    now,
                    effects,
                );
            }
        }
    }

    fn forget(&mut self, issuer: &str, effects: &mut Vec<Effect>) {
        self.registering.remove(issuer);
        if let Some((tenant, _)) = self.addresses.remove(issuer) {
            (self.on_event)(KeyEvent::Removed { tenant, issuer: issuer.to_owned() });
            let input = Input::Remove { issuer: issuer.to_owned() };
            self.machine.handle_input(input, self.clock.now(), effects);
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
