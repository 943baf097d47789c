//! Whatever fails in whatever order, every event has one end, and the sums say so after every step.

use std::time::Duration;

use cofferdam::{
    Compartment, Effect, Fate, Input, Receipt, audit, cursor,
    queue::{
        self, ConsumerId, DeadCause, DeliveryId, LaneConfig, LaneId, WhenFull,
        dead_letter::{Cause, DeadLetter, TenantSeal},
    },
};
use cofferdam_core::{ConnectionId, ContextParts, Machine, Now};
use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::json;

use super::{
    ledger::{InFlight, Ledger},
    world::{Disk, at, bound, context, context_of, graph, log, parts, parts_of, policy, tracker},
};

const VISIBILITY: Duration = Duration::from_millis(50);
const SEED: u64 = 20_261_122;
/// Lanes by their ids.
const BLOCK: LaneId = LaneId(0);
const DROP: LaneId = LaneId(1);
const TTL: LaneId = LaneId(2);
const LANES: [&str; 3] = ["queue://block", "queue://drop", "queue://ttl"];

fn lanes() -> Vec<LaneConfig> {
    let lane = |name| LaneConfig {
        capacity_events: 6,
        high: 5,
        low: 2,
        max_in_flight: 3,
        visibility: VISIBILITY,
        max_attempts: 3,
        ..LaneConfig::new(name)
    };
    let ttl = Some(Duration::from_millis(120));
    vec![
        lane(LANES[0]),
        LaneConfig { when_full: WhenFull::DropOldest, ..lane(LANES[1]) },
        LaneConfig { when_full: WhenFull::DeadLetter, ttl, ..lane(LANES[2]) },
    ]
}

/// Topics and the lanes that they go to, under the first subscriptions and under the second.
const TOPICS: [(&str, &[LaneId], &[LaneId]); 5] = [
    ("t.block", &[BLOCK], &[BLOCK]),
    ("t.drop", &[DROP], &[DROP, TTL]),
    ("t.ttl", &[TTL], &[]),
    ("t.two", &[BLOCK, DROP], &[BLOCK]),
    ("t.three", &[BLOCK, DROP, TTL], &[BLOCK, DROP, TTL]),
];

fn subscriptions(second: bool) -> Vec<(&'static str, &'static str)> {
    let to = |(topic, one, two): &(&'static str, &[LaneId], &[LaneId])| -> Vec<_> {
        let lanes = if second { two } else { one };
        lanes.iter().map(|lane| (*topic, LANES[lane.0 as usize])).collect()
    };
    TOPICS.iter().flat_map(to).collect()
}

#[derive(Debug, Clone)]
enum Step {
    /// An event of this topic; the last is one that nobody asked for.
    Event(usize),
    /// The same bytes as so many events before.
    Again(usize),
    /// An event that the strict check or the filter refuses.
    Malformed(usize),
    /// A context of another connection; one that has ended.
    Foreign,
    Expired,
    Attach(usize),
    Credit(usize, u32),
    Ack(usize),
    AckUpTo(usize),
    Nack(usize),
    Detach(usize),
    Wait(u64),
    DiskWrites,
    DiskFails,
    Gap,
    Policy(bool),
    Subscriptions(bool),
    Redrive(usize),
    Flush,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let lane = 0..LANES.len();
    prop_oneof![
        24 => (0..=TOPICS.len()).prop_map(Step::Event),
        2 => (0_usize..4).prop_map(Step::Again),
        2 => (0_usize..4).prop_map(Step::Malformed),
        1 => Just(Step::Foreign),
        1 => Just(Step::Expired),
        4 => lane.clone().prop_map(Step::Attach),
        8 => (lane.clone(), 1_u32..6).prop_map(|(lane, n)| Step::Credit(lane, n)),
        10 => (0_usize..4).prop_map(Step::Ack),
        2 => (0_usize..4).prop_map(Step::AckUpTo),
        4 => (0_usize..4).prop_map(Step::Nack),
        1 => lane.prop_map(Step::Detach),
        8 => (1_u64..80).prop_map(Step::Wait),
        12 => Just(Step::DiskWrites),
        1 => Just(Step::Gap),
        1 => any::<bool>().prop_map(Step::Policy),
        1 => any::<bool>().prop_map(Step::Subscriptions),
        2 => (0_usize..3).prop_map(Step::Redrive),
        1 => Just(Step::Flush),
    ]
}

