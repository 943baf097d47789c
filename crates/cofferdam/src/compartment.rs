//! Everything of one tenant, behind one gate.
//!
//! The stages are called in the one order that the proof types allow; what this module adds is the
//! bookkeeping around them. Every frame gets a position in the tenant's stream and is opened in the
//! tracker before anything else looks at it, and is settled there exactly once, whatever becomes of
//! it. That is why a cursor can never pass an event that is still in a queue, and why
//! [`Counts::is_conserved`] holds after every call.

use std::{collections::BTreeMap, sync::Arc};

use cofferdam_audit::{self as audit, EventCode, Fact, Log};
use cofferdam_core::{
    Authority, Gate, Machine, Now, Reason, Refusal, Scoped, TenantContext, TenantId,
    pipeline::{Recorded, RouteId},
};
use cofferdam_cursor::{self as cursor, Deduplicator, Seen, Tracker};
use cofferdam_filter::{self as filter, FilterGraph, StrictJson};
use cofferdam_json as json;
use cofferdam_queue::{self as queue, ConfigError, LaneConfig, Outcome, Queues};
use cofferdam_redact::{self as redact, Policy};

use crate::{Counts, Effect, Input};

/// What a compartment is made of; every part belongs to the same tenant.
pub struct Parts {
    /// The compiled subscriptions.
    pub filter: Arc<FilterGraph>,
    /// The compiled redaction policy.
    pub policy: Arc<Policy>,
    /// The audit log.
    pub log: Log,
    /// The queues; lanes are named as the subscriptions' targets.
    pub queues: Queues,
    /// What the lane of a target without one is like; its name becomes the target's.
    pub new_lanes: LaneConfig,
    /// The cursor of the upstream stream.
    pub tracker: Tracker,
    /// The window of what was seen.
    pub dedup: Deduplicator,
    /// A secret key for the strict check's name table.
    pub json_key: [u8; 16],
}

/// The parts do not make a compartment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidParts {
    /// This part belongs to another tenant than the queues.
    #[error("the {0} belongs to another tenant")]
    Foreign(&'static str),
    /// No lane can be made for a target of the subscriptions.
    #[error(transparent)]
    Lane(#[from] ConfigError),
}

/// What became of a frame when it was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It was taken, and has a position in the stream.
    Taken(Fate),
    /// There is no room: nothing was changed. Stop reading, and offer the same frame again once
    /// [`Compartment::is_paused`] says no.
    Stalled,
}

/// The end of a frame, or its beginning in the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nobody subscribed.
    Unmatched,
    /// The same bytes were seen before.
    Duplicate,
    /// It was refused, audited and counted.
    Refused(Reason),
    /// It was redacted, recorded and offered to the queues.
    Queued,
}

/// One tenant's pipeline. Not shared: one owner calls it, from one task at a time.
pub struct Compartment {
    tenant: TenantId,
    gate: Option<Gate>,
    filter: Arc<FilterGraph>,
    check: StrictJson,
    policy: Arc<Policy>,
    log: Log,
    queues: Queues,
    new_lanes: LaneConfig,
    tracker: Tracker,
    dedup: Deduplicator,
    next_position: u64,
    stalled: bool,
    counts: Counts,
    scratch: Scratch,
}

/// Buffers of the data plane, and of the machines' effects on their way out.
struct Scratch {
    filter: filter::Scratch,
    json: json::Scratch,
    redact: redact::Scratch,
    body: Vec<u8>,
    queue: Vec<queue::Effect>,
    cursor: Vec<cursor::Effect>,
    audit: Vec<audit::Effect>,
}

impl Compartment {
    /// Puts the parts together. Nothing can enter before [`bind`](Self::bind).
    ///
    /// # Errors
    ///
    /// [`InvalidParts`] if the parts do not all belong to the tenant of the queues.
    pub fn new(parts: Parts) -> Result<Self, InvalidParts> {
        let tenant = parts.queues.tenant().clone();
        for (part, owner) in [
            ("filter", parts.filter.tenant()),
            ("policy", parts.policy.tenant()),
            ("log", parts.log.tenant()),
            ("tracker", parts.tracker.tenant()),
            ("dedup", parts.dedup.tenant()),
        ] {
            if !owner.same(&tenant) {
                return Err(InvalidParts::Foreign(part));
            }
        }
        let mut compartment = Self {
            tenant,
            gate: None,
            filter: parts.filter,
            check: StrictJson::default(),
            policy: parts.policy,
            log: parts.log,
            queues: parts.queues,
            new_lanes: parts.new_lanes,
            next_position: parts.tracker.cursor().position(),
            tracker: parts.tracker,
            dedup: parts.dedup,
            stalled: false,
            counts: Counts::default(),
            scratch: Scratch {
                filter: filter::Scratch::default(),
                json: json::Scratch::new(parts.json_key),
                redact: redact::Scratch::default(),
                body: Vec::new(),
                queue: Vec::new(),
                cursor: Vec::new(),
                audit: Vec::new(),
            },
        };
        let filter = Arc::clone(&compartment.filter);
        compartment.route(&filter)?;
        Ok(compartment)
    }

