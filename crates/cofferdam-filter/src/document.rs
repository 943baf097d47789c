//! The subscription document, as users post it.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hasher, RandomState},
};

use cofferdam_json::{Limits, Number, Reader, Scratch, Token, check};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Deserializer, Map, Value, de::StrRead};

/// What one tenant wants to receive: the body of `POST /api/v2/internal/routing/filters/compile`.
///
/// Read what comes from outside with [`parse`](Self::parse). A bare `serde_json` takes the last of two
/// members with one name, and numbers for others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct SubscriptionDocument {
    /// The tenant; checked against the caller's context, never trusted by itself.
    pub tenant_id: String,
    /// The subscriptions; an event goes to the target of each that matches.
    pub subscriptions: Vec<Subscription>,
}

/// One subscription: which events, and where they go. Which is said by an event type and values that keys
/// must have, or by an event pattern, and not by both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Subscription {
    /// A name that the mapping knows, or a pattern over the platform's types: segments between
    /// dots, `*` for one segment, a last `>` for one or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// For each key one value or a list; the event must have one of them under every key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, Value>,
    /// A pattern as Amazon EventBridge takes it, over the event as it comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_pattern: Option<Map<String, Value>>,
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
    /// Reads a document of up to a mebibyte; unknown members, names that stand twice, and numbers that
    /// would become others are refused.
    ///
    /// # Errors
    ///
    /// [`InvalidDocument`], which names the line and the column but quotes no value.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidDocument> {
        Self::parse_up_to(json, 1 << 20)
    }

    /// The same of up to so many bytes: a rule takes some two hundred of them.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_up_to(json: &[u8], max_bytes: usize) -> Result<Self, InvalidDocument> {
        read(json, max_bytes)
    }
}

impl Subscription {
    /// Reads one subscription, of up to a mebibyte, as strictly as a document.
    ///
    /// # Errors
    ///
    /// As [`SubscriptionDocument::parse`].
    pub fn parse(json: &[u8]) -> Result<Self, InvalidDocument> {
        read(json, 1 << 20)
    }
}

fn read<T: Document + DeserializeOwned>(
    json: &[u8],
    max_bytes: usize,
) -> Result<T, InvalidDocument> {
    read_with(json, max_bytes, |deserializer| T::deserialize(deserializer))
}

/// Reads a whole text, strictly.
pub(crate) fn read_with<'j, T: Document>(
    json: &'j [u8],
    max_bytes: usize,
    read: impl FnOnce(&mut Deserializer<StrRead<'j>>) -> serde_json::Result<T>,
) -> Result<T, InvalidDocument> {
    let refuse = |detail: String| InvalidDocument { detail };
    check(json, &Limits::new(max_bytes, Reader::MAX_DEPTH), &mut Scratch::new(any_key()))
        .map_err(|fault| refuse(fault.to_string()))?;
    // So that serde does not ask every text again whether it is one.
    let text = core::str::from_utf8(json).map_err(|error| refuse(error.to_string()))?;
    // The position is all that is kept of serde's error: its text quotes the document.
    let mut deserializer = Deserializer::from_str(text);
    let read = read(&mut deserializer).and_then(|read| deserializer.end().map(|()| read));
    let read = read.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        refuse(format!("a member or value that does not belong there, line {line} column {column}"))
    })?;
    // Most documents have none, and a million rules are a long text to read once more.
    if read.has_numbers() && !numbers_are_exact(json) {
        return Err(refuse(String::from("a number that is not kept exactly")));
    }
    Ok(read)
}

/// What is read.
pub(crate) trait Document {
    fn has_numbers(&self) -> bool;
}

impl Document for SubscriptionDocument {
    fn has_numbers(&self) -> bool {
        self.subscriptions.iter().any(Document::has_numbers)
    }
}

impl Document for Subscription {
    /// A pattern is taken to have some.
    fn has_numbers(&self) -> bool {
        let is_number = |value: &Value| match value {
            Value::Array(values) => values.iter().any(Value::is_number),
            value => value.is_number(),
        };
        self.event_pattern.is_some() || self.filters.values().any(is_number)
    }
}

/// A key for the one check of a document, so that whoever posts it cannot choose names that collide.
pub(crate) fn any_key() -> [u8; 16] {
    let half = || RandomState::new().build_hasher().finish().to_le_bytes();
    let mut key = [0; 16];
    key[..8].copy_from_slice(&half());
    key[8..].copy_from_slice(&half());
    key
}

/// Whether each number of a checked document is still the same once it was read into a [`Value`], where
/// it may have become a binary64. Events are compared exactly, so a rule must be exact too.
fn numbers_are_exact(json: &[u8]) -> bool {
    let mut reader = Reader::new(json);
    let (mut written, mut kept) = (Vec::new(), Vec::new());
    while let Ok(Some(token)) = reader.next() {
        let Token::Number(number) = token else { continue };
        written.clear();
        kept.clear();
        number.canonical_into(&mut written);
        let value = serde_json::from_slice::<serde_json::Number>(number.raw());
        let Ok(text) = value.map(|value| value.to_string()) else { return false };
        let Ok(again) = Number::read(text.as_bytes()) else { return false };
        again.canonical_into(&mut kept);
        if written != kept {
            return false;
        }
    }
    true
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
    fn a_document_has_a_longest_length() {
        let of = |length: usize| {
            let document = r#"{"tenantId":"a","subscriptions":[]}"#;
            format!("{document}{}", " ".repeat(length - document.len())).into_bytes()
        };
        assert!(SubscriptionDocument::parse(&of(1 << 20)).is_ok());
        assert!(SubscriptionDocument::parse(&of((1 << 20) + 1)).is_err());
        assert!(SubscriptionDocument::parse_up_to(&of((1 << 20) + 1), 1 << 21).is_ok());
        assert!(SubscriptionDocument::parse_up_to(&of(100), 99).is_err());
    }

    #[test]
    fn an_error_does_not_quote_the_document() {
        let shown = SubscriptionDocument::parse(br#"{"tenantId":"a","subscriptions":"SECRET"}"#);
        assert!(!shown.unwrap_err().to_string().contains("SECRET"));
    }

    /// F09: what would be compared with another number than was written.
    #[test]
    fn refuses_a_number_that_would_become_another() {
        let document = |number: &str| {
            format!(
                r#"{{"tenantId":"a","subscriptions":[{{"eventType":"t","filters":{{"n":[{number}]}},"targetQueue":"queue://q"}}]}}"#
            )
        };
        for exact in
            ["0", "-7", "1.5", "35.0", "1e3", "0.1", "9007199254740993", "18446744073709551615"]
        {
            assert!(SubscriptionDocument::parse(document(exact).as_bytes()).is_ok(), "{exact}");
        }
        for other in
            ["100000000000000000000001", "1e-400", "9007199254740993.0", "0.1000000000000000000001"]
        {
            assert!(SubscriptionDocument::parse(document(other).as_bytes()).is_err(), "{other}");
        }
    }
}
