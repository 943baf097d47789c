//! Where a platform puts what users filter by.
//!
//! A mapping is data: which path holds the event type, which short type names users may write, and
//! at which path or paths each filter key stands. The files lie in `mappings/` and are JSON:
//!
//! ```json
//! {
//!   "platform": "genesys-cloud",
//!   "eventType": ["topicName"],
//!   "types": { "telephony.call": ["v2.users.*.conversations.calls"] },
//!   "keys": { "queueIds": ["eventBody.queueId", { "typeSegment": 3 }] },
//!   "organisation": ["eventBody.organizationId"]
//! }
//! ```
//!
//! A path is names between dots, or a list of names; arrays on the way are transparent. Of several
//! `eventType` paths the first in this list that leads to a string counts.
//! `typeSegment` counts the segments of the event type from 0. A key that the mapping does not know
//! is taken for a path. `organisation` paths are cross-checked against the context and refuse the
//! event if they name another; Genesys's `externalOrganizationId` is the customer's company and
//! must not stand there.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::path::Path;

/// How one platform's events are laid out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mapping {
    platform: String,
    pub(crate) event_type: Vec<Path>,
    #[serde(default)]
    pub(crate) types: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) keys: BTreeMap<String, Vec<Source>>,
    #[serde(default)]
    pub(crate) organisation: Vec<Path>,
}

/// One place of a key's value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Source {
    #[serde(rename_all = "camelCase")]
    Segment(Segment),
    Path(Path),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Segment {
    pub(crate) type_segment: u16,
}

/// The text is not a mapping; this is where reading it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mapping at line {line} column {column}")]
#[non_exhaustive]
pub struct InvalidMapping {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    ///
    /// [`InvalidMapping`] with the line and column of what is wrong.
    pub fn parse(json: &str) -> Result<Self, InvalidMapping> {
        serde_json::from_str(json)
            .map_err(|error| InvalidMapping { line: error.line(), column: error.column() })
    }

    /// Genesys Cloud notifications: `{"topicName", "version", "eventBody", "metadata"}`.
    #[must_use]
    pub fn genesys_cloud() -> Self {
        let shipped = include_str!("../mappings/genesys-cloud.json");
        Self::parse(shipped).unwrap_or_else(|_| Self::generic(&["topicName"]))
    }

    /// Any platform: the event type stands under the first of these members that the event has, and
    /// every filter key is a path.
    #[must_use]
    pub fn generic(event_type: &[&str]) -> Self {
        Self {
            platform: String::from("generic"),
            event_type: event_type.iter().map(|n| Path::Names(vec![String::from(*n)])).collect(),
            types: BTreeMap::new(),
            keys: BTreeMap::new(),
            organisation: Vec::new(),
        }
    }

    /// The platform's name.
    #[must_use]
    pub fn platform(&self) -> &str {
        &self.platform
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_mappings_parse() {
        let shipped = include_str!("../mappings/genesys-cloud.json");
        assert_eq!(Mapping::parse(shipped).unwrap(), Mapping::genesys_cloud());
        assert_eq!(Mapping::genesys_cloud().platform(), "genesys-cloud");
    }

    #[test]
    fn an_unknown_member_is_refused() {
        assert!(Mapping::parse(r#"{"platform":"x","eventType":["t"],"organization":[]}"#).is_err());
    }
}
