//! Phone numbers: with a `+` as in E.164, and as people write them at home.
//!
//! Seven to fifteen digits may be anything, so a number without a `+` counts only if its groups are those
//! of a numbering plan (North America's, those where numbers begin with a zero, Spain's, China's,
//! Russia's), or if a word before it says that a phone number comes. Digits without a gap and without
//! such a word are taken for an order or a customer: that is the recall which was given for precision.
//! Dates, times, decimals, versions, parts of longer names and amounts with a currency are none.
//!
//! At each place where a number may start, at most a dozen groups are read.

mod context;
mod groups;

use super::text::{Span, Text};
use context::{closes, extension, is_announced, may_start};
use groups::{Groups, plus};

/// E.164, section 6.2.1.
const MAX_DIGITS: usize = 15;

pub(super) fn next(text: &Text<'_>, from: usize) -> Option<Span> {
    let mut at = from;
    while at < text.len() {
        let is_start = match text.at(at) {
            b'+' | b'%' => plus(text, at) > 0,
            b'(' => opens(text, at),
            byte => byte.is_ascii_digit() && !text.is_digit_before(at),
        };
        if is_start
            && may_start(text, at)
            && let Some(end) = number(text, at, from)
        {
            return Some(Span { start: at, end });
        }
        at += 1;
    }
    None
}

/// Whether the bracket at `at` holds an area or a country, and not a remark that has a number in it.
fn opens(text: &Text<'_>, at: usize) -> bool {
    let digits = at + 1 + usize::from(text.at(at + 1) == b'+');
    let end = (digits..digits + 6).find(|at| !text.is_digit(*at));
    end.is_some_and(|end| end > digits && text.at(end) == b')')
}

/// Where the number that starts at `start` ends, with its extension.
fn number(text: &Text<'_>, start: usize, from: usize) -> Option<usize> {
    let groups = Groups::read(text, start);
    let number = Number {
        text,
        start,
        groups: &groups,
        // Behind another number there may be an amount with gaps, or a list.
        is_crowded: text.before(start) == b' '
            && text.is_digit_before(start - 1)
            && start - 1 != from,
    };
    let count = number.length()?;
    let end = groups.end(count);
    Some(extension(text, end).unwrap_or(end))
}

struct Number<'a, 't> {
    text: &'a Text<'t>,
    start: usize,
    groups: &'a Groups,
    is_crowded: bool,
}

impl Number<'_, '_> {
    /// How many groups make the number, by the first plan that knows them.
    fn length(&self) -> Option<usize> {
        if self.groups.has_plus() {
            return self.international(0, MAX_DIGITS);
        }
        let plans = [
            Self::north_american,
            Self::area,
            Self::exit_code,
            Self::trunk,
            Self::spelled,
            Self::fixed,
        ];
        let plan = plans.iter().find_map(|plan| plan(self));
        plan.or_else(|| self.announced())
    }

    /// Whether a number can end behind `count` groups.
    fn closes(&self, count: usize) -> bool {
        let end = self.groups.end(count);
        let goes_on = match self.text.at(end) {
            b'-' | b'.' | b'/' => self.text.is_digit(end + 1),
            byte => byte.is_ascii_digit(),
        };
        // With a plus and ten digits it is a number, whatever stands behind it.
        let is_plain = self.groups.has_plus() && self.groups.digits(count) >= 10 && !goes_on;
        is_plain || extension(self.text, end).is_some() || closes(self.text, end)
    }

    /// Groups behind a country code, the digits that lead out of the country before it not counted.
    fn international(&self, lead: usize, most: usize) -> Option<usize> {
        let first = self.groups.digit(self.text, lead)?;
        let is_north_american = first == b'1';
        let mut total = 0;
        let mut best = None;
        for (at, group) in self.groups.iter().enumerate() {
            // What comes behind a whole number and a space is the next word of the sentence.
            let is_next = total >= lead + 11 && group.is_behind_space() && group.digits <= 2;
            if total + group.digits > most || is_next {
                break;
            }
            total += group.digits;
            let least = if at == 0 { 8 } else { 7 };
            if total >= lead + least && self.closes(at + 1) {
                best = Some(at + 1);
            }
            if is_north_american && total == lead + 11 {
                break;
            }
        }
        // North American numbers are all of one length.
        let is_known = first != b'0' && (!is_north_american || total == lead + 11);
        best.filter(|_| is_known)
    }

