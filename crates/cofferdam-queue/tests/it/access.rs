//! Who may have a lane.

use cofferdam_core::Machine;
use cofferdam_core::{Reason, TenantContext};
use cofferdam_queue::{ConsumerId, Effect, Input, LaneId, Queues};

use super::support::{
    Did, Rig, at, config, context, context_until, event_with, small_lane, tenant,
};

const LANE: &str = "queue://support";

fn attach(lane: &str, consumer: u64, context: TenantContext) -> Input {
    Input::Attach { lane: lane.into(), consumer: ConsumerId(consumer), context }
}

/// Q01: foreign tenant, missing scope, ended credential, absent lane: one answer toward the peer.
#[test]
fn every_consumer_that_may_not_have_a_lane_is_denied_alike() {
    let ended = context_until("a", &["events:read"], 0);
    let scopeless = context_until("a", &["events:write", "events", "events:*"], i64::MAX);
    let cases = [
        (LANE, context("b"), Reason::TenantMismatch),
        ("queue://absent", context("b"), Reason::TenantMismatch),
        (LANE, ended, Reason::Expired),
        (LANE, scopeless.clone(), Reason::ScopeMissing),
        ("queue://absent", scopeless, Reason::ScopeMissing),
        ("queue://absent", context("a"), Reason::ScopeMissing),
    ];
    let mut peer_sees = Vec::new();
    for (lane, context, reason) in cases {
        let mut queues = Queues::new(tenant("a"), config(vec![small_lane(LANE)])).unwrap();
        let mut effects = Vec::new();
        queues.handle_input(attach(lane, 1, context), at(1), &mut effects);
        let did = effects.iter().map(Did::from).collect::<Vec<_>>();
        assert_eq!(did, [Did::Refused(reason), Did::Denied], "{lane}");
        effects.retain(|effect| !matches!(effect, Effect::Refused(_)));
        peer_sees.push(format!("{effects:?}"));
        assert_eq!(queues.gauges(LaneId(0), at(1)).unwrap().consumer, None);
    }
    peer_sees.dedup();
    assert_eq!(peer_sees.len(), 1, "{peer_sees:?}");
}

/// Q01: exact, wildcard, regex, `../`, `$share`: a lane's name is a name.
#[test]
fn a_lane_is_named_exactly_or_not_at_all() {
    let mut rig = Rig::new(config(vec![small_lane(LANE), small_lane("queue://sales")]));
    for name in [
        "",
        "*",
        "#",
        "+",
        ".*",
        "queue://*",
        "queue://suppor",
        "queue://support/",
        "queue://support ",
        "QUEUE://SUPPORT",
        "queue://sales/../support",
        "$share/group/queue://support",
        "queue://supp%6frt",
        "queue://support\0",
        "support",
    ] {
        let did = rig.tell(attach(name, 1, context("a")));
        assert_eq!(did, [Did::Refused(Reason::ScopeMissing), Did::Denied], "{name:?}");
    }
    assert_eq!(rig.tell(attach(LANE, 1, context("a"))), [Did::Attached]);
}

#[test]
fn the_scope_that_a_lane_asks_for_can_be_chosen() {
    let mut config = config(vec![small_lane(LANE)]);
    config.scope = "queues:consume".into();
    let mut rig = Rig::new(config);
    assert_eq!(rig.tell(attach(LANE, 1, context("a")))[1], Did::Denied);
    let context = context_until("a", &["queues:consume"], i64::MAX);
    assert_eq!(rig.tell(attach(LANE, 1, context)), [Did::Attached]);
}

#[test]
fn a_lane_has_one_consumer_and_a_consumer_one_lane() {
    let mut rig = Rig::new(config(vec![small_lane(LANE), small_lane("queue://sales")]));
    assert_eq!(rig.tell(attach(LANE, 1, context("a"))), [Did::Attached]);
    assert_eq!(rig.tell(attach(LANE, 2, context("a"))), [Did::Busy]);
    assert_eq!(rig.tell(attach("queue://sales", 1, context("a"))), [Did::Busy]);
    assert_eq!(rig.tell(Input::Credit { consumer: ConsumerId(2), n: 5 }), []);
    assert_eq!(rig.offer(0), [], "the refused consumer's credit counts for nothing");
    rig.tell(Input::Detach { consumer: ConsumerId(1) });
    assert_eq!(rig.tell(attach(LANE, 2, context("a"))), [Did::Attached]);
}

/// Whether a lane is busy is for those only who may have it.
#[test]
fn a_busy_lane_denies_strangers_as_a_free_one_does() {
    let mut rig = Rig::of(small_lane(LANE));
    rig.tell(attach(LANE, 1, context("a")));
    let did = rig.tell(attach(LANE, 2, context("b")));
    assert_eq!(did, [Did::Refused(Reason::TenantMismatch), Did::Denied]);
    let did = rig.tell(attach(LANE, 1, context("b")));
    assert_eq!(did, [Did::Refused(Reason::TenantMismatch), Did::Denied], "nor is it renewed");
}

#[test]
fn an_event_of_another_tenant_is_refused_and_audited() {
    let mut rig = Rig::of(small_lane(LANE));
    rig.consume(LANE, 100);
    let foreign = || event_with("b", 0, &[0], b"{}");
    assert_eq!(rig.tell(Input::Offer(foreign())), [Did::Refused(Reason::ForeignStage)]);
    let redrive = Input::Redrive { lane: LaneId(0), event: foreign() };
    assert_eq!(rig.tell(redrive), [Did::Refused(Reason::ForeignStage)]);
    assert_eq!(rig.queues.unsettled(), 0);
}
