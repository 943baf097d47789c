//! One test for each promise of the architecture that can be shown at this level, named after it.
//! The others' tests stand beside what keeps them: noninterference in `isolation`, the sums in
//! `conservation`, secrets in `canary`.

use std::time::Duration;

use cofferdam::{
    Compartment, Effect, Fate, Input, Receipt, audit, cursor,
    queue::{self, ConsumerId, LaneConfig, QueuesConfig},
};
use cofferdam_core::{Denied, Epoch, Machine, Reason, Refusal, Scoped};
use serde_json::json;

use super::world::{
    Disk, at, bound, context, graph, graph_for, log, open_parts, parts, parts_of, policy, signer,
    tenant,
};

const LANE: &str = "queue://all";
const EVENT: &[u8] = br#"{"topicName":"t","eventBody":{"n":1}}"#;

fn receive(compartment: &mut Compartment, frame: &[u8]) -> (Fate, Vec<Effect>) {
    let mut effects = Vec::new();
    let context = context(compartment.tenant().as_str());
    match compartment.receive(&context, frame, at(0), &mut effects) {
        Receipt::Taken(fate) => (fate, effects),
        Receipt::Stalled => panic!("there is room"),
    }
}

fn dead_letters(compartment: &mut Compartment) -> Vec<(Option<queue::LaneId>, Vec<u8>)> {
    let mut effects = Vec::new();
    compartment.handle_input(Input::Queue(queue::Input::Close), at(1), &mut effects);
    let letter = |effect| match effect {
        Effect::Queue(queue::Effect::DeadLetter { lane, event, .. }) => {
            Some((lane, event.body().to_vec()))
        }
        _ => None,
    };
    effects.into_iter().filter_map(letter).collect()
}

/// Promise 1. (That `receive` cannot be called without a context is its signature.)
#[test]
fn no_event_enters_before_a_context_is_bound() {
    let mut compartment = Compartment::new(open_parts("acme")).unwrap();
    assert_eq!(receive(&mut compartment, EVENT).0, Fate::Refused(Reason::StampMismatch));
}

/// Promise 1: the body says "globex" wherever it can, and the event is acme's all the same.
#[test]
fn the_tenant_comes_from_the_context_and_never_from_the_body() {
    let mut compartment = bound("acme", open_parts("acme"));
    let frame = br#"{"topicName":"t","tenantId":"globex","tenant":"globex","eventBody":{
        "tenantId":"globex","externalOrganizationId":"org-globex"}}"#;
    let (fate, effects) = receive(&mut compartment, frame);
    assert_eq!(fate, Fate::Queued);
    assert!(effects.iter().all(|effect| effect.tenant().same(&tenant("acme"))));
    assert_eq!(dead_letters(&mut compartment).len(), 1);
}

