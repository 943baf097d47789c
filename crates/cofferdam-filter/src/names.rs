//! Names, mostly a few, and what each leads to: the steps of a tree.
//!
//! Most names of an event are nobody's. So the first question is one bit: is there a name of this
//! length? Then lengths and the bytes at both ends are compared as numbers, and only what is longer than
//! these is compared as bytes. A name that is looked up from an event costs a few instructions that way,
//! and no call.

use std::collections::BTreeMap;

/// Names, mostly in the order of their length, their first eight bytes and the rest of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Up to [`SOME`] of them.
    entries: Vec<Entry>,
    /// How many those are, if they are few.
    few: usize,
    /// All of them once there are more: a list in order would be moved for each that is added.
    many: BTreeMap<Box<[u8]>, u32>,
    /// A bit for each length that a name has; lengths sixty-four apart share one.
    lengths: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    order: (usize, u64),
    /// The last eight bytes, if there are eight.
    tail: u64,
    name: Box<[u8]>,
    target: u32,
}

/// So many names are looked through one by one.
pub(crate) const FEW: usize = 8;
/// So many are searched in a list.
const SOME: usize = 64;

impl Names {
    pub(crate) const fn none() -> Self {
        Self { entries: Vec::new(), few: 0, many: BTreeMap::new(), lengths: 0 }
    }

    /// Whether there is a name of this length.
    #[inline(always)]
    pub(crate) const fn may_have(&self, len: usize) -> bool {
        self.lengths & length_bit(len) != 0
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() + self.many.len()
    }

    /// What `name` leads to.
    #[inline(always)]
    pub(crate) fn get(&self, name: &[u8]) -> Option<u32> {
        if !self.may_have(name.len()) {
            return None;
        }
        let few = self.entries.get(..self.few)?;
        if few.is_empty() {
            return self.search_all(name);
        }
        let (head, tail) = (head(name), tail(name));
        for entry in few {
            // Up to sixteen bytes the two ends overlap or meet.
            if entry.order.1 == head
                && entry.order.0 == name.len()
                && entry.tail == tail
                && (name.len() <= 16 || *entry.name == *name)
            {
                return Some(entry.target);
            }
        }
        None
    }

    #[inline(never)]
    fn search_all(&self, name: &[u8]) -> Option<u32> {
        if self.many.is_empty() {
            let found = self.search((name.len(), head(name)), name).ok()?;
            return self.entries.get(found).map(|entry| entry.target);
        }
        self.many.get(name).copied()
    }

    /// What `name` leads to; `target` from now on if it led nowhere.
    pub(crate) fn get_or_insert(&mut self, name: &[u8], target: u32) -> u32 {
        self.lengths |= length_bit(name.len());
        if !self.many.is_empty() {
            return *self.many.entry(Box::from(name)).or_insert(target);
        }
        let order = (name.len(), head(name));
        match self.search(order, name) {
            Ok(found) => return self.entries[found].target,
            Err(place) => {
                let entry = Entry { order, tail: tail(name), name: Box::from(name), target };
                self.entries.insert(place, entry);
            }
        }
        if self.entries.len() > SOME {
            let entries = self.entries.drain(..);
            self.many.extend(entries.map(|entry| (entry.name, entry.target)));
        }
        self.few = if self.entries.len() > FEW { 0 } else { self.entries.len() };
        target
    }

    /// All names and what they lead to.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let many = self.many.iter().map(|(name, target)| (&**name, *target));
        self.entries.iter().map(|entry| (&*entry.name, entry.target)).chain(many)
    }

    /// About how many bytes it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        let names: usize = self.iter().map(|(name, _)| name.len()).sum();
        let many = self.many.len() * size_of::<(Box<[u8]>, u32)>();
        self.entries.capacity() * size_of::<Entry>() + many + names
    }

    fn search(&self, order: (usize, u64), name: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| (entry.order, &*entry.name).cmp(&(order, name)))
    }
}

const fn length_bit(len: usize) -> u64 {
    1 << (len % 64)
}

/// The first eight bytes as a number. Of two names of one length up to eight no two have the same.
#[inline]
fn head(name: &[u8]) -> u64 {
    if let Some(head) = name.first_chunk() {
        return u64::from_le_bytes(*head);
    }
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        // Four to seven bytes: the two fours overlap, and together hold every byte.
        return u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    }
    name.iter().fold(0, |head, &byte| head << 8 | u64::from(byte))
}

#[inline]
fn tail(name: &[u8]) -> u64 {
    name.last_chunk().map_or(0, |tail| u64::from_le_bytes(*tail))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tells_names_apart_that_are_alike_in_part() {
        let alike = [
            "",
            "a",
            "b",
            "ab",
            "ba",
            "abc",
            "abcd",
            "abcde",
            "dcba",
            "abcdefg",
            "abcdefgh",
            "abcdefgi",
            "abcdefghi",
            "abcdefghj",
            "queueId",
            "queueIs",
            "a name of some length",
            "a name of some_length",
            "\0",
            "\0\0",
        ];
        let long = "x".repeat(63);
        let longer = "x".repeat(64);
        for some in [&alike[..3], &alike[3..9], &alike[..], &[&long, &longer]] {
            let mut names = Names::default();
            for (target, name) in (0..).zip(some) {
                assert_eq!(names.get(name.as_bytes()), None, "{name:?}");
                assert_eq!(names.get_or_insert(name.as_bytes(), target), target);
                assert_eq!(names.get_or_insert(name.as_bytes(), 99), target);
            }
            for (target, name) in (0..).zip(some) {
                assert_eq!(names.get(name.as_bytes()), Some(target), "{name:?}");
            }
            assert_eq!(names.get(b"nobody's"), None);
        }
    }

    proptest! {
        #[test]
        fn says_what_a_map_says(
            own in prop::collection::vec("[ab\0]{0,10}", 0..200),
            asked in prop::collection::vec("[ab\0]{0,10}", 0..20),
        ) {
            let mut names = Names::default();
            let mut map = BTreeMap::new();
            for (target, name) in (0..).zip(&own) {
                names.get_or_insert(name.as_bytes(), target);
                map.entry(name).or_insert(target);
            }
            for name in own.iter().chain(&asked) {
                prop_assert_eq!(names.get(name.as_bytes()), map.get(name).copied());
            }
        }
    }
}
