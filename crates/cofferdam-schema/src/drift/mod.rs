//! Which fields events have, against their schema and against the time before.
//!
//! Platforms change their events without a word: of 242 topics of Genesys Cloud 140 came, six went and eleven
//! were renamed within five years, and every one of them says version `2`. So what a version means is
//! looked up in the traffic. [`Drift`] keeps, for each tenant and schema, which fields were seen, in how many
//! events and of which types, for the period that runs and the one before. [`DriftReport`] says what
//! appeared, what vanished and what changed its type.
//!
//! An event is walked together with its schema, so a field is known or unknown where it stands, however the
//! schema gets there by references.
//!
//! # What is shown of names
//!
//! A name can be a secret: a map from telephone numbers to calls, say. A name is kept if the schema has it
//! at its place, or if it has the form of a field's name: a letter, `_`, `$` or `@`, then letters,
//! digits, `_`, `-` and `$`, with at most four digits and 64 bytes. Any other becomes `*`, and so do all names
//! of a map (`additionalProperties`). A field that the schema lacks is shown after [`SHOWN_AFTER`] events
//! had it. What a sender can still get into a report is a name that looks like a field's, in its own
//! tenant's report, three times over.
//!
//! # Memory
//!
//! Everything is bounded for each tenant by [`DriftLimits`]: streams, fields that the schema knows, and
//! fields that it does not, which alone a sender can make up. What comes on top is counted. No tenant takes
//! another's room.

mod report;

use std::collections::BTreeMap;

use cofferdam_core::TenantId;
use serde_json::Value;

pub use crate::types::Types;
pub use report::{Change, ChangeKind, DriftReport, StreamReport};

use crate::{
    graph::{Graph, Node},
    key::SchemaKey,
    pointer::PathText,
};

/// How many events must have had a field that the schema lacks before a report shows it.
pub const SHOWN_AFTER: u64 = 3;
/// A period with fewer events of a schema than this goes on when it is [turned](Drift::turn).
pub const PERIOD_AT_LEAST: u64 = 50;
/// How deep an event is looked into.
const MAX_DEPTH: usize = 16;
/// The most subschemas that are followed side by side.
const MAX_BESIDE: usize = 256;

/// What [`Drift`] keeps at most for each tenant; each of the two periods takes as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriftLimits {
    /// Schemas whose events are looked at.
    pub streams: usize,
    /// Fields that schemas know, of all streams together; about 200 bytes each.
    pub declared: usize,
    /// Fields that schemas do not know, of all streams together; at most 500 bytes each.
    pub undeclared: usize,
    /// One event of so many is looked at, of each stream by itself. To look at every event nearly doubles
    /// what judging takes; one in 16 adds a twelfth.
    pub one_in: u32,
}

/// 256 streams, 16,384 fields that are known and 4,096 that are not, and every event.
impl Default for DriftLimits {
    fn default() -> Self {
        Self { streams: 256, declared: 16_384, undeclared: 4_096, one_in: 1 }
    }
}

/// The fields of tenants' events, now and in the period before.
#[derive(Debug, Default)]
pub struct Drift {
    limits: DriftLimits,
    tenants: BTreeMap<TenantId, Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    streams: BTreeMap<SchemaKey, Stream>,
    room: Room,
    /// Events of streams that there was no room for.
    elsewhere: u64,
}

/// What the running period has taken of the tenant's limits.
#[derive(Debug, Default, Clone, Copy)]
struct Room {
    declared: usize,
    undeclared: usize,
}

#[derive(Debug, Default)]
struct Stream {
    passed: u32,
    before: Option<Period>,
    now: Period,
}

#[derive(Debug, Default)]
struct Period {
    events: u64,
    fields: BTreeMap<Box<str>, Field>,
    /// Fields that there was no room for, each time they came.
    elsewhere: u64,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    /// In how many events it was.
    events: u64,
    /// The last of them, as a field in a list is there many times.
    last: u64,
    types: Types,
    /// How often it was of each.
    seen: [u64; 7],
    /// What the schema allows; nothing if it does not say.
    allowed: Types,
    declared: bool,
}

impl Drift {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new(limits: DriftLimits) -> Self {
        Self { limits, tenants: BTreeMap::new() }
    }

