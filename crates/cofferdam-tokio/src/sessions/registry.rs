//! The registry: what is opened, revoked and withdrawn, and in which order it is told.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use cofferdam_auth::{
    InvalidKeySet, KeyRing, KeySet, RevocationsFull, Revoked,
    session::{FeedDown, Input, Limits, Notice, RevocationFeed, Target, Why},
};
use cofferdam_core::{TenantContext, TenantId};
use tokio::sync::oneshot;

use super::{
    SessionDriver, SessionGuard,
    shared::{LEEWAY, Shared},
};
use crate::Clock;

/// All live sessions of a process. Cheap to clone; clones are the same registry.
#[derive(Clone)]
pub struct SessionRegistry {
    shared: Arc<Shared>,
}

/// Why a revocation is not everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// Nothing was revoked: see [`RevocationsFull`]. [`Revoked::Everything`] always has room.
    #[error(transparent)]
    Full(#[from] RevocationsFull),
    /// It is revoked on this node, and the feed did not take it. Revoke again.
    #[error("revoked on this node only")]
    NotSpread(#[from] FeedDown),
}

impl SessionRegistry {
    /// A registry for a process that shares its revocations with nobody, and the driver that must be
    /// kept for as long as there are sessions.
    ///
    /// What is revoked is in memory: after a restart it is the caller's to revoke again, as far as
    /// tokens of before are still good and revoked keys still published.
    ///
    /// Must be called within a Tokio runtime.
    pub fn start(keys: Arc<KeyRing>, clock: Clock, limits: Limits) -> (Self, SessionDriver) {
        let limits = Limits { feed: None, ..limits };
        Self::with(Arc::new(Shared::new(keys, clock, limits, None)))
    }

    /// The same, hearing of other nodes' revocations and telling them its own. If the limits say
    /// nothing of the feed's silence, as much is borne as the default of
    /// [`FeedSilence`](cofferdam_auth::session::FeedSilence) says.
    ///
    /// # Errors
    ///
    /// [`FeedDown`] if the feed does not take a listener.
    pub fn start_with_feed(
        keys: Arc<KeyRing>,
        clock: Clock,
        limits: Limits,
        feed: Arc<dyn RevocationFeed>,
    ) -> Result<(Self, SessionDriver), FeedDown> {
        let silence = Some(limits.feed.unwrap_or_default());
        let limits = Limits { feed: silence, ..limits };
        let shared = Arc::new(Shared::new(keys, clock, limits, Some(Arc::clone(&feed))));
        // Weak: the feed must not keep a registry that everybody else has dropped. Before the driver
        // begins, whose first heartbeat is to be heard.
        let listener: Weak<Shared> = Arc::downgrade(&shared);
        feed.subscribe(listener)?;
        Ok(Self::with(shared))
    }

    fn with(shared: Arc<Shared>) -> (Self, SessionDriver) {
        (Self { shared: Arc::clone(&shared) }, SessionDriver::start(shared))
    }

    /// Opens the session of a connection that was accepted. Call it before the first frame is sent.
    ///
    /// # Errors
    ///
    /// [`Why`] there is none: the credential was revoked or has expired since it was checked, the
    /// feed is silent, or there are too many. The peer's socket is to be closed
    /// ([`close_frame`](super::close_frame)).
    pub fn open(&self, context: TenantContext) -> Result<SessionGuard, Why> {
        let (sender, ended) = oneshot::channel();
        self.shared.turn(Input::Open { context: context.clone() }, Some(sender))?;
        Ok(SessionGuard::new(Arc::clone(&self.shared), context, ended))
    }

    /// Revokes `what` of `tenant` as of now: no token of it opens a session any more, and no session
    /// of it is open when this returns.
    ///
    /// All that a token says of when it was issued is the date that its issuer gave it, and the
    /// issuer's clock may run ahead of ours by half a minute. So for a subject, a client or
    /// everything, what is issued in the next 30 s is refused too; `revoke_issued_until` draws the
    /// line elsewhere.
    ///
    /// # Errors
    ///
    /// [`RevokeError`], which says whether it is revoked here.
    pub fn revoke(&self, tenant: &TenantId, what: Revoked<'_>) -> Result<(), RevokeError> {
        let until = self.shared.clock.now().after(LEEWAY);
        self.cut(tenant, what, until.wall_ms(), true)
    }

    /// The same for what was issued until `before_ms`, in milliseconds since the Unix epoch. Tokens
    /// and keys are revoked whenever they were issued.
    ///
    /// # Errors
    ///
    /// [`RevokeError`], which says whether it is revoked here.
    pub fn revoke_issued_until(
        &self,
        tenant: &TenantId,
        what: Revoked<'_>,
        before_ms: i64,
    ) -> Result<(), RevokeError> {
        self.cut(tenant, what, before_ms, false)
    }

    fn cut(
        &self,
        tenant: &TenantId,
        what: Revoked<'_>,
        before_ms: i64,
        as_of_now: bool,
    ) -> Result<(), RevokeError> {
        let before_ms = match what {
            // They have no date, and a feed forgets what is dated long ago.
            Revoked::Token(_) | Revoked::Key(_) => self.shared.clock.now().wall_ms(),
            _ => before_ms,
        };
        // The ring first. The other order is as safe, since a context of before is asked about when
        // it opens; but a client that comes back at once would be accepted only to be refused.
        self.shared.keys.revoke(tenant, what, self.shared.cut(before_ms))?;
        let (tenant, target) = (tenant.clone(), Target::from(what));
        let notice = Notice::Revoked { tenant: tenant.clone(), target: target.clone(), before_ms };
        self.shared.tell(Input::Revoke { tenant, target, before_ms, as_of_now });
        Ok(self.shared.publish(&notice)?)
    }

    /// Ends the sessions of a tenant's registrations before `least`. For a tenant that is removed,
    /// its last generation and one; its issuers are the ring's to remove.
    ///
    /// # Errors
    ///
    /// [`FeedDown`] if this node alone has done so.
    pub fn end_generations_before(&self, tenant: &TenantId, least: u64) -> Result<(), FeedDown> {
        let notice = Notice::Generation { tenant: tenant.clone(), least };
        self.shared.tell(Input::from(notice.clone()));
        self.shared.publish(&notice)
    }

    /// [`KeyRing::replace_keys`], which also ends the sessions of keys that were withdrawn, or whose
    /// id is another key's now.
    ///
    /// # Errors
    ///
    /// As there; nothing changes then.
    pub fn replace_keys(&self, issuer: &str, jwks: &[u8]) -> Result<(), InvalidKeySet> {
        let keys = KeySet::import(jwks)?;
        let verifier = self.shared.keys.verifier();
        let tenant = verifier.tenant_of(issuer).ok_or(InvalidKeySet::UnknownIssuer)?;
        self.keys_changed(tenant, issuer, &keys);
        self.shared.keys.install_keys(issuer, &keys, self.shared.clock.now())
    }

    /// Ends the sessions of an issuer that is no longer registered, and admits none of it until its
    /// keys are told again. Remove it from the ring first.
    pub fn issuer_removed(&self, tenant: &TenantId, issuer: &str) {
        let (tenant, issuer) = (tenant.clone(), issuer.into());
        self.shared.tell(Input::KeysChanged { tenant, issuer, keys: Vec::new() });
    }

    /// Ends the sessions of `issuer` whose key is not among `keys`, all that it publishes now.
    ///
    /// Call it before the ring has the new keys: a session of a new key that comes in between would
    /// be refused. What is withdrawn is gone in either order. Once called for an issuer, it must be
    /// called at every change.
    pub fn keys_changed(&self, tenant: &TenantId, issuer: &str, keys: &KeySet) {
        let (tenant, issuer) = (tenant.clone(), issuer.into());
        self.shared.tell(Input::KeysChanged { tenant, issuer, keys: keys.prints() });
    }

    /// How many sessions are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether no session is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for SessionRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRegistry").field("sessions", &self.len()).finish_non_exhaustive()
    }
}
