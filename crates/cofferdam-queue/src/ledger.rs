//! Which offered events are not done in every lane yet.
//!
//! A slab: an open event is an index that its copies in the lanes carry, so that closing one costs
//! an addition and no lookup. The slab is as long as there were ever events open at once, which the
//! lanes' capacities bound.

use crate::Outcome;

/// An open event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(usize);

/// An event that is done everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) position: u64,
    pub(crate) replay: bool,
    pub(crate) outcome: Outcome,
}

struct Account {
    holds: u32,
    closed: Closed,
}

/// The open events of one tenant.
#[derive(Default)]
pub(crate) struct Ledger {
    accounts: Vec<Account>,
    free: Vec<usize>,
}

impl Ledger {
    /// Opens an event with one hold, the caller's own: it cannot close before the caller has
    /// offered it to the last lane.
    pub(crate) fn open(&mut self, position: u64, replay: bool) -> Slot {
        let closed = Closed { position, replay, outcome: Outcome::Delivered };
        let account = Account { holds: 1, closed };
        if let Some(index) = self.free.pop() {
            self.accounts[index] = account;
            Slot(index)
        } else {
            self.accounts.push(account);
            Slot(self.accounts.len() - 1)
        }
    }

    /// One more lane has it.
    pub(crate) fn hold(&mut self, slot: Slot) {
        self.accounts[slot.0].holds += 1;
    }

    /// One holder is done. The last one learns the worst outcome of all.
    pub(crate) fn release(&mut self, slot: Slot, outcome: Outcome) -> Option<Closed> {
        let account = &mut self.accounts[slot.0];
        account.holds -= 1;
        account.closed.outcome = account.closed.outcome.max(outcome);
        (account.holds == 0).then(|| {
            self.free.push(slot.0);
            account.closed
        })
    }

    pub(crate) fn open_events(&self) -> usize {
        self.accounts.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_with_the_last_holder_and_the_worst_outcome() {
        let mut ledger = Ledger::default();
        let slot = ledger.open(7, false);
        ledger.hold(slot);
        ledger.hold(slot);
        assert_eq!(ledger.release(slot, Outcome::DeadLettered), None);
        assert_eq!(ledger.release(slot, Outcome::Delivered), None);
        assert_eq!(ledger.open_events(), 1);
        let closed = ledger.release(slot, Outcome::Delivered);
        let expected = Closed { position: 7, replay: false, outcome: Outcome::DeadLettered };
        assert_eq!(closed, Some(expected));
        assert_eq!(ledger.open_events(), 0);
    }

    #[test]
    fn a_slot_that_is_used_again_remembers_nothing() {
        let mut ledger = Ledger::default();
        let first = ledger.open(1, true);
        ledger.release(first, Outcome::Dropped);
        let second = ledger.open(2, false);
        assert_eq!(first, second);
        let closed = ledger.release(second, Outcome::Delivered);
        let expected = Closed { position: 2, replay: false, outcome: Outcome::Delivered };
        assert_eq!(closed, Some(expected));
    }
}
