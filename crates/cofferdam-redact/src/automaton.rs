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
//! **Marking does not.** A rule about the *names* of an object's members leaves the values to others, also
//! to itself further down. Its path ends in a position of its own that waits for nothing, and a state
//! with such a position in it is marked.
//!
//! **A string that holds JSON** is one more symbol: it leads to the state in which the positions of those
//! rules go on that look into strings.
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
    subsets::{self, Table},
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
    /// No rule fires at it; below it, this is the state.
    Into(State),
    /// This rule fires at it.
    Fire(usize),
}

/// A state; mostly a live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(Entry);

impl State {
    /// That in which nothing can fire any more.
    pub(crate) const DEAD: Self = Self(DEAD);

    #[inline]
    pub(crate) fn is_dead(self) -> bool {
        self == Self::DEAD
    }
}

/// The path of a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'p> {
    pub(crate) rule: usize,
    pub(crate) path: &'p Path,
    /// Whether it goes on inside of strings.
    pub(crate) decodes: bool,
}

/// What happens where a path ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Fires,
    Marks,
}

/// Bounds on one automaton.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) states: usize,
    pub(crate) entries: usize,
    /// Whether a position that waits for a name also waits inside an array.
    pub(crate) through_arrays: bool,
    pub(crate) ending: Ending,
}

#[derive(Debug)]
pub(crate) struct Automaton {
    /// How many symbols there are.
    width: usize,
    /// `[state][symbol]`
    table: Box<[Entry]>,
    /// By state.
    marks: Box<[Option<Entry>]>,
}

impl Automaton {
    /// Builds the automaton of `ways`. Of several rules that would fire that of the lowest rank does.
    pub(crate) fn new(
        ways: &[Way<'_>],
        symbols: &Symbols,
        rank: &[usize],
        bounds: Bounds,
    ) -> Result<Self, CompileFault> {
        if rank.len() >= usize::from(FIRES) {
            return Err(CompileFault::TooManyRules);
        }
        let Table { entries, marks } = subsets::table(ways, symbols, rank, bounds)?;
        Ok(Self { width: symbols.len(), table: entries.into(), marks: marks.into() })
    }

    /// The state of the event itself, dead if no rule can fire at all.
    pub(crate) fn start(&self) -> State {
        if self.table.len() > self.width { State(1) } else { State::DEAD }
    }

    /// The step to the member or element of this symbol.
    #[inline]
    pub(crate) fn step(&self, State(state): State, symbol: usize) -> Step {
        match self.table[usize::from(state) * self.width + symbol] {
            entry if entry & FIRES != 0 => Step::Fire(usize::from(entry & !FIRES)),
            entry => Step::Into(State(entry)),
        }
    }

    /// The rule that marks a state.
    #[inline]
    pub(crate) fn mark(&self, State(state): State) -> Option<usize> {
        self.marks[usize::from(state)].map(usize::from)
    }

    /// States, the dead one included, and entries of the table.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.table.len() / self.width, self.table.len())
    }
}

/// The rank of each rule by its strength: the strongest first, and the first of equals.
pub(crate) fn ranked<S: Ord>(rules: usize, strength: impl Fn(usize) -> S) -> Vec<usize> {
    let mut by_strength: Vec<usize> = (0..rules).collect();
    by_strength.sort_by_key(|&rule| Reverse(strength(rule)));
    let mut rank = vec![0; rules];
    for (place, &rule) in by_strength.iter().enumerate() {
        rank[rule] = place;
    }
    rank
}

