//! A strict reading of the small JSON documents that credentials are made of.
//!
//! Headers, claims and key sets come from strangers, and every lenience of a JSON reader is a way
//! for two readers to see two documents (SECURITY finding 4: of a name that stands twice most
//! readers take the last value, some the first). So a document is read once, into a tree, and
//! refused if any object at any depth holds one name twice *after unescaping*, if it is nested more
//! than [`MAX_DEPTH`] deep, or if a container is larger than any honest one. The last rule also
//! bounds what reading allocates: no single allocation is larger than the text or 16 KiB.
//!
//! The grammar itself (UTF-8, escapes, lone surrogates, trailing text) is `serde_json`'s. Its
//! feature `arbitrary_precision`, should another crate of the build turn it on, shows numbers as
//! objects: then no claim is a time any more, and every token is refused. It fails closed.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How many containers may stand inside each other; the document itself is the first.
pub(crate) const MAX_DEPTH: u8 = 8;
/// The most members of one object.
const MAX_MEMBERS: usize = 64;
/// The most elements of one array.
const MAX_ELEMENTS: usize = 256;

/// A JSON value, as far as a credential needs one.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    /// Written without fraction or exponent, and within 64 bits.
    Integer(i64),
    Boolean(bool),
    Array(Vec<Self>),
    Object(Object<'a>),
    /// Null or any other number: nothing that a claim we read may be.
    Other,
}

impl Value<'_> {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// An object whose names are all different.
#[derive(Debug)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Object<'a> {
    /// The member of exactly this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The member of this name, if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_text)
    }

    /// The member of this name, if there is no other.
    pub(crate) fn sole(&self, name: &str) -> Option<&Value<'a>> {
        match self.0.as_slice() {
            [(own, value)] if own == name => Some(value),
            _ => None,
        }
    }

    /// The member at the end of `path`, through objects.
    pub(crate) fn at(&self, path: &[String]) -> Option<&Value<'a>> {
        let (last, parents) = path.split_last()?;
        let mut object = self;
        for name in parents {
            let Some(Value::Object(inner)) = object.get(name) else { return None };
            object = inner;
        }
        object.get(last)
    }

    /// Whether any of `names` is a member.
    pub(crate) fn has_any(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(own, _)| names.contains(&own.as_ref()))
    }
}

/// The text is not one sound, small JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads `text` as one object.
pub(crate) fn read(text: &[u8]) -> Result<Object<'_>, Malformed> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Level(MAX_DEPTH).deserialize(&mut reader).map_err(|_| Malformed)?;
    reader.end().map_err(|_| Malformed)?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Malformed),
    }
}

/// Reads one value that may hold this many levels of containers.
#[derive(Clone, Copy)]
struct Level(u8);

impl Level {
    fn below<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'a> DeserializeSeed<'a> for Level {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Value<'a>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Level {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a json value")
    }

    fn visit_unit<E>(self) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value<'a>, E> {
        Ok(Value::Boolean(truth))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'a>, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'a>, E> {
        Ok(i64::try_from(number).map_or(Value::Other, Value::Integer))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut from: A) -> Result<Value<'a>, A::Error> {
        let below = self.below()?;
        let mut elements = Vec::new();
        while let Some(element) = from.next_element_seed(below)? {
            if elements.len() == MAX_ELEMENTS {
                return Err(A::Error::custom("too many elements"));
            }
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut from: A) -> Result<Value<'a>, A::Error> {
        let below = self.below()?;
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        while let Some(name) = from.next_key_seed(Name)? {
            // Quadratic, and capped: 64 names are 2,016 comparisons, cheaper than a set.
            if members.iter().any(|(own, _)| *own == name) {
                return Err(A::Error::custom("one name twice"));
            }
            if members.len() == MAX_MEMBERS {
                return Err(A::Error::custom("too many members"));
            }
            members.push((name, from.next_value_seed(below)?));
        }
        Ok(Value::Object(Object(members)))
    }
}

