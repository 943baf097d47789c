//! The check before the upgrade: from the head of one HTTP request to a context, or to a refusal.
//!
//! After `101 Switching Protocols` a socket is a pipe that nobody looks into again, so everything
//! is decided before it. Four rules carry the rest:
//!
//! * *One value.* Of two `Authorization`, `Host` or `Origin` headers a proxy may read the first and
//!   we the second. A request that has two, or two joined by a comma, is refused (SECURITY U03).
//! * *One credential.* The token stands in `Authorization: Bearer`, or, if it is bound to a key of its
//!   holder, in `Authorization: DPoP` beside one proof in `DPoP` ([`dpop`](crate::dpop)). Cookies come along with every
//!   foreign page's request (cross-site WebSocket hijacking, U02), and a query string ends up in
//!   logs (U07): the first are not looked at, a token in the second refuses the request. A page
//!   cannot set `Authorization` on a `WebSocket`; for browsers the token may stand among the
//!   sub-protocols, if the [`Rules`] allow it ([`BEARER_PROTOCOL`]).
//! * *One tenant.* It comes from the token. No header selects it; what a proxy or an attacker
//!   writes into `X-Tenant-Id`, `X-Forwarded-*`, `Forwarded` or `X-Original-URL` is not read (U05).
//!   A path or a host may *name* one ([`TenantIn`]); it is compared with the token's, and a tenant
//!   that does not exist is as foreign as one that does.
//! * *One spelling.* A path or host that other software could read in another way is refused, so
//!   that the proxy before us, this check and the router behind it decide on the same text (U06).
//!   [`Target`] holds it.
//!
//! A browser is known by its `Origin`, by the `Sec-Fetch-*` and `Sec-CH-UA*` headers, which pages
//! cannot remove, or by a token among its sub-protocols. It needs an origin that is on the token's
//! list *and* on the registration's (U01). Browsers write internationalised names in Punycode, and
//! so must both lists; there is no conversion, which would be a second spelling.
//!
//! What remains is the WebSocket library's: `Connection` and `Sec-WebSocket-Version`.

mod admission;
mod form;
mod protocol;
mod refusal;
mod rules;
pub(crate) mod target;

use cofferdam_core::{ConnectionId, Epoch, Now, Reason, Scoped, TenantContext};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL},
    request::Parts,
};

pub use self::{
    admission::{Admission, Wait},
    protocol::BEARER_PROTOCOL,
    refusal::{busy, refuse, unavailable},
    rules::{InvalidRules, Rules, TenantIn},
    target::Target,
};
use self::{form::only_value, protocol::Offer};
use crate::{AuthFailure, Route, Verifier, dpop::Proof, place::Place, verifier::Binding};

/// RFC 9449 section 4.1.
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Decides whether a request may become a stream, and whose: a [`Policy`] of the default rules.
///
/// # Errors
///
/// [`AuthFailure`], for the audit log; [`refuse`] makes the peer's answer of it.
pub fn authorise(
    verifier: &Verifier,
    request: &Parts,
    route: &Route<'_>,
    now: Now,
    connection: ConnectionId,
    epoch: Epoch,
) -> Result<TenantContext, AuthFailure> {
    let policy = Policy::default();
    policy.check(verifier, request, route, now, connection, epoch).map(|upgrade| upgrade.context)
}

/// The rules of one listener, checked: what it serves, and how it takes credentials.
///
/// ```
/// use cofferdam_auth::upgrade::{Policy, Rules, TenantIn};
///
/// let policy = Policy::new(Rules {
///     hosts: vec!["events.example.com".to_owned()],
///     tenant: TenantIn::PathAfter("/tenants/".to_owned()),
///     region: Some("eu-1".to_owned()),
///     ..Rules::default()
/// });
/// assert!(policy.is_ok());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Rules,
}

/// A request that may become a stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Upgrade {
    /// Whose stream it is, bound to the connection that was asked for.
    pub context: TenantContext,
    /// What was asked for, in its one spelling.
    pub target: Target,
    /// The sub-protocol that was agreed on, one of [`Rules::protocols`]. Never a token.
    pub protocol: Option<HeaderValue>,
}

impl Policy {
    /// Checks the rules.
    ///
    /// # Errors
    ///
    /// [`InvalidRules`] if they name something that no request could match, or contradict
    /// themselves.
    pub fn new(rules: Rules) -> Result<Self, InvalidRules> {
        rules.check()?;
        Ok(Self { rules })
    }

