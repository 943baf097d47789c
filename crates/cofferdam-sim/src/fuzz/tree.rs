//! Redaction on a tree: slow, and plain to see right.

use cofferdam_redact::{Rule, Strategy};
use serde_json::{Map, Value};

use super::source::Source;

/// What stands for every mask and every digest.
pub(super) const MASK: &str = "####";
pub(super) const DIGEST: &str = "<digest>";

/// One step of a path: down to a child, or with `..` before it down to one at any depth.
#[derive(Debug, Clone, Copy)]
struct Segment {
    descends: bool,
    selector: Selector,
}

#[derive(Debug, Clone, Copy)]
enum Selector {
    Name(&'static str),
    Index(usize),
    Any,
}

/// A rule with its path taken apart, as it was put together.
#[derive(Debug, Clone)]
pub(super) struct TreeRule {
    segments: Vec<Segment>,
    strategy: Strategy,
}

/// Where a value stands, from the root.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step<'v> {
    Name(&'v str),
    Index(usize),
}

const NAMES: [&str; 8] = ["a", "b", "c", "A", "aa", "kind", "", "a\"\\\u{e9}"];

impl TreeRule {
    /// One to three segments, at most one of which descends.
    pub(super) fn draw(source: &mut Source<'_>) -> Self {
        let length = 1 + source.below(3);
        let descends = source.below(length + 1);
        let segments = (0..length).map(|at| Segment {
            descends: at == descends,
            selector: match source.byte() % 8 {
                0 => Selector::Any,
                1 => Selector::Index(source.below(3)),
                _ => Selector::Name(source.pick::<&str>(&NAMES)),
            },
        });
        let segments = segments.collect();
        let strategy = *source.pick(&[Strategy::Mask, Strategy::Omit, Strategy::Hash]);
        Self { segments, strategy }
    }

    /// The same rule as a policy's document has it.
    pub(super) fn written(&self) -> Rule {
        let mut path = String::from("$");
        for segment in &self.segments {
            path.push_str(if segment.descends { ".." } else { "" });
            match segment.selector {
                Selector::Any => path.push_str("[*]"),
                Selector::Index(index) => path.push_str(&format!("[{index}]")),
                Selector::Name(name) => {
                    let name = name.replace('\\', "\\\\").replace('\'', "\\'");
                    path.push_str(&format!("['{name}']"));
                }
            }
        }
        let mut rule = Rule::new(path, self.strategy);
        rule.format = (self.strategy == Strategy::Mask).then(|| String::from(MASK));
        rule
    }
}

fn selects(segments: &[Segment], place: &[Step<'_>]) -> bool {
    match (segments, place) {
        ([], []) => true,
        ([segment, segments @ ..], [step, rest @ ..]) => {
            let fits = match (segment.selector, step) {
                (Selector::Any, _) => true,
                (Selector::Name(name), Step::Name(own)) => name == *own,
                (Selector::Index(index), Step::Index(own)) => index == *own,
                _ => false,
            };
            let here = fits && selects(segments, rest);
            here || segment.descends && {
                let mut all = vec![*segment];
                all.extend(segments);
                selects(&all, rest)
            }
        }
        _ => false,
    }
}

/// The strongest of the rules that select a place.
fn strategy(rules: &[TreeRule], place: &[Step<'_>]) -> Option<Strategy> {
    let firing = rules.iter().filter(|rule| selects(&rule.segments, place));
    firing.map(|rule| rule.strategy).max()
}

/// What is left of `event` under the rules.
pub(super) fn redacted(rules: &[TreeRule], event: &Value) -> Option<Value> {
    keep(rules, event, &mut Vec::new())
}

fn keep<'v>(rules: &[TreeRule], value: &'v Value, place: &mut Vec<Step<'v>>) -> Option<Value> {
    match strategy(rules, place) {
        Some(Strategy::Omit) => return None,
        Some(Strategy::Hash) => return Some(Value::from(DIGEST)),
        Some(Strategy::Mask) => return Some(Value::from(MASK)),
        // No other is drawn.
        Some(_) | None => {}
    }
    let mut keep_child = |step, child| {
        place.push(step);
        let kept = keep(rules, child, place);
        place.pop();
        kept
    };
    Some(match value {
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            elements.filter_map(|(at, element)| keep_child(Step::Index(at), element)).collect()
        }
        Value::Object(members) => {
            let mut kept = Map::new();
            for (name, member) in members {
                if let Some(member) = keep_child(Step::Name(name), member) {
                    kept.insert(name.clone(), member);
                }
            }
            Value::Object(kept)
        }
        scalar => scalar.clone(),
    })
}

/// The event with `secret` in place of every scalar that a rule hides, and as a name in every object.
pub(super) fn planted(rules: &[TreeRule], event: &Value, secret: &str) -> Value {
    plant(rules, event, &mut Vec::new(), false, secret)
}

fn plant<'v>(
    rules: &[TreeRule],
    value: &'v Value,
    place: &mut Vec<Step<'v>>,
    hidden: bool,
    secret: &str,
) -> Value {
    let hidden = hidden || strategy(rules, place).is_some();
    let mut child = |step, value| {
        place.push(step);
        let planted = plant(rules, value, place, hidden, secret);
        place.pop();
        planted
    };
    match value {
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            elements.map(|(at, element)| child(Step::Index(at), element)).collect()
        }
        Value::Object(members) => {
            let members = members.iter();
            let mut planted: Map<String, Value> = members
                .map(|(name, member)| (name.clone(), child(Step::Name(name), member)))
                .collect();
            if hidden {
                planted.insert(String::from(secret), Value::Null);
            }
            Value::Object(planted)
        }
        _ if hidden => Value::from(secret),
        scalar => scalar.clone(),
    }
}
