//! Event patterns as they are written, read into what they ask.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    compile::{CompileFault, scalar},
    interner::Kind,
    pattern::condition::{Affix, Block, Bound, Condition, Glob, Range, fold, order_of},
};

/// What is asked of one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObjectPattern {
    pub(crate) members: BTreeMap<String, Member>,
}

/// What is asked of that which stands under one name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    /// Of each list one condition must hold for some leaf.
    /// What stands beside an `$or` stands in each of its terms, and is shared by them.
    pub(crate) lists: Vec<Arc<[Asked]>>,
    /// One of these must hold for some object; empty if no object is asked for.
    pub(crate) objects: Vec<ObjectPattern>,
}

/// One entry of a list of conditions, with the text by which two of them are known for the same.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Value(Kind, Vec<u8>),
    Condition(String, Condition),
    AnythingBut(String, Vec<Self>),
    /// There is no leaf.
    Absent,
}

/// So many terms of a sum of products: as many as EventBridge takes.
const MAX_TERMS: usize = 1_000;
/// So many conditions and names in all terms together: what stands beside an `$or` stands in each of its
/// terms, so that a pattern of a few kilobytes could be one of gigabytes.
const MAX_PARTS: usize = 1 << 15;

impl ObjectPattern {
    /// Reads a pattern: the patterns without `$or` of which one must hold. `pointer` is where it stands;
    /// of a mistake it becomes where that stands.
    pub(crate) fn read(
        pattern: &Map<String, Value>,
        pointer: &mut String,
    ) -> Result<Vec<Self>, CompileFault> {
        if pattern.is_empty() {
            return Err(CompileFault::EmptyPattern);
        }
        let (mut plain, mut terms) = (Self::default(), None);
        for (name, value) in pattern {
            let here = pointer.len();
            enter(pointer, name);
            match (name.as_str(), value) {
                ("$or", Value::Array(patterns)) if !patterns.is_empty() => {
                    terms = Some(any_of(patterns, pointer)?);
                }
                ("$or", _) => return Err(CompileFault::InvalidCondition),
                (_, value) => {
                    plain.members.insert(name.clone(), Member::read(value, pointer)?);
                }
            }
            pointer.truncate(here);
        }
        let plain = vec![plain];
        match terms {
            Some(terms) => product(&plain, &terms),
            None => Ok(plain),
        }
    }

    /// Whether it holds for an object without members.
    pub(crate) fn takes_nothing(&self) -> bool {
        self.members.values().all(|member| {
            let absent =
                |list: &Arc<[Asked]>| list.iter().any(|asked| matches!(asked, Asked::Absent));
            member.lists.iter().all(absent)
                && (member.objects.is_empty() || member.objects.iter().any(Self::takes_nothing))
        })
    }

    /// How many conditions and names there are. A long one counts for several.
    fn parts(&self) -> usize {
        let of = |(name, member): (&String, &Member)| {
            let lists = member.lists.iter().flat_map(|list| list.iter());
            let lists: usize = lists.map(Asked::parts).sum();
            let objects: usize = member.objects.iter().map(Self::parts).sum();
            1 + name.len() / 16 + lists + objects
        };
        self.members.iter().map(of).sum()
    }

    fn merged(&self, other: &Self) -> Result<Self, CompileFault> {
        let mut members = self.members.clone();
        for (name, member) in &other.members {
            let own = members.entry(name.clone()).or_default();
            own.lists.extend(member.lists.iter().cloned());
            if own.objects.is_empty() {
                own.objects.clone_from(&member.objects);
            } else if !member.objects.is_empty() {
                own.objects = product(&own.objects, &member.objects)?;
            }
        }
        Ok(Self { members })
    }
}

