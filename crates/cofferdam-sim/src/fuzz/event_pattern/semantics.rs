//! Alternatives, arrays and names, and what no pattern may do: panic.

use serde_json::{Value, json};

use super::event_pattern_holds as holds;

#[track_caller]
fn assert_holds(pattern: &Value, fulfilling: &[Value], failing: &[Value]) {
    for (events, expected) in [(fulfilling, true), (failing, false)] {
        for event in events {
            assert_eq!(holds(pattern, event), expected, "{pattern} on {event}");
        }
    }
}

#[test]
fn one_alternative_holds_beside_the_other_members() {
    let pattern = json!({
        "source": ["aws.cloudwatch"],
        "$or": [
            { "metric": ["CPU", "Latency"] },
            { "type": ["T"], "space": ["S"], "$or": [{ "id": [1234] }, { "other": [1000] }] },
            { "scope": ["Service"] },
        ],
    });
    assert_holds(
        &pattern,
        &[
            json!({ "source": "aws.cloudwatch", "metric": "CPU" }),
            json!({ "source": "aws.cloudwatch", "type": "T", "space": "S", "id": 1234 }),
            json!({ "source": "aws.cloudwatch", "type": "T", "space": "S", "other": [1, 1000] }),
            json!({ "source": "aws.cloudwatch", "metric": "x", "scope": "Service" }),
        ],
        &[
            json!({ "metric": "CPU" }),
            json!({ "source": "aws.cloudwatch" }),
            json!({ "source": "aws.cloudwatch", "type": "T", "space": "S" }),
            json!({ "source": "aws.cloudwatch", "type": "T", "id": 1234 }),
            json!({ "source": "aws.cloudwatch", "$or": [{ "metric": "CPU" }] }),
        ],
    );
}

#[test]
fn two_levels_each_choose_an_alternative() {
    let pattern = json!({
        "$or": [{ "a": [1] }, { "b": [2] }],
        "d": { "$or": [{ "x": [3] }, { "y": [4] }] },
    });
    assert_holds(
        &pattern,
        &[json!({ "a": 1, "d": { "y": 4 } }), json!({ "b": 2, "d": [{}, { "x": 3 }] })],
        &[json!({ "a": 1, "d": { "x": 4 } }), json!({ "d": { "x": 3 } }), json!({ "a": 1 })],
    );
}

#[test]
fn a_merged_object_is_one_object() {
    let pattern = json!({ "d": { "x": [1] }, "$or": [{ "d": { "y": [2] } }, { "e": [3] }] });
    assert_holds(
        &pattern,
        &[
            json!({ "d": { "x": 1, "y": 2 } }),
            json!({ "d": [{ "x": 1 }, { "x": 1, "y": 2 }] }),
            json!({ "d": [{ "x": 1 }, { "y": 2 }], "e": 3 }),
        ],
        &[
            json!({ "d": [{ "x": 1 }, { "y": 2 }] }),
            json!({ "d": { "y": 2 }, "e": 3 }),
            json!({ "d": { "x": 1 } }),
        ],
    );
}

#[test]
fn merged_lists_are_each_fulfilled_by_some_value() {
    let pattern = json!({ "a": [1, 2], "$or": [{ "a": [2, 3] }, { "a": { "b": [4] } }] });
    assert_holds(
        &pattern,
        &[
            json!({ "a": 2 }),
            json!({ "a": [1, 3] }),
            json!({ "a": [1, { "b": 4 }] }),
            json!({ "a": [[{ "b": 4 }], [2]] }),
        ],
        &[json!({ "a": 1 }), json!({ "a": 3 }), json!({ "a": { "b": 4 } }), json!({ "a": [1, 4] })],
    );
    // No leaf and no object under one name: both are missing.
    let absent = json!({
        "a": [{ "exists": false }],
        "$or": [{ "a": { "b": [{ "exists": false }] } }],
    });
    assert_holds(
        &absent,
        &[json!({}), json!({ "a": [] }), json!({ "a": { "c": 1 } }), json!({ "a": [{ "b": {} }] })],
        &[json!({ "a": 1 }), json!({ "a": { "b": 1 } }), json!({ "a": [{}, 1] })],
    );
}

#[test]
fn names_of_one_object_are_not_taken_from_two() {
    let event = json!({ "employees": [
        { "firstName": "Anna", "lastName": "Doe" },
        { "firstName": "John", "lastName": "Smith" },
    ] });
    let wanted = |first: &str, last: &str| {
        holds(&json!({ "employees": { "firstName": [first], "lastName": [last] } }), &event)
    };
    assert!(wanted("Anna", "Doe") && wanted("John", "Smith"));
    assert!(!wanted("Anna", "Smith") && !wanted("John", "Doe"));
}

