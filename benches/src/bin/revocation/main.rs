//! From the call that revokes to the close frame at the client, over ten thousand live WebSockets.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin revocation -- [--sessions N]
//! ```
//!
//! One process is the server: it checks a token of its own for each session, as a gateway does, and
//! opens the session in the registry. Another holds the other ends of the sockets, on loopback. Both
//! share the machine's cores, so what the clients cost is in the figures. The table is Markdown;
//! everything else goes to stderr.
//! The bar is 100 ms for the slowest of a hundred sessions.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that measures and prints"
)]

mod clients;
mod server;

use std::{error::Error, process::ExitCode, time::Duration};

use cofferdam::auth::Revoked;
use hdrhistogram::Histogram;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use server::{Stage, jti};

type Failure = Box<dyn Error + Send + Sync>;

/// What the slowest of a hundred sessions may take, in milliseconds.
const BAR_MS: f64 = 100.0;
/// The columns of the histogram: so many sessions were closed within so long.
const WITHIN_MS: [u64; 7] = [1, 2, 5, 10, 20, 50, 100];
/// How long anything may take before the run counts as failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// The close code of a revoked session.
const REVOKED: u16 = 4403;
/// The most tenants.
const TENANTS: usize = 100;
/// The fewest sessions of a tenant.
const EACH: usize = 10;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("revocation: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [name, address] if name == "--clients" => {
            allow_files()?;
            clients::run(address.parse()?)
        }
        [] => serve(10_000),
        [name, sessions] if name == "--sessions" => serve(sessions.parse()?),
        _ => Err("usage: [--sessions N]".into()),
    }
}

fn serve(sessions: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(sessions))
}

async fn measure(sessions: usize) -> Result<(), Failure> {
    allow_files()?;
    let tenants = (sessions / EACH).clamp(1, TENANTS);
    let within = WITHIN_MS.map(|ms| format!(" {ms} ms |")).concat();
    println!("| {sessions} live sessions; closed within |{within} p50 | p99 | max | |");
    println!("|---|{}---:|---:|---:|---|", "---:|".repeat(WITHIN_MS.len()));
    let stage = Stage::set(tenants, sessions).await?;
    let name = "one token, and then the next";
    calls(stage, name, (sessions / EACH).max(1), |stage, call| {
        let tenant = &stage.tenants[call % tenants];
        Ok(stage.registry.revoke(tenant, Revoked::Token(&jti(call)))?)
    })
    .await?;
    let stage = Stage::set(tenants, sessions).await?;
    let name = format!("everything of one of {tenants} tenants, and then of the next");
    calls(stage, &name, tenants, |stage, call| {
        Ok(stage.registry.revoke(&stage.tenants[call], Revoked::Everything)?)
    })
    .await?;
    let stage = Stage::set(1, sessions).await?;
    calls(stage, "everything of a tenant that has them all", 1, |stage, call| {
        Ok(stage.registry.revoke(&stage.tenants[call], Revoked::Everything)?)
    })
    .await?;
    let stage = Stage::set(tenants, sessions).await?;
    let name = format!("everything of all {tenants} tenants at once");
    calls(stage, &name, 1, |stage, _| {
        for tenant in &stage.tenants {
            stage.registry.revoke(tenant, Revoked::Everything)?;
        }
        Ok(())
    })
    .await
}

/// Makes so many calls, each after the sessions of the one before were all closed, and prints how
/// long it took each session from the beginning of its call.
async fn calls(
    mut stage: Stage,
    what: &str,
    calls: usize,
    revoke: impl Fn(&Stage, usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut took = Histogram::<u64>::new(3)?;
    for call in 0..calls {
        let before = stage.registry.len();
        let began = now_ns();
        revoke(&stage, call)?;
        for _ in stage.registry.len()..before {
            let (seen, code) = stage.closed().await?;
            if code != REVOKED {
                return Err(format!("a session ended with {code}").into());
            }
            took.record(seen.saturating_sub(began))?;
        }
    }
    if took.len() < calls as u64 {
        return Err("a call closed nothing".into());
    }
    let ms = |ns: u64| ns as f64 / 1e6;
    let p99 = ms(took.value_at_quantile(0.99));
    let within = WITHIN_MS.map(|ms| format!(" {} |", took.count_between(0, ms * 1_000_000)));
    let verdict = if p99 < BAR_MS { "reached" } else { "**missed**" };
    println!(
        "| {what} |{} {:.2} ms | {p99:.2} ms | {:.2} ms | {verdict} |",
        within.concat(),
        ms(took.value_at_quantile(0.5)),
        ms(took.max()),
    );
    Ok(())
}

/// The clock that all processes of the machine share, in nanoseconds.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |count: i64| u64::try_from(count).unwrap_or(0);
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

/// As many open files as this process may have.
fn allow_files() -> Result<(), Failure> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(())
}
