//! The steps of `cargo xtask test`, cheapest first.

use std::time::Instant;

use crate::{
    instructions,
    tools::{cargo_tool, command, debian, output, root, run as run_command},
};

/// Seconds that each fuzz target runs; its corpus is replayed first.
const FUZZ_SECONDS: u32 = 5;

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<(), String>,
}

const STEPS: &[Step] = &[
    Step { name: "format", what: "rustfmt changes nothing", run: format },
    Step { name: "floors", what: "no crate of floors 0 and 1 names a runtime", run: floors },
    Step { name: "deny", what: "licences, bans and sources of all dependencies", run: deny },
    Step { name: "clippy", what: "no warning, the sans-IO and proof bans included", run: clippy },
    Step { name: "docs", what: "rustdoc without warnings", run: docs },
    Step { name: "console", what: "chromium for the console's test is there", run: browser },
    Step {
        name: "tests",
        what: "unit, integration, documentation and compile-fail tests",
        run: tests,
    },
    Step {
        name: "gateway",
        what: "the example end to end, built as its users build it",
        run: gateway,
    },
    Step {
        name: "instructions",
        what: "the filter takes as many instructions as are written down",
        run: instructions::check,
    },
    Step { name: "fuzz", what: "each fuzz target for a few seconds", run: fuzz },
];

pub(crate) fn list() {
    for step in STEPS {
        println!("{:10} {}", step.name, step.what);
    }
}

fn run_steps(steps: &[&Step]) -> Result<(), String> {
    let started = Instant::now();
    for step in steps {
        println!("\n== {}: {}", step.name, step.what);
        let began = Instant::now();
        (step.run)().map_err(|error| format!("\n{} failed: {error}", step.name))?;
        println!("== {} ok in {:.1} s", step.name, began.elapsed().as_secs_f32());
    }
    println!("\nall {} steps ok in {:.0} s", steps.len(), started.elapsed().as_secs_f32());
    Ok(())
}

pub(crate) fn run(names: &[String]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|s| s.name == **name)) {
        return Err(format!("no step named {unknown}; `cargo xtask steps` lists them"));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    let steps: Vec<&Step> = STEPS.iter().filter(wanted).collect();
    run_steps(&steps)
}

fn format() -> Result<(), String> {
    run_command(&mut command("cargo", &["fmt", "--all", "--check"]))
}

/// What `cargo tree` says, beside the layering test, which reads the table of the architecture.
fn floors() -> Result<(), String> {
    let sans_io =
        ["core", "json", "auth", "filter", "redact", "queue", "audit", "cursor", "schema"];
    for name in sans_io {
        let package = format!("cofferdam-{name}");
        let tree = output(&mut command(
            "cargo",
            &["tree", "-e", "normal", "--prefix", "none", "-p", &package],
        ))?;
        let runtimes = ["tokio ", "async-std ", "smol ", "hyper ", "mio "];
        if let Some(found) = tree.lines().find(|line| runtimes.iter().any(|r| line.starts_with(r)))
        {
            return Err(format!("{package} depends on {found}"));
        }
    }
    Ok(())
}

fn deny() -> Result<(), String> {
    cargo_tool("cargo-deny", "0.20.2")?;
    // Advisories need a database from the network; the other three do not.
    run_command(&mut command("cargo", &["deny", "check", "licenses", "bans", "sources"]))
}

fn clippy() -> Result<(), String> {
    let mut clippy = command("cargo", &["clippy", "--workspace", "--all-targets"]);
    run_command(clippy.args(["--", "-D", "warnings"]))
}

fn docs() -> Result<(), String> {
    let mut doc = command("cargo", &["doc", "--workspace", "--no-deps"]);
    run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn browser() -> Result<(), String> {
    debian("chromedriver", &["chromium", "chromium-driver"]).map(drop)
}

fn tests() -> Result<(), String> {
    run_command(&mut command("cargo", &["test", "--workspace"]))?;
    run_command(&mut command("cargo", &["test", "--workspace", "--doc"]))
}

/// A few seconds of every source that the example has: generated events, and the corpora.
fn gateway() -> Result<(), String> {
    let example = ["run", "--release", "--example", "gateway", "--"];
    let mut generated = command("cargo", &example);
    run_command(generated.args(["--duration", "8s", "--data", "target/gateway-ci"]))?;
    let corpus = std::env::var_os("COFFERDAM_SHARED")
        .map_or_else(|| root().join("../shared"), Into::into)
        .join("corpus");
    if !corpus.is_dir() {
        println!("SKIPPED: no corpus to replay; COFFERDAM_SHARED may name its folder's parent");
        return Ok(());
    }
    let mut replay = command("cargo", &example);
    replay.args(["--duration", "10s", "--data", "target/gateway-ci-replay"]);
    run_command(replay.arg("--replay").arg(corpus))
}

fn fuzz() -> Result<(), String> {
    cargo_tool("cargo-fuzz", "0.13.2")?;
    let targets = output(&mut command("cargo", &["fuzz", "list"]))?;
    for target in targets.lines() {
        let seconds = format!("-max_total_time={FUZZ_SECONDS}");
        // `-s none` runs on the stable toolchain; there is no unsafe code for a sanitizer to watch.
        let mut fuzz = command("cargo", &["fuzz", "run", "-s", "none", target]);
        run_command(fuzz.args(["--", &seconds, "-verbosity=0", "-print_final_stats=1"]))?;
    }
    Ok(())
}