    /// Looks at the body of an event that `key` is registered for.
    pub(crate) fn observe(
        &mut self,
        tenant: &TenantId,
        key: &SchemaKey,
        graph: &Graph,
        body: &Value,
    ) {
        if !self.tenants.contains_key(tenant) {
            self.tenants.insert(tenant.clone(), Streams::default());
        }
        let Some(own) = self.tenants.get_mut(tenant) else { return };
        if !own.streams.contains_key(key) {
            if own.streams.len() >= self.limits.streams {
                own.elsewhere += 1;
                return;
            }
            own.streams.insert(key.clone(), Stream::default());
        }
        let Some(stream) = own.streams.get_mut(key) else { return };
        stream.passed += 1;
        if stream.passed < self.limits.one_in {
            return;
        }
        stream.passed = 0;
        stream.now.events += 1;
        let mut look =
            Look { graph, period: &mut stream.now, room: &mut own.room, limits: &self.limits };
        look.value(body, &look.in_place(&[0]), &PathText::new(), 0);
    }

    /// What changed in one tenant's events.
    #[must_use]
    pub fn report(&self, tenant: &TenantId) -> DriftReport {
        DriftReport::of(tenant, self.tenants.get(tenant))
    }

    /// Ends the period: from now on, what comes is compared with what came in it. Streams of which too
    /// little came go on with theirs. Call it every hour or day, after the report.
    pub fn turn(&mut self) {
        for own in self.tenants.values_mut() {
            for stream in own.streams.values_mut() {
                if stream.now.events >= PERIOD_AT_LEAST {
                    stream.before = Some(core::mem::take(&mut stream.now));
                }
            }
            own.room = Room::default();
            for field in own.streams.values().flat_map(|stream| stream.now.fields.values()) {
                own.room.take(field.declared);
            }
            own.elsewhere = 0;
        }
    }

    /// Takes in what another worker saw in the running period; its limits stay behind.
    pub fn merge(&mut self, other: Self) {
        for (tenant, theirs) in other.tenants {
            let own = self.tenants.entry(tenant).or_default();
            own.elsewhere += theirs.elsewhere;
            for (key, stream) in theirs.streams {
                if !own.streams.contains_key(&key) && own.streams.len() >= self.limits.streams {
                    own.elsewhere += stream.now.events;
                    continue;
                }
                let into = &mut own.streams.entry(key).or_default().now;
                into.merge(stream.now, &mut own.room, &self.limits);
            }
        }
    }

    /// Forgets a tenant.
    pub fn forget(&mut self, tenant: &TenantId) {
        self.tenants.remove(tenant);
    }

    /// How many fields are held for a tenant, of both periods.
    #[must_use]
    pub fn held(&self, tenant: &TenantId) -> usize {
        let streams = self.tenants.get(tenant).into_iter().flat_map(|own| own.streams.values());
        let periods = streams.flat_map(|stream| stream.before.iter().chain([&stream.now]));
        periods.map(|period| period.fields.len()).sum()
    }
}

impl Room {
    fn has(self, declared: bool, limits: &DriftLimits) -> bool {
        if declared { self.declared < limits.declared } else { self.undeclared < limits.undeclared }
    }

    fn take(&mut self, declared: bool) {
        if declared {
            self.declared += 1;
        } else {
            self.undeclared += 1;
        }
    }
}

impl Period {
    fn merge(&mut self, other: Self, room: &mut Room, limits: &DriftLimits) {
        self.events += other.events;
        self.elsewhere += other.elsewhere;
        for (path, theirs) in other.fields {
            if let Some(field) = self.fields.get_mut(&path) {
                field.events += theirs.events;
                field.types = field.types.union(theirs.types);
                field.seen.iter_mut().zip(theirs.seen).for_each(|(own, more)| *own += more);
            } else if room.has(theirs.declared, limits) {
                room.take(theirs.declared);
                self.fields.insert(path, Field { last: 0, ..theirs });
            } else {
                self.elsewhere += theirs.events;
            }
        }
    }
}

/// One event, beside its schema.
struct Look<'l> {
    graph: &'l Graph,
    period: &'l mut Period,
    room: &'l mut Room,
    limits: &'l DriftLimits,
}

