//! Order, acknowledgement, redelivery, expiry.

use std::time::Duration;

use cofferdam_core::{Machine, Now, Reason, Scoped, pipeline::RouteId};
use cofferdam_queue::{ConsumerId, DeadCause, Input, LaneConfig, LaneId, Outcome, WhenFull};

use super::support::{Did, Rig, at, config, context, event_with, small_lane};

const LANE: &str = "queue://support";
const ME: ConsumerId = ConsumerId(1);

fn delivered(position: u64) -> Did {
    Did::Settled(position, Outcome::Delivered)
}

#[test]
fn delivers_as_much_as_there_is_credit_for() {
    let mut rig = Rig::of(small_lane(LANE));
    rig.offer(0);
    rig.offer(1);
    rig.offer(2);
    assert_eq!(rig.consume(LANE, 2), [Did::Deliver(0, 0, 1), Did::Deliver(0, 1, 1)]);
    assert_eq!(rig.ack(0), [delivered(0)], "an acknowledgement is not credit");
    assert_eq!(rig.credit(2), [Did::Deliver(0, 2, 1)]);
    assert_eq!(rig.offer(3), [Did::Deliver(0, 3, 1)], "credit is kept for later events");
}

#[test]
fn never_has_more_in_flight_than_the_lane_allows() {
    let mut rig = Rig::of(LaneConfig { max_in_flight: 2, ..small_lane(LANE) });
    for position in 0..4 {
        rig.offer(position);
    }
    assert_eq!(rig.consume(LANE, 100).len(), 2);
    assert_eq!(rig.ack(1), [delivered(1), Did::Deliver(0, 2, 1)]);
}

#[test]
fn acknowledges_one_or_all_up_to_one() {
    let mut rig = Rig::of(small_lane(LANE));
    for position in 0..5 {
        rig.offer(position);
    }
    rig.consume(LANE, 100);
    assert_eq!(rig.ack(1), [delivered(1)]);
    let delivery = rig.delivery(3);
    let up_to = rig.tell(Input::AckUpTo { consumer: ME, delivery });
    assert_eq!(up_to, [delivered(0), delivered(2), delivered(3)]);
    assert_eq!(rig.tell(Input::AckUpTo { consumer: ME, delivery }), [], "it is not in flight");
    assert_eq!(rig.ack(3), []);
    assert_eq!(rig.ack(4), [delivered(4)]);
}

#[test]
fn a_window_full_of_holes_still_finds_every_delivery() {
    let lane = LaneConfig { capacity_events: 1_000, high: 900, low: 1, ..LaneConfig::new(LANE) };
    let mut rig = Rig::of(lane);
    rig.consume(LANE, 1_000);
    for position in 0..500 {
        rig.offer(position);
    }
    for position in (1..500).filter(|position| position % 50 != 0) {
        assert_eq!(rig.ack(position), [delivered(position)]);
    }
    for position in (0..500).step_by(50) {
        assert_eq!(rig.ack(position), [delivered(position)]);
    }
    assert_eq!(rig.queues.gauges(LaneId(0), at(0)).unwrap().in_flight, 0);
    assert_eq!(rig.queues.poll_timeout(), None);
}

/// Promise 7: order within a lane survives a consumer that goes away.
#[test]
fn what_a_consumer_leaves_behind_goes_back_to_the_front_in_order() {
    let mut rig = Rig::of(small_lane(LANE));
    for position in 0..6 {
        rig.offer(position);
    }
    rig.consume(LANE, 4);
    rig.ack(1);
    assert_eq!(rig.tell(Input::Detach { consumer: ME }), []);
    let expected = [(0, 2), (2, 2), (3, 2), (4, 1), (5, 1)].map(|(p, a)| Did::Deliver(0, p, a));
    assert_eq!(rig.consume(LANE, 100), expected);
}

/// The credit comes back with the delivery, and what is older goes first.
#[test]
fn what_comes_back_is_delivered_before_what_is_newer() {
    let mut rig = Rig::of(small_lane(LANE));
    for position in 0..6 {
        rig.offer(position);
    }
    rig.consume(LANE, 4);
    for position in [2, 0, 3, 1] {
        assert_eq!(rig.nack(position), [Did::Deliver(0, position, 2)]);
    }
    let expected = [(4, 1), (5, 1)].map(|(p, a)| Did::Deliver(0, p, a));
    assert_eq!(rig.credit(100), expected);
}

