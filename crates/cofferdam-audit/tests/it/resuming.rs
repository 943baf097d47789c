//! Going on after a stop, a crash and an attack.

use cofferdam_audit::{
    Effect, EventCode, Fact, Input, Log, Stored,
    leaf::Leaf,
    log::{Recovery, ResumeError},
    verify,
    verify::{Tampered, VerifyError},
};

use cofferdam_core::Machine;

use super::support::{
    FRAME_LEN, Files, LEAF_LEN, at, config, config_at_epoch, files, fix_check, key,
};

/// Resumes, cuts the files as told, and records one more fact under a checkpoint.
fn go_on(files: &mut Files) -> Result<Recovery, ResumeError> {
    let (mut log, recovery) = Log::resume(config("a"), &files.stored(), at(1_000))?;
    files.leaves.truncate(recovery.leaf_bytes);
    files.checkpoints.truncate(recovery.checkpoint_bytes);
    files.tell(&mut log, Input::Fact(Fact::new(EventCode::Heartbeat)), at(1_001));
    files.tell(&mut log, Input::Seal, at(1_002));
    let report = verify(&key("a"), &files.stored()).expect("a resumed log verifies");
    assert_eq!((report.leaves, report.unsealed()), (recovery.leaves + 2, 0));
    let opened = files.frame(recovery.leaves as usize);
    let opened = Leaf::decode(&files.leaves[opened..][..LEAF_LEN]).unwrap();
    let torn = recovery.torn_bytes as u64;
    assert_eq!((opened.code, opened.detail), (EventCode::Opened, torn));
    Ok(recovery)
}

fn tampered(files: &Files) -> Tampered {
    match Log::resume(config("a"), &files.stored(), at(1_000)) {
        Err(ResumeError::Unverified(VerifyError::Tampered(tampered))) => tampered,
        other => panic!("not tampered with: {other:?}"),
    }
}

#[test]
fn goes_on_where_it_stopped_again_and_again() {
    let mut files = files("a", &[3, 3], 2);
    for round in 0..5 {
        let recovery = go_on(&mut files).unwrap();
        assert_eq!(recovery.leaves, 9 + 2 * round);
        assert_eq!(recovery.torn_bytes, 0);
    }
}

/// A write that a crash cut at any byte: what was sealed is kept, what is whole is kept.
#[test]
fn goes_on_after_a_write_that_was_cut_anywhere() {
    let clean = files("a", &[3], 5);
    for cut in clean.frame(4)..clean.leaves.len() {
        let mut torn = clean.clone();
        torn.leaves.truncate(cut);
        let recovery = go_on(&mut torn).unwrap();
        let whole = (cut - clean.header_len()) / FRAME_LEN;
        assert_eq!((recovery.leaves, recovery.sealed), (whole as u64, 4));
        assert_eq!(recovery.torn_bytes, (cut - clean.header_len()) % FRAME_LEN);
    }
}

#[test]
fn goes_on_after_a_write_that_left_a_hole() {
    let clean = files("a", &[3], 5);
    for hole in clean.frame(4)..clean.leaves.len() {
        let mut torn = clean.clone();
        torn.leaves[hole..].fill(0);
        let recovery = go_on(&mut torn).unwrap();
        assert!(recovery.leaves >= 4 && recovery.torn_bytes > 0, "hole at {hole}");
    }
}

#[test]
fn goes_on_after_a_checkpoint_that_was_cut_anywhere() {
    let clean = files("a", &[3, 2], 1);
    for cut in clean.notes[0]..clean.checkpoints.len() {
        let mut torn = clean.clone();
        torn.checkpoints.truncate(cut);
        let recovery = go_on(&mut torn).unwrap();
        assert_eq!((recovery.leaves, recovery.sealed), (7, 4), "cut at {cut}");
        assert_eq!(recovery.checkpoint_bytes, clean.notes[0]);
    }
}

#[test]
fn begins_anew_where_not_even_the_header_was_written() {
    let clean = files("a", &[3], 0);
    for cut in 0..clean.header_len() {
        let mut torn = Files { leaves: clean.leaves[..cut].to_vec(), ..Files::default() };
        let recovery = go_on(&mut torn).unwrap();
        assert_eq!((recovery.leaves, recovery.leaf_bytes), (0, 0));
    }
}

