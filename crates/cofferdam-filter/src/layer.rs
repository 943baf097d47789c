//! Rules, filed: everything about them but where in an event their values stand.
//!
//! A graph has one layer, or a second one with what was added since ([`live`](crate::live)). They share a
//! [`Shape`](crate::graph::Shape), so an event is walked once and its values are looked up in each.

use std::sync::Arc;

use cofferdam_core::pipeline::RouteId;

use crate::{
    event_type::TypeTrie,
    interner::Interner,
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

impl Layer {
    /// A new event, over a shape of so many places.
    pub(crate) fn begin(&self, sight: &mut Sight, places: usize) {
        let Filed { interner, types, residues, scoped, .. } = &*self.filed;
        sight.seen.begin(types.len(), interner.len(), residues.len());
        if let Some(scoped) = scoped {
            sight.scopes.begin(scoped, places, interner.len());
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
