//! The context's own organisation, as events spell it.

use cofferdam_json::{Reader, Token};

use crate::interner::Kind;

/// An id on the platform. GitHub and CXone write some of theirs as numbers, and CXone the same one
/// as a string elsewhere, so digits are the number as well as the string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Organisation {
    text: Box<[u8]>,
    /// The id as a number in the canonical form of `cofferdam-json`, if it is one.
    number: Option<Box<[u8]>>,
}

impl Organisation {
    pub(crate) fn new(own: &str) -> Self {
        Self { text: Box::from(own.as_bytes()), number: canonical(own) }
    }

    /// Whether a value names this organisation; numbers and literals come in canonical form.
    pub(crate) fn is(&self, kind: Kind, bytes: &[u8]) -> bool {
        match kind {
            Kind::String => *self.text == *bytes,
            Kind::Number => self.number.as_deref() == Some(bytes),
            _ => false,
        }
    }
}

/// Only a whole number as JSON writes it: `07` and `7.0` are texts, and no number is meant by them.
fn canonical(own: &str) -> Option<Box<[u8]>> {
    if !own.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let Ok(Some(Token::Number(number))) = Reader::new(own.as_bytes()).next() else { return None };
    let mut canonical = Vec::new();
    number.canonical_into(&mut canonical);
    Some(canonical.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Vec<u8> {
        let Ok(Some(Token::Number(number))) = Reader::new(text.as_bytes()).next() else {
            panic!("{text}")
        };
        let mut canonical = Vec::new();
        number.canonical_into(&mut canonical);
        canonical
    }

    #[test]
    fn digits_are_the_number_and_the_string() {
        let own = Organisation::new("9007199254740993");
        assert!(own.is(Kind::String, b"9007199254740993"));
        assert!(own.is(Kind::Number, &number("9007199254740993")));
        assert!(!own.is(Kind::Number, &number("9007199254740992")), "no float in between");
        assert!(!own.is(Kind::String, b"9007199254740993.0"));
    }

    #[test]
    fn what_is_not_a_whole_number_is_a_string_alone() {
        for text in ["", "07", "-7", "7.0", "7e0", " 7", "org-7", "null", "true"] {
            let own = Organisation::new(text);
            assert!(own.is(Kind::String, text.as_bytes()), "{text}");
            assert!(!own.is(Kind::Number, &number("7")), "{text}");
            assert!(!own.is(Kind::Literal, text.as_bytes()), "{text}");
        }
    }
}
