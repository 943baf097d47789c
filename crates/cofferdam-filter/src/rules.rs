//! What is left to ask of a rule once its turn has come, and lists of rules.
//!
//! A rule is filed under one of its conditions (or under its types). Whoever finds it there knows that
//! this one holds; what is *left* is the others. In a set of a million rules the queue is another in
//! each, and what is left is the same for thousands: one of a few types, of a few states, of two
//! directions. So each such residue is kept once, and a rule is two numbers: its residue and its
//! route.
//!
//! Of one event each residue is judged once, however many rules share it and however often one of them
//! comes up: a rule whose condition lists a hundred thousand values is filed under each of them, and an
//! event may show them all. A long list of values is not looked through for the few that an event
//! shows, but searched for each of these. So the work for an event is bounded by the rules that its
//! values are in, and by what is left of each kind once.
//!
//! A residue is a run of words in one piece of memory:
//!
//! ```text
//! patterns: n, p1 .. pn | conditions: of each k, class 1 .. class k | 0
//! ```
//!
//! Without patterns any type will do. Classes stand in order.

use std::collections::BTreeMap;

use crate::{event_type::PatternId, interner::Class};

/// A residue, numbered in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ResidueId(pub(crate) u32);

/// All residues, each once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Residues {
    /// Where each begins.
    starts: Vec<u32>,
    words: Vec<u32>,
}

/// What residues are judged by.
pub(crate) trait Facts {
    fn has_pattern(&self, pattern: PatternId) -> bool;
    fn has_class(&self, class: Class) -> bool;
    /// All classes, each once.
    fn classes(&self) -> &[Class];
}

/// Collects residues.
#[derive(Debug, Default)]
pub(crate) struct ResidueBuilder {
    residues: Residues,
    known: BTreeMap<Box<[u32]>, ResidueId>,
    next: Residue,
}

/// The words of one residue.
#[derive(Debug, Default)]
pub(crate) struct Residue(Vec<u32>);

/// Behind the last condition. No condition is empty, so that none begins with it.
const END: u32 = 0;

impl Residue {
    /// Writes what is left of a rule. `None` if a condition is empty.
    pub(crate) fn write(
        &mut self,
        patterns: &[PatternId],
        conditions: impl IntoIterator<Item = impl AsRef<[Class]>>,
    ) -> Option<()> {
        self.0.clear();
        self.0.push(u32::try_from(patterns.len()).ok()?);
        self.0.extend(patterns.iter().map(|pattern| pattern.0));
        for any_of in conditions {
            let any_of = any_of.as_ref();
            let count = u32::try_from(any_of.len()).ok().filter(|count| *count != END)?;
            self.0.push(count);
            self.0.extend(any_of.iter().map(|class| class.0));
        }
        self.0.push(END);
        Some(())
    }
}

impl ResidueBuilder {
    /// The residue of a rule: its type must fit one of `patterns`, if there are any, and of each
    /// condition one class must be seen; the classes are in order. `None` if a condition is empty or
    /// there are too many residues.
    pub(crate) fn add(
        &mut self,
        patterns: &[PatternId],
        conditions: impl IntoIterator<Item = impl AsRef<[Class]>>,
    ) -> Option<ResidueId> {
        self.next.write(patterns, conditions)?;
        let words = self.next.0.as_slice();
        if let Some(known) = self.known.get(words) {
            return Some(*known);
        }
        let id = ResidueId(u32::try_from(self.residues.starts.len()).ok()?);
        self.residues.starts.push(u32::try_from(self.residues.words.len()).ok()?);
        self.residues.words.extend_from_slice(words);
        self.known.insert(words.into(), id);
        Some(id)
    }

    pub(crate) fn finish(mut self) -> Residues {
        self.residues.words.shrink_to_fit();
        self.residues.starts.shrink_to_fit();
        self.residues
    }
}

