//! Redaction paths: the part of RFC 9535 that one forward pass can follow.
//!
//! ```text
//! path     = "$" *( S segment )                      at least one segment, at most 16
//! segment  = "." ( "*" / name )  /  ".." ( "*" / name / union )  /  union      at most one ".."
//! union    = "[" S selector *( S "," S selector ) S "]"
//! selector = "*" / index / 'name' / "name"
//! ```
//!
//! Two parsers must accept a path. This one is first, because it is linear and does not recurse:
//! whatever it lets through is short and flat, so that the full RFC 9535 parser behind it never
//! meets the nested filters and long chains that could overflow its stack. The second one is
//! there because a slip in the first would redact something else than every other JSONPath
//! implementation would select.

use jsonpath_rfc9535::JsonPath;

use crate::error::CompileFault as Fault;

/// The most segments of one path.
const MAX_SEGMENTS: usize = 16;
/// RFC 9535 section 2.1: integers are exact in a binary64.
const MAX_INDEX: u64 = (1 << 53) - 1;

/// A path, in the one spelling that equal paths have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(crate) segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// Whether this is a `..` segment.
    pub(crate) descends: bool,
    /// Ascending, each once.
    pub(crate) selectors: Vec<Selector>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Selector {
    Wildcard,
    Name(String),
    Index(u64),
}

impl Path {
    /// Reads a path of at most `max_bytes`.
    pub(crate) fn parse(text: &str, max_bytes: usize) -> Result<Self, Fault> {
        if text.len() > max_bytes {
            return Err(Fault::PathTooLong);
        }
        let mut cursor = Cursor { rest: text };
        if !cursor.eat("$") {
            return Err(Fault::MalformedPath);
        }
        let mut segments = Vec::new();
        while !cursor.rest.is_empty() {
            cursor.skip_blank();
            segments.push(cursor.segment()?);
            if segments.len() > MAX_SEGMENTS {
                return Err(Fault::TooManySegments);
            }
        }
        if segments.is_empty() {
            return Err(Fault::SelectsRoot);
        }
        if segments.iter().filter(|segment| segment.descends).count() > 1 {
            return Err(Fault::TooManyDescents);
        }
        JsonPath::parse(text).map_err(|_| Fault::MalformedPath)?;
        Ok(Self { segments })
    }

    /// The names of the last segment that has names: what the values found are called.
    pub(crate) fn field(&self) -> Vec<&str> {
        let mut names = self.segments.iter().rev().map(Segment::names);
        names.find(|names| !names.is_empty()).unwrap_or_default()
    }
}

impl Segment {
    fn names(&self) -> Vec<&str> {
        let names = self.selectors.iter().filter_map(|selector| match selector {
            Selector::Name(name) => Some(name.as_str()),
            Selector::Wildcard | Selector::Index(_) => None,
        });
        names.collect()
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    fn eat(&mut self, expected: &str) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let char = chars.next();
        self.rest = chars.as_str();
        char
    }

    fn skip_blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn segment(&mut self) -> Result<Segment, Fault> {
        let descends = self.eat("..");
        let dotted = descends || self.eat(".");
        let mut selectors = if self.peek() == Some('[') && (descends || !dotted) {
            self.union()?
        } else if !dotted {
            return Err(Fault::MalformedPath);
        } else if self.eat("*") {
            vec![Selector::Wildcard]
        } else {
            vec![Selector::Name(self.shorthand()?)]
        };
        selectors.sort_unstable();
        selectors.dedup();
        Ok(Segment { descends, selectors })
    }

