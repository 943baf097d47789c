//! What becomes of events that do not fit.

use cofferdam_core::Reason;
use cofferdam_schema::{
    Checker, Course, FindingKind, Graduation, Policy, Registration, Share, Trust, Verdict,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{
    SAMPLING, checker, envelope, event, judge, key, registered, registration, scratch, tenant,
};

const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "id": { "type": "string", "minLength": 2 },
    "state": { "enum": ["on", "off"] },
    "count": { "type": "integer" },
    "user": {
      "type": "object",
      "properties": { "id": { "type": "string" }, "name": { "type": "string" } },
      "additionalProperties": false
    }
  },
  "additionalProperties": false
}"#;

const MISMATCH: Verdict = Verdict::Refused(Reason::SchemaMismatch);

fn under(policy: Policy) -> Registration<'static> {
    registration(SCHEMA).policy(policy).critical("/id").critical("/user/id")
}

fn fine() -> Value {
    json!({ "id": "i-1", "state": "on", "count": 1, "user": { "id": "u-1" } })
}

/// The event that fits, with one member another.
fn with(pointer: &str, name: &str, value: Value) -> Value {
    let mut body = fine();
    body.pointer_mut(pointer).unwrap()[name] = value;
    body
}

/// What can only be a platform that has grown.
fn grown() -> [Value; 4] {
    [
        with("", "color", json!("red")),
        with("/user", "email", json!("x@example.org")),
        with("", "state", json!("away")),
        with("", "deep", json!({ "id": [{ "id": 7 }] })),
    ]
}

/// What is wrong, and not with a critical field.
fn wrong() -> [Value; 4] {
    [
        with("", "count", json!("one")),
        with("", "count", json!(1.5)),
        // An open list of texts has room for texts.
        with("", "state", json!(7)),
        with("/user", "name", json!(null)),
    ]
}

/// What no policy lets pass.
fn critical() -> Vec<Value> {
    let mut without = fine();
    without.as_object_mut().unwrap().remove("id");
    vec![
        without,
        with("", "id", json!(null)),
        with("", "id", json!("i")),
        with("", "id", json!(["i-1"])),
        with("", "id", json!(1.5)),
        with("/user", "id", json!(7)),
        with("", "user", json!("u-1")),
        with("", "user", json!({ "name": "n" })),
        json!([fine()]),
    ]
}

#[test]
fn strict_refuses_whatever_does_not_fit() {
    let checker = checker(&under(Policy::Strict));
    assert_eq!(judge(&checker, &fine()), Verdict::Conforms);
    for body in grown().into_iter().chain(wrong()).chain(critical()) {
        assert_eq!(judge(&checker, &body), MISMATCH, "{body}");
    }
}

#[test]
fn tolerant_lets_new_fields_and_values_pass_and_counts_them() {
    let checker = checker(&under(Policy::Tolerant));
    assert_eq!(judge(&checker, &fine()), Verdict::Conforms);
    for body in grown() {
        let verdict = judge(&checker, &body);
        assert!(matches!(verdict, Verdict::Tolerated { .. }), "{body}: {verdict:?}");
    }
    let mut both = with("", "state", json!("away"));
    both["a"] = json!(1);
    both["b"] = json!({ "c": 2 });
    assert_eq!(judge(&checker, &both), Verdict::Tolerated { unknown_fields: 2, open_values: 1 });
    for body in wrong().into_iter().chain(critical()) {
        assert_eq!(judge(&checker, &body), MISMATCH, "{body}");
    }
}

#[test]
fn graduated_marks_what_does_not_fit_until_the_schema_is_trusted() {
    let mut registry = registered(&under(Policy::Graduated(Graduation::default()))).unwrap();
    let untrusted = Checker::new(envelope(), &registry, SAMPLING);
    let course = Course::of("1").with_trust(Trust::Enforcing);
    registry.install(&tenant("acme"), &key("1"), &course).unwrap();
    let trusted = untrusted.with_registry(&registry);
    for body in grown() {
        let verdicts = [judge(&untrusted, &body), judge(&trusted, &body)];
        assert!(verdicts.iter().all(|v| matches!(v, Verdict::Tolerated { .. })), "{verdicts:?}");
    }
    for body in wrong() {
        assert_eq!(judge(&untrusted, &body), Verdict::Marked { mismatches: 1 }, "{body}");
        assert_eq!(judge(&trusted, &body), MISMATCH, "{body}");
    }
    for body in critical() {
        assert_eq!(judge(&untrusted, &body), MISMATCH, "{body}");
        assert_eq!(judge(&trusted, &body), MISMATCH, "{body}");
    }
    // The trust is that tenant's.
    let globex = untrusted.judge(&tenant("globex"), &event(&wrong()[0]), &mut scratch());
    assert_eq!(globex, Verdict::Marked { mismatches: 1 });
}

