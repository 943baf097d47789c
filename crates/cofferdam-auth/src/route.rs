//! What a place asks of a token.

use cofferdam_core::{Now, Reason, Scoped, TenantContext, TenantId};

/// What a place asks of a token that is presented at it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Route<'r> {
    tenant: Option<&'r TenantId>,
    scopes: &'r [&'r str],
    region: Option<&'r str>,
    session: Option<&'r TenantContext>,
}

impl<'r> Route<'r> {
    /// A place of no tenant's own, that asks for no scope.
    #[must_use]
    pub const fn any() -> Self {
        Self { tenant: None, scopes: &[], region: None, session: None }
    }

    /// A place of this tenant's own: its path, its host, its session.
    #[must_use]
    pub const fn of_tenant(self, tenant: &'r TenantId) -> Self {
        Self { tenant: Some(tenant), ..self }
    }

    /// Every one of these scopes is needed, exactly.
    #[must_use]
    pub const fn needs_scopes(self, scopes: &'r [&'r str]) -> Self {
        Self { scopes, ..self }
    }

    /// The token is to renew this live session, on its own connection.
    ///
    /// If it is bound to the key of its holder that the session was opened with, it needs no further
    /// proof: that one is bound to the connection (SECURITY K20), and whoever has stolen a token since
    /// is not on it. So the token came over *that connection*, and is checked for its connection id and
    /// epoch: for any other, for a session that has expired, and for another tenant's, subject's or
    /// client's token a proof is needed as ever. An upgrade is never a renewal.
    #[must_use]
    pub const fn renewing(self, session: &'r TenantContext) -> Self {
        Self { session: Some(session), ..self }
    }

    pub(crate) const fn of_nobodys_session(self) -> Self {
        Self { session: None, ..self }
    }

    /// The token must be for this region.
    #[must_use]
    pub const fn in_region(self, region: &'r str) -> Self {
        Self { region: Some(region), ..self }
    }

    /// Whether `new` goes on with the session of the route, by the key that opened it.
    pub(crate) fn is_renewed_by(&self, new: &TenantContext, now: Now) -> bool {
        self.session.is_some_and(|old| {
            old.holder_key().is_some()
                && new.holder_key() == old.holder_key()
                && (new.connection(), new.epoch()) == (old.connection(), old.epoch())
                && new.tenant().same(old.tenant())
                && new.issuer() == old.issuer()
                && new.subject() == old.subject()
                && new.client() == old.client()
                && !old.has_expired(now)
        })
    }

    pub(crate) fn check(&self, context: &TenantContext) -> Result<(), Reason> {
        if self.tenant.is_some_and(|own| !own.same(context.tenant())) {
            return Err(Reason::TenantMismatch);
        }
        if self.region.is_some_and(|own| context.region() != Some(own)) {
            return Err(Reason::WrongRegion);
        }
        let has = |scope: &&str| context.has_scope(scope);
        if self.scopes.iter().all(has) { Ok(()) } else { Err(Reason::ScopeMissing) }
    }
}
