//! Policies: what a document becomes when it is compiled.

use std::fmt;

use cofferdam_core::{Scoped, TenantId};
use sha2::{Digest, Sha256};

use crate::{
    PolicyDocument, RedactionKey, Rule, Strategy,
    automaton::{Automaton, Bounds},
    error::{CompileError, CompileFault, Place},
    key::{Hasher, push_text},
    mask::Mask,
    path::Path,
};

/// What a policy may be at most, and what it may make of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyLimits {
    max_rules: usize,
    max_path_bytes: usize,
    max_states: usize,
    max_table_entries: usize,
    max_growth: usize,
    exact_paths: bool,
}

/// 1,000 rules; paths of 512 bytes; 4,096 states and 4,194,304 table entries of two bytes; output
/// at most 256 KiB longer than the event.
impl Default for PolicyLimits {
    fn default() -> Self {
        Self {
            max_rules: 1_000,
            max_path_bytes: 512,
            max_states: 4_096,
            max_table_entries: 1 << 22,
            max_growth: 256 << 10,
            exact_paths: false,
        }
    }
}

impl PolicyLimits {
    /// The same limits with at most this many rules.
    #[must_use]
    pub fn with_max_rules(self, max_rules: usize) -> Self {
        Self { max_rules, ..self }
    }

    /// The same limits with paths of at most this many bytes.
    #[must_use]
    pub fn with_max_path_bytes(self, max_path_bytes: usize) -> Self {
        Self { max_path_bytes, ..self }
    }

    /// The same limits, with paths as RFC 9535 has them to the letter.
    ///
    /// Otherwise a name also looks through arrays: `$..caller.phoneNumber` finds the number in
    /// `"caller":[{"phoneNumber":"…"}]` too. Platforms turn an object into a list of them without a
    /// word, and what a letter-exact path then misses is a leak.
    #[must_use]
    pub fn with_exact_paths(self) -> Self {
        Self { exact_paths: true, ..self }
    }

    /// The same limits with at most this many states, and table entries (states times distinct
    /// names and indices) of two bytes each.
    #[must_use]
    pub fn with_max_table(self, max_states: usize, max_table_entries: usize) -> Self {
        Self { max_states, max_table_entries, ..self }
    }

    /// The same limits with output at most this many bytes longer than the event. A hash is longer
    /// than a small number, so an array of numbers could otherwise grow twentyfold.
    #[must_use]
    pub fn with_max_growth(self, max_growth: usize) -> Self {
        Self { max_growth, ..self }
    }
}

/// A compiled redaction policy of one tenant. Immutable; share it behind an `Arc`, replace it whole.
pub struct Policy {
    tenant: TenantId,
    version: u32,
    actions: Box<[Action]>,
    automaton: Automaton,
    max_growth: usize,
}

pub(crate) enum Action {
    Mask(Mask),
    Hash(Box<Hasher>),
    Omit,
}

impl Policy {
    /// Compiles a document.
    ///
    /// A path is RFC 9535, of these parts: `$`, children by name (`.a`, `['a']`, `["a"]`) and by
    /// index (`[0]`), `*`, unions of them, and one `..`; at most 16 segments. Names are compared
    /// exactly, after unescaping; there is no folding of case. Names look through arrays, unless
    /// the limits say otherwise ([`PolicyLimits::with_exact_paths`]).
    ///
    /// # Errors
    ///
    /// A [`CompileError`] for the first member that is at fault. Refused are filters, functions,
    /// slices, negative indices, `$` alone, a second `..`; a format or an algorithm where it means
    /// nothing; one path both hashed and masked with characters showing; and what exceeds `limits`.
    pub fn compile(
        document: &PolicyDocument,
        key: &RedactionKey,
        limits: PolicyLimits,
    ) -> Result<Self, CompileError> {
        let tenant = TenantId::parse(&document.tenant_id)
            .map_err(|_| CompileError::new(Place::Tenant, CompileFault::InvalidTenantId))?;
        let rules = &document.redaction_rules;
        let refuse_rules = |fault| CompileError::new(Place::Rules, fault);
        if rules.len() > limits.max_rules {
            return Err(refuse_rules(CompileFault::TooManyRules));
        }
        let mut paths = Vec::with_capacity(rules.len());
        let mut actions = Vec::with_capacity(rules.len());
        for (at, rule) in rules.iter().enumerate() {
            let path = Path::parse(&rule.path, limits.max_path_bytes)
                .map_err(|fault| CompileError::new(Place::Path(at), fault))?;
            actions.push(Action::new(rule, at, &path, &tenant, key)?);
            paths.push(path);
        }
        refuse_hashed_and_shown(&paths, &actions)?;
        let bounds = Bounds {
            states: limits.max_states,
            entries: limits.max_table_entries,
            through_arrays: !limits.exact_paths,
        };
        let automaton =
            Automaton::new(&paths, |rule| rules[rule].strategy, bounds).map_err(refuse_rules)?;
        Ok(Self {
            version: version(document, key),
            tenant,
            actions: actions.into(),
            automaton,
            max_growth: limits.max_growth,
        })
    }

