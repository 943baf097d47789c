//! A Merkle-proved, signed audit log per tenant, verified offline.
//!
//! Each tenant has a log of its own: an RFC 6962 tree whose leaves are facts in a fixed number of
//! bytes, and checkpoints (size and root, signed) in the C2SP signed-note format about once a
//! second. Whoever has the two files and one line of text with the public key can show, offline,
//! that no entry up to the newest checkpoint was edited, reordered, repeated, taken out or moved in
//! from another log.
//!
//! * [`Log`] is the running log: the `Record` stage of a tenant's pipeline and a sans-IO machine.
//! * [`verify()`] and [`Verifier`](verify::Verifier) judge a stored log.
//! * [`tree`] makes and checks inclusion and consistency proofs; [`checkpoint`] reads and writes
//!   notes; [`leaf`] is the layout; [`commitment`] is how a leaf binds a payload and hides it.
//!
//! # What it deliberately does not do
//!
//! It stores no payload, no text, no credential and no tenant id: a leaf holds numbers, codes and a
//! commitment. It does no I/O. It has no hash chain beside the tree.
//!
//! Three things it does not protect from yet. Entries younger than the newest checkpoint are under
//! no signature. Leaves and checkpoints that were cut back *together* leave an honest older state.
//! And whoever holds the signing key can sign another history. A checkpoint that somebody kept
//! elsewhere shows the last two: give it to the verifier as a *remembered* one.
//!
//! # Example
//!
//! ```
//! use cofferdam_audit::{
//!     CommitmentKey, Config, Effect, EventCode, Fact, Input, Log, Origin, SigningKey, Stored,
//!     VerifyingKey, verify,
//! };
//! use cofferdam_core::{Epoch, Machine, Now, Reason, TenantId};
//!
//! // The seeds are secret random bytes; the origin is public and does not name the tenant.
//! let origin = Origin::parse("audit.example.com/6f1c")?;
//! let signer = SigningKey::from_seed(origin.clone(), &[1; 32]);
//! let public = signer.verifying_key().to_string();
//! let commitments = CommitmentKey::derive(&[2; 32], &origin);
//! let tenant = TenantId::parse("acme-retail-na")?;
//! let now = Now::from_millis(0, 1_790_000_000_000);
//! let mut log = Log::open(Config::new(tenant, signer, commitments, Epoch(1)), now);
//!
//! // Three facts. (Events come in through the pipeline: `Log` is its `Record` stage.)
//! let mut effects = Vec::new();
//! for fact in [
//!     Fact::new(EventCode::ConnectionAccepted).with_detail(17),
//!     Fact::new(EventCode::EventRefused).because(Reason::TooDeep).at(4_711),
//!     Fact::new(EventCode::Gap).at(4_712).with_detail(3),
//! ] {
//!     log.handle_input(Input::Fact(fact), now, &mut effects);
//! }
//!
//! // A driver writes what the log asks for; here, to memory.
//! let (mut leaves, mut checkpoints) = (Vec::new(), Vec::new());
//! log.handle_input(Input::Seal, now, &mut effects);
//! while !effects.is_empty() {
//!     for effect in std::mem::take(&mut effects) {
//!         match effect {
//!             Effect::Append { size, bytes, .. } => {
//!                 leaves.extend_from_slice(&bytes);
//!                 log.handle_input(Input::Durable { size, spare: bytes }, now, &mut effects);
//!             }
//!             Effect::Checkpoint { note, .. } => checkpoints.extend_from_slice(note.as_bytes()),
//!             _ => {}
//!         }
//!     }
//! }
//!
//! // An auditor has the two files and the key's one line of text.
//! let stored = Stored { leaves: &leaves, checkpoints: &checkpoints, remembered: &[] };
//! let key = VerifyingKey::parse(&public)?;
//! let report = verify(&key, &stored)?;
//! assert_eq!((report.leaves, report.unsealed()), (4, 0));
//! assert_eq!(report.events[&EventCode::Gap], 1);
//!
//! // Somebody makes the gap's leaf say something else.
//! let mut edited = leaves.clone();
//! let last = edited.len() - 1;
//! edited[last - 60] ^= 1;
//! let refused = verify(&key, &Stored { leaves: &edited, ..stored }).unwrap_err();
//! assert_eq!(refused.exit_code(), 1);
//! assert_eq!(refused.to_string(), "the log was tampered with: leaf 3 is damaged");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod commitment;
mod frame;
pub mod keys;
pub mod leaf;
pub mod log;
mod scan;
pub mod tree;
pub mod verify;

pub use commitment::CommitmentKey;
pub use keys::{Origin, SigningKey, VerifyingKey};
pub use leaf::EventCode;
pub use log::{Config, Effect, Fact, Input, Log};
pub use verify::{Stored, verify};
