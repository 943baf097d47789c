//! Explanations: they say what the graph says, and where, and nothing of what stands there.

use std::path::Path;

use cofferdam_core::{
    Reason,
    pipeline::{Filter, Verdict},
};
use cofferdam_filter::{
    CompileFault, Compiler, Explanation, Mapping, Scratch, Subscription, SubscriptionDocument,
    explain,
};
use cofferdam_json::{Limits, check};
use cofferdam_sim::rng;
use fastrand::Rng;
use serde_json::{Map, Value, json};

fn subscription(of: &Value) -> Subscription {
    Subscription::parse(of.to_string().as_bytes()).unwrap()
}

fn pattern(pattern: &Value) -> Subscription {
    subscription(&json!({"eventPattern": pattern, "targetQueue": "queue://q"}))
}

fn explained(subscription: &Subscription, event: &str) -> Explanation {
    explain(subscription, &mapping(), None, event.as_bytes()).unwrap()
}

fn mapping() -> Mapping {
    Mapping::parse(
        r#"{"platform":"x","eventType":["kind","o.kind"],
        "types":{"short":["s.t","u.>"],"none":[]},
        "keys":{"key":["a","o.b",{"typeSegment":1}],"list":["a.b"]},
        "values":{"key":{"x":["X",7],"t":["T"]}},
        "organisation":["org","o.org"]}"#,
    )
    .unwrap()
}

/// What a graph of this one subscription says, and then the strict check.
fn judged(
    subscription: &Subscription,
    organisation: Option<&str>,
    event: &[u8],
) -> Result<bool, Reason> {
    let document =
        json!({"tenantId": "acme", "subscriptions": [serde_json::to_value(subscription).unwrap()]});
    let document = SubscriptionDocument::parse(document.to_string().as_bytes()).unwrap();
    let graph = Compiler::new([3; 16]).compile(&document, &mapping(), organisation).unwrap();
    match graph.filter(event, &mut Scratch::default()) {
        Verdict::Matched(_) => Ok(true),
        Verdict::Unmatched => Ok(false),
        Verdict::Refused(reason) => Err(reason),
    }
}

fn leaf(rng: &mut Rng) -> Value {
    rng.choice([
        json!("x"),
        json!("X"),
        json!("t"),
        json!(7),
        json!(1.5),
        json!(null),
        json!(true),
        json!("10.0.0.7"),
        json!("ours"),
    ])
    .unwrap()
}

fn name(rng: &mut Rng) -> String {
    String::from(*rng.choice(&["a", "b", "o", "c.d"]).unwrap())
}

fn value(rng: &mut Rng, depth: u32) -> Value {
    match rng.u8(..8) {
        0..=2 if depth < 4 => Value::Object(object(rng, depth + 1)),
        3 | 4 if depth < 4 => (0..rng.u8(..4)).map(|_| value(rng, depth + 1)).collect(),
        _ => leaf(rng),
    }
}

fn object(rng: &mut Rng, depth: u32) -> Map<String, Value> {
    let mut object: Map<String, Value> =
        (0..rng.u8(..4)).map(|_| (name(rng), value(rng, depth))).collect();
    let kind = |rng: &mut Rng| json!(*rng.choice(&["s.t", "u.x.t", "s", "u.7"]).unwrap());
    if depth == 0 || rng.u8(..3) == 0 {
        let odd = [value(rng, depth), json!([7, kind(rng)])];
        object.insert(
            "kind".into(),
            if rng.u8(..4) == 0 { odd[rng.usize(..2)].clone() } else { kind(rng) },
        );
    }
    if rng.u8(..4) == 0 {
        let some = if rng.bool() { value(rng, depth) } else { json!(["ours", 7]) };
        object.insert("org".into(), some);
    }
    object
}

