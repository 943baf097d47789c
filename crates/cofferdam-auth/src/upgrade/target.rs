//! What a request asks for, in its one spelling: host, path and query (SECURITY U06).
//!
//! `/tenants/acme/../globex`, `/tenants/acme%2f..`, `//globex`, `/acme;x=1` and `\globex` mean one
//! thing to a proxy, another to a router and a third to a check, because each resolves, decodes or
//! strips in its own order. Normalising here does not help: whoever stands before us has decided on
//! the raw text already. So nothing is resolved. A path is accepted only if it is in its normal
//! form, or differs from it in the case of its escapes' digits, which RFC 3986 section 6.2.2.1
//! makes equal and which no known reader treats in two ways; those are written in upper case.
//!
//! The normal form has no empty and no dot segments, no parameters, and escapes only what needs
//! one: not letters, digits, `-`, `.`, `_`, `~` (section 6.2.2.2: `%2e` is a dot in disguise), and
//! never `/`, `\`, `;`, `%` or a control character, which change their meaning when somebody
//! decodes once more. Text beyond ASCII has several spellings (NFC, NFD, overlong UTF-8), so it
//! belongs into the query.
//!
//! A host is compared in lower case (RFC 9110 section 4.2.3). A trailing dot names the same host to
//! the resolver and another to certificates, cookies and origins, so it is refused.

use std::{borrow::Cow, fmt};

use cofferdam_core::Reason;
use http::{Version, header::HOST, request::Parts, uri::Scheme};

use super::form::only_value;
use crate::origin;

/// The longest path, in bytes.
const MAX_PATH: usize = 1_024;
/// The longest query, in bytes.
const MAX_QUERY: usize = 4_096;

/// What a request asks for, in the one spelling that every later decision goes by.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    host: String,
    path: String,
    query: Option<String>,
}

impl Target {
    pub(super) fn read(request: &Parts) -> Result<Self, Reason> {
        let uri = &request.uri;
        let known_scheme =
            uri.scheme().is_none_or(|own| [Scheme::HTTP, Scheme::HTTPS].contains(own));
        if !known_scheme || uri.query().is_some_and(|query| query.len() > MAX_QUERY) {
            return Err(Reason::RequestMalformed);
        }
        Ok(Self {
            host: one_host(request)?.0,
            path: normal_path(uri.path())?.into_owned(),
            query: uri.query().map(str::to_owned),
        })
    }

    /// The host in lower case, without the port. IPv6 addresses stand in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What a proof of possession for it must name (RFC 9449 section 4.2). The port is the listener's
    /// own and not what the request says.
    pub(super) fn uri(&self, port: u16) -> String {
        format!("https://{}:{port}{}", self.host, self.path)
    }

    /// The path: no dot, empty or escaped-slash segments, escapes in upper case.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query as it came. It held no token, or the request had been refused.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
}

/// Shows no query: it may name a person.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.host)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// One `Host`; in HTTP/2 and later `:authority` may stand in its place. Where there are both they
/// must agree, with their ports.
fn one_host(request: &Parts) -> Result<(String, Option<u16>), Reason> {
    let stated = only_value(&request.headers, &HOST)?.map(normal_host).transpose()?;
    let authority = request.uri.authority().map(|own| normal_host(own.as_str())).transpose()?;
    match (stated, authority) {
        (Some(host), None) => Ok(host),
        (Some(host), Some(authority)) if host == authority => Ok(host),
        (None, Some(authority)) if request.version >= Version::HTTP_2 => Ok(authority),
        _ => Err(Reason::RequestMalformed),
    }
}

/// The host in lower case, and the port if one is named.
fn normal_host(text: &str) -> Result<(String, Option<u16>), Reason> {
    let lower = text.to_ascii_lowercase();
    // An IPv6 host holds colons, within its brackets.
    let port_from = lower.rfind(']').unwrap_or(0);
    let (host, port) = match lower[port_from..].find(':') {
        Some(at) => (&lower[..port_from + at], Some(&lower[port_from + at + 1..])),
        None => (lower.as_str(), None),
    };
    let port = match port {
        Some(port) if origin::is_port(port) => port.parse().ok(),
        Some(_) => return Err(Reason::RequestMalformed),
        None => None,
    };
    if origin::is_host(host) { Ok((host.to_owned(), port)) } else { Err(Reason::RequestMalformed) }
}

/// An address behind its scheme as host, port and path, each in its one spelling and without the port
/// of `https`; query and fragment are left out. `None` if it is none.
pub(crate) fn normal_address(text: &str) -> Option<(String, Option<u16>, Cow<'_, str>)> {
    let text = text.split(['?', '#']).next()?;
    let at = text.find('/').unwrap_or(text.len());
    let (host, port) = normal_host(&text[..at]).ok()?;
    // RFC 9110 section 4.2.3: an empty path is `/`.
    let path = if at == text.len() { "/" } else { &text[at..] };
    Some((host, port.filter(|port| *port != 443), normal_path(path).ok()?))
}

/// The path in its one spelling; it is copied only if an escape has lower-case digits.
pub(super) fn normal_path(path: &str) -> Result<Cow<'_, str>, Reason> {
    let segments = path.strip_prefix('/').ok_or(Reason::RequestMalformed)?;
    let last = segments.split('/').count() - 1;
    let mut whole = segments.split('/').enumerate();
    // The last segment may be empty: `/` and `/a/` are paths.
    let sound =
        whole.all(|(at, segment)| is_segment(segment) || (segment.is_empty() && at == last));
    if !sound || path.len() > MAX_PATH {
        return Err(Reason::RequestMalformed);
    }
    Ok(with_upper_case_escapes(path))
}

