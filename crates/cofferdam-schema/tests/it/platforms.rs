//! Published schemas and recorded events, which are not in the repository.
#![expect(clippy::disallowed_methods, reason = "what is read lies beside the repository")]

use std::{collections::BTreeMap, fs};

use cofferdam_core::Reason;
use cofferdam_schema::{
    Checker, Envelope, FindingKind, Policy, Registration, Registry, Scratch, Verdict, drift::Drift,
};

use super::support::{SAMPLING, shared, tenant};

/// The 75 topics of Genesys Cloud whose schemas are derived from its SDK.
fn genesys(policy: Policy) -> Option<(Registry, u64)> {
    let folder = shared("corpus/genesys-schemas")?.join("topics");
    let (mut registry, mut dearest) = (Registry::default(), 0);
    for entry in fs::read_dir(folder).unwrap() {
        let document = fs::read(entry.unwrap().path()).unwrap();
        let registration = Registration::named_by_id("genesys-cloud", "2", &document).unwrap();
        let registration = registration.policy(policy);
        registry.register(&registration).unwrap_or_else(|error| panic!("{error}"));
        let value: serde_json::Value = serde_json::from_slice(&document).unwrap();
        let event_type = value["$id"].as_str().unwrap();
        let key = cofferdam_schema::SchemaKey::new("genesys-cloud", event_type, "2").unwrap();
        dearest = dearest.max(registry.price(&tenant("acme"), &key).unwrap());
    }
    Some((registry, dearest))
}

#[test]
fn the_schemas_of_genesys_cloud_load_as_they_are() {
    let Some((registry, dearest)) = genesys(Policy::Tolerant) else { return };
    assert_eq!(registry.count(&tenant("acme")), (75, 0));
    eprintln!("the dearest has a price of {dearest}");
    assert!(dearest < 300, "{dearest}");
}

#[test]
fn recorded_notifications_are_judged_by_the_schema_of_their_topic() {
    let Some((registry, _)) = genesys(Policy::Tolerant) else { return };
    let Some(folder) = shared("corpus/genesys-notifications") else { return };
    let checker = Checker::new(Envelope::genesys_cloud(), &registry, SAMPLING);
    let mut scratch = Scratch::new([1; 16]).with_drift(Drift::default());
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let acme = tenant("acme");
    let mut verdicts: BTreeMap<String, u32> = BTreeMap::new();
    let mut places: BTreeMap<(String, FindingKind), u32> = BTreeMap::new();
    for event in events.split('\n').filter(|line| !line.is_empty()) {
        let verdict = checker.judge(&acme, event.as_bytes(), &mut scratch);
        assert_ne!(verdict, Verdict::Refused(Reason::TooCostly));
        let name = match verdict {
            Verdict::Tolerated { .. } => "tolerated".to_owned(),
            other => format!("{other:?}"),
        };
        *verdicts.entry(name).or_default() += 1;
        for (path, kind, count) in scratch.findings().places() {
            *places.entry((path.to_string(), kind)).or_default() += count;
        }
    }
    eprintln!("{verdicts:#?} {places:#?}\n{}", scratch.drift().unwrap().report(&acme));
    // What is refused are the 40 answers to subscriptions, which are no events and name no type.
    let expected = [("Conforms", 4_064), ("Refused(SchemaMismatch)", 40), ("Unregistered", 1_160)];
    let counted: Vec<(&str, u32)> = verdicts.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(counted, expected);
    assert!(places.is_empty(), "{places:?}");
    // What was recorded has all of its fields in the schemas.
    let report = scratch.drift().unwrap().report(&acme);
    assert!(report.streams().len() > 10);
    assert!(report.streams().iter().all(|stream| stream.changes.is_empty()), "{report}");
}
