//! The window of outstanding positions: which were opened and not settled, as a ring of bits.
//!
//! Events are handed over out of order (several consumers, retries, dead letters), but a cursor is
//! one number: everything before it is settled. So the question is always "what is the lowest
//! outstanding position?", asked once per event.
//!
//! Position `p` is bit `p mod capacity`. A set bit is an outstanding position, so the answer is the
//! first set bit from `base` on, found 64 at a time:
//!
//! ```text
//! opened 10..=15, settled 10, 11, 13:     position  10 11 12 13 14 15
//!                                         bit        .  .  1  .  1  1
//!                                                          ^base          next = 16
//! settled 12: base skips the clear bits and stops at 14.
//! ```
//!
//! Opening and settling touch one word; `base` passes each word once per lap, which makes both O(1)
//! amortised. A min-heap or a `BTreeSet` of outstanding positions answers the same question in
//! O(log n), allocates as it grows, and keeps 64 bits and more where one is enough here.
//!
//! Positions that are skipped (sparse numbering, a compacted topic) are simply never set.

/// What became of a position that was to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It is outstanding now.
    Tracked,
    /// It lies before the base: it was accounted for long ago.
    Past,
    /// It lies a whole window or more after the base; nothing changed.
    Full,
}

/// See the module's text.
///
/// Invariants: `base <= next`; every set bit is a position in `base..next` and in
/// `base..base + capacity`; `outstanding` counts them; if it is 0 then `base == next`, else the bit
/// of `base` is set.
#[derive(Debug)]
pub(crate) struct Window {
    words: Box<[u64]>,
    mask: u64,
    base: u64,
    next: u64,
    outstanding: usize,
}

impl Window {
    /// An empty window at `start`. `capacity` is rounded up to a power of two from 64 to 2^24.
    pub(crate) fn new(capacity: u32, start: u64) -> Self {
        let capacity = capacity.clamp(64, 1 << 24).next_power_of_two();
        let words = vec![0; capacity as usize / 64].into_boxed_slice();
        Self { words, mask: u64::from(capacity) - 1, base: start, next: start, outstanding: 0 }
    }

    /// The lowest outstanding position, or [`next`](Self::next).
    pub(crate) const fn base(&self) -> u64 {
        self.base
    }

    /// The position after the highest one that is accounted for or outstanding.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    pub(crate) const fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Whether `position` could be opened now.
    pub(crate) const fn has_room(&self, position: u64) -> bool {
        self.outstanding == 0 || position.saturating_sub(self.base) <= self.mask
    }

    pub(crate) fn open(&mut self, position: u64) -> Opening {
        if position < self.base {
            return Opening::Past;
        }
        if !self.has_room(position) {
            return Opening::Full;
        }
        if self.outstanding == 0 {
            self.base = position;
        }
        let (word, bit) = self.place(position);
        if self.words[word] & bit == 0 {
            self.words[word] |= bit;
            self.outstanding += 1;
        }
        self.next = self.next.max(position.saturating_add(1));
        Opening::Tracked
    }

    /// Settles `position` if it is outstanding.
    pub(crate) fn settle(&mut self, position: u64) {
        if self.clear(position) && position == self.base {
            self.advance();
        }
    }

    /// Settles whatever is outstanding in `from..to`. Costs at most the capacity.
    pub(crate) fn settle_range(&mut self, from: u64, to: u64) {
        let end = to.min(self.next).min(self.base.saturating_add(self.mask + 1));
        for position in from.max(self.base)..end {
            self.clear(position);
        }
        self.advance();
    }

    /// Accounts for everything from `next` up to `to` without having seen it.
    pub(crate) fn skip_to(&mut self, to: u64) {
        self.next = self.next.max(to);
        self.advance();
    }

    fn clear(&mut self, position: u64) -> bool {
        // Without the bounds a stray position would clear the bit of another one, a lap away.
        if position < self.base || position - self.base > self.mask {
            return false;
        }
        let (word, bit) = self.place(position);
        let was_set = self.words[word] & bit != 0;
        if was_set {
            self.words[word] &= !bit;
            self.outstanding -= 1;
        }
        was_set
    }

    fn advance(&mut self) {
        while self.outstanding > 0 {
            let (word, bit) = self.place(self.base);
            let ahead = self.words[word] >> bit.trailing_zeros();
            if ahead != 0 {
                self.base += u64::from(ahead.trailing_zeros());
                return;
            }
            self.base += u64::from(64 - bit.trailing_zeros());
        }
        self.base = self.next;
    }

    const fn place(&self, position: u64) -> (usize, u64) {
        let index = position & self.mask;
        ((index / 64) as usize, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_module() {
        let mut window = Window::new(64, 10);
        for position in 10..=15 {
            assert_eq!(window.open(position), Opening::Tracked);
        }
        for position in [10, 11, 13] {
            window.settle(position);
        }
        assert_eq!((window.base(), window.next(), window.outstanding()), (12, 16, 3));
        window.settle(12);
        assert_eq!(window.base(), 14);
    }

    #[test]
    fn a_position_a_lap_away_does_not_settle_its_namesake() {
        let mut window = Window::new(64, 0);
        window.open(3);
        window.settle(3 + 64);
        window.settle(3 + 64 * 1_000);
        assert_eq!(window.outstanding(), 1);
    }

    #[test]
    fn refuses_the_position_that_would_lap_the_base() {
        let mut window = Window::new(64, 0);
        window.open(0);
        assert_eq!(window.open(63), Opening::Tracked);
        assert_eq!(window.open(64), Opening::Full);
        window.settle(0);
        assert_eq!(window.open(64), Opening::Tracked);
    }

    #[test]
    fn an_empty_window_follows_any_jump() {
        let mut window = Window::new(64, 0);
        assert_eq!(window.open(u64::MAX), Opening::Tracked);
        window.settle(u64::MAX);
        assert_eq!(window.base(), u64::MAX);
        assert_eq!(window.open(7), Opening::Past);
    }
}
