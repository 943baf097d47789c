//! Subscription documents compiled to a filter graph over raw JSON bytes.
//!
//! A tenant says which events it wants, by event type and by the values of a few keys, or by an event
//! pattern as Amazon EventBridge takes it; the [`Compiler`] turns that into a [`FilterGraph`], which
//! judges an event by looking at no more of its bytes than it must. An event whose type nobody asked for
//! is dropped after its first field, unless there are event patterns, which know no type.
//! The graph belongs to one tenant and implements [`cofferdam_core::pipeline::Filter`].
//!
//! It does not parse the whole event: [`StrictJson`] does that, for the few events that match. It
//! has no regular expressions: what one costs is up to whoever writes it. A condition on a field that
//! is missing does not hold, `anything-but` neither: a rule that passes everything when a field is
//! missing is how filters leak (SECURITY F07). Only `exists: false` asks for that. The tenant is not
//! an expression either; it is the context's.
//!
//! Event types and keys are found by a [`Mapping`], a file for each platform; an event pattern names the
//! event's own members. `docs/EVENT_PATTERNS.md` has the operators, and what is other than
//! EventBridge has it.
//!
//! A set of very many rules is best compiled while it is read, by [`Compiler::compile_json`]: held as a
//! document, a million of them take a gigabyte.
//!
//! A graph never changes. Where rules come and go while events go by, [`LiveRules`] makes the next one within a
//! millisecond. Of a set of many thousands of rules, [`FilterGraph::filter_batch`] judges several events
//! together in less time than one by one.
//!
//! Why something did not arrive [`explain`] says: which condition of a subscription failed, and where in
//! the event. It reads both by itself, slowly, and quotes nothing of the event.
//!
//! # Example
//!
//! ```
//! use cofferdam_core::{pipeline::{Filter, Verdict}, pipeline::RouteId};
//! use cofferdam_filter::{Compiler, Mapping, Scratch, SubscriptionDocument};
//!
//! let document = SubscriptionDocument::parse(br#"{
//!     "tenantId": "acme-retail-na",
//!     "subscriptions": [{
//!         "eventType": "v2.users.*.presence",
//!         "filters": { "eventBody.source": ["PURECLOUD", "MOBILE"] },
//!         "targetQueue": "queue://presence"
//!     }]
//! }"#)?;
//! // The key makes hash collisions unpredictable; take it from your random source.
//! let graph = Compiler::new([5; 16]).compile(&document, &Mapping::genesys_cloud(), None)?;
//!
//! let mut scratch = Scratch::default();
//! let event = br#"{"topicName":"v2.users.17.presence","eventBody":{"source":"MOBILE"}}"#;
//! assert_eq!(graph.filter(event, &mut scratch), Verdict::Matched(&[RouteId(0)]));
//! assert!(graph.targets().eq(["queue://presence"]));
//!
//! let other = br#"{"topicName":"v2.users.17.activity","eventBody":{"source":"MOBILE"}}"#;
//! assert_eq!(graph.filter(other, &mut scratch), Verdict::Unmatched);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod batch;
mod compile;
mod document;
mod dot;
mod event_type;
mod explain;
mod filing;
mod graph;
mod interner;
mod layer;
mod live;
mod mapping;
mod names;
mod notes;
mod numbers;
mod organisation;
mod path;
mod pattern;
mod rules;
mod seen;
mod statistics;
mod streamed;
mod strict;
mod taken;
mod targets;
mod translate;
mod walk;

pub use compile::{CompileError, CompileFault, Compiler};
pub use document::{InvalidDocument, Subscription, SubscriptionDocument};
pub use explain::{Explanation, Finding, Location, explain};
pub use graph::{FilterGraph, Scratch};
pub use live::LiveRules;
pub use mapping::{InvalidMapping, Mapping};
pub use statistics::Statistics;
pub use streamed::CompileJsonError;
pub use strict::StrictJson;
