//! One tenant's events: how many are due, and the next ones as WebSocket messages.
//!
//! Events are not queued anywhere. A feed knows how many there should have been by now (its pace
//! times the time since its first socket) and how many it has given out; the difference is what the
//! platform holds for the tenant. A socket takes them in batches, which is how a slow reader holds
//! up its own tenant and nobody else. While there is no socket they are counted and skipped.

use std::{collections::VecDeque, time::Duration};

use axum::extract::ws::{Message, Utf8Bytes};
use bytes::{Bytes, BytesMut};
use cofferdam_sim::generator::{FrameKind, TenantStream};
use tokio::time::Instant;

use super::{
    config::{Burst, Rate},
    replay::Frame,
};

/// Events taken at a time: about 100 KB of the usual ones, as much as the socket buffers.
const BATCH: u64 = 64;
/// A wake-up costs more than an event. So a feed waits for `GROUP` events, unless that takes longer
/// than `TICKS`' end, and never less than their start.
const GROUP: u32 = 4;
const TICKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(40));
/// How long a feed that has nothing to send waits before it looks again.
const IDLE: Duration = Duration::from_millis(100);

/// A message on its way out, and what it was if it came from the feed.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) message: Message,
    pub(super) event: Option<FrameKind>,
}

/// What a feed had.
#[derive(Debug)]
pub(super) enum Taken {
    /// Messages, appended.
    Some,
    /// Nothing before this moment.
    NotBefore(Instant),
    /// Nothing ever again.
    Finished,
}

/// Where a feed's events come from.
#[derive(Debug)]
pub(super) enum Events {
    Made {
        stream: TenantStream,
        scratch: Vec<u8>,
    },
    /// Begun again at its end; what is planned says how often.
    Recorded(std::iter::Cycle<std::vec::IntoIter<Frame>>),
}

/// One tenant's events.
#[derive(Debug)]
pub(super) struct Feed {
    events: Events,
    pace: Pace,
    planned: Option<u64>,
    given: u64,
    started: Option<Instant>,
    /// The tenant's sockets, oldest first. The newest has the events, so that each is sent once and
    /// a client that opens a new channel before it closes the old one misses none.
    sockets: Vec<u64>,
}

impl Feed {
    pub(super) const fn new(events: Events, pace: Pace, planned: Option<u64>) -> Self {
        Self { events, pace, planned, given: 0, started: None, sockets: Vec::new() }
    }

    pub(super) const fn planned(&self) -> Option<u64> {
        self.planned
    }

    /// A socket opens (or subscribes). Returns how many events were lost until now.
    pub(super) fn attach(&mut self, socket: u64, now: Instant) -> u64 {
        let lost = self.lose(now);
        self.started.get_or_insert(now);
        if !self.sockets.contains(&socket) {
            self.sockets.push(socket);
        }
        lost
    }

    /// A socket is gone.
    pub(super) fn detach(&mut self, socket: u64) {
        self.sockets.retain(|one| *one != socket);
    }

    /// Skips what is due and has no socket to go to. Returns how many events that was.
    pub(super) fn lose(&mut self, now: Instant) -> u64 {
        if !self.sockets.is_empty() || self.pace.rate.is_none() {
            return 0;
        }
        let lost = self.due(now) - self.given;
        for _ in 0..lost {
            match &mut self.events {
                Events::Made { stream, .. } => _ = stream.skip_frame(),
                Events::Recorded(frames) => _ = frames.next(),
            }
        }
        self.given += lost;
        lost
    }

    /// Appends to `out` what is due for `socket`.
    pub(super) fn take(
        &mut self,
        socket: u64,
        now: Instant,
        out: &mut VecDeque<Outgoing>,
    ) -> Taken {
        if self.sockets.last() != Some(&socket) {
            return Taken::NotBefore(now + IDLE);
        }
        let count = (self.due(now) - self.given).min(BATCH);
        if count > 0 {
            self.given += count;
            self.give(count, out);
            Taken::Some
        } else if self.planned.is_some_and(|planned| self.given >= planned) {
            Taken::Finished
        } else {
            Taken::NotBefore(now + self.pace.wait())
        }
    }