/// Steps, a disk that may fail among them, and a close at any time.
fn script() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (prop::collection::vec(step(), 1..250), fault).prop_map(|(mut steps, fault)| {
        if let Some(fault) = fault {
            steps.insert(fault.index(steps.len()), Step::DiskFails);
        }
        steps
    })
}

/// A driver of one compartment, with its ledger.
struct Rig {
    compartment: Compartment,
    ledger: Ledger,
    disk: Disk,
    now: Now,
    /// Stops reading when told to, as a driver should.
    polite: bool,
    second: bool,
    serial: u64,
    sent: Vec<Vec<u8>>,
    deliveries: Vec<(ConsumerId, DeliveryId)>,
    letters: Vec<(DeadLetter, LaneId)>,
    paused: bool,
    closed: bool,
}

fn consumer(lane: usize) -> ConsumerId {
    ConsumerId(lane as u64 + 1)
}

impl Rig {
    fn new(polite: bool) -> Self {
        let subscriptions = graph("acme", &subscriptions(false));
        let mut parts = parts("acme", lanes(), subscriptions, policy("acme", &json!([])));
        parts.log = log("acme", 64);
        parts.tracker = tracker("acme", 64);
        Self {
            compartment: bound("acme", parts),
            ledger: Ledger::default(),
            disk: Disk::default(),
            now: at(0),
            polite,
            second: false,
            serial: 0,
            sent: Vec::new(),
            deliveries: Vec::new(),
            letters: Vec::new(),
            paused: false,
            closed: false,
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Event(topic) => self.event(topic),
            Step::Again(back) => {
                let again = self.sent.iter().rev().nth(back).cloned();
                if let Some(frame) = again {
                    self.refused_frame(&context("acme"), &frame, Fate::Duplicate);
                }
            }
            Step::Malformed(which) => self.malformed(which),
            Step::Foreign => {
                let parts = ContextParts { connection: ConnectionId(2), ..parts_of("acme") };
                let other = context_of(&super::world::authority(), parts);
                let reason = cofferdam_core::Reason::StampMismatch;
                self.refused_frame(&other, b"{}", Fate::Refused(reason));
            }
            Step::Expired => {
                let parts = ContextParts { expires_at_ms: 0, ..parts_of("acme") };
                let ended = context_of(&super::world::authority(), parts);
                let reason = cofferdam_core::Reason::Expired;
                self.refused_frame(&ended, b"{}", Fate::Refused(reason));
            }
            Step::Wait(ms) => self.wait(ms),
            Step::DiskWrites => {
                if let Some(input) = self.disk.write() {
                    self.tell(Input::Audit(input));
                }
            }
            Step::DiskFails => {
                if let Some(input) = self.disk.fail() {
                    self.tell(Input::Audit(input));
                }
            }
            Step::Gap => {
                let before = self.ledger.gaps;
                self.tell(Input::UpstreamGap(cursor::GapCause::Reset));
                assert_eq!(self.ledger.gaps, before + 1, "a gap without a record");
            }
            Step::Policy(strict) => self.set_policy(strict),
            Step::Subscriptions(second) => self.set_subscriptions(second),
            Step::Redrive(which) => self.redrive(which),
            Step::Flush => self.tell(Input::Flush),
            Step::Close => self.close(),
            _ => self.consume(step),
        }
        self.ledger.assert_counts(self.compartment.counts(), self.compartment.unsettled());
    }

