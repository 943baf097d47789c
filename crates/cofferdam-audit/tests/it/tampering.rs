//! D01, D02, D07: whatever is done to the files of a log shows, up to what was never signed.

use cofferdam_audit::{
    EventCode, Stored,
    checkpoint::{Checkpoint, NoteError},
    verify,
    verify::{Tampered, Undecidable, Verifier, VerifyError},
};
use proptest::{collection::vec, prelude::*, test_runner::RngSeed};

use super::support::{FRAME_LEN, Files, files, fix_check, key};

/// 9 leaves under three checkpoints (4, 7, 9), and 2 after them.
fn small() -> Files {
    let files = files("a", &[3, 3, 2], 2);
    assert_eq!((files.leaf_count(), files.notes.len()), (11, 3));
    files
}

fn tampered(files: &Files) -> Tampered {
    match verify(&key("a"), &files.stored()) {
        Err(VerifyError::Tampered(tampered)) => tampered,
        other => panic!("not tampered with: {other:?}"),
    }
}

#[test]
fn a_clean_log_verifies() {
    for batches in [&[0][..], &[1], &[3, 3, 2], &[100, 1, 50], &[1000]] {
        for tail in [0, 1, 17] {
            let files = files("a", batches, tail);
            let report = verify(&key("a"), &files.stored()).unwrap();
            let sealed = 1 + batches.iter().sum::<u64>();
            assert_eq!((report.sealed, report.unsealed()), (sealed, tail));
            assert_eq!(report.checkpoints, batches.len() as u64);
            assert_eq!((report.torn_bytes, report.clock_back_ms), (0, 0));
            assert_eq!(report.events[&EventCode::Opened], 1);
            let gaps = report.events.get(&EventCode::Gap).copied().unwrap_or_default();
            assert_eq!(gaps + 1, report.leaves);
        }
    }
}

#[test]
fn a_log_verifies_in_pieces_of_any_size() {
    let files = small();
    let whole = verify(&key("a"), &files.stored()).unwrap();
    for piece in [1, 2, 41, 132, 133, 134, 1000] {
        let mut verifier = Verifier::new(&key("a"), &files.checkpoints, &[]).unwrap();
        for chunk in files.leaves.chunks(piece) {
            verifier.push(chunk).unwrap();
        }
        assert_eq!(verifier.finish().unwrap(), whole, "pieces of {piece}");
    }
}

/// D02: every bit of the leaf file, as damage and as the work of an editor who fixes the check.
#[test]
fn every_flipped_bit_of_a_leaf_is_found() {
    let clean = files("a", &[2, 1], 2);
    let sealed_end = clean.frame(4);
    for bit in 0..clean.leaves.len() * 8 {
        let at = bit / 8;
        let mut damaged = clean.clone();
        damaged.leaves[at] ^= 1 << (bit % 8);
        let found = tampered(&damaged);
        let Some(in_frames) = at.checked_sub(clean.header_len()) else {
            assert_eq!(found, Tampered::ForeignHeader);
            continue;
        };
        let index = in_frames / FRAME_LEN;
        assert_eq!(found, Tampered::DamagedFrame { index: index as u64 }, "bit {bit}");

        let frame = clean.frame(index);
        let mut edited = damaged;
        fix_check(&mut edited.leaves[frame..frame + FRAME_LEN]);
        if edited == clean {
            continue; // the flip was in the check itself
        }
        match verify(&key("a"), &edited.stored()) {
            // Nobody signed the tail yet; the report says how long it is.
            Ok(report) => assert!(at >= sealed_end && report.unsealed() == 2, "bit {bit}"),
            Err(VerifyError::Tampered(tampered)) => {
                let first = tampered.first_bad_index().unwrap();
                assert!(first <= index as u64, "bit {bit}: {tampered}");
                let batch = [0, 3, 4].into_iter().rfind(|start| *start <= index as u64);
                assert!(first >= batch.unwrap(), "bit {bit}: {tampered}");
            }
            Err(undecidable) => panic!("bit {bit}: {undecidable}"),
        }
    }
}

#[test]
fn every_flipped_bit_of_a_checkpoint_is_found() {
    let clean = small();
    for bit in 0..clean.checkpoints.len() * 8 {
        let mut edited = clean.clone();
        edited.checkpoints[bit / 8] ^= 1 << (bit % 8);
        let number = clean.notes.iter().filter(|&&end| end <= bit / 8).count() as u64;
        match tampered(&edited) {
            Tampered::Checkpoint { number: found, .. } => {
                // A first note of no known key shows only when the next one is of this key.
                assert!(found == number || (number, found) == (0, 1), "bit {bit}");
            }
            other => panic!("bit {bit}: {other}"),
        }
    }
}

