//! Offline verification: the files of one log and one line of text with its public key.
//!
//! What is checked: every frame is whole; every leaf is of this log, stands at its own index, and
//! was not written by a process that had been deposed; at every checkpoint's size the rebuilt tree
//! has the signed root; checkpoints only grow; no two of one size differ. Memory is constant, as
//! leaves are read in chunks of any size.
//!
//! What a log's own files cannot show: that its newest leaves *and* checkpoints were taken off
//! together. What is left is then an honest older state. Whoever kept any later checkpoint gives it
//! as a *remembered* one, and the log must extend it. Nor are the leaves after the last checkpoint
//! under any signature; [`Report::unsealed`] counts them.
//!
//! For command-line tools the exit code is 0 for a [`Report`], 1 for [`Tampered`], 2 for
//! [`Undecidable`] (see [`VerifyError::exit_code`]), and 3 for wrong usage.

use std::collections::BTreeMap;

use crate::{
    EventCode, VerifyingKey,
    checkpoint::NoteError,
    frame,
    scan::{Marks, Scanner},
    tree::Hash,
};

/// The stored bytes of a log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stored<'a> {
    /// The leaf file: every [`Effect::Append`](crate::Effect::Append)'s bytes, in order.
    pub leaves: &'a [u8],
    /// The checkpoint file: every [`Effect::Checkpoint`](crate::Effect::Checkpoint)'s note, in
    /// order.
    pub checkpoints: &'a [u8],
    /// Notes of the same log that were kept elsewhere, in any order; may be empty.
    pub remembered: &'a [u8],
}

impl<'a> Stored<'a> {
    /// The bytes of each leaf, to [decode](crate::leaf::Leaf::decode) or to
    /// [hash](crate::tree::leaf_hash) for a proof. Ends at the first frame that is not whole, and
    /// judges nothing else: [`verify`] first.
    pub fn leaf_bytes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let end_of_header = self.leaves.iter().position(|&byte| byte == b'\n');
        let frames = end_of_header.and_then(|end| self.leaves.get(end + 1..)).unwrap_or_default();
        frames.as_chunks().0.iter().map_while(|whole| Some(frame::read(whole)?.0))
    }
}

/// Verifies a log that is in memory.
///
/// # Errors
///
/// A [`VerifyError`] that says whether the log was tampered with or cannot be judged.
pub fn verify(key: &VerifyingKey, stored: &Stored<'_>) -> Result<Report, VerifyError> {
    let mut verifier = Verifier::new(key, stored.checkpoints, stored.remembered)?;
    verifier.push(stored.leaves)?;
    verifier.finish()
}

/// Verifies a log whose leaf file is read piece by piece.
pub struct Verifier {
    scanner: Scanner,
}

impl Verifier {
    /// Begins with the checkpoints; see [`Stored`] for what they are.
    ///
    /// # Errors
    ///
    /// A [`VerifyError`] if a checkpoint is no checkpoint of this log.
    pub fn new(
        key: &VerifyingKey,
        checkpoints: &[u8],
        remembered: &[u8],
    ) -> Result<Self, VerifyError> {
        let marks = Marks::read(checkpoints, remembered, key)?;
        if marks.own_bytes < checkpoints.len() {
            let fault = NoteError::Incomplete;
            return Err(Tampered::Checkpoint { number: marks.own, fault }.into());
        }
        Ok(Self { scanner: Scanner::new(key, marks)? })
    }

    /// Takes the next bytes of the leaf file. After an error there is nothing more to learn.
    ///
    /// # Errors
    ///
    /// [`Tampered`] at the first leaf that cannot be this log's.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), VerifyError> {
        Ok(self.scanner.push(chunk)?)
    }

    /// Judges the log, now that the leaf file is at its end.
    ///
    /// # Errors
    ///
    /// A [`VerifyError`] if leaves are missing, or if there is too little to judge by.
    pub fn finish(self) -> Result<Report, VerifyError> {
        let Scanner { marks, tree, tally, .. } = &self.scanner;
        let sealed = marks.sealed().ok_or(Undecidable::NoCheckpoint)?;
        self.scanner.judge()?;
        if !self.scanner.has_header() {
            return Err(Tampered::ForeignHeader.into());
        }
        let (earliest_ms, latest_ms) = tally.wall_ms.unwrap_or_default();
        Ok(Report {
            leaves: tree.size(),
            sealed,
            checkpoints: marks.own,
            root: tree.root(),
            torn_bytes: self.scanner.torn_bytes(),
            events: tally.events.clone(),
            earliest_ms,
            latest_ms,
            clock_back_ms: tally.clock_back_ms,
        })
    }
}

