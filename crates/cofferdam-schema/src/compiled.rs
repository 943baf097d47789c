//! One schema, from its document to the validator that judges events.

use std::{fmt, hash::Hasher};

use cofferdam_json::{Fault, Limits, Scratch, check};
use jsonschema::{PatternOptions, Validator, error::ValidationErrorKind};
use referencing::{Draft, Registry};
use serde_json::Value;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::{
    error::{RegisterError, RegisterFault},
    graph::{self, Graph},
    key::SchemaKey,
    keywords,
    pointer::Pointer,
    policy::Policy,
    price::Price,
    tree::{self, DEPTHS},
};

/// The most bytes of a schema document.
const MAX_BYTES: usize = 1 << 20;
/// The most bytes of one compiled regular expression.
const PATTERN_BYTES: usize = 1 << 17;

/// A schema as it is handed to the [registry](crate::Registry).
///
/// ```
/// use cofferdam_schema::{Policy, Registration, SchemaKey};
///
/// let key = SchemaKey::new("genesys-cloud", "v2.users.{id}.presence", "2")?;
/// let schema = br#"{"type":"object","properties":{"source":{"type":"string"}}}"#;
/// let registration = Registration::new(key, schema).policy(Policy::Tolerant).critical("/source");
/// # let _ = registration;
/// # Ok::<(), cofferdam_schema::InvalidKey>(())
/// ```
#[derive(Clone)]
pub struct Registration<'d> {
    pub(crate) key: SchemaKey,
    document: &'d [u8],
    pub(crate) policy: Policy,
    critical: Vec<&'d str>,
    resources: Vec<(&'d str, &'d [u8])>,
    formats: Option<bool>,
    any_keyword: bool,
}

impl<'d> Registration<'d> {
    /// A schema document under its key, with the policy [`Strict`](Policy::Strict).
    ///
    /// `$schema` says which draft it is of; without one it is of 2020-12.
    #[must_use]
    pub const fn new(key: SchemaKey, document: &'d [u8]) -> Self {
        Self {
            key,
            document,
            policy: Policy::Strict,
            critical: Vec::new(),
            resources: Vec::new(),
            formats: None,
            any_keyword: false,
        }
    }

    /// A schema document whose `$id` is its event type, as those of Genesys Cloud that are derived from
    /// its SDK are: `v2.users.{id}.presence`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] if the document is not sound JSON or has no `$id` that is an event type.
    pub fn named_by_id(
        platform: &str,
        version: &str,
        document: &'d [u8],
    ) -> Result<Self, RegisterError> {
        let no_type = || RegisterError::new("/$id", RegisterFault::NoEventType);
        let value = read(document, "")?;
        let id = value.get("$id").and_then(Value::as_str).ok_or_else(no_type)?;
        let key = SchemaKey::new(platform, id, version).map_err(|_| no_type())?;
        Ok(Self::new(key, document))
    }

    /// What becomes of events that do not fit.
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// A field that must be there, be a text or an integer, and fit, whatever the policy: a JSON pointer
    /// into what the schema judges. No other name beside it may differ from it in upper and lower
    /// case alone.
    #[must_use]
    pub fn critical(mut self, pointer: &'d str) -> Self {
        self.critical.push(pointer);
        self
    }

    /// Another document that the schema refers to by this URI.
    #[must_use]
    pub fn resource(mut self, uri: &'d str, document: &'d [u8]) -> Self {
        self.resources.push((uri, document));
        self
    }

    /// Whether `format` is asserted. Unless this says so, it is up to draft 7 and is not from 2019-09 on.
    #[must_use]
    pub const fn formats(mut self, asserted: bool) -> Self {
        self.formats = Some(asserted);
        self
    }

    /// Lets keywords pass that no draft knows. A misspelt one then silently judges nothing.
    #[must_use]
    pub const fn any_keyword(mut self) -> Self {
        self.any_keyword = true;
        self
    }

    /// Checks, prices and compiles.
    pub(crate) fn compile(
        &self,
        shared: bool,
        price_limit: u64,
    ) -> Result<Compiled, RegisterError> {
        let root = self.document_value()?;
        let resources = self.resources.iter().map(|(uri, document)| {
            let at = format!("{uri}#");
            read(document, &at).map(|value| (*uri, value))
        });
        let resources: Vec<(&str, Value)> = resources.collect::<Result<_, _>>()?;
        let draft = self.draft(&root)?;
        if !self.any_keyword {
            keywords::lint(&root, draft, "")?;
            for (uri, document) in &resources {
                keywords::lint(document, draft.detect(document), &format!("{uri}#"))?;
            }
        }
        let others = others(&resources, draft)?;
        let all = others.add(graph::BASE, draft.create_resource_ref(&root)).map_err(unresolved)?;
        let all = all.draft(draft).prepare().map_err(unresolved)?;
        let given = resources.iter().map(|(uri, value)| (*uri, value));
        let mut graph = graph::walk(&all, &root, given, draft)?;
        let price = Price::of(&graph, price_limit)?;
        graph.nodes.iter_mut().for_each(|node| node.at = String::new());
        let critical = self.critical.iter().map(|text| Pointer::parse(text));
        let critical = critical
            .collect::<Result<_, _>>()
            .map_err(|_| RegisterError::new("", RegisterFault::InvalidPointer))?;
        let validator = self.build(&root, &others, draft)?;
        Ok(Compiled {
            key: self.key.clone(),
            shared,
            policy: self.policy,
            critical,
            digest: fingerprint(self),
            price,
            graph,
            validator,
        })
    }

