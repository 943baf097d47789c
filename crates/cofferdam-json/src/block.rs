//! Sixty-four bytes, and which of them are what.

use crate::scalar::Digits;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// Which bytes of one block are what, a bit a byte, the lowest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) quote: u64,
    pub(crate) backslash: u64,
    /// `{` and `[`.
    pub(crate) open: u64,
    /// `}` and `]`.
    pub(crate) close: u64,
    pub(crate) comma: u64,
    pub(crate) colon: u64,
    /// Space, tab, line feed, carriage return.
    pub(crate) white: u64,
    /// Bytes below the space.
    pub(crate) control: u64,
    /// Bytes beyond ASCII.
    pub(crate) high: u64,
    /// Of brackets, those that are curly.
    pub(crate) curly: u64,
    pub(crate) digits: Digits,
}

/// Which bytes are escaped: those behind an odd number of backslashes. `carry` is 1 if the first byte
/// is, and becomes so for the next block.
///
/// A run of backslashes that begins at an odd place is moved by one against one that begins at an even
/// place. Adding the starts of the odd runs to all backslashes carries each such run to its end, so the
/// sum tells the two kinds apart without a loop over runs (simdjson, "Faster JSON parsing", 2021).
#[inline(always)]
pub(crate) fn escaped_bytes(backslash: u64, carry: &mut u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    if backslash == 0 {
        return core::mem::take(carry);
    }
    // A backslash that is escaped itself escapes nothing.
    let backslash = backslash & !*carry;
    let follows = backslash << 1 | *carry;
    let odd_starts = backslash & !EVEN & !follows;
    let (ends, overflow) = odd_starts.overflowing_add(backslash);
    *carry = u64::from(overflow);
    (EVEN ^ (ends << 1)) & follows
}

/// Bit n of the answer is the xor of the bits up to n.
#[inline(always)]
pub(crate) const fn running_xor(bits: u64) -> u64 {
    let bits = bits ^ bits << 1;
    let bits = bits ^ bits << 2;
    let bits = bits ^ bits << 4;
    let bits = bits ^ bits << 8;
    let bits = bits ^ bits << 16;
    bits ^ bits << 32
}
