//! Events out of bytes: few names and values, so that rules meet them, in every spelling of JSON.

use std::fmt::Write;

use serde_json::{Map, Number, Value};

use super::source::Source;

/// Names that collide under a careless comparison: by case, by prefix, by escape, by nothing.
const NAMES: [&str; 8] = ["a", "b", "c", "A", "aa", "kind", "", "a\"\\\u{e9}"];
const TEXTS: [&str; 8] = ["x", "y", "1", "", "true", "s.t", "\u{1F980}", "x\n\u{2028}"];
const NUMBERS: [&str; 8] = ["0", "1", "-1", "1.5", "100", "1e3", "9007199254740993", "-0.25"];
const DEPTH: u32 = 4;

/// An event: an object with a string under `kind`, and whatever the data says besides.
pub(super) fn event(source: &mut Source<'_>) -> Value {
    let mut members = object(source, 0);
    let segments = 1 + source.below(3);
    let kind: Vec<&str> = (0..segments).map(|_| *source.pick(&["s", "t", "u"])).collect();
    members.insert(String::from("kind"), Value::from(kind.join(".")));
    Value::Object(members)
}

fn object(source: &mut Source<'_>, depth: u32) -> Map<String, Value> {
    let members = source.below(5);
    (0..members).map(|_| (String::from(*source.pick(&NAMES)), value(source, depth + 1))).collect()
}

fn value(source: &mut Source<'_>, depth: u32) -> Value {
    match source.byte() % 8 {
        0 if depth < DEPTH => Value::Object(object(source, depth)),
        1 if depth < DEPTH => {
            let elements = source.below(4);
            (0..elements).map(|_| value(source, depth + 1)).collect()
        }
        2 | 3 => number(source),
        4 => Value::Bool(source.coin()),
        5 => Value::Null,
        _ => Value::from(*source.pick(&TEXTS)),
    }
}

fn number(source: &mut Source<'_>) -> Value {
    serde_json::from_str(source.pick::<&str>(&NUMBERS)).unwrap_or(Value::Null)
}

/// The same event in a spelling that the data chooses: white space, escapes, order of members.
pub(super) fn spelled(value: &Value, source: &mut Source<'_>) -> String {
    spelled_with(|number, _| number.to_string(), value, source)
}

/// How a number is written.
type Numbers = fn(&Number, &mut Source<'_>) -> String;

/// The same, and numbers are written as the caller says.
pub(super) fn spelled_with(numbers: Numbers, value: &Value, source: &mut Source<'_>) -> String {
    let mut out = String::new();
    spell(numbers, value, source, &mut out);
    out
}

fn spell(numbers: Numbers, value: &Value, source: &mut Source<'_>, out: &mut String) {
    blank(source, out);
    match value {
        Value::String(text) => spell_text(text, source, out),
        Value::Number(number) => out.push_str(&numbers(number, source)),
        Value::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                spell(numbers, element, source, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if source.coin() {
                members.reverse();
            }
            out.push('{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                blank(source, out);
                spell_text(name, source, out);
                blank(source, out);
                out.push(':');
                spell(numbers, member, source, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
    blank(source, out);
}

fn blank(source: &mut Source<'_>, out: &mut String) {
    out.push_str(source.pick::<&str>(&["", "", "", " ", "\n\t", "\r"]));
}

fn spell_text(text: &str, source: &mut Source<'_>, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        if char < ' ' || matches!(char, '"' | '\\') || source.byte() % 4 == 1 {
            for unit in char.encode_utf16(&mut [0; 2]) {
                // Writing to a `String` does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(char);
        }
    }
    out.push('"');
}