    /// A name after a dot: letters, digits, `_` and everything beyond ASCII, no digit first.
    fn shorthand(&mut self) -> Result<String, Fault> {
        let continues = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
        let end = self.rest.find(|c| !continues(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Fault::MalformedPath);
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn union(&mut self) -> Result<Vec<Selector>, Fault> {
        let mut selectors = Vec::new();
        self.eat("[");
        loop {
            self.skip_blank();
            selectors.push(self.selector()?);
            self.skip_blank();
            match self.take() {
                Some(',') => {}
                Some(']') => return Ok(selectors),
                Some(':') => return Err(Fault::SliceSelector),
                _ => return Err(Fault::MalformedPath),
            }
        }
    }

    fn selector(&mut self) -> Result<Selector, Fault> {
        match self.peek() {
            Some('*') => {
                self.take();
                Ok(Selector::Wildcard)
            }
            Some('\'' | '"') => self.quoted().map(Selector::Name),
            Some('0'..='9') => self.index().map(Selector::Index),
            Some('?') => Err(Fault::FilterSelector),
            Some(':') => Err(Fault::SliceSelector),
            Some('-') => Err(Fault::NegativeIndex),
            _ => Err(Fault::MalformedPath),
        }
    }

    fn index(&mut self) -> Result<u64, Fault> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        match digits.parse::<u64>() {
            Ok(index) if index <= MAX_INDEX && (digits == "0" || !digits.starts_with('0')) => {
                Ok(index)
            }
            _ => Err(Fault::MalformedPath),
        }
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        let quote = self.take();
        let mut name = String::new();
        loop {
            match self.take() {
                char if char == quote => return Ok(name),
                Some('\\') => name.push(self.escape(quote)?),
                Some(char) if char >= ' ' => name.push(char),
                _ => return Err(Fault::MalformedPath),
            }
        }
    }

    /// RFC 9535 section 2.3.1.1: only the quote that delimits the name may be escaped.
    fn escape(&mut self, quote: Option<char>) -> Result<char, Fault> {
        match self.take() {
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(char @ ('/' | '\\')) => Ok(char),
            Some(char) if Some(char) == quote => Ok(char),
            Some('u') => self.unicode(),
            _ => Err(Fault::MalformedPath),
        }
    }

    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.hex4()?;
        let scalar = if (0xD800..0xDC00).contains(&first) && self.eat("\\u") {
            let second = self.hex4()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(Fault::MalformedPath);
            }
            0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(scalar).ok_or(Fault::MalformedPath)
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        (0..4).try_fold(0, |value, _| {
            let digit = self.take().and_then(|c| c.to_digit(16)).ok_or(Fault::MalformedPath)?;
            Ok(value << 4 | digit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Path, Fault> {
        Path::parse(text, 512)
    }

    #[test]
    fn spellings_of_one_path_are_equal() {
        for (a, b) in [
            ("$.a.b", "$['a'][\"b\"]"),
            ("$..a", "$..['\\u0061']"),
            ("$.*", "$[*]"),
            ("$ ['b' , 'a', 'a']", "$['a','b']"),
            ("$['\\'']", "$[\"'\"]"),
            ("$['\\ud83d\\ude00']", "$.😀"),
        ] {
            assert_eq!(parse(a).unwrap(), parse(b).unwrap(), "{a} {b}");
        }
        assert_ne!(parse("$.a").unwrap(), parse("$..a").unwrap());
        assert_ne!(parse("$['0']").unwrap(), parse("$[0]").unwrap());
    }

    #[test]
    fn says_what_it_does_not_follow() {
        for (text, fault) in [
            ("$", Fault::SelectsRoot),
            ("$[?@.a]", Fault::FilterSelector),
            ("$.a[?length(@.b) > 1]", Fault::FilterSelector),
            ("$[1:2]", Fault::SliceSelector),
            ("$[:]", Fault::SliceSelector),
            ("$[-1]", Fault::NegativeIndex),
            ("$..a..b", Fault::TooManyDescents),
            ("$.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", Fault::TooManySegments),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
        assert_eq!(parse(&format!("$.{}", "a".repeat(511))), Err(Fault::PathTooLong));
    }

    #[test]
    fn refuses_what_is_no_path() {
        for text in [
            "",
            "a",
            "@.a",
            " $.a",
            "$.a ",
            "$.",
            "$..",
            "$...a",
            "$. a",
            "$.. a",
            "$.1",
            "$[01]",
            "$[9007199254740992]",
            "$[]",
            "$[,]",
            "$['a',]",
            "$['a'",
            "$['a",
            "$['\\\"']",
            "$['\\x']",
            "$['\\ud800']",
            "$['\\ud800\\u0041']",
            "$['\n']",
            "$.a-b",
            "$.'a'",
            "$.[0]",
            "$a",
        ] {
            assert_eq!(parse(text), Err(Fault::MalformedPath), "{text:?}");
        }
    }

    /// Hostile selectors that abort other parsers stop at their first character out of the subset.
    #[test]
    fn a_deep_filter_never_reaches_the_second_parser() {
        let deep = format!("$[?{}@.a", "(".repeat(100_000));
        assert_eq!(Path::parse(&deep, usize::MAX), Err(Fault::FilterSelector));
    }

    #[test]
    fn the_field_is_the_last_thing_with_a_name() {
        for (text, field) in [
            ("$..interaction.contactId", &["contactId"][..]),
            ("$.phones[*]", &["phones"]),
            ("$.a['y','x',1][0]", &["x", "y"]),
            ("$[*]", &[]),
        ] {
            assert_eq!(parse(text).unwrap().field(), field, "{text}");
        }
    }
}
