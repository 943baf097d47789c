//! The filter on one event at a time, events and tables in the caches.
//!
//! `filter_peers` measures whole streams beside other engines and prints the ratios; this is for the
//! statistics, and for seeing what a change did.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion's macros are undocumented; a benchmark that cannot be set up has no other way on"
)]

use cofferdam_benches::{
    Share,
    engines::{Cofferdam, Engine, Matcher},
    stream::{HOT, Rules, Shape, Stream, Worst},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const RULES: u32 = 1_000;

fn events(c: &mut Criterion) {
    let rules = Rules::generate(Shape::A, RULES);
    let mut group = c.benchmark_group("filter");
    for share in [Share(0), Share(1), Share(50)] {
        let stream = Stream::generate(&rules, share, HOT);
        let mut engine = Cofferdam::build(&Cofferdam::text(&rules), b"{}").expect("it compiles");
        stream.verify(&mut engine).expect("it is right about every event");
        let events: Vec<&[u8]> = stream.events().collect();
        let mut next = 0;
        group.throughput(Throughput::Bytes((stream.byte_count() / HOT) as u64));
        group.bench_function(format!("{} % of hot events matched", share.0), |b| {
            b.iter(|| {
                next = (next + 1) % HOT;
                engine.matches(events[next])
            });
        });
    }
    group.finish();
}

fn worst(c: &mut Criterion) {
    let (worst, mut group) = (Worst::MEASURED, c.benchmark_group("filter"));
    let event = worst.event();
    let mut engine = Cofferdam::build(&Cofferdam::worst_text(&worst), b"{}").expect("it compiles");
    assert_eq!(engine.matches(&event), 1, "the worst event matches");
    group.throughput(Throughput::Bytes(event.len() as u64));
    group.bench_function("the worst event", |b| b.iter(|| engine.matches(&event)));
    group.finish();
}

criterion_group!(benches, events, worst);
criterion_main!(benches);
