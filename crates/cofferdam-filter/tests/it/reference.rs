//! The graph beside a slow, obvious matcher over `serde_json::Value`, on random rules and events.

use cofferdam_core::pipeline::{Filter, Verdict};
use cofferdam_filter::{Compiler, Mapping, Scratch, SubscriptionDocument};
use cofferdam_sim::fuzz::{Matcher, Rule};
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_graph_says_what_a_plain_matcher_says(
        rules in prop::collection::vec(rule(), 0..12),
        events in prop::collection::vec(event(), 1..6),
    ) {
        let matcher = Matcher::new("kind", rules);
        let (document, mapping) = (matcher.document("acme"), Mapping::generic(&["kind"]));
        let compiler = Compiler::new([1; 16]);
        let graph = if events.len() % 2 == 0 {
            compiler.compile_json(document.as_bytes(), 1 << 20, &mapping, None).unwrap()
        } else {
            let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
            compiler.compile(&document, &mapping, None).unwrap()
        };
        let mut scratch = Scratch::default();
        for event in &events {
            let found: Vec<u32> = match graph.filter(event.to_string().as_bytes(), &mut scratch) {
                Verdict::Matched(routes) => routes.iter().map(|route| route.0).collect(),
                Verdict::Unmatched => Vec::new(),
                Verdict::Refused(reason) => panic!("{reason}: {event}"),
            };
            prop_assert_eq!(found, matcher.routes(event), "{}", event);
        }
    }
}
