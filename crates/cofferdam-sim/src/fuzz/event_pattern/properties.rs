//! What is true of every pattern and every event, on random ones; and that the random ones are
//! worth it.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_json::{Limits, Scratch, check};
use serde_json::{Map, Value, json};

use super::{event_pattern_holds as holds, expanded};
use crate::{
    fuzz::{filter::is_exact, pattern_document, source::Source},
    rng,
};

/// Random patterns with random events, and what is left of the data.
fn each(what: &str, seed: u64, mut judge: impl FnMut(&Value, &Value, &mut Source<'_>)) {
    let mut rng = rng::seeded(what, seed);
    for _ in 0..3_000 {
        let data: Vec<u8> = (0..rng.usize(20..800)).map(|_| rng.u8(..)).collect();
        let mut source = Source::new(&data);
        let pattern = pattern_document::pattern(&mut source);
        let event = pattern_document::event(&pattern, &mut source);
        judge(&pattern, &event, &mut source);
    }
}

#[test]
fn choosing_beforehand_and_choosing_late_are_the_same() {
    each("choosing_beforehand_and_choosing_late_are_the_same", 31, |pattern, event, _| {
        assert_eq!(holds(pattern, event), expanded::holds(pattern, event), "{pattern} on {event}");
    });
}

/// The check accepts each, and no number in it is more than `serde_json` keeps.
#[test]
fn every_spelling_is_sound_and_the_same_value() {
    let mut scratch = Scratch::new([6; 16]);
    each("every_spelling_is_sound_and_the_same_value", 32, |pattern, event, source| {
        let mut reread = |value: &Value| -> Value {
            let text = pattern_document::spelled(value, source);
            check(text.as_bytes(), &Limits::default(), &mut scratch).expect(&text);
            assert!(is_exact(text.as_bytes()), "{text}");
            serde_json::from_str(&text).expect(&text)
        };
        let again = holds(&reread(pattern), &reread(event));
        assert_eq!(holds(pattern, event), again, "{pattern} on {event}");
    });
}

#[test]
fn an_array_of_one_is_the_same_value_and_the_order_of_more_is_nothing() {
    fn changed(value: &Value, source: &mut Source<'_>) -> Value {
        let value = match value {
            Value::Array(elements) => {
                elements.iter().rev().map(|element| changed(element, source)).collect()
            }
            Value::Object(members) => {
                let changed = |(name, member)| (String::clone(name), changed(member, source));
                Value::Object(members.iter().map(changed).collect())
            }
            scalar => scalar.clone(),
        };
        if source.byte() % 3 == 1 { json!([value]) } else { value }
    }
    each("an_array_of_one_is_the_same_value", 33, |pattern, event, source| {
        let members = event.as_object().into_iter().flatten();
        let other: Map<_, _> =
            members.map(|(name, member)| (name.clone(), changed(member, source))).collect();
        let other = Value::Object(other);
        assert_eq!(holds(pattern, event), holds(pattern, &other), "{pattern}: {event}, {other}");
    });
}

#[test]
fn alternatives_are_a_disjunction_and_members_a_conjunction() {
    each("alternatives_are_a_disjunction", 34, |pattern, event, source| {
        let other = pattern_document::pattern(source);
        let (one, two) = (holds(pattern, event), holds(&other, event));
        assert_eq!(holds(&json!({ "$or": [pattern] }), event), one, "{pattern} on {event}");
        let or = json!({ "$or": [pattern, other] });
        assert_eq!(holds(&or, event), one || two, "{or} on {event}");

        // A conjunction asks for more, and for no less than each on its own.
        let Value::Object(mut both) = pattern.clone() else { panic!("{pattern} is no object") };
        if !both.contains_key("$or") {
            both.insert(String::from("$or"), json!([other]));
            let both = Value::Object(both);
            assert!(!holds(&both, event) || (one && two), "{both} on {event}");
        }
    });
}

/// Members that hold beside an alternative that holds are not yet merged with it, and random events
/// show the difference.
#[test]
fn merging_asks_for_more_than_both_parts() {
    let mut apart = 0;
    each("merging_asks_for_more_than_both_parts", 38, |pattern, event, _| {
        let Value::Object(mut around) = pattern.clone() else { panic!("{pattern} is no object") };
        let Some(alternatives) = around.remove("$or") else { return };
        let parts = [Value::Object(around), json!({ "$or": alternatives })];
        let is_each_held = parts.iter().all(|part| holds(part, event));
        let is_held = holds(pattern, event);
        assert!(is_each_held || !is_held, "{pattern} on {event}");
        apart += u32::from(is_each_held && !is_held);
    });
    assert!(apart > 9, "the parts held apart and not merged only {apart} times");
}

#[test]
fn anything_but_is_the_opposite_for_one_leaf() {
    each("anything_but_is_the_opposite_for_one_leaf", 35, |pattern, event, _| {
        let lists = pattern.as_object().into_iter().flatten().map(|(_, wanted)| wanted);
        let conditions = lists.filter_map(Value::as_array).flatten();
        let excluded = conditions.filter_map(|condition| condition.get("anything-but"));
        let leaves = event.as_object().into_iter().flatten().map(|(_, value)| value);
        let leaves: Vec<&Value> =
            leaves.filter(|value| !value.is_array() && !value.is_object()).collect();
        for argument in excluded {
            let list = super::excluded(argument);
            for leaf in &leaves {
                let (one, event) = (json!({ "a": list }), json!({ "a": leaf }));
                let other = json!({ "a": [{ "anything-but": argument }] });
                assert_ne!(holds(&one, &event), holds(&other, &event), "{argument} on {leaf}");
            }
        }
    });
}

/// Events as patterns are mostly unsound, and deep.
#[test]
fn no_pattern_is_too_odd() {
    each("no_pattern_is_too_odd", 36, |pattern, event, _| {
        let _ = holds(event, pattern);
        let _ = holds(&json!({ "$or": [event, pattern] }), event);
        let lists: Map<_, _> = event
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), json!([value, { "numeric": value }])))
            .collect();
        let _ = holds(&Value::Object(lists), event);
    });
}

