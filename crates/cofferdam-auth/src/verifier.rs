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
    Authority, ConnectionId, ContextParts, Epoch, Now, Reason, Scoped, TenantContext, TenantId,
};

use crate::{
    AuthFailure, InvalidIssuer, InvalidKeySet, IssuerConfig, KeyPrint, KeySet, RevocationsFull,
    Revoked, Route, TokenCache,
    cache::{Checked, Tag},
    claims::{Claims, millis},
    decoy::Decoys,
    dpop::{Proof, Proofs},
    json::{self, Object},
    jws::Compact,
    key::Key,
    place::Place,
    revocations::{Marks, Revocations},
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
    cache: Option<Arc<TokenCache>>,
    proofs: Arc<Proofs>,
}

#[derive(Clone)]
struct Entry {
    issuer: Arc<IssuerConfig>,
    keys: Option<Arc<(KeySet, Now)>>,
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
            cache: None,
            proofs: Arc::default(),
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
        let place = Place { token, route, origin: None, proof: None };
        self.authenticate(&place, Binding { now, connection, epoch })
    }

    /// [`verify`](Self::verify) of a token that is bound to a key of its holder, with the proof that
    /// the request carries ([`dpop`](crate::dpop)). A proof is good once.
    ///
    /// # Errors
    ///
    /// As there; a token that is not bound is refused, since a proof proves nothing of it.
    pub fn verify_held(
        &self,
        token: &str,
        proof: &Proof<'_>,
        route: &Route<'_>,
        now: Now,
        connection: ConnectionId,
        epoch: Epoch,
    ) -> Result<TenantContext, AuthFailure> {
        let place = Place { token, route, origin: None, proof: Some(proof) };
        self.authenticate(&place, Binding { now, connection, epoch })
    }

    pub(crate) fn authenticate(
        &self,
        place: &Place<'_>,
        binding: Binding,
    ) -> Result<TenantContext, AuthFailure> {
        let token = place.token;
        let cache = self.cache.as_ref().filter(|_| TokenCache::takes(token));
        let tagged = cache.map(|cache| (cache, cache.tag(token)));
        if let Some((cache, tag)) = &tagged
            && let Some((entry, context)) = self.recall(cache, tag, binding)
        {
            return place.admit(context, &entry.issuer, &self.proofs, binding.now);
        }
        let (entry, checked) = self.examine(token, binding)?;
        let context = checked.context.clone();
        if let Some((cache, tag)) = tagged {
            cache.remember(tag, checked, binding.now);
        }
        place.admit(context, &entry.issuer, &self.proofs, binding.now)
    }

    /// The token was checked before, and nothing that its check relied on has changed.
    fn recall(
        &self,
        cache: &TokenCache,
        tag: &Tag,
        Binding { now, connection, epoch }: Binding,
    ) -> Option<(&Entry, TenantContext)> {
        let Checked { context, issuer, key, valid_from_ms } = cache.find(tag)?;
        let entry = self.issuers.get(context.issuer())?;
        let latest = now.wall_ms().saturating_add(millis(issuer.leeway));
        let still_good = Arc::ptr_eq(&entry.issuer, &issuer)
            && entry.fresh_keys(now)?.get(context.key_id())?.is(&key)
            && !context.has_expired(now)
            && valid_from_ms <= latest
            && !self.revocations.revokes(context.tenant(), Marks::from(&context));
        if !still_good {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "the credential check that the ban is for")]
        let context = self.authority.rebind(&context, connection, epoch).ok()?;
        cache.count_hit();
        Some((entry, context))
    }

    /// The whole check of a token, but for the place where it was presented.
    fn examine(&self, token: &str, binding: Binding) -> Result<(&Entry, Checked), AuthFailure> {
        let token = Compact::parse(token).map_err(AuthFailure::anonymous)?;
        let claims = json::read(token.payload())
            .map_err(|_| AuthFailure::anonymous(Reason::CredentialMalformed))?;
        let entry = self.find(&token, &claims).map_err(AuthFailure::anonymous)?;
        let checked = self.check(entry, &token, &claims, binding);
        let own = |reason| AuthFailure::of(entry.issuer.tenant.clone(), reason);
        Ok((entry, checked.map_err(own)?))
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
    ) -> Result<Checked, Reason> {
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
        let valid_from_ms = claims.valid_from_ms;
        #[expect(clippy::disallowed_methods, reason = "the credential check that the ban is for")]
        let context =
            self.authority.mint(parts(&entry.issuer, token, claims, binding, key.print()));
        if self.revocations.revokes(context.tenant(), Marks::from(&context)) {
            return Err(Reason::Revoked);
        }
        let (issuer, key) = (Arc::clone(&entry.issuer), Arc::clone(key));
        Ok(Checked { context, issuer, key, valid_from_ms })
    }

    /// This table with a memory of the tokens that it has checked, for reconnect storms.
    #[must_use]
    pub fn with_cache(mut self, cache: TokenCache) -> Self {
        self.cache = Some(Arc::new(cache));
        self
    }

    /// This table with other rules for proofs of possession than the default ones, and with none of
    /// them used yet. A table that is made anew in a running process, for new settings, say, takes what
    /// was used in the minutes before; change the one in a [`KeyRing`](crate::KeyRing) instead.
    #[must_use]
    pub fn with_proofs(mut self, proofs: Proofs) -> Self {
        self.proofs = Arc::new(proofs);
        self
    }

    /// The memory, if there is one.
    #[must_use]
    pub fn cache(&self) -> Option<&TokenCache> {
        self.cache.as_deref()
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

    /// Whose issuer this is, if it is registered.
    #[must_use]
    pub fn tenant_of(&self, issuer: &str) -> Option<&TenantId> {
        self.issuers.get(issuer).map(|entry| &entry.issuer.tenant)
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

    /// The same where nobody can be told that the list is full.
    pub(crate) fn with_revoked_at_least(
        mut self,
        tenant: &TenantId,
        what: Revoked<'_>,
        now: Now,
    ) -> Self {
        Arc::make_mut(&mut self.revocations).revoke_at_least(tenant, what, now);
        self
    }
}

impl Entry {
    /// The key that the token must be signed with.
    fn key_for(&self, token: &Compact<'_>, now: Now) -> Result<&Arc<Key>, Reason> {
        let header = token.header();
        if !self.issuer.token_types.contains(&header.token_type) {
            return Err(Reason::WrongTokenType);
        }
        if !self.issuer.algorithms.contains(&header.algorithm) {
            return Err(Reason::AlgorithmRefused);
        }
        let keys = self.fresh_keys(now).ok_or(Reason::UnknownKey)?;
        let key = keys.get(&header.key_id).ok_or(Reason::UnknownKey)?;
        if key.algorithm() == header.algorithm { Ok(key) } else { Err(Reason::AlgorithmRefused) }
    }

    /// The keys, unless they were fetched too long ago (K8).
    fn fresh_keys(&self, now: Now) -> Option<&KeySet> {
        let (keys, fetched_at) = self.keys.as_deref()?;
        (now.since(*fetched_at) <= self.issuer.longest_key_age).then_some(keys)
    }
}

fn parts(
    issuer: &IssuerConfig,
    token: &Compact<'_>,
    claims: Claims,
    binding: Binding,
    key_print: KeyPrint,
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
        key_print,
        holder_key: claims.holder_key,
    }
}

/// Shows how many issuers there are, not whose.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("issuers", &self.issuers.len()).finish_non_exhaustive()
    }
}
