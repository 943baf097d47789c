//! Secrets in every field of events, looked for in all that comes out.

use std::fmt::Write;

use cofferdam_core::{Machine, Now};
use cofferdam_schema::{
    Checker, Course, Envelope, Governor, Graduation, Input, Policy, Registration, Registry,
    SchemaKey, Scratch, Share,
    drift::Drift,
    governor::{Rule, Trial},
};
use cofferdam_sim::generator::{Fleet, Profile, Secrets, TenantStream};

use super::support::SAMPLING;

/// Nothing of the events fits: there is as much to report as there can be.
const SCHEMA: &str = r#"{
  "properties": {
    "topicName": { "type": "string" },
    "eventBody": { "additionalProperties": { "anyOf": [{ "type": "null" }, { "maxLength": 1 }] } }
  },
  "additionalProperties": false
}"#;

/// R06: verdicts, findings, reports, facts, differences and drift tables of events that are full of secrets
/// hold none of them, nor do the debug forms of what judged them.
#[test]
fn no_output_holds_a_secret_of_an_event() {
    let fleet = Fleet::new(7, 3);
    let mut registry = Registry::default();
    let key = SchemaKey::new("any", "2", "1").unwrap();
    for version in ["1", "2"] {
        let key = key.with_version(version).unwrap();
        // Both are of the same words, and the second refuses what the first lets pass.
        let document =
            SCHEMA.replace("maxLength", if version == "1" { "maxLength" } else { "minLength" });
        let registration = Registration::new(key, document.as_bytes());
        let policy = Policy::Graduated(Graduation::default());
        registry.register(&registration.policy(policy)).unwrap();
    }
    let mut governor = Governor::new();
    let mut out = String::new();
    for tenant in fleet.tenants() {
        let course = Course::of("1").with_canary("2", Share::ALL);
        registry.install(tenant.id(), &key, &course).unwrap();
        let checker = Checker::new(Envelope::new("any", "/version").unwrap(), &registry, SAMPLING);
        let mut scratch = Scratch::new([1; 16]).with_drift(Drift::default());
        let profile = Profile { planted: true, ..Profile::benchmark(1_600) };
        let mut stream = TenantStream::new(7, tenant, profile);
        let trial = Trial::new("2", Share::ALL, Rule { at_least: 10, ..Rule::default() });
        let (mut effects, now) = (Vec::new(), Now::from_millis(0, 0));
        let begin = Input::Begin { tenant: tenant.id().clone(), key: key.clone(), trial };
        governor.handle_input(begin, now, &mut effects);
        let (mut frame, mut secrets) = (Vec::new(), 0);
        for _ in 0..400 {
            frame.clear();
            stream.next_frame(&mut frame);
            secrets += Secrets::of(tenant).all(&frame).count();
            let verdict = checker.judge(tenant.id(), &frame, &mut scratch);
            write!(out, "{verdict:?} {:?}", scratch.findings()).unwrap();
        }
        assert!(secrets > 400, "{secrets}");
        let report = scratch.drift().unwrap().report(tenant.id());
        write!(out, "{report} {report:?} {}", serde_json::to_string(&report).unwrap()).unwrap();
        write!(out, "{scratch:?} {checker:?} {:?}", scratch.drift()).unwrap();
        for report in scratch.take_reports() {
            write!(out, "{report:?}").unwrap();
            governor.handle_input(Input::Report(report), now, &mut effects);
        }
        write!(out, "{effects:?} {governor:?}").unwrap();
    }
    assert!(out.contains("newly_failing") && out.contains("/eventBody/*"), "{out}");
    assert_eq!(Secrets::of_anybody().find(out.as_bytes()), None);
}
