//! Policies that are tried before they count, and policies that follow one another.

use std::sync::Arc;

use cofferdam_core::{Now, Reason, Scoped, TenantId, pipeline::Redactions};

use crate::{
    CompileError, Policy, PolicyDocument, PolicyLimits, RedactionKey, Report, Scratch, Vault,
};

/// A policy that only says what it would do. It is no stage of the pipeline, so that nothing can be sent on
/// by it.
#[derive(Debug)]
pub struct DryRun {
    policy: Policy,
}

/// Takes everything and keeps nothing: what a dry run tokenizes is not kept anywhere.
#[derive(Debug)]
struct NoVault;

impl Vault for NoVault {
    fn keep(&self, _: &TenantId, _: &str, _: &[u8]) -> Result<(), crate::VaultFull> {
        Ok(())
    }
}

impl DryRun {
    /// Compiles a document, whether it is marked as a dry run or not.
    ///
    /// # Errors
    ///
    /// As [`Policy::compile`], but tokens need no vault.
    pub fn compile(
        document: &PolicyDocument,
        key: &RedactionKey,
        limits: PolicyLimits,
    ) -> Result<Self, CompileError> {
        let vault: Arc<dyn Vault> = Arc::new(NoVault);
        Policy::new(document, key, limits, Some(&vault)).map(|policy| Self { policy })
    }

    /// Says in `report` what would be done to an event.
    ///
    /// # Errors
    ///
    /// The reason why the policy would refuse the event.
    pub fn report(
        &self,
        event: &[u8],
        scratch: &mut Scratch,
        report: &mut Report,
    ) -> Result<Redactions, Reason> {
        self.policy.redact_and_report(event, &mut Vec::new(), scratch, report)
    }

    /// What a rule is called, if its document says so.
    #[must_use]
    pub fn rule_id(&self, rule: usize) -> Option<&str> {
        self.policy.rule_id(rule)
    }
}

impl Scoped for DryRun {
    fn tenant(&self) -> &TenantId {
        self.policy.tenant()
    }
}

/// The policies of one tenant, each from its date on.
#[derive(Debug, Clone)]
pub struct Policies {
    tenant: TenantId,
    /// In the order of their dates; those without one were always in force.
    by_date: Vec<Arc<Policy>>,
}

/// Policies of several tenants, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the policies of one tenant")]
pub struct NotOneTenant;

impl Policies {
    /// Puts policies in order. Of two with one date the later in the list counts.
    ///
    /// # Errors
    ///
    /// [`NotOneTenant`]
    pub fn new(policies: impl IntoIterator<Item = Arc<Policy>>) -> Result<Self, NotOneTenant> {
        let mut by_date: Vec<Arc<Policy>> = policies.into_iter().collect();
        let tenant = by_date.first().ok_or(NotOneTenant)?.tenant().clone();
        if by_date.iter().any(|policy| *policy.tenant() != tenant) {
            return Err(NotOneTenant);
        }
        by_date.sort_by_key(|policy| policy.effective_from());
        Ok(Self { tenant, by_date })
    }

    /// The policy in force. `None` before the first date: an event that nobody says how to redact goes
    /// nowhere.
    #[must_use]
    pub fn at(&self, now: Now) -> Option<&Arc<Policy>> {
        let begun = |policy: &&Arc<Policy>| {
            policy.effective_from().is_none_or(|from| from <= now.wall_ms())
        };
        self.by_date.iter().rev().find(begun)
    }
}

impl Scoped for Policies {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}
