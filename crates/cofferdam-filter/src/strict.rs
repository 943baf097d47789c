//! The pipeline's strict check, as a stage.

use cofferdam_core::{Reason, TenantId, pipeline::Validate};
use cofferdam_json::{Fault, Limits, Scratch, check};

/// Accepts an event that [`cofferdam_json::check`] accepts; the same for every tenant.
#[derive(Debug, Clone, Copy, Default)]
pub struct StrictJson {
    limits: Limits,
}

impl StrictJson {
    /// A check with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Validate for StrictJson {
    type Scratch = Scratch;

    fn validate(&self, _: &TenantId, event: &[u8], scratch: &mut Scratch) -> Result<(), Reason> {
        check(event, &self.limits, scratch).map_err(reason)
    }
}

pub(crate) fn reason(fault: Fault) -> Reason {
    match fault {
        Fault::InvalidText => Reason::InvalidText,
        Fault::DuplicateName => Reason::DuplicateName,
        Fault::TooDeep => Reason::TooDeep,
        Fault::NumberOutOfRange => Reason::NumberOutOfRange,
        Fault::TooLarge => Reason::TooLarge,
        _ => Reason::Malformed,
    }
}
