//! Redaction policies compiled to one automaton and one pass over the bytes.
//!
//! A policy says which values of a tenant's events are masked, hashed or left out before anything
//! of an event is stored, queued, logged or sent. Its JSONPaths become one automaton, which walks
//! down an event once, however many rules there are; bytes that no rule reaches are copied in
//! large pieces and never parsed into a tree.
//!
//! Names in paths look through arrays, as the paths of `cofferdam-filter` do: where an object turns
//! into a list of objects, a rule still finds its values.
//!
//! A value under a rule is treated whole, whatever its type: a list where a string was expected, a
//! number, an object whose *names* are the secret. Hashes are keyed, per tenant and per field. On
//! any doubt the pass fails, and the event goes nowhere.
//!
//! It does not look for secrets yet: it treats the values that paths name, and no others. [`Detector`]
//! names what rules are going to look for in free text. It does not
//! rename members, look inside strings that hold JSON (they are treated whole), fold the case of
//! names, or support paths that need a second look (filters, slices, negative indices); such paths
//! are refused when the policy is compiled, never ignored.
//!
//! What remains visible: that a masked or hashed member is there, and in which order; for a mask the
//! characters that its format shows (at most four, at most a quarter); for a hash which values of one
//! tenant and field are equal. [`Strategy::Omit`] leaves nothing.
//!
//! # Example
//!
//! ```
//! use cofferdam_core::pipeline::Redact;
//! use cofferdam_redact::{Policy, PolicyDocument, PolicyLimits, RedactionKey, Scratch};
//!
//! let document = br#"{
//!   "tenantId": "acme-retail-na",
//!   "redactionRules": [
//!     { "path": "$..caller.phoneNumber", "strategy": "mask", "format": "***-**-*XX" },
//!     { "path": "$..interaction.contactId", "strategy": "hash", "algorithm": "SHA-256" },
//!     { "path": "$..telephony.call.recordingUrl", "strategy": "omit" }
//!   ]
//! }"#;
//! let mut json = cofferdam_json::Scratch::new([1; 16]); // a secret key, from your random source
//! let document = PolicyDocument::parse(document, &mut json)?;
//! let key = RedactionKey::new([7; 32], 1); // the deployment's secret, and its epoch
//! let policy = Policy::compile(&document, &key, PolicyLimits::default())?;
//!
//! // In the pipeline, `Valid::redact` does this.
//! let event = br#"{"interaction":{"contactId":"c-1","caller":{"phoneNumber":"+15558675309"}},
//!     "telephony":{"call":{"recordingUrl":"https://records.example/1"}}}"#;
//! let mut out = Vec::new();
//! let done = policy.redact(event, &mut out, &mut Scratch::new()).map_err(|why| why.to_string())?;
//! assert_eq!(
//!     String::from_utf8(out)?,
//!     r#"{"interaction":{"contactId":"h1.1.awqSZdoLzROxYu1F5rCcDQ","caller":{"phoneNumber":"***-**-*09"}},
//!     "telephony":{"call":{}}}"#,
//! );
//! assert_eq!((done.masked, done.hashed, done.omitted), (1, 1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod automaton;
#[cfg_attr(not(test), expect(dead_code, reason = "no rule looks into text yet"))]
mod detect;
mod document;
mod error;
mod key;
mod mask;
mod path;
mod policy;
mod redact;
mod subsets;
mod symbols;
mod walk;

pub use detect::Detector;
pub use document::{PolicyDocument, Rule, Strategy};
pub use error::{CompileError, CompileFault};
pub use key::RedactionKey;
pub use policy::{Policy, PolicyLimits};
pub use redact::Scratch;
