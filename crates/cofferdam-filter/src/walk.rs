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

use cofferdam_core::Reason;
use cofferdam_json::{Fault, Number, Reader, Structure, unescape};

use crate::{
    graph::FilterGraph,
    interner::Kind,
    path::{Field, Place},
    seen::{Seen, grow},
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
    fn begin(&mut self, places: usize) {
        grow(&mut self.named, places);
        self.open.clear();
        // An event cannot hold as many objects as are left here.
        if self.object > u32::MAX / 2 {
            self.named.fill(0);
            self.object = 0;
        }
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

/// Notes in `seen` which patterns the event's type fits, and which classes its values are of.
pub(crate) fn walk(
    graph: &FilterGraph,
    event: &[u8],
    buffers: &mut Buffers,
    seen: &mut Seen,
) -> Result<(), Stop> {
    buffers.begin(graph.paths.len());
    let mut structure = Structure::new(event);
    let mut walk =
        Walk { graph, structure: &mut structure, seen, type_rank: usize::MAX, is_foreign: false };
    walk.run(buffers)?;
    match walk.type_rank {
        0 => {}
        usize::MAX => return Err(Stop::Unmatched),
        _ => walk.typed(&buffers.event_type)?,
    }
    // Not before it is known that the type is wanted: otherwise the order of members would decide
    // between this and the other.
    if walk.is_foreign { Err(Stop::Refused(Reason::ForeignOrganisation)) } else { Ok(()) }
}

struct Walk<'w, 'e> {
    graph: &'w FilterGraph,
    structure: &'w mut Structure<'e>,
    seen: &'w mut Seen,
    /// Which of the type's fields was seen; the lowest counts.
    type_rank: usize,
    /// Whether another organisation than the tenant's was named.
    is_foreign: bool,
}

impl<'e> Walk<'_, 'e> {
    fn run(&mut self, buffers: &mut Buffers) -> Result<(), Stop> {
        let start = self.skip_white_space(0);
        if self.byte(start) != Some(b'{') {
            return Err(MALFORMED);
        }
        buffers.open(Place::default(), b'{')?;
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
                        buffers.open(place, bracket)?;
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
                buffers.open.pop();
                if buffers.open.is_empty() {
                    break;
                }
            }
            at = end;
        }
        Ok(())
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
        let child = self.graph.paths.child(place, name);
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
        let Some(field) = self.graph.paths.field(place) else { return Ok(at) };
        if self.byte(at) == Some(b'"') {
            let end = self.structure.quote(at + 1).ok_or(MALFORMED)?;
            let text = self.text(at + 1, end, &mut buffers.text)?;
            self.event_type(field, text, &mut buffers.event_type)?;
            self.value(field, Kind::String, text);
            return Ok(end + 1);
        }
        let end = self.structure.separator(at).ok_or(MALFORMED)?;
        let raw = self.structure.bytes().get(at..end).unwrap_or_default().trim_ascii_end();
        if raw.first().is_some_and(|first| matches!(first, b'-' | b'0'..=b'9')) {
            buffers.text.clear();
            Number::read(raw)?.canonical_into(&mut buffers.text);
            self.value(field, Kind::Number, &buffers.text);
        } else if matches!(raw, b"true" | b"false" | b"null") {
            self.value(field, Kind::Literal, raw);
        } else {
            return Err(MALFORMED);
        }
        Ok(end)
    }

    /// If the field is one of those that hold the event's type: it counts if none before it does.
    fn event_type(&mut self, field: Field, text: &[u8], kept: &mut Vec<u8>) -> Result<(), Stop> {
        let rank = self.graph.type_fields.iter().position(|own| *own == field);
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

    /// The event type is known: find its patterns, or stop.
    fn typed(&mut self, event_type: &[u8]) -> Result<(), Stop> {
        if !self.seen.event_type(event_type, &self.graph.types) {
            return Err(Stop::Unmatched);
        }
        for &(index, field) in &self.graph.segments {
            let segment = event_type.split(|&b| b == b'.').nth(usize::from(index));
            if let Some(segment) = segment {
                self.classify(field, Kind::String, segment);
            }
        }
        Ok(())
    }

    fn value(&mut self, field: Field, kind: Kind, value: &[u8]) {
        if let Some(own) = &self.graph.own_organisation
            && self.graph.organisation.contains(&field)
        {
            self.is_foreign |= !own.is(kind, value);
        }
        self.classify(field, kind, value);
    }

    fn names_organisation(&self, place: Place) -> bool {
        let field = self.graph.paths.field(place);
        self.graph.own_organisation.is_some()
            && field.is_some_and(|field| self.graph.organisation.contains(&field))
    }

    fn classify(&mut self, field: Field, kind: Kind, value: &[u8]) {
        if let Some(class) = self.graph.interner.get(field, kind, value) {
            self.seen.class(class);
        }
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
