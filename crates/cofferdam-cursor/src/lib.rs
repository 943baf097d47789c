//! Stream positions, gap records and tenant-scoped de-duplication.
//!
//! An upstream connection breaks, a process restarts, a consumer is slow: this crate keeps the one
//! number from which everything can go on, and makes sure that what cannot go on is said out loud.
//!
//! * [`Tracker`] is told which events came in and which were handed over, in any order, and asks for
//!   the cursor to be written only as far as *everything* was handed over. A gap becomes a
//!   [`GapRecord`], never a silent resume.
//! * [`CursorStore`] is where both are kept, fenced by epoch: `cofferdam-redb` is one on disk,
//!   [`MemoryStore`] one for tests.
//! * [`Deduplicator`] swallows what a resumed upstream sends twice, for each tenant by itself:
//!   identical bytes under two tenants are two events.
//! * [`CursorKeys`] seals a cursor for a client to keep: opaque, of one length, refused for any other
//!   tenant or stream.
//!
//! It deliberately does not connect to anything, read a clock or open a file, and it does not decide
//! where to resume: it hands out the cursor, and the link asks its upstream for that position.
//!
//! # Example
//!
//! ```
//! use cofferdam_core::{Epoch, Machine, Now, TenantId};
//! use cofferdam_cursor::{
//!     Cursor, CursorKeys, CursorStore, Effect, Input, MemoryStore, StreamId, Tracker, TrackerLimits,
//! };
//!
//! let store = MemoryStore::new();
//! let stream = StreamId::new(TenantId::parse("acme-retail-na")?, "conversations")?;
//! let start = store.load(&stream)?.unwrap_or(Cursor::new(stream.clone(), Epoch(0), 0));
//! let mut tracker = Tracker::resume(&start.under(Epoch(7)), TrackerLimits::default());
//!
//! let (now, mut effects) = (Now::from_millis(0, 0), Vec::new());
//! for position in 0..3 {
//!     tracker.handle_input(Input::Opened { position }, now, &mut effects);
//! }
//! // 0 and 2 were delivered; 1 is still on its way, so the cursor stands before it.
//! for position in [0, 2] {
//!     tracker.handle_input(Input::Settled { position }, now, &mut effects);
//! }
//! tracker.handle_input(Input::Flush, now, &mut effects);
//!
//! let mut batch = Vec::new();
//! for effect in effects {
//!     match effect {
//!         Effect::Write(write) => batch.push(write),
//!         Effect::Stalled { .. } => unreachable!("three events fit in any window"),
//!     }
//! }
//! store.apply(&batch)?;
//! assert_eq!(store.load(&stream)?.map(|cursor| cursor.position()), Some(1));
//!
//! // What a client may keep of it, with a random nonce.
//! let keys = CursorKeys::new(1, &[7; 32]);
//! let token = keys.seal(&tracker.cursor(), [9; 12])?;
//! assert_eq!(keys.open(token.as_str(), &stream, now)?.position(), 1);
//! let foreign = StreamId::new(TenantId::parse("globex")?, "conversations")?;
//! assert!(keys.open(token.as_str(), &foreign, now).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod dedup;
mod gap;
mod store;
mod stream;
mod token;
mod tracker;
mod window;

pub use dedup::{DedupKey, Deduplicator, Seen};
pub use gap::{GapCause, GapRecord};
pub use store::{CursorStore, MemoryStore, Outcome, StoreError, Write};
pub use stream::{Cursor, InvalidStreamId, StreamId};
pub use token::{CursorKeys, CursorRefused, CursorToken};
pub use tracker::{Effect, Input, Numbering, Tracker, TrackerLimits};
