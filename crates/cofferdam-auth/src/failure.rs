//! What a refused credential leaves behind: a reason for the audit log, and nothing for the peer.

use cofferdam_core::{Denied, Reason, Refusal, TenantId};

/// A credential was refused.
///
/// For the audit log. A peer is told [`Denied`], which is what this turns into; neither it nor this
/// type's `Display` or `Debug` holds a byte of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct AuthFailure {
    tenant: Option<TenantId>,
    reason: Reason,
    authenticated: bool,
    nonce: Option<Box<str>>,
}

impl AuthFailure {
    /// A request that is none, before anybody looked for a credential in it.
    #[must_use]
    pub const fn malformed_request() -> Self {
        Self::anonymous(Reason::RequestMalformed)
    }

    /// A failure that belongs to nobody: the credential named no registered issuer.
    pub(crate) const fn anonymous(reason: Reason) -> Self {
        Self { tenant: None, reason, authenticated: false, nonce: None }
    }

    /// A failure of a credential that names this tenant's own issuer.
    pub(crate) const fn of(tenant: TenantId, reason: Reason) -> Self {
        Self { tenant: Some(tenant), reason, authenticated: false, nonce: None }
    }

    /// The credential is good, and not for the place where it was presented.
    pub(crate) const fn forbidden(tenant: TenantId, reason: Reason) -> Self {
        Self { tenant: Some(tenant), reason, authenticated: true, nonce: None }
    }

    /// A proof of possession that is good but for its nonce: `nonce` is one that would be.
    pub(crate) const fn of_nonce(tenant: TenantId, nonce: Box<str>) -> Self {
        let reason = Reason::ProofNonceMissing;
        Self { tenant: Some(tenant), reason, authenticated: false, nonce: Some(nonce) }
    }

    /// In whose audit log this belongs: the tenant of the issuer that the token names, if that
    /// issuer is registered. Never the tenant that was asked for, nor one that a claim names
    /// (SECURITY A01).
    #[must_use]
    pub const fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Whether the credential itself was good: the difference between 403 and 401.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// The nonce that the next proof of possession must hold, if that is all that this one lacked
    /// (RFC 9449 section 9). The peer is told: its token and its key were good.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The same as a tenant's audit log takes it; `None` if it belongs to nobody.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.tenant.clone().map(|tenant| Refusal::new(tenant, self.reason))
    }
}

impl From<AuthFailure> for Denied {
    fn from(_: AuthFailure) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_tell_two_failures_apart() {
        let tenant = TenantId::parse("acme").unwrap();
        let own = AuthFailure::of(tenant.clone(), Reason::SignatureInvalid);
        let nobody = AuthFailure::anonymous(Reason::UnknownIssuer);
        assert_eq!(own.refusal(), Some(Refusal::new(tenant, Reason::SignatureInvalid)));
        assert_eq!(nobody.refusal(), None);
        assert_eq!(Denied::from(own), Denied::from(nobody));
    }
}
