//! `EventBridge` event patterns judged slowly and plainly, on trees: what the filter graph is held
//! against.

use std::{
    cmp::Ordering,
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde_json::{Map, Number, Value};

use super::matcher::whole;

#[cfg(test)]
mod documented;
#[cfg(test)]
mod expanded;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod semantics;

/// Whether `pattern` holds for `event`.
///
/// Shares no code and no idea with `cofferdam-filter`: it walks two trees of `serde_json`, tries
/// everything, and remembers nothing. Whether a pattern is sound is not its business: what makes no
/// sense as a condition is fulfilled by nothing. A pattern or an event that is no object does not
/// hold.
///
/// `serde_json` reads a number into 64 bits. Numbers that do not fit are told apart by the graph and
/// not here.
#[must_use]
pub fn event_pattern_holds(pattern: &Value, event: &Value) -> bool {
    match (pattern, event) {
        (Value::Object(pattern), Value::Object(event)) => holds(&members(pattern), event),
        _ => false,
    }
}

/// A name, and what is wanted under it. A name may come more than once in what is wanted of an
/// object, which is how patterns are merged: what stands under it must hold each time.
type Member<'p> = (&'p str, &'p Value);

fn members(pattern: &Map<String, Value>) -> Vec<Member<'_>> {
    pattern.iter().map(|(name, wanted)| (name.as_str(), wanted)).collect()
}

/// Whether all of `wanted` hold for one and the same object.
///
/// The first `$or` is replaced by the members of each of its alternatives in turn, until none is
/// left: so they are wanted of this object too, and beside the members around the `$or`.
fn holds(wanted: &[Member<'_>], object: &Map<String, Value>) -> bool {
    if let Some(at) = wanted.iter().position(|(name, _)| *name == "$or") {
        let mut around = wanted.to_vec();
        let (_, alternatives) = around.remove(at);
        let mut alternatives = elements(alternatives).iter().filter_map(Value::as_object);
        return alternatives
            .any(|alternative| holds(&[around.clone(), members(alternative)].concat(), object));
    }
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| *name).collect();
    names.into_iter().all(|name| {
        let under_name = wanted.iter().filter(|(other, _)| *other == name);
        let under_name: Vec<&Value> = under_name.map(|(_, wanted)| *wanted).collect();
        holds_under_name(&under_name, object.get(name))
    })
}

/// Whether all that is wanted under one name holds for what stands there: each list by some leaf,
/// and the patterns all together by one object.
fn holds_under_name(wanted: &[&Value], value: Option<&Value>) -> bool {
    let mut of_one_object = Vec::new();
    for wanted in wanted {
        match wanted {
            Value::Array(conditions) if list_holds(conditions, value) => {}
            Value::Object(pattern) => of_one_object.extend(members(pattern)),
            _ => return false,
        }
    }
    let mut objects = Vec::new();
    value.into_iter().for_each(|value| objects_of(value, &mut objects));
    if objects.is_empty() {
        return holds(&of_one_object, &Map::new());
    }
    objects.into_iter().any(|object| holds(&of_one_object, object))
}

fn list_holds(conditions: &[Value], value: Option<&Value>) -> bool {
    let mut leaves = Vec::new();
    value.into_iter().for_each(|value| leaves_of(value, &mut leaves));
    conditions.iter().any(|condition| {
        let is_absence = operator(condition) == Some(("exists", &Value::Bool(false)));
        (is_absence && leaves.is_empty()) || leaves.iter().any(|leaf| is_fulfilled(condition, leaf))
    })
}

/// The scalars that stand for a value: itself, or those of an array's elements. An object has none.
fn leaves_of<'v>(value: &'v Value, leaves: &mut Vec<&'v Value>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|value| leaves_of(value, leaves)),
        Value::Object(_) => {}
        scalar => leaves.push(scalar),
    }
}

/// The objects that stand for a value: itself, or those of an array's elements. A scalar has none.
fn objects_of<'v>(value: &'v Value, objects: &mut Vec<&'v Map<String, Value>>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|value| objects_of(value, objects)),
        Value::Object(object) => objects.push(object),
        _ => {}
    }
}

/// The name and the argument of a condition that is more than a value.
fn operator(condition: &Value) -> Option<(&str, &Value)> {
    let members = condition.as_object().filter(|members| members.len() == 1)?;
    members.iter().next().map(|(name, argument)| (name.as_str(), argument))
}

