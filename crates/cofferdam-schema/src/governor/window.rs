//! How many of the last events did not fit, over a span of time.

use std::time::Duration;

use cofferdam_core::Now;

use crate::policy::{Graduation, Share, Trust};

/// A window moves on in so many steps.
const STEPS: u64 = 8;

/// Events and mismatches of the last [`Graduation::window`], in eight parts that are dropped as a whole.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Which part of time the newest is.
    newest: u64,
    /// Judged and mismatched, by the part's number modulo their count.
    parts: [(u64, u64); STEPS as usize],
}

impl Window {
    pub(super) fn add(&mut self, judged: u64, mismatched: u64, span: Duration, now: Now) {
        let step = (u64::try_from(span.as_nanos()).unwrap_or(u64::MAX) / STEPS).max(1);
        let part = now.monotonic_ns() / step;
        // A clock that went back is one that stands still.
        for gone in (self.newest + 1..=part).take(STEPS as usize) {
            self.parts[(gone % STEPS) as usize] = (0, 0);
        }
        if part > self.newest + STEPS {
            self.parts = Default::default();
        }
        self.newest = self.newest.max(part);
        let newest = &mut self.parts[(self.newest % STEPS) as usize];
        newest.0 = newest.0.saturating_add(judged);
        newest.1 = newest.1.saturating_add(mismatched);
    }

    /// Whether the schema is trusted now, if it was or was not so far, and the share of mismatches.
    pub(super) fn trust(&self, so_far: Trust, by: &Graduation) -> (Trust, Share) {
        let sum = |sum: (u64, u64), part: &(u64, u64)| {
            (sum.0.saturating_add(part.0), sum.1.saturating_add(part.1))
        };
        let (judged, mismatched) = self.parts.iter().fold((0, 0), sum);
        let share = Share::of(mismatched, judged);
        // Shares that are given the wrong way round leave no room between them, and no more than that.
        let enforce_at = by.enforce_at.min(by.mark_above);
        let trust = match so_far {
            _ if judged < by.at_least.max(1) => so_far,
            Trust::Enforcing if share > by.mark_above => Trust::Marking,
            Trust::Marking if share <= enforce_at => Trust::Enforcing,
            _ => so_far,
        };
        (trust, share)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BY: Graduation = Graduation {
        window: Duration::from_secs(8),
        at_least: 100,
        mark_above: Share::percent(5),
        enforce_at: Share::percent(1),
    };

    fn at(seconds: u64) -> Now {
        Now::from_millis(seconds * 1_000, 0)
    }

    #[test]
    fn trust_is_earned_lost_and_earned_again() {
        let mut window = Window::default();
        window.add(99, 0, BY.window, at(0));
        assert_eq!(window.trust(Trust::Marking, &BY).0, Trust::Marking, "too few events");
        window.add(1, 0, BY.window, at(0));
        assert_eq!(window.trust(Trust::Marking, &BY).0, Trust::Enforcing);
        window.add(100, 6, BY.window, at(1));
        assert_eq!(window.trust(Trust::Enforcing, &BY).0, Trust::Enforcing, "3 % is in between");
        assert_eq!(window.trust(Trust::Marking, &BY).0, Trust::Marking, "3 % is in between");
        window.add(100, 20, BY.window, at(2));
        assert_eq!(window.trust(Trust::Enforcing, &BY).0, Trust::Marking);
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut window = Window::default();
        window.add(1_000, 1_000, BY.window, at(0));
        window.add(1_000, 0, BY.window, at(7));
        assert_eq!(window.trust(Trust::Marking, &BY).1, Share::percent(50));
        window.add(0, 0, BY.window, at(8));
        assert_eq!(window.trust(Trust::Marking, &BY).1, Share::NONE);
        window.add(100, 100, BY.window, at(1_000_000));
        assert_eq!(window.trust(Trust::Enforcing, &BY).1, Share::ALL);
    }

    #[test]
    fn a_clock_that_goes_back_stands_still() {
        let mut window = Window::default();
        window.add(100, 0, BY.window, at(100));
        window.add(100, 100, BY.window, at(3));
        assert_eq!(window.trust(Trust::Marking, &BY).1, Share::percent(50));
    }

    proptest! {
        /// Between two changes of mind the share has crossed the whole distance of the two thresholds.
        #[test]
        fn trust_never_changes_while_the_share_is_between_the_thresholds(
            script in prop::collection::vec((0..20u64, 1..200u64, 0..=100u64), 1..60),
        ) {
            let (mut window, mut trust, mut seconds) = (Window::default(), Trust::Marking, 0);
            for (later, judged, percent) in script {
                seconds += later;
                window.add(judged, judged * percent / 100, BY.window, at(seconds));
                let (next, share) = window.trust(trust, &BY);
                match (trust, next) {
                    (Trust::Marking, Trust::Enforcing) => prop_assert!(share <= BY.enforce_at),
                    (Trust::Enforcing, Trust::Marking) => prop_assert!(share > BY.mark_above),
                    _ => {}
                }
                trust = next;
                prop_assert_eq!(window.trust(trust, &BY).0, trust, "asked again, it says the same");
            }
        }
    }
}
