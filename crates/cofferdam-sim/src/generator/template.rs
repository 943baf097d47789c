//! Templates: frames whose shape is fixed and whose values are still to be filled in.
//!
//! Building a body member by member costs microseconds; copying one and filling in thirty values
//! costs a fraction of one. So the shapes (which members, how many participants, how long) are
//! drawn once, from the catalogue and the profile's sizes, and a frame is a template plus values.
//! Sizes are drawn stratified: the n templates of a topic take the middles of n equal slices of the
//! size distribution, so that a profile's sizes do not depend on the luck of its seed.
//!
//! One set serves every tenant: nothing of a tenant is in a template but the places where it goes.

use std::sync::Arc;

use super::{
    profile::{Profile, Sizes},
    rng::{Purpose, Rng, seed_for},
    secrets::SecretField,
    topics::{List, TOPICS, Topic},
};

/// A value that a frame is completed with. In the catalogue a slot is its name in angle brackets.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// The event's user, queue and conversation: the same everywhere in one event.
    User,
    Queue,
    Conversation,
    /// Any of the tenant's queues.
    AnyQueue,
    /// The tenant's own organisation.
    Organisation,
    /// The customer's company: now and then, by accident, the organisation of another tenant.
    Foreign,
    Uuid,
    Correlation,
    /// The event's time; and times of the ten minutes before it.
    Now,
    NowMs,
    Time,
    Millis,
    Interval,
    Word,
    Text,
    Said,
    Small,
    Span,
    Fraction,
    Phone(SecretField),
    Name,
    Email,
    Contact,
    Recording,
    Ssn,
    Account,
    Postal,
    OneOf(Arc<[Box<str>]>),
}

impl Slot {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "user" => Self::User,
            "queue" => Self::Queue,
            "conversation" => Self::Conversation,
            "anyqueue" => Self::AnyQueue,
            "organisation" => Self::Organisation,
            "foreign" => Self::Foreign,
            "uuid" => Self::Uuid,
            "correlation" => Self::Correlation,
            "now" => Self::Now,
            "nowms" => Self::NowMs,
            "time" => Self::Time,
            "millis" => Self::Millis,
            "interval" => Self::Interval,
            "word" => Self::Word,
            "text" => Self::Text,
            "said" => Self::Said,
            "small" => Self::Small,
            "span" => Self::Span,
            "fraction" => Self::Fraction,
            "caller" => Self::Phone(SecretField::CallerPhone),
            "ani" => Self::Phone(SecretField::Ani),
            "dnis" => Self::Phone(SecretField::Dnis),
            "address" => Self::Phone(SecretField::Address),
            "name" => Self::Name,
            "email" => Self::Email,
            "contact" => Self::Contact,
            "recording" => Self::Recording,
            "ssn" => Self::Ssn,
            "account" => Self::Account,
            "postal" => Self::Postal,
            choice if choice.contains('|') => {
                Self::OneOf(choice.split('|').map(Box::from).collect())
            }
            _ => return None,
        })
    }

    /// About how many bytes the value takes.
    const fn width(&self) -> usize {
        match self {
            Self::User
            | Self::Queue
            | Self::AnyQueue
            | Self::Conversation
            | Self::Organisation
            | Self::Foreign
            | Self::Uuid
            | Self::Correlation => 36,
            Self::Now | Self::Time => 24,
            Self::NowMs | Self::Millis => 13,
            Self::Interval => 35,
            Self::Small => 2,
            Self::Word | Self::Span => 5,
            Self::Fraction | Self::OneOf(_) => 7,
            Self::Phone(_) | Self::Ssn => 12,
            Self::Name | Self::Text => 16,
            Self::Account => 8,
            Self::Email | Self::Contact | Self::Postal => 24,
            Self::Said => 40,
            Self::Recording => 76,
        }
    }
}

/// Literal text, then a value. The last piece of a template has no value.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) literal: Box<[u8]>,
    pub(crate) slot: Option<Slot>,
}

pub(crate) type Template = Box<[Piece]>;

/// A profile's templates, ready for any number of streams. Cloning copies a pointer.
#[derive(Debug, Clone)]
pub struct Templates(Arc<Set>);

#[derive(Debug)]
struct Set {
    profile: Profile,
    templates: Vec<Template>,
    /// Template numbers, each as often as its share of `SCHEDULE` demands.
    schedule: Vec<u16>,
}

/// Steps of the table that shares are rounded to: an error below 0.01 %.
const SCHEDULE: u32 = 16_384;

impl Templates {
    /// Draws the shapes for `profile`.
    #[must_use]
    pub fn new(seed: u64, profile: Profile) -> Self {
        let mut rng = Rng::new(seed_for(seed, Purpose::Templates, 0));
        let mut templates = Vec::new();
        let mut schedule = Vec::with_capacity(SCHEDULE as usize);
        let total: u32 = TOPICS.iter().map(|topic| topic.share).sum();
        let mut shares_so_far = 0;
        for topic in &TOPICS {
            // A heavy tail needs more shapes to show; the conversations have it.
            let shapes = if topic.sizes[7] > 10_000 { 64 } else { 24 };
            let first = templates.len();
            for shape in 0..shapes {
                let quantile = (f64::from(shape) + 0.5) / f64::from(shapes);
                let size = match profile.sizes {
                    Sizes::Corpus => size_at(&topic.sizes, quantile),
                    Sizes::Around(mean) => mean as f64 * (0.625 + 0.75 * quantile),
                };
                templates.push(draw(topic, size as usize, &mut rng));
            }
            shares_so_far += topic.share;
            let end = (u64::from(SCHEDULE) * u64::from(shares_so_far) / u64::from(total)) as usize;
            let shape = |place: usize| (first + place % (templates.len() - first)) as u16;
            schedule.extend((0..end - schedule.len()).map(shape));
        }
        Self(Arc::new(Set { profile, templates, schedule }))
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.0.profile
    }

