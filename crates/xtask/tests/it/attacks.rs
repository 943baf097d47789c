//! The attack tables of `docs/THREAT_MODEL.md`, held against the tests that they name.

use std::collections::{BTreeMap, BTreeSet};

use super::workspace::{files, quoted, read, table};

const DOCUMENT: &str = "docs/THREAT_MODEL.md";

/// The catalogue: a letter for each layer, and how many rows it has.
const CATALOGUE: [(char, u32); 15] = [
    ('A', 14),
    ('U', 10),
    ('S', 8),
    ('F', 11),
    ('Q', 9),
    ('R', 9),
    ('D', 10),
    ('C', 5),
    ('I', 4),
    ('W', 10),
    ('G', 10),
    ('V', 6),
    ('X', 5),
    ('N', 8),
    ('Z', 3),
];

fn catalogue() -> BTreeSet<String> {
    let rows = |(layer, rows)| (1..=rows).map(move |row| format!("{layer}{row:02}"));
    CATALOGUE.into_iter().flat_map(rows).collect()
}

/// The first table: row, and the files whose tests hold it.
fn covered() -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    for row in table(DOCUMENT, "## Attacks with a test") {
        let [id, _, tests] = row.as_slice() else { panic!("not three cells: {row:?}") };
        let tests: Vec<String> = quoted(tests).into_iter().map(str::to_owned).collect();
        assert!(!tests.is_empty(), "{id} names no test");
        assert!(rows.insert(id.clone(), tests).is_none(), "{id} stands twice");
    }
    rows
}

fn open() -> BTreeSet<String> {
    let rows = table(DOCUMENT, "## Attacks without a test");
    let ids: Vec<String> = rows.into_iter().map(|row| row[0].clone()).collect();
    let distinct: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(distinct.len(), ids.len(), "a row stands twice");
    distinct
}

/// The part of a file that is a test: all of it, or what follows its `#[cfg(test)]`.
fn tests_of<'c>(file: &str, content: &'c str) -> Option<&'c str> {
    let whole = file.contains("/tests/")
        || file.contains("/conformance/")
        || file.ends_with("/tests.rs")
        || file.ends_with("/vectors.rs");
    if whole { Some(content) } else { content.split_once("#[cfg(test)]").map(|(_, tests)| tests) }
}

/// Whether `id` stands in the text as a word. The ends of a range (`A01 to A13`) do not count: a
/// range says of no row what is shown, so rows are named one by one.
fn holds(text: &str, id: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(id).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + id.len()..]);
        let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
        is_word && !before.ends_with(" to ") && !after.starts_with(" to ")
    })
}

#[test]
fn every_row_of_the_catalogue_is_covered_or_open() {
    let covered: BTreeSet<String> = covered().into_keys().collect();
    let open = open();
    let both: Vec<&String> = covered.intersection(&open).collect();
    assert!(both.is_empty(), "in both tables: {both:?}");
    assert_eq!(&covered | &open, catalogue());
}

#[test]
fn every_test_that_the_table_names_holds_its_row() {
    for (id, files) in covered() {
        for file in files {
            let content = read(&file);
            let tests = tests_of(&file, &content);
            assert!(tests.is_some_and(|tests| holds(tests, &id)), "{file} has no test of {id}");
        }
    }
}

#[test]
fn every_test_that_holds_a_row_is_in_the_table() {
    let covered = covered();
    let mut missing = Vec::new();
    for file in files() {
        let is_test_data = file.ends_with(".json") && file.contains("/tests/");
        let is_code = file.ends_with(".rs") && !file.starts_with("crates/xtask/");
        if !is_test_data && !is_code {
            continue;
        }
        let content = read(&file);
        let Some(tests) = tests_of(&file, &content) else { continue };
        for id in catalogue().iter().filter(|id| holds(tests, id)) {
            if !covered.get(id).is_some_and(|files| files.contains(&file)) {
                missing.push(format!("{id}: {file}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_row_is_a_word_in_a_test() {
    assert!(holds("/// A01: a token", "A01") && holds("\"A01\"", "A01"));
    assert!(!holds("0xA01", "A01") && !holds("A011", "A01") && !holds("B_A01", "A01"));
    assert!(!holds("A01 to A13", "A01") && !holds("A01 to A13", "A13"));
    assert_eq!(tests_of("crates/a/src/b.rs", "A01 #[cfg(test)] A02"), Some(" A02"));
    assert_eq!(tests_of("crates/a/src/b.rs", "A01"), None);
    assert_eq!(catalogue().len(), 122);
}
