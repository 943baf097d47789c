//! Contexts, events and queues to test with. Events come out of the real pipeline, through stages
//! that say yes.
#![expect(clippy::disallowed_methods, reason = "tests mint their own contexts")]

use std::collections::BTreeMap;

use cofferdam_core::{
    Authority, ContextParts, Gate, Machine, Now, Reason, Scoped, TenantContext, TenantId,
    pipeline::{Entry, Filter, Record, Recorded, Redact, Redactions, RouteId, Validate, Verdict},
};
use cofferdam_queue::{
    ConsumerId, DeadCause, DeliveryId, Effect, Input, LaneConfig, LaneId, Outcome, Queues,
    QueuesConfig,
};

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(crate) fn at(ms: u64) -> Now {
    Now::from_millis(ms, i64::try_from(ms).unwrap())
}

/// A context that ends at `expires_at_ms`.
pub(crate) fn context_until(id: &str, scopes: &[&str], expires_at_ms: i64) -> TenantContext {
    Authority::new([9; 16]).mint(ContextParts {
        scopes: scopes.iter().copied().map(String::from).collect(),
        expires_at_ms,
        ..ContextParts::new(tenant(id), "tester")
    })
}

pub(crate) fn context(id: &str) -> TenantContext {
    context_until(id, &["events:read"], i64::MAX)
}

/// Every stage of the pipeline; matches these routes.
struct Stage {
    tenant: TenantId,
    routes: Vec<RouteId>,
}

impl Scoped for Stage {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl Filter for Stage {
    type Scratch = Vec<RouteId>;
    fn filter<'s>(&self, _: &[u8], scratch: &'s mut Vec<RouteId>) -> Verdict<'s> {
        scratch.clone_from(&self.routes);
        Verdict::Matched(scratch)
    }
}

impl Validate for Stage {
    type Scratch = ();
    fn validate(&self, _: &TenantId, _: &[u8], (): &mut ()) -> Result<(), Reason> {
        Ok(())
    }
}

impl Redact for Stage {
    type Scratch = ();
    fn redact(&self, event: &[u8], out: &mut Vec<u8>, (): &mut ()) -> Result<Redactions, Reason> {
        out.extend_from_slice(event);
        Ok(Redactions::default())
    }
}

impl Record for Stage {
    fn record(&mut self, entry: &Entry<'_>) -> Result<u64, Reason> {
        Ok(entry.position)
    }
}

/// An event of a tenant.
pub(crate) fn event_with(id: &str, position: u64, routes: &[u32], body: &[u8]) -> Recorded {
    let context = context(id);
    let gate = Gate::bind(&Authority::new([9; 16]), &context).unwrap();
    let routes = routes.iter().copied().map(RouteId).collect();
    let mut stage = Stage { tenant: tenant(id), routes };
    let (mut scratch, mut out) = (Vec::new(), Vec::new());
    gate.receive(&context, body, Now::from_millis(1, 1_000), position)
        .unwrap()
        .filter(&stage, &mut scratch)
        .unwrap()
        .unwrap()
        .validate(&stage, &mut ())
        .unwrap()
        .redact(&stage, &mut out, &mut ())
        .unwrap()
        .record(&mut stage)
        .unwrap()
}

/// An event of tenant `a` on route 0.
pub(crate) fn event(position: u64) -> Recorded {
    event_with("a", position, &[0], b"{}")
}

/// A lane with room for ten, watermarks at 8 and 4.
pub(crate) fn small_lane(name: &str) -> LaneConfig {
    LaneConfig { capacity_events: 10, high: 8, low: 4, ..LaneConfig::new(name) }
}

/// Route n leads to lane n.
pub(crate) fn config(lanes: Vec<LaneConfig>) -> QueuesConfig {
    let routes = (0..).map(RouteId).zip((0..).map(LaneId)).take(lanes.len());
    let routes = routes.collect::<BTreeMap<_, _>>();
    QueuesConfig { routes, ..QueuesConfig::new(lanes) }
}

