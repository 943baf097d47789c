//! Values as small numbers: each value that a rule names gets a class, all others have none.

use std::hash::{BuildHasher, Hasher};

use siphasher::sip::SipHasher13;

use crate::path::Field;

/// A value of a field that some rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class(pub(crate) u32);

/// What kind of JSON value the bytes of a [`Key`] spell; `"1"` and `1` are two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    String,
    Number,
    Literal,
}

/// SipHash under a secret key, so that no event and no rule can choose its bucket.
#[derive(Debug, Clone)]
struct Keyed([u8; 16]);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

/// The classes of all fields: an open-addressing table that is never iterated.
#[derive(Debug, Clone)]
pub(crate) struct Interner {
    hasher: Keyed,
    slots: Vec<u32>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    hash: u64,
    field: Field,
    kind: Kind,
    bytes: Box<[u8]>,
}

const EMPTY: u32 = u32::MAX;

impl Interner {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { hasher: Keyed(key), slots: vec![EMPTY; 16], entries: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The class of a value that a rule names; the same for the same value.
    pub(crate) fn intern(&mut self, field: Field, kind: Kind, bytes: &[u8]) -> Class {
        if let Some(class) = self.get(field, kind, bytes) {
            return class;
        }
        if (self.entries.len() + 1) * 2 > self.slots.len() {
            self.slots = vec![EMPTY; self.slots.len() * 2];
            for index in 0..self.entries.len() {
                self.place(self.entries[index].hash, index as u32);
            }
        }
        let hash = self.hash(field, kind, bytes);
        let class = self.entries.len() as u32;
        self.entries.push(Entry { hash, field, kind, bytes: Box::from(bytes) });
        self.place(hash, class);
        Class(class)
    }

    /// The class of a value of an event, if a rule names it.
    #[inline]
    pub(crate) fn get(&self, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        let hash = self.hash(field, kind, bytes);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let class = *self.slots.get(at)?;
            let entry = self.entries.get(class as usize)?;
            if entry.hash == hash
                && entry.field == field
                && entry.kind == kind
                && *entry.bytes == *bytes
            {
                return Some(Class(class));
            }
            at = (at + 1) & mask;
        }
    }

    fn place(&mut self, hash: u64, class: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = class;
    }

    fn hash(&self, field: Field, kind: Kind, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u16(field.0);
        hasher.write_u8(kind as u8);
        hasher.write(bytes);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_class_per_field_and_kind() {
        let mut interner = Interner::new([1; 16]);
        let classes: Vec<Class> = (0..2_000u32)
            .map(|n| interner.intern(Field((n % 3) as u16), Kind::String, &n.to_le_bytes()))
            .collect();
        for (n, class) in (0..2_000u32).zip(&classes) {
            let field = Field((n % 3) as u16);
            assert_eq!(interner.get(field, Kind::String, &n.to_le_bytes()), Some(*class));
            assert_eq!(interner.get(Field(9), Kind::String, &n.to_le_bytes()), None);
            assert_eq!(interner.get(field, Kind::Number, &n.to_le_bytes()), None);
        }
        assert_eq!(interner.len(), 2_000);
    }
}
