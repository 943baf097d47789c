//! Randomness with a seed that a failing test shows.

use std::num::ParseIntError;

/// The variable that overrides every seed, decimal or `0x` hexadecimal.
pub const SEED_VAR: &str = "COFFERDAM_SEED";

/// A generator for the test called `what`, and its seed on standard error.
///
/// The seed is `default` unless [`SEED_VAR`] is set: tests are the same on every run, and a longer
/// search is a shell loop. The test harness shows standard error only when a test fails.
///
/// # Panics
///
/// If the variable is set to something that is not a number: a mistyped seed must not pass for the
/// one that failed.
#[must_use]
pub fn seeded(what: &str, default: u64) -> fastrand::Rng {
    #[expect(clippy::disallowed_methods, reason = "a test instrument, set from the shell")]
    let given = std::env::var(SEED_VAR);
    let seed = match given {
        #[expect(clippy::panic, reason = "a test that ran with another seed would mislead")]
        Ok(text) => parse(&text).unwrap_or_else(|_| panic!("{SEED_VAR} is not a number")),
        Err(_) => default,
    };
    #[expect(clippy::print_stderr, reason = "the seed is what reproduces the failure")]
    {
        eprintln!("{what}: {SEED_VAR}={seed}");
    }
    fastrand::Rng::with_seed(seed)
}

fn parse(text: &str) -> Result<u64, ParseIntError> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_decimal_and_hexadecimal_seeds() {
        assert_eq!((parse("17"), parse("0xff")), (Ok(17), Ok(255)));
        assert!(parse("").is_err() && parse("-1").is_err() && parse("0xg").is_err());
    }

    #[test]
    fn one_seed_is_one_sequence() {
        let draw = |seed| fastrand::Rng::with_seed(seed).u64(..);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
