//! Scratch values: does anything of one tenant's events stay behind in them for the next tenant's?
//!
//! Buffers that are kept between events save allocations, and whoever's event comes next gets the
//! same ones: that is how one customer's data came out in another's answers where a buffer was cut
//! to the wrong length, or not cleared after an error (SECURITY S04). Whether a buffer *is* cleared
//! cannot be seen from outside, and does not matter; whether anybody can tell can be seen:
//!
//! ```text
//! one scratch for all      A1  B1  A2! B2  B3  A3       ! failed half-way
//! a fresh one for each     A1' B1' A2' B2' B3' A3'      byte for byte what is above it
//! ```
//!
//! [`assert_scratch_carries_nothing`] runs that. It proves that the results are a function of the
//! job alone, for the jobs and the order that it was given. It does not prove that the memory is
//! erased, and sees nothing that `run` leaves out of its result.
//!
//! The jobs are best made with a [`Canary`], whose events hold one tenant's mark wherever an event
//! can hold anything. That a foreign canary is in no result follows from the above as long as `run`
//! is honest; it is checked all the same, and is what a failure is easiest to read from.

use std::fmt::{self, Write};

/// So many of a canary's digits in a row are a find: a part of one, too, has leaked.
const PART: usize = 8;
/// Names that a canary's events use for their members, for rules to name.
pub const MEMBERS: [&str; 6] = ["ani", "dnis", "id", "kind", "note", "participants"];
/// Types that they have, where it is not a type that the canary is part of.
pub const TYPES: [&str; 3] = ["t.a", "t.b", "u"];
/// What is wrong with an event that cannot be read to its end, at its end.
const FAULTS: [&[u8]; 6] = [
    br#","kind":1,"kind":2}"#,
    br#","x":"\ud800"}"#,
    b",\"x\":\"\xff\"}",
    b",\"x\":1e999}",
    b"",
    b"}}",
];

/// A tenant's mark: one digit, again and again. Whoever else's output has it has got it from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary(char);

impl Canary {
    /// The canary of this digit, from 1 to 9. It is the caller's that no document or other canary
    /// has the digit eight times in a row.
    ///
    /// # Panics
    ///
    /// If it is no such digit.
    #[must_use]
    pub const fn new(digit: char) -> Self {
        assert!(matches!(digit, '1'..='9'), "a canary is a digit from 1 to 9");
        Self(digit)
    }

    /// Its text, of a length between 8 and 40.
    pub fn text(self, rng: &mut fastrand::Rng) -> String {
        String::from(self.0).repeat(rng.usize(PART..=40))
    }

    /// Whether `bytes` hold it, or a part of it.
    #[must_use]
    pub fn is_in(self, bytes: &[u8]) -> bool {
        // A digit is one byte of UTF-8.
        bytes.windows(PART).any(|part| part.iter().all(|byte| char::from(*byte) == self.0))
    }

    /// An event with the canary in its type, names, texts (with escapes and without), and numbers.
    /// Some are large. Three in eight are not sound: cut off, too deep, a name twice, no Unicode.
    #[must_use]
    pub fn event(self, rng: &mut fastrand::Rng) -> Vec<u8> {
        let mut event = String::from("{\"topicName\":");
        let canary = format!("t.{}", self.text(rng));
        let kind = *rng.choice(&TYPES).filter(|_| rng.u8(..8) > 0).unwrap_or(&canary.as_str());
        spell(kind, rng, &mut event);
        let most = if rng.u8(..8) == 0 { 300 } else { 8 };
        self.members(rng.usize(..=most), 3, rng, &mut event);
        event.push('}');
        self.spoiled(event, rng)
    }

    /// Members after another one, each name once.
    fn members(self, count: usize, depth: u8, rng: &mut fastrand::Rng, out: &mut String) {
        let mut known = MEMBERS.to_vec();
        rng.shuffle(&mut known);
        for number in 0..count {
            out.push(',');
            match known.pop().filter(|_| rng.u8(..4) > 0) {
                Some(name) => spell(name, rng, out),
                None => spell(&format!("{number}-{}", self.text(rng)), rng, out),
            }
            out.push(':');
            self.value(depth, rng, out);
        }
    }

