//! Gap records: the positions that will never be delivered, and why, said out loud.

use cofferdam_core::{Epoch, Scoped, TenantId};

use crate::StreamId;

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GapCause {
    /// The connection broke, and what the upstream sent meanwhile went nowhere.
    Reset,
    /// The upstream said that it is closing the channel.
    Closing,
    /// The upstream keeps nothing to replay from this position (Genesys keeps nothing at all; others
    /// keep hours).
    NoReplay,
    /// A bounded buffer was full and the upstream could not be paused.
    Overflow,
    /// A densely numbered upstream skipped these positions.
    Skipped,
    /// The upstream itself declared that it discarded events.
    Declared,
    /// This process shut down before the events were handed over.
    Shutdown,
}

impl GapCause {
    /// Every cause.
    pub const ALL: &'static [Self] = &[
        Self::Reset,
        Self::Closing,
        Self::NoReplay,
        Self::Overflow,
        Self::Skipped,
        Self::Declared,
        Self::Shutdown,
    ];

    /// A number that stores may keep: it never changes its meaning.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Reset => 1,
            Self::Closing => 2,
            Self::NoReplay => 3,
            Self::Overflow => 4,
            Self::Skipped => 5,
            Self::Declared => 6,
            Self::Shutdown => 7,
        }
    }

    /// The cause with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.code() == code)
    }
}

/// Positions `from..to` of a stream are lost to us; `to` is `None` where nobody can say how many.
///
/// A record is its own identity: writing the same one twice is writing it once, so a store may be
/// asked again after an outcome was lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GapRecord {
    stream: StreamId,
    epoch: Epoch,
    from: u64,
    to: Option<u64>,
    cause: GapCause,
    at_ms: i64,
}

impl GapRecord {
    /// Positions `from..to` of `stream` were found missing at `at_ms` (milliseconds since the Unix
    /// epoch) by the owner of `epoch`.
    ///
    /// A `to` that is not past `from` says nothing about where the gap ends, and is kept as `None`:
    /// a record may overstate a loss, never hide one.
    #[must_use]
    pub fn new(
        stream: StreamId,
        epoch: Epoch,
        from: u64,
        to: Option<u64>,
        cause: GapCause,
        at_ms: i64,
    ) -> Self {
        Self { stream, epoch, from, to: to.filter(|&to| to > from), cause, at_ms }
    }

    /// The stream.
    #[must_use]
    pub const fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// The fencing epoch of the owner that found the gap.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The first missing position.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.from
    }

    /// The first position after the gap, if anybody knows.
    #[must_use]
    pub const fn to(&self) -> Option<u64> {
        self.to
    }

    /// Why.
    #[must_use]
    pub const fn cause(&self) -> GapCause {
        self.cause
    }

    /// When it was found, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn at_ms(&self) -> i64 {
        self.at_ms
    }
}

impl Scoped for GapRecord {
    fn tenant(&self) -> &TenantId {
        self.stream.tenant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_round_trip() {
        for &cause in GapCause::ALL {
            assert_eq!(GapCause::from_code(cause.code()), Some(cause));
        }
        assert_eq!(GapCause::from_code(0), None);
        assert_eq!(GapCause::from_code(8), None);
    }

    #[test]
    fn a_gap_that_ends_before_it_begins_is_kept_as_open_ended() {
        let stream = StreamId::new(TenantId::parse("a").unwrap(), "s").unwrap();
        let gap = |to| GapRecord::new(stream.clone(), Epoch(1), 5, to, GapCause::Reset, 0).to();
        assert_eq!((gap(Some(6)), gap(Some(5)), gap(Some(1))), (Some(6), None, None));
    }
}