/// One object within another, each an element of an array: a choice at each level.
#[test]
fn objects_are_one_at_every_depth() {
    let pattern =
        json!({ "teams": { "name": ["a"], "people": { "first": ["x"], "last": ["y"] } } });
    let team = |name: &str, people: Value| json!({ "name": name, "people": people });
    let (both, one) = (json!([{ "first": "x", "last": "y" }]), json!([{ "first": "x" }]));
    assert_holds(
        &pattern,
        &[
            json!({ "teams": [team("b", one.clone()), team("a", both.clone())] }),
            json!({ "teams": [[[team("a", json!([1, [both]]))]]] }),
        ],
        &[
            json!({ "teams": [team("b", both.clone()), team("a", one)] }),
            json!({ "teams": team("a", json!([{ "first": "x" }, { "last": "y" }])) }),
        ],
    );
}

#[test]
fn what_is_missing_is_an_empty_object() {
    let pattern = json!({ "a": { "b": { "c": [{ "exists": false }, 1] } } });
    assert_holds(
        &pattern,
        &[
            json!({}),
            json!({ "a": 1 }),
            json!({ "a": { "b": [null, [2]] } }),
            json!({ "a": { "b": { "c": 1 } } }),
            json!({ "a": [{ "b": { "c": 2 } }, {}] }),
        ],
        &[json!({ "a": { "b": { "c": 2 } } }), json!({ "a": [1, { "b": [{ "c": [2] }] }] })],
    );
}

#[test]
fn a_name_is_compared_exactly() {
    assert_holds(
        &json!({ "a.b": [1] }),
        &[json!({ "a.b": 1 })],
        &[json!({ "a": { "b": 1 } }), json!({ "A.b": 1 })],
    );
    assert_holds(
        &json!({ "a": { "prefix": ["x"] } }),
        &[json!({ "a": { "prefix": "x" } })],
        &[json!({ "a": "x" })],
    );
}

#[test]
fn case_is_folded_by_each_character_alone() {
    let wanted =
        |operator: Value, text: &str| holds(&json!({ "a": [operator] }), &json!({ "a": text }));
    let equal = |text: &str| json!({ "equals-ignore-case": text });
    assert!(wanted(equal("k"), "\u{212a}") && wanted(equal("\u{212a}"), "K"));
    assert!(wanted(equal("i\u{307}"), "\u{130}") && !wanted(equal("i"), "\u{130}"));
    assert!(wanted(equal("\u{df}"), "\u{1e9e}") && !wanted(equal("\u{df}"), "SS"));
    assert!(wanted(equal("a\u{3c3}"), "A\u{3a3}") && !wanted(equal("a\u{3c2}"), "A\u{3a3}"));
    // A folded text may begin or end within what was one character.
    assert!(wanted(json!({ "prefix": equal("I") }), "\u{130}x"));
    assert!(wanted(json!({ "suffix": equal("\u{307}") }), "x\u{130}"));
    assert!(!wanted(json!({ "prefix": "i" }), "\u{130}x"));
}

#[test]
fn nothing_that_makes_no_sense_is_fulfilled() {
    let conditions = [
        json!({}),
        json!([1]),
        json!({ "prefix": "a", "suffix": "a" }),
        json!({ "prefix": 1 }),
        json!({ "prefix": { "suffix": "a" } }),
        json!({ "wildcard": { "equals-ignore-case": "a" } }),
        json!({ "wildcard": "a\\" }),
        json!({ "wildcard": "\\a" }),
        json!({ "numeric": [] }),
        json!({ "numeric": 1 }),
        json!({ "numeric": [">", 0, "<"] }),
        json!({ "numeric": ["!", 1] }),
        json!({ "numeric": [1, ">"] }),
        json!({ "cidr": "10.0.0.1" }),
        json!({ "cidr": "10.0.0.1/33" }),
        json!({ "cidr": "10.0.0.1/-1" }),
        json!({ "cidr": "x/0" }),
        json!({ "cidr": "/" }),
        json!({ "exists": "true" }),
        json!({ "no such operator": "a" }),
    ];
    for condition in conditions {
        let pattern = json!({ "a": [condition] });
        let event = json!({ "a": ["a", 1, "10.0.0.1", "x", "", null, {}] });
        assert!(!holds(&pattern, &event), "{pattern}");
    }
    for pattern in [json!({ "a": "a" }), json!({ "$or": {} }), json!({ "$or": [1] }), json!([])] {
        assert!(!holds(&pattern, &json!({ "a": "a" })), "{pattern}");
    }
    assert!(!holds(&json!({ "a": [1] }), &json!([{ "a": 1 }])));
}
