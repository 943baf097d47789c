//! One scratch, and one buffer for what is written, for the events of several tenants.

use std::fmt;

use cofferdam_core::pipeline::Redact;
use cofferdam_redact::{
    Policy, PolicyDocument, PolicyLimits, RedactionKey, Rule, Scratch, Strategy,
};
use cofferdam_sim::{
    assert_scratch_carries_nothing, rng,
    scratch::{Canary, MEMBERS},
};

use super::support::{EPOCH, ROOT, check, mask, rule};

/// What a worker keeps between events. What is in `out` is the caller's, and is not what is shown.
#[derive(Default)]
struct Kept {
    scratch: Scratch,
    out: Vec<u8>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.scratch)
    }
}

/// A policy of so many rules, with paths that lead deep. Some bear no growth, so that they give up
/// on an event of which a part is written already.
fn policy(tenant: &str, rules: usize, rng: &mut fastrand::Rng) -> Policy {
    // What a policy hashes it may not show the end of.
    let hashes = rng.bool();
    let rules: Vec<Rule> = (0..rules)
        .map(|_| {
            let member = *rng.choice(&MEMBERS).unwrap();
            let path = match rng.u8(..4) {
                0 => format!("$..{member}"),
                1 => format!("$.{member}"),
                2 => format!("$.{member}[*]"),
                _ => format!("$.*.{member}"),
            };
            match rng.u8(..4) {
                0 => rule(&path, Strategy::Omit),
                1 if hashes => rule(&path, Strategy::Hash),
                _ if hashes => mask(&path, "****"),
                1 => mask(&path, "XXXX"),
                _ => mask(&path, "**-XX-**********"),
            }
        })
        .collect();
    let document = PolicyDocument::new(tenant, rules);
    let limits = PolicyLimits::default();
    let limits = if rng.bool() { limits.with_max_growth(20) } else { limits };
    Policy::compile(&document, &RedactionKey::new(ROOT, EPOCH), limits).unwrap()
}

/// S04: what is written of an event is a function of the event and its policy. Half of the events are
/// handed over as sound though they are not, or grow too long, so that many walks end half-way.
#[test]
fn what_is_written_of_one_tenants_event_holds_nothing_of_those_before() {
    let mut rng = rng::seeded("what_is_written_of_one_tenants_event", 3);
    let (mut written, mut failed, mut unsound) = (0, 0, 0);
    for _ in 0..12 {
        let tenants = [("acme", Canary::new('7')), ("globex", Canary::new('3'))];
        let policies: Vec<_> = tenants
            .iter()
            .flat_map(|&(id, canary)| [30, 4, 0].map(|rules| (id, canary, rules)))
            .map(|(id, canary, rules)| (canary, policy(id, rules, &mut rng)))
            .collect();
        let jobs: Vec<_> = (0..80)
            .map(|_| {
                let (canary, policy) = rng.choice(&policies).unwrap();
                let event = canary.event(&mut rng);
                unsound += u32::from(check(&event).is_err());
                (*canary, (policy, event))
            })
            .collect();
        for (_, (policy, event)) in &jobs {
            let done = policy.redact(event, &mut Vec::new(), &mut Scratch::new());
            written += u32::from(done.is_ok_and(|done| done.total() > 0));
            failed += u32::from(done.is_err());
        }
        assert_scratch_carries_nothing(Kept::default, &jobs, |kept, (policy, event)| {
            // The pipeline clears it. Here it must not matter what stands before: `out` is appended to.
            let from = kept.out.len();
            let done = policy.redact(event, &mut kept.out, &mut kept.scratch);
            let mut seen = format!("{done:?} ").into_bytes();
            seen.extend_from_slice(&kept.out[from..]);
            seen
        });
    }
    assert!(written > 150 && failed > 150 && unsound > 150, "{written} {failed} {unsound}");
}
