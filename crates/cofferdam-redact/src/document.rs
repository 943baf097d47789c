//! The policy document as an operator writes it.

use cofferdam_json as json;
use serde::{Deserialize, Serialize};

use crate::error::{CompileError, CompileFault, Place};

/// A redaction policy as it is written down: plain data, nothing checked but its shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyDocument {
    /// The tenant whose events it redacts.
    pub tenant_id: String,
    /// The rules. No rules is a policy that keeps everything, said out loud.
    pub redaction_rules: Vec<Rule>,
}

/// One rule: what to find and what to do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// An RFC 9535 JSONPath in the subset that [`Policy::compile`](crate::Policy::compile) names.
    pub path: String,
    /// What becomes of the values found.
    pub strategy: Strategy,
    /// For [`Strategy::Mask`]: what the mask looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// For [`Strategy::Hash`]: `SHA-256` or `HMAC-SHA-256`; both mean HMAC-SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
}

/// What becomes of a value. Where several rules find one value the strongest wins:
/// omit over hash over mask, and of two alike the one that stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Replaced by a string of fixed width.
    Mask,
    /// Replaced by a keyed hash: equal values of one tenant and field stay recognisable as equal.
    Hash,
    /// Left out, with its name.
    Omit,
}

impl PolicyDocument {
    /// The longest document in bytes.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Reads a document strictly: sound JSON, no name twice, no member that is not known.
    ///
    /// # Errors
    ///
    /// [`CompileFault::Json`] or [`CompileFault::NotAPolicy`].
    pub fn parse(document: &[u8], scratch: &mut json::Scratch) -> Result<Self, CompileError> {
        let refused = |fault| CompileError::new(Place::Document, fault);
        json::check(document, &json::Limits::new(Self::MAX_BYTES, 8), scratch)
            .map_err(|fault| refused(CompileFault::Json(fault)))?;
        // The position is all that is kept of serde's error: its text quotes the document.
        serde_json::from_slice(document).map_err(|error| {
            refused(CompileFault::NotAPolicy { line: error.line(), column: error.column() })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(document: &str) -> Result<PolicyDocument, CompileFault> {
        let mut scratch = json::Scratch::new([1; 16]);
        PolicyDocument::parse(document.as_bytes(), &mut scratch).map_err(|error| error.fault())
    }

    #[test]
    fn reads_the_document_and_writes_it_back() {
        let text = r#"{"tenantId":"a","redactionRules":[{"path":"$.a","strategy":"mask","format":"XX"},{"path":"$.b","strategy":"hash","algorithm":"SHA-256"},{"path":"$.c","strategy":"omit"}]}"#;
        let document = parse(text).unwrap();
        assert_eq!(document.redaction_rules.len(), 3);
        assert_eq!(serde_json::to_string(&document).unwrap(), text);
    }

    /// F01: a second `strategy` would decide differently in another reader.
    #[test]
    fn refuses_a_member_twice_however_it_is_written() {
        for twice in [r#""strategy":"mask""#, r#""strateg\u0079":"mask""#] {
            let text = format!(
                r#"{{"tenantId":"a","redactionRules":[{{"path":"$.a","strategy":"omit",{twice}}}]}}"#
            );
            let fault = CompileFault::Json(json::Fault::DuplicateName);
            assert_eq!(parse(&text), Err(fault));
        }
    }

    #[test]
    fn refuses_members_it_does_not_know() {
        for text in [
            r#"{"tenantId":"a","redactionRules":[],"x":1}"#,
            r#"{"tenantId":"a","redactionRules":[{"path":"$.a","strategy":"omit","key":"k"}]}"#,
            r#"{"tenantId":"a","redactionRules":[{"path":"$.a","strategy":"Omit"}]}"#,
            r#"{"tenantId":"a","redactionRules":[{"path":"$.a"}]}"#,
            r#"{"tenantId":1,"redactionRules":[]}"#,
            r#"{"redactionRules":[]}"#,
        ] {
            assert!(matches!(parse(text), Err(CompileFault::NotAPolicy { .. })), "{text}");
        }
    }

    #[test]
    fn an_error_says_where_and_quotes_nothing() {
        let text = "{\"tenantId\":\"a\",\n\"SECRET\":1,\"redactionRules\":[]}";
        let mut scratch = json::Scratch::new([1; 16]);
        let error = PolicyDocument::parse(text.as_bytes(), &mut scratch).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("line 2") && !shown.contains("SECRET"), "{shown}");
    }
}
