//! What an explanation says, and how it is written out.
//!
//! It is for whoever may see the rule, and they may not be those who may see the event. So it holds the
//! rule's own texts and, of the event, paths of names that the rule or the mapping asked for, numbers of
//! elements and offsets. No value of an event gets in, and no other name.

use core::{borrow::Borrow, fmt};

use cofferdam_core::Reason;
use serde_json::Value;

use super::{
    judge::Steps,
    tree::{NodeId, Tree},
};
use crate::compile::CompileFault;

/// Whether an event matches a subscription, and what became of each of its conditions. It shows nothing
/// of the event but where things stand.
///
/// ```
/// use cofferdam_filter::{Mapping, Subscription, explain};
///
/// let subscription = Subscription::parse(br#"{
///     "eventPattern": { "staff": { "first": ["Anna"], "age": [{ "numeric": [">", 30] }] } },
///     "targetQueue": "queue://q"
/// }"#)?;
/// let event = br#"{"staff":[{"first":"John"},{"first":"Anna","age":29}]}"#;
/// let explanation = explain(&subscription, &Mapping::genesys_cloud(), None, event)?;
/// assert!(!explanation.matches());
/// assert_eq!(explanation.to_string(), "\
/// does not match: 1 of 2 conditions fails
/// fails /eventPattern/staff/age: {\"numeric\":[\">\",30]}, which $.staff[1].age (byte 49) is not
/// holds /eventPattern/staff/first: \"Anna\" by $.staff[1].first (byte 36)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explanation {
    outcome: Outcome,
    pub(super) findings: Vec<Finding>,
    alternatives: Vec<(String, usize)>,
    /// Whether it counts that the event is another organisation's.
    pub(super) is_wanted: bool,
    foreign: Option<Location>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Outcome {
    Matches,
    #[default]
    DoesNotMatch,
    Refused(Reason),
}

/// What became of one condition: of an event type, of a filter key, or of a list in an event pattern.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finding {
    pointer: String,
    asks: String,
    holds: bool,
    pub(super) paths: Vec<String>,
    locations: Vec<Location>,
    more: usize,
}

/// Where a value stands in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The path to it, as RFC 9535 writes it.
    pub path: String,
    /// The byte at which it begins.
    pub offset: usize,
}

/// So many values are shown of those that stand where a condition looked.
const SHOWN: usize = 8;

impl Explanation {
    pub(super) fn refused(reason: Reason) -> Self {
        Self { outcome: Outcome::Refused(reason), ..Self::default() }
    }

    /// The same of an event that names another organisation there.
    pub(super) fn of_another(self, location: Location) -> Self {
        let outcome = match self.is_wanted {
            true => Outcome::Refused(Reason::ForeignOrganisation),
            false => Outcome::DoesNotMatch,
        };
        Self { outcome, foreign: Some(location), ..Self::default() }
    }

    pub(super) fn conclude(&mut self) {
        let matches = self.findings.iter().all(|finding| finding.holds);
        self.outcome = if matches { Outcome::Matches } else { Outcome::DoesNotMatch };
    }

    pub(super) fn choose(&mut self, pointer: &str, count: usize) {
        self.alternatives.push((String::from(pointer), count));
    }

    /// Whether the event goes to the subscription's target.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.outcome == Outcome::Matches
    }

    /// Why the event is refused, whatever the conditions say.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self.outcome {
            Outcome::Refused(reason) => Some(reason),
            _ => None,
        }
    }

    /// Where the event names another organisation than the context's. It is refused for that if it is
    /// wanted.
    #[must_use]
    pub fn foreign(&self) -> Option<&Location> {
        self.foreign.as_ref()
    }

    /// What became of each condition; of an `$or`, of those of the alternative that comes nearest. Nothing
    /// if the event is not sound, or another organisation's.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The alternative of each `$or` that comes nearest, as a JSON pointer into the subscription.
    pub fn alternatives(&self) -> impl Iterator<Item = &str> {
        self.alternatives.iter().map(|(pointer, _)| pointer.as_str())
    }
}

