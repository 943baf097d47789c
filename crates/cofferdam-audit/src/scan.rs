//! One pass over a leaf file, rebuilding the tree and comparing it with every signed root on the
//! way: what verification and recovery share.

use std::collections::BTreeMap;

use cofferdam_core::Epoch;

use crate::{
    EventCode, VerifyingKey,
    checkpoint::{self, Checkpoint, NoteError},
    frame::{self, FRAME_LEN},
    leaf::{Leaf, LeafError},
    tree::{Frontier, Hash},
    verify::{Tampered, Undecidable, VerifyError},
};

/// The checkpoints that a log must fit, ascending by size.
pub(crate) struct Marks {
    checkpoints: Vec<Checkpoint>,
    /// How many stood in the log's own file.
    pub(crate) own: u64,
    /// How many bytes of that file they take; the rest is an incomplete note.
    pub(crate) own_bytes: usize,
}

impl Marks {
    /// Reads a log's own notes and those that somebody else remembers of it.
    pub(crate) fn read(
        own: &[u8],
        remembered: &[u8],
        key: &VerifyingKey,
    ) -> Result<Self, VerifyError> {
        let (mut checkpoints, mut strangers, mut number, mut rest) = (Vec::new(), 0, 0, own);
        while !rest.is_empty() {
            let fault = |fault| Tampered::Checkpoint { number, fault };
            let note = match checkpoint::read(rest, key) {
                Err(NoteError::Incomplete) => break,
                read => read.map_err(fault)?,
            };
            rest = note.rest;
            match note.checkpoint {
                Ok(next) if checkpoints.last().is_none_or(|c: &Checkpoint| c.size < next.size) => {
                    checkpoints.push(next);
                }
                Ok(_) => return Err(Tampered::CheckpointOrder { number }.into()),
                Err(NoteError::UnknownKey) => strangers += 1,
                Err(other) => return Err(fault(other).into()),
            }
            if strangers > 0 && !checkpoints.is_empty() {
                return Err(fault(NoteError::UnknownKey).into());
            }
            number += 1;
        }
        if strangers > 0 {
            return Err(Undecidable::UnknownKey.into());
        }
        let mut marks = Self { checkpoints, own: number, own_bytes: own.len() - rest.len() };
        marks.remember(remembered, key)?;
        Ok(marks)
    }

    fn remember(&mut self, mut notes: &[u8], key: &VerifyingKey) -> Result<(), VerifyError> {
        while !notes.is_empty() {
            let note = checkpoint::read(notes, key).map_err(Undecidable::Remembered)?;
            self.checkpoints.push(note.checkpoint.map_err(Undecidable::Remembered)?);
            notes = note.rest;
        }
        self.checkpoints.sort_by_key(|checkpoint| checkpoint.size);
        self.checkpoints.dedup();
        match self.checkpoints.windows(2).find(|pair| pair[0].size == pair[1].size) {
            Some(pair) => Err(Tampered::SplitView { size: pair[0].size }.into()),
            None => Ok(()),
        }
    }

    /// How many leaves the newest checkpoint covers; `None` without a checkpoint.
    pub(crate) fn sealed(&self) -> Option<u64> {
        self.checkpoints.last().map(|checkpoint| checkpoint.size)
    }
}

/// The pass. A damaged frame changes nothing; any other error ends it.
pub(crate) struct Scanner {
    origin_hash: Hash,
    header: String,
    header_read: usize,
    /// The beginning of a frame whose end has not come yet.
    carry: Vec<u8>,
    pub(crate) marks: Marks,
    next_mark: usize,
    pub(crate) tree: Frontier,
    pub(crate) tally: Tally,
}

/// What a pass counts.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) events: BTreeMap<EventCode, u64>,
    pub(crate) epoch: Epoch,
    pub(crate) wall_ms: Option<(i64, i64)>,
    pub(crate) clock_back_ms: u64,
    /// The first leaf with a code that nobody here knows.
    unknown: Option<u64>,
    /// The first leaf of an older epoch than one before it, and that one.
    stale: Option<(u64, u64)>,
    epoch_since: u64,
    last_wall_ms: i64,
}

impl Scanner {
    pub(crate) fn new(key: &VerifyingKey, marks: Marks) -> Result<Self, Tampered> {
        let mut scanner = Self {
            origin_hash: key.origin().hash(),
            header: frame::header(key.origin()),
            header_read: 0,
            carry: Vec::with_capacity(FRAME_LEN),
            marks,
            next_mark: 0,
            tree: Frontier::new(),
            tally: Tally::default(),
        };
        // A checkpoint of size zero says that the log was empty; nothing else is its root.
        scanner.compare()?;
        Ok(scanner)
    }

