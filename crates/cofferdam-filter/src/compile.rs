//! From a subscription document to a graph, or to the place in the document that is wrong.

use std::{borrow::Cow, sync::Arc};

use cofferdam_core::{TenantId, pipeline::RouteId};
use cofferdam_json::{Reader, Token};
use serde_json::Value;

use crate::{
    document::{Subscription, SubscriptionDocument},
    filing::{Crowds, Rules},
    graph::FilterGraph,
    interner::Kind,
    layer::Layer,
    live::LiveRules,
    mapping::Mapping,
    numbers::Building,
    targets::Targets,
    translate::{Rule, Translator},
};

/// How many classes event patterns may name for each value and for each rule that a compiler takes: the
/// terms of an `$or` name what they have in common over and over.
const PARTS_A_VALUE: usize = 8;
const PARTS_A_RULE: usize = 64;

/// Compiles subscription documents.
#[derive(Clone)]
pub struct Compiler {
    pub(crate) hash_key: [u8; 16],
    pub(crate) max_rules: usize,
    pub(crate) max_values: usize,
    pub(crate) max_steps: usize,
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at {}", if pointer.is_empty() { "the whole" } else { pointer })]
pub struct CompileError {
    pub(crate) pointer: String,
    pub(crate) fault: CompileFault,
}

impl CompileError {
    /// The place in the document, as a JSON pointer (RFC 6901).
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What is wrong there.
    #[must_use]
    pub fn fault(&self) -> CompileFault {
        self.fault
    }
}

/// A kind of mistake in a subscription document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileFault {
    /// Not a tenant id.
    #[error("not a tenant id")]
    InvalidTenant,
    /// Neither a known type nor a pattern.
    #[error("not an event type or pattern")]
    InvalidEventType,
    /// Not a scalar or a list of scalars.
    #[error("not a value or a list of values")]
    InvalidValue,
    /// An empty list: it would match nothing, or, misread, everything.
    #[error("an empty list of values")]
    EmptyList,
    /// An empty key or path segment.
    #[error("not a filter key")]
    InvalidKey,
    /// Not a URL: `scheme://rest`.
    #[error("not a target url")]
    InvalidTarget,
    /// Neither an event type nor an event pattern, or both of them.
    #[error("not either an event type or an event pattern")]
    EitherTypeOrPattern,
    /// Filters beside an event pattern, which has its own.
    #[error("filters beside an event pattern")]
    FiltersBesidePattern,
    /// An object without members: it would match everything.
    #[error("an empty event pattern")]
    EmptyPattern,
    /// Neither a condition, nor a list of them, nor a pattern, as EventBridge has these.
    #[error("not a condition of an event pattern")]
    InvalidCondition,
    /// More than a thousand terms of `$or`, or more steps for one value than this compiler takes.
    #[error("costs more than is allowed")]
    TooCostly,
    /// More rules than this compiler takes.
    #[error("too many rules")]
    TooManyRules,
    /// More values or fields than this compiler takes.
    #[error("too many values")]
    TooManyValues,
}

impl Compiler {
    /// A compiler of up to 10,000 rules and 1,000,000 values; a value counts once for each path of
    /// its key. The hash key must be random and secret: it keeps values from being chosen so that
    /// they collide.
    #[must_use]
    pub const fn new(hash_key: [u8; 16]) -> Self {
        Self { hash_key, max_rules: 10_000, max_values: 1_000_000, max_steps: 4_096 }
    }

    /// The same compiler with another bound on the rules of one document.
    #[must_use]
    pub const fn with_max_rules(mut self, max_rules: usize) -> Self {
        self.max_rules = max_rules;
        self
    }

    /// The same compiler with another bound on the values of one document. Each takes some 70 bytes and
    /// its own length.
    #[must_use]
    pub const fn with_max_values(mut self, max_values: usize) -> Self {
        self.max_values = max_values;
        self
    }

    /// The same compiler with another bound on the steps that one value of an event may cost beyond what
    /// its length does: 4,096 at first. An event may take 64 times as many, and 32 more for each of its bytes;
    /// one that would take more is refused. Event patterns cost such steps, and types with wildcards: a range, an address block or
    /// an `anything-but` one each, and so does each pattern for objects that is looked at because of the
    /// value; a wildcard sixteen. Equal values, prefixes and suffixes cost next to nothing.
    #[must_use]
    pub const fn with_max_steps(mut self, max_steps: usize) -> Self {
        self.max_steps = max_steps;
        self
    }

    /// Compiles a document. `organisation` is the context's own id on the platform, in the form in
    /// which the mapping's organisation paths have it: events that name another are refused. A mapping
    /// without such paths refuses none.
    ///
    /// # Errors
    ///
    /// [`CompileError`] with the place of the first mistake.
    pub fn compile(
        &self,
        document: &SubscriptionDocument,
        mapping: &Mapping,
        organisation: Option<&str>,
    ) -> Result<FilterGraph, CompileError> {
        self.compile_all(document, mapping, organisation).map(|compiled| compiled.graph)
    }

    /// Compiles a document whose rules change from time to time: see [`LiveRules`].
    ///
    /// # Errors
    ///
    /// [`CompileError`] with the place of the first mistake.
    pub fn compile_live(
        &self,
        document: &SubscriptionDocument,
        mapping: Mapping,
        organisation: Option<&str>,
    ) -> Result<LiveRules, CompileError> {
        let compiled = self.compile_all(document, &mapping, organisation)?;
        Ok(LiveRules::new(self.clone(), mapping, document, compiled))
    }

