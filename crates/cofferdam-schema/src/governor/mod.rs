//! Which version judges, for whom, and how strictly: decided beside the events, not at them.
//!
//! Whoever judges events counts; a [`Governor`] decides. It takes the counts as inputs and asks for two
//! things: that a [`Course`] be [installed](crate::Registry::install) for a tenant, and that what happened be
//! written into the tenant's audit log.
//!
//! All of it is in memory. A driver that keeps the last course of each tenant and schema hands it back after a
//! restart ([`Input::Restore`]); one that does not has every version judge under its own name again.
//!
//! A trial runs *for a tenant*, on its events and its evidence, also where the schema is everybody's:
//! [`for_everybody`](Governor::for_everybody) begins one for each tenant when it is next heard of, and each is
//! promoted or rolled back by what its own events showed. So no tenant's traffic decides by which schema
//! another's is judged, and the machine passes the noninterference check without an exception. The price is
//! that a fleet's tenants may be on two versions for a while.

mod fact;
mod stream;
mod window;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use cofferdam_core::{Machine, Now, Scoped, TenantId};

pub use crate::tally::{Comparison, Counts, Difference, Report};
pub use fact::{By, Evidence, Fact, Ignored, Why};
use stream::{Outcome, Stream};
pub use stream::{Rule, Trial};

use crate::{course::Course, key::SchemaKey, policy::Share};

/// The most schemas that are followed of one tenant.
pub const MAX_SCHEMAS: usize = 1_024;

/// What a driver tells the [`Governor`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A worker counted something.
    Report(Report),
    /// An operator has a version tried on a tenant's events.
    Begin {
        /// Whose events.
        tenant: TenantId,
        /// The schema that they name.
        key: SchemaKey,
        /// What is tried.
        trial: Trial,
    },
    /// An operator changes the share of a trial.
    ChangeShare {
        /// Whose events.
        tenant: TenantId,
        /// The schema that they name.
        key: SchemaKey,
        /// The new share.
        share: Share,
    },
    /// An operator promotes the version that is tried.
    Promote {
        /// Whose events.
        tenant: TenantId,
        /// The schema that they name.
        key: SchemaKey,
    },
    /// An operator ends a trial.
    RollBack {
        /// Whose events.
        tenant: TenantId,
        /// The schema that they name.
        key: SchemaKey,
    },
    /// A course could not be installed: the registry lacks the candidate.
    NotRegistered {
        /// Whose events.
        tenant: TenantId,
        /// The schema that they name.
        key: SchemaKey,
    },
    /// What was in force before a restart, as the driver kept it. A trial that ran is not taken up again: what
    /// it had seen is gone.
    Restore {
        /// Whose events.
        tenant: TenantId,
        /// The schema that they name.
        key: SchemaKey,
        /// The course of the last [`Effect::Install`].
        course: Course,
    },
    /// A tenant is gone.
    Forget {
        /// Who.
        tenant: TenantId,
    },
}

/// What the [`Governor`] asks of its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Put the course in force: [`Registry::install`](crate::Registry::install), and then new checkers.
    Install {
        /// Whose events.
        tenant: TenantId,
        /// The schema that they name.
        key: SchemaKey,
        /// By what they are judged from now on.
        course: Course,
    },
    /// Write it into the tenant's audit log.
    Happened {
        /// Whose events.
        tenant: TenantId,
        /// The schema that they name.
        key: SchemaKey,
        /// What happened.
        fact: Fact,
    },
}

impl Scoped for Effect {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Install { tenant, .. } | Self::Happened { tenant, .. } => tenant,
        }
    }
}

/// Decides on trials and on trust, for all tenants of a process.
#[derive(Default)]
pub struct Governor {
    tenants: BTreeMap<TenantId, Own>,
    /// When each running trial is next looked at, on the monotonic clock.
    due: BTreeSet<(u64, TenantId, SchemaKey)>,
    everybody: BTreeMap<SchemaKey, (u64, Trial)>,
    trials: u64,
}

#[derive(Debug, Default)]
struct Own {
    streams: BTreeMap<SchemaKey, Stream>,
    told_that_there_are_too_many: bool,
}

impl Governor {
    /// Nothing decided yet: every schema judges under its own version, and no graduated one is trusted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has a version tried on every tenant's events that name everybody's schema under `key`, from each
    /// tenant's next report on. A tenant in a trial already, or with a schema of its own under the key, does
    /// not take part.
    ///
    /// It is configuration, not an input: it is the same for all tenants and comes from none of them.
    pub fn for_everybody(&mut self, key: SchemaKey, trial: Trial) {
        self.trials += 1;
        self.everybody.insert(key, (self.trials, trial));
    }

