//! A model of what should become of every event, kept from the outside: what was sent, what came
//! out, what was acknowledged. It knows nothing of queues, trackers or counters.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam::{
    Counts, cursor,
    queue::{ConsumerId, DeadCause, DeliveryId, LaneId},
};
use cofferdam_core::{Now, pipeline::Recorded};

/// One lane's copy of a queued event.
type Copy = (u64, LaneId);

/// An event that was handed to a consumer and not given back.
#[derive(Debug, Clone)]
pub(crate) struct InFlight {
    pub(crate) consumer: ConsumerId,
    pub(crate) lane: LaneId,
    pub(crate) event: Recorded,
    pub(crate) deadline: Now,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The serial numbers that events carry, by position.
    serials: BTreeMap<u64, u64>,
    /// Copies that have not ended, and how a position's ended ones did.
    open: BTreeSet<Copy>,
    worst: BTreeMap<u64, End>,
    pub(crate) in_flight: BTreeMap<DeliveryId, InFlight>,
    /// What came back from the dead, by position and lane.
    replays: BTreeSet<Copy>,
    last_first_delivery: BTreeMap<LaneId, u64>,
    committed: u64,
    pub(crate) gaps: u64,
    pub(crate) next: u64,
    pub(crate) expected: Expected,
}

/// The counts as they should be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) unmatched: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
    pub(crate) delivered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) dropped: u64,
    pub(crate) replayed: u64,
}

/// From good to bad: the worst of an event's copies is the event's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Delivered,
    DeadLettered,
    Dropped,
}

impl Ledger {
    /// A frame was taken: its position.
    pub(crate) fn taken(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// The next frame will be queued with this serial number in these lanes; told before its
    /// effects.
    pub(crate) fn will_queue(&mut self, serial: u64, lanes: &[LaneId]) {
        self.serials.insert(self.next, serial);
        self.open.extend(lanes.iter().map(|&lane| (self.next, lane)));
    }

    /// It was not, after all.
    pub(crate) fn was_not_queued(&mut self) {
        self.serials.remove(&self.next);
        let position = self.next;
        self.open.retain(|(own, _)| *own != position);
    }

    pub(crate) fn will_replay(&mut self, event: &Recorded, lane: LaneId) {
        assert!(self.replays.insert((event.position(), lane)), "one letter is replayed once");
    }

    pub(crate) fn delivered(&mut self, id: DeliveryId, attempt: u32, held: InFlight) {
        let (position, lane) = (held.event.position(), held.lane);
        let body: serde_json::Value = serde_json::from_slice(held.event.body()).unwrap();
        assert_eq!(body["n"], self.serials[&position], "another event's body");
        if held.event.is_replay() {
            assert!(self.replays.contains(&(position, lane)), "a replay that nobody asked for");
        } else {
            assert!(self.open.contains(&(position, lane)), "delivered after its end: {position}");
            if attempt == 1 {
                let last = self.last_first_delivery.insert(lane, position);
                assert!(last.is_none_or(|last| last < position), "out of order: {position}");
            }
        }
        let twice = self.in_flight.values().any(|other| {
            (other.event.position(), other.lane, other.event.is_replay())
                == (position, lane, held.event.is_replay())
        });
        assert!(!twice, "in flight twice: {position}");
        assert!(self.in_flight.insert(id, held).is_none(), "a delivery id twice");
    }

    /// The consumer acknowledges; of no effect unless the delivery is in flight.
    pub(crate) fn acknowledged(&mut self, consumer: ConsumerId, id: DeliveryId) {
        if self.in_flight.get(&id).is_some_and(|held| held.consumer == consumer)
            && let Some(held) = self.in_flight.remove(&id)
        {
            self.end(&held.event, held.lane, End::Delivered);
        }
    }

    /// As above, for all of the consumer's deliveries up to this one.
    pub(crate) fn acknowledged_up_to(&mut self, consumer: ConsumerId, id: DeliveryId) {
        if self.in_flight.get(&id).is_none_or(|held| held.consumer != consumer) {
            return;
        }
        let until: Vec<_> = self.in_flight.range(..=id).map(|(&id, _)| id).collect();
        until.into_iter().for_each(|id| self.acknowledged(consumer, id));
    }

    /// Deliveries are taken back; their copies wait again, or are about to be buried.
    pub(crate) fn taken_back(&mut self, which: impl Fn(&DeliveryId, &InFlight) -> bool) {
        self.in_flight.retain(|id, held| !which(id, held));
    }

    pub(crate) fn dead(&mut self, lane: Option<LaneId>, event: &Recorded, cause: DeadCause) {
        let lane = lane.unwrap_or_else(|| panic!("no lane: {cause:?}"));
        self.end(event, lane, End::DeadLettered);
    }

    /// A lane dropped its oldest waiting events in this range.
    pub(crate) fn dropped(&mut self, lane: LaneId, from: u64, to: u64, count: u64) {
        let waits = |copy: &&Copy| {
            let held = |held: &InFlight| (held.event.position(), held.lane) == **copy;
            copy.1 == lane && (from..=to).contains(&copy.0) && !self.in_flight.values().any(held)
        };
        let lost: Vec<Copy> = self.open.iter().filter(waits).copied().collect();
        assert_eq!(lost.len() as u64, count, "the gap {from}..={to} does not name {count} events");
        for copy in lost {
            self.open.remove(&copy);
            self.ended(copy.0, End::Dropped);
        }
    }

    fn end(&mut self, event: &Recorded, lane: LaneId, end: End) {
        let copy = (event.position(), lane);
        if event.is_replay() {
            assert!(self.replays.remove(&copy), "a replay ended twice");
            self.expected.replayed += 1;
        } else {
            assert!(self.open.remove(&copy), "ended twice: {copy:?}");
            self.ended(copy.0, end);
        }
    }

    fn ended(&mut self, position: u64, end: End) {
        let worst = self.worst.entry(position).or_insert(end);
        *worst = end.max(*worst);
        if self.open.range((position, LaneId(0))..=(position, LaneId(u32::MAX))).next().is_none() {
            match *worst {
                End::Delivered => self.expected.delivered += 1,
                End::DeadLettered => self.expected.dead_lettered += 1,
                End::Dropped => self.expected.dropped += 1,
            }
        }
    }

    /// Promise 9, at the very effect: everything before the cursor has ended by now.
    pub(crate) fn written(&mut self, write: &cursor::Write) {
        match write {
            cursor::Write::Cursor(cursor) => {
                assert!(cursor.position() >= self.committed, "a cursor went back");
                self.committed = cursor.position();
                let lowest = self.open.first().map_or(u64::MAX, |(position, _)| *position);
                assert!(self.committed <= lowest, "a cursor passed the open event {lowest}");
            }
            cursor::Write::Gap(_) => self.gaps += 1,
        }
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// Events that were queued and have not ended everywhere.
    pub(crate) fn unsettled(&self) -> u64 {
        self.open.iter().map(|(position, _)| position).collect::<BTreeSet<_>>().len() as u64
    }

    pub(crate) fn assert_counts(&self, counts: Counts, unsettled: u64) {
        assert!(counts.is_conserved(unsettled), "{counts:?} and {unsettled} unsettled");
        assert_eq!((counts.received, unsettled), (self.next, self.unsettled()));
        let counted = Expected {
            unmatched: counts.unmatched,
            duplicates: counts.duplicates,
            refused: counts.refused,
            delivered: counts.delivered,
            dead_lettered: counts.dead_lettered,
            dropped: counts.dropped,
            replayed: counts.replayed,
        };
        assert_eq!(counted, self.expected);
    }
}
