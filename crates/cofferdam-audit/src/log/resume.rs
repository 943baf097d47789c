//! Going on with a log that exists: verified first, with only a torn last write forgiven.
//!
//! A power cut leaves one kind of damage: the last batch is there in part, or as a hole that reads
//! as zeros. So frames that are not whole are thrown away if they stand after the last checkpoint
//! *and* no whole frame follows them; the driver is told where to cut, and the next
//! [`EventCode::Opened`] leaf says how many bytes went. A damaged frame before a whole one, or under
//! a checkpoint, is no torn write: the log is not resumed.
//!
//! What this cannot see: whole leaves after the last checkpoint that somebody edited while no
//! process ran, and files that were cut back or written anew together with their checkpoints. For
//! the latter give the newest checkpoint, from a store that is never restored from a backup, as a
//! remembered one.

use cofferdam_core::Now;

use super::{Config, Fact, Log, Payload};
use crate::{
    EventCode,
    frame::{self, FRAME_LEN},
    scan::{Marks, Scanner},
    tree::Frontier,
    verify::{Stored, Tampered, VerifyError},
};

/// What was found, and what the driver does before it carries out the first effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// How many leaves were there.
    pub leaves: u64,
    /// How many of them a checkpoint covered.
    pub sealed: u64,
    /// Cut the leaf file to this many bytes.
    pub leaf_bytes: usize,
    /// Cut the checkpoint file to this many bytes.
    pub checkpoint_bytes: usize,
    /// How many bytes of torn writes the two cuts throw away.
    pub torn_bytes: usize,
}

/// Why a log is not resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// It does not verify.
    #[error("the log does not verify: {0}")]
    Unverified(#[from] VerifyError),
    /// A process with a newer epoch wrote to it: this one was deposed.
    #[error("the log was continued under a newer epoch")]
    StaleEpoch,
}

impl From<Tampered> for ResumeError {
    fn from(tampered: Tampered) -> Self {
        Self::Unverified(tampered.into())
    }
}

impl Log {
    /// Goes on with a log from its stored bytes, after verifying all of them.
    ///
    /// # Errors
    ///
    /// A [`ResumeError`] if the bytes are not the log that its checkpoints (its own and the
    /// remembered ones) were signed for, or if a newer epoch has written to it.
    pub fn resume(
        config: Config,
        stored: &Stored<'_>,
        now: Now,
    ) -> Result<(Self, Recovery), ResumeError> {
        let key = config.signer().verifying_key();
        let marks = Marks::read(stored.checkpoints, stored.remembered, key)?;
        let (sealed, checkpoint_bytes) = (marks.sealed().unwrap_or(0), marks.own_bytes);
        let mut scanner = Scanner::new(key, marks)?;
        let frames = scanner.header(stored.leaves)?;
        let sound = read_frames(&mut scanner, frames, sealed)?;
        scanner.judge()?;
        if config.epoch() < scanner.tally.epoch {
            return Err(ResumeError::StaleEpoch);
        }
        let leaves = scanner.tree.size();
        let header_bytes =
            if scanner.has_header() { stored.leaves.len() - frames.len() } else { 0 };
        let leaf_bytes = header_bytes + sound;
        let stored_bytes = stored.leaves.len() + stored.checkpoints.len();
        let torn_bytes = stored_bytes - leaf_bytes - checkpoint_bytes;
        let recovery = Recovery { leaves, sealed, leaf_bytes, checkpoint_bytes, torn_bytes };
        Ok((Self::reopen(config, scanner.tree, &recovery, now), recovery))
    }

    fn reopen(config: Config, tree: Frontier, recovery: &Recovery, now: Now) -> Self {
        let mut log = Self::over(config, tree, recovery.sealed, now);
        if recovery.leaf_bytes == 0 {
            log.pending.extend_from_slice(frame::header(log.config.origin()).as_bytes());
        }
        let opened = Fact::new(EventCode::Opened).with_detail(recovery.torn_bytes as u64);
        log.append(now, opened, &Payload::default());
        log
    }
}

/// Reads frames until the end or a torn write, and says how many bytes were sound.
fn read_frames(scanner: &mut Scanner, frames: &[u8], sealed: u64) -> Result<usize, Tampered> {
    let (whole, _) = frames.as_chunks::<FRAME_LEN>();
    for (at, next) in whole.iter().enumerate() {
        match scanner.frame(next) {
            Ok(()) => {}
            Err(Tampered::DamagedFrame { index }) if index >= sealed => {
                let none_follows = whole[at..].iter().all(|frame| frame::read(frame).is_none());
                let torn = none_follows.then_some(at * FRAME_LEN);
                return torn.ok_or(Tampered::DamagedFrame { index });
            }
            Err(tampered) => return Err(tampered),
        }
    }
    Ok(whole.len() * FRAME_LEN)
}