/// Promise 6: a consumer that takes and never answers does not hold its events for ever.
#[test]
fn what_a_silent_consumer_holds_dies_in_the_end() {
    let lane = LaneConfig {
        visibility: Duration::from_secs(30),
        max_attempts: 5,
        ..LaneConfig::new(LANE)
    };
    let mut rig = Rig::of(lane);
    rig.consume(LANE, 300);
    for position in 0..300 {
        rig.offer(position);
    }
    let mut dead = 0;
    while let Some(due) = rig.queues.poll_timeout() {
        let happened = rig.wait_until(due.monotonic_ns().div_ceil(1_000_000));
        dead += happened.iter().filter(|did| matches!(did, Did::Dead(..))).count();
    }
    assert_eq!((dead, rig.queues.unsettled()), (300, 0));
    assert_eq!(rig.now, at(150_000), "after five times thirty seconds");
}

#[test]
fn a_delivery_that_nobody_answers_is_delivered_again() {
    let mut rig =
        Rig::of(LaneConfig { visibility: Duration::from_millis(100), ..small_lane(LANE) });
    rig.consume(LANE, 100);
    rig.now = at(5);
    rig.offer(0);
    rig.now = at(25);
    rig.offer(1);
    assert_eq!(rig.queues.poll_timeout(), Some(at(105)));
    assert_eq!(rig.wait_until(104), [], "a spurious call changes nothing");
    assert_eq!(rig.wait_until(105), [Did::Deliver(0, 0, 2)]);
    assert_eq!(rig.wait_until(105), []);
    assert_eq!(rig.queues.poll_timeout(), Some(at(125)));
    let late = rig.delivered[0].1;
    assert_eq!(rig.tell(Input::Ack { consumer: ME, delivery: late }), [], "it has a new id now");
    assert_eq!(rig.ack(0), [delivered(0)]);
    assert_eq!(rig.ack(1), [delivered(1)]);
    assert_eq!(rig.queues.poll_timeout(), None);
}

/// Q07: a poison event is isolated after its attempts and holds up nobody else.
#[test]
fn a_poison_event_blocks_only_itself() {
    let mut rig = Rig::of(LaneConfig { max_attempts: 3, ..small_lane(LANE) });
    rig.consume(LANE, 100);
    rig.offer(0);
    assert_eq!(rig.offer(1), [Did::Deliver(0, 1, 1)]);
    assert_eq!(rig.nack(0), [Did::Deliver(0, 0, 2)]);
    assert_eq!(rig.ack(1), [delivered(1)], "the next one is not held up");
    assert_eq!(rig.nack(0), [Did::Deliver(0, 0, 3)]);
    let buried = Did::Dead(Some(0), 0, DeadCause::Poison, 3);
    assert_eq!(rig.nack(0), [buried, Did::Settled(0, Outcome::DeadLettered)]);
    assert_eq!(rig.queues.unsettled(), 0);
}

/// Q07, with a consumer that dies of the event instead of refusing it.
#[test]
fn an_event_that_kills_its_consumers_runs_out_of_attempts() {
    let mut rig = Rig::of(LaneConfig { max_attempts: 3, ..small_lane(LANE) });
    rig.offer(0);
    for attempt in 1..=3 {
        assert_eq!(rig.consume(LANE, 1), [Did::Deliver(0, 0, attempt)]);
        let left = rig.tell(Input::Detach { consumer: ME });
        assert_eq!(left.is_empty(), attempt < 3);
        if attempt == 3 {
            assert_eq!(left[0], Did::Dead(Some(0), 0, DeadCause::Attempts, 3));
        }
    }
}

#[test]
fn a_silent_consumer_uses_up_the_attempts_too() {
    let lane =
        LaneConfig { max_attempts: 2, visibility: Duration::from_millis(10), ..small_lane(LANE) };
    let mut rig = Rig::of(lane);
    rig.consume(LANE, 100);
    rig.offer(0);
    assert_eq!(rig.wait_until(10), [Did::Deliver(0, 0, 2)]);
    let buried = Did::Dead(Some(0), 0, DeadCause::Attempts, 2);
    assert_eq!(rig.wait_until(20), [buried, Did::Settled(0, Outcome::DeadLettered)]);
}

#[test]
fn what_waits_longer_than_the_time_to_live_is_buried() {
    let mut rig = Rig::of(LaneConfig { ttl: Some(Duration::from_millis(50)), ..small_lane(LANE) });
    rig.offer(0);
    rig.now = at(20);
    rig.offer(1);
    assert_eq!(rig.queues.poll_timeout(), Some(at(50)));
    assert_eq!(rig.wait_until(49), []);
    let buried = Did::Dead(Some(0), 0, DeadCause::Expired, 0);
    assert_eq!(rig.wait_until(50), [buried, Did::Settled(0, Outcome::DeadLettered)]);
    assert_eq!(rig.queues.poll_timeout(), Some(at(70)));
}

