//! The conservation sum: where every received event is.

/// How many events a compartment received, and what became of them.
///
/// Every event is in exactly one of the other counts or still [`unsettled`](crate::Compartment::unsettled):
/// [`is_conserved`](Self::is_conserved) says whether the sum holds. Replays of dead letters are not
/// events received again and stand beside the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Events that were read from the socket and offered to the gate.
    pub received: u64,
    /// Nobody subscribed.
    pub unmatched: u64,
    /// The same bytes again, within the window.
    pub duplicates: u64,
    /// Malformed, ambiguous, foreign, expired, or not to be redacted or audited.
    pub refused: u64,
    /// Acknowledged by every consumer that they went to.
    pub delivered: u64,
    /// Dead-lettered in at least one lane.
    pub dead_lettered: u64,
    /// Dropped by a lane that drops, and named in a gap.
    pub dropped: u64,
    /// Places that redaction masked, hashed or left out.
    pub redactions: u64,
    /// Dead letters that were offered again and settled.
    pub replayed: u64,
}

impl Counts {
    /// Events whose end is known.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.unmatched
            + self.duplicates
            + self.refused
            + self.delivered
            + self.dead_lettered
            + self.dropped
    }

    /// Whether every received event has exactly one end or is one of `unsettled`.
    #[must_use]
    pub const fn is_conserved(&self, unsettled: u64) -> bool {
        self.settled() + unsettled == self.received
    }
}
