//! What each open object was seen to hold, and what follows from it when it closes.
//!
//! Every object pattern belongs to a place in the tree of names, and asks for some classes of what lies
//! one step below. So each object is judged once, when it closes, by what was seen in itself: the
//! patterns of its place that it fulfils are classes in their turn, of the object around it. An array of
//! a thousand objects costs a thousand times one object, and never a product of several arrays;
//! conditions that hold in two different elements are never put together.
//!
//! ```text
//! {"who":[{"first":["Anna"],"last":["Smith"]}]}
//!
//! at who.first  "Anna"                     class 1
//! at who.last   "Smith"                    class 2
//! at who        class 1 and class 2        class 3
//! at the root   class 3                    the rule's route
//! ```
//!
//! Which patterns to look at is found as for whole events: each is filed under one thing that it asks
//! for, the one that the fewest others ask for as well.
//!
//! As in [`Seen`](crate::seen::Seen) nothing is cleared: stamps are the numbers of objects, which never
//! come again.

use core::mem;

use cofferdam_core::pipeline::RouteId;

use crate::{
    event_type::PatternId,
    interner::{Class, Kind},
    path::{Field, Place},
    pattern::field_tests::{self, FieldTests},
    rules::{Bits, Facts, Lists, ResidueId, Residues},
    seen::grow,
};

/// Event patterns, compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scoped {
    pub(crate) residues: Residues,
    /// By class: the patterns of objects within events that are filed under it, and the class of the
    /// object around that follows from each.
    pub(crate) inner: Lists,
    /// By class: the patterns of whole events that are filed under it, and their routes.
    pub(crate) roots: Lists,
    /// By field: what is asked of its values beside which ones they are.
    pub(crate) tests: Vec<Option<Box<FieldTests>>>,
    /// By place: what some rule asks to be missing in its objects.
    pub(crate) absences: Vec<Vec<Absence>>,
    /// How many steps every event may take, beside [`STEPS_A_BYTE`].
    pub(crate) steps: usize,
}

/// How many steps an event may take for each of its bytes.
///
/// What one value can cost is bounded when rules are compiled; how many dear values an event has, nobody
/// knows before it comes. An event that would take more steps than this is refused as too costly. A
/// step is a condition, a pattern, a part of one or an exclusion that is looked at.
pub(crate) const STEPS_A_BYTE: usize = 32;

/// A class for the absence of something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absence {
    pub(crate) child: Place,
    pub(crate) of: Missing,
    pub(crate) class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Leaf,
    Object,
}

/// The open objects of the current event.
#[derive(Clone, Default)]
pub(crate) struct Scopes {
    /// By class: the last object that held it.
    class_stamps: Vec<u32>,
    /// By residue: the last object for which it was judged, and how.
    judgements: Vec<(u32, bool)>,
    /// By place: the last object in which a leaf stood there, and an object.
    leaf_stamps: Vec<u32>,
    object_stamps: Vec<u32>,
    /// What the open objects hold, the outermost first.
    classes: Vec<Class>,
    open: Vec<Scope>,
    followed: Vec<u32>,
    asked: field_tests::Buffers,
    /// How many steps the event may still take; `None` once it wanted more.
    steps: Option<usize>,
}

/// An open object: its number, and where its classes begin.
#[derive(Debug, Clone, Copy)]
struct Scope {
    object: u32,
    start: usize,
}

impl Scoped {
    /// How many steps one value may cost at most that is asked what both ask.
    pub(crate) fn dearest_with(&self, other: &Self) -> usize {
        let of = |scoped: &Self, field: usize| {
            scoped.tests.get(field).and_then(Option::as_ref).map_or(0, |tests| tests.steps())
        };
        let fields = self.tests.len().max(other.tests.len());
        let values = (0..fields).map(|field| of(self, field) + of(other, field)).max().unwrap_or(0);
        let missing = |scoped: &Self| scoped.absences.iter().map(Vec::len).max().unwrap_or(0);
        let lists = self.inner.longest() + other.inner.longest();
        values.max(lists).max(missing(self) + missing(other))
    }
}

impl Scopes {
    /// A new event of so many bytes, for a graph of so many places and classes.
    pub(crate) fn begin(&mut self, scoped: &Scoped, places: usize, classes: usize, bytes: usize) {
        self.steps = Some(scoped.steps.saturating_add(STEPS_A_BYTE.saturating_mul(bytes)));
        grow(&mut self.class_stamps, classes);
        grow(&mut self.judgements, scoped.residues.len());
        grow(&mut self.leaf_stamps, places);
        grow(&mut self.object_stamps, places);
        self.classes.clear();
        self.open.clear();
    }

