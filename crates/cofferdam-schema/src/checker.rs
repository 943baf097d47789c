//! The judgement of one event: strict JSON first, then its schema, then the policy.

use std::{fmt, hash::Hasher, sync::Arc};

use cofferdam_core::{Reason, TenantId, pipeline::Validate};
use cofferdam_json::{Fault, Limits, check};
use serde_json::Value;
use siphasher::sip::SipHasher13;

use crate::{
    compiled::Compiled,
    drift::Drift,
    envelope::Envelope,
    key::is_name,
    mismatch::{self, FindingKind, Findings},
    policy::{Policy, Share, Trust},
    registry::{Found, Registry},
    tally::{Comparison, Report, Tally},
    tree::{self, DEPTHS, Depths},
};

/// The most steps that judging one event may take, by the [price](crate::Limits::price) of its schema.
const MAX_STEPS: u64 = 1 << 22;
/// The most values that explaining one mismatch may copy.
const MAX_EXPLAINED: u64 = 1 << 20;

/// What is said of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It fits its schema.
    Conforms,
    /// It has what the schema does not know, and passes.
    Tolerated {
        /// Fields that the schema does not know.
        unknown_fields: u32,
        /// Values that are not among those that the schema lists.
        open_values: u32,
    },
    /// It does not fit a schema that is not trusted (yet), and passes with this mark: log it.
    Marked {
        /// Errors that the policy would not have tolerated.
        mismatches: u32,
    },
    /// No schema is registered for its type and version that the tenant may use.
    Unregistered,
    /// It is not to be used.
    Refused(Reason),
}

/// The pipeline's check of whole events against one platform's schemas.
///
/// A checker is immutable. When the registry changes, make another one and put it in this one's place: each
/// event is judged by one registry.
///
/// It implements [`Validate`], so that an event that is refused never becomes a
/// [`Valid`](cofferdam_core::pipeline::Valid); an event without a schema is refused there, unless
/// [`unregistered_pass`](Self::unregistered_pass) was said.
#[derive(Clone)]
pub struct Checker {
    envelope: Arc<Envelope>,
    registry: Registry,
    limits: Limits,
    sampling: [u8; 16],
    unregistered_pass: bool,
}

impl Checker {
    /// A checker of a platform's events by a registry as it is now.
    ///
    /// `sampling` must be secret, and the same on all nodes and after a restart: it decides which events a
    /// canary sees, and whoever knew it could keep a stream out of one.
    #[must_use]
    pub fn new(envelope: Envelope, registry: &Registry, sampling: [u8; 16]) -> Self {
        Self {
            envelope: Arc::new(envelope),
            registry: registry.clone(),
            limits: Limits::default(),
            sampling,
            unregistered_pass: false,
        }
    }

    /// The same checker with another registry.
    #[must_use]
    pub fn with_registry(&self, registry: &Registry) -> Self {
        Self { registry: registry.clone(), ..self.clone() }
    }

    /// With these limits of the strict check.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Lets events without a schema pass the pipeline, after the strict check.
    #[must_use]
    pub fn unregistered_pass(self) -> Self {
        Self { unregistered_pass: true, ..self }
    }

    /// Judges one event of `tenant`. What was found is in the scratch until the next event.
    pub fn judge(&self, tenant: &TenantId, event: &[u8], scratch: &mut Scratch) -> Verdict {
        scratch.findings.clear();
        if let Err(fault) = check(event, &self.limits, &mut scratch.names) {
            return Verdict::Refused(reason(fault));
        }
        let Ok(tree) = tree::read(event, &mut scratch.depths) else {
            return Verdict::Refused(Reason::TooCostly);
        };
        let Ok((event_type, version)) = self.named(&tree) else {
            return Verdict::Refused(Reason::SchemaMismatch);
        };
        let platform = &self.envelope.platform;
        let Some(found) = self.registry.find(tenant, platform, event_type, version) else {
            return Verdict::Unregistered;
        };
        let in_force = found.course.map_or(&**found.named, |course| &course.in_force);
        let Some(body) = self.envelope.body.find(&tree) else {
            return Verdict::Refused(Reason::SchemaMismatch);
        };
        if in_force.price.steps(&scratch.depths, self.below()) > MAX_STEPS {
            return Verdict::Refused(Reason::TooCostly);
        }
        find(in_force, body, &scratch.depths, self.below(), &mut scratch.findings);
        let trust = found.course.map(|course| course.trust).unwrap_or_default();
        let verdict = verdict(in_force.policy, trust, &scratch.findings);
        self.count(tenant, event, (&tree, body), (&found, verdict), scratch);
        if let Some(drift) = &mut scratch.drift {
            drift.observe(tenant, &found.named.key, &in_force.graph, body);
        }
        verdict
    }

