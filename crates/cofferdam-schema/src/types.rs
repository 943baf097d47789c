//! The seven types of JSON Schema, and sets of them.

use std::fmt;

use serde_json::Value;

/// A set of JSON Schema's types. `integer` is a type beside `number`: an event's `1` is an integer.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Types(u8);

const NAMES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const INTEGER: u8 = 1 << 2;
const NUMBER: u8 = 1 << 3;

impl Types {
    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The types' names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0..NAMES.len()).filter(move |n| self.0 >> n & 1 == 1).map(|n| NAMES[n])
    }

    /// The type of a value.
    pub(crate) fn of(value: &Value) -> Self {
        Self(match value {
            Value::Null => 1,
            Value::Bool(_) => 1 << 1,
            Value::Number(number) if number.is_f64() => NUMBER,
            Value::Number(_) => INTEGER,
            Value::String(_) => 1 << 4,
            Value::Array(_) => 1 << 5,
            Value::Object(_) => 1 << 6,
        })
    }

    /// What the keyword `type` allows.
    pub(crate) fn of_keyword(value: Option<&Value>) -> Self {
        let bit = |value: &Value| {
            let at = NAMES.iter().position(|name| value.as_str() == Some(name));
            at.map_or(0, |at| 1 << at)
        };
        Self(match value {
            Some(Value::Array(list)) => list.iter().map(bit).fold(0, |set, one| set | one),
            Some(one) => bit(one),
            None => 0,
        })
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Where the first type of the set stands among all of them.
    pub(crate) fn index(self) -> usize {
        (self.0.trailing_zeros() as usize).min(NAMES.len() - 1)
    }

    /// Each type by itself.
    pub(crate) fn each() -> [Self; 7] {
        std::array::from_fn(|n| Self(1 << n))
    }

    /// Whether all of `other` are here; a number covers integers.
    pub(crate) fn covers(self, other: Self) -> bool {
        let own = if self.0 & NUMBER == 0 { self.0 } else { self.0 | INTEGER };
        other.0 & !own == 0
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The names with `|` between them.
impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, name) in self.names().enumerate() {
            f.write_str(if n == 0 { "" } else { "|" })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl serde::Serialize for Types {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_covers_integers_and_not_the_other_way_round() {
        let (integer, number) = (Types::of(&json!(1)), Types::of(&json!(1.5)));
        let both = Types::of_keyword(Some(&json!(["number", "null"])));
        assert!(
            both.covers(integer) && both.covers(number) && both.covers(Types::of(&json!(null)))
        );
        assert!(!integer.covers(number) && !both.covers(Types::of(&json!("1"))));
        assert_eq!(both.to_string(), "null|number");
        assert!(Types::of_keyword(None).is_empty());
    }
}
