//! The check before the upgrade: from the head of one HTTP request to a context, or to a refusal.
//!
//! After `101 Switching Protocols` a socket is a pipe that nobody looks into again, so everything
//! is decided before it. Three rules carry the rest:
//!
//! * *One value.* Of two `Authorization`, `Host` or `Origin` headers a proxy may read the first and
//!   we the second. A request that has two, or two joined by a comma, is refused (SECURITY U03).
//! * *One credential.* The token stands in `Authorization: Bearer`. Cookies come along with every
//!   foreign page's request (cross-site WebSocket hijacking, U02), and a query string ends up in
//!   logs (U07): the first are not looked at, a token in the second refuses the request.
//! * *One tenant.* It comes from the token. No header and no path selects it; what a proxy or an
//!   attacker writes into `X-Tenant-Id`, `X-Forwarded-*`, `Forwarded` or `X-Original-URL` is not
//!   read (U05).
//!
//! A browser is known by its `Origin` or by the `Sec-Fetch-*` and `Sec-CH-UA*` headers, which pages
//! cannot remove. It needs an origin that is on the token's list *and* on the registration's (U01).
//! Pages cannot set `Authorization` on a `WebSocket`, so these are fetch streams and the like.
//!
//! What remains is the WebSocket library's: `Upgrade`, `Sec-WebSocket-Key` and `-Version`.

use cofferdam_core::{ConnectionId, Epoch, Now, Reason, TenantContext};
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Version,
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN,
        TRANSFER_ENCODING, WWW_AUTHENTICATE,
    },
    request::Parts,
};

use crate::{AuthFailure, Route, Verifier, verifier::Binding};

/// Decides whether a request may become a stream, and whose.
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
    check_form(request).map_err(AuthFailure::anonymous)?;
    let token = bearer_token(&request.headers).map_err(AuthFailure::anonymous)?;
    let origin = browser_origin(&request.headers).map_err(AuthFailure::anonymous)?;
    verifier.authenticate(token, route, origin, Binding { now, connection, epoch })
}

/// The one answer to every refusal, as a problem document (RFC 9457).
///
/// Only three things show, each of which the peer knows already: that its request was no request
/// (400), that it holds no valid token (401), or that its token is valid and not for here (403).
/// The body and its length are the same. Whether another tenant exists does not show: a tenant's
/// token is as much refused at a neighbour's route as at one that leads nowhere.
#[must_use]
pub fn refuse(failure: &AuthFailure) -> Response<&'static str> {
    let mut response = Response::new(r#"{"type":"about:blank","title":"Denied"}"#);
    *response.status_mut() = status(failure);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // RFC 9110 section 11.6.1 wants it with 401. No `error` attribute, which would be a reason.
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn status(failure: &AuthFailure) -> StatusCode {
    match failure.reason() {
        Reason::RequestMalformed => StatusCode::BAD_REQUEST,
        _ if failure.is_authenticated() => StatusCode::FORBIDDEN,
        _ => StatusCode::UNAUTHORIZED,
    }
}

/// A GET without a body, for one host, with nothing twice and no token in its address.
fn check_form(request: &Parts) -> Result<(), Reason> {
    let headers = &request.headers;
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0");
    let sound = request.method == Method::GET
        && !has_body
        && has_one_host(request)
        && has_one_of_each_tenant_header(headers)
        && !request.uri.query().is_some_and(holds_a_token);
    if sound { Ok(()) } else { Err(Reason::RequestMalformed) }
}

/// One `Host`; in HTTP/2 and later `:authority` may stand in its place, and must agree with it.
fn has_one_host(request: &Parts) -> bool {
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    match only_value(&request.headers, &HOST) {
        Ok(Some(host)) => {
            let is_one = |b: u8| b.is_ascii_graphic() && !matches!(b, b',' | b'@' | b'/' | b'\\');
            !host.is_empty()
                && host.bytes().all(is_one)
                && authority.is_none_or(|authority| authority == host)
        }
        Ok(None) => request.version >= Version::HTTP_2 && authority.is_some(),
        Err(_) => false,
    }
}

/// U03: `X-Tenant*` selects nothing here, but two of them may select something further down.
fn has_one_of_each_tenant_header(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-tenant"))
        .all(|name| only_value(headers, name).is_ok())
}

/// The value of a header that stands at most once and is no list.
fn only_value<'h>(
    headers: &'h HeaderMap,
    name: &http::HeaderName,
) -> Result<Option<&'h str>, Reason> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| Reason::RequestMalformed)?;
    if values.next().is_some() || text.contains(',') {
        return Err(Reason::RequestMalformed);
    }
    Ok(Some(text))
}

/// RFC 6750 section 2.1: the scheme in any case (RFC 9110 section 11.1), one space, the token.
fn bearer_token(headers: &HeaderMap) -> Result<&str, Reason> {
    let value = only_value(headers, &AUTHORIZATION)?.ok_or(Reason::CredentialMalformed)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token),
        _ => Err(Reason::CredentialMalformed),
    }
}

/// The origin that a browser's request comes from, empty if it does not say; `None` if no browser
/// sent it. Which origins are good the token says, so what is no origin at all is refused there.
fn browser_origin(headers: &HeaderMap) -> Result<Option<&str>, Reason> {
    let is_browser = || headers.keys().any(is_browser_mark);
    Ok(only_value(headers, &ORIGIN)?.or_else(|| is_browser().then_some("")))
}

/// Forbidden header names (Fetch standard): a page's script can neither set nor remove them.
fn is_browser_mark(name: &http::HeaderName) -> bool {
    name.as_str().starts_with("sec-fetch-") || name.as_str().starts_with("sec-ch-ua")
}

/// Names under which tokens have been seen in query strings.
const TOKEN_PARAMETERS: &[&str] = &[
    "access_token",
    "auth",
    "auth_token",
    "authorization",
    "bearer",
    "bearer_token",
    "id_token",
    "jwt",
    "token",
];

/// U07: a parameter of a token's name, or anything that has a token's form.
fn holds_a_token(query: &str) -> bool {
    query.split(['&', ';']).any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, parameter));
        let name = percent_decoded(name).to_ascii_lowercase();
        // Every compact JWS begins with the base64url of `{"`.
        TOKEN_PARAMETERS.iter().any(|own| own.as_bytes() == name)
            || percent_decoded(value).starts_with(b"eyJ")
    })
}

/// As RFC 3986 section 2.1; an escape that is none stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|&b| char::from(b).to_digit(16));
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| digit(after.first()).zip(digit(after.get(1))));
        match escaped.flatten() {
            Some((high, low)) => {
                // Two hexadecimal digits are below 256.
                decoded.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// U07.
    #[test]
    fn finds_a_token_in_a_query_under_any_spelling() {
        for query in [
            "access_token=x",
            "a=1&Access_Token=x",
            "a=1;token=x",
            "acc%65ss_token",
            "x=eyJhbGciOiJub25lIn0.e30.",
            "x=%65yJ",
            "eyJhbGciOiJub25lIn0.e30.",
        ] {
            assert!(holds_a_token(query), "{query}");
        }
        for query in ["", "cursor=abc", "a=%", "a=%6", "a=%zz", "tokens=3", "page_token=3"] {
            assert!(!holds_a_token(query), "{query}");
        }
    }

    #[test]
    fn the_body_is_one_and_the_same() {
        let bodies: Vec<_> = Reason::ALL
            .iter()
            .map(|&reason| refuse(&AuthFailure::anonymous(reason)))
            .map(|response| {
                assert!([400, 401, 403].contains(&response.status().as_u16()));
                (*response.body(), response.headers().clone())
            })
            .collect();
        assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
