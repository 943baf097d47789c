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
use cofferdam_json::{Fault, Number, Reader, Structure, Window, unescape};

use crate::{
    graph::{FilterGraph, Shape},
    interner::Kind,
    layer::Layer,
    names::Names,
    notes::{Notes, is_plain},
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
    pub(crate) fn begin(&mut self, places: usize) -> bool {
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

    /// As if events had had half of all objects that can be counted.
    #[cfg(test)]
    pub(crate) fn exhaust(&mut self) {
        self.object = u32::MAX;
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

/// How a walk ended that nothing stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walked {
    /// Whether some rule wants events of this type.
    pub(crate) is_wanted: bool,
    /// Whether another organisation than the tenant's was named.
    pub(crate) is_foreign: bool,
}

/// Walks an event, and notes in `notes` what it holds. The buffers were begun.
pub(crate) fn walk(
    graph: &FilterGraph,
    event: &[u8],
    window: &mut Window,
    buffers: &mut Buffers,
    notes: &mut impl Notes,
) -> Result<Walked, Stop> {
    let (shape, layers) = (&*graph.shape, graph.layers.as_slice());
    let mut walk = Walk {
        shape,
        layers,
        has_patterns: graph.has_event_patterns(),
        structure: Structure::new(event, window),
        notes,
        names: shape.paths.names(Place::default()),
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
    Ok(Walked { is_wanted, is_foreign })
}

struct Walk<'w, 'e, N> {
    shape: &'w Shape,
    layers: &'w [Layer],
    /// Whether some layer has event patterns.
    has_patterns: bool,
    structure: Structure<'e, 'w>,
    notes: &'w mut N,
    /// The names that lead on from the innermost object.
    names: &'w Names,
    /// Which of the type's fields was seen; the lowest counts.
    type_rank: usize,
    is_wanted: bool,
    is_foreign: bool,
}

impl<'e, N: Notes> Walk<'_, 'e, N> {
    fn run(&mut self, buffers: &mut Buffers) -> Result<(), Stop> {
        let start = self.skip_white_space(0);
        if self.byte(start) != Some(b'{') {
            return Err(MALFORMED);
        }
        self.open(Place::default(), b'{', buffers)?;
        // Behind an opening bracket or a comma.
        let mut at = start + 1;
        while let Some(&Open { place, object }) = buffers.open.last() {
            let (value, next, place) = if object == 0 {
                (at, self.structural(at)?, Some(place))
            } else {
                self.member(at, object, buffers)?
            };
            let end = match (self.byte(next), place) {
                (Some(bracket @ (b'{' | b'[')), Some(place)) => {
                    // A list names each of its items; an object is no organisation of ours.
                    self.is_foreign |= bracket == b'{' && self.names_organisation(place);
                    self.open(place, bracket, buffers)?;
                    at = next + 1;
                    continue;
                }
                (Some(b'{' | b'['), None) => {
                    let end = self.structure.end_of_container(next).ok_or(MALFORMED)?;
                    self.separator(end + 1)?
                }
                (_, Some(place)) => {
                    self.scalar(value, next, place, buffers)?;
                    next
                }
                (_, None) => next,
            };
            at = self.close_all(end, buffers)?;
        }
        Ok(())
    }

    /// Closes the containers that end here. Where the next member begins.
    #[inline]
    fn close_all(&mut self, mut end: usize, buffers: &mut Buffers) -> Result<usize, Stop> {
        while self.byte(end) != Some(b',') {
            self.close(buffers);
            if buffers.open.is_empty() {
                break;
            }
            end = self.separator(end + 1)?;
        }
        Ok(end + 1)
    }

    fn open(&mut self, place: Place, bracket: u8, buffers: &mut Buffers) -> Result<(), Stop> {
        buffers.open(place, bracket)?;
        if bracket == b'{' {
            self.names = self.shape.paths.names(place);
            if self.has_patterns {
                self.notes.open(place, buffers.object, self.layers);
            }
        }
        Ok(())
    }

    fn close(&mut self, buffers: &mut Buffers) {
        let Some(Open { place, object }) = buffers.open.pop() else { return };
        if object != 0 && self.has_patterns {
            self.notes.close(place, self.layers);
        }
        if let Some(outer) = buffers.open.last() {
            self.names = self.shape.paths.names(outer.place);
        }
    }

    /// Where the value of the next member begins; where it is over, or the container begins that it is;
    /// and its place if it has one.
    #[inline]
    fn member(
        &mut self,
        at: usize,
        object: u32,
        buffers: &mut Buffers,
    ) -> Result<(usize, usize, Option<Place>), Stop> {
        let bytes = self.structure.bytes();
        // Mostly it stands right here.
        let start = match bytes.get(at) {
            Some(b'"') => at,
            _ => self.skip_white_space(at),
        };
        if bytes.get(start) != Some(&b'"') {
            let next = self.structural(at)?;
            // The object is empty.
            return if start == next { Ok((next, next, None)) } else { Err(MALFORMED) };
        }
        let start = start + 1;
        let end = self.structure.quote(start).ok_or(MALFORMED)?;
        // Nothing structural stands in a name, so this could be asked from its end on. Asked from here it
        // does not wait for that: the processor looks for the next member while it still reads this name.
        let next = self.structural(at)?;
        // Most names are known by their length for nobody's, unless an escape makes them longer.
        if !self.names.may_have(end - start) && !self.structure.has_any_backslash() {
            return Ok((next, next, None));
        }
        let name = self.text(start, end, &mut buffers.text)?;
        let Some(child) = self.names.get(name).map(Place::new) else {
            return Ok((next, next, None));
        };
        buffers.name(child, object)?;
        // Mostly nothing stands about the colon either.
        let colon = match bytes.get(end + 1) {
            Some(b':') => end + 1,
            _ => self.skip_white_space(end + 1),
        };
        if bytes.get(colon) != Some(&b':') {
            return Err(MALFORMED);
        }
        Ok((colon + 1, next, Some(child)))
    }

    #[inline]
    fn structural(&mut self, at: usize) -> Result<usize, Stop> {
        self.structure.structural(at).ok_or(MALFORMED)
    }

    /// The comma or closing bracket behind a container.
    #[inline]
    fn separator(&mut self, at: usize) -> Result<usize, Stop> {
        let next = match self.byte(at) {
            Some(b',' | b'}' | b']') => return Ok(at),
            _ => self.structural(at)?,
        };
        match self.byte(next) {
            Some(b',' | b'}' | b']') => Ok(next),
            _ => Err(MALFORMED),
        }
    }

    /// Takes note of a value that is no container and stands before `next`.
    #[inline]
    fn scalar(
        &mut self,
        at: usize,
        next: usize,
        place: Place,
        buffers: &mut Buffers,
    ) -> Result<(), Stop> {
        let Some(field) = self.shape.paths.field(place) else { return Ok(()) };
        let at = if self.byte(at) == Some(b'"') { at } else { self.skip_white_space(at) };
        let raw = self.structure.bytes().get(at..next).unwrap_or_default().trim_ascii_end();
        // A string ends where the value does, so its quote is not looked for.
        if let [b'"', .., b'"'] = raw {
            let text = self.text(at + 1, at + raw.len() - 1, &mut buffers.text)?;
            self.event_type(field, text, &mut buffers.event_type)?;
            self.value(place, field, Kind::String, text);
            return Ok(());
        }
        if is_plain(raw) {
            self.value(place, field, Kind::Number, raw);
        } else if raw.first().is_some_and(|first| matches!(first, b'-' | b'0'..=b'9')) {
            buffers.text.clear();
            Number::read(raw)?.canonical_into(&mut buffers.text);
            self.value(place, field, Kind::Number, &buffers.text);
        } else if matches!(raw, b"true" | b"false" | b"null") {
            self.value(place, field, Kind::Literal, raw);
        } else if !raw.is_empty() {
            return Err(MALFORMED);
        }
        // An empty array has nothing here.
        Ok(())
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
        self.is_wanted = self.notes.event_type(event_type, self.layers, &self.shape.segments);
        if self.is_wanted || self.has_patterns { Ok(()) } else { Err(Stop::Unmatched) }
    }

    fn value(&mut self, place: Place, field: Field, kind: Kind, value: &[u8]) {
        if let Some(own) = &self.shape.own_organisation
            && self.shape.organisation.contains(&field)
        {
            self.is_foreign |= !own.is(kind, value);
        }
        self.notes.value(place, field, (kind, value), self.layers);
    }

    fn names_organisation(&self, place: Place) -> bool {
        let field = self.shape.paths.field(place);
        self.shape.own_organisation.is_some()
            && field.is_some_and(|field| self.shape.organisation.contains(&field))
    }

    /// What a string says whose quotes stand about these places.
    #[inline(always)]
    fn text<'b>(&self, start: usize, end: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Stop>
    where
        'e: 'b,
    {
        let raw = self.structure.bytes().get(start..end).unwrap_or_default();
        if self.structure.has_backslash(start, end) { unescaped(raw, buffer) } else { Ok(raw) }
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

#[cold]
fn unescaped<'b>(raw: &[u8], buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Stop> {
    buffer.clear();
    unescape(raw, buffer)?;
    Ok(buffer)
}
