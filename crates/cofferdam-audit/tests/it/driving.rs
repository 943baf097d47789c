//! The log as a machine: when it writes, when it signs, and what it does at its bounds.

use std::{collections::BTreeMap, time::Duration};

use cofferdam_audit::{Effect, EventCode, Fact, Input, Log, leaf::Leaf, verify};
use cofferdam_core::{
    Machine, Now, Reason, Scoped, TenantId,
    pipeline::{Entry, Record, Redactions, RouteId},
};

use super::support::{FRAME_LEN, Files, LEAF_LEN, at, config, key, tenant};

fn step(log: &mut Log, input: Input, now: Now) -> Vec<Effect> {
    let mut effects = Vec::new();
    log.handle_input(input, now, &mut effects);
    effects
}

fn wait(log: &mut Log, now: Now) -> Vec<Effect> {
    let mut effects = Vec::new();
    log.handle_timeout(now, &mut effects);
    effects
}

fn heartbeat() -> Input {
    Input::Fact(Fact::new(EventCode::Heartbeat))
}

fn entry(position: u64, now: Now) -> Entry<'static> {
    let redactions = Redactions { masked: 1, hashed: 2, omitted: 3, policy_version: 4 };
    Entry { position, received_at: now, body: b"{}", redactions, routes: &[RouteId(1), RouteId(2)] }
}

fn leaves(bytes: &[u8]) -> Vec<Leaf> {
    let header = if bytes.starts_with(b"cofferdam-audit/") {
        bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1
    } else {
        0
    };
    bytes[header..].chunks(FRAME_LEN).map(|f| Leaf::decode(&f[..LEAF_LEN]).unwrap()).collect()
}

fn appended(effects: &[Effect]) -> (u64, u64, Vec<Leaf>) {
    match effects {
        [Effect::Append { first, size, bytes, .. }] => (*first, *size, leaves(bytes)),
        other => panic!("not one append: {other:?}"),
    }
}

fn durable(size: u64) -> Input {
    Input::Durable { size, spare: Vec::new() }
}

#[test]
fn what_is_recorded_together_is_written_together() {
    let mut log = Log::open(config("a"), at(0));
    assert!(step(&mut log, heartbeat(), at(1)).is_empty());
    assert_eq!(log.record(&entry(41, at(2))), Ok(2));
    assert_eq!(log.poll_timeout(), Some(at(5)));
    assert!(wait(&mut log, at(4)).is_empty());
    let (first, size, leaves) = appended(&wait(&mut log, at(5)));
    assert_eq!((first, size), (0, 3));
    let codes: Vec<_> = leaves.iter().map(|leaf| leaf.code).collect();
    assert_eq!(codes, [EventCode::Opened, EventCode::Heartbeat, EventCode::EventRecorded]);
    assert_eq!((leaves[2].position, leaves[2].routes), (41, 2));
    assert_eq!(leaves[2].redactions, entry(0, at(0)).redactions);
    assert_ne!(leaves[2].commitment, [0; 32]);
    assert_eq!(leaves[1].commitment, [0; 32]);
}

#[test]
fn one_batch_is_under_way_at_a_time() {
    let mut log = Log::open(config("a"), at(0));
    appended(&wait(&mut log, at(5)));
    step(&mut log, heartbeat(), at(6));
    assert!(wait(&mut log, at(100)).is_empty());
    assert_eq!(log.poll_timeout(), None, "only the disk can change anything");
    let effects = step(&mut log, durable(1), at(100));
    let (first, size, _) = appended(&effects[..1]);
    assert_eq!((first, size), (1, 2));
}

/// Only what is durable is signed, so no signature covers what a power cut can take back.
#[test]
fn nothing_is_signed_before_it_is_durable() {
    let mut log = Log::open(config("a"), at(0));
    assert!(matches!(&step(&mut log, Input::Seal, at(1))[..], [Effect::Append { size: 1, .. }]));
    step(&mut log, heartbeat(), at(2));
    assert!(wait(&mut log, at(60_000)).is_empty());
    assert_eq!(log.sealed(), 0);
    let effects = step(&mut log, durable(1), at(60_000));
    let sizes: Vec<_> = effects.iter().map(size_of_effect).collect();
    assert_eq!(sizes, [("append", 2), ("checkpoint", 1)]);
}

fn size_of_effect(effect: &Effect) -> (&'static str, u64) {
    match effect {
        Effect::Append { size, .. } => ("append", *size),
        Effect::Checkpoint { size, .. } => ("checkpoint", *size),
        other => panic!("unknown: {other:?}"),
    }
}

