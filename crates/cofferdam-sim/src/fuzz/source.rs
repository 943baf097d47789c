//! Choices from bytes: what turns a fuzzer's data into structure.

/// Draws from the data, and zeros once it is used up: the shortest input is the plainest one.
pub(super) struct Source<'d> {
    data: &'d [u8],
}

impl<'d> Source<'d> {
    pub(super) const fn new(data: &'d [u8]) -> Self {
        Self { data }
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.data.split_first() else { return 0 };
        self.data = rest;
        first
    }

    /// Below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A fair coin; tails once the data is used up.
    pub(super) fn coin(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}
