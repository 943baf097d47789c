//! Credentials in URLs: what stands before the `@` of an authority, and values of telling parameters.
//!
//! The whole of `user:password` is found, not the password alone: a user is a person, and where a URL
//! has no password the user is often a token. The host stays, which is no secret and what is needed to
//! find the fault. Of a parameter the value is found; its name stays.

use super::text::{Span, Text, is_narrow, is_word};

/// Names of parameters that hold credentials, without hyphens and underscores.
const NAMES: [&str; 22] = [
    "apikey",
    "auth",
    "authorization",
    "jwt",
    "pass",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "session",
    "sessionid",
    "sig",
    "signature",
    "token",
    "xamzcredential",
    "xamzsecuritytoken",
    "xamzsignature",
    "xgoogcredential",
    "xgoogsignature",
    "awsaccesskeyid",
    "hmac",
];

/// Ends of names that hold credentials: `x_auth_token`, `client_secret`.
const ENDS: [&str; 5] = ["token", "secret", "password", "signature", "apikey"];

/// Where in a list of pages one is, which is no credential.
const PAGES: [&str; 3] = ["page", "next", "continuation"];

/// Names that mean a credential if what they name is long enough to be one.
const VAGUE: [&str; 4] = ["code", "key", "sid", "ticket"];
const VAGUE_LENGTH: usize = 16;

const MAX_NAME: usize = 24;
const MIN_VALUE: usize = 4;

pub(super) fn next(text: &Text<'_>, from: usize) -> Option<Span> {
    let mut at = from;
    while at < text.len() {
        let found = match text.at(at) {
            b':' => userinfo(text, at),
            b'?' | b'&' | b';' | b'#' => parameter(text, at + 1),
            _ => None,
        };
        if let Some(span) = found {
            return Some(span);
        }
        at += 1;
    }
    None
}

/// The part before the `@` of the URL whose scheme ends in the colon at `colon`, if it is secret.
///
/// A password may hold an `@`; the last one counts, as for browsers. Others may stand as they are where
/// they should not: if what follows a colon is no port, the password goes on behind a slash. Authorities
/// of two URLs never overlap, since neither goes past `//`.
pub(super) fn userinfo(text: &Text<'_>, colon: usize) -> Option<Span> {
    if !text.has(colon, "://") || !text.before(colon).is_ascii_alphanumeric() {
        return None;
    }
    let start = colon + 3;
    // Addresses in brackets have colons; braces and dollars are places for values.
    if matches!(text.at(start), b'[' | b'{' | b'$' | b'<') {
        return None;
    }
    let (mut at, mut first_colon, mut last_at, mut is_port) = (start, None, None, true);
    loop {
        match text.at(at) {
            b'@' => last_at = Some(at),
            b':' if first_colon.is_none() => first_colon = Some(at),
            b'/' if text.at(at + 1) == b'/' => break,
            b'/' | b'?' | b'#' => {
                let is_broken = first_colon.is_some() && last_at.is_none() && !is_port;
                if !is_broken {
                    break;
                }
            }
            byte if !is_part(text, at, byte) => break,
            byte => is_port &= first_colon.is_none() || byte.is_ascii_digit(),
        }
        at += if text.at(at) < 0x80 { 1 } else { text.char_at(at).map_or(1, char::len_utf8) };
    }
    let end = last_at.filter(|end| *end > start)?;
    let has_password = first_colon.is_some_and(|colon| colon + 1 < end);
    let is_web = ends_in(text, colon, "http") || ends_in(text, colon, "https");
    let userinfo = text.slice(start, end);
    let is_masked = userinfo.bytes().all(|byte| matches!(byte, b'*' | b':'));
    // Without a password it is a secret if it can be a name or a token.
    let is_name = |char: char| {
        char.is_alphanumeric() || matches!(char, '-' | '.' | '_' | '~' | '%' | '+' | ':' | '@')
    };
    let is_alone = is_web && userinfo.chars().all(is_name);
    ((has_password || is_alone) && !is_masked).then_some(Span { start, end })
}

fn ends_in(text: &Text<'_>, end: usize, word: &str) -> bool {
    let start = end.checked_sub(word.len());
    start.is_some_and(|at| text.has(at, word) && !is_word(text.before(at)))
}

