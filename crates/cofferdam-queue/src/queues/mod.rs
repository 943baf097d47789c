//! The machine: lanes, consumers, watermarks and settlement of one tenant.
//!
//! Whatever happens to a lane happens in one place each: an event enters in `enqueue`, goes to a
//! consumer in `pump`, comes back in `give_back` and leaves in `bury`, `settle` or a gap. After each
//! input the one lane that it touched is `refresh`ed: its deadline in the tournament of all lanes,
//! its part in the watermarks. No step looks at another lane.

mod consumers;
mod flow;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cofferdam_core::{Machine, Now, Reason, Refusal, Scoped, TenantId, pipeline::RouteId};
use sha2::{Digest, Sha256};

use crate::{
    ConfigError, ConsumerId, DeadCause, Effect, Input, LaneConfig, LaneId, Mistake, QueuesConfig,
    WhenFull, config, deadlines::Deadlines, lane::Lane, ledger::Ledger,
};

/// The bounded queues of one tenant.
///
/// One consumer has a lane at a time; another one that asks is told that it is busy. Delivery is at
/// least once: an event whose acknowledgement comes after its visibility timeout is delivered again.
/// Deliveries of one lane start in the order of its offers, and redeliveries come before what was
/// never delivered; a lane with `max_in_flight` of 1 is strictly ordered.
///
/// A consumer whose credential ends is detached before its next delivery. One whose credential is
/// revoked is for the driver to detach, which hears of it.
///
/// An input that names a consumer or a delivery that is not there, or not any more, changes nothing:
/// over a network that is not an error.
pub struct Queues {
    tenant: TenantId,
    scope: String,
    lanes: Vec<Lane>,
    names: BTreeMap<Arc<str>, LaneId>,
    routes: BTreeMap<RouteId, LaneId>,
    consumers: BTreeMap<ConsumerId, LaneId>,
    ledger: Ledger,
    deadlines: Deadlines,
    /// The latest time that was told.
    now: Now,
    /// How many events were offered: the serial of the latest.
    offers: u64,
    next_delivery: u64,
    paused: bool,
    /// How many blocking lanes are above their low watermark.
    lanes_above_low: usize,
}

/// One lane's state, for gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gauges {
    /// Events waiting and in flight.
    pub depth: usize,
    /// Bytes of redacted bodies waiting and in flight.
    pub bytes: usize,
    /// Events delivered and not yet acknowledged.
    pub in_flight: usize,
    /// How long the oldest waiting event has been queued.
    pub oldest_age: Option<Duration>,
    /// Who has the lane.
    pub consumer: Option<ConsumerId>,
}

impl Queues {
    /// Empty queues.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the first mistake in the configuration.
    pub fn new(tenant: TenantId, config: QueuesConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let names = config.lanes.iter().map(|lane| Arc::from(lane.name.as_str()));
        Ok(Self {
            names: names.zip((0..).map(LaneId)).collect(),
            next_delivery: first_delivery(&tenant, &config),
            deadlines: Deadlines::new(config.lanes.len()),
            lanes: config.lanes.into_iter().map(Lane::new).collect(),
            routes: config.routes,
            scope: config.scope,
            tenant,
            consumers: BTreeMap::new(),
            ledger: Ledger::default(),
            now: Now::default(),
            offers: 0,
            paused: false,
            lanes_above_low: 0,
        })
    }

    /// Adds a lane, for a target that subscriptions name from now on. Lanes are not taken away: what
    /// is queued in one whose target is gone still waits for its consumer.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the mistake in the lane's configuration; nothing changes.
    pub fn add_lane(&mut self, config: LaneConfig) -> Result<LaneId, ConfigError> {
        let lane = LaneId(u32::try_from(self.lanes.len()).unwrap_or(u32::MAX));
        config.check(lane)?;
        let name: Arc<str> = Arc::from(config.name.as_str());
        if self.names.contains_key(&name) {
            return Err(ConfigError { lane, mistake: Mistake::DuplicateName });
        }
        self.names.insert(name, lane);
        self.lanes.push(Lane::new(config));
        self.deadlines = Deadlines::new(self.lanes.len());
        for (at, lane) in self.lanes.iter().enumerate() {
            self.deadlines.set(at, lane.deadline());
        }
        Ok(lane)
    }

    /// Replaces the table of routes for later offers. What is queued stays where it is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a route leads to a lane that there is not; the old table stays.
    pub fn set_routes(&mut self, routes: BTreeMap<RouteId, LaneId>) -> Result<(), ConfigError> {
        config::check_routes(&routes, self.lanes.len())?;
        self.routes = routes;
        Ok(())
    }