fn condition(rng: &mut Rng) -> Value {
    match rng.u8(..10) {
        0 => json!({"prefix": *rng.choice(&["x", "10.", ""]).unwrap()}),
        1 => json!({"suffix": {"equals-ignore-case": *rng.choice(&["x", "T"]).unwrap()}}),
        2 => json!({"exists": rng.bool()}),
        3 => json!({"anything-but": [*rng.choice(&["x", "t"]).unwrap(), 7]}),
        4 => json!({"anything-but": {"wildcard": ["*x", "t*"]}}),
        5 => json!({"numeric": [">=", 1.5, "<", 7]}),
        6 => json!({"cidr": "10.0.0.0/24"}),
        _ => leaf(rng),
    }
}

fn asked(rng: &mut Rng, depth: u32) -> Value {
    let mut asked = Map::new();
    for _ in 0..1 + rng.u8(..4) / 3 {
        let value = match rng.u8(..5) {
            0 if depth < 3 => asked_of_object(rng, depth),
            _ => (0..rng.u8(1..3)).map(|_| condition(rng)).collect(),
        };
        asked.insert(name(rng), value);
    }
    if depth < 3 && rng.u8(..3) == 0 {
        let alternatives = (0..rng.u8(1..4)).map(|_| asked_of_object(rng, depth)).collect();
        asked.insert("$or".into(), alternatives);
    }
    Value::Object(asked)
}

fn asked_of_object(rng: &mut Rng, depth: u32) -> Value {
    asked(rng, depth + 1)
}

fn any_subscription(rng: &mut Rng) -> Subscription {
    if rng.bool() {
        return pattern(&asked(rng, 0));
    }
    let kind = *rng.choice(&["short", "none", "s.*", ">", "*.x.>", "s", "u.*"]).unwrap();
    let mut filters = Map::new();
    for _ in 0..rng.u8(..3) {
        let key = *rng.choice(&["key", "list", "o.a", "b.o", "kind"]).unwrap();
        let list: Vec<Value> = (0..rng.u8(1..4)).map(|_| leaf(rng)).collect();
        filters.insert(key.into(), if rng.bool() { leaf(rng) } else { list.into() });
    }
    subscription(&json!({"eventType": kind, "filters": filters, "targetQueue": "queue://q"}))
}

/// Two readings that share next to nothing: of sound events they say the same, also of those that another
/// organisation is named in.
#[test]
fn says_what_the_graph_and_the_check_say() {
    let mut rng = rng::seeded("says_what_the_graph_and_the_check_say", 31);
    let mut met = [0; 3];
    for _ in 0..3_000 {
        let subscription = any_subscription(&mut rng);
        for _ in 0..4 {
            let event = Value::Object(object(&mut rng, 0)).to_string();
            let own = *rng.choice(&[None, Some("ours"), Some("7")]).unwrap();
            let explanation = explain(&subscription, &mapping(), own, event.as_bytes()).unwrap();
            let expected = judged(&subscription, own, event.as_bytes());
            let said = explanation.reason().map_or_else(|| Ok(explanation.matches()), Err);
            assert_eq!(said, expected, "{subscription:?} on {event}:\n{explanation}");
            met[match expected {
                Ok(matches) => usize::from(matches),
                Err(_) => 2,
            }] += 1;
            assert!(expected.is_ok() || explanation.foreign().is_some());
            assert!(explanation.foreign().is_none() || explanation.findings().is_empty());
        }
    }
    assert!(met.iter().all(|count| *count > 300), "{met:?}");
}

