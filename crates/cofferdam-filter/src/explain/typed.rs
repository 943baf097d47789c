//! Asks an event what an event type and the values of keys ask, by a mapping.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    judge::Steps,
    report::{Explanation, Finding, Location, asks},
    test::Test,
    tree::{Leaf, NodeId, Tree, enter},
};
use crate::{
    compile::{CompileFault, scalar},
    interner::Kind,
    mapping::{Mapping, Scalar, Segment, Source},
    organisation::Organisation,
    path::Path,
    pattern::syntax::{Asked, enter as enter_pointer},
};

/// A platform's event.
pub(super) struct Typed<'t, 'e> {
    pub(super) mapping: &'t Mapping,
    pub(super) tree: &'t Tree<'e>,
    pub(super) steps: &'t mut Steps,
}

/// An event's type, and the value that says it.
struct EventType<'e> {
    at: NodeId,
    leaf: Leaf<'e>,
}

impl<'t, 'e> Typed<'t, 'e> {
    pub(super) fn explain(
        mut self,
        asked: &str,
        filters: &BTreeMap<String, Value>,
    ) -> Result<Explanation, CompileFault> {
        let mut explanation = Explanation::default();
        let (event_type, finding) = self.event_type(asked)?;
        explanation.is_wanted = finding.holds();
        explanation.findings.push(finding);
        for (key, value) in filters {
            explanation.findings.push(self.filter(key, value, event_type.as_ref())?);
        }
        explanation.conclude();
        Ok(explanation)
    }

    /// The event's type, by the first path that leads to a text, and whether it is asked for.
    fn event_type(
        &mut self,
        asked: &str,
    ) -> Result<(Option<EventType<'e>>, Finding), CompileFault> {
        let own = [String::from(asked)];
        let patterns = self.mapping.types.get(asked).map_or(&own[..], Vec::as_slice);
        let texts: Vec<Value> = patterns.iter().map(|text| Value::from(text.as_str())).collect();
        let (mut found, mut others) = (None, Vec::new());
        for path in &self.mapping.event_type {
            for at in self.tree.at(path, self.steps)? {
                match self.tree.leaf(at) {
                    Some(leaf) if leaf.kind == Kind::String => {
                        found = Some(EventType { at, leaf });
                        break;
                    }
                    Some(_) => others.push(at),
                    None => {}
                }
            }
            if found.is_some() {
                break;
            }
        }
        let fits = |event_type: &EventType<'_>| {
            patterns.iter().any(|pattern| fits(pattern, &event_type.leaf.bytes))
        };
        let holds = found.as_ref().is_some_and(fits);
        let mut finding = Finding::new("/eventType", &asks(&texts), holds);
        finding.paths.extend(self.mapping.event_type.iter().map(path));
        let shown = found.as_ref().map_or(others, |event_type| vec![event_type.at]);
        for item in shown {
            finding.add(self.tree, item, self.steps)?;
        }
        Ok((found, finding))
    }

    fn filter(
        &mut self,
        key: &str,
        value: &Value,
        event_type: Option<&EventType<'e>>,
    ) -> Result<Finding, CompileFault> {
        let values = self.values(key, value);
        let asked: Result<Vec<Asked>, _> = values
            .iter()
            .map(|value| scalar(value).map(|(kind, bytes)| Asked::Value(kind, bytes.into_owned())))
            .collect();
        let test = Test::new(asked?);
        let own = [Source::Path(Path::Dotted(String::from(key)))];
        let sources = self.mapping.keys.get(key).map_or(&own[..], Vec::as_slice);
        let (mut holding, mut others, mut paths) = (Vec::new(), Vec::new(), Vec::new());
        for source in sources {
            let found = match source {
                Source::Path(own) => {
                    paths.push(path(own));
                    let items = self.tree.at(own, self.steps)?.into_iter();
                    items.filter_map(|item| Some((item, self.tree.leaf(item)?))).collect()
                }
                Source::Segment(Segment { type_segment }) => {
                    paths.push(format!("segment {type_segment} of the type"));
                    event_type.and_then(|own| segment(own, *type_segment)).into_iter().collect()
                }
            };
            let found: Vec<(NodeId, Leaf<'_>)> = found;
            for (item, leaf) in found {
                self.steps.spend(test.steps(&leaf))?;
                if test.holds(&leaf) { holding.push(item) } else { others.push(item) }
            }
        }
        let holds = !holding.is_empty();
        let mut pointer = String::from("/filters");
        enter_pointer(&mut pointer, key);
        let mut finding = Finding::new(&pointer, &asks(values), holds);
        finding.paths = paths;
        for item in if holds { holding } else { others } {
            finding.add(self.tree, item, self.steps)?;
        }
        Ok(finding)
    }

    /// What a filter asks for, with what the platform writes for it.
    fn values<'v>(&self, key: &str, value: &'v Value) -> Vec<&'v Value>
    where
        't: 'v,
    {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            scalar => core::slice::from_ref(scalar),
        };
        let names = self.mapping.values.get(key);
        let mut all = Vec::with_capacity(values.len());
        for value in values {
            let also = names.zip(value.as_str()).and_then(|(names, name)| names.get(name));
            all.push(value);
            all.extend(also.into_iter().flatten().map(|Scalar(value)| value));
        }
        all
    }
}

/// Where an event names another organisation than its own, or has an object in that place.
pub(super) fn foreign(
    mapping: &Mapping,
    own: &Organisation,
    tree: &Tree<'_>,
) -> Result<Option<Location>, CompileFault> {
    let mut steps = Steps::default();
    for path in &mapping.organisation {
        let is_own =
            |item: &NodeId| tree.leaf(*item).is_some_and(|leaf| own.is(leaf.kind, &leaf.bytes));
        if let Some(item) = tree.at(path, &mut steps)?.into_iter().find(|item| !is_own(item)) {
            return Ok(Some(tree.location(item)));
        }
    }
    Ok(None)
}

/// A segment of a type, as a value of its own.
fn segment<'e>(event_type: &'e EventType<'_>, index: u16) -> Option<(NodeId, Leaf<'e>)> {
    let text = event_type.leaf.bytes.split(|byte| *byte == b'.').nth(usize::from(index))?;
    Some((event_type.at, Leaf { kind: Kind::String, bytes: text.into() }))
}

/// Whether a type fits a pattern: `*` is one segment, and a `>`, which is always the last, one or more.
fn fits(pattern: &str, event_type: &[u8]) -> bool {
    let mut segments = event_type.split(|byte| *byte == b'.');
    for wanted in pattern.split('.') {
        match (wanted, segments.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (name, Some(segment)) if name.as_bytes() == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

fn path(path: &Path) -> String {
    let mut text = String::from("$");
    path.names().for_each(|name| enter(&mut text, name));
    text
}
