//! What a validator's errors come to: which of them a policy may let pass.
//!
//! An error is about a place, and of a kind. Two kinds are a platform that grows: a field that the schema
//! does not know, and a new value where it lists some. These are *tolerable*. Anything else is a
//! mismatch. Whatever concerns a critical field is *critical*: what is said of the field itself, a wrong type
//! of anything that it stands in, and a second name that only differs from its own in case.
//!
//! An `anyOf` or `oneOf` that nothing fits says for each branch what is wrong with it. It is as tolerable
//! as its most tolerable branch.

use std::collections::BTreeMap;

use jsonschema::{ValidationError, error::ValidationErrorKind as Kind};
use serde_json::Value;

use crate::{
    compiled::Compiled,
    pointer::{FieldPath, Names, PathText, Pointer},
    types::Types,
};

/// The most places that are kept of one event; the rest is counted.
const MAX_PLACES: usize = 64;

/// Of what kind a finding is; the worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingKind {
    /// A field that the schema does not know.
    UnknownField,
    /// A value that is not among those that the schema lists, but of their type.
    OpenValue,
    /// Anything else that does not fit.
    Mismatch,
    /// A critical field is not there, is no text or integer, or does not fit.
    Critical,
}

impl FindingKind {
    /// The kind as reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownField => "unknown field",
            Self::OpenValue => "new value",
            Self::Mismatch => "mismatch",
            Self::Critical => "critical field",
        }
    }
}

/// What was found in one event; places and counts, never values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    places: BTreeMap<(FieldPath, FindingKind), u32>,
    counts: [u32; 4],
}

impl Findings {
    /// How often each kind was found.
    #[must_use]
    pub const fn count(&self, kind: FindingKind) -> u32 {
        self.counts[kind as usize]
    }

    /// Where, and how often; of more than 64 places only so many are kept.
    pub fn places(&self) -> impl Iterator<Item = (&FieldPath, FindingKind, u32)> {
        self.places.iter().map(|((path, kind), count)| (path, *kind, *count))
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.worst().is_none()
    }

    /// The worst kind that was found.
    #[must_use]
    pub fn worst(&self) -> Option<FindingKind> {
        const ALL: [FindingKind; 4] = [
            FindingKind::Critical,
            FindingKind::Mismatch,
            FindingKind::OpenValue,
            FindingKind::UnknownField,
        ];
        ALL.into_iter().find(|kind| self.count(*kind) > 0)
    }

    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.counts = [0; 4];
    }

    pub(crate) fn has(&self, path: &FieldPath, kind: FindingKind) -> bool {
        self.places.contains_key(&(path.clone(), kind))
    }

    /// Something does not fit, and it would take too much to say what: it may be a critical field.
    pub(crate) fn unexplained(&mut self, schema: &Compiled) {
        let may_be_critical = !schema.critical.is_empty();
        let kind = if may_be_critical { FindingKind::Critical } else { FindingKind::Mismatch };
        self.add(FieldPath::root(), kind, 1);
    }

    fn add(&mut self, path: FieldPath, kind: FindingKind, times: u32) {
        let count = &mut self.counts[kind as usize];
        *count = count.saturating_add(times);
        let is_new = !self.places.contains_key(&(path.clone(), kind));
        if !is_new || self.places.len() < MAX_PLACES {
            let place = self.places.entry((path, kind)).or_default();
            *place = place.saturating_add(times);
        }
    }
}

/// Adds what is wrong with the critical fields, whatever the schema says.
pub(crate) fn criticals(schema: &Compiled, body: &Value, out: &mut Findings) {
    for pointer in &schema.critical {
        let value = pointer.find(body);
        let is_id =
            value.is_some_and(|value| value.is_string() || value.is_i64() || value.is_u64());
        let twins = |(holder, name): (&serde_json::Map<String, Value>, &str)| {
            holder.keys().any(|other| other != name && same_but_for_case(other, name))
        };
        if !is_id || pointer.holder(body).is_some_and(twins) {
            // The pointer is the registration's own, so it can be shown.
            out.add(shown(pointer.segments(), None), FindingKind::Critical, 1);
        }
    }
}

fn same_but_for_case(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
        || (!a.is_ascii()
            && a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase)))
}

