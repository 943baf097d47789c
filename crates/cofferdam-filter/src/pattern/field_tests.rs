//! All that rules ask of one field, asked of one value at once.
//!
//! Equal values are found by the [`Interner`](crate::interner::Interner); here is the rest. Texts that
//! a value begins or ends with are found by one search in a sorted list, whatever their number
//! ([`Affixes`]). Ranges, wildcards, blocks of addresses and exclusions are asked one by one: each of
//! them can hold whatever the others say, so no index bounds the answers. What one value may cost
//! is bounded when the rules are compiled, by [`FieldTests::steps`].

use core::net::IpAddr;

use crate::{
    interner::{Class, Kind},
    pattern::condition::{Affix, Block, Condition, Glob, Range, fold, order_of},
};

/// The conditions of one field.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldTests {
    exists: Vec<Class>,
    prefixes: Affixes,
    suffixes: Affixes,
    folded: Folded,
    wildcards: Vec<(Glob, Class)>,
    ranges: Vec<(Range, Class)>,
    blocks: Vec<(Block, Class)>,
    /// What a value fulfils that has none of some classes, and those.
    others: Vec<Class>,
    /// By class: the exclusions that name it, in order.
    excluded: Vec<(Class, u32)>,
}

/// The conditions that ignore case.
#[derive(Debug, Clone, Default)]
struct Folded {
    equals: Vec<(Box<[u8]>, Class)>,
    prefixes: Affixes,
    suffixes: Affixes,
}

/// A wildcard goes over the whole value, as so many other conditions do together.
const WILDCARD_STEPS: usize = 16;

/// Buffers for [`FieldTests::ask`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers {
    held: Vec<Class>,
    text: Vec<u8>,
    reversed: Vec<u8>,
    is_excluded: Vec<bool>,
}

impl Buffers {
    /// What the last value fulfils.
    pub(crate) fn held(&self) -> &[Class] {
        &self.held
    }
}

impl FieldTests {
    pub(crate) fn add(&mut self, condition: Condition, class: Class) {
        match condition {
            Condition::Exists => self.exists.push(class),
            Condition::Prefix(Affix { text, ignores_case }) => {
                let folded = &mut self.folded.prefixes;
                let prefixes = if ignores_case { folded } else { &mut self.prefixes };
                prefixes.add(text, class);
            }
            Condition::Suffix(Affix { mut text, ignores_case }) => {
                text.reverse();
                let folded = &mut self.folded.suffixes;
                let suffixes = if ignores_case { folded } else { &mut self.suffixes };
                suffixes.add(text, class);
            }
            Condition::EqualsIgnoringCase(text) => self.folded.equals.push((text, class)),
            Condition::Wildcard(glob) => self.wildcards.push((glob, class)),
            Condition::Within(range) => self.ranges.push((range, class)),
            Condition::Cidr(block) => self.blocks.push((block, class)),
        }
    }

    /// Any value but those that fulfil one of `classes`.
    pub(crate) fn add_exclusion(&mut self, classes: &[Class], class: Class) {
        let index = self.others.len() as u32;
        self.others.push(class);
        self.excluded.extend(classes.iter().map(|excluded| (*excluded, index)));
    }

    /// Puts everything in order; then values may be asked.
    pub(crate) fn finish(&mut self) {
        self.folded.equals.sort_unstable();
        self.excluded.sort_unstable();
        self.excluded.dedup();
        for affixes in [
            &mut self.prefixes,
            &mut self.suffixes,
            &mut self.folded.prefixes,
            &mut self.folded.suffixes,
        ] {
            affixes.finish();
        }
    }

    /// About how many steps a value costs at most, beside those that its own length does.
    pub(crate) fn steps(&self) -> usize {
        let Folded { equals, prefixes, suffixes } = &self.folded;
        let nested = [&self.prefixes, &self.suffixes, prefixes, suffixes];
        // Spellings of one text, and exclusions of one thing, which all come up together.
        let alike = equals.chunk_by(|one, other| one.0 == other.0).map(<[_]>::len).max();
        let excluded = self.excluded.chunk_by(|one, other| one.0 == other.0).map(<[_]>::len).max();
        self.exists.len()
            + nested.iter().map(|affixes| affixes.longest_chain()).sum::<usize>()
            + alike.unwrap_or(0)
            + excluded.unwrap_or(0)
            + WILDCARD_STEPS * self.wildcards.len()
            + self.ranges.len()
            + self.blocks.len()
            + self.others.len()
    }