/// What happened, short enough to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Did {
    /// Lane, position, attempt.
    Deliver(u32, u64, u32),
    Attached,
    Busy,
    Denied,
    Refused(Reason),
    Pause,
    Resume,
    /// Lane, position, cause, attempts.
    Dead(Option<u32>, u64, DeadCause, u32),
    /// Lane, from, to, count.
    Gap(u32, u64, u64, u64),
    Settled(u64, Outcome),
}

impl From<&Effect> for Did {
    fn from(effect: &Effect) -> Self {
        match effect {
            Effect::Deliver { lane, attempt, event, .. } => {
                Self::Deliver(lane.0, event.position(), *attempt)
            }
            Effect::Attached { .. } => Self::Attached,
            Effect::Busy { .. } => Self::Busy,
            Effect::Denied { .. } => Self::Denied,
            Effect::Refused(refusal) => Self::Refused(refusal.reason()),
            Effect::Pause { .. } => Self::Pause,
            Effect::Resume { .. } => Self::Resume,
            Effect::DeadLetter { lane, event, cause, attempts, .. } => {
                Self::Dead(lane.map(|lane| lane.0), event.position(), *cause, *attempts)
            }
            Effect::Gap { lane, from, to, count, .. } => Self::Gap(lane.0, *from, *to, *count),
            Effect::Settled { position, outcome, .. } => Self::Settled(*position, *outcome),
            other => panic!("an effect that the tests do not know: {other:?}"),
        }
    }
}

/// Queues of tenant `a` and the ids of what they delivered.
pub(crate) struct Rig {
    pub(crate) queues: Queues,
    pub(crate) now: Now,
    pub(crate) delivered: Vec<(u64, DeliveryId)>,
}

impl Rig {
    pub(crate) fn new(config: QueuesConfig) -> Self {
        let queues = Queues::new(tenant("a"), config).unwrap();
        Self { queues, now: at(0), delivered: Vec::new() }
    }

    /// One lane, `queue://support`.
    pub(crate) fn of(lane: LaneConfig) -> Self {
        Self::new(config(vec![lane]))
    }

    pub(crate) fn tell(&mut self, input: Input) -> Vec<Did> {
        let mut effects = Vec::new();
        self.queues.handle_input(input, self.now, &mut effects);
        self.take(&effects)
    }

    pub(crate) fn offer(&mut self, position: u64) -> Vec<Did> {
        self.tell(Input::Offer(event(position)))
    }

    /// Attaches consumer 1 to lane `name` with so much credit.
    pub(crate) fn consume(&mut self, name: &str, credit: u32) -> Vec<Did> {
        let (lane, consumer) = (String::from(name), ConsumerId(1));
        let attached = self.tell(Input::Attach { lane, consumer, context: context("a") });
        assert_eq!(attached, [Did::Attached]);
        self.credit(credit)
    }

    pub(crate) fn credit(&mut self, n: u32) -> Vec<Did> {
        self.tell(Input::Credit { consumer: ConsumerId(1), n })
    }

    /// Acknowledges the latest delivery of this position.
    pub(crate) fn ack(&mut self, position: u64) -> Vec<Did> {
        let delivery = self.delivery(position);
        self.tell(Input::Ack { consumer: ConsumerId(1), delivery })
    }

    pub(crate) fn nack(&mut self, position: u64) -> Vec<Did> {
        let delivery = self.delivery(position);
        self.tell(Input::Nack { consumer: ConsumerId(1), delivery })
    }

    pub(crate) fn delivery(&self, position: u64) -> DeliveryId {
        let mut latest = self.delivered.iter().rev();
        latest.find(|(of, _)| *of == position).expect("it was delivered").1
    }

    /// Lets time pass to `ms` in one step.
    pub(crate) fn wait_until(&mut self, ms: u64) -> Vec<Did> {
        self.now = at(ms);
        let mut effects = Vec::new();
        self.queues.handle_timeout(self.now, &mut effects);
        self.take(&effects)
    }

    fn take(&mut self, effects: &[Effect]) -> Vec<Did> {
        for effect in effects {
            assert_eq!(effect.tenant().as_str(), "a");
            if let Effect::Deliver { delivery, event, .. } = effect {
                self.delivered.push((event.position(), *delivery));
            }
        }
        effects.iter().map(Did::from).collect()
    }
}
