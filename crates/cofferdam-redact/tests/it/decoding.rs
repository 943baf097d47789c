//! JSON in strings.

use cofferdam_redact::{Decode, Detector, General, Rule, Strategy as Treatment, Target};
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::support::{check, compile_for, mask, policy, redact, redacted, rule, with};

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

/// Rules of every kind at once, of which each knows the others not.
fn any_rule() -> impl Strategy<Value = Rule> {
    let path = select(
        &["$..a", "$.a.b", "$..a.b", "$.a[0]", "$..c[*]", "$.*", "$.*.b", "$..*", "$..b", "$.c"][..],
    );
    (path, 0..9u8, any::<bool>(), any::<bool>()).prop_map(|(path, kind, decodes, detects)| {
        let names = |treatment| with(rule(path, treatment), |rule| rule.target = Target::Names);
        let own = match kind {
            0 => rule(path, Treatment::Omit),
            1 => mask(path, "[\"*\""),
            2 => rule(path, Treatment::Hash),
            3 => with(rule(path, Treatment::Replace), |rule| rule.value = Some(json!("{\"a\":1}"))),
            4 => with(rule(path, Treatment::Truncate), |rule| rule.length = Some(3)),
            5 => with(rule(path, Treatment::Generalize), |rule| rule.to = Some(General::Band(7))),
            _ => names(Treatment::Hash),
        };
        with(own, |rule| {
            rule.decode = decodes.then_some(Decode::Json);
            if detects && rule.target == Target::Value {
                rule.detect = Detector::ALL.to_vec();
            }
        })
    })
}

/// All that is said under a value, numbers and texts.
fn leaves(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| leaves(one, out)),
        Value::Object(all) => all.values().for_each(|one| leaves(one, out)),
        Value::String(text) => out.push(text.clone()),
        scalar => out.push(scalar.to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..Default::default() })]

    /// Whatever rules meet in it, a sound event stays one, and means the same however it is spelled.
    #[test]
    fn rules_of_every_kind_leave_a_sound_event(
        event in event(),
        rules in prop::collection::vec(any_rule(), 0..6),
        seed: u64,
    ) {
        // Hashed and shown in part is refused.
        let Ok(policy) = compile_for("acme", &rules) else { return Ok(()) };
        let event = hidden(&event, &mut fastrand::Rng::with_seed(seed), 0, true);
        let (out, done) = redact(&policy, event.to_string().as_bytes()).unwrap();
        prop_assert_eq!(check(&out), Ok(()), "{}", String::from_utf8_lossy(&out));
        let (again, same) = redact(&policy, format!(" {event:#} ").as_bytes()).unwrap();
        let [out, again]: [Value; 2] = [&out, &again].map(|out| serde_json::from_slice(out).unwrap());
        prop_assert_eq!(done, same);
        // Of containers that are hashed the spelling counts.
        if !rules.iter().any(|rule| rule.strategy == Treatment::Hash) {
            prop_assert_eq!(out, again);
        }
    }

    /// A value under a rule is gone from the output, whatever other rules there are.
    #[test]
    fn what_a_rule_finds_is_gone_whatever_other_rules_find(
        mut event in event(),
        rules in prop::collection::vec(any_rule(), 0..5),
        secret in 10_000_000_000_u64..99_999_999_999,
        seed: u64,
    ) {
        let concealing = |rule: &Rule| !matches!(
            rule.strategy, Treatment::Truncate | Treatment::Generalize
        );
        let mut rules: Vec<Rule> = rules.into_iter().filter(concealing).collect();
        rules.push(decoding(rule("$..zz", Treatment::Replace)));
        event["a"] = json!([{"zz": [secret, {"x": secret.to_string()}]}, event["a"]]);
        event["zz"] = json!({ "b": secret });
        let Ok(policy) = compile_for("acme", &rules) else { return Ok(()) };
        let event = hidden(&event, &mut fastrand::Rng::with_seed(seed), 0, true);
        let (out, _) = redact(&policy, event.to_string().as_bytes()).unwrap();
        let mut said = Vec::new();
        leaves(&serde_json::from_slice(&out).unwrap(), &mut said);
        let secret = secret.to_string();
        prop_assert!(!said.iter().any(|text| text.contains(&secret)), "{} became {:?}", event, said);
    }

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
