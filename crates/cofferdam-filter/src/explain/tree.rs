//! An event as a tree that knows where each value stands.

use std::{borrow::Cow, collections::BTreeMap};

use cofferdam_json::{Fault, Number, Reader, Text, Token};

use super::{judge::Steps, report::Location};
use crate::{compile::CompileFault, interner::Kind, path::Path};

/// A sound event. Only events that the strict check took become one, so it has at most 64 levels, and
/// going down in it may recurse.
pub(super) struct Tree<'e> {
    nodes: Vec<Node<'e>>,
}

/// The number of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(u32);

struct Node<'e> {
    /// The byte at which it begins.
    offset: usize,
    /// The container, and where in it this stands.
    parent: Option<(NodeId, Step<'e>)>,
    value: Value<'e>,
}

enum Step<'e> {
    Name(Cow<'e, [u8]>),
    Index(usize),
}

enum Value<'e> {
    Text(Text<'e>),
    Number(Number<'e>),
    Literal(&'static [u8]),
    Array(Vec<NodeId>),
    Object(BTreeMap<Cow<'e, [u8]>, NodeId>),
}

/// What a leaf says, in the form in which rules are compared with it.
pub(super) struct Leaf<'e> {
    pub(super) kind: Kind,
    pub(super) bytes: Cow<'e, [u8]>,
}

impl<'e> Tree<'e> {
    pub(super) const ROOT: NodeId = NodeId(0);

    pub(super) fn read(event: &'e [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(event);
        let mut tree = Self { nodes: Vec::new() };
        let mut open: Vec<NodeId> = Vec::new();
        let mut name = Cow::Borrowed(&[][..]);
        while let Some(token) = reader.next()? {
            let value = match token {
                Token::Name(text) => {
                    name = decoded(text);
                    continue;
                }
                Token::EndObject | Token::EndArray => {
                    open.pop();
                    continue;
                }
                Token::BeginObject => Value::Object(BTreeMap::new()),
                Token::BeginArray => Value::Array(Vec::new()),
                Token::String(text) => Value::Text(text),
                Token::Number(number) => Value::Number(number),
                Token::Bool(true) => Value::Literal(b"true"),
                Token::Bool(false) => Value::Literal(b"false"),
                Token::Null => Value::Literal(b"null"),
            };
            let is_container = matches!(value, Value::Object(_) | Value::Array(_));
            let id = NodeId(u32::try_from(tree.nodes.len()).map_err(|_| Fault::TooLarge)?);
            let parent = open.last().map(|parent| (*parent, tree.adopt(*parent, id, &name)));
            tree.nodes.push(Node { offset: reader.token_start(), parent, value });
            if is_container {
                open.push(id);
            }
        }
        if tree.nodes.is_empty() { Err(Fault::Malformed) } else { Ok(tree) }
    }

    /// Puts a value into an open container.
    fn adopt(&mut self, parent: NodeId, child: NodeId, name: &Cow<'e, [u8]>) -> Step<'e> {
        match self.nodes.get_mut(parent.0 as usize).map(|node| &mut node.value) {
            Some(Value::Array(elements)) => {
                elements.push(child);
                Step::Index(elements.len() - 1)
            }
            Some(Value::Object(members)) => {
                members.insert(name.clone(), child);
                Step::Name(name.clone())
            }
            _ => Step::Index(0),
        }
    }

    fn value(&self, id: NodeId) -> Option<&Value<'e>> {
        self.nodes.get(id.0 as usize).map(|node| &node.value)
    }

    /// What stands under a name in an object.
    pub(super) fn member(&self, object: NodeId, name: &str) -> Option<NodeId> {
        match self.value(object)? {
            Value::Object(members) => members.get(name.as_bytes()).copied(),
            _ => None,
        }
    }

    pub(super) fn is_object(&self, id: NodeId) -> bool {
        matches!(self.value(id), Some(Value::Object(_)))
    }

    /// What a leaf says; `None` for a container.
    pub(super) fn leaf(&self, id: NodeId) -> Option<Leaf<'e>> {
        Some(match self.value(id)? {
            Value::Text(text) => Leaf { kind: Kind::String, bytes: decoded(*text) },
            Value::Number(number) => {
                let mut canonical = Vec::new();
                number.canonical_into(&mut canonical);
                Leaf { kind: Kind::Number, bytes: Cow::Owned(canonical) }
            }
            Value::Literal(literal) => Leaf { kind: Kind::Literal, bytes: Cow::Borrowed(literal) },
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// The leaves and objects that stand here, which of an array are those of its elements.
    pub(super) fn items(&self, id: NodeId, steps: &mut Steps) -> Result<Vec<NodeId>, CompileFault> {
        let mut items = Vec::new();
        self.collect(id, &[], &mut items, steps)?;
        Ok(items)
    }

    /// The leaves and objects at the end of a path through objects and through arrays of them.
    pub(super) fn at(&self, path: &Path, steps: &mut Steps) -> Result<Vec<NodeId>, CompileFault> {
        let names: Vec<&str> = path.names().collect();
        let mut items = Vec::new();
        // Without a name it leads to the event itself, which is no value of the event.
        if !names.is_empty() {
            self.collect(Self::ROOT, &names, &mut items, steps)?;
        }
        Ok(items)
    }

    fn collect(
        &self,
        id: NodeId,
        names: &[&str],
        items: &mut Vec<NodeId>,
        steps: &mut Steps,
    ) -> Result<(), CompileFault> {
        steps.spend(1)?;
        match (self.value(id), names) {
            (Some(Value::Array(elements)), _) => {
                elements.iter().try_for_each(|item| self.collect(*item, names, items, steps))
            }
            (_, []) => {
                items.push(id);
                Ok(())
            }
            (_, [name, names @ ..]) => match self.member(id, name) {
                Some(member) => self.collect(member, names, items, steps),
                None => Ok(()),
            },
        }
    }

    /// Where a value stands.
    pub(super) fn location(&self, id: NodeId) -> Location {
        let offset = self.nodes.get(id.0 as usize).map_or(0, |node| node.offset);
        Location { path: self.path(id), offset }
    }

    /// The path to a value. All names in it are names that some rule asked for.
    pub(super) fn path(&self, id: NodeId) -> String {
        let mut steps = Vec::new();
        let mut at = id;
        while let Some((parent, step)) =
            self.nodes.get(at.0 as usize).and_then(|node| node.parent.as_ref())
        {
            steps.push(step);
            at = *parent;
        }
        let mut path = String::from("$");
        for step in steps.into_iter().rev() {
            match step {
                Step::Name(name) => enter(&mut path, &String::from_utf8_lossy(name)),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

fn decoded(text: Text<'_>) -> Cow<'_, [u8]> {
    if !text.is_escaped() {
        return Cow::Borrowed(text.raw());
    }
    let mut decoded = Vec::new();
    text.decode_into(&mut decoded);
    Cow::Owned(decoded)
}

/// Goes on in a path, as RFC 9535 writes it: `.name`, or `['a name']`.
pub(super) fn enter(path: &mut String, name: &str) {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let begins_plain = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
    if begins_plain && name.chars().all(is_plain) {
        path.push('.');
        path.push_str(name);
        return;
    }
    path.push_str("['");
    for char in name.chars() {
        match char {
            '\'' | '\\' => path.extend(['\\', char]),
            char if char.is_control() => path.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => path.push(char),
        }
    }
    path.push_str("']");
}
