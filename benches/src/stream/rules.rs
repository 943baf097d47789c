//! Rules drawn from a seed, in every engine's language, and the routes that an event is to have.

use std::fmt::Write as _;

use fastrand::Rng;

const SEED: u64 = 17;
pub(super) const EVENT_TYPES: [&str; 4] = [
    "routing.queue.conversation",
    "routing.queue.occupancy",
    "telephony.call",
    "conversation.transcription",
];
pub(super) const STATES: [&str; 6] =
    ["alerting", "connected", "held", "parked", "transferred", "disconnected"];
pub(super) const DIRECTIONS: [&str; 2] = ["inbound", "outbound"];
/// How many targets the rules share, so that one event's rules lead to several routes at times.
const ROUTES: u8 = 16;

/// What the rules of a set look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// What users write: one of 4 event types, 2 queues of as many as there are rules, 1 or 2 of 6
    /// states, 1 or 2 directions.
    A,
    /// What is easiest for engines that look at fields in the order of their names: one event type,
    /// a queue that no other rule names, one state.
    B,
}

/// A set of rules.
#[derive(Debug, Clone)]
pub struct Rules {
    shape: Shape,
    list: Vec<Rule>,
    /// Queue and rule, sorted.
    by_queue: Vec<(u32, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    event_type: u8,
    /// Two of shape A; of shape B the second repeats the first.
    queues: [u32; 2],
    /// Bits of [`STATES`].
    states: u8,
    /// Bits of [`DIRECTIONS`]; none stands for any.
    directions: u8,
    route: u8,
}

/// What an event has where the rules look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) event_type: usize,
    pub(super) queue: u32,
    pub(super) state: usize,
    pub(super) direction: usize,
}

impl Rules {
    /// Draws `count` rules.
    #[must_use]
    pub fn generate(shape: Shape, count: u32) -> Self {
        let mut rng = Rng::with_seed(SEED);
        let list: Vec<Rule> = (0..count).map(|i| Rule::draw(shape, i, count, &mut rng)).collect();
        let mut by_queue: Vec<(u32, u32)> =
            (0..).zip(&list).flat_map(|(i, rule)| rule.queues.map(|queue| (queue, i))).collect();
        by_queue.sort_unstable();
        by_queue.dedup();
        Self { shape, list, by_queue }
    }

    /// What they look like.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many queues there are for rules to name.
    pub(super) fn universe(&self) -> u32 {
        self.list.len() as u32
    }

