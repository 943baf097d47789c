//! Two tenants side by side: what one does, and what strays from one to the other, changes nothing.

use std::time::Duration;

use cofferdam_core::{Epoch, Machine, Now, Scoped};
use cofferdam_queue::{ConsumerId, DeliveryId, Effect, Input, LaneConfig, Queues, QueuesConfig};
use proptest::prelude::*;

use super::support::{at, config, context, event_with, small_lane, tenant};

const LANE: &str = "queue://support";

fn queues(id: &str) -> Queues {
    queues_in(id, Epoch(0))
}

fn queues_in(id: &str, epoch: Epoch) -> Queues {
    let lane = LaneConfig { visibility: Duration::from_millis(50), ..small_lane(LANE) };
    Queues::new(tenant(id), QueuesConfig { epoch, ..config(vec![lane]) }).unwrap()
}

fn tell(queues: &mut Queues, input: Input, now: Now) -> Vec<Effect> {
    let mut effects = Vec::new();
    queues.handle_input(input, now, &mut effects);
    effects
}

/// Attaches consumer 1, has three events delivered and says under which ids.
fn busy(queues: &mut Queues) -> Vec<DeliveryId> {
    let id = queues.tenant().as_str().to_owned();
    let consumer = ConsumerId(1);
    tell(queues, Input::Attach { lane: LANE.into(), consumer, context: context(&id) }, at(0));
    tell(queues, Input::Credit { consumer, n: 100 }, at(0));
    let offer =
        |position| tell(queues, Input::Offer(event_with(&id, position, &[0], b"{}")), at(0));
    let delivery = |effect| match effect {
        Effect::Deliver { delivery, .. } => delivery,
        other => panic!("not a delivery: {other:?}"),
    };
    (0..3).flat_map(offer).map(delivery).collect()
}

fn every_answer(consumer: ConsumerId, delivery: DeliveryId) -> [Input; 3] {
    [
        Input::Ack { consumer, delivery },
        Input::AckUpTo { consumer, delivery },
        Input::Nack { consumer, delivery },
    ]
}

/// The ids of another tenant's deliveries, even under the right consumer's number.
#[test]
fn another_tenants_delivery_ids_mean_nothing() {
    let (mut a, mut b) = (queues("a"), queues("b"));
    let own = busy(&mut a);
    for foreign in busy(&mut b) {
        for input in every_answer(ConsumerId(1), foreign) {
            assert_eq!(tell(&mut a, input, at(1)), []);
        }
    }
    assert_eq!(
        tell(&mut a, Input::Ack { consumer: ConsumerId(1), delivery: own[2] }, at(1)).len(),
        1
    );
}

/// A cumulative acknowledgement must not take a number from anywhere for "all".
#[test]
fn delivery_ids_that_were_never_given_out_mean_nothing() {
    let mut a = queues("a");
    let own = busy(&mut a);
    for delivery in [0, own[0].0 - 1, own[2].0 + 1, u64::MAX].map(DeliveryId) {
        for input in every_answer(ConsumerId(1), delivery) {
            assert_eq!(tell(&mut a, input, at(1)), []);
        }
    }
}

/// Q06: what was delivered before a fail-over cannot be acknowledged after it.
#[test]
fn delivery_ids_of_an_older_epoch_mean_nothing() {
    let (mut before, mut after) = (queues_in("a", Epoch(1)), queues_in("a", Epoch(2)));
    busy(&mut after);
    for stale in busy(&mut before) {
        for input in every_answer(ConsumerId(1), stale) {
            assert_eq!(tell(&mut after, input, at(1)), []);
        }
    }
}

#[test]
fn consumers_that_never_attached_change_nothing() {
    let (mut a, mut untouched) = (queues("a"), queues("a"));
    let own = busy(&mut a);
    busy(&mut untouched);
    for consumer in [0, 2, u64::MAX].map(ConsumerId) {
        for delivery in own.iter().copied().chain([0, u64::MAX].map(DeliveryId)) {
            for input in every_answer(consumer, delivery) {
                assert_eq!(tell(&mut a, input, at(1)), []);
            }
        }
        assert_eq!(tell(&mut a, Input::Credit { consumer, n: 9 }, at(1)), []);
        assert_eq!(tell(&mut a, Input::Detach { consumer }, at(1)), []);
    }
    let next = || Input::Offer(event_with("a", 3, &[0], b"{}"));
    assert_eq!(tell(&mut a, next(), at(2)), tell(&mut untouched, next(), at(2)));
}

