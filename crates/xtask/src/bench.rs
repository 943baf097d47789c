//! `cargo xtask bench`: every figure of `docs/BENCHMARKS.md`, measured in one run.
//!
//! Two measurements. The pipeline alone, against the design that it replaces, prints its own table
//! (`benches/src/bin/pipeline_vs_node.rs`). The gateway is run as a user would run it, and its last
//! lines are read: what it cannot account for is not a figure.

mod auth;
mod filter;
mod gateway;
mod machine;
mod redact;
mod schema;

use std::{fmt::Write as _, fs};

use crate::tools::{command, output, root};
use gateway::{Load, Outcome};

/// What the throughput of the gateway is held against, in events a second.
const THROUGHPUT_BAR: f64 = 50_000.0;
/// Half of it, where the latency is held against [`LATENCY_BAR_US`].
const HALF: f64 = THROUGHPUT_BAR / 2.0;
const LATENCY_BAR_US: u64 = 5_000;
const MEMORY_BAR_MIB: u64 = 150;

/// How long a figure is measured in a quick run.
const QUICK_SECONDS: u32 = 3;

/// A part of the document, which can be measured by itself.
struct Section {
    name: &'static str,
    /// Its heading and what is measured.
    text: &'static str,
    measure: fn(u32) -> Result<String, String>,
}

const SECTIONS: [Section; 6] = [
    Section { name: "pipeline", text: PIPELINE, measure: pipeline },
    Section { name: "gateway", text: GATEWAY, measure: gateways },
    Section { name: "auth", text: auth::TEXT, measure: auth::measure },
    Section { name: "filter", text: filter::TEXT, measure: filter::measure },
    Section { name: "redact", text: redact::TEXT, measure: redact::measure },
    Section { name: "schema", text: schema::TEXT, measure: schema::measure },
];

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let quick = args.iter().any(|arg| arg == "--quick");
    let named: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| *arg != "--quick").collect();
    if named.iter().any(|name| !SECTIONS.iter().any(|section| section.name == *name)) {
        return Err(
            "usage: cargo xtask bench [--quick] [pipeline] [gateway] [auth] [filter] [redact] [schema]"
                .to_owned(),
        );
    }
    let seconds = if quick { QUICK_SECONDS } else { 12 };
    let path = root().join("docs/BENCHMARKS.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let mut text = String::from(HEAD);
    for section in &SECTIONS {
        if named.is_empty() || named.contains(&section.name) {
            text.push_str(section.text);
            text.push_str(&machine::describe(section.name));
            if quick {
                text.push_str(QUICK);
            }
            text.push_str(&(section.measure)(seconds)?);
            text.push('\n');
        } else {
            text.push_str(standing(&before, section.text).trim_end());
            text.push_str("\n\n");
        }
    }
    let text = format!("{}\n", text.trim_end());
    fs::write(&path, &text).map_err(|error| format!("docs/BENCHMARKS.md: {error}"))?;
    println!("\n{text}");
    Ok(())
}

/// What the document has of a section that is not measured now.
fn standing<'b>(before: &'b str, text: &str) -> &'b str {
    let heading = text.lines().find(|line| line.starts_with("## ")).unwrap_or_default();
    let Some(from) = before.find(heading) else { return "" };
    let rest = &before[from..];
    let end = rest[heading.len()..].find("\n## ").map_or(rest.len(), |at| heading.len() + at + 1);
    &rest[..end]
}

/// The pipeline's own table.
fn pipeline(seconds: u32) -> Result<String, String> {
    println!("\n== the pipeline, and the Node design that it replaces");
    table("pipeline_vs_node", &["--seconds", &seconds.to_string()])
}

/// What a program of `benches/` prints.
fn table(bin: &str, args: &[&str]) -> Result<String, String> {
    let program = ["run", "--release", "-p", "cofferdam-benches", "--bin", bin, "--"];
    output(command("cargo", &program).args(args))
}

