//! The proofs at work, with stages small enough to read.
#![expect(clippy::disallowed_methods, reason = "the tests of the pipeline mint their own contexts")]

use core::hash::Hasher;

use super::*;
use crate::{Authority, ConnectionId, ContextParts, Epoch};

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn authority() -> Authority {
    Authority::new([9; 16])
}

fn context(id: &str, connection: u64, epoch: u64) -> TenantContext {
    authority().mint(ContextParts {
        connection: ConnectionId(connection),
        epoch: Epoch(epoch),
        expires_at_ms: 1_000,
        ..ContextParts::new(tenant(id), "s")
    })
}

const NOW: Now = Now::from_millis(1, 1);

/// Every stage in one: says what it is told to say.
struct Stage {
    tenant: TenantId,
    says: Option<Reason>,
    leaves: u64,
}

impl Stage {
    fn of(id: &str) -> Self {
        Self { tenant: tenant(id), says: None, leaves: 0 }
    }
}

impl Scoped for Stage {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl Filter for Stage {
    type Scratch = [RouteId; 1];
    fn filter<'s>(&self, event: &[u8], scratch: &'s mut [RouteId; 1]) -> Verdict<'s> {
        match self.says {
            Some(reason) => Verdict::Refused(reason),
            None if event.is_empty() => Verdict::Unmatched,
            None => Verdict::Matched(scratch),
        }
    }
}

impl Validate for Stage {
    type Scratch = ();
    fn validate(&self, _: &TenantId, _: &[u8], (): &mut ()) -> Result<(), Reason> {
        self.says.map_or(Ok(()), Err)
    }
}

impl Redact for Stage {
    type Scratch = ();
    fn redact(&self, event: &[u8], out: &mut Vec<u8>, (): &mut ()) -> Result<Redactions, Reason> {
        out.extend_from_slice(event);
        match self.says {
            Some(reason) => Err(reason),
            None => Ok(Redactions { masked: 1, ..Redactions::default() }),
        }
    }
}

impl Record for Stage {
    fn record(&mut self, _: &Entry<'_>) -> Result<u64, Reason> {
        self.leaves += 1;
        self.says.map_or(Ok(self.leaves - 1), Err)
    }
}

fn run(context: &TenantContext, gate: &Gate, stages: &mut [Stage; 3]) -> Result<Recorded, Refusal> {
    let [filter, policy, log] = stages;
    let mut routes = [RouteId(3)];
    let mut out = Vec::new();
    gate.receive(context, b"{}", NOW, 41)?
        .filter(filter, &mut routes)?
        .expect("the stage matches whatever is not empty")
        .validate(&Stage::of("a"), &mut ())?
        .redact(policy, &mut out, &mut ())?
        .record(log)
}

#[test]
fn an_event_passes_through_its_own_tenants_stages() {
    let context = context("a", 1, 1);
    let gate = Gate::bind(&authority(), &context).unwrap();
    let recorded = run(&context, &gate, &mut ["a", "a", "a"].map(Stage::of)).unwrap();
    assert_eq!(recorded.tenant().as_str(), "a");
    assert_eq!((recorded.position(), recorded.leaf()), (41, 0));
    assert_eq!(recorded.routes(), [RouteId(3)]);
    assert_eq!(&recorded.body()[..], b"{}");
}

#[test]
fn refuses_a_stage_of_another_tenant_wherever_it_stands() {
    let context = context("a", 1, 1);
    let gate = Gate::bind(&authority(), &context).unwrap();
    for foreign in 0..3 {
        let mut stages = ["a", "a", "a"].map(Stage::of);
        stages[foreign].tenant = tenant("b");
        let refusal = run(&context, &gate, &mut stages).unwrap_err();
        assert_eq!(refusal.reason(), Reason::ForeignStage, "stage {foreign}");
        assert_eq!(refusal.tenant().as_str(), "a");
        assert_eq!(stages[2].leaves, 0, "nothing was recorded");
    }
}

/// S01: a desynchronised context after fail-over.
#[test]
fn a_gate_refuses_every_context_but_its_own() {
    let own = context("a", 1, 2);
    let gate = Gate::bind(&authority(), &own).unwrap();
    assert!(gate.receive(&own, b"{}", NOW, 0).is_ok());
    let other_process = Authority::new([8; 16]).mint(ContextParts {
        connection: ConnectionId(1),
        epoch: Epoch(2),
        expires_at_ms: 1_000,
        ..ContextParts::new(tenant("a"), "s")
    });
    for foreign in [context("b", 1, 2), context("a", 2, 2), context("a", 1, 1), other_process] {
        let refusal = gate.receive(&foreign, b"{}", NOW, 0).unwrap_err();
        assert_eq!(refusal.reason(), Reason::StampMismatch);
        assert_eq!(refusal.tenant().as_str(), "a", "audited under the compartment's own tenant");
    }
}

