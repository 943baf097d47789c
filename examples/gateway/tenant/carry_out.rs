//! Carrying out what a compartment asks for, in order.

use std::sync::atomic::Ordering::Relaxed;

use cofferdam::{
    Effect, Input,
    audit::{self, checkpoint::Checkpoint},
    core::Now,
    cursor,
    queue::{
        self, ConsumerId, LaneId,
        dead_letter::{Cause, DeadLetter},
    },
};

use super::{Attach, Delivery, Task};
use crate::storage::Job;

impl Task {
    pub(super) async fn carry_out(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Queue(effect) => self.queue_effect(effect).await,
                Effect::Cursor(cursor::Effect::Write(write)) => {
                    if let cursor::Write::Cursor(cursor) = &write {
                        self.around.stats.cursor.store(cursor.position(), Relaxed);
                    }
                    self.store(Job::Cursor(write)).await;
                }
                // The compartment stops taking frames by itself.
                Effect::Cursor(cursor::Effect::Stalled { .. }) => {}
                Effect::Audit(effect) => self.audit_effect(effect).await,
            }
        }
        if self.effects.is_empty() {
            self.effects = effects;
        }
        self.hand_out();
    }

    async fn store(&self, job: Job) {
        // The storage thread outlives every task; if it died, the end of the run says so.
        let _ = self.around.storage.send(job).await;
    }

    async fn queue_effect(&mut self, effect: queue::Effect) {
        match effect {
            queue::Effect::Deliver { consumer, delivery, attempt, event, .. } => {
                if let Some(consumer) = self.consumers.get_mut(&consumer) {
                    consumer.batch.push(Delivery { id: delivery, attempt, event });
                }
            }
            queue::Effect::Attached { consumer, .. } => self.answer(consumer, Attach::Granted),
            queue::Effect::Busy { consumer, .. } => self.answer(consumer, Attach::Busy),
            queue::Effect::Denied { consumer, .. } => self.answer(consumer, Attach::Denied),
            queue::Effect::DeadLetter { lane, event, cause, attempts, queued_at, .. } => {
                self.dead_letter(lane, &event, (cause, attempts, queued_at)).await;
            }
            queue::Effect::Settled { position, .. } => self.forget(position).await,
            queue::Effect::Gap { .. } => {
                self.around.stats.gaps.fetch_add(1, Relaxed);
            }
            // Pausing is not reading, which `is_reading` decides; refusals are in the audit log.
            _ => {}
        }
    }

    /// A replay is settled: delivered, or dead again under a letter of its own. One letter goes.
    async fn forget(&mut self, position: u64) {
        let Some(letters) = self.redriven.get_mut(&position) else { return };
        let letter = letters.pop();
        if letters.is_empty() {
            self.redriven.remove(&position);
        }
        if let Some(id) = letter {
            self.around.stats.dead_held.fetch_sub(1, Relaxed);
            self.store(Job::Forget { tenant: self.tenant.clone(), id }).await;
        }
    }

    async fn dead_letter(
        &mut self,
        lane: Option<LaneId>,
        event: &cofferdam::core::pipeline::Recorded,
        (cause, attempts, queued_at): (queue::DeadCause, u32, Now),
    ) {
        let lane = lane.and_then(|lane| self.compartment.queues().lane_name(lane));
        let cause = Cause {
            lane,
            cause,
            attempts,
            first_ms: queued_at.wall_ms(),
            last_ms: self.now().wall_ms(),
        };
        let letter = DeadLetter::seal(event, cause, &*self.around.seal);
        self.around.stats.dead_held.fetch_add(1, Relaxed);
        self.store(Job::DeadLetter(letter)).await;
    }

    async fn audit_effect(&mut self, effect: audit::Effect) {
        match effect {
            audit::Effect::Append { tenant, size, bytes, .. } => {
                self.around.stats.audit_size.store(size, Relaxed);
                let done = self.done.clone();
                self.store(Job::Leaves { tenant, size, bytes, done }).await;
            }
            audit::Effect::Checkpoint { tenant, note, .. } => {
                if let Ok(head) = Checkpoint::open(note.as_bytes(), &self.around.log_key) {
                    self.around.stats.set_audit_head(&base64(&head.root));
                }
                self.store(Job::Checkpoint { tenant, note }).await;
            }
            _ => {}
        }
    }

    fn answer(&mut self, consumer: ConsumerId, answer: Attach) {
        if let Some(found) = self.consumers.get_mut(&consumer)
            && let Some(waiting) = found.answer.take()
        {
            // The session may be gone already; its end is a command of its own.
            let _ = waiting.send(answer);
        }
        if answer == Attach::Granted {
            let n = Self::CREDIT;
            self.input(Input::Queue(queue::Input::Credit { consumer, n }));
        } else {
            self.consumers.remove(&consumer);
        }
    }

    /// How many deliveries a consumer may hold unacknowledged.
    pub(crate) const CREDIT: u32 = 1_024;

    /// Gives each consumer what it was dealt. A channel holds as many batches as there is credit,
    /// so it is full never, and closed if the session is gone.
    fn hand_out(&mut self) {
        let mut gone = Vec::new();
        for (id, consumer) in &mut self.consumers {
            if !consumer.batch.is_empty()
                && consumer.deliveries.try_send(std::mem::take(&mut consumer.batch)).is_err()
            {
                gone.push(*id);
            }
        }
        gone.into_iter().for_each(|consumer| self.detach(consumer));
    }
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(bytes)
}
