//! Numbers and literals, all those of a block at once.
//!
//! A scalar here is a run of bytes outside strings that are neither white space nor one of `,:[]{}`.
//! What begins with a digit or a minus sign has to be a number, anything else one of three words.
//!
//! Words are compared one by one. Numbers are not: a number of digits, with or without a sign and a
//! fraction, obeys rules about neighbours, and a rule about neighbours is a shift and an AND for all of
//! them. In
//!
//! ```text
//! bytes      [ - 1 2 . 5 0 , 0 7 , 1 . 2 . 3 ]
//! digit      . . x x . x x . x x . x . x . x .
//! first      . . x . . . . . x . . x . . . . .   digits that begin a number or follow its sign
//! nought     . . . . . . . . x . . . . . . . .   of `first`; a digit right behind it is the fault in `07`
//! fraction   . . . . . x . . . . . . . x . x .   what follows a dot, where a digit must stand
//! end        . . . . . . . x . . . . . . x . x   fraction + digit, without digits: where fractions end
//! ```
//!
//! the sum carries each fraction's first digit through the others, to where it ends. If that is a byte of
//! the number, as the second dot of `1.2.3` is, it is a fault.
//!
//! What has an exponent, or goes on in the next block, is read byte by byte.

use crate::number;

/// Which bytes of a block can stand in a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digits {
    pub(crate) digit: u64,
    pub(crate) nought: u64,
    pub(crate) dot: u64,
    pub(crate) minus: u64,
}

/// Whether the scalars that begin at `starts` are sound. They take up the bytes of `scalars`, of which
/// some may go on with one that began before the block, at `base`, and was looked at then.
#[inline(always)]
pub(crate) fn are_sound(
    event: &[u8],
    base: usize,
    scalars: u64,
    mut starts: u64,
    digits: Digits,
) -> bool {
    // The lowest run is one that goes on if it does not begin.
    let lowest = scalars & scalars.wrapping_neg();
    let mut within = scalars & scalars.wrapping_add(lowest & !starts);
    if scalars >> 63 == 1 && starts != 0 {
        let last = 63 - starts.leading_zeros();
        if !is_sound(event, base + last as usize) {
            return false;
        }
        within &= (1 << last) - 1;
        starts &= (1 << last) - 1;
    }
    let number = (digits.digit | digits.minus) & starts;
    let mut words = starts & !number;
    while words != 0 {
        let at = words.trailing_zeros();
        words &= words - 1;
        let Some(len) = word(event, base + at as usize) else { return false };
        let bytes = ((1 << len) - 1) << at;
        // It ends where its run does.
        if (within & (bytes << 1 | bytes)) != bytes {
            return false;
        }
        within ^= bytes;
    }
    are_plain(within, number, digits) || numbers_are_sound(event, base, number)
}

/// Whether the numbers that begin at `starts`, and are all that is in `within`, have no exponents and no
/// faults.
#[inline(always)]
fn are_plain(within: u64, starts: u64, digits: Digits) -> bool {
    let digit = digits.digit & within;
    let dot = digits.dot & within;
    let minus = digits.minus & within;
    let first = starts & digit | minus << 1;
    let fraction = dot << 1;
    let end = digit.wrapping_add(fraction) & !digit;
    let faults = within & !(digit | dot | minus)
        | minus & !starts
        | (first | fraction) & !digit
        | (first & digits.nought) << 1 & digit
        | end & within;
    faults == 0
}

/// How long the word at `at` is.
#[inline(always)]
fn word(event: &[u8], at: usize) -> Option<u32> {
    let bytes = event.get(at..at + 5)?;
    match bytes.first_chunk::<4>()? {
        b"true" | b"null" => Some(4),
        b"fals" if bytes.last() == Some(&b'e') => Some(5),
        _ => None,
    }
}

#[cold]
#[inline(never)]
fn numbers_are_sound(event: &[u8], base: usize, mut starts: u64) -> bool {
    while starts != 0 {
        if !is_sound(event, base + starts.trailing_zeros() as usize) {
            return false;
        }
        starts &= starts - 1;
    }
    true
}

/// Whether a sound scalar stands at `at`, and nothing that would go on with it follows.
#[cold]
#[inline(never)]
fn is_sound(event: &[u8], at: usize) -> bool {
    let rest = event.get(at..).unwrap_or_default();
    let len = match rest.first() {
        Some(b't') if rest.starts_with(b"true") => 4,
        Some(b'n') if rest.starts_with(b"null") => 4,
        Some(b'f') if rest.starts_with(b"false") => 5,
        Some(b'-' | b'0'..=b'9') => match number::scan(rest, 0) {
            Ok((_, len)) => len,
            Err(_) => return false,
        },
        _ => return false,
    };
    rest.get(len).is_none_or(|byte| b" \t\n\r,:[]{}\"".contains(byte))
}
