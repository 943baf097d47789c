//! Noninterference of every machine, and of the whole: nobody sees that anybody else is there.

use std::time::Duration;

use cofferdam::{
    Compartment, Counts, Effect, Fate, Input, InvalidParts, Parts, Receipt, audit, cursor,
    queue::{self, ConsumerId, DeliveryId, LaneConfig, Queues, QueuesConfig},
};
use cofferdam_core::{
    Authority, ConnectionId, ContextParts, Epoch, Machine, Now, Reason, Scoped, TenantContext,
    TenantId, pipeline::RouteId,
};
use cofferdam_sim::{
    PerTenant, Step, assert_noninterference,
    generator::{Fleet, Profile, TenantStream},
    noninterference::check,
    recorded, rng,
};
use serde_json::json;

use super::world::{
    Disk, at, authority, bound, context, context_of, graph, log, open_parts, parts, parts_of,
    policy, tenant, tracker,
};

const LANE: &str = "queue://all";

/// What one tenant's driver is told. Deliveries and audit batches are the desk's own.
#[derive(Debug, Clone)]
enum Told {
    Frame(TenantContext, Vec<u8>),
    Attach(ConsumerId, TenantContext),
    Credit(ConsumerId, u32),
    /// The nth latest of its deliveries.
    Ack(usize),
    AckUpTo(usize),
    Nack(usize),
    /// A delivery that may be another tenant's.
    AckOf(DeliveryId),
    Detach(ConsumerId),
    DiskWrites,
    DiskFails,
    Gap,
    Subscriptions(usize),
    Policy(usize),
    Flush,
    Close,
}

/// Everything that can be seen of a compartment from outside.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    /// An effect, with the event's body, which `Debug` does not show.
    Effect(Effect, Vec<u8>),
    /// After each input.
    State(TenantId, Option<Receipt>, bool, Counts, u64),
}

impl Scoped for Seen {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Effect(effect, _) => effect.tenant(),
            Self::State(tenant, ..) => tenant,
        }
    }
}

/// One tenant's compartment with its driver's memory.
struct Desk {
    compartment: Compartment,
    disk: Disk,
    deliveries: Vec<(ConsumerId, DeliveryId)>,
}

const SUBSCRIPTIONS: [&[(&str, &str)]; 2] =
    [&[(">", LANE)], &[("telephony.call", LANE), ("user.presence", "queue://presence")]];

impl Desk {
    fn new(tenant: &TenantId) -> Self {
        let id = tenant.as_str();
        let lane = LaneConfig {
            capacity_events: 12,
            high: 9,
            low: 4,
            max_in_flight: 5,
            visibility: Duration::from_millis(40),
            max_attempts: 3,
            ..LaneConfig::new(LANE)
        };
        let rules = json!([{ "path": "$..name", "strategy": "mask" }]);
        let mut parts = parts(id, vec![lane], graph(id, SUBSCRIPTIONS[0]), policy(id, &rules));
        parts.log = log(id, 32);
        parts.tracker = tracker(id, 64);
        Self { compartment: bound(id, parts), disk: Disk::default(), deliveries: Vec::new() }
    }

    fn answer(&mut self, which: usize, up_to: bool, now: Now, effects: &mut Vec<Effect>) {
        let Some(&(consumer, delivery)) = self.deliveries.iter().rev().nth(which) else { return };
        let input = if up_to {
            queue::Input::AckUpTo { consumer, delivery }
        } else {
            queue::Input::Ack { consumer, delivery }
        };
        self.compartment.handle_input(Input::Queue(input), now, effects);
    }

    fn queue_input(&self, told: &Told) -> Option<queue::Input> {
        Some(match *told {
            Told::Attach(consumer, ref context) => {
                let (lane, context) = (String::from(LANE), context.clone());
                queue::Input::Attach { lane, consumer, context }
            }
            Told::Credit(consumer, n) => queue::Input::Credit { consumer, n },
            Told::Nack(which) => {
                let (consumer, delivery) = *self.deliveries.iter().rev().nth(which)?;
                queue::Input::Nack { consumer, delivery }
            }
            Told::AckOf(delivery) => queue::Input::AckUpTo { consumer: ConsumerId(1), delivery },
            Told::Detach(consumer) => queue::Input::Detach { consumer },
            Told::Close => queue::Input::Close,
            _ => return None,
        })
    }

