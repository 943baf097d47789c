//! What is delivered and not yet acknowledged: found by id, and by deadline.
//!
//! Delivery ids ascend and a lane's visibility timeout is one span, so a deque in order of delivery
//! is sorted by id *and* by deadline: the oldest deadline is its front, an id is a binary search.
//! Selective acknowledgement makes holes. A hole at the front is dropped; one in the middle stays
//! as a tombstone until holes outnumber what lives, when one pass takes them all out. So an
//! acknowledgement costs O(log n), a timeout O(1) amortised, and the deque is never longer than
//! twice what is in flight and a few. (Counting holes against the limit of the window instead would
//! let one event that its consumer never answers stall the lane until its timeout.)

use std::collections::VecDeque;

use cofferdam_core::Now;

use crate::DeliveryId;

struct InFlight<T> {
    delivery: DeliveryId,
    deadline: Now,
    bytes: usize,
    /// `None` once it was taken out.
    item: Option<T>,
}

/// The deliveries in flight of one lane, all to one consumer.
pub(crate) struct Window<T> {
    deliveries: VecDeque<InFlight<T>>,
    live: usize,
    bytes: usize,
}

impl<T> Window<T> {
    /// How many holes are worth a pass.
    const FEW: usize = 16;

    pub(crate) fn new() -> Self {
        Self { deliveries: VecDeque::new(), live: 0, bytes: 0 }
    }

    /// Adds a delivery; its id and deadline are not before any that is there.
    pub(crate) fn push(&mut self, delivery: DeliveryId, deadline: Now, bytes: usize, item: T) {
        self.live += 1;
        self.bytes += bytes;
        self.deliveries.push_back(InFlight { delivery, deadline, bytes, item: Some(item) });
    }

    /// Whether this delivery is in flight.
    pub(crate) fn holds(&self, delivery: DeliveryId) -> bool {
        self.find(delivery).is_some_and(|at| self.deliveries[at].item.is_some())
    }

    /// Takes out this delivery.
    pub(crate) fn take(&mut self, delivery: DeliveryId) -> Option<T> {
        let at = self.find(delivery)?;
        self.take_at(at)
    }

    /// Takes out the oldest delivery, if it is not after `last`.
    pub(crate) fn take_through(&mut self, last: DeliveryId) -> Option<T> {
        let front = self.deliveries.front()?;
        if front.delivery <= last { self.take_at(0) } else { None }
    }

    /// Takes out the oldest delivery, if its deadline has come.
    pub(crate) fn take_lapsed(&mut self, now: Now) -> Option<T> {
        let front = self.deliveries.front()?;
        if now.reached(front.deadline) { self.take_at(0) } else { None }
    }

    /// Takes out the oldest delivery.
    pub(crate) fn take_oldest(&mut self) -> Option<T> {
        self.take_at(0)
    }

    /// When the oldest delivery lapses.
    pub(crate) fn deadline(&self) -> Option<Now> {
        self.deliveries.front().map(|front| front.deadline)
    }

    /// How many deliveries are in flight.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// How many bytes are in flight.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn find(&self, delivery: DeliveryId) -> Option<usize> {
        self.deliveries.binary_search_by_key(&delivery, |d| d.delivery).ok()
    }

    /// Takes out one, and restores: the front is alive, holes do not outnumber the living by much.
    fn take_at(&mut self, at: usize) -> Option<T> {
        let delivery = self.deliveries.get_mut(at)?;
        let item = delivery.item.take()?;
        self.live -= 1;
        self.bytes -= delivery.bytes;
        while self.deliveries.front().is_some_and(|front| front.item.is_none()) {
            self.deliveries.pop_front();
        }
        if self.deliveries.len() > 2 * self.live + Self::FEW {
            self.deliveries.retain(|d| d.item.is_some());
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now::from_millis(ms, 0)
    }

    fn window(deliveries: u64) -> Window<u64> {
        let mut window = Window::new();
        for n in 0..deliveries {
            window.push(DeliveryId(n), at(n), 2, n);
        }
        window
    }

    #[test]
    fn holes_behind_a_delivery_that_nobody_answers_do_not_pile_up() {
        let mut window = window(1);
        for n in 1..10_000 {
            window.push(DeliveryId(n), at(n), 2, n);
            assert_eq!(window.take(DeliveryId(n)), Some(n));
            assert!(window.deliveries.len() <= 2 * window.len() + Window::<u64>::FEW);
        }
        assert_eq!((window.len(), window.bytes(), window.deadline()), (1, 2, Some(at(0))));
        assert_eq!(window.take_oldest(), Some(0));
        assert_eq!((window.len(), window.bytes(), window.deadline()), (0, 0, None));
    }

    #[test]
    fn what_was_taken_is_not_there() {
        let mut window = window(3);
        assert_eq!(window.take(DeliveryId(1)), Some(1));
        assert_eq!(window.take(DeliveryId(1)), None);
        assert!(window.holds(DeliveryId(0)) && !window.holds(DeliveryId(1)));
        assert_eq!(window.take_through(DeliveryId(1)), Some(0));
        assert_eq!(window.take_through(DeliveryId(1)), None);
        assert_eq!(window.take_lapsed(at(1)), None);
        assert_eq!(window.take_lapsed(at(2)), Some(2));
    }
}