    /// The same policy under a version number of the caller's own.
    #[must_use]
    pub fn with_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// The version that every redaction is recorded under. Unless the caller set one it is derived
    /// from the tenant, the rules and the key's epoch: equal documents have equal versions.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn automaton(&self) -> &Automaton {
        &self.automaton
    }

    /// The action of a rule that fired.
    pub(crate) fn action(&self, rule: usize) -> &Action {
        &self.actions[rule]
    }

    pub(crate) fn max_growth(&self) -> usize {
        self.max_growth
    }
}

impl Scoped for Policy {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// Shows sizes; neither keys nor paths.
impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (states, entries) = self.automaton.size();
        f.debug_struct("Policy")
            .field("tenant", &self.tenant)
            .field("version", &self.version)
            .field("rules", &self.actions.len())
            .field("states", &states)
            .field("table_entries", &entries)
            .finish_non_exhaustive()
    }
}

impl Action {
    fn new(
        rule: &Rule,
        at: usize,
        path: &Path,
        tenant: &TenantId,
        key: &RedactionKey,
    ) -> Result<Self, CompileError> {
        let refuse_format = |fault| CompileError::new(Place::Format(at), fault);
        let refuse_algorithm = |fault| CompileError::new(Place::Algorithm(at), fault);
        if rule.format.is_some() && rule.strategy != Strategy::Mask {
            return Err(refuse_format(CompileFault::InvalidFormat));
        }
        if rule.algorithm.is_some() && rule.strategy != Strategy::Hash {
            return Err(refuse_algorithm(CompileFault::InvalidAlgorithm));
        }
        match (rule.strategy, rule.algorithm.as_deref()) {
            (Strategy::Omit, _) => Ok(Self::Omit),
            (Strategy::Mask, _) => {
                Mask::parse(rule.format.as_deref()).map(Self::Mask).map_err(refuse_format)
            }
            // `SHA-256` names the hash inside the HMAC; there is no unkeyed hash to be had.
            (Strategy::Hash, None | Some("SHA-256" | "HMAC-SHA-256")) => {
                let hasher = key.hasher(tenant, &path.field());
                hasher.map(|hasher| Self::Hash(Box::new(hasher))).map_err(refuse_algorithm)
            }
            (Strategy::Hash, Some(_)) => Err(refuse_algorithm(CompileFault::InvalidAlgorithm)),
        }
    }
}

/// A digest and the last digits of one number together give most numbers away.
fn refuse_hashed_and_shown(paths: &[Path], actions: &[Action]) -> Result<(), CompileError> {
    let mut by_path: Vec<usize> = (0..paths.len()).collect();
    by_path.sort_by_key(|&rule| &paths[rule]);
    for rules in by_path.chunk_by(|&a, &b| paths[a] == paths[b]) {
        let shown = rules.iter().find(|&&rule| match &actions[rule] {
            Action::Mask(mask) => mask.shows(),
            Action::Hash(_) | Action::Omit => false,
        });
        let hashed = rules.iter().any(|&rule| matches!(actions[rule], Action::Hash(_)));
        if let (Some(&rule), true) = (shown, hashed) {
            return Err(CompileError::new(Place::Format(rule), CompileFault::HashedAndShown));
        }
    }
    Ok(())
}

fn version(document: &PolicyDocument, key: &RedactionKey) -> u32 {
    let mut text = Vec::new();
    push_text(&document.tenant_id, &mut text);
    text.extend_from_slice(&key.epoch().to_be_bytes());
    for rule in &document.redaction_rules {
        push_text(&rule.path, &mut text);
        text.push(rule.strategy as u8);
        for option in [&rule.format, &rule.algorithm] {
            text.push(option.is_some().into());
            push_text(option.as_deref().unwrap_or_default(), &mut text);
        }
    }
    let digest = Sha256::digest(&text);
    digest.first_chunk().map_or(0, |head| u32::from_be_bytes(*head))
}
