//! What a log needs to be told once.

use core::time::Duration;

use cofferdam_core::{Epoch, TenantId};

use crate::{CommitmentKey, Origin, SigningKey};

/// Whose log it is, its keys, and its bounds.
#[derive(Debug, Clone)]
pub struct Config {
    tenant: TenantId,
    signer: SigningKey,
    commitments: CommitmentKey,
    epoch: Epoch,
    max_waiting: u64,
    flush_after: Duration,
    checkpoint_every: Duration,
}

impl Config {
    /// The default bound on leaves that are not durable yet; a megabyte of them.
    pub const MAX_WAITING: u64 = 8192;
    /// The default time that a leaf waits for others to be written with.
    pub const FLUSH_AFTER: Duration = Duration::from_millis(5);
    /// The default time between two checkpoints.
    pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

    /// The log of `tenant` under the origin that `signer` is named for, written by a process that
    /// holds the tenant's binding at `epoch`.
    #[must_use]
    pub const fn new(
        tenant: TenantId,
        signer: SigningKey,
        commitments: CommitmentKey,
        epoch: Epoch,
    ) -> Self {
        Self {
            tenant,
            signer,
            commitments,
            epoch,
            max_waiting: Self::MAX_WAITING,
            flush_after: Self::FLUSH_AFTER,
            checkpoint_every: Self::CHECKPOINT_EVERY,
        }
    }

    /// The same with another bound on leaves that are not durable yet; at least 16.
    #[must_use]
    pub fn with_max_waiting(self, leaves: u64) -> Self {
        Self { max_waiting: leaves.max(16), ..self }
    }

    /// The same with another time that a leaf waits for others to be written with.
    #[must_use]
    pub fn with_flush_after(self, flush_after: Duration) -> Self {
        Self { flush_after, ..self }
    }

    /// The same with another time between two checkpoints.
    #[must_use]
    pub fn with_checkpoint_every(self, checkpoint_every: Duration) -> Self {
        Self { checkpoint_every, ..self }
    }

    pub(super) const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    pub(super) const fn origin(&self) -> &Origin {
        self.signer.verifying_key().origin()
    }

    pub(super) const fn signer(&self) -> &SigningKey {
        &self.signer
    }

    pub(super) const fn commitments(&self) -> &CommitmentKey {
        &self.commitments
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) const fn max_waiting(&self) -> u64 {
        self.max_waiting
    }

    /// How many of them are kept for facts of the control plane.
    pub(super) const fn reserved(&self) -> u64 {
        self.max_waiting / 8
    }

    pub(super) const fn flush_after(&self) -> Duration {
        self.flush_after
    }

    pub(super) const fn checkpoint_every(&self) -> Duration {
        self.checkpoint_every
    }
}
