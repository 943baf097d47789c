//! What is said of fields that appear, vanish and change their type.

use cofferdam_schema::{
    Checker, Policy, Scratch,
    drift::{ChangeKind, Drift, DriftLimits},
};
use serde_json::{Value, json};

use super::support::{SAMPLING, envelope, event, registered, registration, tenant};

const SCHEMA: &str = r##"{
  "allOf": [{ "$ref": "#/$defs/User" }],
  "$defs": { "User": { "properties": {
    "id": { "type": "string" },
    "count": { "type": "integer" },
    "ratio": { "type": "number" },
    "tags": { "type": "array", "items": { "type": "string" } },
    "manager": { "$ref": "#/$defs/User" },
    "labels": { "type": "object", "additionalProperties": { "type": "string" } }
  } } }
}"##;

fn checker() -> Checker {
    let registration = registration(SCHEMA).policy(Policy::Tolerant);
    Checker::new(envelope(), &registered(&registration).unwrap(), SAMPLING)
}

fn watching(limits: DriftLimits) -> Scratch {
    Scratch::new([1; 16]).with_drift(Drift::new(limits))
}

fn see(scratch: &mut Scratch, of: &str, times: u32, body: &Value) {
    let checker = checker();
    for _ in 0..times {
        let _ = checker.judge(&tenant(of), &event(body), scratch);
    }
}

/// The changes of a tenant's only stream.
fn changes(scratch: &Scratch, of: &str) -> Vec<(ChangeKind, String, String)> {
    let report = scratch.drift().unwrap().report(&tenant(of));
    let changes = report.streams()[0].changes.iter();
    changes
        .map(|change| {
            let types = format!("{}>{}", change.before, change.now);
            (change.kind, change.field.clone(), types)
        })
        .collect()
}

fn usual() -> Value {
    json!({ "id": "1", "count": 1, "ratio": 1, "tags": ["a"], "manager": { "id": "2" }, "labels": { "x": "y" } })
}

#[test]
fn without_a_period_before_events_are_held_against_the_schema() {
    let mut scratch = watching(DriftLimits::default());
    see(&mut scratch, "acme", 5, &usual());
    assert_eq!(changes(&scratch, "acme"), []);
    let mut other = usual();
    other["manager"]["manager"] = json!({ "count": "many", "nick": "n" });
    other["tags"] = json!(["a", 7]);
    see(&mut scratch, "acme", 5, &other);
    assert_eq!(
        changes(&scratch, "acme"),
        [
            (ChangeKind::Appeared, "/manager/manager/nick".into(), ">string".into()),
            (ChangeKind::ChangedType, "/manager/manager/count".into(), "integer>string".into()),
            (ChangeKind::ChangedType, "/tags/*".into(), "string>integer|string".into()),
        ]
    );
}

#[test]
fn with_a_period_before_events_are_held_against_it() {
    let mut scratch = watching(DriftLimits::default());
    see(&mut scratch, "acme", 100, &usual());
    scratch.drift_mut().unwrap().turn();
    let mut now = usual();
    now["count"] = json!(null);
    now["nick"] = json!("n");
    now.as_object_mut().unwrap().remove("ratio");
    see(&mut scratch, "acme", 5, &now);
    let appeared = (ChangeKind::Appeared, "/nick".into(), ">string".into());
    let changed = (ChangeKind::ChangedType, "/count".into(), "integer>null".into());
    assert_eq!(changes(&scratch, "acme"), [appeared.clone(), changed.clone()], "too soon for more");
    see(&mut scratch, "acme", 5, &now);
    let vanished = (ChangeKind::Vanished, "/ratio".into(), "integer>".into());
    assert_eq!(changes(&scratch, "acme"), [appeared, vanished, changed]);
    // Ten events are no period: they go on.
    scratch.drift_mut().unwrap().turn();
    assert_eq!(changes(&scratch, "acme").len(), 3);
}

