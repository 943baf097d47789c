//! Filling in: the values of one event.

use super::{
    DemoTenant, FrameKind, Profile, SecretField, Templates,
    rng::{Chance, Purpose, Rng, combine, seed_for},
    secrets::{DIGIT_MARK, TEXT_MARK},
    template::{Piece, Slot},
    text::{push_four, push_hex, push_minute, push_number, push_time, push_two, push_uuid},
    words::{FIRST_NAMES, LAST_NAMES, MAILBOXES, SENTENCES, STREETS, TEXTS},
};

/// Monday 2026-01-05 08:00 UTC: when every stream begins.
const START_MS: u64 = 1_767_600_000_000;
/// How far apart events are on their own clock.
const STEP_MS: u64 = 400;
/// How far back the times inside an event reach.
const PAST_MS: u32 = 600_000;

/// Everything that the values of one event are drawn from.
pub(crate) struct Scene<'a> {
    tenant: &'a DemoTenant,
    user: &'a str,
    queue: &'a str,
    conversation: &'a str,
    rng: Rng,
    foreign: Chance,
    correlation: Rng,
    event: u64,
    at_ms: u64,
    planted: bool,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(tenant: &'a DemoTenant, profile: &Profile, seed: u64, event: u64) -> Self {
        let of = |purpose, number| combine(seed_for(seed, purpose, tenant.index()), number);
        let mut rng = Rng::new(of(Purpose::Event, event));
        let mut one = |ids: &'a [Box<str>]| rng.pick(ids).map_or("", |id| &**id);
        let user = one(tenant.users());
        let queue = one(tenant.queues());
        let conversation = one(tenant.conversations());
        let shared = rng.happens(Chance::of(profile.shared_correlation_rate));
        let request = if shared { event.saturating_sub(1) } else { event };
        Self {
            tenant,
            user,
            queue,
            conversation,
            at_ms: START_MS + event % (1 << 40) * STEP_MS + u64::from(rng.below(STEP_MS as u32)),
            rng,
            foreign: Chance::of(profile.foreign_rate),
            correlation: Rng::new(of(Purpose::Correlation, request)),
            event,
            planted: profile.planted,
        }
    }

    /// Writes the event.
    pub(crate) fn event(&mut self, templates: &Templates, out: &mut Vec<u8>) {
        let pieces = templates.pick(&mut self.rng);
        for Piece { literal, slot } in pieces {
            out.extend_from_slice(literal);
            if let Some(slot) = slot {
                self.fill(slot, out);
            }
        }
    }

    /// Writes a control frame.
    pub(crate) fn control(&mut self, kind: FrameKind, out: &mut Vec<u8>) {
        let pieces: &[&str] = match kind {
            FrameKind::Pong => {
                &[r#"{"topicName":"channel.metadata","eventBody":{"message":"pong"}}"#]
            }
            FrameKind::SubscribeAck => {
                &[r#"{"result":"200","status":"subscribed","correlationId":""#, "u", r#""}"#]
            }
            FrameKind::Closing => &[
                r#"{"topicName":"v2.system.socket_closing","version":"2","eventBody":{"message":"This socket closes in a minute for maintenance","channelId":""#,
                "c",
                r#"","organizationId":""#,
                "o",
                r#""},"metadata":{"CorrelationId":""#,
                "u",
                r#""}}"#,
            ],
            FrameKind::NoLongerSubscribed => &[
                r#"{"topicName":"v2.system.no_longer_subscribed."#,
                "c",
                r#"","version":"2","eventBody":{"channelId":""#,
                "c",
                r#"","systemTopicType":"no_longer_subscribed","organizationId":""#,
                "o",
                r#"","userId":""#,
                "s",
                r#"","reason":"another_channel_subscribed"},"metadata":{"CorrelationId":""#,
                "u",
                r#""}}"#,
            ],
            _ => &[
                r#"{"topicName":"channel.metadata","eventBody":{"message":"WebSocket Heartbeat"}}"#,
            ],
        };
        for piece in pieces {
            match *piece {
                "u" => push_uuid(out, &mut self.rng),
                "c" => self.channel(out),
                "o" => out.extend_from_slice(self.tenant.organisation().as_bytes()),
                "s" => out.extend_from_slice(self.user.as_bytes()),
                literal => out.extend_from_slice(literal.as_bytes()),
            }
        }
    }

    /// The tenant's channel: its organisation's digits in the platform's form.
    fn channel(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"streaming-");
        out.push(b'0' + (self.tenant.index() % 10) as u8);
        out.push(b'-');
        let digits = self.tenant.organisation().bytes().filter(u8::is_ascii_hexdigit);
        out.extend(digits.take(26));
    }

    fn fill(&mut self, slot: &Slot, out: &mut Vec<u8>) {
        match slot {
            Slot::User => out.extend_from_slice(self.user.as_bytes()),
            Slot::Queue => out.extend_from_slice(self.queue.as_bytes()),
            Slot::Conversation => out.extend_from_slice(self.conversation.as_bytes()),
            Slot::AnyQueue => {
                if let Some(queue) = self.rng.pick(self.tenant.queues()) {
                    out.extend_from_slice(queue.as_bytes());
                }
            }
            Slot::Organisation => out.extend_from_slice(self.tenant.organisation().as_bytes()),
            Slot::Foreign => self.foreign(out),
            Slot::Uuid => push_uuid(out, &mut self.rng),
            Slot::Correlation => push_uuid(out, &mut self.correlation),
            Slot::Now => push_time(out, self.at_ms),
            Slot::NowMs => push_number(out, self.at_ms),
            Slot::Time => push_time(out, self.at_ms - u64::from(self.rng.below(PAST_MS))),
            Slot::Millis => push_number(out, self.at_ms - u64::from(self.rng.below(PAST_MS))),
            Slot::Interval => self.interval(out),
            Slot::Word => {
                out.push(b'w');
                push_number(out, u64::from(self.rng.below(1_000)));
            }
            Slot::Text => self.word(&TEXTS, out),
            Slot::Small => push_number(out, u64::from(self.rng.below(41))),
            Slot::Span => push_number(out, u64::from(self.rng.below(180_000))),
            Slot::Fraction => {
                out.extend_from_slice(b"0.");
                push_four(out, self.rng.next() >> 40);
                out.push(b'7');
            }
            Slot::OneOf(choices) => {
                if let Some(choice) = self.rng.pick(choices) {
                    out.extend_from_slice(choice.as_bytes());
                }
            }
            personal => self.personal(personal, out),
        }
    }

    /// Fills in what stands for personal data, with a mark if marks are planted.
    fn personal(&mut self, slot: &Slot, out: &mut Vec<u8>) {
        match slot {
            Slot::Phone(field) => self.phone(*field, out),
            Slot::Name => {
                self.word(&FIRST_NAMES, out);
                out.push(b' ');
                self.word(&LAST_NAMES, out);
                self.mark(b" ", SecretField::Name, out);
            }
            Slot::Email => {
                self.word(&MAILBOXES, out);
                self.mark(b".", SecretField::Email, out);
                out.extend_from_slice(b"@mail.example");
            }
            Slot::Contact => {
                out.extend_from_slice(b"contact-");
                push_hex(out, self.rng.next() as u32);
                self.mark(b"-", SecretField::ContactId, out);
            }
            Slot::Recording => {
                out.extend_from_slice(b"https://recordings.example/v1/");
                push_uuid(out, &mut self.rng);
                self.mark(b"-", SecretField::RecordingUrl, out);
                out.extend_from_slice(b".opus");
            }
            Slot::Ssn => {
                // Numbers that begin with 9 are never issued.
                out.push(b'9');
                push_two(out, self.rng.next() >> 32);
                out.push(b'-');
                push_two(out, self.rng.next() >> 32);
                out.push(b'-');
                push_four(out, self.rng.next() >> 32);
                self.mark(b"/", SecretField::Ssn, out);
            }
            Slot::Postal => {
                push_number(out, 1 + u64::from(self.rng.below(300)));
                out.push(b' ');
                self.word(&STREETS, out);
                self.mark(b", ", SecretField::Other, out);
            }
            Slot::Said => {
                self.word(&SENTENCES, out);
                out.push(b' ');
                push_four(out, self.rng.next() >> 32);
                self.mark(b" ", SecretField::Other, out);
            }
            _ => {
                push_four(out, self.rng.next() >> 32);
                push_four(out, self.rng.next() >> 32);
                self.mark(b"-", SecretField::Other, out);
            }
        }
    }

    fn foreign(&mut self, out: &mut Vec<u8>) {
        let bait = self.rng.happens(self.foreign);
        match bait.then(|| self.tenant.neighbour(&mut self.rng)).flatten() {
            Some(neighbour) => out.extend_from_slice(neighbour.as_bytes()),
            None => push_uuid(out, &mut self.rng),
        }
    }

    fn interval(&self, out: &mut Vec<u8>) {
        push_minute(out, self.at_ms);
        out.extend_from_slice(b"Z/");
        push_minute(out, self.at_ms + 60_000);
        out.push(b'Z');
    }

    /// A number of the ranges that are kept free for fiction (North America, United Kingdom).
    fn phone(&mut self, field: SecretField, out: &mut Vec<u8>) {
        if self.planted {
            out.push(b'+');
            out.extend_from_slice(DIGIT_MARK);
            out.extend_from_slice(&self.tenant.code());
            out.push(field.digit());
            push_four(out, self.event);
        } else if self.rng.below(8) == 0 {
            out.extend_from_slice(b"+4420794600");
            push_two(out, self.rng.next() >> 32);
        } else {
            out.extend_from_slice(b"+1");
            push_number(out, 200 + u64::from(self.rng.below(800)));
            out.extend_from_slice(b"55501");
            push_two(out, self.rng.next() >> 32);
        }
    }

    fn word(&mut self, words: &[&str], out: &mut Vec<u8>) {
        if let Some(word) = self.rng.pick(words) {
            out.extend_from_slice(word.as_bytes());
        }
    }

    /// Appends a mark after `glue`, if marks are planted.
    fn mark(&self, glue: &[u8], field: SecretField, out: &mut Vec<u8>) {
        if self.planted {
            out.extend_from_slice(glue);
            out.extend_from_slice(TEXT_MARK);
            out.extend_from_slice(&self.tenant.code());
            out.push(field.digit());
            push_hex(out, self.event as u32);
        }
    }
}
