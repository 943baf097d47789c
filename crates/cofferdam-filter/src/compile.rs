//! From a subscription document to a graph, or to the place in the document that is wrong.

use std::collections::BTreeMap;

use cofferdam_core::{TenantId, pipeline::RouteId};
use cofferdam_json::{Reader, Token};
use serde_json::Value;

use crate::{
    document::{Subscription, SubscriptionDocument},
    event_type::{PatternId, TypeTrie},
    graph::FilterGraph,
    interner::{Class, Interner, Kind},
    mapping::{Mapping, Scalar, Segment, Source},
    organisation::Organisation,
    path::{Field, Path, PathTree},
    rules::{Lists, Posting, ResidueBuilder, Residues},
};

/// Compiles subscription documents.
#[derive(Clone)]
pub struct Compiler {
    hash_key: [u8; 16],
    max_rules: usize,
    max_values: usize,
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at {pointer}")]
pub struct CompileError {
    pointer: String,
    fault: CompileFault,
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
        Self { hash_key, max_rules: 10_000, max_values: 1_000_000 }
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

    /// Compiles a document. `organisation` is the context's own id on the platform, in the form in
    /// which the mapping's organisation paths have it: events that name another are refused.
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
        let tenant = TenantId::parse(&document.tenant_id)
            .map_err(|_| at("/tenantId", CompileFault::InvalidTenant))?;
        if document.subscriptions.len() > self.max_rules {
            return Err(at("/subscriptions", CompileFault::TooManyRules));
        }
        let mut build = Build::new(self, mapping)?;
        for (index, subscription) in document.subscriptions.iter().enumerate() {
            build.rule(subscription, &format!("/subscriptions/{index}"))?;
        }
        build.finish(tenant, organisation).ok_or_else(|| at("", CompileFault::TooManyRules))
    }
}

impl core::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Compiler").field("max_rules", &self.max_rules).finish_non_exhaustive()
    }
}

fn at(pointer: &str, fault: CompileFault) -> CompileError {
    CompileError { pointer: String::from(pointer), fault }
}

struct Build<'m> {
    max_values: usize,
    mapping: &'m Mapping,
    paths: PathTree,
    interner: Interner,
    types: TypeTrie,
    type_fields: Vec<Field>,
    organisation: Vec<Field>,
    segments: Vec<(u16, Field)>,
    targets: Vec<String>,
    /// By target: its number.
    routes: BTreeMap<String, RouteId>,
    rules: Vec<Rule>,
}

/// A rule as it was written: a type that fits one of the patterns, and of each condition one class.
struct Rule {
    patterns: Box<[PatternId]>,
    conditions: Box<[Box<[Class]>]>,
    route: RouteId,
}

impl<'m> Build<'m> {
    fn new(compiler: &Compiler, mapping: &'m Mapping) -> Result<Self, CompileError> {
        let full = || at("", CompileFault::TooManyValues);
        let mut paths = PathTree::new();
        let mut watch = |list: &[Path]| {
            list.iter()
                .map(|path| paths.watch(path).ok_or_else(full))
                .collect::<Result<Vec<_>, _>>()
        };
        let type_fields = watch(&mapping.event_type)?;
        let organisation = watch(&mapping.organisation)?;
        Ok(Self {
            max_values: compiler.max_values,
            mapping,
            paths,
            interner: Interner::new(compiler.hash_key),
            types: TypeTrie::new(),
            type_fields,
            organisation,
            segments: Vec::new(),
            targets: Vec::new(),
            routes: BTreeMap::new(),
            rules: Vec::new(),
        })
    }

    fn rule(&mut self, subscription: &Subscription, pointer: &str) -> Result<(), CompileError> {
        let patterns = self
            .patterns(&subscription.event_type)
            .map_err(|fault| at(&format!("{pointer}/eventType"), fault))?;
        let mut conditions = Vec::with_capacity(subscription.filters.len());
        for (key, value) in &subscription.filters {
            let place = format!("{pointer}/filters/{}", key.replace('~', "~0").replace('/', "~1"));
            conditions.push(self.condition(key, value).map_err(|fault| at(&place, fault))?);
        }
        let route = self
            .target(&subscription.target_queue)
            .ok_or_else(|| at(&format!("{pointer}/targetQueue"), CompileFault::InvalidTarget))?;
        if self.interner.len() > self.max_values {
            return Err(at(pointer, CompileFault::TooManyValues));
        }
        self.rules.push(Rule { patterns, conditions: conditions.into(), route });
        Ok(())
    }

    fn patterns(&mut self, event_type: &str) -> Result<Box<[PatternId]>, CompileFault> {
        let mapping = self.mapping;
        let mut insert =
            |text: &str| self.types.insert(text).map_err(|_| CompileFault::InvalidEventType);
        match mapping.types.get(event_type) {
            Some(texts) => texts.iter().map(|text| insert(text)).collect(),
            None => insert(event_type).map(|pattern| Box::from([pattern])),
        }
    }