#[test]
fn names_that_may_be_values_are_not_shown() {
    let mut scratch = watching(DriftLimits::default());
    let mut body = usual();
    body["labels"]["SECRET"] = json!("x");
    body["+15558675309"] = json!({ "jo@example.org": 1 });
    see(&mut scratch, "acme", 10, &body);
    let mut once = usual();
    once["Johnson"] = json!(1);
    see(&mut scratch, "acme", 2, &once);
    let report = scratch.drift().unwrap().report(&tenant("acme"));
    let shown = format!("{report} {report:?} {}", serde_json::to_string(&report).unwrap());
    for secret in ["SECRET", "555", "example", "Johnson"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let changes: Vec<_> = report.streams()[0].changes.iter().map(|change| &*change.field).collect();
    assert_eq!(changes, ["/*", "/*/*"]);
    assert_eq!(report.streams()[0].rare_fields, 1);
}

/// A record that may grow says so in several ways; none of them makes its new fields known.
#[test]
fn a_record_is_told_from_a_map() {
    for (additional, shown) in
        [("false", "/color"), ("true", "/color"), ("{}", "/color"), (r#"{"type":"string"}"#, "")]
    {
        let document = format!(
            r#"{{"properties":{{"id":{{}}}},"propertyNames":{{"minLength":1}},"additionalProperties":{additional}}}"#
        );
        let registration = registration(&document).policy(Policy::Tolerant);
        let checker = Checker::new(envelope(), &registered(&registration).unwrap(), SAMPLING);
        let mut scratch = watching(DriftLimits::default());
        for _ in 0..5 {
            let body = json!({ "id": 1, "color": "red" });
            let _ = checker.judge(&tenant("acme"), &event(&body), &mut scratch);
        }
        let found: Vec<_> = changes(&scratch, "acme").into_iter().map(|change| change.1).collect();
        assert_eq!(found.concat(), shown, "{additional}");
    }
    let map = registration(r#"{"additionalProperties":{}}"#);
    let checker = Checker::new(envelope(), &registered(&map).unwrap(), SAMPLING);
    let mut scratch = watching(DriftLimits::default());
    let _ = checker.judge(&tenant("acme"), &event(&json!({ "Johnson": 1 })), &mut scratch);
    assert_eq!(changes(&scratch, "acme"), []);
}

/// N02 for reports: a sender that makes up names fills what its own tenant has for them, and no more.
#[test]
fn made_up_names_take_bounded_memory_and_hide_no_known_field() {
    let mut limits = DriftLimits::default();
    limits.undeclared = 20;
    let mut scratch = watching(limits);
    let checker = checker();
    for n in 0..500_u32 {
        let name: String = format!("{n:03}").bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        let _ = checker.judge(&tenant("acme"), &event(&json!({ name: 1 })), &mut scratch);
    }
    let drift = scratch.drift().unwrap();
    assert_eq!(drift.held(&tenant("acme")), 20);
    assert_eq!(drift.report(&tenant("acme")).streams()[0].unseen_fields, 480);
    see(&mut scratch, "acme", 5, &json!({ "count": "many" }));
    see(&mut scratch, "globex", 5, &json!({ "nick": "n" }));
    assert_eq!(changes(&scratch, "acme").len(), 1);
    assert_eq!(changes(&scratch, "globex").len(), 1);
}

#[test]
fn what_two_workers_saw_is_put_together() {
    let (mut one, mut two) = (watching(DriftLimits::default()), watching(DriftLimits::default()));
    let mut all = Drift::new(DriftLimits::default());
    see(&mut one, "acme", 2, &json!({ "nick": "n" }));
    see(&mut two, "acme", 2, &json!({ "nick": 1 }));
    for worker in [&mut one, &mut two] {
        all.merge(std::mem::take(worker.drift_mut().unwrap()));
    }
    let report = all.report(&tenant("acme"));
    let stream = &report.streams()[0];
    assert_eq!((stream.events, stream.changes[0].events), (4, 4));
    assert_eq!(stream.changes[0].now.to_string(), "integer|string");
    assert_eq!(one.drift().unwrap().held(&tenant("acme")), 0);
}

#[test]
fn a_report_is_a_table_and_json() {
    let mut scratch = watching(DriftLimits::default());
    see(&mut scratch, "acme", 6, &usual());
    see(&mut scratch, "acme", 2, &json!({ "count": "many", "loginStatus": "in" }));
    see(&mut scratch, "acme", 1, &json!({ "loginStatus": "in" }));
    let report = scratch.drift().unwrap().report(&tenant("acme"));
    assert_eq!(
        report.to_string(),
        "fields of acme

p t version 1: 9 events, against the schema
  appeared      /loginStatus  string                     33.3 %  not in the schema
  changed type  /count        integer -> integer|string  22.2 %  in the schema
"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["tenant"], "acme");
    assert_eq!(json["streams"][0]["eventType"], "t");
    assert_eq!(
        json["streams"][0]["changes"][0],
        json!({ "kind": "appeared", "field": "/loginStatus", "before": [], "now": ["string"],
            "events": 3, "declared": false })
    );
}
