//! One lane's events: those never delivered, those to be delivered again, those in flight.
//!
//! Order is kept by serial, the number of the offer. Events that were never delivered stand in a
//! deque; what comes back from the window is older than all of them and stands in a tree before
//! them, by serial, in whatever order it came back. So the oldest waiting event is the first of the
//! tree or else the front of the deque, and, as a lane has one time to live, it is also the next to
//! expire.

use std::collections::{BTreeMap, VecDeque};

use cofferdam_core::{Now, TenantContext, pipeline::Recorded};

use crate::{ConsumerId, LaneConfig, ledger::Slot, window::Window};

/// An event in a lane.
pub(crate) struct Queued {
    pub(crate) event: Recorded,
    pub(crate) serial: u64,
    pub(crate) queued_at: Now,
    pub(crate) attempts: u32,
    pub(crate) slot: Slot,
}

impl Queued {
    pub(crate) fn size(&self) -> usize {
        self.event.body().len()
    }
}

/// The consumer that has a lane.
pub(crate) struct Attachment {
    pub(crate) consumer: ConsumerId,
    pub(crate) context: TenantContext,
    pub(crate) credit: u32,
}

pub(crate) struct Lane {
    pub(crate) config: LaneConfig,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) window: Window<Queued>,
    fresh: VecDeque<Queued>,
    again: BTreeMap<u64, Queued>,
    bytes: usize,
    high_bytes: usize,
    low_bytes: usize,
    last_serial: u64,
    /// Whether the queues count this lane among those above their low watermark.
    pub(crate) counted_above_low: bool,
}

impl Lane {
    pub(crate) fn new(config: LaneConfig) -> Self {
        Self {
            high_bytes: config.bytes_at(config.high),
            low_bytes: config.bytes_at(config.low),
            config,
            attachment: None,
            window: Window::new(),
            fresh: VecDeque::new(),
            again: BTreeMap::new(),
            bytes: 0,
            last_serial: 0,
            counted_above_low: false,
        }
    }

    /// Whether this is the first time that the lane sees the offer; several routes of one event
    /// may lead here.
    pub(crate) fn sees_first(&mut self, serial: u64) -> bool {
        std::mem::replace(&mut self.last_serial, serial) != serial
    }

    /// Whether an event of `size` bytes finds room.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.fits_beside(self.depth(), self.bytes, size)
    }

    /// Whether it would, if nothing waited.
    pub(crate) fn could_have_room(&self, size: usize) -> bool {
        self.fits_beside(self.window.len(), self.window.bytes(), size)
    }

    fn fits_beside(&self, events: usize, bytes: usize, size: usize) -> bool {
        events < self.config.capacity_events
            && bytes.saturating_add(size) <= self.config.capacity_bytes
    }

    /// A delivery came back: it no longer counts against what the consumer asked for. Otherwise a
    /// consumer that never answers would hold its lane for ever once its credit is spent, and its
    /// events would never be delivered often enough to die.
    pub(crate) fn return_credit(&mut self) {
        if let Some(attachment) = &mut self.attachment {
            attachment.credit = attachment.credit.saturating_add(1);
        }
    }

    /// Adds a new event at the back.
    pub(crate) fn push(&mut self, queued: Queued) {
        self.bytes += queued.size();
        self.fresh.push_back(queued);
    }

    /// Puts an event that was delivered in vain back to its place among those that wait.
    pub(crate) fn put_back(&mut self, queued: Queued) {
        self.again.insert(queued.serial, queued);
    }

    /// The oldest waiting event.
    pub(crate) fn head(&self) -> Option<&Queued> {
        self.again.first_key_value().map(|(_, queued)| queued).or_else(|| self.fresh.front())
    }

    /// Takes the oldest waiting event; it still counts until [`forget`](Self::forget).
    pub(crate) fn take_head(&mut self) -> Option<Queued> {
        self.again.pop_first().map(|(_, queued)| queued).or_else(|| self.fresh.pop_front())
    }

    /// The event has left the lane for good.
    pub(crate) fn forget(&mut self, queued: &Queued) {
        self.bytes -= queued.size();
    }

    /// Takes the oldest waiting event if its time to live is over, and forgets it.
    pub(crate) fn take_expired(&mut self, now: Now) -> Option<Queued> {
        self.expiry().filter(|&expiry| now.reached(expiry))?;
        let queued = self.take_head()?;
        self.forget(&queued);
        Some(queued)
    }

    fn expiry(&self) -> Option<Now> {
        Some(self.head()?.queued_at.after(self.config.ttl?))
    }

    /// When the next delivery lapses or the next waiting event expires.
    pub(crate) fn deadline(&self) -> Option<Now> {
        match (self.window.deadline(), self.expiry()) {
            (Some(lapse), Some(expiry)) => Some(lapse.min(expiry)),
            (one, other) => one.or(other),
        }
    }

    /// Waiting and in flight.
    pub(crate) fn depth(&self) -> usize {
        self.fresh.len() + self.again.len() + self.window.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn at_high(&self) -> bool {
        self.depth() >= self.config.high || self.bytes >= self.high_bytes
    }

    pub(crate) fn above_low(&self) -> bool {
        self.depth() > self.config.low || self.bytes > self.low_bytes
    }
}
