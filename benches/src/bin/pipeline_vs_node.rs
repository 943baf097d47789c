//! The pipeline and the Node design that it replaces, over the same events, as one table.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin pipeline_vs_node -- [--seconds N] [--only 1|100]
//! ```
//!
//! `--only` runs ours alone, for a profiler. The table is Markdown; everything else goes to stderr.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that measures and prints"
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use cofferdam_benches::{SetupError, Share, events, measure};
use serde_json::Value;

const SHARES: [Share; 2] = [Share(1), Share(100)];
const WARMUP: Duration = Duration::from_secs(2);
/// How many times Node's throughput is wanted.
const BAR: f64 = 10.0;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pipeline_vs_node: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    lasting: Duration,
    only: Option<Share>,
}

impl Arguments {
    fn read() -> Result<Self, SetupError> {
        let mut read = Self { lasting: Duration::from_secs(10), only: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or("usage: [--seconds N] [--only SHARE]")?;
            match name.as_str() {
                "--seconds" => read.lasting = Duration::try_from_secs_f64(value.parse()?)?,
                "--only" => read.only = Some(Share(value.parse()?)),
                _ => return Err(format!("no option {name}").into()),
            }
        }
        Ok(read)
    }
}

fn run() -> Result<(), SetupError> {
    let arguments = Arguments::read()?;
    let events = events::generate(events::COUNT);
    if let Some(share) = arguments.only {
        let figures = measure(&events, share, WARMUP, arguments.lasting)?;
        println!("{:.0} events per CPU second, {figures:?}", figures.per_cpu_second());
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("events.ndjson");
    events::write(&file, &events)?;
    let node = Node::find()?;
    println!(
        "| events matched | Cofferdam, per CPU second | Node, per CPU second | ratio | bar | |"
    );
    println!("|---:|---:|---:|---:|---:|---|");
    for share in SHARES {
        let ours = measure(&events, share, WARMUP, arguments.lasting)?.per_cpu_second();
        match &node {
            Some(node) => {
                let theirs = node.measure(&file, share, arguments.lasting)?;
                let ratio = ours / theirs;
                let verdict = if ratio >= BAR { "reached" } else { "**missed**" };
                println!(
                    "| {} % | {} | {} | {ratio:.1} | {BAR:.0} | {verdict} |",
                    share.0,
                    thousands(ours),
                    thousands(theirs),
                );
            }
            None => {
                println!("| {} % | {} | not measured | | {BAR:.0} | |", share.0, thousands(ours));
            }
        }
    }
    Ok(())
}

/// The Node pipeline beside this package.
struct Node {
    folder: PathBuf,
    policy: PathBuf,
    _temporary: tempfile::TempDir,
}

impl Node {
    /// Installs its two libraries if they are not there; `None` where there is no Node.
    fn find() -> Result<Option<Self>, SetupError> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
        for program in ["node", "npm"] {
            let runs = Command::new(program).arg("--version").stdout(Stdio::null()).status();
            if !runs.is_ok_and(|status| status.success()) {
                eprintln!(
                    "SKIPPED: {program} is not installed, so there is nothing to compare with"
                );
                return Ok(None);
            }
        }
        if !folder.join("node_modules").is_dir() {
            let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
            let mut npm = Command::new("npm");
            npm.args(install).current_dir(&folder).stdout(Stdio::null());
            if !npm.status()?.success() {
                eprintln!("SKIPPED: npm could not install the Node pipeline's libraries");
                return Ok(None);
            }
        }
        let temporary = tempfile::tempdir()?;
        let policy = temporary.path().join("policy.json");
        std::fs::write(&policy, cofferdam_benches::policy().to_string())?;
        Ok(Some(Self { folder, policy, _temporary: temporary }))
    }

    /// Its events per CPU second.
    fn measure(&self, file: &Path, share: Share, lasting: Duration) -> Result<f64, SetupError> {
        let mut node = Command::new("node");
        node.arg("pipeline.mjs").arg(file).current_dir(&self.folder);
        node.args(["--match", &share.0.to_string()]);
        node.args(["--seconds", &lasting.as_secs_f64().to_string()]);
        node.arg("--policy").arg(&self.policy).stderr(Stdio::inherit());
        let output = node.output()?;
        if !output.status.success() {
            return Err("the Node pipeline failed".into());
        }
        let line: Value = serde_json::from_slice(&output.stdout)?;
        Ok(line["events_per_cpu_second"].as_f64().ok_or("the Node pipeline printed no figure")?)
    }
}

/// A number with commas, to three digits that mean something.
fn thousands(figure: f64) -> String {
    let scale = 10f64.powi((figure.abs().max(1.0).log10().floor() as i32 - 2).max(0));
    let digits = format!("{:.0}", (figure / scale).round() * scale);
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
