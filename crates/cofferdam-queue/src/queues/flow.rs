//! An event's way through the lanes: in, to a consumer, back, out.

use cofferdam_core::{Now, Reason, pipeline::Recorded};

use super::Queues;
use crate::{
    DeadCause, DeliveryId, Effect, LaneId, Outcome, WhenFull,
    lane::Queued,
    ledger::{Closed, Slot},
};

impl Queues {
    /// Takes an event in, for all lanes of its routes or for one of them.
    ///
    /// The event holds itself open until every lane was asked, so that one which is full cannot
    /// settle it before the next has it.
    pub(super) fn offer(
        &mut self,
        event: Recorded,
        only: Option<LaneId>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if !event.belongs_to(&self.tenant) {
            return self.refuse(Reason::ForeignStage, effects);
        }
        self.offers += 1;
        let serial = self.offers;
        let slot = self.ledger.open(event.position(), event.is_replay());
        let mut reached = false;
        let mut astray = false;
        for route in event.routes() {
            match self.routes.get(route).copied() {
                Some(lane) if only.is_none_or(|only| only == lane) => {
                    reached = true;
                    let at = lane.index();
                    if self.lanes[at].sees_first(serial) {
                        self.ledger.hold(slot);
                        let event = event.clone();
                        let queued = Queued { event, serial, queued_at: now, attempts: 0, slot };
                        self.enqueue(at, queued, now, effects);
                    }
                }
                Some(_) => {}
                None => astray |= only.is_none(),
            }
        }
        if reached && !astray {
            self.settle(slot, Outcome::Delivered, effects);
        } else {
            let queued = Queued { event, serial, queued_at: now, attempts: 0, slot };
            self.bury(None, queued, DeadCause::NoLane, effects);
        }
    }

    fn enqueue(&mut self, at: usize, queued: Queued, now: Now, effects: &mut Vec<Effect>) {
        self.expire(at, now, effects);
        let size = queued.size();
        let lane = &mut self.lanes[at];
        if lane.has_room(size) {
            lane.push(queued);
        } else if lane.config.when_full != WhenFull::DropOldest {
            self.bury(Some(at), queued, DeadCause::Full, effects);
        } else if lane.could_have_room(size) {
            self.make_room(at, size, effects);
            self.lanes[at].push(queued);
        } else {
            // What is in flight may have been acted on already, so it is not what is dropped.
            self.lose(at, &queued, &mut None, effects);
        }
        self.pump(at, now, effects);
        self.refresh(at, effects);
    }

    /// Drops the oldest waiting events until `size` bytes find room; one gap names them.
    fn make_room(&mut self, at: usize, size: usize, effects: &mut Vec<Effect>) {
        let mut gap = None;
        while !self.lanes[at].has_room(size) {
            let Some(oldest) = self.lanes[at].take_head() else { return };
            self.lanes[at].forget(&oldest);
            self.lose(at, &oldest, &mut gap, effects);
        }
    }

    /// Names a dropped event in a gap, the one at `gap` among the effects if there is one, and
    /// settles it.
    fn lose(
        &mut self,
        at: usize,
        queued: &Queued,
        gap: &mut Option<usize>,
        effects: &mut Vec<Effect>,
    ) {
        let position = queued.event.position();
        let open = gap.and_then(|gap| effects.get_mut(gap));
        if let Some(Effect::Gap { from, to, count, .. }) = open {
            (*from, *to) = (position.min(*from), position.max(*to));
            *count += 1;
        } else {
            *gap = Some(effects.len());
            let (tenant, lane) = (self.tenant.clone(), lane_id(at));
            effects.push(Effect::Gap { tenant, lane, from: position, to: position, count: 1 });
        }
        self.settle(queued.slot, Outcome::Dropped, effects);
    }

