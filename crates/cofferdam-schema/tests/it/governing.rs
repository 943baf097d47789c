//! Trials and trust: what is decided, when, and what is said of it.

use std::time::Duration;

use cofferdam_core::TenantId;
use cofferdam_core::{Machine, Now};
use cofferdam_schema::{
    Checker, Course, Effect, FieldPath, FindingKind, Governor, Graduation, Input, Policy,
    Registration, Registry, Share, Trust, Verdict,
    governor::{By, Difference, Fact, Ignored, Rule, Trial, Why},
};
use serde_json::{Value, json};

use super::support::{SAMPLING, envelope, event, key, scratch, tenant};

const RULE: Rule = Rule {
    at_least: 100,
    roll_back_above: Share::percent(2),
    promote_at: Some(Share::percent(1)),
    soonest: Duration::from_secs(60),
    latest: Duration::from_secs(600),
};

fn at(seconds: u64) -> Now {
    Now::from_millis(seconds * 1_000, 0)
}

/// A registry, a governor, and a driver that does what the governor asks for.
struct World {
    registry: Registry,
    governor: Governor,
    facts: Vec<(TenantId, Fact)>,
}

impl World {
    /// Version 1 wants `a`, version 2 wants `b`.
    fn new(policy: Policy) -> Self {
        let mut registry = Registry::default();
        for (version, field) in [("1", "a"), ("2", "b")] {
            let document = format!(r#"{{"required":["{field}"]}}"#);
            let registration = Registration::new(key(version), document.as_bytes()).policy(policy);
            registry.register(&registration).unwrap();
        }
        Self { registry, governor: Governor::new(), facts: Vec::new() }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Install { tenant, key, course } => {
                    self.registry.install(&tenant, &key, &course).unwrap();
                }
                Effect::Happened { tenant, fact, .. } => self.facts.push((tenant, fact)),
                other => panic!("{other:?}"),
            }
        }
    }

    fn tell(&mut self, input: Input, now: Now) {
        let mut effects = Vec::new();
        self.governor.handle_input(input, now, &mut effects);
        self.carry_out(effects);
    }

    fn wait(&mut self, now: Now) {
        let mut effects = Vec::new();
        self.governor.handle_timeout(now, &mut effects);
        self.carry_out(effects);
    }

    /// Judges so many events of a tenant, each with another body, and hands the counts in.
    fn traffic(
        &mut self,
        of: &str,
        count: u32,
        now: Now,
        body: impl Fn(u32) -> Value,
    ) -> Vec<Verdict> {
        let checker = Checker::new(envelope(), &self.registry, SAMPLING);
        let mut scratch = scratch();
        let judge = |n| checker.judge(&tenant(of), &event(&body(n)), &mut scratch);
        let verdicts = (0..count).map(judge).collect();
        for report in scratch.take_reports() {
            self.tell(Input::Report(report), now);
        }
        verdicts
    }

    fn begin(&mut self, of: &str, share: Share) {
        let trial = Trial::new("2", share, RULE);
        self.tell(Input::Begin { tenant: tenant(of), key: key("1"), trial }, at(0));
    }

    /// The facts since the last time.
    fn facts(&mut self) -> Vec<Fact> {
        self.facts.drain(..).map(|(_, fact)| fact).collect()
    }
}

fn both(n: u32) -> Value {
    json!({ "a": 1, "b": 1, "n": n })
}

#[test]
fn a_good_candidate_is_promoted_by_rule_when_its_time_has_come() {
    let mut world = World::new(Policy::Strict);
    world.begin("acme", Share::ALL);
    assert!(matches!(world.facts()[..], [Fact::CanaryBegan { .. }]));
    world.traffic("acme", 200, at(30), both);
    assert_eq!(world.facts(), [], "it is too soon");
    assert_eq!(world.governor.poll_timeout().map(Now::monotonic_ns), Some(at(60).monotonic_ns()));
    world.wait(at(59));
    assert_eq!(world.facts(), []);
    world.wait(at(60));
    let facts = world.facts();
    let [Fact::Promoted { from, to, by: By::Rule, evidence }] = &facts[..] else {
        panic!("{facts:?}")
    };
    assert_eq!((&**from, &**to, evidence.compared, evidence.newly_failing), ("1", "2", 200, 0));
    assert_eq!(
        facts[0].to_string(),
        "version 2 judges in place of 1, by rule: 200 events compared, 0 newly failing, 0 newly fitting"
    );
    assert_eq!(world.governor.poll_timeout(), None);
    let verdicts = world.traffic("acme", 1, at(61), |_| json!({ "b": 1 }));
    assert_eq!(verdicts, [Verdict::Conforms], "version 2 judges");
    let verdicts = world.traffic("globex", 1, at(61), |_| json!({ "b": 1 }));
    assert!(matches!(verdicts[..], [Verdict::Refused(_)]), "nobody else's events");
}

