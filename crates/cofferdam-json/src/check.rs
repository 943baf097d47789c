//! The whole-event check: what passes has one meaning.
//!
//! It is written twice. `grammar` says whether an event passes, 64 bytes at a time, and is all that a
//! sound event sees. What it refuses is read again by the [`Reader`], token by token, to say which fault
//! there is: that is slow, and a sender of faults pays it with bytes of its own. The two accept the same,
//! which the tests here and the fuzz target `check` hold them to.

use crate::{Fault, Reader, Token, names::Names, simd};

pub use crate::names::Scratch;

/// What an event may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    max_bytes: usize,
    max_depth: u32,
}

impl Limits {
    /// Limits of `max_bytes` bytes and `max_depth` open containers; the depth is at most
    /// [`Reader::MAX_DEPTH`].
    #[must_use]
    pub fn new(max_bytes: usize, max_depth: u32) -> Self {
        Self {
            max_bytes: max_bytes.min(u32::MAX as usize),
            max_depth: max_depth.min(Reader::MAX_DEPTH),
        }
    }
}

/// One mebibyte, 64 levels.
impl Default for Limits {
    fn default() -> Self {
        Self::new(1 << 20, Reader::MAX_DEPTH)
    }
}

/// Checks that `event` is one JSON object that every sound reader reads alike.
///
/// That is: RFC 8259 grammar, UTF-8 throughout, no lone surrogates and no escaped NUL, nothing
/// after the object, no name twice in one object after unescaping (RFC 7493, section 2.3), numbers
/// within binary64, and the limits.
///
/// # Errors
///
/// One [`Fault`] that is there. UTF-8 is looked at before the grammar, and the grammar before the names.
pub fn check(event: &[u8], limits: &Limits, scratch: &mut Scratch) -> Result<(), Fault> {
    if event.len() > limits.max_bytes {
        return Err(Fault::TooLarge);
    }
    if simd::read(event, limits.max_depth, Names::new(event, scratch)).is_ok() {
        return Ok(());
    }
    core::str::from_utf8(event).map_err(|_| Fault::InvalidText)?;
    tokens(event, limits)?;
    // What has no other fault and was refused has a name twice.
    Err(Fault::DuplicateName)
}

/// There is a fault.
#[derive(Debug)]
pub(crate) struct Refused;

