//! The compiled graph, and how it judges an event.
//!
//! The idea: walk the event's bytes once along the tree of watched paths, skipping every subtree
//! that no path leads into; turn each watched value into its class (a small number, or nothing if
//! no rule names the value); then look only at rules that one of those classes points to.
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

use cofferdam_core::{
    Reason, Scoped, TenantId,
    pipeline::{Filter, RouteId, Verdict},
};
use cofferdam_json::{Fault, Reader, Text, Token};

use crate::{
    event_type::{PatternId, TypeScratch, TypeTrie},
    interner::{Class, Interner, Kind},
    organisation::Organisation,
    path::{Field, PathTree, Place},
};

/// One tenant's subscriptions, compiled. Immutable; swap the whole of it.
#[derive(Debug, Clone)]
pub struct FilterGraph {
    pub(crate) tenant: TenantId,
    pub(crate) targets: Vec<String>,
    pub(crate) paths: PathTree,
    pub(crate) interner: Interner,
    pub(crate) types: TypeTrie,
    /// Fields that hold the event type, the one that counts first.
    pub(crate) type_fields: Vec<Field>,
    /// Fields that hold a segment of the event type.
    pub(crate) segments: Vec<(u16, Field)>,
    /// Fields that name the organisation, and the one that they may name.
    pub(crate) organisation: Vec<Field>,
    pub(crate) own_organisation: Option<Organisation>,
    pub(crate) rules: Vec<Rule>,
    /// By pattern: the rules filed under it.
    pub(crate) by_pattern: Vec<Vec<u32>>,
    /// By class: the rules filed under it.
    pub(crate) by_class: Vec<Vec<u32>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) patterns: Box<[PatternId]>,
    /// Each condition is the classes of which one must be seen.
    pub(crate) conditions: Box<[Box<[Class]>]>,
    pub(crate) route: RouteId,
}

/// Buffers that are kept between events; any graph may use any scratch.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    event: u32,
    /// By pattern, class and rule: the last event that had it.
    patterns: Vec<u32>,
    classes: Vec<u32>,
    rules: Vec<u32>,
    seen_classes: Vec<Class>,
    seen_patterns: Vec<PatternId>,
    places: Vec<Option<Place>>,
    text: Vec<u8>,
    event_type: Vec<u8>,
    types: TypeScratch,
    routes: Vec<RouteId>,
}

