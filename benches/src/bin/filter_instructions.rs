//! What `cargo xtask test` counts the instructions of: times are noisy, instructions are not.
//!
//! ```text
//! filter_instructions <case>
//! ```
//!
//! Run under callgrind, which counts while `counted` runs. It prints how many events it judged. Without a
//! case it prints the names of all, or nothing on a machine whose instructions the counts are not of.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a program that measures and prints")]

use std::process::ExitCode;

use cofferdam_benches::{
    SetupError, Share,
    engines::{Batched, Cofferdam, Engine, EventPatterns, Matcher, StrictCofferdam},
    stream::{Rules, Shape, Stream},
};

const CASES: [&str; 6] = [
    "10 rules",
    "1,000 rules",
    "1,000 rules, half of the events match",
    "1,000 rules, 16 events at a time",
    "1,000 rules, strict check first",
    "1,000 event patterns",
];
const EVENTS: usize = 1_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("filter_instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), SetupError> {
    let Some(case) = std::env::args().nth(1) else {
        if has_avx2() {
            CASES.iter().for_each(|case| println!("{case}"));
        }
        return Ok(());
    };
    let at = CASES.iter().position(|known| *known == case).ok_or("no such case")?;
    let (rules, share) = match at {
        0 => (10, 1),
        2 => (1_000, 50),
        _ => (1_000, 1),
    };
    let rules = Rules::generate(Shape::A, rules);
    let stream = Stream::generate(&rules, Share(share), EVENTS);
    match at {
        3 => case_of::<Batched>(&rules, &stream),
        4 => case_of::<StrictCofferdam>(&rules, &stream),
        5 => case_of::<EventPatterns>(&rules, &stream),
        _ => case_of::<Cofferdam>(&rules, &stream),
    }
}

/// Once to fill buffers, and once more.
fn case_of<E: Engine>(rules: &Rules, stream: &Stream) -> Result<(), SetupError> {
    let mut engine = E::build(&E::text(rules), stream.events().next().unwrap_or_default())?;
    engine.pass(stream);
    if counted(&mut engine, stream) != stream.route_count() {
        return Err("not every event was judged rightly".into());
    }
    println!("{EVENTS}");
    Ok(())
}

#[inline(never)]
fn counted(engine: &mut impl Matcher, stream: &Stream) -> u64 {
    engine.pass(stream)
}

/// The counts are those of this path: callgrind knows no wider one.
fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}
