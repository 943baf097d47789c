//! The one shape of everything that has state: input and time in, effects out.

use alloc::vec::Vec;

use crate::{Now, TenantId};

/// A sans-IO state machine.
///
/// A machine owns no socket, file, thread, clock or random source. Its driver calls it, then
/// carries out the effects, whose outcomes come back as later inputs. That makes every machine
/// run under virtual time, from a seed, and makes its isolation a
/// property that a test can check (see [`Scoped`]).
///
/// # Contract
///
/// * `effects` is only appended to. All effects of a call are there when it returns; there is no
///   "drain before the next call" rule.
/// * `handle_timeout` may be called at any time, early, late or twice: a spurious call changes
///   nothing.
/// * `poll_timeout` says when `handle_timeout` is next worth calling. It is cheap, and `None` means
///   that only an input can change anything.
/// * `now` never goes backwards on its monotonic clock; if it does, the machine treats it as no
///   time having passed. The wall clock may jump.
/// * No input panics.
pub trait Machine {
    /// What the world tells the machine.
    type Input;
    /// What the machine asks of the world; always on behalf of one tenant.
    type Effect: Scoped;

    /// Takes one input.
    fn handle_input(&mut self, input: Self::Input, now: Now, effects: &mut Vec<Self::Effect>);

    /// Lets time pass.
    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Self::Effect>);

    /// When `handle_timeout` should be called next.
    fn poll_timeout(&self) -> Option<Now>;
}

/// Belongs to exactly one tenant.
///
/// Every effect of every [`Machine`] is scoped. That is the keystone of the project's tests:
/// `cofferdam_sim::assert_noninterference` runs a machine once on everybody's inputs and once on
/// each tenant's alone, and compares what each tenant sees. If B's presence changes anything for
/// A, the two differ (Goguen and Meseguer, "Security Policies and Security Models", 1982).
pub trait Scoped {
    /// Whose this is.
    fn tenant(&self) -> &TenantId;
}

impl<T: Scoped + ?Sized> Scoped for &T {
    fn tenant(&self) -> &TenantId {
        (**self).tenant()
    }
}

// Stages are kept behind `Arc<dyn ...>` by integrators; this stops compiling if that breaks.
const _: Option<&dyn Scoped> = None;
