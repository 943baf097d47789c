//! The automata of one policy, over one alphabet: a name is looked up once for all of them.

use crate::{
    automaton::{Automaton, Bounds, Ending, State, Step, Way, alphabet, ranked},
    error::CompileFault,
    path::Path,
    symbols::Symbols,
};

#[derive(Debug)]
pub(crate) struct Automata {
    symbols: Symbols,
    /// The rules about values.
    values: Automaton,
    /// The rules about the names of an object's members, if there are any.
    names: Option<Automaton>,
}

/// Where a walk is in each of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) values: State,
    pub(crate) names: State,
}

/// What to do with a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrival {
    /// This rule fires at it.
    Fire(usize),
    Into(At),
}

/// Why a rule is in one automaton and not in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) is_of_names: bool,
    pub(crate) decodes: bool,
}

impl Automata {
    /// The automata of `paths`, by rule.
    pub(crate) fn new<S: Ord>(
        paths: &[Path],
        sort: impl Fn(usize) -> Sort,
        strength: impl Fn(usize) -> S,
        bounds: Bounds,
    ) -> Result<Self, CompileFault> {
        let symbols = alphabet(paths);
        let rank = ranked(paths.len(), strength);
        let build = |is_of_names: bool, ending| {
            let ways: Vec<Way<'_>> = paths
                .iter()
                .enumerate()
                .map(|(rule, path)| (sort(rule), rule, path))
                .filter(|(sort, ..)| sort.is_of_names == is_of_names)
                .map(|(sort, rule, path)| Way { rule, path, decodes: sort.decodes })
                .collect();
            Automaton::new(&ways, &symbols, &rank, Bounds { ending, ..bounds })
        };
        let values = build(false, Ending::Fires)?;
        let has_names = (0..paths.len()).any(|rule| sort(rule).is_of_names);
        let names = if has_names { Some(build(true, Ending::Marks)?) } else { None };
        Ok(Self { values, names, symbols })
    }

    /// Where a walk begins.
    pub(crate) fn start(&self) -> At {
        let names = self.names.as_ref().map_or(State::DEAD, Automaton::start);
        At { values: self.values.start(), names }
    }

    /// The symbol of a member's name.
    #[inline]
    pub(crate) fn name(&self, name: &[u8]) -> usize {
        self.symbols.name(name)
    }

    /// The symbol of an element.
    #[inline]
    pub(crate) fn index(&self, index: u64) -> usize {
        self.symbols.index(index)
    }

    /// The name that a symbol stands for, if it is that of a name which a path mentions.
    pub(crate) fn text(&self, symbol: usize) -> Option<&str> {
        self.symbols.text(symbol)
    }

    #[inline]
    pub(crate) fn step(&self, at: At, symbol: usize) -> Arrival {
        let names = match &self.names {
            Some(names) => into(names.step(at.names, symbol)),
            None => State::DEAD,
        };
        match self.values.step(at.values, symbol) {
            Step::Fire(rule) => Arrival::Fire(rule),
            Step::Into(values) => Arrival::Into(At { values, names }),
        }
    }

    /// Where a walk goes on in the JSON that a string holds.
    pub(crate) fn decoded(&self, at: At) -> At {
        match self.step(at, self.symbols.decoded()) {
            Arrival::Into(at) => at,
            // No path ends with the step into a string.
            Arrival::Fire(_) => At { values: State::DEAD, names: State::DEAD },
        }
    }

    /// The rule by which the names of the members of this object are treated.
    #[inline]
    pub(crate) fn rule_of_names(&self, at: At) -> Option<usize> {
        self.names.as_ref().and_then(|names| names.mark(at.names))
    }

    /// States, the dead ones included, and entries of the tables.
    pub(crate) fn size(&self) -> (usize, usize) {
        let (states, entries) = self.values.size();
        let (more_states, more_entries) = self.names.as_ref().map_or((0, 0), Automaton::size);
        (states + more_states, entries + more_entries)
    }
}

impl At {
    /// Whether no rule has anything to do with what stands here.
    #[inline]
    pub(crate) fn is_dead(self) -> bool {
        self.values.is_dead() && self.names.is_dead()
    }
}

/// Rules that mark fire nothing.
#[inline]
fn into(step: Step) -> State {
    match step {
        Step::Into(state) => state,
        Step::Fire(_) => State::DEAD,
    }
}
