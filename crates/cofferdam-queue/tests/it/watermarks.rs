//! Pause and resume, and what happens to whatever finds a lane full.

use cofferdam_core::Now;
use cofferdam_queue::{
    DeadCause, Input, LaneConfig, LaneId, Mistake, Outcome, Queues, QueuesConfig, WhenFull,
};

use super::support::{Did, Rig, at, config, event_with, small_lane, tenant};

const LANE: &str = "queue://support";

/// Promise 7: paused at the high watermark, resumed at the low one, and once each.
#[test]
fn pauses_at_the_high_watermark_and_resumes_at_the_low_one() {
    let mut rig = Rig::of(small_lane(LANE));
    for position in 0..7 {
        assert_eq!(rig.offer(position), []);
    }
    assert_eq!(rig.offer(7), [Did::Pause]);
    assert_eq!(rig.offer(8), [], "paused once");
    assert_eq!(rig.consume(LANE, 100).len(), 9);
    for position in 0..4 {
        assert_eq!(rig.ack(position), [Did::Settled(position, Outcome::Delivered)]);
        assert!(rig.queues.is_paused(), "{position}: between the watermarks nothing changes");
    }
    assert_eq!(rig.ack(4), [Did::Settled(4, Outcome::Delivered), Did::Resume]);
    assert_eq!(rig.ack(5), [Did::Settled(5, Outcome::Delivered)]);
    for position in 9..13 {
        assert_eq!(rig.offer(position), [Did::Deliver(0, position, 1)], "not paused at the low");
    }
    rig.offer(13);
    assert!(rig.queues.is_paused());
}

/// What was delivered and not acknowledged is still in memory.
#[test]
fn what_is_in_flight_counts_toward_the_watermarks() {
    let mut rig = Rig::of(small_lane(LANE));
    rig.consume(LANE, 100);
    for position in 0..7 {
        assert_eq!(rig.offer(position), [Did::Deliver(0, position, 1)]);
    }
    assert_eq!(rig.offer(7), [Did::Deliver(0, 7, 1), Did::Pause]);
}

#[test]
fn bytes_pause_at_the_same_fraction_as_events() {
    let lane = LaneConfig { capacity_bytes: 1_000, ..small_lane(LANE) };
    let mut rig = Rig::of(lane);
    let mut offer = |position, bytes| {
        rig.tell(Input::Offer(event_with("a", position, &[0], &vec![b' '; bytes])))
    };
    assert_eq!(offer(0, 799), []);
    assert_eq!(offer(1, 1), [Did::Pause], "800 of 1,000 bytes, 8 of 10 events");
    rig.consume(LANE, 10);
    assert_eq!(rig.ack(0), [Did::Settled(0, Outcome::Delivered), Did::Resume]);
}

#[test]
fn resumes_only_when_every_blocking_lane_is_low() {
    let mut rig = Rig::new(config(vec![small_lane(LANE), small_lane("queue://sales")]));
    for position in 0..8 {
        rig.tell(Input::Offer(event_with("a", position, &[0, 1], b"{}")));
    }
    assert!(rig.queues.is_paused());
    rig.consume(LANE, 100);
    for position in 0..8 {
        assert_eq!(rig.ack(position), [], "the other lane still has it");
    }
    assert!(rig.queues.is_paused(), "the other lane is at its high watermark");
    rig.tell(Input::Detach { consumer: cofferdam_queue::ConsumerId(1) });
    rig.consume("queue://sales", 100);
    let mut did = Vec::new();
    for position in 0..4 {
        did.extend(rig.ack(position));
    }
    assert_eq!(did.last(), Some(&Did::Resume));
    assert_eq!(did.iter().filter(|did| **did == Did::Resume).count(), 1);
}

/// The reader may hold events that it read before it heard of the pause.
#[test]
fn after_a_pause_a_lane_takes_up_to_its_capacity_and_buries_the_rest() {
    let mut rig = Rig::of(small_lane(LANE));
    for position in 0..10 {
        rig.offer(position);
    }
    let overflow = rig.offer(10);
    let buried = Did::Dead(Some(0), 10, DeadCause::Full, 0);
    assert_eq!(overflow, [buried, Did::Settled(10, Outcome::DeadLettered)]);
    assert_eq!(rig.queues.gauges(LaneId(0), at(0)).unwrap().depth, 10);
}

