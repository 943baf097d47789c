//! What a compartment is told by its driver, and what it asks of it.

use cofferdam_audit as audit;
use cofferdam_core::{Scoped, TenantId};
use cofferdam_cursor as cursor;
use cofferdam_queue as queue;

/// What a compartment is told, besides frames ([`Compartment::receive`](crate::Compartment::receive)).
#[derive(Debug)]
pub enum Input {
    /// For the queues: consumers come, ask for more, acknowledge and go.
    Queue(queue::Input),
    /// For the audit log: a fact, or the outcome of a write.
    Audit(audit::Input),
    /// Events are missing upstream: the connection broke, or the platform said so.
    UpstreamGap(cursor::GapCause),
    /// Commit what can be committed and seal the audit log, for shutting down.
    Flush,
}

/// What a compartment asks for. Carry effects out in their order: a dead letter is stored before
/// the cursor that passes over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Of the queues: deliver, pause, resume, store a dead letter, answer a consumer. `Settled` is
    /// seen only for replays; the compartment keeps the others to itself.
    Queue(queue::Effect),
    /// Of the cursor: write a cursor or a gap record.
    Cursor(cursor::Effect),
    /// Of the audit log: append to its files.
    Audit(audit::Effect),
}

impl Scoped for Effect {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Queue(effect) => effect.tenant(),
            Self::Cursor(effect) => effect.tenant(),
            Self::Audit(effect) => effect.tenant(),
        }
    }
}
