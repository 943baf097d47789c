//! Policies: what a document becomes when it is compiled.

use std::{collections::BTreeSet, fmt, num::NonZeroU32, sync::Arc};

use cofferdam_core::{Scoped, TenantId};
use sha2::{Digest, Sha256};

use crate::{
    PolicyDocument, RedactionKey, Rule, Strategy, Target, Vault,
    action::{Action, Means},
    automata::{About, Automata},
    automaton::{Bounds, Ending},
    date,
    detect::DetectorSet,
    error::{CompileError, CompileFault, Place},
    key::push_text,
    path::{Path, Selector},
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
    residue_every: Option<NonZeroU32>,
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
            residue_every: None,
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

    /// The same limits, with one of so many events read again after it was redacted, and refused if
    /// a rule still finds something in it. Without debug assertions it is none at first; with them it is
    /// always each one. A policy that leaves out elements and finds others by their index reads none:
    /// there, those that moved up are found.
    #[must_use]
    pub fn with_residue_every(self, events: NonZeroU32) -> Self {
        Self { residue_every: Some(events), ..self }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            states: self.max_states,
            entries: self.max_table_entries,
            through_arrays: !self.exact_paths,
            ending: Ending::Fires,
        }
    }
}

/// A compiled redaction policy of one tenant. Immutable; share it behind an `Arc`, replace it whole.
pub struct Policy {
    tenant: TenantId,
    version: u32,
    effective_from: Option<i64>,
    ids: Box<[Option<Box<str>>]>,
    must_match: Box<[usize]>,
    actions: Box<[Action]>,
    /// Of all rules: where two reach one text, neither looks less because of the other.
    detectors: DetectorSet,
    automata: Automata,
    max_growth: usize,
    /// Whether what is left of an event shows for sure if something went by.
    shows_residue: bool,
    residue_every: Option<NonZeroU32>,
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
    /// slices, negative indices, `$` alone, a second `..`; a member where it means nothing; one path
    /// both hashed and shown in part; tokens, which need a vault; a dry run; and what exceeds `limits`.
    pub fn compile(
        document: &PolicyDocument,
        key: &RedactionKey,
        limits: PolicyLimits,
    ) -> Result<Self, CompileError> {
        Self::enforced(document, key, limits, None)
    }

    /// The same with a vault for what tokens stand for.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile).
    pub fn compile_with_vault(
        document: &PolicyDocument,
        key: &RedactionKey,
        limits: PolicyLimits,
        vault: &Arc<dyn Vault>,
    ) -> Result<Self, CompileError> {
        Self::enforced(document, key, limits, Some(vault))
    }

    fn enforced(
        document: &PolicyDocument,
        key: &RedactionKey,
        limits: PolicyLimits,
        vault: Option<&Arc<dyn Vault>>,
    ) -> Result<Self, CompileError> {
        if document.dry_run {
            return Err(CompileError::new(Place::DryRun, CompileFault::OnlyDryRun));
        }
        Self::new(document, key, limits, vault)
    }

    pub(crate) fn new(
        document: &PolicyDocument,
        key: &RedactionKey,
        limits: PolicyLimits,
        vault: Option<&Arc<dyn Vault>>,
    ) -> Result<Self, CompileError> {
        let tenant = TenantId::parse(&document.tenant_id)
            .map_err(|_| CompileError::new(Place::Tenant, CompileFault::InvalidTenantId))?;
        let rules = &document.redaction_rules;
        let refuse_rules = |fault| CompileError::new(Place::Rules, fault);
        if rules.len() > limits.max_rules {
            return Err(refuse_rules(CompileFault::TooManyRules));
        }
        let ids = ids(rules)?;
        let means = Means { tenant: &tenant, key, vault };
        let mut paths = Vec::with_capacity(rules.len());
        let mut actions = Vec::with_capacity(rules.len());
        for (at, rule) in rules.iter().enumerate() {
            let path = Path::parse(&rule.path, limits.max_path_bytes)
                .map_err(|fault| CompileError::new(Place::Rule(at, "path"), fault))?;
            actions.push(Action::new(rule, at, &path, &means)?);
            paths.push(path);
        }
        refuse_linked_and_shown(rules, &paths, &actions)?;
        let about = |rule: usize| match rules[rule].target {
            Target::Names => About::Names,
            Target::Value if rules[rule].detect.is_empty() => About::Values,
            Target::Value => About::Texts,
        };
        let decodes = rules.iter().map(|rule| rule.decode.is_some()).collect();
        let strength = |rule: usize| rules[rule].strategy;
        let automata = Automata::new(&paths, decodes, about, strength, limits.bounds())
            .map_err(refuse_rules)?;
        let detectors = rules.iter().flat_map(|rule| rule.detect.iter().copied()).collect();
        let must_match = (0..rules.len()).filter(|&rule| rules[rule].must_match).collect();
        Ok(Self {
            version: document.version.unwrap_or_else(|| version(document, key)),
            effective_from: effective_from(document)?,
            ids,
            must_match,
            tenant,
            actions: actions.into(),
            detectors,
            automata,
            max_growth: limits.max_growth,
            shows_residue: shows_residue(rules, &paths),
            residue_every: limits.residue_every,
        })
    }

