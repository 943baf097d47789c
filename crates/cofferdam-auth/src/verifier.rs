//! From a token to a context: the one path on which a [`TenantContext`] is minted.
//!
//! The order of the checks is the argument of this module. Size and form come first, since they
//! cost least. The claims are then *read*, before any signature, for one purpose: to find the
//! registered issuer, because a key is looked up by (issuer, key id) and never by key id alone; two
//! tenants may well publish a key `1` (A05). From then on whatever is refused is refused in the
//! name of that issuer's tenant. The signature is checked next, and only then is any other claim
//! looked at. At the end key, claim and route must name one tenant: the key's is its issuer's by
//! construction, the claim's is compared with that, and so is the route's.

use std::{collections::BTreeMap, fmt, sync::Arc};

use cofferdam_core::{
    Authority, ConnectionId, ContextParts, Epoch, Now, Reason, TenantContext, TenantId,
};

use crate::{
    AuthFailure, InvalidIssuer, InvalidKeySet, IssuerConfig, KeySet, RevocationsFull, Revoked,
    claims::Claims,
    decoy::Decoys,
    json::{self, Object},
    jws::Compact,
    key::Key,
    revocations::Revocations,
};

/// An immutable table of issuers, their keys and what was revoked: all that a check needs.
///
/// Checking is a function of the table, the token and the time; it takes no lock and does no I/O.
/// A change makes a new table ([`with_keys`](Self::with_keys) and the like share what did not
/// change), which [`KeyRing`](crate::KeyRing) puts in the old one's place.
#[derive(Clone)]
pub struct Verifier {
    authority: Authority,
    decoys: Arc<Decoys>,
    issuers: Arc<BTreeMap<Box<str>, Entry>>,
    revocations: Arc<Revocations>,
}

#[derive(Clone)]
struct Entry {
    issuer: Arc<IssuerConfig>,
    keys: Option<Arc<(KeySet, Now)>>,
}

/// What a place asks of a token that is presented at it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Route<'r> {
    tenant: Option<&'r TenantId>,
    scopes: &'r [&'r str],
    region: Option<&'r str>,
}

impl<'r> Route<'r> {
    /// A place of no tenant's own, that asks for no scope.
    #[must_use]
    pub const fn any() -> Self {
        Self { tenant: None, scopes: &[], region: None }
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

    /// The token must be for this region.
    #[must_use]
    pub const fn in_region(self, region: &'r str) -> Self {
        Self { region: Some(region), ..self }
    }

    fn check(&self, tenant: &TenantId, claims: &Claims) -> Result<(), Reason> {
        if self.tenant.is_some_and(|own| !own.same(tenant)) {
            return Err(Reason::TenantMismatch);
        }
        if self.region.is_some_and(|own| claims.region.as_deref() != Some(own)) {
            return Err(Reason::WrongRegion);
        }
        let has = |scope: &&str| claims.scopes.iter().any(|own| own == scope);
        if self.scopes.iter().all(has) { Ok(()) } else { Err(Reason::ScopeMissing) }
    }
}

/// Where a token was presented: what the context is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding {
    pub(crate) now: Now,
    pub(crate) connection: ConnectionId,
    pub(crate) epoch: Epoch,
}

impl Verifier {
    /// A table without issuers, which mints contexts of this authority.
    #[must_use]
    pub fn new(authority: Authority) -> Self {
        Self {
            authority,
            decoys: Arc::new(Decoys::new()),
            issuers: Arc::default(),
            revocations: Arc::default(),
        }
    }

    /// Checks `token` and mints the context of `connection`.
    ///
    /// The tenant comes from the key that signed the token. The claim and `route` are only held
    /// against it.
    ///
    /// # Errors
    ///
    /// [`AuthFailure`], for the audit log, if anything at all is not as it must be. Tell the peer
    /// no more than [`Denied`](cofferdam_core::Denied).
    pub fn verify(
        &self,
        token: &str,
        route: &Route<'_>,
        now: Now,
        connection: ConnectionId,
        epoch: Epoch,
    ) -> Result<TenantContext, AuthFailure> {
        self.authenticate(token, route, None, Binding { now, connection, epoch })
    }

    pub(crate) fn authenticate(
        &self,
        token: &str,
        route: &Route<'_>,
        origin: Option<&str>,
        binding: Binding,
    ) -> Result<TenantContext, AuthFailure> {
        let token = Compact::parse(token).map_err(AuthFailure::anonymous)?;
        let claims = json::read(token.payload())
            .map_err(|_| AuthFailure::anonymous(Reason::CredentialMalformed))?;
        let entry = self.find(&token, &claims).map_err(AuthFailure::anonymous)?;
        let tenant = &entry.issuer.tenant;
        let claims = self
            .check(entry, &token, &claims, binding)
            .map_err(|reason| AuthFailure::of(tenant.clone(), reason))?;
        route
            .check(tenant, &claims)
            .and_then(|()| check_origin(origin, &claims, &entry.issuer))
            .map_err(|reason| AuthFailure::forbidden(tenant.clone(), reason))?;
        #[expect(clippy::disallowed_methods, reason = "the credential check that the ban is for")]
        Ok(self.authority.mint(parts(&entry.issuer, &token, claims, binding)))
    }

