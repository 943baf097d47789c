//! Event patterns: what each operator takes and leaves, by the documentation of Amazon EventBridge, and
//! what is deliberately otherwise.

use cofferdam_core::pipeline::{Filter, Verdict};
use cofferdam_filter::{
    CompileFault, Compiler, FilterGraph, Mapping, Scratch, SubscriptionDocument,
};
use serde_json::{Value, json};

fn document(patterns: &[Value]) -> SubscriptionDocument {
    let subscriptions: Vec<Value> = (0..)
        .zip(patterns)
        .map(|(n, pattern)| json!({"eventPattern": pattern, "targetQueue": format!("queue://{n}")}))
        .collect();
    let document = json!({"tenantId": "acme", "subscriptions": subscriptions}).to_string();
    SubscriptionDocument::parse_up_to(document.as_bytes(), 1 << 26).unwrap()
}

fn graph(patterns: &[Value]) -> FilterGraph {
    Compiler::new([7; 16]).compile(&document(patterns), &Mapping::generic(&[]), None).unwrap()
}

fn routes(graph: &FilterGraph, event: &str) -> Vec<u32> {
    match graph.filter(event.as_bytes(), &mut Scratch::default()) {
        Verdict::Matched(routes) => routes.iter().map(|route| route.0).collect(),
        Verdict::Unmatched => Vec::new(),
        Verdict::Refused(reason) => panic!("{event} is refused: {reason:?}"),
    }
}

/// A pattern, events that it takes, and events that it leaves.
fn holds(pattern: Value, takes: &[&str], leaves: &[&str]) {
    let graph = graph(std::slice::from_ref(&pattern));
    for (events, expected) in [(takes, &[0][..]), (leaves, &[])] {
        for event in events {
            assert_eq!(routes(&graph, event), expected, "{pattern} on {event}");
        }
    }
}

