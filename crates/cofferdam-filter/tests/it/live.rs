//! Rules that are added and taken out while events go by.

use std::collections::BTreeSet;

use cofferdam_core::pipeline::{Filter, Verdict};
use cofferdam_filter::{
    CompileFault, Compiler, FilterGraph, LiveRules, Mapping, Scratch, Subscription,
    SubscriptionDocument,
};
use serde_json::{Value, json};

fn document(subscriptions: &[Value]) -> SubscriptionDocument {
    let document = json!({"tenantId": "acme", "subscriptions": subscriptions}).to_string();
    SubscriptionDocument::parse(document.as_bytes()).unwrap()
}

fn one(subscription: &Value) -> Subscription {
    Subscription::parse(subscription.to_string().as_bytes()).unwrap()
}

fn live(subscriptions: &[Value]) -> LiveRules {
    let mapping = Mapping::generic(&["type"]);
    Compiler::new([9; 16]).compile_live(&document(subscriptions), mapping, None).unwrap()
}

fn targets(graph: &FilterGraph, event: &str, scratch: &mut Scratch) -> BTreeSet<String> {
    let all: Vec<&str> = graph.targets().collect();
    match graph.filter(event.as_bytes(), scratch) {
        Verdict::Matched(routes) => {
            routes.iter().map(|route| String::from(all[route.0 as usize])).collect()
        }
        Verdict::Unmatched => BTreeSet::new(),
        Verdict::Refused(reason) => panic!("{event} is refused: {reason:?}"),
    }
}

/// Few names and values, so that rules share their parts, and some are alike.
fn subscription(rng: &mut fastrand::Rng) -> Value {
    let target = format!("queue://{}", rng.u8(..4));
    let mut list = || -> Value { (0..rng.usize(1..3)).map(|_| json!(rng.u8(..3))).collect() };
    let (some, other) = (list(), list());
    let mut subscription = match rng.u8(..6) {
        0 => json!({"eventType": "t.>"}),
        1 => json!({"eventType": "t.a", "filters": {"a": some}}),
        2 => json!({"eventType": "t.*", "filters": {"a": some, "o.b": other}}),
        3 => json!({"eventPattern": {"a": some, "o": {"b": other}}}),
        4 => json!({"eventPattern": {"$or": [{"a": some}, {"o": {"c": [{"exists": false}]}}]}}),
        _ => {
            json!({"eventPattern": {"o": {"b": [{"anything-but": some}], "c": [{"numeric": [">", rng.u8(..2)]}]}}})
        }
    };
    subscription["targetQueue"] = json!(target);
    subscription
}

fn event(rng: &mut fastrand::Rng) -> String {
    let mut member = |name: &str| (name.to_owned(), json!(rng.u8(..3)));
    let mut event: serde_json::Map<String, Value> =
        [member("a"), member("d")].into_iter().collect();
    let inner: serde_json::Map<String, Value> = [member("b"), member("c")].into_iter().collect();
    let inner: serde_json::Map<_, _> = inner.into_iter().filter(|_| rng.bool()).collect();
    event.insert("type".into(), json!(*rng.choice(&["t.a", "t.b", "u", "t.a.b"]).unwrap()));
    event.insert("o".into(), json!([inner, {"b": 1}]));
    Value::Object(event).to_string()
}

/// After any changes the graph says what one says that was compiled of the rules as they are.
#[test]
fn changed_rules_judge_as_rules_compiled_anew() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut own: Vec<Value> = (0..rng.usize(..12)).map(|_| subscription(&mut rng)).collect();
        let mut live = live(&own);
        let mut scratch = Scratch::default();
        for step in 0..40 {
            if rng.u8(..5) < 2 || own.is_empty() {
                let added = subscription(&mut rng);
                live.add(&one(&added)).unwrap();
                own.push(added);
            } else if rng.u8(..4) > 0 {
                let taken = own.swap_remove(rng.usize(..own.len()));
                assert!(live.remove(&one(&taken)), "seed {seed} step {step}: {taken}");
            } else {
                let other = subscription(&mut rng);
                if !own.contains(&other) {
                    assert!(!live.remove(&one(&other)), "seed {seed} step {step}: {other}");
                }
            }
            let graph = live.graph();
            assert_eq!(graph.rule_count(), own.len());
            let mapping = Mapping::generic(&["type"]);
            let anew = Compiler::new([9; 16]).compile(&document(&own), &mapping, None).unwrap();
            for _ in 0..5 {
                let event = event(&mut rng);
                let changed = targets(&graph, &event, &mut scratch);
                let expected = targets(&anew, &event, &mut scratch);
                assert_eq!(changed, expected, "seed {seed} step {step}: {event} of {own:?}");
            }
        }
    }
}

