//! One way through an event: from its bytes to the values that rules look at.
//!
//! The event is walked along the tree of watched paths. In an object that lies on a path each name is
//! looked up among those that the paths go on with; whatever stands under another name is passed over
//! by its [`Structure`], 64 bytes at a time. So the walk costs a few instructions for each 64 bytes,
//! some for each member of an object on a path, and nothing for what lies in between. Nothing is kept of
//! an event but the open containers on paths, and there are at most as many of them as the strict
//! check allows levels.
//!
//! # What it promises
//!
//! On an event that [`cofferdam_json::check`] accepts, it sees what a reading token by token would see.
//! On any other it may see anything, for it checks almost nothing. That is enough: an event is
//! *dropped* on its word, and *delivered* only after the whole of it was checked, which the types of
//! the pipeline demand. Of a name that stands twice it sees the second time, when the name is
//! one that is watched, and refuses the event: neither is the one that counts.

use core::mem;

use cofferdam_core::{Reason, pipeline::RouteId};
use cofferdam_json::{Fault, Number, Reader, Structure, unescape};

use crate::{
    graph::{FilterGraph, Shape},
    interner::Kind,
    layer::{Filed, Layer, Sight},
    path::{Field, Place},
    seen::grow,
};

/// Why a walk ended early.
pub(crate) enum Stop {
    Unmatched,
    Refused(Reason),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Refused(crate::strict::reason(fault))
    }
}

/// The document ended in the middle, or is none.
const MALFORMED: Stop = Stop::Refused(Reason::Malformed);

/// What is kept from one walk to the next.
#[derive(Clone, Default)]
pub(crate) struct Buffers {
    open: Vec<Open>,
    /// By place: the last object in which its name stood.
    named: Vec<u32>,
    object: u32,
    text: Vec<u8>,
    event_type: Vec<u8>,
}

/// A container on a path.
#[derive(Debug, Clone, Copy)]
struct Open {
    place: Place,
    /// The number of the object; 0 for an array.
    object: u32,
}

impl Buffers {
    /// A new event, for a graph of so many places. Whether the numbers of objects begin again.
    fn begin(&mut self, places: usize) -> bool {
        grow(&mut self.named, places);
        self.open.clear();
        // An event cannot hold as many objects as are left here.
        let begins_again = self.object > u32::MAX / 2;
        if begins_again {
            self.named.fill(0);
            self.object = 0;
        }
        begins_again
    }

    fn open(&mut self, place: Place, bracket: u8) -> Result<(), Stop> {
        if self.open.len() >= Reader::MAX_DEPTH as usize {
            return Err(Stop::Refused(Reason::TooDeep));
        }
        let mut object = 0;
        if bracket == b'{' {
            self.object = self.object.saturating_add(1);
            object = self.object;
        }
        self.open.push(Open { place, object });
        Ok(())
    }

    /// Notes that the name of `place` stands in this object.
    fn name(&mut self, place: Place, object: u32) -> Result<(), Stop> {
        let last = self.named.get_mut(place.index()).map(|last| mem::replace(last, object));
        if last == Some(object) { Err(Stop::Refused(Reason::DuplicateName)) } else { Ok(()) }
    }
}

/// Notes in `sights` what the event holds, one for each layer, and in `routes` what follows.
pub(crate) fn walk(
    graph: &FilterGraph,
    event: &[u8],
    buffers: &mut Buffers,
    sights: &mut [Sight],
    routes: &mut Vec<RouteId>,
) -> Result<(), Stop> {
    let (shape, layers) = (&*graph.shape, graph.layers.as_slice());
    if buffers.begin(shape.paths.len()) {
        sights.iter_mut().for_each(|sight| sight.scopes.forget());
    }
    let mut structure = Structure::new(event);
    let mut walk = Walk {
        shape,
        layers,
        has_patterns: layers.iter().any(|layer| layer.filed.scoped.is_some()),
        structure: &mut structure,
        sights,
        routes,
        type_rank: usize::MAX,
        is_wanted: false,
        is_foreign: false,
    };
    walk.run(buffers)?;
    match walk.type_rank {
        0 | usize::MAX => {}
        _ => walk.typed(&buffers.event_type)?,
    }
    let Walk { is_wanted, is_foreign, .. } = walk;
    if is_wanted {
        for (layer, sight) in layers.iter().zip(sights) {
            layer.collect(&mut sight.seen, routes);
        }
    } else if routes.is_empty() {
        return Err(Stop::Unmatched);
    }
    // Not before it is known that the event is wanted: otherwise the order of members would decide
    // between this and the other.
    if is_foreign { Err(Stop::Refused(Reason::ForeignOrganisation)) } else { Ok(()) }
}

