//! Finding a name twice in one object: the costly part of the check, and the place where a hostile event
//! could make it quadratic.
//!
//! Each object has a filter of 512 bits. A name sets the bit that its hash says, and if that was not set
//! the name is new: that is all for most names of most objects. The hash is quick, and whoever knows it
//! can make names that it cannot tell apart; so what a set bit costs is bounded.
//!
//! * At first the name is compared with those before it in its object, by hash, and where that is the same
//!   by its bytes. One object of 12 names in seven comes to that.
//! * Once an object has come to [`COMPARES`] pairs, its names go into one open-addressing table for the
//!   whole event, keyed by (object, SipHash-1-3 of the name) under a secret key, so that neither a hundred
//!   thousand members nor crafted collisions (SECURITY N04, N05) cost more than linear time. That takes 45
//!   names that are made for it, or more than a hundred that are not.
//!
//! Names with escapes are decoded first; they are the same name however they are written.
//!
//! The table is never cleared: slots carry the number of the event that wrote them. Nor are the names:
//! what is beyond their count is an earlier event's and not looked at. No buffer is given back, so that
//! nothing is allocated for an event that is not greater than all before it.
//!
//! # What was rejected
//!
//! * The table from the seventeenth name on, and before it one word as a filter: an object of 60 names
//!   took 1.9 us, and takes 0.7.
//! * Two words in registers in place of the filter in memory. It is two shifts, two tests and two ORs more
//!   for each name, and no faster.

use alloc::{boxed::Box, vec::Vec};
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::{Reader, block::BLOCK, text, unescape};

/// How many times two names of an object may be compared before its names go into the table.
const COMPARES: u32 = 1_000;

/// Buffers that are kept between events.
#[derive(Clone)]
pub struct Scratch {
    key: [u8; 16],
    /// Of the objects that are open, one object's after the other's.
    pub(crate) names: Vec<Name>,
    filters: Box<[u64; FILTERS]>,
    /// Names with escapes, decoded, one after the other.
    pub(crate) decoded: Vec<u8>,
    /// The objects that are open, the outermost first.
    pub(crate) open: Vec<Open>,
    table: Vec<Slot>,
    pub(crate) in_table: usize,
    /// The number of the event.
    pub(crate) event: u32,
}

/// Two whole words, because a name is written to memory as one vector: narrower fields would each be
/// stored and all be loaded again first, for which the processor waits (a quarter of the time of a
/// whole check, when it was so).
#[derive(Clone, Copy)]
pub(crate) struct Name {
    /// Where it begins and ends in the event, the beginning from bit 32 on. Where it was decoded, the
    /// upper half is the greater one: the end in `decoded` and one more, and then the beginning.
    place: u64,
    hash: u64,
}

impl Name {
    /// A name that stands in the event from the upper half of `place` to the lower one.
    ///
    /// Offsets fit: `Limits` keeps events under 4 GiB, and decoding never lengthens.
    #[inline(always)]
    pub(crate) const fn new(place: u64, hash: u64) -> Self {
        Self { place, hash }
    }

    const fn decoded(start: usize, end: usize, hash: u64) -> Self {
        Self { place: (end as u64 + 1) << 32 | start as u64, hash }
    }
}

/// What a pass over an event needs to know of the innermost object, small enough for registers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Innermost {
    /// Where its filter begins, in words.
    filter: usize,
    /// How many names there are, of all objects that are open.
    count: usize,
}

/// Words of an object's filter: a bit for each name; two names may share one. All ones if the names
/// are in the table.
const WORDS: usize = 8;
/// Words of the filters of as many objects as can be open.
const FILTERS: usize = WORDS * Reader::MAX_DEPTH as usize;

#[derive(Clone, Copy)]
pub(crate) struct Open {
    outer: Innermost,
    object: u32,
    compares: u32,
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
            filters: Box::new([0; FILTERS]),
            decoded: Vec::new(),
            open: Vec::new(),
            table: Vec::new(),
            in_table: 0,
            event: 0,
        }
    }

    fn begin(&mut self) {
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

/// The names of the objects that are open.
pub(crate) struct Names<'a> {
    event: &'a [u8],
    scratch: &'a mut Scratch,
    objects: u32,
}

impl<'a> Names<'a> {
    pub(crate) fn new(event: &'a [u8], scratch: &'a mut Scratch) -> Self {
        scratch.begin();
        Self { event, scratch, objects: 0 }
    }

