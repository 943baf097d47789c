//! JSON strings as they stand in the bytes, compared and decoded without a copy where possible.

use alloc::vec::Vec;

use crate::Fault;

/// The inside of a JSON string whose escapes were checked: every one decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// The bytes between the quotes, escapes and all.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether there is an escape in it.
    #[must_use]
    pub fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// What the string says, as UTF-8 bytes: borrowed from the event if nothing is escaped, else
    /// decoded into `scratch`.
    pub fn decode<'s>(&self, scratch: &'s mut Vec<u8>) -> &'s [u8]
    where
        'a: 's,
    {
        if !self.escaped {
            return self.raw;
        }
        scratch.clear();
        self.decode_into(scratch);
        scratch
    }

    /// Appends what the string says to `out`, as UTF-8.
    pub fn decode_into(&self, out: &mut Vec<u8>) {
        // Its escapes were checked when it was read.
        let _ = unescape(self.raw, out);
    }
}

/// Appends what the inside of a string says to `out`, as UTF-8: for whoever found the two quotes by
/// other means than a [`Reader`](crate::Reader).
///
/// # Errors
///
/// [`Fault::Malformed`] or [`Fault::InvalidText`], as the reader has it. What `out` then holds is of no
/// use.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut rest = raw;
    while let Some(backslash) = rest.iter().position(|&b| b == b'\\') {
        let (plain, escaped) = rest.split_at(backslash);
        out.extend_from_slice(plain);
        let (scalar, used) = escape(escaped)?;
        let mut utf8 = [0; 4];
        out.extend_from_slice(scalar.encode_utf8(&mut utf8).as_bytes());
        rest = &escaped[used..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// Finds the end of the string whose first inner byte is at `at`: its text, and where the byte
/// after the closing quote stands.
///
/// Eight bytes at a time: a byte is uninteresting unless it is a quote, a backslash or a control
/// character, and a carry-free comparison finds the first that is (the technique of "Determine if
/// a word has a byte less than n", Anderson, "Bit Twiddling Hacks"). A false alarm, which the
/// borrow in those formulas can cause only above a true hit, costs nothing as the first hit is exact.
#[inline(always)]
pub(crate) fn scan(bytes: &[u8], at: usize) -> Result<(Text<'_>, usize), Fault> {
    let start = at;
    let mut at = at;
    let mut escaped = false;
    loop {
        at = next_special(bytes, at);
        match bytes.get(at) {
            Some(b'"') => {
                let raw = bytes.get(start..at).ok_or(Fault::Malformed)?;
                return Ok((Text { raw, escaped }, at + 1));
            }
            Some(b'\\') => {
                escaped = true;
                at += escape(&bytes[at..])?.1;
            }
            Some(_) | None => return Err(Fault::Malformed),
        }
    }
}

/// The first byte at or after `at` that a string cannot simply contain; the length if there is none.
#[inline]
pub(crate) fn next_special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = zero_byte(word ^ (ONES * b'"' as u64));
        let backslash = zero_byte(word ^ (ONES * b'\\' as u64));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let special = quote | backslash | control;
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// Decodes the escape at the start of `bytes`: the scalar and the length of the escape.
pub(crate) fn escape(bytes: &[u8]) -> Result<(char, usize), Fault> {
    let plain = match bytes.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(bytes),
        _ => return Err(Fault::Malformed),
    };
    Ok((plain, 2))
}

/// `\uXXXX`, or two of them that make a surrogate pair. A NUL is refused: stores and C code cut
/// the text there.
fn unicode_escape(bytes: &[u8]) -> Result<(char, usize), Fault> {
    let first = hex4(bytes.get(2..6))?;
    let (scalar, used) = if (0xD800..0xDC00).contains(&first) {
        if bytes.get(6..8) != Some(b"\\u") {
            return Err(Fault::InvalidText);
        }
        let second = hex4(bytes.get(8..12))?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(Fault::InvalidText);
        }
        (0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00), 12)
    } else {
        (first, 6)
    };
    match char::from_u32(scalar) {
        None | Some('\0') => Err(Fault::InvalidText),
        Some(scalar) => Ok((scalar, used)),
    }
}

