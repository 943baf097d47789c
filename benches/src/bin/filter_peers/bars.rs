//! What the figures are held against.

use cofferdam_benches::{
    engines::{Batched, Cofferdam, Engine, QuaminaCrate, StrictCofferdam},
    stream::Shape,
};

use crate::{READERS_AT, report::Report};

/// How many times as fast as `quamina` the filter is to be.
const QUAMINA: [(Shape, u32, f64); 3] =
    [(Shape::A, 10, 6.5), (Shape::B, 1_000, 18.0), (Shape::B, 100_000, 20.0)];
const TREE: f64 = 17.0;
/// The time of `memchr` that the filter may take.
const MEMCHR: f64 = 4.5;
/// The time of ten rules that a million may take, with 0, 1 and 50 % matched.
const MILLION: [(&str, f64); 3] = [("0 %", 1.5), ("1 %", 1.5), ("50 %", 2.0)];
const COMPILE_SECONDS: f64 = 2.5;
const WORST_US: f64 = 10.0;
/// The time of `IgnoredAny` that a strict verdict may take: 600 ns where that takes 800.
const STRICT: f64 = 0.75;

/// A bar, and what came of it.
struct Bar {
    what: String,
    aim: String,
    measured: String,
    reached: bool,
}

impl Bar {
    fn at_least(what: String, aim: f64, measured: f64) -> Self {
        let (aim_text, text) = (format!(">= {aim} x"), format!("{measured:.2} x"));
        Self { what, aim: aim_text, measured: text, reached: measured >= aim }
    }

    fn at_most(what: String, aim: f64, measured: f64, unit: &str) -> Self {
        let (aim_text, text) = (format!("<= {aim} {unit}"), format!("{measured:.2} {unit}"));
        Self { what, aim: aim_text, measured: text, reached: measured <= aim }
    }
}

/// Prints a table; a bar whose figures were not measured has no row.
pub(crate) fn print(report: &Report) {
    println!("\n| bar | aim | measured | |\n|---|---:|---:|---|");
    for Bar { what, aim, measured, reached } in bars(report) {
        let verdict = if reached { "reached" } else { "**missed**" };
        println!("| {what} | {aim} | {measured} | {verdict} |");
    }
}

fn bars(report: &Report) -> Vec<Bar> {
    let ours = |shape, rules| report.row(Cofferdam::NAME, Some((shape, rules)));
    let mut bars = Vec::new();
    for (shape, rules, aim) in QUAMINA {
        let theirs = report.row(QuaminaCrate::NAME, Some((shape, rules)));
        if let (Some(ours), Some(theirs)) = (ours(shape, rules), theirs) {
            let what = format!("`quamina`, shape {shape:?}, {rules} rules");
            bars.push(Bar::at_least(what, aim, theirs.ns[1] / ours.ns[1]));
        }
    }
    let read = |name| report.row(name, None).map(|row| row.ns[1]);
    if let Some(ours) = ours(Shape::A, READERS_AT).map(|row| row.ns[1]) {
        let tree = read("`serde_json::Value`").map(|theirs| theirs / ours);
        bars.extend(tree.map(|times| Bar::at_least("`serde_json::Value`".into(), TREE, times)));
        let bytes = read("`memchr` of an absent byte").map(|theirs| ours / theirs);
        bars.extend(bytes.map(|times| Bar::at_most("time of `memchr`".into(), MEMCHR, times, "x")));
    }
    for (name, how) in [(Cofferdam::NAME, "one by one"), (Batched::NAME, "16 at a time")] {
        let row = |rules| report.row(name, Some((Shape::A, rules)));
        let (Some(few), Some(many)) = (row(10), row(1_000_000)) else { continue };
        for (index, (share, aim)) in MILLION.into_iter().enumerate() {
            let what = format!("a million rules, time of ten, {how}, {share} matched");
            bars.push(Bar::at_most(what, aim, many.ns[index] / few.ns[index], "x"));
        }
    }
    let mut built = report.built.iter();
    let built = built.find(|built| built.shape == Shape::A && built.rules == 1_000_000);
    bars.extend(built.map(|built| {
        let what = "a million rules compiled, CPU time".into();
        Bar::at_most(what, COMPILE_SECONDS, built.seconds, "s")
    }));
    bars.extend(
        report
            .worst
            .first()
            .map(|worst| Bar::at_most("the worst event".into(), WORST_US, worst.ns / 1e3, "us")),
    );
    let strict = report.row(StrictCofferdam::NAME, Some((Shape::A, READERS_AT)));
    if let (Some(strict), Some(ignored)) = (strict, read("`serde_json`, `IgnoredAny`")) {
        let what = format!("strict verdicts, time of `IgnoredAny` ({:.0} ns)", strict.ns[1]);
        bars.push(Bar::at_most(what, STRICT, strict.ns[1] / ignored, "x"));
    }
    bars
}