    fn take(&mut self, told: &Told, now: Now, effects: &mut Vec<Effect>) -> Option<Receipt> {
        let id = self.compartment.tenant().as_str().to_owned();
        let input = match told {
            Told::Frame(context, frame) => {
                return Some(self.compartment.receive(context, frame, now, effects));
            }
            Told::Ack(which) => {
                self.answer(*which, false, now, effects);
                None
            }
            Told::AckUpTo(which) => {
                self.answer(*which, true, now, effects);
                None
            }
            Told::DiskWrites => self.disk.write().map(Input::Audit),
            Told::DiskFails => self.disk.fail().map(Input::Audit),
            Told::Gap => Some(Input::UpstreamGap(cursor::GapCause::Reset)),
            Told::Subscriptions(which) => {
                let graph = graph(&id, SUBSCRIPTIONS[*which]);
                self.compartment.set_filter(graph, *which as u64, now, effects).unwrap();
                None
            }
            Told::Policy(which) => {
                let strategy = ["mask", "omit"][*which];
                let rules = json!([{ "path": "$..name", "strategy": strategy }]);
                let policy = policy(&id, &rules);
                self.compartment.set_policy(policy, *which as u64, now, effects).unwrap();
                None
            }
            Told::Flush => Some(Input::Flush),
            other => self.queue_input(other).map(Input::Queue),
        };
        if let Some(input) = input {
            self.compartment.handle_input(input, now, effects);
        }
        None
    }

    /// Remembers what a driver must, and shows everything.
    fn show(&mut self, effects: Vec<Effect>, seen: &mut Vec<Seen>) {
        for effect in effects {
            let body = match &effect {
                Effect::Queue(queue::Effect::Deliver { consumer, delivery, event, .. }) => {
                    self.deliveries.push((*consumer, *delivery));
                    event.body().to_vec()
                }
                Effect::Queue(queue::Effect::DeadLetter { event, .. }) => event.body().to_vec(),
                Effect::Audit(effect) => {
                    self.disk.take(effect.clone());
                    Vec::new()
                }
                _ => Vec::new(),
            };
            seen.push(Seen::Effect(effect, body));
        }
    }
}

impl Machine for Desk {
    type Input = Told;
    type Effect = Seen;

    fn handle_input(&mut self, told: Told, now: Now, seen: &mut Vec<Seen>) {
        let mut effects = Vec::new();
        let receipt = self.take(&told, now, &mut effects);
        self.show(effects, seen);
        let tenant = self.compartment.tenant().clone();
        let paused = self.compartment.is_paused();
        let (counts, unsettled) = (self.compartment.counts(), self.compartment.unsettled());
        assert!(counts.is_conserved(unsettled));
        seen.push(Seen::State(tenant, receipt, paused, counts, unsettled));
    }

    fn handle_timeout(&mut self, now: Now, seen: &mut Vec<Seen>) {
        let mut effects = Vec::new();
        self.compartment.handle_timeout(now, &mut effects);
        self.show(effects, seen);
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.compartment.poll_timeout()
    }
}

type Script<I> = Vec<(Now, Step<I>)>;

/// To whose compartment, what, and from whom.
type Addressed = (TenantId, Told);

/// Real frames of three tenants with everything that can go wrong. Some are addressed wrongly:
/// another tenant's context, frame or delivery id.
fn script(seed: u64, steps: usize) -> Script<Addressed> {
    let fleet = Fleet::new(seed, 3);
    let mut streams: Vec<_> = fleet
        .tenants()
        .iter()
        .map(|tenant| TenantStream::new(seed, tenant, Profile::corpus()))
        .collect();
    let mut rng = rng::seeded("isolation", seed);
    let mut now = 0;
    let mut script = Vec::new();
    for _ in 0..steps {
        now += rng.u64(0..6);
        let to = fleet.tenants()[rng.usize(..3)].id();
        let from = rng.usize(..3);
        let other = fleet.tenants()[from].id();
        let consumer = ConsumerId(rng.u64(1..3));
        let mut frame = Vec::new();
        let told = match rng.u8(..60) {
            0..24 => {
                let own = fleet.tenants().iter().position(|tenant| tenant.id() == to).unwrap();
                streams[own].next_frame(&mut frame);
                Told::Frame(context(to.as_str()), frame)
            }
            24..27 => {
                streams[from].next_frame(&mut frame);
                Told::Frame(context(other.as_str()), frame)
            }
            27 => {
                Told::Frame(context(to.as_str()), b"{\"topicName\":\"x\",\"a\":1,\"a\":2}".to_vec())
            }
            28..31 => Told::Attach(consumer, context(to.as_str())),
            31 => Told::Attach(consumer, context(other.as_str())),
            32..38 => Told::Credit(consumer, rng.u32(1..8)),
            38..44 => Told::Ack(rng.usize(..4)),
            44 => Told::AckUpTo(rng.usize(..4)),
            45..47 => Told::Nack(rng.usize(..4)),
            47 => Told::AckOf(a_delivery_of(other)),
            48 => Told::Detach(consumer),
            49..56 => Told::DiskWrites,
            56 => Told::Gap,
            57 => Told::Subscriptions(rng.usize(..2)),
            58 => Told::Policy(rng.usize(..2)),
            _ => Told::Flush,
        };
        script.push((at(now), Step::Input((to.clone(), told))));
    }
    // One disk dies, one compartment closes; the other two do not notice.
    let last = at(now + 1);
    script.push((last, Step::Input((fleet.tenants()[0].id().clone(), Told::DiskFails))));
    script.push((last, Step::Input((fleet.tenants()[1].id().clone(), Told::Close))));
    script.push((at(now + 5_000), Step::Timeout));
    script
}

