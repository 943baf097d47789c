//! What the bytes of an event must be before any schema is asked, and what judging them may cost.

use allocation_counter::measure;
use cofferdam_core::{Reason, pipeline::Validate};
use cofferdam_schema::{Checker, Envelope, Graduation, Policy, Registration, Registry, Verdict};
use serde_json::{Value, json};

use super::support::{SAMPLING, checker, event, judge, registered, registration, scratch, tenant};

/// A schema that lets everything pass, so that what is refused is refused by the strict check.
fn anything() -> Checker {
    checker(&registration("{}").policy(Policy::Graduated(Graduation::default())))
}

fn refused(event: &[u8], reason: Reason) {
    let verdict = anything().judge(&tenant("acme"), event, &mut scratch());
    assert_eq!(verdict, Verdict::Refused(reason), "{}", String::from_utf8_lossy(event));
}

/// F01: a name twice is refused whatever the schema tolerates, also where the schema does not look.
#[test]
fn a_name_twice_never_reaches_a_schema() {
    for event in [
        r#"{"type":"t","type":"u","version":"1","body":{}}"#,
        r#"{"type":"t","t\u0079pe":"u","version":"1","body":{}}"#,
        r#"{"type":"t","version":"1","body":{"id":"a","id":"b"}}"#,
        r#"{"type":"t","version":"1","body":{"x":[{"id":1,"\u0069d":2}]}}"#,
    ] {
        refused(event.as_bytes(), Reason::DuplicateName);
    }
}

/// F04: text that is not Unicode, an escaped NUL, a byte order mark.
#[test]
fn text_that_is_not_unicode_never_reaches_a_schema() {
    for event in [
        r#"{"type":"t","version":"1","body":"\u0000"}"#.as_bytes(),
        r#"{"type":"t","version":"1","body":"\ud800"}"#.as_bytes(),
        b"{\"type\":\"t\",\"version\":\"1\",\"body\":\"\xc0\xaf\"}",
    ] {
        refused(event, Reason::InvalidText);
    }
    refused("\u{feff}{\"type\":\"t\"}".as_bytes(), Reason::Malformed);
    refused(b"{\"type\":\"t\",\"version\":\"1\",\"body\":\"\x01\"}", Reason::Malformed);
}

