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
    /// The rules about what stands in texts, if there are any.
    texts: Option<Automaton>,
    /// By rule: whether it looks into strings that hold JSON.
    decodes: Box<[bool]>,
    /// By rule: the stronger, the lower.
    rank: Box<[usize]>,
}

/// Where a walk is in each of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    values: State,
    names: State,
    texts: State,
    /// The rule by which all texts are treated that stand here or below.
    pub(crate) under: Option<u16>,
}

/// What to do with a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrival {
    /// This rule fires at it.
    Fire(usize),
    Into(At),
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Values,
    Names,
    Texts,
}

impl Automata {
    /// The automata of `paths`, by rule.
    pub(crate) fn new<S: Ord>(
        paths: &[Path],
        decodes: Box<[bool]>,
        about: impl Fn(usize) -> About,
        strength: impl Fn(usize) -> S,
        bounds: Bounds,
    ) -> Result<Self, CompileFault> {
        let symbols = alphabet(paths);
        let rank = ranked(paths.len(), strength);
        let build = |own: About, ending| {
            let ways: Vec<Way<'_>> = paths
                .iter()
                .enumerate()
                .filter(|(rule, _)| about(*rule) == own)
                .map(|(rule, path)| Way { rule, path, decodes: decodes[rule] })
                .collect();
            Automaton::new(&ways, &symbols, &rank, Bounds { ending, ..bounds })
        };
        let marking = |own: About| {
            let is_any = (0..paths.len()).any(|rule| about(rule) == own);
            if is_any { build(own, Ending::Marks).map(Some) } else { Ok(None) }
        };
        let values = build(About::Values, Ending::Fires)?;
        let (names, texts) = (marking(About::Names)?, marking(About::Texts)?);
        Ok(Self { values, names, texts, decodes, rank: rank.into(), symbols })
    }

    /// Where a walk begins.
    pub(crate) fn start(&self) -> At {
        let start = |automaton: &Option<Automaton>| {
            automaton.as_ref().map_or(State::DEAD, Automaton::start)
        };
        let (names, texts) = (start(&self.names), start(&self.texts));
        At { values: self.values.start(), names, texts, under: None }
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
        match self.values.step(at.values, symbol) {
            Step::Fire(rule) => Arrival::Fire(rule),
            Step::Into(values) => {
                let names = mark(&self.names, at.names, symbol);
                let texts = mark(&self.texts, at.texts, symbol);
                let own = self.texts.as_ref().and_then(|automaton| automaton.mark(texts));
                let own = own.map(|rule| rule as u16);
                // A weaker rule further down takes nothing away from a stronger one above.
                let both = own.into_iter().chain(at.under);
                let under = both.min_by_key(|rule| self.rank.get(usize::from(*rule)));
                Arrival::Into(At { values, names, texts, under })
            }
        }
    }

    /// Whether any rule looks into strings.
    pub(crate) fn decodes_any(&self) -> bool {
        self.decodes.contains(&true)
    }

    /// Where a walk goes on in the JSON that a string holds, if a rule looks there.
    pub(crate) fn decoded(&self, at: At) -> Option<At> {
        let Arrival::Into(inside) = self.step(at, self.symbols.decoded()) else { return None };
        let decodes = |rule: u16| self.decodes.get(usize::from(rule)).is_some_and(|own| *own);
        let is_dead = inside.values.is_dead() && inside.names.is_dead() && inside.texts.is_dead();
        if is_dead && !at.under.is_some_and(decodes) { None } else { Some(inside) }
    }

    /// The rule by which the names of the members of this object are treated.
    #[inline]
    pub(crate) fn rule_of_names(&self, at: At) -> Option<usize> {
        self.names.as_ref().and_then(|names| names.mark(at.names))
    }

    /// States, the dead ones included, and entries of the tables.
    pub(crate) fn size(&self) -> (usize, usize) {
        let (states, entries) = self.values.size();
        let more = self.names.iter().chain(&self.texts).map(Automaton::size);
        more.fold((states, entries), |(states, entries), more| (states + more.0, entries + more.1))
    }
}

impl At {
    /// Whether no rule has anything to do with what stands here.
    #[inline]
    pub(crate) fn is_dead(self) -> bool {
        self.values.is_dead()
            && self.names.is_dead()
            && self.texts.is_dead()
            && self.under.is_none()
    }
}

/// The step of an automaton whose rules mark: they fire nothing.
#[inline]
fn mark(automaton: &Option<Automaton>, state: State, symbol: usize) -> State {
    match automaton.as_ref().map(|automaton| automaton.step(state, symbol)) {
        Some(Step::Into(state)) => state,
        Some(Step::Fire(_)) | None => State::DEAD,
    }
}