/// An event that the check refuses is refused for the same reason, whatever the subscription asks.
#[test]
fn an_event_that_is_not_sound_is_refused() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(65), "}".repeat(65));
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20));
    for (event, reason) in [
        (r#"{"a":1,"\u0061":1}"#, Reason::DuplicateName),
        (r#"{"b":{"c":1,"c":1},"a":1}"#, Reason::DuplicateName),
        (r#"{"a":1"#, Reason::Malformed),
        ("", Reason::Malformed),
        ("[1]", Reason::Malformed),
        (r#"{"a":1e999}"#, Reason::NumberOutOfRange),
        (r#"{"a":"\ud800"}"#, Reason::InvalidText),
        (&deep, Reason::TooDeep),
        (&large, Reason::TooLarge),
    ] {
        let explanation = explained(&pattern(&json!({"a": [1]})), event);
        assert_eq!(explanation.reason(), Some(reason), "{event:.40}");
        assert!(!explanation.matches() && explanation.findings().is_empty());
        assert_eq!(explanation.to_string(), format!("refused: {reason}"));
        let mut scratch = cofferdam_json::Scratch::new([1; 16]);
        assert!(check(event.as_bytes(), &Limits::default(), &mut scratch).is_err());
    }
}

#[test]
fn says_where_the_values_of_a_mapping_stand() {
    let rule = json!({"eventType": "short", "filters": {"key": ["x"], "list": [1]}, "targetQueue": "queue://q"});
    let rule = subscription(&rule);
    let shown = |event: &str| explained(&rule, event).to_string();
    assert_eq!(
        shown(r#"{"kind":"s.t","a":[1,{"b":2},"y"],"o":{"b":"X"}}"#),
        "does not match: 1 of 3 conditions fails\n\
         holds /eventType: \"s.t\" or \"u.>\" by $.kind (byte 8)\n\
         holds /filters/key: \"x\" or \"X\" or 7 by $.o.b (byte 43)\n\
         fails /filters/list: 1, which $.a[1].b (byte 26) is not"
    );
    assert_eq!(
        shown(r#"{"kind":7,"o":[{"kind":"u"}]}"#),
        "does not match: 3 of 3 conditions fail\n\
         fails /eventType: \"s.t\" or \"u.>\", which $.o[0].kind (byte 23) is not\n\
         fails /filters/key: \"x\" or \"X\" or 7, but nothing stands at $.a or $.o.b or segment 1 of the type\n\
         fails /filters/list: 1, but nothing stands at $.a.b"
    );
}

#[test]
fn names_the_organisation_that_is_not_ours() {
    let rule =
        subscription(&json!({"eventType": "s", "filters": {"a": 1}, "targetQueue": "queue://q"}));
    let event = br#"{"kind":"s","org":["ours","theirs"]}"#;
    let explanation = explain(&rule, &mapping(), Some("ours"), event).unwrap();
    assert_eq!(explanation.reason(), Some(Reason::ForeignOrganisation));
    assert_eq!(explanation.foreign().unwrap().path, "$.org[1]");
    assert_eq!(
        explanation.to_string(),
        "refused: the event names another organisation than the connection's, at $.org[1] (byte 26)"
    );
    let unwanted = br#"{"kind":"t","org":{}}"#;
    let explanation = explain(&rule, &mapping(), Some("ours"), unwanted).unwrap();
    assert_eq!(
        explanation.to_string(),
        "does not match, and names another organisation, at $.org (byte 18)"
    );
}

#[test]
fn of_several_elements_the_nearest_is_reported() {
    let rule = pattern(
        &json!({"staff": {"first": ["Anna"], "last": ["Smith"], "age": [{"exists": false}]}, "a.b": [1]}),
    );
    let event = r#"{"staff":[{"first":"Anna","age":3},[{"first":"Anna","last":"Doe"}],{"last":"Smith","age":1}],"a.b":1}"#;
    assert_eq!(
        explained(&rule, event).to_string(),
        "does not match: 1 of 4 conditions fails\n\
         holds /eventPattern/a.b: 1 by $['a.b'] (byte 99)\n\
         holds /eventPattern/staff/age: {\"exists\":false} as nothing stands at $.staff[1][0].age\n\
         holds /eventPattern/staff/first: \"Anna\" by $.staff[1][0].first (byte 45)\n\
         fails /eventPattern/staff/last: \"Smith\", which $.staff[1][0].last (byte 59) is not"
    );
    let nobody = explained(&rule, r#"{"staff":7,"a.b":1}"#);
    let failing: Vec<_> = nobody.findings().iter().filter(|finding| !finding.holds()).collect();
    assert_eq!(failing.len(), 2);
    assert!(failing.iter().all(|finding| finding.locations().is_empty()));
}

#[test]
fn of_several_alternatives_the_nearest_is_reported() {
    let rule = pattern(&json!({"d": {"x": [1]}, "$or": [
        {"e": [3], "f": [4]}, {"d": {"y": [2], "$or": [{"z": [5]}, {"z": {"w": [6]}}]}}
    ]}));
    let explanation = explained(&rule, r#"{"d":[{"x":1},{"x":1,"y":2,"z":7}]}"#);
    assert_eq!(
        explanation.to_string(),
        "does not match: 1 of 3 conditions fails\n\
         of 2 alternatives the nearest is /eventPattern/$or/1\n\
         of 2 alternatives the nearest is /eventPattern/$or/1/d/$or/0\n\
         holds /eventPattern/d/x: 1 by $.d[1].x (byte 19)\n\
         holds /eventPattern/$or/1/d/y: 2 by $.d[1].y (byte 25)\n\
         fails /eventPattern/$or/1/d/$or/0/z: 5, which $.d[1].z (byte 31) is not"
    );
    let matched = explained(&rule, r#"{"d":{"x":1},"e":3,"f":[0,4]}"#);
    assert!(matched.matches());
    assert_eq!(matched.alternatives().collect::<Vec<_>>(), ["/eventPattern/$or/0"]);
    // Fewer that fail are nearer than more that hold.
    let rule = pattern(&json!({"$or": [{"e": [3], "f": [4], "g": [5]}, {"h": [6]}]}));
    let nearest = explained(&rule, r#"{"e":3,"f":0}"#);
    assert_eq!(nearest.alternatives().collect::<Vec<_>>(), ["/eventPattern/$or/1"]);
}

/// The explanation in the document is that of its first event pattern and its second document.
#[test]
fn the_document_shows_what_is_explained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/EVENT_PATTERNS.md");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("SKIPPED: a package has no docs");
        return;
    };
    let block = |language: &str, index: usize| {
        let block = text.split(&format!("```{language}\n")).nth(index + 1).unwrap();
        block.split("\n```").next().unwrap()
    };
    let document = SubscriptionDocument::parse(block("json", 0).as_bytes()).unwrap();
    let explanation = explained(&document.subscriptions[1], block("json", 1)).to_string();
    assert!(block("text", 0) == explanation, "docs/EVENT_PATTERNS.md should show\n{explanation}");
}

/// R06: whoever may see a rule need not be allowed to see the event. No value gets out, and no name that
/// no rule asked for.
#[test]
fn nothing_of_the_event_is_shown_but_where_it_stands() {
    const CANARY: &str = "CANARY-7f3a";
    let event = json!({
        "kind": CANARY,
        "org": CANARY,
        "a": [CANARY, {CANARY: 1, "b": CANARY, "o": [{"x": CANARY}]}],
        CANARY: {"a": CANARY},
        "n": 8_271_828_182_845u64,
    })
    .to_string();
    let rules = [
        json!({"eventType": "s", "filters": {"key": "x", "a.o.x": "y", "n": 1}}),
        json!({"eventType": ">", "filters": {"key": "x"}}),
        json!({"eventPattern": {"a": {"b": ["x"], "o": {"x": [{"prefix": "CAN-"}]}}, "n": [1]}}),
        json!({"eventPattern": {"a": [{"exists": true}], "n": [{"numeric": [">", 5]}]}}),
        json!({"eventPattern": {"$or": [{"a": [{"anything-but": "x"}]}, {"kind": [1]}]}}),
    ];
    for mut rule in rules {
        rule["targetQueue"] = json!("queue://q");
        for organisation in [None, Some("ours")] {
            let rule = subscription(&rule);
            for event in [event.clone(), event.replacen('}', "", 1)] {
                let explanation =
                    explain(&rule, &mapping(), organisation, event.as_bytes()).unwrap();
                let shown = format!("{explanation}\n{explanation:?}");
                assert!(!shown.contains("CANARY"), "{shown}");
                assert!(!shown.contains("82718"), "{shown}");
            }
        }
    }
}

/// N01: several long arrays do not multiply, and what asks too much is refused.
#[test]
fn the_work_for_an_adversary_is_bounded() {
    let array = |element: &str, count: usize| format!("[{}]", vec![element; count].join(","));
    let ask = json!({"x": [{"wildcard": "*a*"}], "y": [1]});
    let rule = pattern(&json!({"a": ask, "b": ask, "c": {"d": ask, "z": [{"anything-but": "q"}]}}));
    let elements = array(r#"{"x":"b"}"#, 30_000);
    let event = format!(r#"{{"a":{elements},"b":{elements},"c":{elements}}}"#);
    assert!(!explained(&rule, &event).matches());
    let leaves = array("1", 170_000);
    let rule = pattern(&json!({"a": [2], "b": [{"exists": false}], "c": [3]}));
    let explanation = explained(&rule, &format!(r#"{{"a":{leaves},"b":{leaves},"c":{leaves}}}"#));
    assert!(!explanation.matches());
    let of_a = &explanation.findings()[0];
    assert_eq!((of_a.locations().len(), of_a.more()), (8, 170_000 - 8));
    let values: Vec<Value> = (0..60_000).map(|n| json!(n + 2)).collect();
    let many = subscription(
        &json!({"eventType": ">", "filters": {"a": values}, "targetQueue": "queue://q"}),
    );
    let event = format!(r#"{{"kind":"t","a":{}}}"#, array("1", 500_000));
    assert!(!explained(&many, &event).matches(), "a list of values is searched");
    let prefixes: Vec<Value> = (0..30_000).map(|n| json!({"prefix": n.to_string()})).collect();
    let rule = pattern(&json!({"a": prefixes}));
    let event = format!(r#"{{"a":{}}}"#, array(r#""x""#, 100_000));
    let fault = explain(&rule, &mapping(), None, event.as_bytes()).unwrap_err().fault();
    assert_eq!(fault, CompileFault::TooCostly);
    let nested = format!(r#"{{"a":{}"x"{}}}"#, "[".repeat(63), "]".repeat(63));
    let explanation = explained(&pattern(&json!({"a": ["y"]})), &nested);
    assert_eq!(explanation.findings()[0].locations()[0].offset, 5 + 63);
}

/// What no compiler takes is explained by nobody, and the place is that within the subscription.
#[test]
fn a_subscription_that_is_not_sound_is_refused() {
    for (rule, pointer, fault) in [
        (json!({"eventType": "a..b"}), "/eventType", CompileFault::InvalidEventType),
        (json!({"eventType": "a", "filters": {"b": []}}), "/filters/b", CompileFault::EmptyList),
        (json!({}), "", CompileFault::EitherTypeOrPattern),
        (
            json!({"eventPattern": {"a": [{"regex": "b"}]}}),
            "/eventPattern/a/0",
            CompileFault::InvalidCondition,
        ),
    ] {
        let mut rule = rule;
        rule["targetQueue"] = json!("queue://q");
        let error = explain(&subscription(&rule), &mapping(), None, b"{}").unwrap_err();
        assert_eq!((error.pointer(), error.fault()), (pointer, fault));
    }
}

/// A report is lines, and a rule's texts do not make more of them.
#[test]
fn texts_of_rules_are_cut_and_escaped() {
    let long = "y".repeat(10_000);
    let rule = pattern(&json!({"a\n'\u{1b}": [long, "line\nbreak\u{9b}"]}));
    let text = explained(&rule, r#"{"a\n'\u001b":1}"#).to_string();
    assert!(text.len() < 400 && text.lines().count() == 2, "{text}");
    assert!(text.contains(r"$['a\u000a\'\u001b'] (byte 14)"), "{text}");
    assert!(!text.contains(|char: char| char.is_control() && char != '\n'), "{text}");
}
