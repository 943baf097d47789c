//! The log as the `Record` stage of a pipeline, with real proofs, and what may not get into it.
#![expect(clippy::disallowed_methods, reason = "these tests mint their own contexts")]

use cofferdam_audit::{
    CommitmentKey, Config, Effect, EventCode, Fact, Input, Log, SigningKey, checkpoint::Checkpoint,
    leaf::Leaf, tree, verify,
};
use cofferdam_core::{
    Authority, ConnectionId, ContextParts, Epoch, Gate, Machine, Reason, Refusal, Scoped, TenantId,
    pipeline::{Filter, Record, Recorded, Redact, Redactions, RouteId, Validate, Verdict},
};

use super::support::{
    COMMITMENT_SECRET, FRAME_LEN, Files, LEAF_LEN, SIGNING_SEED, at, config, key, origin, tenant,
};

/// Lets everything pass.
struct Open(TenantId);

impl Scoped for Open {
    fn tenant(&self) -> &TenantId {
        &self.0
    }
}

impl Filter for Open {
    type Scratch = [RouteId; 1];
    fn filter<'s>(&self, _: &[u8], scratch: &'s mut [RouteId; 1]) -> Verdict<'s> {
        Verdict::Matched(scratch)
    }
}

impl Validate for Open {
    type Scratch = ();
    fn validate(&self, _: &TenantId, _: &[u8], (): &mut ()) -> Result<(), Reason> {
        Ok(())
    }
}

impl Redact for Open {
    type Scratch = ();
    fn redact(&self, event: &[u8], out: &mut Vec<u8>, (): &mut ()) -> Result<Redactions, Reason> {
        out.extend_from_slice(event);
        Ok(Redactions::default())
    }
}

fn record(id: &str, body: &[u8], position: u64, log: &mut dyn Record) -> Result<Recorded, Refusal> {
    let authority = Authority::new([9; 16]);
    let context = authority.mint(ContextParts {
        connection: ConnectionId(1),
        epoch: Epoch(1),
        expires_at_ms: i64::MAX,
        ..ContextParts::new(tenant(id), "CANARY-subject")
    });
    let (stage, mut out, mut routes) = (Open(tenant(id)), Vec::new(), [RouteId(0)]);
    Gate::bind(&authority, &context)?
        .receive(&context, body, at(1), position)?
        .filter(&stage, &mut routes)?
        .expect("everything matches")
        .validate(&stage, &mut ())?
        .redact(&stage, &mut out, &mut ())?
        .record(log)
}

fn leaf(files: &Files, index: usize) -> Leaf {
    Leaf::decode(&files.leaves[files.frame(index)..][..LEAF_LEN]).unwrap()
}

#[test]
fn a_recorded_event_names_its_leaf_and_the_leaf_commits_to_its_body() {
    let (mut log, mut files) = (Log::open(config("a"), at(0)), Files::default());
    let event = record("a", b"{\"a\":1}", 41, &mut log).unwrap();
    files.tell(&mut log, Input::Seal, at(2));
    assert!(verify(&key("a"), &files.stored()).is_ok());
    let leaf = leaf(&files, event.leaf() as usize);
    assert_eq!((leaf.code, leaf.position), (EventCode::EventRecorded, 41));
    let commitments = CommitmentKey::derive(&COMMITMENT_SECRET, &origin("a"));
    assert!(commitments.opening(event.leaf()).opens(&leaf.commitment, event.body()));
    assert!(!commitments.opening(event.leaf()).opens(&leaf.commitment, b"{\"a\":2}"));
    // Without the right secret the body cannot even be guessed at.
    let other = CommitmentKey::derive(&[0; 32], &origin("a"));
    assert!(!other.opening(event.leaf()).opens(&leaf.commitment, event.body()));
}

/// Promise 13: one leaf is shown and proved, and of the others nothing but hashes.
#[test]
fn one_leaf_can_be_proved_without_showing_another() {
    let (mut log, mut files) = (Log::open(config("a"), at(0)), Files::default());
    let events = [0, 1, 2, 3].map(|i| record("a", b"{}", i, &mut log).unwrap());
    files.tell(&mut log, Input::Seal, at(2));
    let hashes: Vec<_> = files.stored().leaf_bytes().map(tree::leaf_hash).collect();
    let checkpoint = Checkpoint::open(&files.checkpoints, &key("a")).unwrap();
    for event in events {
        let shown = files.stored().leaf_bytes().nth(event.leaf() as usize).unwrap();
        let proof = tree::inclusion_proof(&hashes, event.leaf() as usize).unwrap();
        let leaf = tree::leaf_hash(shown);
        let Checkpoint { size, root } = checkpoint;
        assert_eq!(tree::verify_inclusion(&leaf, event.leaf(), size, &root, &proof), Ok(()));
        assert_eq!(Leaf::decode(shown).unwrap().position, event.position());
        assert_eq!(proof.len(), if event.leaf() < 4 { 3 } else { 1 });
    }
}

