//! Events that a pattern may hold for: most of what it asks for is there, and much besides.

use std::mem::take;

use serde_json::{Map, Value};

use super::{
    number::number,
    text,
    words::{ADDRESSES, NAMES},
};
use crate::fuzz::source::Source;

/// Arrays and objects in an event stand at most so deep in each other, if no pattern asks for more.
const DEPTH: u32 = 3;

pub(super) fn following(pattern: &Value, source: &mut Source<'_>) -> Value {
    let mut event = object(source, 0);
    if let Value::Object(pattern) = pattern {
        follow(pattern, &mut event, source);
    }
    Value::Object(event)
}

fn object(source: &mut Source<'_>, depth: u32) -> Map<String, Value> {
    let members = source.below(4);
    let mut object = Map::new();
    for _ in 0..members {
        // A member of this name is nobody's: a pattern cannot ask for it.
        let name = if source.byte() % 32 == 1 { "$or" } else { source.pick::<&str>(&NAMES) };
        object.insert(String::from(name), value(source, depth + 1));
    }
    object
}

fn value(source: &mut Source<'_>, depth: u32) -> Value {
    match source.byte() % 12 {
        0 | 1 if depth < DEPTH => Value::Object(object(source, depth)),
        2 | 3 if depth < DEPTH => {
            let elements = source.below(4);
            (0..elements).map(|_| value(source, depth + 1)).collect()
        }
        4..=6 => number(source),
        7 => Value::Bool(source.coin()),
        8 => Value::Null,
        _ => text(source),
    }
}

/// Puts into `object` what `pattern` asks for; of an `$or`, what one of its alternatives does.
fn follow(pattern: &Map<String, Value>, object: &mut Map<String, Value>, source: &mut Source<'_>) {
    for (name, wanted) in pattern {
        // Now and then the member stays as it was, or is missing.
        match source.byte() % 16 {
            1 => {}
            2 => _ = object.remove(name),
            _ => match wanted {
                Value::Array(alternatives) if name == "$or" => {
                    if let Value::Object(alternative) = source.pick(alternatives) {
                        follow(alternative, object, source);
                    }
                }
                Value::Array(conditions) => {
                    let condition = source.pick(conditions);
                    if let Some(witness) = witness(condition, source) {
                        place(witness, object.entry(name.as_str()).or_insert(Value::Null), source);
                    } else {
                        object.remove(name);
                    }
                }
                Value::Object(pattern) => {
                    follow_below(
                        pattern,
                        object.entry(name.as_str()).or_insert(Value::Null),
                        source,
                    );
                }
                _ => {}
            },
        }
    }
}

/// Follows a pattern in an object that is there, in a new one, or with one member in each element of
/// an array: then each condition finds its value, and no element has them all.
fn follow_below(pattern: &Map<String, Value>, at: &mut Value, source: &mut Source<'_>) {
    if let (Value::Object(there), true) = (&mut *at, source.coin()) {
        return follow(pattern, there, source);
    }
    if source.byte() % 4 == 1 {
        let elements = pattern.iter().map(|(name, wanted)| {
            let mut element = Map::new();
            follow(&Map::from_iter([(name.clone(), wanted.clone())]), &mut element, source);
            Value::Object(element)
        });
        *at = elements.collect();
        return;
    }
    let mut new = object(source, DEPTH);
    follow(pattern, &mut new, source);
    place(Value::Object(new), at, source);
}

/// Puts `new` in the place of what is at a name, or beside it into an array, or deeper.
fn place(new: Value, at: &mut Value, source: &mut Source<'_>) {
    let old = take(at);
    *at = match source.byte() % 8 {
        1 | 2 if !old.is_null() => Value::from(vec![old, new]),
        3 | 4 if !old.is_null() => Value::from(vec![new, old]),
        3 => Value::from(vec![Value::from(vec![new]), value(source, DEPTH)]),
        4 => Value::from(vec![value(source, DEPTH), new]),
        _ => new,
    };
}

/// A value that most likely fulfils a condition, or has just missed it; none for a member that has to
/// be missing.
fn witness(condition: &Value, source: &mut Source<'_>) -> Option<Value> {
    let operator = condition.as_object().and_then(|members| members.iter().next());
    let Some((operator, argument)) = operator else { return Some(condition.clone()) };
    match operator.as_str() {
        "anything-but" if source.coin() => witness(one_excluded(argument, source), source),
        "anything-but" => Some(value(source, DEPTH)),
        "numeric" if source.coin() => Some(number(source)),
        "numeric" => argument.get(1).cloned(),
        "exists" if *argument == Value::Bool(false) => {
            let empty = [Value::from(Vec::<Value>::new()), Value::Object(Map::new())];
            source.coin().then(|| source.pick(&empty).clone())
        }
        "exists" => Some(value(source, DEPTH)),
        "cidr" => Some(Value::from(*source.pick(&ADDRESSES))),
        operator => Some(Value::from(text_witness(operator, argument, source))),
    }
}

/// One of the values in a list; what is no list, as it is.
fn one_excluded<'v>(argument: &'v Value, source: &mut Source<'_>) -> &'v Value {
    match argument {
        Value::Array(values) => source.pick(values),
        other => other,
    }
}

fn text_witness(operator: &str, argument: &Value, source: &mut Source<'_>) -> String {
    // One of a list under `anything-but`.
    let argument = one_excluded(argument, source);
    let (is_folded, argument) = match &argument["equals-ignore-case"] {
        Value::Null => (operator == "equals-ignore-case", argument),
        inner => (true, inner),
    };
    let wanted = argument.as_str().unwrap_or_default();
    // Case that matters is changed now and then, so that the condition just fails.
    let is_recased = is_folded || source.byte() % 8 == 1;
    let wanted = if is_recased { recased(wanted, source) } else { String::from(wanted) };
    let more = match source.byte() % 8 {
        1 => text(source).as_str().map(String::from).unwrap_or_default(),
        _ => String::new(),
    };
    let other = text(source).as_str().map(String::from).unwrap_or_default();
    match operator {
        "prefix" => more + &wanted + &other,
        "suffix" => other + &wanted + &more,
        "wildcard" => filled(&wanted, source) + &more,
        _ => wanted + &more,
    }
}

/// Each character as it is or in another case: `K` has two of them.
fn recased(text: &str, source: &mut Source<'_>) -> String {
    let recased = |char: char| match source.byte() % 4 {
        0 => String::from(char),
        1 if matches!(char, 'k' | 'K') => String::from('\u{212a}'),
        2 => char.to_lowercase().collect(),
        _ => char.to_uppercase().collect(),
    };
    text.chars().map(recased).collect()
}

/// A wildcard's text with something in the place of each star.
fn filled(pattern: &str, source: &mut Source<'_>) -> String {
    let mut out = String::new();
    let mut pattern = pattern.chars();
    while let Some(char) = pattern.next() {
        match char {
            '*' => out.push_str(text(source).as_str().unwrap_or_default()),
            '\\' => out.extend(pattern.next()),
            char => out.push(char),
        }
    }
    out
}
