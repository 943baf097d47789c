//! The table in `cases.json`: rules, an event, and what is left of it, byte for byte.

use cofferdam_redact::{Rule, Strategy};
use serde::Deserialize;

use super::support::{policy, redacted};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rules: Vec<Rule>,
    event: String,
    expected: String,
}

/// R01, R02, R09: see the names in the table.
#[test]
fn every_case_of_the_table_is_redacted_as_it_says() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases.json")).unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        let policy = policy(&case.rules);
        assert_eq!(redacted(&policy, &case.event), case.expected, "{}", case.name);
        // Where an element is left out those after it move up, under the same index.
        let moves = |rule: &Rule| rule.strategy == Strategy::Omit && rule.path.contains(['0', '1']);
        if !case.rules.iter().any(moves) {
            assert_eq!(policy.residue(case.expected.as_bytes()), 0, "{}", case.name);
            let untouched = case.expected == case.event;
            assert_eq!(policy.residue(case.event.as_bytes()) == 0, untouched, "{}", case.name);
        }
    }
}