/// Promise 1.
#[test]
fn a_tenant_id_in_a_body_is_cross_checked_and_never_routes() {
    let mut parts = open_parts("acme");
    parts.filter = graph_for("acme", &[(">", LANE)], Some("org-acme"));
    let mut compartment = bound("acme", parts);
    let naming =
        |own| format!(r#"{{"topicName":"t","eventBody":{{"organizationId":{own}}}}}"#).into_bytes();
    assert_eq!(receive(&mut compartment, &naming(r#""org-acme""#)).0, Fate::Queued);
    for foreign in [r#""org-globex""#, r#""ORG-ACME""#, "null", "7", r#"["org-acme","org-globex"]"#]
    {
        let (fate, effects) = receive(&mut compartment, &naming(foreign));
        assert_eq!(fate, Fate::Refused(Reason::ForeignOrganisation), "{foreign}");
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Queue(_))));
    }
}

/// Promise 2: names are compared after unescaping, and what matched was checked to its last byte.
#[test]
fn the_filter_and_the_parser_never_disagree() {
    let mut parts = open_parts("acme");
    parts.filter = graph("acme", &[("t.wanted", LANE)]);
    let mut compartment = bound("acme", parts);
    let escaped = br#"{"topic\u004eame":"t.w\u0061nted"}"#;
    assert_eq!(receive(&mut compartment, escaped).0, Fate::Queued);
    for (frame, reason) in [
        (&br#"{"topicName":"t.wanted","topic\u004eame":"t.other"}"#[..], Reason::DuplicateName),
        (br#"{"topicName":"t.wanted"} {}"#, Reason::Malformed),
        (br#"{"topicName":"t.wanted","x":1e999}"#, Reason::NumberOutOfRange),
        (b"{\"topicName\":\"t.wanted\",\"x\":\"\xc0\x80\"}", Reason::InvalidText),
        (br#"{"topicName":"t.wanted","x":"\udc00"}"#, Reason::InvalidText),
    ] {
        assert_eq!(receive(&mut compartment, frame).0, Fate::Refused(reason));
    }
    assert_eq!(dead_letters(&mut compartment).len(), 1, "one event matched");
}

/// Promise 3: one opaque answer, and the reason in the tenant's own log.
#[test]
fn every_refusal_fails_closed_and_looks_the_same_to_a_peer() {
    let mut compartment = bound("acme", open_parts("acme"));
    let mut disk = Disk::default();
    let mut reasons = Vec::new();
    for frame in
        [&b"[]"[..], b"{\"topicName\":\"t\",\"a\":1,\"a\":1}", b"{\"topicName\":\"t\",\"a\":1e999}"]
    {
        let (fate, effects) = receive(&mut compartment, frame);
        let Fate::Refused(reason) = fate else { panic!("{fate:?}") };
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Queue(_))));
        reasons.push(reason);
    }
    let told: Vec<_> = reasons
        .iter()
        .map(|&reason| Denied::from(Refusal::new(tenant("acme"), reason)).to_string())
        .collect();
    assert_eq!(told, ["denied"; 3]);
    seal(&mut compartment, &mut disk);
    let logged: Vec<_> = disk.facts().iter().filter_map(|fact| fact.reason).collect();
    assert_eq!(logged, reasons);
}

/// Promise 3: no audit, no event.
#[test]
fn nothing_is_taken_while_the_audit_log_cannot() {
    let mut compartment = bound("acme", open_parts("acme"));
    let mut effects = Vec::new();
    compartment.handle_input(Input::Audit(audit::Input::AppendFailed), at(0), &mut effects);
    assert!(compartment.is_paused());
    let receipt = compartment.receive(&context("acme"), EVENT, at(0), &mut effects);
    assert_eq!((receipt, compartment.counts().received), (Receipt::Stalled, 0));
}

/// Promise 4: what stands in queue and dead letters is the redacted form. `canary` has the rest.
#[test]
fn redaction_comes_before_persistence() {
    let mut parts = open_parts("acme");
    parts.policy = policy("acme", &json!([{ "path": "$..ssn", "strategy": "omit" }]));
    let mut compartment = bound("acme", parts);
    receive(&mut compartment, br#"{"topicName":"t","ssn":"900-00-0000"}"#);
    // A policy that comes later does not bring anything back.
    let mut effects = Vec::new();
    compartment.set_policy(policy("acme", &json!([])), 2, at(0), &mut effects).unwrap();
    assert_eq!(dead_letters(&mut compartment)[0].1, br#"{"topicName":"t"}"#);
}

/// Promise 5: a flood that nobody reads, nobody acknowledges and no disk writes stops at the bounds.
#[test]
fn memory_is_bounded_in_events_and_in_bytes() {
    let lane = LaneConfig {
        capacity_events: 50,
        capacity_bytes: 4_000,
        high: 40,
        low: 10,
        ..LaneConfig::new(LANE)
    };
    let mut parts =
        parts("acme", vec![lane], graph("acme", &[(">", LANE)]), policy("acme", &json!([])));
    parts.log = log("acme", 256);
    let mut compartment = bound("acme", parts);
    let context = context("acme");
    let mut taken = 0;
    let mut letters = 0;
    for n in 0..2_000 {
        let frame = format!(r#"{{"topicName":"t","n":{n},"x":"{}"}}"#, "x".repeat(100));
        let mut effects = Vec::new();
        match compartment.receive(&context, frame.as_bytes(), at(0), &mut effects) {
            Receipt::Taken(_) => taken += 1,
            Receipt::Stalled => {}
        }
        let dead =
            |effect: &&Effect| matches!(effect, Effect::Queue(queue::Effect::DeadLetter { .. }));
        letters += effects.iter().filter(dead).count() as u64;
        let gauges = compartment.queues().gauges(queue::LaneId(0), at(0)).unwrap();
        assert!(gauges.depth <= 50 && gauges.bytes <= 4_000, "{gauges:?}");
    }
    // An unwritten log ends it: each event is a leaf, and so is each dead letter.
    assert!(taken < 256 && compartment.is_paused(), "{taken} were taken");
    assert!(compartment.counts().is_conserved(compartment.unsettled()));
    assert_eq!(compartment.counts().dead_lettered, letters);
    assert!(compartment.log().size() <= 257, "{}", compartment.log().size());
}

/// Promise 6, with replays beside the sum. `conservation` has every fault.
#[test]
fn nothing_vanishes_and_replays_stand_beside_the_sum() {
    let mut compartment = bound("acme", open_parts("acme"));
    let mut effects = Vec::new();
    receive(&mut compartment, EVENT);
    compartment.handle_input(Input::Queue(queue::Input::Close), at(1), &mut effects);
    let event = effects.iter().find_map(|effect| match effect {
        Effect::Queue(queue::Effect::DeadLetter { event, .. }) => Some(event.clone()),
        _ => None,
    });
    let seal = queue::dead_letter::TenantSeal::new([9; 32]);
    let mut sealed = Vec::new();
    event.unwrap().seal(&seal, &mut sealed);
    let replay =
        cofferdam_core::pipeline::Recorded::unseal(&tenant("acme"), &seal, &sealed).unwrap();
    let redrive = queue::Input::Redrive { lane: queue::LaneId(0), event: replay };
    compartment.handle_input(Input::Queue(redrive), at(2), &mut effects);
    assert_eq!(compartment.queues().unsettled(), 1, "the replay waits");
    assert!(compartment.counts().is_conserved(compartment.unsettled()), "and is not received");
    compartment.handle_input(Input::Queue(queue::Input::Close), at(3), &mut effects);
    assert_eq!((compartment.counts().replayed, compartment.counts().dead_lettered), (1, 1));
}

/// Promise 6: an event that a driver offers the queues a second time is not a second event.
#[test]
fn an_event_that_is_offered_again_is_settled_once() {
    let mut compartment = bound("acme", open_parts("acme"));
    let mut effects = Vec::new();
    let consumer = ConsumerId(1);
    let attach =
        queue::Input::Attach { lane: String::from(LANE), consumer, context: context("acme") };
    for input in [attach, queue::Input::Credit { consumer, n: 9 }] {
        compartment.handle_input(Input::Queue(input), at(0), &mut effects);
    }
    let (_, mut effects) = receive(&mut compartment, EVENT);
    for _ in 0..2 {
        let delivered = effects.iter().find_map(|effect| match effect {
            Effect::Queue(queue::Effect::Deliver { delivery, event, .. }) => {
                Some((*delivery, event.clone()))
            }
            _ => None,
        });
        let (delivery, event) = delivered.unwrap();
        effects.clear();
        let ack = queue::Input::Ack { consumer, delivery };
        compartment.handle_input(Input::Queue(ack), at(0), &mut effects);
        compartment.handle_input(Input::Queue(queue::Input::Offer(event)), at(0), &mut effects);
    }
    assert_eq!(compartment.counts().delivered, 1);
    assert!(compartment.counts().is_conserved(compartment.unsettled()));
}

/// Promise 7: paused at the high watermark, resumed at the low one, in order.
#[test]
fn upstream_is_paused_and_resumed_and_order_is_kept() {
    let lane = LaneConfig { capacity_events: 8, high: 6, low: 2, ..LaneConfig::new(LANE) };
    let parts =
        parts("acme", vec![lane], graph("acme", &[(">", LANE)]), policy("acme", &json!([])));
    let mut compartment = bound("acme", parts);
    let mut taken = 0;
    while !compartment.is_paused() {
        let frame = format!(r#"{{"topicName":"t","n":{taken}}}"#);
        receive(&mut compartment, frame.as_bytes());
        taken += 1;
    }
    assert_eq!(taken, 6);
    let (consumer, mut effects) = (ConsumerId(1), Vec::new());
    let attach =
        queue::Input::Attach { lane: String::from(LANE), consumer, context: context("acme") };
    compartment.handle_input(Input::Queue(attach), at(0), &mut effects);
    let mut order = Vec::new();
    while compartment.is_paused() {
        effects.clear();
        let credit = queue::Input::Credit { consumer, n: 1 };
        compartment.handle_input(Input::Queue(credit), at(0), &mut effects);
        let Some(Effect::Queue(queue::Effect::Deliver { delivery, event, .. })) = effects.pop()
        else {
            panic!("credit brings a delivery");
        };
        order.push(event.position());
        let ack = queue::Input::Ack { consumer, delivery };
        compartment.handle_input(Input::Queue(ack), at(0), &mut effects);
    }
    assert_eq!(order, [0, 1, 2, 3], "resumed at two");
    assert_eq!(compartment.counts().dead_lettered, 0);
}

/// Promise 8, of what a compartment is: see `isolation::compartments_do_not_interfere` for the proof.
#[test]
fn one_tenants_flood_leaves_the_others_queues_alone() {
    let (mut loud, mut quiet) = (bound("loud", open_parts("loud")), bound("b", open_parts("b")));
    for n in 0..500 {
        receive(&mut loud, format!(r#"{{"topicName":"t","n":{n}}}"#).as_bytes());
    }
    receive(&mut quiet, EVENT);
    assert_eq!((loud.unsettled(), quiet.unsettled()), (500, 1));
    assert!(!quiet.is_paused());
}

/// Promise 9: the cursor stands before the oldest open event, and a gap is a record.
#[test]
fn a_cursor_never_runs_ahead_of_durable_handover() {
    let mut compartment = bound("acme", open_parts("acme"));
    let mut parts_of_stream = Vec::new();
    receive(&mut compartment, EVENT);
    receive(&mut compartment, b"[]");
    compartment.handle_input(Input::Flush, at(1), &mut parts_of_stream);
    assert_eq!(compartment.cursor().position(), 0, "the first event is not settled");
    let gap = Input::UpstreamGap(cursor::GapCause::Reset);
    compartment.handle_input(gap, at(2), &mut parts_of_stream);
    let record = parts_of_stream.iter().find_map(|effect| match effect {
        Effect::Cursor(cursor::Effect::Write(cursor::Write::Gap(gap))) => Some(gap.clone()),
        _ => None,
    });
    let record = record.expect("a gap is recorded");
    assert_eq!((record.from(), record.to(), record.cause()), (2, None, cursor::GapCause::Reset));

    let mut effects = Vec::new();
    compartment.handle_input(Input::Queue(queue::Input::Close), at(3), &mut effects);
    compartment.handle_input(Input::Flush, at(3), &mut effects);
    let place = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted);
    let letter = place(|e| matches!(e, Effect::Queue(queue::Effect::DeadLetter { .. })));
    let write = place(|e| matches!(e, Effect::Cursor(cursor::Effect::Write(_))));
    assert!(letter.unwrap() < write.unwrap(), "the dead letter is stored first");
    assert_eq!(compartment.cursor().position(), 2);
    assert_eq!(compartment.cursor().tenant(), &tenant("acme"));
}

/// Promise 10.
#[test]
fn de_duplication_is_tenant_scoped() {
    let (mut a, mut b) = (bound("a", open_parts("a")), bound("b", open_parts("b")));
    assert_eq!(receive(&mut a, EVENT).0, Fate::Queued);
    assert_eq!(receive(&mut b, EVENT).0, Fate::Queued, "identical bytes are two events");
    assert_eq!(receive(&mut a, EVENT).0, Fate::Duplicate);
}

/// Promise 12, as far as a compartment goes: after a fail-over to a later epoch the deposed one's
/// frames, and acknowledgements of its deliveries, mean nothing.
#[test]
fn nothing_of_a_deposed_epoch_is_processed() {
    let mut compartment = bound("acme", open_parts("acme"));
    let later = cofferdam_core::ContextParts { epoch: Epoch(2), ..parts_of("acme") };
    let later = super::world::context_of(&super::world::authority(), later);
    compartment.bind(&super::world::authority(), &later).unwrap();
    let (fate, _) = receive(&mut compartment, EVENT);
    assert_eq!(fate, Fate::Refused(Reason::StampMismatch), "the context of epoch 1");
    let mut effects = Vec::new();
    let receipt = compartment.receive(&later, EVENT, at(0), &mut effects);
    assert_eq!(receipt, Receipt::Taken(Fate::Queued));
    let config = |epoch| QueuesConfig { epoch, ..QueuesConfig::new(vec![LaneConfig::new(LANE)]) };
    let queues = |epoch| queue::Queues::new(tenant("acme"), config(Epoch(epoch))).unwrap();
    let first = |mut queues: queue::Queues| {
        let (consumer, mut effects) = (ConsumerId(1), Vec::new());
        queues
            .set_routes([(cofferdam_core::pipeline::RouteId(0), queue::LaneId(0))].into())
            .unwrap();
        let attach =
            queue::Input::Attach { lane: String::from(LANE), consumer, context: context("acme") };
        let event = cofferdam_sim::recorded(&tenant("acme"), 0, &[0], b"{}", at(0));
        for input in [attach, queue::Input::Credit { consumer, n: 1 }, queue::Input::Offer(event)] {
            queues.handle_input(input, at(0), &mut effects);
        }
        let Some(queue::Effect::Deliver { delivery, .. }) = effects.pop() else { panic!() };
        (queues, delivery)
    };
    let ((_, stale), (mut queues, _)) = (first(queues(1)), first(queues(2)));
    let mut effects = Vec::new();
    let ack = queue::Input::Ack { consumer: ConsumerId(1), delivery: stale };
    queues.handle_input(ack, at(0), &mut effects);
    assert!(effects.is_empty() && queues.unsettled() == 1);
}

/// Promise 13: what a compartment logged verifies, and edited, cut or under another key does not.
#[test]
fn the_audit_log_cannot_be_edited_reordered_or_truncated_unseen() {
    let mut compartment = bound("acme", open_parts("acme"));
    let mut disk = Disk::default();
    for n in 0..20 {
        let (_, effects) =
            receive(&mut compartment, format!(r#"{{"topicName":"t","n":{n}}}"#).as_bytes());
        keep(effects, &mut disk);
    }
    seal(&mut compartment, &mut disk);
    let report = disk.verify("acme").unwrap();
    assert_eq!((report.leaves, report.unsealed()), (21, 0));

    let verdict = |leaves: &[u8], checkpoints: &[u8]| {
        let stored = audit::Stored { leaves, checkpoints, remembered: &[] };
        audit::verify(signer("acme").verifying_key(), &stored).map(drop).map_err(|e| e.exit_code())
    };
    let Disk { leaves, checkpoints, .. } = &disk;
    let mut edited = leaves.clone();
    let at = edited.len() - 300;
    edited[at] ^= 1;
    assert_eq!(verdict(&edited, checkpoints), Err(1), "edited");
    let frame = leaves.len() - 133;
    assert_eq!(verdict(&leaves[..frame], checkpoints), Err(1), "truncated");
    let mut swapped = leaves[..frame - 133].to_vec();
    swapped.extend_from_slice(&leaves[frame..]);
    swapped.extend_from_slice(&leaves[frame - 133..frame]);
    assert_eq!(verdict(&swapped, checkpoints), Err(1), "reordered");
    assert!(disk.verify("globex").is_err(), "another tenant's log");
}

/// Promise 14 at this level: frames of every kind of nonsense.
#[test]
fn no_frame_panics() {
    let mut compartment = bound("acme", open_parts("acme"));
    let mut rng = cofferdam_sim::rng::seeded("no_frame_panics", 14);
    for n in 0..20_000 {
        let now = at(n);
        let mut frame = br#"{"topicName":"t","a":[{"b":"\u00e9"},1.5e3,null]}"#.to_vec();
        for _ in 0..rng.usize(..4) {
            let at = rng.usize(..frame.len());
            frame[at] = rng.u8(..);
        }
        frame.truncate(rng.usize(..frame.len() + 40).max(1));
        let mut effects = Vec::new();
        compartment.handle_timeout(now, &mut effects);
        let receipt = compartment.receive(&context("acme"), &frame, now, &mut effects);
        assert_ne!(receipt, Receipt::Stalled);
        for effect in effects {
            if let Effect::Audit(audit::Effect::Append { size, bytes, .. }) = effect {
                let durable = audit::Input::Durable { size, spare: bytes };
                compartment.handle_input(Input::Audit(durable), now, &mut Vec::new());
            }
        }
        // So that the tracker's window does not fill: nobody consumes.
        if n % 1_000 == 0 {
            let close = Input::Queue(queue::Input::Close);
            compartment.handle_input(close, now, &mut Vec::new());
        }
    }
    assert!(compartment.counts().is_conserved(compartment.unsettled()));
}

fn keep(effects: Vec<Effect>, disk: &mut Disk) {
    for effect in effects {
        if let Effect::Audit(effect) = effect {
            disk.take(effect);
        }
    }
}

fn seal(compartment: &mut Compartment, disk: &mut Disk) {
    let mut effects = Vec::new();
    compartment.handle_input(Input::Flush, at(100), &mut effects);
    for round in 0..4 {
        keep(std::mem::take(&mut effects), disk);
        while let Some(input) = disk.write() {
            compartment.handle_input(Input::Audit(input), at(200 + round), &mut effects);
        }
        let later = at(200 + round).after(Duration::from_secs(2));
        compartment.handle_timeout(later, &mut effects);
    }
    keep(effects, disk);
}
