//! A verifier that changes while it is used: rotation and revocation without a restart or a lock.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use cofferdam_core::{ConnectionId, Epoch, Now, TenantContext, TenantId};

use crate::{
    AuthFailure, InvalidIssuer, InvalidKeySet, IssuerConfig, KeySet, RevocationsFull, Revoked,
    Route, Verifier, dpop::Proof,
};

/// The current [`Verifier`], swapped whole.
///
/// A check sees one table from beginning to end, the old or the new, and never waits. A change is
/// seen by every check that begins after it returns. Writers that collide try again on the other's
/// table, so no change is lost.
pub struct KeyRing {
    current: ArcSwap<Verifier>,
}

impl KeyRing {
    /// A ring that begins with this table.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self { current: ArcSwap::from_pointee(verifier) }
    }

    /// The table of this moment.
    #[must_use]
    pub fn verifier(&self) -> Arc<Verifier> {
        self.current.load_full()
    }

    /// [`Verifier::verify`] with the table of this moment.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify(
        &self,
        token: &str,
        route: &Route<'_>,
        now: Now,
        connection: ConnectionId,
        epoch: Epoch,
    ) -> Result<TenantContext, AuthFailure> {
        self.current.load().verify(token, route, now, connection, epoch)
    }

    /// [`Verifier::verify_held`] with the table of this moment.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify_held(
        &self,
        token: &str,
        proof: &Proof<'_>,
        route: &Route<'_>,
        now: Now,
        connection: ConnectionId,
        epoch: Epoch,
    ) -> Result<TenantContext, AuthFailure> {
        self.current.load().verify_held(token, proof, route, now, connection, epoch)
    }

    /// Adds an issuer, which has no keys yet.
    ///
    /// # Errors
    ///
    /// As [`Verifier::with_issuer`]; the table stays as it was.
    pub fn register(&self, issuer: &IssuerConfig) -> Result<(), InvalidIssuer> {
        self.change(|table| table.with_issuer(issuer.clone()))
    }

    /// Removes an issuer; its tokens are refused from now on. It ends no session, and a driver goes on
    /// fetching: with one, remove it there (`KeyKeeper::remove` in `cofferdam-tokio`).
    pub fn remove(&self, issuer: &str) {
        self.current.rcu(|table| Verifier::clone(table).without_issuer(issuer));
    }

    /// Puts the keys that an issuer's endpoint answered with at `now` in place of all its keys. A
    /// key that is not among them verifies nothing from now on. It ends no session; a registry of live
    /// sessions has the same call, which does.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySet`] if the answer is empty or broken, or the issuer is not registered. The
    /// keys stay as they were, until they are too old
    /// ([`longest_key_age`](IssuerConfig::longest_key_age)).
    pub fn replace_keys(&self, issuer: &str, jwks: &[u8], now: Now) -> Result<(), InvalidKeySet> {
        self.install_keys(issuer, &KeySet::import(jwks)?, now)
    }

    /// The same with a set that was read already, as [`Refresher`](crate::refresh::Refresher) hands
    /// it over.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySet::UnknownIssuer`] if the issuer is not registered.
    pub fn install_keys(&self, issuer: &str, keys: &KeySet, now: Now) -> Result<(), InvalidKeySet> {
        self.change(|table| table.with_keys(issuer, keys.clone(), now))
    }

    /// Revokes `what` of `tenant`. It ends no session and tells no other node: with a registry of live
    /// sessions, call that (`SessionRegistry::revoke` in `cofferdam-tokio`).
    ///
    /// # Errors
    ///
    /// [`RevocationsFull`]; nothing was revoked.
    pub fn revoke(
        &self,
        tenant: &TenantId,
        what: Revoked<'_>,
        now: Now,
    ) -> Result<(), RevocationsFull> {
        self.change(|table| table.with_revoked(tenant, what, now))
    }

    /// The same where nobody can be told that the tenant's list is full, as what another node has
    /// revoked: then all of the tenant's tokens are refused that were issued up to the cut (for a token
    /// 30 s beyond it, as it may be dated ahead), and for a key all that will ever be.
    pub fn revoke_at_least(&self, tenant: &TenantId, what: Revoked<'_>, now: Now) {
        self.current.rcu(|table| Verifier::clone(table).with_revoked_at_least(tenant, what, now));
    }

    /// Compare and swap: tries `change` on the current table until nobody was faster.
    fn change<E>(&self, change: impl Fn(Verifier) -> Result<Verifier, E>) -> Result<(), E> {
        let mut current = self.current.load();
        loop {
            let next = Arc::new(change(Verifier::clone(&current))?);
            let previous = self.current.compare_and_swap(&*current, next);
            if Arc::ptr_eq(&previous, &current) {
                return Ok(());
            }
            current = previous;
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing").field(&self.current.load()).finish()
    }
}
