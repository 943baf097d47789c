//! All paths of a policy as one deterministic automaton over member names and indices.
//!
//! # The idea
//!
//! A JSONPath of names, indices, wildcards and `..` is a regular expression over the steps from the
//! root to a value. Many regular expressions are one automaton; a deterministic one takes one step
//! per name however many rules there are. It walks down with the reader: the state at a
//! container says what may still fire below it.
//!
//! **Positions.** Number the segments of all paths through. Position *p* means "everything before
//! segment *p* was found on the way to this container". At a child with name or index *x*,
//!
//! * if *x* fits segment *p*, then *p + 1* holds at the child; if *p* was the last segment of its
//!   path, the rule *fires* there;
//! * if segment *p* is `..`, then *p* also holds at the child, whatever *x* is.
//!
//! **States.** A state is a set of positions (subset construction, Rabin and Scott 1959). A `..`
//! position once reached holds in the whole subtree, so the set is kept in two parts: *standing*
//! (`..` positions, never shrinks on the way down) and *moving* (all others, new at each step).
//! The empty set is the state [`DEAD`]: nothing can fire below, and the reader may skip.
//!
//! **Firing ends the walk.** A value that is redacted is redacted whole, so there is no state below
//! it: the entry of the table is the rule itself.
//!
//! # An example
//!
//! Rule 0 masks `$..caller.phone`, rule 1 omits `$.call.url`. Segments: 0 `..caller`, 1 `.phone`,
//! 2 `.call`, 3 `.url`. From the root, where 0 stands and 2 moves:
//!
//! | state | standing | moving | `call` | `caller` | `phone` | `url` | other, index |
//! |---|---|---|---|---|---|---|---|
//! | 1 (root) | 0 | 2 | 4 | 3 | 2 | 2 | 2 |
//! | 2 | 0 | | 2 | 3 | 2 | 2 | 2 |
//! | 3 | 0 | 1 | 2 | 3 | **rule 0** | 2 | 2 |
//! | 4 | 0 | 3 | 2 | 3 | 2 | **rule 1** | 2 |
//!
//! `{"call":{"url":1,"caller":{"phone":2}}}` goes 1 → 4, fires rule 1 at `url`, goes 4 → 3 at
//! `caller`, and fires rule 0 at `phone`. Without rule 0 there would be no standing position, and
//! "other" would lead to [`DEAD`].
//!
//! # What it costs to build
//!
//! The row of (standing, moving) is the row of (standing, nothing) except where a moving position
//! looks: so it is copied, and only the few named entries are computed. 1,000 rules of the form
//! `$..a.b` are 1,002 states, and computing each entry of each row afresh would take 2 x 10^9
//! steps instead of 3 x 10^6. Subsets can still explode (`$..a.*.*.*.*` remembers every `a` of the
//! last five levels), so states, entries and work are bounded and a policy beyond them is refused.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{
    error::CompileFault,
    path::{Path, Selector},
    subsets,
    symbols::Symbols,
};

/// An entry of the table: [`DEAD`], a state, or with the bit [`FIRES`] a rule.
pub(crate) type Entry = u16;

/// The state in which no rule can fire any more.
pub(crate) const DEAD: Entry = 0;
pub(crate) const FIRES: Entry = 0x8000;

/// What to do with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// No rule fires at it nor below it.
    Dead,
    /// No rule fires at it; below it, this is the state.
    Into(State),
    /// This rule fires at it.
    Fire(usize),
}

/// A live state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(Entry);

/// Bounds on one automaton.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) states: usize,
    pub(crate) entries: usize,
    /// Whether a position that waits for a name also waits inside an array.
    pub(crate) through_arrays: bool,
}

#[derive(Debug)]
pub(crate) struct Automaton {
    symbols: Symbols,
    /// `[state][symbol]`
    table: Box<[Entry]>,
}

impl Automaton {
    /// Builds the automaton of `paths`; `strength(rule)` decides which rule fires where several
    /// would, and the first of equals.
    pub(crate) fn new<S: Ord>(
        paths: &[Path],
        strength: impl Fn(usize) -> S,
        bounds: Bounds,
    ) -> Result<Self, CompileFault> {
        if paths.len() >= usize::from(FIRES) {
            return Err(CompileFault::TooManyRules);
        }
        let symbols = alphabet(paths);
        let mut by_strength: Vec<usize> = (0..paths.len()).collect();
        by_strength.sort_by_key(|&rule| Reverse(strength(rule)));
        let mut rank = vec![0; paths.len()];
        for (place, &rule) in by_strength.iter().enumerate() {
            rank[rule] = place;
        }
        let table = subsets::table(paths, &symbols, &rank, bounds)?.into();
        Ok(Self { symbols, table })
    }

