//! What a peer is told: one body for every refusal, as a problem document (RFC 9457).

use std::time::Duration;

use cofferdam_core::Reason;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::AuthFailure;

/// The one answer to every refused credential.
///
/// Only what the peer knows already shows: that its request was no request (400), that the host it
/// named is not served here (421), that it holds no valid token (401), or that its token is valid
/// and not for here (403). The body and its length are the same. Whether another tenant exists does
/// not show: a tenant's token is as much refused at a neighbour's route as at one that leads
/// nowhere.
///
/// One thing more is told, to whoever holds a valid token and the key that it is bound to: the nonce
/// that the proof must hold (RFC 9449 section 9), in `DPoP-Nonce`.
#[must_use]
pub fn refuse(failure: &AuthFailure) -> Response<&'static str> {
    let mut response = denied(match failure.reason() {
        // To a valid token and a good proof, as `busy` is.
        Reason::TooManyProofs => return busy(MEMORY_PAUSE),
        Reason::RequestMalformed => StatusCode::BAD_REQUEST,
        Reason::HostNotServed => StatusCode::MISDIRECTED_REQUEST,
        _ if failure.is_authenticated() => StatusCode::FORBIDDEN,
        _ => StatusCode::UNAUTHORIZED,
    });
    if let Some(nonce) = failure.nonce().and_then(|nonce| HeaderValue::from_str(nonce).ok()) {
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(NONCE_CHALLENGE));
        headers.insert(DPOP_NONCE, nonce);
    }
    response
}

/// How long a tenant waits whose proofs can no longer be remembered; they are for some minutes.
const MEMORY_PAUSE: Duration = Duration::from_secs(60);
/// RFC 9449 section 8.2.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Every refusal's. The algorithms are those of [`Algorithm::DEFAULT`](crate::Algorithm::DEFAULT).
const CHALLENGE: &str = r#"Bearer, DPoP algs="RS256 ES256 EdDSA Ed25519""#;
const NONCE_CHALLENGE: &str = r#"DPoP error="use_dpop_nonce", algs="RS256 ES256 EdDSA Ed25519""#;

/// The answer to a tenant that opens connections faster than it may: 429. Only for whoever showed a
/// valid token of that tenant; to anybody else it would say how busy the tenant is.
#[must_use]
pub fn busy(retry_after: Duration) -> Response<&'static str> {
    later(StatusCode::TOO_MANY_REQUESTS, retry_after)
}

/// The answer of a node that takes nobody at the moment: 503.
#[must_use]
pub fn unavailable(retry_after: Duration) -> Response<&'static str> {
    later(StatusCode::SERVICE_UNAVAILABLE, retry_after)
}

fn denied(status: StatusCode) -> Response<&'static str> {
    let mut response = Response::new(r#"{"type":"about:blank","title":"Denied"}"#);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // RFC 9110 section 11.6.1 wants it with 401. No `error` attribute, which would be a reason.
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    response
}

/// RFC 9110 section 10.2.3: whole seconds, here rounded up and never zero.
fn later(status: StatusCode, after: Duration) -> Response<&'static str> {
    let mut response = denied(status);
    let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_one_and_the_same() {
        let bodies: Vec<_> = Reason::ALL
            .iter()
            .filter(|reason| **reason != Reason::TooManyProofs)
            .map(|&reason| refuse(&AuthFailure::anonymous(reason)))
            .map(|response| {
                assert!([400, 401, 421].contains(&response.status().as_u16()));
                (*response.body(), response.headers().clone())
            })
            .collect();
        assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn overload_says_when_to_come_back_and_nothing_else() {
        let full = refuse(&AuthFailure::anonymous(Reason::TooManyProofs));
        assert_eq!(
            (full.status().as_u16(), &full.headers()[RETRY_AFTER]),
            (429, &"60".parse().unwrap())
        );
        let refused = refuse(&AuthFailure::anonymous(Reason::UnknownIssuer));
        for (mut response, status) in [
            (busy(Duration::from_millis(1_001)), 429),
            (unavailable(Duration::from_millis(1_999)), 503),
        ] {
            assert_eq!(response.status(), status);
            let after = response.headers_mut().remove(RETRY_AFTER);
            assert_eq!(after.unwrap(), "2");
            assert_eq!((response.headers(), response.body()), (refused.headers(), refused.body()));
        }
        assert_eq!(busy(Duration::from_secs(2)).headers()[RETRY_AFTER], "2");
        let at_once = busy(Duration::ZERO);
        assert_eq!(at_once.headers()[RETRY_AFTER], "1");
        assert_eq!(busy(Duration::MAX).headers()[RETRY_AFTER], u64::MAX.to_string());
    }
}
