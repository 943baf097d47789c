//! The same patterns by the letter: every choice of alternatives made beforehand, for the whole
//! pattern, and what is left merged into one tree.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{list_holds, objects_of};

/// A pattern without alternatives.
#[derive(Debug, Clone, Default)]
struct Merged<'p>(BTreeMap<&'p str, Wanted<'p>>);

#[derive(Debug, Clone, Default)]
struct Wanted<'p> {
    lists: Vec<&'p [Value]>,
    below: Option<Merged<'p>>,
}

pub(super) fn holds(pattern: &Value, event: &Value) -> bool {
    let (Value::Object(pattern), Value::Object(event)) = (pattern, event) else { return false };
    expanded(pattern).iter().any(|merged| merged.holds(event))
}

/// One for every choice of alternatives, here and below.
fn expanded(pattern: &Map<String, Value>) -> Vec<Merged<'_>> {
    let mut all = vec![Merged::default()];
    for (name, wanted) in pattern {
        let member: Vec<Merged<'_>> = match wanted {
            Value::Array(alternatives) if name == "$or" => {
                alternatives.iter().filter_map(Value::as_object).flat_map(expanded).collect()
            }
            Value::Array(list) => vec![alone(name, Wanted { lists: vec![list], below: None })],
            Value::Object(below) => {
                let below = expanded(below).into_iter();
                below.map(|it| alone(name, Wanted { lists: vec![], below: Some(it) })).collect()
            }
            _ => vec![],
        };
        all = all.iter().flat_map(|one| member.iter().map(|it| one.clone().with(it))).collect();
    }
    all
}

fn alone<'p>(name: &'p str, wanted: Wanted<'p>) -> Merged<'p> {
    Merged(BTreeMap::from([(name, wanted)]))
}

impl Merged<'_> {
    fn with(mut self, other: &Self) -> Self {
        for (name, theirs) in &other.0 {
            let ours = self.0.entry(name).or_default();
            ours.lists.extend(&theirs.lists);
            if let Some(below) = &theirs.below {
                ours.below = Some(ours.below.take().unwrap_or_default().with(below));
            }
        }
        self
    }

    fn holds(&self, object: &Map<String, Value>) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let value = object.get(*name);
            let lists = wanted.lists.iter().all(|list| list_holds(list, value));
            lists && wanted.below.as_ref().is_none_or(|below| below.holds_below(value))
        })
    }

    fn holds_below(&self, value: Option<&Value>) -> bool {
        let (mut objects, empty) = (Vec::new(), Map::new());
        value.into_iter().for_each(|value| objects_of(value, &mut objects));
        if objects.is_empty() {
            objects.push(&empty);
        }
        objects.into_iter().any(|object| self.holds(object))
    }
}
