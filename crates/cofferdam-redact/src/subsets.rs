//! The subset construction: from the segments of all paths to one dense table.
//!
//! The idea, its words and an example are in [`automaton`](crate::automaton).

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use crate::{
    automaton::{Bounds, DEAD, Ending, Entry, FIRES, Way},
    error::CompileFault,
    path::Selector,
    symbols::Symbols,
};

/// What the building of one automaton may cost, in positions looked at.
const MAX_WORK: usize = 1 << 25;

/// Where steps lead to.
pub(crate) struct Table {
    /// `[state][symbol]`. State 0 is dead; state 1 is the root, if it is not.
    pub(crate) entries: Vec<Entry>,
    /// Of each state the rule that marks it, if rules mark: see [`Ending`].
    pub(crate) marks: Vec<Option<Entry>>,
}

/// The table of `ways`. Where several rules fire, or mark, that of the lowest rank does.
pub(crate) fn table(
    ways: &[Way<'_>],
    symbols: &Symbols,
    rank: &[usize],
    bounds: Bounds,
) -> Result<Table, CompileFault> {
    let (positions, roots) = positions(ways, symbols, bounds.ending);
    let mut builder = Builder {
        symbols,
        positions: &positions,
        rank,
        bounds,
        standing: Vec::new(),
        numbers: BTreeMap::new(),
        states: BTreeMap::new(),
        rows: Vec::new(),
        marks: Vec::new(),
        pending: Vec::new(),
        work: 0,
    };
    builder.build(roots)?;
    Ok(Table { entries: builder.rows.concat(), marks: builder.marks })
}

/// One segment of one path, or the end of a path whose rule marks.
struct Position {
    descends: bool,
    any: bool,
    /// Ascending.
    symbols: Vec<usize>,
    next: Next,
    decodes: bool,
}

#[derive(Clone, Copy)]
enum Next {
    Position(usize),
    Fire(usize),
    /// It waits for nothing; to have got there is what counts.
    Mark(usize),
}

/// The positions of all ways, and which are the first ones.
fn positions(ways: &[Way<'_>], symbols: &Symbols, ending: Ending) -> (Vec<Position>, Vec<usize>) {
    let (mut positions, mut roots) = (Vec::new(), Vec::new());
    for &Way { rule, path, decodes } in ways {
        roots.push(positions.len());
        for (at, segment) in path.segments.iter().enumerate() {
            let mut own = Vec::new();
            for selector in &segment.selectors {
                match selector {
                    Selector::Name(name) => own.push(symbols.name(name.as_bytes())),
                    Selector::Index(index) => own.push(symbols.index(*index)),
                    Selector::Wildcard => {}
                }
            }
            own.sort_unstable();
            let last = at + 1 == path.segments.len() && ending == Ending::Fires;
            positions.push(Position {
                descends: segment.descends,
                any: segment.selectors.contains(&Selector::Wildcard),
                symbols: own,
                next: if last { Next::Fire(rule) } else { Next::Position(positions.len() + 1) },
                decodes,
            });
        }
        if ending == Ending::Marks {
            let next = Next::Mark(rule);
            let symbols = Vec::new();
            positions.push(Position { descends: false, any: false, symbols, next, decodes });
        }
    }
    (positions, roots)
}

/// The number of the empty set.
const NONE: usize = 0;

/// A state: the number of its set of standing positions, and its moving ones, ascending.
type Key = (usize, Vec<usize>);

struct Builder<'a> {
    symbols: &'a Symbols,
    positions: &'a [Position],
    /// Of each rule; the lowest fires.
    rank: &'a [usize],
    bounds: Bounds,
    /// Sets of standing positions, ascending; that of number [`NONE`] is empty.
    standing: Vec<Rc<[usize]>>,
    numbers: BTreeMap<Rc<[usize]>, usize>,
    states: BTreeMap<Key, Entry>,
    /// Empty where not yet computed.
    rows: Vec<Vec<Entry>>,
    marks: Vec<Option<Entry>>,
    pending: Vec<(Entry, Key)>,
    work: usize,
}

impl Builder<'_> {
    fn build(&mut self, roots: Vec<usize>) -> Result<(), CompileFault> {
        self.rows.push(vec![DEAD; self.symbols.len()]);
        self.marks.push(None);
        let none = self.number(Vec::new());
        let (standing, moving) = roots.into_iter().partition(|&at| self.positions[at].descends);
        self.intern(none, standing, moving)?;
        while let Some((state, key)) = self.pending.pop() {
            if self.rows[usize::from(state)].is_empty() {
                self.rows[usize::from(state)] = self.row(&key)?;
            }
        }
        Ok(())
    }

    fn row(&mut self, key: &Key) -> Result<Vec<Entry>, CompileFault> {
        let (set, moving) = key;
        let positions = self.positions;
        let mut look: BTreeSet<usize> = symbols_of(positions, moving);
        look.insert(self.symbols.decoded());
        let copied = !moving.is_empty() && !moving.iter().any(|&at| positions[at].any);
        let mut row = if copied {
            self.resting_row(*set)?
        } else {
            look.append(&mut symbols_of(positions, &self.standing[*set]));
            let mut row = vec![self.entry(key, self.symbols.other_name())?; self.symbols.len()];
            let index = self.entry(key, self.symbols.other_index())?;
            row[self.symbols.other_name() + 1..].fill(index);
            row
        };
        if self.bounds.through_arrays && !moving.is_empty() {
            look.extend(self.symbols.other_name() + 1..self.symbols.len());
        }
        for symbol in look {
            row[symbol] = self.entry(key, symbol)?;
        }
        Ok(row)
    }

    /// The row of (standing, nothing), computed now if it was not.
    fn resting_row(&mut self, set: usize) -> Result<Vec<Entry>, CompileFault> {
        let state = usize::from(self.intern(set, Vec::new(), Vec::new())?);
        if self.rows[state].is_empty() {
            self.rows[state] = self.row(&(set, Vec::new()))?;
        }
        Ok(self.rows[state].clone())
    }

    fn entry(&mut self, (set, moving): &Key, symbol: usize) -> Result<Entry, CompileFault> {
        let standing = Rc::clone(&self.standing[*set]);
        self.work += standing.len() + moving.len();
        if self.work > MAX_WORK {
            return Err(CompileFault::TooComplex);
        }
        if symbol == self.symbols.decoded() {
            // Inside of a string everything waits on as it did outside, if its rule looks there.
            let decodes = |at: &&usize| self.positions[**at].decodes;
            let own = |of: &[usize]| of.iter().filter(decodes).copied().collect();
            let (standing, moving) = (own(&standing), own(moving));
            return self.intern(NONE, standing, moving);
        }
        let (mut arrived, mut moved) = (Vec::new(), Vec::new());
        let mut fires: Option<usize> = None;
        let is_element = self.bounds.through_arrays && symbol > self.symbols.other_name();
        for &at in standing.iter().chain(moving) {
            let position = &self.positions[at];
            if is_element && moving.contains(&at) && self.waits_for_names(position) {
                moved.push(at);
            }
            if !position.any && position.symbols.binary_search(&symbol).is_err() {
                continue;
            }
            match position.next {
                Next::Position(next) if self.positions[next].descends => arrived.push(next),
                Next::Position(next) => moved.push(next),
                Next::Mark(_) => {}
                Next::Fire(rule) => {
                    let best = fires.is_none_or(|other| self.rank[rule] < self.rank[other]);
                    fires = if best { Some(rule) } else { fires };
                }
            }
        }
        match fires {
            Some(rule) => Ok(rule as Entry | FIRES),
            None => self.intern(*set, arrived, moved),
        }
    }

    /// Whether a segment names members (or `*`) only. One that has an index says which elements it
    /// means.
    fn waits_for_names(&self, position: &Position) -> bool {
        position.symbols.iter().all(|&symbol| symbol < self.symbols.other_name())
    }

    /// The state in which the positions of `set` and `arrived` stand and those of `moving` move.
    fn intern(
        &mut self,
        mut set: usize,
        mut arrived: Vec<usize>,
        mut moving: Vec<usize>,
    ) -> Result<Entry, CompileFault> {
        if !arrived.is_empty() {
            arrived.extend_from_slice(&self.standing[set]);
            set = self.number(arrived);
        }
        if moving.is_empty() && self.standing[set].is_empty() {
            return Ok(DEAD);
        }
        moving.sort_unstable();
        moving.dedup();
        let key = (set, moving);
        if let Some(&state) = self.states.get(&key) {
            return Ok(state);
        }
        let marking = key.1.iter().filter_map(|&at| match self.positions[at].next {
            Next::Mark(rule) => Some(rule),
            _ => None,
        });
        let mark = marking.min_by_key(|&rule| self.rank[rule]).map(|rule| rule as Entry);
        let state = self.rows.len();
        let entries = (state + 1) * self.symbols.len();
        if state >= self.bounds.states.min(FIRES.into()) || entries > self.bounds.entries {
            return Err(CompileFault::TooComplex);
        }
        self.rows.push(Vec::new());
        self.marks.push(mark);
        self.states.insert(key.clone(), state as Entry);
        self.pending.push((state as Entry, key));
        Ok(state as Entry)
    }

    /// The number of a set of standing positions.
    fn number(&mut self, mut set: Vec<usize>) -> usize {
        set.sort_unstable();
        set.dedup();
        let set: Rc<[usize]> = set.into();
        let number = *self.numbers.entry(Rc::clone(&set)).or_insert(self.standing.len());
        if number == self.standing.len() {
            self.standing.push(set);
        }
        number
    }
}

fn symbols_of(positions: &[Position], at: &[usize]) -> BTreeSet<usize> {
    at.iter().flat_map(|&at| &positions[at].symbols).copied().collect()
}
