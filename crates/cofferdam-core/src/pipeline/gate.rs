//! The entrance: the one place where a context and bytes become an event.

use super::Received;
use crate::{Authority, Now, Reason, Refusal, Scoped, Stamp, TenantContext, TenantId};

/// The entrance of one connection of one tenant.
///
/// A gate is bound to a context once, when the connection's owner is set up, and compares the
/// stamp of every message's context with it. A context of another tenant, another connection or an
/// older epoch (a desynchronised fail-over, a pooled socket that was handed on) is refused.
#[derive(Debug, Clone)]
pub struct Gate {
    tenant: TenantId,
    stamp: Stamp,
    max_event_bytes: usize,
}

impl Gate {
    /// The default bound on one event, in bytes.
    pub const MAX_EVENT_BYTES: usize = 1 << 20;

    /// Binds a gate to `context`.
    ///
    /// # Errors
    ///
    /// [`Reason::StampMismatch`] if the context was not minted by `authority`.
    pub fn bind(authority: &Authority, context: &TenantContext) -> Result<Self, Refusal> {
        let tenant = context.tenant().clone();
        let stamp = authority.stamp(&tenant, context.connection(), context.epoch());
        if stamp != context.stamp() {
            return Err(Refusal::new(tenant, Reason::StampMismatch));
        }
        Ok(Self { tenant, stamp, max_event_bytes: Self::MAX_EVENT_BYTES })
    }

    /// The same gate with another bound on one event, in bytes.
    #[must_use]
    pub fn with_max_event_bytes(self, max_event_bytes: usize) -> Self {
        Self { max_event_bytes, ..self }
    }

    /// Lets one event in. `position` is its place in the tenant's stream.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] under the gate's own tenant: [`Reason::StampMismatch`] for a context that this
    /// gate was not bound to, [`Reason::Expired`], [`Reason::TooLarge`].
    pub fn receive<'e>(
        &self,
        context: &'e TenantContext,
        bytes: &'e [u8],
        now: Now,
        position: u64,
    ) -> Result<Received<'e>, Refusal> {
        let reason = if context.stamp() != self.stamp {
            Reason::StampMismatch
        } else if context.has_expired(now) {
            Reason::Expired
        } else if bytes.len() > self.max_event_bytes {
            Reason::TooLarge
        } else {
            return Ok(Received { context, bytes, received_at: now, position });
        };
        Err(Refusal::new(self.tenant.clone(), reason))
    }
}

impl Scoped for Gate {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}