#[test]
fn the_timer_is_asked_for_whichever_comes_first() {
    let timing = |visibility, ttl| LaneConfig {
        visibility: Duration::from_millis(visibility),
        ttl: Some(Duration::from_millis(ttl)),
        ..small_lane(LANE)
    };
    for (lane, first) in [(timing(30, 70), 30), (timing(70, 30), 30)] {
        let mut rig = Rig::of(lane);
        rig.consume(LANE, 1);
        rig.offer(0);
        rig.offer(1);
        assert_eq!(rig.queues.poll_timeout(), Some(at(first)));
    }
}

#[test]
fn of_two_lanes_the_timer_serves_both() {
    let timing = |name, ms| LaneConfig { ttl: Some(Duration::from_millis(ms)), ..small_lane(name) };
    let mut rig = Rig::new(config(vec![timing(LANE, 40), timing("queue://sales", 20)]));
    rig.tell(Input::Offer(event_with("a", 0, &[0, 1], b"{}")));
    assert_eq!(rig.queues.poll_timeout(), Some(at(20)));
    let did = rig.wait_until(50);
    let buried = |lane| Did::Dead(Some(lane), 0, DeadCause::Expired, 0);
    assert_eq!(did, [buried(1), buried(0), Did::Settled(0, Outcome::DeadLettered)]);
}

#[test]
fn what_has_expired_does_not_take_the_place_of_what_arrives() {
    let lane = LaneConfig {
        ttl: Some(Duration::from_millis(50)),
        when_full: WhenFull::DeadLetter,
        ..small_lane(LANE)
    };
    let mut rig = Rig::of(lane);
    for position in 0..10 {
        rig.offer(position);
    }
    rig.now = at(50);
    let did = rig.offer(10);
    let expired = |did: &&Did| matches!(did, Did::Dead(_, _, DeadCause::Expired, _));
    assert_eq!((did.iter().filter(expired).count(), did.len()), (10, 20));
    assert_eq!(rig.consume(LANE, 1), [Did::Deliver(0, 10, 1)]);
}

/// A driver whose timer is late must not hand out what has expired.
#[test]
fn an_expired_event_is_not_delivered_even_if_the_timer_is_late() {
    let mut rig = Rig::of(LaneConfig { ttl: Some(Duration::from_millis(50)), ..small_lane(LANE) });
    rig.offer(0);
    rig.now = at(60);
    let did = rig.consume(LANE, 100);
    assert_eq!(did[0], Did::Dead(Some(0), 0, DeadCause::Expired, 0));
    assert_eq!(did.len(), 2);
}

#[test]
fn time_to_live_does_not_run_out_in_flight_but_on_the_way_back() {
    let mut rig = Rig::of(LaneConfig { ttl: Some(Duration::from_millis(50)), ..small_lane(LANE) });
    rig.consume(LANE, 100);
    rig.offer(0);
    rig.offer(1);
    assert_eq!(rig.wait_until(60), []);
    assert_eq!(rig.ack(0), [delivered(0)]);
    assert_eq!(rig.nack(1)[0], Did::Dead(Some(0), 1, DeadCause::Expired, 1));
}

#[test]
fn several_routes_to_one_lane_deliver_once() {
    let mut config = config(vec![small_lane(LANE)]);
    config.routes.insert(RouteId(7), LaneId(0));
    let mut rig = Rig::new(config);
    rig.consume(LANE, 100);
    let offered = rig.tell(Input::Offer(event_with("a", 0, &[0, 7], b"{}")));
    assert_eq!(offered, [Did::Deliver(0, 0, 1)]);
    assert_eq!(rig.ack(0), [delivered(0)]);
}

/// Promise 6: a route without a lane is a dead letter, not a shrug.
#[test]
fn an_event_with_a_route_to_nowhere_is_buried_and_still_goes_where_it_can() {
    let mut rig = Rig::of(small_lane(LANE));
    rig.consume(LANE, 100);
    let nowhere = Did::Dead(None, 0, DeadCause::NoLane, 0);
    let settled = |position| Did::Settled(position, Outcome::DeadLettered);
    let none = rig.tell(Input::Offer(event_with("a", 0, &[8, 9], b"{}")));
    assert_eq!(none, [nowhere, settled(0)]);
    let some = rig.tell(Input::Offer(event_with("a", 1, &[0, 9], b"{}")));
    assert_eq!(some, [Did::Deliver(0, 1, 1), Did::Dead(None, 1, DeadCause::NoLane, 0)]);
    assert_eq!(rig.ack(1), [settled(1)]);
}

