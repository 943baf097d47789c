//! Keep tenants apart in shared real-time infrastructure: the typed pipeline, composed.
//!
//! A [`Compartment`] owns everything of one tenant: its gate, subscriptions, redaction policy,
//! queues, audit log and cursor. Frames go in with the context of the connection that they came on;
//! effects come out, each of them the tenant's own: deliver this, pause the reader, store that dead
//! letter, append to the audit file, commit the cursor. It waits for nothing and touches nothing
//! outside itself, so a driver can run many of them on a few threads, and a test can run them under
//! virtual time.
//!
//! The crates that it composes are re-exported under short names and work without it; take those
//! you need and wire them around your own transport. This crate opens no sockets (see
//! `cofferdam-tokio`) and writes no files (see `cofferdam-redb`).
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use cofferdam::{Compartment, Fate, Parts, Receipt, audit, cursor, filter, json, queue, redact};
//! use cofferdam::core::{Authority, ConnectionId, ContextParts, Epoch, Now, TenantId};
//!
//! let tenant = TenantId::parse("acme-retail-na")?;
//! let now = Now::from_millis(0, 1_790_000_000_000);
//!
//! let routes = filter::SubscriptionDocument::parse(br#"{
//!     "tenantId": "acme-retail-na",
//!     "subscriptions": [{ "eventType": "v2.users.*.presence", "targetQueue": "queue://presence" }]
//! }"#)?;
//! let graph = filter::Compiler::new([1; 16]).compile(&routes, &filter::Mapping::genesys_cloud(), None)?;
//! let rules = br#"{
//!     "tenantId": "acme-retail-na",
//!     "redactionRules": [{ "path": "$..phoneNumber", "strategy": "omit" }]
//! }"#;
//! let rules = redact::PolicyDocument::parse(rules, &mut json::Scratch::new([8; 16]))?;
//! let key = redact::RedactionKey::new([2; 32], 1);
//! let origin = audit::Origin::parse("audit.example.com/6f1c")?;
//! let log = audit::Log::open(
//!     audit::Config::new(
//!         tenant.clone(),
//!         audit::SigningKey::from_seed(origin.clone(), &[3; 32]),
//!         audit::CommitmentKey::derive(&[4; 32], &origin),
//!         Epoch(1),
//!     ),
//!     now,
//! );
//! let stream = cursor::StreamId::new(tenant.clone(), "notifications")?;
//! let mut compartment = Compartment::new(Parts {
//!     filter: Arc::new(graph),
//!     policy: Arc::new(redact::Policy::compile(&rules, &key, redact::PolicyLimits::default())?),
//!     log,
//!     queues: queue::Queues::new(tenant.clone(), queue::QueuesConfig::new(vec![]))?,
//!     new_lanes: queue::LaneConfig::new("the target's name"),
//!     tracker: cursor::Tracker::resume(
//!         &cursor::Cursor::new(stream, Epoch(1), 0),
//!         cursor::TrackerLimits::default(),
//!     ),
//!     dedup: cursor::Deduplicator::new(
//!         tenant.clone(), &cursor::DedupKey::new([5; 16]), 1_024, std::time::Duration::from_secs(60),
//!     ),
//!     json_key: [6; 16],
//! })?;
//!
//! // What `cofferdam-auth` makes of the platform connection's credential.
//! let authority = Authority::new([7; 16]);
//! # #[allow(clippy::disallowed_methods)]
//! let context = authority.mint(ContextParts {
//!     connection: ConnectionId(1),
//!     expires_at_ms: i64::MAX,
//!     ..ContextParts::new(tenant, "platform")
//! });
//! compartment.bind(&authority, &context)?;
//!
//! let mut effects = Vec::new();
//! let frame = br#"{"topicName":"v2.users.7.presence","eventBody":{"phoneNumber":"+1 555"}}"#;
//! let receipt = compartment.receive(&context, frame, now, &mut effects);
//! assert_eq!(receipt, Receipt::Taken(Fate::Queued));
//!
//! let foreign = br#"{"topicName":"v2.users.7.activity"}"#;
//! let receipt = compartment.receive(&context, foreign, now, &mut effects);
//! assert_eq!(receipt, Receipt::Taken(Fate::Unmatched));
//! assert_eq!(compartment.counts().received, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod compartment;
mod counts;
mod effect;

pub use cofferdam_audit as audit;
pub use cofferdam_auth as auth;
pub use cofferdam_core as core;
pub use cofferdam_cursor as cursor;
pub use cofferdam_filter as filter;
pub use cofferdam_json as json;
pub use cofferdam_queue as queue;
pub use cofferdam_redact as redact;
#[cfg(feature = "schema")]
pub use cofferdam_schema as schema;

pub use compartment::{Compartment, Fate, InvalidParts, Parts, Receipt};
pub use counts::Counts;
pub use effect::{Effect, Input};

/// The workspace's README, so that its example is built as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
