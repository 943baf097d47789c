//! JSON numbers: the grammar, the range, and one spelling per value.

use alloc::vec::Vec;

use crate::Fault;

/// A number as it stands in the bytes; its grammar was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number<'a> {
    raw: &'a [u8],
}

impl<'a> Number<'a> {
    /// Reads bytes that must be one number.
    ///
    /// # Errors
    ///
    /// [`Fault::Malformed`] or [`Fault::NumberOutOfRange`].
    pub fn read(raw: &'a [u8]) -> Result<Self, Fault> {
        match scan(raw, 0)? {
            (number, end) if end == raw.len() => Ok(number),
            _ => Err(Fault::Malformed),
        }
    }

    /// The bytes of the number.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Appends the one spelling of this value: `[-]digits[e exponent]`, the digits without leading
    /// or trailing zeros. `35`, `35.0` and `3.5e1` become `35`; `-0` becomes `0`; `2^53+1` stays
    /// itself, as nothing goes through a float. An exponent beyond 2^62 is kept at that
    /// bound.
    pub fn canonical_into(&self, out: &mut Vec<u8>) {
        let (negative, digits) = match self.raw.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, self.raw),
        };
        let split = digits.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(digits.len());
        let (mantissa, exponent) = digits.split_at(split);
        let point = mantissa.iter().position(|&b| b == b'.').unwrap_or(mantissa.len());
        let fraction_len = mantissa.len().saturating_sub(point + 1);

        let start = out.len();
        if negative {
            out.push(b'-');
        }
        let first = out.len();
        out.extend(mantissa.iter().filter(|b| b.is_ascii_digit()).skip_while(|&&b| b == b'0'));
        let all = out.len();
        while out.len() > first && out.last() == Some(&b'0') {
            out.pop();
        }
        if out.len() == first {
            out.truncate(start);
            out.push(b'0');
            return;
        }
        let trimmed = all - out.len();
        let shift = trimmed as i64 - fraction_len as i64;
        // Once, after the shift, so that two spellings of one number come to the same bound.
        match parse_exponent(exponent).saturating_add(shift).clamp(-MAX_EXPONENT, MAX_EXPONENT) {
            0 => {}
            exponent => {
                out.push(b'e');
                write_i64(exponent, out);
            }
        }
    }
}

/// Far from the end of 64 bits, which is where an exponent that is longer than them is cut.
const MAX_EXPONENT: i64 = 1 << 62;

/// The value of `e[+-]digits`, or of nothing.
fn parse_exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text.get(1..).unwrap_or_default() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let value = digits.iter().fold(0i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0')))
    });
    if negative { -value } else { value }
}

fn write_i64(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Reads the number at `at`: the number, and where the byte after it stands.
///
/// RFC 8259 section 6: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
#[inline(always)]
pub(crate) fn scan(bytes: &[u8], at: usize) -> Result<(Number<'_>, usize), Fault> {
    let start = at;
    let mut at = at + usize::from(bytes.get(at) == Some(&b'-'));
    let whole = at;
    at = digits(bytes, at)?;
    if bytes.get(whole) == Some(&b'0') && at - whole > 1 {
        return Err(Fault::Malformed);
    }
    let mut simple = at - whole <= 300;
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(bytes, at)?;
        simple = false;
    }
    let number = Number { raw: bytes.get(start..at).ok_or(Fault::Malformed)? };
    if simple || is_finite(number) { Ok((number, at)) } else { Err(Fault::NumberOutOfRange) }
}

/// One or more digits from `at` on: where they end.
fn digits(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let rest = bytes.get(at..).unwrap_or_default();
    let count = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    if count == 0 { Err(Fault::Malformed) } else { Ok(at + count) }
}

/// Whether binary64 can hold the magnitude; the standard library rounds exactly.
#[cold]
fn is_finite(number: Number<'_>) -> bool {
    core::str::from_utf8(number.raw)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .is_some_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        let (number, end) = scan(text.as_bytes(), 0).unwrap();
        assert_eq!(end, text.len(), "{text}");
        let mut out = Vec::new();
        number.canonical_into(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_value_has_one_spelling() {
        for (spellings, value) in [
            (&["35", "35.0", "3.5e1", "350E-1", "0.35e+2", "35.000"][..], "35"),
            (&["0", "-0", "0.0", "0e5", "-0.000e-3"], "0"),
            (&["100", "1e2", "10.0e1"], "1e2"),
            (&["-0.001", "-1e-3", "-0.1e-2"], "-1e-3"),
            (&["9007199254740993"], "9007199254740993"),
            (&["9007199254740992"], "9007199254740992"),
        ] {
            for spelling in spellings {
                assert_eq!(canonical(spelling), value, "{spelling}");
            }
        }
    }

    #[test]
    fn refuses_what_is_not_a_number() {
        for text in ["", "-", "01", "-01", "1.", ".5", "1e", "1e+", "+1", "--1", "NaN", "Infinity"]
        {
            let refused = match scan(text.as_bytes(), 0) {
                Err(_) => true,
                Ok((_, end)) => end != text.len(),
            };
            assert!(refused, "{text}");
        }
    }

    /// F05 and trap 7: a magnitude on which readers differ.
    #[test]
    fn refuses_a_number_beyond_binary64() {
        let long = "9".repeat(400);
        for text in ["1e400", "-1e400", "1.8e308", "0.1e310", &long] {
            assert_eq!(scan(text.as_bytes(), 0), Err(Fault::NumberOutOfRange), "{text}");
        }
        for text in ["1.7e308", "1e-400", "123456789012345678901234567890"] {
            assert!(scan(text.as_bytes(), 0).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_huge_exponent_does_not_overflow() {
        assert_eq!(canonical("0e99999999999999999999"), "0");
        let least = format!("1e-{MAX_EXPONENT}");
        for spelling in
            ["1e-99999999999999999999", "1e-9223372036854775808", "0.1e-9223372036854775807"]
        {
            assert_eq!(canonical(spelling), least, "{spelling}");
        }
    }
}
