//! The fuzz bodies without a fuzzer: on their seed corpora, and on a few seconds' worth of random data.
#![expect(clippy::disallowed_methods, reason = "corpora are files")]

use std::{fs, path::Path};

use cofferdam_sim::{fuzz, rng};

/// Runs a body on every seed of its corpus, and not on what a fuzzer has left beside them, which it
/// names by 40 hexadecimal digits.
fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(&corpus).unwrap_or_else(|_| panic!("no corpus of {target}"));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().is_some_and(|name| name.len() != 40));
    files.sort();
    assert!(!files.is_empty(), "the corpus of {target} is empty");
    for file in files {
        eprintln!("replaying {}", file.display());
        body(&fs::read(file).unwrap());
    }
}

/// Runs a body on random data, as often as `runs`.
fn random(what: &str, seed: u64, runs: u32, body: fn(&[u8])) {
    let mut rng = rng::seeded(what, seed);
    for _ in 0..runs {
        let data: Vec<u8> = (0..rng.usize(..200)).map(|_| rng.u8(..)).collect();
        body(&data);
    }
}

#[test]
fn every_corpus_replays() {
    replay("token", fuzz::token);
    replay("filter", fuzz::filter);
    replay("redact", fuzz::redact);
    replay("cursor", fuzz::cursor);
    replay("upgrade", fuzz::upgrade);
    replay("structure", fuzz::structure);
    replay("event_patterns", fuzz::event_patterns);
    replay("check", fuzz::check);
}

/// A01 to A14, F01 to F06, R01 to R03.
#[test]
fn bodies_withstand_random_data() {
    random("token", 17, 500, fuzz::token);
    random("filter", 18, 5_000, fuzz::filter);
    random("redact", 19, 2_000, fuzz::redact);
}

/// What is passed over is passed over to its end, whatever stands in it.
#[test]
fn structures_withstand_random_data() {
    random("structure", 21, 2_000, fuzz::structure);
}

/// A body for patterns needs data for several of them and for events.
#[test]
fn event_patterns_withstand_random_data() {
    let mut rng = rng::seeded("event patterns", 22);
    for _ in 0..5_000 {
        let data: Vec<u8> = (0..rng.usize(..900)).map(|_| rng.u8(..)).collect();
        fuzz::event_patterns(&data);
    }
}

/// The check, 64 bytes at a time, against a reading token by token.
#[test]
fn checks_withstand_random_data() {
    random("check", 23, 5_000, fuzz::check);
}

/// U03, U04, U05, U06, U07.
#[test]
fn upgrades_withstand_random_edits() {
    random("upgrade", 20, 20_000, fuzz::upgrade);
}

/// C01, promise 9.
#[test]
fn cursors_withstand_random_scripts() {
    let mut rng = rng::seeded("cursors_withstand_random_scripts", 12_648_430);
    for _ in 0..2_000 {
        let data: Vec<u8> = (0..rng.usize(..600)).map(|_| rng.u8(..)).collect();
        fuzz::cursor(&data);
    }
}

/// Every byte of a token, replaced by every other.
#[test]
fn cursors_withstand_every_edit_of_one_byte() {
    for at in 0..64 {
        for to in 0..=u8::MAX {
            fuzz::cursor(&[at, to]);
        }
    }
}
