//! Recorded events on demand, for tests of what comes after the pipeline.

use cofferdam_core::{
    Authority, ContextParts, Gate, Now, Reason, Refusal, Scoped, TenantId,
    pipeline::{Entry, Filter, Record, Recorded, Redact, Redactions, RouteId, Validate, Verdict},
};

/// An event of `tenant` at `position` for `routes`, with `body` as its redacted text.
///
/// The only way to a [`Recorded`] is the pipeline, so this leads through it, with stages that let
/// everything through unchanged.
///
/// # Panics
///
/// If there are no routes, or `body` is longer than a gate lets in.
#[must_use]
pub fn recorded(
    tenant: &TenantId,
    position: u64,
    routes: &[u32],
    body: &[u8],
    now: Now,
) -> Recorded {
    let through = Through { tenant, routes };
    match through.lead(position, body, now) {
        Ok(Some(event)) => event,
        #[expect(clippy::panic, reason = "a test instrument, used wrongly")]
        Ok(None) | Err(_) => {
            panic!("an event needs a route and at most as many bytes as a gate takes")
        }
    }
}

/// Every stage at once: lets all through.
struct Through<'a> {
    tenant: &'a TenantId,
    routes: &'a [u32],
}

impl Through<'_> {
    fn lead(&self, position: u64, body: &[u8], now: Now) -> Result<Option<Recorded>, Refusal> {
        let authority = Authority::new(*b"cofferdam-sim\0\0\0");
        let parts = ContextParts::new(self.tenant.clone(), "simulation");
        #[expect(clippy::disallowed_methods, reason = "of an authority that no process uses")]
        let context = authority.mint(ContextParts { expires_at_ms: i64::MAX, ..parts });
        let gate = Gate::bind(&authority, &context)?;
        let received = gate.receive(&context, body, now, position)?;
        let mut routes = Vec::new();
        let Some(matched) = received.filter(self, &mut routes)? else { return Ok(None) };
        let mut out = Vec::new();
        let redacted = matched.validate(self, &mut ())?.redact(self, &mut out, &mut ())?;
        redacted.record(&mut Log(self.tenant)).map(Some)
    }
}

impl Scoped for Through<'_> {
    fn tenant(&self) -> &TenantId {
        self.tenant
    }
}

impl Filter for Through<'_> {
    type Scratch = Vec<RouteId>;

    fn filter<'s>(&self, _: &[u8], scratch: &'s mut Vec<RouteId>) -> Verdict<'s> {
        scratch.clear();
        scratch.extend(self.routes.iter().copied().map(RouteId));
        if scratch.is_empty() { Verdict::Unmatched } else { Verdict::Matched(scratch) }
    }
}

impl Validate for Through<'_> {
    type Scratch = ();

    fn validate(&self, _: &TenantId, _: &[u8], (): &mut ()) -> Result<(), Reason> {
        Ok(())
    }
}

impl Redact for Through<'_> {
    type Scratch = ();

    fn redact(&self, event: &[u8], out: &mut Vec<u8>, (): &mut ()) -> Result<Redactions, Reason> {
        out.extend_from_slice(event);
        Ok(Redactions::default())
    }
}

/// An audit log that keeps nothing and numbers leaves by position.
struct Log<'a>(&'a TenantId);

impl Scoped for Log<'_> {
    fn tenant(&self) -> &TenantId {
        self.0
    }
}

impl Record for Log<'_> {
    fn record(&mut self, entry: &Entry<'_>) -> Result<u64, Reason> {
        Ok(entry.position)
    }
}