/// One thing that happens to one of the two; `stray` also reaches the other one's queues.
#[derive(Debug, Clone)]
struct Happening {
    to_b: bool,
    stray: bool,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Offer,
    Attach,
    Credit(u32),
    Ack(usize),
    AckUpTo(usize),
    Nack(usize),
    Detach,
    Wait(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let what = prop_oneof![
        6 => Just(What::Offer),
        1 => Just(What::Attach),
        2 => (1_u32..6).prop_map(What::Credit),
        3 => (0_usize..4).prop_map(What::Ack),
        1 => (0_usize..4).prop_map(What::AckUpTo),
        1 => (0_usize..4).prop_map(What::Nack),
        1 => Just(What::Detach),
        2 => (0_u64..40).prop_map(What::Wait),
    ];
    let stray = prop::bool::weighted(0.3);
    (any::<bool>(), stray, what).prop_map(|(to_b, stray, what)| Happening { to_b, stray, what })
}

/// One tenant's queues and what was seen of them.
struct Side {
    id: &'static str,
    consumer: ConsumerId,
    queues: Queues,
    deliveries: Vec<DeliveryId>,
    next: u64,
    seen: Vec<Effect>,
}

impl Side {
    fn new(id: &'static str, consumer: u64) -> Self {
        let consumer = ConsumerId(consumer);
        Self { id, consumer, queues: queues(id), deliveries: vec![], next: 0, seen: vec![] }
    }

    fn input(&mut self, what: What) -> Option<Input> {
        let consumer = self.consumer;
        let recall = |which| {
            let recent = self.deliveries.iter().rev().nth(which);
            recent.copied().unwrap_or(DeliveryId(which as u64))
        };
        Some(match what {
            What::Offer => {
                self.next += 1;
                Input::Offer(event_with(self.id, self.next, &[0], b"{}"))
            }
            What::Attach => {
                Input::Attach { lane: LANE.into(), consumer, context: context(self.id) }
            }
            What::Credit(n) => Input::Credit { consumer, n },
            What::Ack(which) => Input::Ack { consumer, delivery: recall(which) },
            What::AckUpTo(which) => Input::AckUpTo { consumer, delivery: recall(which) },
            What::Nack(which) => Input::Nack { consumer, delivery: recall(which) },
            What::Detach => Input::Detach { consumer },
            What::Wait(_) => return None,
        })
    }

    /// A foreign input leaves refusals and denials, which are not the tenant's own doing.
    fn tell(&mut self, input: Input, now: Now, foreign: bool) {
        let effects = tell(&mut self.queues, input, now);
        for effect in effects {
            assert_eq!(effect.tenant().as_str(), self.id);
            match effect {
                Effect::Refused(_) | Effect::Denied { .. } => assert!(foreign, "its own"),
                effect => {
                    assert!(!foreign, "a stray input had an effect: {effect:?}");
                    if let Effect::Deliver { delivery, .. } = effect {
                        self.deliveries.push(delivery);
                    }
                    self.seen.push(effect);
                }
            }
        }
    }

    fn pass_time(&mut self, now: Now) {
        let mut effects = Vec::new();
        self.queues.handle_timeout(now, &mut effects);
        let delivered = |effect: &Effect| match effect {
            Effect::Deliver { delivery, .. } => Some(*delivery),
            _ => None,
        };
        self.deliveries.extend(effects.iter().filter_map(delivered));
        self.seen.append(&mut effects);
    }
}

/// What A sees when both are there (and B's inputs stray to A's queues), or A alone.
fn what_a_sees(happenings: &[Happening], with_b: bool) -> Vec<Effect> {
    let (mut a, mut b) = (Side::new("a", 1), Side::new("b", 2));
    let mut now = at(0);
    for Happening { to_b, stray, what } in happenings {
        if let What::Wait(ms) = what {
            now = now.after(Duration::from_millis(*ms));
            a.pass_time(now);
            b.pass_time(now);
            continue;
        }
        if !to_b {
            if let Some(input) = a.input(*what) {
                a.tell(input, now, false);
            }
        } else if with_b && let Some(input) = b.input(*what) {
            if *stray {
                a.tell(input.clone(), now, true);
            }
            b.tell(input, now, false);
        }
    }
    a.seen
}

proptest! {
    /// Goguen and Meseguer: A's view with B there is A's view alone. Q04: whatever B's consumers
    /// leave lying fills nothing of A's.
    #[test]
    fn a_tenant_sees_the_same_with_another_one_or_without(
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        prop_assert_eq!(what_a_sees(&happenings, true), what_a_sees(&happenings, false));
    }
}
