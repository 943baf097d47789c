//! Sixty-four bytes at once: the one module with `unsafe` in it.
//!
//! Which instructions a machine has is known when the program runs, so the work is compiled once for
//! each kind and chosen at each call. All of it is safe code: bytes get into vectors by value, never
//! through a pointer. What the compiler cannot know is that the machine has the instructions that
//! a function was compiled for. That is all the `unsafe` blocks say, each for what was found.
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
use crate::{block::running_xor, check::Refused, grammar, names::Names, structure::Window};

/// Finds the next blocks of a document, with the best that this machine has.
#[inline]
pub(crate) fn extend(document: &[u8], count: usize, window: &mut Window) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    x86_64::extend(document, count, window);
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    portable(document, count, window);
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
pub(crate) fn portable(document: &[u8], count: usize, window: &mut Window) {
    window.extend(document, count, words::classify, running_xor);
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code, reason = "calls what was compiled for instructions that were just found")]
#[cfg_attr(
    not(feature = "std"),
    expect(dead_code, reason = "nobody can find out what the machine has")
)]
mod x86_64 {
    use super::{Names, Refused, Window, grammar, running_xor};
    use crate::vectors::{avx2, avx512, carryless, sse2};

    #[inline]
    pub(super) fn extend(document: &[u8], count: usize, window: &mut Window) {
        match instructions() {
            #[cfg(feature = "std")]
            // SAFETY: the machine has every instruction that the function was compiled for.
            Instructions::Avx512 => unsafe { extend_avx512(document, count, window) },
            #[cfg(feature = "std")]
            // SAFETY: the machine has every instruction that the function was compiled for.
            Instructions::Avx2 => unsafe { extend_avx2(document, count, window) },
            // SAFETY: every x86-64 has SSE2.
            Instructions::Sse2 => unsafe { extend_sse2(document, count, window) },
        }
    }

    #[inline]
    pub(super) fn read(event: &[u8], max_depth: u32, names: Names<'_>) -> Result<(), Refused> {
        match instructions() {
            #[cfg(feature = "std")]
            // SAFETY: the machine has every instruction that the function was compiled for.
            Instructions::Avx512 => unsafe { read_avx512(event, max_depth, names) },
            #[cfg(feature = "std")]
            // SAFETY: the machine has every instruction that the function was compiled for.
            Instructions::Avx2 => unsafe { read_avx2(event, max_depth, names) },
            // SAFETY: every x86-64 has SSE2.
            Instructions::Sse2 => unsafe { read_sse2(event, max_depth, names) },
        }
    }

    /// What this machine has. Only [`find_out`] makes anything but the last, and only of a machine that
    /// has it.
    #[derive(Debug, Clone, Copy)]
    enum Instructions {
        #[cfg(feature = "std")]
        Avx512,
        #[cfg(feature = "std")]
        Avx2,
        Sse2,
    }

    #[cfg(not(feature = "std"))]
    const fn instructions() -> Instructions {
        Instructions::Sse2
    }

    /// Asked for each event, so that the answer is kept: it is put together from eight others.
    #[cfg(feature = "std")]
    #[inline]
    fn instructions() -> Instructions {
        static FOUND: std::sync::OnceLock<Instructions> = std::sync::OnceLock::new();
        *FOUND.get_or_init(find_out)
    }

    #[cfg(feature = "std")]
    fn find_out() -> Instructions {
        match (has_avx512(), has_avx2()) {
            (true, _) => Instructions::Avx512,
            (_, true) => Instructions::Avx2,
            _ => Instructions::Sse2,
        }
    }

    #[cfg(feature = "std")]
    fn has_avx512() -> bool {
        std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vl")
            && has_avx2()
    }

    #[cfg(feature = "std")]
    fn has_avx2() -> bool {
        std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("pclmulqdq")
            && std::arch::is_x86_feature_detected!("popcnt")
            && std::arch::is_x86_feature_detected!("lzcnt")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2")
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
    fn extend_avx512(document: &[u8], count: usize, window: &mut Window) {
        window.extend(document, count, |block| avx512(block), |bits| carryless(bits));
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
    fn read_avx512(event: &[u8], max_depth: u32, names: Names<'_>) -> Result<(), Refused> {
        let running_xor = |bits| carryless(bits);
        grammar::read(event, max_depth, names, |block| avx512(block), running_xor)
    }

    #[target_feature(enable = "avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
    fn extend_avx2(document: &[u8], count: usize, window: &mut Window) {
        window.extend(document, count, |block| avx2(block), |bits| carryless(bits));
    }

    #[target_feature(enable = "avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
    fn read_avx2(event: &[u8], max_depth: u32, names: Names<'_>) -> Result<(), Refused> {
        let running_xor = |bits| carryless(bits);
        grammar::read(event, max_depth, names, |block| avx2(block), running_xor)
    }

    #[target_feature(enable = "sse2")]
    fn extend_sse2(document: &[u8], count: usize, window: &mut Window) {
        window.extend(document, count, |block| sse2(block), running_xor);
    }

    #[target_feature(enable = "sse2")]
    fn read_sse2(event: &[u8], max_depth: u32, names: Names<'_>) -> Result<(), Refused> {
        grammar::read(event, max_depth, names, |block| sse2(block), running_xor)
    }

    #[cfg(test)]
    pub(super) mod tests {
        use proptest::prelude::*;

        use super::*;
        use crate::{Scratch, simd::portable};

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

        type Extend = fn(&[u8], usize, &mut Window);

        fn all_ways() -> Vec<(&'static str, Extend)> {
            // SAFETY: every x86-64 has SSE2.
            let sse2: Extend = |bytes, count, window| unsafe { extend_sse2(bytes, count, window) };
            let mut ways: Vec<(&'static str, Extend)> =
                vec![("portable", portable), ("sse2", sse2), ("chosen", super::super::extend)];
            #[cfg(feature = "std")]
            if has_avx2() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                ways.push(("avx2", |bytes, count, window| unsafe {
                    extend_avx2(bytes, count, window);
                }));
            }
            #[cfg(feature = "std")]
            if has_avx512() {
                // SAFETY: the machine has every instruction that the function was compiled for.
                ways.push(("avx512", |bytes, count, window| unsafe {
                    extend_avx512(bytes, count, window);
                }));
            }
            ways
        }

        proptest! {
            /// However many blocks are found at a time, and from one window to the next: what is carried over
            /// is the same too.
            #[test]
            fn every_way_finds_the_same(
                bytes in prop::collection::vec(prop_oneof![
                    any::<u8>(),
                    prop::sample::select(b"\\\"{}[],:\x5b\x7b\x5d\x7d\x0c\x3b\x1b".to_vec()),
                ], 0..9_300),
                counts in prop::collection::vec(1_usize..70, 1..6),
            ) {
                let ways = all_ways();
                let mut windows = vec![Window::default(); ways.len()];
                for count in counts.iter().cycle().take(160) {
                    for ((name, extend), at) in ways.iter().zip(0..) {
                        windows[at].make_room();
                        extend(&bytes, *count, &mut windows[at]);
                        prop_assert!(windows[at] == windows[0], "{}", name);
                    }
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
