//! A policy as a stage of the core's pipeline.
#![expect(clippy::disallowed_methods, reason = "the test mints its own contexts")]

use cofferdam_core::{
    Authority, ContextParts, Gate, Now, Reason, Scoped, TenantId,
    pipeline::{Filter, RouteId, Validate, Verdict},
};
use cofferdam_redact::{Policy, Scratch, Strategy};

use super::support::{compile_for, mask, rule};

struct Stages(TenantId);

impl Scoped for Stages {
    fn tenant(&self) -> &TenantId {
        &self.0
    }
}

impl Filter for Stages {
    type Scratch = [RouteId; 1];
    fn filter<'s>(&self, _: &[u8], scratch: &'s mut [RouteId; 1]) -> Verdict<'s> {
        Verdict::Matched(scratch)
    }
}

impl Validate for Stages {
    type Scratch = ();
    fn validate(&self, _: &TenantId, event: &[u8], (): &mut ()) -> Result<(), Reason> {
        super::support::check(event).map_err(|_| Reason::Malformed)
    }
}

fn run(policy: &Policy, out: &mut Vec<u8>) -> Result<u32, Reason> {
    let tenant = TenantId::parse("acme").unwrap();
    let authority = Authority::new([1; 16]);
    let context = authority
        .mint(ContextParts { expires_at_ms: 1_000, ..ContextParts::new(tenant.clone(), "s") });
    let gate = Gate::bind(&authority, &context).unwrap();
    let event = br#"{"phone":"+15558675309","note":"x"}"#;
    let stages = Stages(tenant);
    let mut routes = [RouteId(1)];
    let redacted = gate
        .receive(&context, event, Now::from_millis(1, 1), 0)
        .and_then(|event| event.filter(&stages, &mut routes))
        .and_then(|event| event.unwrap().validate(&stages, &mut ()))
        .and_then(|event| event.redact(policy, out, &mut Scratch::new()));
    redacted.map(|redacted| redacted.redactions().total()).map_err(|refusal| refusal.reason())
}

#[test]
fn redacts_events_of_its_tenant() {
    let rules = [mask("$.phone", "**XX"), rule("$.note", Strategy::Omit)];
    let mut out = Vec::new();
    assert_eq!(run(&compile_for("acme", &rules).unwrap(), &mut out), Ok(2));
    assert_eq!(out, br#"{"phone":"**09"}"#);
}

/// R08: the rules of another tenant are not applied, nor is the event let through without rules.
#[test]
fn another_tenants_policy_is_refused() {
    let mut out = Vec::new();
    let refused = run(&compile_for("rival", &[]).unwrap(), &mut out);
    assert_eq!((refused, out.as_slice()), (Err(Reason::ForeignStage), &b""[..]));
}
