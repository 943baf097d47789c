//! Promises 5 to 7 as a property: whatever is told in whatever order, every event is settled
//! exactly once, in bounds (N02), and with everything that happened to it said.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cofferdam_core::{Machine, Now, pipeline::RouteId};
use cofferdam_queue::{
    ConsumerId, DeliveryId, Effect, Input, LaneConfig, LaneId, Outcome, Queues, QueuesConfig,
    WhenFull,
};
use proptest::prelude::*;

use super::support::{config, context, event_with, small_lane, tenant};

const LANES: usize = 4;
const NAMES: [&str; LANES] = ["queue://a", "queue://b", "queue://c", "queue://d"];

#[derive(Debug, Clone)]
enum Step {
    Offer {
        routes: BTreeSet<u32>,
        bytes: usize,
    },
    Redrive {
        lane: u32,
        routes: BTreeSet<u32>,
    },
    Attach {
        lane: usize,
        consumer: u64,
    },
    Credit {
        consumer: u64,
        n: u32,
    },
    /// `which` counts back from the latest delivery, whoever got it.
    Ack {
        consumer: u64,
        which: usize,
    },
    AckUpTo {
        consumer: u64,
        which: usize,
    },
    Nack {
        consumer: u64,
        which: usize,
    },
    Detach {
        consumer: u64,
    },
    Routes {
        shift: u32,
    },
    /// Time passes and the timer is not called.
    Wait {
        ms: u64,
    },
    /// The timer is called when it asked to be.
    Timer,
}

fn step() -> impl Strategy<Value = Step> {
    let routes = || prop::collection::btree_set(0_u32..5, 1..4);
    let consumer = || 0_u64..5;
    prop_oneof![
        8 => (routes(), 0_usize..60).prop_map(|(routes, bytes)| Step::Offer { routes, bytes }),
        1 => (0_u32..5, routes()).prop_map(|(lane, routes)| Step::Redrive { lane, routes }),
        2 => (0..LANES, consumer()).prop_map(|(lane, consumer)| Step::Attach { lane, consumer }),
        3 => (consumer(), 1_u32..8).prop_map(|(consumer, n)| Step::Credit { consumer, n }),
        4 => (consumer(), 0_usize..12).prop_map(|(consumer, which)| Step::Ack { consumer, which }),
        2 => (consumer(), 0..12_usize).prop_map(|(consumer, which)| Step::AckUpTo { consumer, which }),
        2 => (consumer(), 0_usize..12).prop_map(|(consumer, which)| Step::Nack { consumer, which }),
        1 => consumer().prop_map(|consumer| Step::Detach { consumer }),
        1 => (0_u32..3).prop_map(|shift| Step::Routes { shift }),
        2 => (0_u64..40).prop_map(|ms| Step::Wait { ms }),
        3 => Just(Step::Timer),
    ]
}

fn lanes() -> Vec<LaneConfig> {
    let lane = |name| LaneConfig {
        capacity_bytes: 200,
        max_in_flight: 3,
        max_attempts: 3,
        visibility: Duration::from_millis(50),
        ..small_lane(name)
    };
    vec![
        lane(NAMES[0]),
        LaneConfig { ttl: Some(Duration::from_millis(70)), ..lane(NAMES[1]) },
        LaneConfig { when_full: WhenFull::DropOldest, ..lane(NAMES[2]) },
        LaneConfig { when_full: WhenFull::DeadLetter, capacity_bytes: 100, ..lane(NAMES[3]) },
    ]
}

/// Route `n` leads to lane `n + shift`; one route leads to none.
fn routes(shift: u32) -> BTreeMap<RouteId, LaneId> {
    (0..4).map(|n| (RouteId(n), LaneId((n + shift) % 4))).collect()
}

/// What an observer of inputs and effects knows.
#[derive(Default)]
struct Ledger {
    /// Of each event, the lanes that it went to.
    offered: BTreeMap<u64, BTreeSet<u32>>,
    settled: BTreeMap<u64, Outcome>,
    buried: BTreeSet<u64>,
    dropped: u64,
    paused: bool,
    /// Who has which lane.
    has: BTreeMap<u64, u32>,
    /// Every delivery ever.
    deliveries: Vec<(DeliveryId, u64, u32, u64)>,
    acknowledged: BTreeSet<(u32, u64)>,
    /// The latest first attempt in each lane.
    latest: BTreeMap<u32, u64>,
}

