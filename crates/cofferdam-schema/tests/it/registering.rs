//! What gets into the registry, and what is refused before it can do harm.

use std::fmt::Write;

use cofferdam_json::Fault;
use cofferdam_schema::{
    Course, InstallError, Limits, Policy, RegisterFault, Registration, Registry, SchemaKey, Share,
    Verdict,
};
use serde_json::json;

use super::support::{checker, judge, key, registered, registration, tenant};

/// Why a document is refused, and where.
fn refusal(document: &str) -> (RegisterFault, String) {
    let error = registered(&registration(document)).expect_err(document);
    (error.fault(), error.pointer().to_owned())
}

fn refused(document: &str, fault: RegisterFault, pointer: &str) {
    assert_eq!(refusal(document), (fault, pointer.to_owned()), "{document}");
}

/// F01, F04, F05: a schema is read as strictly as an event, or two readers would enforce two schemas.
#[test]
fn a_document_that_readers_could_take_in_two_ways_is_refused() {
    for (document, fault) in [
        (r#"{"required":["id"],"required":[]}"#, Fault::DuplicateName),
        (r#"{"required":["id"],"\u0072equired":[]}"#, Fault::DuplicateName),
        (r#"{"const":"\ud800"}"#, Fault::InvalidText),
        (r#"{"const":"\u0000"}"#, Fault::InvalidText),
        (r#"{"maximum":1e400}"#, Fault::NumberOutOfRange),
        (r#"{} {}"#, Fault::Malformed),
        (r#"{/* any */}"#, Fault::Malformed),
        (r#"{"maximum":NaN}"#, Fault::Malformed),
        ("true", Fault::Malformed),
    ] {
        refused(document, RegisterFault::Json(fault), "");
    }
}

#[test]
fn a_refusal_says_where() {
    use RegisterFault as F;
    for (document, fault, pointer) in [
        (
            r#"{"properties":{"a/b":{"propertees":{}}}}"#,
            F::UnknownKeyword,
            "/properties/a~1b/propertees",
        ),
        (r#"{"$defs":{"unused":{"requierd":[]}}}"#, F::UnknownKeyword, "/$defs/unused/requierd"),
        (r#"{"properties":{"a":{"type":"text"}}}"#, F::InvalidSchema, "/properties/a/type"),
        (r#"{"$schema":"http://json-schema.org/draft-99/schema"}"#, F::UnknownDraft, "/$schema"),
        (r##"{"items":{"$ref":"#/$defs/gone"}}"##, F::UnresolvedReference, "/items/$ref"),
    ] {
        refused(document, fault, pointer);
    }
    registered(&registration(r#"{"propertees":{}}"#).any_keyword()).unwrap();
    registered(&registration(r#"{"x-owner":"crm","title":"t"}"#)).unwrap();
}

/// References out of the document would make the registry fetch what an operator names.
#[test]
fn nothing_is_fetched_and_no_file_is_read() {
    for uri in [
        "file:///etc/hostname",
        "http://169.254.169.254/latest",
        "https://example.org/s.json",
        "other.json",
    ] {
        let document = json!({ "properties": { "a": { "$ref": uri } } }).to_string();
        assert_eq!(refusal(&document).0, RegisterFault::UnresolvedReference, "{uri}");
    }
    let document = r#"{"$ref":"https://example.org/s.json"}"#;
    let given =
        registration(document).resource("https://example.org/s.json", br#"{"type":"object"}"#);
    let checker = checker(&given);
    assert_eq!(judge(&checker, &json!({})), Verdict::Conforms);
    assert!(matches!(judge(&checker, &json!([])), Verdict::Refused(_)));
}

/// A chain of definitions that each apply the next one twice.
fn doubled(levels: usize, apply: &str) -> String {
    let mut definitions = String::new();
    for n in 0..levels {
        let next = format!(r##"{{"$ref":"#/$defs/{}"}}"##, n + 1);
        let twice = apply.replace('X', &next);
        write!(definitions, r#""{n}":{twice},"#).unwrap();
    }
    format!(r##"{{"$ref":"#/$defs/0","$defs":{{{definitions}"{levels}":{{"type":"object"}}}}}}"##)
}

/// N01: twenty-five doubled references take a second an event. They are refused while they are a page of
/// text, with the place at which the steps come together, and so is whatever else doubles.
#[test]
fn a_schema_that_takes_exponentially_many_steps_is_refused_before_it_is_compiled() {
    for apply in [
        r#"{"allOf":[X,X]}"#,
        r#"{"anyOf":[X,X]}"#,
        r#"{"oneOf":[X,X]}"#,
        r#"{"not":X,"if":X}"#,
        r#"{"dependentSchemas":{"a":X,"b":X}}"#,
        r#"{"properties":{"a":{"allOf":[X,X]}}}"#,
        r#"{"items":X,"contains":X}"#,
        r#"{"patternProperties":{"^a":X,"b$":X}}"#,
        r#"{"allOf":[X],"unevaluatedProperties":false}"#,
    ] {
        registered(&registration(&doubled(3, apply)))
            .unwrap_or_else(|why| panic!("{apply}: {why}"));
        let (fault, pointer) = refusal(&doubled(25, apply));
        assert_eq!(fault, RegisterFault::TooCostly, "{apply}");
        assert!(pointer.starts_with("/$defs/"), "{apply}: {pointer}");
    }
    // As deep, and each once.
    registered(&registration(&doubled(25, r#"{"allOf":[X]}"#))).unwrap();
}

#[test]
fn a_schema_may_refer_to_itself_once_and_not_twice() {
    let once =
        r##"{"type":"object","properties":{"next":{"$ref":"#"},"list":{"items":{"$ref":"#"}}}}"##;
    let checker = checker(&registration(once));
    assert_eq!(
        judge(&checker, &json!({ "next": { "list": [{ "next": {} }] } })),
        Verdict::Conforms
    );
    assert!(matches!(
        judge(&checker, &json!({ "next": { "list": [{ "next": 7 }] } })),
        Verdict::Refused(_)
    ));
    let twice = r##"{"properties":{"next":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}"##;
    assert_eq!(refusal(twice).0, RegisterFault::TooCostly);
    let circle =
        r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##;
    refused(circle, RegisterFault::ReferenceCycle, "/$defs/a");
}

/// F06: what is as deep as an event of brackets, but made of references; on the stack of a test's thread.
#[test]
fn a_long_chain_of_references_does_not_exhaust_the_stack() {
    for (apply, refused) in [
        (r#"{"properties":{"a":X}}"#, false),
        (r#"{"additionalProperties":X}"#, false),
        (r#"{"allOf":[X]}"#, true),
    ] {
        let document = doubled(5_000, apply);
        match registered(&registration(&document)) {
            Ok(registry) => assert!(!refused && registry.count(&tenant("a")) == (1, 0)),
            Err(error) => assert!(refused && error.fault() == RegisterFault::TooNested, "{error}"),
        }
    }
    // The deepest that is let in, as it is judged and explained.
    for (chain, body) in [
        (doubled(510, r#"{"allOf":[X]}"#), json!([])),
        (doubled(340, r#"{"anyOf":[{"not":{}},X]}"#), json!([])),
    ] {
        let checker = checker(&registration(&chain).policy(Policy::Tolerant));
        assert!(matches!(judge(&checker, &body), Verdict::Refused(_)));
    }
    // And under the deepest event.
    let chain = doubled(13, r#"{"properties":{"a":X}}"#).replace(
        r#""13":{"type":"object"}"#,
        r##""13":{"properties":{"a":{"$ref":"#/$defs/0"}}}"##,
    );
    let checker = checker(&registration(&chain));
    let mut body = json!({});
    for _ in 0..62 {
        body = json!({ "a": body });
    }
    assert_eq!(judge(&checker, &body), Verdict::Conforms);
}

/// N01: patterns run in linear time or not at all, and none grows large.
#[test]
fn patterns_that_backtrack_or_grow_are_refused() {
    for pattern in ["(?=a)b", r"(a)\\1", "((a{0,100}){0,100}){0,100}"] {
        for document in [
            format!(r#"{{"pattern":"{pattern}"}}"#),
            format!(r#"{{"patternProperties":{{"{pattern}":true}}}}"#),
        ] {
            assert_eq!(refusal(&document).0, RegisterFault::UnsupportedPattern, "{document}");
        }
    }
    let many: Vec<String> = (0..200).map(|n| format!(r#"{{"pattern":"{n}"}}"#)).collect();
    let many = format!(r#"{{"allOf":[{}]}}"#, many.join(","));
    assert_eq!(refusal(&many).0, RegisterFault::TooManyPatterns);
    let bomb = checker(&registration(r#"{"properties":{"a":{"pattern":"^(a+)+$"}}}"#));
    let text = format!("{}!", "a".repeat(50_000));
    assert!(matches!(judge(&bomb, &json!({ "a": text })), Verdict::Refused(_)));
}

#[test]
fn a_version_never_changes() {
    let mut registry = registered(&registration(r#"{"required":["a"]}"#)).unwrap();
    registry.register(&registration(r#"{"required":["a"]}"#)).unwrap();
    for other in [
        registration(r#"{"required":["b"]}"#),
        registration(r#"{"required":["a"]}"#).policy(Policy::Tolerant),
        registration(r#"{"required":["a"]}"#).critical("/a"),
        registration(r#"{"required":["a"]}"#).formats(true),
    ] {
        let error = registry.register(&other).unwrap_err();
        assert_eq!(error.fault(), RegisterFault::AlreadyRegistered);
    }
    assert_eq!(registry.count(&tenant("acme")), (1, 0));
}

#[test]
fn each_shelf_has_its_limit() {
    let mut limits = Limits::default();
    limits.schemas = 2;
    let mut registry = Registry::new(limits);
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let schema = |version| Registration::new(key(version), b"{}");
    for version in ["1", "2"] {
        registry.register_for(&acme, &schema(version)).unwrap();
    }
    let error = registry.register_for(&acme, &schema("3")).unwrap_err();
    assert_eq!(error.fault(), RegisterFault::TooManySchemas);
    registry.register_for(&globex, &schema("3")).unwrap();
    registry.register(&schema("3")).unwrap();
    assert_eq!((registry.count(&acme), registry.count(&globex)), ((1, 2), (1, 1)));
    limits.price = 1;
    Registry::new(limits).register(&schema("1")).unwrap();
    let dear = registration(r#"{"type":"object"}"#);
    assert_eq!(
        Registry::new(limits).register(&dear).unwrap_err().fault(),
        RegisterFault::TooCostly
    );
}

#[test]
fn a_course_names_versions_that_the_tenant_has() {
    let mut registry = registered(&registration("{}")).unwrap();
    let acme = tenant("acme");
    let mut install = |key: &SchemaKey, course: Course| registry.install(&acme, key, &course);
    assert_eq!(install(&key("7"), Course::of("1")), Err(InstallError::UnknownSchema));
    assert_eq!(install(&key("1"), Course::of("2")), Err(InstallError::UnknownVersion));
    let canary = Course::of("1").with_canary("2", Share::percent(5));
    assert_eq!(install(&key("1"), canary), Err(InstallError::UnknownVersion));
    assert_eq!(install(&key("1"), Course::of("1")), Ok(()));
}

#[test]
fn an_error_shows_no_value_of_the_document() {
    for document in [
        r#"{"const":"SECRET","propertees":1}"#,
        r#"{"type":"SECRET"}"#,
        r#"{"pattern":"(?=SECRET)"}"#,
        r#"{"$schema":"SECRET"}"#,
        r#"{"enum":["SECRET"],"enum":1}"#,
    ] {
        let error = registered(&registration(document)).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("SECRET"), "{shown}");
    }
}
