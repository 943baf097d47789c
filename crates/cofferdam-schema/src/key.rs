//! What a schema is registered under.

use std::{fmt, sync::Arc};

/// A schema's place in the registry: platform, event type and version.
///
/// The event type is in segments that are separated by dots. A segment in braces (`{id}`) stands for
/// any one segment, as in `v2.users.{id}.presence`. The version is the one that events of the type
/// carry, or a name of your own for a candidate that a canary tries; a document under a key never
/// changes, so what a verdict was made by can be named for good.
///
/// Keys name schemas within one scope, a tenant's or everybody's: the same key under two tenants is
/// two schemas.
///
/// Cloning copies pointers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaKey {
    platform: Arc<str>,
    event_type: Arc<str>,
    version: Arc<str>,
}

impl SchemaKey {
    /// The longest platform, event type or version in bytes.
    pub const MAX_LEN: usize = 200;
    /// The most segments of an event type.
    pub const MAX_SEGMENTS: usize = 32;

    /// A key of three names: printable ASCII without quotes, spaces and backslashes.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if one of them is empty, longer than [`MAX_LEN`](Self::MAX_LEN), holds any other
    /// byte, or if the event type has more than [`MAX_SEGMENTS`](Self::MAX_SEGMENTS) segments.
    pub fn new(platform: &str, event_type: &str, version: &str) -> Result<Self, InvalidKey> {
        let is_name = |name: &str| is_name(name.as_bytes());
        let segments = event_type.split('.').count();
        if is_name(platform)
            && is_name(event_type)
            && is_name(version)
            && segments <= Self::MAX_SEGMENTS
        {
            Ok(Self {
                platform: platform.into(),
                event_type: event_type.into(),
                version: version.into(),
            })
        } else {
            Err(InvalidKey(()))
        }
    }

    /// The platform, such as `genesys-cloud`.
    #[must_use]
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// The event type, with segments in braces where it stands for many.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The same platform and event type in another version.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_version(&self, version: &str) -> Result<Self, InvalidKey> {
        if is_name(version.as_bytes()) {
            Ok(Self { version: version.into(), ..self.clone() })
        } else {
            Err(InvalidKey(()))
        }
    }
}

/// Whether an event may name its type or version so.
pub(crate) fn is_name(name: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    !name.is_empty() && name.len() <= SchemaKey::MAX_LEN && name.iter().all(is_plain)
}

/// Whether a segment of an event type stands for any one segment.
pub(crate) fn is_any(segment: &str) -> bool {
    segment.len() >= 2 && segment.starts_with('{') && segment.ends_with('}')
}

impl fmt::Debug for SchemaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SchemaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.platform, self.event_type, self.version)
    }
}

/// The names are not a key. They are not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a schema key: want names of 1 to 200 printable characters, and at most 32 segments")]
pub struct InvalidKey(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_platforms_call_their_events() {
        for event_type in ["v2.users.{id}.presence", "issues/opened", "AgentState", "com.twilio.x"]
        {
            let key = SchemaKey::new("genesys-cloud", event_type, "2").unwrap();
            assert_eq!(key.event_type(), event_type);
            assert_eq!(key.with_version("3").unwrap().version(), "3");
        }
    }

    /// F03: a name outside of ASCII is no name, so no two keys look alike.
    #[test]
    fn refuses_names_that_look_like_others() {
        let long = "a".repeat(SchemaKey::MAX_LEN + 1);
        let deep = vec!["a"; SchemaKey::MAX_SEGMENTS + 1].join(".");
        for name in ["", "a b", "a\n", "a\0", "\u{430}", "a\u{200B}", "\u{FF41}", "a\"", &long] {
            for key in [
                SchemaKey::new(name, "t", "1"),
                SchemaKey::new("p", name, "1"),
                SchemaKey::new("p", "t", name),
            ] {
                let shown = key.unwrap_err().to_string();
                assert!(name.len() < 2 || !shown.contains(name), "{name:?}");
            }
        }
        assert!(SchemaKey::new("p", &deep, "1").is_err());
    }
}
