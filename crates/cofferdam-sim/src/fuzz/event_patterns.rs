//! The body for event patterns: the graph says of every sound event what a plain reading of each pattern
//! says.
#![expect(clippy::expect_used, reason = "a fuzz body is made of assertions")]

use std::sync::Arc;

use cofferdam_core::pipeline::{Filter, Verdict};
use cofferdam_filter::{
    CompileFault, Compiler, FilterGraph, Mapping, Scratch, Subscription, SubscriptionDocument,
};
use cofferdam_json::{Limits, check};
use serde_json::Value;

use super::{
    event_pattern::event_pattern_holds, explained::explained, filter::is_exact, pattern_document,
    source::Source,
};

/// Judges an event that has much to do with patterns made from `data`, in several spellings and edited.
///
/// Held against each other: the graph of all patterns, the graph to which some of them were added,
/// [`event_pattern_holds`] for each pattern, and what is explained of each.
///
/// # Panics
///
/// If two of them disagree about an event that `cofferdam_json::check` accepts.
pub fn event_patterns(data: &[u8]) {
    let mut source = Source::new(data);
    let mut bench = Bench::new(&mut source);
    for _ in 0..2 {
        let nearest = source.below(bench.patterns.len());
        let event = pattern_document::event(&bench.patterns[nearest], &mut source);
        for _ in 0..2 {
            let spelled = pattern_document::spelled(&event, &mut source);
            assert!(bench.judge(spelled.as_bytes()), "the check refused a sound event: {spelled}");
        }
        let mut edited = pattern_document::spelled(&event, &mut source).into_bytes();
        for _ in 0..source.below(4) {
            let at = source.below(edited.len());
            edited[at] = source.byte();
            bench.judge(&edited);
        }
    }
}

/// One set of patterns, compiled and not. The target of pattern `n` is route `n`.
struct Bench {
    patterns: Vec<Value>,
    subscriptions: Vec<Subscription>,
    whole: FilterGraph,
    grown: Arc<FilterGraph>,
    scratch: Scratch,
    check: cofferdam_json::Scratch,
}

impl Bench {
    fn new(source: &mut Source<'_>) -> Self {
        let mut patterns = Vec::new();
        for _ in 0..1 + source.below(4) {
            let pattern = pattern_document::pattern(source);
            let alone = subscription(0, &pattern_document::spelled(&pattern, source));
            match compile(core::slice::from_ref(&alone)) {
                Ok(_) => patterns.push((pattern, alone)),
                Err(fault) => {
                    assert_eq!(
                        fault,
                        CompileFault::TooCostly,
                        "a sound pattern is refused: {alone}"
                    );
                }
            }
        }
        if patterns.is_empty() {
            let plain = serde_json::json!({"a": [1]});
            patterns.push((plain.clone(), subscription(0, &plain.to_string())));
        }
        let numbered: Vec<String> = patterns
            .iter()
            .enumerate()
            .map(|(n, (_, text))| text.replacen("queue://0", &format!("queue://{n}"), 1))
            .collect();
        let whole = compile(&numbered).expect("what compiles alone compiles together");
        let grown = grown(&numbered, 1 + source.below(numbered.len()));
        let check = cofferdam_json::Scratch::new([6; 16]);
        let patterns = patterns.into_iter().map(|(pattern, _)| pattern).collect();
        let subscriptions = document(&numbered).subscriptions;
        Self { patterns, subscriptions, whole, grown, scratch: Scratch::default(), check }
    }

    /// Whether the check accepts `event`; if it does, all must agree on it.
    fn judge(&mut self, event: &[u8]) -> bool {
        let whole = routes(&self.whole, event, &mut self.scratch);
        let grown = routes(&self.grown, event, &mut self.scratch);
        let is_sound = check(event, &Limits::default(), &mut self.check).is_ok();
        let routes = whole.as_deref().filter(|_| is_sound);
        explained(&self.subscriptions, &Mapping::generic(&[]), event, routes);
        if !is_sound {
            return false;
        }
        let value: Value =
            serde_json::from_slice(event).expect("serde_json reads what the check accepts");
        let shown = String::from_utf8_lossy(event);
        assert_eq!(whole, grown, "rules that were added judge otherwise: {shown}");
        if is_exact(event) {
            let holds = |(_, pattern): &(u32, &Value)| event_pattern_holds(pattern, &value);
            let expected = (0..).zip(&self.patterns).filter(holds).map(|(n, _)| n).collect();
            assert_eq!(whole, Some(expected), "{:?} on {shown}", self.patterns);
        }
        true
    }
}

/// The target stands first, where its number can be put in.
fn subscription(number: usize, pattern: &str) -> String {
    format!(r#"{{"targetQueue":"queue://{number}","eventPattern":{pattern}}}"#)
}

fn document(subscriptions: &[String]) -> SubscriptionDocument {
    let text = format!(r#"{{"tenantId":"acme","subscriptions":[{}]}}"#, subscriptions.join(","));
    SubscriptionDocument::parse(text.as_bytes()).expect("a sound document")
}

fn compile(subscriptions: &[String]) -> Result<FilterGraph, CompileFault> {
    let document = document(subscriptions);
    let compiled = Compiler::new([5; 16]).compile(&document, &Mapping::generic(&[]), None);
    compiled.map_err(|error| error.fault())
}

/// The first `count` are compiled, the others added, and one too many is added and taken out.
fn grown(subscriptions: &[String], count: usize) -> Arc<FilterGraph> {
    let (first, others) = subscriptions.split_at(count.min(subscriptions.len()));
    let mut rules = Compiler::new([5; 16])
        .compile_live(&document(first), Mapping::generic(&[]), None)
        .expect("what compiles alone compiles together");
    let parse = |text: &String| Subscription::parse(text.as_bytes()).expect("a sound subscription");
    for added in others.iter().map(parse) {
        rules.add(&added).expect("what compiles alone can be added");
    }
    if let Some(twice) = subscriptions.first().map(parse) {
        rules.add(&twice).expect("what is there can be added");
        assert!(rules.remove(&twice), "what was added can be taken out");
    }
    rules.graph()
}

/// The routes; `None` for a refusal.
fn routes(graph: &FilterGraph, event: &[u8], scratch: &mut Scratch) -> Option<Vec<u32>> {
    match graph.filter(event, scratch) {
        Verdict::Matched(routes) => Some(routes.iter().map(|route| route.0).collect()),
        Verdict::Unmatched => Some(Vec::new()),
        Verdict::Refused(_) => None,
    }
}
