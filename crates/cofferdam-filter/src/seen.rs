//! What one event was seen to hold: patterns that its type fits, and classes of its values.
//!
//! Nothing is cleared between events. Each number has a stamp, the number of the last event that had
//! it, so that an event begins with nothing seen at the cost of counting it.

use core::mem;

use crate::{
    event_type::{PatternId, TypeScratch, TypeTrie},
    interner::Class,
    rules::{Bits, Facts, ResidueId, Residues},
};

/// The patterns and classes of the current event.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    event: u32,
    pattern_stamps: Vec<u32>,
    class_stamps: Vec<u32>,
    /// By residue: the last event for which it was judged, and how.
    judgements: Vec<(u32, bool)>,
    patterns: Vec<PatternId>,
    classes: Vec<Class>,
    types: TypeScratch,
}

impl Seen {
    /// A new event, for a graph of so many patterns, classes and residues.
    pub(crate) fn begin(&mut self, patterns: usize, classes: usize, residues: usize) {
        self.event = self.event.wrapping_add(1);
        if self.event == 0 {
            self.pattern_stamps.fill(0);
            self.class_stamps.fill(0);
            self.judgements.fill((0, false));
            self.event = 1;
        }
        // A larger graph than the last one; its new entries were not seen by any event.
        grow(&mut self.pattern_stamps, patterns);
        grow(&mut self.class_stamps, classes);
        grow(&mut self.judgements, residues);
        self.patterns.clear();
        self.classes.clear();
    }

    /// Notes the patterns of an event's type, but for those that are gone; whether there are any.
    pub(crate) fn event_type(&mut self, event_type: &[u8], types: &TypeTrie, gone: &Bits) -> bool {
        let Self { event, pattern_stamps, patterns, .. } = self;
        types.find(event_type, &mut self.types, |pattern| {
            if let Some(last) = pattern_stamps.get_mut(pattern.0 as usize)
                && !gone.has(pattern.0 as usize)
            {
                *last = *event;
                patterns.push(pattern);
            }
        });
        !patterns.is_empty()
    }

    /// Notes a pattern that the event's type fits.
    pub(crate) fn pattern(&mut self, pattern: PatternId) {
        if let Some(last) = self.pattern_stamps.get_mut(pattern.0 as usize) {
            *last = self.event;
            self.patterns.push(pattern);
        }
    }

    /// Something of what is kept of a class, so that it is near.
    #[inline]
    pub(crate) fn glance(&self, class: Class) -> u32 {
        self.class_stamps.get(class.0 as usize).copied().unwrap_or(0)
    }

    /// Notes a class, once.
    #[inline]
    pub(crate) fn class(&mut self, class: Class) {
        if let Some(last) = self.class_stamps.get_mut(class.0 as usize)
            && mem::replace(last, self.event) != self.event
        {
            self.classes.push(class);
        }
    }

    pub(crate) fn patterns(&self) -> &[PatternId] {
        &self.patterns
    }

    /// Whether this event holds a residue: judged at the first question, and remembered.
    #[inline]
    pub(crate) fn holds(&mut self, residue: ResidueId, residues: &Residues) -> bool {
        match self.judgements.get(residue.0 as usize) {
            Some(&(event, holds)) if event == self.event => return holds,
            _ => {}
        }
        let holds = residues.holds(residue, self);
        if let Some(judgement) = self.judgements.get_mut(residue.0 as usize) {
            *judgement = (self.event, holds);
        }
        holds
    }

    /// As if four thousand million events had gone by.
    #[cfg(test)]
    pub(crate) fn exhaust(&mut self) {
        self.event = u32::MAX;
    }
}

impl Facts for Seen {
    #[inline]
    fn has_pattern(&self, pattern: PatternId) -> bool {
        self.pattern_stamps.get(pattern.0 as usize) == Some(&self.event)
    }

    #[inline]
    fn has_class(&self, class: Class) -> bool {
        self.class_stamps.get(class.0 as usize) == Some(&self.event)
    }

    fn classes(&self) -> &[Class] {
        &self.classes
    }
}

pub(crate) fn grow<T: Copy + Default>(stamps: &mut Vec<T>, len: usize) {
    if stamps.len() < len {
        stamps.resize(len, T::default());
    }
}
