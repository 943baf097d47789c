//! What redaction costs beside trees of values that JSONPaths are looked up in.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin redact_peers -- [--quick]
//! ```
//!
//! The events are recorded ones of `corpus/genesys-notifications`, if `../shared` or `$COFFERDAM_SHARED` has them, and
//! generated ones otherwise. Each engine takes an event as it came off a socket, refuses it if it is no
//! JSON, and writes it without what the rules find. What it wrote is compared before it is timed.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that reads files, measures and prints"
)]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use cofferdam::{
    core::pipeline::Redact,
    json,
    redact::{Policy, PolicyDocument, PolicyLimits, RedactionKey, Rule, Scratch, Strategy},
};
use cofferdam_benches::{SetupError, events, thread_cpu_time};
use jsonpath_rust::{
    parser::{model::JpQuery, parse_json_path},
    query::{js_path_process, queryable::Queryable},
};
use serde_json::Value;
use simd_json::prelude::Writable;

/// What a peer writes for a hash: it hashes nothing, which is to its advantage.
const HASHED: &str = "h1.";
const MASKED: &str = "***-**-***";

const ENGINES: [&str; 6] = [
    "Cofferdam",
    "its strict check alone",
    "`serde_json` and `jsonpath-rust`",
    "`simd-json` and `jsonpath-rust`",
    "`serde_json`, read and written, no rules",
    "`simd-json`, read and written, no rules",
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("redact_peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), SetupError> {
    let passes = if std::env::args().any(|arg| arg == "--quick") { 1 } else { 5 };
    let events = events()?;
    let bytes: usize = events.iter().map(Vec::len).sum();
    println!("{} events, {} bytes on average\n", events.len(), bytes / events.len().max(1));
    println!("| rules | engine | us an event | MB/s | times Cofferdam |");
    println!("|---:|---|---:|---:|---:|");
    let mut bars = Vec::new();
    let mut own = Vec::new();
    for count in [3, 100] {
        let least = least(&rules(count), &events, passes)?;
        let times = |engine: usize| least[engine].as_secs_f64() / least[0].as_secs_f64();
        for (engine, name) in ENGINES.iter().enumerate() {
            let seconds = least[engine].as_secs_f64();
            let (us, rate) = (seconds * 1e6 / events.len() as f64, bytes as f64 / seconds / 1e6);
            println!("| {count} | {name} | {us:.2} | {rate:.0} | {:.2} |", times(engine));
        }
        bars.push((format!("{count} rules, {}", ENGINES[2]), 5.0, times(2), true));
        bars.push((format!("{count} rules, {}", ENGINES[3]), 2.0, times(3), true));
        own.push(least[0].as_secs_f64());
    }
    if let [few, many] = own.as_slice() {
        bars.push(("100 rules, time of 3".into(), 1.3, many / few, false));
    }
    print_bars(&bars);
    Ok(())
}

/// The least CPU time of each engine, which take turns.
fn least(rules: &[Rule], events: &[Vec<u8>], passes: u32) -> Result<[Duration; 6], SetupError> {
    let mut own = Own::new(rules)?;
    let mut serde = Tree::new(rules, |event| Ok(serde_json::from_slice(event)?))?;
    let mut simd =
        Tree::new(rules, |event| Ok(simd_json::serde::from_slice(&mut event.to_vec())?))?;
    for event in events.iter().take(1_000) {
        let expected = normal(&serde.redact(event)?)?;
        if normal(own.redact(event)?)? != expected || normal(&simd.redact(event)?)? != expected {
            return Err("two engines disagree about an event".into());
        }
    }
    let mut least = [Duration::MAX; 6];
    for _ in 0..passes {
        let times = [
            pass(events, |event| Ok(own.redact(event)?.len()))?,
            pass(events, |event| own.check(event).map(|()| 0))?,
            pass(events, |event| Ok(serde.redact(event)?.len()))?,
            pass(events, |event| Ok(simd.redact(event)?.len()))?,
            pass(events, |event| {
                Ok(serde_json::to_vec(&serde_json::from_slice::<Value>(event)?)?.len())
            })?,
            pass(events, |event| {
                Ok(simd_json::to_owned_value(&mut event.to_vec())?.encode().len())
            })?,
        ];
        least = core::array::from_fn(|engine| least[engine].min(times[engine]));
    }
    Ok(least)
}

fn print_bars(bars: &[(String, f64, f64, bool)]) {
    println!("\n| bar | aim | measured | |\n|---|---:|---:|---|");
    for (name, aim, measured, is_least) in bars {
        let reached = if *is_least { measured >= aim } else { measured <= aim };
        let (sign, verdict) =
            (if *is_least { ">=" } else { "<=" }, if reached { "reached" } else { "**missed**" });
        println!("| {name} | {sign} {aim} x | {measured:.2} x | {verdict} |");
    }
}

/// Three rules that find something, and others that find nothing.
fn rules(count: usize) -> Vec<Rule> {
    let mut mask = Rule::new("$..address", Strategy::Mask);
    mask.format = Some(MASKED.into());
    let hash = Rule::new("$..externalContact.id", Strategy::Hash);
    let omit = Rule::new("$..attributes", Strategy::Omit);
    let others = (0..).map(|n| Rule::new(format!("$..section{n}.field{n}"), Strategy::Omit));
    [mask, hash, omit].into_iter().chain(others).take(count).collect()
}

fn events() -> Result<Vec<Vec<u8>>, SetupError> {
    let shared = std::env::var_os("COFFERDAM_SHARED")
        .map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    match std::fs::read(shared.join("corpus/genesys-notifications/events.ndjson")) {
        Ok(text) => Ok(text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect()),
        Err(_) => {
            println!(
                "SKIPPED: recorded events, which are not at $COFFERDAM_SHARED; these are generated\n"
            );
            Ok(events::generate(5_000))
        }
    }
}

/// CPU time of one pass over all events.
fn pass(
    events: &[Vec<u8>],
    mut redact: impl FnMut(&[u8]) -> Result<usize, SetupError>,
) -> Result<Duration, SetupError> {
    let begun = thread_cpu_time();
    let mut written = 0;
    for event in events {
        written += redact(event)?;
    }
    std::hint::black_box(written);
    Ok(thread_cpu_time().saturating_sub(begun))
}

/// Without what engines write differently: digests.
fn normal(redacted: &[u8]) -> Result<Value, SetupError> {
    let mut value: Value = serde_json::from_slice(redacted)?;
    let digests = parse_json_path("$..externalContact.id")?;
    let paths: Vec<String> =
        js_path_process(&digests, &value)?.into_iter().map(|found| found.path()).collect();
    for path in paths {
        if let Some(digest) = value.reference_mut(path) {
            let is_digest = digest.as_str().is_some_and(|text| text.starts_with(HASHED));
            *digest = Value::from(is_digest);
        }
    }
    Ok(value)
}

struct Own {
    policy: Policy,
    limits: json::Limits,
    checked: json::Scratch,
    scratch: Scratch,
    out: Vec<u8>,
}

impl Own {
    fn new(rules: &[Rule]) -> Result<Self, SetupError> {
        let document = PolicyDocument::new("acme", rules.to_vec());
        let key = RedactionKey::new([7; 32], 1);
        Ok(Self {
            policy: Policy::compile(&document, &key, PolicyLimits::default())?,
            limits: json::Limits::default(),
            checked: json::Scratch::new([1; 16]),
            scratch: Scratch::new(),
            out: Vec::new(),
        })
    }

    fn check(&mut self, event: &[u8]) -> Result<(), SetupError> {
        Ok(json::check(event, &self.limits, &mut self.checked)?)
    }

    fn redact(&mut self, event: &[u8]) -> Result<&[u8], SetupError> {
        self.check(event)?;
        self.out.clear();
        let redacted = self.policy.redact(event, &mut self.out, &mut self.scratch);
        redacted.map_err(|reason| reason.to_string())?;
        Ok(&self.out)
    }
}

/// A tree of values, the paths looked up in it, and what is left of it written out.
struct Tree<P> {
    parse: P,
    rules: Vec<(JpQuery, Strategy)>,
}

impl<P: Fn(&[u8]) -> Result<Value, SetupError>> Tree<P> {
    fn new(rules: &[Rule], parse: P) -> Result<Self, SetupError> {
        let rules = rules.iter().map(|rule| Ok((parse_json_path(&rule.path)?, rule.strategy)));
        Ok(Self { parse, rules: rules.collect::<Result<_, SetupError>>()? })
    }

    fn redact(&mut self, event: &[u8]) -> Result<Vec<u8>, SetupError> {
        let mut value = (self.parse)(event)?;
        for (query, strategy) in &self.rules {
            let found = js_path_process(query, &value)?;
            let paths: Vec<String> = found.into_iter().map(|found| found.path()).collect();
            // From the end, so that what is left out moves none that is to be found yet.
            for path in paths.into_iter().rev() {
                match strategy {
                    Strategy::Omit => omit(&mut value, &path),
                    strategy => {
                        let text = if *strategy == Strategy::Mask { MASKED } else { HASHED };
                        if let Some(found) = value.reference_mut(path) {
                            *found = Value::from(text);
                        }
                    }
                }
            }
        }
        Ok(serde_json::to_vec(&value)?)
    }
}

/// Leaves the member out that a path like `$['a'][0]['b']` leads to.
fn omit(value: &mut Value, path: &str) {
    let Some((parent, name)) = path.strip_suffix("']").and_then(|path| path.rsplit_once("['"))
    else {
        return;
    };
    let parent = if parent == "$" { Some(value) } else { value.reference_mut(parent) };
    if let Some(Value::Object(members)) = parent {
        members.remove(name);
    }
}
