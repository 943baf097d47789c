//! The compiled graph, and how it judges an event.
//!
//! The idea: walk the event's bytes once along the tree of watched paths, skipping every subtree
//! that no path leads into ([`walk`]); turn each watched value into its class (a small number, or
//! nothing if no rule names the value); then look only at rules that one of those classes points to.
//!
//! A rule is filed under whatever the fewest rules share: its event types, or the values of one of
//! its conditions. All that it is not filed under is checked against the types and classes that the
//! event was seen to hold. A million rules on a million queues therefore cost an event what one
//! rule costs: its own queue's class leads to one rule. Filing by a fixed order of fields instead
//! makes every rule that shares a popular first value a candidate; that is where other matchers
//! become slow (Fabret et al., "Filtering algorithms and implementation for very fast
//! publish/subscribe systems", SIGMOD 2001).
//!
//! Dropping is early: once the event type is known and fits no pattern, nothing else is read. That
//! is safe for isolation, as nothing is routed, while a match is believed only after the pipeline's
//! strict check of the whole event.

use core::fmt;
use std::sync::Arc;

use cofferdam_core::{
    Reason, Scoped, TenantId,
    pipeline::{Filter, RouteId, Verdict},
};
use cofferdam_json::Window;

use crate::{
    batch::Later,
    layer::{Layer, Sight, Sights},
    organisation::Organisation,
    path::{Field, Path, PathTree, Place},
    walk::{self, Stop, Walked},
};

/// One tenant's subscriptions, compiled. Immutable; swap the whole of it.
#[derive(Debug, Clone)]
pub struct FilterGraph {
    pub(crate) tenant: TenantId,
    pub(crate) targets: Arc<Vec<String>>,
    /// Those that came with rules that were added since, numbered on.
    pub(crate) more_targets: Vec<String>,
    pub(crate) shape: Arc<Shape>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) rule_count: usize,
}

/// Where in an event the values stand that rules look at.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) paths: PathTree,
    /// Fields that hold the event type, the one that counts first.
    pub(crate) type_fields: Vec<Field>,
    /// Fields that hold a segment of the event type.
    pub(crate) segments: Vec<(u16, Field)>,
    /// Fields that name the organisation, and the one that they may name.
    pub(crate) organisation: Vec<Field>,
    pub(crate) own_organisation: Option<Organisation>,
}

impl Shape {
    /// The field at a path, if it is watched.
    pub(crate) fn field(&self, path: &Path) -> Option<Field> {
        let step = |at, name: &str| self.paths.child(at, name.as_bytes());
        self.paths.field(path.names().try_fold(Place::default(), step)?)
    }
}

/// Buffers that are kept between events; any graph may use any scratch. They have held values of
/// events, so `Debug` shows none of them. They are as large as the largest graph that used them needs, some
/// bytes for each of its values, and do not shrink.
#[derive(Clone, Default)]
pub struct Scratch {
    /// One for each layer of a graph.
    pub(crate) sights: Vec<Sight>,
    pub(crate) window: Window,
    pub(crate) walk: walk::Buffers,
    pub(crate) routes: Vec<RouteId>,
    pub(crate) later: Later,
}

impl FilterGraph {
    /// The targets, in the order of their [`RouteId`]s.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().chain(&self.more_targets).map(String::as_str)
    }

    /// Whether some rule is an event pattern, so that the whole of every event is looked at.
    pub(crate) fn has_event_patterns(&self) -> bool {
        self.layers.iter().any(|layer| layer.scoped().is_some())
    }

    /// How many rules the graph holds.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rule_count
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch(..)")
    }
}

impl Scoped for FilterGraph {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl Filter for FilterGraph {
    type Scratch = Scratch;

    fn filter<'s>(&self, event: &[u8], scratch: &'s mut Scratch) -> Verdict<'s> {
        let Scratch { sights, window, walk, routes, .. } = scratch;
        routes.clear();
        if sights.len() < self.layers.len() {
            sights.resize_with(self.layers.len(), Sight::default);
        }
        if walk.begin(self.shape.paths.len()) {
            sights.iter_mut().for_each(|sight| sight.scopes.forget());
        }
        for (layer, sight) in self.layers.iter().zip(sights.iter_mut()) {
            layer.begin(sight, self.shape.paths.len(), event.len());
        }
        let walked = walk::walk(self, event, window, walk, &mut Sights { each: sights, routes });
        let mut layers = self.layers.iter().zip(sights.iter());
        if layers.any(|(layer, sight)| layer.scoped().is_some() && sight.scopes.is_exhausted()) {
            return Verdict::Refused(Reason::TooCostly);
        }
        if let Ok(Walked { is_wanted: true, .. }) = walked {
            for (layer, sight) in self.layers.iter().zip(sights) {
                layer.collect(&mut sight.seen, routes);
            }
        }
        verdict(walked, routes)
    }
}

