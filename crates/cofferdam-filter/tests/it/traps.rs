//! What other matchers were caught by: each was seen in one that is in use. An event is delivered only
//! if the graph matches it *and* the strict check accepts it, as the pipeline has it.

use std::sync::Arc;

use cofferdam_core::{
    Reason,
    pipeline::{Filter, RouteId, Validate, Verdict},
};
use cofferdam_filter::{Compiler, FilterGraph, Mapping, Scratch, StrictJson, SubscriptionDocument};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Delivered(Vec<u32>),
    Dropped,
    Refused(Reason),
}
use Outcome::{Delivered, Dropped, Refused};

/// A graph of rules on the type `t`, each with its own target.
fn graph(filters: &[Value]) -> FilterGraph {
    let rule = |(at, filters): (usize, &Value)| json!({"eventType": "t", "filters": filters, "targetQueue": format!("queue://{at}")});
    let rules: Vec<Value> = filters.iter().enumerate().map(rule).collect();
    let document = json!({"tenantId": "acme", "subscriptions": rules}).to_string();
    let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
    Compiler::new([1; 16]).compile(&document, &Mapping::generic(&["type"]), None).unwrap()
}

fn judge(graph: &FilterGraph, event: &[u8]) -> Outcome {
    let mut scratch = Scratch::default();
    let routes: Vec<u32> = match graph.filter(event, &mut scratch) {
        Verdict::Matched(routes) => routes.iter().map(|route| route.0).collect(),
        Verdict::Unmatched => return Dropped,
        Verdict::Refused(reason) => return Refused(reason),
    };
    let mut check = cofferdam_json::Scratch::new([2; 16]);
    match StrictJson::default().validate(cofferdam_core::Scoped::tenant(graph), event, &mut check) {
        Ok(()) => Delivered(routes),
        Err(reason) => Refused(reason),
    }
}

