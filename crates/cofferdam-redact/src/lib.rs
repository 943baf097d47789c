//! Redaction policies compiled to one automaton and one pass over the bytes.
//!
//! A policy says which values of a tenant's events are masked, hashed or left out before anything
//! of an event is stored, queued, logged or sent. Its JSONPaths become one automaton, which walks
//! down an event once, however many rules there are; bytes that no rule reaches are copied in
//! large pieces and never parsed into a tree.
//!
//! Names in paths look through arrays, as the paths of `cofferdam-filter` do: where an object turns
//! into a list of objects, a rule still finds its values. With `decode: json` they look into strings that
//! hold JSON as well, three deep.
//!
//! A value under a rule is treated whole, whatever its type: a list where a string was expected, a
//! number, an object whose *names* are the secret. Where the names of an object are what must go and its values
//! stay, a rule has `target: names`. Hashes and tokens are keyed, per tenant and per field. On
//! any doubt the pass fails, and the event goes nowhere.
//!
//! What was done says a [`Report`]: rules and places, never a value. [`DryRun`] says it of a policy that is
//! not in force, [`Alarms`] of rules that find nothing any more, and [`Policy::residue`] looks
//! at what is left.
//!
//! It treats what paths name, and nothing else. In free text under a path a rule can look for secrets
//! ([`Detector`]), which finds most and not all. It does not rename members otherwise, decode base64,
//! fold the case of names, or support paths that need a second look (filters, slices, negative indices);
//! such paths are refused when the policy is compiled, never ignored. `docs/REDACTION.md` has all that a
//! rule may say.
//!
//! What remains visible: that a masked or hashed member is there, and in which order; for a mask the
//! characters that its format shows (at most four, at most a quarter); for a truncation or a generalization what its
//! rule leaves; for a hash which values of one tenant and field are equal. [`Strategy::Omit`] leaves nothing.
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

mod action;
mod automata;
mod automaton;
mod date;
mod detect;
mod document;
mod error;
mod general;
mod key;
mod mask;
mod nested;
mod path;
mod policies;
mod policy;
mod redact;
mod report;
mod residue;
mod scratch;
mod subsets;
mod symbols;
mod values;
mod vault;
mod walk;

pub use detect::Detector;
pub use document::{Decode, General, PolicyDocument, Rule, Strategy, Target};
pub use error::{CompileError, CompileFault};
pub use key::RedactionKey;
pub use policies::{DryRun, NotOneTenant, Policies};
pub use policy::{Policy, PolicyLimits};
pub use report::{Alarms, Fired, Report};
pub use scratch::Scratch;
pub use vault::{MemoryVault, Vault, VaultFull};
