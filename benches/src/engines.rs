//! What a filter is held against: engines that match rules, and readers that only read.
//!
//! An [`Engine`] is built from rules in its own language and says of an event to how many routes it
//! goes. A reader has no rules; what it costs says what the bytes alone cost.

use std::sync::Arc;

use cofferdam::{
    core::{
        Scoped, TenantId,
        pipeline::{Filter, Validate, Verdict},
    },
    filter::{
        Compiler, FilterGraph, LiveRules, Mapping, Scratch, StrictJson, SubscriptionDocument,
    },
    json,
};
use quamina::{Quamina, QuaminaBuilder};

use crate::{
    SetupError,
    stream::{Rules, Stream, Worst},
};

/// Looks at events.
pub trait Matcher {
    /// To how many routes an event goes; of a reader, 1 if the event is what it should be.
    fn matches(&mut self, event: &[u8]) -> usize;

    /// The sum over a whole stream. An engine that takes several events at once does so here.
    fn pass(&mut self, stream: &Stream) -> u64 {
        stream.events().map(|event| self.matches(event) as u64).sum()
    }
}

/// A [`Matcher`] that is built from rules.
pub trait Engine: Matcher + Sized + 'static {
    /// What it is called in tables.
    const NAME: &'static str;
    /// Rules in its language.
    type Text;

    /// Writes rules down.
    fn text(rules: &Rules) -> Self::Text;

    /// Writes the rule of the worst event down.
    fn worst_text(worst: &Worst) -> Self::Text;

    /// How many bytes the text has.
    fn text_bytes(text: &Self::Text) -> usize;

    /// Reads and compiles a text, and gets ready: `event` is matched once, for those that put work
    /// off until the first event.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the engine does not take the rules.
    fn build(text: &Self::Text, event: &[u8]) -> Result<Self, SetupError>;
}

/// Cofferdam's filter, one event at a time.
pub struct Cofferdam {
    graph: Arc<FilterGraph>,
    scratch: Scratch,
}

/// Where the members stand that the document's keys name. The participants' are not meant.
const MAPPING: &str = r#"{
    "platform": "stream",
    "eventType": ["eventType"],
    "keys": {
        "queueIds": ["eventBody.queueId"],
        "state": ["eventBody.state"],
        "direction": ["eventBody.direction"]
    }
}"#;

impl Matcher for Cofferdam {
    fn matches(&mut self, event: &[u8]) -> usize {
        match self.graph.filter(event, &mut self.scratch) {
            Verdict::Matched(routes) => routes.len(),
            _ => 0,
        }
    }
}

impl Cofferdam {
    /// Rules that may change.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the filter does not take the rules.
    pub fn live(text: &[u8]) -> Result<LiveRules, SetupError> {
        let document = SubscriptionDocument::parse_up_to(text, 1 << 29)?;
        let compiler = Compiler::new([1; 16]).with_max_rules(1_100_000);
        Ok(compiler.compile_live(&document, Mapping::parse(MAPPING)?, None)?)
    }

    /// The filter as rules have it now.
    #[must_use]
    pub fn of(rules: &LiveRules) -> Self {
        Self { graph: rules.graph(), scratch: Scratch::default() }
    }
}

impl Engine for Cofferdam {
    const NAME: &'static str = "Cofferdam";
    type Text = Vec<u8>;

    fn text(rules: &Rules) -> Self::Text {
        rules.document()
    }

    fn worst_text(worst: &Worst) -> Self::Text {
        worst.document()
    }

    fn text_bytes(text: &Self::Text) -> usize {
        text.len()
    }

    fn build(text: &Self::Text, event: &[u8]) -> Result<Self, SetupError> {
        let compiler = Compiler::new([1; 16]).with_max_rules(1_000_000);
        // A million rules are two hundred mebibytes.
        let graph = compiler.compile_json(text, 1 << 29, &Mapping::parse(MAPPING)?, None)?;
        let mut engine = Self { graph: Arc::new(graph), scratch: Scratch::default() };
        engine.matches(event);
        Ok(engine)
    }
}

/// Cofferdam's filter, sixteen events at a time.
pub struct Batched(Cofferdam);

impl Matcher for Batched {
    fn matches(&mut self, event: &[u8]) -> usize {
        self.0.matches(event)
    }

