//! Two tenants side by side: schemas, counts and trials of one do not exist for the other.

use std::time::Duration;

use cofferdam_core::{Now, Reason, Scoped, TenantId};
use cofferdam_schema::{
    Checker, Course, Governor, Graduation, Input, Policy, Registration, Registry, Share, Verdict,
    governor::{Rule, Trial},
};
use cofferdam_sim::{Step, assert_noninterference, rng};
use serde_json::json;

use super::support::{SAMPLING, envelope, event, key, registered, registration, scratch, tenant};

const MISMATCH: Verdict = Verdict::Refused(Reason::SchemaMismatch);

/// F11: an event of tenant A that names a type and version that only B has registered is of a schema that
/// does not exist, exactly as if nobody had it.
#[test]
fn another_tenants_schema_id_means_nothing() {
    let (a, b) = (tenant("a"), tenant("b"));
    let mut registry = Registry::default();
    registry.register_for(&b, &Registration::new(key("1"), br#"{"required":["x"]}"#)).unwrap();
    let checker = Checker::new(envelope(), &registry, SAMPLING);
    let judge = |tenant: &TenantId, body| checker.judge(tenant, &event(&body), &mut scratch());
    assert_eq!(judge(&a, json!({})), Verdict::Unregistered);
    assert_eq!(judge(&tenant("nobody"), json!({})), Verdict::Unregistered);
    assert_eq!(judge(&b, json!({})), MISMATCH);
    assert_eq!((registry.count(&a), registry.price(&a, &key("1"))), ((0, 0), None));
    let error = registry.install(&a, &key("1"), &Course::of("1")).unwrap_err();
    assert_eq!(error, registry.install(&a, &key("7"), &Course::of("7")).unwrap_err());
}

/// F11: a schema of one's own comes before everybody's, for oneself alone, whoever registers last.
#[test]
fn a_tenants_override_is_that_tenants() {
    let (a, b) = (tenant("a"), tenant("b"));
    let (own, shared) = (r#"{"required":["own"]}"#, r#"{"required":["shared"]}"#);
    for own_first in [true, false] {
        let mut registry = Registry::default();
        let steps = if own_first { [true, false] } else { [false, true] };
        for is_own in steps {
            if is_own {
                registry.register_for(&b, &registration(own)).unwrap();
            } else {
                registry.register(&registration(shared)).unwrap();
            }
        }
        let checker = Checker::new(envelope(), &registry, SAMPLING);
        let judge = |tenant: &TenantId, body| checker.judge(tenant, &event(&body), &mut scratch());
        assert_eq!(judge(&b, json!({ "own": 1 })), Verdict::Conforms);
        assert_eq!(judge(&b, json!({ "shared": 1 })), MISMATCH);
        assert_eq!(judge(&a, json!({ "shared": 1 })), Verdict::Conforms);
        assert_eq!(judge(&a, json!({ "own": 1 })), MISMATCH);
        registry.remove_tenant(&b);
        let without = checker.with_registry(&registry);
        let verdict = without.judge(&b, &event(&json!({ "shared": 1 })), &mut scratch());
        assert_eq!(verdict, Verdict::Conforms);
    }
}

/// F11: a candidate, too, is looked for among the tenant's own and everybody's.
#[test]
fn a_canary_cannot_be_another_tenants_schema() {
    let (a, b) = (tenant("a"), tenant("b"));
    let mut registry = registered(&registration("{}")).unwrap();
    registry.register_for(&b, &Registration::new(key("2"), b"false-is-no-object")).unwrap_err();
    registry.register_for(&b, &Registration::new(key("2"), br#"{"required":["b"]}"#)).unwrap();
    let course = Course::of("1").with_canary("2", Share::ALL);
    assert!(registry.install(&a, &key("1"), &course).is_err());
    assert!(registry.install(&a, &key("1"), &Course::of("2")).is_err());
    registry.install(&b, &key("1"), &Course::of("2")).unwrap();
    let checker = Checker::new(envelope(), &registry, SAMPLING);
    assert_eq!(checker.judge(&b, &event(&json!({})), &mut scratch()), MISMATCH);
    assert_eq!(checker.judge(&a, &event(&json!({})), &mut scratch()), Verdict::Conforms);
}

/// F10: whoever has a checker in hand judges by it to the end; the next event has the next one. None is
/// judged by neither.
#[test]
fn each_event_is_judged_by_one_registry() {
    let mut registry = registered(&registration(r#"{"required":["a"]}"#)).unwrap();
    registry.register(&Registration::new(key("2"), br#"{"required":["b"]}"#)).unwrap();
    let before = Checker::new(envelope(), &registry, SAMPLING);
    let acme = tenant("acme");
    registry.install(&acme, &key("1"), &Course::of("2")).unwrap();
    let after = before.with_registry(&registry);
    registry.remove_tenant(&acme);
    let mut scratch = scratch();
    for _ in 0..3 {
        for (checker, fits, fails) in [(&before, "a", "b"), (&after, "b", "a")] {
            let mut judge =
                |name: &str| checker.judge(&acme, &event(&json!({ name: 1 })), &mut scratch);
            assert_eq!((judge(fits), judge(fails)), (Verdict::Conforms, MISMATCH));
        }
    }
}

/// Counts are by tenant: what two workers' reports say of one is what they say of it alone.
#[test]
fn reports_are_each_of_one_tenant() {
    let checker = Checker::new(envelope(), &registered(&registration("{}")).unwrap(), SAMPLING);
    let mut together = scratch();
    for n in 0..10 {
        let of = if n % 3 == 0 { "a" } else { "b" };
        let _ = checker.judge(&tenant(of), &event(&json!(n)), &mut together);
    }
    let reports = together.take_reports();
    let counts: Vec<_> =
        reports.iter().map(|report| (report.tenant().as_str(), report.counts().judged())).collect();
    assert_eq!(counts, [("a", 4), ("b", 6)]);
    assert!(together.take_reports().is_empty(), "they are taken once");
}

/// Reports of one event each, under a registry as it would be when they came.
fn script(seed: u64) -> Vec<(Now, Step<Input>)> {
    let mut rng = rng::seeded("a governor with three tenants", seed);
    let mut registry =
        registered(&registration(r#"{"required":["a"]}"#).policy(Policy::Graduated(Graduation {
            at_least: 3,
            window: Duration::from_secs(2),
            ..Graduation::default()
        })))
        .unwrap();
    registry.register(&Registration::new(key("2"), br#"{"required":["b"]}"#)).unwrap();
    let tenants = ["a", "b", "c"].map(tenant);
    let rule = Rule {
        at_least: 4,
        roll_back_above: Share::percent(60),
        promote_at: Some(Share::percent(40)),
        soonest: Duration::from_secs(1),
        latest: Duration::from_secs(4),
    };
    let mut steps = Vec::new();
    let mut now = Now::from_millis(0, 0);
    for _ in 0..300 {
        now = now.after(Duration::from_millis(rng.u64(0..200)));
        let tenant = tenants[rng.usize(0..3)].clone();
        let (of, key) = (tenant.clone(), key("1"));
        let input = match rng.u8(0..12) {
            0 => Input::Begin { tenant: of, key, trial: Trial::new("2", Share::ALL, rule) },
            1 => Input::Promote { tenant: of, key },
            2 => Input::RollBack { tenant: of, key },
            3 => Input::ChangeShare { tenant: of, key, share: Share::percent(rng.u32(0..100)) },
            4 if rng.bool() => Input::NotRegistered { tenant: of, key },
            4 => Input::Restore { tenant: of, key, course: Course::of("2") },
            5 if rng.u8(0..4) == 0 => Input::Forget { tenant: of },
            _ => {
                let course = Course::of("1").with_canary("2", Share::ALL);
                registry.install(&tenant, &key, &course).unwrap();
                let checker = Checker::new(envelope(), &registry, SAMPLING);
                let mut scratch = scratch();
                for _ in 0..rng.u8(1..6) {
                    let body = json!({ "a": 1, "b": 1 });
                    let body = if rng.bool() { body } else { json!({ "a": 1 }) };
                    let _ = checker.judge(&tenant, &event(&body), &mut scratch);
                }
                Input::Report(scratch.take_reports().remove(0))
            }
        };
        steps.push((now, Step::Input(input)));
        if rng.u8(0..5) == 0 {
            steps.push((now, Step::Timeout));
        }
    }
    steps
}

fn owner(input: &Input) -> TenantId {
    match input {
        Input::Report(report) => report.tenant().clone(),
        Input::Begin { tenant, .. }
        | Input::ChangeShare { tenant, .. }
        | Input::Promote { tenant, .. }
        | Input::RollBack { tenant, .. }
        | Input::NotRegistered { tenant, .. }
        | Input::Restore { tenant, .. }
        | Input::Forget { tenant } => tenant.clone(),
        other => panic!("{other:?}"),
    }
}

/// What a tenant is told is what it would be told alone, also of a trial that is everybody's.
#[test]
fn no_tenant_decides_by_which_schema_another_is_judged() {
    for seed in 0..20 {
        let script = script(seed);
        for everybodys in [false, true] {
            let make = || {
                let mut governor = Governor::new();
                if everybodys {
                    let trial = Trial::new("2", Share::percent(5), Rule::default());
                    governor.for_everybody(key("1"), trial);
                }
                governor
            };
            assert_noninterference(make, owner, &script);
        }
    }
}