impl Residues {
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// What a residue asks: its patterns, and of each condition the classes.
    pub(crate) fn parts(&self, id: ResidueId) -> Option<(&[u32], Vec<&[u32]>)> {
        let [count, rest @ ..] = self.words(id)? else { return None };
        let (patterns, mut rest) = rest.split_at_checked(*count as usize)?;
        let mut conditions = Vec::new();
        while let Some((&count, after)) = rest.split_first()
            && count != END
        {
            let (any_of, next) = after.split_at_checked(count as usize)?;
            conditions.push(any_of);
            rest = next;
        }
        Some((patterns, conditions))
    }

    /// About how many bytes they hold.
    pub(crate) fn bytes(&self) -> usize {
        (self.starts.capacity() + self.words.capacity()) * size_of::<u32>()
    }

    /// The words of a residue, and more behind them.
    #[inline]
    fn words(&self, id: ResidueId) -> Option<&[u32]> {
        self.starts.get(id.0 as usize).and_then(|at| self.words.get(*at as usize..))
    }

    /// How many words a residue has.
    pub(crate) fn cost(&self, id: ResidueId) -> usize {
        let index = id.0 as usize;
        let start = self.starts.get(index).copied().unwrap_or(0) as usize;
        self.starts.get(index + 1).map_or(self.words.len(), |end| *end as usize) - start
    }

    /// Whether a residue is this one.
    pub(crate) fn is(&self, id: ResidueId, residue: &Residue) -> bool {
        self.words(id).is_some_and(|words| words.starts_with(&residue.0))
    }

    /// Whether an event holds what is left, by what it was seen to hold.
    #[inline]
    pub(crate) fn holds(&self, id: ResidueId, seen: &impl Facts) -> bool {
        let words = self.words(id);
        let Some([count, rest @ ..]) = words else { return false };
        let Some((patterns, mut rest)) = rest.split_at_checked(*count as usize) else {
            return false;
        };
        let fits = |pattern: &u32| seen.has_pattern(PatternId(*pattern));
        if !patterns.is_empty() && !patterns.iter().any(fits) {
            return false;
        }
        while let Some((&count, after)) = rest.split_first()
            && count != END
        {
            let Some((any_of, next)) = after.split_at_checked(count as usize) else { return false };
            if !shows_one(any_of, seen) {
                return false;
            }
            rest = next;
        }
        true
    }
}

/// Whether one of these classes was seen.
#[inline]
fn shows_one(any_of: &[u32], seen: &impl Facts) -> bool {
    if any_of.len() / 8 > seen.classes().len() {
        return seen.classes().iter().any(|class| any_of.binary_search(&class.0).is_ok());
    }
    any_of.iter().any(|&class| seen.has_class(Class(class)))
}

/// A rule where it is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Posting {
    pub(crate) residue: ResidueId,
    /// What follows if it holds: the number of a route, or of a class of the object around.
    pub(crate) then: u32,
}

/// Lists of rules, one for each of so many numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    /// Where each list begins, and at the end where the last one ends.
    starts: Vec<u32>,
    postings: Vec<Posting>,
    /// What was filed more than once: its place among the postings and how often, in order.
    copies: Vec<(u32, u32)>,
}

impl Lists {
    /// Makes lists of `filed`: pairs of a list's number, below `count`, and a rule. What stands twice
    /// in a list is kept once, and counted.
    /// `None` if there are more than can be numbered.
    pub(crate) fn new(count: usize, mut filed: Vec<(u32, Posting)>) -> Option<Self> {
        u32::try_from(filed.len()).ok()?;
        filed.sort_unstable();
        let mut lists = Self { starts: vec![0u32; count + 1], ..Self::default() };
        lists.postings.reserve_exact(filed.len());
        for same in filed.chunk_by(|one, other| one == other) {
            let &[(list, posting), ..] = same else { continue };
            if same.len() > 1 {
                lists.copies.push((lists.postings.len() as u32, same.len() as u32));
            }
            lists.postings.push(posting);
            lists.starts[list as usize + 1] += 1;
        }
        for list in 1..lists.starts.len() {
            lists.starts[list] += lists.starts[list - 1];
        }
        Some(lists)
    }