fn hex4(digits: Option<&[u8]>) -> Result<u32, Fault> {
    let digits = digits.and_then(<[u8]>::first_chunk::<4>).ok_or(Fault::Malformed)?;
    let [a, b, c, d] = digits.map(|digit| i32::from(HEX[usize::from(digit)]));
    u32::try_from(a << 12 | b << 8 | c << 4 | d).map_err(|_| Fault::Malformed)
}

/// What each byte is as a hexadecimal digit; -1, which makes all that it is put together with less than
/// nought, if it is none.
static HEX: [i8; 256] = {
    let mut values = [-1; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as i8;
        values[b"0123456789ABCDEF"[value] as usize] = value as i8;
        value += 1;
    }
    values
};

/// Appends `text` to `out` as a JSON string with its quotes.
///
/// Escapes what RFC 8259 demands and nothing else, so that text without control characters,
/// quotes and backslashes is copied as it is.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(raw: &str) -> Result<String, Fault> {
        let quoted = format!("{raw}\"");
        let (text, end) = scan(quoted.as_bytes(), 0)?;
        assert_eq!(end, quoted.len());
        let mut scratch = Vec::new();
        Ok(String::from_utf8(text.decode(&mut scratch).to_vec()).unwrap())
    }

    #[test]
    fn decodes_every_escape() {
        assert_eq!(decoded(r#"\"\\\/\b\f\n\r\t"#).unwrap(), "\"\\/\u{8}\u{c}\n\r\t");
        assert_eq!(decoded(r"\u0041\u00e9\u20AC\ud83d\ude00").unwrap(), "Aé€😀");
        assert_eq!(decoded("plain, é, 12345678").unwrap(), "plain, é, 12345678");
    }

    /// F04: lone surrogates, escaped NUL, raw control characters.
    #[test]
    fn refuses_text_that_readers_differ_on() {
        for raw in [r"\ud800", r"\ud800A", r"\ud800\u0042", r"\udc00", r"\ud800\ud800", r"\u0000"] {
            assert_eq!(decoded(raw), Err(Fault::InvalidText), "{raw}");
        }
        for raw in [r"\x", r"\u12", r"\u12G4", r"\u+123", "\u{1f}", "\n", "abcdefgh\0"] {
            assert_eq!(decoded(raw), Err(Fault::Malformed), "{raw:?}");
        }
        assert_eq!(scan(b"no end", 0), Err(Fault::Malformed));
        assert_eq!(scan(b"ends in a backslash\\", 0), Err(Fault::Malformed));
    }

    #[test]
    fn a_byte_is_a_hexadecimal_digit_or_none() {
        for byte in 0..=u8::MAX {
            let expected = char::from(byte).to_digit(16).ok_or(Fault::Malformed);
            for at in 0..4 {
                let mut digits = *b"0000";
                digits[at] = byte;
                let expected = expected.map(|digit| digit << (4 * (3 - at)));
                assert_eq!(hex4(Some(&digits)), expected, "{byte}");
            }
        }
    }

    #[test]
    fn finds_the_first_special_byte_at_every_offset() {
        for len in 0..40 {
            for at in 0..len {
                for special in [b'"', b'\\', 0, 0x1f] {
                    let mut bytes = vec![0xC3; len];
                    bytes[at] = special;
                    assert_eq!(next_special(&bytes, 0), at);
                }
            }
            for plain in [0x20, 0x21, 0x23, 0x5B, 0x5D, 0x7F, 0x80, 0xFF] {
                assert_eq!(next_special(&vec![plain; len], 0), len);
            }
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let text: String = (1..0x80u8).map(char::from).chain("é😀\u{2028}".chars()).collect();
        let mut out = Vec::new();
        write_string(&text, &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
