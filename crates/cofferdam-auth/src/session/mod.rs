//! Live sessions: what ends one, and why none outlives its credential.
//!
//! A credential is checked once, at the upgrade; the socket that it opened may live for minutes.
//! [`Sessions`] is the machine that holds every open session of a process and says when each must
//! end: at `exp`, when its token, client, subject or key is revoked, when its key is withdrawn, when
//! its tenant is removed or made again, and when the feed of revocations falls silent. `Notice` and
//! [`RevocationFeed`] carry a revocation from the node that was told to all others.
//!
//! # The race between accepting and revoking
//!
//! A revocation may be told between the check of a token and the registration of its session. The
//! check has passed, the session is not there to be ended, and if that were all it would stay open
//! (V06). So the machine remembers what was revoked, and asks again when a session is
//! opened. Whatever the order, one of the two sees the other:
//!
//! ```text
//! revoked, checked              refused by the check
//! checked, revoked, opened      refused when opened
//! checked, opened, revoked      ended by the revocation
//! ```
//!
//! The argument needs two things of whoever drives the machine: that its inputs are one sequence (a
//! lock does that), and that a revocation reaches both the [`KeyRing`](crate::KeyRing) and the
//! machine before it is reported as done. It needs one thing of the memory: that it only grows.
//! Revocations are sets and latest cuts, generations are maxima, so that notices may come late,
//! twice and in any order. What is remembered of a tenant without sessions is forgotten once no
//! token that it could be about can live. The one memory that shrinks, an issuer's current key set,
//! comes from that issuer's own endpoint and not over the feed.
//!
//! Rejected: an epoch counter that is read at the check and compared at registration. It refuses
//! every session that is being accepted when *anybody* is revoked, which is one tenant's revocation
//! felt by another, and under a stream of revocations nobody gets in.
//!
//! # Two clocks
//!
//! A session ends when the wall clock shows `exp`, and also when as much time has passed as was left
//! when it was opened, by the monotonic clock. The first alone would let a wall clock that is set
//! back keep it open (S08); the second alone would miss a clock that was wrong and is set right.

mod feed;
mod input;
mod limits;
mod notice;
mod queue;
mod room;
mod sessions;
mod why;

pub use feed::{FeedDown, LocalFeed, RevocationFeed, RevocationListener};
pub use input::{Effect, Input, Target};
pub use limits::{FeedSilence, Limits};
pub use notice::{InvalidNotice, Notice, NoticeKey, NoticeTooLarge};
pub use sessions::Sessions;
pub use why::Why;