#[test]
fn equal_events_have_unequal_commitments() {
    let (mut log, mut files) = (Log::open(config("a"), at(0)), Files::default());
    let [one, two] = [0, 1].map(|i| record("a", b"yes", i, &mut log).unwrap().leaf() as usize);
    files.tell(&mut log, Input::Seal, at(2));
    assert_ne!(leaf(&files, one).commitment, leaf(&files, two).commitment);
}

/// D02: an event of one tenant cannot be recorded in another's log, as a program or as a trait.
#[test]
fn refuses_an_event_of_another_tenant_and_takes_no_leaf() {
    let mut log = Log::open(config("a"), at(0));
    let refusal = record("b", b"{}", 0, &mut log).unwrap_err();
    assert_eq!((refusal.reason(), refusal.tenant().as_str()), (Reason::ForeignStage, "b"));
    assert_eq!(log.size(), 1, "only the leaf that opened it");
}

#[test]
fn an_event_that_cannot_be_audited_is_refused() {
    let mut log = Log::open(config("a"), at(0));
    let mut effects = Vec::new();
    log.handle_input(Input::AppendFailed, at(1), &mut effects);
    assert_eq!(record("a", b"{}", 0, &mut log).unwrap_err().reason(), Reason::AuditUnavailable);
}

/// D07 and promise 4: neither a body nor a secret nor a subject is in anything that comes out.
#[test]
fn no_byte_of_a_payload_or_secret_is_in_any_output() {
    const BODY: &[u8] = b"CANARY-body\n\x1b[2J\xE2\x80\xAEcofferdam-audit/v1 audit.test/a\nCANARY";
    let (mut log, mut files, mut shown) =
        (Log::open(config("a"), at(0)), Files::default(), String::new());
    let secrets: [&[u8]; 4] = [b"CANARY", b"\x1b[2J", &SIGNING_SEED, &COMMITMENT_SECRET];
    for position in 0..50 {
        shown += &format!("{:?}", record("a", BODY, position, &mut log).unwrap());
    }
    let refused = Fact::new(EventCode::EventRefused).because(Reason::Malformed);
    let mut effects = Vec::new();
    log.handle_input(Input::Fact(refused), at(2), &mut effects);
    log.handle_input(Input::Seal, at(2), &mut effects);
    shown += &format!("{effects:?} {log:?} {:?}", config("a"));
    files.drive(&mut log, at(2), &mut effects);
    shown += &format!("{:?}", verify(&key("a"), &files.stored()));
    shown += &record("b", BODY, 0, &mut log).unwrap_err().to_string();

    let holds = |output: &[u8], secret: &[u8]| output.windows(secret.len()).any(|w| w == secret);
    for secret in secrets {
        for output in [&files.leaves, &files.checkpoints, shown.as_bytes()] {
            assert!(!holds(output, secret), "{}", String::from_utf8_lossy(secret));
            let in_decimal = format!("{secret:?}");
            assert!(!holds(output, in_decimal.trim_matches(['[', ']']).as_bytes()));
        }
    }
    assert!(holds(BODY, b"CANARY"), "the search finds what is there");
    assert_eq!(files.leaves.len(), files.frame(52), "one header and 52 frames, nothing else");
    assert!(!holds(&files.leaves[files.header_len()..], b"audit.test/a"));
    assert_eq!((files.leaves.len() - files.header_len()) % FRAME_LEN, 0);
}

/// The tenant's id is not in its files either: whoever is shown a proof learns an opaque origin.
#[test]
fn the_files_do_not_name_the_tenant() {
    let opaque = origin("6f1c");
    let signer = SigningKey::from_seed(opaque.clone(), &SIGNING_SEED);
    let commitments = CommitmentKey::derive(&COMMITMENT_SECRET, &opaque);
    let config = Config::new(tenant("acme-retail-na"), signer, commitments, Epoch(1));
    let (mut log, mut files) = (Log::open(config, at(0)), Files::default());
    record("acme-retail-na", b"{}", 0, &mut log).unwrap();
    let mut effects = Vec::new();
    log.handle_input(Input::Seal, at(1), &mut effects);
    assert!(effects.iter().all(|effect: &Effect| effect.tenant().as_str() == "acme-retail-na"));
    files.drive(&mut log, at(1), &mut effects);
    for file in [&files.leaves, &files.checkpoints] {
        assert!(!String::from_utf8_lossy(file).contains("acme"));
    }
}
