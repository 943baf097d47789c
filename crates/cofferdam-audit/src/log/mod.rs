//! The log of one tenant, as a machine: facts in, file contents and signed checkpoints out.
//!
//! A leaf goes through three stages. *Taken*: it has an index, is in the tree, and its frame stands
//! in the pending buffer; that is what [`Record`] and [`Input::Fact`] do, and it costs a hash or
//! two and no allocation. *Durable*: an [`Effect::Append`] gave the buffer to the driver, which has
//! written and synced it and says so with [`Input::Durable`]. *Sealed*: an [`Effect::Checkpoint`]
//! covers it. Only durable leaves are signed, so there is never a signature over what a power cut
//! can take back.
//!
//! ```text
//!              flush_after                         checkpoint_every
//! taken ------------------------> in flight ----> durable ----------> sealed
//!         Append, at most one      Durable                 Checkpoint
//!         under way: while it is,
//!         the next batch grows
//! ```
//!
//! One batch under way at a time makes the group commit: the slower the disk, the larger the next
//! batch. What is taken and not yet durable is bounded. At the bound the log refuses
//! ([`Reason::AuditUnavailable`]: no audit, no event), but keeps an eighth of the room for facts of
//! the control plane, so that a flood of events cannot silence the refusals about it; where even
//! that is full, the facts are counted and a [`EventCode::Lost`] leaf says how many.
//!
//! After [`Input::AppendFailed`] the file's end is unknown, so the log refuses everything. The way
//! on is [`Log::resume`], which reads what is really there.

mod config;
mod messages;
mod resume;

use cofferdam_core::{
    Machine, Now, Reason, Scoped, TenantId,
    pipeline::{Entry, Record, Redactions},
};

pub use config::Config;
pub use messages::{Effect, Fact, Input};
pub use resume::{Recovery, ResumeError};

use crate::{
    EventCode,
    checkpoint::Checkpoint,
    frame,
    leaf::Leaf,
    tree::{Frontier, Hash},
};

/// One tenant's log.
pub struct Log {
    config: Config,
    origin_hash: Hash,
    /// Everything taken.
    tree: Frontier,
    /// What was taken and is in no batch yet, as the file will hold it.
    pending: Vec<u8>,
    /// The tree as it will be when the batch under way is durable.
    in_flight: Option<Frontier>,
    durable: Frontier,
    sealed: u64,
    /// A tree out of use, kept so that batches need not allocate.
    spare: Frontier,
    flush_at: Option<Now>,
    checkpoint_at: Now,
    /// Sign as soon as this many leaves are durable, whatever the clock says.
    seal_at_size: Option<u64>,
    lost: u64,
    failed: bool,
    latest: Now,
}

impl Log {
    /// Begins a new log. For one that exists already, see [`resume`](Self::resume).
    #[must_use]
    pub fn open(config: Config, now: Now) -> Self {
        let mut log = Self::over(config, Frontier::new(), 0, now);
        log.pending.extend_from_slice(frame::header(log.config.origin()).as_bytes());
        log.append(now, Fact::new(EventCode::Opened), &Payload::default());
        log
    }

    fn over(config: Config, tree: Frontier, sealed: u64, now: Now) -> Self {
        Self {
            origin_hash: config.origin().hash(),
            config,
            durable: tree.clone(),
            tree,
            pending: Vec::new(),
            in_flight: None,
            sealed,
            spare: Frontier::new(),
            flush_at: None,
            checkpoint_at: now,
            seal_at_size: None,
            lost: 0,
            failed: false,
            latest: now,
        }
    }

    /// How many leaves were taken.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// How many leaves the newest checkpoint covers. Equal to [`size`](Self::size) when there is
    /// nothing left to do before shutting down.
    #[must_use]
    pub const fn sealed(&self) -> u64 {
        self.sealed
    }

    /// Whether another event can be recorded now.
    #[must_use]
    pub fn is_available(&self) -> bool {
        !self.failed && self.room() > self.config.reserved()
    }

    /// How many more leaves may be taken before some are durable.
    fn room(&self) -> u64 {
        let waiting = self.tree.size() - self.durable.size();
        self.config.max_waiting().saturating_sub(waiting)
    }

    fn take_fact(&mut self, fact: Fact, now: Now) {
        self.own_up_to_losses(now);
        if self.failed || self.room() == 0 {
            self.lost = self.lost.saturating_add(1);
        } else {
            self.append(now, fact, &Payload::default());
        }
    }

    fn own_up_to_losses(&mut self, now: Now) {
        if self.lost > 0 && !self.failed && self.room() > 0 {
            let lost = Fact::new(EventCode::Lost).with_detail(core::mem::take(&mut self.lost));
            self.append(now, lost, &Payload::default());
        }
    }

