//! A picture of a graph, as text for Graphviz.
//!
//! It shows what the compiler made of a document: which rules share a value, under what each is filed, and
//! what is left to ask. `docs/FILTER_GRAPH.md` says how to read it. A picture of thousands of rules
//! says nothing, so it ends after [some hundreds](MAX_NODES) of nodes and says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    graph::FilterGraph,
    interner::{Class, Kind},
    layer::{Filed, Layer},
    numbers::place_of,
    path::{Field, Place},
    pattern::scopes::Scoped,
    rules::{Bits, Lists, Posting, Residues},
};

const MAX_NODES: usize = 200;
const MAX_EDGES: usize = 1_000;
/// So many characters of a text are shown.
const MAX_CHARS: usize = 40;

impl FilterGraph {
    /// Writes the graph in the language of Graphviz, for `dot -Tsvg`: what a small one consists of, and of
    /// a large one the beginning. It shows values of rules and targets.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut dot = Dot::default();
        let places = self.places(&mut dot);
        for (number, layer) in self.layers.iter().enumerate() {
            Drawing { graph: self, number, layer, places: &places, dot: &mut dot }.draw();
        }
        dot.finish()
    }

    /// Draws the tree of paths and the segments of the type. Where each field and place stands, by the
    /// name of its node.
    fn places(&self, dot: &mut Dot) -> Places {
        let shape = &*self.shape;
        let mut places = Places::default();
        let mut open = VecDeque::from([(Place::default(), String::from("$"))]);
        while let Some((place, name)) = open.pop_front() {
            if dot.is_full() {
                break;
            }
            let node = format!("place{}", place.index());
            let field = shape.paths.field(place);
            let of = |fields: &[Field]| field.is_some_and(|field| fields.contains(&field));
            let also = match (of(&shape.type_fields), of(&shape.organisation)) {
                (true, _) => " (the type)",
                (_, true) => " (the organisation)",
                _ => "",
            };
            dot.node(&node, "box", &format!("{}{also}", cut(&name)));
            for (name, child) in shape.paths.children(place) {
                dot.edge_later(&node, &format!("place{}", child.index()));
                open.push_back((child, String::from_utf8_lossy(name).into_owned()));
            }
            field.into_iter().for_each(|field| _ = places.by_field.insert(field, node.clone()));
        }
        for &(index, field) in &shape.segments {
            let node = format!("segment{index}");
            dot.node(&node, "box", &format!("segment {index} of the type"));
            places.by_field.insert(field, node);
        }
        dot.edges_now();
        places
    }
}

/// The nodes of fields.
#[derive(Default)]
struct Places {
    by_field: BTreeMap<Field, String>,
}

/// One layer.
struct Drawing<'d> {
    graph: &'d FilterGraph,
    number: usize,
    layer: &'d Layer,
    places: &'d Places,
    dot: &'d mut Dot,
}

/// Lists of rules.
struct Filing<'d> {
    lists: &'d Lists,
    gone: &'d Bits,
    residues: &'d Residues,
    /// What the nodes of rules are called. Those of event patterns have residues of their own.
    name: &'static str,
    /// Whether a class of the object around follows, and not a route.
    is_inner: bool,
}

