//! What a redaction did: which rules fired, how often, and where. Never a value.

use std::fmt::Write;

use crate::{
    automata::Automata,
    walk::{Key, Spot},
};

/// What was done to one event, for the audit log and for whoever writes rules.
///
/// A place is a JSON pointer (RFC 6901) whose names are those that the policy's own paths mention; any other
/// name of the event may say something itself and stands as `*`. Inside of a string that holds JSON
/// it goes on as in an object.
#[derive(Debug, Clone, Default)]
pub struct Report {
    max_places: usize,
    event: u64,
    /// By rule: the last event in which it fired, and where its count stands.
    last: Vec<(u64, u32)>,
    counts: Vec<Fired>,
    places: Vec<(u32, u32)>,
    text: String,
    unplaced: u64,
    undecoded: u64,
}

/// A rule that fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    /// The rule, counted from zero.
    pub rule: usize,
    /// How often.
    pub count: u32,
}

impl Report {
    /// A report of counts only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A report that also keeps the first so many places of each event.
    #[must_use]
    pub fn with_places(max_places: usize) -> Self {
        Self { max_places, ..Self::default() }
    }

    /// The rules that fired in the last event, in the order in which they did first.
    #[must_use]
    pub fn fired(&self) -> &[Fired] {
        &self.counts
    }

    /// Rules and the places where they fired, in the order of the event.
    pub fn places(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut from = 0;
        self.places.iter().map(move |&(rule, to)| {
            let place = self.text.get(from..to as usize).unwrap_or_default();
            from = to as usize;
            (rule as usize, place)
        })
    }

    /// How often a rule fired where there was no room for the place.
    #[must_use]
    pub fn unplaced(&self) -> u64 {
        self.unplaced
    }

    /// How many strings were left out because they began like JSON and were none, or stood in too many others.
    #[must_use]
    pub fn left_out_undecoded(&self) -> u64 {
        self.undecoded
    }

    pub(crate) fn has_room(&self) -> bool {
        self.places.len() < self.max_places
    }

    pub(crate) fn undecoded(&mut self) {
        self.undecoded += 1;
    }

    /// A new event, of which nothing is known.
    pub(crate) fn begin(&mut self, rules: usize) {
        self.event += 1;
        if self.last.len() < rules {
            self.last.resize(rules, (0, 0));
        }
        self.counts.clear();
        self.places.clear();
        self.text.clear();
        self.unplaced = 0;
        self.undecoded = 0;
    }

    /// A rule fired. `within` are the places of the strings that this one is in.
    pub(crate) fn fire(&mut self, rule: usize, spot: &Spot<'_>, within: &str, automata: &Automata) {
        let Some((event, at)) = self.last.get_mut(rule) else { return };
        if *event == self.event
            && let Some(fired) = self.counts.get_mut(*at as usize)
        {
            fired.count = fired.count.saturating_add(1);
        } else {
            (*event, *at) = (self.event, self.counts.len() as u32);
            self.counts.push(Fired { rule, count: 1 });
        }
        if self.places.len() >= self.max_places {
            self.unplaced += u64::from(self.max_places > 0);
            return;
        }
        self.text.push_str(within);
        write_place(spot, automata, &mut self.text);
        self.places.push((rule as u32, self.text.len() as u32));
    }
}

/// Appends a place as a pointer.
pub(crate) fn write_place(spot: &Spot<'_>, automata: &Automata, text: &mut String) {
    for key in spot.keys() {
        text.push('/');
        match key {
            Key::Index(index) => _ = write!(text, "{index}"),
            Key::Name(symbol) => match automata.text(symbol) {
                Some(name) => text.push_str(&name.replace('~', "~0").replace('/', "~1")),
                None => text.push('*'),
            },
        }
    }
}

/// Watches the rules that must find something: one that finds nothing in ten thousand events is a path that
/// the platform has moved, and every value under it goes by untreated.
#[derive(Debug, Clone)]
pub struct Alarms {
    after: u32,
    /// Each rule, and for how many events it has found nothing.
    silent: Vec<(usize, u32)>,
}

impl Alarms {
    /// Alarms after this many events without a match; 10,000 is usual. `rules` are those that
    /// [`Policy::must_match`](crate::Policy::must_match) names.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = usize>, after: u32) -> Self {
        Self { after: after.max(1), silent: rules.into_iter().map(|rule| (rule, 0)).collect() }
    }

    /// Takes the report of an event, and calls `alarm` with each rule that has found nothing for so long: once,
    /// until it has found something again.
    pub fn event(&mut self, report: &Report, mut alarm: impl FnMut(usize)) {
        for (rule, events) in &mut self.silent {
            if report.fired().iter().any(|fired| fired.rule == *rule) {
                *events = 0;
                continue;
            }
            *events = events.saturating_add(1);
            if *events == self.after {
                alarm(*rule);
            }
        }
    }
}
