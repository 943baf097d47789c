//! What a log is told and what it asks for.

use cofferdam_core::{Reason, Scoped, TenantId};

use crate::EventCode;

/// Something that happened and is not an event on its way through the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// What.
    pub code: EventCode,
    /// Why, where something was refused.
    pub reason: Option<Reason>,
    /// Where in the tenant's stream; zero where that has no meaning.
    pub position: u64,
    /// A number whose meaning the code defines.
    pub detail: u64,
}

impl Fact {
    /// A fact with nothing but a code.
    #[must_use]
    pub const fn new(code: EventCode) -> Self {
        Self { code, reason: None, position: 0, detail: 0 }
    }

    /// The same, with why something was refused.
    #[must_use]
    pub const fn because(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// The same, with a place in the tenant's stream.
    #[must_use]
    pub const fn at(self, position: u64) -> Self {
        Self { position, ..self }
    }

    /// The same, with the number that the code asks for.
    #[must_use]
    pub const fn with_detail(self, detail: u64) -> Self {
        Self { detail, ..self }
    }
}

/// What a [`Log`](super::Log) is told.
#[derive(Debug)]
pub enum Input {
    /// Something happened.
    Fact(Fact),
    /// The batch that [`Effect::Append`] asked for is on disk.
    Durable {
        /// The effect's `size`.
        size: u64,
        /// The effect's `bytes`, for the log to write into again; or a new `Vec`.
        spare: Vec<u8>,
    },
    /// The batch could not be written, or may have been written in part.
    AppendFailed,
    /// Append and sign everything without waiting; for shutting down.
    Seal,
}

/// What a [`Log`](super::Log) asks for. To be carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Append to the leaf file, sync it, and answer [`Input::Durable`] or [`Input::AppendFailed`].
    Append {
        /// Whose log.
        tenant: TenantId,
        /// The index of the first leaf in `bytes`.
        first: u64,
        /// How many leaves the log has with this batch.
        size: u64,
        /// What to append.
        bytes: Vec<u8>,
    },
    /// Append to the checkpoint file, and show to whoever keeps watch.
    Checkpoint {
        /// Whose log.
        tenant: TenantId,
        /// How many leaves it covers.
        size: u64,
        /// The signed note.
        note: String,
    },
}

impl Scoped for Effect {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Append { tenant, .. } | Self::Checkpoint { tenant, .. } => tenant,
        }
    }
}
