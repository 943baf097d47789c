//! Settings: the command line over a TOML file over defaults.
//!
//! The file is checked whole: every mistake is reported, each with its line and column, before
//! anything starts.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, path::PathBuf, time::Duration};

use clap::Parser;
use toml::de::{DeTable, DeValue};

use crate::upstream::{Burst, Faults, Rate};

/// The Cofferdam reference gateway: many tenants' event streams through one process, kept apart.
///
/// With no arguments it starts everything that it needs on this machine: a token issuer, a simulated
/// contact-centre platform, the gateway, and consumers for every tenant, one of them slow. Open the
/// console address that it prints. Ctrl-C drains, commits, and proves the run.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Stop by itself after this long, such as 30s or 5m [default: run until Ctrl-C]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Events a second over all tenants, or `max` [default: 2000]
    #[arg(long, value_name = "EVENTS", value_parser = parse_rate, allow_negative_numbers = true)]
    rate: Option<Rate>,
    /// How many demo tenants [default: 24]
    #[arg(long, value_name = "COUNT", value_parser = parse_tenants)]
    tenants: Option<usize>,
    /// Settings in TOML; the command line overrides them
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where cursors, dead letters and audit logs are kept [default: cofferdam-data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Send the events of this folder of *.ndjson files, once, instead of generated ones
    #[arg(long, value_name = "FOLDER")]
    replay: Option<PathBuf>,
    /// Stop after this many events; of a recording at most as many as it has
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Go on after the last event of a limit or a recording, so that the console can be read
    #[arg(long)]
    stay: bool,
    /// Address of the console and the control API [default: 127.0.0.1:7700]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Address that consumers connect to [default: 127.0.0.1:7701]
    #[arg(long, value_name = "ADDRESS:PORT")]
    consumers: Option<SocketAddr>,
    /// The seed of events and faults; the same seed gives the same events [default: 1]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Nothing goes wrong: no resets, duplicates, late events, bursts or slow consumer
    #[arg(long)]
    calm: bool,
    /// Let the same bytes pass twice; for recordings that are sent again and again
    #[arg(long)]
    no_dedup: bool,
    /// Plain lines instead of a live table
    #[arg(long)]
    plain: bool,
}

/// Everything that a run is told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) duration: Option<Duration>,
    pub(crate) rate: Rate,
    pub(crate) tenants: usize,
    pub(crate) data: PathBuf,
    pub(crate) replay: Option<PathBuf>,
    pub(crate) limit: Option<u64>,
    /// Whether to go on after the last event.
    pub(crate) stay: bool,
    pub(crate) listen: SocketAddr,
    pub(crate) consumers: SocketAddr,
    pub(crate) seed: u64,
    pub(crate) slow_consumer: bool,
    pub(crate) dedup: Duration,
    pub(crate) plain: bool,
    pub(crate) drain: Duration,
    pub(crate) queue: QueueSettings,
    /// Events a second that one tenant may bring in, and how many at once.
    pub(crate) throttle: Option<(u32, u32)>,
    pub(crate) faults: Faults,
}

/// The bounds of every lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueSettings {
    pub(crate) capacity: usize,
    pub(crate) high: usize,
    pub(crate) low: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            duration: None,
            rate: Rate::PerSecond(2_000.0),
            tenants: 24,
            data: PathBuf::from("cofferdam-data"),
            replay: None,
            limit: None,
            stay: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 7700)),
            consumers: SocketAddr::from(([127, 0, 0, 1], 7701)),
            seed: 1,
            slow_consumer: true,
            dedup: Duration::from_secs(30),
            plain: false,
            drain: Duration::from_secs(5),
            // Smaller than the library's, so that the slow consumer's tenant is soon seen to pause.
            queue: QueueSettings { capacity: 2_000, high: 1_500, low: 1_000 },
            throttle: None,
            faults: Faults {
                resets_per_minute: 12.0,
                closings_per_minute: 6.0,
                duplicate_rate: 0.01,
                late_rate: 0.01,
                burst: Some(Burst {
                    every: Duration::from_secs(20),
                    lasting: Duration::from_secs(4),
                    factor: 4.0,
                    tenant: Some(0),
                }),
            },
        }
    }
}

