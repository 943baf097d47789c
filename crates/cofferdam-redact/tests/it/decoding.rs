//! JSON in strings.

use cofferdam_redact::{Decode, Rule, Strategy as Treatment};
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::support::{mask, policy, redact, redacted, rule, with};

fn decoding(rule: Rule) -> Rule {
    with(rule, |rule| rule.decode = Some(Decode::Json))
}

/// `value` as a string in a string, so many times.
fn wrapped(value: &Value, times: usize) -> Value {
    (0..times).fold(value.clone(), |value, _| Value::from(value.to_string()))
}

/// R03: a secret in JSON in a string is found three strings deep, and what is deeper is left out.
#[test]
fn a_path_goes_on_in_strings() {
    let policy = policy(&[decoding(mask("$..phone", "****")), rule("$..card", Treatment::Omit)]);
    let secret = json!({"phone": "+15551234", "card": "41", "n": [1.50, {"phone": 2}]});
    for times in 0..=3 {
        let event = json!({"a": [wrapped(&secret, times)], "b": "x"});
        let out: Value = serde_json::from_str(&redacted(&policy, &event.to_string())).unwrap();
        // The rule about cards does not look into strings.
        let mut left = json!({"phone": "****", "card": "41", "n": [1.50, {"phone": "****"}]});
        if times == 0 {
            left.as_object_mut().unwrap().remove("card");
        }
        assert_eq!(out, json!({"a": [wrapped(&left, times)], "b": "x"}));
        assert_eq!(policy.residue(out.to_string().as_bytes()), 0);
    }
    let event = json!({"a": [wrapped(&secret, 4), 1], "b": "x"});
    let (out, done) = redact(&policy, event.to_string().as_bytes()).unwrap();
    assert_eq!(done.omitted, 1);
    let out: Value = serde_json::from_slice(&out).unwrap();
    let left: Value = serde_json::from_str(out["a"][0].as_str().unwrap()).unwrap();
    assert_eq!(out["a"][1], json!(1));
    assert!(!left.to_string().contains("555"), "{left}");
}

/// R03: what only a lax reader reads is left out.
#[test]
fn what_begins_like_json_and_is_none_is_left_out() {
    let policy = policy(&[decoding(mask("$.s.phone", "****"))]);
    for broken in [r#"{"phone":"5551234""#, r#"{"phone":"5551234",}"#, r#"["a" "b"]"#] {
        let event = json!({"s": broken, "t": broken});
        assert_eq!(redacted(&policy, &event.to_string()), json!({ "t": broken }).to_string());
    }
    for text in ["{phone} is not JSON", "[Agent joined]", "", "17", "\"{}\""] {
        let event = json!({ "s": text }).to_string();
        assert_eq!(redacted(&policy, &event), event);
    }
}

/// R01: two members of one name in a string are two places that a rule finds.
#[test]
fn a_name_that_stands_twice_in_a_string_is_found_twice() {
    let policy = policy(&[decoding(mask("$.s.phone", "****"))]);
    let event = json!({"s": r#"{"phone":"1","\u0070hone":"2"}"#}).to_string();
    let out: Value = serde_json::from_str(&redacted(&policy, &event)).unwrap();
    assert_eq!(out["s"], r#"{"phone":"****","\u0070hone":"****"}"#);
}

#[test]
fn a_string_in_which_nothing_is_found_stays_as_it_is_spelled() {
    let policy = policy(&[decoding(mask("$.s.phone", "****"))]);
    for event in [r#"{"s":"\u007b \"a\": 1 }"}"#, r#"{"s":" [ 1, \"x\" ]","phone":1}"#] {
        assert_eq!(redacted(&policy, event), event);
    }
}

/// A value under a rule is treated whole, JSON or not.
#[test]
fn a_string_under_a_rule_is_no_json_to_it() {
    let policy = policy(&[decoding(rule("$.s", Treatment::Hash))]);
    let out: Value = serde_json::from_str(&redacted(&policy, r#"{"s":"{\"a\":1}"}"#)).unwrap();
    assert!(out["s"].as_str().unwrap().starts_with("h1."));
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn event() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::from),
        "[x{\\[\"\\\\é]{0,6}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(select(&NAMES[..]), inner, 0..4)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    });
    prop::collection::btree_map(select(&NAMES[..]), value, 0..4).prop_map(|members| {
        Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())
    })
}

/// Puts some of the containers below the event itself into strings, at most three around each.
fn hidden(value: &Value, random: &mut fastrand::Rng, depth: usize, is_event: bool) -> Value {
    let hides = !is_event && depth < 3 && value.is_array() | value.is_object() && random.bool();
    let depth = depth + usize::from(hides);
    let inner = match value {
        Value::Array(all) => all.iter().map(|one| hidden(one, random, depth, false)).collect(),
        Value::Object(all) => Value::Object(
            all.iter().map(|(k, v)| (k.clone(), hidden(v, random, depth, false))).collect(),
        ),
        scalar => scalar.clone(),
    };
    if hides { Value::from(inner.to_string()) } else { inner }
}

/// Takes all containers out of their strings.
fn shown(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(shown).collect(),
        Value::Object(all) => {
            Value::Object(all.iter().map(|(k, v)| (k.clone(), shown(v))).collect())
        }
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).map_or_else(|_| value.clone(), |inner| shown(&inner))
        }
        scalar => scalar.clone(),
    }
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let path = select(&["$..a", "$.a.b", "$..a.b", "$.a[0]", "$..c[*]", "$.*.b", "$..b[1].a"][..]);
    let treatment = select(&[Treatment::Mask, Treatment::Omit, Treatment::Replace][..]);
    let rule = (path, treatment).prop_map(|(path, treatment)| decoding(rule(path, treatment)));
    prop::collection::vec(rule, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..Default::default() })]

    /// To hide a part of an event in strings hides it from no rule.
    #[test]
    fn what_is_found_in_strings_is_what_is_found_outside(event in event(), rules in rules(), seed: u64) {
        let policy = policy(&rules);
        let mut random = fastrand::Rng::with_seed(seed);
        // Texts that begin like JSON are left out, and would be so in both.
        let plain = shown(&event);
        let expected: Value = serde_json::from_str(&redacted(&policy, &plain.to_string())).unwrap();
        let hidden = hidden(&plain, &mut random, 0, true);
        let out: Value = serde_json::from_str(&redacted(&policy, &hidden.to_string())).unwrap();
        prop_assert_eq!(shown(&out), shown(&expected), "{}", hidden);
        // Where elements were left out, a rule by index finds those that moved up.
        if rules.iter().all(|rule| !rule.path.contains(['0', '1'])) {
            prop_assert_eq!(policy.residue(out.to_string().as_bytes()), 0);
        }
    }
}