    /// Reads what of the header line is not read yet; the rest of `chunk` is frames.
    pub(crate) fn header<'c>(&mut self, chunk: &'c [u8]) -> Result<&'c [u8], Tampered> {
        let missing = self.header.as_bytes().get(self.header_read..).unwrap_or_default();
        let (line, frames) = chunk.split_at(missing.len().min(chunk.len()));
        if !missing.starts_with(line) {
            return Err(Tampered::ForeignHeader);
        }
        self.header_read += line.len();
        Ok(frames)
    }

    /// Whether the whole header line was read.
    pub(crate) fn has_header(&self) -> bool {
        self.header_read == self.header.len()
    }

    /// Takes the next bytes of the file, cut anywhere.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), Tampered> {
        let mut chunk = self.header(chunk)?;
        if !self.carry.is_empty() {
            let (head, rest) = chunk.split_at(chunk.len().min(FRAME_LEN - self.carry.len()));
            self.carry.extend_from_slice(head);
            chunk = rest;
            let Ok(frame) = <[u8; FRAME_LEN]>::try_from(self.carry.as_slice()) else {
                return Ok(());
            };
            self.carry.clear();
            self.frame(&frame)?;
        }
        let (frames, tail) = chunk.as_chunks::<FRAME_LEN>();
        frames.iter().try_for_each(|frame| self.frame(frame))?;
        self.carry.extend_from_slice(tail);
        Ok(())
    }

    /// How many bytes of an incomplete frame there are.
    pub(crate) fn torn_bytes(&self) -> usize {
        self.carry.len()
    }

    /// Takes the next frame.
    pub(crate) fn frame(&mut self, frame: &[u8; FRAME_LEN]) -> Result<(), Tampered> {
        let index = self.tree.size();
        let (bytes, hash) = frame::read(frame).ok_or(Tampered::DamagedFrame { index })?;
        let leaf = match Leaf::decode(bytes) {
            Ok(leaf) => Some(leaf),
            // A newer writer's, if the next checkpoint vouches for it: see `judge`.
            Err(LeafError::Code | LeafError::Reason) => {
                self.tally.unknown.get_or_insert(index);
                None
            }
            Err(_) => return Err(Tampered::UnreadableLeaf { index }),
        };
        if let Some(leaf) = &leaf {
            self.place(leaf, index)?;
        }
        self.tree.push(hash);
        leaf.iter().for_each(|leaf| self.tally.add(leaf));
        self.compare()
    }

    /// Whether the leaf belongs here: to this log and to this place.
    fn place(&self, leaf: &Leaf, index: u64) -> Result<(), Tampered> {
        if leaf.origin_hash != self.origin_hash {
            Err(Tampered::ForeignLeaf { index })
        } else if leaf.index != index {
            Err(Tampered::Misplaced { index, found: leaf.index })
        } else {
            Ok(())
        }
    }

    /// Judges the log at the end of its file. What may be the trace of an edit *earlier* in the same
    /// batch waits until here, when every root was compared and would have named that edit.
    pub(crate) fn judge(&self) -> Result<(), VerifyError> {
        let (leaves, sealed) = (self.tree.size(), self.marks.sealed().unwrap_or(0));
        if leaves < sealed {
            return Err(Tampered::Truncated { leaves, size: sealed }.into());
        }
        if let Some((index, newer)) = self.tally.stale {
            // Of two leaves under no signature either may be the edited one.
            let from = if newer >= sealed { newer } else { index };
            return Err(Tampered::EpochWentBack { from, index }.into());
        }
        match self.tally.unknown {
            Some(index) if index < sealed => Err(Undecidable::UnknownCode { index }.into()),
            Some(index) => Err(Tampered::UnreadableLeaf { index }.into()),
            None => Ok(()),
        }
    }

    /// Compares the tree with the checkpoint of its size, if there is one.
    fn compare(&mut self) -> Result<(), Tampered> {
        let Some(mark) = self.marks.checkpoints.get(self.next_mark) else { return Ok(()) };
        if mark.size != self.tree.size() {
            return Ok(());
        }
        if mark.root != self.tree.root() {
            let before = self.next_mark.checked_sub(1);
            let from = before.map_or(0, |before| self.marks.checkpoints[before].size);
            return Err(Tampered::RootMismatch { from, size: mark.size });
        }
        self.next_mark += 1;
        Ok(())
    }
}

impl Tally {
    fn add(&mut self, leaf: &Leaf) {
        *self.events.entry(leaf.code).or_default() += 1;
        if leaf.epoch < self.epoch {
            self.stale.get_or_insert((leaf.index, self.epoch_since));
        } else if leaf.epoch > self.epoch {
            (self.epoch, self.epoch_since) = (leaf.epoch, leaf.index);
        }
        let back = if self.wall_ms.is_some() { self.last_wall_ms } else { leaf.wall_ms };
        if leaf.wall_ms < back {
            self.clock_back_ms = self.clock_back_ms.max(back.abs_diff(leaf.wall_ms));
        }
        self.last_wall_ms = leaf.wall_ms;
        let (earliest, latest) = self.wall_ms.unwrap_or((leaf.wall_ms, leaf.wall_ms));
        self.wall_ms = Some((earliest.min(leaf.wall_ms), latest.max(leaf.wall_ms)));
    }
}
