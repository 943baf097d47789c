//! Sets of scopes, and the difference between the one that was registered and the one that came.

use std::{collections::BTreeSet, fmt};

use crate::json::Value;

/// The most scopes of one token.
pub(super) const MAX_SCOPES: usize = 64;
/// The longest name of a scope in bytes.
const MAX_SCOPE: usize = 128;
/// The most names that an error shows on each side.
const SHOWN: usize = 8;

/// Whether `text` is one scope (RFC 6749 section 3.3): `%x21 / %x23-5B / %x5D-7E`, bounded.
pub(super) fn is_scope(text: &str) -> bool {
    (1..=MAX_SCOPE).contains(&text.len())
        && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Reads a text with single spaces, or a list of texts. `None` if anything else stands there.
pub(super) fn read(value: &Value<'_>) -> Option<BTreeSet<String>> {
    let names: Vec<&str> = match value {
        Value::Text(list) if list.is_empty() => Vec::new(),
        Value::Text(list) => list.split(' ').collect(),
        Value::Array(list) => list.iter().map(Value::as_text).collect::<Option<_>>()?,
        _ => return None,
    };
    let sound = names.len() <= MAX_SCOPES && names.iter().all(|name| is_scope(name));
    sound.then(|| names.into_iter().map(str::to_owned).collect())
}

/// The scopes of a token are not exactly those that were registered.
///
/// More is as wrong as less: a token that can do more than its user expects is a credential that
/// somebody widened. Scope names are configuration, not secrets; they are shown escaped, and eight
/// of a side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ScopeDrift {
    added: Vec<String>,
    missing: Vec<String>,
}

impl ScopeDrift {
    /// `Err` with the difference, if there is one.
    pub(super) fn check(
        registered: &BTreeSet<String>,
        came: &BTreeSet<String>,
    ) -> Result<(), Self> {
        if registered == came {
            return Ok(());
        }
        let difference = |a: &BTreeSet<String>, b| a.difference(b).cloned().collect();
        Err(Self { added: difference(came, registered), missing: difference(registered, came) })
    }

    /// What came and was not registered, in order.
    #[must_use]
    pub fn added(&self) -> &[String] {
        &self.added
    }

    /// What was registered and did not come, in order.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }
}

impl fmt::Display for ScopeDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scopes drifted")?;
        for (title, names) in [("added", &self.added), ("missing", &self.missing)] {
            if names.is_empty() {
                continue;
            }
            write!(f, ", {title}:")?;
            for name in names.iter().take(SHOWN) {
                write!(f, " {}", name.escape_default())?;
            }
            if let Some(more) = names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                write!(f, " and {more} more")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn read_text(text: &str) -> Option<BTreeSet<String>> {
        let document = format!("{{\"scope\":{text}}}");
        let document = json::read(document.as_bytes()).unwrap();
        document.get("scope").and_then(read)
    }

    #[test]
    fn reads_a_text_or_a_list_and_nothing_loose() {
        assert_eq!(read_text(r#""a:read b""#), Some(set(&["a:read", "b"])));
        assert_eq!(read_text(r#"["a:read","b","b"]"#), Some(set(&["a:read", "b"])));
        assert_eq!(read_text(r#""""#), Some(set(&[])));
        for loose in
            [r#""a  b""#, r#"" a""#, r#""a\tb""#, r#""a\u00a0b""#, r#""a\"b""#, "7", "[7]", "{}"]
        {
            assert_eq!(read_text(loose), None, "{loose}");
        }
        let many = |n: usize| format!("[{}]", vec!["\"a\""; n].join(","));
        assert!(read_text(&many(MAX_SCOPES)).is_some() && read_text(&many(65)).is_none());
        let long = |n: usize| format!("\"{}\"", "a".repeat(n));
        assert!(read_text(&long(128)).is_some() && read_text(&long(129)).is_none());
    }

    #[test]
    fn a_drift_names_both_sides_and_not_too_much() {
        let drift = ScopeDrift::check(&set(&["a", "b"]), &set(&["b", "c"])).unwrap_err();
        assert_eq!(drift.to_string(), "the scopes drifted, added: c, missing: a");
        let many: Vec<String> = (10..40).map(|i| format!("s{i}")).collect();
        let drift = ScopeDrift::check(&set(&[]), &many.into_iter().collect()).unwrap_err();
        assert!(drift.to_string().ends_with("s17 and 22 more"), "{drift}");
        assert_eq!(drift.added().len(), 30);
        assert_eq!(ScopeDrift::check(&set(&["a"]), &set(&["a"])), Ok(()));
    }

    #[test]
    fn names_are_shown_up_to_a_number_and_the_rest_is_counted() {
        let drift = |count: usize| {
            let added = (0..count).map(|n| n.to_string()).collect();
            ScopeDrift { added, missing: Vec::new() }.to_string()
        };
        assert!(!drift(SHOWN).contains("more"), "{}", drift(SHOWN));
        assert!(drift(SHOWN + 1).ends_with(" and 1 more"), "{}", drift(SHOWN + 1));
    }
}