#[test]
fn a_lane_that_dead_letters_never_pauses() {
    let lane = LaneConfig { when_full: WhenFull::DeadLetter, ..small_lane(LANE) };
    let mut rig = Rig::of(lane);
    for position in 0..10 {
        assert_eq!(rig.offer(position), []);
    }
    let buried = Did::Dead(Some(0), 10, DeadCause::Full, 0);
    assert_eq!(rig.offer(10), [buried, Did::Settled(10, Outcome::DeadLettered)]);
}

#[test]
fn a_lane_that_drops_names_what_it_dropped_in_a_gap() {
    let lane =
        LaneConfig { when_full: WhenFull::DropOldest, capacity_bytes: 100, ..small_lane(LANE) };
    let mut rig = Rig::of(lane);
    for position in 0..10 {
        assert_eq!(rig.offer(position), []);
    }
    assert_eq!(rig.offer(10), [Did::Gap(0, 0, 0, 1), Did::Settled(0, Outcome::Dropped)]);
    let large = rig.tell(Input::Offer(event_with("a", 11, &[0], &[b' '; 86])));
    let dropped = |position| Did::Settled(position, Outcome::Dropped);
    assert_eq!(large, [Did::Gap(0, 1, 3, 3), dropped(1), dropped(2), dropped(3)]);
    assert_eq!(rig.consume(LANE, 100).first(), Some(&Did::Deliver(0, 4, 1)));
}

/// A consumer may have acted on what is in flight; that is not what makes room.
#[test]
fn a_lane_that_drops_does_not_drop_what_is_in_flight() {
    let lane = LaneConfig { when_full: WhenFull::DropOldest, ..small_lane(LANE) };
    let mut rig = Rig::of(lane);
    rig.consume(LANE, 100);
    for position in 0..10 {
        rig.offer(position);
    }
    assert_eq!(rig.offer(10), [Did::Gap(0, 10, 10, 1), Did::Settled(10, Outcome::Dropped)]);
    assert_eq!(rig.ack(0), [Did::Settled(0, Outcome::Delivered)]);
}

/// What was acknowledged takes no room any more, neither in events nor in bytes.
#[test]
fn room_comes_back_with_the_acknowledgement() {
    let lane =
        LaneConfig { when_full: WhenFull::DropOldest, capacity_bytes: 100, ..small_lane(LANE) };
    let mut rig = Rig::of(lane);
    rig.consume(LANE, 100);
    for position in 0..50 {
        let event = event_with("a", position, &[0], &[b' '; 60]);
        assert_eq!(rig.tell(Input::Offer(event)), [Did::Deliver(0, position, 1)]);
        assert_eq!(rig.ack(position), [Did::Settled(position, Outcome::Delivered)]);
    }
    rig.tell(Input::Detach { consumer: cofferdam_queue::ConsumerId(1) });
    rig.offer(50);
    let large = rig.tell(Input::Offer(event_with("a", 51, &[0], &[b' '; 100])));
    assert_eq!(large, [Did::Gap(0, 50, 50, 1), Did::Settled(50, Outcome::Dropped)]);
}

#[test]
fn an_event_that_could_never_fit_displaces_nothing() {
    for (when_full, expected) in [
        (WhenFull::Block, Did::Dead(Some(0), 1, DeadCause::Full, 0)),
        (WhenFull::DeadLetter, Did::Dead(Some(0), 1, DeadCause::Full, 0)),
        (WhenFull::DropOldest, Did::Gap(0, 1, 1, 1)),
    ] {
        let lane = LaneConfig { when_full, capacity_bytes: 100, ..small_lane(LANE) };
        let mut rig = Rig::of(lane);
        rig.offer(0);
        let did = rig.tell(Input::Offer(event_with("a", 1, &[0], &[b' '; 101])));
        assert_eq!(did[0], expected);
        assert_eq!(rig.consume(LANE, 100), [Did::Deliver(0, 0, 1)]);
    }
}

