//! What is compiled once: subscriptions, policy, keys.

use std::{collections::BTreeSet, error::Error, sync::Arc, time::Duration};

use cofferdam::{
    Parts,
    audit::{self, CommitmentKey, Log, Origin, SigningKey},
    core::{Authority, ConnectionId, ContextParts, Epoch, Now, TenantContext, TenantId},
    cursor::{Cursor, DedupKey, Deduplicator, StreamId, Tracker, TrackerLimits},
    filter::{Compiler, FilterGraph, Mapping, SubscriptionDocument},
    json,
    queue::{LaneConfig, Queues, QueuesConfig},
    redact::{Policy, PolicyDocument, PolicyLimits, RedactionKey},
};
use serde_json::{Value, json as document};

use crate::events;

/// The one target.
pub(crate) const TARGET: &str = "queue://events";
/// How long an event is remembered by the de-duplication.
pub(crate) const RETENTION: Duration = Duration::from_secs(30);
const WINDOW: u32 = 4_096;
const SCOPE: &str = "events:read";

/// A part does not compile.
pub type SetupError = Box<dyn Error + Send + Sync>;

/// The compiled parts of one tenant.
pub struct Setup {
    pub(crate) tenant: TenantId,
    pub(crate) authority: Authority,
    pub(crate) context: TenantContext,
    /// The subscriptions.
    pub filter: Arc<FilterGraph>,
    /// The redaction policy.
    pub policy: Arc<Policy>,
}

impl Setup {
    /// Subscriptions to `topics` under the same rules as `node/pipeline.mjs` has, and the three
    /// redaction rules that the documentation begins with.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if a document does not compile.
    pub fn new(topics: &BTreeSet<String>) -> Result<Self, SetupError> {
        let tenant = events::tenant().ok_or("the fleet is empty")?.id().clone();
        let authority = Authority::new([7; 16]);
        let context = authority.mint(ContextParts {
            connection: ConnectionId(1),
            scopes: vec![SCOPE.into()],
            expires_at_ms: i64::MAX,
            ..ContextParts::new(tenant.clone(), "platform")
        });
        let routes = subscriptions(&tenant, topics).to_string();
        let routes = SubscriptionDocument::parse(routes.as_bytes())?;
        let filter = Compiler::new([1; 16]).with_max_rules(1_000_000).compile(
            &routes,
            &Mapping::genesys_cloud(),
            None,
        )?;
        let mut scratch = json::Scratch::new([2; 16]);
        let rules = policy().to_string();
        let rules = PolicyDocument::parse(rules.as_bytes(), &mut scratch)?;
        let key = RedactionKey::new([3; 32], 1);
        let policy = Policy::compile(&rules, &key, PolicyLimits::default())?;
        Ok(Self { tenant, authority, context, filter: Arc::new(filter), policy: Arc::new(policy) })
    }

    /// A new audit log.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if its origin is none.
    pub fn log(&self, now: Now) -> Result<Log, SetupError> {
        let origin = Origin::parse("audit.example.com/6f1c")?;
        let signer = SigningKey::from_seed(origin.clone(), &[4; 32]);
        let commitments = CommitmentKey::derive(&[5; 32], &origin);
        let config = audit::Config::new(self.tenant.clone(), signer, commitments, Epoch(1));
        Ok(Log::open(config, now))
    }

    /// The parts of a compartment, nothing in them yet.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if a part refuses its configuration.
    pub fn parts(&self, now: Now) -> Result<Parts, SetupError> {
        let stream = StreamId::new(self.tenant.clone(), "notifications")?;
        let key = DedupKey::new([6; 16]);
        Ok(Parts {
            filter: Arc::clone(&self.filter),
            policy: Arc::clone(&self.policy),
            log: self.log(now)?,
            queues: Queues::new(self.tenant.clone(), QueuesConfig::new(Vec::new()))?,
            new_lanes: LaneConfig::new(TARGET),
            tracker: Tracker::resume(&Cursor::new(stream, Epoch(1), 0), TrackerLimits::default()),
            dedup: Deduplicator::new(self.tenant.clone(), &key, WINDOW, RETENTION),
            json_key: [8; 16],
        })
    }

    /// The context of the connection, which is also the consumer's.
    #[must_use]
    pub const fn context(&self) -> &TenantContext {
        &self.context
    }

    /// What checks the context's stamp.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// Two rules for each topic, as `node/pipeline.mjs` has them.
fn subscriptions(tenant: &TenantId, topics: &BTreeSet<String>) -> Value {
    let rules = topics.iter().flat_map(|topic| {
        [
            document!({
                "eventType": topic,
                "filters": { "version": ["2"], "eventBody.direction": ["inbound", "outbound"] },
                "targetQueue": TARGET,
            }),
            document!({
                "eventType": topic, "filters": { "version": ["2"] }, "targetQueue": TARGET,
            }),
        ]
    });
    document!({ "tenantId": tenant.as_str(), "subscriptions": rules.collect::<Vec<_>>() })
}

/// The three redaction rules, as a document that both pipelines read.
#[must_use]
pub fn policy() -> Value {
    let tenant = events::tenant().map(|tenant| tenant.id().to_string());
    document!({ "tenantId": tenant, "redactionRules": [
        { "path": "$..caller.phoneNumber", "strategy": "mask", "format": "***-**-*XX" },
        { "path": "$..interaction.contactId", "strategy": "hash", "algorithm": "SHA-256" },
        { "path": "$..telephony.call.recordingUrl", "strategy": "omit" },
    ] })
}