impl Settings {
    /// Puts the command line over the file over the defaults.
    pub(crate) fn read(arguments: Arguments) -> Result<Self, String> {
        let mut settings = Self::default();
        if let Some(path) = &arguments.config {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
            let mistakes = File::read(&text, &mut settings);
            if !mistakes.is_empty() {
                let mut message = String::new();
                for Mistake { line, column, what } in mistakes {
                    let _ = writeln!(message, "{}:{line}:{column}: {what}", path.display());
                }
                return Err(message.trim_end().to_owned());
            }
        }
        settings.override_with(arguments);
        Ok(settings)
    }

    fn override_with(&mut self, arguments: Arguments) {
        fn set<T>(setting: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *setting = given;
            }
        }
        set(&mut self.rate, arguments.rate);
        set(&mut self.tenants, arguments.tenants);
        set(&mut self.data, arguments.data);
        set(&mut self.listen, arguments.listen);
        set(&mut self.consumers, arguments.consumers);
        set(&mut self.seed, arguments.seed);
        self.duration = arguments.duration.or(self.duration);
        self.replay = arguments.replay.or_else(|| self.replay.take());
        self.limit = arguments.limit.or(self.limit);
        self.stay |= arguments.stay;
        self.plain |= arguments.plain;
        if arguments.calm {
            self.faults = Faults::default();
            self.slow_consumer = false;
        }
        if arguments.no_dedup {
            self.dedup = Duration::ZERO;
        }
    }
}

/// A mistake in the file.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    line: usize,
    column: usize,
    what: String,
}

/// A file on its way into settings.
struct File<'s> {
    text: &'s str,
    settings: &'s mut Settings,
    places: BTreeMap<String, usize>,
    mistakes: Vec<Mistake>,
}

impl<'s> File<'s> {
    fn read(text: &'s str, settings: &'s mut Settings) -> Vec<Mistake> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut file = File { text, settings, places: BTreeMap::new(), mistakes: Vec::new() };
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            file.mistake(at, error.message().to_owned());
        }
        file.table(table.get_ref(), "");
        file.compare();
        file.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        file.mistakes
    }

    fn mistake(&mut self, at: usize, what: String) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        self.mistakes.push(Mistake { line, column, what });
    }

    fn table(&mut self, table: &DeTable<'_>, prefix: &str) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) if TABLES.contains(&key.as_str()) => {
                    self.table(inner, &format!("{key}."));
                }
                value_ref => {
                    self.places.insert(key.clone(), name.span().start);
                    let place =
                        if KEYS.contains(&key.as_str()) { value.span() } else { name.span() };
                    if let Err(what) = set(self.settings, &key, value_ref) {
                        self.mistake(place.start, what);
                    }
                }
            }
        }
    }

    /// What is wrong only together.
    fn compare(&mut self) {
        let QueueSettings { capacity, high, low } = self.settings.queue;
        let place = |key: &str| self.places.get(key).copied();
        let wrong = if low >= high {
            Some((
                place("queue.low").or_else(|| place("queue.high")),
                "queue.low must be below queue.high",
            ))
        } else if high > capacity {
            let at = place("queue.high").or_else(|| place("queue.capacity"));
            Some((at, "queue.high must not be above queue.capacity"))
        } else {
            None
        };
        if let Some((at, what)) = wrong {
            self.mistake(at.unwrap_or(0), what.to_owned());
        }
    }
}

const MOST_TENANTS: usize = 10_000;

const TABLES: [&str; 4] = ["queue", "throttle", "faults", "faults.burst"];

