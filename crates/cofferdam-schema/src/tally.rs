//! What a worker counted of its tenants' events, until a machine takes it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use cofferdam_core::{Scoped, TenantId};

use crate::{
    checker::Verdict,
    compiled::Compiled,
    key::SchemaKey,
    mismatch::{FindingKind, Findings},
    pointer::FieldPath,
    policy::Policy,
};

/// The most schemas of one tenant that are counted apart between two reports.
const MAX_STREAMS: usize = 1_024;
/// The most places at which two versions' differences are counted apart.
const MAX_DIFFERENCES: usize = 64;

/// How one tenant's events fared under one schema since the last report. It holds counts and field
/// paths, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub(crate) tenant: TenantId,
    pub(crate) key: SchemaKey,
    /// Whether the schema is everybody's.
    pub(crate) shared: bool,
    /// Of the version in force.
    pub(crate) policy: Policy,
    pub(crate) counts: Counts,
    pub(crate) comparison: Option<Comparison>,
}

impl Report {
    /// The schema that the events name.
    #[must_use]
    pub fn key(&self) -> &SchemaKey {
        &self.key
    }

    /// How many events had which verdict.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What a candidate made of its share of them.
    #[must_use]
    pub fn comparison(&self) -> Option<&Comparison> {
        self.comparison.as_ref()
    }
}

impl Scoped for Report {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// Events by verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// They fit.
    pub conforming: u64,
    /// They have unknown fields or new values, and nothing worse.
    pub tolerated: u64,
    /// They did not fit and passed with a mark.
    pub marked: u64,
    /// They did not fit and were refused.
    pub refused: u64,
}

impl Counts {
    /// All events that were judged.
    #[must_use]
    pub const fn judged(&self) -> u64 {
        self.conforming + self.tolerated + self.mismatched()
    }

    /// Those that did not fit.
    #[must_use]
    pub const fn mismatched(&self) -> u64 {
        self.marked + self.refused
    }

    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Conforms => self.conforming += 1,
            Verdict::Tolerated { .. } => self.tolerated += 1,
            Verdict::Marked { .. } => self.marked += 1,
            Verdict::Refused(_) => self.refused += 1,
            Verdict::Unregistered => {}
        }
    }
}

/// What two versions said of the same events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub(crate) candidate: Arc<str>,
    /// Events that both judged.
    pub compared: u64,
    /// Those that fit the version in force and not the candidate.
    pub newly_failing: u64,
    /// Those that fit the candidate and not the version in force.
    pub newly_fitting: u64,
    pub(crate) differences: BTreeMap<(FieldPath, FindingKind), Difference>,
    /// Differences at more places than are counted apart.
    pub elsewhere: u64,
}

/// How many events one version found something in at a place, and the other did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Difference {
    /// Found by the version in force alone.
    pub in_force_alone: u64,
    /// Found by the candidate alone.
    pub candidate_alone: u64,
}

impl Comparison {
    pub(crate) fn of(candidate: &str) -> Self {
        Self {
            candidate: candidate.into(),
            compared: 0,
            newly_failing: 0,
            newly_fitting: 0,
            differences: BTreeMap::new(),
            elsewhere: 0,
        }
    }

    /// The candidate's version.
    #[must_use]
    pub fn candidate(&self) -> &str {
        &self.candidate
    }

    /// Where the verdicts differed, by field path and kind.
    pub fn differences(&self) -> impl Iterator<Item = (&FieldPath, FindingKind, Difference)> {
        self.differences.iter().map(|((path, kind), count)| (path, *kind, *count))
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn add(&mut self, other: &Self) {
        self.compared += other.compared;
        self.newly_failing += other.newly_failing;
        self.newly_fitting += other.newly_fitting;
        self.elsewhere += other.elsewhere;
        for (place, more) in &other.differences {
            self.differ(place.clone(), *more);
        }
    }

    /// Compares what two versions found in one event.
    pub(crate) fn compare(&mut self, in_force: &Findings, candidate: &Findings) {
        self.compared += 1;
        let fits = |findings: &Findings| {
            findings.worst().is_none_or(|worst| worst < FindingKind::Mismatch)
        };
        self.newly_failing += u64::from(fits(in_force) && !fits(candidate));
        self.newly_fitting += u64::from(!fits(in_force) && fits(candidate));
        for (path, kind, _) in
            in_force.places().filter(|(path, kind, _)| !candidate.has(path, *kind))
        {
            self.differ((path.clone(), kind), Difference { in_force_alone: 1, candidate_alone: 0 });
        }
        for (path, kind, _) in
            candidate.places().filter(|(path, kind, _)| !in_force.has(path, *kind))
        {
            self.differ((path.clone(), kind), Difference { in_force_alone: 0, candidate_alone: 1 });
        }
    }

    fn differ(&mut self, place: (FieldPath, FindingKind), more: Difference) {
        let full = self.differences.len() >= MAX_DIFFERENCES;
        match self.differences.entry(place) {
            Entry::Vacant(_) if full => {
                self.elsewhere += more.in_force_alone + more.candidate_alone;
            }
            entry => {
                let count = entry.or_default();
                count.in_force_alone += more.in_force_alone;
                count.candidate_alone += more.candidate_alone;
            }
        }
    }
}

/// Counts by tenant and schema.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    tenants: BTreeMap<TenantId, BTreeMap<usize, Stream>>,
}

#[derive(Debug)]
pub(crate) struct Stream {
    schema: Arc<Compiled>,
    policy: Policy,
    counts: Counts,
    pub(crate) comparison: Option<Comparison>,
}

impl Tally {
    /// Counts an event that names `schema`. `None` if the tenant's events are of too many schemas to be
    /// counted apart.
    pub(crate) fn count(
        &mut self,
        tenant: &TenantId,
        schema: &Arc<Compiled>,
        in_force: &Compiled,
        verdict: Verdict,
    ) -> Option<&mut Stream> {
        if !self.tenants.contains_key(tenant) {
            self.tenants.insert(tenant.clone(), BTreeMap::new());
        }
        let streams = self.tenants.get_mut(tenant)?;
        // An address is a name while what is there is held.
        let address = Arc::as_ptr(schema) as usize;
        let full = streams.len() >= MAX_STREAMS;
        let stream = match streams.entry(address) {
            Entry::Vacant(_) if full => return None,
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let (schema, policy) = (schema.clone(), in_force.policy);
                new.insert(Stream { schema, policy, counts: Counts::default(), comparison: None })
            }
        };
        stream.policy = in_force.policy;
        stream.counts.count(verdict);
        Some(stream)
    }

    /// What was counted, in the order of tenants and keys; counting begins anew.
    pub(crate) fn take(&mut self) -> Vec<Report> {
        let mut reports: Vec<Report> = Vec::new();
        for (tenant, streams) in core::mem::take(&mut self.tenants) {
            reports.extend(streams.into_values().map(|stream| Report {
                tenant: tenant.clone(),
                key: stream.schema.key.clone(),
                shared: stream.schema.shared,
                policy: stream.policy,
                counts: stream.counts,
                comparison: stream.comparison,
            }));
        }
        reports.sort_by(|a, b| (&a.tenant, &a.key).cmp(&(&b.tenant, &b.key)));
        reports
    }
}
