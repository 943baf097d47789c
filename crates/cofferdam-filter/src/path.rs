//! Paths to the values that filters look at.
//!
//! A path is a list of member names. Arrays are transparent: `participants.queueId` finds the
//! `queueId` of every participant, and a list of strings under `queueIds` counts as each of them.
//! In text the names stand between dots; a name with a dot in it needs the list form.

use serde::Deserialize;

use crate::names::Names;

/// A path, in either of its spellings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Path {
    Dotted(String),
    Names(Vec<String>),
}

impl Path {
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let (dotted, names) = match self {
            Self::Dotted(text) => (Some(text.split('.')), None),
            Self::Names(names) => (None, Some(names.iter().map(String::as_str))),
        };
        dotted.into_iter().flatten().chain(names.into_iter().flatten())
    }
}

/// A value that the graph watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Field(pub(crate) u16);

/// All watched paths as one tree of names.
#[derive(Debug, Clone)]
pub(crate) struct PathTree {
    nodes: Vec<Node>,
    fields: u16,
}

#[derive(Debug, Clone, Default)]
struct Node {
    children: Names,
    field: Option<Field>,
}

/// A place in the tree. The root stands for the event itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place(u32);

impl PathTree {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::default()], fields: 0 }
    }

    /// Watches `path`: the same field for the same path. `None` if there are too many.
    pub(crate) fn watch(&mut self, path: &Path) -> Option<Field> {
        let place = path.names().try_fold(Place::default(), |at, name| self.step(at, name))?;
        self.watch_place(place)
    }

    /// The place of this name in the objects of `place`. `None` if there are too many.
    pub(crate) fn step(&mut self, place: Place, name: &str) -> Option<Place> {
        let next = u32::try_from(self.nodes.len()).ok()?;
        let at = self.nodes.get_mut(place.index())?.children.get_or_insert(name.as_bytes(), next);
        if at == next {
            self.nodes.push(Node::default());
        }
        Some(Place(at))
    }

    /// Watches what stands in a place. `None` if too much is watched.
    pub(crate) fn watch_place(&mut self, place: Place) -> Option<Field> {
        if let Some(field) = self.nodes.get(place.index())?.field {
            return Some(field);
        }
        let field = self.new_field()?;
        self.nodes.get_mut(place.index())?.field = Some(field);
        Some(field)
    }

    /// A field that no path leads to: a segment of the event type.
    pub(crate) fn new_field(&mut self) -> Option<Field> {
        let field = Field(self.fields);
        self.fields = self.fields.checked_add(1)?;
        Some(field)
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many values are watched.
    pub(crate) fn watched(&self) -> usize {
        usize::from(self.fields)
    }

    /// The names that paths go on with from a place, and where they lead.
    pub(crate) fn children(&self, place: Place) -> impl Iterator<Item = (&[u8], Place)> {
        let children = self.nodes.get(place.index()).map(|node| node.children.iter());
        children.into_iter().flatten().map(|(name, child)| (name, Place(child)))
    }

    /// About how many bytes it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        let children: usize = self.nodes.iter().map(|node| node.children.bytes()).sum();
        self.nodes.capacity() * size_of::<Node>() + children
    }

    #[inline]
    pub(crate) fn child(&self, place: Place, name: &[u8]) -> Option<Place> {
        self.nodes.get(place.0 as usize)?.children.get(name).map(Place)
    }

    /// The names in the objects of a place that lead on.
    #[inline]
    pub(crate) fn names(&self, place: Place) -> &Names {
        const NONE: &Names = &Names::none();
        self.nodes.get(place.0 as usize).map_or(NONE, |node| &node.children)
    }

    #[inline]
    pub(crate) fn field(&self, place: Place) -> Option<Field> {
        self.nodes.get(place.0 as usize)?.field
    }
}

impl Place {
    /// The place to which a name leads.
    pub(crate) const fn new(target: u32) -> Self {
        Self(target)
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}
