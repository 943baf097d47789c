//! Live sessions: a guard for each, which says when its socket must close.
//!
//! [`SessionRegistry`] drives the machine of [`cofferdam_auth::session`]. Whoever accepts a socket
//! opens a session with the context that the upgrade proved, and selects on
//! [`SessionGuard::ended`] beside whatever else the socket waits for. A revocation goes into the
//! [`KeyRing`](cofferdam_auth::KeyRing), so that nobody comes in any more, and to the live sessions,
//! of which each has a channel of its own: waking one is one store and one wake, and those that are
//! not meant are not touched.
//!
//! # Why no session slips through
//!
//! Opening, renewing and revoking are turns under one lock, and the time of a turn is read inside
//! it. A turn of revocation first remembers and then ends; a turn of opening first looks at what is
//! remembered and then registers. Of the two, whichever comes second sees the other. Senders are
//! taken out under the lock and used after it, so that ten thousand wakes hold up nobody; they are
//! used before `revoke` returns, so that whoever asks [`SessionGuard::has_ended`] then is told (Q08).
//!
//! # Who watches
//!
//! Expiry needs somebody to wait for it. A task does, from the registry's start on; when its
//! [`SessionDriver`] is dropped, which is how a process shuts its sessions down, or the runtime ends,
//! all sessions end and no more are opened. So there is no session that nobody watches.

mod driver;
mod guard;
mod registry;
mod shared;

pub use driver::SessionDriver;
pub use guard::{SessionGuard, close_frame, close_session};
pub use registry::{RevokeError, SessionRegistry};
