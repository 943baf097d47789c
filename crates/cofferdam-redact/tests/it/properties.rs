//! Random documents under random policies.

use std::{collections::BTreeSet, fmt::Write};

use cofferdam_redact::{Rule, Strategy as Treatment};
use jsonpath_rust::JsonPath;
use proptest::{prelude::*, sample::select, strategy::Strategy};
use serde_json::{Map, Value, json};

use super::{
    model,
    support::{check, compile_for, mask, policy, redact, redacted, rule},
};

const NAMES: [&str; 8] = ["a", "b", "c", "it's", "é\"\\", "a long name of 25 bytes.", "0", ""];

/// Names that every implementation writes alike in its paths.
const PLAIN: [&str; 4] = ["a", "b", "c", "d"];

fn value(
    leaf: impl Strategy<Value = Value> + 'static,
    names: &'static [&'static str],
) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(select(names), inner, 0..5).prop_map(object),
        ]
    })
}

fn object(members: std::collections::BTreeMap<&str, Value>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-99..99i64).prop_map(|n| Value::from(n * 1000)),
        "[^\0]{0,12}".prop_map(Value::from),
    ]
}

fn event(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(select(names), value(leaf(), names), 0..5).prop_map(object)
}

fn quoted(name: &str) -> String {
    format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A path of up to four segments with at most one `..`.
fn path(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let selector = prop_oneof![
        4 => select(names).prop_map(quoted),
        1 => (0..4u8).prop_map(|index| format!("[{index}]")),
        1 => Just("[*]".to_owned()),
        1 => (select(names), 0..3u8).prop_map(|(name, index)| {
            let name = quoted(name);
            format!("{},{index}]", name.trim_end_matches(']'))
        }),
    ];
    (prop::collection::vec(selector, 1..=4), 0..6usize).prop_map(|(selectors, descent)| {
        selectors.iter().enumerate().fold("$".to_owned(), |path, (at, selector)| {
            path + if at == descent { ".." } else { "" } + selector
        })
    })
}

fn concealing() -> impl Strategy<Value = Rule> {
    let treatment = select(&[Treatment::Mask, Treatment::Omit][..]);
    (path(&NAMES), treatment).prop_map(|(path, treatment)| rule(&path, treatment))
}

fn hashing() -> impl Strategy<Value = Rule> {
    select(&["$.a", "$.a.b", "$..c", "$..a.b", "$.b..c", "$..a.*", "$.*.*.c"][..])
        .prop_map(|path| rule(path, Treatment::Hash))
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(prop_oneof![2 => concealing(), 1 => hashing()], 0..6)
}

/// The same meaning in another spelling: white space and escapes at random.
fn respelled(value: &Value, random: &mut fastrand::Rng) -> String {
    let mut out = String::new();
    respell(value, random, &mut out);
    out
}

fn respell(value: &Value, random: &mut fastrand::Rng, out: &mut String) {
    blank(random, out);
    match value {
        Value::String(text) => respell_text(text, random, out),
        Value::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                respell(element, random, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            random.shuffle(&mut members);
            out.push('{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                blank(random, out);
                respell_text(name, random, out);
                blank(random, out);
                out.push(':');
                respell(member, random, out);
            }
            blank(random, out);
            out.push('}');
        }
        scalar => write!(out, "{scalar}").unwrap(),
    }
    blank(random, out);
}

fn blank(random: &mut fastrand::Rng, out: &mut String) {
    out.push_str(random.choice(["", "", "", " ", "\n\t", "\r"]).unwrap());
}

fn respell_text(text: &str, random: &mut fastrand::Rng, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        if char < ' ' || matches!(char, '"' | '\\') || random.u8(..) < 64 {
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").unwrap();
            }
        } else {
            out.push(char);
        }
    }
    out.push('"');
}

/// All names and texts of a value, decoded, and everything else as it stands.
fn everything(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Array(elements) => elements.iter().for_each(|element| everything(element, out)),
        Value::Object(members) => {
            for (name, member) in members {
                out.push_str(name);
                everything(member, out);
            }
        }
        scalar => write!(out, "{scalar}").unwrap(),
    }
}

