//! The pipeline, whole and stage by stage, over the same events as `pipeline_vs_node`.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "criterion's macros are undocumented; a benchmark that cannot be set up has no other way on"
)]

use std::hint::black_box;

use cofferdam::{
    audit::{self, Log},
    core::{
        Gate, Machine, Now, Scoped,
        pipeline::{Matched, Received, Recorded},
    },
    cursor::{DedupKey, Deduplicator},
    filter::{self, StrictJson},
    json,
    queue::{ConsumerId, Effect, Input, LaneConfig, LaneId, Queues, QueuesConfig},
    redact,
};
use cofferdam_benches::{Rig, Setup, Share, events};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const COUNT: usize = 1_000;

/// One event after the other, without end.
struct Round<'e> {
    events: &'e [Vec<u8>],
    next: usize,
}

impl<'e> Round<'e> {
    const fn new(events: &'e [Vec<u8>]) -> Self {
        Self { events, next: 0 }
    }

    /// The next event, and whether it is the first of a round.
    fn next(&mut self) -> (&'e [u8], bool) {
        let event = &self.events[self.next];
        let first = self.next == 0;
        self.next = (self.next + 1) % self.events.len();
        (event, first)
    }
}

fn whole(c: &mut Criterion) {
    let events = events::generate(events::COUNT);
    let setup = Setup::new(&events::topics(&events)).expect("the documents compile");
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(1));
    for share in [Share(1), Share(100)] {
        let frames = events::under_share(&events, share);
        let mut rig = Rig::new(&setup).expect("the parts fit");
        let mut round = Round::new(&frames);
        group.bench_function(format!("{} % matched", share.0), |b| {
            b.iter(|| {
                let (frame, first) = round.next();
                if first {
                    rig.new_round();
                }
                rig.take(frame)
            });
        });
        assert!(rig.is_sound(), "events were refused");
    }
    group.finish();
}

/// What the stages of one tenant are called with.
struct Stages {
    setup: Setup,
    gate: Gate,
    now: Now,
    filter: filter::Scratch,
    json: json::Scratch,
    redact: redact::Scratch,
    body: Vec<u8>,
}

impl Stages {
    fn new(events: &[Vec<u8>]) -> Self {
        let setup = Setup::new(&events::topics(events)).expect("the documents compile");
        Self {
            gate: Gate::bind(setup.authority(), setup.context()).expect("the context is ours"),
            setup,
            now: Now::from_millis(0, 1_790_000_000_000),
            filter: filter::Scratch::default(),
            json: json::Scratch::new([9; 16]),
            redact: redact::Scratch::default(),
            body: Vec::new(),
        }
    }

    fn received<'e>(&'e self, frame: &'e [u8]) -> Received<'e> {
        self.gate.receive(self.setup.context(), frame, self.now, 0).expect("it may enter")
    }

    /// Everything up to the audit log.
    fn recorded(&mut self, frame: &[u8], log: &mut Log) -> Recorded {
        let received =
            self.gate.receive(self.setup.context(), frame, self.now, 0).expect("it may enter");
        let matched = received.filter(&*self.setup.filter, &mut self.filter);
        let matched: Matched<'_, '_> = matched.expect("it is sound").expect("it is wanted");
        let valid = matched.validate(&StrictJson::default(), &mut self.json).expect("it is sound");
        let policy = &*self.setup.policy;
        let redacted = valid.redact(policy, &mut self.body, &mut self.redact);
        redacted.expect("it can be redacted").record(log).expect("the log has room")
    }
}