    /// `(415) 555-0100` and its kin: areas and exchanges begin with 2 to 9.
    fn north_american(&self) -> Option<usize> {
        let skip = usize::from(self.groups.lengths(0, &[1, 3]) && self.digit(0) == b'1');
        let short = self.groups.lengths(skip, &[3, 7]) && self.groups.is_opened(skip);
        let whole = self.groups.lengths(skip, &[3, 3, 4]);
        let is_plan = (short || whole)
            && self.digit(skip) >= b'2'
            && self.groups.digit(self.text, skip + 3) >= Some(b'2');
        let count = skip + if whole { 3 } else { 2 };
        let is_amount = self.is_crowded && self.groups.are_spaced();
        (is_plan && !is_amount && self.closes(count)).then_some(count)
    }

    /// An area in brackets: `(0221) 4710 999`, `(11) 91234-5678`.
    fn area(&self) -> Option<usize> {
        let least = if self.digit(0) == b'0' { 8 } else { 10 };
        let is_area = self.groups.is_opened(0) && self.groups.digits(1) > 1;
        is_area.then(|| self.longest(least, 12)).flatten()
    }

    /// `0049 171 3920055`: two zeros lead abroad from most countries.
    fn exit_code(&self) -> Option<usize> {
        let leads = self.digit(0) == b'0' && self.groups.digit(self.text, 1) == Some(b'0');
        let is_written = self.groups.len() > 1 && !self.groups.has(b'/') && !self.is_crowded;
        (leads && is_written).then(|| self.international(2, MAX_DIGITS + 2)).flatten()
    }

    /// A zero, an area, a number, as in most of Europe, Japan, Australia.
    fn trunk(&self) -> Option<usize> {
        let first = self.groups.digits(1);
        let begins = self.digit(0) == b'0' && self.groups.digit(self.text, 1) != Some(b'0');
        if !begins || !(2..=6).contains(&first) || self.groups.len() < 2 || self.is_crowded {
            return None;
        }
        // `011` leads abroad from North America.
        let most = if self.groups.lengths(0, &[3]) && self.is_exit_011() { 15 } else { 12 };
        let count = self.longest(9, most)?;
        let is_decimal = count == 2 && self.groups.has(b'.');
        // Danish and Swedish numbers of persons: a birthday and four digits.
        let is_person = self.groups.lengths(0, &[6, 4]) && self.groups.has(b'-');
        let all_pairs = (0..count).all(|at| self.groups.lengths(at, &[2]));
        // Five pairs are a French number; other counts of pairs are lists.
        let is_list = all_pairs && (count != 5 || self.groups.len() != 5);
        let is_other = is_decimal || is_person || is_list;
        (count > 1 && !is_other && !self.groups.is_date()).then_some(count)
    }

    fn is_exit_011(&self) -> bool {
        self.groups.digit(self.text, 1) == Some(b'1')
            && self.groups.digit(self.text, 2) == Some(b'1')
    }

    /// `0 7 7 0 0 9 0 0 1 2 3`: read out digit by digit, and nothing but that.
    fn spelled(&self) -> Option<usize> {
        let count = self.groups.len();
        let is_spelled = (10..=11).contains(&count) && self.groups.digits(count) == count;
        let is_whole = self.digit(0) == b'0' && !self.is_crowded && self.closes(count);
        (is_spelled && is_whole).then_some(count)
    }

    /// Plans without a leading zero whose groups are not those of an amount.
    fn fixed(&self) -> Option<usize> {
        let (first, second) = (self.digit(0), self.groups.digit(self.text, 1));
        let has = |lengths: &[usize]| self.groups.lengths(0, lengths);
        let is_spanish =
            (has(&[3, 2, 2, 2]) && first >= b'6') || (has(&[2, 3, 2, 2]) && first >= b'8');
        let is_chinese = has(&[3, 4, 4]) && first == b'1' && second >= Some(b'3');
        let is_russian = has(&[1, 3, 3, 2, 2]) && matches!(first, b'7' | b'8');
        let count = match (is_spanish, is_chinese, is_russian) {
            (true, ..) => 4,
            (_, true, _) => 3,
            (.., true) => 5,
            _ => return None,
        };
        (!self.is_crowded && self.closes(count)).then_some(count)
    }