/// One of the ones and one of the others, for all of both.
fn product(
    ones: &[ObjectPattern],
    others: &[ObjectPattern],
) -> Result<Vec<ObjectPattern>, CompileFault> {
    let parts = |of: &[ObjectPattern]| of.iter().map(ObjectPattern::parts).sum::<usize>();
    let all = parts(ones) * others.len() + parts(others) * ones.len();
    if ones.len() * others.len() > MAX_TERMS || all > MAX_PARTS {
        return Err(CompileFault::TooCostly);
    }
    ones.iter().flat_map(|one| others.iter().map(|other| one.merged(other))).collect()
}

fn any_of(patterns: &[Value], pointer: &mut String) -> Result<Vec<ObjectPattern>, CompileFault> {
    let mut terms = Vec::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let here = pointer.len();
        enter(pointer, &index.to_string());
        let pattern = pattern.as_object().ok_or(CompileFault::InvalidCondition)?;
        terms.extend(ObjectPattern::read(pattern, pointer)?);
        if terms.len() > MAX_TERMS {
            return Err(CompileFault::TooCostly);
        }
        pointer.truncate(here);
    }
    Ok(terms)
}

impl Member {
    fn read(value: &Value, pointer: &mut String) -> Result<Self, CompileFault> {
        match value {
            Value::Object(pattern) => {
                Ok(Self { lists: Vec::new(), objects: ObjectPattern::read(pattern, pointer)? })
            }
            Value::Array(list) if list.is_empty() => Err(CompileFault::EmptyList),
            Value::Array(list) => {
                let mut conditions = Vec::with_capacity(list.len());
                for (index, asked) in list.iter().enumerate() {
                    let here = pointer.len();
                    enter(pointer, &index.to_string());
                    conditions.push(Asked::read(asked)?);
                    pointer.truncate(here);
                }
                Ok(Self { lists: vec![conditions.into()], objects: Vec::new() })
            }
            _ => Err(CompileFault::InvalidCondition),
        }
    }
}

impl Asked {
    fn parts(&self) -> usize {
        1 + match self {
            Self::Value(_, bytes) => bytes.len() / 16,
            Self::Condition(text, _) => text.len() / 16,
            Self::AnythingBut(text, terms) => {
                text.len() / 16 + terms.iter().map(Self::parts).sum::<usize>()
            }
            Self::Absent => 0,
        }
    }

    pub(crate) fn read(asked: &Value) -> Result<Self, CompileFault> {
        let condition = match asked {
            Value::Object(condition) => condition,
            Value::Array(_) => return Err(CompileFault::InvalidCondition),
            value => {
                return scalar(value).map(|(kind, bytes)| Self::Value(kind, bytes.into_owned()));
            }
        };
        let mut members = condition.iter();
        let (Some((operator, operand)), None) = (members.next(), members.next()) else {
            return Err(CompileFault::InvalidCondition);
        };
        let text = asked.to_string();
        let asked = match (operator.as_str(), operand) {
            ("exists", Value::Bool(false)) => Some(Self::Absent),
            ("anything-but", operand) => {
                excluded(operand).map(|terms| Self::AnythingBut(text, terms))
            }
            _ => one(operator, operand).map(|condition| Self::Condition(text, condition)),
        };
        asked.ok_or(CompileFault::InvalidCondition)
    }
}

/// A condition but `exists: false` and `anything-but`.
fn one(operator: &str, operand: &Value) -> Option<Condition> {
    match operator {
        "exists" => (*operand == Value::Bool(true)).then_some(Condition::Exists),
        "prefix" => affix(operand).map(Condition::Prefix),
        "suffix" => affix(operand).map(Condition::Suffix),
        "equals-ignore-case" => {
            operand.as_str().and_then(folded).map(Condition::EqualsIgnoringCase)
        }
        "wildcard" => operand.as_str().and_then(Glob::parse).map(Condition::Wildcard),
        "numeric" => operand.as_array().and_then(|list| range(list)).map(Condition::Within),
        "cidr" => operand.as_str().and_then(Block::parse).map(Condition::Cidr),
        _ => None,
    }
}

