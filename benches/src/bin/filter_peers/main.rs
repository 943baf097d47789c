//! What the filter costs an event beside other engines that match rules, and beside reading alone.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin filter_peers -- [--quick] [--events N]
//! ```
//!
//! Everyone gets the same rules and the same events ([`cofferdam_benches::stream`]) and must be right
//! about every event before it is timed. The time is CPU time of the thread, the median of five passes
//! over the whole stream, which is larger than the caches, so that events come from memory as they
//! do from a socket; those who are compared take turns. "Hot" is a few hundred events round and
//! round. `--quick` takes three passes and leaves out what needs gigabytes or seconds for one event.
//!
//! The `quamina` crate panics at 256 rules that share a value, so shape A ends for it at 10 rules.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a program that measures and prints")]

mod bars;
mod report;
mod timing;

use std::process::ExitCode;

use cofferdam::core::TenantId;
use cofferdam_benches::{
    SetupError, Share,
    engines::{
        AbsentByte, Batched, Cofferdam, EventPatterns, Ignored, QuaminaCrate, StrictCheck,
        StrictCofferdam, Tree,
    },
    stream::{self, Rules, Shape, Stream},
};
use report::{Report, Row};
use timing::Contender;

/// How many rules there are, of each shape. A compiler takes a million values, states included, so
/// the largest set of shape B is a hundred short of a million queues.
const SIZES: [(Shape, u32); 9] = [
    (Shape::A, 10),
    (Shape::A, READERS_AT),
    (Shape::A, 100_000),
    (Shape::A, 1_000_000),
    (Shape::B, 10),
    (Shape::B, 1_000),
    (Shape::B, 10_000),
    (Shape::B, 100_000),
    (Shape::B, 999_900),
];
/// Beside how many rules of shape A the readers are measured.
const READERS_AT: u32 = 1_000;
/// How many of a hundred events match; hot events and ratios are of the second.
const SHARES: [Share; 3] = [Share(0), Share(1), Share(50)];
/// How often the hot events go round in a turn.
const HOT_ROUNDS: usize = 100;

/// How much is measured.
struct Plan {
    quick: bool,
    events: usize,
    turns: usize,
}

impl Plan {
    fn of(mut args: impl Iterator<Item = String>) -> Result<Self, SetupError> {
        let mut plan = Self { quick: false, events: stream::COUNT, turns: 5 };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => (plan.quick, plan.turns) = (true, 3),
                "--events" => {
                    plan.events = args.next().ok_or("--events needs a number")?.parse()?;
                }
                _ => return Err("usage: filter_peers [--quick] [--events N]".into()),
            }
        }
        if plan.events < stream::HOT {
            return Err(format!("want at least {} events", stream::HOT).into());
        }
        Ok(plan)
    }

    fn has_quamina(&self, shape: Shape, rules: u32) -> bool {
        match shape {
            Shape::A => rules <= 10,
            // A hundred thousand patterns take it five gigabytes.
            Shape::B => rules <= if self.quick { 10_000 } else { 100_000 },
        }
    }
}

fn main() -> ExitCode {
    match Plan::of(std::env::args().skip(1)).and_then(|plan| run(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("filter_peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: &Plan) -> Result<(), SetupError> {
    let mut report = Report::default();
    for (shape, count) in SIZES {
        match_rules(plan, shape, count, &mut report)?;
    }
    report.worst = timing::worst(!plan.quick)?;
    report.print();
    bars::print(&report);
    Ok(())
}

/// Everyone who takes so many rules of this shape.
fn match_rules(
    plan: &Plan,
    shape: Shape,
    count: u32,
    report: &mut Report,
) -> Result<(), SetupError> {
    let rules = Rules::generate(shape, count);
    let mut contenders = vec![timing::build::<Cofferdam>(&rules, &mut report.built)?];
    // The same rules in the same tables, so its time to build is the filter's, here and below.
    if shape == Shape::A {
        contenders.push(timing::build::<Batched>(&rules, &mut Vec::new())?);
    }
    if plan.has_quamina(shape, count) {
        contenders.push(timing::build::<QuaminaCrate>(&rules, &mut report.built)?);
    }
    if (shape, count) == (Shape::A, READERS_AT) {
        contenders.push(timing::build::<EventPatterns>(&rules, &mut report.built)?);
        contenders.push(timing::build::<StrictCofferdam>(&rules, &mut Vec::new())?);
        contenders.extend(readers()?);
    }
    let of_share = |share| {
        let stream = Stream::generate(&rules, share, plan.events);
        contenders.iter_mut().try_for_each(|contender| contender.verify(&stream))?;
        let ns = timing::turns(&mut contenders, &stream, plan.turns, 1)?;
        // Nobody asks for the other shares' hot figures.
        let head = stream.head(if share == SHARES[1] { stream::HOT } else { 0 });
        let hot = timing::turns(&mut contenders, &head, plan.turns, HOT_ROUNDS)?;
        Ok((ns, hot, stream.byte_count() as f64 / stream.len() as f64))
    };
    let measured: Vec<_> = SHARES.map(of_share).into_iter().collect::<Result<_, SetupError>>()?;
    for (index, contender) in contenders.iter().enumerate() {
        report.rows.push(Row {
            name: contender.name,
            rules: contender.has_rules.then_some((shape, count)),
            ns: [0, 1, 2].map(|share: usize| measured[share].0[index]),
            hot: measured[1].1[index],
            bytes: measured[1].2,
        });
    }
    Ok(())
}

/// What has no rules.
fn readers() -> Result<[Contender; 4], SetupError> {
    let tenant = TenantId::parse("acme").map_err(|_| "no tenant id")?;
    Ok([
        Contender::reader("`memchr` of an absent byte", AbsentByte),
        Contender::reader("`serde_json`, `IgnoredAny`", Ignored),
        Contender::reader("`serde_json::Value`", Tree),
        Contender::reader("Cofferdam's strict check", StrictCheck::new(tenant)),
    ])
}
