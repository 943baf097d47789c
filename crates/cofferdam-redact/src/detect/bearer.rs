//! Tokens that open doors to whoever bears them: after `Bearer` (RFC 6750), in an `Authorization` header and its kin,
//! JSON web tokens (RFC 7519), and keys that their issuers mark with a prefix.
//!
//! The range is the token; the words before it stay. `Bearer` is a word of the language as well, so what
//! follows it must look like a token.

use super::text::{Span, Text, is_word};

/// Characters that a key is made of.
type Chars = fn(u8) -> bool;

/// Keys with a prefix, and how many characters follow it at least.
const KEYS: [(&str, usize, Chars); 31] = [
    ("ghp_", 30, is_letter),
    ("gho_", 30, is_letter),
    ("ghu_", 30, is_letter),
    ("ghs_", 30, is_letter),
    ("ghr_", 30, is_letter),
    ("github_pat_", 22, is_base64url),
    ("glpat-", 16, is_base64url),
    ("gldt-", 16, is_base64url),
    ("xoxa-", 16, is_base64url),
    ("xoxb-", 16, is_base64url),
    ("xoxe-", 16, is_base64url),
    ("xoxp-", 16, is_base64url),
    ("xoxr-", 16, is_base64url),
    ("xoxs-", 16, is_base64url),
    ("xapp-", 16, is_base64url),
    ("sk_live_", 16, is_letter),
    ("sk_test_", 16, is_letter),
    ("rk_live_", 16, is_letter),
    ("rk_test_", 16, is_letter),
    ("whsec_", 16, is_letter),
    ("AIza", 30, is_base64url),
    ("npm_", 30, is_letter),
    ("hf_", 30, is_letter),
    ("sk-ant-", 20, is_base64url),
    ("sk-proj-", 20, is_base64url),
    ("sk-", 32, is_letter),
    ("shpat_", 30, is_letter),
    ("dop_v1_", 32, is_letter),
    ("pypi-", 40, is_base64url),
    ("ya29.", 20, is_base64url),
    ("SG.", 22, is_base64url),
];

/// No key is shorter; keys of AWS, which begin with `AKIA` or `ASIA`, are just as long.
const SHORTEST: usize = 20;

/// Headers that hold a token.
const HEADERS: [&str; 6] = [
    "authorization",
    "x-api-key",
    "x-auth-token",
    "x-amz-security-token",
    "private-token",
    "api-key",
];

/// Schemes of the `Authorization` header that a token follows.
const SCHEMES: [&str; 8] =
    ["basic", "bearer", "token", "apikey", "negotiate", "ntlm", "dpop", "genie-key"];

/// From this length on a run of characters is a token even if it has no digit.
const LONG: usize = 24;

pub(super) fn next(text: &Text<'_>, from: usize) -> Option<Span> {
    let mut at = from;
    while at < text.len() {
        if !is_word(text.at(at)) || is_word(text.before(at)) {
            at += 1;
            continue;
        }
        match word(text, at) {
            Ok(span) => return Some(span),
            Err(resume) => at = resume,
        }
    }
    None
}

