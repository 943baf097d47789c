//! One event of a stream, written as compact JSON.

use std::fmt::Write as _;

use fastrand::Rng;

use super::rules::{DIRECTIONS, EVENT_TYPES, QueueId, STATES, Wanted, write_uuid};

/// The bytes of an event after its participants, about.
const TAIL: usize = 270;
/// What a participant takes at least, with its comma, about.
const PARTICIPANT: usize = 350;

const NAMES: [&str; 6] =
    ["Ann Porter", "Ravi Shah", "Night Desk", "Lena Vogt", "Tom O'Hara", "Billing Team"];
/// Names as they stand between quotes in JSON, with escapes or beyond ASCII.
const MARKED_NAMES: [&str; 6] = [
    r#"Zo\u00eb \"Zed\" Quill"#,
    "Jürgen Müller-Lüdenscheidt",
    "Łukasz Żółć",
    "山田 太郎",
    r"Desk \ud83d\ude00 North\/South",
    r"C:\\desk\tone",
];
const PURPOSES: [&str; 4] = ["customer", "acd", "agent", "ivr"];
const WORDS: [&str; 16] = [
    "account", "billing", "callback", "case", "contract", "customer", "delivery", "invoice",
    "language", "locale", "order", "priority", "region", "retry", "skill", "voucher",
];

/// Appends an event of 1.0 to 2.3 KB that has `wanted` where rules look, after participants that
/// have values of the same kinds.
pub(super) fn write(text: &mut String, wanted: &Wanted, universe: u32, rng: &mut Rng) {
    let (begin, size) = (text.len(), size(rng));
    let marked = rng.u8(..5) == 0;
    text.push_str(r#"{"topicName":"v2.routing.queues."#);
    uuid(text, rng);
    text.push_str(r#".conversations","version":"2","eventBody":{"id":""#);
    uuid(text, rng);
    // Writing to a `String` does not fail, here and below.
    let _ = write!(
        text,
        r#"","startTime":"2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z","participants":["#,
        rng.u8(1..=28),
        rng.u8(..24),
        rng.u8(..60),
        rng.u8(..60),
        rng.u16(..1_000),
    );
    let room = (size - TAIL - (text.len() - begin)) / PARTICIPANT;
    let participants = rng.usize(1..=3).min(room.max(1));
    for nth in 0..participants {
        participant(text, universe, marked && nth == 0, rng);
        // The last one makes up for what the event is short of.
        if nth + 1 < participants {
            text.push_str("}},");
        }
    }
    attributes(text, begin + size - TAIL, rng);
    tail(text, wanted, rng);
}

/// A size to aim at, in bytes. Small ones are more frequent; what is written is 1,000 to 2,300 bytes
/// long, and 1,555 on average.
fn size(rng: &mut Rng) -> usize {
    let (one, other) = (rng.usize(..1_270), rng.usize(..1_270));
    995 + if rng.u8(..100) < 47 { one.min(other) } else { one }
}

/// Without the two braces that close it and its attributes.
fn participant(text: &mut String, universe: u32, marked: bool, rng: &mut Rng) {
    let names = if marked { MARKED_NAMES } else { NAMES };
    text.push_str(r#"{"id":""#);
    uuid(text, rng);
    let _ = write!(
        text,
        concat!(
            r#"","purpose":"{}","name":"{}","queueId":"{}","state":"{}","direction":"{}","#,
            r#""muted":{},"held":{},"mos":4.{:02},"wrapUp":null,"#,
            r#""attributes":{{"attempt":{}"#,
        ),
        PURPOSES[rng.usize(..PURPOSES.len())],
        names[rng.usize(..names.len())],
        // One that rules may name.
        QueueId(rng.u32(..universe)),
        STATES[rng.usize(..STATES.len())],
        DIRECTIONS[rng.usize(..DIRECTIONS.len())],
        rng.bool(),
        rng.bool(),
        rng.u8(..100),
        rng.u8(1..9),
    );
}

/// More attributes of the last participant, up to about this length of the text; closes them, the
/// participant and the list.
fn attributes(text: &mut String, until: usize, rng: &mut Rng) {
    let mut nth = 0;
    while text.len() < until {
        let word = |rng: &mut Rng| WORDS[rng.usize(..WORDS.len())];
        let (name, one, other) = (word(rng), word(rng), word(rng));
        let _ = write!(text, r#","{name}.{nth}":"{one} {other} {}""#, rng.u16(..1_000));
        nth += 1;
    }
    text.push_str("}}]");
}

fn tail(text: &mut String, wanted: &Wanted, rng: &mut Rng) {
    let _ = write!(
        text,
        concat!(
            r#","queueId":"{}","state":"{}","direction":"{}","mediaType":"voice","#,
            r#""recording":{},"durationMs":{}}},"metadata":{{"correlationId":""#,
        ),
        QueueId(wanted.queue),
        STATES[wanted.state],
        DIRECTIONS[wanted.direction],
        rng.bool(),
        rng.u32(..1_000_000),
    );
    uuid(text, rng);
    let _ = write!(
        text,
        r#"","sequence":{}}},"eventType":"{}"}}"#,
        rng.u32(..),
        EVENT_TYPES[wanted.event_type],
    );
}

fn uuid(text: &mut String, rng: &mut Rng) {
    let _ = write_uuid(text, rng);
}