/// Adds what the validator says of a body that does not fit.
pub(crate) fn explain(schema: &Compiled, body: &Value, out: &mut Findings) {
    let mut found = false;
    for error in schema.validator.iter_errors(body) {
        found = true;
        let judged = judge(schema, &error);
        for (path, kind, times) in judged.0 {
            out.add(path, kind, times);
        }
    }
    if !found {
        out.unexplained(schema);
    }
}

/// The findings of one error.
struct Judged(Vec<(FieldPath, FindingKind, u32)>);

impl Judged {
    fn worst(&self) -> FindingKind {
        self.0.iter().map(|(_, kind, _)| *kind).max().unwrap_or(FindingKind::Mismatch)
    }
}

fn judge(schema: &Compiled, error: &ValidationError<'_>) -> Judged {
    let at = segments(error.instance_path().as_str());
    let names = Some(&schema.graph.names);
    let one = |path: FieldPath, kind| Judged(vec![(path, kind, 1)]);
    let plain = |holds_too: bool| {
        let concerns = schema.critical.iter().any(|critical| concerns(&at, critical, holds_too));
        if concerns { FindingKind::Critical } else { FindingKind::Mismatch }
    };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unknown_fields(schema, &at, unexpected)
        }
        Kind::Enum { options } if plain(false) == FindingKind::Mismatch => {
            let listed = options.as_array().into_iter().flatten().map(Types::of);
            let listed = listed.fold(Types::default(), Types::union);
            let is_open = listed.covers(Types::of(error.instance()));
            let kind = if is_open { FindingKind::OpenValue } else { FindingKind::Mismatch };
            one(shown(&at, names), kind)
        }
        Kind::Required { property } => {
            let mut at = at;
            at.push(property.as_str().unwrap_or_default().into());
            let is_critical = schema.critical.iter().any(|critical| concerns(&at, critical, true));
            let kind = if is_critical { FindingKind::Critical } else { FindingKind::Mismatch };
            one(shown(&at, names), kind)
        }
        // What a field stands in is no object: then the field is not there.
        Kind::Type { .. } | Kind::FalseSchema => one(shown(&at, names), plain(true)),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let branches = context.iter().map(|errors| {
                Judged(errors.iter().flat_map(|error| judge(schema, error).0).collect())
            });
            match branches.min_by_key(Judged::worst) {
                Some(best) if best.worst() < FindingKind::Mismatch => best,
                Some(best) => one(shown(&at, names), best.worst().max(plain(false))),
                None => one(shown(&at, names), plain(false)),
            }
        }
        _ => one(shown(&at, names), plain(false)),
    }
}

fn unknown_fields(schema: &Compiled, at: &[Box<str>], unexpected: &[String]) -> Judged {
    let is_critical = |name: &String| {
        let field: Vec<Box<str>> = at.iter().cloned().chain([name.as_str().into()]).collect();
        schema.critical.iter().any(|critical| concerns(&field, critical, true))
    };
    let critical = unexpected.iter().filter(|name| is_critical(name)).count();
    let unknown: Vec<Box<str>> = at.iter().cloned().chain(["*".into()]).collect();
    let path = shown(&unknown, Some(&schema.graph.names));
    let counted = |kind, count: usize| {
        (count > 0).then(|| (path.clone(), kind, u32::try_from(count).unwrap_or(u32::MAX)))
    };
    let tolerable = counted(FindingKind::UnknownField, unexpected.len() - critical);
    Judged(tolerable.into_iter().chain(counted(FindingKind::Critical, critical)).collect())
}

/// Whether something at a place is about a critical field: it is the field or stands in it, or, where
/// `holds_too` says so, the field stands in it.
fn concerns(at: &[Box<str>], critical: &Pointer, holds_too: bool) -> bool {
    let field = critical.segments();
    let common = at.iter().zip(field).all(|(a, b)| a == b);
    common && (at.len() >= field.len() || holds_too)
}

/// The segments of a validator's pointer. Its own iterator passes over empty names.
fn segments(pointer: &str) -> Vec<Box<str>> {
    let unescape = |segment: &str| segment.replace("~1", "/").replace("~0", "~").into();
    pointer.split('/').skip(1).map(unescape).collect()
}

/// A place with the names that may be shown; all of them if `names` is none.
fn shown(segments: &[Box<str>], names: Option<&Names>) -> FieldPath {
    let mut path = PathText::new();
    for segment in segments {
        let is_known = names.is_none_or(|names| names.contains(segment));
        path.push(if is_known { segment } else { "*" });
    }
    FieldPath::of(&path.text)
}
