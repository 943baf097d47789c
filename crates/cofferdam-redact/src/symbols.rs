//! The alphabet of the automata: every name and index that a path mentions, and "any other"; and the step into
//! JSON that a string holds.
//!
//! A name of an event is looked up once, whatever the number of rules: first its length selects a
//! bucket (mostly an empty one), then a binary search over the first and last eight bytes as
//! numbers finds it. Up to 16 bytes that comparison is the whole name.

use std::{cmp::Ordering, collections::BTreeSet};

/// Symbols are numbers: names in the order of `keys`, any other name, indices in ascending order,
/// any other index, and the step into a string.
#[derive(Debug)]
pub(crate) struct Symbols {
    /// Sorted by length, then `head` and `tail`, then bytes.
    keys: Box<[Key]>,
    /// `starts[n]..starts[n + 1]` are the keys of names of `n` bytes.
    starts: Box<[u32]>,
    bytes: Box<[u8]>,
    indices: Box<[u64]>,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    head: u64,
    tail: u64,
    start: u32,
    len: u32,
}

impl Symbols {
    pub(crate) fn new(names: &BTreeSet<&str>, indices: &BTreeSet<u64>) -> Self {
        let mut bytes = Vec::new();
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            let (head, tail) = ends(name.as_bytes());
            keys.push(Key { head, tail, start: bytes.len() as u32, len: name.len() as u32 });
            bytes.extend_from_slice(name.as_bytes());
        }
        // Stable: names that differ only in the middle stay in the order of their bytes.
        keys.sort_by_key(|key| (key.len, key.head, key.tail));
        let longest = keys.last().map_or(0, |key| key.len);
        let starts = (0..=longest + 1).map(|len| keys.partition_point(|key| key.len < len) as u32);
        Self {
            starts: starts.collect(),
            keys: keys.into(),
            bytes: bytes.into(),
            indices: indices.iter().copied().collect(),
        }
    }

    /// How many symbols there are.
    pub(crate) fn len(&self) -> usize {
        self.decoded() + 1
    }

    /// The step from a string to the value whose JSON it holds.
    pub(crate) fn decoded(&self) -> usize {
        self.other_index() + 1
    }

    /// A name by its symbol; `None` of any other symbol.
    pub(crate) fn text(&self, symbol: usize) -> Option<&str> {
        core::str::from_utf8(self.bytes_of(self.keys.get(symbol)?)).ok()
    }

    pub(crate) fn other_name(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn other_index(&self) -> usize {
        self.keys.len() + 1 + self.indices.len()
    }

    #[inline]
    pub(crate) fn name(&self, name: &[u8]) -> usize {
        let len = name.len();
        let (Some(&from), Some(&to)) = (self.starts.get(len), self.starts.get(len + 1)) else {
            return self.other_name();
        };
        let bucket = &self.keys[from as usize..to as usize];
        if bucket.is_empty() {
            return self.other_name();
        }
        let ends = ends(name);
        let found = bucket.binary_search_by(|key| {
            (key.head, key.tail).cmp(&ends).then_with(|| {
                if len <= 16 { Ordering::Equal } else { self.bytes_of(key).cmp(name) }
            })
        });
        found.map_or_else(|_| self.other_name(), |at| from as usize + at)
    }

    #[inline]
    pub(crate) fn index(&self, index: u64) -> usize {
        let found = self.indices.binary_search(&index);
        found.map_or_else(|_| self.other_index(), |at| self.other_name() + 1 + at)
    }

    fn bytes_of(&self, key: &Key) -> &[u8] {
        &self.bytes[key.start as usize..][..key.len as usize]
    }
}

/// The first and the last eight bytes as numbers; a shorter name whole, and nothing.
#[inline]
fn ends(name: &[u8]) -> (u64, u64) {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(head), Some(tail)) => (u64::from_be_bytes(*head), u64::from_be_bytes(*tail)),
        _ => (name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_name_and_no_other() {
        let mut names = BTreeSet::from(["", "a", "b", "ab", "é", "12345678", "123456789abcdefg"]);
        let long: Vec<String> =
            (0..300).map(|n| format!("a long name {n:03} with an end")).collect();
        names.extend(long.iter().map(String::as_str));
        let symbols = Symbols::new(&names, &BTreeSet::new());
        let found: BTreeSet<usize> =
            names.iter().map(|name| symbols.name(name.as_bytes())).collect();
        assert_eq!(found, (0..names.len()).collect());
        for other in ["c", "ba", "e", "1234567", "123456789abcdefh", "a long name 300 with an end"]
        {
            assert_eq!(symbols.name(other.as_bytes()), symbols.other_name(), "{other}");
        }
        assert_eq!(symbols.name(&[b'a'; 1000]), symbols.other_name());
    }

    #[test]
    fn indices_follow_the_names() {
        let symbols = Symbols::new(&BTreeSet::from(["a"]), &BTreeSet::from([0, 7]));
        assert_eq!([0, 1, 7].map(|index| symbols.index(index)), [2, 4, 3]);
        assert_eq!((symbols.name(b"a"), symbols.other_name(), symbols.len()), (0, 1, 6));
        assert_eq!((symbols.text(0), symbols.text(1), symbols.decoded()), (Some("a"), None, 5));
    }
}