    /// The classes of which an event must show one, under any of the key's places.
    fn condition(&mut self, key: &str, value: &Value) -> Result<Box<[Class]>, CompileFault> {
        let fields = self.fields(key)?;
        let values = match value {
            Value::Array(values) if values.is_empty() => return Err(CompileFault::EmptyList),
            Value::Array(values) => values.as_slice(),
            scalar => core::slice::from_ref(scalar),
        };
        let names = self.mapping.values.get(key);
        let mut classes = Vec::with_capacity(values.len() * fields.len());
        for value in values {
            let named = names.zip(value.as_str()).and_then(|(names, name)| names.get(name));
            let also = named.into_iter().flatten().map(|Scalar(value)| value);
            for value in core::iter::once(value).chain(also) {
                let (kind, bytes) = scalar(value)?;
                for &field in &fields {
                    let class = self.interner.intern(field, kind, &bytes);
                    classes.push(class.ok_or(CompileFault::TooManyValues)?);
                }
            }
        }
        classes.sort_unstable();
        classes.dedup();
        // A mapping may know a key and no place for it.
        if classes.is_empty() { Err(CompileFault::InvalidKey) } else { Ok(classes.into()) }
    }

    fn fields(&mut self, key: &str) -> Result<Vec<Field>, CompileFault> {
        let mapping = self.mapping;
        let Some(sources) = mapping.keys.get(key) else {
            if key.split('.').any(str::is_empty) {
                return Err(CompileFault::InvalidKey);
            }
            let path = Path::Dotted(String::from(key));
            return Ok(vec![self.paths.watch(&path).ok_or(CompileFault::TooManyValues)?]);
        };
        sources
            .iter()
            .map(|source| self.source(source).ok_or(CompileFault::TooManyValues))
            .collect()
    }

    fn source(&mut self, source: &Source) -> Option<Field> {
        match source {
            Source::Path(path) => self.paths.watch(path),
            Source::Segment(Segment { type_segment }) => {
                let known = self.segments.iter().find(|(index, _)| index == type_segment);
                if let Some(&(_, field)) = known {
                    return Some(field);
                }
                let field = self.paths.new_field()?;
                self.segments.push((*type_segment, field));
                Some(field)
            }
        }
    }

    fn target(&mut self, target: &str) -> Option<RouteId> {
        let (scheme, rest) = target.split_once("://")?;
        let scheme_is_sound = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '+' | '-' | '.'));
        if !scheme_is_sound || rest.is_empty() || rest.chars().any(|c| c.is_control() || c == ' ') {
            return None;
        }
        if let Some(route) = self.routes.get(target) {
            return Some(*route);
        }
        let route = RouteId(u32::try_from(self.targets.len()).ok()?);
        self.targets.push(String::from(target));
        self.routes.insert(String::from(target), route);
        Some(route)
    }

    /// `None` if there are more rules than can be numbered.
    fn finish(self, tenant: TenantId, organisation: Option<&str>) -> Option<FilterGraph> {
        let (residues, by_pattern, by_class) = self.file()?;
        Some(FilterGraph {
            tenant,
            targets: self.targets,
            paths: self.paths,
            interner: self.interner,
            types: self.types,
            type_fields: self.type_fields,
            segments: self.segments,
            organisation: self.organisation,
            own_organisation: organisation.map(Organisation::new),
            rule_count: self.rules.len(),
            residues,
            by_pattern,
            by_class,
        })
    }

    /// Files each rule under its types or under the values of one condition, whichever's most
    /// popular member the fewest rules name.
    fn file(&self) -> Option<(Residues, Lists, Lists)> {
        let mut types = vec![0u32; self.types.len()];
        let mut values = vec![0u32; self.interner.len()];
        for rule in &self.rules {
            rule.patterns.iter().for_each(|pattern| types[pattern.0 as usize] += 1);
            rule.conditions.iter().flatten().for_each(|class| values[class.0 as usize] += 1);
        }
        let crowd = |any_of: &[Class]| any_of.iter().map(|c| values[c.0 as usize]).max();
        let mut residues = ResidueBuilder::default();
        let (mut by_pattern, mut by_class) = (Vec::new(), Vec::new());
        for rule in &self.rules {
            let mut conditions: Vec<&[Class]> = rule.conditions.iter().map(AsRef::as_ref).collect();
            let best = conditions.iter().enumerate();
            let best = best.min_by_key(|(_, any_of)| (crowd(any_of), any_of.len()));
            let by_type = rule.patterns.iter().map(|p| types[p.0 as usize]).max();
            let route = rule.route;
            if let Some((own, _)) = best.filter(|(_, any_of)| crowd(any_of) < by_type) {
                let any_of = conditions.remove(own);
                let residue = residues.add(&rule.patterns, &conditions)?;
                by_class.extend(any_of.iter().map(|c| (c.0, Posting { residue, route })));
            } else {
                let residue = residues.add(&[], &conditions)?;
                by_pattern.extend(rule.patterns.iter().map(|p| (p.0, Posting { residue, route })));
            }
        }
        let by_pattern = Lists::new(types.len(), by_pattern);
        Some((residues.finish(), by_pattern, Lists::new(values.len(), by_class)))
    }
}

/// A rule's value in the form that events' values are compared in.
fn scalar(value: &Value) -> Result<(Kind, Vec<u8>), CompileFault> {
    match value {
        Value::String(text) => Ok((Kind::String, text.clone().into_bytes())),
        Value::Bool(value) => Ok((Kind::Literal, value.to_string().into_bytes())),
        Value::Null => Ok((Kind::Literal, b"null".to_vec())),
        Value::Number(number) => {
            let text = number.to_string();
            let Ok(Some(Token::Number(number))) = Reader::new(text.as_bytes()).next() else {
                return Err(CompileFault::InvalidValue);
            };
            let mut canonical = Vec::new();
            number.canonical_into(&mut canonical);
            Ok((Kind::Number, canonical))
        }
        Value::Array(_) | Value::Object(_) => Err(CompileFault::InvalidValue),
    }
}