/// With one note only, a key hash that is not ours may as well be another key's: not proven, and
/// never intact.
#[test]
fn a_flip_in_the_only_checkpoint_never_verifies() {
    let clean = files("a", &[2], 0);
    for bit in 0..clean.checkpoints.len() * 8 {
        let mut edited = clean.clone();
        edited.checkpoints[bit / 8] ^= 1 << (bit % 8);
        match verify(&key("a"), &edited.stored()).unwrap_err() {
            VerifyError::Tampered(_) | VerifyError::Undecidable(Undecidable::UnknownKey) => {}
            other @ VerifyError::Undecidable(_) => panic!("bit {bit}: {other}"),
        }
    }
}

/// D01: the newest n leaves are cut off, at every byte.
#[test]
fn a_leaf_file_cut_anywhere_is_found_down_to_the_last_checkpoint() {
    let clean = small();
    for cut in 0..clean.leaves.len() {
        let mut edited = clean.clone();
        edited.leaves.truncate(cut);
        let leaves = cut.saturating_sub(clean.header_len()) / FRAME_LEN;
        if leaves < 9 {
            let truncated = Tampered::Truncated { leaves: leaves as u64, size: 9 };
            assert_eq!(tampered(&edited), truncated);
        } else {
            let report = verify(&key("a"), &edited.stored()).unwrap();
            assert_eq!((report.leaves, report.sealed), (leaves as u64, 9));
            assert_eq!(report.torn_bytes, (cut - clean.header_len()) % FRAME_LEN);
        }
    }
}

/// D01: leaves and checkpoints are cut back together, which only somebody who remembers can see.
#[test]
fn a_log_cut_back_with_its_checkpoints_is_found_by_a_remembered_one() {
    let clean = small();
    let mut edited = clean.clone();
    edited.leaves.truncate(clean.frame(7));
    edited.checkpoints.truncate(clean.notes[1]);
    assert!(verify(&key("a"), &edited.stored()).is_ok(), "an honest older state");
    let remembered = &clean.checkpoints[clean.notes[1]..];
    let refused = verify(&key("a"), &Stored { remembered, ..edited.stored() }).unwrap_err();
    assert_eq!(refused, Tampered::Truncated { leaves: 7, size: 9 }.into());
    assert!(verify(&key("a"), &Stored { remembered, ..clean.stored() }).is_ok());
}

/// D04: the same key signed two histories; either auditor's checkpoint shows it to the other.
#[test]
fn two_histories_under_one_key_are_a_split_view() {
    let (one, other) = (files("a", &[3, 3], 0), files("a", &[4, 2], 0));
    assert!(verify(&key("a"), &one.stored()).is_ok() && verify(&key("a"), &other.stored()).is_ok());
    let seen = Stored { remembered: &other.checkpoints, ..one.stored() };
    assert_eq!(verify(&key("a"), &seen), Err(Tampered::SplitView { size: 7 }.into()));
    let seen = Stored { remembered: &other.checkpoints[..other.notes[0]], ..one.stored() };
    let refused = verify(&key("a"), &seen);
    assert_eq!(refused, Err(Tampered::RootMismatch { from: 4, size: 5 }.into()));
}

/// D02: swap, duplicate, insert, delete, at every place and with no byte of any leaf changed.
#[test]
fn leaves_in_any_other_order_or_number_are_found_at_the_first_wrong_place() {
    let clean = small();
    let frames: Vec<_> = clean.leaves[clean.header_len()..].chunks(FRAME_LEN).collect();
    let rebuilt = |frames: &[&[u8]]| {
        let mut files = clean.clone();
        files.leaves.truncate(clean.header_len());
        files.leaves.extend(frames.concat());
        files
    };
    for a in 0..frames.len() {
        for b in a + 1..frames.len() {
            let mut swapped = frames.clone();
            swapped.swap(a, b);
            let misplaced = Tampered::Misplaced { index: a as u64, found: b as u64 };
            assert_eq!(tampered(&rebuilt(&swapped)), misplaced);
        }
        let mut doubled = frames.clone();
        doubled.insert(a + 1, frames[a]);
        let misplaced = Tampered::Misplaced { index: a as u64 + 1, found: a as u64 };
        assert_eq!(tampered(&rebuilt(&doubled)), misplaced);
        if a + 1 < frames.len() {
            let mut without = frames.clone();
            without.remove(a);
            let misplaced = Tampered::Misplaced { index: a as u64, found: a as u64 + 1 };
            assert_eq!(tampered(&rebuilt(&without)), misplaced);
        }
    }
}

