//! Schema registry, policies, canaries and drift reports for tenants' event streams.
//!
//! Platforms change what their events look like, mostly unannounced. A gateway that checks nothing passes
//! the surprise on; one that drops what does not fit loses real events: 52 of 329 published examples of
//! GitHub's webhooks fail GitHub's own schemas. This crate judges events by JSON Schema as strictly as each
//! schema has earned, and says what changed.
//!
//! * [`Registry`] holds schemas by platform, event type and version, everybody's and each tenant's own. What
//!   a schema may cost is reckoned before it is compiled; nothing is fetched, no file is read.
//! * [`Checker`] is the pipeline's check: strict JSON first, then the schema, then the [`Policy`]. Critical
//!   fields are strict under every policy.
//! * [`Governor`] is a machine that decides by what was counted: whether a graduated schema is trusted,
//!   and whether a new version that sees a share of the events is promoted or rolled back.
//! * [`drift`] keeps which fields appeared, vanished and changed their type.
//!
//! A tenant's schemas, counts, trials and reports are its own; another's do not exist for it. What comes out
//! are counts and field paths, never values, and of names only those that a schema has
//! ([`FieldPath`]).
//!
//! It does not read Protobuf or Avro, fetch schemas, convert events from one version to another, or fill in
//! defaults. What it tolerates it does not remove: redaction comes after it.
//!
//! # Example
//!
//! ```
//! use cofferdam_core::TenantId;
//! use cofferdam_schema::{
//!     Checker, Envelope, Policy, Registration, Registry, SchemaKey, Scratch, Verdict,
//! };
//!
//! let key = SchemaKey::new("genesys-cloud", "v2.users.{id}.presence", "2")?;
//! let schema = br#"{
//!   "$schema": "http://json-schema.org/draft-07/schema#",
//!   "properties": {
//!     "id": { "type": "string" },
//!     "source": { "enum": ["PURECLOUD", "LYNC"] }
//!   },
//!   "additionalProperties": false
//! }"#;
//! let mut registry = Registry::default();
//! registry.register(&Registration::new(key, schema).policy(Policy::Tolerant).critical("/id"))?;
//!
//! let secret = [7; 16]; // the deployment's: it decides which events a canary sees
//! let checker = Checker::new(Envelope::genesys_cloud(), &registry, secret);
//! let mut scratch = Scratch::new([1; 16]); // a random key
//! let acme = TenantId::parse("acme-retail-na")?;
//! let mut judge = |body: &str| {
//!     let event = format!(
//!         r#"{{"topicName":"v2.users.7a1e.presence","version":"2","eventBody":{body}}}"#
//!     );
//!     checker.judge(&acme, event.as_bytes(), &mut scratch)
//! };
//! assert_eq!(judge(r#"{"id":"7a1e","source":"LYNC"}"#), Verdict::Conforms);
//! // The platform has grown: a field, and a value.
//! let grown = judge(r#"{"id":"7a1e","source":"TEAMS","primary":true}"#);
//! assert_eq!(grown, Verdict::Tolerated { unknown_fields: 1, open_values: 1 });
//! // An id is never a matter of tolerance.
//! assert!(matches!(judge(r#"{"source":"LYNC"}"#), Verdict::Refused(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod checker;
mod compiled;
mod course;
pub mod drift;
mod envelope;
mod error;
pub mod governor;
mod graph;
mod key;
mod keywords;
mod mismatch;
mod pointer;
mod policy;
mod price;
mod reckon;
mod registry;
mod tally;
mod tree;
mod types;

pub use checker::{Checker, Scratch, Verdict};
pub use compiled::Registration;
pub use course::{Course, InstallError};
pub use envelope::{Envelope, InvalidEnvelope};
pub use error::{RegisterError, RegisterFault};
pub use governor::{Effect, Governor, Input};
pub use key::{InvalidKey, SchemaKey};
pub use mismatch::{FindingKind, Findings};
pub use pointer::{FieldPath, InvalidPointer};
pub use policy::{Graduation, Policy, Share, Trust};
pub use registry::{Limits, Registry};
