//! Why one event matches one subscription, or which of its conditions fails and where: for people who ask
//! why something did not arrive.
//!
//! The graph cannot say. It never looks at most of an event, and of a rule it knows only that it did not
//! come up. So this is an evaluation of its own: the event becomes a small [tree](tree) that knows the
//! byte of each value, the subscription becomes [what it asks](wanted), and each condition is
//! [judged](judge) by itself. The two share what a prefix, a range or a block of addresses is, and no more,
//! so that this is a second opinion as well: tests hold one against the other.
//!
//! # What is nearest
//!
//! A pattern for objects can fail in a thousand ways, one for each element of an array and each
//! alternative of an `$or`. What helps is the one with the fewest conditions that fail, and of those
//! the one with the most that hold, the first of several. That one is reported, alone.
//!
//! # What it costs
//!
//! It allocates, and is meant for one event at a time. Each list of conditions is asked of each leaf at its
//! place once, each pattern of each object at its place once, and never of two objects at the same
//! time, so several arrays do not multiply. What is left, the conditions times the values, has an end
//! after some millions of steps.

mod judge;
mod report;
mod test;
mod tree;
mod typed;
mod wanted;

use cofferdam_json::{Limits, Scratch, check};

pub use self::report::{Explanation, Finding, Location};
use self::{
    judge::{Judge, Steps},
    tree::Tree,
    typed::Typed,
    wanted::Wanted,
};
use crate::{
    compile::{CompileError, CompileFault, Compiler},
    document::{Subscription, any_key},
    mapping::Mapping,
    numbers::Building,
    organisation::Organisation,
    strict,
    targets::Targets,
};

/// Says whether an event matches a subscription, and which of its conditions hold and which fail.
///
/// The answer is what a graph of this one subscription and the strict check with its default limits say
/// together. An event that the check refuses matches nothing, and nothing else is said about it. An event
/// of another organisation than the context's is refused if the subscription wants it, by its type or by
/// all of its pattern; of conditions nothing is said then, wanted or not, since it is not ours to ask.
///
/// # Errors
///
/// [`CompileError`] with the place within the subscription if that is none that could be compiled, and
/// [`CompileFault::TooCostly`] if subscription and event are both so large that looking for what comes
/// nearest has no end in sight.
pub fn explain(
    subscription: &Subscription,
    mapping: &Mapping,
    organisation: Option<&str>,
    event: &[u8],
) -> Result<Explanation, CompileError> {
    let compiler = Compiler::new(any_key());
    let mut numbers = Building::new(&compiler, mapping, organisation)?;
    let mut pointer = String::new();
    compiler
        .read(subscription, mapping, &mut numbers, &mut Targets::default(), &mut pointer)
        .map_err(|fault| CompileError { pointer, fault })?;
    let sound = check(event, &Limits::default(), &mut Scratch::new(any_key()));
    let tree = match sound.and_then(|()| Tree::read(event)) {
        Ok(tree) => tree,
        Err(fault) => return Ok(Explanation::refused(strict::reason(fault))),
    };
    let fault = |fault| CompileError { pointer: String::new(), fault };
    let explanation = conditions(subscription, mapping, &tree).map_err(fault)?;
    let own = organisation.map(Organisation::new);
    let foreign = match own {
        Some(own) => typed::foreign(mapping, &own, &tree).map_err(fault)?,
        None => None,
    };
    Ok(match foreign {
        Some(location) => explanation.of_another(location),
        None => explanation,
    })
}

/// What a sound subscription says of a sound event, whosever that is.
fn conditions(
    subscription: &Subscription,
    mapping: &Mapping,
    tree: &Tree<'_>,
) -> Result<Explanation, CompileFault> {
    let mut steps = Steps::default();
    if let Some(pattern) = &subscription.event_pattern {
        let wanted = Wanted::read(pattern, &mut steps)?;
        return Judge::new(tree, &wanted, steps).explain();
    }
    let event_type = subscription.event_type.as_deref().unwrap_or_default();
    Typed { mapping, tree, steps: &mut steps }.explain(event_type, &subscription.filters)
}