    /// How many events there should have been by `now`; never fewer than were given.
    fn due(&self, now: Instant) -> u64 {
        let elapsed = self.started.map_or(Duration::ZERO, |started| now - started);
        let due = self.pace.due(elapsed).min(self.planned.unwrap_or(u64::MAX));
        due.max(self.given)
    }

    fn give(&mut self, count: u64, out: &mut VecDeque<Outgoing>) {
        match &mut self.events {
            Events::Made { stream, scratch } => {
                // One allocation for the batch; every message is a slice of it.
                let mut batch = BytesMut::with_capacity(2_048 * count as usize);
                for _ in 0..count {
                    let kind = stream.next_frame(scratch);
                    batch.extend_from_slice(scratch);
                    out.push_back(outgoing(batch.split().freeze(), kind));
                }
            }
            Events::Recorded(frames) => out.extend(
                frames.by_ref().take(count as usize).map(|frame| outgoing(frame.bytes, frame.kind)),
            ),
        }
    }
}

/// Text if it can be, since the platform sends text; a recording may hold what is not UTF-8.
fn outgoing(bytes: Bytes, kind: FrameKind) -> Outgoing {
    let message = match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    };
    Outgoing { message, event: Some(kind) }
}

/// How many events there are by when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Events a second, or as many as are taken.
    rate: Option<f64>,
    burst: Option<Burst>,
}

impl Pace {
    /// The pace of the tenant at `index`, whose share of all events is `weight`.
    pub(super) fn new(rate: Rate, burst: Option<Burst>, index: usize, weight: f64) -> Self {
        let rate = match rate {
            Rate::PerSecond(all) => Some((all * weight).max(0.0)),
            Rate::Unlimited => None,
        };
        let mine = |burst: &Burst| {
            burst.tenant.is_none_or(|one| one == index) && burst.every > Duration::ZERO
        };
        Self { rate, burst: burst.filter(mine) }
    }

    /// The events in the first `elapsed`: the rate times the time, in which the part of every period
    /// that is flooded counts `factor` times.
    fn due(&self, elapsed: Duration) -> u64 {
        let Some(rate) = self.rate else { return u64::MAX };
        let mut seconds = elapsed.as_secs_f64();
        if let Some(burst) = self.burst {
            let every = burst.every.as_secs_f64();
            let lasting = burst.lasting.as_secs_f64().min(every);
            let periods = (seconds / every).floor();
            let into_flood = (seconds - periods * every - (every - lasting)).max(0.0);
            seconds += (burst.factor - 1.0) * (periods * lasting + into_flood);
        }
        (rate * seconds) as u64
    }

    /// How long to wait for more events.
    fn wait(&self) -> Duration {
        let rate = self.rate.unwrap_or(f64::INFINITY);
        let between = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(IDLE).min(IDLE);
        (between * GROUP).clamp(TICKS.0, TICKS.1).max(between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_counts_by_time_and_weight() {
        let pace = Pace::new(Rate::PerSecond(1_000.0), None, 0, 0.25);
        assert_eq!(pace.due(Duration::from_millis(3_999)), 999);
        assert_eq!(pace.due(Duration::from_secs(4)), 1_000);
        assert_eq!(Pace::new(Rate::Unlimited, None, 0, 0.25).due(Duration::ZERO), u64::MAX);
    }

    #[test]
    fn a_flood_is_its_tenants_own_and_comes_at_the_end_of_a_period() {
        let burst = Burst {
            every: Duration::from_secs(10),
            lasting: Duration::from_secs(2),
            factor: 5.0,
            tenant: Some(1),
        };
        let due = |index, ms| {
            Pace::new(Rate::PerSecond(100.0), Some(burst), index, 1.0)
                .due(Duration::from_millis(ms))
        };
        for (ms, quiet, flooded) in
            [(8_000, 800, 800), (9_000, 900, 1_300), (10_000, 1_000, 1_800), (18_000, 1_800, 2_600)]
        {
            assert_eq!((due(0, ms), due(1, ms)), (quiet, flooded), "{ms}");
        }
    }
}
