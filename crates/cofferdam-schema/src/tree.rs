//! An event as a tree of values, which the validator reads, and how much there is of it.
//!
//! The tree is built from the tokens of the [`Reader`] that every stage shares, and not by
//! `serde_json`'s parser: that one reads `{"$serde_json::private::RawValue": "..."}` as another document
//! as soon as any crate of the build switches `raw_value` on, and numbers in another way with
//! `arbitrary_precision`. One reader, one meaning.

use cofferdam_json::{Number, Reader, Token};
use serde_json::{Map, Value};

/// The most values of one event; a value takes about a hundred bytes of memory, whatever it took on
/// the wire.
pub(crate) const MAX_NODES: u32 = 1 << 16;
/// A text counts as one value more for each of so many bytes.
const BYTES_PER_UNIT: usize = 64;
/// Depths, the outermost value's included, that a checked document can have.
pub(crate) const DEPTHS: usize = Reader::MAX_DEPTH as usize + 1;

/// Values at each depth, long texts counted as several.
pub(crate) type Depths = [u32; DEPTHS];

/// There is too much of the event.
#[derive(Debug)]
pub(crate) struct TooMuch;

enum Open {
    Array(Vec<Value>),
    Object(Map<String, Value>, String),
}

/// Reads a document that [`cofferdam_json::check`] accepted.
pub(crate) fn read(checked: &[u8], depths: &mut Depths) -> Result<Value, TooMuch> {
    *depths = [0; DEPTHS];
    let mut reader = Reader::new(checked);
    let mut open: Vec<Open> = Vec::new();
    let mut text = Vec::new();
    let mut nodes = 0;
    while let Some(token) = reader.next().map_err(|_| TooMuch)? {
        let value = match token {
            Token::BeginObject => {
                open.push(Open::Object(Map::new(), String::new()));
                continue;
            }
            Token::BeginArray => {
                open.push(Open::Array(Vec::new()));
                continue;
            }
            Token::Name(name) => {
                if let Some(Open::Object(_, pending)) = open.last_mut() {
                    *pending = decode(name.decode(&mut text))?;
                }
                continue;
            }
            Token::EndObject | Token::EndArray => match open.pop() {
                Some(Open::Array(items)) => Value::Array(items),
                Some(Open::Object(members, _)) => Value::Object(members),
                None => return Err(TooMuch),
            },
            Token::String(string) => Value::String(decode(string.decode(&mut text))?),
            Token::Number(read) => number(&read),
            Token::Bool(bool) => Value::Bool(bool),
            Token::Null => Value::Null,
        };
        nodes += 1;
        if nodes > MAX_NODES {
            return Err(TooMuch);
        }
        let long = value.as_str().map_or(0, |text| text.len() / BYTES_PER_UNIT);
        let at = open.len().min(DEPTHS - 1);
        depths[at] = depths[at].saturating_add(1 + u32::try_from(long).unwrap_or(u32::MAX));
        match open.last_mut() {
            Some(Open::Array(items)) => items.push(value),
            Some(Open::Object(members, name)) => {
                members.insert(core::mem::take(name), value);
            }
            None => return Ok(value),
        }
    }
    Err(TooMuch)
}

fn decode(bytes: &[u8]) -> Result<String, TooMuch> {
    core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| TooMuch)
}

/// Integers of 64 bits as they are, anything else as binary64, as `serde_json` has it.
fn number(number: &Number<'_>) -> Value {
    let text = core::str::from_utf8(number.raw()).unwrap_or_default();
    if let Ok(unsigned) = text.parse::<u64>() {
        return Value::from(unsigned);
    }
    if text != "-0"
        && let Ok(signed) = text.parse::<i64>()
    {
        return Value::from(signed);
    }
    // Finite, or the check would have refused it.
    text.parse().ok().and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use cofferdam_json::{Limits, Scratch, check};
    use proptest::prelude::*;

    use super::*;

    fn tree(event: &[u8]) -> Result<(Value, Depths), TooMuch> {
        check(event, &Limits::default(), &mut Scratch::new([3; 16])).unwrap();
        let mut depths = [0; DEPTHS];
        Ok((read(event, &mut depths)?, depths))
    }

    #[test]
    fn reads_what_serde_json_reads() {
        for event in [
            r#"{}"#,
            r#"{"a":[1,-1,0,-0,1.5,1e3,18446744073709551615,18446744073709551616,-9223372036854775808]}"#,
            r#"{"t":"\u0041\n\ud83d\ude00é","b":[true,false,null,[],{}],"":{"":{}}}"#,
        ] {
            let (value, _) = tree(event.as_bytes()).unwrap();
            assert_eq!(value, serde_json::from_str::<Value>(event).unwrap(), "{event}");
        }
    }

    /// Features of `serde_json` that another crate may switch on must not change what an event says.
    #[test]
    fn private_names_of_serde_json_are_names_like_others() {
        let event = r#"{"a":{"$serde_json::private::RawValue":"{\"role\":\"admin\"}"},"b":{"$serde_json::private::Number":"1e999"}}"#;
        let (value, _) = tree(event.as_bytes()).unwrap();
        assert!(value["a"]["$serde_json::private::RawValue"].is_string());
        assert!(value["b"]["$serde_json::private::Number"].is_string());
    }

    #[test]
    fn counts_values_by_depth_and_long_texts_as_several() {
        let (_, depths) = tree(br#"{"a":1,"b":[1,2,3],"c":{"d":{}}}"#).unwrap();
        assert_eq!(depths[..4], [1, 3, 4, 0]);
        let event = format!(r#"{{"a":"{}"}}"#, "x".repeat(BYTES_PER_UNIT * 10));
        assert_eq!(tree(event.as_bytes()).unwrap().1[..2], [1, 11]);
    }

    /// N01: memory that an event takes is bounded by its values, not by its bytes.
    #[test]
    fn an_event_of_too_many_values_is_refused() {
        let event = |count: usize| format!(r#"{{"a":[{}0]}}"#, "0,".repeat(count - 1));
        assert!(tree(event(MAX_NODES as usize - 2).as_bytes()).is_ok());
        assert!(tree(event(MAX_NODES as usize - 1).as_bytes()).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[ -~é\n\t]{0,90}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-c\\\\\"]{0,3}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(value in any_json()) {
            let event = serde_json::json!({ "body": value });
            prop_assert_eq!(tree(event.to_string().as_bytes()).unwrap().0, event);
        }
    }
}
