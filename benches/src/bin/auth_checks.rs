//! What a token check costs beside the bare signature, and beside other libraries.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin auth_checks -- [--seconds N]
//! ```
//!
//! Every contender takes its turn of a tenth of a second, again and again, and each figure is the
//! median of its turns: a machine that is slow for a while is slow for all. The tokens are 64
//! different ones. "Bare" is `aws-lc-rs` with a parsed key over the signing input, the signature
//! decoded beforehand: what no check on this backend can be faster than.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use cofferdam::auth::Algorithm;
use cofferdam_benches::{
    SetupError,
    checks::{Contender, TOKENS, contenders},
    tokens::Mint,
};
use cofferdam_tokio::Clock;

/// What the bar allows a full check of RS256, as a multiple of the bare signature.
const RS256_BAR: f64 = 1.25;
const TURN: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("auth_checks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), SetupError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seconds: u32 = match args.as_slice() {
        [] => 12,
        [name, seconds] if name == "--seconds" => seconds.parse()?,
        _ => return Err("usage: auth_checks [--seconds N]".into()),
    };
    // Other libraries read the real clock.
    let now = Clock::start().now();
    let mint = Mint::new(now)?;
    println!("| algorithm | bare signature | full check | ratio | jsonwebtoken 11 | remembered |");
    println!("|---|---:|---:|---:|---:|---:|");
    let mut verdicts = Vec::new();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let mut contenders = contenders(&mint, algorithm, now)?;
        let [bare, full, peer, hit] =
            medians(&mut contenders, Duration::from_secs(seconds.into()) / 3)?;
        let ratio = full / bare;
        println!(
            "| {} | {bare:.2} us | {full:.2} us | {ratio:.2} | {peer:.2} us | {hit:.2} us |",
            algorithm.name(),
        );
        if algorithm == Algorithm::Rs256 {
            verdicts.push((
                ratio <= RS256_BAR,
                format!("RS256 within {RS256_BAR} of bare: {ratio:.2}"),
            ));
        }
        verdicts.push((
            hit < 1.0,
            format!("a remembered {} under 1 us: {hit:.2} us", algorithm.name()),
        ));
    }
    println!();
    for (reached, what) in verdicts {
        println!("- {}: {what}", if reached { "reached" } else { "**missed**" });
    }
    Ok(())
}

/// Microseconds of each contender, the median of its turns.
fn medians<const N: usize>(
    contenders: &mut [Contender; N],
    lasting: Duration,
) -> Result<[f64; N], SetupError> {
    let mut turns = [const { Vec::new() }; N];
    let rounds = (lasting.as_secs_f64() / (TURN.as_secs_f64() * N as f64)).ceil() as usize;
    // The first round warms up.
    for round in 0..=rounds.max(3) {
        for (contender, turns) in contenders.iter_mut().zip(&mut turns) {
            let began = Instant::now();
            let mut done = 0u32;
            while began.elapsed() < TURN {
                for i in 0..TOKENS {
                    if !black_box((contender.check)(black_box(i))) {
                        return Err("a good token was refused".into());
                    }
                }
                done += TOKENS as u32;
            }
            if round > 0 {
                turns.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(done));
            }
        }
    }
    Ok(turns.map(|mut turns| {
        turns.sort_by(f64::total_cmp);
        turns[turns.len() / 2]
    }))
}
