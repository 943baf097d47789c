//! What stands around a phone number, and what must not.

use super::super::text::{Text, is_word};

/// Words that announce a phone number.
const ANNOUNCING: [&str; 87] = [
    "ani",
    "anruf",
    "anrufen",
    "appeler",
    "appelez",
    "bel",
    "bellen",
    "call",
    "callernumber",
    "cel",
    "cell",
    "cellphone",
    "celular",
    "chiama",
    "chiamami",
    "chiamare",
    "cli",
    "contactnumber",
    "dial",
    "dnis",
    "dzwoń",
    "fax",
    "fon",
    "fone",
    "fono",
    "gsm",
    "handy",
    "hotline",
    "kontakttelefon",
    "liga",
    "ligar",
    "ligue",
    "llama",
    "llamar",
    "llame",
    "llámame",
    "llámeme",
    "mob",
    "mobil",
    "mobile",
    "mobilenumber",
    "mobiltelefon",
    "movil",
    "msisdn",
    "móvil",
    "ph",
    "phone",
    "phoneno",
    "phonenumber",
    "portable",
    "puh",
    "puhelin",
    "rappelez",
    "ring",
    "rufnummer",
    "sdt",
    "sms",
    "soita",
    "tel",
    "telefon",
    "telefone",
    "telefonnummer",
    "telefono",
    "telefonszám",
    "telefoon",
    "telephone",
    "telephonenumber",
    "telf",
    "teléfono",
    "tfno",
    "tlf",
    "tél",
    "téléphone",
    "viber",
    "whatsapp",
    "zadzwoń",
    "τηλ",
    "τηλέφωνο",
    "звоните",
    "позвоните",
    "тел",
    "телефон",
    "טלפון",
    "اتصل",
    "هاتف",
    "फ़ोन",
    "मोबाइल",
];

/// Words for a number, which announce a phone number if a person has it: `my number is`.
const NUMBERS: [&str; 9] =
    ["no", "nr", "num", "number", "numero", "nummer", "numéro", "número", "номер"];

/// Words that say that a person has it.
const OWNERS: [&str; 17] = [
    "callback", "caller", "contact", "her", "his", "ma", "mam", "mein", "meine", "meu", "mi",
    "mijn", "min", "mio", "mon", "my", "мой",
];

/// Words that may stand between such a word and the number.
const BETWEEN: [&str; 49] = [
    "al", "and", "at", "au", "back", "cell", "der", "des", "e", "el", "es", "est", "file", "him",
    "home", "il", "in", "is", "ist", "kom", "kunden", "la", "lautet", "le", "lo", "lui", "me",
    "now", "o", "oder", "office", "on", "op", "oppure", "optional", "or", "our", "private", "the",
    "to", "und", "unter", "us", "work", "y", "your", "на", "על", "على",
];

/// The same in languages that set no spaces.
const ANNOUNCING_WIDE: [&str; 7] = ["電話", "携帯", "电话", "手机", "座机", "拨打", "전화"];

/// Bytes of the longest of these words.
const LONGEST: usize = 24;

/// Bytes before a number that are looked at for such words.
const REACH: usize = 48;

/// Units and currencies, which make an amount of a number.
const UNITS: [&str; 10] = ["eur", "euro", "euros", "usd", "gbp", "chf", "kr", "kg", "km", "kwh"];

/// Words before an extension.
const EXTENSIONS: [&str; 6] = ["extension", "ext", "durchwahl", "dw", "x", "#"];
const MAX_EXTENSION: usize = 6;

/// Whether a number may start at `at`: not inside a name, a path, a time, an amount or another number.
pub(super) fn may_start(text: &Text<'_>, at: usize) -> bool {
    let behind_digit = at > 0 && text.is_digit_before(at - 1);
    match text.before(at) {
        byte if is_word(byte) => false,
        b'#' | b'$' | b'+' | b'*' | b'%' | b'\\' | b'@' | b'~' | b'^' => false,
        b'-' | b'/' => !is_word(text.before(at - 1)),
        b'.' | b':' => !behind_digit,
        // A list, but not the thousands of an amount.
        b',' => !behind_digit || (2..6).all(|n| at > n && text.is_digit(at - n)),
        // Only a space of its own, not the one behind a currency.
        b' ' => text.before(at - 1) != b'$' && !is_currency(text, at - 1),
        0x80.. => !is_currency(text, at),
        _ => true,
    }
}