/// The data plane's stages, each alone.
fn stages(c: &mut Criterion) {
    use cofferdam::core::pipeline::{Filter, Redact, Validate, Verdict};

    let events = events::generate(COUNT);
    let missed = events::under_share(&events, Share(0));
    let bytes = events.iter().map(Vec::len).sum::<usize>() / events.len();
    let mut stages = Stages::new(&events);
    let tenant = stages.setup.context().tenant().clone();
    let mut group = c.benchmark_group("stage");
    group.throughput(Throughput::Bytes(bytes as u64));
    let mut round = Round::new(&missed);
    group.bench_function("gate and filter, nobody subscribed", |b| {
        let mut scratch = filter::Scratch::default();
        b.iter(|| {
            let received = stages.received(round.next().0);
            let matched = received.filter(&*stages.setup.filter, &mut scratch);
            assert!(matched.is_ok_and(|matched| matched.is_none()));
        });
    });
    let mut round = Round::new(&events);
    group.bench_function("filter, somebody subscribed", |b| {
        b.iter(|| {
            let verdict = stages.setup.filter.filter(round.next().0, &mut stages.filter);
            assert!(matches!(verdict, Verdict::Matched(_)));
        });
    });
    group.bench_function("de-duplication", |b| {
        let mut seen = Deduplicator::new(
            tenant.clone(),
            &DedupKey::new([6; 16]),
            512,
            std::time::Duration::from_secs(30),
        );
        b.iter(|| black_box(seen.check(round.next().0, stages.now)));
    });
    group.bench_function("strict check", |b| {
        let check = StrictJson::default();
        b.iter(|| check.validate(&tenant, round.next().0, &mut stages.json).expect("sound"));
    });
    group.bench_function("redaction", |b| {
        b.iter(|| {
            stages.body.clear();
            let policy = &*stages.setup.policy;
            policy.redact(round.next().0, &mut stages.body, &mut stages.redact).expect("redacts")
        });
    });
    group.finish();
}

/// The machines at the pipeline's end.
fn machines(c: &mut Criterion) {
    use cofferdam::core::pipeline::{Entry, Record};

    let events = events::generate(COUNT);
    let mut stages = Stages::new(&events);
    let mut round = Round::new(&events);
    let mut group = c.benchmark_group("machine");
    group.throughput(Throughput::Elements(1));
    group.bench_function("audit leaf, durable at once", |b| {
        let mut log = stages.setup.log(stages.now).expect("the origin is one");
        let mut effects = Vec::new();
        let mut now = stages.now;
        b.iter(|| {
            now = now.after(std::time::Duration::from_micros(10));
            let entry = Entry {
                position: 0,
                received_at: now,
                body: round.next().0,
                redactions: Default::default(),
                routes: &[],
            };
            let leaf = log.record(&entry).expect("the log has room");
            if log.poll_timeout().is_some_and(|at| now.reached(at)) {
                log.handle_timeout(now, &mut effects);
            }
            for effect in std::mem::take(&mut effects) {
                if let audit::Effect::Append { size, bytes, .. } = effect {
                    let durable = audit::Input::Durable { size, spare: bytes };
                    log.handle_input(durable, now, &mut effects);
                }
            }
            leaf
        });
    });
    let mut log = stages.setup.log(stages.now).expect("the origin is one");
    let recorded = stages.recorded(&events[0], &mut log);
    group.bench_function("queue: offer, deliver, acknowledge", |b| {
        let consumer = ConsumerId(1);
        let mut config = QueuesConfig::new(vec![LaneConfig::new("queue://events")]);
        config.routes.extend(recorded.routes().iter().map(|route| (*route, LaneId(0))));
        let tenant = stages.setup.context().tenant().clone();
        let mut queues = Queues::new(tenant, config).expect("the lane is sound");
        let (context, mut effects) = (stages.setup.context().clone(), Vec::new());
        let attach = Input::Attach { lane: "queue://events".into(), consumer, context };
        queues.handle_input(attach, stages.now, &mut effects);
        queues.handle_input(Input::Credit { consumer, n: 1 }, stages.now, &mut effects);
        effects.clear();
        b.iter_batched(
            || recorded.clone(),
            |event| {
                queues.handle_input(Input::Offer(event), stages.now, &mut effects);
                let Some(Effect::Deliver { delivery, .. }) = effects.pop() else { return };
                queues.handle_input(Input::Ack { consumer, delivery }, stages.now, &mut effects);
                queues.handle_input(Input::Credit { consumer, n: 1 }, stages.now, &mut effects);
                assert_eq!(effects.drain(..).count(), 1, "it was settled");
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, whole, stages, machines);
criterion_main!(benches);