impl Ledger {
    fn note(&mut self, effect: &Effect) {
        match effect {
            Effect::Deliver { lane, consumer, delivery, attempt, event, .. } => {
                let position = event.position();
                assert!(self.offered[&position].contains(&lane.0), "no route of it leads there");
                assert_eq!(self.has.get(&consumer.0), Some(&lane.0), "not its consumer");
                assert!(!self.settled.contains_key(&position), "delivered after it was settled");
                assert!((1..=3).contains(attempt));
                if *attempt == 1 {
                    let before = self.latest.insert(lane.0, position);
                    assert!(before.is_none_or(|before| before < position), "out of order");
                }
                if let Some((last, ..)) = self.deliveries.last() {
                    assert!(last < delivery, "delivery ids ascend");
                }
                self.deliveries.push((*delivery, consumer.0, lane.0, position));
            }
            Effect::Attached { lane, consumer, .. } => {
                self.has.insert(consumer.0, lane.0);
            }
            Effect::Busy { .. } => {}
            Effect::Pause { .. } | Effect::Resume { .. } => {
                let pause = matches!(effect, Effect::Pause { .. });
                assert_ne!(self.paused, pause, "pause and resume alternate");
                self.paused = pause;
            }
            Effect::DeadLetter { event, .. } => {
                self.buried.insert(event.position());
            }
            Effect::Gap { from, to, count, .. } => {
                assert!(from <= to && to - from < 1_000 && *count <= to - from + 1);
                self.dropped += count;
            }
            Effect::Settled { position, outcome, .. } => {
                assert!(self.offered.contains_key(position));
                assert_eq!(self.settled.insert(*position, *outcome), None, "settled twice");
            }
            other => panic!("nothing asks for this: {other:?}"),
        }
    }

    /// Everything was settled: each outcome is what was seen to happen.
    fn close(&self) {
        for (position, lanes) in &self.offered {
            let outcome = self.settled.get(position).expect("every event is settled");
            let everywhere =
                lanes.iter().all(|lane| self.acknowledged.contains(&(*lane, *position)));
            match outcome {
                Outcome::Delivered => assert!(everywhere && !lanes.is_empty()),
                Outcome::DeadLettered => assert!(self.buried.contains(position)),
                Outcome::Dropped => assert!(lanes.contains(&2), "one lane only drops"),
            }
            if self.buried.contains(position) {
                assert_ne!(*outcome, Outcome::Delivered);
            }
        }
        let dropped = self.settled.values().filter(|o| **o == Outcome::Dropped).count();
        assert_eq!(dropped as u64, self.dropped, "gaps name as many as were dropped");
    }
}

struct World {
    queues: Queues,
    ledger: Ledger,
    now: Now,
    shift: u32,
    next: u64,
}

impl World {
    fn new() -> Self {
        let config = QueuesConfig { routes: routes(0), ..config(lanes()) };
        let queues = Queues::new(tenant("a"), config).unwrap();
        Self { queues, ledger: Ledger::default(), now: Now::default(), shift: 0, next: 0 }
    }

    fn tell(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.queues.handle_input(input, self.now, &mut effects);
        self.check(&effects);
    }

    fn offer(&mut self, wanted: &BTreeSet<u32>, bytes: usize, only: Option<u32>) {
        let table = routes(self.shift);
        let lanes =
            wanted.iter().filter_map(|route| table.get(&RouteId(*route))).map(|lane| lane.0);
        let lanes = lanes.filter(|lane| only.is_none_or(|only| only == *lane)).collect();
        self.ledger.offered.insert(self.next, lanes);
        let wanted = wanted.iter().copied().collect::<Vec<_>>();
        let event = event_with("a", self.next, &wanted, &vec![b' '; bytes]);
        self.next += 1;
        self.tell(match only {
            Some(lane) => Input::Redrive { lane: LaneId(lane), event },
            None => Input::Offer(event),
        });
    }

    fn recall(&self, which: usize) -> DeliveryId {
        let recent = self.ledger.deliveries.iter().rev().nth(which);
        recent.map_or(DeliveryId(which as u64), |(delivery, ..)| *delivery)
    }

    /// What this acknowledgement may acknowledge; the queues know whether it does.
    fn may_acknowledge(&mut self, consumer: u64, which: impl Fn(DeliveryId) -> bool) {
        for (delivery, of, lane, position) in &self.ledger.deliveries {
            if *of == consumer && which(*delivery) {
                self.ledger.acknowledged.insert((*lane, *position));
            }
        }
    }

