//! The fuzz bodies on random data: a few seconds' worth without a fuzzer.

use cofferdam_sim::{fuzz, rng};

/// C01, promise 9.
#[test]
fn cursors_withstand_random_scripts() {
    let mut rng = rng::seeded("cursors_withstand_random_scripts", 12_648_430);
    for _ in 0..2_000 {
        let data: Vec<u8> = (0..rng.usize(..600)).map(|_| rng.u8(..)).collect();
        fuzz::cursor(&data);
    }
}

/// Every byte of a token, replaced by every other.
#[test]
fn cursors_withstand_every_edit_of_one_byte() {
    for at in 0..64 {
        for to in 0..=u8::MAX {
            fuzz::cursor(&[at, to]);
        }
    }
}
