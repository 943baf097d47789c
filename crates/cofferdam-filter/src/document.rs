//! The subscription document, as users post it.

use std::collections::BTreeMap;

use cofferdam_json::{Limits, Scratch, check};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What one tenant wants to receive: the body of `POST /api/v2/internal/routing/filters/compile`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct SubscriptionDocument {
    /// The tenant; checked against the caller's context, never trusted by itself.
    pub tenant_id: String,
    /// The subscriptions; an event goes to the target of each that matches.
    pub subscriptions: Vec<Subscription>,
}

/// One subscription: an event type, values that keys must have, and where matching events go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Subscription {
    /// A name that the mapping knows, or a pattern over the platform's types: segments between
    /// dots, `*` for one segment, a last `>` for one or more.
    pub event_type: String,
    /// For each key one value or a list; the event must have one of them under every key.
    #[serde(default)]
    pub filters: BTreeMap<String, Value>,
    /// The URL of the queue, topic or webhook.
    pub target_queue: String,
}

/// The bytes are not a subscription document.
#[derive(Debug, thiserror::Error)]
#[error("not a subscription document: {detail}")]
pub struct InvalidDocument {
    detail: String,
}

impl SubscriptionDocument {
    /// Reads a document; unknown members and names that stand twice are refused.
    ///
    /// # Errors
    ///
    /// [`InvalidDocument`], which names the line and the column but quotes no value.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidDocument> {
        let refuse = |detail: String| InvalidDocument { detail };
        // This is configuration: one at a time, a bounded size, no secret key needed.
        check(json, &Limits::default(), &mut Scratch::new([0; 16]))
            .map_err(|fault| refuse(fault.to_string()))?;
        // The position is all that is kept of serde's error: its text quotes the document.
        serde_json::from_slice(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            refuse(format!(
                "a member or value that does not belong there, line {line} column {column}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_a_document_is_wrong() {
        let unknown = br#"{"tenantId":"a","subscriptions":[{"eventType":"t","filter":{},"targetQueue":"q"}]}"#;
        let shown = SubscriptionDocument::parse(unknown).unwrap_err().to_string();
        assert!(shown.contains("line 1 column 58"), "{shown}");
        let twice = br#"{"tenantId":"a","tenant\u0049d":"b","subscriptions":[]}"#;
        let shown = SubscriptionDocument::parse(twice).unwrap_err().to_string();
        assert!(shown.contains("twice"), "{shown}");
    }

    #[test]
    fn an_error_does_not_quote_the_document() {
        let shown = SubscriptionDocument::parse(br#"{"tenantId":"a","subscriptions":"SECRET"}"#);
        assert!(!shown.unwrap_err().to_string().contains("SECRET"));
    }
}
