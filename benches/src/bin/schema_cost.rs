//! What judging an event by its schema costs beside the bare validator, and what a canary adds.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin schema_cost -- [--seconds N]
//! ```
//!
//! Every contender takes its turn over all events, again and again, and each figure is the median of its turns:
//! a machine that is slow for a while is slow for all. Times are of the thread's CPU. "Bare" is what one
//! would write without this library: `serde_json` to a tree, then `jsonschema` on it, with its linear-time
//! patterns; it lets names pass that stand twice, and reads the type from nowhere. The schema is made of the
//! events themselves, closed, so that all of them fit and nothing is explained.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

use std::{
    collections::BTreeMap,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use cofferdam::core::TenantId;
use cofferdam_benches::{SetupError, events, thread_cpu_time};
use cofferdam_schema::{
    Checker, Course, Envelope, Registration, Registry, SchemaKey, Scratch, Share, Verdict,
    drift::{Drift, DriftLimits},
};
use serde_json::{Map, Value, json};

const EVENTS: usize = 2_000;
/// What a canary may add that sees nothing.
const IDLE_BAR: f64 = 1.05;
const KEY: [u8; 16] = [7; 16];

/// One way to judge an event; `true` if it fits.
type Judge = Box<dyn FnMut(&[u8]) -> bool>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("schema_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), SetupError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seconds: u64 = match args.as_slice() {
        [] => 20,
        [name, seconds] if name == "--seconds" => seconds.parse()?,
        _ => return Err("usage: schema_cost [--seconds N]".into()),
    };
    let events = sample()?;
    let mut contenders = contenders(&schema_of(&events)?.to_string())?;
    let mut turns = vec![Vec::new(); contenders.len()];
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) || turns[0].len() < 5 {
        for ((name, judge), turns) in contenders.iter_mut().zip(&mut turns) {
            let started = thread_cpu_time();
            let fitting = events.iter().filter(|event| black_box(judge(event))).count();
            let spent = thread_cpu_time().saturating_sub(started);
            if fitting != events.len() {
                return Err(format!("{name}: {fitting} of {} fit", events.len()).into());
            }
            turns.push(spent.as_secs_f64() * 1e9 / events.len() as f64);
        }
    }
    let medians = turns.into_iter().map(|mut turns| {
        turns.sort_unstable_by(f64::total_cmp);
        turns[turns.len() / 2]
    });
    report(&contenders, &medians.collect::<Vec<_>>(), &events)
}

fn report(
    contenders: &[(&str, Judge)],
    medians: &[f64],
    events: &[Vec<u8>],
) -> Result<(), SetupError> {
    let of = |name: &str| {
        let found = contenders.iter().zip(medians).find(|((other, _), _)| *other == name);
        found.map(|(_, median)| *median).ok_or("no such contender")
    };
    let (bare, plain) = (of(BARE)?, of(PLAIN)?);
    let bytes: usize = events.iter().map(Vec::len).sum();
    println!("{} events of {} bytes in the mean\n", events.len(), bytes / events.len());
    println!("| what | us an event | to bare | to judged |");
    println!("|---|---:|---:|---:|");
    for ((name, _), median) in contenders.iter().zip(medians) {
        let us = median / 1_000.0;
        println!("| {name} | {us:.2} | {:.2} | {:.3} |", median / bare, median / plain);
    }
    let idle = of(IDLE)? / plain;
    let verdict = if idle <= IDLE_BAR { "reached" } else { "**missed**" };
    println!("\n- {verdict}: at most {IDLE_BAR} with a canary that sees nothing: {idle:.3}");
    Ok(())
}

const BARE: &str = "bare: `serde_json` to a tree, `jsonschema`";
const PLAIN: &str = "judged: strict check, tree, type, price, schema, counts";
const IDLE: &str = "judged, with a canary on 0 %";

fn contenders(schema: &str) -> Result<Vec<(&'static str, Judge)>, SetupError> {
    let document: Value = serde_json::from_str(schema)?;
    let bare = jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&document)
        .map_err(|error| error.to_string())?;
    let mut names = cofferdam::json::Scratch::new(KEY);
    let limits = cofferdam::json::Limits::default();
    let mut contenders: Vec<(&'static str, Judge)> = vec![
        (
            BARE,
            Box::new(move |event| {
                serde_json::from_slice(event).is_ok_and(|tree: Value| bare.is_valid(&tree))
            }),
        ),
        (
            "`serde_json` to a tree alone",
            Box::new(|event| serde_json::from_slice::<Value>(event).is_ok()),
        ),
        (
            "strict check alone",
            Box::new(move |event| cofferdam::json::check(event, &limits, &mut names).is_ok()),
        ),
    ];
    contenders.push((PLAIN, judge(schema, None, None)?));
    for (name, percent) in [
        (IDLE, 0),
        ("judged, with a canary on 1 %", 1),
        ("judged, with a canary on 10 %", 10),
        ("judged, with a canary on 100 %", 100),
    ] {
        contenders.push((name, judge(schema, Some(Share::percent(percent)), None)?));
    }
    for (name, one_in) in
        [("judged, with drift of every event", 1), ("judged, with drift of one event in 16", 16)]
    {
        contenders.push((name, judge(schema, None, Some(one_in))?));
    }
    Ok(contenders)
}

