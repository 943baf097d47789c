//! Payment cards: 13 to 19 digits of a known issuer whose check digit holds (ISO/IEC 7812-1).
//!
//! One number in ten passes the check by chance, so the first digits must be those of a scheme that has
//! numbers of that length, and the groups must be ones that people write.

use super::text::{Span, Text};

/// ISO/IEC 7812-1 allows no more.
const MAX_DIGITS: usize = 19;

pub(super) fn next(text: &Text<'_>, from: usize) -> Option<Span> {
    let mut at = from;
    while at < text.len() {
        let starts = text.is_digit(at) && !text.is_digit_before(at);
        if starts && let Some(end) = card(text, at) {
            return Some(Span { start: at, end });
        }
        at += 1;
    }
    None
}

/// Where the longest card that starts at `start` ends. Looks at no more than 20 digits.
fn card(text: &Text<'_>, start: usize) -> Option<usize> {
    let joined = matches!(text.before(start), b'-' | b'.') && text.is_digit_before(start - 1);
    if joined {
        return None;
    }
    let mut digits = [0; MAX_DIGITS];
    let (mut count, mut at, mut best) = (0, start, None);
    let mut shape = Shape { first: 0, shortest: MAX_DIGITS, longest: 0, has_comma: false };
    loop {
        let group = at;
        while text.is_digit(at) {
            // One digit more, and what was found before this group is all there is.
            let Some(slot) = digits.get_mut(count) else { return best };
            *slot = text.at(at) - b'0';
            (count, at) = (count + 1, at + 1);
        }
        shape.add(at - group, group == start);
        let next = gap(text, at);
        let is_joined = next.is_some() && matches!(text.at(at), b'-' | b'.' | b'_');
        let is_written = shape.is_grouped() && !is_joined;
        let is_spelled = shape.longest == 1 && next.is_none() && !follows_digit(text, start);
        let digits = digits.get(..count)?;
        if (is_written || is_spelled) && is_issued(digits) && luhn(digits) {
            best = Some(at);
        }
        let Some(next) = next else { return best };
        shape.has_comma |= text.at(at) == b',';
        at = next;
    }
}

/// Where the group behind the gap at `at` begins: one sign, and perhaps a space.
fn gap(text: &Text<'_>, at: usize) -> Option<usize> {
    let sign = matches!(text.at(at), b' ' | b'-' | b'.' | b'_' | b',').then_some(at + 1)?;
    let next = sign + usize::from(text.at(sign) == b' ');
    text.is_digit(next).then_some(next)
}

/// How long the groups are.
struct Shape {
    first: usize,
    /// Of those behind the first one.
    shortest: usize,
    longest: usize,
    has_comma: bool,
}

impl Shape {
    fn add(&mut self, length: usize, is_first: bool) {
        self.longest = self.longest.max(length);
        if is_first {
            self.first = length;
        } else {
            self.shortest = self.shortest.min(length);
        }
    }

    /// As cards are printed and typed. Groups of one are read out, as transcripts of calls have it; then
    /// nothing else may stand near. Commas are between numbers, unless each digit has one.
    fn is_grouped(&self) -> bool {
        self.first >= 4 && self.shortest >= 2 && !self.has_comma
    }
}

fn follows_digit(text: &Text<'_>, start: usize) -> bool {
    text.before(start) == b' ' && text.is_digit_before(start - 1)
}

/// Whether a scheme has numbers that begin like this, of this length.
fn is_issued(digits: &[u8]) -> bool {
    let Some(head) = digits.first_chunk::<6>() else { return false };
    let head = head.iter().fold(0u32, |number, digit| number * 10 + u32::from(*digit));
    match (head, digits.len()) {
        // Visa
        (400_000..=499_999, 13 | 16 | 19) => true,
        // Mastercard, Mir, Troy
        (510_000..=559_999 | 222_100..=272_099 | 220_000..=220_499 | 979_200..=979_299, 16) => true,
        // American Express
        (340_000..=349_999 | 370_000..=379_999, 15) => true,
        // Diners Club
        (
            300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999,
            14 | 16,
        ) => true,
        // Discover, UnionPay, JCB, RuPay
        (601_100..=601_199 | 620_000..=629_999 | 644_000..=659_999, 16..) => true,
        (352_800..=358_999 | 810_000..=829_999 | 508_000..=508_999, 16..) => true,
        // Maestro and Dankort
        (501_800..=502_099 | 503_800..=503_899 | 589_300..=589_399, 13..) => true,
        (630_400..=630_499 | 675_900..=675_999 | 676_100..=676_399, 13..) => true,
        // Elo
        (506_600..=506_799 | 509_000..=509_999 | 636_200..=636_399, 16) => true,
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let weighted = u32::from(*digit) << (at % 2);
            if weighted > 9 { weighted - 9 } else { weighted }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        next(&Text::new(text), 0).map(|span| &text[span.start..span.end])
    }

    #[test]
    fn finds_cards_as_people_write_them() {
        for card in [
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111111111111111",
            "4222222222222",
            "3782 822463 10005",
            "6205500000000000004",
            "4111_1111_1111_1111",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1",
            "4 1 1 1  1 1 1 1  1 1 1 1  1 1 1 1",
        ] {
            for text in [card.to_owned(), format!("a {card}, b"), format!("カード{card}です")]
            {
                assert_eq!(found(&text), Some(card), "{text}");
            }
        }
    }

    #[test]
    fn what_stands_behind_a_card_is_not_part_of_it() {
        assert_eq!(found("4111 1111 1111 1111 12/27"), Some("4111 1111 1111 1111"));
        assert_eq!(found("12 4111111111111111 1"), Some("4111111111111111"));
    }

    #[test]
    fn a_number_that_only_looks_like_one_is_none() {
        for text in [
            "4111 1111 1111 1112",
            "1111 1111 1111 1117",
            "41111111111111111111",
            "4111111111111111-1",
            "0.4111111111111111",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "41 11 11 11 11 11 11 11",
            "4111,1111,1111,1111",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
