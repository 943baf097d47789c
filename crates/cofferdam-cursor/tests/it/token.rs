//! Sealed cursors: opaque, and good for one tenant and stream.

use std::collections::BTreeSet;

use cofferdam_core::{Epoch, Now};
use cofferdam_cursor::{Cursor, CursorKeys, CursorToken, StreamId};
use cofferdam_sim::rng;

use super::support::stream;

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn now() -> Now {
    Now::from_millis(0, 1_000)
}

fn seal(keys: &CursorKeys, stream: &StreamId, position: u64) -> String {
    let cursor = Cursor::new(stream.clone(), Epoch(3), position);
    keys.seal(&cursor, [9; 12]).unwrap().to_string()
}

#[test]
fn opens_what_it_sealed() {
    let keys = CursorKeys::new(1, &OLD);
    let longest = stream(&"t".repeat(63), &"s".repeat(128));
    for s in [stream("a", "calls"), longest] {
        for (epoch, position) in [(0, 0), (3, 4_711), (u64::MAX, u64::MAX)] {
            let cursor = Cursor::new(s.clone(), Epoch(epoch), position);
            let token = keys.seal(&cursor, [9; 12]).unwrap();
            assert_eq!(keys.open(token.as_str(), &s, now()), Ok(cursor));
        }
    }
}

/// C01: every single bit, every cut, and what is longer.
#[test]
fn refuses_an_edited_cut_or_extended_token() {
    let keys = CursorKeys::new(1, &OLD);
    let s = stream("a", "calls");
    let token = seal(&keys, &s, 7);
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let edited = String::from_utf8_lossy(&bytes).into_owned();
            assert!(keys.open(&edited, &s, now()).is_err(), "bit {bit} of byte {at}");
        }
        assert!(keys.open(&token[..at], &s, now()).is_err(), "cut at {at}");
        assert!(keys.open(&token[at + 1..], &s, now()).is_err(), "without the first {at}");
    }
    for tail in ["A", "=", "==", "\n", " ", "\0", "AAAA"] {
        assert!(keys.open(&format!("{token}{tail}"), &s, now()).is_err(), "{tail:?}");
        assert!(keys.open(&format!("{tail}{token}"), &s, now()).is_err(), "{tail:?}");
    }
}

/// C02.
#[test]
fn refuses_a_token_of_another_tenant_or_stream() {
    let keys = CursorKeys::new(1, &OLD);
    let token = seal(&keys, &stream("acme", "calls"), 7);
    for other in [stream("globex", "calls"), stream("acme", "chats"), stream("acme", "call")] {
        assert!(keys.open(&token, &other, now()).is_err(), "{other:?}");
    }
}

/// C02, Q09: neither name can borrow from the other.
#[test]
fn refuses_a_token_whose_names_join_to_the_same_text() {
    let keys = CursorKeys::new(1, &OLD);
    let pairs = [("a", "b:c"), ("a", "b.c"), ("a.b", "c"), ("ab", "c"), ("a", "bc")];
    for (n, sealed) in pairs.iter().enumerate() {
        let token = seal(&keys, &stream(sealed.0, sealed.1), 7);
        for (m, offered) in pairs.iter().enumerate() {
            let opened = keys.open(&token, &stream(offered.0, offered.1), now());
            assert_eq!(opened.is_ok(), n == m, "{sealed:?} offered as {offered:?}");
        }
    }
}

/// C04: length and text say nothing of the position.
#[test]
fn a_token_is_opaque_and_of_one_length() {
    let keys = CursorKeys::new(1, &OLD);
    let mut rng = rng::seeded("a_token_is_opaque_and_of_one_length", 4);
    let mut bodies = BTreeSet::new();
    for position in [0, 1, 2, 255, 256, u64::MAX] {
        let mut nonce = [0; 12];
        rng.fill(&mut nonce);
        let cursor = Cursor::new(stream("a", "calls"), Epoch(0), position);
        let token = keys.seal(&cursor, nonce).unwrap().to_string();
        assert_eq!(token.len(), CursorToken::LEN);
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        bodies.insert(token[22..].to_owned());
    }
    assert_eq!(bodies.len(), 6);
}

/// C04: neighbouring positions differ in about half of their sealed bits, even under one nonce.
#[test]
fn the_next_position_does_not_look_like_the_next() {
    let keys = CursorKeys::new(1, &OLD);
    let s = stream("a", "calls");
    let (one, two) = (seal(&keys, &s, 1), seal(&keys, &s, 2));
    let differing = one[22..].bytes().zip(two[22..].bytes()).filter(|(a, b)| a != b).count();
    assert!(differing >= 32, "only {differing} of 42 characters differ");
}

/// C05.
#[test]
fn a_rotated_key_opens_until_its_grace_ends() {
    let s = stream("a", "calls");
    let token = seal(&CursorKeys::new(1, &OLD), &s, 7);
    let rotated = CursorKeys::new(2, &NEW).with_grace(1, &OLD, 2_000);
    assert!(rotated.open(&token, &s, Now::from_millis(0, 1_999)).is_ok());
    assert!(rotated.open(&token, &s, Now::from_millis(0, 2_000)).is_err());
    let renewed = seal(&rotated, &s, 7);
    assert!(rotated.open(&renewed, &s, Now::from_millis(0, i64::MAX)).is_ok());
}

/// C05: a node that was not given the new key yet, and one that lost the old.
#[test]
fn refuses_a_key_id_that_it_does_not_know() {
    let s = stream("a", "calls");
    let token = seal(&CursorKeys::new(2, &NEW), &s, 7);
    assert!(CursorKeys::new(1, &OLD).open(&token, &s, now()).is_err());
    assert!(CursorKeys::new(3, &OLD).with_grace(4, &NEW, 9_999).open(&token, &s, now()).is_err());
}

/// C01: the same id with another key is a forger's key.
#[test]
fn refuses_a_token_of_another_key_under_the_same_id() {
    let s = stream("a", "calls");
    let token = seal(&CursorKeys::new(1, &NEW), &s, 7);
    assert!(CursorKeys::new(1, &OLD).open(&token, &s, now()).is_err());
}

#[test]
fn says_one_thing_only_when_it_refuses() {
    let keys = CursorKeys::new(1, &OLD);
    let token = seal(&keys, &stream("a", "calls"), 7);
    let s = stream("b", "calls");
    for offered in ["", "SECRET", "é", token.as_str(), &"A".repeat(64), &"A".repeat(1 << 20)] {
        let refused = keys.open(offered, &s, now()).unwrap_err();
        assert_eq!(refused.to_string(), "the cursor is refused");
    }
}

#[test]
fn debug_shows_neither_key_nor_token() {
    let keys = CursorKeys::new(1, &OLD);
    let cursor = Cursor::new(stream("a", "calls"), Epoch(3), 7);
    let token = keys.seal(&cursor, [9; 12]).unwrap();
    assert_eq!(format!("{keys:?} {token:?}"), "CursorKeys(..) CursorToken(..)");
}
