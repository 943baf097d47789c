//! The subschemas that a validator would visit, and which of them lead to which.
//!
//! Two kinds of edge count. One stays at the value that is judged (`allOf`, `$ref`, `if`): whatever
//! reaches the subschema at its start is done once more. The other goes down into the value's members or
//! elements (`properties`, `items`). [Pricing](crate::price) adds them up; here they are found, with the
//! resolver that the validator itself uses, so that the two cannot disagree on where a reference
//! leads. What no reference reaches (`definitions`) is looked at for unknown keywords and costs nothing.

use std::collections::BTreeMap;

use referencing::{Draft, Registry, Resolver};
use serde_json::{Map, Value};

use crate::{
    error::{RegisterError, RegisterFault},
    keywords::{Applied, subschemas},
    pointer::Names,
    types::Types,
};

/// The most subschemas that a schema may reach.
const MAX_SUBSCHEMAS: usize = 20_000;
/// The most edges between them.
const MAX_EDGES: usize = 200_000;
/// The most regular expressions of one document: each is compiled and kept.
const MAX_PATTERNS: usize = 128;
/// What a schema is called that has no `$id`; the validator's own name for it.
pub(crate) const BASE: &str = "json-schema:///";

/// One subschema.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// Where it stands, as a pointer.
    pub(crate) at: String,
    /// Steps of its own for one value.
    pub(crate) weight: u64,
    /// Errors of its own for one value.
    pub(crate) errors: u64,
    /// What `type` allows; empty if it says nothing.
    pub(crate) types: Types,
    /// `unevaluated...`: what is in place is judged again to know what it looked at.
    pub(crate) looks_again: bool,
    /// `contains`, which is judged again to know what it looked at.
    pub(crate) contains: bool,
    /// `uniqueItems`, which looks at all that stands in an array.
    pub(crate) unique: bool,
    /// In place of it by `allOf` and the like.
    pub(crate) in_place: Vec<u32>,
    /// In place of it by `$ref`.
    pub(crate) refers: Vec<u32>,
    /// Of each group one is in place: which one depends on the way that led here (`$dynamicRef`).
    pub(crate) one_of: Vec<Vec<u32>>,
    /// By name, in the order of names.
    pub(crate) named: Vec<(Box<str>, u32)>,
    pub(crate) members: Vec<u32>,
    /// Those that take members as of a map: whatever they are called, they are known.
    pub(crate) map: Vec<u32>,
    pub(crate) prefix: Vec<u32>,
    pub(crate) items: Vec<u32>,
}

impl Node {
    /// All that may be in place of it.
    pub(crate) fn all_in_place(&self) -> impl Iterator<Item = u32> {
        let groups = self.one_of.iter().flatten();
        self.in_place.iter().chain(&self.refers).chain(groups).copied()
    }
}

/// All subschemas that are reached; the first is the schema itself.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// The names of members that any document speaks of.
    pub(crate) names: Names,
    /// Whether errors hold errors (`anyOf`), which copies what they are about.
    pub(crate) nests_errors: bool,
}

struct Pending<'r> {
    node: u32,
    schema: &'r Value,
    resolver: Resolver<'r>,
    draft: Draft,
}

struct Walk<'r> {
    graph: Graph,
    known: BTreeMap<*const Value, u32>,
    pending: Vec<Pending<'r>>,
    anchors: BTreeMap<&'r str, Vec<(&'r Value, Resolver<'r>, Draft, String)>>,
    edges: usize,
    patterns: usize,
}

/// Follows `root`, which `registry` has under [`BASE`], and all that it refers to.
pub(crate) fn walk<'r>(
    registry: &'r Registry<'r>,
    root: &'r Value,
    others: impl Iterator<Item = (&'r str, &'r Value)>,
    draft: Draft,
) -> Result<Graph, RegisterError> {
    let unresolved = |_| RegisterError::new("", RegisterFault::UnresolvedReference);
    let resolver = |base| referencing::uri::from_str(base).map(|uri| registry.resolver(uri));
    let mut walk = Walk {
        graph: Graph::default(),
        known: BTreeMap::new(),
        pending: Vec::new(),
        anchors: BTreeMap::new(),
        edges: 0,
        patterns: 0,
    };
    let base = resolver(BASE).map_err(unresolved)?;
    walk.collect_anchors(root, &base, draft, "");
    for (uri, document) in others {
        let resolver = resolver(uri).map_err(unresolved)?;
        walk.collect_anchors(document, &resolver, draft.detect(document), uri);
    }
    walk.node(root, &base, draft, String::new())?;
    while let Some(next) = walk.pending.pop() {
        walk.expand(&next)?;
    }
    Ok(walk.graph)
}

