//! Values as small numbers: each value that a rule names gets a class, all others have none.

use siphasher::sip::SipHasher13;

use crate::path::Field;

/// A value of a field that some rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class(pub(crate) u32);

/// What kind of value the bytes spell; `"1"` and `1` are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    String,
    Number,
    Literal,
    /// Not a value: a condition that some values fulfil, by its text.
    Condition,
    /// Not a value: a pattern for objects, by what it asks.
    Pattern,
    /// Not a value: that there is none.
    Absence,
}

/// The classes of all fields: an open-addressing table that is never iterated.
///
/// A slot holds half of the hash, so that a value which no rule names is known for one by the slot
/// alone. The hash is SipHash-1-3 under a secret key: no event and no rule can choose its slot.
#[derive(Debug, Clone)]
pub(crate) struct Interner {
    key: (u64, u64),
    slots: Vec<Slot>,
    entries: Vec<Entry>,
    /// All values, one after the other.
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    tag: u32,
    class: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    len: u32,
    field: Field,
    kind: Kind,
}

const EMPTY: Slot = Slot { tag: 0, class: u32::MAX };

impl Interner {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        let [low, high] = [0, 8].map(|at| {
            let half: &[u8; 8] = key[at..].first_chunk().unwrap_or(&[0; 8]);
            u64::from_le_bytes(*half)
        });
        let slots = vec![EMPTY; 16];
        Self { key: (low, high), slots, entries: Vec::new(), bytes: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The class of a value that a rule names; the same for the same value. `None` if there are too
    /// many.
    pub(crate) fn intern(&mut self, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        let hash = self.hash(field, kind, bytes);
        if let Some(class) = self.find(hash, field, kind, bytes) {
            return Some(class);
        }
        let class = u32::try_from(self.entries.len()).ok()?;
        let (start, len) =
            (u32::try_from(self.bytes.len()).ok()?, u32::try_from(bytes.len()).ok()?);
        if (self.entries.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.bytes.extend_from_slice(bytes);
        self.entries.push(Entry { start, len, field, kind });
        place(&mut self.slots, hash, class);
        Some(Class(class))
    }

    /// The class of a value of an event, if a rule names it.
    #[inline]
    pub(crate) fn get(&self, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        self.find(self.hash(field, kind, bytes), field, kind, bytes)
    }

    /// The same, by a hash that an interner with the same key made.
    #[inline]
    pub(crate) fn find(&self, hash: u64, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot.class == EMPTY.class {
                return None;
            }
            if slot.tag == tag(hash) && self.is(slot.class, field, kind, bytes) {
                return Some(Class(slot.class));
            }
            at = (at + 1) & mask;
        }
    }

    /// The class that a value with this hash most likely has, by its slot alone.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> Option<Class> {
        let slot = self.slots.get(hash as usize & (self.slots.len() - 1))?;
        (slot.tag == tag(hash) && slot.class != EMPTY.class).then_some(Class(slot.class))
    }

    /// Something of a class's entry, so that the entry is near.
    #[inline]
    pub(crate) fn glance(&self, class: Class) -> u32 {
        self.entries.get(class.0 as usize).map_or(0, |entry| entry.len)
    }

    /// Something of a class's value.
    #[inline]
    pub(crate) fn glance_at_value(&self, class: Class) -> u32 {
        let value = self.entries.get(class.0 as usize).map(|entry| self.value(entry));
        value.and_then(<[u8]>::first).copied().map_or(0, u32::from)
    }

    /// What a class stands for.
    pub(crate) fn named(&self, class: Class) -> Option<(Field, Kind, &[u8])> {
        let entry = self.entries.get(class.0 as usize)?;
        Some((entry.field, entry.kind, self.value(entry)))
    }

    /// About how many bytes it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.bytes.capacity()
    }

    fn is(&self, class: u32, field: Field, kind: Kind, bytes: &[u8]) -> bool {
        let Some(entry) = self.entries.get(class as usize) else { return false };
        entry.field == field && entry.kind == kind && self.value(entry) == bytes
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        let start = entry.start as usize;
        self.bytes.get(start..start + entry.len as usize).unwrap_or_default()
    }

    fn grow(&mut self) {
        let mut slots = vec![EMPTY; self.slots.len() * 2];
        for (class, entry) in (0..).zip(&self.entries) {
            place(&mut slots, self.hash(entry.field, entry.kind, self.value(entry)), class);
        }
        self.slots = slots;
    }

    /// Field and kind go into the key, where they cost nothing.
    #[inline]
    pub(crate) fn hash(&self, field: Field, kind: Kind, bytes: &[u8]) -> u64 {
        let place = u64::from(field.0) << 8 | u64::from(kind as u8);
        SipHasher13::new_with_keys(self.key.0 ^ place, self.key.1).hash(bytes)
    }
}

const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn place(slots: &mut [Slot], hash: u64, class: u32) {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    while slots[at].class != EMPTY.class {
        at = (at + 1) & mask;
    }
    slots[at] = Slot { tag: tag(hash), class };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_class_per_field_and_kind() {
        let mut interner = Interner::new([1; 16]);
        let classes: Vec<Class> = (0..2_000u32)
            .map(|n| {
                interner.intern(Field((n % 3) as u16), Kind::String, &n.to_le_bytes()).unwrap()
            })
            .collect();
        for (n, class) in (0..2_000u32).zip(&classes) {
            let field = Field((n % 3) as u16);
            assert_eq!(interner.get(field, Kind::String, &n.to_le_bytes()), Some(*class));
            assert_eq!(interner.get(Field(9), Kind::String, &n.to_le_bytes()), None);
            assert_eq!(interner.get(field, Kind::Number, &n.to_le_bytes()), None);
        }
        assert_eq!(interner.len(), 2_000);
    }

    /// How many slots are looked at to find each value, at most.
    fn longest_run(interner: &Interner, values: &[Vec<u8>]) -> usize {
        let mask = interner.slots.len() - 1;
        let run = |value: &Vec<u8>| {
            let hash = interner.hash(Field(0), Kind::String, value);
            let slots = (0..=mask).map(|step| interner.slots[(hash as usize + step) & mask]);
            slots.take_while(|slot| slot.class != EMPTY.class).count()
        };
        values.iter().map(run).max().unwrap_or(0)
    }

    /// N04: whoever knows the key can choose values that all look for one slot; by another key they are
    /// like any others.
    #[test]
    fn values_chosen_to_collide_do_not_without_the_key() {
        let known = Interner::new([1; 16]);
        let chosen: Vec<Vec<u8>> = (0..u32::MAX)
            .map(|n| n.to_le_bytes().to_vec())
            .filter(|value| known.hash(Field(0), Kind::String, value).trailing_zeros() >= 10)
            .take(500)
            .collect();
        let filled = |key: [u8; 16]| {
            let mut interner = Interner::new(key);
            for value in &chosen {
                interner.intern(Field(0), Kind::String, value).unwrap();
            }
            longest_run(&interner, &chosen)
        };
        assert_eq!(filled([1; 16]), 500, "the attack is one");
        for key in 2..10 {
            assert!(filled([key; 16]) < 50, "key {key}: {}", filled([key; 16]));
        }
    }
}
