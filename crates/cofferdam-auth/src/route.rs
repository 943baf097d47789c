//! What a place asks of a token.

use cofferdam_core::{Reason, Scoped, TenantContext, TenantId};

use crate::key::Thumbprint;

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

    /// The token is to renew this live session.
    ///
    /// If it is bound to the key of its holder that the session was opened with, it needs no further
    /// proof: that one is bound to the connection (SECURITY K20), and whoever has stolen a token since
    /// is not on it. Whether it is of the session's tenant and client, the renewal itself decides.
    #[must_use]
    pub const fn renewing(self, session: &'r TenantContext) -> Self {
        Self { session: Some(session), ..self }
    }

    /// The token must be for this region.
    #[must_use]
    pub const fn in_region(self, region: &'r str) -> Self {
        Self { region: Some(region), ..self }
    }

    /// The key of its holder that a session was opened with.
    pub(crate) fn holder_key(&self) -> Option<&Thumbprint> {
        self.session.and_then(TenantContext::holder_key)
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
