//! What is refused: documents with the place of the mistake, events with the reason.

use cofferdam_core::{
    Reason,
    pipeline::{Filter, Verdict},
};
use cofferdam_filter::{
    CompileFault, Compiler, FilterGraph, Mapping, Scratch, SubscriptionDocument,
};
use proptest::prelude::*;

fn compile(document: &str) -> Result<FilterGraph, (String, CompileFault)> {
    let (mapping, organisation) = (Mapping::genesys_cloud(), Some("org-1"));
    let compiler = Compiler::new([1; 16]).with_max_rules(3);
    let at_once = compiler.compile_json(document.as_bytes(), 1 << 20, &mapping, organisation);
    let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
    let compiled = compiler.compile(&document, &mapping, organisation);
    // Read and compiled at once, it says the same.
    let error = |error: &dyn std::error::Error| error.to_string();
    assert_eq!(
        at_once.as_ref().map(FilterGraph::rule_count).map_err(|refused| error(refused)),
        compiled.as_ref().map(FilterGraph::rule_count).map_err(|refused| error(refused)),
    );
    compiled.map_err(|error| (error.pointer().to_owned(), error.fault()))
}

fn one(rule: &str) -> String {
    format!(r#"{{"tenantId":"acme","subscriptions":[{rule}]}}"#)
}

#[test]
fn a_mistake_is_reported_with_its_place() {
    let ok = r#"{"eventType":"t","filters":{},"targetQueue":"queue://q"}"#;
    let four = [ok; 4].join(",");
    for (document, pointer, fault) in [
        (
            r#"{"tenantId":"Acme","subscriptions":[]}"#.into(),
            "/tenantId",
            CompileFault::InvalidTenant,
        ),
        (one(&four), "/subscriptions", CompileFault::TooManyRules),
        (
            one(&ok.replace("\"t\"", "\"a..b\"")),
            "/subscriptions/0/eventType",
            CompileFault::InvalidEventType,
        ),
        (
            one(&ok.replace("\"t\"", "\"a.>.b\"")),
            "/subscriptions/0/eventType",
            CompileFault::InvalidEventType,
        ),
        (
            one(&ok.replace("{}", r#"{"a/b":[]}"#)),
            "/subscriptions/0/filters/a~1b",
            CompileFault::EmptyList,
        ),
        (
            one(&ok.replace("{}", r#"{"a":[[1]]}"#)),
            "/subscriptions/0/filters/a",
            CompileFault::InvalidValue,
        ),
        (
            one(&ok.replace("{}", r#"{"a":{"$ne":1}}"#)),
            "/subscriptions/0/filters/a",
            CompileFault::InvalidValue,
        ),
        (
            one(&ok.replace("{}", r#"{"a..b":1}"#)),
            "/subscriptions/0/filters/a..b",
            CompileFault::InvalidKey,
        ),
        (
            one(&ok.replace("queue://q", "q")),
            "/subscriptions/0/targetQueue",
            CompileFault::InvalidTarget,
        ),
        (
            one(&ok.replace("queue://q", "queue://")),
            "/subscriptions/0/targetQueue",
            CompileFault::InvalidTarget,
        ),
    ] {
        assert_eq!(compile(&document).unwrap_err(), (pointer.to_owned(), fault), "{document}");
    }
}

#[test]
fn a_document_has_as_many_values_as_its_compiler_takes() {
    let rule =
        r#"{"eventType":"t","filters":{"a":["x","y","x"],"b":["x"]},"targetQueue":"queue://q"}"#;
    let document = SubscriptionDocument::parse(one(rule).as_bytes()).unwrap();
    let compile = |max_values| {
        let compiler = Compiler::new([1; 16]).with_max_values(max_values);
        compiler.compile(&document, &Mapping::generic(&["type"]), None).map_err(|e| e.fault())
    };
    assert!(compile(3).is_ok());
    assert_eq!(compile(2).err(), Some(CompileFault::TooManyValues));
}

fn verdict(event: &str) -> Result<bool, Reason> {
    let rule = r#"{"eventType":"t","filters":{"a":"x"},"targetQueue":"queue://q"}"#;
    let graph = compile(&one(rule)).unwrap();
    match graph.filter(event.as_bytes(), &mut Scratch::default()) {
        Verdict::Matched(_) => Ok(true),
        Verdict::Unmatched => Ok(false),
        Verdict::Refused(reason) => Err(reason),
    }
}

#[test]
fn an_event_that_names_another_organisation_is_refused() {
    let event = |organisation: &str| {
        format!(r#"{{"topicName":"t","a":"x","eventBody":{{"organizationId":{organisation}}}}}"#)
    };
    assert_eq!(verdict(&event(r#""org-1""#)), Ok(true));
    for other in [
        r#""org-2""#,
        r#""ORG-1""#,
        "null",
        "1",
        r#"["org-1","org-2"]"#,
        r#"{"id":"org-1"}"#,
        "[{}]",
    ] {
        assert_eq!(verdict(&event(other)), Err(Reason::ForeignOrganisation), "{other}");
    }
    assert_eq!(verdict(&event("[]")), Ok(true), "it names none");
}

/// A verdict does not depend on the order of members: what nobody wants is dropped, wherever it says
/// whose it is.
#[test]
fn another_organisation_refuses_what_is_wanted_in_any_order() {
    let body = r#""eventBody":{"organizationId":"org-2"}"#;
    for (kind, expected) in [("t", Err(Reason::ForeignOrganisation)), ("nobody's", Ok(false))] {
        for event in [
            format!(r#"{{"topicName":"{kind}","a":"x",{body}}}"#),
            format!(r#"{{{body},"a":"x","topicName":"{kind}"}}"#),
        ] {
            assert_eq!(verdict(&event), expected, "{event}");
        }
    }
    assert_eq!(verdict(&format!("{{{body}}}")), Ok(false), "without a type");
}

/// The customer's own company is not the tenant.
#[test]
fn the_customers_organisation_is_not_mistaken_for_the_tenant() {
    let event = r#"{"topicName":"t","a":"x","eventBody":{"externalOrganizationId":"org-2","participants":[{"externalOrganizationId":"org-3"}]}}"#;
    assert_eq!(verdict(event), Ok(true));
}

/// Promise 2: "could not read it" is not "nobody wants it".
#[test]
fn an_event_that_cannot_be_read_is_refused_not_dropped() {
    for event in ["", "[]", "7", "heartbeat", "{", r#"{"a":"x","topicName":"#, r#"{"a":tru}"#] {
        assert_eq!(verdict(event), Err(Reason::Malformed), "{event}");
    }
    let deep = format!(r#"{{"topicName":"t","a":{}"#, "[".repeat(10_000));
    assert_eq!(verdict(&deep), Err(Reason::TooDeep));
}

#[test]
fn a_type_that_is_not_a_string_matches_nothing() {
    for kind in ["1", "null", r#"{"t":"t"}"#, "true"] {
        assert_eq!(verdict(&format!(r#"{{"topicName":{kind},"a":"x"}}"#)), Ok(false), "{kind}");
    }
}

proptest! {
    #[test]
    fn never_panics(event: Vec<u8>, text in "[{}\\[\\]\",:a-c0-9tx\\\\]{0,60}") {
        let rule = r#"{"eventType":">","filters":{"a":["x",1,null]},"targetQueue":"queue://q"}"#;
        let graph = compile(&one(rule)).unwrap();
        let mut scratch = Scratch::default();
        let _ = graph.filter(&event, &mut scratch);
        let _ = graph.filter(text.as_bytes(), &mut scratch);
    }
}
