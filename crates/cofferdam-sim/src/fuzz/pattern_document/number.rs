//! Numbers, and the many ways to write one.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::fuzz::{event_pattern::order, source::Source};

/// All of them are exact in 64 bits, or are the float that their few digits name: no two spellings
/// of one differ, and no two of them are one.
const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "-1",
    "35",
    "35.0",
    "1.5",
    "100",
    "0.1",
    "-0.25",
    "1e3",
    "-0",
    "99.99",
    "9007199254740993",
    "9007199254740992",
    "1e20",
    "0.000001",
];

pub(super) fn number(source: &mut Source<'_>) -> Value {
    serde_json::from_str(source.pick::<&str>(&NUMBERS)).unwrap_or(Value::Null)
}

/// A spelling that `serde_json` reads as this number, so that nobody who reads it with `serde_json`
/// sees another one.
pub(super) fn spelled(number: &Number, source: &mut Source<'_>) -> String {
    let plain = number.to_string();
    let other = other_spelling(&plain, source);
    let is_same = |read: Number| order(&read, number) == Some(Ordering::Equal);
    if serde_json::from_str(&other).is_ok_and(is_same) { other } else { plain }
}

/// `35` as `35e0`, `350E-1`, `3.5e+1`, `0.0035e4` or `35.0`.
fn other_spelling(plain: &str, source: &mut Source<'_>) -> String {
    let (mantissa, exponent) = plain.split_once('e').unwrap_or((plain, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    // A zero may have a sign or not.
    let is_negative = if digits == "0" { source.coin() } else { whole.starts_with('-') };
    let sign = if is_negative { "-" } else { "" };

    let places = |text: &str| i64::try_from(text.len()).unwrap_or_default();
    let exponent = exponent.parse::<i64>().unwrap_or_default() - places(fraction);
    match source.byte() % 8 {
        1 => format!("{sign}{digits}e{exponent}"),
        2 => format!("{sign}{digits}0E{}", exponent - 1),
        3 => {
            let (first, rest) = digits.split_at(1);
            format!("{sign}{first}.{rest}0e{:+}", exponent + places(rest))
        }
        4 => format!("{sign}0.00{digits}e{}", exponent + places(digits) + 2),
        5 if exponent == 0 => format!("{sign}{digits}.0"),
        _ => String::from(plain),
    }
}
