//! The bytes about a block, from which names' hashes are made.
//!
//! A hash takes the first and the last eight bytes of a name, wherever that stands. To ask for bounds at
//! both ends is 9 instructions of 70 a name. So there is one array of fixed length about the block, longer
//! by eight than a power of two, and eight bytes at any place modulo that power are in it. Whether they
//! are the right ones is asked once a name: it must not begin more than 72 bytes before the block.

use crate::names::{self, Name};

/// What a place is taken modulo.
const PLACES: usize = 256;
/// Bytes of the array: some before the block, itself, some behind it.
pub(crate) const NEAR: usize = PLACES + 8;
/// How long before its block a name may begin.
pub(crate) const BEFORE: isize = 72;

/// A part of an event, or of a copy of it that is made longer. Places are seen from where it begins.
#[derive(Clone, Copy)]
pub(crate) struct Near<'a> {
    bytes: &'a [u8; NEAR],
    /// Where it begins in the event.
    pub(crate) start: usize,
    /// What to add to the place of an opening quote (from bit 32 on) and that of a colon, to get where
    /// the name between them begins and ends in the event.
    to_name: u64,
}

impl<'a> Near<'a> {
    /// The beginning of `event`, or all of it in `padded`.
    #[inline(always)]
    pub(crate) fn first(event: &'a [u8], padded: &'a mut [u8; NEAR]) -> Self {
        let bytes = event.first_chunk().unwrap_or_else(|| {
            padded[..event.len()].copy_from_slice(event);
            padded
        });
        Self { bytes, start: 0, to_name: to_name(0) }
    }

    /// Moves to the block at `base`. The last of a long event have fewer bytes behind them, and more
    /// before them.
    #[inline(always)]
    pub(crate) fn move_to(&mut self, event: &'a [u8], base: usize) {
        let last = event.len().saturating_sub(NEAR);
        // Eight more than a name needs: a short one's last eight bytes may begin before it.
        let start = base.saturating_sub(BEFORE as usize + 8).min(last);
        if let Some(bytes) = event.get(start..).and_then(<[u8]>::first_chunk) {
            *self = Self { bytes, start, to_name: to_name(start) };
        }
    }

    /// The name between the quote at `open` and the one before `colon`. The first stands at most [`BEFORE`]
    /// bytes before the block, and not among the first eight of the event.
    #[inline(always)]
    pub(crate) fn name(&self, open: isize, colon: isize) -> Name {
        // Two more than its length.
        let span = (colon - open) as usize;
        // Without a branch: how long names are, nobody can guess.
        let is_long = u64::from(span >= 10).wrapping_neg();
        let half = 4 * 10_usize.saturating_sub(span) as u32;
        let head = self.word(open + 1) & is_long;
        let tail = self.word(colon - 9) >> half >> half;
        let place = ((open as u64) << 32 | colon as u64).wrapping_add(self.to_name);
        Name::new(place, names::hash(span, head, tail))
    }

    #[inline(always)]
    fn word(&self, at: isize) -> u64 {
        let at = at as usize % PLACES;
        self.bytes[at..at + 8].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

const fn to_name(start: usize) -> u64 {
    ((start as u64) << 32 | start as u64).wrapping_add((1 << 32) - 1)
}