/// The token that the word at `at` is or leads to, or where to go on: what was read to the end and turned
/// down is not read again.
fn word(text: &Text<'_>, at: usize) -> Result<Span, usize> {
    if text.has(at, "eyJ") && text.slice(at, at + 3) == "eyJ" {
        return jwt(text, at);
    }
    let is_header = matches!(text.at(at).to_ascii_lowercase(), b'a' | b'p' | b'x');
    let mut names = HEADERS.iter().filter(|_| is_header);
    let found = if let Some(name) = names.find(|name| text.has(at, name)) {
        header(text, at + name.len())
    } else if text.has(at, "bearer") {
        announced(text, at + 6)
    } else {
        key(text, at)
    };
    found.ok_or(at + 1)
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The token at `at`: RFC 7235 calls it `token68`. A full stop at its end is the sentence's.
fn token68(text: &Text<'_>, start: usize) -> Span {
    let is_part = |byte| is_base64url(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/');
    let mut end = text.run(text.run(start, is_part), |byte| byte == b'=');
    while end > start && text.before(end) == b'.' {
        end -= 1;
    }
    Span { start, end }
}

fn is_token(text: &Text<'_>, span: Span, least: usize) -> bool {
    let length = span.end - span.start;
    length >= LONG || (length >= least && (span.start..span.end).any(|at| text.is_digit(at)))
}

/// What follows `Bearer`.
fn announced(text: &Text<'_>, at: usize) -> Option<Span> {
    let colon = at + usize::from(matches!(text.at(at), b':' | b'='));
    let start = text.run(colon, |byte| byte == b' ');
    // Looked at first: the token of `bearer-bearer-…` would be read from each of its words.
    if start == at {
        return None;
    }
    let token = token68(text, start);
    is_token(text, token, 8).then_some(token)
}

/// What follows the name of a header: a colon, a scheme, a token; or the token alone.
fn header(text: &Text<'_>, at: usize) -> Option<Span> {
    let is_quote = |byte| matches!(byte, b'"' | b'\'' | b'\\');
    let is_space = |byte| byte == b' ';
    let sign = text.run(text.run(at, is_quote), is_space);
    if !matches!(text.at(sign), b':' | b'=') {
        return None;
    }
    let start = text.run(text.run(sign + 1, is_space), is_quote);
    let first = token68(text, start);
    let second = SCHEMES
        .iter()
        .find(|scheme| text.has(start, scheme) && text.at(start + scheme.len()) == b' ');
    match second {
        None => is_token(text, first, 16).then_some(first),
        Some(scheme) => {
            let token = token68(text, text.run(start + scheme.len(), is_space));
            (token.end - token.start >= 4).then_some(token)
        }
    }
}

/// Parts of base64url with dots between, the first of them JSON. One without a signature ends in its dot.
fn jwt(text: &Text<'_>, start: usize) -> Result<Span, usize> {
    let head = text.run(start, is_base64url);
    if head - start < 10 || text.at(head) != b'.' {
        return Err(head);
    }
    let (mut at, mut end, mut parts) = (head, head, 1);
    while text.at(at) == b'.' && parts < 5 {
        at = text.run(at + 1, is_base64url);
        parts += 1;
        if text.before(at) != b'.' || parts == 3 {
            end = at;
        }
    }
    if end - head > 8 { Ok(Span { start, end }) } else { Err(head) }
}

/// A key that its prefix tells.
fn key(text: &Text<'_>, start: usize) -> Option<Span> {
    // Most words of a sentence end before the shortest key does.
    let is_part = |byte| is_base64url(byte) || byte == b'.';
    if !(start..start + SHORTEST).all(|at| is_part(text.at(at))) {
        return None;
    }
    let has = |prefix: &str| prefix.bytes().enumerate().all(|(n, byte)| text.at(start + n) == byte);
    if has("AKIA") || has("ASIA") {
        let is_part = |at| text.at(at).is_ascii_uppercase() || text.is_digit(at);
        let end = start + SHORTEST;
        let is_key = (start..end).all(is_part) && !is_word(text.at(end));
        return is_key.then_some(Span { start, end });
    }
    let (prefix, least, is_part) = KEYS.iter().find(|(prefix, _, _)| has(prefix))?;
    let end = text.run(start + prefix.len(), is_part);
    (end - start - prefix.len() >= *least).then_some(Span { start, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        next(&Text::new(text), 0).map(|span| &text[span.start..span.end])
    }

    #[test]
    fn finds_tokens_in_headers() {
        for (text, token) in [
            ("Bearer abc.def-12", "abc.def-12"),
            ("BEARER  abcdef12.", "abcdef12"),
            ("Authorization: Basic YTpi", "YTpi"),
            ("\"authorization\" : \"Basic YTpi==\"", "YTpi=="),
            ("Proxy-Authorization=bearer abcd", "abcd"),
            ("Authorization: 0123456789abcdef", "0123456789abcdef"),
        ] {
            assert_eq!(found(text), Some(token), "{text}");
        }
    }

    #[test]
    fn finds_keys_by_their_prefix() {
        assert!(KEYS.iter().all(|(prefix, least, _)| prefix.len() + least >= SHORTEST));
        let tail = "0aA1bB2cC3".repeat(4);
        for (prefix, least, _) in KEYS {
            let key = format!("{prefix}{}", &tail[..least]);
            for text in [key.clone(), format!("x={key}."), format!("は{key}です")] {
                assert!(found(&text).is_some_and(|found| found.starts_with(&key)), "{text}");
            }
            assert_eq!(found(&key[..key.len() - 1]), None, "{key}");
        }
        assert_eq!(found("AKIAIOSFODNN7EXAMPLE"), Some("AKIAIOSFODNN7EXAMPLE"));
        assert_eq!(found("AKIAIOSFODNN7EXAMPLE1"), None);
    }

    #[test]
    fn finds_json_web_tokens() {
        let (head, body) = ("eyJhbGciOiJub25lIn0", "eyJpc3MiOiJhIn0");
        for text in [
            format!("{head}.{body}.c2ln"),
            format!("{head}.{body}."),
            format!("{head}..aXY.Y2lwaGVy.dGFn"),
        ] {
            assert_eq!(found(&text), Some(&*text));
            assert_eq!(found(&format!("sid={text};")), Some(&*text));
        }
    }

    #[test]
    fn words_are_no_tokens() {
        for text in [
            "the bearer of this",
            "Bearer authentication",
            "Bearer <token>",
            "Basic YTpi",
            "Authorization: Bearer",
            "authorization code",
            "eyJust kidding",
            "eyJhbGciOiJub25lIn0",
            "ghp_ is a prefix",
            "task-force",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