/// F01: a second name that only differs in case is not one more unknown field: some reader takes it for the
/// critical one.
#[test]
fn a_critical_field_has_no_twin_in_another_case() {
    for policy in [Policy::Strict, Policy::Tolerant, Policy::Graduated(Graduation::default())] {
        let checker = checker(&under(policy));
        for (pointer, twin) in [("", "ID"), ("", "Id"), ("/user", "iD"), ("/user", "İd")] {
            let body = with(pointer, twin, json!("other"));
            let expected = match (twin, policy) {
                // A letter that folds to two is another letter.
                ("İd", Policy::Tolerant | Policy::Graduated(_)) => {
                    Verdict::Tolerated { unknown_fields: 1, open_values: 0 }
                }
                _ => MISMATCH,
            };
            assert_eq!(judge(&checker, &body), expected, "{twin}");
        }
    }
    let kelvin = registration(r#"{"properties":{"key":{}}}"#).critical("/key");
    let body = json!({ "key": "k", "\u{212A}ey": "other" });
    assert_eq!(judge(&checker(&kelvin), &body), MISMATCH);
}

/// F07: an id that is not there is no id that fits.
#[test]
fn a_critical_field_must_be_there_even_if_the_schema_does_not_ask_for_it() {
    let checker = checker(&registration("{}").policy(Policy::Tolerant).critical("/a/id"));
    assert_eq!(judge(&checker, &json!({ "a": { "id": "1" } })), Verdict::Conforms);
    assert_eq!(judge(&checker, &json!({ "a": { "id": 1 } })), Verdict::Conforms);
    for body in [json!({}), json!({ "a": {} }), json!({ "a": [{ "id": "1" }] }), json!(null)] {
        assert_eq!(judge(&checker, &body), MISMATCH, "{body}");
    }
}

/// F09: numbers are compared by what they are, and never with texts.
#[test]
fn values_are_compared_by_type() {
    let checker = checker(&registration(r#"{"properties":{"a":{"const":1},"b":{"const":"1"}}}"#));
    for body in [json!({ "a": 1 }), json!({ "a": 1.0 }), json!({ "b": "1" })] {
        assert_eq!(judge(&checker, &body), Verdict::Conforms, "{body}");
    }
    for body in
        [json!({ "a": "1" }), json!({ "a": true }), json!({ "b": 1 }), json!({ "a": 1.000_000_1 })]
    {
        assert_eq!(judge(&checker, &body), MISMATCH, "{body}");
    }
    let exact = registration(r#"{"properties":{"n":{"const":9007199254740993}}}"#);
    let exact = self::checker(&exact);
    assert_eq!(judge(&exact, &json!({ "n": 9_007_199_254_740_993_u64 })), Verdict::Conforms);
    assert_eq!(judge(&exact, &json!({ "n": 9_007_199_254_740_992_u64 })), MISMATCH);
}

/// An event that is too large to be explained does not get a critical field past its schema.
#[test]
fn what_cannot_be_explained_may_be_a_critical_field() {
    let branches: Vec<String> = (0..100).map(|n| format!(r#"{{"const":{n}}}"#)).collect();
    let document = format!(
        r#"{{"properties":{{"id":{{"pattern":"^i"}},"list":{{"items":{{"anyOf":[{}]}}}}}}}}"#,
        branches.join(",")
    );
    let graduated = registration(&document).policy(Policy::Graduated(Graduation::default()));
    let of = |count: usize| json!({ "id": "x", "list": vec![-1; count] });
    // Explained one by one, and as one.
    assert_eq!(judge(&checker(&graduated), &of(9)), Verdict::Marked { mismatches: 10 });
    assert_eq!(judge(&checker(&graduated), &of(5_800)), Verdict::Marked { mismatches: 1 });
    let critical = graduated.critical("/id");
    for count in [9, 5_800] {
        assert_eq!(judge(&checker(&critical), &of(count)), MISMATCH);
    }
}

#[test]
fn branches_are_as_tolerable_as_their_most_tolerable_one() {
    let document = r#"{"anyOf":[
      { "properties": { "kind": { "const": "a" } }, "required": ["kind"], "additionalProperties": false },
      { "properties": { "kind": { "const": "b" }, "n": { "type": "integer" } },
        "required": ["kind"], "additionalProperties": false }]}"#;
    for keyword in ["anyOf", "oneOf"] {
        let document = document.replace("anyOf", keyword);
        let checker = checker(&registration(&document).policy(Policy::Tolerant));
        assert_eq!(judge(&checker, &json!({ "kind": "b", "n": 1 })), Verdict::Conforms);
        let grown = judge(&checker, &json!({ "kind": "b", "n": 1, "x": 1 }));
        assert!(matches!(grown, Verdict::Tolerated { unknown_fields: 1, .. }), "{grown:?}");
        assert_eq!(judge(&checker, &json!({ "kind": "c" })), MISMATCH);
        assert_eq!(judge(&checker, &json!({ "kind": "b", "n": "1" })), MISMATCH);
    }
}

/// Names and values of events stand in no output: a phone number may be either.
#[test]
fn findings_hold_nothing_of_an_event() {
    let document = r#"{
      "properties": { "calls": { "additionalProperties": { "type": "integer" } } },
      "additionalProperties": false
    }"#;
    let checker = checker(&registration(document).policy(Policy::Graduated(Graduation::default())));
    let body = json!({ "calls": { "+15558675309": "SECRET" }, "SECRET-field": "SECRET" });
    let mut scratch = scratch();
    let verdict = checker.judge(&tenant("acme"), &event(&body), &mut scratch);
    assert_eq!(verdict, Verdict::Marked { mismatches: 1 });
    let places: Vec<_> = scratch
        .findings()
        .places()
        .map(|(path, kind, count)| (path.as_str().to_owned(), kind, count))
        .collect();
    assert_eq!(
        places,
        [
            ("/*".into(), FindingKind::UnknownField, 1),
            ("/calls/*".into(), FindingKind::Mismatch, 1)
        ]
    );
    let reports = scratch.take_reports();
    let shown = format!("{:?} {checker:?} {scratch:?} {reports:?}", scratch.findings());
    assert!(!shown.contains("SECRET") && !shown.contains("555"), "{shown}");
}

#[test]
fn a_share_is_sampled_evenly_and_always_alike() {
    let mut registry = registered(&registration("{}")).unwrap();
    registry.register(&Registration::new(key("2"), b"{}")).unwrap();
    let seen = |share: Share, sampling: [u8; 16]| -> Vec<bool> {
        let mut registry = registry.clone();
        let course = Course::of("1").with_canary("2", share);
        registry.install(&tenant("acme"), &key("1"), &course).unwrap();
        let checker = Checker::new(envelope(), &registry, sampling);
        let mut scratch = scratch();
        let sees = |n: u32| {
            let _ = checker.judge(&tenant("acme"), &event(&json!(n)), &mut scratch);
            scratch.take_reports()[0].comparison().is_some()
        };
        (0..2_000).map(sees).collect()
    };
    let count = |seen: &[bool]| seen.iter().filter(|seen| **seen).count();
    let tenth = seen(Share::percent(10), SAMPLING);
    assert!((140..260).contains(&count(&tenth)), "{}", count(&tenth));
    assert_eq!(tenth, seen(Share::percent(10), SAMPLING));
    assert_ne!(tenth, seen(Share::percent(10), [8; 16]), "the key decides");
    let half = seen(Share::percent(50), SAMPLING);
    assert!(tenth.iter().zip(&half).all(|(small, large)| !small || *large), "it only grows");
    assert_eq!(count(&seen(Share::NONE, SAMPLING)), 0);
    assert_eq!(count(&seen(Share::ALL, SAMPLING)), 2_000);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!("on")),
        Just(json!("u-1")),
        Just(json!(3)),
        Just(json!(null)),
        Just(json!(0.5))
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop::sample::select(vec!["id", "state", "count", "user", "name", "ID", "x"]);
        prop::collection::btree_map(name, inner, 0..5).prop_map(|members| json!(members))
    })
}

proptest! {
    /// Whatever strict lets pass tolerant lets pass, and whatever tolerant lets pass graduated does.
    #[test]
    fn a_laxer_policy_refuses_nothing_more(body in any_value()) {
        let passes = |policy| !matches!(judge(&checker(&under(policy)), &body), Verdict::Refused(_));
        let strict = passes(Policy::Strict);
        let tolerant = passes(Policy::Tolerant);
        let graduated = passes(Policy::Graduated(Graduation::default()));
        prop_assert!(!strict || tolerant, "{}", body);
        prop_assert!(!tolerant || graduated, "{}", body);
    }
}
