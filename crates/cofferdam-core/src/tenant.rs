//! Tenant ids: one spelling per tenant, so that comparing bytes is comparing tenants.

use alloc::sync::Arc;
use core::{borrow::Borrow, fmt};

/// The name of a tenant: 1 to 63 bytes of `a-z`, `0-9`, `-`, `_` and `.`, the first a letter or digit.
///
/// There is no case folding and no Unicode, because every fold is a way for two tenants to become
/// one (`İ`, full-width letters, trailing dots): a name that is not already in the one accepted
/// spelling is refused. Numbers are not names either; `"1"` is an id and `1` never reaches here.
///
/// Cloning copies a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The longest id in bytes.
    pub const MAX_LEN: usize = 63;

    /// Checks `id` and keeps a copy.
    ///
    /// # Errors
    ///
    /// [`InvalidTenantId`] if `id` is empty, longer than [`MAX_LEN`](Self::MAX_LEN), begins with
    /// punctuation or holds any other byte than those above.
    pub fn parse(id: &str) -> Result<Self, InvalidTenantId> {
        let bytes = id.as_bytes();
        let starts_well = matches!(bytes.first(), Some(b'a'..=b'z' | b'0'..=b'9'));
        let holds_only = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        if starts_well && bytes.len() <= Self::MAX_LEN && bytes.iter().all(holds_only) {
            Ok(Self(Arc::from(id)))
        } else {
            Err(InvalidTenantId(()))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both name the same tenant; a pointer comparison when one was cloned from the other.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for TenantId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl core::str::FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::parse(id)
    }
}

/// The text is not a tenant id. It is not quoted: it may be another tenant's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a tenant id: want 1 to 63 of a-z 0-9 - _ . beginning with a letter or digit")]
pub struct InvalidTenantId(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_one_spelling() {
        for id in ["a", "1", "acme-retail-na", "9dfb369b-ab13-4fae-a276-55daa05f1119", "a.b_c-d"] {
            assert_eq!(TenantId::parse(id).unwrap().as_str(), id);
        }
        assert!(TenantId::parse(&"a".repeat(63)).is_ok());
    }

    /// F02, F03: numbers that look alike, confusables, folds, invisible characters.
    #[test]
    fn refuses_every_other_spelling() {
        let long = "a".repeat(64);
        for id in [
            "",
            "-a",
            ".a",
            "_a",
            "A",
            "Acme",
            "a b",
            "a/b",
            "a\n",
            "a\0",
            "1.0e0+",
            "-0",
            "é",
            "\u{FF41}",
            "a\u{200B}",
            "\u{202E}a",
            "İ",
            "ı",
            "a\u{301}",
            &long,
        ] {
            assert!(TenantId::parse(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn an_error_does_not_quote_what_it_refused() {
        let shown = TenantId::parse("SECRET").unwrap_err().to_string();
        assert!(!shown.contains("SECRET"));
    }
}