    /// As a subscription document.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        let mut text = String::with_capacity(self.list.len() * 230 + 64);
        text.push_str(r#"{"tenantId":"acme","subscriptions":["#);
        for (index, rule) in self.list.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let event_type = EVENT_TYPES[usize::from(rule.event_type)];
            // Writing to a `String` does not fail, here and below.
            let _ = write!(text, r#"{{"eventType":"{event_type}","filters":{{"#);
            rule.write_values(&mut text, self.shape, ["queueIds", "state", "direction"]);
            let _ = write!(text, r#"}},"targetQueue":"queue://lane-{}"}}"#, rule.route);
        }
        text.push_str("]}");
        text.into_bytes()
    }

    /// As patterns of Quamina, each with its route.
    #[must_use]
    pub fn patterns(&self) -> Vec<(u32, String)> {
        let pattern = |rule: &Rule| {
            let event_type = EVENT_TYPES[usize::from(rule.event_type)];
            let mut text = format!(r#"{{"eventType":["{event_type}"],"eventBody":{{"#);
            rule.write_values(&mut text, self.shape, ["queueId", "state", "direction"]);
            text.push_str("}}");
            (u32::from(rule.route), text)
        };
        self.list.iter().map(pattern).collect()
    }

    /// How many routes an event has: the answer that engines are held to.
    pub(super) fn routes_of(&self, wanted: &Wanted) -> usize {
        let holds = |rule: &&Rule| {
            usize::from(rule.event_type) == wanted.event_type
                && rule.states & (1 << wanted.state) != 0
                && (rule.directions == 0 || rule.directions & (1 << wanted.direction) != 0)
        };
        let routes = self.of_queue(wanted.queue).filter(holds);
        routes.fold(0u16, |routes, rule| routes | 1 << rule.route).count_ones() as usize
    }

    /// What a rule asks for.
    pub(super) fn hit(&self, rng: &mut Rng) -> Wanted {
        let rule = &self.list[rng.usize(..self.list.len())];
        Wanted {
            event_type: usize::from(rule.event_type),
            queue: rule.queues[rng.usize(..2)],
            state: any_bit(rule.states, rng),
            direction: match rule.directions {
                0 => rng.usize(..DIRECTIONS.len()),
                some => any_bit(some, rng),
            },
        }
    }

    /// A queue that rules name, in a state that they name for other queues only.
    pub(super) fn known_queue_in_another_state(&self, rng: &mut Rng) -> Wanted {
        loop {
            let wanted = self.hit(rng);
            let named = self.of_queue(wanted.queue).fold(0, |named, rule| named | rule.states);
            let others = !named & ((1 << STATES.len()) - 1);
            if others != 0 {
                return Wanted { state: any_bit(others, rng), ..wanted };
            }
        }
    }

    /// Everything that a rule asks for but the queue, which no rule names.
    pub(super) fn unknown_queue(&self, rng: &mut Rng) -> Wanted {
        let queue = self.universe() + rng.u32(..1 << 24);
        Wanted { queue, ..self.hit(rng) }
    }

    fn of_queue(&self, queue: u32) -> impl Iterator<Item = &Rule> {
        let from = self.by_queue.partition_point(|&(own, _)| own < queue);
        let of_it = self.by_queue[from..].iter().take_while(move |&&(own, _)| own == queue);
        of_it.map(|&(_, rule)| &self.list[rule as usize])
    }
}

impl Rule {
    fn draw(shape: Shape, index: u32, count: u32, rng: &mut Rng) -> Self {
        let queue = rng.u32(..count);
        let another = (queue + rng.u32(1..count.max(2))) % count;
        let (event_type, route) = (rng.u8(..EVENT_TYPES.len() as u8), rng.u8(..ROUTES));
        let mut some_of = |n: usize| {
            let first = 1 << rng.usize(..n);
            if rng.bool() { first } else { first | 1 << rng.usize(..n) }
        };
        let (states, directions) = (some_of(STATES.len()), some_of(DIRECTIONS.len()));
        match shape {
            Shape::A => Self { event_type, queues: [queue, another], states, directions, route },
            Shape::B => {
                let lowest = states & states.wrapping_neg();
                Self { event_type, queues: [index; 2], states: lowest, directions: 0, route }
            }
        }
    }

    /// The values under these names, for the queues, the states and the directions.
    fn write_values(
        &self,
        text: &mut String,
        shape: Shape,
        [queues, states, directions]: [&str; 3],
    ) {
        let _ = write!(text, r#""{queues}":["{}""#, QueueId(self.queues[0]));
        if shape == Shape::A {
            let _ = write!(text, r#","{}""#, QueueId(self.queues[1]));
        }
        let _ = write!(text, r#"],"{states}":["#);
        write_bits(text, self.states, &STATES);
        text.push(']');
        if self.directions != 0 {
            let _ = write!(text, r#","{directions}":["#);
            write_bits(text, self.directions, &DIRECTIONS);
            text.push(']');
        }
    }
}

/// A queue's id: a UUID of its number.
pub(super) struct QueueId(pub(super) u32);

impl std::fmt::Display for QueueId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_uuid(f, &mut Rng::with_seed(u64::from(self.0)))
    }
}

/// Writes a random UUID (RFC 9562, version 4).
pub(super) fn write_uuid(out: &mut impl std::fmt::Write, rng: &mut Rng) -> std::fmt::Result {
    let (high, low) = (rng.u64(..), rng.u64(..));
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
    let (d, e) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    write!(out, "{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
}

fn any_bit(bits: u8, rng: &mut Rng) -> usize {
    let nth = rng.u32(..bits.count_ones().max(1));
    (0..8).filter(|at| bits & 1 << at != 0).nth(nth as usize).unwrap_or(0)
}

fn write_bits(text: &mut String, bits: u8, names: &[&str]) {
    let named = names.iter().enumerate().filter(|(at, _)| bits & 1 << at != 0);
    for (nth, (_, name)) in named.enumerate() {
        let comma = if nth > 0 { "," } else { "" };
        let _ = write!(text, r#"{comma}"{name}""#);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_met_by_what_was_drawn_for_it_and_no_rule_by_a_miss() {
        for (shape, count) in [(Shape::A, 10), (Shape::A, 1_000), (Shape::B, 10)] {
            let rules = Rules::generate(shape, count);
            let mut rng = Rng::with_seed(1);
            for _ in 0..500 {
                assert!(rules.routes_of(&rules.hit(&mut rng)) > 0);
                let other = rules.known_queue_in_another_state(&mut rng);
                assert!(rules.of_queue(other.queue).count() > 0);
                assert_eq!(rules.routes_of(&other), 0);
                assert_eq!(rules.of_queue(rules.unknown_queue(&mut rng).queue).count(), 0);
            }
        }
    }

    #[test]
    fn the_shapes_are_as_described() {
        let a = Rules::generate(Shape::A, 1_000);
        assert!(a.list.iter().all(|rule| rule.queues[0] != rule.queues[1]));
        let b = Rules::generate(Shape::B, 1_000);
        assert!(b.list.iter().all(|rule| rule.states.count_ones() == 1 && rule.directions == 0));
        assert_eq!(b.by_queue.len(), 1_000);
    }

    #[test]
    fn the_texts_are_json() {
        for shape in [Shape::A, Shape::B] {
            let rules = Rules::generate(shape, 20);
            let document: serde_json::Value = serde_json::from_slice(&rules.document()).unwrap();
            assert_eq!(document["subscriptions"].as_array().unwrap().len(), 20);
            for (_, pattern) in rules.patterns() {
                let pattern: serde_json::Value = serde_json::from_str(&pattern).unwrap();
                assert!(pattern["eventBody"]["queueId"][0].is_string());
            }
        }
    }
}
