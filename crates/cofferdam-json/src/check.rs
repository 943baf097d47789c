//! The whole-event check: what passes has one meaning.
//!
//! Finding a name twice in one object is the costly part, and the place where a hostile event
//! could make it quadratic. Two regimes:
//!
//! * Up to [`SMALL`] members an object's names are compared one by one, by length and their first
//!   and last eight bytes. For names of up to 16 bytes that is the whole comparison; it is about
//!   three instructions a pair, and real objects are this small. Most names are not compared at all:
//!   each object keeps one word in which every name has set a bit, and a name whose bit is not set
//!   is new.
//! * From there on the object's names go into one open-addressing table for the whole event, keyed
//!   by (object, SipHash-1-3 of the name) under a secret key, so that neither a hundred thousand
//!   members nor crafted collisions (SECURITY N04, N05) cost more than linear time.
//!
//! The table is never cleared: slots carry the number of the event that wrote them.

use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::{Fault, Reader, Text, Token};

/// Objects of up to this many members are compared pair by pair.
const SMALL: usize = 16;

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

/// Buffers that are kept between events.
#[derive(Clone)]
pub struct Scratch {
    key: [u8; 16],
    names: Vec<Name>,
    /// Names with escapes, decoded, one after the other.
    decoded: Vec<u8>,
    /// Where the names of each open object begin, and the object's number.
    open: Vec<Open>,
    table: Vec<Slot>,
    in_table: usize,
    event: u32,
}

#[derive(Clone, Copy)]
struct Name {
    len: u32,
    head: u64,
    tail: u64,
    /// Offset into the event, or into `decoded` where `escaped`.
    start: u32,
    escaped: bool,
}

impl Name {
    /// One of 64 bits; multiplying spreads what differs over the top six (Fibonacci hashing).
    #[inline]
    fn bit(&self) -> u64 {
        let mixed = (self.head ^ self.tail.rotate_left(32) ^ u64::from(self.len))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        1 << (mixed >> 58)
    }
}

#[derive(Clone, Copy)]
struct Open {
    first_name: usize,
    object: u32,
    /// A bit for each name so far; two names may share one.
    seen: u64,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    event: u32,
    object: u32,
    hash: u64,
    name: u32,
}

impl Scratch {
    /// Empty buffers. The key must be random and secret: it keeps crafted names from colliding.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self {
            key,
            names: Vec::new(),
            decoded: Vec::new(),
            open: Vec::new(),
            table: Vec::new(),
            in_table: 0,
            event: 0,
        }
    }

    fn begin(&mut self) {
        self.names.clear();
        self.decoded.clear();
        self.open.clear();
        self.in_table = 0;
        self.event = self.event.wrapping_add(1);
        if self.event == 0 {
            self.table.fill(Slot::default());
            self.event = 1;
        }
    }
}

/// Holds nothing of an event.
impl core::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Scratch(..)")
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
/// The first [`Fault`] found. UTF-8 is looked at before the grammar.
pub fn check(event: &[u8], limits: &Limits, scratch: &mut Scratch) -> Result<(), Fault> {
    if event.len() > limits.max_bytes {
        return Err(Fault::TooLarge);
    }
    if core::str::from_utf8(event).is_err() {
        return Err(Fault::InvalidText);
    }
    let mut names = Names { event, scratch, objects: 0 };
    names.scratch.begin();
    let mut reader = Reader::new(event);
    if reader.next()? != Some(Token::BeginObject) {
        return Err(Fault::Malformed);
    }
    names.open();
    while let Some(token) = reader.next()? {
        match token {
            Token::Name(name) => names.add(name, reader.token_start())?,
            Token::BeginObject => names.open(),
            Token::EndObject => names.close(),
            Token::BeginArray
            | Token::EndArray
            | Token::String(_)
            | Token::Number(_)
            | Token::Bool(_)
            | Token::Null => continue,
        }
        if reader.depth() > limits.max_depth {
            return Err(Fault::TooDeep);
        }
    }
    Ok(())
}

struct Names<'a> {
    event: &'a [u8],
    scratch: &'a mut Scratch,
    objects: u32,
}

