//! Runs of the reference gateway under one load each, and what its report says.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::tools::{command, root, run as run_command};

const EXAMPLE: [&str; 6] =
    ["--release", "-p", "cofferdam-examples", "--example", "gateway", "--quiet"];

/// What the gateway is given to do.
pub(crate) struct Load {
    name: String,
    args: Vec<String>,
    replay: bool,
}

impl Load {
    fn new(name: &str, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { name: name.to_owned(), args, replay: false }
    }

    /// Nothing goes wrong; `None` is as fast as it goes.
    pub(crate) fn calm(name: &str, rate: Option<f64>) -> Self {
        let (rate, name) = rate.map_or_else(
            || ("max".to_owned(), name.to_owned()),
            |rate| (format!("{rate:.0}"), format!("{name}, {rate:.0}/s")),
        );
        Self::new(&name, &["--calm", "--rate", &rate])
    }

    /// Everything that the simulated platform can do wrong.
    pub(crate) fn faulty(name: &str, rate: f64) -> Self {
        Self::new(&format!("{name}, {rate:.0}/s"), &["--rate", &format!("{rate:.0}")])
    }

    /// Recorded events, again and again: without a limit a recording ends by itself.
    pub(crate) fn replay(name: &str) -> Self {
        let args = ["--calm", "--no-dedup", "--rate", "max", "--limit", "1000000000"];
        Self { replay: true, ..Self::new(name, &args) }
    }
}

/// What a run came to.
pub(crate) struct Outcome {
    name: String,
    pub(crate) rate: f64,
    p50_us: u64,
    pub(crate) p99_us: u64,
    p999_us: u64,
    pub(crate) peak_mib: u64,
    /// Whether every line of the report says ok.
    pub(crate) holds: bool,
}

/// Builds the example.
pub(crate) fn build() -> Result<(), String> {
    run_command(command("cargo", &["build"]).args(EXAMPLE))
}

/// Runs the gateway for `seconds` in a folder of its own; `None` if there is nothing to replay.
pub(crate) fn run(load: &Load, seconds: u32) -> Result<Option<Outcome>, String> {
    println!("\n-- {}", load.name);
    let data = Data::new()?;
    let mut gateway = command("cargo", &["run"]);
    gateway.args(EXAMPLE).arg("--").args(&load.args);
    gateway.args(["--plain", "--tenants", "40", "--duration", &format!("{seconds}s")]);
    gateway.args(["--listen", "127.0.0.1:0", "--consumers", "127.0.0.1:0"]);
    gateway.arg("--data").arg(&data.0);
    if load.replay {
        let Some(corpus) = corpus() else {
            println!("SKIPPED: no corpus to replay; COFFERDAM_SHARED may name its folder's parent");
            return Ok(None);
        };
        gateway.arg("--replay").arg(corpus.join("genesys-notifications"));
    }
    let output = gateway
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("the gateway did not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    // A run whose sums do not hold ends with a failure too; that goes into the table.
    let report: Vec<&str> = said.lines().filter(|line| is_report(line)).collect();
    report.iter().for_each(|line| println!("{line}"));
    Outcome::read(&load.name, &report)
        .map(Some)
        .ok_or_else(|| format!("the gateway ended with {} and without a report", output.status))
}

fn is_report(line: &str) -> bool {
    ["  ok ", "  FAIL "].iter().any(|mark| line.starts_with(mark))
        || line.contains("events/s received")
}

impl Outcome {
    /// Reads the report's lines by their labels.
    fn read(name: &str, report: &[&str]) -> Option<Self> {
        let figures = report.iter().find(|line| line.contains("events/s received"))?;
        let after = |label: &str| {
            let rest = figures.split_once(label)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty())?.parse().ok()
        };
        Some(Self {
            name: name.to_owned(),
            rate: figures.split_whitespace().next()?.parse().ok()?,
            p50_us: after("p50 ")?,
            p99_us: after("p99 ")?,
            p999_us: after("p99.9 ")?,
            peak_mib: after("peak memory ")?,
            holds: report.len() > 1 && !report.iter().any(|line| line.starts_with("  FAIL")),
        })
    }

    /// Appends a line of the table.
    pub(crate) fn row(&self, table: &mut String) {
        let ms = |us: u64| format!("{:.1} ms", us as f64 / 1e3);
        // Writing to a `String` does not fail.
        let _ = writeln!(
            table,
            "| {} | {:.0} | {} | {} | {} | {} MiB | {} |",
            self.name,
            self.rate,
            ms(self.p50_us),
            ms(self.p99_us),
            ms(self.p999_us),
            self.peak_mib,
            if self.holds { "yes" } else { "**no**" },
        );
    }
}

/// The recorded events, where they are.
fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("COFFERDAM_SHARED")
        .map_or_else(|| root().join("../shared"), PathBuf::from);
    Some(shared.join("corpus")).filter(|corpus| corpus.is_dir())
}

/// A fresh data folder, removed at the end.
struct Data(PathBuf);

impl Data {
    fn new() -> Result<Self, String> {
        let folder = root().join(Path::new("target/bench-data"));
        let cannot = |error| format!("target/bench-data: {error}");
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(cannot)?;
        }
        fs::create_dir_all(&folder).map_err(cannot)?;
        Ok(Self(folder))
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        // What is left over is removed by the next run.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    const FIGURES: &str = "  59535 events/s received over 10.0 s; socket to socket p50 61 µs, \
        p99 245 µs, p99.9 355 µs; peak memory 86 MiB";

    #[test]
    fn the_figures_are_found_by_their_labels() {
        let outcome = Outcome::read("x", &["  ok   audit: 40 logs", FIGURES]).unwrap();
        assert_eq!((outcome.p50_us, outcome.p99_us, outcome.p999_us), (61, 245, 355));
        assert_eq!((outcome.rate, outcome.peak_mib, outcome.holds), (59_535.0, 86, true));
    }

    #[test]
    fn one_failed_line_fails_the_run() {
        let outcome = Outcome::read("x", &["  ok   audit: 1", "  FAIL arrival: 1", FIGURES]);
        assert!(!outcome.unwrap().holds);
        assert!(!Outcome::read("x", &[FIGURES]).unwrap().holds, "no line at all proves nothing");
        assert!(Outcome::read("x", &["  ok   audit: 1"]).is_none());
    }
}