fn is_segment(segment: &str) -> bool {
    let is_dots = matches!(segment, "." | "..");
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let sound = match byte {
            b'%' => match (bytes.next().and_then(digit), bytes.next().and_then(digit)) {
                (Some(high), Some(low)) => needs_an_escape(high * 16 + low),
                _ => false,
            },
            other => is_plain(other),
        };
        if !sound {
            return false;
        }
    }
    !segment.is_empty() && !is_dots
}

/// RFC 3986 section 3.3, `pchar` without escapes and without the `;` that parameters begin with.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'!' | b'$' | b'&'..=b',' | b'=' | b':' | b'@')
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What may stand as an escape: visible or a space, and nothing that gets another meaning by being
/// decoded.
fn needs_an_escape(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
        && !is_unreserved(byte)
        && !matches!(byte, b'/' | b'\\' | b';' | b'%')
}

fn digit(byte: u8) -> Option<u8> {
    // A hexadecimal digit is below 16.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// RFC 3986 section 6.2.2.1, for a path whose escapes are sound.
fn with_upper_case_escapes(path: &str) -> Cow<'_, str> {
    let mut pieces = path.split('%');
    let is_normal = pieces
        .clone()
        .skip(1)
        .all(|piece| piece.bytes().take(2).all(|digit| !digit.is_ascii_lowercase()));
    if is_normal {
        return Cow::Borrowed(path);
    }
    let mut normal = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        normal.push('%');
        normal.push_str(&digits.to_ascii_uppercase());
        normal.push_str(rest);
    }
    Cow::Owned(normal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// U06.
    #[test]
    fn a_path_has_one_spelling() {
        for path in ["/", "/a", "/a/", "/a/b.c/~d", "/a%20b", "/queue%3A%2Bx", "/a:b@c!$&'()*+,="] {
            assert_eq!(normal_path(path), Ok(Cow::Borrowed(path)), "{path}");
        }
        assert_eq!(normal_path("/a%3ab/c%7b%7D%3f"), Ok(Cow::Borrowed("/a%3Ab/c%7B%7D%3F")));
        assert!(matches!(normal_path("/a%3Ab"), Ok(Cow::Borrowed(_))), "copied for nothing");
        assert!(normal_path(&format!("/{}", "a".repeat(MAX_PATH - 1))).is_ok());
    }

    /// U06.
    #[test]
    fn a_path_that_could_be_read_in_two_ways_is_refused() {
        let long = format!("/{}", "a".repeat(MAX_PATH));
        for path in [
            "",
            "*",
            "a",
            "//",
            "//a",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/a/.",
            "/%2e",
            "/%2E%2e/b",
            "/.%2e/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a;x=1",
            "/;",
            "/a%3Bx",
            "/%61cme",
            "/acm%65",
            "/a%7Eb",
            "/%2d",
            "/%252e",
            "/a%25",
            "/%00",
            "/a%0d%0a",
            "/%7f",
            "/a\0",
            "/a b",
            "/a\tb",
            "/%",
            "/%2",
            "/%zz",
            "/a%g0",
            "/é",
            "/%c3%a9",
            "/%c0%ae",
            "/\u{FF0F}",
            "/%ef%bc%8f",
            "/a\"",
            "/<a>",
            "/a^",
            "/a|b",
            "/{a}",
            "/a`",
            "/a#b",
            "/a?b",
            &long,
        ] {
            assert_eq!(normal_path(path), Err(Reason::RequestMalformed), "{path:?}");
        }
    }

    /// U06.
    #[test]
    fn a_host_has_one_spelling() {
        for (host, normal) in [
            ("events.example.com", "events.example.com"),
            ("EVENTS.Example.com:8443", "events.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[2001:DB8::1]:443", "[2001:db8::1]"),
        ] {
            assert_eq!(normal_host(host).unwrap().0, normal);
        }
        for host in [
            "",
            ".",
            "events.example.com.",
            ".events.example.com",
            "events..com",
            "a b",
            "a/b",
            "user@a",
            "a\\b",
            "a,b",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:80:80",
            "[::1",
            "::1",
            "[::0001]",
            "a%2eb",
            "bücher.example",
            "a?b",
            "a#b",
            "*",
            "-a.example",
        ] {
            assert_eq!(normal_host(host), Err(Reason::RequestMalformed), "{host:?}");
        }
    }

    proptest! {
        /// U06: whatever comes in, what goes out has nothing left that a later layer could resolve,
        /// and is its own normal form.
        #[test]
        fn a_normal_path_is_its_own_normal_form(path in "/[a-cA-F0-9%./;:\\\\~ é]{0,12}") {
            if let Ok(normal) = normal_path(&path) {
                prop_assert_eq!(normal_path(&normal), Ok(Cow::Borrowed(&*normal)));
                prop_assert!(normal.eq_ignore_ascii_case(&path));
                prop_assert!(!normal.contains("//") && !normal.contains(['\\', ';', ' ']));
                prop_assert!(!normal.split('/').any(|segment| segment == "." || segment == ".."));
                for hidden in ["%2E", "%2F", "%5C", "%25", "%3B", "%00"] {
                    prop_assert!(!normal.contains(hidden));
                }
            }
        }
    }
}
