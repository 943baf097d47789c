//! The whole pipeline of several tenants on one worker's buffers: scratch values and body.

use std::{fmt, sync::Arc};

use cofferdam::{filter, filter::StrictJson, json, redact};
use cofferdam_core::{
    Gate, Reason, Refusal, Scoped, TenantId,
    pipeline::{Entry, Record},
};
use cofferdam_sim::{
    assert_scratch_carries_nothing, rng,
    scratch::{Canary, MEMBERS, TYPES},
};
use serde_json::{Value, json};

use super::world::{at, authority, context, graph_for, policy, tenant};

/// What one worker would keep if it served all tenants. What was written last stays in `body` until
/// the next event is redacted, so that it is not the scratch's to show.
struct Kept {
    filter: filter::Scratch,
    json: json::Scratch,
    redact: redact::Scratch,
    body: Vec<u8>,
}

impl Kept {
    fn new() -> Self {
        Self {
            filter: filter::Scratch::default(),
            json: json::Scratch::new([6; 16]),
            redact: redact::Scratch::new(),
            body: Vec::new(),
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.filter, self.json, self.redact)
    }
}

/// A log that keeps what it is told.
struct Told(TenantId, Vec<u8>);

impl Scoped for Told {
    fn tenant(&self) -> &TenantId {
        &self.0
    }
}

impl Record for Told {
    fn record(&mut self, entry: &Entry<'_>) -> Result<u64, Reason> {
        self.1 = format!("{entry:?}").into_bytes();
        self.1.extend_from_slice(entry.body);
        Ok(entry.position)
    }
}

/// One event on its way, and what it meets there.
struct Job {
    tenant: &'static str,
    frame: Vec<u8>,
    graph: Arc<filter::FilterGraph>,
    policy: Arc<redact::Policy>,
}

/// Everything that leaves the pipeline. A refusal comes with the body: once redaction was tried it
/// is the event's own or empty.
fn run(kept: &mut Kept, job: &Job) -> Vec<u8> {
    let context = context(job.tenant);
    let gate = Gate::bind(&authority(), &context).unwrap();
    let refused = |refusal: Refusal| format!("{refusal:?}").into_bytes();
    let received = gate.receive(&context, &job.frame, at(5), 9).unwrap();
    let matched = match received.filter(&*job.graph, &mut kept.filter) {
        Ok(Some(matched)) => matched,
        Ok(None) => return b"unmatched".to_vec(),
        Err(refusal) => return refused(refusal),
    };
    let valid = match matched.validate(&StrictJson::default(), &mut kept.json) {
        Ok(valid) => valid,
        Err(refusal) => return refused(refusal),
    };
    let redacted = match valid.redact(&*job.policy, &mut kept.body, &mut kept.redact) {
        Ok(redacted) => redacted,
        Err(refusal) => return [refused(refusal), kept.body.clone()].concat(),
    };
    let mut log = Told(tenant(job.tenant), Vec::new());
    let recorded = redacted.record(&mut log).unwrap();
    let shown = format!("{recorded:?} {:?}", recorded.routes());
    [shown.as_bytes(), recorded.body(), &log.1].concat()
}

/// Subscriptions to a part of what the canaries' events are.
fn subscriptions(id: &str, count: usize, rng: &mut fastrand::Rng) -> Arc<filter::FilterGraph> {
    let targets: Vec<_> = (0..count).map(|number| format!("queue://{number}")).collect();
    let kinds = [&TYPES[..], &["t.*", "t.>", ">"]].concat();
    let rules: Vec<_> =
        targets.iter().map(|target| (*rng.choice(&kinds).unwrap(), target.as_str())).collect();
    graph_for(id, &rules, None)
}

fn rules(id: &str, count: usize, rng: &mut fastrand::Rng) -> Arc<redact::Policy> {
    let rules: Vec<Value> = (0..count)
        .map(|_| {
            let member = rng.choice(MEMBERS).unwrap();
            match rng.u8(..3) {
                0 => json!({ "path": format!("$..{member}"), "strategy": "hash" }),
                1 => json!({ "path": format!("$.{member}"), "strategy": "omit" }),
                _ => {
                    json!({ "path": format!("$.*.{member}"), "strategy": "mask", "format": "XXXX" })
                }
            }
        })
        .collect();
    policy(id, &rules.into())
}

fn job(canaries: &[(&'static str, Canary)], rng: &mut fastrand::Rng) -> (Canary, Job) {
    let (id, canary) = *rng.choice(canaries).unwrap();
    let (most_rules, foreign) = (*rng.choice(&[1, 6, 40]).unwrap(), rng.u8(..8));
    let of = |stage| if foreign == stage { "initech" } else { id };
    let graph = subscriptions(of(0), most_rules, rng);
    let policy = rules(of(1), most_rules, rng);
    (canary, Job { tenant: id, frame: canary.event(rng), graph, policy })
}

/// S04: what becomes of a tenant's event is the same on a worker that has just refused, lost half-way
/// or finished another tenant's, under other subscriptions and another policy.
#[test]
fn a_worker_that_serves_all_tenants_gives_each_what_it_would_have_alone() {
    let mut rng = rng::seeded("a_worker_that_serves_all_tenants", 4);
    let canaries = [("acme", Canary::new('7')), ("globex", Canary::new('3'))];
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..12 {
        let jobs: Vec<_> = (0..60).map(|_| job(&canaries, &mut rng)).collect();
        for (_, job) in &jobs {
            let seen = run(&mut Kept::new(), job);
            taken += u32::from(seen.starts_with(b"Recorded"));
            refused += u32::from(seen.starts_with(b"Refusal"));
        }
        assert_scratch_carries_nothing(Kept::new, &jobs, run);
    }
    assert!(taken > 100 && refused > 100, "{taken} taken and {refused} refused");
}
