//! The body for redaction: one pass gives what a tree gives, and nothing hidden shows.
#![expect(clippy::expect_used, reason = "a fuzz body is made of assertions")]

use cofferdam_core::pipeline::Redact;
use cofferdam_json::{Limits, check};
use cofferdam_redact::{Policy, PolicyDocument, PolicyLimits, RedactionKey, Scratch};
use serde_json::Value;

use super::{
    document,
    source::Source,
    tree::{self, TreeRule},
};

/// Letters and digits, so that no escaping changes it; no other text here begins like it.
const SECRET: &str = "zq000042";

/// Redacts `data`, and an event made from `data` with a secret wherever a rule reaches.
///
/// # Panics
///
/// If the output is not sound, is not what a tree gives, or holds the secret.
pub fn redact(data: &[u8]) {
    let mut source = Source::new(data);
    let rules: Vec<_> = (0..source.below(6)).map(|_| TreeRule::draw(&mut source)).collect();
    let mut bench = Bench::new(rules);
    let event = tree::planted(&bench.rules, &document::event(&mut source), SECRET);
    let spelled = document::spelled(&event, &mut source);
    let out = bench.judge(spelled.as_bytes()).expect("a sound event is redacted");
    assert!(!out.to_string().contains(SECRET), "a secret survived: {spelled} became {out}");

    let mut edited = spelled.into_bytes();
    while !source.is_empty() {
        let at = source.below(edited.len());
        edited[at] = source.byte();
        bench.judge(&edited);
    }
    bench.judge(data);
}

struct Bench {
    rules: Vec<TreeRule>,
    policy: Policy,
    scratch: Scratch,
    check: cofferdam_json::Scratch,
}

impl Bench {
    fn new(rules: Vec<TreeRule>) -> Self {
        let document = PolicyDocument::new("acme", rules.iter().map(TreeRule::written).collect());
        let key = RedactionKey::new([3; 32], 1);
        let policy = Policy::compile(&document, &key, PolicyLimits::default().with_exact_paths());
        Self {
            rules,
            policy: policy.expect("the rules compile"),
            scratch: Scratch::new(),
            check: cofferdam_json::Scratch::new([4; 16]),
        }
    }

    /// What is left of an event, if the check accepts it. One that it does not accept may be refused
    /// or not, and leaves nothing behind if it is.
    fn judge(&mut self, event: &[u8]) -> Option<Value> {
        let mut out = b"before".to_vec();
        let redacted = self.policy.redact(event, &mut out, &mut self.scratch);
        assert!(out.starts_with(b"before"), "what stood before was touched");
        assert!(redacted.is_ok() || out == b"before", "a failed pass left something behind");
        check(event, &Limits::default(), &mut self.check).ok()?;
        let shown = String::from_utf8_lossy(event);
        redacted.unwrap_or_else(|reason| unreachable_event(&shown, &reason.to_string()));
        let out = out.get(b"before".len()..)?;
        let sound = check(out, &Limits::default(), &mut self.check);
        assert_eq!(sound, Ok(()), "an unsound output for {shown}");

        let event: Value = serde_json::from_slice(event).expect("serde_json reads it");
        let expected = tree::redacted(&self.rules, &event).map(digests_alike);
        let out: Value = serde_json::from_slice(out).expect("serde_json reads it");
        assert_eq!(Some(digests_alike(out.clone())), expected, "not what a tree gives of {shown}");
        Some(out)
    }
}

#[expect(clippy::panic, reason = "an assertion")]
fn unreachable_event(event: &str, reason: &str) -> ! {
    panic!("{reason}: {event}")
}

/// The tree does not compute digests; whatever looks like one is taken for one, on both sides.
fn digests_alike(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("h1.1.") => Value::from(tree::DIGEST),
        Value::Array(elements) => elements.into_iter().map(digests_alike).collect(),
        Value::Object(members) => Value::Object(
            members.into_iter().map(|(name, member)| (name, digests_alike(member))).collect(),
        ),
        scalar => scalar,
    }
}