    /// No tenant takes part in the trial any more that does not yet.
    pub fn end_for_everybody(&mut self, key: &SchemaKey) {
        self.everybody.remove(key);
    }

    /// What is known of the version that is tried on a tenant's events: counts by field path.
    #[must_use]
    pub fn comparison(&self, tenant: &TenantId, key: &SchemaKey) -> Option<&Comparison> {
        self.tenants.get(tenant)?.streams.get(key)?.comparison()
    }

    /// Does `change` to what is known of a tenant's schema, and pushes what comes of it.
    fn with(
        &mut self,
        tenant: &TenantId,
        key: &SchemaKey,
        effects: &mut Vec<Effect>,
        change: impl FnOnce(&mut Stream, &mut Outcome),
    ) {
        let own = self.tenants.entry(tenant.clone()).or_default();
        let scope = || (tenant.clone(), key.clone());
        if !own.streams.contains_key(key) && own.streams.len() >= MAX_SCHEMAS {
            if !own.told_that_there_are_too_many {
                own.told_that_there_are_too_many = true;
                let (tenant, key) = scope();
                let fact = Fact::Ignored(Ignored::TooManySchemas);
                effects.push(Effect::Happened { tenant, key, fact });
            }
            return;
        }
        let stream = own.streams.entry(key.clone()).or_insert_with(|| Stream::new(key.version()));
        let due = |stream: &Stream| stream.due().map(|at| at.monotonic_ns());
        let was_due = due(stream);
        let mut outcome = Outcome::default();
        change(stream, &mut outcome);
        let is_due = due(stream);
        if was_due != is_due {
            let (tenant, key) = scope();
            if let Some(at) = was_due {
                self.due.remove(&(at, tenant.clone(), key.clone()));
            }
            self.due.extend(is_due.map(|at| (at, tenant, key)));
        }
        if outcome.changed {
            let (tenant, key) = scope();
            effects.push(Effect::Install { tenant, key, course: stream.course() });
        }
        effects.extend(outcome.facts.into_iter().map(|fact| {
            let (tenant, key) = scope();
            Effect::Happened { tenant, key, fact }
        }));
    }

    fn take(&mut self, report: &Report, now: Now, effects: &mut Vec<Effect>) {
        let planned = self.everybody.get(&report.key).filter(|_| report.shared).cloned();
        self.with(&report.tenant, &report.key, effects, |stream, out| {
            if let Some((number, trial)) = planned
                && number > stream.took_part_in
            {
                stream.took_part_in = number;
                stream.begin(&trial, now, out);
            }
            stream.take(report, now, out);
        });
    }

    fn forget(&mut self, tenant: &TenantId) {
        self.tenants.remove(tenant);
        self.due.retain(|(_, owner, _)| !owner.same(tenant));
    }
}

impl Machine for Governor {
    type Input = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        match input {
            Input::Report(report) => self.take(&report, now, effects),
            Input::Begin { tenant, key, trial } => {
                self.with(&tenant, &key, effects, |stream, out| stream.begin(&trial, now, out));
            }
            Input::ChangeShare { tenant, key, share } => {
                self.with(&tenant, &key, effects, |stream, out| stream.change_share(share, out));
            }
            Input::Promote { tenant, key } => {
                self.with(&tenant, &key, effects, |stream, out| stream.promote(By::Hand, out));
            }
            Input::RollBack { tenant, key } => {
                self.with(&tenant, &key, effects, |stream, out| stream.roll_back(Why::Hand, out));
            }
            Input::NotRegistered { tenant, key } => {
                let why = Why::NotRegistered;
                self.with(&tenant, &key, effects, |stream, out| stream.roll_back(why, out));
            }
            Input::Restore { tenant, key, course } => {
                self.with(&tenant, &key, effects, |stream, out| stream.restore(&course, out));
            }
            Input::Forget { tenant } => self.forget(&tenant),
        }
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let reached = |(at, ..): &&(u64, TenantId, SchemaKey)| *at <= now.monotonic_ns();
        let due: Vec<_> = self.due.iter().take_while(reached).cloned().collect();
        for (_, tenant, key) in due {
            self.with(&tenant, &key, effects, |stream, out| stream.decide(now, out));
        }
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.due.first().map(|(at, ..)| Now::new(Duration::from_nanos(*at), 0))
    }
}

/// Shows how many tenants there are, not which.
impl fmt::Debug for Governor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governor").field("tenants", &self.tenants.len()).finish_non_exhaustive()
    }
}
