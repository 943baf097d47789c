//! The graph beside a slow, obvious matcher over `serde_json::Value`, on random rules and events.

use std::collections::BTreeMap;

use cofferdam_core::pipeline::{Filter, Verdict};
use cofferdam_filter::{Compiler, Mapping, Scratch, SubscriptionDocument};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Few names and few values, so that rules and events meet often.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!("x")),
        Just(json!("y")),
        Just(json!("1")),
        Just(json!(1)),
        Just(json!(1.5)),
        Just(json!(true)),
        Just(json!(null)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

fn event() -> impl Strategy<Value = Value> {
    ("[st](\\.[stu]){0,2}", prop::collection::btree_map("[abc]", value(), 0..4)).prop_map(
        |(kind, members)| {
            let mut event: serde_json::Map<_, _> = members.into_iter().collect();
            event.insert("kind".into(), kind.into());
            event.into()
        },
    )
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: String,
    filters: BTreeMap<String, Vec<Value>>,
}

fn rule() -> impl Strategy<Value = Rule> {
    let wanted = prop_oneof![
        Just(json!("x")),
        Just(json!("y")),
        Just(json!("1")),
        Just(json!(1)),
        Just(json!(1.5)),
        Just(json!(true)),
        Just(json!(null)),
    ];
    (
        "[st*](\\.[stu*]){0,1}(\\.>)?",
        prop::collection::btree_map(
            "[abc](\\.[abc]){0,2}",
            prop::collection::vec(wanted, 1..3),
            0..3,
        ),
    )
        .prop_map(|(pattern, filters)| Rule { pattern, filters })
}

fn fits(pattern: &[&str], kind: &[&str]) -> bool {
    match (pattern, kind) {
        ([], []) => true,
        ([">"], [_, ..]) => true,
        ([p, pattern @ ..], [k, kind @ ..]) => (*p == "*" || p == k) && fits(pattern, kind),
        _ => false,
    }
}

/// Arrays are transparent, everywhere.
fn values_at<'v>(value: &'v Value, path: &[&str], found: &mut Vec<&'v Value>) {
    match (value, path) {
        (Value::Array(items), _) => items.iter().for_each(|item| values_at(item, path, found)),
        (Value::Object(members), [name, path @ ..]) => {
            if let Some(member) = members.get(*name) {
                values_at(member, path, found);
            }
        }
        (Value::Object(_), []) => {}
        (scalar, []) => found.push(scalar),
        _ => {}
    }
}

fn matches(rule: &Rule, event: &Value) -> bool {
    let pattern: Vec<&str> = rule.pattern.split('.').collect();
    let kind: Vec<&str> = event["kind"].as_str().unwrap().split('.').collect();
    fits(&pattern, &kind)
        && rule.filters.iter().all(|(key, wanted)| {
            let mut found = Vec::new();
            values_at(event, &key.split('.').collect::<Vec<_>>(), &mut found);
            found.iter().any(|value| wanted.contains(value))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_graph_says_what_a_plain_matcher_says(
        rules in prop::collection::vec(rule(), 0..12),
        events in prop::collection::vec(event(), 1..6),
    ) {
        let subscriptions: Vec<Value> = rules.iter().enumerate().map(|(n, rule)| json!({
            "eventType": rule.pattern, "filters": rule.filters, "targetQueue": format!("queue://{n}"),
        })).collect();
        let document = json!({"tenantId": "acme", "subscriptions": subscriptions}).to_string();
        let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
        let graph = Compiler::new([1; 16]).compile(&document, &Mapping::generic(&["kind"]), None).unwrap();
        let mut scratch = Scratch::default();
        for event in &events {
            let expected: Vec<u32> =
                (0..rules.len()).filter(|&n| matches(&rules[n], event)).map(|n| n as u32).collect();
            let found: Vec<u32> = match graph.filter(event.to_string().as_bytes(), &mut scratch) {
                Verdict::Matched(routes) => routes.iter().map(|route| route.0).collect(),
                Verdict::Unmatched => Vec::new(),
                Verdict::Refused(reason) => panic!("{reason}: {event}"),
            };
            prop_assert_eq!(&found, &expected, "{}", event);
        }
    }
}