/// F10: whoever has a graph keeps it as it was.
#[test]
fn a_graph_in_hand_does_not_change() {
    let [first, second] =
        ["a", "b"].map(|kind| json!({"eventType": kind, "targetQueue": "queue://q"}));
    let mut live = live(std::slice::from_ref(&first));
    let mut scratch = Scratch::default();
    let mut versions = vec![live.graph()];
    live.add(&one(&second)).unwrap();
    versions.push(live.graph());
    assert!(live.remove(&one(&first)));
    versions.push(live.graph());
    assert!(live.remove(&one(&second)) && !live.remove(&one(&second)));
    versions.push(live.graph());
    for (version, (of_a, of_b)) in versions.iter().zip([(1, 0), (1, 1), (0, 1), (0, 0)]) {
        assert_eq!(targets(version, r#"{"type":"a"}"#, &mut scratch).len(), of_a);
        assert_eq!(targets(version, r#"{"type":"b"}"#, &mut scratch).len(), of_b);
        assert_eq!(version.rule_count(), of_a + of_b);
    }
}

/// A rule that stands twice goes when it was taken out twice, and another that shares all of its parts
/// stays.
#[test]
fn rules_that_are_alike_are_counted() {
    let wide = json!({"eventType": "t", "filters": {"k": ["x", "y"]}, "targetQueue": "queue://q"});
    let narrow = json!({"eventType": "t", "filters": {"k": ["x"]}, "targetQueue": "queue://q"});
    let mut live = live(&[wide.clone(), narrow.clone(), narrow.clone()]);
    let mut scratch = Scratch::default();
    let mut shown = |live: &LiveRules| {
        ["x", "y"].map(|value| {
            let event = format!(r#"{{"type":"t","k":"{value}"}}"#);
            targets(&live.graph(), &event, &mut scratch).len()
        })
    };
    assert!(live.remove(&one(&wide)) && !live.remove(&one(&wide)));
    assert_eq!(shown(&live), [1, 0]);
    assert!(live.remove(&one(&narrow)));
    assert_eq!(shown(&live), [1, 0]);
    assert!(live.remove(&one(&narrow)) && !live.remove(&one(&narrow)));
    assert_eq!(shown(&live), [0, 0]);
    assert_eq!(live.changes(), 3);
}

#[test]
fn a_rule_that_is_refused_changes_nothing() {
    let mut live = live(&[json!({"eventType": "t", "targetQueue": "queue://q"})]);
    let fault = |live: &mut LiveRules, subscription: Value| {
        let error = live.add(&one(&subscription)).unwrap_err();
        (String::from(error.pointer()), error.fault())
    };
    let prefixes: Vec<Value> = (0..300).map(|n| json!({"wildcard": format!("{n}*")})).collect();
    for (subscription, pointer, expected) in [
        (
            json!({"eventType": "t..", "targetQueue": "queue://q"}),
            "/eventType",
            CompileFault::InvalidEventType,
        ),
        (
            json!({"eventType": "t", "targetQueue": "q"}),
            "/targetQueue",
            CompileFault::InvalidTarget,
        ),
        (
            json!({"eventPattern": {"a": {"b": [[]]}}, "targetQueue": "queue://z"}),
            "/eventPattern/a/b/0",
            CompileFault::InvalidCondition,
        ),
        (
            json!({"eventPattern": {"a": prefixes}, "targetQueue": "queue://new"}),
            "",
            CompileFault::TooCostly,
        ),
    ] {
        assert_eq!(fault(&mut live, subscription), (String::from(pointer), expected));
        assert_eq!((live.changes(), live.graph().rule_count()), (0, 1));
    }
    live.add(&one(&json!({"eventType": "u", "targetQueue": "queue://z"}))).unwrap();
    assert_eq!(live.graph().targets().collect::<Vec<_>>(), ["queue://q", "queue://z"]);
    let full = Compiler::new([9; 16]).with_max_rules(1);
    let rule = json!({"eventType": "t", "targetQueue": "queue://q"});
    let mut full = full
        .compile_live(&document(std::slice::from_ref(&rule)), Mapping::generic(&["type"]), None)
        .unwrap();
    assert_eq!(full.add(&one(&rule)).unwrap_err().fault(), CompileFault::TooManyRules);
    assert!(full.remove(&one(&rule)) && full.add(&one(&rule)).is_ok());
}

/// Whatever a mapping makes of a rule is found again: short names of types, and segments.
#[test]
fn a_rule_is_found_by_its_mapping() {
    let mapping = r#"{"platform":"x","eventType":["type"],"types":{"call":["t.*","u.*"]},
        "keys":{"id":[{"typeSegment":1}],"v":["v","o.v"]}}"#;
    let rule = |id: &str, v: u8| json!({"eventType": "call", "filters": {"id": id, "v": v}, "targetQueue": "queue://q"});
    let rules = [rule("a", 1), rule("a", 2), rule("b", 1)];
    let mapping = Mapping::parse(mapping).unwrap();
    let mut live = Compiler::new([9; 16]).compile_live(&document(&rules), mapping, None).unwrap();
    let mut scratch = Scratch::default();
    let mut is_matched =
        |live: &LiveRules, event: &str| !targets(&live.graph(), event, &mut scratch).is_empty();
    let events =
        [r#"{"type":"t.a","v":1}"#, r#"{"type":"u.a","o":{"v":2}}"#, r#"{"type":"u.b","v":1}"#];
    assert!(events.iter().all(|event| is_matched(&live, event)));
    for (rule, event) in rules.iter().zip(events) {
        assert!(live.remove(&one(rule)));
        assert!(!is_matched(&live, event), "{event}");
    }
}

/// What nobody asks for any more is nobody's, whosever it is: of types and of patterns that were taken out
/// nothing is left.
#[test]
fn a_rule_that_was_taken_out_refuses_nothing() {
    let mapping = r#"{"platform":"x","eventType":["type"],"organisation":["org"]}"#;
    let [call, chat] =
        ["call", "chat"].map(|kind| json!({"eventType": kind, "targetQueue": "queue://q"}));
    let pattern = json!({"eventPattern": {"a": [1]}, "targetQueue": "queue://q"});
    let first = [call.clone(), call.clone(), chat.clone(), pattern.clone()];
    let mapping = Mapping::parse(mapping).unwrap();
    let mut live =
        Compiler::new([9; 16]).compile_live(&document(&first), mapping, Some("1")).unwrap();
    let mut scratch = Scratch::default();
    let mut judge = |live: &LiveRules, event: &str| {
        format!("{:?}", live.graph().filter(event.as_bytes(), &mut scratch))
    };
    let foreign =
        [r#"{"type":"call","org":"2"}"#, r#"{"type":"chat","org":"2"}"#, r#"{"a":1,"org":"2"}"#];
    for event in foreign {
        assert_eq!(judge(&live, event), "Refused(ForeignOrganisation)");
    }
    assert!(live.remove(&one(&call)));
    assert_eq!(judge(&live, foreign[0]), "Refused(ForeignOrganisation)", "one is left");
    // The same again, of what was added.
    live.add(&one(&chat)).unwrap();
    live.add(&one(&pattern)).unwrap();
    for (rule, event) in [(&call, 0), (&chat, 1), (&pattern, 2)] {
        while live.remove(&one(rule)) {}
        assert_eq!(judge(&live, foreign[event]), "Unmatched");
    }
    assert_eq!(live.graph().rule_count(), 0);
}

/// N01: what was taken out is not in the way of what is added, and layers share one price.
#[test]
fn the_bounds_are_those_of_the_rules_that_are_left() {
    let wildcards = |from: u32, count: u32| -> Value {
        let list: Vec<Value> =
            (from..from + count).map(|n| json!({"wildcard": format!("*{n}*")})).collect();
        json!({"eventPattern": {"a": list}, "targetQueue": format!("queue://{from}")})
    };
    let other = json!({"eventPattern": {"z": [1]}, "targetQueue": "queue://z"});
    let mut live = live(std::slice::from_ref(&wildcards(0, 200)));
    live.add(&one(&other)).unwrap();
    let too_many = live.add(&one(&wildcards(1_000, 100))).unwrap_err();
    assert_eq!(too_many.fault(), CompileFault::TooCostly);
    assert_eq!(too_many.to_string(), "costs more than is allowed at the whole");
    live.add(&one(&wildcards(1_000, 50))).unwrap();
    assert_eq!(live.add(&one(&wildcards(2_000, 50))).unwrap_err().fault(), CompileFault::TooCostly);
    assert!(live.remove(&one(&wildcards(1_000, 50))));
    live.add(&one(&wildcards(2_000, 50))).unwrap();
    assert!(live.remove(&one(&wildcards(0, 200))));
    live.add(&one(&wildcards(3_000, 200))).unwrap();
}

#[test]
fn nothing_piles_up_of_rules_that_come_and_go() {
    let rule = |n: u32| json!({"eventType": "t", "filters": {format!("k{n}"): n}, "targetQueue": format!("queue://{n}")});
    let compiler = Compiler::new([9; 16]).with_max_values(100);
    let mut live =
        compiler.compile_live(&document(&[rule(0)]), Mapping::generic(&["type"]), None).unwrap();
    live.add(&one(&rule(1))).unwrap();
    for n in 2..500 {
        live.add(&one(&rule(n))).unwrap();
        assert!(live.remove(&one(&rule(n))));
        let statistics = live.graph().statistics();
        assert!(live.graph().targets().count() <= 5 && statistics.watched_places <= 6, "{n}");
    }
    let mut scratch = Scratch::default();
    let event = r#"{"type":"t","k0":0,"k1":1,"k7":7}"#;
    assert_eq!(targets(&live.graph(), event, &mut scratch).len(), 2);
}