    fn value(self, depth: u8, rng: &mut fastrand::Rng, out: &mut String) {
        match rng.u8(..10) {
            0 => out.push_str(rng.choice(["true", "false", "null", "7", "\"\""]).unwrap_or("0")),
            1 | 2 => out.push_str(&self.text(rng)),
            3 => {
                // Writing to a `String` does not fail.
                let _ = write!(out, "-{}.{}e-{}", self.0, self.text(rng), rng.u8(..9));
            }
            4 if depth > 0 => {
                out.push('[');
                self.value(depth - 1, rng, out);
                for _ in 0..rng.u8(..4) {
                    out.push(',');
                    self.value(depth - 1, rng, out);
                }
                out.push(']');
            }
            5 if depth > 0 => {
                out.push('{');
                spell(&self.text(rng), rng, out);
                out.push(':');
                self.value(depth - 1, rng, out);
                self.members(rng.usize(..4), depth - 1, rng, out);
                out.push('}');
            }
            6 => spell(&self.text(rng).repeat(rng.usize(1..60)), rng, out),
            _ => spell(&self.text(rng), rng, out),
        }
    }

    fn spoiled(self, mut event: String, rng: &mut fastrand::Rng) -> Vec<u8> {
        match rng.u8(..8) {
            0 => {
                event.pop();
                let mut event = event.into_bytes();
                event.extend_from_slice(rng.choice(FAULTS).unwrap_or_default());
                event
            }
            1 => {
                event.pop();
                let _ = write!(event, ",\"deep\":{}\"{}\"", "[".repeat(80), self.text(rng));
                event.into_bytes()
            }
            2 => {
                let mut event = event.into_bytes();
                event.truncate(rng.usize(..event.len()));
                event
            }
            _ => event.into_bytes(),
        }
    }
}

/// A JSON string in one of its spellings.
fn spell(text: &str, rng: &mut fastrand::Rng, out: &mut String) {
    let escapes = rng.u8(..3) == 0;
    out.push('"');
    for char in text.chars() {
        if escapes && rng.bool() {
            let _ = write!(out, "\\u{:04x}", u32::from(char));
        } else {
            out.push(char);
        }
    }
    out.push('"');
}

/// Asserts that a scratch value that was used for some jobs gives the same results for others as a
/// fresh one, that no result holds the canary of another's job, and that the scratch's `Debug` shows
/// what a fresh one's does, so nothing of anybody's.
///
/// A job comes with the canary of its tenant. `run` does one job and gives everything that can be
/// seen of its outcome; a refusal is an outcome too.
///
/// # Panics
///
/// If one of the three does not hold.
pub fn assert_scratch_carries_nothing<S: fmt::Debug, J>(
    make: impl Fn() -> S,
    jobs: &[(Canary, J)],
    run: impl Fn(&mut S, &J) -> Vec<u8>,
) {
    let mut shared = make();
    let mut canaries: Vec<Canary> = Vec::new();
    for (canary, _) in jobs {
        if !canaries.contains(canary) {
            canaries.push(*canary);
        }
    }
    for (number, (canary, job)) in jobs.iter().enumerate() {
        let with_others = run(&mut shared, job);
        let alone = run(&mut make(), job);
        assert!(
            with_others == alone,
            "job {number} has another result after those before it:\n  {}\nand alone\n  {}",
            String::from_utf8_lossy(&with_others),
            String::from_utf8_lossy(&alone),
        );
        for other in canaries.iter().filter(|other| *other != canary) {
            let leaked = other.is_in(&with_others);
            assert!(!leaked, "job {number} of {canary:?} shows a part of {other:?}");
        }
        let (used, fresh) = (shown(&shared), shown(&make()));
        assert!(used == fresh, "after job {number} the scratch shows what it holds: {used}");
    }
}

fn shown(scratch: &impl fmt::Debug) -> String {
    format!("{scratch:?} {scratch:#?}")
}
