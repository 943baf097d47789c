//! Stamps: eight bytes that say "this context was bound here", compared on every message.
//!
//! After a fail-over, a reconnect or a pooled connection's reuse, a context may be offered to a
//! compartment that was bound to another tenant, another connection or an older epoch. Comparing
//! all three fields costs three comparisons and relies on nobody forgetting one; comparing one keyed
//! MAC over them costs a nanosecond and cannot be half done. The key is this process's own, so a
//! context from another process (or a forged one) carries a stamp that no compartment here knows.

use core::{fmt, hash::Hasher};

use siphasher::sip::SipHasher24;

use crate::{ConnectionId, ContextParts, Reason, Refusal, Scoped, TenantContext, TenantId};

/// A fencing epoch: grows whenever a tenant's connection moves, so that what a deposed owner still
/// sends can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// A keyed 64-bit MAC over (tenant, connection, epoch). `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(u64);

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamp(..)")
    }
}

/// This process's stamping key: what contexts are minted with and gates check against.
///
/// One per process, made from random bytes by the driver (`cofferdam-tokio` does). Two authorities
/// do not accept each other's contexts.
#[derive(Clone)]
pub struct Authority {
    key: [u8; 16],
}

impl Authority {
    /// An authority with this key. The bytes must be random and secret.
    #[must_use]
    pub const fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// Turns checked claims into the context of one connection.
    ///
    /// This is the one constructor of [`TenantContext`]. It is for credential checks only: the
    /// workspace's `.clippy.toml` bans it everywhere else, and we suggest that yours does too.
    #[must_use]
    pub fn mint(&self, parts: ContextParts) -> TenantContext {
        let stamp = self.stamp(&parts.tenant, parts.connection, parts.epoch);
        TenantContext::stamped(parts, stamp)
    }

    /// The same proof for another connection or epoch: a credential that was checked once and is
    /// presented again, or one that renews a session's.
    ///
    /// Like [`mint`](Self::mint) it is for credential checks only, and banned everywhere else.
    ///
    /// # Errors
    ///
    /// [`Reason::StampMismatch`] if the context was minted by another authority.
    pub fn rebind(
        &self,
        context: &TenantContext,
        connection: ConnectionId,
        epoch: Epoch,
    ) -> Result<TenantContext, Refusal> {
        let tenant = context.tenant();
        if self.stamp(tenant, context.connection(), context.epoch()) != context.stamp() {
            return Err(Refusal::new(tenant.clone(), Reason::StampMismatch));
        }
        Ok(context.restamped(connection, epoch, self.stamp(tenant, connection, epoch)))
    }

    /// SipHash-2-4 (Aumasson and Bernstein, 2012) over the three, each of fixed length or length-prefixed, so that no two
    /// bindings encode alike.
    pub(crate) fn stamp(&self, tenant: &TenantId, connection: ConnectionId, epoch: Epoch) -> Stamp {
        let mut mac = SipHasher24::new_with_key(&self.key);
        mac.write_u64(connection.0);
        mac.write_u64(epoch.0);
        mac.write_u64(tenant.as_str().len() as u64);
        mac.write(tenant.as_str().as_bytes());
        Stamp(mac.finish())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    #[test]
    fn every_part_of_the_binding_changes_the_stamp() {
        let authority = Authority::new([1; 16]);
        let base = authority.stamp(&tenant("a"), ConnectionId(1), Epoch(1));
        assert_eq!(base, authority.stamp(&tenant("a"), ConnectionId(1), Epoch(1)));
        assert_ne!(base, authority.stamp(&tenant("b"), ConnectionId(1), Epoch(1)));
        assert_ne!(base, authority.stamp(&tenant("a"), ConnectionId(2), Epoch(1)));
        assert_ne!(base, authority.stamp(&tenant("a"), ConnectionId(1), Epoch(2)));
        assert_ne!(base, Authority::new([2; 16]).stamp(&tenant("a"), ConnectionId(1), Epoch(1)));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the tests of the type itself")]
    fn a_context_is_bound_again_by_its_own_authority_alone() {
        let (own, other) = (Authority::new([1; 16]), Authority::new([2; 16]));
        let context = own.mint(ContextParts::new(tenant("a"), "s"));
        let again = own.rebind(&context, ConnectionId(7), Epoch(3)).unwrap();
        assert_eq!((again.connection(), again.epoch()), (ConnectionId(7), Epoch(3)));
        assert_eq!(again.tenant(), context.tenant());
        assert_eq!(again.stamp(), own.stamp(&tenant("a"), ConnectionId(7), Epoch(3)));
        let refused = other.rebind(&context, ConnectionId(7), Epoch(3)).unwrap_err();
        assert_eq!(refused.reason(), Reason::StampMismatch);
    }

    #[test]
    fn debug_shows_neither_key_nor_stamp() {
        let authority = Authority::new([0xAB; 16]);
        let stamp = authority.stamp(&tenant("a"), ConnectionId(1), Epoch(1));
        assert_eq!(format!("{authority:?} {stamp:?}"), "Authority(..) Stamp(..)");
    }
}
