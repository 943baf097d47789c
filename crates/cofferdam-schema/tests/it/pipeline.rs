//! The check as a stage of the core's pipeline.
#![expect(clippy::disallowed_methods, reason = "the test mints its own contexts")]

use cofferdam_core::{
    Authority, ContextParts, Gate, Now, Reason, Scoped, TenantId,
    pipeline::{Filter, RouteId, Verdict},
};
use cofferdam_schema::{Checker, Registry};
use serde_json::json;

use super::support::{SAMPLING, envelope, event, registration, scratch, tenant};

struct Everything(TenantId);

impl Scoped for Everything {
    fn tenant(&self) -> &TenantId {
        &self.0
    }
}

impl Filter for Everything {
    type Scratch = [RouteId; 1];

    fn filter<'s>(&self, _: &[u8], scratch: &'s mut [RouteId; 1]) -> Verdict<'s> {
        Verdict::Matched(scratch)
    }
}

/// Whether an event of a tenant becomes `Valid`, or why not.
fn becomes_valid(of: &str, event: &[u8]) -> Result<(), Reason> {
    let mut registry = Registry::default();
    registry.register(&registration(r#"{"required":["id"]}"#)).unwrap();
    registry.register_for(&tenant("b"), &registration("{}")).unwrap();
    let checker = Checker::new(envelope(), &registry, SAMPLING);

    let authority = Authority::new([1; 16]);
    let parts = ContextParts::new(tenant(of), "s");
    let context = authority.mint(ContextParts { expires_at_ms: 1_000, ..parts });
    let gate = Gate::bind(&authority, &context).unwrap();
    let received = gate.receive(&context, event, Now::from_millis(1, 1), 0).unwrap();
    let mut routes = [RouteId(1)];
    let matched = received.filter(&Everything(tenant(of)), &mut routes).unwrap().unwrap();
    let valid = matched.validate(&checker, &mut scratch()).map_err(|refusal| refusal.reason())?;
    assert_eq!(valid.tenant(), &tenant(of));
    Ok(())
}

/// The schema is that of the context's tenant; what the event says of itself does not choose it.
#[test]
fn an_event_that_does_not_fit_never_becomes_valid() {
    let (with, without) = (event(&json!({ "id": "1" })), event(&json!({ "tenant": "b" })));
    assert_eq!(becomes_valid("a", &with), Ok(()));
    assert_eq!(becomes_valid("a", &without), Err(Reason::SchemaMismatch));
    assert_eq!(becomes_valid("b", &without), Ok(()));
    assert_eq!(becomes_valid("b", &without[1..]), Err(Reason::Malformed));
}