    /// About how many bytes they hold beside themselves.
    pub(crate) fn bytes(&self) -> usize {
        let Folded { equals, prefixes, suffixes } = &self.folded;
        let texts: usize = equals.iter().map(|(text, _)| text.len()).sum();
        let wildcards: usize = self.wildcards.iter().map(|(glob, _)| glob.bytes()).sum();
        let affixes = [&self.prefixes, &self.suffixes, prefixes, suffixes];
        affixes.iter().map(|affixes| affixes.bytes()).sum::<usize>()
            + equals.capacity() * size_of::<(Box<[u8]>, Class)>()
            + texts
            + self.wildcards.capacity() * size_of::<(Glob, Class)>()
            + wildcards
            + self.ranges.capacity() * size_of::<(Range, Class)>()
            + self.blocks.capacity() * size_of::<(Block, Class)>()
            + (self.exists.capacity() + self.others.capacity()) * size_of::<Class>()
            + self.excluded.capacity() * size_of::<(Class, u32)>()
    }

    /// Asks a value, of which it is known whether rules name it. Numbers come in canonical form. Says how
    /// many steps that took.
    pub(crate) fn ask(
        &self,
        kind: Kind,
        value: &[u8],
        named: Option<Class>,
        buffers: &mut Buffers,
    ) -> usize {
        buffers.held.clear();
        buffers.held.extend(named);
        buffers.held.extend(&self.exists);
        let asked = match kind {
            Kind::String => {
                self.ask_text(value, buffers);
                WILDCARD_STEPS * self.wildcards.len() + self.blocks.len()
            }
            Kind::Number if !self.ranges.is_empty() => {
                order_of(value, &mut buffers.text);
                let holds = |(range, _): &&(Range, Class)| range.holds(&buffers.text);
                buffers.held.extend(self.ranges.iter().filter(holds).map(|(_, class)| *class));
                self.ranges.len()
            }
            _ => 0,
        };
        asked + self.ask_exclusions(buffers) + buffers.held.len()
    }

    fn ask_text(&self, text: &[u8], buffers: &mut Buffers) {
        let Buffers { held, text: folded, reversed, .. } = buffers;
        self.prefixes.of(text, held);
        self.suffixes.of_reversed(text, reversed, held);
        held.extend(self.wildcards.iter().filter(|(glob, _)| glob.fits(text)).map(|(_, c)| *c));
        if !self.blocks.is_empty()
            && let Some(address) = address(text)
        {
            held.extend(self.blocks.iter().filter(|(b, _)| b.holds(address)).map(|(_, c)| *c));
        }
        if !self.folded.is_empty()
            && let Some(text) = fold(text, folded)
        {
            let Folded { equals, prefixes, suffixes } = &self.folded;
            let first = equals.partition_point(|(other, _)| **other < *text);
            held.extend(equals[first..].iter().take_while(|(o, _)| **o == *text).map(|(_, c)| *c));
            prefixes.of(text, held);
            suffixes.of_reversed(text, reversed, held);
        }
    }

    fn ask_exclusions(&self, buffers: &mut Buffers) -> usize {
        if self.others.is_empty() {
            return 0;
        }
        let Buffers { held, is_excluded, .. } = buffers;
        is_excluded.clear();
        is_excluded.resize(self.others.len(), false);
        let mut excluded = 0;
        for class in held.iter() {
            let first = self.excluded.partition_point(|(other, _)| other < class);
            let these = self.excluded[first..].iter().take_while(|(other, _)| other == class);
            for (_, index) in these {
                is_excluded[*index as usize] = true;
                excluded += 1;
            }
        }
        let others = self.others.iter().zip(is_excluded.iter());
        held.extend(others.filter(|(_, excluded)| !**excluded).map(|(class, _)| *class));
        excluded + self.others.len()
    }
}

