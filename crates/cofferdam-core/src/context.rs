//! Who is speaking on a connection, as a credential proved it.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt;

use crate::{Epoch, Now, Scoped, Stamp, TenantId};

/// One connection of this process: a socket, a channel, a subscription. Unique while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a credential check found out, on its way into a [`TenantContext`].
///
/// A plain record: anybody can write one down, nobody can get an event in with it.
#[derive(Debug, Clone)]
pub struct ContextParts {
    /// The tenant that the credential belongs to.
    pub tenant: TenantId,
    /// The platform's own id of the tenant (Genesys: the organisation id), to cross-check bodies.
    pub organisation: Option<String>,
    /// Who was authenticated: a user, a service, an OAuth client.
    pub subject: String,
    /// The OAuth client that the credential was issued to.
    pub client: String,
    /// The credential's own id (`jti`), by which it is revoked.
    pub token_id: String,
    /// Who issued the credential; a key id means something only beside it.
    pub issuer: String,
    /// Exact scopes; there are no prefixes or wildcards.
    pub scopes: Vec<String>,
    /// Origins that a browser may connect from, exact, with scheme and port.
    pub origins: Vec<String>,
    /// The region that the credential is for.
    pub region: Option<String>,
    /// The connection that was authenticated.
    pub connection: ConnectionId,
    /// The fencing epoch of the binding.
    pub epoch: Epoch,
    /// Which registration of the tenant: a tenant that is deleted and made again is another one.
    pub generation: u64,
    /// When the credential was issued, in milliseconds since the Unix epoch.
    pub issued_at_ms: i64,
    /// When the credential ends, in milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
    /// The key that the credential was signed with.
    pub key_id: String,
    /// A digest of that key. An issuer may give the id to another key.
    pub key_print: [u8; 16],
    /// The SHA-256 thumbprint (RFC 7638) of the holder's key, if the credential is of use to that
    /// holder alone (RFC 9449), and not to whoever has it.
    pub holder_key: Option<[u8; 32]>,
}

impl ContextParts {
    /// Parts with a tenant and a subject; no scopes, no origins, and already expired.
    #[must_use]
    pub fn new(tenant: TenantId, subject: &str) -> Self {
        Self {
            tenant,
            organisation: None,
            subject: String::from(subject),
            client: String::new(),
            token_id: String::new(),
            issuer: String::new(),
            scopes: Vec::new(),
            origins: Vec::new(),
            region: None,
            connection: ConnectionId(0),
            epoch: Epoch(0),
            generation: 0,
            issued_at_ms: i64::MIN,
            expires_at_ms: i64::MIN,
            key_id: String::new(),
            key_print: [0; 16],
            holder_key: None,
        }
    }
}

/// Proof that a credential was checked: whose connection this is, immutable, cheap to clone.
///
/// There is no public constructor, no setter and no default; [`Authority::mint`] makes one, and
/// credential checks alone may call that. Forging one does not build:
///
/// ```compile_fail
/// use cofferdam_core::{ContextParts, TenantContext, TenantId};
/// let parts = ContextParts::new(TenantId::parse("victim").unwrap(), "me");
/// let forged = TenantContext { parts: std::sync::Arc::new(parts) };
/// ```
///
/// ```compile_fail
/// # fn given(context: cofferdam_core::TenantContext) {
/// let mut context = context;
/// context.parts.tenant = cofferdam_core::TenantId::parse("victim").unwrap();
/// # }
/// ```
///
/// It is a value that is handed from one function to the next. There is none of the thread or of the
/// task, so none is left behind by `spawn`, `select` or a panic:
///
/// ```compile_fail,E0599
/// let ambient = cofferdam_core::TenantContext::current();
/// ```
///
/// [`Authority::mint`]: crate::Authority::mint
#[derive(Clone)]
pub struct TenantContext {
    /// What was proved, shared by all connections that one credential opened.
    parts: Arc<ContextParts>,
    connection: ConnectionId,
    epoch: Epoch,
    stamp: Stamp,
}

impl TenantContext {
    pub(crate) fn stamped(parts: ContextParts, stamp: Stamp) -> Self {
        let (connection, epoch) = (parts.connection, parts.epoch);
        Self { parts: Arc::new(parts), connection, epoch, stamp }
    }

