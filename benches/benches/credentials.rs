//! A check of a credential beside the bare signature of the same backend and beside `jsonwebtoken`.
//!
//! `auth_checks` measures the same in turns and prints the ratios; this is for the statistics, and
//! for seeing what a change did.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion's macros are undocumented; a benchmark that cannot be set up has no other way on"
)]

use cofferdam::auth::Algorithm;
use cofferdam_benches::{
    checks::{Contender, TOKENS, contenders},
    tokens::Mint,
};
use cofferdam_tokio::Clock;
use criterion::{Criterion, criterion_group, criterion_main};

fn credentials(c: &mut Criterion) {
    // Other libraries read the real clock.
    let now = Clock::start().now();
    let mint = Mint::new(now).expect("keys are made");
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let mut group = c.benchmark_group(algorithm.name());
        let contenders = contenders(&mint, algorithm, now).expect("tokens are made");
        for Contender { name, mut check } in contenders {
            let mut next = 0;
            group.bench_function(name, |b| {
                b.iter(|| {
                    next = (next + 1) % TOKENS;
                    assert!(check(next), "a good token was refused");
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, credentials);
criterion_main!(benches);
