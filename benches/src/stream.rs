//! A stream of events and the rules that they are matched against, for the filter and its peers.
//!
//! [`Rules`] are drawn from a seed in one of two [`Shape`]s and written down in each engine's own
//! language. A [`Stream`] is drawn to fit them: which share of its events match is given, and the
//! routes of every event are known before an engine sees it, so that [`Stream::verify`] can refuse
//! an engine that is fast and wrong.
//!
//! What is hard about the events: each carries one to three participants that have a `queueId`, a
//! `state` and a `direction` of their own, values that rules name, and the members that count stand
//! after them. An event that matches nothing is either one of a queue that rules name, in a state
//! that they do not name for it, or one of a queue that nobody named. A fifth of the events has
//! names with escapes or beyond ASCII.

mod event;
mod rules;
mod worst;

use fastrand::Rng;

pub use rules::{Rules, Shape};
pub use worst::Worst;

use crate::{SetupError, Share, engines::Matcher};

/// How many events a stream has: 155 MB of them, more than a last-level cache holds.
pub const COUNT: usize = 100_000;
/// How many events go round and round where a figure is called hot: 0.6 MB of them.
pub const HOT: usize = 400;
const SEED: u64 = 31;

/// Events one after the other in memory, and to how many routes each goes.
#[derive(Debug, Clone)]
pub struct Stream {
    bytes: Vec<u8>,
    /// Where each event ends, in bytes from the start.
    ends: Vec<usize>,
    routes: Vec<usize>,
}

impl Stream {
    /// Draws `count` events of which about `share` of a hundred match `rules`. The same arguments
    /// give the same bytes on every machine.
    #[must_use]
    pub fn generate(rules: &Rules, Share(share): Share, count: usize) -> Self {
        let mut rng = Rng::with_seed(SEED);
        let mut text = String::with_capacity(count * 1_600);
        let mut stream = Self { bytes: Vec::new(), ends: Vec::new(), routes: Vec::new() };
        for _ in 0..count {
            // Drawn and not spread evenly, so that no branch predictor learns the order.
            let wanted = match (rng.u32(..100) < share, rng.bool()) {
                (true, _) => rules.hit(&mut rng),
                (false, true) => rules.known_queue_in_another_state(&mut rng),
                (false, false) => rules.unknown_queue(&mut rng),
            };
            stream.routes.push(rules.routes_of(&wanted));
            event::write(&mut text, &wanted, rules.universe(), &mut rng);
            stream.ends.push(text.len());
        }
        stream.bytes = text.into_bytes();
        stream
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.bytes[begin..end])
    }

    /// The first `count` events.
    #[must_use]
    pub fn head(&self, count: usize) -> Self {
        let ends = self.ends[..count.min(self.ends.len())].to_vec();
        Self {
            bytes: self.bytes[..ends.last().copied().unwrap_or(0)].to_vec(),
            routes: self.routes[..ends.len()].to_vec(),
            ends,
        }
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes they are, all together.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }

    /// How many routes they go to, all together: what a whole pass of an engine must come to.
    #[must_use]
    pub fn route_count(&self) -> u64 {
        self.routes.iter().map(|&routes| routes as u64).sum()
    }

    /// Asks `matcher` about every event.
    ///
    /// # Errors
    ///
    /// [`SetupError`] with the number of the first event that it is wrong about.
    pub fn verify(&self, matcher: &mut dyn Matcher) -> Result<(), SetupError> {
        for (index, (event, &routes)) in self.events().zip(&self.routes).enumerate() {
            let found = matcher.matches(event);
            if found != routes {
                return Err(format!("event {index}: {found} routes and not {routes}").into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cofferdam::json;

    use super::*;

    fn stream(shape: Shape, share: u32) -> Stream {
        Stream::generate(&Rules::generate(shape, 1_000), Share(share), 3_000)
    }

    #[test]
    fn the_events_are_strict_json_of_the_sizes_that_they_are_said_to_have() {
        let stream = stream(Shape::A, 50);
        let mut scratch = json::Scratch::new([1; 16]);
        for event in stream.events() {
            assert!(json::check(event, &json::Limits::default(), &mut scratch).is_ok());
            assert!((1_000..2_330).contains(&event.len()), "{} bytes", event.len());
        }
        let mean = stream.byte_count() / stream.len();
        assert!((1_540..1_570).contains(&mean), "{mean} bytes on average");
    }

    #[test]
    fn a_fifth_of_the_events_has_escapes_or_is_not_ascii() {
        let stream = stream(Shape::A, 1);
        let marked = |event: &&[u8]| !event.is_ascii() || event.contains(&b'\\');
        let share = 100 * stream.events().filter(marked).count() / stream.len();
        assert!((17..=23).contains(&share), "{share} %");
    }

    #[test]
    fn the_members_that_count_stand_after_decoys() {
        for event in stream(Shape::A, 50).events() {
            let text = std::str::from_utf8(event).unwrap();
            for name in ["\"queueId\":", "\"state\":", "\"direction\":"] {
                assert!((2..=4).contains(&text.matches(name).count()));
            }
            let wanted = text.rfind("\"queueId\":").unwrap();
            assert!(text.rfind("\"purpose\":").unwrap() < wanted);
            assert!(wanted < text.find("\"eventType\":").unwrap());
        }
    }

    #[test]
    fn the_share_that_matches_is_the_one_asked_for() {
        for shape in [Shape::A, Shape::B] {
            let matched = |share| stream(shape, share).routes.iter().filter(|&&n| n > 0).count();
            assert_eq!(matched(0), 0);
            assert!((10..60).contains(&matched(1)));
            assert!((1_400..1_600).contains(&matched(50)));
        }
    }

    #[test]
    fn the_head_of_a_stream_is_a_stream() {
        let stream = stream(Shape::B, 50);
        let head = stream.head(7);
        assert!(head.events().eq(stream.events().take(7)));
        assert_eq!((head.len(), head.is_empty()), (7, false));
        assert_eq!(head.route_count(), stream.routes[..7].iter().map(|&n| n as u64).sum::<u64>());
    }
}