    fn compile_all(
        &self,
        document: &SubscriptionDocument,
        mapping: &Mapping,
        organisation: Option<&str>,
    ) -> Result<Compiled, CompileError> {
        if document.subscriptions.len() > self.max_rules {
            return Err(at("/subscriptions", CompileFault::TooManyRules));
        }
        let mut reading = Reading::new(self, mapping, organisation)?;
        document.subscriptions.iter().try_for_each(|subscription| reading.add(subscription))?;
        reading.finish(&document.tenant_id)
    }

    pub(crate) const fn max_parts(&self) -> usize {
        let of_values = PARTS_A_VALUE.saturating_mul(self.max_values);
        of_values.saturating_add(PARTS_A_RULE.saturating_mul(self.max_rules))
    }

    /// What a subscription asks, and where its events go. `pointer` is where it stands; of a mistake it
    /// becomes where that stands.
    pub(crate) fn read(
        &self,
        subscription: &Subscription,
        mapping: &Mapping,
        numbers: &mut Building,
        targets: &mut Targets,
        pointer: &mut String,
    ) -> Result<(Rule, RouteId), CompileFault> {
        let here = pointer.len();
        let rule = Translator { mapping, numbers }.rule(subscription, pointer)?;
        pointer.truncate(here);
        let Some(route) = targets.number(&subscription.target_queue) else {
            pointer.push_str("/targetQueue");
            return Err(CompileFault::InvalidTarget);
        };
        if numbers.interner.len() > self.max_values {
            return Err(CompileFault::TooManyValues);
        }
        Ok((rule, route))
    }
}

/// Rules that are read one by one and filed together.
pub(crate) struct Reading<'r> {
    compiler: &'r Compiler,
    mapping: &'r Mapping,
    numbers: Building,
    rules: Rules,
    targets: Targets,
    count: usize,
    within: String,
}

impl<'r> Reading<'r> {
    pub(crate) fn new(
        compiler: &'r Compiler,
        mapping: &'r Mapping,
        organisation: Option<&str>,
    ) -> Result<Self, CompileError> {
        Ok(Self {
            compiler,
            mapping,
            numbers: Building::new(compiler, mapping, organisation)?,
            rules: Rules::default(),
            targets: Targets::default(),
            count: 0,
            within: String::new(),
        })
    }

    pub(crate) fn add(&mut self, subscription: &Subscription) -> Result<(), CompileError> {
        let Self { compiler, mapping, numbers, rules, targets, count, within } = self;
        if *count == compiler.max_rules {
            return Err(at("/subscriptions", CompileFault::TooManyRules));
        }
        within.clear();
        let (rule, route) = compiler
            .read(subscription, mapping, numbers, targets, within)
            .map_err(|fault| at(&format!("/subscriptions/{count}{within}"), fault))?;
        rules.push(rule, route);
        *count += 1;
        if rules.parts() + numbers.parts > compiler.max_parts() {
            return Err(at("/subscriptions", CompileFault::TooManyValues));
        }
        Ok(())
    }

    pub(crate) fn finish(self, tenant: &str) -> Result<Compiled, CompileError> {
        let Self { compiler, numbers, rules, mut targets, count, .. } = self;
        let tenant =
            TenantId::parse(tenant).map_err(|_| at("/tenantId", CompileFault::InvalidTenant))?;
        let parts = rules.parts() + numbers.parts;
        let (shape, filed, crowds) =
            numbers.file(compiler, &rules).map_err(|fault| at("/subscriptions", fault))?;
        let graph = FilterGraph {
            tenant,
            targets: Arc::new(targets.take()),
            more_targets: Vec::new(),
            shape,
            layers: vec![Layer { filed: Arc::new(filed), gone: Arc::default() }],
            rule_count: count,
        };
        Ok(Compiled { graph, crowds, targets, parts })
    }
}

/// A graph, and by what its rules were filed.
pub(crate) struct Compiled {
    pub(crate) graph: FilterGraph,
    pub(crate) crowds: Crowds,
    /// Without their list, which the graph has.
    pub(crate) targets: Targets,
    /// How many classes its event patterns name together.
    pub(crate) parts: usize,
}

impl core::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Compiler").field("max_rules", &self.max_rules).finish_non_exhaustive()
    }
}

pub(crate) fn at(pointer: &str, fault: CompileFault) -> CompileError {
    CompileError { pointer: String::from(pointer), fault }
}

/// A rule's value in the form that events' values are compared in.
pub(crate) fn scalar(value: &Value) -> Result<(Kind, Cow<'_, [u8]>), CompileFault> {
    match value {
        Value::String(text) => Ok((Kind::String, text.as_bytes().into())),
        Value::Bool(true) => Ok((Kind::Literal, b"true".into())),
        Value::Bool(false) => Ok((Kind::Literal, b"false".into())),
        Value::Null => Ok((Kind::Literal, b"null".into())),
        Value::Number(number) => {
            let text = number.to_string();
            let Ok(Some(Token::Number(number))) = Reader::new(text.as_bytes()).next() else {
                return Err(CompileFault::InvalidValue);
            };
            let mut canonical = Vec::new();
            number.canonical_into(&mut canonical);
            Ok((Kind::Number, canonical.into()))
        }
        Value::Array(_) | Value::Object(_) => Err(CompileFault::InvalidValue),
    }
}
