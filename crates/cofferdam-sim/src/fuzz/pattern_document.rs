//! Event patterns out of bytes, and events that have much to do with them.

mod event;
mod number;
mod words;

use serde_json::{Map, Value, json};

use self::words::{ADDRESSES, BLOCKS, NAMES, TEXTS, WILDCARDS};
use super::{document, source::Source};

/// From this depth on, an object in a pattern has only lists.
const DEPTH: u32 = 3;

/// A sound pattern, with every operator and every way to put them together.
pub(super) fn pattern(source: &mut Source<'_>) -> Value {
    match source.byte() % 6 {
        // In large patterns a wrong answer about one condition rarely shows.
        1 | 2 => json!({ name(source): [condition(source)] }),
        3 => merged(source),
        _ => Value::Object(members(source, 0)),
    }
}

/// An event that goes along with a sound `pattern` as far as the data says, among members of its own.
pub(super) fn event(pattern: &Value, source: &mut Source<'_>) -> Value {
    event::following(pattern, source)
}

/// A pattern or an event as text: white space, escapes in names and texts, the order of members and
/// the spelling of numbers are as the data says.
pub(super) fn spelled(value: &Value, source: &mut Source<'_>) -> String {
    document::spelled_with(number::spelled, value, source)
}

/// Patterns under one name, inside of an `$or` and outside: all for one object.
fn merged(source: &mut Source<'_>) -> Value {
    let name = name(source);
    let alternatives = 1 + source.below(2);
    let mut below = || Value::Object(members(source, DEPTH));
    let around = below();
    let alternatives: Value = (0..alternatives).map(|_| json!({ &*name: below() })).collect();
    json!({ name: around, "$or": alternatives })
}

fn name(source: &mut Source<'_>) -> String {
    String::from(*source.pick(&NAMES))
}

fn members(source: &mut Source<'_>, depth: u32) -> Map<String, Value> {
    let mut members = Map::new();
    let only_alternatives = depth < DEPTH && source.byte() % 16 == 1;
    // Few, because one that fails is enough for the whole pattern.
    let most = if depth == 0 { 3 } else { 2 };
    let plain = if only_alternatives { 0 } else { 1 + source.below(most) };
    for _ in 0..plain {
        let name = name(source);
        let is_object = depth < DEPTH && source.byte() % 5 < 2;
        members.insert(name, if is_object { object(source, depth) } else { conditions(source) });
    }
    if only_alternatives || depth < DEPTH && source.byte() % 3 == 1 {
        let alternatives = 1 + source.below(3);
        let alternatives = (0..alternatives).map(|_| alternative(&members, source, depth));
        let alternatives = alternatives.collect();
        members.insert(String::from("$or"), alternatives);
    }
    members
}

/// An object to stand in one of `depth`.
fn object(source: &mut Source<'_>, depth: u32) -> Value {
    Value::Object(members(source, depth + 1))
}

/// Often with a pattern under a name that has one in `around`: merged they are wanted of one object.
fn alternative(around: &Map<String, Value>, source: &mut Source<'_>, depth: u32) -> Value {
    let mut alternative = members(source, depth + 1);
    for (name, _) in around.iter().filter(|(_, wanted)| wanted.is_object()) {
        if source.coin() {
            alternative.insert(name.clone(), object(source, depth + 1));
        }
    }
    Value::Object(alternative)
}

fn conditions(source: &mut Source<'_>) -> Value {
    let conditions = 1 + source.below(3);
    (0..conditions).map(|_| condition(source)).collect()
}

pub(super) fn condition(source: &mut Source<'_>) -> Value {
    match source.byte() % 20 {
        0..=2 => text(source),
        3 | 4 => number::number(source),
        5 => json!(source.coin()),
        6 => Value::Null,
        7 => json!({ "prefix": text(source) }),
        8 => json!({ "suffix": text(source) }),
        9 => json!({ "prefix": { "equals-ignore-case": text(source) } }),
        10 => json!({ "suffix": { "equals-ignore-case": text(source) } }),
        11 => json!({ "equals-ignore-case": text(source) }),
        12 => json!({ "wildcard": *source.pick(&WILDCARDS) }),
        13 | 14 => json!({ "numeric": range(source) }),
        15 => json!({ "exists": false }),
        16 => json!({ "exists": source.coin() }),
        17 => json!({ "cidr": *source.pick(&BLOCKS) }),
        _ => json!({ "anything-but": excluded(source) }),
    }
}

fn text(source: &mut Source<'_>) -> Value {
    let from: &[&str] = if source.byte() % 8 == 1 { &ADDRESSES } else { &TEXTS };
    json!(*source.pick(from))
}

/// One bound or two, which may leave nothing between them.
fn range(source: &mut Source<'_>) -> Value {
    let (lower, upper) = (*source.pick(&[">", ">="]), *source.pick(&["<", "<="]));
    let (mut one, mut other) = (number::number(source), number::number(source));
    if one.as_f64() > other.as_f64() {
        core::mem::swap(&mut one, &mut other);
    }
    // Bounds that nothing lies between are refused.
    let kinds = if one.as_f64() < other.as_f64() { 6 } else { 3 };
    match source.byte() % kinds {
        0 => json!(["=", one]),
        1 => json!([lower, one]),
        2 => json!([upper, one]),
        3 => json!([lower, one, upper, other]),
        4 => json!([upper, other, lower, one]),
        // Wide, so that something is in it.
        _ => json!([lower, -1, upper, 100]),
    }
}

fn excluded(source: &mut Source<'_>) -> Value {
    let operator = match source.byte() % 8 {
        0 | 1 => return scalar(source),
        2 | 3 => return list(source, scalar),
        4 => "prefix",
        5 => "suffix",
        6 => "equals-ignore-case",
        _ => "wildcard",
    };
    let pick = match operator {
        "wildcard" => |source: &mut Source<'_>| json!(*source.pick(&WILDCARDS)),
        _ => text,
    };
    let argument = if source.coin() { list(source, pick) } else { pick(source) };
    json!({ operator: argument })
}

fn list(source: &mut Source<'_>, element: fn(&mut Source<'_>) -> Value) -> Value {
    let elements = 1 + source.below(3);
    (0..elements).map(|_| element(source)).collect()
}

/// What `anything-but` takes by itself: a text or a number.
fn scalar(source: &mut Source<'_>) -> Value {
    if source.coin() { number::number(source) } else { text(source) }
}