#[test]
fn signs_at_most_once_a_second_and_only_when_there_is_something_new() {
    let (mut log, mut files) = (Log::open(config("a"), at(0)), Files::default());
    for ms in 1..=10_000 {
        if ms <= 3_500 {
            files.tell(&mut log, heartbeat(), at(ms));
        }
        files.pass_time(&mut log, at(ms));
    }
    assert_eq!(log.poll_timeout(), None);
    // At 0.005 s the first, then every second until the last heartbeat is covered.
    assert_eq!(files.notes.len(), 5);
    let report = verify(&key("a"), &files.stored()).unwrap();
    assert_eq!((report.leaves, report.unsealed()), (3_501, 0));
}

#[test]
fn seals_everything_at_once_when_asked_to() {
    let (mut log, mut files) = (Log::open(config("a"), at(0)), Files::default());
    for ms in 0..20 {
        files.tell(&mut log, heartbeat(), at(ms));
        files.tell(&mut log, Input::Seal, at(ms));
        assert_eq!(log.sealed(), log.size());
        files.tell(&mut log, Input::Seal, at(ms));
    }
    assert_eq!(files.notes.len(), 20, "asking again with nothing new signs nothing");
    assert_eq!(verify(&key("a"), &files.stored()).unwrap().unsealed(), 0);
}

#[test]
fn a_seal_waits_for_the_batch_under_way_and_for_what_came_before_it() {
    let mut log = Log::open(config("a"), at(0));
    appended(&wait(&mut log, at(5)));
    step(&mut log, heartbeat(), at(6));
    assert!(step(&mut log, Input::Seal, at(6)).is_empty());
    let effects = step(&mut log, durable(1), at(7));
    assert!(effects.iter().any(|effect| size_of_effect(effect) == ("append", 2)));
    let effects = step(&mut log, durable(2), at(8));
    assert_eq!(effects.iter().map(size_of_effect).collect::<Vec<_>>(), [("checkpoint", 2)]);
}

#[test]
fn refuses_events_at_the_bound_but_keeps_room_for_facts() {
    let mut log = Log::open(config("a").with_max_waiting(80), at(0));
    let taken = (0..100).filter(|i| log.record(&entry(*i, at(0))).is_ok()).count();
    assert_eq!(taken, 69, "80, less 10 for facts, less the leaf that opened the log");
    assert_eq!(log.record(&entry(0, at(0))), Err(Reason::AuditUnavailable));
    for _ in 0..13 {
        step(&mut log, Input::Fact(Fact::new(EventCode::EventRefused)), at(1));
    }
    assert_eq!(log.size(), 80);
    let (_, size, leaves) = appended(&wait(&mut log, at(5)));
    assert_eq!((size, leaves.len()), (80, 80));
    // D08: what could not be taken is counted, and said as soon as there is room.
    let effects = step(&mut log, durable(80), at(6));
    assert_eq!(log.size(), 81);
    assert!(log.is_available());
    assert_eq!(effects.iter().map(size_of_effect).collect::<Vec<_>>(), [("checkpoint", 80)]);
    let (_, _, leaves) = appended(&wait(&mut log, at(11)));
    assert_eq!((leaves[0].code, leaves[0].detail), (EventCode::Lost, 3));
}

#[test]
fn refuses_everything_after_a_failed_write() {
    let mut log = Log::open(config("a"), at(0));
    wait(&mut log, at(5));
    assert!(step(&mut log, Input::AppendFailed, at(6)).is_empty());
    assert_eq!(log.record(&entry(0, at(6))), Err(Reason::AuditUnavailable));
    assert!(!log.is_available());
    assert_eq!(log.poll_timeout(), None);
    for input in [heartbeat(), durable(1), Input::Seal] {
        assert!(step(&mut log, input, at(60_000)).is_empty());
    }
    assert_eq!(log.sealed(), 0);
}

#[test]
fn calls_that_nobody_asked_for_change_nothing() {
    let mut log = Log::open(config("a"), at(0));
    for ms in [0, 4, 3, 4] {
        assert!(wait(&mut log, at(ms)).is_empty());
    }
    for size in [0, 1, 7] {
        assert!(step(&mut log, durable(size), at(4)).is_empty(), "no batch is under way");
    }
    appended(&wait(&mut log, at(5)));
    assert!(step(&mut log, durable(7), at(5)).is_empty(), "not the batch under way");
    assert!(wait(&mut log, at(1)).is_empty(), "a clock that goes backwards");
    assert_eq!(step(&mut log, durable(1), at(5)).len(), 1);
    assert!(wait(&mut log, at(60_000)).is_empty(), "nothing new since the checkpoint");
}