    fn consume(&mut self, step: &Step) {
        let recent = |which: usize| self.deliveries.iter().rev().nth(which).copied();
        let input = match *step {
            Step::Attach(lane) => queue::Input::Attach {
                lane: String::from(LANES[lane]),
                consumer: consumer(lane),
                context: context("acme"),
            },
            Step::Credit(lane, n) => queue::Input::Credit { consumer: consumer(lane), n },
            Step::Detach(lane) => {
                let consumer = consumer(lane);
                self.ledger.taken_back(|_, held| held.consumer == consumer);
                queue::Input::Detach { consumer }
            }
            Step::Ack(which) => {
                let Some((consumer, delivery)) = recent(which) else { return };
                self.ledger.acknowledged(consumer, delivery);
                queue::Input::Ack { consumer, delivery }
            }
            Step::AckUpTo(which) => {
                let Some((consumer, delivery)) = recent(which) else { return };
                self.ledger.acknowledged_up_to(consumer, delivery);
                queue::Input::AckUpTo { consumer, delivery }
            }
            Step::Nack(which) => {
                let Some((consumer, delivery)) = recent(which) else { return };
                self.ledger.taken_back(|id, held| *id == delivery && held.consumer == consumer);
                queue::Input::Nack { consumer, delivery }
            }
            _ => unreachable!("not a consumer's step"),
        };
        self.tell(Input::Queue(input));
    }

