//! What is said of a redaction, and what is tried and watched.

use std::sync::Arc;

use cofferdam_core::{Now, Reason};
use cofferdam_redact::{
    Alarms, CompileFault, Decode, DryRun, Fired, NotOneTenant, Policies, Policy, PolicyDocument,
    PolicyLimits, RedactionKey, Report, Rule, Scratch, Strategy, Target,
};
use serde_json::json;

use super::support::{EPOCH, ROOT, compile_for, mask, policy, rule, with};

fn key() -> RedactionKey {
    RedactionKey::new(ROOT, EPOCH)
}

fn report_of(policy: &Policy, event: &str, report: &mut Report) {
    let (mut out, mut scratch) = (Vec::new(), Scratch::new());
    policy.redact_and_report(event.as_bytes(), &mut out, &mut scratch, report).unwrap();
}

fn places(report: &Report) -> Vec<(usize, &str)> {
    report.places().collect()
}

#[test]
fn a_report_says_which_rules_fired_and_where() {
    let policy = policy(&[
        mask("$..phone", "****"),
        with(rule("$.by", Strategy::Hash), |rule| rule.target = Target::Names),
        with(rule("$.s..card", Strategy::Omit), |rule| rule.decode = Some(Decode::Json)),
    ]);
    let event = json!({
        "by": {"+15551234": {"phone": 1}, "x": 2},
        "list": [{"phone": 2}, [{"phone": [3]}]],
        "s": json!({"deep": [json!({"card": 1}).to_string()]}).to_string(),
    });
    let mut report = Report::with_places(10);
    report_of(&policy, &event.to_string(), &mut report);
    // The names of an event may say something themselves; those of the policy are known.
    assert_eq!(
        places(&report),
        [
            (1, "/by"),
            (0, "/by/*/phone"),
            (1, "/by"),
            (0, "/*/0/phone"),
            (0, "/*/1/0/phone"),
            (2, "/s/*/0/card"),
        ]
    );
    let fired = |rule, count| Fired { rule, count };
    assert_eq!(report.fired(), [fired(1, 2), fired(0, 3), fired(2, 1)]);
    assert_eq!((report.unplaced(), report.left_out_undecoded()), (0, 0));
    report_of(&policy, r#"{"s":"[1,]","a/b~":{"phone":1}}"#, &mut report);
    assert_eq!((places(&report), report.left_out_undecoded()), (vec![(0, "/*/phone")], 1));
}

/// R06: of an event only places are said, and of a place only what the policy says anyway.
#[test]
fn a_report_holds_nothing_of_an_event() {
    let policy = policy(&[mask("$.a.*", "****"), rule("$..SECRET", Strategy::Hash)]);
    let mut report = Report::with_places(10);
    report_of(
        &policy,
        r#"{"a":{"canary1":"canary2"},"canary3":{"SECRET":"canary4"}}"#,
        &mut report,
    );
    let shown = format!("{report:?}");
    assert_eq!(places(&report), [(0, "/a/*"), (1, "/*/SECRET")]);
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_report_has_room_for_so_many_places() {
    let policy = policy(&[mask("$.a[*]", "****")]);
    let event = json!({"a": [1, 2, 3, 4, 5]}).to_string();
    let mut report = Report::with_places(2);
    for _ in 0..3 {
        report_of(&policy, &event, &mut report);
        assert_eq!((places(&report).len(), report.unplaced()), (2, 3));
        assert_eq!(report.fired(), [Fired { rule: 0, count: 5 }]);
    }
    let mut counts = Report::new();
    report_of(&policy, &event, &mut counts);
    assert_eq!((places(&counts).len(), counts.unplaced(), counts.fired().len()), (0, 0, 1));
    // A refused event has no report.
    let refused = policy.redact_and_report(b"{", &mut Vec::new(), &mut Scratch::new(), &mut report);
    assert!(refused.is_err() && report.fired().is_empty() && places(&report).is_empty());
}

/// D6: a rule that never finds anything is a path that the platform has moved.
#[test]
fn a_rule_that_must_match_and_does_not_alarms_once() {
    let must = |rule| with(rule, |rule: &mut Rule| rule.must_match = true);
    let policy = policy(&[must(mask("$.a", "*")), mask("$.b", "*"), must(mask("$.c", "*"))]);
    let mut alarms = Alarms::new(policy.must_match().iter().copied(), 3);
    let mut report = Report::new();
    let mut after = |event: &str| {
        report_of(&policy, event, &mut report);
        let mut alarmed = Vec::new();
        alarms.event(&report, |rule| alarmed.push(rule));
        alarmed
    };
    let nothing = vec![0; 0];
    assert_eq!(after(r#"{"x":1}"#), nothing);
    assert_eq!(after(r#"{"a":1}"#), nothing);
    assert_eq!(after(r#"{"b":1}"#), [2]);
    assert_eq!(after("{}"), nothing);
    assert_eq!(after("{}"), [0]);
    assert_eq!(after("{}"), nothing);
    assert_eq!(after(r#"{"c":1}"#), nothing);
    assert_eq!([after("{}"), after("{}"), after("{}")], [vec![], vec![], vec![2]]);
}

#[test]
fn a_dry_run_reports_and_is_no_policy() {
    let mut document = PolicyDocument::new("acme", vec![rule("$.a", Strategy::Tokenize)]);
    document.dry_run = true;
    let refused = Policy::compile(&document, &key(), PolicyLimits::default()).unwrap_err();
    assert_eq!((refused.pointer(), refused.fault()), ("/dryRun".into(), CompileFault::OnlyDryRun));
    let dry_run = DryRun::compile(&document, &key(), PolicyLimits::default()).unwrap();
    let mut report = Report::with_places(1);
    let done = dry_run.report(br#"{"a":1}"#, &mut Scratch::new(), &mut report).unwrap();
    assert_eq!((done.hashed, places(&report)), (1, vec![(0, "/a")]));
    assert_eq!(
        dry_run.report(b"{", &mut Scratch::new(), &mut report),
        Err(Reason::RedactionFailed)
    );
}

#[test]
fn policies_follow_one_another_by_their_dates() {
    let dated = |from: Option<&str>, version| {
        let mut document = PolicyDocument::new("acme", Vec::new());
        document.effective_from = from.map(String::from);
        document.version = Some(version);
        Policy::compile(&document, &key(), PolicyLimits::default()).map(Arc::new)
    };
    let at = |policies: &Policies, wall_ms| {
        policies.at(Now::from_millis(0, wall_ms)).map(|policy| policy.version())
    };
    let first = dated(Some("1970-01-01T00:00:01Z"), 1).unwrap();
    let second = dated(Some("1970-01-01T00:00:02Z"), 2).unwrap();
    let policies = Policies::new([Arc::clone(&second), Arc::clone(&first)]).unwrap();
    let in_force = [999, 1_000, 1_999, 2_000, i64::MAX].map(|ms| at(&policies, ms));
    assert_eq!(in_force, [None, Some(1), Some(1), Some(2), Some(2)]);
    let always = Policies::new([first, dated(None, 3).unwrap()]).unwrap();
    assert_eq!([0, 1_000].map(|ms| at(&always, ms)), [Some(3), Some(1)]);
    assert_eq!(Policies::new([]).unwrap_err(), NotOneTenant);
    let other = Arc::new(compile_for("globex", &[]).unwrap());
    assert_eq!(Policies::new([second, other]).unwrap_err(), NotOneTenant);
    for no_date in ["2026-12-01", "tomorrow", ""] {
        assert_eq!(dated(Some(no_date), 1).unwrap_err().pointer(), "/effectiveFrom");
    }
}
