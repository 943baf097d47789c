//! What a walk finds, for whoever walks: to be judged at once, or together with other events.

use crate::{
    interner::Kind,
    layer::Layer,
    path::{Field, Place},
};

/// What there is to know of one event, and where it is noted.
pub(crate) trait Notes {
    /// Notes which patterns the event's type fits; whether there are any.
    fn event_type(
        &mut self,
        event_type: &[u8],
        layers: &[Layer],
        segments: &[(u16, Field)],
    ) -> bool;

    /// Notes a value that rules may look at.
    fn value(&mut self, place: Place, field: Field, value: (Kind, &[u8]), layers: &[Layer]);

    fn open(&mut self, place: Place, object: u32, layers: &[Layer]);
    fn close(&mut self, place: Place, layers: &[Layer]);
}

/// Whether a number stands here that is its own canonical form: some digits, without zeros at either end.
pub(crate) fn is_plain(raw: &[u8]) -> bool {
    match raw {
        [b'0'..=b'9'] => true,
        [b'1'..=b'9', between @ .., b'1'..=b'9'] => {
            between.len() < 16 && between.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_json::Number;

    use super::*;

    #[test]
    fn a_plain_number_is_its_own_canonical_form() {
        let numbers = (0..2_000).map(|n| n.to_string());
        let others = ["-1", "1.5", "1e3", "00", "01", "1x", "", "x", "12345678901234567", "9a9"];
        let long = "1".repeat(400);
        for text in numbers.chain(others.map(String::from)).chain([long]) {
            let mut canonical = Vec::new();
            let read = Number::read(text.as_bytes());
            let is_number = read.is_ok_and(|number| {
                number.canonical_into(&mut canonical);
                canonical == text.as_bytes()
            });
            assert!(is_number || !is_plain(text.as_bytes()), "{text}");
        }
        assert!(is_plain(b"0") && is_plain(b"7") && is_plain(b"101") && !is_plain(b"10"));
    }
}