/// What a value must not be: one or a list of strings and numbers, or of one operator's texts.
fn excluded(operand: &Value) -> Option<Vec<Asked>> {
    let of = |operand: &Value, term: &dyn Fn(&Value) -> Option<Asked>| match operand {
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) => list.iter().map(term).collect(),
        one => Some(vec![term(one)?]),
    };
    let Value::Object(operators) = operand else {
        return of(operand, &|value| match value {
            Value::String(_) | Value::Number(_) => {
                scalar(value).ok().map(|(kind, bytes)| Asked::Value(kind, bytes.into_owned()))
            }
            _ => None,
        });
    };
    let mut members = operators.iter();
    let (Some((operator, operand)), None) = (members.next(), members.next()) else { return None };
    if !matches!(operator.as_str(), "prefix" | "suffix" | "equals-ignore-case" | "wildcard") {
        return None;
    }
    of(operand, &|text| {
        let condition = one(operator, text)?;
        let alone = Value::Object(Map::from_iter([(operator.clone(), text.clone())]));
        Some(Asked::Condition(alone.to_string(), condition))
    })
}

fn affix(operand: &Value) -> Option<Affix> {
    if let Value::String(text) = operand {
        return Some(Affix { text: Box::from(text.as_bytes()), ignores_case: false });
    }
    let operators = operand.as_object().filter(|operators| operators.len() == 1)?;
    let text = operators.get("equals-ignore-case")?.as_str().and_then(folded)?;
    Some(Affix { text, ignores_case: true })
}

fn folded(text: &str) -> Option<Box<[u8]>> {
    fold(text.as_bytes(), &mut Vec::new()).map(Box::from)
}

/// One bound and its number, or a lower and an upper one in either order.
fn range(list: &[Value]) -> Option<Range> {
    let mut range = Range { low: None, high: None };
    if !matches!(list.len(), 2 | 4) {
        return None;
    }
    for bound in list.chunks(2) {
        let [Value::String(operator), number @ Value::Number(_)] = bound else { return None };
        let mut order = Vec::new();
        order_of(&scalar(number).ok()?.1, &mut order);
        let bound = Bound { order: order.into(), is_in: operator.ends_with('=') };
        let (low, high) = (range.low.is_none(), range.high.is_none());
        match operator.as_str() {
            "=" if list.len() == 2 => {
                range = Range { low: Some(bound.clone()), high: Some(bound) };
            }
            ">" | ">=" if low => range.low = Some(bound),
            "<" | "<=" if high => range.high = Some(bound),
            _ => return None,
        }
    }
    range.is_possible().then_some(range)
}