#[test]
fn new_routes_lose_nothing_that_is_queued() {
    let mut rig = Rig::new(config(vec![small_lane(LANE), small_lane("queue://sales")]));
    rig.offer(0);
    rig.queues.set_routes([(RouteId(0), LaneId(1))].into()).unwrap();
    rig.offer(1);
    assert!(rig.queues.set_routes([(RouteId(0), LaneId(2))].into()).is_err());
    rig.offer(2);
    assert_eq!(rig.consume(LANE, 100), [Did::Deliver(0, 0, 1)]);
    rig.ack(0);
    rig.tell(Input::Detach { consumer: ME });
    let sales = rig.consume("queue://sales", 100);
    assert_eq!(
        sales,
        [Did::Deliver(1, 1, 1), Did::Deliver(1, 2, 1)],
        "a bad table changed nothing"
    );
}

#[test]
fn a_redriven_event_goes_to_its_lane_alone() {
    let mut rig = Rig::new(config(vec![small_lane(LANE), small_lane("queue://sales")]));
    rig.consume(LANE, 100);
    let redrive = |lane| Input::Redrive { lane, event: event_with("a", 0, &[0, 1], b"{}") };
    assert_eq!(rig.tell(redrive(LaneId(0))), [Did::Deliver(0, 0, 1)]);
    assert_eq!(rig.ack(0), [delivered(0)]);
    let elsewhere = Input::Redrive { lane: LaneId(1), event: event_with("a", 1, &[0], b"{}") };
    assert_eq!(rig.tell(elsewhere)[0], Did::Dead(None, 1, DeadCause::NoLane, 0));
    assert_eq!(rig.tell(redrive(LaneId(9)))[0], Did::Dead(None, 0, DeadCause::NoLane, 0));
}

/// A credential that ends while its consumer is attached ends the attachment (Q08).
#[test]
fn nothing_is_delivered_after_the_consumers_credential_has_ended() {
    let mut rig = Rig::of(small_lane(LANE));
    let context = super::support::context_until("a", &["events:read"], 50);
    rig.tell(Input::Attach { lane: LANE.into(), consumer: ME, context });
    rig.credit(100);
    assert_eq!(rig.offer(0), [Did::Deliver(0, 0, 1)]);
    rig.now = at(50);
    assert_eq!(rig.offer(1), [Did::Refused(Reason::Expired), Did::Denied]);
    assert_eq!(rig.ack(0), [], "it is detached");
    assert_eq!(rig.consume(LANE, 100), [Did::Deliver(0, 0, 2), Did::Deliver(0, 1, 1)]);
}

#[test]
fn a_consumer_that_renews_its_credential_keeps_its_deliveries() {
    let mut rig = Rig::of(small_lane(LANE));
    let short = super::support::context_until("a", &["events:read"], 50);
    rig.tell(Input::Attach { lane: LANE.into(), consumer: ME, context: short });
    rig.credit(100);
    rig.offer(0);
    let renewed = Input::Attach { lane: LANE.into(), consumer: ME, context: context("a") };
    assert_eq!(rig.tell(renewed), [Did::Attached]);
    rig.now = at(60);
    assert_eq!(rig.offer(1), [Did::Deliver(0, 1, 1)], "credit is kept");
    assert_eq!(rig.ack(0), [delivered(0)]);
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut rig = Rig::of(LaneConfig { visibility: Duration::from_millis(10), ..small_lane(LANE) });
    rig.consume(LANE, 100);
    rig.now = at(100);
    rig.offer(0);
    rig.now = at(0);
    rig.offer(1);
    assert_eq!(rig.queues.poll_timeout(), Some(at(110)));
    rig.ack(0);
    assert_eq!(rig.queues.poll_timeout(), Some(at(110)));
}

#[test]
fn the_end_of_time_neither_panics_nor_hangs() {
    let lane = LaneConfig { max_attempts: u32::MAX, ..small_lane(LANE) };
    let mut rig = Rig::of(lane);
    rig.now = Now::new(Duration::MAX, i64::MAX - 1);
    rig.consume(LANE, u32::MAX);
    rig.offer(0);
    let mut effects = Vec::new();
    rig.queues.handle_timeout(rig.now, &mut effects);
    assert_eq!(effects.len(), 1);
    assert_eq!(rig.queues.tenant().as_str(), "a");
}
