//! What a governor did, for the audit log.

use std::{fmt, sync::Arc};

use crate::policy::{Share, Trust};

/// Something that happened to a tenant's schema. Its text is for an audit log: versions, counts and shares,
/// nothing of any event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// A candidate sees a share of the events now.
    CanaryBegan {
        /// The version that judges.
        in_force: Arc<str>,
        /// The version that is tried.
        candidate: Arc<str>,
        /// Its share.
        share: Share,
    },
    /// A candidate sees another share than before.
    CanaryChanged {
        /// The version that is tried.
        candidate: Arc<str>,
        /// Its share.
        share: Share,
    },
    /// The candidate judges now.
    Promoted {
        /// The version that judged.
        from: Arc<str>,
        /// The version that judges.
        to: Arc<str>,
        /// Who decided.
        by: By,
        /// What was known.
        evidence: Evidence,
    },
    /// The candidate is not tried any more.
    RolledBack {
        /// The version that judges, as before.
        in_force: Arc<str>,
        /// The version that was tried.
        candidate: Arc<str>,
        /// Why.
        why: Why,
        /// What was known.
        evidence: Evidence,
    },
    /// A graduated schema is trusted now: what does not fit is refused.
    Trusted {
        /// The version that judges.
        version: Arc<str>,
        /// The share of mismatches.
        mismatches: Share,
    },
    /// A graduated schema is not trusted any more: what does not fit is marked.
    Distrusted {
        /// The version that judges.
        version: Arc<str>,
        /// The share of mismatches.
        mismatches: Share,
    },
    /// What was in force before a restart is in force again.
    Restored {
        /// The version that judges.
        version: Arc<str>,
        /// Whether it is trusted.
        trust: Trust,
    },
    /// What was asked for was not done.
    Ignored(Ignored),
}

/// Who decided that a candidate judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The trial's rule.
    Rule,
    /// An operator.
    Hand,
}

/// Why a candidate is not tried any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// An operator said so.
    Hand,
    /// Too many events fit the version in force and not the candidate.
    NewlyFailing,
    /// The trial's time was over without a decision.
    Undecided,
    /// The registry has no such version for the tenant.
    NotRegistered,
}

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// A candidate is being tried already.
    TrialRuns,
    /// No candidate is being tried.
    NoTrial,
    /// The version that was to be tried judges already.
    InForce,
    /// The tenant has as many schemas as are followed.
    TooManySchemas,
}

/// What is known of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Events that both versions judged.
    pub compared: u64,
    /// Those that fit the version in force and not the candidate.
    pub newly_failing: u64,
    /// Those that fit the candidate and not the version in force.
    pub newly_fitting: u64,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compared, newly_failing, newly_fitting } = self;
        write!(
            f,
            "{compared} events compared, {newly_failing} newly failing, {newly_fitting} newly fitting"
        )
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CanaryBegan { in_force, candidate, share } => {
                write!(f, "version {candidate} is tried on {share} of the events beside {in_force}")
            }
            Self::CanaryChanged { candidate, share } => {
                write!(f, "version {candidate} is tried on {share} of the events")
            }
            Self::Promoted { from, to, by, evidence } => {
                let by = if *by == By::Rule { "by rule" } else { "by hand" };
                write!(f, "version {to} judges in place of {from}, {by}: {evidence}")
            }
            Self::RolledBack { in_force, candidate, why, evidence } => {
                let why = match why {
                    Why::Hand => "by hand",
                    Why::NewlyFailing => "by rule",
                    Why::Undecided => "undecided in time",
                    Why::NotRegistered => "not registered",
                };
                write!(f, "version {candidate} is not tried any more, {why}, ")?;
                write!(f, "{in_force} judges: {evidence}")
            }
            Self::Trusted { version, mismatches } => {
                write!(f, "version {version} is trusted at {mismatches} of mismatches")
            }
            Self::Distrusted { version, mismatches } => {
                write!(f, "version {version} is not trusted at {mismatches} of mismatches")
            }
            Self::Restored { version, trust } => {
                let trusted = if *trust == Trust::Enforcing { "trusted" } else { "not trusted" };
                write!(f, "version {version} judges again, {trusted}, as before a restart")
            }
            Self::Ignored(why) => f.write_str(match why {
                Ignored::TrialRuns => "nothing done: a version is being tried",
                Ignored::NoTrial => "nothing done: no version is being tried",
                Ignored::InForce => "nothing done: the version judges already",
                Ignored::TooManySchemas => "nothing done: the tenant has too many schemas",
            }),
        }
    }
}
