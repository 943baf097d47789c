//! How often a tenant's token is renewed, against how often its lifetime makes necessary.
//!
//! A token that is renewed far more often than it expires is a symptom: somebody else revokes it, a
//! second process has the same client, a server hands out tokens that are nearly over, or a caller
//! rejects good ones. The measure is the number of renewals within [`PERIODS`] periods, a period
//! being the time from a token to its planned successor; so the window grows with the lifetimes, and
//! what is kept is a list of at most [`MOST`] times.

use std::{collections::VecDeque, time::Duration};

use cofferdam_core::Now;

/// Periods in a window, and so the number of renewals that is usual in one.
const PERIODS: u32 = 8;
/// More than this many times as often as usual is too often.
const FACTOR: u32 = 2;
/// As many renewals as decide.
const MOST: usize = (PERIODS * FACTOR + 1) as usize;

/// How often a token was renewed lately, and how often that would be usual.
///
/// A gauge for a metric, one per tenant; the alert is
/// [`Alert::RenewedTooOften`](super::Alert::RenewedTooOften).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshRate {
    /// Renewals within the window; no more than 17 are counted.
    pub seen: u32,
    /// What is usual within the window.
    pub usual: u32,
}

impl RefreshRate {
    /// Seen over usual; about 1 for a token in constant use, less for one that rests, over 2 is too
    /// often.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.seen) / f64::from(self.usual)
    }
}

#[derive(Debug, Default)]
pub(super) struct Renewals {
    times: VecDeque<Now>,
    window: Duration,
    alerted: Option<Now>,
}

impl Renewals {
    /// A token came whose successor is due after `period`. The rate, if it is too high and that has
    /// not been said in this window.
    pub(super) fn note(&mut self, now: Now, period: Duration) -> Option<RefreshRate> {
        self.window = period.saturating_mul(PERIODS);
        if self.times.len() == MOST {
            self.times.pop_front();
        }
        self.times.push_back(now);
        let rate = self.rate(now);
        let said = self.alerted.is_some_and(|at| now.since(at) < self.window);
        if said || rate.seen <= PERIODS * FACTOR {
            return None;
        }
        self.alerted = Some(now);
        Some(rate)
    }

    pub(super) fn rate(&self, now: Now) -> RefreshRate {
        let within = self.times.iter().filter(|at| now.since(**at) < self.window).count();
        RefreshRate { seen: u32::try_from(within).unwrap_or(u32::MAX), usual: PERIODS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(100);

    fn run(gap: Duration, count: u32) -> (Vec<u32>, Renewals) {
        let mut renewals = Renewals::default();
        let at = |n: u32| Now::default().after(gap * n);
        let alerts = (0..count).filter(|n| renewals.note(at(*n), PERIOD).is_some()).collect();
        (alerts, renewals)
    }

    #[test]
    fn renewals_as_planned_or_a_little_early_are_no_alert() {
        assert!(run(PERIOD, 100).0.is_empty());
        let (alerts, renewals) = run(PERIOD / 2, 100);
        assert!(alerts.is_empty());
        assert!(renewals.times.len() <= MOST);
        let rate = renewals.rate(Now::default().after(PERIOD / 2 * 99));
        assert_eq!(rate, RefreshRate { seen: 16, usual: 8 });
        assert!((rate.ratio() - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn renewals_in_a_row_are_one_alert_a_window() {
        let gap = PERIOD / 4;
        let (alerts, _) = run(gap, 100);
        // The 17th is the first over twice the usual; a window is 32 gaps.
        assert_eq!(alerts, [16, 48, 80]);
    }
}
