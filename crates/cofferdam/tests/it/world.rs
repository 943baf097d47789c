//! Compartments to test with, and a disk in memory for their audit logs.
#![expect(clippy::disallowed_methods, reason = "tests mint their own contexts")]

use std::{collections::VecDeque, sync::Arc, time::Duration};

use cofferdam::{
    Compartment, Parts, audit, cursor, filter, json,
    queue::{self, LaneConfig},
    redact,
};
use cofferdam_core::{Authority, ConnectionId, ContextParts, Epoch, Now, TenantContext, TenantId};
use serde_json::{Value, json};

pub(crate) const WALL_MS: i64 = 1_790_000_000_000;

/// `ms` milliseconds after the start of the test.
pub(crate) fn at(ms: u64) -> Now {
    Now::from_millis(ms, WALL_MS + i64::try_from(ms).unwrap())
}

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(crate) fn authority() -> Authority {
    Authority::new([7; 16])
}

/// The context of a tenant's platform connection and, since it has the scope, of its consumers.
pub(crate) fn context(id: &str) -> TenantContext {
    context_of(&authority(), parts_of(id))
}

pub(crate) fn parts_of(id: &str) -> ContextParts {
    ContextParts {
        connection: ConnectionId(1),
        epoch: Epoch(1),
        expires_at_ms: i64::MAX,
        scopes: vec![String::from("events:read")],
        ..ContextParts::new(tenant(id), "platform")
    }
}

pub(crate) fn context_of(authority: &Authority, parts: ContextParts) -> TenantContext {
    authority.mint(parts)
}

/// Subscriptions, each an event type and a target, of events whose type is their `topicName`.
pub(crate) fn graph(id: &str, rules: &[(&str, &str)]) -> Arc<filter::FilterGraph> {
    graph_for(id, rules, None)
}

pub(crate) fn graph_for(
    id: &str,
    rules: &[(&str, &str)],
    organisation: Option<&str>,
) -> Arc<filter::FilterGraph> {
    let rule = |(kind, target): &(&str, &str)| json!({"eventType": kind, "targetQueue": target});
    let rules: Vec<Value> = rules.iter().map(rule).collect();
    let document = json!({"tenantId": id, "subscriptions": rules}).to_string();
    let document = filter::SubscriptionDocument::parse(document.as_bytes()).unwrap();
    let mapping = filter::Mapping::genesys_cloud();
    Arc::new(filter::Compiler::new([1; 16]).compile(&document, &mapping, organisation).unwrap())
}

/// A policy of these rules.
pub(crate) fn policy(id: &str, rules: &Value) -> Arc<redact::Policy> {
    let document = json!({"tenantId": id, "redactionRules": rules}).to_string();
    let mut scratch = json::Scratch::new([8; 16]);
    let document = redact::PolicyDocument::parse(document.as_bytes(), &mut scratch).unwrap();
    let key = redact::RedactionKey::new([2; 32], 1);
    let limits = redact::PolicyLimits::default();
    Arc::new(redact::Policy::compile(&document, &key, limits).unwrap())
}

pub(crate) fn signer(id: &str) -> audit::SigningKey {
    let origin = audit::Origin::parse(&format!("audit.test/{id}")).unwrap();
    audit::SigningKey::from_seed(origin, &[3; 32])
}

pub(crate) fn log(id: &str, max_waiting: u64) -> audit::Log {
    let signer = signer(id);
    let commitments = audit::CommitmentKey::derive(&[4; 32], signer.verifying_key().origin());
    let config = audit::Config::new(tenant(id), signer, commitments, Epoch(1));
    audit::Log::open(config.with_max_waiting(max_waiting), at(0))
}

pub(crate) fn tracker(id: &str, window: u32) -> cursor::Tracker {
    let stream = cursor::StreamId::new(tenant(id), "notifications").unwrap();
    let limits = cursor::TrackerLimits {
        window,
        commit_every: 5,
        commit_after: Duration::from_millis(20),
        ..cursor::TrackerLimits::default()
    };
    cursor::Tracker::resume(&cursor::Cursor::new(stream, Epoch(1), 0), limits)
}

/// Parts with these lanes, subscriptions and policy; the rest is small.
pub(crate) fn parts(
    id: &str,
    lanes: Vec<LaneConfig>,
    filter: Arc<filter::FilterGraph>,
    policy: Arc<redact::Policy>,
) -> Parts {
    let window = Duration::from_secs(60);
    let dedup = cursor::DedupKey::new([5; 16]);
    Parts {
        filter,
        policy,
        log: log(id, 4_096),
        queues: queue::Queues::new(tenant(id), queue::QueuesConfig::new(lanes)).unwrap(),
        new_lanes: LaneConfig::new("the target's name"),
        tracker: tracker(id, 4_096),
        dedup: cursor::Deduplicator::new(tenant(id), &dedup, 1_024, window),
        json_key: [6; 16],
    }
}

/// Parts that take every event whole into one lane, `queue://all`.
pub(crate) fn open_parts(id: &str) -> Parts {
    parts(id, vec![], graph(id, &[(">", "queue://all")]), policy(id, &json!([])))
}

/// A compartment of these parts, bound to its tenant's [`context`].
pub(crate) fn bound(id: &str, parts: Parts) -> Compartment {
    let mut compartment = Compartment::new(parts).unwrap();
    compartment.bind(&authority(), &context(id)).unwrap();
    compartment
}

/// A tenant's audit files, written when the test says so.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) leaves: Vec<u8>,
    pub(crate) checkpoints: Vec<u8>,
    waiting: VecDeque<(u64, Vec<u8>)>,
    failed: bool,
}

impl Disk {
    pub(crate) fn take(&mut self, effect: audit::Effect) {
        match effect {
            audit::Effect::Append { size, bytes, .. } => self.waiting.push_back((size, bytes)),
            audit::Effect::Checkpoint { note, .. } => {
                self.checkpoints.extend_from_slice(note.as_bytes());
            }
            other => panic!("an effect that this disk does not know: {other:?}"),
        }
    }

    /// Writes the oldest batch, and says what to tell the log.
    pub(crate) fn write(&mut self) -> Option<audit::Input> {
        let (size, bytes) = self.waiting.pop_front()?;
        self.leaves.extend_from_slice(&bytes);
        Some(audit::Input::Durable { size, spare: Vec::new() })
    }

    /// Loses the oldest batch.
    pub(crate) fn fail(&mut self) -> Option<audit::Input> {
        self.waiting.pop_front()?;
        self.failed = true;
        Some(audit::Input::AppendFailed)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    pub(crate) fn verify(
        &self,
        id: &str,
    ) -> Result<audit::verify::Report, audit::verify::VerifyError> {
        let stored =
            audit::Stored { leaves: &self.leaves, checkpoints: &self.checkpoints, remembered: &[] };
        audit::verify(signer(id).verifying_key(), &stored)
    }

    /// The facts in the file.
    pub(crate) fn facts(&self) -> Vec<audit::leaf::Leaf> {
        let stored = audit::Stored { leaves: &self.leaves, ..audit::Stored::default() };
        stored.leaf_bytes().map(|leaf| audit::leaf::Leaf::decode(leaf).unwrap()).collect()
    }
}
