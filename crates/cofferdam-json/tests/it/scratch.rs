//! One scratch for the events of several tenants.

use cofferdam_json::{Limits, Scratch, check};
use cofferdam_sim::{
    assert_scratch_carries_nothing, rng,
    scratch::{Canary, MEMBERS},
};

/// An object of so many names, which are the same in every event and to every tenant; the last one
/// twice, if asked for.
fn wide(names: usize, twice: bool) -> Vec<u8> {
    let mut members: Vec<_> = (0..names).map(|name| format!("\"n{name}\":0")).collect();
    members.extend(twice.then(|| format!("\"\\u006e{}\":1", names - 1)));
    format!("{{{}}}", members.join(",")).into_bytes()
}

fn event(canary: Canary, rng: &mut fastrand::Rng) -> Vec<u8> {
    match rng.u8(..6) {
        // What is new for one tenant was seen with another, in tables of the same size.
        0 => wide(rng.usize(1..80), rng.bool()),
        1 => format!("{{\"{}\":{{\"kind\":0}},\"kind\":1}}", MEMBERS[0]).into_bytes(),
        _ => canary.event(rng),
    }
}

/// S04: what an event is judged as depends on no event before it: not on names in the table, nor on
/// objects that a refused one left open.
#[test]
fn one_tenants_events_are_judged_alike_whoevers_were_judged_before() {
    let mut rng = rng::seeded("one_tenants_events_are_judged_alike", 1);
    for _ in 0..40 {
        let jobs: Vec<_> = (0..60)
            .map(|_| {
                let canary = Canary::new(*rng.choice(&['3', '7']).unwrap());
                let limits = Limits::new(rng.usize(200..60_000), rng.u32(2..80));
                (canary, (event(canary, &mut rng), limits))
            })
            .collect();
        assert_scratch_carries_nothing(
            || Scratch::new([9; 16]),
            &jobs,
            |scratch, (event, limits)| format!("{:?}", check(event, limits, scratch)).into_bytes(),
        );
    }
}