    /// The registration that the token names. Its claim is believed only if the key agrees.
    fn find(&self, token: &Compact<'_>, claims: &Object<'_>) -> Result<&Entry, Reason> {
        // K3: a string, byte for byte.
        let issuer = claims.text("iss").ok_or(Reason::ClaimMissing)?;
        self.issuers.get(issuer).ok_or_else(|| {
            self.decoys.spend(token);
            Reason::UnknownIssuer
        })
    }

    fn check(
        &self,
        entry: &Entry,
        token: &Compact<'_>,
        claims: &Object<'_>,
        binding: Binding,
    ) -> Result<Claims, Reason> {
        let key = entry.key_for(token, binding.now).inspect_err(|_| self.decoys.spend(token))?;
        if key.refuses_at_once(token.signature()) {
            // X01: an issuer that does not exist would have taken its time over this one too.
            self.decoys.spend(token);
            return Err(Reason::SignatureInvalid);
        }
        if !key.verify(token.signing_input(), token.signature()) {
            return Err(Reason::SignatureInvalid);
        }
        let claims = Claims::check(claims, &entry.issuer, binding.now)?;
        if self.revocations.revokes(&entry.issuer.tenant, &token.header().key_id, &claims) {
            return Err(Reason::Revoked);
        }
        Ok(claims)
    }

    /// This table and one more issuer, which has no keys yet.
    ///
    /// # Errors
    ///
    /// [`InvalidIssuer`] if the registration is not sound, or the issuer is registered already.
    pub fn with_issuer(mut self, issuer: IssuerConfig) -> Result<Self, InvalidIssuer> {
        issuer.check()?;
        if self.issuers.contains_key(issuer.issuer.as_str()) {
            return Err(InvalidIssuer::Duplicate);
        }
        let name = issuer.issuer.as_str().into();
        let entry = Entry { issuer: Arc::new(issuer), keys: None };
        Arc::make_mut(&mut self.issuers).insert(name, entry);
        Ok(self)
    }

    /// This table without `issuer`: its tokens are refused from now on.
    #[must_use]
    pub fn without_issuer(mut self, issuer: &str) -> Self {
        Arc::make_mut(&mut self.issuers).remove(issuer);
        self
    }

    /// This table with `keys`, fetched at `now`, as all the keys of `issuer`.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySet::UnknownIssuer`] if there is no such issuer.
    pub fn with_keys(
        mut self,
        issuer: &str,
        keys: KeySet,
        now: Now,
    ) -> Result<Self, InvalidKeySet> {
        let entry = Arc::make_mut(&mut self.issuers).get_mut(issuer);
        entry.ok_or(InvalidKeySet::UnknownIssuer)?.keys = Some(Arc::new((keys, now)));
        Ok(self)
    }

    /// This table with `what` of `tenant` revoked.
    ///
    /// # Errors
    ///
    /// [`RevocationsFull`] if the tenant's list is full.
    pub fn with_revoked(
        mut self,
        tenant: &TenantId,
        what: Revoked<'_>,
        now: Now,
    ) -> Result<Self, RevocationsFull> {
        Arc::make_mut(&mut self.revocations).revoke(tenant, what, now)?;
        Ok(self)
    }
}

impl Entry {
    /// The key that the token must be signed with.
    fn key_for(&self, token: &Compact<'_>, now: Now) -> Result<&Key, Reason> {
        let header = token.header();
        if !self.issuer.token_types.contains(&header.token_type) {
            return Err(Reason::WrongTokenType);
        }
        if !self.issuer.algorithms.contains(&header.algorithm) {
            return Err(Reason::AlgorithmRefused);
        }
        let (keys, fetched_at) = self.keys.as_deref().ok_or(Reason::UnknownKey)?;
        if now.since(*fetched_at) > self.issuer.longest_key_age {
            return Err(Reason::UnknownKey);
        }
        let key = keys.get(&header.key_id).ok_or(Reason::UnknownKey)?;
        if key.algorithm() == header.algorithm { Ok(key) } else { Err(Reason::AlgorithmRefused) }
    }
}

/// U01: an origin must be the token's own *and* the tenant's own, byte for byte. The tenant's are
/// in their one spelling, so whatever is not (`null`, another case, nothing at all) equals none.
fn check_origin(
    origin: Option<&str>,
    claims: &Claims,
    issuer: &IssuerConfig,
) -> Result<(), Reason> {
    let Some(origin) = origin else { return Ok(()) };
    let lists = [&claims.origins, &issuer.origins];
    if lists.iter().all(|list| list.iter().any(|own| own == origin)) {
        Ok(())
    } else {
        Err(Reason::OriginRefused)
    }
}

fn parts(
    issuer: &IssuerConfig,
    token: &Compact<'_>,
    claims: Claims,
    binding: Binding,
) -> ContextParts {
    ContextParts {
        tenant: issuer.tenant.clone(),
        issuer: issuer.issuer.clone(),
        generation: issuer.generation,
        client: claims.client,
        token_id: claims.token_id,
        issued_at_ms: claims.issued_at_ms,
        organisation: claims.organisation,
        subject: claims.subject,
        scopes: claims.scopes,
        origins: claims.origins,
        region: claims.region,
        connection: binding.connection,
        epoch: binding.epoch,
        expires_at_ms: claims.expires_at_ms,
        key_id: token.header().key_id.clone(),
    }
}

/// Shows how many issuers there are, not whose.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("issuers", &self.issuers.len()).finish_non_exhaustive()
    }
}
