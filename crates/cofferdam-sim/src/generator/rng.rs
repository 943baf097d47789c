//! A small deterministic random source: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
//!
//! Not for secrets. It is here rather than taken from a crate because frames must stay the same,
//! byte for byte, over every later version of every dependency: benchmarks and recorded failures
//! name a seed and nothing else.

/// 2^64 over the golden ratio, the increment that SplitMix64 was published with.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The generator's state: one counter.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number below `bound`, or 0 if `bound` is 0. The bias of the multiplication (Lemire, 2019)
    /// is below `bound / 2^32`, which no share measured here can see.
    pub(crate) const fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * bound as u64) >> 32) as u32
    }

    /// One of `items`; the empty slice has none.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let bound = u32::try_from(items.len()).unwrap_or(u32::MAX);
        items.get(self.below(bound) as usize)
    }

    /// Whether an event of this probability happens.
    pub(crate) const fn happens(&mut self, chance: Chance) -> bool {
        (self.next() >> 32) < chance.0
    }

    /// A number from 0 up to but without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A probability as a threshold on 32 random bits, so that the hot path compares integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Clamped to 0..=1; not-a-number never happens.
    pub(crate) fn of(probability: f64) -> Self {
        Self((probability.clamp(0.0, 1.0) * (1_u64 << 32) as f64) as u64)
    }
}

/// SplitMix64's finaliser: a bijection of 64 bits in which every input bit moves every output bit.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What a random sequence is for. Two purposes share no sequence, or one tenant's "random" id would
/// turn up as another's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Organisation = 1,
    Queue,
    User,
    Conversation,
    Templates,
    Order,
    Event,
    Correlation,
    Turns,
}

/// The seed for one purpose of one tenant (or of the whole, at index 0).
pub(crate) const fn seed_for(seed: u64, purpose: Purpose, index: usize) -> u64 {
    combine(combine(seed, purpose as u64), index as u64)
}

/// A seed that depends on both and on their order.
pub(crate) const fn combine(a: u64, b: u64) -> u64 {
    mix(mix(a.wrapping_add(GAMMA)) ^ b.wrapping_mul(GAMMA))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_sequence() {
        // The reference implementation's first outputs for state 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_chance_is_kept_and_the_ends_are_exact() {
        let mut rng = Rng::new(3);
        let hits = (0..100_000).filter(|_| rng.happens(Chance::of(0.1))).count();
        assert!((9_700..10_300).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| rng.happens(Chance::of(1.0))));
        assert!(!(0..1_000).any(|_| rng.happens(Chance::of(0.0))));
        assert!(!rng.happens(Chance::of(f64::NAN)));
    }
}