/// Whether the character at `at` may stand in a URL, or is written into one all the same.
fn is_part(text: &Text<'_>, at: usize, byte: u8) -> bool {
    match byte {
        0..=b' ' | 0x7f | b'"' | b'<' | b'>' | b'`' => false,
        0x80.. => text.char_at(at).is_some_and(is_narrow),
        _ => true,
    }
}

/// The value of the parameter whose name starts at `start`, if it is a credential.
fn parameter(text: &Text<'_>, start: usize) -> Option<Span> {
    let mut buffer = [0; MAX_NAME];
    let (mut at, mut length) = (start, 0);
    while is_word(text.at(at)) || text.at(at) == b'-' {
        if !matches!(text.at(at), b'-' | b'_') {
            *buffer.get_mut(length)? = text.at(at).to_ascii_lowercase();
            length += 1;
        }
        at += 1;
        if at - start > MAX_NAME {
            return None;
        }
    }
    let name = core::str::from_utf8(buffer.get(..length)?).ok()?;
    if text.at(at) != b'=' {
        return None;
    }
    let is_page = PAGES.iter().any(|page| name.contains(page));
    let is_telling =
        NAMES.contains(&name) || (ENDS.iter().any(|end| name.ends_with(end)) && !is_page);
    if is_telling {
        return value(text, at + 1).filter(|value| value.end - value.start >= MIN_VALUE);
    }
    if !VAGUE.contains(&name) {
        return None;
    }
    let is_token =
        |byte: u8| is_word(byte) || matches!(byte, b'-' | b'.' | b'/' | b'%' | b'~' | b'=');
    let end = text.run(at + 1, is_token);
    (end - at > VAGUE_LENGTH).then_some(Span { start: at + 1, end })
}

/// The value that starts at `start`. What is turned down is turned down at its beginning, so that no text
/// is read twice.
fn value(text: &Text<'_>, start: usize) -> Option<Span> {
    // Places for values; and what a mask left, with its last characters showing or not.
    let is_place = matches!(text.at(start), b'{' | b'$' | b'<' | b'[');
    if is_place || text.has(start, "***") {
        return None;
    }
    let mut end = start;
    loop {
        let byte = text.at(end);
        let closes = matches!(byte, b'&' | b';' | b'#' | b'\'' | b')' | b']' | b'}' | b'|' | b'\\');
        if closes || !is_part(text, end, byte) {
            break;
        }
        end += if byte < 0x80 { 1 } else { text.char_at(end).map_or(1, char::len_utf8) };
    }
    while end > start && matches!(text.before(end), b'.' | b',' | b'!' | b'?' | b':') {
        end -= 1;
    }
    (end > start).then_some(Span { start, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        next(&Text::new(text), 0).map(|span| &text[span.start..span.end])
    }

    #[test]
    fn finds_what_stands_before_a_host() {
        for (text, secret) in [
            ("https://a:b@example.com", "a:b"),
            ("https://a:b@c:d@example.com/@x", "a:b@c:d"),
            ("redis://:b@example.com", ":b"),
            ("https://token@example.com", "token"),
            ("smtp://a:b/c#d@example.com", "a:b/c#d"),
            ("smtp://a:b?c@example.com:25", "a:b?c"),
            ("x http://a:b@c http://d:e@f", "a:b"),
        ] {
            assert_eq!(found(text), Some(secret), "{text}");
        }
    }

    #[test]
    fn finds_values_of_telling_parameters() {
        for (text, secret) in [
            ("/x?token=abcd", "abcd"),
            ("/x?a=b&X-Amz-Signature=abcd&c=d", "abcd"),
            ("/x?a=b&amp;API_KEY=abcd.", "abcd"),
            ("/x#access_token=abcd&c", "abcd"),
            ("?key=0123456789abcdef", "0123456789abcdef"),
            ("?x_refresh_token=a=/+.b==, c", "a=/+.b=="),
        ] {
            assert_eq!(found(text), Some(secret), "{text}");
        }
    }

    #[test]
    fn ports_paths_places_and_masks_are_no_credentials() {
        for text in [
            "http://example.com:80/a@b",
            "ssh://git@example.com",
            "http://${A}:${B}@example.com",
            "http://***:***@x",
            "//a:b@c",
            "http://[::1]/a@b",
            "?token=",
            "?token={t}",
            "?token=****",
            "?tokens=abcd",
            "?nextPageToken=abcd",
            "?key=name",
            "token=abcd",
            "?design=abcd",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
