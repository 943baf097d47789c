//! Where a token is presented, and by whom: what a token that is good is held against.

use cofferdam_core::{Now, Reason, Scoped, TenantContext};

use crate::{
    AuthFailure, IssuerConfig, Route,
    dpop::{Proof, Proofs},
};

/// A token, the place where it was presented, and what came with it.
pub(crate) struct Place<'p> {
    pub(crate) token: &'p str,
    pub(crate) route: &'p Route<'p>,
    /// The page that a browser's request comes from.
    pub(crate) origin: Option<&'p str>,
    pub(crate) proof: Option<&'p Proof<'p>>,
}

impl Place<'_> {
    /// The context of the token, if it may be used here, and by whoever presents it.
    pub(crate) fn admit(
        &self,
        context: TenantContext,
        issuer: &IssuerConfig,
        proofs: &Proofs,
        now: Now,
    ) -> Result<TenantContext, AuthFailure> {
        self.check_holder(&context, proofs, now)?;
        self.route
            .check(&context)
            .and_then(|()| self.check_origin(&context, issuer))
            .map_err(|reason| AuthFailure::forbidden(issuer.tenant.clone(), reason))?;
        Ok(context)
    }

    /// A14: whoever presents a token that is bound to a key has that key. Before anything is said
    /// of the place, so that a thief does not learn what the token would be good for.
    fn check_holder(
        &self,
        context: &TenantContext,
        proofs: &Proofs,
        now: Now,
    ) -> Result<(), AuthFailure> {
        match (context.holder_key(), self.proof) {
            (None, None) => Ok(()),
            (Some(_), None) if self.route.is_renewed_by(context, now) => Ok(()),
            (Some(key), Some(proof)) => proofs.check(proof, self.token, key, context.tenant(), now),
            _ => Err(AuthFailure::of(context.tenant().clone(), Reason::ProofRefused)),
        }
    }

    /// U01: an origin must be the token's own *and* the tenant's own, byte for byte. The tenant's
    /// are in their one spelling, so whatever is not (`null`, another case, nothing at all) equals
    /// none.
    fn check_origin(&self, context: &TenantContext, issuer: &IssuerConfig) -> Result<(), Reason> {
        let Some(origin) = self.origin else { return Ok(()) };
        let lists = [context.origins(), &issuer.origins];
        if lists.iter().all(|list| list.iter().any(|own| own == origin)) {
            Ok(())
        } else {
            Err(Reason::OriginRefused)
        }
    }
}