/// A condition's operator, with the operator within; `value` for a condition without one.
fn kind(condition: &Value) -> String {
    let Some((name, argument)) = super::operator(condition) else { return String::from("value") };
    match argument {
        Value::Object(_) => format!("{name} {}", kind(argument)),
        Value::Array(list) if name == "numeric" => format!("{name} {}", list.len()),
        Value::Array(_) => format!("{name} list"),
        Value::Bool(there) => format!("{name} {there}"),
        _ => String::from(name),
    }
}

const KINDS: [&str; 23] = [
    "anything-but",
    "anything-but equals-ignore-case",
    "anything-but equals-ignore-case list",
    "anything-but list",
    "anything-but prefix",
    "anything-but prefix list",
    "anything-but suffix",
    "anything-but suffix list",
    "anything-but wildcard",
    "anything-but wildcard list",
    "cidr",
    "equals-ignore-case",
    "exists false",
    "exists true",
    "numeric 2",
    "numeric 4",
    "prefix",
    "prefix equals-ignore-case",
    "suffix",
    "suffix equals-ignore-case",
    "value",
    "wildcard",
    "whole patterns",
];

/// Each operator alone in a pattern holds often and fails often, and so do whole patterns.
#[test]
fn random_patterns_hold_often_and_fail_often() {
    let mut counts: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    let mut count = |what: String, is_held: bool| {
        counts.entry(what).or_default()[usize::from(is_held)] += 1;
    };
    each("random_patterns_hold_often_and_fail_often", 37, |pattern, event, source| {
        count(String::from("whole patterns"), holds(pattern, event));
        while !source.is_empty() {
            let condition = pattern_document::condition(source);
            let alone = json!({ "a": [condition] });
            let event = pattern_document::event(&alone, source);
            count(kind(&condition), holds(&alone, &event));
        }
    });
    assert_eq!(counts.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(KINDS));
    for (what, [failing, fulfilling]) in &counts {
        let (all, fewer) = (failing + fulfilling, failing.min(fulfilling));
        assert!(*fewer > 20 && fewer * 20 > all, "{what} is one-sided: {counts:?}");
    }
}
