//! How strictly an event is held to its schema.

use std::{fmt, time::Duration};

/// What becomes of an event that does not fit its schema.
///
/// Under every policy the critical fields of the [registration](crate::Registration::critical) must be
/// there and fit: they are what tenancy, routing and de-duplication stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Policy {
    /// It is refused.
    #[default]
    Strict,
    /// Fields that the schema does not know and new values of an `enum` pass and are counted; anything
    /// else is refused. A new value must be of a type that the `enum` holds already.
    Tolerant,
    /// As `Tolerant` while the schema can be trusted, that is while few events do not fit it. While it
    /// cannot, what does not fit is marked and passes.
    Graduated(Graduation),
}

/// When a schema is trusted: by the share of events that did not fit it, lately.
///
/// Between the two shares nothing changes, so that a share that wavers about one of them does not turn
/// the schema on and off. A schema begins untrusted: it has shown nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graduation {
    /// How long an event counts.
    pub window: Duration,
    /// With fewer events in the window nothing changes.
    pub at_least: u64,
    /// Above this share of mismatches the schema is not trusted any more.
    pub mark_above: Share,
    /// Below this share, or at it, the schema is trusted.
    pub enforce_at: Share,
}

/// A minute of events, a hundred at least; trusted at 1 % of mismatches, and until there are 5 %.
impl Default for Graduation {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            at_least: 100,
            mark_above: Share::percent(5),
            enforce_at: Share::percent(1),
        }
    }
}

/// Whether a [graduated](Policy::Graduated) schema is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Trust {
    /// It is not: what does not fit is marked and passes.
    #[default]
    Marking,
    /// It is: what does not fit is refused.
    Enforcing,
}

/// A part of a whole, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Share(u32);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The whole.
    pub const ALL: Self = Self(1_000_000);

    /// A share in hundredths; more than 100 is the whole.
    #[must_use]
    pub const fn percent(hundredths: u32) -> Self {
        Self::millionths(hundredths.saturating_mul(10_000))
    }

    /// A share in millionths; more than a million is the whole.
    #[must_use]
    pub const fn millionths(millionths: u32) -> Self {
        if millionths > Self::ALL.0 { Self::ALL } else { Self(millionths) }
    }

    /// The share in millionths.
    #[must_use]
    pub const fn as_millionths(self) -> u32 {
        self.0
    }

    /// What share `part` is of `whole`; nothing of nothing. Never rounded down to a share that a part is
    /// above.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Self {
        let millionths = (u128::from(part) * 1_000_000).div_ceil(u128::from(whole.max(1)));
        Self::millionths(u32::try_from(millionths).unwrap_or(u32::MAX))
    }

    /// Whether a number that is drawn evenly from all of 64 bits falls into the share. What falls into
    /// a share falls into every larger one.
    pub(crate) fn takes(self, drawn: u64) -> bool {
        // The product's upper half is the drawn number scaled down to a million.
        let bucket = (u128::from(drawn) * u128::from(Self::ALL.0)) >> 64;
        bucket < u128::from(self.0)
    }
}

/// In percent.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 10_000.0)
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_is_never_more_than_the_whole() {
        assert_eq!(Share::percent(101), Share::ALL);
        assert_eq!(Share::of(3, 2), Share::ALL);
        assert_eq!(Share::of(0, 0), Share::NONE);
        assert_eq!(Share::of(1, 1_000).to_string(), "0.1 %");
        assert!(Share::of(u64::MAX, u64::MAX) == Share::ALL);
    }

    #[test]
    fn nothing_takes_nothing_and_the_whole_takes_all() {
        for drawn in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Share::NONE.takes(drawn) && Share::ALL.takes(drawn));
        }
    }

    proptest! {
        #[test]
        fn what_a_share_takes_every_larger_one_takes(a in 0..=1_000_000u32, b in 0..=1_000_000u32, drawn: u64) {
            let (small, large) = (Share::millionths(a.min(b)), Share::millionths(a.max(b)));
            prop_assert!(!small.takes(drawn) || large.takes(drawn));
        }
    }
}