    /// Whatever a word before it calls a phone number.
    fn announced(&self) -> Option<usize> {
        let is_number =
            self.groups.digits(1) > 1 && !self.groups.is_date() && !self.groups.is_dotted();
        let count = is_number.then(|| self.longest(7, 13)).flatten()?;
        is_announced(self.text, self.start).then_some(count)
    }

    /// The most groups of `least` to `most` digits that end where a number can. Behind nine digits
    /// and a space a zero begins the next number.
    fn longest(&self, least: usize, most: usize) -> Option<usize> {
        let (mut total, mut best) = (0, None);
        for (at, group) in self.groups.iter().enumerate() {
            let is_next =
                total >= 9 && group.is_behind_space() && self.text.at(group.start) == b'0';
            let is_word = total >= 10 && group.is_behind_space() && group.digits == 1;
            total += group.digits;
            if total > most || is_next || is_word {
                break;
            }
            if total >= least && self.closes(at + 1) {
                best = Some(at + 1);
            }
        }
        best
    }

    fn digit(&self, group: usize) -> u8 {
        self.groups.first_digit(self.text, group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        next(&Text::new(text), 0).map(|span| &text[span.start..span.end])
    }

    #[test]
    fn finds_numbers_of_many_plans() {
        for number in [
            "+14155550100",
            "+1 415-555-0100",
            "+44 (0)20 7946 0018",
            "(+34) 912 345 678",
            "(415) 555-0100",
            "(415)5550100",
            "415.555.0100",
            "1-800-555-0100",
            "415 555 0100 ext. 7",
            "030 23125 000",
            "030/23125-077",
            "(0221) 4710 999",
            "020 7946 0018",
            "06 39 98 01 23",
            "06.39.98.77.10",
            "03-1234-5678",
            "0049 171 3920055",
            "(11) 91234-5678",
            "612 34 56 78",
            "138-0013-8000",
            "8 (912) 345-67-89",
        ] {
            for text in [number.to_owned(), format!("on {number}, yes."), format!("は{number}です")]
            {
                assert_eq!(found(&text), Some(number), "{text}");
            }
        }
    }

    #[test]
    fn a_word_before_makes_a_number_of_digits() {
        for (text, number) in [
            ("call 555-0100 now", "555-0100"),
            ("phone_number: 4155550100", "4155550100"),
            ("my number is 4155550100", "4155550100"),
            ("my phone number is 4155550100", "4155550100"),
            ("Tel.: 02079460018", "02079460018"),
            ("móvil 612 345 678", "612 345 678"),
            ("電話番号は12345678です", "12345678"),
        ] {
            assert_eq!(found(text), Some(number), "{text}");
        }
        for text in [
            "call id 4155550100",
            "my order number 4155550100",
            "hotel 4155550100",
            "tell me 4155550100",
            "4155550100",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn a_plus_and_ten_digits_are_a_number_whatever_follows() {
        for (text, number) in [
            ("sip:+14155550100@example.com", "+14155550100"),
            ("From=%2B14155550100&To=x", "%2B14155550100"),
            ("+442079460018abc", "+442079460018"),
        ] {
            assert_eq!(found(text), Some(number), "{text}");
        }
    }

    #[test]
    fn a_list_is_as_many_numbers() {
        let text = "030 901820 030 901821, 415-555-0100,415-555-0101";
        let (scanned, mut from, mut all) = (Text::new(text), 0, Vec::new());
        while let Some(span) = next(&scanned, from) {
            all.push(&text[span.start..span.end]);
            from = span.end;
        }
        assert_eq!(all, ["030 901820", "030 901821", "415-555-0100", "415-555-0101"]);
    }

    #[test]
    fn other_numbers_are_none() {
        for text in [
            "2024-05-01 10:00:00",
            "01.02.2024 03.04.2024",
            "call 2024-05-01",
            "123-45-6789",
            "555-123-4567",
            "415-555-0100-22",
            "P-415-555-0100",
            "415-555-0100-A",
            "#415-555-0100",
            "$415 555 0100",
            "+49",
            "1+14155550100",
            "05 12 23 34 41 49",
            "1 030 901 820",
            "0123.456789",
            "192.168.178.201",
            "550e8400-e29b-41d4-a716-446655440000",
            "12345678-0123-1234-1234-123456789012",
            "030 901820,55 EUR",
            "030.901.820 EUR",
            "978-3-16-148410-0",
            "0-306-40615-2",
            "4111 1111 1111 1112",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
