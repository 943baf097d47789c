//! What the upstream is told: where its events come from, how fast, and what goes wrong.

use std::{path::PathBuf, time::Duration};

use cofferdam_sim::generator::Profile;

/// Everything that a simulated upstream is started with.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamConfig {
    /// Tenants, events, tokens, channel ids and faults follow from it.
    pub(crate) seed: u64,
    /// Where events come from.
    pub(crate) source: Source,
    /// How many events a second all tenants have together.
    pub(crate) rate: Rate,
    /// What goes wrong.
    pub(crate) faults: Faults,
    /// How many events there are in all; without a limit a generator goes on for ever and a
    /// recording is played once. Shared out by the tenants' weights before the start, so that the
    /// number of each tenant's events does not depend on how fast anybody reads.
    pub(crate) limit: Option<u64>,
    /// The TCP port on 127.0.0.1; 0 for a free one.
    pub(crate) port: u16,
    /// Between two heartbeats on a socket. The platform's is 30 s.
    pub(crate) heartbeat: Duration,
    /// From the closing notice to the close. The platform's is about a minute.
    pub(crate) closing_grace: Duration,
    /// REST requests that one tenant may make in a minute. The platform's are 300.
    pub(crate) requests_per_minute: u32,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            source: Source::Generator(Profile::benchmark(1_600)),
            rate: Rate::PerSecond(1_000.0),
            faults: Faults::default(),
            limit: None,
            port: 0,
            heartbeat: Duration::from_secs(30),
            closing_grace: Duration::from_secs(5),
            requests_per_minute: 300,
        }
    }
}

/// Where events come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Made up as they are needed. The profile's control frames are left out, since every socket
    /// has its own; its duplicates and late events are those of [`Faults`].
    Generator(Profile),
    /// Recorded frames (see [`super::replay`]), sent as they are and in order; begun again until the
    /// limit is reached, if that is higher than their number.
    Replay(PathBuf),
}

/// How fast events come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    /// This many a second over all tenants, by their weights. They come whether anybody listens or
    /// not.
    PerSecond(f64),
    /// As fast as each tenant's socket takes them. Nothing is lost then: what is not taken has not
    /// happened yet.
    Unlimited,
}

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Sockets that break without a word, over all tenants.
    pub(crate) resets_per_minute: f64,
    /// Sockets that are announced to close, and do, over all tenants.
    pub(crate) closings_per_minute: f64,
    /// The chance that a generated event is sent twice.
    pub(crate) duplicate_rate: f64,
    /// The chance that a generated event is overtaken by later ones.
    pub(crate) late_rate: f64,
    /// A flood that comes again and again.
    pub(crate) burst: Option<Burst>,
}

/// A flood at the end of every period.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Burst {
    /// From one flood's end to the next one's.
    pub(crate) every: Duration,
    /// How long it lasts; at most `every`.
    pub(crate) lasting: Duration,
    /// How many times as many events there are meanwhile.
    pub(crate) factor: f64,
    /// Whose flood it is; everybody's if nobody is named.
    pub(crate) tenant: Option<usize>,
}
