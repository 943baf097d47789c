//! What an operator says about a tenant's lanes, checked whole before anything is queued.

use std::{collections::BTreeMap, fmt, time::Duration};

use cofferdam_core::{Epoch, pipeline::RouteId};

use crate::LaneId;

/// What becomes of an event that finds its lane full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The lane pauses upstream before it is full. What the reader had already taken in and finds
    /// no room for is dead-lettered.
    #[default]
    Block,
    /// The event is dead-lettered; upstream is never paused on behalf of this lane.
    DeadLetter,
    /// The oldest waiting events make room, and a gap names them.
    DropOldest,
}

/// One lane: a bounded queue toward one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneConfig {
    /// The target's URL, such as `queue://support`. Consumers name the lane by exactly this text.
    pub name: String,
    /// The most events that the lane holds, waiting and in flight.
    pub capacity_events: usize,
    /// The most bytes of redacted bodies that the lane holds, waiting and in flight.
    pub capacity_bytes: usize,
    /// The high watermark in events; the one in bytes stands at the same fraction of the capacity.
    pub high: usize,
    /// The low watermark in events; the one in bytes stands at the same fraction of the capacity.
    pub low: usize,
    /// What becomes of an event that finds the lane full.
    pub when_full: WhenFull,
    /// The most events that are delivered and not yet acknowledged.
    pub max_in_flight: usize,
    /// How long a consumer has to acknowledge a delivery.
    pub visibility: Duration,
    /// The most deliveries of one event.
    pub max_attempts: u32,
    /// How long an event may wait, counted from its offer.
    pub ttl: Option<Duration>,
}

impl LaneConfig {
    /// A lane with this name and the defaults: 10,000 events or 64 MiB, watermarks at 7,500 and
    /// 5,000, blocking, 1,024 in flight, 30 s to acknowledge, 5 attempts, no time to live.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: String::from(name),
            capacity_events: 10_000,
            capacity_bytes: 64 << 20,
            high: 7_500,
            low: 5_000,
            when_full: WhenFull::Block,
            max_in_flight: 1_024,
            visibility: Duration::from_secs(30),
            max_attempts: 5,
            ttl: None,
        }
    }

    /// A watermark's share of the capacity in bytes.
    pub(crate) fn bytes_at(&self, events: usize) -> usize {
        let share = self.capacity_bytes as u128 * events as u128 / self.capacity_events as u128;
        usize::try_from(share).unwrap_or(usize::MAX)
    }

    /// Finds the first mistake.
    pub(crate) fn check(&self, lane: LaneId) -> Result<(), ConfigError> {
        self.mistake().map_or(Ok(()), |mistake| Err(ConfigError { lane, mistake }))
    }

    fn mistake(&self) -> Option<Mistake> {
        let wrong = [
            (self.name.is_empty(), Mistake::EmptyName),
            (self.low >= self.high, Mistake::LowNotBelowHigh),
            (self.high > self.capacity_events, Mistake::HighAboveCapacity),
            (self.capacity_bytes < self.capacity_events, Mistake::FewerBytesThanEvents),
            (self.max_in_flight == 0, Mistake::NothingInFlight),
            (self.visibility.is_zero(), Mistake::NoVisibility),
            (self.max_attempts == 0, Mistake::NoAttempts),
            (self.ttl.is_some_and(|ttl| ttl.is_zero()), Mistake::NoTimeToLive),
        ];
        wrong.into_iter().find_map(|(is_wrong, mistake)| is_wrong.then_some(mistake))
    }
}

/// All lanes of one tenant, and which route leads to which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuesConfig {
    /// The lanes; [`LaneId`] is the place in this list.
    pub lanes: Vec<LaneConfig>,
    /// Which route leads to which lane. Several routes may lead to one.
    pub routes: BTreeMap<RouteId, LaneId>,
    /// The scope that a consumer's credential must carry.
    pub scope: String,
    /// The fencing epoch of the tenant's binding. A delivery id of an older epoch means nothing.
    pub epoch: Epoch,
}

impl QueuesConfig {
    /// These lanes, no routes, the scope `events:read` and the first epoch.
    #[must_use]
    pub fn new(lanes: Vec<LaneConfig>) -> Self {
        Self {
            lanes,
            routes: BTreeMap::new(),
            scope: String::from("events:read"),
            epoch: Epoch::default(),
        }
    }

    /// Finds the first mistake.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let mut names = std::collections::BTreeSet::new();
        for (lane, config) in (0..).map(LaneId).zip(&self.lanes) {
            let duplicate = (!names.insert(&config.name)).then_some(Mistake::DuplicateName);
            if let Some(mistake) = config.mistake().or(duplicate) {
                return Err(ConfigError { lane, mistake });
            }
        }
        check_routes(&self.routes, self.lanes.len())
    }
}

/// Every route leads to a lane that there is.
pub(crate) fn check_routes(
    routes: &BTreeMap<RouteId, LaneId>,
    lanes: usize,
) -> Result<(), ConfigError> {
    match routes.values().find(|lane| lane.index() >= lanes) {
        Some(&lane) => Err(ConfigError { lane, mistake: Mistake::RouteToNowhere }),
        None => Ok(()),
    }
}

/// Which lane is configured wrongly, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("lane {}: {mistake}", lane.0)]
#[non_exhaustive]
pub struct ConfigError {
    /// The lane.
    pub lane: LaneId,
    /// What is wrong with it.
    pub mistake: Mistake,
}

/// A mistake in a lane's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// The lane has no name.
    EmptyName,
    /// An earlier lane has the same name.
    DuplicateName,
    /// The low watermark is not below the high one, so the lane could not fall under it.
    LowNotBelowHigh,
    /// The high watermark is above the capacity, so the lane could not reach it.
    HighAboveCapacity,
    /// Less than one byte an event: the watermarks in bytes could fall together.
    FewerBytesThanEvents,
    /// Not one event may be in flight.
    NothingInFlight,
    /// A delivery would time out at once.
    NoVisibility,
    /// An event may not be delivered once.
    NoAttempts,
    /// An event would expire at once.
    NoTimeToLive,
    /// A route leads to this lane, which there is not.
    RouteToNowhere,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyName => "the name is empty",
            Self::DuplicateName => "an earlier lane has the same name",
            Self::LowNotBelowHigh => "the low watermark is not below the high one",
            Self::HighAboveCapacity => "the high watermark is above the capacity",
            Self::FewerBytesThanEvents => "the capacity in bytes is below that in events",
            Self::NothingInFlight => "max_in_flight is zero",
            Self::NoVisibility => "visibility is zero",
            Self::NoAttempts => "max_attempts is zero",
            Self::NoTimeToLive => "ttl is zero",
            Self::RouteToNowhere => "a route leads to it and it is not in the list",
        })
    }
}
