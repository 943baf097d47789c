//! Bank accounts: a country, the length that it has in the registry, and a check by 97 (ISO 13616-1).

use super::text::{Span, Text};

/// The longest in the registry has 33.
const MAX_LENGTH: usize = 34;

/// Lengths as in the registry of SWIFT, release 100.
const LENGTHS: [(usize, &str); 18] = [
    (15, "NO"),
    (16, "BE"),
    (18, "DKFIFKFOGLNLSD"),
    (19, "MKSI"),
    (20, "ATBAEEKZLTLUMNXK"),
    (21, "CHHRLILV"),
    (22, "BGBHCRDEGBGEIEMERSVA"),
    (23, "AEGIILIQOMSOTL"),
    (24, "ADCZESMDPKROSASESKTNVG"),
    (25, "LYPTST"),
    (26, "ISTR"),
    (27, "BIDJFRGRITMCMRSM"),
    (28, "ALAZBYCYDOGTHNHULBNIPLSV"),
    (29, "BREGPSQAUA"),
    (30, "JOKWMUYE"),
    (31, "MTSC"),
    (32, "LC"),
    (33, "RU"),
];

pub(super) fn next(text: &Text<'_>, from: usize) -> Option<Span> {
    let mut at = from;
    while at < text.len() {
        if starts(text, at)
            && let Some(end) = account(text, at)
        {
            return Some(Span { start: at, end });
        }
        at += 1;
    }
    None
}

/// Two letters and two digits, not inside a word but for the word `IBAN` that people leave no gap after.
fn starts(text: &Text<'_>, at: usize) -> bool {
    text.at(at).is_ascii_alphabetic()
        && text.at(at + 1).is_ascii_alphabetic()
        && text.is_digit(at + 2)
        && text.is_digit(at + 3)
        && (!text.before(at).is_ascii_alphanumeric() || (at >= 4 && text.has(at - 4, "IBAN")))
}

fn length_of(country: [u8; 2]) -> Option<usize> {
    let has = |codes: &&str| codes.as_bytes().chunks_exact(2).any(|code| code == country);
    LENGTHS.iter().find(|(_, codes)| has(codes)).map(|(length, _)| *length)
}

/// Where the account that starts at `start` ends. Looks at no more than twice its length.
fn account(text: &Text<'_>, start: usize) -> Option<usize> {
    let upper = |at| text.at(at).to_ascii_uppercase();
    let length = length_of([upper(start), upper(start + 1)])?;
    let mut chars = [0; MAX_LENGTH];
    let (mut at, mut in_fours, mut has_lower) = (start, true, false);
    for (count, slot) in chars.iter_mut().take(length).enumerate() {
        if count > 3 && matches!(text.at(at), b' ' | b'-') {
            in_fours &= count % 4 == 0;
            at += 1;
        }
        let byte = text.at(at);
        if !byte.is_ascii_alphanumeric() {
            return None;
        }
        has_lower |= byte.is_ascii_lowercase();
        *slot = byte.to_ascii_uppercase();
        at += 1;
    }
    let chars = chars.get(..length)?;
    // `no93 is the best of all` is a sentence.
    let digits = chars.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_plausible = digits * 2 >= length && (in_fours || !has_lower);
    let ends = !text.at(at).is_ascii_alphanumeric();
    (ends && is_plausible && remainder(chars) == 1).then_some(at)
}

/// The remainder by 97 of the number that ISO 13616-1 makes of an account: the first four to the end,
/// and letters as 10 to 35.
fn remainder(chars: &[u8]) -> u32 {
    let (head, tail) = chars.split_at(chars.len().min(4));
    tail.iter().chain(head).fold(0, |remainder, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        letter => (remainder * 100 + u32::from(letter.saturating_sub(b'A')) + 10) % 97,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        next(&Text::new(text), 0).map(|span| &text[span.start..span.end])
    }

    #[test]
    fn finds_accounts_however_they_are_grouped() {
        for account in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "DE89 37040044 0532013000",
            "de89370400440532013000",
            "GB82-WEST-1234-5698-7654-32",
            "MT84MALT011000012345MTLCAST001S",
            "LC55HEMM000100010012001200023015",
            "NO9386011117947",
        ] {
            for text in [account.to_owned(), format!("IBAN{account} x"), format!("口座{account}。")]
            {
                assert_eq!(found(&text), Some(account), "{text}");
            }
        }
    }

    #[test]
    fn an_account_of_another_length_or_sum_is_none() {
        for text in [
            "DE89370400440532013001",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "XX89370400440532013000",
            "aDE89370400440532013000",
            "DE89  3704 0044 0532 0130 00",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn the_table_holds_each_country_once() {
        let mut codes: Vec<&[u8]> =
            LENGTHS.iter().flat_map(|(_, codes)| codes.as_bytes().chunks(2)).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!((codes.len(), all), (89, 89));
    }
}