/// F05: what readers take in different ways, or not at all.
#[test]
fn anything_but_one_sound_object_never_reaches_a_schema() {
    for (event, reason) in [
        (r#"{"type":"t","version":"1","body":1}{}"#, Reason::Malformed),
        (r#"{"type":"t","version":"1","body":NaN}"#, Reason::Malformed),
        (r#"{"type":"t","version":"1","body":1,}"#, Reason::Malformed),
        (r#"{"type":"t","version":"1",/**/"body":1}"#, Reason::Malformed),
        (r#"{"type":"t","version":"1","body":1e400}"#, Reason::NumberOutOfRange),
        (r#"[{"type":"t","version":"1","body":1}]"#, Reason::Malformed),
    ] {
        refused(event.as_bytes(), reason);
    }
}

/// F06: ten thousand brackets, before a tree is built of them.
#[test]
fn deep_nesting_never_reaches_a_schema() {
    let deep = format!(r#"{{"type":"t","version":"1","body":{}}}"#, "[".repeat(10_000));
    refused(deep.as_bytes(), Reason::TooDeep);
}

/// F02, F03: the type and the version are texts of plain characters. A number that looks like a version is
/// none, and a name that looks like another one is not folded into it.
#[test]
fn the_type_and_the_version_are_strict_under_every_policy() {
    for version in ["1", "1.0", "1e0", "null", "true", "[\"1\"]", "9007199254740993"] {
        let event = format!(r#"{{"type":"t","version":{version},"body":{{}}}}"#);
        refused(event.as_bytes(), Reason::SchemaMismatch);
    }
    for name in ["7", "null", r#""""#, r#""\u0442""#, r#""t\u200b""#, r#""\uff54""#, r#""t ""#] {
        let event = format!(r#"{{"type":{name},"version":"1","body":{{}}}}"#);
        refused(event.as_bytes(), Reason::SchemaMismatch);
    }
    refused(br#"{"version":"1","body":{}}"#, Reason::SchemaMismatch);
    refused(br#"{"type":"t","version":"1"}"#, Reason::SchemaMismatch);
    let other_case = br#"{"type":"T","version":"1","body":{}}"#;
    let verdict = anything().judge(&tenant("acme"), other_case, &mut scratch());
    assert_eq!(verdict, Verdict::Unregistered);
}

/// F08: an event cannot ask for more than one type by what it calls itself.
#[test]
fn patterns_in_an_events_type_are_plain_text() {
    let mut registry = Registry::default();
    for event_type in ["v2.users.{id}.presence", "v2.users.me.presence"] {
        let key = cofferdam_schema::SchemaKey::new("p", event_type, "1").unwrap();
        let document = if event_type.contains("me") { "{\"const\":1}" } else { "{\"const\":2}" };
        registry.register(&Registration::new(key, document.as_bytes())).unwrap();
    }
    let envelope = Envelope::new("p", "/type").unwrap().body_at("/body").unwrap();
    let checker = Checker::new(envelope, &registry, SAMPLING);
    let said = |event_type: &str, body: u32| {
        let event = json!({ "type": event_type, "body": body }).to_string();
        checker.judge(&tenant("acme"), event.as_bytes(), &mut scratch())
    };
    // The literal comes first, and no event escapes its schema by another name for itself.
    assert_eq!(said("v2.users.me.presence", 1), Verdict::Conforms);
    for one in ["v2.users.7.presence", "v2.users.{id}.presence", "v2.users.*.presence"] {
        assert_eq!(
            (said(one, 2), said(one, 1)),
            (Verdict::Conforms, Verdict::Refused(Reason::SchemaMismatch))
        );
    }
    for none in [
        "v2.users.>",
        "v2.*",
        "v2.users..presence",
        "v2.users.7.presence.",
        "v2.users",
        "{id}",
        ".*",
    ] {
        assert_eq!(said(none, 2), Verdict::Unregistered, "{none}");
    }
}

fn list(n: usize, item: impl Fn(usize) -> Value) -> Value {
    Value::Array((0..n).map(item).collect())
}

/// A schema and bodies of any size that are meant to make it slow.
type Trap = (&'static str, fn(usize) -> Value);

const TRAPS: [Trap; 7] = [
    (r#"{"uniqueItems":true}"#, |n| list(n, |i| json!({ "a": { "b": i } }))),
    (r#"{"items":{"enum":["a","b"]}}"#, |n| list(n, |i| json!(i.to_string()))),
    (r#"{"items":{"additionalProperties":false}}"#, |n| list(n, |_| json!({ "x": 1 }))),
    (r#"{"additionalProperties":false}"#, |n| {
        Value::Object((0..n).map(|i| (format!("k{i}"), json!(i))).collect())
    }),
    (r#"{"items":{"anyOf":[{"type":"null"},{"type":"object"}]}}"#, |n| list(n, |i| json!(i))),
    (r#"{"contains":{"type":"string"}}"#, |n| list(n, |i| json!(i))),
    (r#"{"unevaluatedItems":false,"contains":{"const":-1}}"#, |n| list(n, |i| json!(i))),
];

/// N05: twice as much of an event takes twice the memory that judging and explaining it touches; the bytes
/// that are allocated stand for the work, as they are the same on every machine.
#[test]
fn judging_grows_with_the_event_and_not_with_its_square() {
    for (document, body) in TRAPS {
        let checker = checker(&registration(document).policy(Policy::Tolerant));
        let bytes = |n: usize| {
            let (event, mut scratch, acme) = (event(&body(n)), scratch(), tenant("acme"));
            let _ = checker.judge(&acme, &event, &mut scratch);
            measure(|| {
                let _ = checker.judge(&acme, &event, &mut scratch);
            })
            .bytes_total as f64
        };
        let ratio = bytes(4_000) / bytes(2_000);
        assert!(ratio < 2.3, "{document}: {ratio}");
    }
}

/// N05: the largest events of each kind come to an end, and none is explained without bound.
#[test]
fn the_largest_events_are_judged() {
    for (document, body) in TRAPS {
        let checker = checker(&registration(document).policy(Policy::Tolerant));
        let verdict = judge(&checker, &body(20_000));
        assert_ne!(verdict, Verdict::Unregistered, "{document}");
    }
}

/// N01: a schema may be dear and an event large, but not both.
#[test]
fn an_event_that_would_take_too_many_steps_is_refused() {
    let branches: Vec<String> = (0..500).map(|n| format!(r#"{{"const":{n}}}"#)).collect();
    let document = format!(r#"{{"items":{{"anyOf":[{}]}}}}"#, branches.join(","));
    let checker = checker(&registration(&document).policy(Policy::Tolerant));
    assert_eq!(judge(&checker, &list(500, |i| json!(i % 500))), Verdict::Conforms);
    let large = judge(&checker, &list(20_000, |i| json!(i % 500)));
    assert_eq!(large, Verdict::Refused(Reason::TooCostly));

    // What looks at everything that stands in an array costs as much, however deep that is.
    let unique = vec![r#"{"uniqueItems":true}"#; 500].join(",");
    let document = format!(r#"{{"allOf":[{unique}]}}"#);
    let checker = self::checker(&registration(&document));
    let nested = |n| json!([[list(n, |i| json!([i]))]]);
    assert_eq!(judge(&checker, &nested(500)), Verdict::Conforms);
    assert_eq!(judge(&checker, &nested(5_000)), Verdict::Refused(Reason::TooCostly));
}

/// The pipeline's stage refuses what has no schema, unless it was told not to.
#[test]
fn the_stage_refuses_what_has_no_schema() {
    let checker = Checker::new(
        super::support::envelope(),
        &registered(&registration("{}")).unwrap(),
        SAMPLING,
    );
    let validate =
        |checker: &Checker, event: &[u8]| checker.validate(&tenant("acme"), event, &mut scratch());
    let (known, unknown) = (event(&json!({})), br#"{"type":"u","version":"1","body":{}}"#);
    assert_eq!(validate(&checker, &known), Ok(()));
    assert_eq!(validate(&checker, unknown), Err(Reason::SchemaMismatch));
    let open = checker.unregistered_pass();
    assert_eq!(validate(&open, unknown), Ok(()));
    assert_eq!(validate(&open, br#"{"type":"u","type":"u"}"#), Err(Reason::DuplicateName));
}
