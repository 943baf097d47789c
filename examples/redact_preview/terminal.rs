//! The preview as text, for a terminal.

use crate::{Preview, rows::Row};

/// How many characters a side is wide.
const WIDTH: usize = 56;

pub(crate) fn text(previews: &[Preview], coloured: bool) -> String {
    let mut text = String::new();
    for (number, preview) in previews.iter().enumerate() {
        text.push_str(&format!("event {}\n", number + 1));
        if let Some(why) = &preview.refused {
            text.push_str(&format!("  refused, and nothing of it is left: {why}\n"));
        }
        for row in &preview.rows {
            text.push_str(&line(row, coloured));
        }
        for (rule, place) in &preview.fired {
            text.push_str(&format!("  {rule} at {place}\n"));
        }
        text.push('\n');
    }
    text
}

fn line(row: &Row, coloured: bool) -> String {
    let before = cut(row.before.as_deref().unwrap_or_default());
    let after = cut(row.after.as_deref().unwrap_or_default());
    let room = " ".repeat(WIDTH.saturating_sub(before.chars().count()));
    let mark = match (row.is_same(), &row.after) {
        (true, _) => ' ',
        (false, Some(_)) => '|',
        (false, None) => '<',
    };
    let line = if coloured && !row.is_same() {
        format!("\u{1b}[31m{before}\u{1b}[0m{room} {mark} \u{1b}[32m{after}\u{1b}[0m")
    } else {
        format!("{before}{room} {mark} {after}")
    };
    format!("{}\n", line.trim_end())
}

/// The text, or its beginning.
fn cut(text: &str) -> String {
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(WIDTH - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(before: Option<&str>, after: Option<&str>) -> Row {
        Row { before: before.map(str::to_owned), after: after.map(str::to_owned) }
    }

    #[test]
    fn sides_have_one_width_and_differences_a_mark() {
        let same = line(&row(Some("{"), Some("{")), true);
        assert_eq!(same, format!("{{{}   {{\n", " ".repeat(WIDTH - 1)));
        assert!(line(&row(Some("a"), Some("b")), false).contains(" | b\n"));
        assert!(line(&row(Some("a"), None), false).ends_with(" <\n"));
        let long = line(&row(Some(&"é".repeat(99)), Some("x")), false);
        assert_eq!(long.chars().position(|char| char == '|'), Some(WIDTH + 1));
        assert!(line(&row(Some("a"), Some("b")), true).contains("\u{1b}[32mb\u{1b}[0m"));
    }
}
