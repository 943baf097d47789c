//! Forms as RFC 6749 sends them: `application/x-www-form-urlencoded` (its appendix B).

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

/// Encodes `pairs`, in one allocation that is erased: growing would leave copies behind.
pub(super) fn encode(pairs: &[(&str, &str)]) -> Zeroizing<String> {
    let longest = pairs.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
    let mut form = Zeroizing::new(String::with_capacity(longest));
    for (name, value) in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        push(&mut form, name);
        form.push('=');
        push(&mut form, value);
    }
    form
}

/// RFC 6749 section 2.3.1: the header `Authorization: Basic`, both halves form-encoded first.
pub(super) fn basic(client_id: &str, secret: &str) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (client_id.len() + secret.len()) + 1));
    push(&mut pair, client_id);
    pair.push(':');
    push(&mut pair, secret);
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()));
    header("Basic ", &encoded)
}

/// A header's value of a scheme and a credential, in one allocation.
pub(super) fn header(scheme: &str, credential: &str) -> Zeroizing<String> {
    let mut value = Zeroizing::new(String::with_capacity(scheme.len() + credential.len()));
    value.push_str(scheme);
    value.push_str(credential);
    value
}

fn push(form: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                form.push(char::from(byte));
            }
            b' ' => form.push('+'),
            _ => {
                form.push('%');
                form.push(char::from(HEX[usize::from(byte >> 4)]));
                form.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6749 appendix B.
    #[test]
    fn encodes_as_the_rfc_does() {
        assert_eq!(*encode(&[("v", " %&+£€")]), "v=+%25%26%2B%C2%A3%E2%82%AC");
        assert_eq!(*encode(&[("a", "b"), ("c", "d/e~")]), "a=b&c=d%2Fe%7E");
    }

    /// The example of RFC 6749 section 2.3.1, and one where encoding makes the difference: a colon
    /// in an id must not move the border between the halves.
    #[test]
    fn a_basic_header_encodes_both_halves() {
        assert_eq!(*basic("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw").as_str(), *RFC_HEADER);
        let pair = BASE64_STANDARD.decode(&basic("a:b", "c+d")["Basic ".len()..]).unwrap();
        assert_eq!(pair, b"a%3Ab:c%2Bd");
    }

    const RFC_HEADER: &str = "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3";

    #[test]
    fn nothing_is_left_behind_by_growing() {
        // The longest that there can be: every byte escaped.
        for pairs in [&[("%", "%")][..], &[("%%", "%"), ("%", "%%%"), ("%", "")]] {
            let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
            assert_eq!(encode(pairs).capacity(), 3 * bytes + 2 * pairs.len());
        }
        let form = encode(&[("client_secret", "%%%%"), ("scope", "é é")]);
        assert!(form.capacity() <= 3 * (13 + 4 + 5 + 5) + 4 && form.len() <= form.capacity());
    }
}