/// The library, perhaps with the same schema again as a candidate.
fn judge(schema: &str, canary: Option<Share>, drift: Option<u32>) -> Result<Judge, SetupError> {
    let tenant = TenantId::parse("acme")?;
    let mut registry = Registry::default();
    let key = SchemaKey::new("bench", "2", "1")?;
    for version in ["1", "2"] {
        let key = key.with_version(version)?;
        registry.register(&Registration::new(key, schema.as_bytes()))?;
    }
    if let Some(share) = canary {
        registry.install(&tenant, &key, &Course::of("1").with_canary("2", share))?;
    }
    // All events are of one type here, which is called by their version.
    let checker = Checker::new(Envelope::new("bench", "/version")?, &registry, KEY);
    let mut scratch = Scratch::new(KEY);
    if let Some(one_in) = drift {
        let mut limits = DriftLimits::default();
        limits.one_in = one_in;
        scratch = scratch.with_drift(Drift::new(limits));
    }
    Ok(Box::new(move |event| checker.judge(&tenant, event, &mut scratch) == Verdict::Conforms))
}

/// Notifications alone: frames of the channel itself have no version.
fn sample() -> Result<Vec<Vec<u8>>, SetupError> {
    let mut events = events::generate(2 * EVENTS);
    let is_event = |event: &Vec<u8>| {
        serde_json::from_slice::<Value>(event).is_ok_and(|tree| tree["version"] == "2")
    };
    events.retain(is_event);
    events.truncate(EVENTS);
    if events.len() < EVENTS / 2 { Err("too few events".into()) } else { Ok(events) }
}

/// What is known of one place in all events.
#[derive(Default)]
struct Shape {
    types: BTreeMap<&'static str, ()>,
    members: BTreeMap<String, Self>,
    items: Option<Box<Self>>,
}

impl Shape {
    fn see(&mut self, value: &Value) {
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(items) => {
                let each = self.items.get_or_insert_default();
                items.iter().for_each(|item| each.see(item));
                "array"
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.members.entry(name.clone()).or_default().see(member);
                }
                "object"
            }
        };
        self.types.insert(name, ());
    }

    fn schema(&self) -> Value {
        let mut schema = Map::new();
        // A list that is always empty says nothing of its elements.
        if !self.types.is_empty() {
            schema.insert("type".into(), self.types.keys().copied().collect());
        }
        if self.types.contains_key("object") {
            let members = self.members.iter().map(|(name, shape)| (name.clone(), shape.schema()));
            schema.insert("properties".into(), Value::Object(members.collect()));
            schema.insert("additionalProperties".into(), json!(false));
        }
        if let Some(items) = &self.items {
            schema.insert("items".into(), items.schema());
        }
        if self.types.len() == 1 && self.types.contains_key("string") {
            schema.insert("pattern".into(), json!("^[^\\u0001-\\u0008]*$"));
        }
        Value::Object(schema)
    }
}

fn schema_of(events: &[Vec<u8>]) -> Result<Value, SetupError> {
    let mut shape = Shape::default();
    for event in events {
        shape.see(&serde_json::from_slice(event)?);
    }
    let mut schema = shape.schema();
    without_most_patterns(&mut schema, &mut 100);
    Ok(schema)
}

/// A document has so many patterns at most.
fn without_most_patterns(schema: &mut Value, left: &mut u32) {
    let Value::Object(keywords) = schema else { return };
    if *left == 0 {
        keywords.remove("pattern");
    } else if keywords.contains_key("pattern") {
        *left -= 1;
    }
    for (keyword, below) in keywords {
        match (keyword.as_str(), below) {
            ("properties", Value::Object(members)) => {
                members.values_mut().for_each(|member| without_most_patterns(member, left));
            }
            ("items", items) => without_most_patterns(items, left),
            _ => {}
        }
    }
}
