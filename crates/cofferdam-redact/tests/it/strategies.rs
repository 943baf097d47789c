//! What the less usual strategies leave, and what they refuse to be.

use std::sync::Arc;

use cofferdam_core::{Reason, Scoped, TenantId, pipeline::Redact};
use cofferdam_redact::{
    CompileFault, General, MemoryVault, Policy, PolicyDocument, PolicyLimits, RedactionKey, Rule,
    Scratch, Strategy, Target, Vault,
};
use serde_json::{Value, json};

use super::support::{EPOCH, ROOT, compile_for, policy, redact, redacted, rule, with};

fn replace(path: &str, value: Value) -> Rule {
    with(rule(path, Strategy::Replace), |rule| rule.value = Some(value))
}

fn generalize(path: &str, to: General) -> Rule {
    with(rule(path, Strategy::Generalize), |rule| rule.to = Some(to))
}

fn truncate(path: &str, length: usize) -> Rule {
    with(rule(path, Strategy::Truncate), |rule| rule.length = Some(length))
}

fn names(path: &str, strategy: Strategy) -> Rule {
    with(rule(path, strategy), |rule| rule.target = Target::Names)
}

#[test]
fn a_value_is_replaced_by_what_the_rule_says() {
    for (value, expected) in [
        (json!("gone \"\u{1}"), r#""gone \"\u0001""#),
        (json!(0), "0"),
        (json!(-1.5), "-1.5"),
        (json!(true), "true"),
        (Value::Null, "null"),
    ] {
        let policy = policy(&[replace("$.a", value)]);
        for event in [r#"{"a":"x"}"#, r#"{"a":[1,{"b":2}]}"#, r#"{"a":null}"#] {
            let out = redacted(&policy, event);
            assert_eq!(out, format!(r#"{{"a":{expected}}}"#));
            assert_eq!(policy.residue(out.as_bytes()), 0);
        }
    }
    assert_eq!(redacted(&policy(&[rule("$.a", Strategy::Replace)]), r#"{"a":1}"#), r#"{"a":null}"#);
}

#[test]
fn what_is_not_of_the_kind_is_hidden() {
    let policy = policy(&[
        generalize("$.at", General::Month),
        generalize("$.ip", General::Network),
        generalize("$.age", General::Band(10)),
        truncate("$.zip", 3),
    ]);
    let event = r#"{"at":"2026-11-28T20:11:54Z","ip":"192.0.2.77","age":27,"zip":"90210-1234"}"#;
    let general = r#"{"at":"2026-11","ip":"192.0.2.0/24","age":"20..30","zip":"902"}"#;
    assert_eq!(redacted(&policy, event), general);
    let event = r#"{"at":1795896714000,"ip":["192.0.2.77"],"age":"27 years","zip":[90210]}"#;
    let hidden = r#"{"at":"****","ip":"****","age":"****","zip":""}"#;
    assert_eq!(redacted(&policy, event), hidden);
    let event = r#"{"at":null,"ip":"","age":"27.5","zip":9021}"#;
    assert_eq!(redacted(&policy, event), r#"{"at":"****","ip":"****","age":"20..30","zip":"90"}"#);
}

/// The strongest wins, whatever the order.
#[test]
fn strategies_have_an_order() {
    let all = [
        truncate("$.a", 3),
        rule("$['a']", Strategy::Mask),
        replace("$[\"a\"]", json!("r")),
        rule("$.a", Strategy::Omit),
    ];
    for (count, expected) in
        [(1, r#"{"a":"abc"}"#), (2, r#"{"a":"****"}"#), (3, r#"{"a":"r"}"#), (4, "{}")]
    {
        let mut rules = all[..count].to_vec();
        for _ in 0..count {
            rules.rotate_left(1);
            assert_eq!(redacted(&policy(&rules), r#"{"a":"abcdefgh"}"#), expected);
        }
    }
}

#[test]
fn a_token_leads_back_to_its_value_for_its_tenant_alone() {
    let memory = Arc::new(MemoryVault::new(4));
    let vault: Arc<dyn Vault> = Arc::clone(&memory) as _;
    let rules = vec![rule("$.a", Strategy::Tokenize), names("$.m", Strategy::Tokenize)];
    let document = PolicyDocument::new("acme", rules);
    let key = RedactionKey::new(ROOT, EPOCH);
    let limits = PolicyLimits::default();
    let policy = Policy::compile_with_vault(&document, &key, limits, &vault).unwrap();
    let out = redacted(&policy, r#"{"a":"+1 \"555\"","m":{"x":1}}"#);
    assert_eq!(out, redacted(&policy, r#"{"a":"\u002b1 \"555\"","m":{"x":1}}"#));
    let out: Value = serde_json::from_str(&out).unwrap();
    let token = out["a"].as_str().unwrap();
    assert!(token.starts_with("t1.3.") && token.len() == 5 + 22, "{token}");
    let reveal = |tenant: &str, token: &str| {
        let value = memory.reveal(&TenantId::parse(tenant).unwrap(), token)?;
        Some(String::from_utf8(value.to_vec()).unwrap())
    };
    assert_eq!(reveal("acme", token).as_deref(), Some(r#""+1 \"555\"""#));
    assert_eq!(reveal("globex", token), None);
    let name = out["m"].as_object().unwrap().keys().next().unwrap();
    assert_eq!(reveal("acme", name).as_deref(), Some(r#""x""#));
    // A hash of the same value says nothing about the token.
    let hashed = redacted(
        &compile_for("acme", &[rule("$.a", Strategy::Hash)]).unwrap(),
        r#"{"a":"+1 \"555\""}"#,
    );
    assert!(!hashed.contains(token.rsplit('.').next().unwrap()));
    assert_eq!(redacted(&policy, r#"{"a":17.50}"#), redacted(&policy, r#"{"a":1.75e1}"#));
}

/// R05: a token that leads nowhere is worse than none.
#[test]
fn an_event_is_refused_whose_value_the_vault_does_not_take() {
    let vault: Arc<dyn Vault> = Arc::new(MemoryVault::new(1));
    let document = PolicyDocument::new("acme", vec![rule("$..a", Strategy::Tokenize)]);
    let key = RedactionKey::new(ROOT, EPOCH);
    let policy = Policy::compile_with_vault(&document, &key, PolicyLimits::default(), &vault);
    let policy = policy.unwrap();
    assert!(redact(&policy, br#"{"a":1,"b":{"a":1}}"#).is_ok());
    assert_eq!(redact(&policy, br#"{"a":1,"b":{"a":2}}"#), Err(Reason::RedactionFailed));
}

/// R02: the secret is a name.
#[test]
fn names_are_hashed_each_by_itself() {
    let policy = policy(&[
        names("$..byPhone", Strategy::Hash),
        rule("$..note", Strategy::Omit),
        rule("$..id", Strategy::Hash),
    ]);
    let event = r#"{"byPhone":{"+15551234":{"n":1},"\u002b15555678":{"id":"+15551234"},"note":2,"byPhone":{"+15551234":3}}}"#;
    let out = redacted(&policy, event);
    assert!(!out.contains("+1555") && !out.contains("note"), "{out}");
    assert_eq!(policy.residue(out.as_bytes()), 0);
    assert_eq!(policy.residue(event.as_bytes()), 6);
    let out: Value = serde_json::from_str(&out).unwrap();
    let outer: Vec<_> = out["byPhone"].as_object().unwrap().iter().collect();
    assert_eq!(outer.len(), 3);
    assert!(outer.iter().all(|(name, _)| name.starts_with("h1.3.")));
    // The same name has the same hash, in a map further down too; a value under another field has another.
    let inner = outer
        .iter()
        .find_map(|(_, value)| value.as_object()?.iter().find(|(_, value)| **value == json!(3)));
    let first = outer.iter().find(|(_, value)| **value == json!({"n": 1})).unwrap().0;
    assert_eq!(inner.unwrap().0, first);
    let id = outer.iter().find_map(|(_, value)| value["id"].as_str()).unwrap();
    assert_ne!(id, first);
}

#[test]
fn names_of_objects_in_arrays_are_found_and_arrays_have_none() {
    let policy = super::support::usual_policy(&[names("$.m", Strategy::Hash)]);
    let out = redacted(&policy, r#"{"m":[{"x":[{"y":1}]},[{"z":2}],"s"]}"#);
    assert!(!out.contains("\"x\"") && !out.contains("\"z\"") && out.contains("\"y\":1"), "{out}");
    assert_eq!(redacted(&policy, r#"{"m":["x"]}"#), r#"{"m":["x"]}"#);
}

#[test]
fn a_member_is_refused_where_it_means_nothing() {
    use CompileFault as Fault;
    let hash = || rule("$.a", Strategy::Hash);
    for (bad, member, fault) in [
        (with(hash(), |rule| rule.value = Some(json!(1))), "value", Fault::InvalidValue),
        (with(hash(), |rule| rule.length = Some(1)), "length", Fault::InvalidLength),
        (with(hash(), |rule| rule.to = Some(General::Year)), "to", Fault::InvalidGeneral),
        (replace("$.a", json!([1])), "value", Fault::InvalidValue),
        (replace("$.a", json!({})), "value", Fault::InvalidValue),
        (replace("$.a", json!("x".repeat(255))), "value", Fault::InvalidValue),
        (truncate("$.a", 0), "length", Fault::InvalidLength),
        (truncate("$.a", 65), "length", Fault::InvalidLength),
        (rule("$.a", Strategy::Truncate), "length", Fault::InvalidLength),
        (rule("$.a", Strategy::Generalize), "to", Fault::InvalidGeneral),
        (generalize("$.a", General::Band(0)), "to", Fault::InvalidGeneral),
        (rule("$.a", Strategy::Tokenize), "strategy", Fault::NoVault),
        (names("$.a", Strategy::Mask), "target", Fault::NotForNames),
        (names("$.a", Strategy::Omit), "target", Fault::NotForNames),
        (with(hash(), |rule| rule.id = Some(String::new())), "id", Fault::InvalidId),
        (with(hash(), |rule| rule.id = Some("x".repeat(65))), "id", Fault::InvalidId),
        (with(hash(), |rule| rule.id = Some("a\n".into())), "id", Fault::InvalidId),
        (with(hash(), |rule| rule.id = Some("twice".into())), "id", Fault::InvalidId),
    ] {
        let first = with(rule("$.z", Strategy::Omit), |rule| rule.id = Some("twice".into()));
        let error = compile_for("acme", &[first, bad]).unwrap_err();
        assert_eq!(
            (error.pointer(), error.fault()),
            (format!("/redactionRules/1/{member}"), fault)
        );
    }
    // D2 holds for all that shows a part.
    for shown in [truncate("$.a", 3), generalize("$.a", General::Year)] {
        let error = compile_for("acme", &[shown, hash()]).unwrap_err();
        assert_eq!(error.fault(), Fault::HashedAndShown);
    }
    assert!(compile_for("acme", &[truncate("$.a", 3), names("$.a", Strategy::Hash)]).is_ok());
}

/// Whatever a document may say is written as users write it.
#[test]
fn the_members_of_a_rule_are_read_as_they_are_written() {
    let text = r#"{"tenantId":"acme","version":7,"effectiveFrom":"2026-12-01T00:00:00Z","redactionRules":[
        {"id":"phone","path":"$.a","strategy":"mask","format":"XX","mustMatch":true},
        {"path":"$.b","strategy":"generalize","to":"month"},
        {"path":"$.c","strategy":"generalize","to":{"band":10}},
        {"path":"$.d","strategy":"truncate","length":3,"decode":"json"},
        {"path":"$.e","strategy":"replace","value":0},
        {"path":"$.f","strategy":"hash","target":"names"}]}"#;
    let mut json = cofferdam_json::Scratch::new([1; 16]);
    let document = PolicyDocument::parse(text.as_bytes(), &mut json).unwrap();
    let compact: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&document).unwrap(), compact);
    let key = RedactionKey::new(ROOT, EPOCH);
    let policy = Policy::compile(&document, &key, PolicyLimits::default()).unwrap();
    assert_eq!((policy.version(), policy.must_match()), (7, &[0][..]));
    assert_eq!((policy.rule_id(0), policy.rule_id(1)), (Some("phone"), None));
    assert_eq!(
        (policy.effective_from(), policy.tenant().as_str()),
        (Some(1_796_083_200_000), "acme")
    );
    let mut out = Vec::new();
    policy.redact(br#"{"e":"x"}"#, &mut out, &mut Scratch::new()).unwrap();
    assert_eq!(out, br#"{"e":0}"#);
}
