//! Subscriptions matched slowly and plainly, on a tree: what the filter graph is held against.

use std::collections::BTreeMap;

use serde_json::{Number, Value, json};

/// One subscription: a pattern over event types, and for each path the values of which one must be
/// there.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Segments between dots; `*` for one segment, a last `>` for one or more.
    pub pattern: String,
    /// Paths, names between dots, with the values that are wanted.
    pub filters: BTreeMap<String, Vec<Value>>,
}

/// Rules, and the member that holds an event's type. The target of rule `n` is route `n`.
///
/// Shares no code and no idea with `cofferdam-filter`: it parses the whole event with `serde_json`,
/// tries every rule, and for every condition collects all values at the path.
#[derive(Debug, Clone)]
pub struct Matcher {
    type_member: String,
    rules: Vec<Rule>,
}

impl Matcher {
    /// A matcher of events whose type stands in the member `type_member`.
    #[must_use]
    pub fn new(type_member: &str, rules: Vec<Rule>) -> Self {
        Self { type_member: String::from(type_member), rules }
    }

    /// The same rules as the document that subscribers post.
    #[must_use]
    pub fn document(&self, tenant: &str) -> String {
        let subscriptions = self.rules.iter().enumerate().map(|(n, rule)| {
            json!({
                "eventType": rule.pattern,
                "filters": rule.filters,
                "targetQueue": format!("queue://{n}"),
            })
        });
        let subscriptions: Vec<Value> = subscriptions.collect();
        json!({ "tenantId": tenant, "subscriptions": subscriptions }).to_string()
    }

    /// The routes of the rules that match, ascending. The type is the first string at its place; an
    /// event without one matches nothing.
    #[must_use]
    pub fn routes(&self, event: &Value) -> Vec<u32> {
        let mut kinds = Vec::new();
        values_at(event, &[&self.type_member], &mut kinds);
        let Some(kind) = kinds.into_iter().find_map(Value::as_str) else { return Vec::new() };
        let kind: Vec<&str> = kind.split('.').collect();
        let matching = (0..).zip(&self.rules).filter(|(_, rule)| rule.matches(&kind, event));
        matching.map(|(route, _)| route).collect()
    }
}

impl Rule {
    fn matches(&self, kind: &[&str], event: &Value) -> bool {
        let pattern: Vec<&str> = self.pattern.split('.').collect();
        let holds = |(path, wanted): (&String, &Vec<Value>)| {
            let mut found = Vec::new();
            values_at(event, &path.split('.').collect::<Vec<_>>(), &mut found);
            found.iter().any(|found| wanted.iter().any(|wanted| is_same(found, wanted)))
        };
        fits(&pattern, kind) && self.filters.iter().all(holds)
    }
}

fn fits(pattern: &[&str], kind: &[&str]) -> bool {
    match (pattern, kind) {
        ([], []) => true,
        ([">"], [_, ..]) => true,
        ([p, pattern @ ..], [k, kind @ ..]) => (*p == "*" || p == k) && fits(pattern, kind),
        _ => false,
    }
}

/// Arrays are transparent, everywhere.
fn values_at<'v>(value: &'v Value, path: &[&str], found: &mut Vec<&'v Value>) {
    match (value, path) {
        (Value::Array(items), _) => items.iter().for_each(|item| values_at(item, path, found)),
        (Value::Object(members), [name, path @ ..]) => {
            if let Some(member) = members.get(*name) {
                values_at(member, path, found);
            }
        }
        (Value::Object(_), []) => {}
        (scalar, []) => found.push(scalar),
        _ => {}
    }
}

/// Whether two scalars are one value: numbers by what they mean, however they are written.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (whole(one), whole(other)) {
            (None, None) => one.as_f64() == other.as_f64(),
            (one, other) => one == other,
        },
        _ => one == other,
    }
}

/// `2` and `2.0` are one number; `2^53` and `2^53 + 1` are two, though one float stands for both.
pub(super) fn whole(number: &Number) -> Option<i128> {
    let small_and_whole = |float: &f64| float.fract() == 0.0 && float.abs() < 1e36;
    number.as_i128().or_else(|| number.as_f64().filter(small_and_whole).map(|float| float as i128))
}