    /// How many rules stand in all of them.
    pub(crate) fn len(&self) -> usize {
        self.postings.len()
    }

    /// About how many bytes they hold.
    pub(crate) fn bytes(&self) -> usize {
        self.starts.capacity() * size_of::<u32>()
            + self.postings.capacity() * size_of::<Posting>()
            + self.copies.capacity() * size_of::<(u32, u32)>()
    }

    /// How many rules stand in the longest one.
    pub(crate) fn longest(&self) -> usize {
        self.starts.windows(2).map(|pair| (pair[1] - pair[0]) as usize).max().unwrap_or(0)
    }

    /// The rules of a list, but for those that are gone.
    #[inline]
    pub(crate) fn get(&self, list: u32, gone: &Bits) -> impl Iterator<Item = &Posting> {
        let (start, postings) = self.list(list);
        let rules = postings.iter().enumerate();
        rules.filter(move |(at, _)| !gone.has(start + at)).map(|(_, rule)| rule)
    }

    /// Something of where a list is, so that this is near.
    #[inline]
    pub(crate) fn glance(&self, list: u32) -> u32 {
        self.starts.get(list as usize).copied().unwrap_or(0)
    }

    /// Something of a list's rules.
    #[inline]
    pub(crate) fn glance_at_rules(&self, list: u32) -> u32 {
        self.postings.get(self.glance(list) as usize).map_or(0, |rule| rule.then)
    }

    /// The place of the rule of a list for which `is_it` holds, and how often it was filed.
    pub(crate) fn find(&self, list: u32, is_it: impl Fn(&Posting) -> bool) -> Option<(u32, u32)> {
        let (start, postings) = self.list(list);
        let place = u32::try_from(start + postings.iter().position(is_it)?).ok()?;
        let copies = self.copies.binary_search_by_key(&place, |(place, _)| *place);
        Some((place, copies.map_or(1, |copy| self.copies[copy].1)))
    }

    #[inline]
    fn list(&self, list: u32) -> (usize, &[Posting]) {
        let Some([start, end]) = self.starts.get(list as usize..list as usize + 2) else {
            return (0, &[]);
        };
        let start = *start as usize;
        (start, self.postings.get(start..*end as usize).unwrap_or_default())
    }
}

