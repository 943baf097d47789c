//! Masks: a string of fixed width that shows next to nothing of what it stands for.
//!
//! In a format `X` keeps the character that stands at that place *counted from the end* of the
//! value, `*` hides, and anything else stands for itself: under `***-**-*XX` a value that ends in
//! `...89` becomes `***-**-*89`. The mask is as wide as its format, so the length of a value does
//! not show. Characters are Unicode scalar values.
//!
//! At most four characters show, and at most a quarter of the value: beyond that an `X` hides too,
//! beginning with the leftmost. A format of more `X` is therefore no mistake, only less than
//! it says; `XXX-XX-XXXX` shows two of an eleven-character number.

use cofferdam_json::write_string;

use crate::error::CompileFault;

/// The widest format, in characters.
const MAX_WIDTH: usize = 64;
/// The most characters that show.
const MAX_SHOWN: usize = 4;
/// One character may show for so many in the value.
const CHARS_PER_SHOWN: usize = 4;
const DEFAULT: &str = "****";

#[derive(Debug, Clone)]
pub(crate) struct Mask {
    places: Box<[Place]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Hidden,
    Shown,
    Literal(char),
}

impl Mask {
    /// Reads a format, or takes `****`.
    pub(crate) fn parse(format: Option<&str>) -> Result<Self, CompileFault> {
        let format = format.unwrap_or(DEFAULT);
        let width = format.chars().count();
        if width == 0 || width > MAX_WIDTH || format.contains(char::is_control) {
            return Err(CompileFault::InvalidFormat);
        }
        let places = format.chars().map(|char| match char {
            '*' => Place::Hidden,
            'X' => Place::Shown,
            literal => Place::Literal(literal),
        });
        Ok(Self { places: places.collect() })
    }

    /// Whether any character of a value may show.
    pub(crate) fn shows(&self) -> bool {
        self.places.contains(&Place::Shown)
    }

    /// Appends the masked `value` to `out` as a JSON string.
    pub(crate) fn write(&self, value: &str, line: &mut String, out: &mut Vec<u8>) {
        line.clear();
        self.push(value, line);
        write_string(line, out);
    }

    /// Appends the masked `value` to `text`.
    pub(crate) fn push(&self, value: &str, text: &mut String) {
        let mut may_show = MAX_SHOWN.min(value.chars().count() / CHARS_PER_SHOWN);
        let mut from_end = value.chars().rev();
        let mut chars = ['*'; MAX_WIDTH];
        let chars = &mut chars[..self.places.len()];
        for (char, place) in chars.iter_mut().zip(&self.places).rev() {
            match (place, from_end.next()) {
                (Place::Literal(literal), _) => *char = *literal,
                (Place::Shown, Some(own)) if may_show > 0 => {
                    *char = own;
                    may_show -= 1;
                }
                _ => {}
            }
        }
        text.extend(chars.iter());
    }

    /// Whether `text` looks like this mask at work.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let mut chars = text.chars();
        let mut shown = 0;
        let fits = self.places.iter().all(|place| match (place, chars.next()) {
            (Place::Literal(literal), Some(char)) => char == *literal,
            (Place::Hidden, Some(char)) => char == '*',
            (Place::Shown, Some(char)) => {
                shown += usize::from(char != '*');
                true
            }
            (_, None) => false,
        });
        fits && chars.next().is_none() && shown <= MAX_SHOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(format: &str, value: &str) -> String {
        let mask = Mask::parse(Some(format)).unwrap();
        let (mut line, mut out) = (String::new(), Vec::new());
        mask.write(value, &mut line, &mut out);
        let text: String = serde_json::from_slice(&out).unwrap();
        assert!(mask.fits(&text), "{text}");
        text
    }

    #[test]
    fn shows_the_characters_that_stand_at_its_places_from_the_end() {
        assert_eq!(masked("***-**-*XX", "123-45-6789"), "***-**-*89");
        assert_eq!(masked("***-**-*XX", "+15558675309"), "***-**-*09");
        assert_eq!(masked("X**", "abcdefgh"), "f**");
        assert_eq!(masked("X-X", "abcdefgh"), "f-h");
        assert_eq!(masked("[XX]", "12345678"), "[67]");
        assert_eq!(masked("****", "12345678"), "****");
        assert_eq!(masked("gone", "12345678"), "gone");
    }

    /// R09: neither a short nor a long value changes the width.
    #[test]
    fn shows_a_quarter_at_most_and_four_at_most() {
        assert_eq!(masked("XXXXXX", ""), "******");
        assert_eq!(masked("XXXXXX", "abc"), "******");
        assert_eq!(masked("XXXXXX", "abcd"), "*****d");
        assert_eq!(masked("XXXXXX", "abcdefghijk"), "****jk");
        assert_eq!(masked("XXXXXX", &"abcdefghij".repeat(10)), "**ghij");
    }

    #[test]
    fn counts_characters_not_bytes() {
        assert_eq!(masked("**XX", "ééééééé😀"), "**é😀");
        assert_eq!(masked("XXX", "日本語"), "***");
        assert_eq!(masked("…XX", "\u{1}\"\"\"\"\"\"\""), "…\"\"");
    }

    #[test]
    fn refuses_formats_that_are_none() {
        for format in ["", "\n", "*\0", "\u{85}", &"*".repeat(65)] {
            assert!(Mask::parse(Some(format)).is_err(), "{format:?}");
        }
        assert!(Mask::parse(Some(&"é".repeat(64))).is_ok());
        assert!(!Mask::parse(None).unwrap().shows());
    }

    #[test]
    fn a_raw_value_does_not_fit() {
        let mask = Mask::parse(Some("**-XX")).unwrap();
        for text in ["12-34", "**-3", "**-345", "**_34", "", "***"] {
            assert!(!mask.fits(text), "{text}");
        }
        assert!(!Mask::parse(Some("XXXXXX")).unwrap().fits("123456"));
    }
}