    /// Room for as many names as one block can end.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, innermost: Innermost) {
        if self.scratch.names.len() < innermost.count + BLOCK {
            self.grow_names(innermost.count);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow_names(&mut self, count: usize) {
        let size = (2 * count).max(4 * BLOCK);
        self.scratch.names.resize(size, Name::new(0, 0));
    }

    #[inline(always)]
    pub(crate) fn open(&mut self, outer: Innermost) -> Innermost {
        self.objects += 1;
        let filter = self.scratch.open.len() * WORDS % FILTERS;
        self.scratch.open.push(Open { outer, object: self.objects, compares: 0 });
        self.scratch.filters[filter..filter + WORDS].fill(0);
        Innermost { filter, count: outer.count }
    }

    #[inline(always)]
    pub(crate) fn close(&mut self) -> Innermost {
        self.scratch.open.pop().map(|open| open.outer).unwrap_or_default()
    }

    /// Takes a name that is long, or stands at the edge of the event, or may have escapes.
    #[cold]
    #[inline(never)]
    pub(crate) fn add_any(&mut self, open: usize, innermost: Innermost) -> Option<Innermost> {
        let mut innermost = innermost;
        let (text, end) = text::scan(self.event, open + 1).ok()?;
        let (raw, close) = (text.raw(), end - 1);
        let name = if text.is_escaped() {
            let decoded = &mut self.scratch.decoded;
            let start = decoded.len();
            unescape(raw, decoded).ok()?;
            Name::decoded(start, decoded.len(), hash_of(&decoded[start..]))
        } else {
            Name::new((open as u64 + 1) << 32 | close as u64, hash_of(raw))
        };
        (!self.add(name, &mut innermost)).then_some(innermost)
    }

    /// Takes a name; `true` if the innermost object has it already.
    #[inline(always)]
    pub(crate) fn add(&mut self, name: Name, innermost: &mut Innermost) -> bool {
        if let Some(place) = self.scratch.names.get_mut(innermost.count) {
            *place = name;
        }
        innermost.count += 1;
        let word =
            &mut self.scratch.filters[(innermost.filter | (name.hash >> 61) as usize) % FILTERS];
        let bit = 1 << (name.hash >> 55 & 63);
        let is_known = *word & bit != 0;
        *word |= bit;
        is_known && self.is_twice(*innermost)
    }

    /// Looks for the last name among those before it in the innermost object.
    #[cold]
    #[inline(never)]
    fn is_twice(&mut self, innermost: Innermost) -> bool {
        let Some(object) = self.scratch.open.last_mut() else { return true };
        let Open { outer, object: number, compares } = *object;
        let (first, last) = (outer.count, innermost.count - 1);
        if compares > COMPARES {
            return self.insert(number, last);
        }
        object.compares += (last - first) as u32;
        let is_last = object.compares > COMPARES;
        let name = &self.scratch.names[last];
        let siblings = &self.scratch.names[first..last];
        // Without a way out in between, which makes it a few vectors.
        let is_like = |like, sibling: &Name| like | (sibling.hash == name.hash);
        if siblings.iter().fold(false, is_like)
            && siblings.iter().any(|sibling| self.same(sibling, name))
        {
            return true;
        }
        if is_last {
            (first..=last).for_each(|index| {
                self.insert(number, index);
            });
            self.scratch.filters[innermost.filter..innermost.filter + WORDS].fill(u64::MAX);
        }
        false
    }

    #[inline]
    fn same(&self, a: &Name, b: &Name) -> bool {
        a.hash == b.hash && self.bytes(a) == self.bytes(b)
    }

    fn bytes(&self, name: &Name) -> &[u8] {
        let (upper, lower) = ((name.place >> 32) as usize, (name.place & 0xFFFF_FFFF) as usize);
        let bytes = if upper <= lower {
            self.event.get(upper..lower)
        } else {
            self.scratch.decoded.get(lower..upper - 1)
        };
        bytes.unwrap_or_default()
    }

    /// Puts a name into the table; `true` if the object has it already.
    fn insert(&mut self, object: u32, index: usize) -> bool {
        let name = self.scratch.names[index];
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
        let size = (self.scratch.table.len() * 2).max(128);
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

/// A hash of a name: of its length and two more, its first eight bytes and its last eight; of a shorter one, all of
/// them are `tail`, and `head` is nought.
///
/// Whoever knows this function can make names that it cannot tell apart; that costs what
/// [`COMPARES`] allows and no more.
#[inline(always)]
pub(crate) fn hash(span: usize, head: u64, tail: u64) -> u64 {
    (head.rotate_left(29) ^ tail).wrapping_add(span as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn hash_of(name: &[u8]) -> u64 {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    match (name.first_chunk(), name.last_chunk()) {
        (Some(head), Some(tail)) => hash(name.len() + 2, word(head), word(tail)),
        _ => {
            let mut padded = [0; 8];
            padded[..name.len()].copy_from_slice(name);
            hash(name.len() + 2, 0, word(&padded))
        }
    }
}