    fn ack(&mut self, consumer: u64, delivery: DeliveryId) {
        self.may_acknowledge(consumer, |other| other == delivery);
        self.tell(Input::Ack { consumer: ConsumerId(consumer), delivery });
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Offer { routes, bytes } => self.offer(&routes, bytes, None),
            Step::Redrive { lane, routes } => self.offer(&routes, 2, Some(lane)),
            Step::Attach { lane, consumer } => self.tell(Input::Attach {
                lane: NAMES[lane].into(),
                consumer: ConsumerId(consumer),
                context: context("a"),
            }),
            Step::Credit { consumer, n } => {
                self.tell(Input::Credit { consumer: ConsumerId(consumer), n });
            }
            Step::Ack { consumer, which } => self.ack(consumer, self.recall(which)),
            Step::AckUpTo { consumer, which } => {
                let delivery = self.recall(which);
                self.may_acknowledge(consumer, |other| other <= delivery);
                self.tell(Input::AckUpTo { consumer: ConsumerId(consumer), delivery });
            }
            Step::Nack { consumer, which } => {
                let delivery = self.recall(which);
                self.tell(Input::Nack { consumer: ConsumerId(consumer), delivery });
            }
            Step::Detach { consumer } => {
                self.tell(Input::Detach { consumer: ConsumerId(consumer) });
                self.ledger.has.remove(&consumer);
            }
            Step::Routes { shift } => {
                self.shift = shift;
                self.queues.set_routes(routes(shift)).unwrap();
            }
            Step::Wait { ms } => self.now = self.now.after(Duration::from_millis(ms)),
            Step::Timer => self.timer(),
        }
    }

    fn timer(&mut self) {
        let Some(deadline) = self.queues.poll_timeout() else { return };
        let mut effects = Vec::new();
        if !self.now.reached(deadline) {
            let early = Duration::from_nanos(deadline.monotonic_ns() - 1);
            self.queues.handle_timeout(Now::new(early, 0), &mut effects);
            assert_eq!((&effects[..], self.queues.poll_timeout()), (&[][..], Some(deadline)));
            self.now = deadline;
        }
        self.queues.handle_timeout(self.now, &mut effects);
        self.check(&effects);
        let next = self.queues.poll_timeout();
        assert!(next.is_none_or(|next| !self.now.reached(next)), "what was due is done");
        effects.clear();
        self.queues.handle_timeout(self.now, &mut effects);
        assert_eq!(effects, [], "a second call changes nothing");
    }

    fn check(&mut self, effects: &[Effect]) {
        effects.iter().for_each(|effect| self.ledger.note(effect));
        assert_eq!(self.ledger.paused, self.queues.is_paused());
        let unsettled = self.ledger.offered.len() - self.ledger.settled.len();
        assert_eq!(self.queues.unsettled(), unsettled, "offered = settled + still inside");
        let (mut low, mut high) = (true, false);
        for (lane, limits) in (0..).map(LaneId).zip(lanes()) {
            let gauges = self.queues.gauges(lane, self.now).unwrap();
            assert!(gauges.depth <= limits.capacity_events, "bounded in events");
            assert!(gauges.bytes <= limits.capacity_bytes, "bounded in bytes");
            assert!(gauges.in_flight <= limits.max_in_flight && gauges.in_flight <= gauges.depth);
            if limits.when_full == WhenFull::Block {
                let share = |mark| limits.capacity_bytes * mark / limits.capacity_events;
                low &= gauges.depth <= limits.low && gauges.bytes <= share(limits.low);
                high |= gauges.depth >= limits.high || gauges.bytes >= share(limits.high);
            }
        }
        assert!(!high || self.queues.is_paused(), "a lane at its high watermark pauses");
        assert!(!low || !self.queues.is_paused(), "all lanes at their low watermarks resume");
    }

    /// Consumes everything until nothing is left.
    fn drain(&mut self) {
        for consumer in 0..5 {
            self.step(Step::Detach { consumer });
        }
        for (lane, consumer) in (0..LANES).zip(0..) {
            self.step(Step::Attach { lane, consumer });
            self.step(Step::Credit { consumer, n: u32::MAX });
        }
        let mut done = 0;
        while let Some((delivery, consumer, ..)) = self.ledger.deliveries.get(done).copied() {
            done += 1;
            self.ack(consumer, delivery);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_settled_once_and_in_bounds(steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.drain();
        assert_eq!(world.queues.unsettled(), 0);
        assert!(!world.queues.is_paused());
        assert_eq!(world.queues.poll_timeout(), None);
        world.ledger.close();
    }
}
