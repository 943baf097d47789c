//! The tracker: turns "this event was settled" into "the stream is handed over up to here".
//!
//! # When a cursor may move
//!
//! Only over settled positions and declared gaps. Everything the tracker does not know for certain
//! holds the cursor back, so the failure of each rule below is a redelivery, never a loss:
//!
//! * An event is [`Opened`](Input::Opened) when it is received and [`Settled`](Input::Settled) when
//!   it was delivered, dead-lettered or refused, durably. Settlements come in any order.
//! * An event that does not fit in the window is not tracked. The tracker says so with
//!   [`Effect::Stalled`], and lets nothing past that position until it is opened again (or declared
//!   lost): the reader goes back to it, as in go-back-N.
//! * A gap is written in the same effect list before the commit that passes over it.
//! * A new owner's tracker first commits the place it resumed from under its own epoch, so that the
//!   store fences whoever held the stream before.
//!
//! # When it is written
//!
//! A commit is a disk write, so one is asked for only every so many events or milliseconds, whichever
//! is first, and on [`Flush`](Input::Flush). What is not yet committed is delivered again after a
//! crash; the [`Deduplicator`](crate::Deduplicator) is there for that.

use std::time::Duration;

use cofferdam_core::{Epoch, Machine, Now, Scoped, TenantId};

use crate::{
    Cursor, GapCause, GapRecord, StreamId, Write,
    window::{Opening, Window},
};

/// What a [`Tracker`] is told. Positions are told in the order in which the upstream sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// An event was received.
    Opened {
        /// Its position.
        position: u64,
    },
    /// An event was handed over durably, or refused for good.
    Settled {
        /// Its position.
        position: u64,
    },
    /// Events are known to be missing. Whatever is outstanding among them counts as lost.
    Gap {
        /// The first missing position.
        from: u64,
        /// The first position after the gap, if known.
        to: Option<u64>,
        /// Why.
        cause: GapCause,
    },
    /// Commit now what can be committed: on shutdown, or before a planned move.
    Flush,
}

/// What a [`Tracker`] asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write this to the [`CursorStore`](crate::CursorStore), in the order given. Batches may span
    /// tenants.
    Write(Write),
    /// The window is full, and neither `position` nor anything after it is tracked: pause the
    /// upstream, do not hand those events on, and offer them again from `position`.
    Stalled {
        /// The stream.
        stream: StreamId,
        /// The first position that did not fit.
        position: u64,
    },
}

impl Scoped for Effect {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Write(write) => write.tenant(),
            Self::Stalled { stream, .. } => stream.tenant(),
        }
    }
}

/// Whether an upstream numbers its events without holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// 0, 1, 2, ...: a skipped number is a lost event, and becomes a gap record.
    Dense,
    /// Growing, with holes that mean nothing (compacted topics, filtered streams, timestamps).
    Sparse,
}

/// How much a [`Tracker`] holds and how often it commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerLimits {
    /// How far the newest position may be ahead of the oldest outstanding one; rounded up to a power
    /// of two from 64 to 2^24. The tracker keeps one bit for each, and nothing else that grows.
    pub window: u32,
    /// Commit after this many positions.
    pub commit_every: u64,
    /// Commit this long after the first uncommitted position.
    pub commit_after: Duration,
    /// How the upstream counts.
    pub numbering: Numbering,
}

impl Default for TrackerLimits {
    fn default() -> Self {
        Self {
            window: 65_536,
            commit_every: 1_024,
            commit_after: Duration::from_millis(200),
            numbering: Numbering::Dense,
        }
    }
}

/// Follows one stream of one tenant: asks for its cursor to be written as far as everything before it
/// was settled or declared lost, and no further.
#[derive(Debug)]
pub struct Tracker {
    stream: StreamId,
    epoch: Epoch,
    limits: TrackerLimits,
    window: Window,
    /// What was last asked to be written; `None` until the epoch was claimed.
    committed: Option<u64>,
    stalled: Option<u64>,
    due: Option<Now>,
}

impl Tracker {
    /// Goes on where `cursor` stands, under the cursor's epoch: [`Cursor::under`] moves what a store
    /// returned to the owner's own.
    #[must_use]
    pub fn resume(cursor: &Cursor, limits: TrackerLimits) -> Self {
        Self {
            stream: cursor.stream().clone(),
            epoch: cursor.epoch(),
            limits,
            window: Window::new(limits.window, cursor.position()),
            committed: None,
            stalled: None,
            due: Some(Now::default()),
        }
    }

    /// The cursor as it could be committed now; at or ahead of what was.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.stream.clone(), self.epoch, self.window.base())
    }

    /// How many events are open and not settled.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.window.outstanding()
    }

    /// Whether `position` can be opened now: what a reader asks before it reads on.
    #[must_use]
    pub fn has_room(&self, position: u64) -> bool {
        self.stalled.is_none_or(|stalled| position <= stalled) && self.window.has_room(position)
    }

    fn opened(&mut self, position: u64, now: Now, effects: &mut Vec<Effect>) {
        let next = self.window.next();
        if self.limits.numbering == Numbering::Dense && position > next && self.stalled.is_none() {
            self.gap(next, Some(position), GapCause::Skipped, now, effects);
        }
        let past_a_stall = self.stalled.is_some_and(|stalled| position > stalled);
        if past_a_stall || self.window.open(position) == Opening::Full {
            let position = self.stalled.map_or(position, |stalled| stalled.min(position));
            self.stalled = Some(position);
            effects.push(Effect::Stalled { stream: self.stream.clone(), position });
        } else if self.stalled == Some(position) {
            self.stalled = None;
        }
    }

    fn gap(
        &mut self,
        from: u64,
        to: Option<u64>,
        cause: GapCause,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let stream = self.stream.clone();
        let record = GapRecord::new(stream, self.epoch, from, to, cause, now.wall_ms());
        let end = record.to();
        effects.push(Effect::Write(Write::Gap(record)));
        let Some(end) = end else { return };

        self.window.settle_range(from, end);
        let covers_the_stall = self.stalled.is_some_and(|at| from <= at && at < end);
        if covers_the_stall {
            self.stalled = None;
        }
        // A gap further ahead says nothing of what lies between, which may still come.
        if covers_the_stall || from <= self.window.next() {
            self.window.skip_to(end);
        }
    }

    /// Commits if enough has gathered, else makes sure that a timeout will.
    fn pace(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let gathered = self.committed.map(|committed| self.window.base() - committed);
        match gathered {
            Some(0) => self.due = None,
            Some(n) if n >= self.limits.commit_every => self.commit(effects),
            Some(_) => {
                self.due.get_or_insert_with(|| now.after(self.limits.commit_after));
            }
            // Unclaimed: due since the beginning.
            None => {}
        }
    }

    fn commit(&mut self, effects: &mut Vec<Effect>) {
        self.due = None;
        let base = self.window.base();
        if self.committed != Some(base) {
            self.committed = Some(base);
            effects.push(Effect::Write(Write::Cursor(self.cursor())));
        }
    }
}

impl Machine for Tracker {
    type Input = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        match input {
            Input::Opened { position } => self.opened(position, now, effects),
            Input::Settled { position } => self.window.settle(position),
            Input::Gap { from, to, cause } => self.gap(from, to, cause, now, effects),
            Input::Flush => self.commit(effects),
        }
        self.pace(now, effects);
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.due.is_some_and(|due| now.reached(due)) {
            self.commit(effects);
        }
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.due
    }
}

impl Scoped for Tracker {
    fn tenant(&self) -> &TenantId {
        self.stream.tenant()
    }
}
