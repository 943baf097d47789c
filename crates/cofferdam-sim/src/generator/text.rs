//! Writing values straight into a frame's bytes.

use super::rng::Rng;

/// Every byte as two hexadecimal digits.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

/// Every number below 100 as two decimal digits.
const PAIRS: [[u8; 2]; 100] = {
    let mut table = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        table[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
        number += 1;
    }
    table
};

/// A random (version 4) UUID.
pub(crate) fn uuid(rng: &mut Rng) -> Box<str> {
    let mut bytes = Vec::with_capacity(36);
    push_uuid(&mut bytes, rng);
    String::from_utf8_lossy(&bytes).into()
}

/// Appends a random (version 4) UUID: 36 bytes.
pub(crate) fn push_uuid(out: &mut Vec<u8>, rng: &mut Rng) {
    let (high, low) = (rng.next(), rng.next());
    let high = (high & 0xFFFF_FFFF_FFFF_0FFF | 0x4000).to_be_bytes();
    let low = (low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000).to_be_bytes();
    let mut text = [b'-'; 36];
    // Where each byte's two digits stand; 8, 13, 18 and 23 are the hyphens.
    let places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    for (place, byte) in places.into_iter().zip(high.into_iter().chain(low)) {
        text[place..place + 2].copy_from_slice(&HEX[usize::from(byte)]);
    }
    out.extend_from_slice(&text);
}

/// Appends `value` in hexadecimal: 8 bytes.
pub(crate) fn push_hex(out: &mut Vec<u8>, value: u32) {
    for byte in value.to_be_bytes() {
        out.extend_from_slice(&HEX[usize::from(byte)]);
    }
}

/// Appends `value` in decimal.
pub(crate) fn push_number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = value;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends `value` modulo 10,000 as four digits.
pub(crate) fn push_four(out: &mut Vec<u8>, value: u64) {
    let value = (value % 10_000) as usize;
    out.extend_from_slice(&PAIRS[value / 100]);
    out.extend_from_slice(&PAIRS[value % 100]);
}

/// Appends `value` modulo 100 as two digits.
pub(crate) fn push_two(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&PAIRS[(value % 100) as usize]);
}

/// An instant as RFC 3339 in UTC with milliseconds, as the platform writes times.
///
/// ```
/// use cofferdam_sim::generator::rfc3339;
///
/// assert_eq!(rfc3339(1_767_600_000_007), "2026-01-05T08:00:00.007Z");
/// ```
#[must_use]
pub fn rfc3339(at_ms: u64) -> String {
    let mut text = Vec::with_capacity(24);
    push_time(&mut text, at_ms);
    String::from_utf8_lossy(&text).into_owned()
}

/// Appends an instant as RFC 3339 in UTC with milliseconds: 24 bytes for the years 1970 to 9999.
pub(crate) fn push_time(out: &mut Vec<u8>, at_ms: u64) {
    push_minute(out, at_ms);
    out.push(b':');
    push_two(out, at_ms / 1_000 % 60);
    out.push(b'.');
    let millis = at_ms % 1_000;
    out.push(b'0' + (millis / 100) as u8);
    push_two(out, millis % 100);
    out.push(b'Z');
}

/// Appends an instant up to its minute, without a zone: 16 bytes.
pub(crate) fn push_minute(out: &mut Vec<u8>, at_ms: u64) {
    let (year, month, day) = civil(at_ms / 86_400_000);
    push_four(out, year);
    out.push(b'-');
    push_two(out, month);
    out.push(b'-');
    push_two(out, day);
    out.push(b'T');
    push_two(out, at_ms / 3_600_000 % 24);
    out.push(b':');
    push_two(out, at_ms / 60_000 % 60);
}

/// The Gregorian date of a day counted from 1970-01-01, by the usual trick of years that begin in
/// March, so that the leap day is a year's last (Howard Hinnant, "chrono-compatible low-level date
/// algorithms").
const fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_the_calendars() {
        for (at_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_600_000_007, "2026-01-05T08:00:00.007Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(written(|out| push_time(out, at_ms)), text);
        }
    }

    #[test]
    fn uuids_are_of_version_four() {
        let mut rng = Rng::new(1);
        for _ in 0..100 {
            let id = uuid(&mut rng);
            let dashes: Vec<_> = id.match_indices('-').map(|(at, _)| at).collect();
            assert_eq!((id.len(), dashes), (36, vec![8, 13, 18, 23]));
            assert_eq!(&id[14..15], "4");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
    }

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(written(|out| push_number(out, 0)), "0");
        assert_eq!(written(|out| push_number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|out| push_four(out, 70_042)), "0042");
        assert_eq!(written(|out| push_hex(out, 0x1F)), "0000001f");
    }
}