    /// Counts the verdict, and what a candidate makes of the event if it sees it.
    fn count(
        &self,
        tenant: &TenantId,
        event: &[u8],
        (tree, body): (&Value, &Value),
        (found, verdict): (&Found<'_>, Verdict),
        scratch: &mut Scratch,
    ) {
        let in_force = found.course.map_or(&**found.named, |course| &course.in_force);
        let stream = scratch.tally.count(tenant, found.named, in_force, verdict);
        let canary = found.course.and_then(|course| course.canary.as_ref());
        let (Some(stream), Some((candidate, share))) = (stream, canary) else { return };
        if *share == Share::NONE || !share.takes(self.draw(tree, event)) {
            return;
        }
        let version = candidate.key.version();
        let comparison = stream.comparison.get_or_insert_with(|| Comparison::of(version));
        if comparison.candidate() != version {
            *comparison = Comparison::of(version);
        }
        scratch.other.clear();
        find(candidate, body, &scratch.depths, self.below(), &mut scratch.other);
        comparison.compare(&scratch.findings, &scratch.other);
    }

    /// The type and version that the event names.
    fn named<'v>(&'v self, tree: &'v Value) -> Result<(&'v str, &'v str), NoName> {
        let envelope = &self.envelope;
        let name =
            |value: &'v Value| value.as_str().filter(|name| is_name(name.as_bytes())).ok_or(NoName);
        let event_type = envelope.event_type.find(tree).ok_or(NoName)?;
        let version = envelope.version.as_ref().and_then(|at| at.find(tree));
        let version = version.map_or(Ok(&*envelope.unversioned), name)?;
        Ok((name(event_type)?, version))
    }

    /// How many values the body stands in.
    fn below(&self) -> usize {
        self.envelope.body.segments().len()
    }

    /// A number that is drawn evenly by whoever does not know the key, and is always the same for
    /// the same event, or for the same text where the envelope says so.
    fn draw(&self, tree: &Value, event: &[u8]) -> u64 {
        let unit = self.envelope.sampled.as_ref().and_then(|at| at.find(tree)?.as_str());
        let mut hash = SipHasher13::new_with_key(&self.sampling);
        hash.write(unit.map_or(event, str::as_bytes));
        hash.finish()
    }
}

struct NoName;

/// What a policy makes of what was found.
fn verdict(policy: Policy, trust: Trust, findings: &Findings) -> Verdict {
    match (policy, findings.worst()) {
        (_, None) => Verdict::Conforms,
        (
            Policy::Tolerant | Policy::Graduated(_),
            Some(FindingKind::UnknownField | FindingKind::OpenValue),
        ) => Verdict::Tolerated {
            unknown_fields: findings.count(FindingKind::UnknownField),
            open_values: findings.count(FindingKind::OpenValue),
        },
        (Policy::Graduated(_), Some(FindingKind::Mismatch)) if trust == Trust::Marking => {
            Verdict::Marked { mismatches: findings.count(FindingKind::Mismatch) }
        }
        _ => Verdict::Refused(Reason::SchemaMismatch),
    }
}

/// Finds what does not fit.
fn find(schema: &Compiled, body: &Value, depths: &Depths, below: usize, findings: &mut Findings) {
    mismatch::criticals(schema, body, findings);
    if schema.price.steps(depths, below) > MAX_STEPS {
        findings.unexplained(schema);
    } else if !schema.validator.is_valid(body) {
        if schema.price.explanation(depths, below) > MAX_EXPLAINED {
            findings.unexplained(schema);
        } else {
            mismatch::explain(schema, body, findings);
        }
    }
}

impl Validate for Checker {
    type Scratch = Scratch;

    fn validate(
        &self,
        tenant: &TenantId,
        event: &[u8],
        scratch: &mut Scratch,
    ) -> Result<(), Reason> {
        match self.judge(tenant, event, scratch) {
            Verdict::Refused(reason) => Err(reason),
            Verdict::Unregistered if !self.unregistered_pass => Err(Reason::SchemaMismatch),
            _ => Ok(()),
        }
    }
}

fn reason(fault: Fault) -> Reason {
    match fault {
        Fault::InvalidText => Reason::InvalidText,
        Fault::DuplicateName => Reason::DuplicateName,
        Fault::TooDeep => Reason::TooDeep,
        Fault::NumberOutOfRange => Reason::NumberOutOfRange,
        Fault::TooLarge => Reason::TooLarge,
        _ => Reason::Malformed,
    }
}

/// Shows the platform and how much is registered.
impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker")
            .field("platform", &self.envelope.platform)
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

/// What a worker keeps between events: buffers, and what it counted.
///
/// Counts are by tenant, and one tenant's do not change what is kept of another's. Take the reports out
/// from time to time, every second or so, and give them to a [`Governor`](crate::Governor).
pub struct Scratch {
    names: cofferdam_json::Scratch,
    depths: Depths,
    findings: Findings,
    other: Findings,
    tally: Tally,
    drift: Option<Drift>,
}

impl Scratch {
    /// Empty buffers. The key guards the table of names against crafted collisions: make it random.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self {
            names: cofferdam_json::Scratch::new(key),
            depths: [0; DEPTHS],
            findings: Findings::default(),
            other: Findings::default(),
            tally: Tally::default(),
            drift: None,
        }
    }

    /// Also keeps track of which fields there are.
    #[must_use]
    pub fn with_drift(self, drift: Drift) -> Self {
        Self { drift: Some(drift), ..self }
    }

    /// What was found in the last event.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// What was counted since the last time, in the order of tenants and keys.
    #[must_use]
    pub fn take_reports(&mut self) -> Vec<Report> {
        self.tally.take()
    }

    /// What is known of fields.
    #[must_use]
    pub fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// What is known of fields, to be [turned](Drift::turn) or merged.
    #[must_use]
    pub fn drift_mut(&mut self) -> Option<&mut Drift> {
        self.drift.as_mut()
    }
}

/// Shows nothing of events.
impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}