impl Look<'_> {
    /// Takes note of what stands in a value that these subschemas judge.
    fn value(&mut self, value: &Value, schemas: &[u32], at: &PathText, depth: usize) {
        if depth == MAX_DEPTH {
            return;
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let (known, below) = self.member(name, schemas);
                    let declared = known != Known::No;
                    let shows = known == Known::Name || (!declared && is_field_name(name));
                    let mut at = at.clone();
                    at.push(if shows { name } else { "*" });
                    self.note(&at, member, &below, declared);
                    self.value(member, &below, &at, depth + 1);
                }
            }
            Value::Array(items) => {
                let mut at = at.clone();
                at.push("*");
                let each: Vec<u32> =
                    self.nodes(schemas).flat_map(|node| &node.items).copied().collect();
                for (n, item) in items.iter().enumerate() {
                    let first = self.nodes(schemas).filter_map(|node| node.prefix.get(n).copied());
                    let below =
                        self.in_place(&first.chain(each.iter().copied()).collect::<Vec<_>>());
                    self.note(&at, item, &below, !schemas.is_empty());
                    self.value(item, &below, &at, depth + 1);
                }
            }
            _ => {}
        }
    }

    /// How a member is known, and the subschemas that judge it.
    fn member(&self, name: &str, schemas: &[u32]) -> (Known, Vec<u32>) {
        let named = self.nodes(schemas).filter_map(|node| {
            let at = node.named.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
            Some(node.named[at].1)
        });
        let named: Vec<u32> = named.collect();
        if !named.is_empty() {
            return (Known::Name, self.in_place(&named));
        }
        let map: Vec<u32> = self.nodes(schemas).flat_map(|node| &node.map).copied().collect();
        let known = if map.is_empty() { Known::No } else { Known::Map };
        (known, self.in_place(&map))
    }

    fn nodes<'s>(&'s self, schemas: &'s [u32]) -> impl Iterator<Item = &'s Node> {
        schemas.iter().map(|number| &self.graph.nodes[*number as usize])
    }

    /// The subschemas and all that are in place of them, each once.
    fn in_place(&self, schemas: &[u32]) -> Vec<u32> {
        let mut all: Vec<u32> = Vec::with_capacity(schemas.len() * 2);
        let mut next = 0;
        let add = |all: &mut Vec<u32>, number: u32| {
            if !all.contains(&number) && all.len() < MAX_BESIDE {
                all.push(number);
            }
        };
        schemas.iter().for_each(|number| add(&mut all, *number));
        while let Some(number) = all.get(next).copied() {
            self.graph.nodes[number as usize].all_in_place().for_each(|more| add(&mut all, more));
            next += 1;
        }
        all
    }

    fn note(&mut self, at: &PathText, value: &Value, schemas: &[u32], declared: bool) {
        let types = Types::of(value);
        let event = self.period.events;
        if let Some(field) = self.period.fields.get_mut(at.text.as_str()) {
            field.events += u64::from(field.last != event);
            field.last = event;
            field.types = field.types.union(types);
            field.seen[types.index()] += 1;
        } else if self.room.has(declared, self.limits) {
            self.room.take(declared);
            let allowed = self.nodes(schemas).map(|node| node.types);
            let allowed = allowed.fold(Types::default(), Types::union);
            let mut seen = [0; 7];
            seen[types.index()] = 1;
            let field = Field { events: 1, last: event, types, seen, allowed, declared };
            self.period.fields.insert(at.text.as_str().into(), field);
        } else {
            self.period.elsewhere += 1;
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Known {
    /// By its name.
    Name,
    /// As one of a map's.
    Map,
    No,
}

/// Whether a name has the form of a field's.
fn is_field_name(name: &str) -> bool {
    let first = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$' | b'@');
    let rest = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
    let bytes = name.as_bytes();
    bytes.first().is_some_and(first)
        && bytes.len() <= 64
        && bytes[1..].iter().all(rest)
        && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() <= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_values_are_not_taken_for_fields() {
        for name in ["loginStatus", "detail-type", "@type", "_links", "field2024"] {
            assert!(is_field_name(name), "{name}");
        }
        let uuid = "9dfb369b-ab13-4fae-a276-55daa05f1119";
        for name in ["", "+15558675309", "jo@example.org", "5551234", "a b", "é", "x12345", uuid] {
            assert!(!is_field_name(name), "{name}");
        }
    }
}