fn is_currency(text: &Text<'_>, end: usize) -> bool {
    matches!(text.char_before(end), Some('€' | '£' | '¥' | '₹' | '§'))
}

/// Whether a number may end at `at`: nothing goes on that it would be a part of.
pub(super) fn closes(text: &Text<'_>, at: usize) -> bool {
    let next = text.at(at + 1);
    let is_open = match text.at(at) {
        byte if is_word(byte) => true,
        b'-' | b'/' => next.is_ascii_alphanumeric(),
        b'.' | b':' => next.is_ascii_digit(),
        // The decimals of an amount: one digit or two.
        b',' => next.is_ascii_digit() && !(text.is_digit(at + 2) && text.is_digit(at + 3)),
        b'%' | b'@' | b'=' | b'*' | b'$' => true,
        _ => false,
    };
    let unit = at + usize::from(text.at(at) == b' ');
    let is_amount = matches!(text.char_at(unit), Some('€' | '£' | '¥' | '$' | '%' | '°' | '円'))
        || UNITS.iter().any(|word| text.has(unit, word) && !is_word(text.at(unit + word.len())));
    !is_open && !is_amount
}

/// Where the extension at `at` ends, if there is one: `ext. 12`, `x12`, `Durchwahl 12`.
pub(super) fn extension(text: &Text<'_>, at: usize) -> Option<usize> {
    let comma = at + usize::from(text.at(at) == b',');
    let start = comma + usize::from(text.at(comma) == b' ');
    let word = EXTENSIONS.iter().find(|word| text.has(start, word))?;
    let mut end = start + word.len();
    end += usize::from(matches!(text.at(end), b'.' | b':'));
    end += usize::from(text.at(end) == b' ');
    let digits = (0..=MAX_EXTENSION).take_while(|n| text.is_digit(end + n)).count();
    let is_whole = (1..=MAX_EXTENSION).contains(&digits) && !is_word(text.at(end + digits));
    is_whole.then_some(end + digits)
}

/// Whether a word before `start` says that a phone number comes.
pub(super) fn is_announced(text: &Text<'_>, start: usize) -> bool {
    let floor = start.saturating_sub(REACH);
    let (mut end, mut is_number) = (start, false);
    for _ in 0..5 {
        while end > floor && is_sign(text.before(end)) {
            end -= 1;
        }
        let mut begin = end;
        while begin > floor && is_letter(text.before(begin)) {
            begin -= 1;
        }
        // Empty where the reach ends in the middle of a character.
        let word = text.slice(begin, end);
        if ANNOUNCING_WIDE.iter().any(|wide| word.contains(wide)) {
            return true;
        }
        let mut buffer = [0; LONGEST];
        let Some(word) = lower(word, &mut buffer) else { return false };
        let is_in = |words: &[&str]| words.binary_search(&word).is_ok();
        if is_in(&ANNOUNCING) || (is_number && is_in(&OWNERS)) {
            return true;
        }
        is_number |= is_in(&NUMBERS);
        if !is_in(&NUMBERS) && !is_in(&OWNERS) && !is_in(&BETWEEN) {
            return false;
        }
        end = begin;
    }
    false
}

/// A word in lower case, unless it is longer than those that are known.
fn lower<'b>(word: &str, buffer: &'b mut [u8; LONGEST]) -> Option<&'b str> {
    let mut end = 0;
    for char in word.chars().flat_map(char::to_lowercase) {
        let next = end + char.len_utf8();
        char.encode_utf8(buffer.get_mut(end..next)?);
        end = next;
    }
    core::str::from_utf8(&buffer[..end]).ok()
}

fn is_sign(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b':' | b'.' | b'=' | b'_' | b'(' | b')' | b'"' | b',' | b'>' | b'-' | b'\''
    )
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_in_the_order_in_which_they_are_looked_for() {
        for words in [&ANNOUNCING[..], &NUMBERS, &OWNERS, &BETWEEN] {
            assert!(words.is_sorted());
            for word in words {
                assert_eq!(lower(&word.to_uppercase(), &mut [0; LONGEST]), Some(*word));
            }
        }
    }
}
