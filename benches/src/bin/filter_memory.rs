//! How many bytes a compiled rule takes, and how often matching allocates.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin filter_memory -- [--quick]
//! ```
//!
//! A program of its own, as the allocator that counts would slow those down that allocate for each
//! event. The bytes are what stays allocated once the rules are compiled, their text is gone and one
//! event was matched, so that an engine's buffers and what it puts off are in the figure.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a program that measures and prints")]

use std::process::ExitCode;

use cofferdam_benches::{
    SetupError, Share,
    engines::{Cofferdam, Engine, QuaminaCrate},
    stream::{Rules, Shape, Stream},
};

/// What a rule may take, in bytes.
const BAR: f64 = 200.0;
/// As many as the bar is about.
const MILLION: u32 = 1_000_000;
/// How many events the allocations are counted of, after as many that fill buffers.
const EVENTS: usize = 1_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("filter_memory: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), SetupError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = match args.as_slice() {
        [] => false,
        [quick] if quick == "--quick" => true,
        _ => return Err("usage: filter_memory [--quick]".into()),
    };
    println!("| | shape | rules | bytes a rule | most while compiling | allocations an event |");
    println!("|---|---|---:|---:|---:|---:|");
    for (shape, count) in [(Shape::A, 10), (Shape::A, 1_000), (Shape::A, 100_000)] {
        row::<Cofferdam>(shape, count)?;
    }
    let bytes = row::<Cofferdam>(Shape::A, MILLION)?;
    // Of shape B a compiler takes a hundred fewer: a million values with the states.
    for count in [1_000, 100_000, MILLION - 100] {
        row::<Cofferdam>(Shape::B, count)?;
    }
    row::<QuaminaCrate>(Shape::A, 10)?;
    row::<QuaminaCrate>(Shape::B, 1_000)?;
    if !quick {
        row::<QuaminaCrate>(Shape::B, 10_000)?;
    }
    let verdict = if bytes <= BAR { "reached" } else { "**missed**" };
    println!("\n- {verdict}: {BAR} bytes a rule at most, of a million of shape A: {bytes:.0}");
    Ok(())
}

/// Prints a row, and returns the bytes a rule.
fn row<E: Engine>(shape: Shape, count: u32) -> Result<f64, SetupError> {
    let rules = Rules::generate(shape, count);
    let stream = Stream::generate(&rules, Share(1), EVENTS);
    let text = E::text(&rules);
    let mut built = Err("not built".into());
    let held = allocation_counter::measure(|| {
        built = E::build(&text, stream.events().next().unwrap_or_default());
    });
    let mut engine = built?;
    drop(text);
    engine.pass(&stream);
    let matching = allocation_counter::measure(|| {
        engine.pass(&stream);
    });
    let of_rule = |bytes: f64| bytes / f64::from(count);
    let bytes = of_rule(held.bytes_current as f64);
    println!(
        "| {} | {shape:?} | {count} | {bytes:.0} | {:.0} | {:.1} |",
        E::NAME,
        of_rule(held.bytes_max as f64),
        matching.count_total as f64 / EVENTS as f64,
    );
    Ok(bytes)
}
