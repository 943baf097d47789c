//! Rules, filed: everything about them but where in an event their values stand.
//!
//! A graph has one layer, or a second one with what was added since ([`live`](crate::live)). They share a
//! [`Shape`](crate::graph::Shape), so an event is walked once and its values are looked up in each.

use std::sync::Arc;

use cofferdam_core::pipeline::RouteId;

use crate::{
    event_type::TypeTrie,
    interner::{Interner, Kind},
    notes::Notes,
    path::{Field, Place},
    pattern::scopes::{Scoped, Scopes},
    rules::{Bits, Facts, Lists, Residues},
    seen::Seen,
};

/// Rules, and which of them were taken out since they were filed.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) filed: Arc<Filed>,
    pub(crate) gone: Arc<Gone>,
}

/// Rules over the fields and places of a shape.
#[derive(Debug, Clone)]
pub(crate) struct Filed {
    pub(crate) interner: Interner,
    pub(crate) types: TypeTrie,
    pub(crate) residues: Residues,
    /// By pattern: the rules filed under it.
    pub(crate) by_pattern: Lists,
    /// By class: the rules filed under it.
    pub(crate) by_class: Lists,
    /// The event patterns, if there are any.
    pub(crate) scoped: Option<Scoped>,
}

/// What no longer counts of the lists that lead to routes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gone {
    /// The patterns of event types that no rule names any more.
    pub(crate) types: Bits,
    /// Whether all event patterns are.
    pub(crate) has_no_patterns: bool,
    pub(crate) by_pattern: Bits,
    pub(crate) by_class: Bits,
    pub(crate) roots: Bits,
}

/// What one event was seen to hold, for one layer.
#[derive(Clone, Default)]
pub(crate) struct Sight {
    pub(crate) seen: Seen,
    pub(crate) scopes: Scopes,
}

/// Notes at once what an event holds, and what follows.
pub(crate) struct Sights<'s> {
    /// One for each layer.
    pub(crate) each: &'s mut [Sight],
    pub(crate) routes: &'s mut Vec<RouteId>,
}

impl Notes for Sights<'_> {
    fn event_type(
        &mut self,
        event_type: &[u8],
        layers: &[Layer],
        segments: &[(u16, Field)],
    ) -> bool {
        let mut is_wanted = false;
        for (layer, sight) in layers.iter().zip(self.each.iter_mut()) {
            let Filed { types, interner, .. } = &*layer.filed;
            if !sight.seen.event_type(event_type, types, &layer.gone.types) {
                continue;
            }
            is_wanted = true;
            for &(index, field) in segments {
                let class = segment(event_type, index)
                    .and_then(|text| interner.get(field, Kind::String, text));
                class.into_iter().for_each(|class| sight.seen.class(class));
            }
        }
        is_wanted
    }

    #[inline]
    fn value(
        &mut self,
        place: Place,
        field: Field,
        (kind, value): (Kind, &[u8]),
        layers: &[Layer],
    ) {
        // One key for all layers, so that a value is hashed once.
        let mut hash = None;
        let mut value = |layer: &Layer, sight: &mut Sight| {
            let class = layer.filed.interner.get_by(&mut hash, field, kind, value);
            if let Some(class) = class {
                sight.seen.class(class);
            }
            if let Some(scoped) = layer.scoped() {
                sight.scopes.leaf(place, field, (kind, value), class, scoped);
            }
        };
        // Mostly there is one.
        let ([layer, layers @ ..], [sight, sights @ ..]) = (layers, &mut *self.each) else {
            return;
        };
        value(layer, sight);
        for (layer, sight) in layers.iter().zip(sights) {
            value(layer, sight);
        }
    }

    fn open(&mut self, place: Place, object: u32, layers: &[Layer]) {
        for (layer, sight) in layers.iter().zip(self.each.iter_mut()) {
            if layer.scoped().is_some() {
                sight.scopes.open(place, object);
            }
        }
    }

    fn close(&mut self, place: Place, layers: &[Layer]) {
        for (layer, sight) in layers.iter().zip(self.each.iter_mut()) {
            if let Some(scoped) = layer.scoped() {
                sight.scopes.close(place, scoped, &layer.gone.roots, self.routes);
            }
        }
    }
}

/// A segment of an event's type, counted from 0.
pub(crate) fn segment(event_type: &[u8], index: u16) -> Option<&[u8]> {
    event_type.split(|&b| b == b'.').nth(usize::from(index))
}

impl Layer {
    /// The event patterns, if there are any left.
    #[inline]
    pub(crate) fn scoped(&self) -> Option<&Scoped> {
        self.filed.scoped.as_ref().filter(|_| !self.gone.has_no_patterns)
    }

    /// A new event of so many bytes, over a shape of so many places.
    pub(crate) fn begin(&self, sight: &mut Sight, places: usize, bytes: usize) {
        let Filed { interner, types, residues, .. } = &*self.filed;
        sight.seen.begin(types.len(), interner.len(), residues.len());
        if let Some(scoped) = self.scoped() {
            sight.scopes.begin(scoped, places, interner.len(), bytes);
        }
    }

    /// Looks at the rules that are filed under what the event was seen to hold.
    pub(crate) fn collect(&self, seen: &mut Seen, routes: &mut Vec<RouteId>) {
        let Filed { residues, by_pattern, by_class, .. } = &*self.filed;
        let mut collect = |lists: &Lists, list: u32, gone: &Bits, seen: &mut Seen| {
            let held = lists.get(list, gone).filter(|rule| seen.holds(rule.residue, residues));
            routes.extend(held.map(|rule| RouteId(rule.then)));
        };
        for at in 0..seen.patterns().len() {
            collect(by_pattern, seen.patterns()[at].0, &self.gone.by_pattern, seen);
        }
        for at in 0..seen.classes().len() {
            collect(by_class, seen.classes()[at].0, &self.gone.by_class, seen);
        }
    }
}
