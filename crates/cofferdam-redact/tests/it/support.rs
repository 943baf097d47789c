//! Policies and events in a line.

use cofferdam_core::{
    Reason,
    pipeline::{Redact, Redactions},
};
use cofferdam_redact::{
    CompileError, Policy, PolicyDocument, PolicyLimits, RedactionKey, Rule, Scratch, Strategy,
};

pub(crate) const ROOT: [u8; 32] = [7; 32];
pub(crate) const EPOCH: u32 = 3;

pub(crate) fn rule(path: &str, strategy: Strategy) -> Rule {
    Rule::new(path, strategy)
}

pub(crate) fn mask(path: &str, format: &str) -> Rule {
    with(rule(path, Strategy::Mask), |rule| rule.format = Some(format.to_owned()))
}

/// A rule with something else about it.
pub(crate) fn with(mut rule: Rule, change: impl FnOnce(&mut Rule)) -> Rule {
    change(&mut rule);
    rule
}

/// Compiles with paths to the letter, as the suite and the models that this is held against have
/// them.
pub(crate) fn compile_for(tenant: &str, rules: &[Rule]) -> Result<Policy, CompileError> {
    compile_with(tenant, rules, PolicyLimits::default().with_exact_paths())
}

/// Compiles as a user does, with names that look through arrays.
pub(crate) fn usual_policy(rules: &[Rule]) -> Policy {
    compile_with("acme", rules, PolicyLimits::default()).unwrap()
}

fn compile_with(
    tenant: &str,
    rules: &[Rule],
    limits: PolicyLimits,
) -> Result<Policy, CompileError> {
    let document = PolicyDocument::new(tenant, rules.to_vec());
    Policy::compile(&document, &RedactionKey::new(ROOT, EPOCH), limits)
}

pub(crate) fn policy(rules: &[Rule]) -> Policy {
    compile_for("acme", rules).unwrap()
}

pub(crate) fn redact(policy: &Policy, event: &[u8]) -> Result<(Vec<u8>, Redactions), Reason> {
    let mut out = Vec::new();
    let done = policy.redact(event, &mut out, &mut Scratch::new())?;
    Ok((out, done))
}

/// Redacts a sound event and checks what must hold of every redaction of one.
pub(crate) fn redacted(policy: &Policy, event: &str) -> String {
    check(event.as_bytes()).unwrap_or_else(|fault| panic!("{fault}: {event}"));
    let (out, _) = redact(policy, event.as_bytes()).unwrap();
    check(&out).unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(&out)));
    String::from_utf8(out).unwrap()
}

pub(crate) fn check(event: &[u8]) -> Result<(), cofferdam_json::Fault> {
    let limits = cofferdam_json::Limits::default();
    cofferdam_json::check(event, &limits, &mut cofferdam_json::Scratch::new([5; 16]))
}