impl Finding {
    pub(super) fn new(pointer: &str, asks: &str, holds: bool) -> Self {
        let (pointer, asks) = (String::from(pointer), String::from(asks));
        Self { pointer, asks, holds, ..Self::default() }
    }

    /// Adds a value that stands where this condition looked, or counts it if there are many.
    pub(super) fn add(
        &mut self,
        tree: &Tree<'_>,
        item: NodeId,
        steps: &mut Steps,
    ) -> Result<(), CompileFault> {
        if self.locations.len() == SHOWN {
            self.more += 1;
            return Ok(());
        }
        let location = tree.location(item);
        steps.spend(location.path.len())?;
        self.locations.push(location);
        Ok(())
    }

    /// The condition's place in the subscription, as a JSON pointer (RFC 6901).
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What the rule asks for, cut short if that is long.
    #[must_use]
    pub fn asks(&self) -> &str {
        &self.asks
    }

    /// Whether the condition holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// Where it looked: paths, and segments of the type.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// If the condition holds, the values for which it does: none, if it asks for nothing to be there.
    /// If it fails, the values that stand where it looked: none, if nothing does. Up to eight of them.
    #[must_use]
    pub fn locations(&self) -> &[Location] {
        &self.locations
    }

    /// How many such values there are beside those.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.findings.len();
        match self.outcome {
            Outcome::Matches => f.write_str("matches")?,
            Outcome::DoesNotMatch if self.foreign.is_some() => {
                f.write_str("does not match, and names another organisation")?;
            }
            Outcome::DoesNotMatch => {
                let failing = self.findings.iter().filter(|finding| !finding.holds).count();
                let fail = if failing == 1 { "fails" } else { "fail" };
                let conditions = if all == 1 { "condition" } else { "conditions" };
                write!(f, "does not match: {failing} of {all} {conditions} {fail}")?;
            }
            Outcome::Refused(reason) => write!(f, "refused: {reason}")?,
        }
        if let Some(location) = &self.foreign {
            write!(f, ", at {location}")?;
        }
        for (pointer, count) in self.alternatives.iter().filter(|(_, count)| *count > 1) {
            write!(f, "\nof {count} alternatives the nearest is {pointer}")?;
        }
        self.findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, asks, holds, paths, locations, more } = self;
        let verb = if *holds { "holds" } else { "fails" };
        write!(f, "{verb} {}: {asks}", Line(pointer))?;
        if locations.is_empty() {
            let join = if *holds { " as" } else { ", but" };
            return write!(f, "{join} nothing stands at {}", paths.join(" or "));
        }
        f.write_str(if *holds { " by " } else { ", which " })?;
        for (index, location) in locations.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{location}")?;
        }
        if *more > 0 {
            write!(f, " and {more} more")?;
        }
        match (holds, locations.len()) {
            (true, _) => Ok(()),
            (false, 1) => f.write_str(" is not"),
            (false, _) => f.write_str(" are not"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.path, self.offset)
    }
}

/// A text without characters that would end its line or steer a terminal.
struct Line<'t>(&'t str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            char if char.is_control() => write!(f, "\\u{:04x}", u32::from(char)),
            char => write!(f, "{char}"),
        })
    }
}

/// What a list of a rule asks for: so many entries, and so many characters of each.
pub(super) fn asks(list: impl IntoIterator<Item = impl Borrow<Value>>) -> String {
    const CHARS: usize = 80;
    let mut list = list.into_iter();
    let shown: Vec<String> =
        list.by_ref().take(SHOWN).map(|value| cut(value.borrow(), CHARS)).collect();
    let more = match list.count() {
        0 => String::new(),
        more => format!(" or one of {more} more"),
    };
    format!("{}{more}", shown.join(" or "))
}

fn cut(value: &Value, chars: usize) -> String {
    let text = value.to_string();
    match text.char_indices().nth(chars) {
        Some((end, _)) => Line(&format!("{}…", &text[..end])).to_string(),
        None => Line(&text).to_string(),
    }
}
