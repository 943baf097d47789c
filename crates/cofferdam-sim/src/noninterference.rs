//! Noninterference: does one tenant's presence change anything that another one sees?
//!
//! Goguen and Meseguer ("Security Policies and Security Models", 1982) call a group of users
//! noninterfering with another if deleting everything the first does leaves what the second sees
//! unchanged. That is a property of pairs of runs, so no assertion inside a single run can state it,
//! but a sans-IO machine under virtual time can simply be run twice:
//!
//! ```text
//! script      A1 B1 A2 B2 B3 A3        owner says whose each input is
//! together    a1 b1 a2 b2 b3 a3    --projected by Scoped::tenant-->  A: a1 a2 a3   B: b1 b2 b3
//! A alone     a1    a2       a3                                      must equal A's
//! B alone        b1    b2 b3                                         must equal B's
//! ```
//!
//! What is compared is the sequence of effects with the time of each, so that a delay that B causes
//! A counts as interference too, as does a missing or an added effect. In the runs alone, virtual
//! time takes the same course: a timeout fires when the machine itself asks for it, and every
//! [`Step::Timeout`] of the script is kept, as it belongs to nobody.
//!
//! A machine that *should* share something (a global budget) uses [`check`] with a view that leaves
//! out what may differ, and so states in its test exactly what that is.
//!
//! The check is only as good as the script: a leak that needs a full buffer needs a script that
//! fills it. It finds no leaks outside the effects (a metric label, the time a call takes).

use std::{collections::BTreeSet, error::Error, fmt};

use cofferdam_core::{Machine, Now, Scoped, TenantId};

/// One step of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<I> {
    /// Give the machine this input.
    Input(I),
    /// Call `handle_timeout`, whether or not it is due. The last step of a script is usually one,
    /// late enough for everything to come out.
    Timeout,
}

/// Timeouts that may fire between two steps before the machine counts as stuck.
const TIMEOUTS_PER_STEP: usize = 10_000;
/// Effects shown on either side of the first that differs.
const NEIGHBOURHOOD: usize = 3;

/// Asserts that no tenant's inputs change another tenant's effects or their times.
///
/// `make` makes the machine afresh for each run, `owner` says whose an input is.
///
/// # Panics
///
/// With the [`Interference`] if there is one.
pub fn assert_noninterference<M>(
    make: impl Fn() -> M,
    owner: impl Fn(&M::Input) -> TenantId,
    script: &[(Now, Step<M::Input>)],
) where
    M: Machine,
    M::Input: Clone,
    M::Effect: fmt::Debug,
{
    let view = |at: Now, effect: &M::Effect| format!("{} ns: {effect:?}", at.monotonic_ns());
    if let Err(interference) = check(make, owner, view, script) {
        #[expect(clippy::panic, reason = "an assertion")]
        {
            panic!("{interference}");
        }
    }
}

/// Looks for interference between the tenants of `script`, comparing effects as `view` shows them.
///
/// # Errors
///
/// The first [`Interference`], by tenant and position.
pub fn check<M, V>(
    make: impl Fn() -> M,
    owner: impl Fn(&M::Input) -> TenantId,
    view: impl Fn(Now, &M::Effect) -> V,
    script: &[(Now, Step<M::Input>)],
) -> Result<(), Interference>
where
    M: Machine,
    M::Input: Clone,
    V: PartialEq + fmt::Debug,
{
    let together = run(make(), script, |_| true);
    let owners = script.iter().filter_map(|(_, step)| match step {
        Step::Input(input) => Some(owner(input)),
        Step::Timeout => None,
    });
    // Whoever is spoken to without having spoken is compared as well: alone, they see nothing.
    let seen = together.iter().map(|(_, effect)| effect.tenant().clone());
    let tenants: BTreeSet<TenantId> = owners.chain(seen).collect();

    for tenant in tenants {
        let alone = run(make(), script, |input| owner(input).same(&tenant));
        if let Some((at, stray)) = alone.iter().find(|(_, e)| !e.tenant().same(&tenant)) {
            return Err(Interference {
                index: 0,
                together: Vec::new(),
                alone: vec![format!("> {:?}", view(*at, stray))],
                spoken_to: Some(stray.tenant().clone()),
                tenant,
            });
        }
        let of = |trace: &[(Now, M::Effect)]| -> Vec<V> {
            let own = trace.iter().filter(|(_, effect)| effect.tenant().same(&tenant));
            own.map(|(at, effect)| view(*at, effect)).collect()
        };
        let (together, alone) = (of(&together), of(&alone));
        if together != alone {
            return Err(Interference::between(tenant, &together, &alone));
        }
    }
    Ok(())
}

