//! By which version a tenant's events of one type are judged, and which version is tried beside it.

use crate::policy::{Share, Trust};

/// What judges the events that name one schema: a version in force, perhaps a candidate that sees a
/// share of them, and whether a graduated schema is trusted.
///
/// The version in force decides. A candidate is judged beside it, for its share of the events, and what
/// it would have said is counted and no more: a bad candidate harms nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    version: Box<str>,
    canary: Option<(Box<str>, Share)>,
    trust: Trust,
}

impl Course {
    /// The version in force, and nothing beside it.
    #[must_use]
    pub fn of(version: &str) -> Self {
        Self { version: version.into(), canary: None, trust: Trust::default() }
    }

    /// With a candidate that sees a share of the events.
    #[must_use]
    pub fn with_canary(self, candidate: &str, share: Share) -> Self {
        Self { canary: Some((candidate.into(), share)), ..self }
    }

    /// With what a graduated schema does.
    #[must_use]
    pub fn with_trust(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// The version in force.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The candidate and its share.
    #[must_use]
    pub fn canary(&self) -> Option<(&str, Share)> {
        self.canary.as_ref().map(|(candidate, share)| (&**candidate, *share))
    }

    /// Whether what does not fit a graduated schema is refused.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }
}

/// A course that cannot be put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The tenant has no schema under the key, nor has everybody.
    #[error("no schema under the key")]
    UnknownSchema,
    /// There is none of the version that was to judge or to be tried.
    #[error("no schema of that version under the key")]
    UnknownVersion,
}
