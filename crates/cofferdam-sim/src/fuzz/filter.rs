//! The body for filters: the graph says of every sound event what a plain matcher says.
#![expect(clippy::expect_used, reason = "a fuzz body is made of assertions")]

use std::collections::BTreeMap;

use cofferdam_core::pipeline::{Filter, Verdict};
use cofferdam_filter::{
    Compiler, FilterGraph, Mapping, Scratch, Subscription, SubscriptionDocument,
};
use cofferdam_json::{Limits, Reader, Token, check};
use serde_json::{Number, Value, json};

use super::{Matcher, Rule, document, explained::explained, source::Source};

/// Judges `data` as an event, and an event made from `data` in several spellings and once edited.
///
/// Held against each other: the graph on raw bytes, [`Matcher`] on the tree of `serde_json`, the graph
/// on what `serde_json` writes of the same event, and what is explained of each rule.
///
/// # Panics
///
/// If two of them disagree about an event that `cofferdam_json::check` accepts, or `serde_json`
/// does not read it.
pub fn filter(data: &[u8]) {
    let mut source = Source::new(data);
    let mut bench = Bench::new(rules(&mut source));
    let event = document::event(&mut source);
    let spelled = document::spelled(&event, &mut source);
    assert!(bench.judge(spelled.as_bytes()), "the check refused a sound event: {spelled}");

    let mut edited = spelled.into_bytes();
    while !source.is_empty() {
        let at = source.below(edited.len());
        edited[at] = source.byte();
        bench.judge(&edited);
    }
    bench.judge(data);
    Bench::new(every_rule()).judge(data);
}

/// One set of rules, compiled and not.
struct Bench {
    matcher: Matcher,
    subscriptions: Vec<Subscription>,
    mapping: Mapping,
    graph: FilterGraph,
    scratch: Scratch,
    check: cofferdam_json::Scratch,
}

impl Bench {
    fn new(rules: Vec<Rule>) -> Self {
        let matcher = Matcher::new("kind", rules);
        let document = matcher.document("acme");
        let document = SubscriptionDocument::parse(document.as_bytes()).expect("a sound document");
        let mapping = Mapping::generic(&["kind"]);
        let graph =
            Compiler::new([5; 16]).compile(&document, &mapping, None).expect("the rules compile");
        let subscriptions = document.subscriptions;
        let check = cofferdam_json::Scratch::new([6; 16]);
        Self { matcher, subscriptions, mapping, graph, scratch: Scratch::default(), check }
    }

    /// Whether the check accepts `event`; if it does, all must agree on it.
    fn judge(&mut self, event: &[u8]) -> bool {
        let verdict = self.verdict(event);
        let is_sound = check(event, &Limits::default(), &mut self.check).is_ok();
        let routes = verdict.as_deref().filter(|_| is_sound);
        explained(&self.subscriptions, &self.mapping, event, routes);
        if !is_sound {
            return false;
        }
        let value: Value =
            serde_json::from_slice(event).expect("serde_json reads what the check accepts");
        if is_exact(event) {
            let shown = String::from_utf8_lossy(event);
            let expected = self.matcher.routes(&value);
            assert_eq!(verdict.as_ref(), Some(&expected), "graph and matcher differ on {shown}");
            let rewritten = self.verdict(value.to_string().as_bytes());
            assert_eq!(verdict, rewritten, "another spelling of {shown} is judged otherwise");
        }
        true
    }

    /// The routes; `None` for a refusal.
    fn verdict(&mut self, event: &[u8]) -> Option<Vec<u32>> {
        match self.graph.filter(event, &mut self.scratch) {
            Verdict::Matched(routes) => Some(routes.iter().map(|route| route.0).collect()),
            Verdict::Unmatched => Some(Vec::new()),
            Verdict::Refused(_) => None,
        }
    }
}

/// Whether `serde_json` keeps every number's value: it reads into 64 bits, and the graph compares
/// digits, so that on longer numbers the graph tells apart what the matcher cannot.
pub(super) fn is_exact(event: &[u8]) -> bool {
    let canonical = |raw: &[u8]| match Reader::new(raw).next() {
        Ok(Some(Token::Number(number))) => {
            let mut canonical = Vec::new();
            number.canonical_into(&mut canonical);
            Some(canonical)
        }
        _ => None,
    };
    let mut reader = Reader::new(event);
    while let Ok(Some(token)) = reader.next() {
        if let Token::Number(number) = token {
            let theirs = serde_json::from_slice::<Number>(number.raw()).map(|own| own.to_string());
            if theirs.is_ok_and(|text| canonical(text.as_bytes()) != canonical(number.raw())) {
                return false;
            }
        }
    }
    true
}

const KEYS: [&str; 8] = ["a", "b", "c", "A", "a.b", "b.a.c", "kind", "a\"\\\u{e9}"];

fn rules(source: &mut Source<'_>) -> Vec<Rule> {
    (0..source.below(7)).map(|_| rule(source)).collect()
}

fn rule(source: &mut Source<'_>) -> Rule {
    let wanted = wanted();
    let segments = 1 + source.below(3);
    let mut pattern: Vec<&str> =
        (0..segments).map(|_| *source.pick(&["s", "t", "*", "u"])).collect();
    if source.coin() {
        pattern.push(">");
    }
    let filters = (0..source.below(3)).map(|_| {
        let values = (0..=source.below(2)).map(|_| source.pick(&wanted).clone()).collect();
        (String::from(*source.pick(&KEYS)), values)
    });
    Rule { filters: filters.collect(), pattern: pattern.join(".") }
}

fn wanted() -> [Value; 12] {
    [
        json!("x"),
        json!("y"),
        json!("1"),
        json!(1),
        json!(1.5),
        json!(100),
        json!(9_007_199_254_740_993_u64),
        json!(true),
        json!(null),
        json!(""),
        json!("\u{1F980}"),
        json!("s.t"),
    ]
}

/// For events that a fuzzer writes itself: every value under three keys.
fn every_rule() -> Vec<Rule> {
    let rule = |key: &str, value: &Value| Rule {
        pattern: String::from(">"),
        filters: BTreeMap::from([(String::from(key), vec![value.clone()])]),
    };
    let wanted = wanted();
    ["a", "a.b", "kind"]
        .iter()
        .flat_map(|key| wanted.iter().map(|value| rule(key, value)).collect::<Vec<_>>())
        .collect()
}