/// D01: a log cut below its checkpoint is not continued, which would hide the cut.
#[test]
fn does_not_go_on_with_a_log_cut_below_its_checkpoint() {
    let clean = files("a", &[3, 3], 2);
    for cut in 0..clean.frame(7) {
        let mut edited = clean.clone();
        edited.leaves.truncate(cut);
        let leaves = (cut.saturating_sub(clean.header_len()) / FRAME_LEN) as u64;
        assert_eq!(tampered(&edited), Tampered::Truncated { leaves, size: 7 });
    }
}

/// D05: a backup is restored, checkpoints and all; the store that was not restored remembers.
#[test]
fn does_not_go_on_with_an_older_state_than_is_remembered() {
    let clean = files("a", &[3, 3], 0);
    let mut restored = clean.clone();
    restored.leaves.truncate(clean.frame(4));
    restored.checkpoints.truncate(clean.notes[0]);
    let remembered = &clean.checkpoints[clean.notes[0]..];
    let stored = Stored { remembered, ..restored.stored() };
    let refused = Log::resume(config("a"), &stored, at(1_000)).unwrap_err();
    let truncated = Tampered::Truncated { leaves: 4, size: 7 };
    assert_eq!(refused, ResumeError::Unverified(truncated.into()));
    let stored = Stored { remembered, ..clean.stored() };
    assert!(Log::resume(config("a"), &stored, at(1_000)).is_ok());
}

/// D02: damage before a whole frame, or under a checkpoint, is no torn write.
#[test]
fn does_not_go_on_with_an_edited_log() {
    let clean = files("a", &[3, 3], 4);
    for index in 0..10 {
        let place = clean.frame(index)..clean.frame(index + 1);
        let mut damaged = clean.clone();
        damaged.leaves[place.start + 60] ^= 1;
        assert_eq!(tampered(&damaged), Tampered::DamagedFrame { index: index as u64 });
        fix_check(&mut damaged.leaves[place.clone()]);
        if index < 7 {
            let from = if index < 4 { 0 } else { 4 };
            let size = if index < 4 { 4 } else { 7 };
            assert_eq!(tampered(&damaged), Tampered::RootMismatch { from, size });
        }
        let mut without = clean.clone();
        without.leaves.drain(place);
        assert!(matches!(tampered(&without), Tampered::Misplaced { .. }), "leaf {index}");
    }
    let mut edited = clean;
    edited.checkpoints[20] ^= 1;
    assert!(matches!(tampered(&edited), Tampered::Checkpoint { number: 0, .. }));
}

/// A hole at the very end, but under the checkpoint: that was synced before it was signed.
#[test]
fn a_hole_under_a_checkpoint_is_no_torn_write() {
    let mut files = files("a", &[3], 0);
    let last = files.frame(3);
    files.leaves[last..].fill(0);
    assert_eq!(tampered(&files), Tampered::DamagedFrame { index: 3 });
}

#[test]
fn does_not_go_on_with_another_tenants_log() {
    let theirs = files("b", &[3], 0);
    assert!(matches!(tampered(&theirs), Tampered::Checkpoint { number: 0, .. }));
    let unsigned = Files { leaves: theirs.leaves, ..Files::default() };
    assert_eq!(tampered(&unsigned), Tampered::ForeignHeader);
}

/// S01: a process that was deposed while it was down does not write again.
#[test]
fn a_deposed_process_does_not_go_on() {
    let mut files = files("a", &[3], 0);
    let (mut newer, _) = Log::resume(config_at_epoch("a", 5), &files.stored(), at(1_000)).unwrap();
    files.tell(&mut newer, Input::Seal, at(1_001));
    let refused = Log::resume(config_at_epoch("a", 4), &files.stored(), at(2_000)).unwrap_err();
    assert_eq!(refused, ResumeError::StaleEpoch);
    assert!(Log::resume(config_at_epoch("a", 5), &files.stored(), at(2_000)).is_ok());
}