/// Finds the first fault of an event that was refused, but for names.
#[cold]
#[inline(never)]
fn tokens(event: &[u8], limits: &Limits) -> Result<(), Fault> {
    let mut reader = Reader::new(event);
    let mut next = reader.next()?;
    if next != Some(Token::BeginObject) {
        return Err(Fault::Malformed);
    }
    while next.is_some() {
        if reader.depth() > limits.max_depth {
            return Err(Fault::TooDeep);
        }
        next = reader.next()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write};

    use proptest::prelude::*;

    use super::*;

    fn checked(event: &[u8]) -> Result<(), Fault> {
        check(event, &Limits::default(), &mut Scratch::new([3; 16]))
    }

    #[test]
    fn accepts_an_object_and_nothing_else() {
        assert_eq!(checked(b" {\"a\":[{\"a\":1},{\"a\":2}],\"b\":{\"a\":{}}}\n"), Ok(()));
        for event in ["[]", "1", "\"{}\"", "null", "{}{}", ""] {
            assert_eq!(checked(event.as_bytes()), Err(Fault::Malformed), "{event}");
        }
    }

    /// F01, traps 1 and 3: plain, escaped and nested duplicates.
    #[test]
    fn refuses_a_name_twice_however_it_is_written() {
        for event in [
            r#"{"tenant":"a","tenant":"b"}"#,
            r#"{"tenant":"a","\u0074enant":"b"}"#,
            r#"{"\u0074enant":"a","t\u0065nant":"b"}"#,
            r#"{"a":{"x":1,"y":2,"x":3}}"#,
            r#"[{"":1,"":2}]"#,
            r#"{"a name that is longer than sixteen":1,"a name that is longer than sixteen":1}"#,
        ] {
            let event =
                if event.starts_with('[') { format!("{{\"k\":{event}}}") } else { event.into() };
            assert_eq!(checked(event.as_bytes()), Err(Fault::DuplicateName), "{event}");
        }
        for event in [
            r#"{"a name that is longer than 1 sixteen":1,"a name that is longer than 2 sixteen":1}"#,
            r#"{"tenant":"a","Tenant":"b","tenant ":"c"}"#,
            "{\"é\":1,\"e\u{301}\":2}",
        ] {
            assert_eq!(checked(event.as_bytes()), Ok(()), "{event}");
        }
    }

    fn members(count: usize, again: Option<usize>) -> String {
        let mut event = String::from("{");
        for n in 0..count {
            write!(event, "\"n{n}\":{{\"n{n}\":0}},").unwrap();
        }
        write!(event, "\"{}\":0}}", again.map_or_else(|| "last".into(), |n| format!("n{n}")))
            .unwrap();
        event
    }

    #[test]
    fn finds_duplicates_in_objects_of_every_size() {
        for count in [1, 15, 16, 17, 18, 100, 5_000] {
            assert_eq!(checked(members(count, None).as_bytes()), Ok(()), "{count}");
            for again in [0, count / 2, count - 1] {
                let event = members(count, Some(again));
                assert_eq!(checked(event.as_bytes()), Err(Fault::DuplicateName), "{count} {again}");
            }
        }
    }

    /// Names of every length, across the edges of blocks; alike in all but a byte, or at all.
    #[test]
    fn finds_duplicates_wherever_they_stand_and_however_long_they_are() {
        for len in (0..20).chain((20..210).step_by(7)) {
            for before in (0..140).step_by(3) {
                let name = "n".repeat(len);
                let pad = "p".repeat(before);
                let rest = if before % 2 == 0 { String::new() } else { "r".repeat(600) };
                let event = format!(r#"{{"_{pad}":0,"{name}":1,"{name}" :2,"-{rest}":0}}"#);
                assert_eq!(checked(event.as_bytes()), Err(Fault::DuplicateName), "{event}");
                hold(event.as_bytes(), &Limits::default());
                let event = format!(r#"{{"{name}":0,"{pad}_":1,"-":"{rest}","{name}":2}}"#);
                hold(event.as_bytes(), &Limits::default());
                for at in [0, len / 2, len.saturating_sub(1)] {
                    let mut other = name.clone();
                    other.replace_range(at..(at + 1).min(len), "x");
                    let event = format!(r#"{{"_{pad}":0,"{name}":1,"{other}":2,"-{rest}":0}}"#);
                    hold(event.as_bytes(), &Limits::default());
                }
            }
        }
    }

    /// Names that the first hash cannot tell apart go into the table, and are told apart there.
    #[test]
    fn names_that_are_made_to_collide_are_told_apart() {
        for count in [2, 20, 44, 45, 46, 47, 48, 100, 1_000] {
            let name = |n: usize| format!("the same {n:06} the same");
            for last in [count, 0, count / 2, count - 1] {
                let members: Vec<_> =
                    (0..count).chain([last]).map(|n| format!("\"{}\":{{}}", name(n))).collect();
                hold(format!("{{{}}}", members.join(",")).as_bytes(), &Limits::default());
            }
            let nested: Vec<_> =
                (0..count).map(|n| format!("\"{}\":{{\"{}\":0}}", name(n), name(0))).collect();
            let event = format!("{{{}}}", nested.join(","));
            assert_eq!(checked(event.as_bytes()), Ok(()));
        }
    }

    /// At every place in a block, and before whatever may follow.
    #[test]
    fn numbers_and_words_are_read_as_the_reader_reads_them() {
        for scalar in [
            "0",
            "-0",
            "12",
            "-12",
            "0.5",
            "-0.5",
            "12.25",
            "1e9",
            "1E+9",
            "1.5e-3",
            "1e400",
            "01",
            "-01",
            "00",
            "1.",
            "-1.",
            ".5",
            "-.5",
            "-",
            "--1",
            "1-",
            "1-1",
            "1.2.3",
            "1..2",
            "1.-2",
            "0.0.0",
            "1e",
            "+1",
            "0x1",
            "1true",
            "true1",
            "true",
            "false",
            "null",
            "tru",
            "truee",
            "falsenull",
            "fals",
            "True",
            "1\u{0}",
            "1\u{7f}",
            "\\",
            "a",
            "é",
            "12345678901234567890.5",
        ] {
            for before in 0..70 {
                for between in [",", " , "] {
                    let values = [scalar; 3].join(between);
                    let event = format!(r#"{{"{}":[{values}],"b":{scalar}}}"#, "p".repeat(before));
                    hold(event.as_bytes(), &Limits::default());
                }
            }
        }
    }

    #[test]
    fn scratch_carries_nothing_from_one_event_to_the_next() {
        let mut scratch = Scratch::new([3; 16]);
        let event = members(100, None);
        for _ in 0..10 {
            assert_eq!(check(event.as_bytes(), &Limits::default(), &mut scratch), Ok(()));
        }
        scratch.event = u32::MAX;
        assert_eq!(check(event.as_bytes(), &Limits::default(), &mut scratch), Ok(()));
    }

    /// S04: what an event is judged as, and what is kept of it, is the same whatever the one before it
    /// held and wherever that failed.
    #[test]
    fn buffers_hold_this_events_names_and_no_others() {
        let limits = Limits::default();
        let lengths = |scratch: &Scratch| {
            let Scratch { decoded, open, in_table, .. } = scratch;
            (decoded.len(), open.len(), *in_table)
        };
        let left_open = r#"{"\u0061":{"b":[{"\u0063":1,"d":"#;
        let earlier = [left_open.to_owned(), members(100, None), members(40, Some(3))];
        for event in [r#"{"\u0078":{"y":0}}"#, r#"{"\u0078":{"y":"#, &members(20, None), "[", ""] {
            let mut fresh = Scratch::new([3; 16]);
            let alone = check(event.as_bytes(), &limits, &mut fresh);
            for before in &earlier {
                let mut scratch = Scratch::new([3; 16]);
                let _ = check(before.as_bytes(), &limits, &mut scratch);
                let numbered = scratch.event;
                assert_eq!(check(event.as_bytes(), &limits, &mut scratch), alone);
                assert_eq!(lengths(&scratch), lengths(&fresh), "{event} after {before}");
                assert_ne!(scratch.event, numbered, "the table's slots are the earlier event's");
            }
        }
    }

    #[test]
    fn holds_to_its_limits() {
        let limits = Limits::new(40, 3);
        let mut scratch = Scratch::new([3; 16]);
        assert_eq!(check(br#"{"a":{"b":{}}}"#, &limits, &mut scratch), Ok(()));
        assert_eq!(check(br#"{"a":{"b":{"c":{}}}}"#, &limits, &mut scratch), Err(Fault::TooDeep));
        assert_eq!(check(br#"{"a":[[[]]]}"#, &limits, &mut scratch), Err(Fault::TooDeep));
        assert_eq!(check(br#"{"a":[[1]]}"#, &limits, &mut scratch), Ok(()));
        assert_eq!(check(&[b' '; 41], &limits, &mut scratch), Err(Fault::TooLarge));
        for depth in 0..4 {
            for event in [
                "{}",
                "{} ",
                "[]",
                r#"{"a":1}"#,
                r#"{"a":{}}"#,
                r#"{"a":[[[{}]]]}"#,
                r#"{"a":[[[]]]}"#,
                "{}}",
            ] {
                hold(event.as_bytes(), &Limits::new(40, depth));
            }
        }
    }

    /// F04: bytes that are not UTF-8, anywhere.
    #[test]
    fn refuses_bytes_that_are_not_utf8() {
        for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"] {
            let event = [b"{\"a\":\"", bad, b"\"}"].concat();
            assert_eq!(checked(&event), Err(Fault::InvalidText));
        }
    }

    /// The check token by token, with the fault that [`check`] says it finds.
    fn slowly(event: &[u8], limits: &Limits) -> Result<(), Fault> {
        if event.len() > limits.max_bytes {
            return Err(Fault::TooLarge);
        }
        if std::str::from_utf8(event).is_err() {
            return Err(Fault::InvalidText);
        }
        let mut reader = Reader::new(event);
        if reader.next()? != Some(Token::BeginObject) {
            return Err(Fault::Malformed);
        }
        let mut open = vec![BTreeSet::new()];
        let mut twice = false;
        if limits.max_depth == 0 {
            return Err(Fault::TooDeep);
        }
        while let Some(token) = reader.next()? {
            match token {
                Token::Name(name) => {
                    let name = name.decode(&mut Vec::new()).to_vec();
                    twice |= open.last_mut().is_none_or(|names| !names.insert(name));
                }
                Token::BeginObject => open.push(BTreeSet::new()),
                Token::EndObject => drop(open.pop()),
                _ => {}
            }
            if reader.depth() > limits.max_depth {
                return Err(Fault::TooDeep);
            }
        }
        if twice { Err(Fault::DuplicateName) } else { Ok(()) }
    }

    /// Every way that this machine has says what the slow one says.
    fn hold(event: &[u8], limits: &Limits) {
        let slow = slowly(event, limits);
        let mut scratch = Scratch::new([3; 16]);
        let text = String::from_utf8_lossy(event);
        assert_eq!(check(event, limits, &mut scratch), slow, "{text}");
        if event.len() <= limits.max_bytes {
            for (way, accepted) in simd::every_way(event, limits.max_depth, &mut scratch) {
                assert_eq!(accepted, slow.is_ok(), "{way}: {text}");
            }
        }
    }

    /// A document, most of the time a sound one, in one of three spellings.
    struct Draw {
        rng: fastrand::Rng,
        out: Vec<u8>,
        size: usize,
        spelling: usize,
        /// A name that may come again.
        last: Vec<u8>,
    }

    impl Draw {
        fn document(seed: u64, size: usize) -> Vec<u8> {
            let mut rng = fastrand::Rng::with_seed(seed);
            let spelling = rng.usize(..3);
            let mut draw = Self { rng, out: Vec::new(), size, spelling, last: Vec::new() };
            draw.white();
            draw.object(1);
            draw.white();
            draw.out
        }

        fn pick(&mut self, from: &[&str]) {
            let picked = from[self.rng.usize(..from.len())];
            self.out.extend_from_slice(picked.as_bytes());
        }

        fn white(&mut self) {
            match self.spelling {
                0 => {}
                1 => self.pick(&["", "", " ", "\n", "\r\n\t "]),
                _ => {
                    let spaces = self.rng.usize(..20);
                    self.out.push(b'\n');
                    self.out.extend(vec![b' '; spaces]);
                }
            }
        }

        fn comma(&mut self, nth: usize) {
            if nth > 0 {
                self.white();
                self.out.push(b',');
            }
        }

        fn object(&mut self, depth: u32) {
            self.out.push(b'{');
            let most = if depth == 1 || self.rng.u8(..20) == 0 { 80 } else { 8 };
            for nth in 0..self.rng.usize(..most) {
                self.comma(nth);
                self.white();
                self.name(nth);
                self.white();
                self.out.push(b':');
                self.white();
                self.value(depth);
            }
            self.white();
            self.out.push(b'}');
        }

        fn name(&mut self, nth: usize) {
            let stem = ["", "k", "name", "a name of some length", "\\u00e9\\n", "é", "\\\\"];
            let start = self.out.len();
            self.out.push(b'"');
            self.pick(&stem);
            self.out.extend_from_slice(nth.to_string().as_bytes());
            self.pick(&["", "", "", "", " and an end that is the same for many of them, and long"]);
            self.out.push(b'"');
            match self.rng.usize(..200) {
                0 => self.last = self.out[start..].to_vec(),
                1 if !self.last.is_empty() => {
                    self.out.truncate(start);
                    self.out.extend_from_slice(&self.last);
                }
                _ => {}
            }
        }

        fn value(&mut self, depth: u32) {
            let nested = depth < 8 && self.out.len() < self.size;
            match self.rng.u8(..8) {
                0 if nested => self.object(depth + 1),
                1 if nested => {
                    self.out.push(b'[');
                    for nth in 0..self.rng.usize(..6) {
                        self.comma(nth);
                        self.white();
                        self.value(depth + 1);
                    }
                    self.white();
                    self.out.push(b']');
                }
                2 => self.pick(&["true", "false", "null"]),
                3 => self.pick(&[
                    "0",
                    "-0",
                    "7",
                    "10",
                    "-12",
                    "3.25",
                    "0.5",
                    "1234567",
                    "12345678",
                    "123456789",
                    "-1.5e-7",
                    "1E3",
                    "0.0",
                    "100.001",
                    "1e-400",
                    "123456.7",
                    "99999999",
                ]),
                4 if self.rng.u8(..40) == 0 => self.pick(&[
                    "01",
                    "1.",
                    ".5",
                    "1e",
                    "-",
                    "1e400",
                    "1.2.3",
                    "tru",
                    "nulls",
                    "+1",
                    "0x1",
                    "1-1",
                    "fals",
                    "truefalse",
                    "--1",
                    "00",
                    "0.1.",
                    "\u{1}",
                    "1\u{b}",
                ]),
                _ => self.string(),
            }
        }

        fn string(&mut self) {
            self.out.push(b'"');
            for _ in 0..self.rng.usize(..4) {
                self.pick(&[
                    "",
                    "x",
                    "plain text",
                    "{}[],:",
                    "\\\"",
                    "\\\\",
                    "\\/",
                    "\\n\\t\\b\\f\\r",
                    "\\u00e9",
                    "\\ud83d\\ude00",
                    "é",
                    "山田",
                    "\u{1f600}",
                    "true",
                    "1.5",
                    "a text that is as long as a block of sixty-four bytes, or longer than that",
                ]);
            }
            if self.rng.u16(..400) == 0 {
                self.pick(&[
                    "\\u0000",
                    "\\ud800",
                    "\\x",
                    "\u{1f}",
                    "\\u12",
                    "\\udc00",
                    "\t",
                    "\\ud800\\n",
                ]);
            }
            self.out.push(b'"');
        }
    }

    fn edited(mut event: Vec<u8>, edits: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
        for (at, edit, byte) in edits {
            let at = at.index(event.len() + 1);
            let bytes = b"\"\\{}[],: \n0-.eE1tnu\x00\x80\xff";
            let byte = if edit & 1 == 0 { bytes[usize::from(*byte) % bytes.len()] } else { *byte };
            match edit / 2 % 4 {
                0 => event.insert(at, byte),
                1 if at < event.len() => event[at] = byte,
                2 if at < event.len() => drop(event.remove(at)),
                3 if byte < 20 => event.truncate(at),
                _ => {}
            }
        }
        event
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "[^\0]*".prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 60, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
                prop::collection::btree_map("[^\0]*", inner, 0..20)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn accepts_whatever_serde_json_writes(value in prop::collection::btree_map("[^\0]*", json(), 0..20)) {
            let event = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(checked(&event), Ok(()));
        }

        /// What we accept, serde_json accepts and writes back with the same number of members.
        #[test]
        fn accepts_nothing_that_serde_json_refuses(mut event in prop::collection::btree_map("[a-c\\\\\"]{0,3}", json(), 0..6).prop_map(|v| serde_json::to_vec(&v).unwrap()), at: prop::sample::Index, byte: u8) {
            let at = at.index(event.len());
            event[at] = byte;
            if checked(&event).is_ok() {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&event).is_ok());
            }
        }

        #[test]
        fn random_bytes_are_judged_as_token_by_token(event: Vec<u8>) {
            hold(&event, &Limits::default());
        }

        /// Random, of what JSON is made of.
        #[test]
        fn random_tokens_are_judged_as_token_by_token(
            tokens in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "1", "true", " ", "\"", "\\", "\"c\":",
                "\"d\":0,", "{}", "[]",
            ]), 0..12),
        ) {
            let tokens = tokens.concat();
            hold(tokens.as_bytes(), &Limits::default());
            hold(format!("{{{tokens}}}").as_bytes(), &Limits::default());
            hold(format!("{{\"k\":[{tokens}]}}").as_bytes(), &Limits::default());
        }

        #[test]
        fn documents_are_judged_as_token_by_token(
            seed: u64,
            size in 0_usize..4_000,
            depth in prop_oneof![Just(64_u32), 0_u32..10],
            edits in prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 0..4),
        ) {
            let event = Draw::document(seed, size);
            let limits = Limits::new(1 << 20, depth);
            hold(&event, &limits);
            hold(&edited(event, &edits), &limits);
        }
    }
}