/// What is said of an event that was walked, and that has these routes.
pub(crate) fn verdict(walked: Result<Walked, Stop>, routes: &mut Vec<RouteId>) -> Verdict<'_> {
    let Walked { is_wanted, is_foreign } = match walked {
        Ok(walked) => walked,
        Err(Stop::Unmatched) => return Verdict::Unmatched,
        Err(Stop::Refused(reason)) => return Verdict::Refused(reason),
    };
    // Not before it is known that the event is wanted: otherwise the order of members would decide
    // between this and unmatched.
    if is_foreign && (is_wanted || !routes.is_empty()) {
        return Verdict::Refused(Reason::ForeignOrganisation);
    }
    if routes.len() > 1 {
        routes.sort_unstable();
        routes.dedup();
    }
    if routes.is_empty() { Verdict::Unmatched } else { Verdict::Matched(routes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compiler, Mapping, SubscriptionDocument};

    /// S04: objects are counted from the beginning again, and those of then are not taken for these.
    #[test]
    fn a_scratch_forgets_its_objects_when_their_count_begins_again() {
        let document = br#"{"tenantId":"acme","subscriptions":[{"eventPattern":
            {"o":{"a":["x"],"b":["y"],"c":[{"exists":false}]}},"targetQueue":"queue://q"}]}"#;
        let document = SubscriptionDocument::parse(document).unwrap();
        let mapping = Mapping::generic(&[]);
        let graph = Compiler::new([1; 16]).compile(&document, &mapping, None).unwrap();
        let wanted = br#"{"o":{"a":"x","b":"y"}}"#;
        assert_eq!(graph.filter(wanted, &mut Scratch::default()), Verdict::Matched(&[RouteId(0)]));
        let with_c = &br#"{"o":{"a":"x","b":"y","c":1}}"#[..];
        let events = [&br#"{"o":{"a":"x"}}"#[..], br#"{"o":[]}"#, with_c, wanted];
        for (before, event) in events.iter().flat_map(|one| events.map(|other| (one, other))) {
            let mut scratch = Scratch::default();
            let _ = graph.filter(before, &mut scratch);
            scratch.walk.exhaust();
            let alone = format!("{:?}", graph.filter(event, &mut Scratch::default()));
            assert_eq!(format!("{:?}", graph.filter(event, &mut scratch)), alone);
        }
    }

    /// S04: stamps of four thousand million events ago are not taken for this event's. Two rules share
    /// a type, so that they are filed under their values and the type's stamp is what is asked.
    #[test]
    fn a_scratch_forgets_what_it_saw_when_its_count_begins_again() {
        let document = br#"{"tenantId":"acme","subscriptions":[
            {"eventType":"t","filters":{"kind":"x"},"targetQueue":"queue://q"},
            {"eventType":"t","filters":{"kind":"z"},"targetQueue":"queue://z"},
            {"eventType":"u","targetQueue":"queue://u"}]}"#;
        let document = SubscriptionDocument::parse(document).unwrap();
        let mapping = Mapping::generic(&["type"]);
        let graph = Compiler::new([1; 16]).compile(&document, &mapping, None).unwrap();
        let wanted = br#"{"type":"t","kind":"x"}"#;
        let (bare, of_u) = (&br#"{"type":"t"}"#[..], br#"{"type":"u","kind":"x"}"#);
        for other in [bare, br#"{"type":"t","kind":"y"}"#, of_u, wanted] {
            // The first event of all, whose stamps are what the count begins with again.
            let mut scratch = Scratch::default();
            assert_eq!(graph.filter(wanted, &mut scratch), Verdict::Matched(&[RouteId(0)]));
            scratch.sights[0].seen.exhaust();
            let alone = format!("{:?}", graph.filter(other, &mut Scratch::default()));
            assert_eq!(format!("{:?}", graph.filter(other, &mut scratch)), alone);
        }
    }
}
