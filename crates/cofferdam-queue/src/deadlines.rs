//! The earliest deadline of many lanes, kept while single ones change.
//!
//! A tournament: lanes are the leaves of a complete binary tree in an array, and every inner node
//! holds the earlier deadline of its two children. A change walks from its leaf to the root, the
//! earliest stands in the root. Nearly every acknowledgement moves a lane's deadline, so an ordered
//! set would take out and put in a node each time, and a heap would fill with stale entries; here a
//! change is at most log2(lanes) comparisons in memory that never grows.

use cofferdam_core::Now;

pub(crate) struct Deadlines {
    /// Node 1 is the root, node `n` has the children `2n` and `2n + 1`, the leaves are the second
    /// half. Node 0 is not used.
    nodes: Vec<Option<Now>>,
    leaves: usize,
}

impl Deadlines {
    pub(crate) fn new(lanes: usize) -> Self {
        let leaves = lanes.next_power_of_two().max(2);
        Self { nodes: vec![None; 2 * leaves], leaves }
    }

    /// Sets the deadline of one lane.
    pub(crate) fn set(&mut self, lane: usize, deadline: Option<Now>) {
        let mut node = self.leaves + lane;
        if self.nodes[node] == deadline {
            return;
        }
        self.nodes[node] = deadline;
        while node > 1 {
            node /= 2;
            self.nodes[node] = earlier(self.nodes[2 * node], self.nodes[2 * node + 1]);
        }
    }

    /// The earliest deadline of all.
    pub(crate) fn earliest(&self) -> Option<Now> {
        self.nodes[1]
    }

    /// The lane whose deadline is the earliest, if that has come.
    pub(crate) fn due(&self, now: Now) -> Option<usize> {
        let earliest = self.earliest().filter(|&deadline| now.reached(deadline))?;
        let mut node = 1;
        while node < self.leaves {
            node *= 2;
            node += usize::from(self.nodes[node] != Some(earliest));
        }
        Some(node - self.leaves)
    }
}

fn earlier(a: Option<Now>, b: Option<Now>) -> Option<Now> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now::from_millis(ms, 0)
    }

    #[test]
    fn the_earliest_of_many_is_found_whatever_changes() {
        let mut deadlines = Deadlines::new(5);
        assert_eq!(deadlines.earliest(), None);
        for (lane, ms) in [50, 30, 40, 20, 60].into_iter().enumerate() {
            deadlines.set(lane, Some(at(ms)));
        }
        for (lane, ms) in [(3, 20), (1, 30), (2, 40), (0, 50), (4, 60)] {
            assert_eq!(deadlines.earliest(), Some(at(ms)));
            assert_eq!(deadlines.due(at(ms - 1)), None);
            assert_eq!(deadlines.due(at(ms)), Some(lane));
            deadlines.set(lane, None);
        }
        assert_eq!((deadlines.earliest(), deadlines.due(at(u64::MAX))), (None, None));
    }

    #[test]
    fn no_lane_and_one_lane_are_trees_too() {
        assert_eq!(Deadlines::new(0).earliest(), None);
        let mut one = Deadlines::new(1);
        one.set(0, Some(at(1)));
        assert_eq!(one.due(at(1)), Some(0));
    }
}
