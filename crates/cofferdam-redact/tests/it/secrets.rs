//! What redacted values give away: digests, growth, faults.

use cofferdam_core::{Reason, pipeline::Redact};
use cofferdam_redact::{Policy, PolicyDocument, PolicyLimits, RedactionKey, Scratch, Strategy};

use super::support::{compile_for, mask, policy, redact, redacted, rule};

/// R07: equal within a tenant and a field, unrelated across them.
#[test]
fn a_digest_is_the_same_for_one_tenant_and_field_only() {
    let event = r#"{"a":{"id":"5550001"},"b":[{"id":"5550001"}],"other":"5550001"}"#;
    let rules = [rule("$..id", Strategy::Hash), rule("$.other", Strategy::Hash)];
    let digests = |tenant| {
        let out = redacted(&compile_for(tenant, &rules).unwrap(), event);
        let out: serde_json::Value = serde_json::from_str(&out).unwrap();
        [&out["a"]["id"], &out["b"][0]["id"], &out["other"]].map(|d| d.as_str().unwrap().to_owned())
    };
    let [a, again, other] = digests("acme");
    assert_eq!(a, again);
    assert_ne!(a, other);
    assert!(a.starts_with("h1.3.") && a.len() == 5 + 22, "{a}");
    assert!(!digests("rival").contains(&a));
}

#[test]
fn a_digest_is_of_the_value_not_of_its_spelling() {
    let policy = policy(&[rule("$.a", Strategy::Hash)]);
    for (one, other, equal) in [
        (r#"{"a":"\u0041\/"}"#, r#"{"a":"A/"}"#, true),
        (r#"{"a":350}"#, r#"{"a":3.50e2}"#, true),
        (r#"{"a":-0}"#, r#"{"a":0.0}"#, true),
        (r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#, false),
        (r#"{"a":1}"#, r#"{"a":"1"}"#, false),
        (r#"{"a":true}"#, r#"{"a":"true"}"#, false),
        (r#"{"a":null}"#, r#"{"a":"null"}"#, false),
        (r#"{"a":[1]}"#, r#"{"a":"[1]"}"#, false),
        (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1}}"#, true),
    ] {
        assert_eq!(redacted(&policy, one) == redacted(&policy, other), equal, "{one} {other}");
    }
}

/// R05: what cannot be redacted leaves nothing, not even the part that could.
#[test]
fn a_fault_leaves_out_as_it_was() {
    let policy = policy(&[mask("$..a", "**")]);
    for event in [
        &b""[..],
        b"[]",
        b"1",
        b"{\"a\":1",
        b"{\"a\":1}x",
        b"{\"a\":1,}",
        b"{\"a\":\"\xFF\"}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":[}",
        b"{}{}",
    ] {
        let mut out = b"before".to_vec();
        let refused = policy.redact(event, &mut out, &mut Scratch::new());
        assert_eq!(refused, Err(Reason::RedactionFailed), "{}", event.escape_ascii());
        assert_eq!(out, b"before");
    }
    let no_rules = compile_for("acme", &[]).unwrap();
    assert!(redact(&no_rules, b"{}{}").is_err() && redact(&no_rules, b"[]").is_err());
}

#[test]
fn output_that_grows_beyond_its_bound_is_refused() {
    let document = PolicyDocument::new("acme", vec![rule("$.n[*]", Strategy::Hash)]);
    let limits = PolicyLimits::default().with_max_growth(1_000);
    let policy = Policy::compile(&document, &RedactionKey::new([7; 32], 1), limits).unwrap();
    let event = |n: usize| format!("{{\"n\":[{}0]}}", "0,".repeat(n - 1));
    assert!(redact(&policy, event(30).as_bytes()).is_ok());
    assert_eq!(redact(&policy, event(40).as_bytes()), Err(Reason::RedactionFailed));
}

#[test]
fn scratch_carries_nothing_from_one_event_to_the_next() {
    let policy = policy(&[mask("$..a", "XXXX"), rule("$..b", Strategy::Hash)]);
    let mut scratch = Scratch::new();
    let long = format!(r#"{{"\u0061":"{}","x":[[[{{"b":"\u0062"}}]]]}}"#, "\\u0031".repeat(100));
    for event in [&long, r#"{"a":"2\u0032","b":"3"}"#, "{\"x\":[[[", r#"{"a":"","b":""}"#] {
        let mut reused = Vec::new();
        let done = policy.redact(event.as_bytes(), &mut reused, &mut scratch);
        assert_eq!(done.map(|done| (reused, done)), redact(&policy, event.as_bytes()));
    }
    assert_eq!(format!("{scratch:?}"), "Scratch(..)");
}
