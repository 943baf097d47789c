//! Rules that look for secrets in texts.

use std::sync::Arc;

use cofferdam_core::TenantId;
use cofferdam_redact::{
    CompileFault, Decode, Detector, MemoryVault, Policy, PolicyDocument, PolicyLimits,
    RedactionKey, Report, Rule, Scratch, Strategy as Treatment, Target, Vault,
};
use proptest::{prelude::*, strategy::Strategy};
use serde_json::{Value, json};

use super::support::{EPOCH, ROOT, compile_for, mask, policy, redact, redacted, rule, with};

fn detecting(rule: Rule, detectors: &[Detector]) -> Rule {
    with(rule, |rule| rule.detect = detectors.to_vec())
}

fn all(rule: Rule) -> Rule {
    detecting(rule, &Detector::ALL)
}

fn value(policy: &Policy, event: &Value) -> Value {
    serde_json::from_str(&redacted(policy, &event.to_string())).unwrap()
}

#[test]
fn what_is_found_in_a_text_goes_and_the_rest_stays() {
    let policy = policy(&[all(mask("$.chat", "****"))]);
    let event = json!({
        "chat": "call +1 415 555 0100 or write to ana@example.com, \"soon\"\n",
        "other": "+1 415 555 0100",
    });
    let left = json!({
        "chat": "call **** or write to ****, \"soon\"\n",
        "other": "+1 415 555 0100",
    });
    assert_eq!(value(&policy, &event), left);
    // Escapes do not hide it, and a text without a secret stays as it is spelled.
    let escaped = r#"{"chat":"write to ana\u0040example\u002ecom"}"#;
    assert_eq!(redacted(&policy, escaped), r#"{"chat":"write to ****"}"#);
    let harmless = r#"{"chat":"n\u006fthing \/ here"}"#;
    assert_eq!(redacted(&policy, harmless), harmless);
}

#[test]
fn only_the_detectors_of_the_rule_look() {
    let policy = policy(&[detecting(mask("$.chat", "****"), &[Detector::Email])]);
    let event = json!({"chat": "+1 415 555 0100 ana@example.com"});
    assert_eq!(value(&policy, &event), json!({"chat": "+1 415 555 0100 ****"}));
}

/// Of two rules that reach one text neither hides what the other looks for.
#[test]
fn rules_that_meet_in_a_text_look_together() {
    let phone = detecting(mask("$..t", "****"), &[Detector::Phone]);
    let card = detecting(rule("$..t", Treatment::Omit), &[Detector::Card]);
    let cut = with(rule("$..t", Treatment::Truncate), |rule| rule.length = Some(4));
    let email = detecting(cut, &[Detector::Email]);
    let outer = detecting(rule("$..o", Treatment::Omit), &[Detector::Phone, Detector::Card]);
    let text = "call +14155550100 card 4111111111111111 mail ana@example.com";
    let event = json!({"o": {"t": text}});
    for rules in
        [vec![phone.clone(), card.clone(), email.clone()], vec![outer, email], vec![phone, card]]
    {
        let has_email = rules.iter().any(|rule| rule.detect.contains(&Detector::Email));
        let out = value(&policy(&rules), &event)["o"]["t"].as_str().unwrap().to_owned();
        assert!(!out.contains("4155") && !out.contains("4111"), "{out}");
        assert_eq!(out.contains("ana"), !has_email, "{out}");
    }
}

/// What rules that look into strings and rules that look for secrets do to one another, they do on the safe side.
#[test]
fn rules_of_other_kinds_take_nothing_from_each_other() {
    let inside = |path| with(rule(path, Treatment::Omit), |rule| rule.decode = Some(Decode::Json));
    // A name that is a secret, where some other rule has strings decoded.
    let rules = [all(mask("$..t", "****")), inside("$..other")];
    let out = value(&policy(&rules), &json!({"t": r#"{"+1 415 555 0100":1}"#, "u": 1}));
    assert_eq!(out, json!({"u": 1}));
    // A text that is JSON once the number before it is gone.
    let rules = [all(rule("$..t", Treatment::Omit)), inside("$..zz")];
    let event = json!({"t": r#"+14155550100 {"zz":"SECRET"}"#}).to_string();
    assert_eq!(redacted(&policy(&rules), &event), "{}");
    // A cut of a string in which a stronger rule would have found something.
    let cut = with(rule("$.s", Treatment::Truncate), |rule| rule.length = Some(64));
    for shows in [cut, mask("$.s", "XXXX")] {
        let policy = policy(&[shows, inside("$.s.card")]);
        let text = format!(r#"{{"card":"4111111111111111","z":"{}"}}"#, "z".repeat(60));
        let out = redacted(&policy, &json!({ "s": text }).to_string());
        assert!(matches!(&*out, r#"{"s":""}"# | r#"{"s":"****"}"#), "{out}");
    }
}

#[test]
fn texts_below_a_place_are_looked_into_and_whole_values_are_whole() {
    let policy = policy(&[
        all(mask("$.thread", "****")),
        rule("$..id", Treatment::Omit),
        with(rule("$..to", Treatment::Replace), |rule| rule.value = Some(json!("someone"))),
    ]);
    let event = json!({"thread": {
        "id": "ana@example.com",
        "to": "ana@example.com",
        "messages": [{"text": "ana@example.com?", "n": [14155550100u64, 3]}, "card 4111 1111 1111 1111"],
    }});
    let left = json!({"thread": {
        "to": "someone",
        "messages": [{"text": "****?", "n": [14155550100u64, 3]}, "card ****"],
    }});
    assert_eq!(value(&policy, &event), left);
    // A number that is a secret by itself becomes a text.
    assert_eq!(
        value(&policy, &json!({"thread": [4111111111111111u64]})),
        json!({"thread": ["****"]})
    );
}

#[test]
fn each_strategy_treats_what_is_found() {
    let event = json!({"t": "from 192.0.2.77 to ana@example.com"});
    let left = |rule: Rule| {
        let out = value(&policy(&[all(rule)]), &event);
        out["t"].as_str().unwrap().to_owned()
    };
    assert_eq!(left(rule("$.t", Treatment::Omit)), "from  to ");
    assert_eq!(left(mask("$.t", "*-XX")), "from *-77 to *-om");
    let replace = with(rule("$.t", Treatment::Replace), |rule| rule.value = Some(json!("[\"x\"]")));
    assert_eq!(left(replace), "from [\"x\"] to [\"x\"]");
    let general = with(rule("$.t", Treatment::Generalize), |rule| {
        rule.to = Some(cofferdam_redact::General::Network);
    });
    assert_eq!(left(general), "from 192.0.2.0/24 to ****");
    let cut = with(rule("$.t", Treatment::Truncate), |rule| rule.length = Some(3));
    assert_eq!(left(cut), "from 192 to ana");
    let hashed = left(rule("$.t", Treatment::Hash));
    assert!(hashed.starts_with("from h1.3.") && hashed.contains(" to h1.3."), "{hashed}");
    // The same secret has the same hash wherever it stands.
    let twice = value(
        &policy(&[all(rule("$.t", Treatment::Hash))]),
        &json!({"t": "a@b.example a@b.example"}),
    );
    let words: Vec<&str> = twice["t"].as_str().unwrap().split(' ').collect();
    assert_eq!(words[0], words[1]);
}

#[test]
fn a_token_in_a_text_leads_back() {
    let memory = Arc::new(MemoryVault::new(4));
    let vault: Arc<dyn Vault> = Arc::clone(&memory) as _;
    let document = PolicyDocument::new("acme", vec![all(rule("$.t", Treatment::Tokenize))]);
    let key = RedactionKey::new(ROOT, EPOCH);
    let policy =
        Policy::compile_with_vault(&document, &key, PolicyLimits::default(), &vault).unwrap();
    let out = value(&policy, &json!({"t": "to ana@example.com"}));
    let token = out["t"].as_str().unwrap().strip_prefix("to ").unwrap();
    let kept = memory.reveal(&TenantId::parse("acme").unwrap(), token).unwrap();
    assert_eq!(&**kept, br#""ana@example.com""#);
}

/// R03: in JSON in a string the detectors find what they find outside.
#[test]
fn detectors_look_into_json_in_strings() {
    let decoding = |rule| with(rule, |rule: &mut Rule| rule.decode = Some(Decode::Json));
    let inner = json!({"text": "ana@example.com", "n": [1.5]});
    let hidden = json!({"text": "****", "n": [1.5]});
    let policy_of = |rule| policy(&[rule]);
    let found = policy_of(decoding(all(mask("$.t", "****"))));
    assert_eq!(value(&found, &json!({"t": inner.to_string()})), json!({"t": hidden.to_string()}));
    // Without it the string is a text like any other, however it begins.
    let plain = policy_of(all(mask("$.t", "****")));
    for text in [inner.to_string(), "[ana@example.com".into(), "[\"ana@example.com\" x".into()] {
        let out = value(&plain, &json!({ "t": text }));
        assert_eq!(out, json!({"t": text.replace("ana@example.com", "****")}));
    }
}

#[test]
fn a_report_counts_each_finding() {
    let policy = policy(&[all(mask("$.t", "****"))]);
    let mut report = Report::with_places(9);
    let event = json!({"t": ["a@b.example, c@d.example", "none"]}).to_string();
    let done = policy
        .redact_and_report(event.as_bytes(), &mut Vec::new(), &mut Scratch::new(), &mut report)
        .unwrap();
    assert_eq!(done.masked, 2);
    assert_eq!(report.places().collect::<Vec<_>>(), [(0, "/t/0"), (0, "/t/0")]);
}

#[test]
fn names_are_not_texts() {
    let bad = all(with(rule("$.t", Treatment::Hash), |rule| rule.target = Target::Names));
    assert_eq!(compile_for("acme", &[bad]).unwrap_err().fault(), CompileFault::DetectsNames);
    // What is found in a text and what is hashed whole are two things.
    let rules = [rule("$.t", Treatment::Hash), all(mask("$.t", "XX"))];
    let out = value(&policy(&rules), &json!({"t": "ana@example.com"}));
    assert!(out["t"].as_str().unwrap().starts_with("h1."));
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z{\\[\"\\\\ é]{0,9}",
        Just("ana@example.com".to_owned()),
        Just("+1 415 555 0100".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("192.0.2.77".to_owned()),
        Just("Bearer abcdefghijklmnop".to_owned()),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..Default::default() })]

    /// Whatever stands around it, a secret in words of its own goes, and the event stays sound.
    #[test]
    fn no_planted_secret_is_left(before in text(), after in text(), decodes: bool) {
        let masked = with(all(mask("$..t", "****")), |rule| {
            rule.decode = decodes.then_some(Decode::Json);
        });
        let policy = policy(&[masked]);
        let event = json!({"a": [{"t": format!("{before} zq@example.com {after}")}]});
        let (out, _) = redact(&policy, event.to_string().as_bytes()).unwrap();
        let out = String::from_utf8(out).unwrap();
        prop_assert!(!out.contains("zq@example.com"), "{}", out);
    }
}