const KEYS: [&str; 26] = [
    "duration",
    "rate",
    "tenants",
    "data",
    "replay",
    "limit",
    "stay",
    "listen",
    "consumers",
    "seed",
    "slow_consumer",
    "dedup",
    "plain",
    "drain",
    "queue.capacity",
    "queue.high",
    "queue.low",
    "throttle.events_per_second",
    "throttle.burst",
    "faults.resets_per_minute",
    "faults.closings_per_minute",
    "faults.duplicate_rate",
    "faults.late_rate",
    "faults.burst.every",
    "faults.burst.lasting",
    "faults.burst.factor",
];

/// Puts one value where it belongs, or says what should have stood there.
fn set(settings: &mut Settings, key: &str, value: &DeValue<'_>) -> Result<(), String> {
    let burst = || {
        let defaults = Settings::default().faults.burst;
        defaults.ok_or_else(String::new)
    };
    match key {
        "duration" => settings.duration = Some(duration(value)?),
        "rate" => {
            settings.rate = match value.as_str() {
                Some(text) => parse_rate(text)?,
                None => Rate::PerSecond(number(value, 0.0..=f64::MAX)?),
            }
        }
        "tenants" => settings.tenants = integer(value, 1..=MOST_TENANTS)?,
        "data" => settings.data = PathBuf::from(text(value)?),
        "replay" => settings.replay = Some(PathBuf::from(text(value)?)),
        "limit" => settings.limit = Some(integer(value, 1..=u64::MAX)?),
        "stay" => settings.stay = boolean(value)?,
        "listen" => settings.listen = address(value)?,
        "consumers" => settings.consumers = address(value)?,
        "seed" => settings.seed = integer(value, 0..=u64::MAX)?,
        "slow_consumer" => settings.slow_consumer = boolean(value)?,
        "dedup" => settings.dedup = duration(value)?,
        "plain" => settings.plain = boolean(value)?,
        "drain" => settings.drain = duration(value)?,
        "queue.capacity" => settings.queue.capacity = integer(value, 1..=10_000_000)?,
        "queue.high" => settings.queue.high = integer(value, 1..=10_000_000)?,
        "queue.low" => settings.queue.low = integer(value, 0..=10_000_000)?,
        "throttle.events_per_second" => {
            let rate = integer(value, 1..=u32::MAX)?;
            settings.throttle = Some((rate, settings.throttle.map_or(rate, |(_, burst)| burst)));
        }
        "throttle.burst" => {
            let burst = integer(value, 1..=u32::MAX)?;
            settings.throttle = Some((settings.throttle.map_or(burst, |(rate, _)| rate), burst));
        }
        "faults.resets_per_minute" => {
            settings.faults.resets_per_minute = number(value, 0.0..=60_000.0)?;
        }
        "faults.closings_per_minute" => {
            settings.faults.closings_per_minute = number(value, 0.0..=60_000.0)?;
        }
        "faults.duplicate_rate" => settings.faults.duplicate_rate = number(value, 0.0..=1.0)?,
        "faults.late_rate" => settings.faults.late_rate = number(value, 0.0..=1.0)?,
        "faults.burst.every" => {
            settings.faults.burst.get_or_insert(burst()?).every = duration(value)?;
        }
        "faults.burst.lasting" => {
            settings.faults.burst.get_or_insert(burst()?).lasting = duration(value)?;
        }
        "faults.burst.factor" => {
            settings.faults.burst.get_or_insert(burst()?).factor = number(value, 1.0..=1_000.0)?;
        }
        unknown if TABLES.contains(&unknown) => {
            return Err(format!("{unknown} is a table: [{unknown}]"));
        }
        unknown => return Err(format!("unknown key {unknown}{}", suggestion(unknown))),
    }
    Ok(())
}

/// The known key that is most like a mistyped one.
fn suggestion(unknown: &str) -> String {
    let shared = |key: &str| key.chars().filter(|c| unknown.contains(*c)).count() * 2;
    let best = KEYS
        .iter()
        .max_by_key(|key| shared(key).saturating_sub(key.len().abs_diff(unknown.len()) * 2));
    best.filter(|key| shared(key) >= key.len())
        .map_or_else(String::new, |key| format!("; did you mean {key}?"))
}

fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("want a string, not {}", article(value)))
}

fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("want true or false, not {}", article(value)))
}

fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    parse_duration(text(value)?)
}

fn address(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let text = text(value)?;
    text.parse().map_err(|_| "want an address such as 127.0.0.1:7700".to_owned())
}

fn integer<T: TryFrom<i128> + PartialOrd + std::fmt::Display>(
    value: &DeValue<'_>,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, String> {
    let parsed = value
        .as_integer()
        .ok_or_else(|| format!("want a whole number, not {}", article(value)))
        .and_then(|digits| {
            i128::from_str_radix(&digits.as_str().replace('_', ""), digits.radix())
                .map_err(|error| error.to_string())
        })?;
    T::try_from(parsed)
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("want a number from {} to {}", range.start(), range.end()))
}

fn number(value: &DeValue<'_>, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let digits = match value {
        DeValue::Float(float) => float.as_str(),
        DeValue::Integer(integer) => integer.as_str(),
        _ => return Err(format!("want a number, not {}", article(value))),
    };
    digits
        .replace('_', "")
        .parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("want a number from {} to {}", range.start(), range.end()))
}

fn article(value: &DeValue<'_>) -> String {
    format!("a value of type {}", value.type_str())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "want a time such as 500ms, 30s or 5m".to_owned();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(split);
    let seconds_each = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(wrong()),
    };
    let count: f64 = digits.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(count * seconds_each).map_err(|_| wrong())
}

fn parse_tenants(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=MOST_TENANTS).contains(count));
    count.ok_or_else(|| format!("want a number from 1 to {MOST_TENANTS}"))
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Unlimited);
    }
    let rate: f64 = text.parse().map_err(|_| "want events a second, or max".to_owned())?;
    if rate.is_finite() && rate > 0.0 {
        Ok(Rate::PerSecond(rate))
    } else {
        Err("want more than 0 events a second, or max".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<(usize, usize, String)> {
        let mut settings = Settings::default();
        File::read(text, &mut settings).into_iter().map(|m| (m.line, m.column, m.what)).collect()
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        let text = "tenants = \"many\"\nrate = 100\n\n[queue]\nhihg = 3\nlow = 9_000\n[faults]\nlate_rate = 7\n";
        let found = mistakes(text);
        let places: Vec<(usize, usize)> = found.iter().map(|m| (m.0, m.1)).collect();
        assert_eq!(places, [(1, 11), (5, 1), (6, 1), (8, 13)], "{found:?}");
        assert!(found[0].2.contains("whole number"), "{found:?}");
        assert!(
            found[1].2.contains("unknown key queue.hihg; did you mean queue.high?"),
            "{found:?}"
        );
        assert!(found[2].2.contains("below queue.high"), "{found:?}");
    }

    #[test]
    fn text_that_is_not_toml_is_reported_with_its_place() {
        let found = mistakes("rate = \ntenants = [\n");
        assert!(found.iter().any(|m| m.0 == 1), "{found:?}");
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = "duration = \"1.5m\"\nrate = \"max\"\ntenants = 40\nlisten = \"127.0.0.1:0\"\n[queue]\ncapacity = 100\nhigh = 80\nlow = 10\n[throttle]\nevents_per_second = 50\nburst = 60\n[faults.burst]\nevery = \"3s\"\nlasting = \"500ms\"\nfactor = 2\n";
        let mut settings = Settings::default();
        assert_eq!(File::read(text, &mut settings), []);
        assert_eq!(settings.duration, Some(Duration::from_secs(90)));
        assert_eq!(settings.rate, Rate::Unlimited);
        assert_eq!(
            (settings.tenants, settings.queue.high, settings.throttle),
            (40, 80, Some((50, 60)))
        );
    }

    #[test]
    fn every_key_is_known_to_the_reader() {
        for key in KEYS {
            let outcome = set(&mut Settings::default(), key, &DeValue::Boolean(true));
            assert!(outcome.is_ok() || !outcome.unwrap_err().contains("unknown"), "{key}");
        }
    }
}