    /// Whether the event takes more steps than are allowed, so that nothing may be said of it.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.steps.is_none()
    }

    fn spend(&mut self, count: usize) {
        self.steps = self.steps.and_then(|left| left.checked_sub(count));
    }

    /// The numbers of objects begin again.
    pub(crate) fn forget(&mut self) {
        self.class_stamps.fill(0);
        self.judgements.fill((0, false));
        self.leaf_stamps.fill(0);
        self.object_stamps.fill(0);
    }

    pub(crate) fn open(&mut self, place: Place, object: u32) {
        if let Some(scope) = self.open.last()
            && let Some(last) = self.object_stamps.get_mut(place.index())
        {
            *last = scope.object;
        }
        self.open.push(Scope { object, start: self.classes.len() });
    }

    /// A leaf of the innermost object, of which it is known whether rules name it.
    pub(crate) fn leaf(
        &mut self,
        place: Place,
        field: Field,
        (kind, value): (Kind, &[u8]),
        named: Option<Class>,
        scoped: &Scoped,
    ) {
        let Some(&Scope { object, .. }) = self.open.last() else { return };
        if let Some(last) = self.leaf_stamps.get_mut(place.index()) {
            *last = object;
        }
        if self.is_exhausted() {
            return;
        }
        let Some(Some(tests)) = scoped.tests.get(field.0 as usize) else {
            named.into_iter().for_each(|class| self.hold(class, object));
            return;
        };
        let mut asked = mem::take(&mut self.asked);
        let steps = tests.ask(kind, value, named, &mut asked);
        self.spend(steps);
        asked.held().iter().for_each(|class| self.hold(*class, object));
        self.asked = asked;
    }

    /// The innermost object closes. Of the outermost one follow routes, of those patterns that are not
    /// gone.
    pub(crate) fn close(
        &mut self,
        place: Place,
        scoped: &Scoped,
        gone: &Bits,
        routes: &mut Vec<RouteId>,
    ) {
        let Some(Scope { object, start }) = self.open.pop() else { return };
        let absences = scoped.absences.get(place.index()).map_or(&[][..], Vec::as_slice);
        self.spend(absences.len());
        if self.is_exhausted() {
            self.classes.truncate(start);
            return;
        }
        for absence in absences {
            let stamps = match absence.of {
                Missing::Leaf => &self.leaf_stamps,
                Missing::Object => &self.object_stamps,
            };
            if stamps.get(absence.child.index()) != Some(&object) {
                self.hold(absence.class, object);
            }
        }
        let none = Bits::default();
        let (lists, gone) = match self.open.is_empty() {
            true => (&scoped.roots, gone),
            false => (&scoped.inner, &none),
        };
        let mut followed = mem::take(&mut self.followed);
        followed.clear();
        for at in start..self.classes.len() {
            for posting in lists.get(self.classes[at].0, gone) {
                self.spend(1);
                if self.is_exhausted() {
                    break;
                }
                if self.holds(posting.residue, Scope { object, start }, scoped) {
                    followed.push(posting.then);
                }
            }
        }
        self.classes.truncate(start);
        match self.open.last() {
            Some(&Scope { object, .. }) => {
                followed.iter().for_each(|class| self.hold(Class(*class), object));
            }
            None => routes.extend(followed.iter().map(|route| RouteId(*route))),
        }
        self.followed = followed;
    }

    /// Notes that an open object holds a class, once.
    fn hold(&mut self, class: Class, object: u32) {
        if let Some(last) = self.class_stamps.get_mut(class.0 as usize)
            && mem::replace(last, object) != object
        {
            self.classes.push(class);
        }
    }

    /// Whether the closing object holds a residue: judged at the first question, and remembered.
    fn holds(&mut self, residue: ResidueId, scope: Scope, scoped: &Scoped) -> bool {
        match self.judgements.get(residue.0 as usize) {
            Some(&(object, holds)) if object == scope.object => return holds,
            _ => {}
        }
        self.spend(scoped.residues.cost(residue));
        let classes = self.classes.get(scope.start..).unwrap_or_default();
        let held = Held { classes, stamps: &self.class_stamps, object: scope.object };
        let holds = scoped.residues.holds(residue, &held);
        if let Some(judgement) = self.judgements.get_mut(residue.0 as usize) {
            *judgement = (scope.object, holds);
        }
        holds
    }
}

/// What one object holds.
struct Held<'s> {
    classes: &'s [Class],
    stamps: &'s [u32],
    object: u32,
}

impl Facts for Held<'_> {
    /// Types are of events, and no pattern asks for one.
    fn has_pattern(&self, _: PatternId) -> bool {
        false
    }

    fn has_class(&self, class: Class) -> bool {
        self.stamps.get(class.0 as usize) == Some(&self.object)
    }

    fn classes(&self) -> &[Class] {
        self.classes
    }
}