/// D02: a leaf, a file, a checkpoint, a whole log under another tenant's origin.
#[test]
fn nothing_of_one_log_passes_for_anothers() {
    let (a, b) = (small(), files("b", &[3, 3, 2], 2));
    for index in 0..11 {
        let mut edited = a.clone();
        let place = a.frame(index)..a.frame(index + 1);
        edited.leaves[place.clone()].copy_from_slice(&b.leaves[place]);
        assert_eq!(tampered(&edited), Tampered::ForeignLeaf { index: index as u64 });
    }
    let foreign_file = Files { leaves: b.leaves.clone(), ..a.clone() };
    assert_eq!(tampered(&foreign_file), Tampered::ForeignHeader);
    let fault = NoteError::ForeignOrigin;
    assert_eq!(tampered(&b), Tampered::Checkpoint { number: 0, fault });

    // Renamed throughout, with every check fixed: the signatures do not move along.
    let renamed = String::from_utf8(b.checkpoints.clone()).unwrap().replace("test/b", "test/a");
    let moved = Files { checkpoints: renamed.into_bytes(), ..a.clone() };
    let refused = verify(&key("a"), &moved.stored());
    assert_eq!(refused, Err(Undecidable::UnknownKey.into()));
}

#[test]
fn checkpoints_swapped_repeated_or_cut_are_found() {
    let clean = small();
    let notes: Vec<_> = [0, clean.notes[0], clean.notes[1]]
        .iter()
        .zip(&clean.notes)
        .map(|(from, to)| &clean.checkpoints[*from..*to])
        .collect();
    for (order, number) in [([1, 0, 2], 1), ([0, 0, 1], 1), ([0, 2, 1], 2), ([2, 1, 0], 1)] {
        let checkpoints = order.map(|at| notes[at]).concat();
        let edited = Files { checkpoints, ..clean.clone() };
        assert_eq!(tampered(&edited), Tampered::CheckpointOrder { number });
    }
    for cut in 0..clean.checkpoints.len() {
        let mut edited = clean.clone();
        edited.checkpoints.truncate(cut);
        let verdict = verify(&key("a"), &edited.stored());
        if cut == 0 {
            assert_eq!(verdict, Err(Undecidable::NoCheckpoint.into()));
        } else if let Some(kept) = clean.notes.iter().position(|&end| end == cut) {
            assert_eq!(verdict.unwrap().checkpoints, kept as u64 + 1);
        } else {
            assert_eq!(verdict.unwrap_err().exit_code(), 1, "cut at {cut}");
        }
    }
}

#[test]
fn what_cannot_be_judged_is_not_called_tampered() {
    let clean = small();
    let unsigned = Stored { checkpoints: &[], ..clean.stored() };
    let refused = verify(&key("a"), &unsigned).unwrap_err();
    assert_eq!(refused, Undecidable::NoCheckpoint.into());
    assert_eq!(refused.exit_code(), 2);
    let stranger = Stored { remembered: b"no note", ..clean.stored() };
    assert_eq!(verify(&key("a"), &stranger).unwrap_err().exit_code(), 2);
    let of_b = files("b", &[1], 0);
    let other = Stored { remembered: &of_b.checkpoints, ..clean.stored() };
    let refused = verify(&key("a"), &other).unwrap_err();
    assert_eq!(refused, Undecidable::Remembered(NoteError::ForeignOrigin).into());
}

/// A newer writer's event code is not an edit if the checkpoint vouches for it.
#[test]
fn an_unknown_code_is_undecidable_where_it_is_signed_and_tampering_where_it_is_not() {
    use cofferdam_audit::{SigningKey, tree};

    use super::support::{LEAF_LEN, SIGNING_SEED, origin};
    let clean = small();
    let mut newer = clean.clone();
    let place = clean.frame(8)..clean.frame(9);
    newer.leaves[place.start + 50] = 0x7F;
    fix_check(&mut newer.leaves[place]);
    assert_eq!(tampered(&newer), Tampered::RootMismatch { from: 7, size: 9 });

    let hashes: Vec<_> = newer.leaves[clean.header_len()..]
        .chunks(FRAME_LEN)
        .map(|frame| tree::leaf_hash(&frame[..LEAF_LEN]))
        .collect();
    let root = tree::root(&hashes[..9]);
    let note = Checkpoint { size: 9, root };
    let note = note.sign(&SigningKey::from_seed(origin("a"), &SIGNING_SEED));
    newer.checkpoints.truncate(clean.notes[1]);
    let before_it = verify(&key("a"), &newer.stored());
    assert_eq!(before_it, Err(Tampered::UnreadableLeaf { index: 8 }.into()));
    newer.checkpoints.extend(note.bytes());
    let signed = verify(&key("a"), &newer.stored());
    assert_eq!(signed, Err(Undecidable::UnknownCode { index: 8 }.into()));
}

