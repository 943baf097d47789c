//! Values as small numbers: each value that a rule names gets a class, all others have none.

use siphasher::sip::SipHasher13;

use crate::{
    names::{FEW, Names},
    path::Field,
};

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

impl Kind {
    /// The kind that this number is of.
    fn of(number: u8) -> Option<Self> {
        let all = [
            Self::String,
            Self::Number,
            Self::Literal,
            Self::Condition,
            Self::Pattern,
            Self::Absence,
        ];
        all.into_iter().find(|kind| *kind as u8 == number)
    }

    #[inline]
    const fn is_value(self) -> bool {
        matches!(self, Self::String | Self::Number | Self::Literal)
    }
}

/// The classes of all fields: an open-addressing table that is never iterated.
///
/// A slot holds half of the hash, so that a value which no rule names is known for one by the slot
/// alone. Everything else about a value stands in one place, because in a large table each place is
/// another cache miss. The hash is SipHash-1-3 under a secret key: no event and no rule can choose its
/// slot.
#[derive(Debug, Clone)]
pub(crate) struct Interner {
    key: (u64, u64),
    slots: Vec<Slot>,
    /// One after the other: a [`Head`] and its value.
    entries: Vec<u8>,
    count: u32,
    fields: Vec<Values>,
}

/// What rules name of one field.
#[derive(Debug, Clone, Default)]
struct Values {
    /// By kind: those that came first, in the table too.
    few: [Names; 3],
    /// By kind: whether there are more.
    has_many: [bool; 3],
}

/// Where a value is to be looked for.
enum Search {
    Nowhere,
    AmongFew,
    InTable,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    tag: u32,
    /// Where the entry begins.
    at: u32,
}

/// What stands before a value.
struct Head {
    class: u32,
    len: u32,
    field: Field,
    kind: Kind,
}

const EMPTY: Slot = Slot { tag: 0, at: u32::MAX };

impl Head {
    const LEN: usize = 11;

    fn write(&self, entries: &mut Vec<u8>) {
        entries.extend(self.class.to_le_bytes());
        entries.extend(self.len.to_le_bytes());
        entries.extend(place_bytes(self.field, self.kind));
    }
}

/// The entry that begins here: its class, its field and kind as they stand there, and its value.
#[inline]
fn entry(entries: &[u8], at: u32) -> Option<(Class, [u8; 3], &[u8])> {
    let (head, rest) = entries.get(at as usize..)?.split_first_chunk::<{ Head::LEN }>()?;
    let [c0, c1, c2, c3, l0, l1, l2, l3, place @ ..] = *head;
    let len = u32::from_le_bytes([l0, l1, l2, l3]);
    let value = rest.get(..len as usize)?;
    Some((Class(u32::from_le_bytes([c0, c1, c2, c3])), place, value))
}

#[inline]
const fn place_bytes(field: Field, kind: Kind) -> [u8; 3] {
    let [low, high] = field.0.to_le_bytes();
    [low, high, kind as u8]
}