#[test]
fn a_bad_candidate_refuses_nothing_and_is_rolled_back_at_once() {
    let mut world = World::new(Policy::Strict);
    world.begin("acme", Share::ALL);
    let bad = |n: u32| if n.is_multiple_of(10) { json!({ "a": n }) } else { both(n) };
    let verdicts = world.traffic("acme", 90, at(1), bad);
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Conforms), "version 1 decides");
    let comparison = world.governor.comparison(&tenant("acme"), &key("1")).unwrap();
    let differences: Vec<_> =
        comparison.differences().map(|(path, kind, count)| (path.clone(), kind, count)).collect();
    assert_eq!(
        differences,
        [(path("/b"), FindingKind::Mismatch, Difference { in_force_alone: 0, candidate_alone: 9 })]
    );
    assert_eq!(world.facts().len(), 1, "too few events to decide on");
    world.traffic("acme", 90, at(2), bad);
    let facts = world.facts();
    assert!(
        matches!(&facts[..], [Fact::RolledBack { why: Why::NewlyFailing, evidence, .. }]
            if evidence.compared == 180 && evidence.newly_failing == 18),
        "{facts:?}"
    );
    assert_eq!(world.traffic("acme", 1, at(3), |_| json!({ "a": 1 })), [Verdict::Conforms]);
}

/// A path as the differences show it.
fn path(text: &str) -> FieldPath {
    let registry = {
        let mut registry = Registry::default();
        let document = br#"{"required":["b"]}"#;
        registry.register(&Registration::new(key("1"), document)).unwrap();
        registry
    };
    let mut scratch = scratch();
    let checker = Checker::new(envelope(), &registry, SAMPLING);
    let _ = checker.judge(&tenant("any"), &event(&json!({})), &mut scratch);
    let found = scratch.findings().places().next().unwrap().0.clone();
    assert_eq!(found.as_str(), text);
    found
}

#[test]
fn a_trial_without_enough_events_ends_undecided() {
    let mut world = World::new(Policy::Strict);
    world.begin("acme", Share::ALL);
    world.traffic("acme", 99, at(100), both);
    world.wait(at(599));
    assert_eq!(world.facts().len(), 1);
    world.wait(at(600));
    assert!(matches!(world.facts()[..], [Fact::RolledBack { why: Why::Undecided, .. }]));
    world.wait(at(10_000));
    assert_eq!(world.facts(), [], "a spurious timeout changes nothing");
}

#[test]
fn an_operator_decides_at_any_time() {
    let mut world = World::new(Policy::Strict);
    let (tenant, key) = (tenant("acme"), key("1"));
    let promote = Input::Promote { tenant: tenant.clone(), key: key.clone() };
    let back = Input::RollBack { tenant: tenant.clone(), key: key.clone() };
    for nothing in [promote.clone(), back.clone()] {
        world.tell(nothing, at(0));
        assert_eq!(world.facts(), [Fact::Ignored(Ignored::NoTrial)]);
    }
    world.begin("acme", Share::percent(10));
    world.begin("acme", Share::percent(10));
    assert!(matches!(world.facts()[..], [_, Fact::Ignored(Ignored::TrialRuns)]));
    let share = Share::percent(50);
    world.tell(Input::ChangeShare { tenant: tenant.clone(), key: key.clone(), share }, at(1));
    assert!(matches!(world.facts()[..], [Fact::CanaryChanged { share: now, .. }] if now == share));
    world.tell(back, at(2));
    assert!(matches!(world.facts()[..], [Fact::RolledBack { why: Why::Hand, .. }]));
    world.begin("acme", Share::percent(10));
    world.tell(promote, at(3));
    assert!(matches!(world.facts()[..], [_, Fact::Promoted { by: By::Hand, .. }]));
    world.begin("acme", Share::percent(10));
    assert_eq!(world.facts(), [Fact::Ignored(Ignored::InForce)]);
    world.tell(Input::NotRegistered { tenant, key }, at(4));
    assert_eq!(world.facts(), [Fact::Ignored(Ignored::NoTrial)]);
}

#[test]
fn everybodys_trial_is_decided_for_each_tenant_by_its_own_events() {
    let mut world = World::new(Policy::Strict);
    let own = Registration::new(key("1"), b"{}");
    world.registry.register_for(&tenant("own"), &own).unwrap();
    world.governor.for_everybody(key("1"), Trial::new("2", Share::ALL, RULE));
    for (of, body) in
        [("good", both as fn(u32) -> Value), ("bad", |n| json!({ "a": n })), ("own", both)]
    {
        world.traffic(of, 1, at(0), body);
        world.traffic(of, 200, at(90), body);
    }
    let mut ends: Vec<(String, bool)> = world
        .facts
        .iter()
        .filter(|(_, fact)| !matches!(fact, Fact::CanaryBegan { .. }))
        .map(|(tenant, fact)| (tenant.to_string(), matches!(fact, Fact::Promoted { .. })))
        .collect();
    ends.sort();
    assert_eq!(ends, [("bad".into(), false), ("good".into(), true)]);
    world.facts();
    world.traffic("bad", 200, at(91), both);
    assert_eq!(world.facts(), [], "a tenant takes part once");
    world.governor.end_for_everybody(&key("1"));
    world.traffic("late", 200, at(92), both);
    assert_eq!(world.facts(), []);
}