    fn append(&mut self, now: Now, fact: Fact, payload: &Payload) -> u64 {
        self.latest = self.latest.max(now);
        let index = self.tree.size();
        let leaf = Leaf {
            origin_hash: self.origin_hash,
            index,
            wall_ms: now.wall_ms(),
            code: fact.code,
            reason: fact.reason,
            position: fact.position,
            epoch: self.config.epoch(),
            detail: fact.detail,
            redactions: payload.redactions,
            routes: payload.routes,
            commitment: payload.commitment,
        };
        self.tree.push(frame::append(&leaf.encode(), &mut self.pending));
        if self.flush_at.is_none() {
            self.flush_at = Some(self.latest.after(self.config.flush_after()));
        }
        index
    }

    /// Emits whatever is due.
    fn advance(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.latest = self.latest.max(now);
        if self.failed {
            return;
        }
        let sealing = self.seal_at_size.is_some();
        let flush_due = self.flush_at.is_some_and(|at| sealing || self.latest.reached(at));
        if flush_due && self.in_flight.is_none() {
            effects.push(self.flush());
        }
        let asked = self.seal_at_size.is_some_and(|size| self.durable.size() >= size);
        if asked {
            self.seal_at_size = None;
        }
        let due = asked || self.latest.reached(self.checkpoint_at);
        if due && self.durable.size() > self.sealed {
            effects.push(self.checkpoint());
        }
    }

    fn flush(&mut self) -> Effect {
        let mut batch = core::mem::take(&mut self.spare);
        batch.copy_from(&self.tree);
        self.in_flight = Some(batch);
        self.flush_at = None;
        Effect::Append {
            tenant: self.config.tenant().clone(),
            first: self.durable.size(),
            size: self.tree.size(),
            bytes: core::mem::take(&mut self.pending),
        }
    }

    fn checkpoint(&mut self) -> Effect {
        let size = self.durable.size();
        self.sealed = size;
        self.checkpoint_at = self.latest.after(self.config.checkpoint_every());
        let checkpoint = Checkpoint { size, root: self.durable.root() };
        let note = checkpoint.sign(self.config.signer());
        Effect::Checkpoint { tenant: self.config.tenant().clone(), size, note }
    }

    /// Takes note that a batch is on disk. An answer to no question changes nothing.
    fn settle(&mut self, size: u64, mut buffer: Vec<u8>, now: Now) {
        match self.in_flight.take() {
            Some(batch) if batch.size() == size => {
                self.spare = core::mem::replace(&mut self.durable, batch);
            }
            other => {
                self.in_flight = other;
                return;
            }
        }
        // The larger buffer is the one to write into; what is pending moves over if need be.
        if buffer.capacity() > self.pending.capacity() {
            buffer.clear();
            buffer.extend_from_slice(&self.pending);
            self.pending = buffer;
        }
        self.own_up_to_losses(now);
    }
}

/// What a leaf says of an event's body.
#[derive(Default)]
struct Payload {
    redactions: Redactions,
    routes: u32,
    commitment: Hash,
}

impl Record for Log {
    fn record(&mut self, entry: &Entry<'_>) -> Result<u64, Reason> {
        if !self.is_available() {
            return Err(Reason::AuditUnavailable);
        }
        self.own_up_to_losses(entry.received_at);
        let payload = Payload {
            redactions: entry.redactions,
            routes: u32::try_from(entry.routes.len()).unwrap_or(u32::MAX),
            commitment: self.config.commitments().commit(self.tree.size(), entry.body),
        };
        let fact = Fact::new(EventCode::EventRecorded).at(entry.position);
        Ok(self.append(entry.received_at, fact, &payload))
    }
}

impl Machine for Log {
    type Input = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        match input {
            Input::Fact(fact) => self.take_fact(fact, now),
            Input::Durable { size, spare } => self.settle(size, spare, now),
            Input::AppendFailed => self.failed = true,
            Input::Seal => self.seal_at_size = Some(self.tree.size()),
        }
        self.advance(now, effects);
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.advance(now, effects);
    }

    fn poll_timeout(&self) -> Option<Now> {
        let flush = self.flush_at.filter(|_| self.in_flight.is_none());
        let checkpoint = (self.durable.size() > self.sealed).then_some(self.checkpoint_at);
        let soonest = flush.into_iter().chain(checkpoint).min();
        soonest.filter(|_| !self.failed)
    }
}

impl Scoped for Log {
    fn tenant(&self) -> &TenantId {
        self.config.tenant()
    }
}

impl core::fmt::Debug for Log {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Log")
            .field("tenant", self.config.tenant())
            .field("size", &self.tree.size())
            .field("durable", &self.durable.size())
            .field("sealed", &self.sealed)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
