//! Random numbers from a seed that was injected.
//!
//! HMAC-SHA-256 of a counter under the seed: unpredictable without the seed, since an assertion's
//! id must be, and the same on every run with it. Each tenant's machine has its own, so that no
//! tenant's jitter tells how often another one drew.

use std::fmt;

use aws_lc_rs::hmac;

pub(super) struct Chance {
    key: hmac::Key,
    drawn: u64,
}

impl Chance {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, seed), drawn: 0 }
    }

    fn block<const N: usize>(&mut self) -> [u8; N] {
        self.drawn = self.drawn.wrapping_add(1);
        let tag = hmac::sign(&self.key, &self.drawn.to_be_bytes());
        let mut block = [0; N];
        for (to, from) in block.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        block
    }

    pub(super) fn draw(&mut self) -> u64 {
        u64::from_be_bytes(self.block())
    }

    pub(super) fn nonce(&mut self) -> [u8; 16] {
        self.block()
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draw_is_another_and_depends_on_the_seed() {
        let mut chance = Chance::new(&[1; 32]);
        let drawn: Vec<_> = (0..4).map(|_| chance.draw()).collect();
        let mut sorted = drawn.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 4);
        let mut same = Chance::new(&[1; 32]);
        assert_eq!((0..4).map(|_| same.draw()).collect::<Vec<_>>(), drawn);
        assert_ne!(Chance::new(&[2; 32]).draw(), drawn[0]);
        assert_eq!(chance.nonce(), same.nonce());
        assert_ne!(chance.nonce(), [0; 16]);
        assert_eq!(format!("{chance:?}"), "Chance(..)");
    }
}
