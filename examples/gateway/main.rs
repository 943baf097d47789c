//! The reference gateway: many tenants' event streams through one process, kept apart.
//!
//! ```text
//!  upstream/ (simulated platform)                       demo.rs (consumers)
//!        | WebSocket per tenant                                ^ WebSocket each
//!        v                                                     |
//!  link.rs --frames--> tenant.rs: one task, one Compartment --> sessions.rs
//!                          |  audit leaves, dead letters, cursors
//!                          v
//!                      storage.rs: one thread, group commit     control.rs: console, API, metrics
//! ```
//!
//! Your own gateway has no `upstream`, `demo` and `issuer`: those stand in for the world.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a program reads clocks, opens sockets and talks to a terminal"
)]

mod config;
mod control;
mod demo;
mod issuer;
mod keys;
mod link;
mod report;
mod sessions;
mod setup;
mod stats;
mod storage;
mod table;
mod tenant;
mod upstream;

use std::{process::ExitCode, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use clap::Parser;
use tokio::{signal, sync::watch, time};

use config::{Arguments, Settings};
use setup::Gateway;
use tenant::Phase;

fn main() -> ExitCode {
    let outcome = Settings::read(Arguments::parse()).and_then(|settings| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("the runtime did not start: {error}"))?;
        runtime.block_on(run(settings))
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("gateway: {message}");
            ExitCode::from(2)
        }
    }
}

/// Runs until Ctrl-C, the duration or the last event; `true` if the run's sums hold.
async fn run(settings: Settings) -> Result<bool, String> {
    let (phase, phases) = watch::channel(Phase::Running);
    let gateway = Gateway::start(&settings, phases).await?;
    println!("console    {}", gateway.console_address());
    println!("consumers  ws://{}/stream?queue={}", gateway.consumers, demo::QUEUE);
    println!("data       {}", settings.data.display());
    println!(
        "Ctrl-C drains, commits and proves the run; a second one does not wait for consumers.\n"
    );

    let began = time::Instant::now();
    let table = tokio::spawn(table::show(Arc::clone(&gateway.stats), settings.plain));
    tokio::select! {
        () = interrupted() => {}
        () = until(settings.duration) => {}
        () = exhausted(&gateway), if !settings.stay => {}
    }
    let ran = began.elapsed();

    table.abort();
    // Ends with the table off the screen, so that what follows is not drawn over.
    let _ = table.await;
    println!("\nstopping: no more is read, consumers have {:?} to finish", settings.drain);
    let upstream = gateway.upstream.stop().await;
    // What is in sockets and buffers still arrives.
    settle(&gateway.stats, upstream.sent + upstream.own).await;
    phase.send_replace(Phase::Draining);
    tokio::select! {
        () = drained(&gateway.stats, settings.drain) => {}
        () = interrupted() => {}
    }
    phase.send_replace(Phase::Closing);
    for task in gateway.tenants {
        let _ = task.await;
    }
    drop(gateway.storage_jobs);
    match tokio::task::spawn_blocking(move || gateway.storage_thread.join()).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => return Err(format!("storage failed: {error}")),
        _ => return Err("the storage thread died".to_owned()),
    }
    let report =
        report::conclude(&gateway.stats, &gateway.storage, &gateway.log_keys, upstream, ran);
    println!("\n{}", report.text);
    println!(
        "{}",
        if report.holds { "everything is accounted for" } else { "THE SUMS DO NOT HOLD" }
    );
    Ok(report.holds)
}

/// Returns at Ctrl-C, or at what a service manager sends instead.
async fn interrupted() {
    let terminated = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => _ = terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = signal::ctrl_c() => {}
        () = terminated => {}
    }
}

async fn until(duration: Option<Duration>) {
    match duration {
        Some(duration) => time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Returns once a limited upstream has sent everything.
async fn exhausted(gateway: &Gateway) {
    while !gateway.upstream.finished() {
        time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until everything that was sent was received, or nothing has come for a while.
async fn settle(stats: &stats::Stats, sent: u64) {
    let received = || -> u64 {
        stats.iter().map(|(_, one)| one.counts().received + one.control.load(Relaxed)).sum()
    };
    let (mut last, mut quiet) = (received(), 0);
    while last < sent && quiet < 20 {
        time::sleep(Duration::from_millis(50)).await;
        let now = received();
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
}

/// Waits until consumers have acknowledged everything, at most `longest`.
async fn drained(stats: &stats::Stats, longest: Duration) {
    let waiting = async {
        while stats.iter().any(|(_, tenant)| tenant.unsettled.load(Relaxed) > 0) {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    // What is left then becomes dead letters.
    let _ = time::timeout(longest, waiting).await;
}
