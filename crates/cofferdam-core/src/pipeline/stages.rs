//! The traits that an integrator may implement: each decides, none makes a proof.

use alloc::vec::Vec;

use crate::{Now, Reason, Scoped, TenantId};

/// One target of a tenant's subscriptions, numbered by whoever compiled them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

/// What a [`Filter`] says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'s> {
    /// These routes want it; ascending, each once, never empty.
    Matched(&'s [RouteId]),
    /// No rule can match, whatever the bytes that were not looked at say.
    Unmatched,
    /// The event is ambiguous, malformed or another organisation's.
    Refused(Reason),
}

/// Decides which of one tenant's subscriptions want an event.
///
/// # Contract
///
/// * "Could not decide" is [`Verdict::Refused`], never `Unmatched` and never `Matched`.
/// * On every event that the pipeline's [`Validate`] accepts, the verdict is a function of what the
///   JSON means: not of its white space, escapes or order of members.
/// * No allocation once `Scratch` has grown; no panic on any bytes.
pub trait Filter: Scoped {
    /// Buffers that the caller keeps between events.
    type Scratch;

    /// Judges one event.
    fn filter<'s>(&self, event: &[u8], scratch: &'s mut Self::Scratch) -> Verdict<'s>;
}

/// Decides whether the whole event is sound.
///
/// # Contract
///
/// Acceptance means at least: one RFC 8259 object in valid UTF-8 with nothing after it, no lone
/// surrogate, no name twice in one object after unescaping (RFC 7493), bounded depth. Two readers
/// that both take what this accepts must read the same event.
pub trait Validate {
    /// Buffers that the caller keeps between events.
    type Scratch;

    /// Checks one event of `tenant`.
    ///
    /// # Errors
    ///
    /// The reason why the event is not to be used.
    fn validate(
        &self,
        tenant: &TenantId,
        event: &[u8],
        scratch: &mut Self::Scratch,
    ) -> Result<(), Reason>;
}

/// What a redaction did to one event; counts, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redactions {
    /// Values replaced by a mask.
    pub masked: u32,
    /// Values replaced by a keyed hash.
    pub hashed: u32,
    /// Members and elements left out.
    pub omitted: u32,
    /// The version of the policy.
    pub policy_version: u32,
}

impl Redactions {
    /// How many places were redacted.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.masked.saturating_add(self.hashed).saturating_add(self.omitted)
    }
}

/// Writes what may be remembered of an event.
///
/// # Contract
///
/// * `event` was accepted by a [`Validate`]; the output is again such an event.
/// * Fails closed: on any doubt an error. What stands in `out` then is thrown away.
/// * `out` is appended to. No panic on any bytes.
pub trait Redact: Scoped {
    /// Buffers that the caller keeps between events.
    type Scratch;

    /// Redacts one event into `out`.
    ///
    /// # Errors
    ///
    /// The reason why nothing of the event may be kept.
    fn redact(
        &self,
        event: &[u8],
        out: &mut Vec<u8>,
        scratch: &mut Self::Scratch,
    ) -> Result<Redactions, Reason>;
}

/// What the audit log is told of an event.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Where the event stood in its tenant's stream.
    pub position: u64,
    /// When it was read from its socket.
    pub received_at: Now,
    /// The redacted event: commit to it, do not store it.
    pub body: &'a [u8],
    /// What redaction did.
    pub redactions: Redactions,
    /// The subscriptions that it goes to.
    pub routes: &'a [RouteId],
}

/// Takes a leaf of one tenant's audit log.
///
/// # Contract
///
/// An `Ok` leaf is part of the log's next checkpoint, or the process is known to have died.
pub trait Record: Scoped {
    /// Appends a leaf, and says at which index.
    ///
    /// # Errors
    ///
    /// The reason why there can be no leaf; the event is refused then.
    fn record(&mut self, entry: &Entry<'_>) -> Result<u64, Reason>;
}

// Integrators keep stages behind pointers; this stops compiling if a trait loses that.
const _: Option<&dyn Filter<Scratch = ()>> = None;
const _: Option<&dyn Validate<Scratch = ()>> = None;
const _: Option<&dyn Redact<Scratch = ()>> = None;
const _: Option<&mut dyn Record> = None;
