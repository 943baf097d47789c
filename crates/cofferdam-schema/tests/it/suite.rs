//! The JSON-Schema-Test-Suite, through the registry and the checker as an event would go.
#![expect(clippy::disallowed_methods, reason = "what is read lies beside the repository")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cofferdam_core::Reason;
use cofferdam_schema::{Checker, Registration, Registry, Verdict};
use serde_json::{Value, json};

use super::support::{SAMPLING, envelope, event, key, scratch, shared, tenant};

#[derive(Clone, Copy)]
struct Draft {
    name: &'static str,
    meta_schema: &'static str,
}

const DRAFTS: [Draft; 2] = [
    Draft { name: "draft7", meta_schema: "http://json-schema.org/draft-07/schema#" },
    Draft { name: "draft2020-12", meta_schema: "https://json-schema.org/draft/2020-12/schema" },
];

/// The table of the results.
const DOCUMENT: &str = include_str!("../../../../docs/SCHEMAS.md");

/// How the tests of one part went.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    passed: u32,
    /// The schema is refused when it is registered, by reason.
    unregistered: BTreeMap<String, u32>,
    /// The instance is no sound event: refused by the strict check.
    unsound: u32,
    failed: Vec<String>,
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

/// The suite's documents that schemas refer to, with the addresses that they are referred to by.
fn remotes(root: &Path) -> Vec<(String, Vec<u8>)> {
    let root = root.join("remotes");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                let uri = format!("http://localhost:1234/{name}");
                found.push((uri, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Whether a schema is given a document: it names it, or it is of no draft or of the schema's own.
fn is_given(uri: &str, draft: &str, schema: &str) -> bool {
    let folder = uri.split('/').nth(3).unwrap();
    let of_a_draft = folder.starts_with("draft") || folder == "v1";
    let refers = schema.contains("localhost:1234") || schema.contains("urn:");
    schema.contains(uri) || (refers && (!of_a_draft || folder == draft))
}

/// Tries the cases of some files.
fn run(files: &[PathBuf], draft: Draft, remotes: &[(String, Vec<u8>)], formats: bool) -> Figures {
    let mut figures = Figures::default();
    for file in files {
        let cases: Vec<Value> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        for case in cases {
            let mut schema = case["schema"].clone();
            if !schema.is_object() {
                schema = json!({ "allOf": [schema] });
            }
            let members = schema.as_object_mut().unwrap();
            members.entry("$schema").or_insert_with(|| draft.meta_schema.into());
            let tests = case["tests"].as_array().unwrap();
            let file = file.file_name().unwrap().to_str().unwrap();
            let name = format!("{file}: {}", case["description"]);
            let text = schema.to_string();
            let mut registration = Registration::new(key("1"), text.as_bytes()).any_keyword();
            if formats {
                registration = registration.formats(true);
            }
            for (uri, document) in
                remotes.iter().filter(|(uri, _)| is_given(uri, draft.name, &text))
            {
                registration = registration.resource(uri, document);
            }
            let mut registry = Registry::default();
            match registry.register(&registration) {
                Ok(()) => each(&registry, &name, tests, &mut figures),
                Err(error) => {
                    eprintln!("{}: {name}: {error}", draft.name);
                    let reason = error.fault().to_string();
                    *figures.unregistered.entry(reason).or_default() += tests.len() as u32;
                }
            }
        }
    }
    figures
}

fn each(registry: &Registry, name: &str, tests: &[Value], figures: &mut Figures) {
    let checker = Checker::new(envelope(), registry, SAMPLING);
    for test in tests {
        let verdict = checker.judge(&tenant("acme"), &event(&test["data"]), &mut scratch());
        match (verdict, test["valid"].as_bool().unwrap()) {
            (Verdict::Conforms, true) | (Verdict::Refused(Reason::SchemaMismatch), false) => {
                figures.passed += 1;
            }
            (Verdict::Conforms, false) | (Verdict::Refused(Reason::SchemaMismatch), true) => {
                figures.failed.push(format!("{name}: {}", test["description"]));
            }
            (Verdict::Refused(reason), _) => {
                eprintln!("{name}: {}: {reason}", test["description"]);
                figures.unsound += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What is refused is text with a NUL in it, which no event may have, and nothing else is.
#[test]
fn judges_as_the_test_suite_says() {
    let Some(root) = shared("suites/json-schema-test-suite") else { return };
    let remotes = remotes(&root);
    let mut rows = Vec::new();
    for draft in DRAFTS {
        let folder = root.join("tests").join(draft.name);
        for (part, formats) in [("required", false), ("optional", false), ("optional/format", true)]
        {
            let folder = if part == "required" { folder.clone() } else { folder.join(part) };
            let figures = run(&json_files(&folder), draft, &remotes, formats);
            assert_eq!(figures.failed, [] as [&str; 0], "{} {part}", draft.name);
            let nul = "text that is not unicode";
            assert!(figures.unregistered.keys().all(|why| why == nul), "{figures:?}");
            let refused: u32 = figures.unregistered.values().sum();
            let all = figures.passed + figures.unsound + refused;
            let row = format!(
                "| {} {part} | {all} | {} | {refused} | {} | 0 |",
                draft.name, figures.passed, figures.unsound
            );
            eprintln!("{row}");
            rows.push(row);
        }
    }
    let missing: Vec<&String> = rows.iter().filter(|row| !DOCUMENT.contains(*row)).collect();
    assert!(missing.is_empty(), "docs/SCHEMAS.md has other rows than {missing:#?}");
}