impl Interner {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        let [low, high] = [0, 8].map(|at| {
            let half: &[u8; 8] = key[at..].first_chunk().unwrap_or(&[0; 8]);
            u64::from_le_bytes(*half)
        });
        let slots = vec![EMPTY; 16];
        Self { key: (low, high), slots, entries: Vec::new(), count: 0, fields: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    /// The class of a value that a rule names; the same for the same value. `None` if there are too
    /// many.
    pub(crate) fn intern(&mut self, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        let hash = self.hash(field, kind, bytes);
        if let Some(class) = self.find(hash, field, kind, bytes) {
            return Some(class);
        }
        let (class, len) = (self.count, u32::try_from(bytes.len()).ok()?);
        let at = u32::try_from(self.entries.len()).ok().filter(|at| *at != EMPTY.at)?;
        let count = class.checked_add(1)?;
        if (self.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        Head { class, len, field, kind }.write(&mut self.entries);
        self.entries.extend_from_slice(bytes);
        self.count = count;
        place(&mut self.slots, Slot { tag: tag(hash), at });
        self.note(field, kind, bytes, class);
        Some(Class(class))
    }

    fn note(&mut self, field: Field, kind: Kind, bytes: &[u8], class: u32) {
        if !kind.is_value() {
            return;
        }
        let index = usize::from(field.0);
        if self.fields.len() <= index {
            self.fields.resize_with(index + 1, Values::default);
        }
        let Values { few, has_many } = &mut self.fields[index];
        if let (Some(few), Some(has_many)) =
            (few.get_mut(kind as usize), has_many.get_mut(kind as usize))
        {
            if few.len() < FEW {
                few.get_or_insert(bytes, class);
            } else {
                *has_many = true;
            }
        }
    }

    /// Most fields have a handful of values that rules name, or none: those are found without a hash.
    #[inline]
    fn search(&self, field: Field, kind: Kind) -> Search {
        if !kind.is_value() {
            return Search::InTable;
        }
        let Some(Values { few, has_many }) = self.fields.get(usize::from(field.0)) else {
            return Search::Nowhere;
        };
        match (few.get(kind as usize), has_many.get(kind as usize)) {
            (_, Some(true)) => Search::InTable,
            (Some(few), _) if few.len() > 0 => Search::AmongFew,
            _ => Search::Nowhere,
        }
    }

    /// The class of a value of an event, if a rule names it.
    #[inline]
    pub(crate) fn get(&self, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        self.get_by(&mut None, field, kind, bytes)
    }

    /// The same, by a hash that an interner with the same key has made if it was needed.
    #[inline]
    pub(crate) fn get_by(
        &self,
        hash: &mut Option<u64>,
        field: Field,
        kind: Kind,
        bytes: &[u8],
    ) -> Option<Class> {
        match self.search(field, kind) {
            Search::Nowhere => None,
            Search::AmongFew => {
                let values = self.fields.get(usize::from(field.0))?;
                values.few.get(kind as usize)?.get(bytes).map(Class)
            }
            Search::InTable => {
                let hash = *hash.get_or_insert_with(|| self.hash(field, kind, bytes));
                self.find(hash, field, kind, bytes)
            }
        }
    }

    /// Whether a value has to be hashed, and whether it has to be looked for at all.
    pub(crate) fn needs(&self, field: Field, kind: Kind) -> (bool, bool) {
        match self.search(field, kind) {
            Search::Nowhere => (false, false),
            Search::AmongFew => (false, true),
            Search::InTable => (true, true),
        }
    }

    #[inline]
    fn find(&self, hash: u64, field: Field, kind: Kind, bytes: &[u8]) -> Option<Class> {
        let mask = self.slots.len() - 1;
        let mut at = tag(hash) as usize & mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot.at == EMPTY.at {
                return None;
            }
            if slot.tag == tag(hash)
                && let Some((class, place, value)) = entry(&self.entries, slot.at)
                && place == place_bytes(field, kind)
                && value == bytes
            {
                return Some(class);
            }
            at = (at + 1) & mask;
        }
    }

    /// Where the entry of a value with this hash most likely is, by its slot alone.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        let slot = self.slots.get(tag(hash) as usize & (self.slots.len() - 1))?;
        (slot.tag == tag(hash) && slot.at != EMPTY.at).then_some(slot.at)
    }

    /// The class of the entry there.
    #[inline]
    pub(crate) fn glance(&self, at: u32) -> Option<Class> {
        entry(&self.entries, at).map(|(class, ..)| class)
    }

    /// All that has a class, in the order of the classes.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Class, Field, Kind, &[u8])> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let (class, [low, high, kind], value) = entry(&self.entries, at)?;
            at += (Head::LEN + value.len()) as u32;
            Some((class, Field(u16::from_le_bytes([low, high])), Kind::of(kind)?, value))
        })
    }

    /// About how many bytes it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.entries.capacity()
    }

    /// Every slot has the part of the hash that says where it goes, so that no value is hashed again.
    fn grow(&mut self) {
        let mut slots = vec![EMPTY; self.slots.len() * 2];
        self.slots
            .iter()
            .filter(|slot| slot.at != EMPTY.at)
            .for_each(|slot| place(&mut slots, *slot));
        self.slots = slots;
    }

    /// Field and kind go into the key, where they cost nothing.
    #[inline]
    pub(crate) fn hash(&self, field: Field, kind: Kind, bytes: &[u8]) -> u64 {
        let place = u64::from(field.0) << 8 | u64::from(kind as u8);
        SipHasher13::new_with_keys(self.key.0 ^ place, self.key.1).hash(bytes)
    }
}

/// The half of the hash that a slot holds. A table has fewer slots than that can number.
const fn tag(hash: u64) -> u32 {
    hash as u32
}

fn place(slots: &mut [Slot], slot: Slot) {
    let mask = slots.len() - 1;
    let mut at = slot.tag as usize & mask;
    while slots[at].at != EMPTY.at {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
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
            slots.take_while(|slot| slot.at != EMPTY.at).count()
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
