//! One tenant's pipeline with a driver that answers at once.

use std::time::Duration;

use cofferdam::{
    Compartment, Effect, Fate, Input, Receipt, audit,
    core::{Machine, Now, TenantContext},
    queue::{self, ConsumerId, DeliveryId},
};

use crate::setup::{RETENTION, Setup, SetupError, TARGET};

const CONSUMER: ConsumerId = ConsumerId(1);
/// How many deliveries the consumer may hold.
const CREDIT: u32 = 1_024;
/// How many events the driver takes between two looks at its timers, and the consumer before it
/// acknowledges.
pub(crate) const BATCH: usize = 256;
/// The rig's time is its own: this much passes with each event.
const PER_EVENT: Duration = Duration::from_micros(10);

/// A compartment, a consumer that acknowledges in batches, and an audit file that is durable at
/// once.
///
/// Its clock is virtual. The same events come again with each round, so [`new_round`](Self::new_round)
/// lets as much time pass as they are remembered for: they are looked up and stored by the
/// de-duplication like any others, and none is taken for a duplicate.
pub struct Rig {
    compartment: Compartment,
    context: TenantContext,
    now: Now,
    effects: Vec<Effect>,
    delivered: Vec<DeliveryId>,
    until_tick: usize,
    /// So that delivering is not optimised away, and as a check.
    delivered_bytes: u64,
}

impl Rig {
    /// Puts a pipeline together and attaches the consumer.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the parts do not fit.
    pub fn new(setup: &Setup) -> Result<Self, SetupError> {
        let now = Now::from_millis(0, 1_790_000_000_000);
        let mut compartment = Compartment::new(setup.parts(now)?)?;
        compartment
            .bind(&setup.authority, &setup.context)
            .map_err(|refusal| format!("the gate refused: {:?}", refusal.reason()))?;
        let mut rig = Self {
            compartment,
            context: setup.context.clone(),
            now,
            effects: Vec::new(),
            delivered: Vec::new(),
            until_tick: BATCH,
            delivered_bytes: 0,
        };
        let (consumer, lane) = (CONSUMER, TARGET.to_owned());
        let context = setup.context.clone();
        rig.tell(queue::Input::Attach { lane, consumer, context });
        rig.tell(queue::Input::Credit { consumer, n: CREDIT });
        Ok(rig)
    }

    /// Takes one frame through the pipeline; whether it was queued.
    pub fn take(&mut self, frame: &[u8]) -> bool {
        self.now = self.now.after(PER_EVENT);
        let receipt = self.compartment.receive(&self.context, frame, self.now, &mut self.effects);
        self.carry_out();
        self.until_tick -= 1;
        if self.until_tick == 0 {
            self.tick();
        }
        receipt == Receipt::Taken(Fate::Queued)
    }

    /// The same events will come again.
    pub fn new_round(&mut self) {
        self.now = self.now.after(RETENTION);
    }

    /// Whether every event was delivered or dropped as unmatched, and none refused or taken for a
    /// duplicate.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let counts = self.compartment.counts();
        let unsettled = self.compartment.unsettled();
        counts.is_conserved(unsettled)
            && counts.received == counts.delivered + counts.unmatched + unsettled
    }

    /// How many places were redacted.
    #[must_use]
    pub fn redactions(&self) -> u64 {
        self.compartment.counts().redactions
    }

    /// How many bytes the consumer was given.
    #[must_use]
    pub const fn delivered_bytes(&self) -> u64 {
        self.delivered_bytes
    }

    /// The consumer acknowledges what it has; timers that are due fire.
    fn tick(&mut self) {
        self.until_tick = BATCH;
        if let Some(&delivery) = self.delivered.last() {
            let n = u32::try_from(self.delivered.len()).unwrap_or(u32::MAX);
            self.delivered.clear();
            self.tell(queue::Input::AckUpTo { consumer: CONSUMER, delivery });
            self.tell(queue::Input::Credit { consumer: CONSUMER, n });
        }
        if self.compartment.poll_timeout().is_some_and(|at| self.now.reached(at)) {
            self.compartment.handle_timeout(self.now, &mut self.effects);
            self.carry_out();
        }
    }

    fn tell(&mut self, input: queue::Input) {
        self.compartment.handle_input(Input::Queue(input), self.now, &mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while !self.effects.is_empty() {
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.drain(..) {
                match effect {
                    Effect::Queue(queue::Effect::Deliver { delivery, event, .. }) => {
                        self.delivered.push(delivery);
                        self.delivered_bytes += event.body().len() as u64;
                    }
                    Effect::Audit(audit::Effect::Append { size, bytes, .. }) => {
                        let durable = audit::Input::Durable { size, spare: bytes };
                        let input = Input::Audit(durable);
                        self.compartment.handle_input(input, self.now, &mut self.effects);
                    }
                    _ => {}
                }
            }
            if self.effects.is_empty() {
                self.effects = effects;
                return;
            }
        }
    }
}
