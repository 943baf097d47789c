//! The way of an event, as types: each stage consumes the proof of the one before it.
//!
//! [`Gate::receive`] is the only entrance and [`Recorded`] the only exit. Between them the stages
//! are small traits, so that an integrator can bring a filter, a schema check or a log of their
//! own; what they cannot bring is an order of their own. A trait decides (match or not, valid or
//! not); this module alone makes the proof that follows from the decision, and compares the
//! stage's tenant with the event's first.
//!
//! An event cannot skip the strict check:
//!
//! ```compile_fail,E0599
//! # use cofferdam_core::pipeline::*;
//! # fn skip(matched: Matched<'_, '_>, policy: &dyn Redact<Scratch = ()>, out: &mut Vec<u8>) {
//! matched.redact(policy, out, &mut ()); // only a `Valid` has this method
//! # }
//! ```
//!
//! nor the filter:
//!
//! ```compile_fail,E0599
//! # use cofferdam_core::pipeline::*;
//! # fn skip(received: Received<'_>, check: &dyn Validate<Scratch = ()>) {
//! received.validate(check, &mut ());
//! # }
//! ```
//!
//! nor redaction:
//!
//! ```compile_fail,E0599
//! # use cofferdam_core::pipeline::*;
//! # fn skip(valid: Valid<'_, '_>, log: &mut dyn Record) {
//! valid.record(log);
//! # }
//! ```
//!
//! and what was redacted cannot be queued before the audit log has a leaf of it:
//!
//! ```compile_fail,E0308
//! # use cofferdam_core::pipeline::*;
//! # fn enqueue(event: Recorded) {}
//! # fn skip(redacted: Redacted<'_, '_, '_>) {
//! enqueue(redacted);
//! # }
//! ```
//!
//! No proof can be written down by hand, as none has a public field or constructor:
//!
//! ```compile_fail,E0451
//! # use cofferdam_core::{pipeline::*, TenantContext};
//! # fn forge<'e>(context: &'e TenantContext, bytes: &'e [u8], now: cofferdam_core::Now) -> Received<'e> {
//! Received { context, bytes, received_at: now, position: 0 }
//! # }
//! ```
//!
//! ```compile_fail,E0451
//! # use cofferdam_core::pipeline::*;
//! # fn forge<'e, 's>(received: Received<'e>) -> Matched<'e, 's> {
//! Matched { received, routes: &[] }
//! # }
//! ```
//!
//! ```compile_fail,E0451
//! # use cofferdam_core::pipeline::*;
//! # fn forge<'e, 's>(matched: Matched<'e, 's>) -> Valid<'e, 's> {
//! Valid { matched }
//! # }
//! ```
//!
//! ```compile_fail,E0451
//! # use cofferdam_core::pipeline::*;
//! # fn forge<'e, 's, 'o>(valid: Valid<'e, 's>, body: &'o [u8]) -> Redacted<'e, 's, 'o> {
//! Redacted { valid, body, redactions: Redactions::default() }
//! # }
//! ```
//!
//! ```compile_fail,E0451
//! # use cofferdam_core::{pipeline::*, TenantId, Now};
//! # fn forge(tenant: TenantId) -> Recorded {
//! Recorded { tenant, position: 0, received_at: Now::default(), leaf: 0, replay: false, routes: [].into(), body: [].into() }
//! # }
//! ```
//!
//! Nor can a proof be used twice:
//!
//! ```compile_fail,E0382
//! # use cofferdam_core::pipeline::*;
//! # fn twice(valid: Valid<'_, '_>, policy: &dyn Redact<Scratch = ()>, a: &mut Vec<u8>, b: &mut Vec<u8>) {
//! valid.redact(policy, a, &mut ());
//! valid.redact(policy, b, &mut ());
//! # }
//! ```

mod gate;
mod sealed;
mod stages;

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

pub use gate::Gate;
pub use sealed::{Seal, Unsealable};
pub use stages::{Entry, Filter, Record, Redact, Redactions, RouteId, Validate, Verdict};

use crate::{Now, Reason, Refusal, Scoped, TenantContext, TenantId};

/// An event that came in on the connection that its context was made for.
pub struct Received<'e> {
    context: &'e TenantContext,
    bytes: &'e [u8],
    received_at: Now,
    position: u64,
}

impl<'e> Received<'e> {
    /// Asks who subscribed to the event. `Ok(None)`: nobody; it ends here, and is counted.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if the filter is another tenant's, or finds that the event is ambiguous,
    /// malformed or another organisation's.
    pub fn filter<'s, F: Filter + ?Sized>(
        self,
        filter: &F,
        scratch: &'s mut F::Scratch,
    ) -> Result<Option<Matched<'e, 's>>, Refusal> {
        self.require_own(filter.tenant())?;
        match filter.filter(self.bytes, scratch) {
            Verdict::Matched(routes) => Ok(Some(Matched { received: self, routes })),
            Verdict::Unmatched => Ok(None),
            Verdict::Refused(reason) => Err(self.refuse(reason)),
        }
    }

    /// The bytes as they came in. Not to be stored: they have not been redacted.
    #[must_use]
    pub fn bytes(&self) -> &'e [u8] {
        self.bytes
    }

    fn require_own(&self, stage: &TenantId) -> Result<(), Refusal> {
        if self.tenant().same(stage) { Ok(()) } else { Err(self.refuse(Reason::ForeignStage)) }
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        Refusal::new(self.tenant().clone(), reason)
    }
}