    fn document_value(&self) -> Result<Value, RegisterError> {
        let mut root = read(self.document, "")?;
        // An event type is no URI, and what a document is called matters to others alone.
        if let Some(members) = root.as_object_mut()
            && members.get("$id").and_then(Value::as_str) == Some(self.key.event_type())
        {
            members.remove("$id");
        }
        Ok(root)
    }

    /// The document's draft. Meta-schemas of one's own pass if they are among the resources.
    fn draft(&self, root: &Value) -> Result<Draft, RegisterError> {
        let draft = Draft::default().detect(root);
        let own = root.get("$schema").and_then(Value::as_str);
        let is_given = |uri: &str| self.resources.iter().any(|(given, _)| *given == uri);
        if draft == Draft::Unknown && !own.is_some_and(is_given) {
            return Err(RegisterError::new("/$schema", RegisterFault::UnknownDraft));
        }
        Ok(draft)
    }

    fn build(
        &self,
        root: &Value,
        others: &Registry<'_>,
        draft: Draft,
    ) -> Result<Validator, RegisterError> {
        let patterns =
            PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        let mut options =
            jsonschema::options().offline().with_registry(others).with_pattern_options(patterns);
        if draft != Draft::Unknown {
            options = options.with_draft(draft);
        }
        if let Some(asserted) = self.formats {
            options = options.should_validate_formats(asserted);
        }
        options.build(root).map_err(|error| {
            let fault = match error.kind() {
                ValidationErrorKind::Referencing(_) => RegisterFault::UnresolvedReference,
                ValidationErrorKind::Pattern { .. }
                | ValidationErrorKind::RegexEngineFailure { .. } => {
                    RegisterFault::UnsupportedPattern
                }
                ValidationErrorKind::Format { format } if format == "regex" => {
                    RegisterFault::UnsupportedPattern
                }
                _ => RegisterFault::InvalidSchema,
            };
            RegisterError::new(error.instance_path().as_str(), fault)
        })
    }
}

fn unresolved(_: referencing::Error) -> RegisterError {
    RegisterError::new("", RegisterFault::UnresolvedReference)
}

/// The documents that a schema of this draft refers to; one that does not say of which draft it is is
/// of the same.
fn others<'r>(
    resources: &'r [(&'r str, Value)],
    draft: Draft,
) -> Result<Registry<'r>, RegisterError> {
    let pairs =
        resources.iter().map(|(uri, value)| (*uri, draft.detect(value).create_resource_ref(value)));
    Registry::new().extend(pairs).map_err(unresolved)?.prepare().map_err(unresolved)
}

/// Reads a schema document as strictly as an event.
fn read(document: &[u8], at: &str) -> Result<Value, RegisterError> {
    let refuse = |fault| RegisterError::new(at, fault);
    let limits = Limits::new(MAX_BYTES, u32::MAX);
    // The key of the table of names guards against crafted collisions; an operator's document is bounded
    // in size and read once.
    check(document, &limits, &mut Scratch::new(*b"schema document "))
        .map_err(|fault: Fault| refuse(RegisterFault::Json(fault)))?;
    tree::read(document, &mut [0; DEPTHS]).map_err(|_| refuse(RegisterFault::TooLarge))
}

/// What tells two registrations under one key apart. Whoever could make two documents of one hash is
/// the one who registers both.
fn fingerprint(registration: &Registration<'_>) -> u128 {
    let mut hash = SipHasher24::new();
    let mut put = |bytes: &[u8]| {
        hash.write_u64(bytes.len() as u64);
        hash.write(bytes);
    };
    put(registration.document);
    registration.critical.iter().for_each(|pointer| put(pointer.as_bytes()));
    for (uri, document) in &registration.resources {
        put(uri.as_bytes());
        put(document);
    }
    put(format!("{:?} {:?}", registration.policy, registration.formats).as_bytes());
    hash.finish128().as_u128()
}

/// Shows what it is for, not the documents.
impl fmt::Debug for Registration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A schema that judges.
pub(crate) struct Compiled {
    pub(crate) key: SchemaKey,
    /// Whether it is on everybody's shelf.
    pub(crate) shared: bool,
    pub(crate) policy: Policy,
    pub(crate) critical: Vec<Pointer>,
    digest: u128,
    pub(crate) price: Price,
    pub(crate) graph: Graph,
    pub(crate) validator: Validator,
}

impl Compiled {
    /// Whether a registration says what this one said.
    pub(crate) fn is_of(&self, registration: &Registration<'_>) -> bool {
        self.digest == fingerprint(registration)
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("key", &self.key).finish_non_exhaustive()
    }
}
