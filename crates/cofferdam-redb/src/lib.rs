//! The embedded Cofferdam store: cursors and dead letters in redb.
//!
//! [`RedbStore`] implements [`CursorStore`](cofferdam_cursor::CursorStore) and
//! [`DeadLetterStore`](cofferdam_queue::dead_letter::DeadLetterStore) in one file, without a server.
//! A batch is one transaction and one `fdatasync`, whichever tenants it is for, so gather what the
//! machines ask for and write it together.
//!
//! Keys put every tenant and stream behind its length, so no name can reach into another's range;
//! dead letters are sealed before they get here and are checked by whoever reads them. What the file
//! says is not encrypted: it holds redacted events only, and the disk is the operator's.
//!
//! It deliberately does not share a file between processes, retry, or run anything in the background.
//! Calls block for the disk; an asynchronous caller runs them on its blocking pool. The audit log is
//! not kept here: it only ever grows, which suits a segment file better.
//!
//! # Example
//!
//! ```
//! use cofferdam_core::{Epoch, TenantId};
//! use cofferdam_cursor::{Cursor, CursorStore, Outcome, StreamId, Write};
//! use cofferdam_redb::RedbStore;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("cofferdam.redb");
//! let stream = StreamId::new(TenantId::parse("acme-retail-na")?, "conversations")?;
//! {
//!     let store = RedbStore::open(&path)?;
//!     store.apply(&[Write::Cursor(Cursor::new(stream.clone(), Epoch(2), 4_711))])?;
//! }
//! // After a restart, an owner that was deposed meanwhile is fenced.
//! let store = RedbStore::open(&path)?;
//! assert_eq!(store.load(&stream)?.map(|cursor| cursor.position()), Some(4_711));
//! let deposed = Cursor::new(stream, Epoch(1), 9_999);
//! assert_eq!(store.apply(&[Write::Cursor(deposed)])?, [Outcome::Fenced]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod cursors;
mod error;
mod keys;
mod letters;
mod store;

pub use error::OpenError;
pub use store::RedbStore;
