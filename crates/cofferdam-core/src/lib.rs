//! The vocabulary of tenant isolation: who an event belongs to, what was proved of it, and the one
//! shape that everything with state has.
//!
//! This crate holds words, not work. It knows no JSON, no sockets, no clock and no async runtime;
//! it is `no_std` with `alloc`, so that a crate built on it cannot read the time or a file behind
//! its caller's back. The crates that do the work (`cofferdam-auth`, `-filter`, `-redact`,
//! `-audit`, `-queue`, `-cursor`) depend on this one and not on each other.
//!
//! # The way of an event
//!
//! ```text
//! credential --auth-->  TenantContext      who is speaking, proved
//!            --Gate-->  Received           the context is the one this compartment was bound to
//!            --filter-> Matched            somebody subscribed
//!            --check--> Valid              the whole event is sound JSON, once and for all readers
//!            --redact-> Redacted           what may be remembered
//!            --record-> Recorded           a leaf of the audit log names it; only this can be queued
//! ```
//!
//! Each arrow is a method that consumes the proof before it, so a program that skips a stage does
//! not compile. See [`pipeline`].
//!
//! # Example
//!
//! ```
//! use cofferdam_core::{Authority, ConnectionId, ContextParts, Epoch, Gate, Now, Scoped, TenantId};
//!
//! // Once in a process, from 16 random bytes.
//! let authority = Authority::new([7; 16]);
//!
//! // `cofferdam-auth` does this after it has checked a token.
//! # #[allow(clippy::disallowed_methods)]
//! let context = authority.mint(ContextParts {
//!     connection: ConnectionId(1),
//!     epoch: Epoch(1),
//!     expires_at_ms: 60_000,
//!     ..ContextParts::new(TenantId::parse("acme-retail-na")?, "client-17")
//! });
//!
//! // The connection's own gate: another tenant's, connection's or epoch's context does not pass.
//! let gate = Gate::bind(&authority, &context)?;
//! let received = gate.receive(&context, br#"{"topicName":"v2.x"}"#, Now::from_millis(5, 5), 0)?;
//! assert_eq!(received.tenant().as_str(), "acme-retail-na");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod context;
mod machine;
pub mod pipeline;
mod refusal;
mod stamp;
mod tenant;
mod time;

pub use context::{ConnectionId, ContextParts, TenantContext};
pub use machine::{Machine, Scoped};
pub use pipeline::Gate;
pub use refusal::{Denied, Reason, Refusal};
pub use stamp::{Authority, Epoch, Stamp};
pub use tenant::{InvalidTenantId, TenantId};
pub use time::Now;