#[test]
fn one_event_settles_once_with_its_worst_outcome() {
    let dropping = |name| LaneConfig {
        when_full: WhenFull::DropOldest,
        high: 1,
        low: 0,
        capacity_events: 1,
        ..small_lane(name)
    };
    let burying = |name| LaneConfig { when_full: WhenFull::DeadLetter, ..dropping(name) };
    let lanes = vec![small_lane(LANE), dropping("queue://drops"), burying("queue://buries")];
    let mut rig = Rig::new(config(lanes));
    let all = [0, 1, 2];
    assert_eq!(rig.tell(Input::Offer(event_with("a", 0, &all, b"{}"))), []);
    let second = rig.tell(Input::Offer(event_with("a", 1, &all, b"{}")));
    assert_eq!(second, [Did::Gap(1, 0, 0, 1), Did::Dead(Some(2), 1, DeadCause::Full, 0)]);
    rig.consume(LANE, 100);
    rig.ack(0);
    assert_eq!(rig.ack(1), [], "the lane that drops still has it");
    rig.tell(Input::Detach { consumer: cofferdam_queue::ConsumerId(1) });
    rig.consume("queue://buries", 100);
    assert_eq!(rig.ack(0), [Did::Settled(0, Outcome::Dropped)]);
    rig.tell(Input::Detach { consumer: cofferdam_queue::ConsumerId(1) });
    rig.consume("queue://drops", 100);
    assert_eq!(rig.ack(1), [Did::Settled(1, Outcome::DeadLettered)]);
    assert_eq!(rig.queues.unsettled(), 0);
}

#[test]
fn the_constructor_names_the_mistake() {
    let good = || small_lane(LANE);
    let cases = [
        (LaneConfig { name: String::new(), ..good() }, Mistake::EmptyName),
        (LaneConfig { low: 8, ..good() }, Mistake::LowNotBelowHigh),
        (LaneConfig { high: 11, ..good() }, Mistake::HighAboveCapacity),
        (LaneConfig { capacity_bytes: 9, ..good() }, Mistake::FewerBytesThanEvents),
        (LaneConfig { max_in_flight: 0, ..good() }, Mistake::NothingInFlight),
        (LaneConfig { visibility: std::time::Duration::ZERO, ..good() }, Mistake::NoVisibility),
        (LaneConfig { max_attempts: 0, ..good() }, Mistake::NoAttempts),
        (LaneConfig { ttl: Some(std::time::Duration::ZERO), ..good() }, Mistake::NoTimeToLive),
        (good(), Mistake::DuplicateName),
    ];
    for (lane, mistake) in cases {
        let error = Queues::new(tenant("a"), config(vec![good(), lane])).unwrap_err();
        assert_eq!((error.lane, error.mistake), (LaneId(1), mistake));
        assert!(!error.to_string().contains("support"), "{error}");
    }
    let mut astray = config(vec![good()]);
    astray.routes.insert(cofferdam_core::pipeline::RouteId(5), LaneId(1));
    let error = Queues::new(tenant("a"), astray).unwrap_err();
    assert_eq!((error.lane, error.mistake), (LaneId(1), Mistake::RouteToNowhere));
    let documented = LaneConfig::new(LANE);
    assert!(Queues::new(tenant("a"), QueuesConfig::new(vec![documented])).is_ok());
}

#[test]
fn gauges_show_depth_bytes_and_age() {
    let mut rig = Rig::of(small_lane(LANE));
    rig.now = at(100);
    rig.offer(0);
    rig.now = at(150);
    rig.offer(1);
    let gauges = |rig: &Rig, ms| rig.queues.gauges(LaneId(0), at(ms)).unwrap();
    let before = gauges(&rig, 160);
    assert_eq!((before.depth, before.bytes, before.in_flight), (2, 4, 0));
    assert_eq!(before.oldest_age, Some(std::time::Duration::from_millis(60)));
    rig.consume(LANE, 1);
    let after = gauges(&rig, 160);
    assert_eq!((after.depth, after.bytes, after.in_flight), (2, 4, 1));
    assert_eq!(after.oldest_age, Some(std::time::Duration::from_millis(10)));
    assert_eq!(rig.queues.gauges(LaneId(1), Now::default()), None);
    assert_eq!(rig.queues.lane(LANE), Some(LaneId(0)));
    assert_eq!(rig.queues.lane_name(LaneId(0)), Some(LANE));
}