impl Drawing<'_> {
    fn draw(&mut self) {
        let layer = self.layer;
        let Filed { residues, by_pattern, by_class, scoped, types, interner } = &*layer.filed;
        self.types();
        self.classes();
        let (gone, none) = (&*layer.gone, Bits::default());
        let typed = |lists, gone| Filing { lists, gone, residues, name: "and", is_inner: false };
        let by_pattern = typed(by_pattern, &gone.by_pattern);
        let mut by_class = vec![typed(by_class, &gone.by_class)];
        if let Some(Scoped { residues, inner, roots, .. }) = scoped {
            let of =
                |lists, gone, is_inner| Filing { lists, gone, residues, name: "all", is_inner };
            by_class.extend([of(inner, &none, true), of(roots, &gone.roots, false)]);
        }
        for pattern in 0..types.len() as u32 {
            let from = self.pattern(pattern);
            self.rules(&from, &by_pattern, pattern);
        }
        for class in 0..interner.len() as u32 {
            let from = self.class(class);
            by_class.iter().for_each(|filing| self.rules(&from, filing, class));
        }
    }

    fn pattern(&self, pattern: u32) -> String {
        format!("pattern{}_{pattern}", self.number)
    }

    fn class(&self, class: u32) -> String {
        format!("value{}_{class}", self.number)
    }

    /// The event types: a double circle is a pattern, and the others make a trie of those with wildcards.
    fn types(&mut self) {
        let types = &self.layer.filed.types;
        if types.len() == 0 {
            return;
        }
        // A node at which a pattern ends is the pattern's.
        let root = format!("type{}_0", self.number);
        let mut names = Vec::new();
        for (at, node) in types.nodes().enumerate() {
            if self.dot.is_full() {
                break;
            }
            let own = format!("type{}_{at}", self.number);
            let name = node.here.map_or(own, |pattern| self.pattern(pattern.0));
            let label = if at == 0 { "event type" } else { "" };
            let shape = if node.here.is_some() { "doublecircle" } else { "circle" };
            self.dot.node(&name, if at == 0 { "box" } else { shape }, label);
            names.push(name);
            if let Some(pattern) = node.rest {
                self.dot.node(&self.pattern(pattern.0), "doublecircle", "");
            }
        }
        for (pattern, id) in types.whole() {
            if self.dot.is_full() {
                break;
            }
            let node = self.pattern(id.0);
            self.dot.node(&node, "doublecircle", "");
            self.dot.edge(&root, &node, &cut(&String::from_utf8_lossy(pattern)), false);
        }
        for (from, node) in names.iter().zip(types.nodes()) {
            for (segment, to) in node.next {
                let segment = cut(&String::from_utf8_lossy(segment));
                if let Some(to) = names.get(to as usize) {
                    self.dot.edge(from, to, &segment, false);
                }
            }
            if let Some(pattern) = node.rest {
                let to = self.pattern(pattern.0);
                self.dot.edge(from, &to, ">", false);
            }
        }
    }

    /// The values and conditions, each below its place.
    fn classes(&mut self) {
        let interner = &self.layer.filed.interner;
        for (Class(class), field, kind, bytes) in interner.all() {
            if self.dot.is_full() {
                break;
            }
            let text = cut(&String::from_utf8_lossy(bytes));
            let place = |bytes| place_of(bytes).map(|(place, _)| format!("place{place}"));
            let field = self.places.by_field.get(&field).cloned();
            let (place, label) = match kind {
                Kind::String => (field, format!("\"{text}\"")),
                Kind::Number | Kind::Literal | Kind::Condition => (field, text),
                Kind::Pattern => (place(bytes), String::from("one object")),
                Kind::Absence => {
                    let is_leaf = place_of(bytes).is_some_and(|(_, of)| of == [0]);
                    let what = if is_leaf { "no value" } else { "no object" };
                    (place(bytes), String::from(what))
                }
            };
            let node = self.class(class);
            self.dot.node(&node, "ellipse", &label);
            if let Some(place) = place {
                self.dot.edge(&place, &node, "", false);
            }
        }
    }

    /// The rules of one list. What is left to ask leads to a rule by dashed lines.
    fn rules(&mut self, from: &str, filing: &Filing<'_>, list: u32) {
        let Filing { lists, gone, residues, name, is_inner } = filing;
        for &Posting { residue, then } in lists.get(list, gone) {
            if self.dot.is_full() {
                return;
            }
            let to = if *is_inner { self.class(then) } else { self.route(then) };
            let (patterns, conditions) = residues.parts(residue).unwrap_or_default();
            if patterns.is_empty() && conditions.is_empty() {
                self.dot.edge(from, &to, "", false);
                continue;
            }
            let rule = format!("{name}{}_{}_{to}", self.number, residue.0);
            if self.dot.node(&rule, "diamond", "and") {
                for pattern in patterns {
                    self.dot.edge(&self.pattern(*pattern), &rule, "", true);
                }
                for (number, any_of) in (1..).zip(&conditions) {
                    let label =
                        if conditions.len() > 1 { format!("{number}") } else { String::new() };
                    for class in *any_of {
                        self.dot.edge(&self.class(*class), &rule, &label, true);
                    }
                }
                self.dot.edge(&rule, &to, "", false);
            }
            self.dot.edge(from, &rule, "", false);
        }
    }

    fn route(&mut self, route: u32) -> String {
        let node = format!("route{route}");
        let target = self.graph.targets().nth(route as usize).unwrap_or_default();
        self.dot.node(&node, "cds", &cut(target));
        node
    }
}

/// A picture so far.
#[derive(Default)]
struct Dot {
    nodes: BTreeSet<String>,
    edges: BTreeSet<(String, String, String)>,
    later: Vec<(String, String)>,
    text: String,
    is_cut: bool,
}

impl Dot {
    fn is_full(&mut self) -> bool {
        let is_full = self.nodes.len() >= MAX_NODES || self.edges.len() >= MAX_EDGES;
        self.is_cut |= is_full;
        is_full
    }

    /// Draws a node, once. Whether it is a new one.
    fn node(&mut self, name: &str, shape: &str, label: &str) -> bool {
        if self.nodes.contains(name) || self.is_full() {
            return false;
        }
        self.nodes.insert(String::from(name));
        self.text.push_str(&format!("  {name} [shape={shape}, label=\"{}\"];\n", escaped(label)));
        true
    }

    /// Draws an edge between two nodes that are drawn.
    fn edge(&mut self, from: &str, to: &str, label: &str, is_dashed: bool) {
        let both = self.nodes.contains(from) && self.nodes.contains(to);
        let edge = (String::from(from), String::from(to), String::from(label));
        if !both || self.edges.len() >= MAX_EDGES || !self.edges.insert(edge) {
            self.is_cut |= !both || self.edges.len() >= MAX_EDGES;
            return;
        }
        let mut more = Vec::new();
        if !label.is_empty() {
            more.push(format!("label=\"{}\"", escaped(label)));
        }
        if is_dashed {
            more.push(String::from("style=dashed"));
        }
        let more = if more.is_empty() { String::new() } else { format!(" [{}]", more.join(", ")) };
        self.text.push_str(&format!("  {from} -> {to}{more};\n"));
    }

    fn edge_later(&mut self, from: &str, to: &str) {
        self.later.push((String::from(from), String::from(to)));
    }

    fn edges_now(&mut self) {
        for (from, to) in core::mem::take(&mut self.later) {
            self.edge(&from, &to, "", false);
        }
    }

    fn finish(self) -> String {
        let note = match self.is_cut {
            true => "  more [shape=note, label=\"more than is drawn here\"];\n",
            false => "",
        };
        let text = self.text;
        format!(
            "digraph filter {{\n  rankdir=LR;\n  node [fontsize=10];\n  edge [fontsize=10];\n{text}{note}}}\n"
        )
    }
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => String::from(text),
    }
}

/// A text inside of quotes: what Graphviz reads as an escape or an entity is one no longer.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' | '\\' => escaped.extend(['\\', char]),
            '&' => escaped.push_str("&amp;"),
            '\n' => escaped.push_str("\\\\n"),
            char if char.is_control() => escaped.push_str(&format!("\\\\u{:04x}", u32::from(char))),
            char => escaped.push(char),
        }
    }
    escaped
}