impl Scoped for Received<'_> {
    fn tenant(&self) -> &TenantId {
        self.context.tenant()
    }
}

/// An event that somebody of its tenant subscribed to.
pub struct Matched<'e, 's> {
    received: Received<'e>,
    routes: &'s [RouteId],
}

impl<'e, 's> Matched<'e, 's> {
    /// Checks the whole event: what passes means the same to every reader.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] with the check's reason.
    pub fn validate<V: Validate + ?Sized>(
        self,
        check: &V,
        scratch: &mut V::Scratch,
    ) -> Result<Valid<'e, 's>, Refusal> {
        match check.validate(self.received.tenant(), self.received.bytes, scratch) {
            Ok(()) => Ok(Valid { matched: self }),
            Err(reason) => Err(self.received.refuse(reason)),
        }
    }

    /// The subscriptions that matched, each once, in ascending order.
    #[must_use]
    pub fn routes(&self) -> &'s [RouteId] {
        self.routes
    }

    /// The bytes as they came in. Not to be stored: they have not been redacted.
    #[must_use]
    pub fn bytes(&self) -> &'e [u8] {
        self.received.bytes
    }
}

impl Scoped for Matched<'_, '_> {
    fn tenant(&self) -> &TenantId {
        self.received.tenant()
    }
}

/// A matched event that is one sound JSON object (and fits its schema, where there is one).
pub struct Valid<'e, 's> {
    matched: Matched<'e, 's>,
}

impl<'e, 's> Valid<'e, 's> {
    /// Writes what may be remembered of the event into `out`, which is cleared first.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if the policy is another tenant's or fails; `out` is empty then.
    pub fn redact<'o, R: Redact + ?Sized>(
        self,
        policy: &R,
        out: &'o mut Vec<u8>,
        scratch: &mut R::Scratch,
    ) -> Result<Redacted<'e, 's, 'o>, Refusal> {
        out.clear();
        let received = &self.matched.received;
        received.require_own(policy.tenant())?;
        match policy.redact(received.bytes, out, scratch) {
            Ok(redactions) => Ok(Redacted { valid: self, body: out, redactions }),
            Err(reason) => {
                out.clear();
                Err(received.refuse(reason))
            }
        }
    }
}

impl Scoped for Valid<'_, '_> {
    fn tenant(&self) -> &TenantId {
        self.matched.tenant()
    }
}

/// An event after redaction: the first form that may leave the function that received it.
pub struct Redacted<'e, 's, 'o> {
    valid: Valid<'e, 's>,
    body: &'o [u8],
    redactions: Redactions,
}

impl Redacted<'_, '_, '_> {
    /// Has the audit log take a leaf of the event, and keeps what is to be delivered.
    ///
    /// Copies the redacted body once; nothing before this point allocates.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] if the log is another tenant's, or cannot take the leaf: no audit, no event.
    pub fn record<L: Record + ?Sized>(self, log: &mut L) -> Result<Recorded, Refusal> {
        let received = &self.valid.matched.received;
        received.require_own(log.tenant())?;
        let leaf = log
            .record(&Entry {
                position: received.position,
                received_at: received.received_at,
                body: self.body,
                redactions: self.redactions,
                routes: self.valid.matched.routes,
            })
            .map_err(|reason| received.refuse(reason))?;
        Ok(Recorded {
            tenant: received.tenant().clone(),
            position: received.position,
            received_at: received.received_at,
            leaf,
            replay: false,
            routes: Arc::from(self.valid.matched.routes),
            body: Arc::from(self.body),
        })
    }

    /// The redacted event.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body
    }

    /// What the policy did.
    #[must_use]
    pub fn redactions(&self) -> Redactions {
        self.redactions
    }
}

impl Scoped for Redacted<'_, '_, '_> {
    fn tenant(&self) -> &TenantId {
        self.valid.tenant()
    }
}

/// A redacted event that the audit log names: what queues, stores and sinks take.
///
/// Cloning copies pointers.
#[derive(Clone, PartialEq, Eq)]
pub struct Recorded {
    tenant: TenantId,
    position: u64,
    received_at: Now,
    leaf: u64,
    replay: bool,
    routes: Arc<[RouteId]>,
    body: Arc<[u8]>,
}

impl Recorded {
    /// Where the event stood in its tenant's stream.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// When it was read from its socket.
    #[must_use]
    pub fn received_at(&self) -> Now {
        self.received_at
    }

    /// The index of its leaf in the tenant's audit log.
    #[must_use]
    pub fn leaf(&self) -> u64 {
        self.leaf
    }

    /// Whether it comes back from the dead letters or from a store, not from its socket.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.replay
    }

    /// The subscriptions that it goes to.
    #[must_use]
    pub fn routes(&self) -> &[RouteId] {
        &self.routes
    }

    /// The redacted event, as JSON text.
    #[must_use]
    pub fn body(&self) -> &Arc<[u8]> {
        &self.body
    }
}

impl Scoped for Recorded {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// Shows where the event belongs, not what it says: redacted is not the same as public.
impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("tenant", &self.tenant)
            .field("position", &self.position)
            .field("leaf", &self.leaf)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

// The event itself may hold a secret until it is redacted, so no proof shows its bytes.
macro_rules! opaque_debug {
    ($($name:ty),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple("Event").field(self.tenant()).finish()
            }
        }
    )+};
}
opaque_debug!(Received<'_>, Matched<'_, '_>, Valid<'_, '_>, Redacted<'_, '_, '_>);

#[cfg(test)]
mod tests;