impl<'r> Walk<'r> {
    /// The number of a subschema that stands in one with this resolver.
    fn node(
        &mut self,
        schema: &'r Value,
        resolver: &Resolver<'r>,
        draft: Draft,
        at: String,
    ) -> Result<u32, RegisterError> {
        match resolver.in_subresource(draft.create_resource_ref(schema)) {
            Ok(resolver) => self.node_at(schema, resolver, draft, at),
            Err(_) => Err(RegisterError::new(at, RegisterFault::InvalidSchema)),
        }
    }

    /// The number of a subschema, which is new or was reached before; the resolver is its own.
    fn node_at(
        &mut self,
        schema: &'r Value,
        resolver: Resolver<'r>,
        draft: Draft,
        at: String,
    ) -> Result<u32, RegisterError> {
        self.edges += 1;
        if let Some(known) = self.known.get(&std::ptr::from_ref(schema)) {
            return Ok(*known);
        }
        let number = self.graph.nodes.len();
        if number >= MAX_SUBSCHEMAS || self.edges > MAX_EDGES {
            return Err(RegisterError::new(at, RegisterFault::TooManySubschemas));
        }
        let number = number as u32;
        self.known.insert(std::ptr::from_ref(schema), number);
        self.graph.nodes.push(Node { at, weight: 1, errors: 1, ..Node::default() });
        self.pending.push(Pending { node: number, schema, resolver, draft });
        Ok(number)
    }

