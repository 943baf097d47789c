//! The JSONPath compliance suite: every selector that compiles selects what the suite says.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use cofferdam_redact::{CompileFault, Strategy};
use serde_json::{Value, json};

use super::{
    model,
    support::{check, compile_for, mask, policy, redact, rule},
};

#[expect(clippy::disallowed_methods, reason = "the suite is data beside the repository")]
fn suite() -> Option<Value> {
    let shared = std::env::var("COFFERDAM_SHARED").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let file = shared.unwrap_or_else(|_| beside()).join("suites/jsonpath-cts/cts.json");
    match std::fs::read(file) {
        Ok(text) => Some(serde_json::from_slice(&text).unwrap()),
        Err(_) => {
            eprintln!("SKIPPED: the JSONPath compliance suite is not at $COFFERDAM_SHARED");
            None
        }
    }
}

/// The normalized paths of a case; the orders that it allows are one set.
fn expected(case: &Value) -> BTreeSet<String> {
    let paths = case.get("result_paths").or_else(|| case["results_paths"].get(0)).unwrap();
    paths.as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect()
}

#[test]
fn selects_the_nodes_that_the_compliance_suite_says() {
    let Some(suite) = suite() else { return };
    let (mut accepted, mut invalid) = (0, 0);
    let mut refused: BTreeMap<String, u32> = BTreeMap::new();
    for case in suite["tests"].as_array().unwrap() {
        let selector = case["selector"].as_str().unwrap();
        let compiled = compile_for("acme", &[rule(selector, Strategy::Omit)]);
        if case.get("invalid_selector").is_some() {
            assert!(compiled.is_err(), "{selector}");
            invalid += 1;
            continue;
        }
        if let Err(error) = compiled {
            assert_ne!(error.fault(), CompileFault::MalformedPath, "{selector}");
            *refused.entry(error.fault().to_string()).or_default() += 1;
            continue;
        }
        // The suite's documents are mostly arrays; an event is an object.
        let event = json!({ "d": case["document"] }).to_string();
        check(event.as_bytes()).unwrap();
        let wrapped = mask(&format!("$['d']{}", &selector[1..]), model::MARK);
        let (out, _) = redact(&policy(&[wrapped]), event.as_bytes()).unwrap();
        let out: Value = serde_json::from_slice(&out).unwrap();
        let found = model::marked(&out["d"]);
        assert_eq!(found, model::outermost(&expected(case)), "{selector} on {event}");
        accepted += 1;
    }
    eprintln!("valid: {accepted} accepted, refused {refused:?}; invalid: {invalid} refused");
    assert!(accepted > 100 && invalid > 200, "{accepted} {invalid}");
}
