//! Places: JSON pointers that an operator writes, and field paths that reports show.
//!
//! A pointer into an event is made of the event's own names, and a name can be a secret: a map from
//! telephone numbers, an object that a sender filled with whatever it liked. So nothing that leaves this
//! crate shows a place in an event as it is. What it shows is a [`FieldPath`]: array positions become
//! `*`, and so does every name that the schema does not hold. [Drift](crate::drift) alone shows
//! names that the schema lacks, as that is what it is for, under rules of its own.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde_json::{Map, Value};

/// The most segments of a path that are shown, and that a configured pointer may have.
pub(crate) const MAX_SEGMENTS: usize = 32;
/// The most bytes of a path that are shown.
pub(crate) const MAX_BYTES: usize = 256;

/// A place in events as a JSON pointer (RFC 6901) with `*` for positions in arrays and for names that
/// come from events; `/…` at its end where it was cut.
///
/// It has at most 256 bytes and 32 segments. Cloning copies a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Arc<str>);

impl FieldPath {
    /// The whole event, or the body of one.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// The path as text; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes a path, segment by segment, and stops at the bounds.
#[derive(Clone)]
pub(crate) struct PathText {
    pub(crate) text: String,
    segments: usize,
    cut: bool,
}

impl PathText {
    pub(crate) fn new() -> Self {
        Self { text: String::new(), segments: 0, cut: false }
    }

    pub(crate) fn push(&mut self, segment: &str) {
        if self.cut {
            return;
        }
        let escapes = segment.bytes().filter(|byte| matches!(byte, b'~' | b'/')).count();
        let fits = self.text.len() + segment.len() + escapes < MAX_BYTES - "/…".len();
        if !fits || self.segments == MAX_SEGMENTS {
            self.cut = true;
            self.text.push_str("/…");
            return;
        }
        self.segments += 1;
        self.text.push('/');
        push_escaped(&mut self.text, segment);
    }
}

/// Appends a segment with RFC 6901's two escapes.
pub(crate) fn push_escaped(out: &mut String, segment: &str) {
    for char in segment.chars() {
        match char {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            other => out.push(other),
        }
    }
}

/// The names that a schema's documents hold: those that a path may show.
pub(crate) type Names = BTreeSet<Box<str>>;

/// A pointer that configuration names: whole segments, unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pointer(Box<[Box<str>]>);

impl Pointer {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPointer> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let segments = text.strip_prefix('/').ok_or(InvalidPointer(()))?;
        let segments: Vec<Box<str>> =
            segments.split('/').map(unescape).collect::<Result<_, _>>()?;
        if segments.len() > MAX_SEGMENTS || text.len() > MAX_BYTES {
            return Err(InvalidPointer(()));
        }
        Ok(Self(segments.into()))
    }

    pub(crate) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| Box::from(*name)).collect())
    }

    pub(crate) fn segments(&self) -> &[Box<str>] {
        &self.0
    }

    /// The value at the pointer, through objects alone: an event's type does not stand in a list.
    pub(crate) fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, name| value.as_object()?.get(&**name))
    }

    /// The object that holds what the pointer names, and the name.
    pub(crate) fn holder<'v>(&self, value: &'v Value) -> Option<(&'v Map<String, Value>, &str)> {
        let (name, above) = self.0.split_last()?;
        let holder = above.iter().try_fold(value, |value, name| value.as_object()?.get(&**name))?;
        Some((holder.as_object()?, name))
    }
}

fn unescape(segment: &str) -> Result<Box<str>, InvalidPointer> {
    let mut parts = segment.split('~');
    let mut out = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let (char, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err(InvalidPointer(())),
        };
        out.push(char);
        out.push_str(rest);
    }
    Ok(out.into())
}

/// The text is not a JSON pointer of at most 32 segments and 256 bytes. It is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a json pointer of at most 32 segments and 256 bytes")]
pub struct InvalidPointer(());

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_is_read_as_rfc_6901_says() {
        let value = json!({ "a/b": { "~": 7 }, "": 1 });
        assert_eq!(Pointer::parse("/a~1b/~0").unwrap().find(&value), Some(&json!(7)));
        assert_eq!(Pointer::parse("/").unwrap().find(&value), Some(&json!(1)));
        assert_eq!(Pointer::parse("").unwrap().find(&value), Some(&value));
        for text in ["a", "/~", "/~2", &"/a".repeat(33), &format!("/{}", "a".repeat(256))] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_stops_at_its_bounds() {
        let mut path = PathText::new();
        for _ in 0..100 {
            path.push("a/~");
        }
        assert!(path.text.len() <= MAX_BYTES && path.text.ends_with("/…"), "{}", path.text);
        assert!(path.text.starts_with("/a~1~0/a~1~0"));
        let mut path = PathText::new();
        path.push(&"x".repeat(1_000));
        assert_eq!(path.text, "/…");
    }
}
