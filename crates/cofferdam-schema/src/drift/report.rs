//! What changed, as data, as JSON and as a table.

use std::fmt;

use cofferdam_core::{Scoped, TenantId};
use serde::Serialize;

use super::{Field, Period, SHOWN_AFTER, Stream, Streams};
use crate::{policy::Share, types::Types};

/// A field that has vanished would by now have been in so many events.
const MISSED: u128 = 10;

/// What changed in one tenant's events. `Display` is a table for people; it serialises to JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftReport {
    #[serde(serialize_with = "as_text")]
    tenant: TenantId,
    streams: Vec<StreamReport>,
    /// Events of schemas that there was no room to keep.
    unseen_events: u64,
}

/// What changed in the events of one schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamReport {
    /// The platform.
    pub platform: String,
    /// The event type.
    pub event_type: String,
    /// The version that the events name.
    pub version: String,
    /// How many events were looked at.
    pub events: u64,
    /// How many were in the period before; none if there was none, and the schema is compared with.
    pub events_before: Option<u64>,
    /// The changes, by kind and field.
    pub changes: Vec<Change>,
    /// Fields that the schema lacks and too few events had to show them.
    pub rare_fields: usize,
    /// How often a field came that there was no room for.
    pub unseen_fields: u64,
}

/// One field that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Change {
    /// What happened to it.
    pub kind: ChangeKind,
    /// Where it stands, with `*` for positions in lists and for names that are not shown.
    pub field: String,
    /// Its types before, or those of the schema; none if it was not there.
    pub before: Types,
    /// Its types now; none if it is not there.
    pub now: Types,
    /// In how many events it is, or was; of a changed type, how often it has one that it did not have, at
    /// most once an event.
    pub events: u64,
    /// Whether the schema knows it.
    pub declared: bool,
}

/// What happened to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// It is there, and was not; or the schema lacks it.
    Appeared,
    /// It was there, and is not.
    Vanished,
    /// It has a type that it did not have.
    ChangedType,
}

impl ChangeKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Appeared => "appeared",
            Self::Vanished => "vanished",
            Self::ChangedType => "changed type",
        }
    }
}

fn as_text<S: serde::Serializer>(tenant: &TenantId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(tenant.as_str())
}

impl DriftReport {
    pub(super) fn of(tenant: &TenantId, own: Option<&Streams>) -> Self {
        let streams = own.into_iter().flat_map(|own| &own.streams);
        let streams = streams.map(|(key, stream)| {
            let (changes, rare_fields) = changes(stream);
            StreamReport {
                platform: key.platform().to_owned(),
                event_type: key.event_type().to_owned(),
                version: key.version().to_owned(),
                events: stream.now.events,
                events_before: stream.before.as_ref().map(|before| before.events),
                changes,
                rare_fields,
                unseen_fields: stream.now.elsewhere,
            }
        });
        Self {
            tenant: tenant.clone(),
            streams: streams.collect(),
            unseen_events: own.map_or(0, |own| own.elsewhere),
        }
    }

    /// The streams, by platform, event type and version.
    #[must_use]
    pub fn streams(&self) -> &[StreamReport] {
        &self.streams
    }

    /// Events of schemas that there was no room to keep.
    #[must_use]
    pub fn unseen_events(&self) -> u64 {
        self.unseen_events
    }
}

