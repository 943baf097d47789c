//! Eight bytes in a word: what a machine does that has nothing special, and what all others are held
//! against.

use crate::block::{BLOCK, Raw};

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW_SEVEN: u64 = 0x7f7f_7f7f_7f7f_7f7f;

pub(crate) fn classify(block: &[u8; BLOCK]) -> Raw {
    let mut raw = Raw::default();
    let (words, _) = block.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let brackets = word | (ONES * 0x20);
        raw.quote |= equal(word, b'"') << (8 * at);
        raw.backslash |= equal(word, b'\\') << (8 * at);
        raw.open |= equal(brackets, b'{') << (8 * at);
        raw.close |= equal(brackets, b'}') << (8 * at);
        raw.comma |= equal(word, b',') << (8 * at);
        raw.colon |= equal(word, b':') << (8 * at);
        let white = equal(word, b' ') | equal(word, b'\t') | equal(word, b'\n');
        raw.white |= (white | equal(word, b'\r')) << (8 * at);
        raw.control |= equal(word & (ONES * 0xE0), 0) << (8 * at);
        raw.high |= gather(word & !LOW_SEVEN) << (8 * at);
        raw.curly |= gather(word << 2 & !LOW_SEVEN) << (8 * at);
        raw.digits.digit |= digits(word) << (8 * at);
        raw.digits.nought |= equal(word, b'0') << (8 * at);
        raw.digits.dot |= equal(word, b'.') << (8 * at);
        raw.digits.minus |= equal(word, b'-') << (8 * at);
    }
    raw
}

/// A bit for each of eight bytes that equals `byte`.
fn equal(word: u64, byte: u8) -> u64 {
    let differs = word ^ (ONES * u64::from(byte));
    // The high bit of each byte that is not zero; nothing is carried from one byte to the next.
    let not_zero = ((differs & LOW_SEVEN) + LOW_SEVEN) | differs;
    gather(!not_zero & !LOW_SEVEN)
}

/// A bit for each of eight bytes that is a digit.
fn digits(word: u64) -> u64 {
    // A digit becomes 0 to 9, and nothing else does.
    let digit = word ^ (ONES * 0x30);
    let beyond = ((digit & LOW_SEVEN) + ONES * 0x76) | digit;
    gather(!beyond & !LOW_SEVEN)
}

/// Gathers the eight high bits in the highest byte: each product lands on a bit of its own.
fn gather(highs: u64) -> u64 {
    (highs >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
