//! What a governor knows of one tenant's events under one schema.

use std::{sync::Arc, time::Duration};

use cofferdam_core::Now;

use super::{
    fact::{By, Evidence, Fact, Ignored, Why},
    window::Window,
};
use crate::{
    course::Course,
    policy::{Policy, Share, Trust},
    tally::{Comparison, Report},
};

/// A version to be tried, on how much, and what decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    pub(super) candidate: Arc<str>,
    pub(super) share: Share,
    pub(super) rule: Rule,
}

impl Trial {
    /// Tries `candidate`, which is registered under the same platform and event type, on a share of the
    /// events.
    #[must_use]
    pub fn new(candidate: &str, share: Share, rule: Rule) -> Self {
        Self { candidate: candidate.into(), share, rule }
    }
}

/// When a trial ends by itself.
///
/// What counts against a candidate is an event that fits the version in force and not the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Nothing is decided on fewer events that both versions judged.
    pub at_least: u64,
    /// Above this share of them the candidate is rolled back, at once.
    pub roll_back_above: Share,
    /// At this share or below the candidate is promoted, after [`soonest`](Self::soonest). None: by hand alone.
    pub promote_at: Option<Share>,
    /// A trial runs so long at least before it promotes.
    pub soonest: Duration,
    /// A trial that runs so long without a decision is rolled back.
    pub latest: Duration,
}

/// A thousand events; back above 1 %, promoted at 0.1 % after an hour at the soonest, over after a day.
impl Default for Rule {
    fn default() -> Self {
        Self {
            at_least: 1_000,
            roll_back_above: Share::percent(1),
            promote_at: Some(Share::millionths(1_000)),
            soonest: Duration::from_secs(60 * 60),
            latest: Duration::from_secs(24 * 60 * 60),
        }
    }
}

#[derive(Debug)]
pub(super) struct Stream {
    version: Arc<str>,
    trust: Trust,
    window: Window,
    running: Option<Running>,
    /// The newest of everybody's trials that it took part in.
    pub(super) took_part_in: u64,
}

#[derive(Debug)]
struct Running {
    trial: Trial,
    began: Now,
    seen: Comparison,
}

/// What came of an input: facts, and whether the course is another one.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) changed: bool,
    pub(super) facts: Vec<Fact>,
}

impl Stream {
    pub(super) fn new(version: &str) -> Self {
        Self {
            version: version.into(),
            trust: Trust::default(),
            window: Window::default(),
            running: None,
            took_part_in: 0,
        }
    }

    pub(super) fn course(&self) -> Course {
        let course = Course::of(&self.version).with_trust(self.trust);
        match &self.running {
            Some(Running { trial, .. }) => course.with_canary(&trial.candidate, trial.share),
            None => course,
        }
    }

    /// What is known of the candidate, if one is tried.
    pub(super) fn comparison(&self) -> Option<&Comparison> {
        self.running.as_ref().map(|running| &running.seen)
    }

    pub(super) fn restore(&mut self, course: &Course, out: &mut Outcome) {
        let took_part_in = self.took_part_in;
        *self = Self { trust: course.trust(), took_part_in, ..Self::new(course.version()) };
        out.changed = true;
        out.facts.push(Fact::Restored { version: self.version.clone(), trust: self.trust });
    }

    pub(super) fn begin(&mut self, trial: &Trial, now: Now, out: &mut Outcome) {
        let refusal = match &self.running {
            _ if trial.candidate == self.version => Some(Ignored::InForce),
            Some(_) => Some(Ignored::TrialRuns),
            None => None,
        };
        if let Some(why) = refusal {
            out.facts.push(Fact::Ignored(why));
            return;
        }
        out.changed = true;
        out.facts.push(Fact::CanaryBegan {
            in_force: self.version.clone(),
            candidate: trial.candidate.clone(),
            share: trial.share,
        });
        let seen = Comparison::of(&trial.candidate);
        self.running = Some(Running { trial: trial.clone(), began: now, seen });
    }