    fn expand(&mut self, next: &Pending<'r>) -> Result<(), RegisterError> {
        let Value::Object(keywords) = next.schema else { return Ok(()) };
        let at = self.graph.nodes[next.node as usize].at.clone();
        self.weigh(next.node, keywords, &at)?;
        for (applied, subschema, place) in subschemas(keywords, next.draft, &at) {
            let draft = next.draft.detect(subschema);
            if applied != Applied::Never {
                let is_map = is_map(keywords, subschema, &place[at.len()..]);
                let target = self.node(subschema, &next.resolver, draft, place)?;
                self.edge(next.node, applied, target);
                if is_map {
                    self.graph.nodes[next.node as usize].map.push(target);
                }
            }
        }
        self.graph.nodes[next.node as usize].named.sort();
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(Value::String(reference)) = keywords.get(keyword) {
                self.refer(next, keyword, reference, &format!("{at}/{keyword}"))?;
            }
        }
        Ok(())
    }

    fn refer(
        &mut self,
        from: &Pending<'r>,
        keyword: &str,
        reference: &str,
        at: &str,
    ) -> Result<(), RegisterError> {
        let unresolved = |_| RegisterError::new(at, RegisterFault::UnresolvedReference);
        let resolved = match keyword {
            "$recursiveRef" => from.resolver.lookup_recursive_ref(),
            _ => from.resolver.lookup(reference),
        };
        let (schema, resolver, draft) = resolved.map_err(unresolved)?.into_inner();
        let place = match reference.strip_prefix('#') {
            Some(fragment) if fragment.is_empty() || fragment.starts_with('/') => {
                fragment.to_owned()
            }
            _ => reference.to_owned(),
        };
        // The resolver has the target's own `$id` in it already.
        let target = self.node_at(schema, resolver, draft, place)?;
        // Which of the anchors of that name it is depends on the way that led here: any may be meant.
        let name = match keyword {
            "$dynamicRef" => reference.rsplit_once('#').map(|(_, name)| name),
            "$recursiveRef" => Some(""),
            _ => None,
        };
        let meant = name.and_then(|name| self.anchors.get(name)).cloned().unwrap_or_default();
        let mut group = vec![target];
        for (schema, resolver, draft, place) in meant {
            let other = self.node_at(schema, resolver, draft, place)?;
            if !group.contains(&other) {
                group.push(other);
            }
        }
        let node = &mut self.graph.nodes[from.node as usize];
        match group.as_slice() {
            [one] => node.refers.push(*one),
            _ => node.one_of.push(group),
        }
        Ok(())
    }

    fn edge(&mut self, from: u32, applied: Applied<'_>, to: u32) {
        let node = &mut self.graph.nodes[from as usize];
        match applied {
            Applied::InPlace => node.in_place.push(to),
            Applied::Named(name) => node.named.push((name.into(), to)),
            Applied::Members => node.members.push(to),
            Applied::Prefix => node.prefix.push(to),
            Applied::Items => node.items.push(to),
            Applied::Never => {}
        }
    }

    /// What a subschema takes for one value, beside the subschemas in it.
    fn weigh(
        &mut self,
        node: u32,
        keywords: &Map<String, Value>,
        at: &str,
    ) -> Result<(), RegisterError> {
        let (mut weight, mut errors) = (1, 1);
        for (keyword, value) in keywords {
            let count = match value {
                Value::Array(items) => items.len() as u64,
                Value::Object(members) => members.len() as u64,
                _ => 0,
            };
            weight += 1 + match keyword.as_str() {
                "properties" | "required" | "dependentRequired" | "dependencies" => count,
                "enum" | "const" => size(value),
                // Each of them is tried on each member's name.
                "patternProperties" => {
                    self.patterns += count as usize;
                    count * 8
                }
                "pattern" => {
                    self.patterns += 1;
                    8 + value.as_str().map_or(0, str::len) as u64 / 4
                }
                "uniqueItems" | "format" | "contentMediaType" => 4,
                _ => 0,
            };
            errors += match keyword.as_str() {
                "required" | "dependentRequired" | "dependencies" => count,
                "$ref" | "properties" | "definitions" | "$defs" | "title" | "description" => 0,
                _ => 1,
            };
            self.graph.nests_errors |=
                matches!(keyword.as_str(), "anyOf" | "oneOf" | "propertyNames" | "contains");
            if let ("properties", Value::Object(members)) = (keyword.as_str(), value) {
                self.graph.names.extend(members.keys().map(|name| name.as_str().into()));
            }
            if let ("required", Value::Array(names)) = (keyword.as_str(), value) {
                self.graph.names.extend(names.iter().filter_map(Value::as_str).map(Box::from));
            }
        }
        if self.patterns > MAX_PATTERNS {
            return Err(RegisterError::new(at, RegisterFault::TooManyPatterns));
        }
        let node = &mut self.graph.nodes[node as usize];
        (node.weight, node.errors) = (weight, errors);
        node.types = Types::of_keyword(keywords.get("type"));
        node.unique = keywords.get("uniqueItems") == Some(&Value::Bool(true));
        node.contains = keywords.contains_key("contains");
        node.looks_again = keywords.contains_key("unevaluatedProperties")
            || keywords.contains_key("unevaluatedItems");
        Ok(())
    }

    /// Where a dynamic reference may lead, in everything that stands in a document.
    fn collect_anchors(
        &mut self,
        schema: &'r Value,
        resolver: &Resolver<'r>,
        draft: Draft,
        at: &str,
    ) {
        let Value::Object(keywords) = schema else { return };
        let Ok(resolver) = resolver.in_subresource(draft.create_resource_ref(schema)) else {
            return;
        };
        let dynamic = keywords.get("$dynamicAnchor").and_then(Value::as_str);
        let recursive = keywords.get("$recursiveAnchor") == Some(&Value::Bool(true));
        for name in dynamic.into_iter().chain(recursive.then_some("")) {
            let meant = self.anchors.entry(name).or_default();
            meant.push((schema, resolver.clone(), draft, at.to_owned()));
        }
        for (_, subschema, place) in subschemas(keywords, draft, at) {
            self.collect_anchors(subschema, &resolver, draft.detect(subschema), &place);
        }
    }
}

/// Whether a keyword's subschema takes members as of a map: not `false`, which takes none, and beside
/// `properties` not one that takes anything, which is how a record says that it may grow.
fn is_map(keywords: &Map<String, Value>, subschema: &Value, place: &str) -> bool {
    let takes_none = subschema == &Value::Bool(false);
    let takes_all =
        subschema == &Value::Bool(true) || subschema.as_object().is_some_and(Map::is_empty);
    let keyword = place.split('/').nth(1);
    let additional = matches!(keyword, Some("additionalProperties" | "unevaluatedProperties"));
    keyword == Some("patternProperties") && !takes_none
        || additional && !takes_none && !(takes_all && keywords.contains_key("properties"))
}

/// How many values there are in a value, itself counted.
fn size(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        _ => 0,
    }
}