    /// The same policy under a version number of the caller's own.
    #[must_use]
    pub fn with_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// The version that every redaction is recorded under. Unless the document or the caller set one it is
    /// derived from the tenant, the rules and the key's epoch: equal documents have equal versions.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// From when on it counts, in milliseconds since the Unix epoch: see [`Policies`](crate::Policies).
    #[must_use]
    pub fn effective_from(&self) -> Option<i64> {
        self.effective_from
    }

    /// What a rule is called, if its document says so.
    #[must_use]
    pub fn rule_id(&self, rule: usize) -> Option<&str> {
        self.ids.get(rule)?.as_deref()
    }

    /// The rules that have to find something: see [`Alarms`](crate::Alarms).
    #[must_use]
    pub fn must_match(&self) -> &[usize] {
        &self.must_match
    }

    pub(crate) fn automata(&self) -> &Automata {
        &self.automata
    }

    /// The action of a rule that fired.
    pub(crate) fn action(&self, rule: usize) -> &Action {
        &self.actions[rule]
    }

    /// What is looked for in texts that a rule reaches.
    pub(crate) fn detectors(&self) -> DetectorSet {
        self.detectors
    }

    pub(crate) fn rules(&self) -> usize {
        self.actions.len()
    }

    pub(crate) fn max_growth(&self) -> usize {
        self.max_growth
    }

    /// How often what is left of an event is read again.
    pub(crate) fn residue_every(&self) -> Option<u32> {
        // Where it costs nobody anything, each one.
        let every =
            if cfg!(debug_assertions) { Some(1) } else { self.residue_every.map(u32::from) };
        every.filter(|_| self.shows_residue)
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
        let (states, entries) = self.automata.size();
        f.debug_struct("Policy")
            .field("tenant", &self.tenant)
            .field("version", &self.version)
            .field("rules", &self.actions.len())
            .field("states", &states)
            .field("table_entries", &entries)
            .finish_non_exhaustive()
    }
}

fn ids(rules: &[Rule]) -> Result<Box<[Option<Box<str>>]>, CompileError> {
    let mut known = BTreeSet::new();
    let id = |(at, rule): (usize, &Rule)| {
        let Some(id) = &rule.id else { return Ok(None) };
        let length = id.chars().count();
        if !(1..=64).contains(&length) || id.contains(char::is_control) || !known.insert(id.clone())
        {
            return Err(CompileError::new(Place::Rule(at, "id"), CompileFault::InvalidId));
        }
        Ok(Some(Box::from(id.as_str())))
    };
    rules.iter().enumerate().map(id).collect()
}

fn effective_from(document: &PolicyDocument) -> Result<Option<i64>, CompileError> {
    let Some(text) = &document.effective_from else { return Ok(None) };
    let wall_ms = date::parse(text).and_then(|date| date.wall_ms);
    let refused = CompileError::new(Place::EffectiveFrom, CompileFault::InvalidDate);
    wall_ms.map(Some).ok_or(refused)
}

/// A digest and the last digits of one number together give most numbers away.
fn refuse_linked_and_shown(
    rules: &[Rule],
    paths: &[Path],
    actions: &[Action],
) -> Result<(), CompileError> {
    let mut by_path: Vec<usize> = (0..paths.len()).collect();
    by_path.sort_by_key(|&rule| &paths[rule]);
    for alike in by_path.chunk_by(|&a, &b| paths[a] == paths[b]) {
        let is_of_value = |rule: &&usize| {
            rules[**rule].target == Target::Value && rules[**rule].detect.is_empty()
        };
        let shown = alike.iter().filter(is_of_value).find(|rule| actions[**rule].shows());
        let linked = alike.iter().filter(is_of_value).any(|&rule| actions[rule].links());
        if let (Some(&rule), true) = (shown, linked) {
            let member = match actions[rule] {
                Action::Truncate(_) => "length",
                Action::Generalize(_) => "to",
                _ => "format",
            };
            let place = Place::Rule(rule, member);
            return Err(CompileError::new(place, CompileFault::HashedAndShown));
        }
    }
    Ok(())
}

/// Whether a rule finds in what is left only what was there before. Not where elements are left out and others
/// move up to their places, which a rule by index finds there; and not where names are changed, so that what
/// stands for a value is no longer at the place of its rule and is looked into like any string.
fn shows_residue(rules: &[Rule], paths: &[Path]) -> bool {
    let has_index = |path: &Path| {
        let mut selectors = path.segments.iter().flat_map(|segment| &segment.selectors);
        selectors.any(|selector| matches!(selector, Selector::Index(_)))
    };
    let any = |is_so: fn(&Rule) -> bool| rules.iter().any(is_so);
    let decodes = any(|rule| rule.decode.is_some());
    let leaves_out = decodes || any(|rule| rule.strategy == Strategy::Omit);
    let moves_up = leaves_out && paths.iter().any(has_index);
    let is_elsewhere = decodes && any(|rule| rule.target == Target::Names);
    !(moves_up || is_elsewhere)
}

fn version(document: &PolicyDocument, key: &RedactionKey) -> u32 {
    let mut text = Vec::new();
    push_text(&document.tenant_id, &mut text);
    text.extend_from_slice(&key.epoch().to_be_bytes());
    for rule in &document.redaction_rules {
        // Its own JSON has all of its members in one order; plain data is always JSON.
        push_text(&serde_json::to_string(rule).unwrap_or_default(), &mut text);
    }
    let digest = Sha256::digest(&text);
    digest.first_chunk().map_or(0, |head| u32::from_be_bytes(*head))
}