    /// Binds the compartment to a connection: from now on only this context's frames enter.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if the context is another tenant's, or not of this authority. The old
    /// binding is gone either way.
    pub fn bind(&mut self, authority: &Authority, context: &TenantContext) -> Result<(), Refusal> {
        self.gate = None;
        if !context.tenant().same(&self.tenant) {
            return Err(Refusal::new(self.tenant.clone(), Reason::StampMismatch));
        }
        self.gate = Some(Gate::bind(authority, context)?);
        Ok(())
    }

    /// Takes one frame through the whole pipeline.
    ///
    /// `context` is that of the connection on which the frame came. The effects are the tenant's
    /// own, whatever the frame says.
    pub fn receive(
        &mut self,
        context: &TenantContext,
        frame: &[u8],
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Receipt {
        let has_room = self.tracker.has_room(self.next_position);
        if !has_room || !self.log.is_available() {
            self.stalled = !has_room;
            return Receipt::Stalled;
        }
        let position = self.next_position;
        self.next_position += 1;
        self.counts.received += 1;
        self.track(cursor::Input::Opened { position }, now, effects);

        let fate = match self.judge(context, frame, now, position) {
            Ok(Some(recorded)) => {
                let offer = queue::Input::Offer(recorded);
                self.queues.handle_input(offer, now, &mut self.scratch.queue);
                self.settle_queues(now, effects);
                return Receipt::Taken(Fate::Queued);
            }
            Ok(None) => Fate::Unmatched,
            Err(Stop::Duplicate) => Fate::Duplicate,
            Err(Stop::Refused(reason)) => {
                let fact = Fact::new(EventCode::EventRefused).because(reason).at(position);
                self.audit(audit::Input::Fact(fact), now, effects);
                Fate::Refused(reason)
            }
        };
        match fate {
            Fate::Unmatched => self.counts.unmatched += 1,
            Fate::Duplicate => self.counts.duplicates += 1,
            Fate::Refused(_) => self.counts.refused += 1,
            Fate::Queued => {}
        }
        self.track(cursor::Input::Settled { position }, now, effects);
        Receipt::Taken(fate)
    }

    /// The stages, in the one order that compiles.
    fn judge(
        &mut self,
        context: &TenantContext,
        frame: &[u8],
        now: Now,
        position: u64,
    ) -> Result<Option<Recorded>, Stop> {
        let Some(gate) = &self.gate else { return Err(Stop::Refused(Reason::StampMismatch)) };
        let scratch = &mut self.scratch;
        let received = gate.receive(context, frame, now, position)?;
        let Some(matched) = received.filter(&*self.filter, &mut scratch.filter)? else {
            return Ok(None);
        };
        let raw = matched.bytes();
        let redacted = matched.validate(&self.check, &mut scratch.json)?.redact(
            &*self.policy,
            &mut scratch.body,
            &mut scratch.redact,
        )?;
        // Last, so that an event which was refused is not remembered: under a mended policy the same
        // bytes are welcome.
        if self.dedup.check(raw, now) == Seen::Duplicate {
            return Err(Stop::Duplicate);
        }
        self.counts.redactions += u64::from(redacted.redactions().total());
        Ok(Some(redacted.record(&mut self.log)?))
    }

    /// Puts other subscriptions in force; queued events stay where they are. New targets get lanes.
    ///
    /// # Errors
    ///
    /// [`InvalidParts`] if they are another tenant's, or no lane can be made for a target; the old
    /// subscriptions stay in force.
    pub fn set_filter(
        &mut self,
        filter: Arc<FilterGraph>,
        version: u64,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), InvalidParts> {
        if !filter.tenant().same(&self.tenant) {
            return Err(InvalidParts::Foreign("filter"));
        }
        // The lanes first: an event must never meet new rules and old routes.
        self.route(&filter)?;
        self.filter = filter;
        let fact = Fact::new(EventCode::RoutesChanged).with_detail(version);
        self.audit(audit::Input::Fact(fact), now, effects);
        Ok(())
    }

    /// Puts another redaction policy in force, from the next frame on.
    ///
    /// # Errors
    ///
    /// [`InvalidParts`] if it is another tenant's.
    pub fn set_policy(
        &mut self,
        policy: Arc<Policy>,
        version: u64,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), InvalidParts> {
        if !policy.tenant().same(&self.tenant) {
            return Err(InvalidParts::Foreign("policy"));
        }
        self.policy = policy;
        let fact = Fact::new(EventCode::PolicyChanged).with_detail(version);
        self.audit(audit::Input::Fact(fact), now, effects);
        Ok(())
    }

    /// Whether the reader is to stop: a queue is over its high watermark, the stream's oldest
    /// unsettled event is too far behind, or the audit log waits for its disk.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.stalled || self.queues.is_paused() || !self.log.is_available()
    }

    /// Where every event is.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Received events in the queues or in flight. Replays of dead letters are not among them.
    #[must_use]
    pub const fn unsettled(&self) -> u64 {
        self.tracker.outstanding() as u64
    }

