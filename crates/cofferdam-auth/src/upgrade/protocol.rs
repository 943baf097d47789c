//! `Sec-WebSocket-Protocol`: what the application speaks, and a token where a browser must put it.
//!
//! A page cannot set headers on a `WebSocket`; the list of sub-protocols is the one thing it can
//! say. So the token may stand there, as one name of the list:
//!
//! ```text
//! Sec-WebSocket-Protocol: events.v1, cofferdam.bearer.eyJhbGciOi…
//! ```
//!
//! or `new WebSocket(url, ["events.v1", "cofferdam.bearer." + token])`. A JWT consists of base64url
//! and dots, all of them characters of a token (RFC 9110 section 5.6.2), so nothing is encoded.
//! Kubernetes does the same under `base64url.bearer.authorization.k8s.io.`. The answer must name
//! one of the offered protocols, which would echo the token into logs and to scripts
//! (`WebSocket.protocol`); so the application's own must be on the list, and it is that one that is
//! answered.

use cofferdam_core::Reason;
use http::{
    HeaderMap, HeaderValue,
    header::{self, SEC_WEBSOCKET_PROTOCOL},
};

/// What a sub-protocol that carries the token begins with; the compact JWT follows.
pub const BEARER_PROTOCOL: &str = "cofferdam.bearer.";

/// The longest list: an application's versions and a token.
const MAX_NAMES: usize = 16;

/// What a client offers.
pub(super) struct Offer<'h> {
    names: Vec<&'h str>,
    /// The token that stands among the names. It is not one of them.
    pub(super) token: Option<&'h str>,
}

impl<'h> Offer<'h> {
    /// Reads the list, which may be spread over several headers (RFC 6455 section 11.3.4).
    pub(super) fn read(headers: &'h HeaderMap) -> Result<Self, Reason> {
        let mut offer = Self { names: Vec::new(), token: None };
        for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
            let text = value.to_str().map_err(|_| Reason::RequestMalformed)?;
            for name in text.split(',').map(|name| name.trim_matches([' ', '\t'])) {
                offer.add(name)?;
            }
        }
        Ok(offer)
    }

    fn add(&mut self, name: &'h str) -> Result<(), Reason> {
        let is_new = is_token(name) && !self.names.contains(&name);
        match name.strip_prefix(BEARER_PROTOCOL) {
            Some(token) if is_new && self.token.is_none() => self.token = Some(token),
            None if is_new && self.names.len() < MAX_NAMES => self.names.push(name),
            _ => return Err(Reason::RequestMalformed),
        }
        Ok(())
    }

    /// The first of `own` that was offered.
    pub(super) fn choose(&self, own: &[String]) -> Option<HeaderValue> {
        let chosen = own.iter().find(|own| self.names.contains(&own.as_str()))?;
        // A token is always a header's value.
        HeaderValue::from_str(chosen).ok()
    }
}

/// RFC 9110 section 5.6.2. A header's name is a token too, and `http` knows those.
pub(super) fn is_token(text: &str) -> bool {
    header::HeaderName::from_bytes(text.as_bytes()).is_ok()
}