#[test]
fn a_graduated_schema_is_trusted_and_distrusted_by_its_mismatches() {
    let graduation = Graduation { window: Duration::from_secs(10), ..Graduation::default() };
    let mut world = World::new(Policy::Graduated(graduation));
    let wrong = |n: u32| json!({ "n": n });
    let verdicts = world.traffic("acme", 1, at(0), wrong);
    assert_eq!(verdicts, [Verdict::Marked { mismatches: 1 }]);
    world.traffic("acme", 200, at(0), both);
    assert!(matches!(world.facts()[..], [Fact::Trusted { .. }]));
    let verdicts = world.traffic("acme", 5, at(1), wrong);
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Refused(_))), "{verdicts:?}");
    assert_eq!(world.facts(), [], "three in a hundred is between the thresholds");
    world.traffic("acme", 30, at(2), wrong);
    assert!(matches!(world.facts()[..], [Fact::Distrusted { .. }]));
    let verdicts = world.traffic("acme", 1, at(3), wrong);
    assert_eq!(verdicts, [Verdict::Marked { mismatches: 1 }]);
    world.traffic("acme", 500, at(30), both);
    assert!(matches!(world.facts()[..], [Fact::Trusted { .. }]));
}

/// What did not fit the version before says nothing of the one that judges now.
#[test]
fn a_promoted_version_is_judged_by_its_own_events() {
    let graduation = Graduation { at_least: 50, ..Graduation::default() };
    let mut world = World::new(Policy::Graduated(graduation));
    world.traffic("acme", 100, at(0), both);
    world.traffic("acme", 5, at(0), |n| json!({ "b": n }));
    world.begin("acme", Share::ALL);
    world.tell(Input::Promote { tenant: tenant("acme"), key: key("1") }, at(1));
    world.facts();
    // Together with the five before they would be one in ten.
    world.traffic("acme", 60, at(2), |n| if n < 3 { json!({ "a": n }) } else { both(n) });
    assert_eq!(world.facts(), []);
    world.traffic("acme", 5, at(2), |n| json!({ "a": n }));
    assert!(matches!(world.facts()[..], [Fact::Distrusted { .. }]));
}

#[test]
fn a_restart_goes_on_with_the_course_that_was_kept() {
    let mut before = World::new(Policy::Graduated(Graduation::default()));
    before.traffic("acme", 200, at(0), both);
    before.begin("acme", Share::ALL);
    let mut effects = Vec::new();
    let promote = Input::Promote { tenant: tenant("acme"), key: key("1") };
    before.governor.handle_input(promote, at(1), &mut effects);
    let Effect::Install { tenant: of, key: name, course } = effects.remove(0) else { panic!() };

    let mut after = World::new(Policy::Graduated(Graduation::default()));
    after.tell(Input::Restore { tenant: of, key: name, course: course.clone() }, at(0));
    assert_eq!(
        after.facts()[0].to_string(),
        "version 2 judges again, trusted, as before a restart"
    );
    let verdicts = after.traffic("acme", 1, at(1), |_| json!({ "a": 1 }));
    assert!(matches!(verdicts[..], [Verdict::Refused(_)]), "version 2 judges, and is trusted");
    after.begin("acme", Share::ALL);
    assert_eq!(after.facts(), [Fact::Ignored(Ignored::InForce)]);
}

#[test]
fn a_course_keeps_trust_and_trial_together() {
    let mut world = World::new(Policy::Graduated(Graduation::default()));
    world.traffic("acme", 200, at(0), both);
    let mut effects = Vec::new();
    let trial = Trial::new("2", Share::percent(5), RULE);
    let input = Input::Begin { tenant: tenant("acme"), key: key("1"), trial };
    world.governor.handle_input(input, at(1), &mut effects);
    let expected = Course::of("1").with_canary("2", Share::percent(5)).with_trust(Trust::Enforcing);
    assert!(matches!(&effects[0], Effect::Install { course, .. } if *course == expected));
}

/// Whatever a tenant's events hold, neither effects nor reports show it.
#[test]
fn effects_hold_nothing_of_events() {
    let mut world = World::new(Policy::Graduated(Graduation::default()));
    world.begin("acme", Share::ALL);
    world.traffic("acme", 150, at(1), |n| json!({ "SECRET": "SECRET", "a": { "SECRET": n } }));
    let comparison = world.governor.comparison(&tenant("acme"), &key("1"));
    let shown = format!("{:?} {comparison:?} {:?}", world.facts, world.governor);
    assert!(!world.facts.is_empty() && !shown.contains("SECRET"), "{shown}");
}