    /// The state of the event itself, if any rule can fire at all.
    pub(crate) fn start(&self) -> Option<State> {
        (self.table.len() > self.symbols.len()).then_some(State(1))
    }

    /// The step to the member called `name`.
    #[inline]
    pub(crate) fn member(&self, state: State, name: &[u8]) -> Step {
        self.step(state, self.symbols.name(name))
    }

    /// The step to the element at `index`.
    #[inline]
    pub(crate) fn element(&self, state: State, index: u64) -> Step {
        self.step(state, self.symbols.index(index))
    }

    #[inline]
    fn step(&self, State(state): State, symbol: usize) -> Step {
        match self.table[usize::from(state) * self.symbols.len() + symbol] {
            DEAD => Step::Dead,
            entry if entry & FIRES != 0 => Step::Fire(usize::from(entry & !FIRES)),
            entry => Step::Into(State(entry)),
        }
    }

    /// States, the dead one included, and entries of the table.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.table.len() / self.symbols.len(), self.table.len())
    }
}

fn alphabet(paths: &[Path]) -> Symbols {
    let (mut names, mut indices) = (BTreeSet::new(), BTreeSet::new());
    for selector in paths.iter().flat_map(|path| &path.segments).flat_map(|s| &s.selectors) {
        match selector {
            Selector::Name(name) => _ = names.insert(name.as_str()),
            Selector::Index(index) => _ = indices.insert(*index),
            Selector::Wildcard => {}
        }
    }
    Symbols::new(&names, &indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { states: 4_096, entries: 1 << 22, through_arrays: false };

    fn automaton(paths: &[&str]) -> Result<Automaton, CompileFault> {
        let paths: Vec<Path> = paths.iter().map(|path| Path::parse(path, 512).unwrap()).collect();
        Automaton::new(&paths, |_| 0, BOUNDS)
    }

    /// The table of the essay above, row by row.
    #[test]
    fn the_worked_example_is_true() {
        let automaton = automaton(&["$..caller.phone", "$.call.url"]).unwrap();
        let names = ["call", "caller", "phone", "url", "other"];
        let row = |state| {
            let entry = |step| match step {
                Step::Dead => 0,
                Step::Into(State(state)) => i32::from(state),
                Step::Fire(rule) => -1 - rule as i32,
            };
            let mut row =
                names.map(|n| entry(automaton.member(State(state), n.as_bytes()))).to_vec();
            row.push(entry(automaton.element(State(state), 0)));
            row
        };
        assert_eq!(automaton.start(), Some(State(1)));
        assert_eq!(row(1), [4, 3, 2, 2, 2, 2]);
        assert_eq!(row(2), [2, 3, 2, 2, 2, 2]);
        assert_eq!(row(3), [2, 3, -1, 2, 2, 2]);
        assert_eq!(row(4), [2, 3, 2, -2, 2, 2]);
        assert_eq!(automaton.size().0, 5);
    }

    #[test]
    fn without_a_descent_other_names_are_dead() {
        let automaton = automaton(&["$.a[3].b", "$.c['x','y']"]).unwrap();
        let start = automaton.start().unwrap();
        let Step::Into(a) = automaton.member(start, b"a") else { panic!("a lives") };
        assert_eq!(automaton.member(start, b"b"), Step::Dead);
        assert_eq!(automaton.element(start, 3), Step::Dead);
        assert_eq!(automaton.element(a, 2), Step::Dead);
        assert!(matches!(automaton.element(a, 3), Step::Into(_)));
        assert_eq!(automaton.member(a, b"3"), Step::Dead);
    }

    #[test]
    fn the_strongest_rule_fires_and_the_first_of_equals() {
        let paths = ["$..a", "$.a", "$['a']"].map(|path| Path::parse(path, 512).unwrap());
        for (strengths, fires) in [([0, 0, 0], 0), ([0, 1, 1], 1), ([0, 0, 2], 2), ([3, 1, 2], 0)] {
            let automaton = Automaton::new(&paths, |rule| strengths[rule], BOUNDS).unwrap();
            assert_eq!(automaton.member(State(1), b"a"), Step::Fire(fires));
        }
    }

    #[test]
    fn no_paths_are_no_state() {
        assert_eq!(automaton(&[]).unwrap().start(), None);
    }

    #[test]
    fn refuses_rules_whose_subsets_explode() {
        let path = format!("$..a{}", ".*".repeat(14));
        assert_eq!(automaton(&[&path]).unwrap_err(), CompileFault::TooComplex);
        assert!(automaton(&["$..a.*.*.*.*"]).is_ok());
    }

    #[test]
    fn a_thousand_descending_rules_fit() {
        let paths: Vec<String> = (0..1_000).map(|n| format!("$..a{n}.b{n}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(automaton(&paths).unwrap().size().0, 1_002);
    }
}