/// The first delivery id that a tenant gives out.
fn a_delivery_of(tenant: &TenantId) -> DeliveryId {
    let mut desk = Desk::new(tenant);
    let mut seen = Vec::new();
    let own = context(tenant.as_str());
    for told in [
        Told::Attach(ConsumerId(1), own.clone()),
        Told::Credit(ConsumerId(1), 1),
        Told::Frame(own, br#"{"topicName":"t"}"#.to_vec()),
    ] {
        desk.handle_input(told, at(0), &mut seen);
    }
    desk.deliveries[0].1
}

fn desks() -> PerTenant<Desk, impl FnMut(&TenantId) -> Desk> {
    PerTenant::new(Desk::new)
}

fn shown(now: Now, seen: &Seen) -> (u64, Seen) {
    (now.monotonic_ns(), seen.clone())
}

/// Promise 8, I01 to I03: every effect, receipt, pause and count, and the time of each.
#[test]
fn compartments_do_not_interfere() {
    for seed in [1, 2, 3] {
        let script = script(seed, 3_000);
        check(desks, |(to, _)| to.clone(), shown, &script)
            .unwrap_or_else(|found| panic!("{found}"));
    }
}

/// Who sent it, where something is addressed wrongly.
fn sender((to, told): &Addressed) -> TenantId {
    match told {
        Told::Frame(context, _) | Told::Attach(_, context) => context.tenant().clone(),
        _ => to.clone(),
    }
}

/// What reaches a tenant's consumers: bodies, and when. Not the audit log, which says that somebody
/// knocked, nor the positions and counts of which each knock takes one.
struct Delivered(PerTenant<Desk, fn(&TenantId) -> Desk>);

impl Machine for Delivered {
    type Input = Addressed;
    type Effect = Seen;

    fn handle_input(&mut self, input: Addressed, now: Now, seen: &mut Vec<Seen>) {
        let mut all = Vec::new();
        self.0.handle_input(input, now, &mut all);
        seen.extend(all.into_iter().filter(reaches_a_consumer));
    }

    fn handle_timeout(&mut self, now: Now, seen: &mut Vec<Seen>) {
        let mut all = Vec::new();
        self.0.handle_timeout(now, &mut all);
        seen.extend(all.into_iter().filter(reaches_a_consumer));
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.0.poll_timeout()
    }
}

fn reaches_a_consumer(seen: &Seen) -> bool {
    matches!(seen, Seen::Effect(Effect::Queue(queue::Effect::Deliver { .. }), _))
}

/// Frames of three tenants, a tenth of which knock at the wrong door. The disk keeps up, as each
/// knock costs the one who is knocked at a leaf.
fn knocking() -> Script<Addressed> {
    let keeps = |step: &(Now, Step<Addressed>)| {
        !matches!(
            step.1,
            Step::Input((_, Told::Attach(..) | Told::AckOf(_) | Told::Close | Told::DiskFails))
        )
    };
    let script = script(4, 3_000).into_iter().filter(keeps);
    let attach = Fleet::new(4, 3);
    let attach = attach.tenants().iter().flat_map(|tenant| {
        let own = context(tenant.id().as_str());
        let steps = [Told::Attach(ConsumerId(1), own), Told::Credit(ConsumerId(1), 100_000)];
        steps.map(|told| (at(0), Step::Input((tenant.id().clone(), told))))
    });
    let attach: Vec<_> = attach.collect();
    let kept_up = script.flat_map(|(now, step)| match &step {
        Step::Input((to, Told::Frame(..))) => {
            let acks = [Told::DiskWrites, Told::AckUpTo(0)];
            let acks = acks.map(|told| (now, Step::Input((to.clone(), told))));
            [vec![(now, step)], acks.to_vec()].concat()
        }
        _ => vec![(now, step)],
    });
    attach.into_iter().chain(kept_up).collect()
}

/// A01, B02: what A sends to B's door changes nothing of what B's consumers get, or of when.
#[test]
fn knocking_at_the_wrong_door_does_not_reach_those_behind_it() {
    let script = knocking();
    let view = |now: Now, seen: &Seen| match seen {
        Seen::Effect(_, body) => (now.monotonic_ns(), body.clone()),
        Seen::State(..) => unreachable!("filtered out"),
    };
    let make = || Delivered(PerTenant::new(Desk::new));
    check(make, sender, view, &script).unwrap_or_else(|found| panic!("{found}"));
}

/// The instrument sees it: with the audit log in view, a knock shows.
#[test]
fn knocking_at_the_wrong_door_shows_in_the_audit_log() {
    check(desks, sender, shown, &knocking()).unwrap_err();
}

/// Q01 to Q04, with events and acknowledgements that stray.
#[test]
fn queues_do_not_interfere() {
    let make = |tenant: &TenantId| {
        let lane = LaneConfig { capacity_events: 8, high: 6, low: 2, ..LaneConfig::new(LANE) };
        let mut config = QueuesConfig::new(vec![lane]);
        config.routes.insert(RouteId(0), queue::LaneId(0));
        Queues::new(tenant.clone(), config).unwrap()
    };
    let (a, b) = (tenant("a"), tenant("b"));
    let mut rng = rng::seeded("queues_do_not_interfere", 5);
    let first = |tenant: &TenantId| a_delivery_of(tenant).0;
    let mut script = Vec::new();
    for step in 0..4_000 {
        let (own, other) = if rng.bool() { (&a, &b) } else { (&b, &a) };
        let stray = rng.u8(..10) == 0;
        let from = if stray { other } else { own };
        let consumer = ConsumerId(1);
        let delivery = DeliveryId(first_of(from, &first, &a, &b) + rng.u64(..60));
        let input = match rng.u8(..10) {
            0..4 => queue::Input::Offer(recorded(from, step, &[0], b"{}", at(step))),
            4 => queue::Input::Attach {
                lane: String::from(LANE),
                consumer,
                context: context(from.as_str()),
            },
            5 => queue::Input::Credit { consumer, n: 3 },
            6 => queue::Input::Nack { consumer, delivery },
            7 => queue::Input::Detach { consumer },
            8 => queue::Input::AckUpTo { consumer, delivery },
            _ => queue::Input::Ack { consumer, delivery },
        };
        script.push((at(step), Step::Input((own.clone(), input))));
    }
    script.push((at(100_000), Step::Timeout));
    assert_noninterference(|| PerTenant::new(make), |(to, _)| to.clone(), &script);
}

/// Looked up once each: making a desk costs a key.
fn first_of(from: &TenantId, first: &impl Fn(&TenantId) -> u64, a: &TenantId, b: &TenantId) -> u64 {
    use std::sync::OnceLock;
    static FIRST: OnceLock<[u64; 2]> = OnceLock::new();
    let known = FIRST.get_or_init(|| [first(a), first(b)]);
    known[usize::from(from.same(b))]
}

/// A tenant's log with its disk.
struct LogDesk {
    log: audit::Log,
    disk: Disk,
}

#[derive(Debug, Clone, Copy)]
enum LogTold {
    Fact(u64),
    Written,
    Fails,
    Seal,
}

impl Machine for LogDesk {
    type Input = LogTold;
    type Effect = audit::Effect;

    fn handle_input(&mut self, told: LogTold, now: Now, effects: &mut Vec<audit::Effect>) {
        let input = match told {
            LogTold::Fact(detail) => {
                let fact = audit::Fact::new(audit::EventCode::Gap).with_detail(detail);
                Some(audit::Input::Fact(fact))
            }
            LogTold::Written => self.disk.write(),
            LogTold::Fails => self.disk.fail(),
            LogTold::Seal => Some(audit::Input::Seal),
        };
        let before = effects.len();
        if let Some(input) = input {
            self.log.handle_input(input, now, effects);
        }
        effects[before..].iter().cloned().for_each(|effect| self.disk.take(effect));
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<audit::Effect>) {
        let before = effects.len();
        self.log.handle_timeout(now, effects);
        effects[before..].iter().cloned().for_each(|effect| self.disk.take(effect));
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.log.poll_timeout()
    }
}

/// Promise 13: another tenant's facts, disk and failures leave no trace in a log.
#[test]
fn audit_logs_do_not_interfere() {
    let make = |tenant: &TenantId| LogDesk { log: log(tenant.as_str(), 16), disk: Disk::default() };
    let tenants = ["a", "b", "c"].map(tenant);
    let mut rng = rng::seeded("audit_logs_do_not_interfere", 6);
    let mut script = Vec::new();
    for step in 0..4_000 {
        let told = match rng.u16(..1_000) {
            0..700 => LogTold::Fact(step),
            700..980 => LogTold::Written,
            980..999 => LogTold::Seal,
            _ => LogTold::Fails,
        };
        script.push((at(step), Step::Input((tenants[rng.usize(..3)].clone(), told))));
    }
    script.push((at(100_000), Step::Timeout));
    assert_noninterference(|| PerTenant::new(make), |(to, _)| to.clone(), &script);
}

#[test]
fn trackers_do_not_interfere() {
    let tenants = ["a", "b", "c"].map(tenant);
    let mut rng = rng::seeded("trackers_do_not_interfere", 7);
    let mut script = Vec::new();
    for step in 0..4_000 {
        let position = rng.u64(step / 8..step / 6 + 4);
        let told = match rng.u8(..10) {
            0..5 => cursor::Input::Opened { position },
            5..8 => cursor::Input::Settled { position },
            8 => {
                let cause = cursor::GapCause::Skipped;
                cursor::Input::Gap { from: position, to: Some(position + 3), cause }
            }
            _ => cursor::Input::Flush,
        };
        script.push((at(step), Step::Input((tenants[rng.usize(..3)].clone(), told))));
    }
    script.push((at(100_000), Step::Timeout));
    let make = |tenant: &TenantId| tracker(tenant.as_str(), 64);
    assert_noninterference(|| PerTenant::new(make), |(to, _)| to.clone(), &script);
}

/// A part that belongs to somebody else makes no compartment, whichever part it is.
#[test]
fn parts_of_another_tenant_are_refused() {
    type Spoil = fn(&mut Parts, Parts);
    let spoil: [(&str, Spoil); 5] = [
        ("filter", |own, other| own.filter = other.filter),
        ("policy", |own, other| own.policy = other.policy),
        ("log", |own, other| own.log = other.log),
        ("tracker", |own, other| own.tracker = other.tracker),
        ("dedup", |own, other| own.dedup = other.dedup),
    ];
    for (part, spoil) in spoil {
        let mut parts = open_parts("acme");
        spoil(&mut parts, open_parts("globex"));
        assert_eq!(Compartment::new(parts).err(), Some(InvalidParts::Foreign(part)));
    }
    // Queues of another tenant make all the others foreign.
    let mut parts = open_parts("acme");
    parts.queues = open_parts("globex").queues;
    assert!(matches!(Compartment::new(parts).err(), Some(InvalidParts::Foreign(_))));
}

#[test]
fn subscriptions_and_policies_of_another_tenant_do_not_come_into_force() {
    let mut compartment = bound("acme", open_parts("acme"));
    let mut effects = Vec::new();
    let foreign = graph("globex", &[("none", LANE)]);
    let refused = compartment.set_filter(foreign, 2, at(0), &mut effects);
    assert_eq!(refused, Err(InvalidParts::Foreign("filter")));
    let foreign = policy("globex", &json!([{ "path": "$.keep", "strategy": "omit" }]));
    let refused = compartment.set_policy(foreign, 2, at(0), &mut effects);
    assert_eq!(refused, Err(InvalidParts::Foreign("policy")));
    assert!(effects.is_empty());

    let frame = br#"{"topicName":"t","keep":1}"#;
    let receipt = compartment.receive(&context("acme"), frame, at(0), &mut effects);
    assert_eq!(receipt, Receipt::Taken(Fate::Queued));
    let close = Input::Queue(queue::Input::Close);
    compartment.handle_input(close, at(0), &mut effects);
    let kept = effects.iter().any(|effect| match effect {
        Effect::Queue(queue::Effect::DeadLetter { event, .. }) => **event.body() == *frame,
        _ => false,
    });
    assert!(kept, "another policy is in force: {effects:?}");
}

/// A lane that cannot be made leaves the old subscriptions in force, whole: new rules with old
/// routes would lead events to the wrong lanes.
#[test]
fn subscriptions_that_find_no_lane_change_nothing() {
    let mut parts = parts(
        "acme",
        vec![LaneConfig::new("queue://a"), LaneConfig::new("queue://b")],
        graph("acme", &[("a", "queue://a"), ("b", "queue://b")]),
        policy("acme", &json!([])),
    );
    parts.new_lanes.max_in_flight = 0;
    let mut compartment = bound("acme", parts);
    let mut effects = Vec::new();
    let swapped = graph("acme", &[("b", "queue://b"), ("a", "queue://a"), ("c", "queue://new")]);
    let refused = compartment.set_filter(swapped, 2, at(0), &mut effects);
    assert!(matches!(refused, Err(InvalidParts::Lane(_))));
    let frame = br#"{"topicName":"a"}"#;
    compartment.receive(&context("acme"), frame, at(0), &mut effects);
    compartment.handle_input(Input::Queue(queue::Input::Close), at(0), &mut effects);
    let died_in = effects.iter().find_map(|effect| match effect {
        Effect::Queue(queue::Effect::DeadLetter { lane, .. }) => Some(*lane),
        _ => None,
    });
    assert_eq!(died_in, Some(compartment.queues().lane("queue://a")));
}

/// A01, B02, N03: another tenant, connection, epoch or authority, and one that has ended.
#[test]
fn a_context_that_was_not_bound_is_refused_and_audited_and_changes_nothing_else() {
    let foreign = Authority::new([8; 16]);
    let cases = [
        (context("globex"), Reason::StampMismatch),
        (
            context_of(
                &authority(),
                ContextParts { connection: ConnectionId(2), ..parts_of("acme") },
            ),
            Reason::StampMismatch,
        ),
        (
            context_of(&authority(), ContextParts { epoch: Epoch(2), ..parts_of("acme") }),
            Reason::StampMismatch,
        ),
        (context_of(&foreign, parts_of("acme")), Reason::StampMismatch),
        (
            context_of(&authority(), ContextParts { expires_at_ms: 0, ..parts_of("acme") }),
            Reason::Expired,
        ),
    ];
    for (context, reason) in cases {
        let mut compartment = bound("acme", open_parts("acme"));
        let (mut effects, mut disk) = (Vec::new(), Disk::default());
        let frame = br#"{"topicName":"t"}"#;
        let receipt = compartment.receive(&context, frame, at(0), &mut effects);
        assert_eq!(receipt, Receipt::Taken(Fate::Refused(reason)), "{context:?}");
        assert_eq!((compartment.counts().refused, compartment.unsettled()), (1, 0));
        let cursors = |effect: &Effect| matches!(effect, Effect::Cursor(_));
        assert!(effects.iter().all(cursors), "{effects:?}");

        settle(&mut compartment, &mut disk);
        let facts = disk.facts();
        let refused: Vec<_> = facts.iter().filter_map(|fact| fact.reason).collect();
        assert_eq!(refused, [reason]);
    }
}

/// Seals the log.
fn settle(compartment: &mut Compartment, disk: &mut Disk) {
    let mut effects = Vec::new();
    compartment.handle_input(Input::Flush, at(10), &mut effects);
    for _ in 0..4 {
        for effect in std::mem::take(&mut effects) {
            if let Effect::Audit(effect) = effect {
                disk.take(effect);
            }
        }
        while let Some(input) = disk.write() {
            compartment.handle_input(Input::Audit(input), at(20), &mut effects);
        }
    }
}

#[test]
fn a_context_of_another_tenant_or_authority_does_not_bind() {
    let mut compartment = Compartment::new(open_parts("acme")).unwrap();
    let mut effects = Vec::new();
    for (authority, context) in
        [(authority(), context("globex")), (Authority::new([8; 16]), context("acme"))]
    {
        let refusal = compartment.bind(&authority, &context).unwrap_err();
        assert_eq!((refusal.tenant(), refusal.reason()), (&tenant("acme"), Reason::StampMismatch));
        let frame = br#"{"topicName":"t"}"#;
        let receipt = compartment.receive(&context, frame, at(0), &mut effects);
        assert_eq!(receipt, Receipt::Taken(Fate::Refused(Reason::StampMismatch)));
    }
}