impl Names<'_> {
    fn open(&mut self) {
        self.objects += 1;
        let first_name = self.scratch.names.len();
        self.scratch.open.push(Open { first_name, object: self.objects, seen: 0 });
    }

    fn close(&mut self) {
        if let Some(open) = self.scratch.open.pop() {
            self.scratch.names.truncate(open.first_name);
        }
    }

    #[inline]
    fn add(&mut self, text: Text<'_>, token_start: usize) -> Result<(), Fault> {
        let name = self.keep(text, token_start);
        let Some(innermost) = self.scratch.open.last_mut() else { return Err(Fault::Malformed) };
        let is_new = innermost.seen & name.bit() == 0;
        innermost.seen |= name.bit();
        let open = *innermost;
        let siblings = self.scratch.names.len() - open.first_name;
        let twice = if siblings < SMALL {
            let siblings = &self.scratch.names[open.first_name..];
            !is_new && siblings.iter().any(|sibling| self.same(sibling, &name))
        } else {
            if siblings == SMALL {
                for index in open.first_name..self.scratch.names.len() {
                    let sibling = self.scratch.names[index];
                    self.insert(open.object, index, sibling);
                }
            }
            self.insert(open.object, self.scratch.names.len(), name)
        };
        self.scratch.names.push(name);
        if twice { Err(Fault::DuplicateName) } else { Ok(()) }
    }

    fn keep(&mut self, text: Text<'_>, token_start: usize) -> Name {
        let (start, escaped) = if text.is_escaped() {
            let start = self.scratch.decoded.len();
            text.decode_into(&mut self.scratch.decoded);
            (start, true)
        } else {
            (token_start + 1, false)
        };
        let bytes = if escaped { &self.scratch.decoded[start..] } else { text.raw() };
        // Offsets fit: `Limits` keeps events under 4 GiB, and decoding never lengthens.
        Name {
            len: bytes.len() as u32,
            head: bytes.first_chunk().map_or_else(|| word(bytes), |head| u64::from_le_bytes(*head)),
            tail: bytes.last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail)),
            start: start as u32,
            escaped,
        }
    }

    #[inline]
    fn same(&self, a: &Name, b: &Name) -> bool {
        a.len == b.len
            && a.head == b.head
            && a.tail == b.tail
            && (a.len <= 16 || self.bytes(a) == self.bytes(b))
    }

    fn bytes(&self, name: &Name) -> &[u8] {
        let whole = if name.escaped { &self.scratch.decoded[..] } else { self.event };
        let start = name.start as usize;
        whole.get(start..start + name.len as usize).unwrap_or_default()
    }

    /// Puts a name into the table; `true` if the object has it already.
    fn insert(&mut self, object: u32, index: usize, name: Name) -> bool {
        if (self.scratch.in_table + 1) * 2 > self.scratch.table.len() {
            self.grow();
        }
        let mut mac = SipHasher13::new_with_key(&self.scratch.key);
        mac.write_u32(object);
        mac.write(self.bytes(&name));
        let hash = mac.finish();
        let slot = Slot { event: self.scratch.event, object, hash, name: index as u32 };
        let mask = self.scratch.table.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let found = self.scratch.table[at];
            if found.event != self.scratch.event {
                self.scratch.table[at] = slot;
                self.scratch.in_table += 1;
                return false;
            }
            if found.hash == hash && found.object == object {
                let other = self.scratch.names.get(found.name as usize).copied();
                if other.is_some_and(|other| self.same(&other, &name)) {
                    return true;
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let event = self.scratch.event;
        let size = (self.scratch.table.len() * 2).max(8 * SMALL);
        let mut table = alloc::vec![Slot::default(); size];
        for slot in self.scratch.table.iter().filter(|slot| slot.event == event) {
            let mut at = slot.hash as usize & (size - 1);
            while table[at].event == event {
                at = (at + 1) & (size - 1);
            }
            table[at] = *slot;
        }
        self.scratch.table = table;
    }
}

/// Up to seven bytes as one number; together with the length no two are alike.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

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

    /// S04: the buffers are as long as this event made them, whatever the one before it held and
    /// wherever that failed.
    #[test]
    fn buffers_hold_this_events_names_and_no_others() {
        let limits = Limits::default();
        let lengths = |scratch: &Scratch| {
            let Scratch { names, decoded, open, in_table, .. } = scratch;
            (names.len(), decoded.len(), open.len(), *in_table)
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
        assert_eq!(check(&[b' '; 41], &limits, &mut scratch), Err(Fault::TooLarge));
    }

    /// F04: bytes that are not UTF-8, anywhere.
    #[test]
    fn refuses_bytes_that_are_not_utf8() {
        for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"] {
            let event = [b"{\"a\":\"", bad, b"\"}"].concat();
            assert_eq!(checked(&event), Err(Fault::InvalidText));
        }
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
        fn never_panics(event: Vec<u8>) {
            let _ = checked(&event);
        }
    }
}
