//! What a request's head must look like before anybody asks what it says.

use cofferdam_core::Reason;
use http::{
    HeaderMap, HeaderName, Method, Version,
    header::{
        CONTENT_LENGTH, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
        UPGRADE,
    },
    request::Parts,
};

use super::Target;

/// A request for a stream, without a body, for one host, with nothing twice and no token in its
/// address.
pub(super) fn check(request: &Parts) -> Result<Target, Reason> {
    let headers = &request.headers;
    let target = Target::read(request)?;
    let sound = asks_for_a_stream(request)?
        && has_no_body(headers)?
        && has_one_of_each(headers)
        && !target.query().is_some_and(holds_a_token)
        && !target.path().split('/').any(is_a_token);
    if sound { Ok(target) } else { Err(Reason::RequestMalformed) }
}

/// `GET`, or what stands in its place since HTTP/2: an extended `CONNECT` (RFC 8441), which has a
/// scheme and a path where a tunnel's has neither.
fn asks_for_a_stream(request: &Parts) -> Result<bool, Reason> {
    // An upgrade to anything else (`h2c`) is a way past whoever checks single requests (U04).
    let upgrade = only_value(&request.headers, &UPGRADE)?;
    let to_websocket = upgrade.is_none_or(|value| value.eq_ignore_ascii_case("websocket"));
    let method = match request.version {
        Version::HTTP_11 => request.method == Method::GET,
        Version::HTTP_2 | Version::HTTP_3 => {
            let extended = request.method == Method::CONNECT && request.uri.scheme().is_some();
            request.method == Method::GET || extended
        }
        _ => false,
    };
    Ok(method && to_websocket)
}

/// U04: whose length two readers could disagree on is no upgrade.
fn has_no_body(headers: &HeaderMap) -> Result<bool, Reason> {
    let length = only_value(headers, &CONTENT_LENGTH)?;
    Ok(!headers.contains_key(TRANSFER_ENCODING) && length.is_none_or(|length| length == "0"))
}

/// U03: `X-Tenant*` selects nothing here, but two of them may select something further down.
fn has_one_of_each(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .filter(|name| {
            name.as_str().starts_with("x-tenant")
                || [&SEC_WEBSOCKET_KEY, &SEC_WEBSOCKET_VERSION].contains(name)
        })
        .all(|name| only_value(headers, name).is_ok())
}

/// The value of a header that stands at most once and is no list.
pub(super) fn only_value<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, Reason> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| Reason::RequestMalformed)?;
    if values.next().is_some() || text.contains(',') {
        return Err(Reason::RequestMalformed);
    }
    Ok(Some(text))
}

/// The origin that a browser's request comes from, empty if it does not say; `None` if no browser
/// sent it. Which origins are good the token says, so what is no origin at all is refused there.
pub(super) fn browser_origin(headers: &HeaderMap) -> Result<Option<&str>, Reason> {
    let is_browser = || headers.keys().any(is_browser_mark);
    Ok(only_value(headers, &ORIGIN)?.or_else(|| is_browser().then_some("")))
}

/// Forbidden header names (Fetch standard): a page's script can neither set nor remove them.
fn is_browser_mark(name: &HeaderName) -> bool {
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

/// U07: a compact JWS as a segment of the path, which is logged like a query.
fn is_a_token(segment: &str) -> bool {
    segment.starts_with("eyJ") && segment.bytes().filter(|&byte| byte == b'.').count() == 2
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
}