    /// The lane with exactly this name.
    #[must_use]
    pub fn lane(&self, name: &str) -> Option<LaneId> {
        self.names.get(name).copied()
    }

    /// The name of a lane.
    #[must_use]
    pub fn lane_name(&self, lane: LaneId) -> Option<&str> {
        self.lanes.get(lane.index()).map(|lane| lane.config.name.as_str())
    }

    /// One lane's state at `now`.
    #[must_use]
    pub fn gauges(&self, lane: LaneId, now: Now) -> Option<Gauges> {
        let lane = self.lanes.get(lane.index())?;
        Some(Gauges {
            depth: lane.depth(),
            bytes: lane.bytes(),
            in_flight: lane.window.len(),
            oldest_age: lane.head().map(|head| now.since(head.queued_at)),
            consumer: lane.attachment.as_ref().map(|attachment| attachment.consumer),
        })
    }

    /// Whether upstream is to be paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// How many offered events are not settled; one in several lanes counts once.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.ledger.open_events()
    }

    /// The latest time: a clock that goes back stands still.
    fn tell_time(&mut self, now: Now) -> Now {
        if now.reached(self.now) {
            self.now = now;
        }
        self.now
    }

    fn refuse(&self, reason: Reason, effects: &mut Vec<Effect>) {
        effects.push(Effect::Refused(Refusal::new(self.tenant.clone(), reason)));
    }

    /// Brings what is kept about all lanes up to date with one.
    fn refresh(&mut self, at: usize, effects: &mut Vec<Effect>) {
        let lane = &mut self.lanes[at];
        self.deadlines.set(at, lane.deadline());
        if lane.config.when_full != WhenFull::Block {
            return;
        }
        let above_low = lane.above_low();
        match (std::mem::replace(&mut lane.counted_above_low, above_low), above_low) {
            (false, true) => self.lanes_above_low += 1,
            (true, false) => self.lanes_above_low -= 1,
            _ => {}
        }
        if !self.paused && lane.at_high() {
            self.paused = true;
            effects.push(Effect::Pause { tenant: self.tenant.clone() });
        } else if self.paused && self.lanes_above_low == 0 {
            self.paused = false;
            effects.push(Effect::Resume { tenant: self.tenant.clone() });
        }
    }
}

impl Machine for Queues {
    type Input = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        let now = self.tell_time(now);
        match input {
            Input::Offer(event) => self.offer(event, None, now, effects),
            Input::Redrive { lane, event } => self.offer(event, Some(lane), now, effects),
            Input::Attach { lane, consumer, context } => {
                self.attach(&lane, consumer, context, now, effects);
            }
            Input::Credit { consumer, n } => self.credit(consumer, n, now, effects),
            Input::Ack { consumer, delivery } => self.ack(consumer, delivery, now, effects),
            Input::AckUpTo { consumer, delivery } => {
                self.ack_up_to(consumer, delivery, now, effects);
            }
            Input::Nack { consumer, delivery } => self.nack(consumer, delivery, now, effects),
            Input::Detach { consumer } => self.detach(consumer, now, effects),
            Input::Close => self.close(effects),
        }
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let now = self.tell_time(now);
        // Once around at most: at the end of time every new deadline has come already.
        for _ in 0..self.lanes.len() {
            let Some(at) = self.deadlines.due(now) else { return };
            while let Some(queued) = self.lanes[at].window.take_lapsed(now) {
                self.lanes[at].return_credit();
                self.give_back(at, queued, DeadCause::Attempts, effects);
            }
            self.pump(at, now, effects);
            self.refresh(at, effects);
        }
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.deadlines.earliest()
    }
}

impl Scoped for Queues {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queues")
            .field("tenant", &self.tenant)
            .field("lanes", &self.lanes.len())
            .field("unsettled", &self.unsettled())
            .field("paused", &self.paused)
            .finish_non_exhaustive()
    }
}

/// Where delivery ids begin: 23 bits that depend on tenant and epoch, then 2^40 numbers. Not a
/// secret, only a place that another tenant's ids are not at; the top bit is left free so that ids
/// never wrap.
fn first_delivery(tenant: &TenantId, config: &QueuesConfig) -> u64 {
    let mut hash = Sha256::new();
    hash.update([u8::try_from(tenant.as_str().len()).unwrap_or(u8::MAX)]);
    hash.update(tenant.as_str());
    hash.update(config.epoch.0.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    u64::from_be_bytes([digest[0] >> 1, digest[1], digest[2], 0, 0, 0, 0, 0])
}
