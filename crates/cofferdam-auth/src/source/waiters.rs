//! The callers that wait for a token: bounded in number and in time, found by id and by deadline.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::Now;

use super::RequestId;

#[derive(Debug, Default)]
pub(super) struct Waiters {
    deadlines: BTreeMap<RequestId, Now>,
    order: BTreeSet<(Now, RequestId)>,
}

impl Waiters {
    /// Lets `request` wait; false if `most` wait already. One that waits keeps its deadline.
    pub(super) fn add(&mut self, request: RequestId, deadline: Now, most: usize) -> bool {
        if self.deadlines.contains_key(&request) {
            return true;
        }
        if self.deadlines.len() >= most {
            return false;
        }
        self.deadlines.insert(request, deadline);
        self.order.insert((deadline, request));
        true
    }

    pub(super) fn remove(&mut self, request: RequestId) {
        if let Some(deadline) = self.deadlines.remove(&request) {
            self.order.remove(&(deadline, request));
        }
    }

    /// Takes one whose deadline is reached.
    pub(super) fn take_late(&mut self, now: Now) -> Option<RequestId> {
        let (_, request) = *self.order.first().filter(|(deadline, _)| now.reached(*deadline))?;
        self.remove(request);
        Some(request)
    }

    /// Takes all, in the order of their deadlines.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = RequestId> + use<> {
        self.deadlines.clear();
        std::mem::take(&mut self.order).into_iter().map(|(_, request)| request)
    }

    pub(super) fn first_deadline(&self) -> Option<Now> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    pub(super) fn len(&self) -> usize {
        self.deadlines.len()
    }
}
