//! Sixty-four bytes at once: the one module with `unsafe` in it.
//!
//! Which instructions a machine has is known when the program runs, so the work is compiled once for
//! each kind and chosen at each call. All of it is safe code: bytes get into vectors by value, never
//! through a pointer. What the compiler cannot know is that the machine has the instructions that
//! a function was compiled for. That is all the `unsafe` blocks say, each right behind the test that
//! makes it true.
//!
//! | machine | instructions | where |
//! |---|---|---|
//! | x86-64 | AVX-512 (F, BW, VL), PCLMULQDQ, POPCNT, LZCNT, BMI 1 and 2 | found when it runs |
//! | x86-64 | AVX2, PCLMULQDQ, POPCNT, LZCNT, BMI 1 and 2 | found when it runs |
//! | x86-64 | SSE2 | every one |
//! | any other, and under Miri | none: eight bytes in a word | |
//!
//! Without the feature `std` nothing can be found out, and x86-64 uses SSE2.
//!
//! [`portable`] is what all others are held against, over random bytes, in the tests here and in the
//! fuzz targets `structure` and `check`.

#[cfg(any(test, miri, not(target_arch = "x86_64")))]
use crate::words;
use crate::{
    check::Refused,
    grammar,
    names::Names,
    scalar::Digits,
    structure::{BLOCK, Raw, Window, running_xor},
};

/// Finds the blocks of the next bytes, with the best that this machine has.
#[inline]
pub(crate) fn fill(bytes: &[u8], window: &mut Window) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    x86_64::fill(bytes, window);
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    portable(bytes, window);
}

/// Reads a whole event, with the best that this machine has.
#[inline]
pub(crate) fn read(event: &[u8], max_depth: u32, names: Names<'_>) -> Result<(), Refused> {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    return x86_64::read(event, max_depth, names);
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    grammar::read(event, max_depth, names, words::classify, running_xor)
}

/// Without anything special.
#[cfg(any(test, miri, not(target_arch = "x86_64")))]
pub(crate) fn portable(bytes: &[u8], window: &mut Window) {
    window.fill(bytes, words::classify, running_xor);
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code, reason = "calls what was compiled for instructions that were just found")]
#[cfg_attr(
    not(feature = "std"),
    expect(dead_code, reason = "nobody can find out what the machine has")
)]
mod x86_64 {
    use core::arch::x86_64::{
        __m128i, __m256i, __m512i, _mm_clmulepi64_si128, _mm_cmpeq_epi8, _mm_cvtsi64_si128,
        _mm_cvtsi128_si64, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8, _mm_slli_epi16, _mm_sub_epi8, _mm256_cmpeq_epi8, _mm256_min_epu8,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_epi64x, _mm256_set1_epi8,
        _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_sub_epi8, _mm512_broadcast_i32x4,
        _mm512_cmpeq_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_movepi8_mask, _mm512_or_si512,
        _mm512_set_epi64, _mm512_set1_epi8, _mm512_shuffle_epi8, _mm512_sub_epi8,
        _mm512_test_epi8_mask,
    };

    use super::{BLOCK, Digits, Names, Raw, Refused, Window, grammar, running_xor};

