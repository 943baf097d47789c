//! Proof of possession (DPoP, RFC 9449): a token that is of use to its holder alone.
//!
//! Whoever has a bearer token can use it: a proxy's log, a crash dump, a second process on the host.
//! An issuer can bind a token to a key instead, by its thumbprint in the claim `cnf`. The holder then
//! signs, for each request, a small token of its own (the *proof*) that names the method, the address,
//! the access token and the time. A stolen token without the key is worth nothing (SECURITY A14).
//!
//! A token that is bound is never taken without its proof, whoever presents it and however: that is
//! not the registration's choice, since to take it would undo what its issuer meant.
//! [`requires_dpop`](crate::IssuerConfig::requires_dpop) refuses tokens that are not bound, too.
//!
//! # What a proof is held against
//!
//! In the order of RFC 9449 section 4.3: one header; a compact JWS with `typ` `dpop+jwt`; a signature
//! by an algorithm of [`Algorithm::DEFAULT`] under the *public* key that its header carries (the one
//! place where a token may bring its key, because what counts is only that it is the key in `cnf`);
//! `htm` and `htu`; `ath`; `iat` within [`Proofs::new`]'s window on either side, and `nbf` and `exp`
//! where the holder set them; a nonce of ours, where [`Proofs::with_nonces`] asks for one; and that it
//! was not used before.
//!
//! # Used before
//!
//! A proof is good for two windows at most: from `iat` minus a window to `iat` plus a window. So what
//! is remembered is kept in two halves, each of two windows of the monotonic clock and a second. An id
//! goes into the newer half and is looked for in both; when the newer has lasted its time it becomes the
//! older one, and the older is forgotten. Whatever was used is remembered for at least as long as it
//! could be used again, and nothing has to be searched for what is too old.
//!
//! That is so while both clocks go alike. They may not: the wall clock is set back, or somebody reads
//! two monotonic ones. So of what is forgotten one number stays, the latest `iat` of it, and what was
//! issued by then is not taken any more. With clocks that go right the window has refused it long
//! before.
//!
//! Each tenant has a memory of its own, and when it is full *that tenant's* proofs are refused: to
//! forget one would be to let it be used again. What is remembered is 16 bytes of SHA-256 over the key
//! and the proof's id; a holder who finds a collision has his own proof refused.
//!
//! The memory is this process's, and begins empty. A proof that was used is good at another node, and at
//! this one after a restart, for what is left of its window, unless the proofs need nonces *and* every
//! node and every start has a secret of its own: then a proof is good where its nonce was made. With one
//! secret for all, a nonce shows that a proof was made lately, and no more.
//!
//! # Example
//!
//! A listener takes proofs once it has an address of its own:
//!
//! ```
//! use cofferdam_auth::{Verifier, dpop::Proofs, upgrade::{Policy, Rules}};
//! use cofferdam_core::Authority;
//!
//! let policy = Policy::new(Rules {
//!     hosts: vec!["events.example.com".to_owned()],
//!     ..Rules::default()
//! })?;
//! // Both secrets from your random source.
//! let verifier = Verifier::new(Authority::new([7; 16]))
//!     .with_proofs(Proofs::default().with_nonces(&[9; 32]));
//! # let _ = (policy, verifier);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Algorithm::DEFAULT`]: crate::Algorithm::DEFAULT

mod nonces;
mod proof;
mod seen;

use std::{fmt, time::Duration};

use cofferdam_core::{Now, Reason, TenantId};

pub use self::proof::Proof;
use self::{
    nonces::Nonces,
    proof::Proved,
    seen::{Refused, Seen},
};
use crate::{AuthFailure, claims::millis, key::Thumbprint};

/// How far a proof's `iat` may be from now, if nobody says otherwise.
const WINDOW: Duration = Duration::from_secs(60);
/// The most that it may be: ten minutes of remembering everything.
const MAX_WINDOW: Duration = Duration::from_secs(600);
/// How many proofs of one tenant are remembered for each of the two halves.
const ROOM: usize = 65_536;

/// What is asked of proofs, and which were used; see
/// [`Verifier::with_proofs`](crate::Verifier::with_proofs).
pub struct Proofs {
    window: Duration,
    nonces: Option<Nonces>,
    seen: Seen,
}

impl Proofs {
    /// Proofs whose `iat` is at most `window` away from now, on either side; a second to ten minutes.
    ///
    /// A tenant may use 65,536 in two windows: over 500 a second with the minute of
    /// [`default`](Self::default).
    #[must_use]
    pub fn new(window: Duration) -> Self {
        let window = window.clamp(Duration::from_secs(1), MAX_WINDOW);
        let span = window * 2 + Duration::from_secs(1);
        Self { window, nonces: None, seen: Seen::new(span, ROOM) }
    }

    /// A proof must hold a nonce that was made here, with this secret, at most two windows ago.
    ///
    /// Without it a proof can be made long before it is used, by whoever can use the key for a moment.
    /// The price is one more round trip for a client that has no nonce yet: it is refused with one
    /// ([`AuthFailure::nonce`]). The secret must be random.
    #[must_use]
    pub fn with_nonces(mut self, secret: &[u8; 32]) -> Self {
        self.nonces = Some(Nonces::new(secret, self.window));
        self
    }

    /// Checks the proof that came with a token which is bound to the key of this thumbprint, and
    /// remembers that it was used.
    pub(crate) fn check(
        &self,
        proof: &Proof<'_>,
        token: &str,
        holder: &Thumbprint,
        tenant: &TenantId,
        now: Now,
    ) -> Result<(), AuthFailure> {
        let own = |reason| AuthFailure::of(tenant.clone(), reason);
        let proved = proof.check(token, holder).map_err(own)?;
        if !self.is_timely(&proved, now) {
            return Err(own(Reason::ProofRefused));
        }
        if let Some(nonces) = &self.nonces
            && !proved.nonce.as_deref().is_some_and(|nonce| nonces.made(nonce, tenant, now))
        {
            return Err(AuthFailure::of_nonce(tenant.clone(), nonces.make(tenant, now)));
        }
        let taken = self.seen.take(tenant, proved.id, proved.issued_at_ms, now);
        taken.map_err(|refused| match refused {
            Refused::Used => own(Reason::ProofReplayed),
            Refused::Full => own(Reason::TooManyProofs),
        })
    }

    fn is_timely(&self, proved: &Proved, now: Now) -> bool {
        let (now, window) = (now.wall_ms(), millis(self.window));
        let age = i64::try_from(now.abs_diff(proved.issued_at_ms)).unwrap_or(i64::MAX);
        age <= window
            && proved.not_before_ms.is_none_or(|from| from <= now.saturating_add(window))
            && proved.expires_at_ms.is_none_or(|until| now < until)
    }
}

/// A minute on either side, and no nonces.
impl Default for Proofs {
    fn default() -> Self {
        Self::new(WINDOW)
    }
}

/// Shows what is asked, and nothing of who used what.
impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs")
            .field("window", &self.window)
            .field("nonces", &self.nonces.is_some())
            .finish_non_exhaustive()
    }
}