#[test]
fn values_are_equal_by_what_they_are() {
    holds(
        json!({"a": ["x", 35, null, true]}),
        &[
            r#"{"a":"x"}"#,
            r#"{"a":"\u0078"}"#,
            r#"{"a":3.5e1}"#,
            r#"{"a":35.0}"#,
            r#"{"a":null}"#,
            r#"{"a":true}"#,
            r#"{"a":[1,[2,"x"]]}"#,
        ],
        &[r#"{"a":"X"}"#, r#"{"a":"35"}"#, r#"{"a":false}"#, r#"{"a":{"b":"x"}}"#, r#"{"b":"x"}"#],
    );
    holds(json!({"a": [""]}), &[r#"{"a":""}"#], &[r#"{"a":null}"#, r#"{}"#]);
}

#[test]
fn texts_begin_and_end_and_have_gaps() {
    holds(
        json!({"a": [{"prefix": "eu-"}, {"suffix": ".png"}, {"wildcard": "a*\\*z"}]}),
        &[r#"{"a":"eu-1"}"#, r#"{"a":"x.png"}"#, r#"{"a":"ab*z"}"#, r#"{"a":"\u0065u-"}"#],
        &[r#"{"a":"Eu-1"}"#, r#"{"a":"x.PNG"}"#, r#"{"a":"abz"}"#, r#"{"a":7}"#],
    );
    holds(
        json!({"a": [{"prefix": {"equals-ignore-case": "EU-"}}, {"suffix": {"equals-ignore-case": ".Png"}},
            {"equals-ignore-case": "aLICE"}]}),
        &[r#"{"a":"eU-1"}"#, r#"{"a":"x.PNG"}"#, r#"{"a":"Alice"}"#],
        &[r#"{"a":"e-1"}"#, r#"{"a":"alic"}"#, r#"{"a":"png"}"#],
    );
    let nested: Vec<Value> =
        ["", "a", "ab", "abc", "abd"].iter().map(|p| json!({"k": [{"prefix": p}]})).collect();
    assert_eq!(routes(&graph(&nested), r#"{"k":"abcd"}"#), [0, 1, 2, 3]);
}

/// F09: ranges are of numbers, and exact.
#[test]
fn numbers_lie_between_bounds() {
    holds(
        json!({"n": [{"numeric": [">", 0, "<=", 5]}, {"numeric": ["=", 301.8]}]}),
        &[
            r#"{"n":0.0000001}"#,
            r#"{"n":5}"#,
            r#"{"n":5.0e0}"#,
            r#"{"n":3018e-1}"#,
            r#"{"n":[9,1]}"#,
        ],
        &[r#"{"n":0}"#, r#"{"n":-1}"#, r#"{"n":5.000001}"#, r#"{"n":"3"}"#, r#"{"n":null}"#],
    );
    holds(
        json!({"n": [{"numeric": ["<", 1]}, {"numeric": [">=", 7, "<", 8]}]}),
        &[r#"{"n":0.9}"#, r#"{"n":7}"#, r#"{"n":7.9}"#],
        &[r#"{"n":1}"#, r#"{"n":8}"#, r#"{"n":6.9}"#],
    );
    holds(
        json!({"n": [{"numeric": [">", 9007199254740992u64]}]}),
        &[r#"{"n":9007199254740993}"#, r#"{"n":9007199254740992.5}"#],
        &[r#"{"n":9007199254740992}"#, r#"{"n":-1e300}"#],
    );
}

#[test]
fn addresses_lie_in_blocks() {
    holds(
        json!({"ip": [{"cidr": "10.0.0.0/24"}, {"cidr": "2001:db8::/32"}]}),
        &[r#"{"ip":"10.0.0.255"}"#, r#"{"ip":"2001:DB8::1"}"#],
        &[
            r#"{"ip":"10.0.1.0"}"#,
            r#"{"ip":"10.0.0.255 "}"#,
            r#"{"ip":"::10.0.0.1"}"#,
            r#"{"ip":1}"#,
        ],
    );
}

/// F07: what is missing fulfils no condition but the one that asks for it to be missing.
#[test]
fn anything_but_asks_for_something() {
    holds(
        json!({"a": [{"anything-but": ["x", 1]}]}),
        &[r#"{"a":"y"}"#, r#"{"a":2}"#, r#"{"a":null}"#, r#"{"a":["x","y"]}"#, r#"{"a":"1"}"#],
        &[r#"{"a":"x"}"#, r#"{"a":1.0}"#, r#"{"a":["x",1]}"#, r#"{"a":[]}"#, r#"{"a":{}}"#, "{}"],
    );
    holds(
        json!({"a": [{"anything-but": {"prefix": ["x", "y"]}}]}),
        &[r#"{"a":"zx"}"#, r#"{"a":7}"#],
        &[r#"{"a":"xz"}"#, r#"{"a":"y"}"#],
    );
    for operator in [
        json!({"suffix": "x"}),
        json!({"equals-ignore-case": ["X", "ax"]}),
        json!({"wildcard": "*x"}),
    ] {
        holds(json!({"a": [{"anything-but": operator}]}), &[r#"{"a":"xy"}"#], &[r#"{"a":"ax"}"#]);
    }
}

/// F07, and trap 11 of the peers: a value that is `null` is there, an object is no value.
#[test]
fn what_exists_is_a_leaf() {
    holds(
        json!({"a": [{"exists": true}]}),
        &[r#"{"a":null}"#, r#"{"a":[[0]]}"#, r#"{"a":[{},1]}"#],
        &["{}", r#"{"a":{"b":1}}"#, r#"{"a":[]}"#],
    );
    holds(
        json!({"a": [{"exists": false}, 1], "b": [2]}),
        &[r#"{"b":2}"#, r#"{"a":[],"b":2}"#, r#"{"a":{},"b":2}"#, r#"{"b":2,"a":1}"#],
        &[r#"{"a":null,"b":2}"#, r#"{"a":0,"b":2}"#, r#"{"b":3}"#],
    );
    holds(
        json!({"d": {"a": [{"exists": false}]}}),
        &["{}", r#"{"d":1}"#, r#"{"d":{}}"#, r#"{"d":[{"a":1},{}]}"#, r#"{"d":[]}"#],
        &[r#"{"d":{"a":1}}"#, r#"{"d":[1,{"a":1}]}"#],
    );
}

/// Conditions on one element hold for the same element, however deep it stands.
#[test]
fn an_array_is_asked_element_by_element() {
    holds(
        json!({"staff": {"first": ["Anna"], "last": ["Smith"]}}),
        &[
            r#"{"staff":[{"first":"John"},{"last":"Smith","first":"Anna"}]}"#,
            r#"{"staff":[[{"first":"Anna","last":["Doe","Smith"]}]]}"#,
        ],
        &[r#"{"staff":[{"first":"Anna","last":"Doe"},{"first":"John","last":"Smith"}]}"#],
    );
    holds(
        json!({"a": {"b": {"x": [1], "y": [2]}, "z": [3]}}),
        &[r#"{"a":[{"z":3,"b":[{"x":0},{"y":2,"x":1}]},{"z":0}]}"#],
        &[
            r#"{"a":[{"z":3,"b":{"x":1}},{"z":3,"b":{"y":2}}]}"#,
            r#"{"a":[{"z":0,"b":{"x":1,"y":2}},{"z":3}]}"#,
        ],
    );
}

#[test]
fn or_is_asked_of_the_same_object() {
    holds(
        json!({"s": ["x"], "$or": [{"a": [1]}, {"b": {"c": [2]}}]}),
        &[r#"{"s":"x","a":1}"#, r#"{"b":{"c":2},"s":"x"}"#],
        &[r#"{"s":"x"}"#, r#"{"a":1,"b":{"c":2}}"#],
    );
    holds(
        json!({"d": {"x": [1]}, "$or": [{"d": {"y": [2]}}, {"e": [3]}]}),
        &[r#"{"d":[{"x":1,"y":2}]}"#, r#"{"d":{"x":1},"e":3}"#],
        &[r#"{"d":[{"x":1},{"y":2}]}"#],
    );
}

/// Trap 10: a name is a name, whatever stands in it.
#[test]
fn a_dot_in_a_name_is_no_path() {
    holds(json!({"a.b": [1]}), &[r#"{"a.b":1}"#], &[r#"{"a":{"b":1}}"#]);
    holds(json!({"a": {"b": [1]}}), &[r#"{"a":{"b":1}}"#], &[r#"{"a.b":1}"#, r#"{"a\nb":1}"#]);
}

#[test]
fn both_kinds_of_rules_stand_in_one_graph() {
    let document = br#"{"tenantId":"acme","subscriptions":[
        {"eventType":"v2.users.*.presence","targetQueue":"queue://type"},
        {"eventPattern":{"eventBody":{"n":[{"numeric":[">",1]}]}},"targetQueue":"queue://pattern"}]}"#;
    let document = SubscriptionDocument::parse(document).unwrap();
    let graph = Compiler::new([7; 16]).compile(&document, &Mapping::genesys_cloud(), None).unwrap();
    for (topic, n, expected) in [
        ("v2.users.1.presence", 2, &[0, 1][..]),
        ("v2.users.1.presence", 1, &[0]),
        ("v2.users.1.activity", 2, &[1]),
        ("v2.users.1.activity", 1, &[]),
    ] {
        for event in [
            format!(r#"{{"topicName":"{topic}","eventBody":{{"n":{n}}}}}"#),
            format!(r#"{{"eventBody":{{"n":{n}}},"topicName":"{topic}"}}"#),
        ] {
            assert_eq!(routes(&graph, &event), expected, "{event}");
        }
    }
    assert_eq!(routes(&graph, r#"{"eventBody":{"n":2}}"#), [1], "an event without a type");
}

/// A foreign organisation refuses what some rule wants, and only that.
#[test]
fn a_matched_event_of_another_organisation_is_refused() {
    let mapping =
        Mapping::parse(r#"{"platform":"x","eventType":["t"],"organisation":["org"]}"#).unwrap();
    let graph = Compiler::new([7; 16])
        .compile(&document(&[json!({"a": [1]})]), &mapping, Some("ours"))
        .unwrap();
    let mut scratch = Scratch::default();
    let mut judge = |event: &str| format!("{:?}", graph.filter(event.as_bytes(), &mut scratch));
    for (own, other) in [
        (r#"{"org":"ours","a":1}"#, r#"{"org":"theirs","a":1}"#),
        (r#"{"a":1}"#, r#"{"a":1,"org":7}"#),
    ] {
        assert!(judge(own).starts_with("Matched"));
        assert!(judge(other).starts_with("Refused"), "{}", judge(other));
    }
    assert_eq!(judge(r#"{"org":"theirs","a":2}"#), "Unmatched");
}

#[test]
fn a_subscription_is_of_one_kind() {
    let fault = |subscription: &str| {
        let document = format!(r#"{{"tenantId":"a","subscriptions":[{subscription}]}}"#);
        let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
        let error = Compiler::new([7; 16]).compile(&document, &Mapping::generic(&["t"]), None);
        let error = error.unwrap_err();
        (String::from(error.pointer()), error.fault())
    };
    let target = r#""targetQueue":"queue://q""#;
    for (subscription, place, expected) in [
        (format!("{{{target}}}"), "/subscriptions/0", CompileFault::EitherTypeOrPattern),
        (
            format!(r#"{{"eventType":"t","eventPattern":{{"a":[1]}},{target}}}"#),
            "/subscriptions/0",
            CompileFault::EitherTypeOrPattern,
        ),
        (
            format!(r#"{{"filters":{{"a":1}},"eventPattern":{{"a":[1]}},{target}}}"#),
            "/subscriptions/0",
            CompileFault::FiltersBesidePattern,
        ),
        (
            format!(r#"{{"eventPattern":{{"a":{{"b":[{{"regex":"x"}}]}}}},{target}}}"#),
            "/subscriptions/0/eventPattern/a/b/0",
            CompileFault::InvalidCondition,
        ),
        (
            r#"{"eventPattern":{"a":[1]},"targetQueue":"q"}"#.into(),
            "/subscriptions/0/targetQueue",
            CompileFault::InvalidTarget,
        ),
    ] {
        assert_eq!(fault(&subscription), (String::from(place), expected));
    }
}

/// N01: what one value may cost is bounded before the first event.
#[test]
fn refuses_rules_that_would_cost_too_much() {
    let ranges: Vec<Value> = (0..200).map(|n| json!({"a": [{"numeric": [">", n]}]})).collect();
    let wildcards: Vec<Value> =
        (0..13).map(|n| json!({"a": [{"wildcard": format!("*{n}*")}]})).collect();
    let absences: Vec<Value> = (0..199)
        .map(|n| json!({"o": {"a": [{"exists": false}, n], "b": [{"anything-but": n}]}}))
        .collect();
    let spellings: Vec<Value> = (0..200)
        .map(|n: u32| {
            let text = (0..8).map(|bit| if n >> bit & 1 == 0 { 'a' } else { 'A' });
            json!({"a": [{"equals-ignore-case": text.collect::<String>()}]})
        })
        .collect();
    // What many rules ask is asked once.
    let same: Vec<Value> =
        (0..300).map(|n| json!({"a": [{"wildcard": "a*b"}], "k": [n]})).collect();
    // Under "on" stand patterns for objects of which nothing else is known to be rare.
    let alike: Vec<Value> = (0..200)
        .map(|n| json!({"o": {"state": ["on"], "a": [{"exists": true}], "b": [{"exists": true}, n]}}))
        .collect();
    let mut nested = json!({"a": [{"prefix": "x"}]});
    nested["a"] = (1..200).map(|n| json!({"prefix": "x".repeat(n)})).collect();
    let limited = Compiler::new([7; 16]).with_max_steps(199);
    let compile = |compiler: &Compiler, patterns: &[Value]| {
        compiler.compile(&document(patterns), &Mapping::generic(&[]), None).map(|_| ())
    };
    for (patterns, is_over) in [
        (&ranges[..], true),
        (&ranges[1..], false),
        (&wildcards[..], true),
        (&wildcards[1..], false),
        (&absences[..], true),
        (&absences[1..], false),
        (&[nested][..], false),
        (&same[..], false),
        (&spellings[..], true),
        (&spellings[1..], false),
        (&alike[..], true),
        (&alike[1..], false),
    ] {
        let fault = compile(&limited, patterns).map_err(|error| error.fault());
        assert_eq!(fault.is_err(), is_over, "{}", patterns[0]);
        assert!(fault.is_ok() || fault == Err(CompileFault::TooCostly));
        assert!(compile(&Compiler::new([7; 16]), patterns).is_ok());
    }
}

/// N01: what stands beside an `$or` stands in each of its terms, so that a few values make many parts.
#[test]
fn refuses_rules_that_name_few_values_too_often() {
    let terms: Vec<Value> = (0..30).map(|n| json!({"b": [n % 5], "c": [n / 5]})).collect();
    let pattern = json!({"a": [1, 2, 3, 4, 5, 6, 7], "$or": terms});
    let compile = |values: usize| {
        let compiler = Compiler::new([7; 16]).with_max_values(values).with_max_rules(1);
        let compiled = compiler.compile(
            &document(std::slice::from_ref(&pattern)),
            &Mapping::generic(&[]),
            None,
        );
        compiled.map(|_| ()).map_err(|error| error.fault())
    };
    assert_eq!(compile(60), Ok(()));
    assert_eq!(compile(30), Err(CompileFault::TooManyValues), "of 18 values");
}

/// N01: what is shared by the terms of an `$or` has a bound by its size, and names do not multiply.
#[test]
fn a_small_document_is_no_large_graph() {
    let or: Vec<Value> = (0..900).map(|n| json!({"z": [n]})).collect();
    let wildcards: Vec<Value> =
        (0..1_000).map(|n| json!({"wildcard": format!("*a*{n}")})).collect();
    let numbers: Vec<u32> = (0..1_000).collect();
    for beside in [
        json!(wildcards),
        json!([{"anything-but": numbers}]),
        json!([{"prefix": "x".repeat(20_000)}]),
        json!(["x".repeat(20_000)]),
    ] {
        let compiler = Compiler::new([7; 16]).with_max_steps(usize::MAX);
        let document = document(&[json!({"a": beside, "$or": or})]);
        let compiled = compiler.compile(&document, &Mapping::generic(&[]), None);
        assert_eq!(compiled.unwrap_err().fault(), CompileFault::TooCostly);
    }
    let names: Vec<String> = (0..4_000).map(|n| format!(r#""{n}":[1]"#)).collect();
    let many: Value = serde_json::from_str(&format!("{{{}}}", names.join(","))).unwrap();
    let graph = graph(&[many]);
    assert_eq!(routes(&graph, &format!("{{{}}}", names.join(","))), [0]);
    assert_eq!(routes(&graph, &format!("{{{}}}", names[1..].join(","))), [0; 0]);
}

/// What many rules name is not counted against the values: ten thousand rules may share a few.
#[test]
fn many_rules_may_share_a_few_values() {
    let patterns: Vec<Value> = (0..2_000).map(|n| json!({"a": [n % 4], "b": [n % 3, 9]})).collect();
    let typed: Vec<Value> = (0..2_000)
        .map(|n| json!({"eventType": "t", "filters": {"a": n % 4, "b": [n % 3, 9]}, "targetQueue": "queue://q"}))
        .collect();
    let typed = json!({"tenantId": "acme", "subscriptions": typed}).to_string();
    let typed = SubscriptionDocument::parse(typed.as_bytes()).unwrap();
    let compiler = Compiler::new([7; 16]).with_max_values(20);
    for document in [document(&patterns), typed] {
        assert!(compiler.compile(&document, &Mapping::generic(&["t"]), None).is_ok());
    }
}

/// N01: however dear an event's values are, and however many it has, its steps have an end.
#[test]
fn an_event_that_takes_too_many_steps_is_refused() {
    let ranges: Vec<Value> = (0..190).map(|n| json!({"numeric": [">", n]})).collect();
    let missing: serde_json::Map<String, Value> =
        (0..190).map(|n| (format!("n{n}"), json!([{"exists": false}]))).collect();
    let mut long = missing.clone();
    long.insert("k".into(), json!(["x"]));
    let compiler = Compiler::new([7; 16]).with_max_steps(199);
    for (pattern, dear) in [
        (json!({"a": ranges}), "999"),
        (json!({"a": missing}), "{}"),
        (json!({"a": long}), "{\"k\":\"x\"}"),
    ] {
        let document = document(&[pattern]);
        let graph = compiler.compile(&document, &Mapping::generic(&[]), None).unwrap();
        let event = |count: usize| format!(r#"{{"a":[{}]}}"#, vec![dear; count].join(","));
        let mut scratch = Scratch::default();
        for (count, expected) in [(1, "Matched"), (20_000, "Refused(TooCostly)"), (2, "Matched")] {
            let verdict = format!("{:?}", graph.filter(event(count).as_bytes(), &mut scratch));
            assert!(verdict.starts_with(expected), "{count} of {dear}: {verdict}");
        }
    }
}

/// N01: 8,192 types that all fit the beginning of one.
#[test]
fn refuses_types_that_all_fit_at_once() {
    let types = |depth: u32| -> Vec<Value> {
        (0..1 << depth)
            .map(|n: u32| {
                let segments = (0..depth).map(|bit| if n >> bit & 1 == 0 { "a." } else { "*." });
                json!({"eventType": format!("{}b", segments.collect::<String>()), "targetQueue": "queue://q"})
            })
            .collect()
    };
    for (depth, is_over) in [(13, true), (8, false)] {
        let document = json!({"tenantId": "acme", "subscriptions": types(depth)}).to_string();
        let document = SubscriptionDocument::parse_up_to(document.as_bytes(), 1 << 26).unwrap();
        let compiled = Compiler::new([7; 16]).compile(&document, &Mapping::generic(&["t"]), None);
        assert_eq!(compiled.is_err(), is_over, "{depth}");
    }
}

/// A million objects cost a million times one: no product, and nothing is put together across them.
#[test]
fn many_rules_and_many_elements_do_not_multiply() {
    let patterns: Vec<Value> = (0..2_000)
        .map(|n| json!({"list": {"id": [format!("i{n}")], "state": ["on"]}, "kind": ["k"]}))
        .collect();
    let graph = graph(&patterns);
    let elements: Vec<String> = (0..2_000)
        .map(|n| {
            format!(r#"{{"id":"i{n}","state":"{}"}}"#, if n % 100 == 7 { "on" } else { "off" })
        })
        .collect();
    let event = format!(r#"{{"list":[{}],"kind":"k"}}"#, elements.join(","));
    let expected: Vec<u32> = (0..20).map(|n| 100 * n + 7).collect();
    assert_eq!(routes(&graph, &event), expected);
}