/// Two buffers change places; neither is made anew.
#[test]
fn the_buffer_that_comes_back_is_written_into_again() {
    let mut log = Log::open(config("a"), at(0));
    let mut seen = BTreeMap::<*const u8, u32>::new();
    for batch in 0..20_u64 {
        let now = at(10 + batch * 10);
        for position in 0..50 {
            log.record(&entry(position, now)).unwrap();
        }
        for effect in wait(&mut log, now.after(Duration::from_millis(5))) {
            let Effect::Append { size, bytes, .. } = effect else { continue };
            *seen.entry(bytes.as_ptr()).or_default() += 1;
            for _ in 0..3 {
                log.record(&entry(0, now)).unwrap(); // the other buffer is in use meanwhile
            }
            step(&mut log, Input::Durable { size, spare: bytes }, now);
        }
    }
    assert!(seen.values().max().is_some_and(|&times| times >= 15), "{seen:?}");
}

#[test]
fn a_clock_set_back_shows_in_the_report_and_breaks_nothing() {
    let (mut log, mut files) =
        (Log::open(config("a"), Now::from_millis(0, 50_000)), Files::default());
    files.tell(&mut log, heartbeat(), Now::from_millis(1, 20_000));
    files.tell(&mut log, Input::Seal, Now::from_millis(2, 60_000));
    let report = verify(&key("a"), &files.stored()).unwrap();
    assert_eq!(report.clock_back_ms, 30_000);
    assert_eq!((report.earliest_ms, report.latest_ms), (20_000, 50_000));
}

/// Goguen and Meseguer: what one tenant's log says does not depend on the others' being there.
#[test]
fn one_tenants_effects_do_not_depend_on_anothers() {
    let ids = ["a", "b", "c"];
    let mut seed = 0x00A0_D172_u64;
    eprintln!("seed {seed:#x}");
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let inputs: Vec<_> =
        (0..600).map(|i| (ids[draw(3) as usize], at(i * (1 + draw(7))), draw(10))).collect();
    let run = |present: &[&'static str]| {
        let mut logs: BTreeMap<_, _> =
            present.iter().map(|id| (*id, (Log::open(config(id), at(0)), Vec::new()))).collect();
        for (id, now, kind) in &inputs {
            let Some((log, effects)) = logs.get_mut(id) else { continue };
            match kind {
                0 => log.handle_input(Input::Seal, *now, effects),
                1 => log.handle_timeout(*now, effects),
                2 | 3 => {
                    let written = effects.iter().rfind(|e| matches!(e, Effect::Append { .. }));
                    let size = written.map_or(0, |append| size_of_effect(append).1);
                    log.handle_input(durable(size), *now, effects);
                }
                _ => log.handle_input(heartbeat(), *now, effects),
            }
        }
        logs.into_iter().map(|(id, (_, effects))| (id, effects)).collect::<BTreeMap<_, _>>()
    };
    let together = run(&ids);
    for id in ids {
        assert!(together[id].len() > 10);
        assert_eq!(together[id], run(&[id])[id], "{id}");
        let owner: TenantId = tenant(id);
        assert!(together[id].iter().all(|effect| effect.tenant() == &owner));
    }
}

/// S04: a driver that keeps one pool of buffers for all tenants hands back what another one's leaves
/// stand in. None of it is in the next batch, whether or not something waits for it already.
#[test]
fn a_spare_buffer_of_another_tenant_leaves_nothing_in_the_next_batch() {
    let dirty = b"7777777777777777".repeat(4_096);
    for waiting in [0, 1, 3] {
        let batch = |spare: Vec<u8>| {
            let mut log = Log::open(config("a"), at(0));
            appended(&wait(&mut log, at(5)));
            for _ in 0..waiting {
                assert!(step(&mut log, heartbeat(), at(6)).is_empty());
            }
            let mut effects = step(&mut log, Input::Durable { size: 1, spare }, at(7));
            effects.extend(step(&mut log, heartbeat(), at(8)));
            effects.extend(wait(&mut log, at(20)));
            let size = effects.iter().find_map(|effect| match effect {
                Effect::Append { size, .. } => Some(*size),
                _ => None,
            });
            effects.extend(step(&mut log, durable(size.unwrap()), at(21)));
            effects.extend(wait(&mut log, at(40)));
            format!("{effects:?}")
        };
        assert!(batch(Vec::new()).contains("Append"));
        assert_eq!(batch(dirty.clone()), batch(Vec::new()), "{waiting} waiting");
    }
}
