//! How long it takes until an added or removed rule counts, and what it costs events.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin filter_live -- [--quick]
//! ```
//!
//! A change is timed from the call to the new graph, by the wall's clock. Nobody who judges events waits
//! meanwhile: they have a graph in hand.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures by the wall's clock and prints"
)]

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use cofferdam::filter::{LiveRules, Subscription, SubscriptionDocument};
use cofferdam_benches::{
    SetupError, Share,
    engines::{Cofferdam, Matcher},
    stream::{Rules, Shape, Stream},
    thread_cpu_time,
};

/// How long a change may take at a million rules.
const BAR: Duration = Duration::from_millis(1);
const CHANGES: usize = 1_000;
const EVENTS: usize = 20_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("filter_live: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), SetupError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let counts: &[u32] = match args.as_slice() {
        [] => &[1_000, 100_000, 1_000_000],
        [quick] if quick == "--quick" => &[1_000, 100_000],
        _ => return Err("usage: filter_live [--quick]".into()),
    };
    println!("| rules | change | median | p99 | longest | ns an event before | and after |");
    println!("|---:|---|---:|---:|---:|---:|---:|");
    let mut worst = Duration::ZERO;
    for &count in counts {
        worst = worst.max(rows(count)?);
    }
    let verdict = if worst <= BAR { "reached" } else { "**missed**" };
    println!("\n- {verdict}: {BAR:?} for a change, p99 of each kind: {worst:.0?}");
    Ok(())
}

/// Adds a thousand rules, takes them out again, and takes out a thousand of the first ones.
fn rows(count: u32) -> Result<Duration, SetupError> {
    let rules = Rules::generate(Shape::A, count);
    let stream = Stream::generate(&rules, Share(1), EVENTS);
    let (added, first) = {
        let document = SubscriptionDocument::parse_up_to(&rules.document(), 1 << 29)?;
        let others = Rules::generate(Shape::A, count.max(CHANGES as u32) + 7);
        let others = SubscriptionDocument::parse_up_to(&others.document(), 1 << 29)?;
        let some = |document: SubscriptionDocument| {
            document.subscriptions.into_iter().rev().take(CHANGES).collect::<Vec<_>>()
        };
        (some(others), some(document))
    };
    let mut live = Cofferdam::live(&rules.document())?;
    let mut worst = Duration::ZERO;
    let mut row = |name: &str,
                   live: &mut LiveRules,
                   change: &dyn Fn(&mut LiveRules, &Subscription) -> Result<(), SetupError>,
                   rules: &[Subscription]| {
        let before = ns_an_event(live, &stream);
        let mut times = Vec::with_capacity(rules.len());
        for rule in rules {
            let began = Instant::now();
            change(live, rule)?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        let after = ns_an_event(live, &stream);
        println!(
            "| {count} | {name} | {:.0?} | {:.0?} | {:.0?} | {before:.0} | {after:.0} |",
            at(50),
            at(99),
            times.last().copied().unwrap_or_default(),
        );
        worst = worst.max(at(99));
        Ok::<(), SetupError>(())
    };
    let add = |live: &mut LiveRules, rule: &Subscription| Ok(live.add(rule)?);
    let remove = |live: &mut LiveRules, rule: &Subscription| match live.remove(rule) {
        true => Ok(()),
        false => Err("a rule that was there was not found".into()),
    };
    row("100 added", &mut live, &add, &added[..100])?;
    row("900 more added", &mut live, &add, &added[100..])?;
    row("those taken out", &mut live, &remove, &added)?;
    row("1,000 first ones taken out", &mut live, &remove, &first)?;
    Ok(worst)
}

fn ns_an_event(live: &LiveRules, stream: &Stream) -> f64 {
    let mut engine = Cofferdam::of(live);
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = thread_cpu_time();
        std::hint::black_box(engine.pass(stream));
        best = best.min((thread_cpu_time() - began).as_secs_f64());
    }
    best * 1e9 / stream.len() as f64
}