    fn event(&mut self, topic: usize) {
        self.serial += 1;
        let (name, one, two) = TOPICS.get(topic).copied().unwrap_or(("t.none", &[], &[]));
        let lanes = if self.second { two } else { one };
        let frame = format!(r#"{{"topicName":"{name}","n":{},"ssn":"1"}}"#, self.serial);
        self.ledger.will_queue(self.serial, lanes);
        match self.offer(&context("acme"), frame.as_bytes()) {
            Receipt::Stalled => self.ledger.was_not_queued(),
            Receipt::Taken(fate) => {
                let expected = if lanes.is_empty() { Fate::Unmatched } else { Fate::Queued };
                assert_eq!(fate, expected);
                if lanes.is_empty() {
                    self.ledger.was_not_queued();
                    self.ledger.expected.unmatched += 1;
                } else {
                    self.sent.push(frame.into_bytes());
                }
                self.ledger.taken();
            }
        }
    }

    fn malformed(&mut self, which: usize) {
        self.serial += 1;
        let n = self.serial;
        let (frame, reason) = match which {
            0 => (
                format!(r#"{{"topicName":"t.block","n":{n},"\u006e":2}}"#).into_bytes(),
                cofferdam_core::Reason::DuplicateName,
            ),
            1 => (
                format!(r#"{{"topicName":"t.block","n":{n}}}{{}}"#).into_bytes(),
                cofferdam_core::Reason::Malformed,
            ),
            2 => (
                [format!(r#"{{"topicName":"t.block","n":{n},"v":""#).as_bytes(), b"\xff\"}"]
                    .concat(),
                cofferdam_core::Reason::InvalidText,
            ),
            _ => (b"[1]".to_vec(), cofferdam_core::Reason::Malformed),
        };
        self.refused_frame(&context("acme"), &frame, Fate::Refused(reason));
    }

    /// A frame that is not queued, unless there is no room to say so. Under other subscriptions a
    /// repeated event may be one that nobody asked for.
    fn refused_frame(&mut self, context: &cofferdam_core::TenantContext, frame: &[u8], fate: Fate) {
        let Receipt::Taken(taken) = self.offer(context, frame) else { return };
        assert!(taken == fate || (fate, taken) == (Fate::Duplicate, Fate::Unmatched), "{taken:?}");
        match taken {
            Fate::Duplicate => self.ledger.expected.duplicates += 1,
            Fate::Unmatched => self.ledger.expected.unmatched += 1,
            _ => self.ledger.expected.refused += 1,
        }
        self.ledger.taken();
    }

    fn offer(&mut self, context: &cofferdam_core::TenantContext, frame: &[u8]) -> Receipt {
        if self.closed || self.polite && self.compartment.is_paused() {
            return Receipt::Stalled;
        }
        let (before, mut effects) = (self.compartment.counts(), Vec::new());
        let receipt = self.compartment.receive(context, frame, self.now, &mut effects);
        if receipt == Receipt::Stalled {
            assert!(effects.is_empty() && before == self.compartment.counts());
            assert!(self.compartment.is_paused(), "stalled, and the reader is not told to stop");
        }
        self.carry_out(effects);
        receipt
    }

    fn tell(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.compartment.handle_input(input, self.now, &mut effects);
        self.carry_out(effects);
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
        let (now, mut effects) = (self.now, Vec::new());
        self.ledger.taken_back(|_, held| now.reached(held.deadline));
        self.compartment.handle_timeout(now, &mut effects);
        self.carry_out(effects);
        let mut spurious = Vec::new();
        self.compartment.handle_timeout(now, &mut spurious);
        assert!(spurious.is_empty(), "a timeout that was not due did something: {spurious:?}");
    }

    fn set_policy(&mut self, strict: bool) {
        let rules =
            if strict { json!([{"path": "$..ssn", "strategy": "omit"}]) } else { json!([]) };
        let mut effects = Vec::new();
        let policy = policy("acme", &rules);
        self.compartment.set_policy(policy, 2, self.now, &mut effects).unwrap();
        self.carry_out(effects);
    }

    fn set_subscriptions(&mut self, second: bool) {
        let mut effects = Vec::new();
        let graph = graph("acme", &subscriptions(second));
        self.compartment.set_filter(graph, 2, self.now, &mut effects).unwrap();
        self.second = second;
        self.carry_out(effects);
    }

    /// Only into lanes that keep or bury: a gap names positions, of which a replay has none.
    fn redrive(&mut self, which: usize) {
        let may = |(_, lane): &(DeadLetter, LaneId)| *lane != DROP && !self.closed;
        let Some(at) = self.letters.iter().position(may) else { return };
        let at = (at + which) % self.letters.len();
        if !may(&self.letters[at]) {
            return;
        }
        let (letter, lane) = self.letters.remove(at);
        let event = letter.open(&TenantSeal::new([9; 32])).unwrap();
        let name = self.compartment.queues().lane_name(lane);
        assert_eq!(letter.lane(), name);
        self.ledger.will_replay(&event, lane);
        self.tell(Input::Queue(queue::Input::Redrive { lane, event }));
    }

    fn close(&mut self) {
        self.closed = true;
        self.ledger.taken_back(|_, _| true);
        self.tell(Input::Queue(queue::Input::Close));
        assert_eq!(self.compartment.unsettled(), 0);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Queue(effect) => self.queue_effect(effect),
                Effect::Cursor(cursor::Effect::Write(write)) => self.ledger.written(&write),
                Effect::Cursor(stalled) => panic!("a position that was not offered: {stalled:?}"),
                Effect::Audit(effect) => self.disk.take(effect),
            }
        }
    }

    fn queue_effect(&mut self, effect: queue::Effect) {
        match effect {
            queue::Effect::Deliver { lane, consumer, delivery, attempt, event, .. } => {
                let deadline = self.now.after(VISIBILITY);
                self.deliveries.push((consumer, delivery));
                let held = InFlight { consumer, lane, event, deadline };
                self.ledger.delivered(delivery, attempt, held);
            }
            queue::Effect::DeadLetter { lane, event, cause, attempts, .. } => {
                if self.polite && lane == Some(BLOCK) && !event.is_replay() {
                    assert_ne!(cause, DeadCause::Full, "full though the reader paused");
                }
                self.ledger.dead(lane, &event, cause);
                let lane_id = lane.unwrap();
                let lane = self.compartment.queues().lane_name(lane_id);
                let why = Cause { lane, cause, attempts, first_ms: 0, last_ms: 0 };
                let letter = DeadLetter::seal(&event, why, &TenantSeal::new([9; 32]));
                self.letters.push((letter, lane_id));
            }
            queue::Effect::Gap { lane, from, to, count, .. } => {
                self.ledger.dropped(lane, from, to, count);
            }
            queue::Effect::Pause { .. } => {
                assert!(!std::mem::replace(&mut self.paused, true), "paused twice");
            }
            queue::Effect::Resume { .. } => {
                assert!(std::mem::replace(&mut self.paused, false), "resumed while reading");
            }
            queue::Effect::Settled { replay, .. } => assert!(replay, "kept to itself"),
            queue::Effect::Attached { .. } | queue::Effect::Busy { .. } => {}
            other => panic!("nobody caused this: {other:?}"),
        }
    }

    /// Closes, lets the disk catch up and flushes.
    fn shut_down(&mut self) {
        if !self.closed {
            self.close();
        }
        self.tell(Input::Flush);
        for _ in 0..8 {
            while let Some(input) = self.disk.write() {
                self.tell(Input::Audit(input));
            }
            self.tell(Input::Flush);
            self.wait(2_000);
        }
        assert_eq!(self.compartment.unsettled(), 0);
        self.ledger.assert_counts(self.compartment.counts(), 0);
        assert_eq!(self.ledger.committed(), self.ledger.next, "the cursor stands at the end");
        assert!(!self.paused, "closed queues ask for nothing");
        self.audit();
    }

    /// The log says the same as the counters.
    fn audit(&self) {
        let facts = self.disk.facts();
        let count = |code| facts.iter().filter(|fact| fact.code == code).count() as u64;
        let counts = self.compartment.counts();
        let queued = counts.delivered + counts.dead_lettered + counts.dropped;
        if self.disk.has_failed() {
            // What was lost is lost, and nothing else is wrong.
            assert!(count(audit::EventCode::EventRecorded) <= queued);
            assert!(!matches!(
                self.disk.verify("acme"),
                Err(audit::verify::VerifyError::Tampered(_))
            ));
            return;
        }
        let report = self.disk.verify("acme").unwrap();
        assert_eq!((report.leaves, report.unsealed()), (facts.len() as u64, 0));
        assert_eq!(count(audit::EventCode::EventRecorded), queued);
        if count(audit::EventCode::Lost) == 0 {
            assert_eq!(count(audit::EventCode::EventRefused), counts.refused);
        }
        let mut recorded: Vec<u64> = facts
            .iter()
            .filter(|fact| fact.code == audit::EventCode::EventRecorded)
            .map(|fact| fact.position)
            .collect();
        recorded.dedup();
        assert_eq!(recorded.len() as u64, queued, "a position recorded twice");
    }
}

fn config(cases: u32) -> ProptestConfig {
    eprintln!("conservation: seed {SEED}; PROPTEST_RNG_SEED for another");
    let rng_seed = match ProptestConfig::default().rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        given @ RngSeed::Fixed(_) => given,
    };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(400))]

    /// Promises 6, 7 and 9, with a driver that pauses when told to.
    #[test]
    fn every_event_has_one_end_whatever_fails(steps in script(), close in any::<prop::sample::Index>()) {
        let mut steps = steps;
        steps.insert(close.index(steps.len() + 1), Step::Close);
        let mut rig = Rig::new(true);
        steps.iter().for_each(|step| rig.take(step));
        rig.shut_down();
    }

    /// The same with a driver that reads on: more dies, nothing vanishes.
    #[test]
    fn every_event_has_one_end_even_if_the_reader_does_not_pause(steps in script()) {
        let mut rig = Rig::new(false);
        steps.iter().for_each(|step| rig.take(step));
        rig.shut_down();
    }
}