    fn pass(&mut self, stream: &Stream) -> u64 {
        let Cofferdam { graph, scratch } = &mut self.0;
        let mut sum = 0;
        let mut batch: [&[u8]; 16] = [&[]; 16];
        let mut events = stream.events();
        loop {
            let mut count = 0;
            for (place, event) in batch.iter_mut().zip(&mut events) {
                *place = event;
                count += 1;
            }
            let (batch, _) = batch.split_at(count);
            graph.filter_batch(batch, scratch, |_, verdict| {
                if let Verdict::Matched(routes) = verdict {
                    sum += routes.len() as u64;
                }
            });
            if count < 16 {
                return sum;
            }
        }
    }
}

impl Engine for Batched {
    const NAME: &'static str = "Cofferdam, 16 at a time";
    type Text = Vec<u8>;

    fn text(rules: &Rules) -> Self::Text {
        rules.document()
    }

    fn worst_text(worst: &Worst) -> Self::Text {
        worst.document()
    }

    fn text_bytes(text: &Self::Text) -> usize {
        text.len()
    }

    fn build(text: &Self::Text, event: &[u8]) -> Result<Self, SetupError> {
        Cofferdam::build(text, event).map(Self)
    }
}

/// Cofferdam's filter with the same rules as event patterns.
pub struct EventPatterns(Cofferdam);

