//! E-mail addresses: the dot-atoms of RFC 5321 with letters of RFC 6531, anchored at the `@`.
//!
//! Of the signs that a local part may have, those are left out that stand before an address more often
//! than in it (`=`, `/`, `&`, `?`, `!`). A domain has a dot and ends in letters; whether there is such a
//! domain is not asked. `%40` is an `@` too: addresses stand in queries.

use super::{
    text::{Span, Text, is_narrow},
    url,
};

pub(super) fn next(text: &Text<'_>, from: usize) -> Option<Span> {
    let mut at = from;
    while at < text.len() {
        let width = match text.at(at) {
            b'@' => 1,
            b':' => {
                // An `@` behind a password leads to a host, not to a mailbox.
                at = url::userinfo(text, at).map_or(at, |userinfo| userinfo.end) + 1;
                continue;
            }
            b'%' if is_encoded(text, at) => 3,
            _ => 0,
        };
        if width > 0
            && let Some(end) = domain(text, at + width)
            && let Some(start) = local(text, from, at)
        {
            return Some(Span { start, end });
        }
        at += width.max(1);
    }
    None
}

fn is_encoded(text: &Text<'_>, at: usize) -> bool {
    text.has(at, "%40")
}

/// Where the local part that ends at `end` starts. Never goes behind another `@`, so that all of a text
/// is walked back over once.
fn local(text: &Text<'_>, floor: usize, end: usize) -> Option<usize> {
    if text.before(end) == b'"' {
        return quoted(text, floor, end);
    }
    let takes_all = text.char_before(end).is_some_and(|char| !char.is_ascii() && !is_narrow(char));
    let mut start = end;
    while start > floor {
        let Some(char) = text.char_before(start) else { break };
        let belongs = match char {
            '%' => !is_encoded(text, start - 1),
            'a'..='z' | 'A'..='Z' | '0'..='9' => true,
            '.' | '_' | '+' | '-' | '\'' | '#' | '$' | '^' | '~' => true,
            other => is_narrow(other) || (takes_all && other.is_alphanumeric()),
        };
        if !belongs {
            break;
        }
        start -= char.len_utf8();
    }
    // Signs at the beginning are those of the sentence: `'a@example.com'`.
    start = text.run(start, |byte| byte.is_ascii_punctuation() && !matches!(byte, b'_' | b'@'));
    (start < end).then_some(start)
}

/// Where the string that ends in the quote before `end` starts, if it is on this line.
fn quoted(text: &Text<'_>, floor: usize, end: usize) -> Option<usize> {
    let mut at = end - 1;
    while at > floor {
        at -= 1;
        match text.at(at) {
            b'"' => return (at + 2 < end).then_some(at),
            b'@' | b'\n' => return None,
            _ => {}
        }
    }
    None
}

/// Where the domain that starts at `start` ends.
fn domain(text: &Text<'_>, start: usize) -> Option<usize> {
    let (mut at, mut labels, mut end) = (start, 0, None);
    loop {
        let label_end = label(text, at);
        let trimmed = label_end - usize::from(text.before(label_end) == b'-' && label_end > at);
        if trimmed <= at || text.at(at) == b'-' || (end.is_some() && is_sentence(text, at)) {
            break;
        }
        labels += 1;
        if labels > 1 && is_top(text.slice(at, trimmed)) {
            end = Some(trimmed);
        }
        if text.at(label_end) != b'.' {
            break;
        }
        at = label_end + 1;
    }
    end.filter(|end| !is_picture(text.slice(start, *end)))
}

/// Where the label at `start` ends. Scripts without gaps go on into the sentence, so a label that begins
/// in another script, and that no further label follows, ends where they begin.
fn label(text: &Text<'_>, start: usize) -> usize {
    let (mut at, mut narrow) = (start, None);
    while let Some(char) = text.char_at(at) {
        let is_wide = !char.is_ascii() && !is_narrow(char);
        if !(char.is_alphanumeric() || char == '-' || is_narrow(char)) {
            break;
        }
        if is_wide && at > start && narrow.is_none() {
            narrow = Some(at);
        }
        at += char.len_utf8();
    }
    let begins_wide = text.char_at(start).is_some_and(|char| !char.is_ascii() && !is_narrow(char));
    let goes_on =
        text.at(at) == b'.' && text.char_at(at + 1).is_some_and(|char| char.is_alphanumeric());
    if begins_wide || goes_on { at } else { narrow.unwrap_or(at) }
}

/// `alice@example.com.Please`: a capital, and none where the label before began.
fn is_sentence(text: &Text<'_>, at: usize) -> bool {
    text.at(at).is_ascii_uppercase() && text.at(at + 1).is_ascii_lowercase()
}

/// Whether a label can be the last one: letters, or letters in their ASCII form. Versions of packages
/// (`name@1.2.3`) end in numbers.
fn is_top(label: &str) -> bool {
    let letters = label.chars().all(|char| char.is_alphabetic() || is_narrow(char));
    let many = label.chars().nth(1).is_some();
    (letters && many) || label.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("xn--"))
}

/// `logo@2x.png` is a picture for a dense screen.
fn is_picture(domain: &str) -> bool {
    let bytes = domain.as_bytes();
    let kinds = ["png", "jpg", "jpeg", "gif", "webp", "svg"];
    matches!(bytes, [b'1'..=b'4', b'x', b'.', ..]) && kinds.contains(&&domain[3..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        next(&Text::new(text), 0).map(|span| &text[span.start..span.end])
    }

    #[test]
    fn finds_addresses_amid_signs_and_scripts() {
        for (text, address) in [
            ("<a.b+c@example.com>", "a.b+c@example.com"),
            ("mailto:a@example.com?x", "a@example.com"),
            ("u=a%40example.com&b", "a%40example.com"),
            ("'o'neil@example.com'", "o'neil@example.com"),
            ("a@example.com.", "a@example.com"),
            ("a@example.com.Next", "a@example.com"),
            ("jörg@münchen.example", "jörg@münchen.example"),
            ("は a@example.comです", "a@example.com"),
            ("はa@example.jp、", "a@example.jp"),
            ("用户@例子.中国", "用户@例子.中国"),
            ("\"john doe\"@example.com", "\"john doe\"@example.com"),
            ("a@b@example.com", "b@example.com"),
            ("ssh://git@example.com/x", "git@example.com"),
        ] {
            assert_eq!(found(text), Some(address), "{text}");
        }
    }

    #[test]
    fn what_has_no_domain_is_none() {
        for text in [
            "a@b",
            "@example.com",
            "a@",
            "a@@example.com",
            "a @example.com",
            "lodash@4.17.21",
            "logo@2x.png",
            "https://a:b@example.com/",
            "a@-example.com",
            "12 @ 3.50",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
