//! Dates and times as RFC 3339 has them.

/// A day, and the moment in it if one is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: u16,
    pub(crate) month: u8,
    pub(crate) day: u8,
    /// Milliseconds since the Unix epoch, of a date with a time and an offset.
    pub(crate) wall_ms: Option<i64>,
}

/// Reads `2026-11-28`, or a date with a time behind `T` or a blank (RFC 3339 section 5.6).
pub(crate) fn parse(text: &str) -> Option<Date> {
    let (date, time) = match text.split_at_checked(10)? {
        (date, "") => (date, None),
        (date, rest) => (date, Some(rest.strip_prefix(['T', 't', ' '])?)),
    };
    let [y, m, d] = fields(date, '-', [4, 2, 2])?;
    let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let days = match m {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if d == 0 || d > days {
        return None;
    }
    let wall_ms = match time {
        None => None,
        Some(time) => Some(days_from_epoch(y, m, d) * 86_400_000 + time_of_day(time)?),
    };
    let (year, month, day) = (u16::try_from(y).ok()?, u8::try_from(m).ok()?, u8::try_from(d).ok()?);
    Some(Date { year, month, day, wall_ms })
}

/// Milliseconds since midnight in Greenwich; below zero or above a day if the offset makes it so.
fn time_of_day(text: &str) -> Option<i64> {
    let (time, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let (time, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let sign = match offset.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let [hours, minutes] = fields(offset.get(1..)?, ':', [2, 2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            (time, sign * i64::from(hours * 60 + minutes))
        }
    };
    let (time, fraction) = match time.split_once('.') {
        Some((_, "")) => return None,
        Some((time, fraction)) => (time, fraction),
        None => (time, ""),
    };
    let [hours, minutes, seconds] = fields(time, ':', [2, 2, 2])?;
    // 60 is a leap second.
    if hours > 23 || minutes > 59 || seconds > 60 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(*b"000").take(3);
    let ms = digits.fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
    Some((i64::from(hours * 3_600 + minutes * 60 + seconds) - offset * 60) * 1_000 + ms)
}

/// Numbers of so many digits each.
fn fields<const N: usize>(text: &str, between: char, widths: [usize; N]) -> Option<[u32; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that the
/// day that not every year has is the last one (Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_epoch(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = (i64::from(year), i64::from(month));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> Option<i64> {
        parse(text).and_then(|date| date.wall_ms)
    }

    #[test]
    fn reads_moments() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00.5z", 500),
            ("1970-01-01 00:00:00.123456789+00:00", 123),
            ("2000-03-01T00:00:00Z", 951_868_800_000),
            ("2026-11-28T20:11:54Z", 1_795_896_714_000),
            ("2026-11-28T21:11:54+01:00", 1_795_896_714_000),
            ("2026-11-28T14:41:54-05:30", 1_795_896_714_000),
            ("1969-12-31T23:59:59Z", -1_000),
            ("1999-12-31T23:59:60Z", 946_684_800_000),
        ] {
            assert_eq!(ms(text), Some(expected), "{text}");
        }
        assert_eq!(
            parse("2024-02-29"),
            Some(Date { year: 2024, month: 2, day: 29, wall_ms: None })
        );
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "2026",
            "2026-11",
            "2026-11-2",
            "2026-13-01",
            "2026-00-01",
            "2026-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-01-00",
            "26-01-01",
            "2026-01-01T",
            "2026-01-01T00:00:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.xZ",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00Z",
            "2026-01-01x",
            "２０２６-01-01",
            "2026-01-01T00:00:00é:00",
            "+026-01-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