/// All names and indices of these paths.
pub(crate) fn alphabet(paths: &[Path]) -> Symbols {
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

    const BOUNDS: Bounds =
        Bounds { states: 4_096, entries: 1 << 22, through_arrays: false, ending: Ending::Fires };

    struct Tried {
        symbols: Symbols,
        automaton: Automaton,
    }

    impl Tried {
        fn of(paths: &[&str], decodes: bool, bounds: Bounds) -> Result<Self, CompileFault> {
            let paths: Vec<Path> =
                paths.iter().map(|path| Path::parse(path, 512).unwrap()).collect();
            let symbols = alphabet(&paths);
            let ways: Vec<Way<'_>> =
                paths.iter().enumerate().map(|(rule, path)| Way { rule, path, decodes }).collect();
            let rank = ranked(paths.len(), |_| 0);
            let automaton = Automaton::new(&ways, &symbols, &rank, bounds)?;
            Ok(Self { symbols, automaton })
        }

        fn member(&self, state: State, name: &[u8]) -> Step {
            self.automaton.step(state, self.symbols.name(name))
        }

        fn element(&self, state: State, index: u64) -> Step {
            self.automaton.step(state, self.symbols.index(index))
        }

        fn decoded(&self, state: State) -> Step {
            self.automaton.step(state, self.symbols.decoded())
        }
    }

    const GONE: Step = Step::Into(State::DEAD);

    fn automaton(paths: &[&str]) -> Result<Tried, CompileFault> {
        Tried::of(paths, false, BOUNDS)
    }

    /// The table of the essay above, row by row.
    #[test]
    fn the_worked_example_is_true() {
        let automaton = automaton(&["$..caller.phone", "$.call.url"]).unwrap();
        let names = ["call", "caller", "phone", "url", "other"];
        let row = |state| {
            let entry = |step| match step {
                Step::Into(State(state)) => i32::from(state),
                Step::Fire(rule) => -1 - rule as i32,
            };
            let mut row =
                names.map(|n| entry(automaton.member(State(state), n.as_bytes()))).to_vec();
            row.push(entry(automaton.element(State(state), 0)));
            row
        };
        assert_eq!(automaton.automaton.start(), State(1));
        assert_eq!(row(1), [4, 3, 2, 2, 2, 2]);
        assert_eq!(row(2), [2, 3, 2, 2, 2, 2]);
        assert_eq!(row(3), [2, 3, -1, 2, 2, 2]);
        assert_eq!(row(4), [2, 3, 2, -2, 2, 2]);
        assert_eq!(automaton.automaton.size().0, 5);
        assert_eq!(
            (1..5).map(|state| automaton.decoded(State(state))).collect::<Vec<_>>(),
            [GONE; 4]
        );
    }

    #[test]
    fn without_a_descent_other_names_are_dead() {
        let automaton = automaton(&["$.a[3].b", "$.c['x','y']"]).unwrap();
        let start = automaton.automaton.start();
        let Step::Into(a) = automaton.member(start, b"a") else { panic!("a fires") };
        assert_eq!(automaton.member(start, b"b"), GONE);
        assert_eq!(automaton.element(start, 3), GONE);
        assert_eq!(automaton.element(a, 2), GONE);
        assert!(automaton.element(a, 3) != GONE);
        assert_eq!(automaton.member(a, b"3"), GONE);
    }

    #[test]
    fn the_strongest_rule_fires_and_the_first_of_equals() {
        let paths = ["$..a", "$.a", "$['a']"].map(|path| Path::parse(path, 512).unwrap());
        let symbols = alphabet(&paths);
        let ways = [0, 1, 2].map(|rule| Way { rule, path: &paths[rule], decodes: false });
        for (strengths, fires) in [([0, 0, 0], 0), ([0, 1, 1], 1), ([0, 0, 2], 2), ([3, 1, 2], 0)] {
            let rank = ranked(3, |rule| strengths[rule]);
            for ending in [Ending::Fires, Ending::Marks] {
                let bounds = Bounds { ending, ..BOUNDS };
                let automaton = Automaton::new(&ways, &symbols, &rank, bounds).unwrap();
                match automaton.step(State(1), symbols.name(b"a")) {
                    Step::Fire(rule) => assert_eq!((rule, ending), (fires, Ending::Fires)),
                    Step::Into(state) => assert_eq!(automaton.mark(state), Some(fires)),
                }
            }
        }
    }

    #[test]
    fn no_paths_are_no_state() {
        assert_eq!(automaton(&[]).unwrap().automaton.start(), State::DEAD);
    }

    #[test]
    fn a_mark_ends_nothing() {
        let bounds = Bounds { ending: Ending::Marks, ..BOUNDS };
        let marking = Tried::of(&["$..a", "$.a.b"], false, bounds).unwrap();
        let into = |state, name: &[u8]| match marking.member(state, name) {
            Step::Into(state) => (state, marking.automaton.mark(state)),
            Step::Fire(_) => panic!("a mark fires nothing"),
        };
        let (a, mark) = into(marking.automaton.start(), b"a");
        assert_eq!(mark, Some(0));
        let (b, mark) = into(a, b"b");
        assert_eq!(mark, Some(1));
        assert_eq!(into(b, b"a").1, Some(0));
        assert_eq!(into(b, b"b").1, None);
    }

    #[test]
    fn in_a_string_only_those_go_on_that_look_there() {
        let paths = ["$.s.a", "$..b", "$.s.c"].map(|path| Path::parse(path, 512).unwrap());
        let symbols = alphabet(&paths);
        let ways = [0, 1, 2].map(|rule| Way { rule, path: &paths[rule], decodes: rule != 2 });
        let rank = ranked(3, |_| 0);
        let automaton = Automaton::new(&ways, &symbols, &rank, BOUNDS).unwrap();
        let step = |state, name: &[u8]| automaton.step(state, symbols.name(name));
        let Step::Into(outside) = step(automaton.start(), b"s") else { panic!("s fires") };
        let Step::Into(inside) = automaton.step(outside, symbols.decoded()) else {
            panic!("a string fires")
        };
        assert_eq!(
            [b"a", b"b", b"c"].map(|name| step(outside, name)),
            [Step::Fire(0), Step::Fire(1), Step::Fire(2)]
        );
        assert_eq!([b"a", b"b"].map(|name| step(inside, name)), [Step::Fire(0), Step::Fire(1)]);
        assert!(matches!(step(inside, b"c"), Step::Into(_)));
    }

    #[test]
    fn refuses_rules_whose_subsets_explode() {
        let path = format!("$..a{}", ".*".repeat(14));
        assert_eq!(automaton(&[&path]).map(drop).unwrap_err(), CompileFault::TooComplex);
        assert!(automaton(&["$..a.*.*.*.*"]).is_ok());
    }

    #[test]
    fn a_thousand_descending_rules_fit() {
        let paths: Vec<String> = (0..1_000).map(|n| format!("$..a{n}.b{n}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(automaton(&paths).unwrap().automaton.size().0, 1_002);
    }
}