/// A deposed process that wrote nevertheless shows in the file.
#[test]
fn a_leaf_of_an_older_epoch_after_a_newer_one_is_found() {
    let mut files = files("a", &[3], 0);
    let old = files.clone();
    let (mut newer, _) = Log::resume(config_at_epoch("a", 5), &files.stored(), at(1_000)).unwrap();
    files.tell(&mut newer, Input::Seal, at(1_001));
    let mut stale = old;
    let (mut older, _) = Log::resume(config("a"), &stale.stored(), at(1_000)).unwrap();
    stale.tell(&mut older, Input::Fact(Fact::new(EventCode::Heartbeat)), at(1_001));
    stale.tell(&mut older, Input::Seal, at(1_002));
    files.leaves.extend_from_slice(&stale.leaves[stale.frame(5)..]);
    let refused = verify(&key("a"), &files.stored()).unwrap_err();
    assert_eq!(refused, Tampered::EpochWentBack { from: 5, index: 5 }.into());
}

/// Even where the deposed process held the key and signed.
#[test]
fn a_signed_leaf_of_an_older_epoch_is_found() {
    use cofferdam_audit::{SigningKey, checkpoint::Checkpoint, tree};

    use super::support::{SIGNING_SEED, origin};
    let mut files = Files::default();
    let mut newer = Log::open(config_at_epoch("a", 5), at(0));
    files.tell(&mut newer, Input::Seal, at(1));
    let mut bytes = files.leaves[files.frame(0)..].to_vec();
    bytes[33] = 1; // the index
    bytes[61] = 4; // the epoch
    fix_check(&mut bytes);
    files.leaves.extend_from_slice(&bytes);
    let refused = verify(&key("a"), &files.stored()).unwrap_err();
    assert_eq!(refused, Tampered::EpochWentBack { from: 1, index: 1 }.into());
    let hashes = [0, 1].map(|i| tree::leaf_hash(&files.leaves[files.frame(i)..][..LEAF_LEN]));
    let note = Checkpoint { size: 2, root: tree::root(&hashes) };
    let note = note.sign(&SigningKey::from_seed(origin("a"), &SIGNING_SEED));
    files.checkpoints.extend(note.bytes());
    let refused = verify(&key("a"), &files.stored()).unwrap_err();
    assert_eq!(refused, Tampered::EpochWentBack { from: 1, index: 1 }.into());
}

/// Random work, and a crash at a random byte of whatever was not synced yet, a hundred times over.
#[test]
fn what_was_durable_outlives_every_crash() {
    let mut seed = 0x00A0_D173_u64;
    eprintln!("seed {seed:#x}");
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let (mut files, mut durable, mut torn) = (Files::default(), 0, 0);
    for life in 0..100_u64 {
        let now = at(life * 10_000);
        let (mut log, recovery) = Log::resume(config("a"), &files.stored(), now).unwrap();
        assert!(recovery.leaves >= durable, "life {life}: a durable leaf was lost");
        torn += usize::from(recovery.torn_bytes > 0);
        files.leaves.truncate(recovery.leaf_bytes);
        files.checkpoints.truncate(recovery.checkpoint_bytes);
        for step in 0..draw(60) as u64 {
            let now = at(life * 10_000 + step * 100);
            let fact = Fact::new(EventCode::Heartbeat).at(step);
            files.tell(&mut log, Input::Fact(fact), now);
            if draw(4) == 0 {
                files.pass_time(&mut log, now);
            }
        }
        durable = if files.leaves.is_empty() { 0 } else { files.leaf_count() as u64 };
        let mut effects = Vec::new();
        log.handle_input(Input::Seal, at(life * 10_000 + 9_000), &mut effects);
        // The machine stops while this batch is written.
        for effect in effects {
            if let Effect::Append { bytes, .. } = effect {
                files.leaves.extend_from_slice(&bytes[..draw(bytes.len() + 1)]);
            }
        }
    }
    assert!(torn > 20, "{torn} torn writes");
    let mut end = files.clone();
    go_on(&mut end).unwrap();
}