#[test]
fn a_gate_cannot_be_bound_to_a_context_of_another_authority() {
    let forged = Authority::new([8; 16]).mint(ContextParts::new(tenant("a"), "s"));
    let refusal = Gate::bind(&authority(), &forged).unwrap_err();
    assert_eq!(refusal.reason(), Reason::StampMismatch);
}

#[test]
fn nothing_enters_after_the_context_has_expired_or_over_the_bound() {
    let context = context("a", 1, 1);
    let gate = Gate::bind(&authority(), &context).unwrap().with_max_event_bytes(4);
    let late = gate.receive(&context, b"{}", Now::from_millis(1, 1_000), 0).unwrap_err();
    assert_eq!(late.reason(), Reason::Expired);
    let large = gate.receive(&context, b"{\"\":1}", NOW, 0).unwrap_err();
    assert_eq!(large.reason(), Reason::TooLarge);
}

#[test]
fn a_failed_redaction_leaves_nothing_behind() {
    let context = context("a", 1, 1);
    let gate = Gate::bind(&authority(), &context).unwrap();
    let mut routes = [RouteId(0)];
    let mut out = b"an older event".to_vec();
    let mut policy = Stage::of("a");
    policy.says = Some(Reason::RedactionFailed);
    let valid = gate
        .receive(&context, b"{\"ssn\":\"123\"}", NOW, 0)
        .and_then(|e| e.filter(&Stage::of("a"), &mut routes))
        .unwrap()
        .unwrap()
        .validate(&Stage::of("a"), &mut ())
        .unwrap();
    assert!(valid.redact(&policy, &mut out, &mut ()).is_err());
    assert!(out.is_empty());
}

#[test]
fn no_proof_shows_its_bytes() {
    let context = context("a", 1, 1);
    let gate = Gate::bind(&authority(), &context).unwrap();
    let received = gate.receive(&context, b"{\"ssn\":\"123\"}", NOW, 0).unwrap();
    assert!(!format!("{received:?}").contains("ssn"));
}

/// A MAC for tests only.
struct TestSeal(u64);

impl Seal for TestSeal {
    fn tag(&self, tenant: &TenantId, message: &[u8]) -> [u8; 32] {
        let mut tag = [0; 32];
        for (i, lane) in tag.chunks_mut(8).enumerate() {
            let mut mac = siphasher::sip::SipHasher24::new_with_keys(self.0, i as u64);
            mac.write_u64(tenant.as_str().len() as u64);
            mac.write(tenant.as_str().as_bytes());
            mac.write(message);
            lane.copy_from_slice(&mac.finish().to_le_bytes());
        }
        tag
    }
}

fn recorded() -> Recorded {
    let context = context("a", 1, 1);
    let gate = Gate::bind(&authority(), &context).unwrap();
    run(&context, &gate, &mut ["a", "a", "a"].map(Stage::of)).unwrap()
}

#[test]
fn a_sealed_event_comes_back_as_a_replay_of_itself() {
    let event = recorded();
    let mut stored = b"before".to_vec();
    event.seal(&TestSeal(1), &mut stored);
    let back = Recorded::unseal(&tenant("a"), &TestSeal(1), &stored[6..]).unwrap();
    assert!(back.is_replay() && !event.is_replay());
    assert_eq!((back.position(), back.leaf()), (event.position(), event.leaf()));
    assert_eq!((back.routes(), back.body()), (event.routes(), event.body()));
    assert_eq!(back.received_at().wall_ms(), event.received_at().wall_ms());
}

/// Q05, S06: swapped tenant, swapped payload, cut tag, old key.
#[test]
fn a_sealed_event_opens_for_its_tenant_only_and_only_whole() {
    let mut stored = Vec::new();
    recorded().seal(&TestSeal(1), &mut stored);
    assert!(Recorded::unseal(&tenant("b"), &TestSeal(1), &stored).is_err());
    assert!(Recorded::unseal(&tenant("a"), &TestSeal(2), &stored).is_err());
    for cut in 0..stored.len() {
        assert!(Recorded::unseal(&tenant("a"), &TestSeal(1), &stored[..cut]).is_err());
        let mut flipped = stored.clone();
        flipped[cut] ^= 1;
        assert!(Recorded::unseal(&tenant("a"), &TestSeal(1), &flipped).is_err());
    }
}
