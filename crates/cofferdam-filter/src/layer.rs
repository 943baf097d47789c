//! Rules, filed: everything about them but where in an event their values stand.

use cofferdam_core::pipeline::RouteId;

use crate::{
    event_type::TypeTrie,
    interner::Interner,
    pattern::scopes::{Scoped, Scopes},
    rules::{Facts, Lists, Posting, Residues},
    seen::Seen,
};

/// Rules over the fields and places of a [`Shape`](crate::graph::Shape).
#[derive(Debug, Clone)]
pub(crate) struct Layer {
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

/// What one event was seen to hold, for one layer.
#[derive(Clone, Default)]
pub(crate) struct Sight {
    pub(crate) seen: Seen,
    pub(crate) scopes: Scopes,
    pub(crate) routes: Vec<RouteId>,
}

impl Layer {
    /// A new event, over a shape of so many places.
    pub(crate) fn begin(&self, sight: &mut Sight, places: usize) {
        sight.routes.clear();
        sight.seen.begin(self.types.len(), self.interner.len(), self.residues.len());
        if let Some(scoped) = &self.scoped {
            sight.scopes.begin(scoped, places, self.interner.len());
        }
    }

    /// Looks at the rules that are filed under what the event was seen to hold.
    pub(crate) fn collect_routes(&self, sight: &mut Sight) {
        let Sight { seen, routes, .. } = sight;
        let mut collect = |list: &[Posting], seen: &mut Seen| {
            let held = list.iter().filter(|rule| seen.holds(rule.residue, &self.residues));
            routes.extend(held.map(|rule| RouteId(rule.then)));
        };
        for at in 0..seen.patterns().len() {
            collect(self.by_pattern.get(seen.patterns()[at].0), seen);
        }
        for at in 0..seen.classes().len() {
            collect(self.by_class.get(seen.classes()[at].0), seen);
        }
    }
}