/// What an untampered log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// How many leaves.
    pub leaves: u64,
    /// How many of them the newest checkpoint covers.
    pub sealed: u64,
    /// How many checkpoints of its own.
    pub checkpoints: u64,
    /// The root of the tree over all leaves.
    pub root: Hash,
    /// Bytes of an incomplete frame at the end: a write that was cut off, or is under way.
    pub torn_bytes: usize,
    /// How many leaves of each kind.
    pub events: BTreeMap<EventCode, u64>,
    /// The earliest time that a leaf has, in milliseconds since the Unix epoch.
    pub earliest_ms: i64,
    /// The latest.
    pub latest_ms: i64,
    /// The largest step back from one leaf's time to the next one's, in milliseconds. Order is the
    /// index's, so this is not tampering; more than a few seconds means that a clock was set.
    pub clock_back_ms: u64,
}

impl Report {
    /// How many leaves stand after the newest checkpoint, and so under no signature yet.
    #[must_use]
    pub const fn unsealed(&self) -> u64 {
        self.leaves.saturating_sub(self.sealed)
    }
}

/// The log is not what its operator signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Tampered {
    /// The leaf file names another log or format.
    #[error("the leaf file is not this log's")]
    ForeignHeader,
    /// A frame's check does not fit its leaf.
    #[error("leaf {index} is damaged")]
    DamagedFrame {
        /// The leaf.
        index: u64,
    },
    /// A leaf of another version, or one outside the checkpoints with an unknown code.
    #[error("leaf {index} cannot be read")]
    UnreadableLeaf {
        /// The leaf.
        index: u64,
    },
    /// A leaf of another log.
    #[error("leaf {index} is another log's")]
    ForeignLeaf {
        /// Where it stands.
        index: u64,
    },
    /// A leaf that was swapped, repeated or inserted, or that follows one taken out.
    #[error("at {index} stands leaf {found}")]
    Misplaced {
        /// Where it stands.
        index: u64,
        /// Where it belongs.
        found: u64,
    },
    /// A leaf by a process whose binding had already moved on.
    #[error("leaf {index} was written under an older epoch than one before it")]
    EpochWentBack {
        /// The first leaf that may be at fault: the newer one if that is under no signature yet.
        from: u64,
        /// The leaf with the older epoch.
        index: u64,
    },
    /// At a checkpoint the tree has another root: a leaf since the one before was edited.
    #[error("a leaf from {from} up to {size} is not what was signed")]
    RootMismatch {
        /// The first leaf that may be at fault.
        from: u64,
        /// The checkpoint's size: the leaf at fault stands before this.
        size: u64,
    },
    /// There are fewer leaves than a checkpoint covers.
    #[error("{leaves} leaves are left of {size}")]
    Truncated {
        /// How many there are; also the index of the first that is missing.
        leaves: u64,
        /// How many were signed.
        size: u64,
    },
    /// A checkpoint of the log's own file is not one.
    #[error("checkpoint {number} is not sound: {fault}")]
    Checkpoint {
        /// Which, from zero.
        number: u64,
        /// What is wrong with it.
        fault: NoteError,
    },
    /// A checkpoint covers no more leaves than the one before it.
    #[error("checkpoint {number} is not larger than the one before it")]
    CheckpointOrder {
        /// Which, from zero.
        number: u64,
    },
    /// Two signed checkpoints of one size have two roots: somebody is shown another log.
    #[error("two roots are signed for size {size}")]
    SplitView {
        /// The size.
        size: u64,
    },
}

impl Tampered {
    /// The first leaf that is at fault, or may be; `None` where the fault is not in a leaf.
    #[must_use]
    pub const fn first_bad_index(&self) -> Option<u64> {
        match *self {
            Self::DamagedFrame { index }
            | Self::UnreadableLeaf { index }
            | Self::ForeignLeaf { index }
            | Self::Misplaced { index, .. }
            | Self::EpochWentBack { from: index, .. }
            | Self::RootMismatch { from: index, .. }
            | Self::Truncated { leaves: index, .. } => Some(index),
            Self::ForeignHeader
            | Self::Checkpoint { .. }
            | Self::CheckpointOrder { .. }
            | Self::SplitView { .. } => None,
        }
    }
}

/// There is too little, or too new a log, to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undecidable {
    /// Nothing was signed.
    #[error("there is no checkpoint")]
    NoCheckpoint,
    /// No checkpoint is signed with this key.
    #[error("no checkpoint is signed with this key")]
    UnknownKey,
    /// What was given as a remembered checkpoint is none of this log.
    #[error("the remembered checkpoint is of no use: {0}")]
    Remembered(NoteError),
    /// A signed leaf has a code that this version of the crate does not know.
    #[error("leaf {index} has a code of a newer version")]
    UnknownCode {
        /// The leaf.
        index: u64,
    },
}

/// Why a log does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It was tampered with.
    #[error("the log was tampered with: {0}")]
    Tampered(#[from] Tampered),
    /// It cannot be judged.
    #[error("the log cannot be judged: {0}")]
    Undecidable(#[from] Undecidable),
}

impl VerifyError {
    /// What a command-line tool exits with: 1 for tampered, 2 for undecidable.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Tampered(_) => 1,
            Self::Undecidable(_) => 2,
        }
    }
}