    /// The same proof on another connection. It copies a pointer and allocates nothing.
    pub(crate) fn restamped(&self, connection: ConnectionId, epoch: Epoch, stamp: Stamp) -> Self {
        Self { parts: Arc::clone(&self.parts), connection, epoch, stamp }
    }

    /// The platform's own id of the tenant, if the credential named it.
    #[must_use]
    pub fn organisation(&self) -> Option<&str> {
        self.parts.organisation.as_deref()
    }

    /// Who was authenticated.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.parts.subject
    }

    /// The OAuth client that the credential was issued to.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.parts.client
    }

    /// The credential's own id (`jti`).
    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.parts.token_id
    }

    /// Who issued the credential.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.parts.issuer
    }

    /// Which registration of the tenant the credential was checked against.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.parts.generation
    }

    /// When the credential was issued, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn issued_at_ms(&self) -> i64 {
        self.parts.issued_at_ms
    }

    /// Whether the credential carries exactly this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.parts.scopes.iter().any(|own| own == scope)
    }

    /// The origins that the credential allows.
    #[must_use]
    pub fn origins(&self) -> &[String] {
        &self.parts.origins
    }

    /// The region that the credential is for.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.parts.region.as_deref()
    }

    /// The connection that was authenticated.
    #[must_use]
    pub const fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The fencing epoch of the binding.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// When the credential ends, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn expires_at_ms(&self) -> i64 {
        self.parts.expires_at_ms
    }

    /// Whether the credential has ended at `now`.
    #[must_use]
    pub fn has_expired(&self, now: Now) -> bool {
        now.wall_ms() >= self.parts.expires_at_ms
    }

    /// The key that the credential was signed with.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.parts.key_id
    }

    /// A digest of the key that the credential was signed with: the same id and another digest is
    /// another key.
    #[must_use]
    pub fn key_print(&self) -> [u8; 16] {
        self.parts.key_print
    }

    /// The thumbprint (RFC 7638, SHA-256) of the holder's key that the credential is bound to, if it
    /// is bound to one. The holder proved that key when the connection was opened.
    #[must_use]
    pub fn holder_key(&self) -> Option<&[u8; 32]> {
        self.parts.holder_key.as_ref()
    }

    pub(crate) const fn stamp(&self) -> Stamp {
        self.stamp
    }
}

impl Scoped for TenantContext {
    fn tenant(&self) -> &TenantId {
        &self.parts.tenant
    }
}

/// Shows tenant and connection; never the subject, which may be a person.
impl fmt::Debug for TenantContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantContext")
            .field("tenant", self.tenant())
            .field("connection", &self.connection().0)
            .field("epoch", &self.epoch().0)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests of the type itself")]
    use super::*;
    use crate::Authority;

    fn context() -> TenantContext {
        Authority::new([1; 16]).mint(ContextParts {
            scopes: alloc::vec!["events:read".into()],
            expires_at_ms: 1_000,
            ..ContextParts::new(TenantId::parse("acme").unwrap(), "ana@example.com")
        })
    }

    /// A13: scopes are compared whole.
    #[test]
    fn scopes_match_exactly() {
        let context = context();
        assert!(context.has_scope("events:read"));
        for other in ["events", "events:*", "events:read ", "EVENTS:READ", "", "events:readx"] {
            assert!(!context.has_scope(other), "{other:?}");
        }
    }

    #[test]
    fn expires_at_the_millisecond_of_its_expiry() {
        assert!(!context().has_expired(Now::from_millis(0, 999)));
        assert!(context().has_expired(Now::from_millis(0, 1_000)));
    }

    #[test]
    fn a_context_without_an_expiry_has_expired() {
        let parts = ContextParts::new(TenantId::parse("acme").unwrap(), "s");
        assert!(Authority::new([1; 16]).mint(parts).has_expired(Now::from_millis(0, i64::MIN)));
    }

    #[test]
    fn debug_does_not_name_the_person() {
        let shown = format!("{:?}", context());
        assert!(shown.contains("acme") && !shown.contains("ana"), "{shown}");
    }
}