#[test]
fn an_error_quotes_nothing_of_the_files() {
    let mut edited = small();
    let at = edited.header_len() - 2;
    edited.leaves.splice(at..at, *b"\x1b[31mCANARY");
    let refused = verify(&key("a"), &edited.stored()).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("CANARY"));
}

/// One change to a file.
#[derive(Debug, Clone)]
enum Edit {
    Set(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    /// Moves whole frames or parts of notes from one place to another.
    Move(usize, usize, usize),
}

fn edit() -> impl Strategy<Value = (bool, Edit)> {
    let place = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    let length = || prop_oneof![Just(FRAME_LEN), Just(2 * FRAME_LEN), 1..300_usize];
    let edit = prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (place(), length()).prop_map(|(at, length)| Edit::Remove(at, length)),
        (place(), length()).prop_map(|(at, length)| Edit::Repeat(at, length)),
        (place(), length(), place()).prop_map(|(at, length, to)| Edit::Move(at, length, to)),
    ];
    (any::<bool>(), edit)
}

fn apply(file: &mut Vec<u8>, edit: &Edit) {
    let whole = file.len();
    if whole == 0 {
        return;
    }
    let range = |at: usize, length: usize| at % whole..(at % whole + length).min(whole);
    match *edit {
        Edit::Set(at, byte) => file[at % whole] = byte,
        Edit::Remove(at, length) => drop(file.drain(range(at, length))),
        Edit::Repeat(at, length) => {
            let part = file[range(at, length)].to_vec();
            file.splice(at % whole..at % whole, part);
        }
        Edit::Move(at, length, to) => {
            let part: Vec<_> = file.drain(range(at, length)).collect();
            let to = to % (file.len() + 1);
            file.splice(to..to, part);
        }
    }
}

const SEED: u64 = 0x00A0_D171;

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        ..ProptestConfig::with_cases(2000)
    })]

    /// What still verifies is, up to the newest checkpoint it has, what was written. With the newest
    /// checkpoint remembered, that is everything that was ever signed.
    #[test]
    fn no_random_edit_of_what_was_signed_verifies(
        edits in vec(edit(), 1..4),
        checks_fixed: bool,
    ) {
        let clean = small();
        let mut edited = clean.clone();
        for (in_leaves, edit) in &edits {
            apply(if *in_leaves { &mut edited.leaves } else { &mut edited.checkpoints }, edit);
        }
        if checks_fixed && edited.leaves.len() > clean.header_len() {
            edited.leaves[clean.header_len()..].chunks_exact_mut(FRAME_LEN).for_each(fix_check);
        }
        let same = |sealed: u64| {
            let end = clean.frame(usize::try_from(sealed).unwrap());
            edited.leaves.get(..end) == clean.leaves.get(..end)
        };
        if let Ok(report) = verify(&key("a"), &edited.stored()) {
            prop_assert!(same(report.sealed), "seed {SEED}: {edits:?}");
        }
        let remembered = &clean.checkpoints[clean.notes[1]..];
        if let Ok(report) = verify(&key("a"), &Stored { remembered, ..edited.stored() }) {
            prop_assert!(report.sealed == 9 && same(9), "seed {SEED}: {edits:?}");
        }
    }

    #[test]
    fn no_bytes_make_the_verifier_panic(leaves: Vec<u8>, checkpoints: Vec<u8>, remembered: Vec<u8>) {
        let clean = small();
        for leaves in [leaves.clone(), [&clean.leaves[..clean.header_len()], &leaves].concat()] {
            let stored =
                Stored { leaves: &leaves, checkpoints: &checkpoints, remembered: &remembered };
            prop_assert!(verify(&key("a"), &stored).is_err(), "seed {SEED}");
            let stored = Stored { leaves: &leaves, ..clean.stored() };
            prop_assert!(verify(&key("a"), &stored).is_err(), "seed {SEED}");
        }
    }
}