    pub(crate) fn pick(&self, rng: &mut Rng) -> &[Piece] {
        let number = rng.pick(&self.0.schedule).map_or(0, |number| usize::from(*number));
        self.0.templates.get(number).map_or(&[], |template| template)
    }
}

/// The size at `quantile`, between the two known ones around it.
fn size_at(sizes: &[u32; 8], quantile: f64) -> f64 {
    const AT: [f64; 8] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0];
    let upper = AT.iter().position(|at| *at >= quantile).unwrap_or(7).max(1);
    let (low, high) = (f64::from(sizes[upper - 1]), f64::from(sizes[upper]));
    low + (high - low) * (quantile - AT[upper - 1]) / (AT[upper] - AT[upper - 1])
}

/// A template of about `size` bytes.
fn draw(topic: &Topic, size: usize, rng: &mut Rng) -> Template {
    let mut sketch = Sketch::default();
    sketch.push(r#"{"topicName":""#);
    sketch.push(topic.name);
    sketch.push(r#"","version":"2","eventBody":{"#);
    sketch.push(topic.always);
    let tail = r#"},"metadata":{"CorrelationId":"<correlation>"}}"#;
    let size = size.saturating_sub(55 + 36 - "<correlation>".len());
    let mut used = Vec::new();
    for member in topic.sometimes {
        // Small bodies are members, big ones mostly list: leave the list its room.
        if rng.below(2) == 0 && sketch.width + width(member) / 2 < size {
            sketch.member(member, &mut used);
        }
    }
    if sketch.width + topic.list.name.len() + width(topic.list.always) < size {
        sketch.push(",\"");
        sketch.push(topic.list.name);
        sketch.push("\":[");
        sketch.grow(&topic.list, size, rng);
        sketch.push("]");
    }
    sketch.push(tail);
    sketch.finish()
}

/// A template being drawn.
#[derive(Debug, Default)]
struct Sketch {
    pieces: Vec<Piece>,
    literal: Vec<u8>,
    width: usize,
}

impl Sketch {
    /// Appends catalogue text.
    fn push(&mut self, text: &str) {
        for (literal, slot) in parts(text) {
            self.literal.extend_from_slice(literal.as_bytes());
            self.width += literal.len();
            if let Some(slot) = slot {
                self.width += slot.width();
                let literal = std::mem::take(&mut self.literal).into_boxed_slice();
                self.pieces.push(Piece { literal, slot: Some(slot) });
            }
        }
    }

    /// Appends a further member to an object, unless it has one of that name already: JSON readers
    /// disagree about those, and strict ones refuse them.
    fn member<'t>(&mut self, member: &'t str, used: &mut Vec<&'t str>) {
        let name = member.split(':').next().unwrap_or_default();
        if !used.contains(&name) {
            used.push(name);
            self.push(",");
            self.push(member);
        }
    }

    /// Appends items until the frame is as wide as wanted.
    fn grow(&mut self, list: &List, size: usize, rng: &mut Rng) {
        let mut first = true;
        while self.width < size {
            if !std::mem::take(&mut first) {
                self.push(",");
            }
            if !list.objects {
                self.push(list.sometimes.first().unwrap_or(&"null"));
                continue;
            }
            self.push("{");
            self.push(list.always);
            let mut used = Vec::new();
            for member in list.sometimes {
                if rng.below(2) == 0 && self.width + width(member) / 2 < size {
                    self.member(member, &mut used);
                }
            }
            self.push("}");
        }
    }

    fn finish(mut self) -> Template {
        let literal = std::mem::take(&mut self.literal).into_boxed_slice();
        self.pieces.push(Piece { literal, slot: None });
        self.pieces.into_boxed_slice()
    }
}

/// About how many bytes catalogue text comes to.
fn width(text: &str) -> usize {
    parts(text).map(|(literal, slot)| literal.len() + slot.map_or(0, |slot| slot.width())).sum()
}

/// Catalogue text as literals, each with the slot that follows it.
fn parts(text: &str) -> impl Iterator<Item = (&str, Option<Slot>)> {
    text.split_inclusive('>').map(|part| match part.split_once('<') {
        Some((literal, name)) => (literal, Slot::named(name.trim_end_matches('>'))),
        None => (part, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_of_the_catalogue_is_known() {
        let mut texts = Vec::new();
        for topic in &TOPICS {
            texts.extend([topic.name, topic.always, topic.list.always]);
            texts.extend(topic.sometimes.iter().chain(topic.list.sometimes));
        }
        for text in texts {
            for part in text.split_inclusive('>').filter(|part| part.contains('<')) {
                let name = part.split_once('<').unwrap().1.trim_end_matches('>');
                assert!(Slot::named(name).is_some(), "<{name}> in {text}");
            }
        }
    }

    #[test]
    fn sizes_meet_the_known_quantiles() {
        let sizes = [10, 20, 30, 40, 50, 60, 70, 80];
        assert_eq!(size_at(&sizes, 0.0), 10.0);
        assert_eq!(size_at(&sizes, 0.5), 40.0);
        assert_eq!(size_at(&sizes, 0.375), 35.0);
        assert_eq!(size_at(&sizes, 1.0), 80.0);
    }
}