impl Folded {
    fn is_empty(&self) -> bool {
        self.equals.is_empty() && self.prefixes.is_empty() && self.suffixes.is_empty()
    }
}

/// An address, if the text is one: the longest has 45 bytes.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = text.get(..text.len().min(46))?;
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// Texts that a value may begin with.
///
/// In order, each with the longest other one that it begins with. A text that a value begins with is not
/// behind the value in this order, and whatever stands between the two begins with it as well. So all
/// of them are the last entry before the value, the one that this begins with, and so on: those of
/// this chain that are no longer than what the entry and the value have in common. One search and a
/// chain, whatever the number of texts.
#[derive(Debug, Clone, Default)]
struct Affixes {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    text: Box<[u8]>,
    class: Class,
    /// One more than the entry that this one begins with; 0 if there is none.
    outer: u32,
    /// How many there are from here on outward.
    depth: u32,
}

impl Affixes {
    fn add(&mut self, text: Box<[u8]>, class: Class) {
        self.entries.push(Entry { text, class, outer: 0, depth: 1 });
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn finish(&mut self) {
        self.entries.sort_unstable_by(|one, other| one.text.cmp(&other.text));
        let mut open: Vec<usize> = Vec::new();
        for at in 0..self.entries.len() {
            let begins =
                |outer: &usize| self.entries[at].text.starts_with(&self.entries[*outer].text);
            while open.last().is_some_and(|outer| !begins(outer)) {
                open.pop();
            }
            self.entries[at].outer = open.last().map_or(0, |outer| *outer as u32 + 1);
            open.push(at);
            self.entries[at].depth = open.len() as u32;
        }
    }

    fn bytes(&self) -> usize {
        let texts: usize = self.entries.iter().map(|entry| entry.text.len()).sum();
        self.entries.capacity() * size_of::<Entry>() + texts
    }

    fn longest_chain(&self) -> usize {
        self.entries.iter().map(|entry| entry.depth as usize).max().unwrap_or(0)
    }

    fn of(&self, value: &[u8], held: &mut Vec<Class>) {
        let mut next = self.entries.partition_point(|entry| *entry.text <= *value);
        let Some(last) = next.checked_sub(1).map(|last| &self.entries[last]) else { return };
        let common = last.text.iter().zip(value).take_while(|(one, other)| one == other).count();
        while let Some(entry) = next.checked_sub(1).and_then(|at| self.entries.get(at)) {
            if entry.text.len() <= common {
                held.push(entry.class);
            }
            next = entry.outer as usize;
        }
    }

    fn of_reversed(&self, value: &[u8], reversed: &mut Vec<u8>, held: &mut Vec<Class>) {
        if self.is_empty() {
            return;
        }
        reversed.clear();
        reversed.extend(value.iter().rev());
        self.of(reversed, held);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn affixes_are_those_that_a_value_begins_with(
            texts in prop::collection::btree_set("[ab]{0,6}", 0..40),
            value in "[ab]{0,8}",
        ) {
            let mut affixes = Affixes::default();
            for (class, text) in (0..).zip(&texts) {
                affixes.add(Box::from(text.as_bytes()), Class(class));
            }
            affixes.finish();
            let mut held = Vec::new();
            affixes.of(value.as_bytes(), &mut held);
            held.sort_unstable();
            let expected: Vec<Class> = (0..)
                .zip(&texts)
                .filter(|(_, text)| value.starts_with(*text))
                .map(|(class, _)| Class(class))
                .collect();
            prop_assert_eq!(held, expected);
            let nested = |text: &String| texts.iter().filter(|t| text.starts_with(*t)).count();
            prop_assert_eq!(affixes.longest_chain(), texts.iter().map(nested).max().unwrap_or(0));
        }
    }

    #[test]
    fn an_address_is_not_cut_out_of_a_longer_text() {
        assert!(address(b"255.255.255.255").is_some());
        assert!(address(b"0000:0000:0000:0000:0000:ffff:255.255.255.255").is_some());
        assert!(address("0".repeat(60).as_bytes()).is_none());
        assert!(address(b"10.0.0.1 ").is_none() && address(b"").is_none());
    }
}