    /// The queues, for gauges.
    #[must_use]
    pub const fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The audit log, for its size.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The position that a restart would go on from.
    #[must_use]
    pub fn cursor(&self) -> cursor::Cursor {
        self.tracker.cursor()
    }

    /// Gives each target of the subscriptions a lane, and leads its route there.
    fn route(&mut self, filter: &FilterGraph) -> Result<(), InvalidParts> {
        let mut routes = BTreeMap::new();
        for (route, target) in (0..).map(RouteId).zip(filter.targets()) {
            let lane = match self.queues.lane(target) {
                Some(lane) => lane,
                None => {
                    let name = String::from(target);
                    self.queues.add_lane(LaneConfig { name, ..self.new_lanes.clone() })?
                }
            };
            routes.insert(route, lane);
        }
        Ok(self.queues.set_routes(routes)?)
    }

    fn track(&mut self, input: cursor::Input, now: Now, effects: &mut Vec<Effect>) {
        self.tracker.handle_input(input, now, &mut self.scratch.cursor);
        self.pass_cursor(effects);
    }

    fn audit(&mut self, input: audit::Input, now: Now, effects: &mut Vec<Effect>) {
        self.log.handle_input(input, now, &mut self.scratch.audit);
        effects.extend(self.scratch.audit.drain(..).map(Effect::Audit));
    }

    fn pass_cursor(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.scratch.cursor.drain(..).map(Effect::Cursor));
        self.stalled &= !self.tracker.has_room(self.next_position);
    }

    /// Passes the queues' effects on, and turns each settled event into a step of the cursor.
    fn settle_queues(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut produced = core::mem::take(&mut self.scratch.queue);
        for effect in produced.drain(..) {
            self.note(&effect, now, effects);
            match effect {
                queue::Effect::Settled { position, replay: false, outcome, .. } => {
                    self.settle(position, outcome, now, effects);
                }
                queue::Effect::Settled { replay: true, .. } => {
                    self.counts.replayed += 1;
                    effects.push(Effect::Queue(effect));
                }
                other => effects.push(Effect::Queue(other)),
            }
        }
        self.scratch.queue = produced;
    }

    /// Moves the cursor, and counts how the event ended: once, even if a driver offered the queues
    /// an event again that it had been given.
    fn settle(&mut self, position: u64, outcome: Outcome, now: Now, effects: &mut Vec<Effect>) {
        let before = self.tracker.outstanding();
        self.track(cursor::Input::Settled { position }, now, effects);
        if self.tracker.outstanding() == before {
            return;
        }
        match outcome {
            Outcome::Delivered => self.counts.delivered += 1,
            Outcome::DeadLettered => self.counts.dead_lettered += 1,
            Outcome::Dropped => self.counts.dropped += 1,
        }
    }

    /// What an auditor wants to know of the queues.
    fn note(&mut self, effect: &queue::Effect, now: Now, effects: &mut Vec<Effect>) {
        let fact = match effect {
            queue::Effect::DeadLetter { event, .. } => {
                Fact::new(EventCode::DeadLettered).at(event.position()).with_detail(event.leaf())
            }
            queue::Effect::Deliver { event, .. } if event.is_replay() => {
                Fact::new(EventCode::Replayed).at(event.position()).with_detail(event.leaf())
            }
            queue::Effect::Deliver { event, attempt: 2.., .. } => {
                Fact::new(EventCode::Redelivered).at(event.position()).with_detail(event.leaf())
            }
            queue::Effect::Gap { from, count, .. } => {
                Fact::new(EventCode::Gap).at(*from).with_detail(*count)
            }
            queue::Effect::Refused(refusal) => {
                Fact::new(EventCode::ConnectionRefused).because(refusal.reason())
            }
            _ => return,
        };
        self.audit(audit::Input::Fact(fact), now, effects);
    }
}

impl Scoped for Compartment {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// Why the stages ended early.
enum Stop {
    Duplicate,
    Refused(Reason),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.reason())
    }
}

impl Machine for Compartment {
    type Input = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        match input {
            Input::Queue(input) => {
                self.queues.handle_input(input, now, &mut self.scratch.queue);
                self.settle_queues(now, effects);
            }
            Input::Audit(input) => self.audit(input, now, effects),
            Input::UpstreamGap(cause) => {
                let from = self.next_position;
                self.track(cursor::Input::Gap { from, to: None, cause }, now, effects);
                let fact = Fact::new(EventCode::Gap).at(from);
                self.audit(audit::Input::Fact(fact), now, effects);
            }
            Input::Flush => {
                self.track(cursor::Input::Flush, now, effects);
                self.audit(audit::Input::Seal, now, effects);
            }
        }
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.queues.handle_timeout(now, &mut self.scratch.queue);
        self.settle_queues(now, effects);
        self.tracker.handle_timeout(now, &mut self.scratch.cursor);
        self.pass_cursor(effects);
        self.log.handle_timeout(now, &mut self.scratch.audit);
        effects.extend(self.scratch.audit.drain(..).map(Effect::Audit));
    }

    fn poll_timeout(&self) -> Option<Now> {
        [self.queues.poll_timeout(), self.tracker.poll_timeout(), self.log.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }
}
