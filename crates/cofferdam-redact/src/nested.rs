//! Strings that hold JSON.
//!
//! The JSON is read as the value of the only member of an object: `{"":` before it and `}` behind make an event
//! of any value, which the walk can read.

use cofferdam_json::{Fault, Reader, Text, Token};

const BEFORE: &[u8] = b"{\"\":";
const BEHIND: &[u8] = b"}";

/// What a string holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nothing that begins like an object or an array.
    Text,
    /// An object or an array, sound and no deeper than the reader goes; or a string in quotes, which may hold one.
    Json,
    /// What begins like one and is none: a laxer reader may find anything in it.
    Broken,
}

/// Writes what `text` says into `wrapped`, between brackets. If it is no JSON nothing of use is in there.
pub(crate) fn wrap(text: Text<'_>, wrapped: &mut Vec<u8>) -> Holds {
    wrapped.clear();
    wrapped.extend_from_slice(BEFORE);
    // Mostly the first byte says that it is none.
    if !text.is_escaped() && !begins_like_json(text.raw()) {
        return Holds::Text;
    }
    text.decode_into(wrapped);
    judge(wrapped)
}

/// What a text holds.
pub(crate) fn holds(text: &str) -> Holds {
    let mut wrapped = BEFORE.to_vec();
    wrapped.extend_from_slice(text.as_bytes());
    judge(&mut wrapped)
}

/// What stands behind the opening bracket; the closing one is written behind it.
fn judge(wrapped: &mut Vec<u8>) -> Holds {
    if !begins_like_json(wrapped.get(BEFORE.len()..).unwrap_or_default()) {
        return Holds::Text;
    }
    wrapped.extend_from_slice(BEHIND);
    let is_quoted =
        wrapped.get(BEFORE.len()..).unwrap_or_default().trim_ascii_start().first() == Some(&b'"');
    match is_one_value(wrapped) {
        Ok(true) => Holds::Json,
        // People write words in quotes.
        Ok(false) | Err(_) if is_quoted => Holds::Text,
        Ok(false) | Err(_) => Holds::Broken,
    }
}

/// What stands between the brackets.
pub(crate) fn unwrapped(wrapped: &[u8]) -> Option<&[u8]> {
    wrapped.strip_prefix(BEFORE)?.strip_suffix(BEHIND)
}

/// Whether a quote or a bracket opens, and behind a bracket stands what may stand there.
pub(crate) fn begins_like_json(text: &[u8]) -> bool {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    match text.trim_ascii_start() {
        [b'"', ..] => true,
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start(), [b'"' | b'}', ..]),
        [b'[', rest @ ..] => {
            let rest = rest.trim_ascii_start();
            let is_value = matches!(
                rest,
                [b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n', ..]
            );
            // Not JSON, but many readers take them.
            is_value || rest.starts_with(b"NaN") || rest.starts_with(b"Infinity")
        }
        _ => false,
    }
}

/// Whether `is_secret` holds for a name in it.
pub(crate) fn has_name(wrapped: &[u8], mut is_secret: impl FnMut(&[u8]) -> bool) -> bool {
    let (mut reader, mut buffer) = (Reader::new(wrapped), Vec::new());
    while let Ok(Some(token)) = reader.next() {
        if matches!(token, Token::Name(name) if is_secret(name.decode(&mut buffer))) {
            return true;
        }
    }
    false
}

/// Whether the only member is a container or a string, and nothing else stands in the object.
fn is_one_value(wrapped: &[u8]) -> Result<bool, Fault> {
    let mut reader = Reader::new(wrapped);
    let (_, _, bracket) = (reader.next()?, reader.next()?, reader.next()?);
    if !matches!(bracket, Some(Token::BeginObject | Token::BeginArray | Token::String(_))) {
        return Ok(false);
    }
    while reader.depth() > 1 {
        reader.next()?;
    }
    Ok(reader.next()? == Some(Token::EndObject) && reader.next()?.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> Holds {
        let event = serde_json::json!({ "": text }).to_string();
        let mut reader = Reader::new(event.as_bytes());
        reader.next().unwrap();
        reader.next().unwrap();
        let Some(Token::String(text)) = reader.next().unwrap() else { panic!("a string") };
        let mut wrapped = b"what stood before".to_vec();
        wrap(text, &mut wrapped)
    }

    #[test]
    fn tells_json_from_text() {
        for text in [
            r#"{"a":1}"#,
            "[]",
            " {} ",
            "\"x\"",
            " \"{\"",
            "[[1,\"x\"]]\n",
            "[null]",
            "{\"a\":\"\\\"\"}",
        ] {
            assert_eq!(holds(text), Holds::Json, "{text}");
        }
        for text in [
            "",
            "x",
            "1",
            "\"x\" he said",
            "\"",
            "true",
            "{name}",
            "[Agent joined]",
            "{",
            "[",
            " x{}",
            "{{}}",
        ] {
            assert_eq!(holds(text), Holds::Text, "{text}");
        }
    }

    /// R03: what a laxer reader reads as JSON is not taken for a text.
    #[test]
    fn what_begins_like_json_and_is_none_is_broken() {
        let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
        for text in [
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{"a":1}}"#,
            r#"{"a":1},{"b":2}"#,
            r#"{"a":1},"b":{"c":2}"#,
            r#"{"a":1}{"b":2}"#,
            r#"{"a":01}"#,
            r#"{"a":"\ud800"}"#,
            r#"["a" , 'b']"#,
            "\u{feff}{\"a\":1}",
            "[1 2]",
            "[NaN,{\"a\":1}]",
            "[Infinity]",
            &deep,
        ] {
            assert_eq!(holds(text), Holds::Broken, "{text}");
        }
    }
}