    /// Delivers what waits, while the consumer has credit and the window has room.
    ///
    /// The credential is looked at again before every delivery: one that ends while its consumer
    /// is attached ends the attachment (SECURITY Q08).
    pub(super) fn pump(&mut self, at: usize, now: Now, effects: &mut Vec<Effect>) {
        self.expire(at, now, effects);
        loop {
            let lane = &mut self.lanes[at];
            let window_has_room = lane.window.len() < lane.config.max_in_flight;
            if lane.head().is_none() || !window_has_room {
                return;
            }
            let Some(attachment) = lane.attachment.as_mut().filter(|a| a.credit > 0) else {
                return;
            };
            let consumer = attachment.consumer;
            if attachment.context.has_expired(now) {
                self.refuse(Reason::Expired, effects);
                effects.push(Effect::Denied { tenant: self.tenant.clone(), consumer });
                self.vacate(at, effects);
                return self.expire(at, now, effects);
            }
            attachment.credit -= 1;
            let Some(mut queued) = lane.take_head() else { return };
            queued.attempts += 1;
            let delivery = DeliveryId(self.next_delivery);
            self.next_delivery += 1;
            effects.push(Effect::Deliver {
                tenant: self.tenant.clone(),
                lane: lane_id(at),
                consumer,
                delivery,
                attempt: queued.attempts,
                event: queued.event.clone(),
            });
            let deadline = now.after(lane.config.visibility);
            lane.window.push(delivery, deadline, queued.size(), queued);
        }
    }

    /// Takes the consumer from a lane; what it did not acknowledge goes back in order.
    pub(super) fn vacate(&mut self, at: usize, effects: &mut Vec<Effect>) {
        if let Some(attachment) = self.lanes[at].attachment.take() {
            self.consumers.remove(&attachment.consumer);
        }
        while let Some(queued) = self.lanes[at].window.take_oldest() {
            self.give_back(at, queued, DeadCause::Attempts, effects);
        }
    }

    /// Puts back an event that was delivered in vain, or buries it if that was its last attempt.
    pub(super) fn give_back(
        &mut self,
        at: usize,
        queued: Queued,
        if_spent: DeadCause,
        effects: &mut Vec<Effect>,
    ) {
        let lane = &mut self.lanes[at];
        if queued.attempts < lane.config.max_attempts {
            lane.put_back(queued);
        } else {
            lane.forget(&queued);
            self.bury(Some(at), queued, if_spent, effects);
        }
    }

    /// Empties every lane into the dead letters, each in its order.
    pub(super) fn close(&mut self, effects: &mut Vec<Effect>) {
        for at in 0..self.lanes.len() {
            if let Some(attachment) = self.lanes[at].attachment.take() {
                self.consumers.remove(&attachment.consumer);
            }
            while let Some(queued) = self.lanes[at].window.take_oldest() {
                self.lanes[at].put_back(queued);
            }
            while let Some(queued) = self.lanes[at].take_head() {
                self.lanes[at].forget(&queued);
                self.bury(Some(at), queued, DeadCause::Closed, effects);
            }
            self.refresh(at, effects);
        }
    }

    /// Buries what has waited too long.
    fn expire(&mut self, at: usize, now: Now, effects: &mut Vec<Effect>) {
        while let Some(queued) = self.lanes[at].take_expired(now) {
            self.bury(Some(at), queued, DeadCause::Expired, effects);
        }
    }

    /// Hands an event that is in no lane any more to the dead letters.
    fn bury(
        &mut self,
        at: Option<usize>,
        queued: Queued,
        cause: DeadCause,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::DeadLetter {
            tenant: self.tenant.clone(),
            lane: at.map(lane_id),
            event: queued.event,
            cause,
            attempts: queued.attempts,
            queued_at: queued.queued_at,
        });
        self.settle(queued.slot, Outcome::DeadLettered, effects);
    }

    /// One holder of an event is done with it.
    pub(super) fn settle(&mut self, slot: Slot, outcome: Outcome, effects: &mut Vec<Effect>) {
        if let Some(Closed { position, replay, outcome }) = self.ledger.release(slot, outcome) {
            let tenant = self.tenant.clone();
            effects.push(Effect::Settled { tenant, position, replay, outcome });
        }
    }
}

/// The id of the lane at this place; there are fewer than 2^32, as each has an id.
fn lane_id(at: usize) -> LaneId {
    LaneId(u32::try_from(at).unwrap_or(u32::MAX))
}