impl Scoped for DriftReport {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// The changes in order, and how many fields are too rare to be shown.
fn changes(stream: &Stream) -> (Vec<Change>, usize) {
    let mut changes = Vec::new();
    let mut rare = 0;
    for (path, field) in &stream.now.fields {
        let before = stream.before.as_ref().map(|before| before.fields.get(path));
        let (kind, types) = match before {
            Some(Some(before)) if before.types.covers(field.types) => continue,
            Some(Some(before)) => (ChangeKind::ChangedType, before.types),
            Some(None) => (ChangeKind::Appeared, Types::default()),
            None if !field.declared => (ChangeKind::Appeared, Types::default()),
            None if field.allowed.is_empty() || field.allowed.covers(field.types) => continue,
            None => (ChangeKind::ChangedType, field.allowed),
        };
        if !field.declared && field.events < SHOWN_AFTER {
            rare += 1;
            continue;
        }
        changes.push(Change {
            kind,
            field: path.to_string(),
            before: types,
            now: field.types,
            events: match kind {
                ChangeKind::ChangedType => field.other_than(types),
                _ => field.events,
            },
            declared: field.declared,
        });
    }
    // What there was no room for has not vanished.
    if let Some(before) = &stream.before
        && stream.now.elsewhere == 0
    {
        changes.extend(vanished(before, &stream.now));
    }
    changes.sort_by(|a, b| (a.kind, &a.field).cmp(&(b.kind, &b.field)));
    (changes, rare)
}

impl Field {
    /// How often it was of a type that is not among these, at most once an event.
    fn other_than(&self, types: Types) -> u64 {
        let other = Types::each().into_iter().zip(self.seen).filter(|(one, _)| !types.covers(*one));
        other.map(|(_, times)| times).sum::<u64>().min(self.events)
    }
}

/// Fields that were in so many events that they would be in several by now.
fn vanished(before: &Period, now: &Period) -> Vec<Change> {
    let gone = before.fields.iter().filter(|(path, field)| {
        let expected = u128::from(field.events) * u128::from(now.events);
        let is_missed = expected >= MISSED * u128::from(before.events.max(1));
        is_missed && !now.fields.contains_key(*path)
    });
    gone.map(|(path, field)| Change {
        kind: ChangeKind::Vanished,
        field: path.to_string(),
        before: field.types,
        now: Types::default(),
        events: field.events,
        declared: field.declared,
    })
    .collect()
}

impl StreamReport {
    fn rows(&self) -> Vec<[String; 5]> {
        let of = |change: &Change| match change.kind {
            ChangeKind::Vanished => self.events_before.unwrap_or(0),
            _ => self.events,
        };
        let types = |change: &Change| match (change.before.is_empty(), change.now.is_empty()) {
            (false, false) => format!("{} -> {}", change.before, change.now),
            (false, true) => change.before.to_string(),
            _ => change.now.to_string(),
        };
        let row = |change: &Change| {
            let share = f64::from(Share::of(change.events, of(change)).as_millionths()) / 10_000.0;
            [
                change.kind.as_str().to_owned(),
                change.field.clone(),
                types(change),
                format!("{share:.1} %"),
                if change.declared { "in the schema" } else { "not in the schema" }.to_owned(),
            ]
        };
        self.changes.iter().map(row).collect()
    }
}

impl fmt::Display for DriftReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fields of {}", self.tenant)?;
        for stream in &self.streams {
            write!(f, "\n{} {} version {}", stream.platform, stream.event_type, stream.version)?;
            write!(f, ": {} events", stream.events)?;
            match stream.events_before {
                Some(before) => writeln!(f, ", against {before} before")?,
                None => writeln!(f, ", against the schema")?,
            }
            let rows = stream.rows();
            if rows.is_empty() {
                writeln!(f, "  no change")?;
            }
            let width = |column: usize| {
                rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
            };
            let (a, b, c, d) = (width(0), width(1), width(2), width(3));
            for [kind, field, types, share, declared] in &rows {
                writeln!(f, "  {kind:a$}  {field:b$}  {types:c$}  {share:>d$}  {declared}")?;
            }
            for (count, what) in [
                (stream.rare_fields as u64, "fields that too few events had to show them"),
                (stream.unseen_fields, "fields that there was no room for"),
            ] {
                if count > 0 {
                    writeln!(f, "  and {count} {what}")?;
                }
            }
        }
        if self.unseen_events > 0 {
            writeln!(f, "\n{} events of more schemas than are kept", self.unseen_events)?;
        }
        Ok(())
    }
}