struct Walk<'w, 'e> {
    shape: &'w Shape,
    layers: &'w [Layer],
    /// Whether some layer has event patterns.
    has_patterns: bool,
    structure: &'w mut Structure<'e>,
    /// One for each layer.
    sights: &'w mut [Sight],
    routes: &'w mut Vec<RouteId>,
    /// Which of the type's fields was seen; the lowest counts.
    type_rank: usize,
    /// Whether some rule wants events of this type.
    is_wanted: bool,
    /// Whether another organisation than the tenant's was named.
    is_foreign: bool,
}

impl<'e> Walk<'_, 'e> {
    fn run(&mut self, buffers: &mut Buffers) -> Result<(), Stop> {
        let start = self.skip_white_space(0);
        if self.byte(start) != Some(b'{') {
            return Err(MALFORMED);
        }
        self.open(Place::default(), b'{', buffers)?;
        // Behind an opening bracket or a comma.
        let mut at = start + 1;
        while let Some(&Open { place, object }) = buffers.open.last() {
            let member = if object == 0 {
                self.element(at).map(|value| (value, Some(place)))
            } else {
                self.member(at, place, object, buffers)?
            };
            let mut end = match member {
                // The container is empty.
                None => at,
                Some((value, None)) => self.pass_over(value)?,
                Some((value, Some(place))) => match self.byte(value) {
                    Some(bracket @ (b'{' | b'[')) => {
                        // A list names each of its items; an object is no organisation of ours.
                        self.is_foreign |= bracket == b'{' && self.names_organisation(place);
                        self.open(place, bracket, buffers)?;
                        at = value + 1;
                        continue;
                    }
                    _ => self.scalar(value, place, buffers)?,
                },
            };
            loop {
                let separator = self.separator(end).ok_or(MALFORMED)?;
                end = separator + 1;
                if self.byte(separator) == Some(b',') {
                    break;
                }
                self.close(buffers);
                if buffers.open.is_empty() {
                    break;
                }
            }
            at = end;
        }
        Ok(())
    }

    fn open(&mut self, place: Place, bracket: u8, buffers: &mut Buffers) -> Result<(), Stop> {
        buffers.open(place, bracket)?;
        if bracket == b'{' && self.has_patterns {
            for (layer, sight) in self.layers.iter().zip(self.sights.iter_mut()) {
                if layer.filed.scoped.is_some() {
                    sight.scopes.open(place, buffers.object);
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, buffers: &mut Buffers) {
        let Some(Open { place, object }) = buffers.open.pop() else { return };
        if object == 0 || !self.has_patterns {
            return;
        }
        for (layer, sight) in self.layers.iter().zip(self.sights.iter_mut()) {
            if let Some(scoped) = &layer.filed.scoped {
                sight.scopes.close(place, scoped, &layer.gone.roots, self.routes);
            }
        }
    }

    /// Where the next element begins; `None` if there is none.
    fn element(&self, at: usize) -> Option<usize> {
        let value = self.skip_white_space(at);
        (self.byte(value) != Some(b']')).then_some(value)
    }

    /// Where the value of the next member begins, and its place if it has one; `None` if there is no
    /// member.
    #[inline]
    fn member(
        &mut self,
        at: usize,
        place: Place,
        object: u32,
        buffers: &mut Buffers,
    ) -> Result<Option<(usize, Option<Place>)>, Stop> {
        // Mostly it stands right here.
        let start = match self.byte(at) {
            Some(b'"') => at,
            _ => self.structure.quote_or_close(at).ok_or(MALFORMED)?,
        };
        if self.byte(start) != Some(b'"') {
            return Ok(None);
        }
        let start = start + 1;
        let end = self.structure.quote(start).ok_or(MALFORMED)?;
        let colon = self.skip_white_space(end + 1);
        if self.byte(colon) != Some(b':') {
            return Err(MALFORMED);
        }
        let value = self.skip_white_space(colon + 1);
        let name = self.text(start, end, &mut buffers.text)?;
        let child = self.shape.paths.child(place, name);
        if let Some(child) = child {
            buffers.name(child, object)?;
        }
        Ok(Some((value, child)))
    }

    /// The next comma or closing bracket at or after `at`, a place outside strings.
    #[inline]
    fn separator(&mut self, at: usize) -> Option<usize> {
        match self.byte(at) {
            Some(b',' | b'}' | b']') => Some(at),
            _ => self.structure.separator(at),
        }
    }

    /// Where a value that nobody watches ends, or, if it is no container, where it begins.
    fn pass_over(&mut self, value: usize) -> Result<usize, Stop> {
        match self.byte(value) {
            Some(b'{' | b'[') => {
                self.structure.end_of_container(value).map(|end| end + 1).ok_or(MALFORMED)
            }
            _ => Ok(value),
        }
    }

    /// Takes note of a value that is no container; where it ends, or, if nobody watches it, begins.
    fn scalar(&mut self, at: usize, place: Place, buffers: &mut Buffers) -> Result<usize, Stop> {
        let Some(field) = self.shape.paths.field(place) else { return Ok(at) };
        if self.byte(at) == Some(b'"') {
            let end = self.structure.quote(at + 1).ok_or(MALFORMED)?;
            let text = self.text(at + 1, end, &mut buffers.text)?;
            self.event_type(field, text, &mut buffers.event_type)?;
            self.value(place, field, Kind::String, text);
            return Ok(end + 1);
        }
        let end = self.structure.separator(at).ok_or(MALFORMED)?;
        let raw = self.structure.bytes().get(at..end).unwrap_or_default().trim_ascii_end();
        if raw.first().is_some_and(|first| matches!(first, b'-' | b'0'..=b'9')) {
            buffers.text.clear();
            Number::read(raw)?.canonical_into(&mut buffers.text);
            self.value(place, field, Kind::Number, &buffers.text);
        } else if matches!(raw, b"true" | b"false" | b"null") {
            self.value(place, field, Kind::Literal, raw);
        } else {
            return Err(MALFORMED);
        }
        Ok(end)
    }

    /// If the field is one of those that hold the event's type: it counts if none before it does.
    fn event_type(&mut self, field: Field, text: &[u8], kept: &mut Vec<u8>) -> Result<(), Stop> {
        let rank = self.shape.type_fields.iter().position(|own| *own == field);
        let Some(rank) = rank.filter(|rank| *rank < self.type_rank) else { return Ok(()) };
        self.type_rank = rank;
        // Only the first of the list is known to count before the event ends.
        if rank == 0 {
            return self.typed(text);
        }
        kept.clear();
        kept.extend_from_slice(text);
        Ok(())
    }

    /// The event type is known: find its patterns, or stop if nothing else can match.
    fn typed(&mut self, event_type: &[u8]) -> Result<(), Stop> {
        for (layer, sight) in self.layers.iter().zip(self.sights.iter_mut()) {
            let Filed { types, interner, .. } = &*layer.filed;
            if !sight.seen.event_type(event_type, types) {
                continue;
            }
            self.is_wanted = true;
            for &(index, field) in &self.shape.segments {
                let segment = event_type.split(|&b| b == b'.').nth(usize::from(index));
                let class = segment.and_then(|text| interner.get(field, Kind::String, text));
                class.into_iter().for_each(|class| sight.seen.class(class));
            }
        }
        if self.is_wanted || self.has_patterns { Ok(()) } else { Err(Stop::Unmatched) }
    }

    fn value(&mut self, place: Place, field: Field, kind: Kind, value: &[u8]) {
        if let Some(own) = &self.shape.own_organisation
            && self.shape.organisation.contains(&field)
        {
            self.is_foreign |= !own.is(kind, value);
        }
        let Some(first) = self.layers.first() else { return };
        // One key for all layers, so that a value is hashed once.
        let hash = first.filed.interner.hash(field, kind, value);
        for (layer, sight) in self.layers.iter().zip(self.sights.iter_mut()) {
            let class = layer.filed.interner.find(hash, field, kind, value);
            if let Some(class) = class {
                sight.seen.class(class);
            }
            if let Some(scoped) = &layer.filed.scoped {
                sight.scopes.leaf(place, field, (kind, value), class, scoped);
            }
        }
    }

    fn names_organisation(&self, place: Place) -> bool {
        let field = self.shape.paths.field(place);
        self.shape.own_organisation.is_some()
            && field.is_some_and(|field| self.shape.organisation.contains(&field))
    }

    /// What a string says whose quotes stand about these places.
    #[inline]
    fn text<'b>(&self, start: usize, end: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Stop>
    where
        'e: 'b,
    {
        let raw = self.structure.bytes().get(start..end).unwrap_or_default();
        if !self.structure.has_backslash(start, end) {
            return Ok(raw);
        }
        buffer.clear();
        unescape(raw, buffer)?;
        Ok(buffer)
    }

    #[inline]
    fn byte(&self, at: usize) -> Option<u8> {
        self.structure.bytes().get(at).copied()
    }

    #[inline]
    fn skip_white_space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte(at) {
            at += 1;
        }
        at
    }
}