/// One line for each load, and what the loads say about the bars.
fn gateways(seconds: u32) -> Result<String, String> {
    println!("\n== the gateway");
    gateway::build()?;
    let fastest = gateway::run(&Load::calm("as fast as it goes", None), seconds)?;
    let half_of_fastest = fastest.as_ref().map_or(HALF, |outcome| outcome.rate / 2.0);
    let loads = [
        Load::calm("half of the bar", Some(HALF)),
        Load::calm("half of the fastest", Some(half_of_fastest)),
        Load::faulty("with faults", HALF),
        Load::replay("recorded events, 40 tenants"),
    ];
    let mut table = String::from(
        "| load | events/s | p50 | p99 | p99.9 | peak memory | accounted for |\n\
         |---|---:|---:|---:|---:|---:|---|\n",
    );
    let mut outcomes = vec![fastest];
    for load in &loads {
        outcomes.push(gateway::run(load, seconds)?);
    }
    for outcome in outcomes.iter().flatten() {
        outcome.row(&mut table);
    }
    table.push('\n');
    let [Some(fastest), Some(half), ..] = &outcomes[..] else {
        return Err("the gateway's own loads were not run".to_owned());
    };
    verdicts(fastest, half, &outcomes, &mut table);
    Ok(table)
}

fn verdicts(fastest: &Outcome, half: &Outcome, all: &[Option<Outcome>], text: &mut String) {
    let peak = all.iter().flatten().map(|outcome| outcome.peak_mib).max().unwrap_or(0);
    let sound = all.iter().flatten().all(|outcome| outcome.holds);
    let lines = [
        (
            fastest.rate >= THROUGHPUT_BAR,
            format!("{THROUGHPUT_BAR:.0} events/s: {:.0}", fastest.rate),
        ),
        (
            half.p99_us < LATENCY_BAR_US,
            format!(
                "p99 below {} ms at half of that: {:.1} ms",
                LATENCY_BAR_US / 1_000,
                half.p99_us as f64 / 1e3
            ),
        ),
        (peak < MEMORY_BAR_MIB, format!("less than {MEMORY_BAR_MIB} MiB: {peak} MiB at most")),
        (sound, "every event accounted for and every audit log verified, in every run".to_owned()),
    ];
    for (reached, what) in lines {
        let verdict = if reached { "reached" } else { "**missed**" };
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "- {verdict}: {what}");
    }
}

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`; do not edit. Each section was measured in one run on one machine,
peers included, so compare ratios and expect other absolute figures elsewhere.

";

const QUICK: &str =
    "**A quick run: figures of a few seconds each, good for a first look only.**\n\n";

const PIPELINE: &str = "\
## One tenant's pipeline, and the design that it replaces

Ten thousand generated contact-centre events of 1.6 KB on average go round and round through the
whole of `cofferdam::Compartment`, without sockets and disks: gate, filter, de-duplication, strict
check, redaction by three rules, audit leaf, queue, a consumer that acknowledges. The peer does the
same work in Node with the libraries that such gateways use (`benches/node/pipeline.mjs`):
`JSON.parse`, a `Map` of topics, Ajv, JSONPath, `JSON.stringify`, an HMAC, a ring buffer. It has no
strict check for duplicate names, no de-duplication and no Merkle tree.

The figure is events per second of CPU time, all threads of the process counted. With 1 % matched,
99 of 100 events are ones that nobody subscribed to; that is what a shared stream looks like. With
100 % every event goes all the way. The bar is ten times Node's figure.

";

const GATEWAY: &str = "\
## The reference gateway

`examples/gateway` with 40 tenants of very different sizes (Zipf's law), a WebSocket each upstream
and one each to a consumer. **One process on this machine does everything**: the simulated platform that
generates and sends the events, the gateway, and the consumers that read, check and acknowledge
them. Audit logs, cursors and dead letters go to disk. About half of the events match. The latency is
from reading an event off its upstream socket to having written it to its consumer's socket; it is
measured in the gateway, for every event. Memory is the whole process's peak.

At full speed queues are full by design, and the latency is the time spent in them. \"With faults\"
has sockets that break, closing notices, duplicates, late events, bursts and one slow consumer,
whose queue makes the tail of that row. \"Recorded events\" replays a corpus of notifications of 40
organisations again and again, large frames of up to 22 KB included. \"Accounted for\" says that for each tenant received = delivered + dead-lettered + filtered
out + duplicates + refused + declared gaps, that no event arrived under another tenant, and that
every audit log verified from its files alone.

";