/// Goes into a member or an element, by RFC 6901.
pub(crate) fn enter(pointer: &mut String, name: &str) {
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str) -> Result<Vec<ObjectPattern>, (String, CompileFault)> {
        let pattern: Map<String, Value> = serde_json::from_str(pattern).unwrap();
        let mut pointer = String::new();
        ObjectPattern::read(&pattern, &mut pointer).map_err(|fault| (pointer, fault))
    }

    #[test]
    fn or_is_multiplied_out_and_merged_name_by_name() {
        let terms = read(
            r#"{"d":{"x":[1]},"$or":[{"d":{"y":[2]}},{"e":[3]},{"$or":[{"f":[4]},{"d":{"$or":[{"x":[5]},{"z":[6]}]}}]}]}"#,
        )
        .unwrap();
        assert_eq!(terms.len(), 4);
        let d = |term: usize| &terms[term].members["d"];
        assert_eq!(d(0).objects[0].members.keys().collect::<Vec<_>>(), ["x", "y"]);
        assert!(terms[1].members.contains_key("e") && d(1).objects[0].members.len() == 1);
        assert_eq!(d(3).objects.len(), 2, "one of two for one and the same object");
        assert_eq!(d(3).objects[0].members["x"].lists.len(), 2, "both lists");
    }

    #[test]
    fn says_where_a_pattern_is_wrong() {
        for (pattern, place, fault) in [
            ("{}", "", CompileFault::EmptyPattern),
            (r#"{"a":{}}"#, "/a", CompileFault::EmptyPattern),
            (r#"{"a":[]}"#, "/a", CompileFault::EmptyList),
            (r#"{"a":1}"#, "/a", CompileFault::InvalidCondition),
            (r#"{"a/b":{"c":[1,[2]]}}"#, "/a~1b/c/1", CompileFault::InvalidCondition),
            (r#"{"a":[{"prefix":"x","suffix":"y"}]}"#, "/a/0", CompileFault::InvalidCondition),
            (r#"{"$or":[]}"#, "/$or", CompileFault::InvalidCondition),
            (r#"{"$or":[{"a":[1]},{"b":"x"}]}"#, "/$or/1/b", CompileFault::InvalidCondition),
        ] {
            assert_eq!(read(pattern).unwrap_err(), (String::from(place), fault), "{pattern}");
        }
    }

    #[test]
    fn refuses_what_is_no_condition() {
        for condition in [
            r#"{"regex":"a.*"}"#,
            r#"{"exists":1}"#,
            r#"{"prefix":1}"#,
            r#"{"prefix":{"suffix":"x"}}"#,
            r#"{"equals-ignore-case":["a"]}"#,
            r#"{"wildcard":"a**"}"#,
            r#"{"cidr":"10.0.0.1"}"#,
            r#"{"numeric":[]}"#,
            r#"{"numeric":["<","1"]}"#,
            r#"{"numeric":["<",1,"<",2]}"#,
            r#"{"numeric":["=",1,"<",2]}"#,
            r#"{"numeric":[">",2,"<",1]}"#,
            r#"{"numeric":[">",1,"<=",1]}"#,
            r#"{"numeric":["!=",1]}"#,
            r#"{"anything-but":[]}"#,
            r#"{"anything-but":null}"#,
            r#"{"anything-but":[true]}"#,
            r#"{"anything-but":{"numeric":["<",1]}}"#,
            r#"{"anything-but":{"prefix":[]}}"#,
            r#"{"anything-but":{"prefix":"a","suffix":"b"}}"#,
            "{}",
        ] {
            let pattern = format!(r#"{{"a":[{condition}]}}"#);
            assert_eq!(
                read(&pattern).unwrap_err().1,
                CompileFault::InvalidCondition,
                "{condition}"
            );
        }
    }

    #[test]
    fn a_pattern_has_at_most_a_thousand_terms() {
        let or = |count: usize| {
            let terms: Vec<String> = (0..count).map(|n| format!(r#"{{"a":[{n}]}}"#)).collect();
            format!(r#"{{"$or":[{}]}}"#, terms.join(","))
        };
        assert_eq!(read(&or(1_000)).unwrap().len(), 1_000);
        assert_eq!(read(&or(1_001)).unwrap_err().1, CompileFault::TooCostly);
        let beside = |count: usize| {
            let list: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            format!(r#"{{"x":[{}],"$or":{}"#, list.join(","), &or(500)[7..])
        };
        assert!(read(&beside(60)).is_ok());
        assert_eq!(read(&beside(70)).unwrap_err().1, CompileFault::TooCostly);
        let named = format!(r#"{{"{}":[1],"$or":{}"#, "n".repeat(2_000), &or(500)[7..]);
        assert_eq!(read(&named).unwrap_err().1, CompileFault::TooCostly);
        let nested = |count: usize| format!(r#"{{"x":{},"$or":[{{"x":{}}}]}}"#, or(count), or(40));
        assert_eq!(read(&nested(25)).unwrap()[0].members["x"].objects.len(), 1_000);
        assert_eq!(read(&nested(26)).unwrap_err().1, CompileFault::TooCostly);
    }
}
