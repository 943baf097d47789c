//! Which bytes of a block are what, by the vector instructions of x86-64.
//!
//! All of it is safe code, compiled for instructions that not every machine has: whoever calls it has to know
//! that this one does, which is what [`simd`](crate::simd) is about.

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

use crate::{
    block::{BLOCK, Raw},
    scalar::Digits,
};

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

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
pub(crate) fn avx512(block: &[u8; BLOCK]) -> Raw {
    let is =
        |vector: __m512i, byte: u8| _mm512_cmpeq_epi8_mask(vector, _mm512_set1_epi8(byte as i8));
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

#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn avx2(block: &[u8; BLOCK]) -> Raw {
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
        white: mask(halves.map(|half| _mm256_cmpeq_epi8(half, _mm256_shuffle_epi8(white, half)))),
        control: mask(halves.map(|half| _mm256_cmpeq_epi8(half, _mm256_min_epu8(half, control)))),
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
#[inline]
pub(crate) fn sse2(block: &[u8; BLOCK]) -> Raw {
    let mask = |quarters: [__m128i; 4]| {
        let [a, b, c, d] = quarters.map(|part| u64::from(_mm_movemask_epi8(part) as u32));
        d << 48 | c << 32 | b << 16 | a
    };
    let is = |quarters: [__m128i; 4], byte: u8| {
        mask(quarters.map(|part| _mm_cmpeq_epi8(part, _mm_set1_epi8(byte as i8))))
    };
    let [a, b, c, d, e, f, g, h] = words(block);
    let quarters =
        [_mm_set_epi64x(b, a), _mm_set_epi64x(d, c), _mm_set_epi64x(f, e), _mm_set_epi64x(h, g)];
    let brackets = quarters.map(|part| _mm_or_si128(part, _mm_set1_epi8(0x20)));
    let control = _mm_set1_epi8(0x1F);
    Raw {
        quote: is(quarters, b'"'),
        backslash: is(quarters, b'\\'),
        open: is(brackets, b'{'),
        close: is(brackets, b'}'),
        comma: is(quarters, b','),
        colon: is(quarters, b':'),
        white: is(quarters, b' ') | is(quarters, b'\t') | is(quarters, b'\n') | is(quarters, b'\r'),
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
pub(crate) fn carryless(bits: u64) -> u64 {
    let product = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(bits as i64), _mm_set1_epi8(-1));
    _mm_cvtsi128_si64(product) as u64
}