/// The secret in another shape: text, number, element, member, name.
fn shaped(secret: u64, shape: u8) -> Value {
    let text = secret.to_string();
    match shape {
        0 => Value::from(text),
        1 => Value::from(secret),
        2 => Value::from(vec![Value::from(secret), Value::from(text)]),
        3 => Value::Object(Map::from_iter([(text, Value::Null)])),
        4 => Value::from(Value::from(vec![text]).to_string()),
        _ => Value::Object(Map::from_iter([("c".to_owned(), vec![vec![secret]].into())])),
    }
}

/// Replaces the values of every member `b` below a member `a`.
fn plant(value: &mut Value, below_a: bool, secret: &Value, planted: &mut u32) {
    match value {
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| plant(element, false, secret, planted));
        }
        Value::Object(members) => {
            for (name, member) in members {
                if below_a && name == "b" {
                    *member = secret.clone();
                    *planted += 1;
                } else {
                    plant(member, name == "a", secret, planted);
                }
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_000, ..Default::default() })]

    #[test]
    fn one_pass_gives_what_the_tree_gives(event in event(&NAMES), rules in rules()) {
        let policy = policy(&rules);
        let out: Value = serde_json::from_str(&redacted(&policy, &event.to_string())).unwrap();
        prop_assert_eq!(out, model::redact("acme", &rules, &event));
    }

    #[test]
    fn spelling_changes_nothing(event in event(&NAMES), rules in prop::collection::vec(concealing(), 0..5), seed: u64) {
        let policy = policy(&rules);
        let spelled = respelled(&event, &mut fastrand::Rng::with_seed(seed));
        let plain: Value = serde_json::from_str(&redacted(&policy, &event.to_string())).unwrap();
        let other: Value = serde_json::from_str(&redacted(&policy, &spelled)).unwrap();
        prop_assert_eq!(plain, other);
    }

    #[test]
    fn another_jsonpath_implementation_selects_the_same_nodes(event in event(&PLAIN), path in path(&PLAIN)) {
        let out = redacted(&policy(&[mask(&path, model::MARK)]), &event.to_string());
        let theirs: BTreeSet<String> = event.query_only_path(&path).unwrap().into_iter().collect();
        let out: Value = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(model::marked(&out), model::outermost(&theirs));
    }

    /// R01, R02, R03: no digit of a secret made of digits, in an event without any other.
    #[test]
    fn nothing_of_a_planted_secret_is_in_the_output(
        mut event in value(Just(Value::from("x")), &PLAIN).prop_map(|v| json!({ "d": v })),
        secret in 10_000_000_000u64..99_999_999_999,
        shape in 0..6u8,
        seed: u64,
    ) {
        let mut planted = 0;
        event["a"] = json!({ "b": null });
        plant(&mut event, false, &shaped(secret, shape), &mut planted);
        let spelled = respelled(&event, &mut fastrand::Rng::with_seed(seed));
        for treated in [rule("$..a.b", Treatment::Omit), mask("$..a['b']", "****"), mask("$..a[\"b\"]", "-")] {
            let policy = policy(&[treated]);
            prop_assert!(policy.residue(spelled.as_bytes()) == planted as usize);
            let out = redacted(&policy, &spelled);
            let mut all = String::new();
            everything(&serde_json::from_str(&out).unwrap(), &mut all);
            prop_assert!(!all.contains(|c: char| c.is_ascii_digit()), "{}", out);
            prop_assert_eq!(policy.residue(out.as_bytes()), 0);
        }
    }

    #[test]
    fn never_panics_and_keeps_sound_events_sound(event in event(&NAMES), rules in rules(), edits: Vec<(prop::sample::Index, u8)>) {
        let policy = policy(&rules);
        let mut bytes = event.to_string().into_bytes();
        for (at, byte) in edits.into_iter().take(3) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let out = redact(&policy, &bytes);
        if check(&bytes).is_ok() {
            prop_assert!(check(&out.unwrap().0).is_ok());
        }
        let _ = policy.residue(&bytes);
    }

    #[test]
    fn never_panics_on_any_bytes(bytes: Vec<u8>, json in "[{}\\[\\]\":,a1\\\\ ]{0,40}", rules in rules()) {
        let policy = policy(&rules);
        for bytes in [&bytes, json.as_bytes(), format!("{{{json}").as_bytes()] {
            let _ = redact(&policy, bytes);
            let _ = policy.residue(bytes);
        }
    }

    #[test]
    fn no_path_panics(path in "\\$[.\\[\\]'\"*?:,a0\\\\u \\-]{0,20}") {
        let _ = compile_for("acme", &[rule(&path, Treatment::Omit)]);
    }
}