    #[inline]
    pub(super) fn fill(bytes: &[u8], window: &mut Window) {
        #[cfg(feature = "std")]
        {
            if has_avx512() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                return unsafe { fill_avx512(bytes, window) };
            }
            if has_avx2() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                return unsafe { fill_avx2(bytes, window) };
            }
        }
        // SAFETY: every x86-64 has SSE2.
        unsafe { fill_sse2(bytes, window) }
    }

    #[cfg(feature = "std")]
    #[inline]
    fn has_avx512() -> bool {
        std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && has_avx2()
    }

    #[cfg(feature = "std")]
    #[inline]
    fn has_avx2() -> bool {
        std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("pclmulqdq")
            && std::arch::is_x86_feature_detected!("popcnt")
            && std::arch::is_x86_feature_detected!("lzcnt")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2")
    }

    #[inline]
    pub(super) fn read(event: &[u8], max_depth: u32, names: Names<'_>) -> Result<(), Refused> {
        #[cfg(feature = "std")]
        {
            if has_avx512() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                return unsafe { read_avx512(event, max_depth, names) };
            }
            if has_avx2() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                return unsafe { read_avx2(event, max_depth, names) };
            }
        }
        // SAFETY: every x86-64 has SSE2.
        unsafe { read_sse2(event, max_depth, names) }
    }

    /// For each lower half of a byte the white space that has it, or nought, which no byte is that has
    /// one of those halves. A shuffle has nought for every byte beyond ASCII.
    const WHITE: [i64; 2] = [
        i64::from_le_bytes([b' ', 0, 0, 0, 0, 0, 0, 0]),
        i64::from_le_bytes([0, b'\t', b'\n', 0, 0, b'\r', 0, 0]),
    ];

    /// The eight words of a block, in the order of the bytes.
    #[inline(always)]
    fn words(block: &[u8; BLOCK]) -> [i64; 8] {
        let (chunks, _) = block.as_chunks::<8>();
        let mut words = [0; 8];
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = i64::from_le_bytes(*chunk);
        }
        words
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
    fn fill_avx512(bytes: &[u8], window: &mut Window) {
        window.fill(bytes, |block| classify_avx512(block), |bits| carryless(bits));
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
    fn read_avx512(event: &[u8], max_depth: u32, names: Names<'_>) -> Result<(), Refused> {
        let running_xor = |bits| carryless(bits);
        grammar::read(event, max_depth, names, |block| classify_avx512(block), running_xor)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    #[inline]
    fn classify_avx512(block: &[u8; BLOCK]) -> Raw {
        let is = |vector: __m512i, byte: u8| {
            _mm512_cmpeq_epi8_mask(vector, _mm512_set1_epi8(byte as i8))
        };
        let [a, b, c, d, e, f, g, h] = words(block);
        let vector = _mm512_set_epi64(h, g, f, e, d, c, b, a);
        // `[` and `{`, `]` and `}` differ in this bit, and no other two bytes become them.
        let curly = _mm512_set1_epi8(0x20);
        let brackets = _mm512_or_si512(vector, curly);
        let white = _mm512_broadcast_i32x4(_mm_set_epi64x(WHITE[1], WHITE[0]));
        Raw {
            quote: is(vector, b'"'),
            backslash: is(vector, b'\\'),
            open: is(brackets, b'{'),
            close: is(brackets, b'}'),
            comma: is(vector, b','),
            colon: is(vector, b':'),
            white: _mm512_cmpeq_epi8_mask(vector, _mm512_shuffle_epi8(white, vector)),
            control: _mm512_cmplt_epu8_mask(vector, curly),
            high: _mm512_movepi8_mask(vector),
            curly: _mm512_test_epi8_mask(vector, curly),
            digits: Digits {
                digit: _mm512_cmplt_epu8_mask(
                    _mm512_sub_epi8(vector, _mm512_set1_epi8(b'0' as i8)),
                    _mm512_set1_epi8(10),
                ),
                nought: is(vector, b'0'),
                dot: is(vector, b'.'),
                minus: is(vector, b'-'),
            },
        }
    }

    #[target_feature(enable = "avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
    fn fill_avx2(bytes: &[u8], window: &mut Window) {
        window.fill(bytes, |block| classify_avx2(block), |bits| carryless(bits));
    }

    #[target_feature(enable = "avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
    fn read_avx2(event: &[u8], max_depth: u32, names: Names<'_>) -> Result<(), Refused> {
        let running_xor = |bits| carryless(bits);
        grammar::read(event, max_depth, names, |block| classify_avx2(block), running_xor)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn classify_avx2(block: &[u8; BLOCK]) -> Raw {
        let mask = |halves: [__m256i; 2]| {
            let [low, high] = halves.map(|half| u64::from(_mm256_movemask_epi8(half) as u32));
            high << 32 | low
        };
        let is = |halves: [__m256i; 2], byte: u8| {
            mask(halves.map(|half| _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte as i8))))
        };
        let [a, b, c, d, e, f, g, h] = words(block);
        let halves = [_mm256_set_epi64x(d, c, b, a), _mm256_set_epi64x(h, g, f, e)];
        let brackets = halves.map(|half| _mm256_or_si256(half, _mm256_set1_epi8(0x20)));
        let white = _mm256_set_epi64x(WHITE[1], WHITE[0], WHITE[1], WHITE[0]);
        let control = _mm256_set1_epi8(0x1F);
        Raw {
            quote: is(halves, b'"'),
            backslash: is(halves, b'\\'),
            open: is(brackets, b'{'),
            close: is(brackets, b'}'),
            comma: is(halves, b','),
            colon: is(halves, b':'),
            white: mask(
                halves.map(|half| _mm256_cmpeq_epi8(half, _mm256_shuffle_epi8(white, half))),
            ),
            control: mask(
                halves.map(|half| _mm256_cmpeq_epi8(half, _mm256_min_epu8(half, control))),
            ),
            high: mask(halves),
            curly: mask(halves.map(|half| _mm256_slli_epi16::<2>(half))),
            digits: Digits {
                digit: mask(halves.map(|half| {
                    let digit = _mm256_sub_epi8(half, _mm256_set1_epi8(b'0' as i8));
                    _mm256_cmpeq_epi8(digit, _mm256_min_epu8(digit, _mm256_set1_epi8(9)))
                })),
                nought: is(halves, b'0'),
                dot: is(halves, b'.'),
                minus: is(halves, b'-'),
            },
        }
    }

    #[target_feature(enable = "sse2")]
    fn fill_sse2(bytes: &[u8], window: &mut Window) {
        window.fill(bytes, |block| classify_sse2(block), running_xor);
    }

    #[target_feature(enable = "sse2")]
    fn read_sse2(event: &[u8], max_depth: u32, names: Names<'_>) -> Result<(), Refused> {
        grammar::read(event, max_depth, names, |block| classify_sse2(block), running_xor)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn classify_sse2(block: &[u8; BLOCK]) -> Raw {
        let mask = |quarters: [__m128i; 4]| {
            let [a, b, c, d] = quarters.map(|part| u64::from(_mm_movemask_epi8(part) as u32));
            d << 48 | c << 32 | b << 16 | a
        };
        let is = |quarters: [__m128i; 4], byte: u8| {
            mask(quarters.map(|part| _mm_cmpeq_epi8(part, _mm_set1_epi8(byte as i8))))
        };
        let [a, b, c, d, e, f, g, h] = words(block);
        let quarters = [
            _mm_set_epi64x(b, a),
            _mm_set_epi64x(d, c),
            _mm_set_epi64x(f, e),
            _mm_set_epi64x(h, g),
        ];
        let brackets = quarters.map(|part| _mm_or_si128(part, _mm_set1_epi8(0x20)));
        let control = _mm_set1_epi8(0x1F);
        Raw {
            quote: is(quarters, b'"'),
            backslash: is(quarters, b'\\'),
            open: is(brackets, b'{'),
            close: is(brackets, b'}'),
            comma: is(quarters, b','),
            colon: is(quarters, b':'),
            white: is(quarters, b' ')
                | is(quarters, b'\t')
                | is(quarters, b'\n')
                | is(quarters, b'\r'),
            control: mask(quarters.map(|part| _mm_cmpeq_epi8(part, _mm_min_epu8(part, control)))),
            high: mask(quarters),
            curly: mask(quarters.map(|part| _mm_slli_epi16::<2>(part))),
            digits: Digits {
                digit: mask(quarters.map(|part| {
                    let digit = _mm_sub_epi8(part, _mm_set1_epi8(b'0' as i8));
                    _mm_cmpeq_epi8(digit, _mm_min_epu8(digit, _mm_set1_epi8(9)))
                })),
                nought: is(quarters, b'0'),
                dot: is(quarters, b'.'),
                minus: is(quarters, b'-'),
            },
        }
    }

    /// The running xor as one product without carries, by a number that is all ones.
    #[target_feature(enable = "pclmulqdq")]
    fn carryless(bits: u64) -> u64 {
        let product = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(bits as i64), _mm_set1_epi8(-1));
        _mm_cvtsi128_si64(product) as u64
    }

    #[cfg(test)]
    pub(super) mod tests {
        use proptest::prelude::*;

        use super::*;
        use crate::{Scratch, simd::portable, structure::Structure};

        pub(in crate::simd) fn every_way(
            event: &[u8],
            max_depth: u32,
            scratch: &mut Scratch,
            ways: &mut Vec<(&'static str, bool)>,
        ) {
            // SAFETY: every x86-64 has SSE2.
            let sse2 = unsafe { read_sse2(event, max_depth, Names::new(event, scratch)) };
            ways.push(("sse2", sse2.is_ok()));
            #[cfg(feature = "std")]
            if has_avx2() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                let avx2 = unsafe { read_avx2(event, max_depth, Names::new(event, scratch)) };
                ways.push(("avx2", avx2.is_ok()));
            }
            #[cfg(feature = "std")]
            if has_avx512() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                let avx512 = unsafe { read_avx512(event, max_depth, Names::new(event, scratch)) };
                ways.push(("avx512", avx512.is_ok()));
            }
        }

        /// A window after `bytes`, by each way that this machine has.
        fn all_ways(bytes: &[u8], before: &Window) -> Vec<(&'static str, Window)> {
            let mut ways: Vec<(&'static str, Window)> = Vec::new();
            let mut with = |name, fill: &dyn Fn(&[u8], &mut Window)| {
                let mut window = before.clone();
                fill(bytes, &mut window);
                ways.push((name, window));
            };
            with("portable", &portable);
            // SAFETY: every x86-64 has SSE2.
            with("sse2", &|bytes, window| unsafe { fill_sse2(bytes, window) });
            #[cfg(feature = "std")]
            if has_avx2() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                with("avx2", &|bytes, window| unsafe { fill_avx2(bytes, window) });
            }
            #[cfg(feature = "std")]
            if has_avx512() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                with("avx512", &|bytes, window| unsafe { fill_avx512(bytes, window) });
            }
            with("chosen", &super::super::fill);
            ways
        }

        proptest! {
            /// Also from one window to the next: what is carried over is the same too.
            #[test]
            fn every_way_finds_the_same(
                bytes in prop::collection::vec(prop_oneof![
                    any::<u8>(),
                    prop::sample::select(b"\\\"{}[],:\x5b\x7b\x5d\x7d\x0c\x3b\x1b".to_vec()),
                ], 0..2_300),
            ) {
                let mut before = Structure::new(b"").into_window();
                for part in bytes.chunks(16 * BLOCK) {
                    let ways = all_ways(part, &before);
                    for (name, window) in &ways {
                        prop_assert_eq!(window, &ways[0].1, "{}", name);
                    }
                    before = ways[0].1.clone();
                }
            }
        }
    }
}

/// Whether `event` is accepted, by each way that this machine has.
#[cfg(test)]
pub(crate) fn every_way(
    event: &[u8],
    max_depth: u32,
    scratch: &mut crate::Scratch,
) -> Vec<(&'static str, bool)> {
    let names = Names::new(event, scratch);
    let portable = grammar::read(event, max_depth, names, words::classify, running_xor).is_ok();
    let mut ways = vec![("portable", portable)];
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    x86_64::tests::every_way(event, max_depth, scratch, &mut ways);
    ways
}