/// Reads a member's name, unescaped.
struct Name;

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Cow<'a, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_texts_integers_and_containers() {
        let object = read(br#" {"a":"\u0062","n":-7,"l":["x",1.5,null],"o":{"p":true}} "#).unwrap();
        assert_eq!(object.text("a"), Some("b"));
        assert!(matches!(object.get("n"), Some(Value::Integer(-7))));
        assert!(matches!(object.get("l"), Some(Value::Array(list)) if list.len() == 3));
        assert!(matches!(object.get("o"), Some(Value::Object(_))));
        assert!(object.get("A").is_none() && object.sole("a").is_none());
        assert!(read(br#"{"a":1}"#).unwrap().sole("a").is_some());
        assert!(read(br#"{"a":1}"#).unwrap().sole("b").is_none());
        let at = |path: &[&str]| object.at(&path.iter().map(|&n| n.into()).collect::<Vec<_>>());
        assert!(matches!(at(&["o", "p"]), Some(Value::Boolean(true))));
        assert!(matches!(at(&["n"]), Some(Value::Integer(-7))));
        assert!(at(&["o.p"]).is_none() && at(&["n", "p"]).is_none() && at(&[]).is_none());
    }

    /// A09: also when the second is spelt with an escape, and inside what nobody reads.
    #[test]
    fn refuses_one_name_twice_at_any_depth() {
        for text in [
            r#"{"tenant":"a","tenant":"b"}"#,
            r#"{"tenant":"a","\u0074enant":"b"}"#,
            r#"{"tenant":"a","tenant":"a"}"#,
            r#"{"x":{"y":[{"z":1,"z":1}]}}"#,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }

    /// A11.
    #[test]
    fn refuses_what_is_nested_deeper_than_the_limit() {
        let nested = |depth: usize| {
            format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)).into_bytes()
        };
        assert!(read(&nested(usize::from(MAX_DEPTH))).is_ok());
        assert!(read(&nested(usize::from(MAX_DEPTH) + 1)).is_err());
        assert!(read(&nested(10_000)).is_err());
    }

    /// A11: no allocation above 16 KiB for 8 KiB of text.
    #[test]
    fn the_largest_containers_are_small() {
        assert!(size_of::<Value<'_>>() * MAX_ELEMENTS <= 16 * 1024);
        assert!(size_of::<(Cow<'_, str>, Value<'_>)>() * MAX_MEMBERS <= 16 * 1024);
    }

    #[test]
    fn refuses_containers_that_are_too_large() {
        let members = |count: usize| {
            let list: Vec<_> = (0..count).map(|i| format!("\"{i}\":0")).collect();
            format!("{{{}}}", list.join(",")).into_bytes()
        };
        assert!(read(&members(MAX_MEMBERS)).is_ok());
        assert!(read(&members(MAX_MEMBERS + 1)).is_err());
        let elements = |count: usize| format!("{{\"a\":[{}]}}", vec!["0"; count].join(","));
        assert!(read(elements(MAX_ELEMENTS).as_bytes()).is_ok());
        assert!(read(elements(MAX_ELEMENTS + 1).as_bytes()).is_err());
    }

    /// A10: whatever is not written as a 64-bit integer is not a time.
    #[test]
    fn a_number_that_is_not_an_integer_is_no_integer() {
        for number in ["1.0", "1e3", "-0", "9223372036854775808", "1e300"] {
            let text = format!("{{\"exp\":{number}}}");
            let object = read(text.as_bytes()).unwrap();
            assert!(matches!(object.get("exp"), Some(Value::Other)), "{number}");
        }
        assert!(read(br#"{"exp":1e400}"#).is_err());
    }

    #[test]
    fn refuses_what_is_not_one_object_of_sound_text() {
        for text in [
            &b""[..],
            b"[]",
            b"null",
            b"\"a\"",
            b"{}{}",
            b"{} x",
            b"{\"a\":1,}",
            b"{a:1}",
            b"\xEF\xBB\xBF{}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":\"\n\"}",
            b"{\"a\":NaN}",
            b"{\"a\":01}",
        ] {
            assert_eq!(read(text).err(), Some(Malformed), "{text:?}");
        }
    }
}