impl EventPatterns {
    fn document(patterns: Vec<(u32, String)>) -> Vec<u8> {
        let subscription = |(route, pattern): (u32, String)| {
            format!(r#"{{"eventPattern":{pattern},"targetQueue":"queue://lane-{route}"}}"#)
        };
        let all: Vec<String> = patterns.into_iter().map(subscription).collect();
        format!(r#"{{"tenantId":"acme","subscriptions":[{}]}}"#, all.join(",")).into_bytes()
    }
}

impl Matcher for EventPatterns {
    fn matches(&mut self, event: &[u8]) -> usize {
        self.0.matches(event)
    }
}

impl Engine for EventPatterns {
    const NAME: &'static str = "Cofferdam, event patterns";
    type Text = Vec<u8>;

    fn text(rules: &Rules) -> Self::Text {
        Self::document(rules.patterns())
    }

    fn worst_text(worst: &Worst) -> Self::Text {
        Self::document(worst.patterns())
    }

    fn text_bytes(text: &Self::Text) -> usize {
        text.len()
    }

    fn build(text: &Self::Text, event: &[u8]) -> Result<Self, SetupError> {
        Cofferdam::build(text, event).map(Self)
    }
}

/// Cofferdam's filter over the events that the strict check passes.
pub struct StrictCofferdam {
    filter: Cofferdam,
    check: StrictCheck,
}

impl Matcher for StrictCofferdam {
    fn matches(&mut self, event: &[u8]) -> usize {
        match self.check.matches(event) {
            0 => 0,
            _ => self.filter.matches(event),
        }
    }
}

impl Engine for StrictCofferdam {
    const NAME: &'static str = "Cofferdam, strict check first";
    type Text = Vec<u8>;

    fn text(rules: &Rules) -> Self::Text {
        rules.document()
    }

    fn worst_text(worst: &Worst) -> Self::Text {
        worst.document()
    }

    fn text_bytes(text: &Self::Text) -> usize {
        text.len()
    }

    fn build(text: &Self::Text, event: &[u8]) -> Result<Self, SetupError> {
        let filter = Cofferdam::build(text, event)?;
        let check = StrictCheck::new(filter.graph.tenant().clone());
        Ok(Self { filter, check })
    }
}

/// The `quamina` crate.
pub struct QuaminaCrate(Quamina<u32>);

impl Matcher for QuaminaCrate {
    fn matches(&mut self, event: &[u8]) -> usize {
        // Several patterns lead to one route, and it may be named for each.
        let routes = self.0.matches_for_event(event).unwrap_or_default();
        routes.iter().fold(0u16, |seen, route| seen | 1 << route).count_ones() as usize
    }
}

impl Engine for QuaminaCrate {
    const NAME: &'static str = "`quamina` 0.7";
    type Text = Vec<(u32, String)>;

    fn text(rules: &Rules) -> Self::Text {
        rules.patterns()
    }

    fn worst_text(worst: &Worst) -> Self::Text {
        worst.patterns()
    }

    fn text_bytes(text: &Self::Text) -> usize {
        text.iter().map(|(_, pattern)| pattern.len()).sum()
    }

    fn build(text: &Self::Text, event: &[u8]) -> Result<Self, SetupError> {
        // Its own budget of 10 MB ends at the 1,134th queue.
        let mut quamina = QuaminaBuilder::new().with_arena_byte_budget(usize::MAX).build()?;
        for (route, pattern) in text {
            quamina.add_pattern(*route, pattern)?;
        }
        let mut engine = Self(quamina);
        engine.matches(event);
        Ok(engine)
    }
}

/// `serde_json::Value`: the event as a tree.
pub struct Tree;

impl Matcher for Tree {
    fn matches(&mut self, event: &[u8]) -> usize {
        usize::from(serde_json::from_slice::<serde_json::Value>(event).is_ok_and(|v| v.is_object()))
    }
}

/// `serde_json` into `IgnoredAny`: the grammar is checked, nothing is kept.
pub struct Ignored;

impl Matcher for Ignored {
    fn matches(&mut self, event: &[u8]) -> usize {
        usize::from(serde_json::from_slice::<serde::de::IgnoredAny>(event).is_ok())
    }
}

/// `memchr` for a byte that no event has: how fast the bytes come from memory.
pub struct AbsentByte;

impl Matcher for AbsentByte {
    fn matches(&mut self, event: &[u8]) -> usize {
        usize::from(memchr::memchr(0, event).is_none())
    }
}

/// Cofferdam's strict check: the grammar, UTF-8, and that no name stands twice.
pub struct StrictCheck {
    tenant: TenantId,
    check: StrictJson,
    scratch: json::Scratch,
}

impl StrictCheck {
    /// A check for `tenant`, which is the same for every tenant.
    #[must_use]
    pub fn new(tenant: TenantId) -> Self {
        Self { tenant, check: StrictJson::default(), scratch: json::Scratch::new([9; 16]) }
    }
}

impl Matcher for StrictCheck {
    fn matches(&mut self, event: &[u8]) -> usize {
        usize::from(self.check.validate(&self.tenant, event, &mut self.scratch).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Share, stream::Shape};

    fn is_right<E: Engine>(shape: Shape, count: u32) {
        let rules = Rules::generate(shape, count);
        let stream = Stream::generate(&rules, Share(50), 1_000);
        let mut engine = E::build(&E::text(&rules), b"{}").unwrap();
        stream.verify(&mut engine).unwrap();
        assert_eq!(engine.pass(&stream), stream.route_count());
    }

    #[test]
    fn every_engine_is_right_about_every_event() {
        for count in [10, 200] {
            is_right::<Cofferdam>(Shape::A, count);
            is_right::<Cofferdam>(Shape::B, count);
            is_right::<StrictCofferdam>(Shape::A, count);
            is_right::<QuaminaCrate>(Shape::A, count);
            is_right::<QuaminaCrate>(Shape::B, count);
        }
    }

    #[test]
    fn the_worst_event_matches_its_rule() {
        fn is_matched<E: Engine>() {
            let worst = Worst { arrays: 3, items: 4 };
            let mut engine = E::build(&E::worst_text(&worst), b"{}").unwrap();
            assert_eq!(engine.matches(&worst.event()), 1);
        }
        is_matched::<Cofferdam>();
        is_matched::<StrictCofferdam>();
        is_matched::<QuaminaCrate>();
    }

    #[test]
    fn a_wrong_verdict_is_found() {
        let rules = Rules::generate(Shape::A, 10);
        let stream = Stream::generate(&rules, Share(50), 100);
        assert!(stream.verify(&mut AbsentByte).is_err());
    }

    #[test]
    fn every_reader_takes_every_event() {
        let rules = Rules::generate(Shape::A, 10);
        let stream = Stream::generate(&rules, Share(1), 200);
        let check = StrictCheck::new(TenantId::parse("acme").unwrap());
        let readers: [Box<dyn Matcher>; 4] =
            [Box::new(Tree), Box::new(Ignored), Box::new(AbsentByte), Box::new(check)];
        for mut reader in readers {
            assert_eq!(reader.pass(&stream), 200);
        }
    }
}
