//! What is left to ask of a rule once its turn has come, and lists of rules.
//!
//! A rule is filed under one of its conditions (or under its types). Whoever finds it there knows that
//! this one holds; what is *left* is the others. In a set of a million rules the queue is another in
//! each, and what is left is the same for thousands: one of a few types, of a few states, of two
//! directions. So each such residue is kept once, and a rule is two numbers: its residue and its
//! route. A list is in the order of residues, so that for a value which is in a thousand rules each
//! residue is judged once and not a thousand times.
//!
//! A residue is a run of words in one piece of memory, known by the place of its first:
//!
//! ```text
//! patterns: n, p1 .. pn | conditions: of each k, class 1 .. class k | 0
//! ```
//!
//! Without patterns any type will do.

use std::collections::BTreeMap;

use cofferdam_core::pipeline::RouteId;

use crate::{event_type::PatternId, interner::Class};

/// A residue, by the place of its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ResidueId(u32);

/// All residues, each once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Residues {
    words: Vec<u32>,
}

/// Collects residues.
#[derive(Debug, Default)]
pub(crate) struct ResidueBuilder {
    residues: Residues,
    known: BTreeMap<Box<[u32]>, ResidueId>,
    words: Vec<u32>,
}

/// Behind the last condition. No condition is empty, so that none begins with it.
const END: u32 = 0;

impl ResidueBuilder {
    /// The residue of a rule: its type must fit one of `patterns`, if there are any, and of each
    /// condition one class must be seen. `None` if a condition is empty or there are too many residues.
    pub(crate) fn add(
        &mut self,
        patterns: &[PatternId],
        conditions: impl Iterator<Item = &[Class]>,
    ) -> Option<ResidueId> {
        self.words.clear();
        self.words.push(u32::try_from(patterns.len()).ok()?);
        self.words.extend(patterns.iter().map(|pattern| pattern.0));
        for any_of in conditions {
            let count = u32::try_from(any_of.len()).ok().filter(|count| *count != END)?;
            self.words.push(count);
            self.words.extend(any_of.iter().map(|class| class.0));
        }
        self.words.push(END);
        if let Some(known) = self.known.get(self.words.as_slice()) {
            return Some(*known);
        }
        let id = ResidueId(u32::try_from(self.residues.words.len()).ok()?);
        self.residues.words.extend_from_slice(&self.words);
        self.known.insert(self.words.as_slice().into(), id);
        Some(id)
    }

    pub(crate) fn finish(mut self) -> Residues {
        self.residues.words.shrink_to_fit();
        self.residues
    }
}

impl Residues {
    /// Whether an event holds what is left: `has_pattern` and `has_class` say what it was seen to hold.
    #[inline]
    pub(crate) fn holds(
        &self,
        id: ResidueId,
        has_pattern: impl Fn(PatternId) -> bool,
        has_class: impl Fn(Class) -> bool,
    ) -> bool {
        let Some([count, rest @ ..]) = self.words.get(id.0 as usize..) else { return false };
        let Some((patterns, mut rest)) = rest.split_at_checked(*count as usize) else {
            return false;
        };
        if !patterns.is_empty() && !patterns.iter().any(|&pattern| has_pattern(PatternId(pattern)))
        {
            return false;
        }
        while let Some((&count, after)) = rest.split_first()
            && count != END
        {
            let Some((any_of, next)) = after.split_at_checked(count as usize) else { return false };
            if !any_of.iter().any(|&class| has_class(Class(class))) {
                return false;
            }
            rest = next;
        }
        true
    }
}

/// A rule where it is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Posting {
    pub(crate) residue: ResidueId,
    pub(crate) route: RouteId,
}

/// Lists of rules, one for each of so many numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    /// Where each list begins, and at the end where the last one ends.
    starts: Vec<u32>,
    postings: Vec<Posting>,
}

impl Lists {
    /// Makes lists of `filed`: pairs of a list's number, below `count`, and a rule. What stands twice
    /// in a list is kept once.
    pub(crate) fn new(count: usize, mut filed: Vec<(u32, Posting)>) -> Self {
        filed.sort_unstable();
        filed.dedup();
        let mut starts = vec![0u32; count + 1];
        for &(list, _) in &filed {
            starts[list as usize + 1] += 1;
        }
        for list in 1..starts.len() {
            starts[list] += starts[list - 1];
        }
        Self { starts, postings: filed.into_iter().map(|(_, posting)| posting).collect() }
    }

    #[inline]
    pub(crate) fn get(&self, list: u32) -> &[Posting] {
        let Some([start, end]) = self.starts.get(list as usize..list as usize + 2) else {
            return &[];
        };
        self.postings.get(*start as usize..*end as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(numbers: &[u32]) -> Vec<Class> {
        numbers.iter().map(|&number| Class(number)).collect()
    }

    #[test]
    fn a_residue_holds_if_each_of_its_parts_does() {
        let mut builder = ResidueBuilder::default();
        let (ones, others) = (classes(&[3]), classes(&[4, 5]));
        let conditions = [ones.as_slice(), others.as_slice()];
        let both = builder.add(&[PatternId(0), PatternId(7)], conditions.into_iter()).unwrap();
        let untyped = builder.add(&[], [others.as_slice()].into_iter()).unwrap();
        let nothing = builder.add(&[], [].into_iter()).unwrap();
        let again = builder.add(&[PatternId(0), PatternId(7)], conditions.into_iter());
        assert_eq!(again, Some(both), "kept once");
        assert_eq!(builder.add(&[], [&[][..]].into_iter()), None, "it could match nothing");
        let residues = builder.finish();
        let holds = |id, patterns: &[u32], classes: &[u32]| {
            residues.holds(id, |p| patterns.contains(&p.0), |c| classes.contains(&c.0))
        };
        assert!(holds(both, &[7], &[3, 5]) && holds(both, &[0, 1], &[3, 4, 5]));
        for (patterns, classes) in
            [(&[1][..], &[3, 4][..]), (&[7], &[3]), (&[7], &[4, 5]), (&[], &[3, 4])]
        {
            assert!(!holds(both, patterns, classes), "{patterns:?} {classes:?}");
        }
        assert!(holds(untyped, &[], &[4]) && !holds(untyped, &[0], &[3]));
        assert!(holds(nothing, &[], &[]));
    }

    #[test]
    fn a_list_holds_its_own_rules_each_once() {
        let rule = |residue, route| Posting { residue: ResidueId(residue), route: RouteId(route) };
        let filed = vec![
            (2, rule(9, 0)),
            (0, rule(5, 1)),
            (2, rule(5, 3)),
            (2, rule(9, 0)),
            (4, rule(1, 1)),
        ];
        let lists = Lists::new(5, filed);
        assert_eq!(lists.get(2), [rule(5, 3), rule(9, 0)]);
        assert_eq!((lists.get(0), lists.get(4)), (&[rule(5, 1)][..], &[rule(1, 1)][..]));
        assert!([1, 3, 5, u32::MAX - 2].iter().all(|&list| lists.get(list).is_empty()));
    }
}