/// A set of small numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }

    #[inline]
    pub(crate) fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 != 0)
    }

    pub(crate) fn insert(&mut self, number: usize) {
        if self.0.len() <= number / 64 {
            self.0.resize(number / 64 + 1, 0);
        }
        self.0[number / 64] |= 1 << (number % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event_type::TypeTrie, seen::Seen};

    fn classes(numbers: impl IntoIterator<Item = u32>) -> Vec<Class> {
        numbers.into_iter().map(Class).collect()
    }

    /// An event of this type, which shows these classes.
    fn seen(event_type: &str, shown: &[u32]) -> Seen {
        let mut types = TypeTrie::new();
        for pattern in ["a", "b", "c"] {
            types.insert(pattern).unwrap();
        }
        let mut seen = Seen::default();
        seen.begin(3, 1_000, 0);
        seen.event_type(event_type.as_bytes(), &types, &Bits::default());
        shown.iter().for_each(|&class| seen.class(Class(class)));
        seen
    }

    #[test]
    fn a_residue_holds_if_each_of_its_parts_does() {
        let mut builder = ResidueBuilder::default();
        let (ones, others) = (classes([3]), classes([4, 5]));
        let conditions = [ones.as_slice(), others.as_slice()];
        let both = builder.add(&[PatternId(0), PatternId(2)], conditions).unwrap();
        let untyped = builder.add(&[], &conditions[1..]).unwrap();
        let nothing = builder.add(&[], &[] as &[&[Class]]).unwrap();
        let again = builder.add(&[PatternId(0), PatternId(2)], conditions);
        assert_eq!(again, Some(both), "kept once");
        assert_eq!(builder.add(&[], [&[] as &[Class]]), None, "it could match nothing");
        let residues = builder.finish();
        assert_eq!(residues.len(), 3);
        let holds = |id, event_type, shown: &[u32]| residues.holds(id, &seen(event_type, shown));
        assert!(holds(both, "c", &[3, 5]) && holds(both, "a", &[3, 4, 5, 9]));
        for (event_type, shown) in
            [("b", &[3, 4][..]), ("c", &[3]), ("c", &[4, 5]), ("x", &[3, 4]), ("c", &[])]
        {
            assert!(!holds(both, event_type, shown), "{event_type} {shown:?}");
        }
        assert!(holds(untyped, "x", &[4]) && !holds(untyped, "a", &[3]));
        assert!(holds(nothing, "x", &[]));
    }

    /// A rule comes up once for each of its values that an event shows, which may be all of a hundred
    /// thousand; what is left of it is looked at once.
    #[test]
    fn a_residue_is_judged_once_for_an_event() {
        let mut builder = ResidueBuilder::default();
        let id = builder.add(&[], [&classes([3])]).unwrap();
        let residues = builder.finish();
        let mut seen = Seen::default();
        seen.begin(0, 1_000, residues.len());
        assert!(!seen.holds(id, &residues));
        seen.class(Class(3));
        assert!(residues.holds(id, &seen) && !seen.holds(id, &residues), "it was judged before");
        seen.begin(0, 1_000, residues.len());
        seen.class(Class(3));
        assert!(seen.holds(id, &residues), "the next event is another");
    }

    #[test]
    fn a_long_list_of_values_is_searched() {
        let mut builder = ResidueBuilder::default();
        let long = classes((0..500).map(|n| 2 * n));
        let id = builder.add(&[], [&long]).unwrap();
        let residues = builder.finish();
        assert!(residues.holds(id, &seen("a", &[1, 998])) && residues.holds(id, &seen("a", &[0])));
        assert!(!residues.holds(id, &seen("a", &[1, 997, 999])));
        // As many values as there are in the list.
        let odd: Vec<u32> = (0..500).map(|n| 2 * n + 1).collect();
        assert!(!residues.holds(id, &seen("a", &odd)));
    }

    #[test]
    fn a_list_holds_its_own_rules_each_once() {
        let rule = |residue, then| Posting { residue: ResidueId(residue), then };
        let filed = vec![
            (2, rule(9, 0)),
            (0, rule(5, 1)),
            (2, rule(5, 3)),
            (2, rule(9, 0)),
            (4, rule(1, 1)),
        ];
        let lists = Lists::new(5, filed).unwrap();
        let get = |list, gone: &Bits| lists.get(list, gone).copied().collect::<Vec<_>>();
        let mut gone = Bits::default();
        assert_eq!(get(2, &gone), [rule(5, 3), rule(9, 0)]);
        assert_eq!((get(0, &gone), get(4, &gone)), (vec![rule(5, 1)], vec![rule(1, 1)]));
        assert!([1, 3, 5, u32::MAX - 2].iter().all(|&list| get(list, &gone).is_empty()));
        assert_eq!(lists.find(2, |found| *found == rule(9, 0)), Some((2, 2)));
        assert_eq!(lists.find(2, |found| *found == rule(5, 3)), Some((1, 1)));
        assert_eq!(lists.find(0, |found| *found == rule(5, 3)), None);
        gone.insert(2);
        assert_eq!((get(2, &gone), get(4, &gone)), (vec![rule(5, 3)], vec![rule(1, 1)]));
        assert_eq!(lists.longest(), 2);
    }
}