/// Runs the steps whose input `takes` accepts, and every timeout; each effect with its time.
fn run<M>(
    mut machine: M,
    script: &[(Now, Step<M::Input>)],
    takes: impl Fn(&M::Input) -> bool,
) -> Vec<(Now, M::Effect)>
where
    M: Machine,
    M::Input: Clone,
{
    let mut trace = Vec::new();
    let mut effects = Vec::new();
    let mut clock = Now::default();
    for (now, step) in script {
        // A script's own clock may not run backwards either.
        let now = if now.reached(clock) { *now } else { clock };
        fire_due(&mut machine, clock, now, &mut trace);
        clock = now;
        match step {
            Step::Input(input) if takes(input) => {
                machine.handle_input(input.clone(), now, &mut effects);
            }
            Step::Input(_) => {}
            Step::Timeout => machine.handle_timeout(now, &mut effects),
        }
        trace.extend(effects.drain(..).map(|effect| (now, effect)));
    }
    trace
}

/// Fires what the machine asks for between two steps, at the time that it asks for.
fn fire_due<M: Machine>(
    machine: &mut M,
    mut clock: Now,
    until: Now,
    trace: &mut Vec<(Now, M::Effect)>,
) {
    let mut effects = Vec::new();
    for _ in 0..TIMEOUTS_PER_STEP {
        let Some(due) = machine.poll_timeout().filter(|due| until.reached(*due)) else { return };
        // A deadline's wall clock is only what the machine made up; take the script's.
        clock = clock.after(due.since(clock));
        machine.handle_timeout(clock, &mut effects);
        trace.extend(effects.drain(..).map(|effect| (clock, effect)));
    }
    #[expect(clippy::panic, reason = "a machine that spins would hang its driver as well")]
    {
        panic!("the machine asks for a timeout again and again without moving on");
    }
}

/// What a tenant saw with others around is not what it sees alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interference {
    tenant: TenantId,
    spoken_to: Option<TenantId>,
    index: usize,
    together: Vec<String>,
    alone: Vec<String>,
}

impl Interference {
    /// Whose view differs.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Which of its effects is the first to differ, from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    fn between<V: PartialEq + fmt::Debug>(tenant: TenantId, together: &[V], alone: &[V]) -> Self {
        let common = together.iter().zip(alone).take_while(|(a, b)| a == b).count();
        let show = |trace: &[V]| {
            let from = common.saturating_sub(NEIGHBOURHOOD);
            let near = trace.iter().enumerate().skip(from).take(2 * NEIGHBOURHOOD + 1);
            let mark = |at| if at == common { '>' } else { ' ' };
            near.map(|(at, effect)| format!("{} #{at} {effect:?}", mark(at))).collect()
        };
        Self {
            together: show(together),
            alone: show(alone),
            index: common,
            spoken_to: None,
            tenant,
        }
    }
}

impl fmt::Display for Interference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(other) = &self.spoken_to {
            write!(f, "{} alone makes an effect for {other}", self.tenant)?;
        } else {
            write!(f, "{}'s effect #{} depends on other tenants", self.tenant, self.index)?;
        }
        for (title, lines) in [("with the others", &self.together), ("alone", &self.alone)] {
            write!(f, "\n  {title}:")?;
            for line in lines {
                write!(f, "\n    {line}")?;
            }
            if lines.is_empty() {
                f.write_str("\n    (nothing)")?;
            }
        }
        Ok(())
    }
}

impl Error for Interference {}
