//! Addresses of the Internet Protocol: four numbers with dots, and version 6 in all its short forms.
//!
//! The range is the address, with its zone if it has one (RFC 4007); ports, brackets and the lengths of
//! prefixes stay. Four numbers with dots may be a version as well: they are taken for an address unless
//! the word before says what they are.

use std::net::Ipv6Addr;

use super::text::{Span, Text, is_word};

/// The longest text of an address of version 6: six groups and an address of version 4.
const MAX_V6: usize = 45;

/// Words after which four numbers are no address.
const VERSION_WORDS: [&str; 15] = [
    "version",
    "ver",
    "v",
    "release",
    "firmware",
    "build",
    "section",
    "chapter",
    "kapitel",
    "abschnitt",
    "fw",
    "level",
    "patch",
    "rev",
    "driver",
];

pub(super) fn next(text: &Text<'_>, from: usize) -> Option<Span> {
    let mut at = from;
    while at < text.len() {
        let found = v6(text, at).or_else(|| v4(text, at));
        if let Some(span) = found {
            return Some(span);
        }
        at += 1;
    }
    None
}

fn is_v6(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
}

/// An address of version 6 that starts at `at`, or one place behind it where a colon leads to it.
fn v6(text: &Text<'_>, at: usize) -> Option<Span> {
    let start = match (text.at(at), text.at(at + 1)) {
        // A label stands before it: `ip:2001:db8::1`.
        (b':', next) if next.is_ascii_hexdigit() && text.before(at) != b':' => at + 1,
        (b':', b':') | (b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F', _) => at,
        _ => return None,
    };
    if start == at && (is_word(text.before(at)) || matches!(text.before(at), b':' | b'.')) {
        return None;
    }
    let (mut end, mut colons) = (start, 0);
    while is_v6(text.at(end)) {
        colons += usize::from(text.at(end) == b':');
        end += 1;
        if end - start > MAX_V6 + 2 {
            return None;
        }
    }
    if colons < 2 || is_word(text.at(end)) {
        return None;
    }
    let trimmed = text.slice(start, end).trim_end_matches('.');
    let address = match trimmed.strip_suffix(':') {
        Some(rest) if !rest.ends_with(':') => rest,
        _ => trimmed,
    };
    // Names of code (`add::bad`) and hardware addresses of eight bytes can be read as addresses.
    let is_name = !address.bytes().any(|byte| byte.is_ascii_digit());
    let is_hardware = address.split(':').all(|group| group.len() == 2);
    if is_name || is_hardware || address.parse::<Ipv6Addr>().is_err() {
        return None;
    }
    Some(Span { start, end: zone(text, start + address.len()) })
}

/// Behind the zone, if there is one at `at`.
fn zone(text: &Text<'_>, at: usize) -> usize {
    if text.at(at) != b'%' {
        return at;
    }
    let end = text.run(at + 1, |byte| is_word(byte) || matches!(byte, b'-' | b'.'));
    let dots = text.slice(at, end).bytes().rev().take_while(|byte| *byte == b'.').count();
    if end - dots > at + 1 { end - dots } else { at }
}

/// An address of version 4 that starts at `start`.
fn v4(text: &Text<'_>, start: usize) -> Option<Span> {
    let before = text.before(start);
    let goes_on = before == b'.' && text.is_digit_before(start - 1);
    if !text.is_digit(start) || is_word(before) || goes_on {
        return None;
    }
    let (at, is_zero) = parts(text, start)?;
    let next = text.at(at + 1);
    let is_longer = match text.at(at) {
        b'.' => next.is_ascii_digit(),
        b'-' => next.is_ascii_alphabetic(),
        byte => is_word(byte),
    };
    // Browsers write `Chrome/120.0.0.0`.
    let is_product = before == b'/' && is_word(text.before(start - 1)) && is_zero;
    (!is_longer && !is_product && !is_version(text, start)).then_some(Span { start, end: at })
}

/// Where the four parts from `start` on end, and whether all but the first are zero.
fn parts(text: &Text<'_>, start: usize) -> Option<(usize, bool)> {
    let (mut at, mut is_zero, mut first_width) = (start, true, 0);
    for part in 0..4 {
        if part > 0 {
            if text.at(at) != b'.' {
                return None;
            }
            at += 1;
        }
        let (first, mut value) = (at, 0);
        while text.is_digit(at) && at - first < 3 {
            value = value * 10 + u32::from(text.at(at) - b'0');
            at += 1;
        }
        let width = at - first;
        // Zeros in front are written in all parts or in none: `1.000.000.000` is an amount.
        let is_padded = width > 1 && text.at(first) == b'0';
        if width == 0 || value > 255 || (is_padded && part > 0 && first_width < width) {
            return None;
        }
        if part == 0 {
            first_width = width;
        } else {
            is_zero &= value == 0;
        }
    }
    Some((at, is_zero))
}

/// Whether a word before `start` says that a version or a section follows.
fn is_version(text: &Text<'_>, start: usize) -> bool {
    let mut end = start;
    while start - end < 2 && matches!(text.before(end), b' ' | b':' | b'=' | b'.') {
        end -= 1;
    }
    VERSION_WORDS.iter().any(|word| {
        let begins = end.checked_sub(word.len());
        begins.is_some_and(|at| text.has(at, word) && !is_word(text.before(at)))
    }) || text.char_before(end) == Some('§')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        next(&Text::new(text), 0).map(|span| &text[span.start..span.end])
    }

    #[test]
    fn finds_addresses_of_both_versions() {
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("192.000.002.001", "192.000.002.001"),
            ("at 192.0.2.1.", "192.0.2.1"),
            ("http://192.0.2.0/24", "192.0.2.0"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("ip:2001:db8::1: x", "2001:db8::1"),
            ("type:2001:db8::", "2001:db8::"),
            ("fe80::1%eth0.", "fe80::1%eth0"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("::1", "::1"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("x:192.0.2.1:80:", "192.0.2.1"),
        ] {
            assert_eq!(found(text), Some(address), "{text}");
        }
    }

    #[test]
    fn versions_times_and_names_of_code_are_none() {
        for text in [
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "v1.2.3.4",
            "version 1.2.3.4",
            "§ 1.2.3.4",
            "Chrome/120.0.0.0",
            "1.2.3.4-rc1",
            "12:34:56",
            "add::bad",
            "std::vec",
            "::",
            "00:1b:44:11:3a:b7",
            "00:1b:44:ff:fe:11:3a:b7",
            "x::1",
            "1::2::3",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
