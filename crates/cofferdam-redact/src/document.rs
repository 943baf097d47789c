//! The policy document as an operator writes it.

use cofferdam_json as json;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Detector,
    error::{CompileError, CompileFault, Place},
};

/// A redaction policy as it is written down: plain data, nothing checked but its shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyDocument {
    /// The tenant whose events it redacts.
    pub tenant_id: String,
    /// The number under which redactions are recorded; without one it is made from the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// From when on it counts, as RFC 3339 writes it: `2026-12-01T00:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
    /// Whether it is only to be tried: such a document makes a [`DryRun`](crate::DryRun) and no
    /// [`Policy`](crate::Policy).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub dry_run: bool,
    /// The rules. No rules is a policy that keeps everything, said out loud.
    pub redaction_rules: Vec<Rule>,
}

/// One rule: what to find and what to do with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// What reports call it, 1 to 64 characters; without one its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// An RFC 9535 JSONPath in the subset that [`Policy::compile`](crate::Policy::compile) names.
    pub path: String,
    /// What becomes of what is found.
    pub strategy: Strategy,
    /// For [`Strategy::Mask`]: what the mask looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// For [`Strategy::Hash`]: `SHA-256` or `HMAC-SHA-256`; both mean HMAC-SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// For [`Strategy::Replace`]: a string, a number, `true`, `false` or, without one, `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// For [`Strategy::Truncate`]: how many characters are left, 1 to 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// For [`Strategy::Generalize`]: to what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<General>,
    /// What of the place is treated.
    #[serde(default, skip_serializing_if = "Target::is_value")]
    pub target: Target,
    /// If there are some: the strategy is for what they find in the text there, and not for the whole of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detect: Vec<Detector>,
    /// Whether the path goes on inside of strings that hold JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<Decode>,
    /// Whether it is a mistake if nothing is ever found: see [`Alarms`](crate::Alarms).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub must_match: bool,
}

/// What becomes of a value. Where several rules find one value the strongest wins, which is the last
/// of these, and of two alike the one that stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Strategy {
    /// Replaced by something that many values have in common: a month, a network, a range.
    Generalize,
    /// Only its first characters are left.
    Truncate,
    /// Replaced by a string of fixed width.
    Mask,
    /// Replaced by a token, under which a [`Vault`](crate::Vault) keeps the value.
    Tokenize,
    /// Replaced by a keyed hash: equal values of one tenant and field stay recognisable as equal.
    Hash,
    /// Replaced by a value that the rule says.
    Replace,
    /// Left out, with its name.
    Omit,
}

/// What a value is generalized to. One that is not of the kind becomes `****`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum General {
    /// Of a date or time as RFC 3339 has it: `2026`.
    Year,
    /// `2026-11`
    Month,
    /// `2026-11-28`
    Day,
    /// Of an IP address: the /24 of version 4, the /48 of version 6.
    Network,
    /// Of a number: the range of this width in which it lies, `20..30` of 27 with 10.
    Band(u32),
}

/// What of a place a rule treats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Target {
    /// The value there, whole.
    #[default]
    Value,
    /// The names of the members of the object there: they are hashed or tokenized, each by itself.
    Names,
}

impl Target {
    fn is_value(&self) -> bool {
        *self == Self::Value
    }
}

/// What strings may hold that a path goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Decode {
    /// JSON: an object or an array, in up to three strings inside of one another.
    Json,
}

impl Rule {
    /// A rule of a path and a strategy, and of nothing else.
    #[must_use]
    pub fn new(path: impl Into<String>, strategy: Strategy) -> Self {
        Self {
            id: None,
            path: path.into(),
            strategy,
            format: None,
            algorithm: None,
            value: None,
            length: None,
            to: None,
            target: Target::Value,
            detect: Vec::new(),
            decode: None,
            must_match: false,
        }
    }
}

impl PolicyDocument {
    /// A document of these rules, in force at once.
    #[must_use]
    pub fn new(tenant_id: impl Into<String>, redaction_rules: Vec<Rule>) -> Self {
        Self {
            tenant_id: tenant_id.into(),
            version: None,
            effective_from: None,
            dry_run: false,
            redaction_rules,
        }
    }

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