    pub(super) fn change_share(&mut self, share: Share, out: &mut Outcome) {
        let Some(running) = &mut self.running else {
            out.facts.push(Fact::Ignored(Ignored::NoTrial));
            return;
        };
        running.trial.share = share;
        out.changed = true;
        let candidate = running.trial.candidate.clone();
        out.facts.push(Fact::CanaryChanged { candidate, share });
    }

    pub(super) fn promote(&mut self, by: By, out: &mut Outcome) {
        let Some(running) = self.running.take() else {
            out.facts.push(Fact::Ignored(Ignored::NoTrial));
            return;
        };
        out.changed = true;
        let to = running.trial.candidate.clone();
        let from = core::mem::replace(&mut self.version, to.clone());
        // What did not fit the old version says nothing of the new one.
        self.window = Window::default();
        out.facts.push(Fact::Promoted { from, to, by, evidence: running.evidence() });
    }

    pub(super) fn roll_back(&mut self, why: Why, out: &mut Outcome) {
        let Some(running) = self.running.take() else {
            out.facts.push(Fact::Ignored(Ignored::NoTrial));
            return;
        };
        out.changed = true;
        out.facts.push(Fact::RolledBack {
            in_force: self.version.clone(),
            candidate: running.trial.candidate.clone(),
            why,
            evidence: running.evidence(),
        });
    }

    /// Takes in what a worker counted.
    pub(super) fn take(&mut self, report: &Report, now: Now, out: &mut Outcome) {
        if let Policy::Graduated(by) = &report.policy {
            let counts = report.counts;
            self.window.add(counts.judged(), counts.mismatched(), by.window, now);
            let (trust, mismatches) = self.window.trust(self.trust, by);
            if trust != self.trust {
                self.trust = trust;
                out.changed = true;
                let version = self.version.clone();
                out.facts.push(match trust {
                    Trust::Enforcing => Fact::Trusted { version, mismatches },
                    Trust::Marking => Fact::Distrusted { version, mismatches },
                });
            }
        }
        if let (Some(running), Some(more)) = (&mut self.running, &report.comparison)
            && *more.candidate == *running.trial.candidate
        {
            running.seen.add(more);
        }
        self.decide(now, out);
    }

    /// Ends the trial if its rule says so.
    pub(super) fn decide(&mut self, now: Now, out: &mut Outcome) {
        let Some(running) = &self.running else { return };
        let (rule, lasted) = (&running.trial.rule, now.since(running.began));
        let share = running.newly_failing();
        if share.is_some_and(|share| share > rule.roll_back_above) {
            self.roll_back(Why::NewlyFailing, out);
        } else if lasted >= rule.soonest && running.may_be_promoted() {
            self.promote(By::Rule, out);
        } else if lasted >= rule.latest {
            self.roll_back(Why::Undecided, out);
        }
    }

    /// When there may be something to decide.
    pub(super) fn due(&self) -> Option<Now> {
        let running = self.running.as_ref()?;
        let rule = &running.trial.rule;
        let soonest = if running.may_be_promoted() { rule.soonest } else { rule.latest };
        Some(running.began.after(soonest.min(rule.latest)))
    }
}

impl Running {
    fn evidence(&self) -> Evidence {
        Evidence {
            compared: self.seen.compared,
            newly_failing: self.seen.newly_failing,
            newly_fitting: self.seen.newly_fitting,
        }
    }

    /// The share of events that count against the candidate; none while there are too few.
    fn newly_failing(&self) -> Option<Share> {
        let enough = self.seen.compared >= self.trial.rule.at_least.max(1);
        enough.then(|| Share::of(self.seen.newly_failing, self.seen.compared))
    }

    fn may_be_promoted(&self) -> bool {
        let limit = self.trial.rule.promote_at;
        self.newly_failing().zip(limit).is_some_and(|(share, limit)| share <= limit)
    }
}
