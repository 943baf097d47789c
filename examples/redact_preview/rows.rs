//! Two trees, line by line beside each other.

use serde_json::{Map, Value};

/// A line of each side, or of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl Row {
    pub(crate) fn is_same(&self) -> bool {
        self.before == self.after
    }
}

/// Both trees, indented, with what they have in common at the same height.
pub(crate) fn side_by_side(before: &Value, after: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    both(before, after, &Line::default(), &mut rows);
    rows
}

/// What stands before and behind a value on its line.
#[derive(Debug, Clone, Default)]
struct Line {
    depth: usize,
    name: String,
    comma: &'static str,
}

impl Line {
    fn of(&self, text: &str) -> String {
        format!("{}{}{text}", "  ".repeat(self.depth), self.name)
    }

    fn under(&self, name: Option<&str>, is_last: bool) -> Self {
        Self {
            depth: self.depth + 1,
            name: name
                .map_or_else(String::new, |name| format!("{}: ", visible(&Value::from(name)))),
            comma: if is_last { "" } else { "," },
        }
    }
}

fn both(before: &Value, after: &Value, line: &Line, rows: &mut Vec<Row>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            push(rows, Some(line.of("{")), Some(line.of("{")));
            members(one, other, line, rows);
            let end = Line { name: String::new(), ..line.clone() }.of(&format!("}}{}", line.comma));
            push(rows, Some(end.clone()), Some(end));
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            push(rows, Some(line.of("[")), Some(line.of("[")));
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                both(
                    one,
                    other,
                    &line.under(None, at + 1 == before.as_array().map_or(0, Vec::len)),
                    rows,
                );
            }
            let end = Line { name: String::new(), ..line.clone() }.of(&format!("]{}", line.comma));
            push(rows, Some(end.clone()), Some(end));
        }
        (before, after) => {
            let (before, after) = (lines(before, line), lines(after, line));
            for at in 0..before.len().max(after.len()) {
                push(rows, before.get(at).cloned(), after.get(at).cloned());
            }
        }
    }
}

fn members(one: &Map<String, Value>, other: &Map<String, Value>, line: &Line, rows: &mut Vec<Row>) {
    let mut left = one.len() + other.keys().filter(|name| !one.contains_key(*name)).count();
    let mut next = |name: &str| {
        left -= 1;
        line.under(Some(name), left == 0)
    };
    for (name, before) in one {
        let line = next(name);
        match other.get(name) {
            Some(after) => both(before, after, &line, rows),
            None => lines(before, &line).into_iter().for_each(|text| push(rows, Some(text), None)),
        }
    }
    for (name, after) in other.iter().filter(|(name, _)| !one.contains_key(*name)) {
        let line = next(name);
        lines(after, &line).into_iter().for_each(|text| push(rows, None, Some(text)));
    }
}

/// A value by itself.
fn lines(value: &Value, line: &Line) -> Vec<String> {
    let mut rows = Vec::new();
    if value.is_object() || value.is_array() {
        both(value, value, line, &mut rows);
        return rows.into_iter().filter_map(|row| row.before).collect();
    }
    vec![line.of(&format!("{}{}", visible(value), line.comma))]
}

fn push(rows: &mut Vec<Row>, before: Option<String>, after: Option<String>) {
    rows.push(Row { before, after });
}

/// JSON in which no character does anything to a terminal or turns a line around.
fn visible(value: &Value) -> String {
    let is_hidden = |char: char| {
        char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    value.to_string().chars().fold(String::new(), |mut text, char| {
        if is_hidden(char) {
            text.push_str(&format!("\\u{:04x}", char as u32));
        } else {
            text.push(char);
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(before: &Value, after: &Value) -> Vec<(String, String)> {
        let text = |side: Option<String>| side.unwrap_or_default().trim_start().to_owned();
        let rows = side_by_side(before, after).into_iter();
        rows.map(|row| (text(row.before), text(row.after))).collect()
    }

    #[test]
    fn what_both_have_stands_at_the_same_height() {
        let before = json!({"a": 1, "b": [1, {"c": 2}], "d": {"e": 3}, "f": [1]});
        let after = json!({"a": "*", "b": [1, {"c": 2}], "f": null, "x": 0});
        let same = |text: &str| (text.to_owned(), text.to_owned());
        let two = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(
            shown(&before, &after),
            [
                same("{"),
                two("\"a\": 1,", "\"a\": \"*\","),
                same("\"b\": ["),
                same("1,"),
                same("{"),
                same("\"c\": 2"),
                same("}"),
                same("],"),
                two("\"d\": {", ""),
                two("\"e\": 3", ""),
                two("},", ""),
                two("\"f\": [", "\"f\": null,"),
                two("1", ""),
                two("],", ""),
                two("", "\"x\": 0"),
                same("}"),
            ]
        );
    }

    #[test]
    fn nothing_of_an_event_reaches_a_terminal_as_it_is() {
        let value = json!("\u{1b}[31m \u{9b}31m \u{202e}abc \u{7f}");
        assert_eq!(visible(&value), r#""\u001b[31m \u009b31m \u202eabc \u007f""#);
    }
}