fn is_fulfilled(condition: &Value, leaf: &Value) -> bool {
    let Some((operator, argument)) = operator(condition) else { return is_same(condition, leaf) };
    match operator {
        "exists" => *argument == Value::Bool(true),
        "anything-but" => !excluded(argument).iter().any(|other| is_fulfilled(other, leaf)),
        "numeric" => leaf.as_number().is_some_and(|leaf| is_in_range(elements(argument), leaf)),
        _ => match leaf {
            Value::String(leaf) => is_fulfilled_by_text(operator, argument, leaf),
            _ => false,
        },
    }
}

fn is_same(condition: &Value, leaf: &Value) -> bool {
    match (condition, leaf) {
        (Value::Number(one), Value::Number(other)) => order(one, other) == Some(Ordering::Equal),
        _ => condition == leaf,
    }
}

/// What `anything-but` excludes, as conditions: a list under an operator is the operator for each.
fn excluded(argument: &Value) -> Vec<Value> {
    match (argument, operator(argument)) {
        (Value::Array(values), _) => values.clone(),
        (_, Some((operator, Value::Array(values)))) => {
            let alone = |value: &Value| (String::from(operator), value.clone());
            values.iter().map(|value| Value::from(Map::from_iter([alone(value)]))).collect()
        }
        _ => vec![argument.clone()],
    }
}

fn is_fulfilled_by_text(name: &str, argument: &Value, leaf: &str) -> bool {
    // For a prefix and a suffix, case is ignored if the argument says so.
    let (text, leaf) = match (argument, operator(argument)) {
        (Value::String(text), _) if name == "equals-ignore-case" => (folded(text), folded(leaf)),
        (Value::String(text), _) => (text.clone(), String::from(leaf)),
        (_, Some(("equals-ignore-case", Value::String(text))))
            if matches!(name, "prefix" | "suffix") =>
        {
            (folded(text), folded(leaf))
        }
        _ => return false,
    };
    match name {
        "equals-ignore-case" => leaf == text,
        "prefix" => leaf.starts_with(&text),
        "suffix" => leaf.ends_with(&text),
        "wildcard" => is_wildcard_of(&text, &leaf),
        "cidr" => is_in_block(&text, &leaf),
        _ => false,
    }
}

/// Every character on its own: no rule about a sigma at the end, and no locale.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Follows every way to read the text at once: `reached` is how many characters may be behind us
/// after each character of the pattern.
fn is_wildcard_of(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = BTreeSet::from([0]);
    let mut pattern = pattern.chars();
    while let Some(char) = pattern.next() {
        let literal = match char {
            '*' => None,
            '\\' => match pattern.next() {
                Some(escaped @ ('*' | '\\')) => Some(escaped),
                _ => return false,
            },
            char => Some(char),
        };
        reached = match literal {
            None => reached.first().map_or(0..0, |first| *first..text.len() + 1).collect(),
            Some(_) => {
                let here = reached.into_iter().filter(|at| text.get(*at) == literal.as_ref());
                here.map(|at| at + 1).collect()
            }
        };
    }
    reached.contains(&text.len())
}

/// `range` is an operator and a number, and perhaps again an operator and a number.
fn is_in_range(range: &[Value], leaf: &Number) -> bool {
    let is_within = |bound: &[Value]| {
        let [Value::String(operator), Value::Number(bound)] = bound else { return false };
        let order = order(leaf, bound);
        match operator.as_str() {
            "=" => order == Some(Ordering::Equal),
            "<" => order == Some(Ordering::Less),
            "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            ">" => order == Some(Ordering::Greater),
            ">=" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            _ => false,
        }
    };
    !range.is_empty() && range.chunks(2).all(is_within)
}

/// Whole numbers as such, because one float stands for `2^53` and for `2^53 + 1`.
pub(super) fn order(one: &Number, other: &Number) -> Option<Ordering> {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// Whether `leaf` is an address whose first bits are those of the block: as many as the number after
/// the slash says. An address of 32 bits is in no block of 128.
fn is_in_block(block: &str, leaf: &str) -> bool {
    let octets = |address: &str| match address.parse() {
        Ok(IpAddr::V4(address)) => Ipv4Addr::octets(&address).to_vec(),
        Ok(IpAddr::V6(address)) => Ipv6Addr::octets(&address).to_vec(),
        Err(_) => Vec::new(),
    };
    let Some((start, length)) = block.split_once('/') else { return false };
    let (start, leaf) = (octets(start), octets(leaf));
    let bit = |octets: &[u8], at: usize| octets[at / 8] >> (7 - at % 8) & 1;
    match length.parse::<usize>() {
        Ok(length) if !leaf.is_empty() && start.len() == leaf.len() && length <= 8 * leaf.len() => {
            (0..length).all(|at| bit(&start, at) == bit(&leaf, at))
        }
        _ => false,
    }
}

/// A list's elements; of anything else, none.
fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
