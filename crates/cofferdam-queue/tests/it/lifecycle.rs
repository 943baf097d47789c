//! Lanes that come later, and the end.

use cofferdam_core::pipeline::RouteId;
use cofferdam_queue::{DeadCause, LaneConfig, LaneId, Mistake, Outcome};

use super::support::{Did, Rig, event_with, small_lane};
use cofferdam_queue::Input;

#[test]
fn a_lane_that_was_added_takes_events_and_has_its_own_deadline() {
    let mut rig = Rig::of(small_lane("queue://support"));
    rig.offer(1);
    let lane = rig.queues.add_lane(small_lane("queue://sales")).unwrap();
    assert_eq!((lane, rig.queues.lane("queue://sales")), (LaneId(1), Some(LaneId(1))));
    let routes = [(RouteId(0), LaneId(0)), (RouteId(1), LaneId(1))];
    rig.queues.set_routes(routes.into_iter().collect()).unwrap();
    assert_eq!(rig.tell(Input::Offer(event_with("a", 2, &[1], b"{}"))), []);
    assert_eq!(rig.consume("queue://sales", 1), [Did::Deliver(1, 2, 1)]);
    assert_eq!(rig.wait_until(30_000), [Did::Deliver(1, 2, 2)]);
}

#[test]
fn a_lane_is_not_added_twice_nor_wrongly() {
    let mut rig = Rig::of(small_lane("queue://support"));
    let mistake = |lane: LaneConfig, rig: &mut Rig| rig.queues.add_lane(lane).unwrap_err().mistake;
    assert_eq!(mistake(small_lane("queue://support"), &mut rig), Mistake::DuplicateName);
    assert_eq!(mistake(small_lane(""), &mut rig), Mistake::EmptyName);
    assert_eq!(rig.queues.lane(""), None);
}

#[test]
fn closing_leaves_nothing_queued_and_loses_nothing() {
    let mut rig = Rig::of(small_lane("queue://support"));
    for position in 1..=9 {
        rig.offer(position);
    }
    rig.consume("queue://support", 3);
    let ended = rig.tell(Input::Close);
    let dead: Vec<u64> = ended
        .iter()
        .filter_map(|did| match did {
            Did::Dead(Some(0), position, DeadCause::Closed, _) => Some(*position),
            _ => None,
        })
        .collect();
    assert_eq!(dead, (1..=9).collect::<Vec<_>>(), "in order, those in flight included");
    for position in 1..=9 {
        assert!(ended.contains(&Did::Settled(position, Outcome::DeadLettered)));
    }
    assert_eq!(rig.queues.unsettled(), 0);
    assert!(!rig.queues.is_paused());
    assert_eq!(rig.tell(Input::Close), [], "there is nothing left to close");
}
