//! Who may have a lane, and what those who have one say.

use cofferdam_core::{Now, Reason, Scoped, TenantContext};

use super::Queues;
use crate::{ConsumerId, DeadCause, DeliveryId, Effect, LaneId, Outcome, lane::Attachment};

impl Queues {
    /// Gives a lane to a consumer that may have it.
    ///
    /// Another tenant's credential, one without the scope, one that has ended and a lane that there
    /// is not are told apart in the audit log only (SECURITY Q01).
    pub(super) fn attach(
        &mut self,
        name: &str,
        consumer: ConsumerId,
        context: TenantContext,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let lane = match self.admit(name, &context, now) {
            Ok(lane) => lane,
            Err(reason) => {
                self.refuse(reason, effects);
                effects.push(Effect::Denied { tenant: self.tenant.clone(), consumer });
                return;
            }
        };
        let tenant = self.tenant.clone();
        let elsewhere = self.consumers.get(&consumer).is_some_and(|&has| has != lane);
        match &mut self.lanes[lane.index()].attachment {
            Some(attachment) if attachment.consumer == consumer => attachment.context = context,
            free @ None if !elsewhere => {
                *free = Some(Attachment { consumer, context, credit: 0 });
                self.consumers.insert(consumer, lane);
            }
            _ => return effects.push(Effect::Busy { tenant, lane, consumer }),
        }
        effects.push(Effect::Attached { tenant, lane, consumer });
    }

    fn admit(&self, name: &str, context: &TenantContext, now: Now) -> Result<LaneId, Reason> {
        let lane = self.lane(name);
        if !context.tenant().same(&self.tenant) {
            Err(Reason::TenantMismatch)
        } else if context.has_expired(now) {
            Err(Reason::Expired)
        } else if !context.has_scope(&self.scope) {
            Err(Reason::ScopeMissing)
        } else {
            // No scope reaches a lane that there is not.
            lane.ok_or(Reason::ScopeMissing)
        }
    }

    pub(super) fn credit(
        &mut self,
        consumer: ConsumerId,
        n: u32,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.place(consumer) else { return };
        if let Some(attachment) = &mut self.lanes[at].attachment {
            attachment.credit = attachment.credit.saturating_add(n);
        }
        self.pump(at, now, effects);
        self.refresh(at, effects);
    }

    pub(super) fn ack(
        &mut self,
        consumer: ConsumerId,
        delivery: DeliveryId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.place(consumer) else { return };
        let Some(queued) = self.lanes[at].window.take(delivery) else { return };
        self.lanes[at].forget(&queued);
        self.settle(queued.slot, Outcome::Delivered, effects);
        self.pump(at, now, effects);
        self.refresh(at, effects);
    }

    /// The delivery must be in flight itself, or a number from anywhere would acknowledge all.
    pub(super) fn ack_up_to(
        &mut self,
        consumer: ConsumerId,
        delivery: DeliveryId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.place(consumer) else { return };
        if !self.lanes[at].window.holds(delivery) {
            return;
        }
        while let Some(queued) = self.lanes[at].window.take_through(delivery) {
            self.lanes[at].forget(&queued);
            self.settle(queued.slot, Outcome::Delivered, effects);
        }
        self.pump(at, now, effects);
        self.refresh(at, effects);
    }

    pub(super) fn nack(
        &mut self,
        consumer: ConsumerId,
        delivery: DeliveryId,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.place(consumer) else { return };
        let Some(queued) = self.lanes[at].window.take(delivery) else { return };
        self.lanes[at].return_credit();
        self.give_back(at, queued, DeadCause::Poison, effects);
        self.pump(at, now, effects);
        self.refresh(at, effects);
    }

    pub(super) fn detach(&mut self, consumer: ConsumerId, now: Now, effects: &mut Vec<Effect>) {
        let Some(at) = self.place(consumer) else { return };
        self.vacate(at, effects);
        self.pump(at, now, effects);
        self.refresh(at, effects);
    }

    /// Where the consumer is attached.
    fn place(&self, consumer: ConsumerId) -> Option<usize> {
        self.consumers.get(&consumer).map(|lane| lane.index())
    }
}
