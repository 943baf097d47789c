//! Where a platform puts what users filter by.
//!
//! A mapping is data: which path holds the event type, which short type names users may write, and
//! at which path or paths each filter key stands. The files lie in `mappings/` and are JSON;
//! `docs/MAPPINGS.md` lists them, with the source of every path:
//!
//! ```json
//! {
//!   "platform": "genesys-cloud",
//!   "eventType": ["topicName"],
//!   "types": { "telephony.call": ["v2.users.*.conversations.calls"] },
//!   "keys": { "queueIds": ["eventBody.queueId", { "typeSegment": 3 }] },
//!   "values": { "direction": { "inbound": ["INBOUND"] } },
//!   "organisation": ["eventBody.organizationId"]
//! }
//! ```
//!
//! A path is names between dots, or a list of names; arrays on the way are transparent. Of several
//! `eventType` paths the first in this list that leads to a string counts.
//! `typeSegment` counts the segments of the event type from 0. A key that the mapping does not know
//! is taken for a path.
//!
//! `values` gives a key's values second names: a rule that asks for `inbound` also takes `INBOUND`,
//! one that asks for `INBOUND` takes that alone. Platforms spell one thing in two ways (Genesys has
//! `inbound` in one topic and `INBOUND` in another), or say it in the type and nowhere else. The
//! names are resolved when a document is compiled and cost an event nothing.
//!
//! `organisation` paths are cross-checked against the context and refuse an event of a wanted type if
//! they name another; what nobody wants is dropped, whosever it is. Genesys's `externalOrganizationId` is the customer's company and must not stand there.
//! As each context has one organisation, all paths must name it in the same form: not an account in
//! one place and an instance in another. A whole number is the same as the string of its digits.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

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
    /// By key and by a name that users may write: what the platform writes for it.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, BTreeMap<String, Vec<Scalar>>>,
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

/// What a platform writes: anything but a list or an object, which no rule can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Scalar(pub(crate) Value);

impl TryFrom<Value> for Scalar {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::Array(_) | Value::Object(_) => Err("not a scalar"),
            scalar => Ok(Self(scalar)),
        }
    }
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
        Self::shipped(include_str!("../mappings/genesys-cloud.json"))
    }

    /// The same events as Amazon EventBridge delivers them, in its envelope:
    /// `{"detail-type", "source", "account", "detail": {"topicName", "eventBody"}}`.
    #[must_use]
    pub fn genesys_eventbridge() -> Self {
        Self::shipped(include_str!("../mappings/genesys-eventbridge.json"))
    }

    /// NICE CXone: the events of an agent session, one by one and not the list of a poll's answer
    /// (`{"Type", …}`); of digital channels (`{"eventType", "eventObject", "data"}`); and bodies of
    /// transcription messages (`{"MessageType", "Data"}`).
    #[must_use]
    pub fn nice_cxone() -> Self {
        Self::shipped(include_str!("../mappings/nice-cxone.json"))
    }

    /// Amazon Connect: agent events and Contact Lens segments (`{"EventType", …}`), contact events
    /// and Contact Lens rules in EventBridge's envelope or without it.
    #[must_use]
    pub fn amazon_connect() -> Self {
        Self::shipped(include_str!("../mappings/amazon-connect.json"))
    }

    /// Twilio TaskRouter: Event Streams, one by one and not as a batch (`{"type", "data"}`), a
    /// worker's socket (`{"event_type", "payload"}`), and the fields of an event callback, which
    /// arrive as a form, as one flat object (`{"EventType", …}`).
    #[must_use]
    pub fn twilio_taskrouter() -> Self {
        Self::shipped(include_str!("../mappings/twilio-taskrouter.json"))
    }

    /// GitHub: webhooks as `{"name", "payload"}`, where `name` is the header `X-GitHub-Event`,
    /// because their bodies do not name their type; and the records of the events API and of
    /// GH Archive (`{"type", "actor", "repo", "payload"}`).
    #[must_use]
    pub fn github() -> Self {
        Self::shipped(include_str!("../mappings/github.json"))
    }

    /// A mapping of this crate. A test shows that each parses; one that did not would match
    /// nothing, since without its organisation paths it must not match.
    fn shipped(json: &str) -> Self {
        Self::parse(json).unwrap_or_else(|_| Self::generic(&[]))
    }

    /// Any platform: the event type stands under the first of these members that the event has, and
    /// every filter key is a path. Without a member no event has a type, and none matches.
    #[must_use]
    pub fn generic(event_type: &[&str]) -> Self {
        Self {
            platform: String::from("generic"),
            event_type: event_type.iter().map(|n| Path::Names(vec![String::from(*n)])).collect(),
            types: BTreeMap::new(),
            keys: BTreeMap::new(),
            values: BTreeMap::new(),
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
        for (mapping, platform) in [
            (Mapping::genesys_cloud(), "genesys-cloud"),
            (Mapping::genesys_eventbridge(), "genesys-eventbridge"),
            (Mapping::nice_cxone(), "nice-cxone"),
            (Mapping::amazon_connect(), "amazon-connect"),
            (Mapping::twilio_taskrouter(), "twilio-taskrouter"),
            (Mapping::github(), "github"),
        ] {
            assert_eq!(mapping.platform(), platform);
            assert!(!mapping.event_type.is_empty() && !mapping.keys.is_empty(), "{platform}");
        }
    }

    /// EventBridge wraps what the socket sends, so its mapping is the other one a level deeper.
    #[test]
    fn the_two_mappings_of_genesys_differ_by_the_envelope_alone() {
        let socket = include_str!("../mappings/genesys-cloud.json");
        let wrapped = socket
            .replace("\"genesys-cloud\"", "\"genesys-eventbridge\"")
            .replace("\"eventBody.", "\"detail.eventBody.")
            .replace("\"topicName\"", "\"detail.topicName\"");
        assert_eq!(Mapping::parse(&wrapped).unwrap(), Mapping::genesys_eventbridge());
    }

    #[test]
    fn an_unknown_member_is_refused() {
        assert!(Mapping::parse(r#"{"platform":"x","eventType":["t"],"organization":[]}"#).is_err());
    }

    #[test]
    fn a_second_name_stands_for_scalars_only() {
        let mapping = |value: &str| {
            Mapping::parse(&format!(
                r#"{{"platform":"x","eventType":["t"],"values":{{"k":{{"name":[{value}]}}}}}}"#
            ))
        };
        for scalar in [r#""a""#, "1", "true", "null"] {
            assert!(mapping(scalar).is_ok(), "{scalar}");
        }
        for other in ["[]", r#"["a"]"#, "{}"] {
            assert!(mapping(other).is_err(), "{other}");
        }
    }
}
