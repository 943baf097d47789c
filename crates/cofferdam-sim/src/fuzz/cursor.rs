//! The bodies for cursors: no token but our own opens, and no script makes a cursor run ahead.
#![expect(clippy::expect_used, reason = "a fuzz body is made of assertions")]

use std::{collections::BTreeSet, time::Duration};

use cofferdam_core::{Epoch, Machine, Now, TenantId};
use cofferdam_cursor::{
    Cursor, CursorKeys, Effect, GapCause, Input, Numbering, StreamId, Tracker, TrackerLimits, Write,
};

/// Offers `data` as a cursor token, edits a real token with it, and runs it as a tracker's script
/// next to a model that does not know about windows.
///
/// # Panics
///
/// If a token that was not sealed for the stream opens, or a cursor passes an open position.
pub fn cursor(data: &[u8]) {
    let tenant = TenantId::parse("acme").expect("a tenant id");
    let stream = StreamId::new(tenant, "calls").expect("a stream name");
    forged_token(data, &stream);
    edited_token(data, &stream);
    script(data, &stream);
}

fn forged_token(data: &[u8], stream: &StreamId) {
    // Keys that seal nothing: a fuzzer learns a real token from the comparison in `edited_token`.
    let keys = CursorKeys::new(1, &[8; 32]);
    let text = String::from_utf8_lossy(data);
    assert!(keys.open(&text, stream, Now::default()).is_err(), "a forged token opened");
}

/// The first two bytes choose a byte of the token and what replaces it.
fn edited_token(data: &[u8], stream: &StreamId) {
    let &[at, to, ..] = data else { return };
    let keys = CursorKeys::new(1, &[7; 32]);
    let cursor = Cursor::new(stream.clone(), Epoch(3), 4_711);
    let token = keys.seal(&cursor, [9; 12]).expect("a cursor is short").to_string();
    let mut bytes = token.clone().into_bytes();
    let at = usize::from(at) % bytes.len();
    bytes[at] = to;
    let edited = String::from_utf8_lossy(&bytes);
    let opened = keys.open(&edited, stream, Now::default());
    if edited == token {
        assert_eq!(opened, Ok(cursor), "an untouched token did not open");
    } else {
        assert!(opened.is_err(), "an edited token opened");
    }
}

/// Every event that was handed to the tracker and neither settled nor declared lost holds the cursor.
///
/// The model is the driver of a well-behaved reader: it opens in order, and goes back to where the
/// tracker stalled.
fn script(data: &[u8], stream: &StreamId) {
    let limits = TrackerLimits {
        window: 64,
        commit_every: 3,
        commit_after: Duration::from_millis(5),
        numbering: if data.len().is_multiple_of(2) { Numbering::Dense } else { Numbering::Sparse },
    };
    let mut tracker = Tracker::resume(&Cursor::new(stream.clone(), Epoch(1), 0), limits);
    let mut open = BTreeSet::new();
    let (mut next, mut committed, mut effects) = (0_u64, 0, Vec::new());
    let mut now = Now::default();
    for pair in data.chunks_exact(2) {
        let argument = u64::from(pair[1]);
        now = now.after(Duration::from_millis(argument % 4));
        let input = match pair[0] % 8 {
            0..=2 => Input::Opened { position: next },
            3 => Input::Opened { position: next + argument },
            4 | 5 => Input::Settled { position: nth(&open, argument).unwrap_or(argument) },
            6 => Input::Gap { from: next, to: Some(next + argument), cause: GapCause::Reset },
            _ => Input::Flush,
        };
        match input {
            Input::Opened { position } => {
                open.insert(position);
                next = position + 1;
            }
            Input::Settled { position } => {
                open.remove(&position);
            }
            Input::Gap { to: Some(to), .. } => next = next.max(to),
            _ => {}
        }
        tracker.handle_input(input, now, &mut effects);
        tracker.handle_timeout(now, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Stalled { position, .. } => {
                    open.split_off(&position);
                    next = next.min(position);
                }
                Effect::Write(Write::Cursor(cursor)) => {
                    assert!(cursor.position() >= committed, "a cursor moved back");
                    committed = cursor.position();
                    let lowest = open.first().copied().unwrap_or(next).min(next);
                    assert!(committed <= lowest, "a cursor ran ahead");
                }
                Effect::Write(Write::Gap(_)) => {}
            }
        }
    }
    // And none is held back for ever: with everything settled, the cursor stands at the end.
    for position in std::mem::take(&mut open) {
        tracker.handle_input(Input::Settled { position }, now, &mut effects);
    }
    for input in [Input::Opened { position: next }, Input::Settled { position: next }] {
        tracker.handle_input(input, now, &mut effects);
    }
    assert_eq!(tracker.cursor().position(), next + 1, "a cursor was held back by nothing");
    assert_eq!(tracker.outstanding(), 0, "a settled event is still outstanding");
}

fn nth(open: &BTreeSet<u64>, index: u64) -> Option<u64> {
    let len = u64::try_from(open.len()).ok().filter(|&len| len > 0)?;
    open.iter().nth(usize::try_from(index % len).ok()?).copied()
}