    /// Decides whether a request may become a stream, and whose.
    ///
    /// Both `route` and the rules must hold.
    ///
    /// # Errors
    ///
    /// [`AuthFailure`], for the audit log; [`refuse`] makes the peer's answer of it.
    pub fn check(
        &self,
        verifier: &Verifier,
        request: &Parts,
        route: &Route<'_>,
        now: Now,
        connection: ConnectionId,
        epoch: Epoch,
    ) -> Result<Upgrade, AuthFailure> {
        let presented = self.read(request).map_err(AuthFailure::anonymous)?;
        let Presented { target, protocol, token, proof, origin } = presented;
        let binding = Binding { now, connection, epoch };
        // A proof for an address that the requester chose would be a proof for any.
        if proof.is_some() && !self.rules.has_address() {
            return Err(AuthFailure::anonymous(Reason::ProofRefused));
        }
        let uri = proof.is_some().then(|| target.uri(self.rules.public_port.unwrap_or(443)));
        let proof = proof.zip(uri.as_deref());
        let proof = proof.map(|(jwt, uri)| Proof::new(jwt, request.method.as_str(), uri));
        // A new connection renews nothing.
        let route = &route.of_nobodys_session();
        let place = Place { token, route, origin, proof: proof.as_ref() };
        let context = verifier.authenticate(&place, binding)?;
        // After the signature, so that the answer to a stranger never depends on a tenant's name.
        match self.compare(&context, &target) {
            Ok(()) => Ok(Upgrade { context, target, protocol }),
            Err(reason) => Err(AuthFailure::forbidden(context.tenant().clone(), reason)),
        }
    }

    /// The token that a request presents, if it presents one as the rules have it; nothing of it is
    /// proved.
    #[must_use]
    pub fn token<'r>(&self, request: &'r Parts) -> Option<&'r str> {
        self.read(request).ok().map(|presented| presented.token)
    }

    /// What the request says, of which nothing is proved.
    fn read<'r>(&self, request: &'r Parts) -> Result<Presented<'r>, Reason> {
        let target = form::check(request)?;
        if !self.rules.serves(target.host()) {
            return Err(Reason::HostNotServed);
        }
        let headers = &request.headers;
        let offer = Offer::read(headers)?;
        let protocol = offer.choose(&self.rules.protocols);
        let (scheme, token) = match (only_value(headers, &AUTHORIZATION)?, offer.token) {
            // U03: which one counts would be anybody's guess.
            (Some(_), Some(_)) => return Err(Reason::RequestMalformed),
            (Some(value), None) => credential(value)?,
            (None, Some(token)) if self.rules.token_in_protocol => (Scheme::Protocol, token),
            (None, _) => return Err(Reason::CredentialMalformed),
        };
        // RFC 9449 section 7.1: the one comes with the other.
        let proof = only_value(headers, &DPOP)?;
        if proof.is_some() != (scheme == Scheme::Dpop) {
            return Err(Reason::ProofRefused);
        }
        let among_protocols = scheme == Scheme::Protocol;
        if among_protocols && protocol.is_none() {
            // A browser takes no `101` without a protocol that it offered, and the token's own name
            // must not be answered.
            return Err(Reason::RequestMalformed);
        }
        let origin = form::browser_origin(headers)?.or_else(|| among_protocols.then_some(""));
        Ok(Presented { target, protocol, token, proof, origin })
    }

    /// A01: the tenant that the address names, and the region of this node, against the token's.
    fn compare(&self, context: &TenantContext, target: &Target) -> Result<(), Reason> {
        if !self.rules.tenant.agrees(target, context.tenant()) {
            return Err(Reason::TenantMismatch);
        }
        match self.rules.region.as_deref() {
            Some(own) if context.region() != Some(own) => Err(Reason::WrongRegion),
            _ => Ok(()),
        }
    }
}

struct Presented<'r> {
    target: Target,
    protocol: Option<HeaderValue>,
    token: &'r str,
    proof: Option<&'r str>,
    origin: Option<&'r str>,
}

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    /// With a proof of possession.
    Dpop,
    /// Among the sub-protocols.
    Protocol,
}

impl Upgrade {
    /// Takes the credential out of a request that is handed on, so that nothing behind the check
    /// can log, forward or answer it. Of the sub-protocols the one that was agreed on stays.
    pub fn seal(&self, request: &mut HeaderMap) {
        request.remove(AUTHORIZATION);
        request.remove(DPOP);
        self.answer(request);
    }

    /// Writes the agreed sub-protocol into an answer, in place of any that stands there.
    pub fn answer(&self, answer: &mut HeaderMap) {
        match &self.protocol {
            Some(protocol) => drop(answer.insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone())),
            None => drop(answer.remove(SEC_WEBSOCKET_PROTOCOL)),
        }
    }
}

/// RFC 6750 section 2.1 and RFC 9449 section 7.1: the scheme in any case (RFC 9110 section 11.1), one
/// space, the token.
fn credential(value: &str) -> Result<(Scheme, &str), Reason> {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok((Scheme::Bearer, token))
        }
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => Ok((Scheme::Dpop, token)),
        _ => Err(Reason::CredentialMalformed),
    }
}