/// What becomes of `{"type":"t", ...}` with these members.
fn of(graph: &FilterGraph, members: &str) -> Outcome {
    judge(graph, format!(r#"{{"type":"t",{members}}}"#).as_bytes())
}

/// Traps 1 and 3: the same bytes belong to two tenants, for two readers.
#[test]
fn a_name_twice_is_nobodys_value() {
    let graph = graph(&[json!({"tenant": "a"})]);
    assert_eq!(of(&graph, r#""tenant":"a""#), Delivered(vec![0]));
    for members in [
        r#""tenant":"a","tenant":"b""#,
        r#""tenant":"b","tenant":"a""#,
        r#""tenant":"a","tenant":"a""#,
        r#""tenant":"b","\u0074enant":"a""#,
        r#""\u0074enant":"a","t\u0065nant":"b""#,
    ] {
        assert_eq!(of(&graph, members), Refused(Reason::DuplicateName), "{members}");
    }
    // In an object that no rule looks at, the check refuses it.
    let members = r#""tenant":"a","x":{"y":1,"\u0079":2}"#;
    assert_eq!(of(&graph, members), Refused(Reason::DuplicateName));
}

/// Trap 2: one name too many, and a rule on another field is missed.
#[test]
fn a_name_twice_starves_no_other_rule() {
    let graph = graph(&[json!({"a": 0}), json!({"b": 2})]);
    assert_eq!(of(&graph, r#""a":0,"b":2"#), Delivered(vec![0, 1]));
    assert_eq!(of(&graph, r#""a":0,"a":0,"b":2"#), Refused(Reason::DuplicateName));
}

/// Trap 4: half a character that is dropped makes another text of the rest.
#[test]
fn half_a_surrogate_is_not_left_out() {
    let graph = graph(&[json!({"a": "A"})]);
    for members in [r#""a":"\ud800A""#, r#""a":"\ud800\u0042A""#, r#""\ud800a":"A","a":"A""#] {
        assert_eq!(of(&graph, members), Refused(Reason::InvalidText), "{members}");
    }
}

/// Traps 5 and 6: what was passed over and not looked at.
#[test]
fn nothing_unsound_is_delivered_for_lying_where_nobody_looks() {
    let graph = graph(&[json!({"a": "x"})]);
    for skipped in [
        "[{]",
        "[}",
        "nul",
        r#""\q""#,
        "\"\u{1}\"",
        "[1 2]",
        "[1,]",
        "{\"x\":1,}",
        "trueX",
        "1e400",
        "01",
        "{\"x\"}",
        "{x:1}",
        "'x'",
        r#""\ud800""#,
    ] {
        for members in [format!(r#""s":{skipped},"a":"x""#), format!(r#""a":"x","s":{skipped}"#)] {
            assert!(!matches!(of(&graph, &members), Delivered(_)), "{members}");
        }
    }
    let sound = r#"{"type":"t","a":"x"}"#;
    assert_eq!(judge(&graph, sound.as_bytes()), Delivered(vec![0]));
    for after in ["{}", "\0", "x", ",", sound] {
        let event = format!("{sound}{after}");
        assert!(!matches!(judge(&graph, event.as_bytes()), Delivered(_)), "{event}");
    }
    for end in 0..sound.len() {
        assert!(!matches!(judge(&graph, &sound.as_bytes()[..end]), Delivered(_)), "cut at {end}");
    }
    let not_unicode = [br#"{"type":"t","a":"x","s":""#, &b"\xff"[..], br#""}"#].concat();
    assert_eq!(judge(&graph, &not_unicode), Refused(Reason::InvalidText));
    let deep = format!(r#""s":{}{},"a":"x""#, "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(of(&graph, &deep), Refused(Reason::TooDeep));
}

/// Trap 7: numbers that a float takes for equal, and those that it takes for different.
#[test]
fn numbers_are_compared_as_decimals() {
    let graph =
        graph(&[json!({"n": 35}), json!({"n": 9_007_199_254_740_992_u64}), json!({"n": 0})]);
    for (number, outcome) in [
        ("35", Delivered(vec![0])),
        ("35.0", Delivered(vec![0])),
        ("3.5e1", Delivered(vec![0])),
        ("9007199254740992", Delivered(vec![1])),
        ("9007199254740993", Dropped),
        ("-0", Delivered(vec![2])),
        ("0.0e7", Delivered(vec![2])),
        ("1e400", Refused(Reason::NumberOutOfRange)),
        ("035", Refused(Reason::Malformed)),
        ("\"35\"", Dropped),
    ] {
        assert_eq!(of(&graph, &format!(r#""n":{number}"#)), outcome, "{number}");
    }
}

/// Trap 8: nesting that ends the process, at a small stack.
#[test]
fn nesting_on_a_watched_path_takes_no_stack() {
    let hostile = || {
        let graph = graph(&[json!({"a.b": "x"})]);
        for (open, close) in [("[", "]"), (r#"{"b":"#, "}")] {
            let value = format!("{}0{}", open.repeat(40_000), close.repeat(40_000));
            for members in [format!(r#""a":{value}"#), format!(r#""a":{}"#, open.repeat(40_000))] {
                let outcome = of(&graph, &members);
                assert!(!matches!(outcome, Delivered(_)), "{outcome:?}");
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(128 << 10).spawn(hostile).unwrap();
    thread.join().unwrap();
}

/// Trap 9: a product of lists. Every element is looked at once; elsewhere this one event of 1.2 KB took
/// two to sixteen seconds.
#[test]
fn three_lists_of_two_hundred_are_six_hundred_values() {
    let graph =
        graph(&[json!({"a": "x", "b": "x", "c": "x"}), json!({"a": "x", "b": "x", "c": "y"})]);
    let list = format!("[{}]", vec!["\"x\""; 200].join(","));
    assert_eq!(of(&graph, &format!(r#""a":{list},"b":{list},"c":{list}"#)), Delivered(vec![0]));
}

/// Trap 10: a name with a dot is no path, and a line break joins nothing.
#[test]
fn a_path_is_names_and_not_their_text() {
    let graph = graph(&[json!({"a.b": "x"})]);
    assert_eq!(of(&graph, r#""a":{"b":"x"}"#), Delivered(vec![0]));
    assert_eq!(of(&graph, r#""a":[{"b":["x"]}]"#), Delivered(vec![0]));
    for members in [r#""a.b":"x""#, r#""a\nb":"x""#, r#""a":{"b.x":"x"}"#, r#""b":{"a":"x"}"#] {
        assert_eq!(of(&graph, members), Dropped, "{members}");
    }
}

/// Trap 12: rules that share a value, past any power of two; and many values of one field.
#[test]
fn any_number_of_rules_may_share_a_value() {
    let rules: Vec<Value> =
        (0..1_100).map(|n| json!({"a": ["x", "y"], "b": [format!("v{n}")]})).collect();
    let graph = graph(&rules);
    for n in [0, 254, 255, 256, 1_023, 1_099] {
        let members = format!(r#""a":"x","b":"v{n}""#);
        assert_eq!(of(&graph, &members), Delivered(vec![n]), "{n}");
    }
    assert_eq!(of(&graph, r#""a":"x","b":"v1100""#), Dropped);
}

/// F08: a value is a text, whatever it means elsewhere.
#[test]
fn an_operator_in_a_value_is_a_text() {
    let values = [
        "a' OR '1'='1",
        "$ne",
        "..",
        "^.*$",
        "*",
        ">",
        "%",
        "a\nb",
        "\u{2028}",
        "{{x}}",
        "${x}",
        "null",
        "true",
        "1",
    ];
    for value in values {
        let graph = graph(&[json!({"a": value})]);
        let of_value = |other: &str| of(&graph, &format!(r#""a":{}"#, json!(other)));
        assert_eq!(of_value(value), Delivered(vec![0]), "{value:?}");
        for other in values.iter().filter(|other| **other != value).chain(&["x", "", "a"]) {
            assert_eq!(of_value(other), Dropped, "{value:?} {other:?}");
        }
    }
    // And an object in its place is no rule.
    for filters in [json!({"a": {"$ne": "x"}}), json!({"a": [["x"]]})] {
        let document = json!({"tenantId": "acme", "subscriptions": [
            {"eventType": "t", "filters": filters, "targetQueue": "queue://q"}]});
        let document = SubscriptionDocument::parse(document.to_string().as_bytes()).unwrap();
        let compiled =
            Compiler::new([1; 16]).compile(&document, &Mapping::generic(&["type"]), None);
        assert!(compiled.is_err(), "{filters}");
    }
}

/// F10: a graph is replaced whole while others judge by it: each verdict is of one of the two, and none
/// of neither.
#[test]
fn an_event_is_judged_by_one_version() {
    // Of each pair the versions have another half, so that a mixture would have both or none.
    let versions = [[json!({"a": "x"}), json!({"b": "y"})], [json!({"b": "x"}), json!({"a": "y"})]];
    let versions = versions.map(|filters| Arc::new(graph(&filters)));
    let current = arc_swap::ArcSwap::from(Arc::clone(&versions[0]));
    let event = br#"{"type":"t","a":"x","b":"x"}"#;
    std::thread::scope(|scope| {
        let judging = scope.spawn(|| {
            let mut scratch = Scratch::default();
            for _ in 0..20_000 {
                let graph = current.load();
                assert_eq!(graph.filter(event, &mut scratch), Verdict::Matched(&[RouteId(0)]));
            }
        });
        let mut turn = 0;
        while !judging.is_finished() {
            turn += 1;
            current.store(Arc::clone(&versions[turn % 2]));
        }
        assert!(turn > 1);
    });
}
