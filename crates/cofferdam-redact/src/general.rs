//! Values made general: what is left is what many values have in common.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{General, date};

/// What a value becomes that is not of the kind.
pub(crate) const HIDDEN: &str = "****";

/// What `value` is generalized to; `None` if it is not of the kind.
pub(crate) fn generalized(value: &str, to: General) -> Option<String> {
    match to {
        General::Year => date::parse(value).map(|date| format!("{:04}", date.year)),
        General::Month => {
            date::parse(value).map(|date| format!("{:04}-{:02}", date.year, date.month))
        }
        General::Day => date::parse(value)
            .map(|date| format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)),
        General::Network => value.parse().ok().map(network),
        General::Band(width) => band(value, i128::from(width)),
    }
}

/// Whether `text` is what [`generalized`] makes of some value.
pub(crate) fn fits(text: &str, to: General) -> bool {
    match to {
        General::Year => text.len() == 4 && generalized(&format!("{text}-01-01"), to).is_some(),
        General::Month => text.len() == 7 && generalized(&format!("{text}-01"), to).is_some(),
        General::Day => text.len() == 10 && generalized(text, to).is_some(),
        General::Network => text
            .split_once('/')
            .and_then(|(address, _)| generalized(address, to))
            .is_some_and(|again| again == text),
        General::Band(_) => text
            .split_once("..")
            .and_then(|(from, _)| generalized(from, to))
            .is_some_and(|again| again == text),
    }
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// The range of this width in which a decimal number lies, whose start belongs to it and whose end does not.
fn band(value: &str, width: i128) -> Option<String> {
    let (digits, is_negative) = match value.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (value, false),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // Longer ones are no ages, durations or amounts.
    if !is_number(whole) || !is_number(fraction) || whole.len() > 30 {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let is_whole = fraction.bytes().all(|digit| digit == b'0');
    let floor = if is_negative { -whole - i128::from(!is_whole) } else { whole };
    let from = floor.div_euclid(width) * width;
    Some(format!("{from}..{}", from + width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_becomes_what_many_have_in_common() {
        for (value, to, expected) in [
            ("2026-11-28T20:11:54.123Z", General::Month, "2026-11"),
            ("2026-11-28", General::Year, "2026"),
            ("0987-01-02 03:04:05+01:00", General::Day, "0987-01-02"),
            ("192.0.2.77", General::Network, "192.0.2.0/24"),
            ("::ffff:192.0.2.77", General::Network, "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", General::Network, "2001:db8:1::/48"),
            ("27", General::Band(10), "20..30"),
            ("30", General::Band(10), "30..40"),
            ("0.5", General::Band(10), "0..10"),
            ("-0.5", General::Band(10), "-10..0"),
            ("-10", General::Band(10), "-10..0"),
            ("-10.0", General::Band(10), "-10..0"),
            ("-10.1", General::Band(10), "-20..-10"),
            ("0007", General::Band(5), "5..10"),
        ] {
            let general = generalized(value, to);
            assert_eq!(general.as_deref(), Some(expected), "{value}");
            assert!(fits(expected, to), "{expected}");
            assert!(!fits(value, to) || value == expected, "{value}");
        }
    }

    #[test]
    fn what_is_not_of_the_kind_has_no_general_form() {
        for (value, to) in [
            ("28.11.2026", General::Month),
            ("2026-11-28T25:00:00Z", General::Year),
            ("1795896714000", General::Day),
            ("192.0.2", General::Network),
            ("192.0.2.77:443", General::Network),
            ("host", General::Network),
            ("1e3", General::Band(10)),
            ("", General::Band(10)),
            ("-", General::Band(10)),
            ("1.", General::Band(10)),
            ("９", General::Band(10)),
            ("1234567890123456789012345678901", General::Band(10)),
        ] {
            assert_eq!(generalized(value, to), None, "{value}");
        }
    }
}
