//! Numbers and literals, a word at a time.

use crate::number;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Whether the `len` bytes at `at` (at least one, and what follows them does not go on with them) are
/// `true`, `false`, `null`, or a number of which that is plain from at most eight bytes. `false` says
/// nothing.
#[inline(always)]
pub(crate) fn is_plain(event: &[u8], at: usize, len: u32) -> bool {
    let Some(word) = event.get(at..).and_then(<[u8]>::first_chunk::<8>) else { return false };
    if len > 8 {
        return false;
    }
    let word = u64::from_le_bytes(*word) & u64::MAX >> (64 - 8 * len);
    let is_literal = word == LITERALS[0] || word == LITERALS[1] || word == LITERALS[2];
    is_literal | is_plain_number(word, len)
}

const LITERALS: [u64; 3] = [
    u64::from_le_bytes(*b"true\0\0\0\0"),
    u64::from_le_bytes(*b"null\0\0\0\0"),
    u64::from_le_bytes(*b"false\0\0\0"),
];

/// Whether `len` bytes, one to eight, are digits, and perhaps one dot between them.
#[inline(always)]
fn is_plain_number(word: u64, len: u32) -> bool {
    let last = 0x80 << (8 * (len - 1));
    let within = last | (last - 1);
    // The high bit of each byte that is a dot.
    let differs = word ^ (ONES * u64::from(b'.'));
    let dots = !(((differs & !HIGHS) + !HIGHS) | differs) & HIGHS;
    // A dot is taken for a nought.
    let digits = (word & !((dots >> 7) * 0xFF) | ((dots >> 7) * 0x30)) ^ ((ONES * 0x30) & within);
    let all_digits = (digits.wrapping_add(ONES * 0x76) | digits) & HIGHS & within == 0;
    let one_dot = dots & dots.wrapping_sub(1) == 0 && dots & (0x80 | last) == 0;
    let leading_nought = word & 0xFF == u64::from(b'0') && len > 1 && dots & 0x8000 == 0;
    all_digits & one_dot & !leading_nought
}

/// Where the number or literal at `at` ends, if there is one and nothing that would go on with it
/// follows. `None` otherwise.
#[cold]
#[inline(never)]
pub(crate) fn is_sound(event: &[u8], at: usize) -> bool {
    let rest = event.get(at..).unwrap_or_default();
    let end = match rest.first() {
        Some(b't') if rest.starts_with(b"true") => at + 4,
        Some(b'n') if rest.starts_with(b"null") => at + 4,
        Some(b'f') if rest.starts_with(b"false") => at + 5,
        Some(b'-' | b'0'..=b'9') => match number::scan(event, at) {
            Ok((_, end)) => end,
            Err(_) => return false,
        },
        _ => return false,
    };
    event.get(end).is_none_or(|byte| b" \t\n\r,:[]{}\"".contains(byte))
}