impl FilterGraph {
    /// The targets, in the order of their [`RouteId`]s.
    #[must_use]
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// How many rules the graph holds.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    fn walk(&self, event: &[u8], scratch: &mut Scratch) -> Result<(), Stop> {
        let mut reader = Reader::new(event);
        if reader.next()? != Some(Token::BeginObject) {
            return Err(Stop::Refused(Reason::Malformed));
        }
        scratch.places.clear();
        scratch.places.push(Some(Place::default()));
        let mut walk = Walk { type_rank: usize::MAX, pending: None };
        while let Some(token) = reader.next()? {
            // The place of this token: its name's, or in an array the array's own.
            let place = match walk.pending.take() {
                Some(place) => place,
                None => scratch.places.last().copied().flatten().unwrap_or_default(),
            };
            match token {
                Token::Name(name) => {
                    match self.paths.child(place, name.decode(&mut scratch.text)) {
                        Some(child) => walk.pending = Some(child),
                        None => reader.skip_value()?,
                    }
                }
                Token::BeginObject | Token::BeginArray => scratch.places.push(Some(place)),
                Token::EndObject | Token::EndArray => {
                    scratch.places.pop();
                    if scratch.places.is_empty() {
                        break;
                    }
                }
                Token::String(text) => self.string(place, text, &mut walk, scratch)?,
                Token::Number(number) => {
                    if let Some(field) = self.paths.field(place) {
                        scratch.text.clear();
                        number.canonical_into(&mut scratch.text);
                        self.seen(field, Kind::Number, scratch)?;
                    }
                }
                Token::Bool(value) => {
                    self.literal(place, if value { b"true" } else { b"false" }, scratch)?;
                }
                Token::Null => self.literal(place, b"null", scratch)?,
            }
        }
        match walk.type_rank {
            0 => Ok(()),
            usize::MAX => Err(Stop::Unmatched),
            _ => self.typed(scratch),
        }
    }

    fn string(
        &self,
        place: Place,
        text: Text<'_>,
        walk: &mut Walk,
        scratch: &mut Scratch,
    ) -> Result<(), Stop> {
        let Some(field) = self.paths.field(place) else { return Ok(()) };
        scratch.text.clear();
        text.decode_into(&mut scratch.text);
        if let Some(rank) = self.type_fields.iter().position(|own| *own == field)
            && rank < walk.type_rank
        {
            walk.type_rank = rank;
            core::mem::swap(&mut scratch.event_type, &mut scratch.text);
            scratch.text.clone_from(&scratch.event_type);
            // Only the first of the list is known to count before the event ends.
            if rank == 0 {
                self.typed(scratch)?;
            }
        }
        self.seen(field, Kind::String, scratch)
    }

    fn literal(&self, place: Place, literal: &[u8], scratch: &mut Scratch) -> Result<(), Stop> {
        let Some(field) = self.paths.field(place) else { return Ok(()) };
        scratch.text.clear();
        scratch.text.extend_from_slice(literal);
        self.seen(field, Kind::Literal, scratch)
    }

    /// The event type is known: find its patterns, or stop.
    fn typed(&self, scratch: &mut Scratch) -> Result<(), Stop> {
        let Scratch { event, patterns, seen_patterns, types, event_type, .. } = scratch;
        self.types.find(event_type, types, |pattern| {
            patterns[pattern.0 as usize] = *event;
            seen_patterns.push(pattern);
        });
        if seen_patterns.is_empty() {
            return Err(Stop::Unmatched);
        }
        for &(index, field) in &self.segments {
            let segment = event_type.split(|&b| b == b'.').nth(usize::from(index));
            if let Some(segment) = segment
                && let Some(class) = self.interner.get(field, Kind::String, segment)
                && scratch.classes[class.0 as usize] != *event
            {
                scratch.classes[class.0 as usize] = *event;
                scratch.seen_classes.push(class);
            }
        }
        Ok(())
    }

    /// A watched value is in `scratch.text`: note its class, once.
    fn seen(&self, field: Field, kind: Kind, scratch: &mut Scratch) -> Result<(), Stop> {
        if self.organisation.contains(&field)
            && let Some(own) = &self.own_organisation
            && !own.is(kind, &scratch.text)
        {
            return Err(Stop::Refused(Reason::ForeignOrganisation));
        }
        if let Some(class) = self.interner.get(field, kind, &scratch.text) {
            let last = &mut scratch.classes[class.0 as usize];
            if *last != scratch.event {
                *last = scratch.event;
                scratch.seen_classes.push(class);
            }
        }
        Ok(())
    }

    fn collect_routes(&self, scratch: &mut Scratch) {
        let Scratch {
            event, patterns, classes, rules, seen_classes, seen_patterns, routes, ..
        } = scratch;
        let by_pattern = seen_patterns.iter().flat_map(|p| &self.by_pattern[p.0 as usize]);
        let by_class = seen_classes.iter().flat_map(|c| &self.by_class[c.0 as usize]);
        for &index in by_pattern.chain(by_class) {
            if core::mem::replace(&mut rules[index as usize], *event) == *event {
                continue;
            }
            let rule = &self.rules[index as usize];
            let seen = |class: &Class| classes[class.0 as usize] == *event;
            let holds = rule.patterns.iter().any(|p| patterns[p.0 as usize] == *event)
                && rule.conditions.iter().all(|any_of| any_of.iter().any(seen));
            if holds {
                routes.push(rule.route);
            }
        }
        routes.sort_unstable();
        routes.dedup();
    }
}

/// What a walk knows besides the scratch.
struct Walk {
    /// Which of the type's fields was seen; the lowest counts.
    type_rank: usize,
    /// The place of the name just read.
    pending: Option<Place>,
}

/// Why a walk ended early.
enum Stop {
    Unmatched,
    Refused(Reason),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Refused(crate::strict::reason(fault))
    }
}

impl Scratch {
    fn begin(&mut self, graph: &FilterGraph) {
        self.event = self.event.wrapping_add(1);
        if self.event == 0 {
            self.patterns.fill(0);
            self.classes.fill(0);
            self.rules.fill(0);
            self.event = 1;
        }
        // A larger graph than the last one; its new entries were not seen by any event.
        grow(&mut self.patterns, graph.types.len());
        grow(&mut self.classes, graph.interner.len());
        grow(&mut self.rules, graph.rules.len());
        self.seen_classes.clear();
        self.seen_patterns.clear();
        self.routes.clear();
    }
}

fn grow(stamps: &mut Vec<u32>, len: usize) {
    if stamps.len() < len {
        stamps.resize(len, 0);
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
        scratch.begin(self);
        match self.walk(event, scratch) {
            Err(Stop::Unmatched) => return Verdict::Unmatched,
            Err(Stop::Refused(reason)) => return Verdict::Refused(reason),
            Ok(()) => self.collect_routes(scratch),
        }
        if scratch.routes.is_empty() {
            Verdict::Unmatched
        } else {
            Verdict::Matched(&scratch.routes)
        }
    }
}
