//! Why a policy did not compile, and where in its document.

use std::fmt;

/// A redaction policy was refused: which member of the document, and why.
///
/// It shows positions and kinds, never a byte of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct CompileError {
    place: Place,
    fault: CompileFault,
}

/// The member of the document that is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Document,
    Tenant,
    Rules,
    EffectiveFrom,
    DryRun,
    /// A member of a rule.
    Rule(usize, &'static str),
}

impl CompileError {
    pub(crate) const fn new(place: Place, fault: CompileFault) -> Self {
        Self { place, fault }
    }

    /// Why.
    #[must_use]
    pub fn fault(&self) -> CompileFault {
        self.fault
    }

    /// The rule at fault, counted from zero; `None` if it is not about one rule.
    #[must_use]
    pub fn rule(&self) -> Option<usize> {
        match self.place {
            Place::Rule(rule, _) => Some(rule),
            _ => None,
        }
    }

    /// The member at fault as a JSON pointer (RFC 6901) into the document.
    #[must_use]
    pub fn pointer(&self) -> String {
        match self.place {
            Place::Document => String::new(),
            Place::Tenant => "/tenantId".to_owned(),
            Place::EffectiveFrom => "/effectiveFrom".to_owned(),
            Place::DryRun => "/dryRun".to_owned(),
            Place::Rules => "/redactionRules".to_owned(),
            Place::Rule(rule, member) => format!("/redactionRules/{rule}/{member}"),
        }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Document => write!(f, "the policy document: {}", self.fault),
            _ => write!(f, "{}: {}", self.pointer(), self.fault),
        }
    }
}

/// The kinds of fault that keep a policy from compiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileFault {
    /// Not sound JSON: see [`cofferdam_json::check`].
    #[error("{0}")]
    Json(cofferdam_json::Fault),
    /// Sound JSON, but with a member missing, unknown or of another type.
    #[error("not a redaction policy, at line {line} column {column}")]
    NotAPolicy {
        /// Counted from one.
        line: usize,
        /// Counted from one, in bytes.
        column: usize,
    },
    /// `tenantId` is not a tenant id.
    #[error("not a tenant id")]
    InvalidTenantId,
    /// More rules than the limit.
    #[error("too many rules")]
    TooManyRules,
    /// Not an RFC 9535 JSONPath.
    #[error("not an rfc 9535 jsonpath")]
    MalformedPath,
    /// A longer path than the limit.
    #[error("a path that is too long")]
    PathTooLong,
    /// More than 16 segments.
    #[error("a path of too many segments")]
    TooManySegments,
    /// More than one `..` in one path.
    #[error("more than one descendant segment in a path")]
    TooManyDescents,
    /// A filter selector (`?`), and with it every function.
    #[error("filters are not supported in a redaction path")]
    FilterSelector,
    /// An array slice (`1:3`).
    #[error("slices are not supported in a redaction path")]
    SliceSelector,
    /// An index counted from the end, which one pass cannot know when it gets there.
    #[error("negative indices are not supported in a redaction path")]
    NegativeIndex,
    /// The path `$`: what is left would be no event.
    #[error("a path that selects the whole event")]
    SelectsRoot,
    /// A `format` with nothing in it, over 64 characters, with a control character, or on a rule
    /// that does not mask.
    #[error("not a mask format, or not a mask rule")]
    InvalidFormat,
    /// An `algorithm` that is neither `SHA-256` nor `HMAC-SHA-256`, or on a rule that does not hash.
    #[error("not an algorithm that hashing offers, or not a hash rule")]
    InvalidAlgorithm,
    /// A `value` that is a list or an object, or longer than 256 bytes, or on a rule that does not replace.
    #[error("not a value to replace others with, or not a replace rule")]
    InvalidValue,
    /// A `length` that is not 1 to 64, missing, or on a rule that does not truncate.
    #[error("not a length to truncate to, or not a truncate rule")]
    InvalidLength,
    /// A `to` that is missing, a band of no width, or on a rule that does not generalize.
    #[error("nothing to generalize to, or not a generalize rule")]
    InvalidGeneral,
    /// An `id` that is empty, longer than 64 characters or not printable, or that stands twice.
    #[error("not an id, or the id of another rule")]
    InvalidId,
    /// Names that would be masked, or otherwise made alike: two members of one name are no event.
    #[error("names can only be hashed or tokenized")]
    NotForNames,
    /// Detectors for names, which are treated whole.
    #[error("detectors look into texts, not names")]
    DetectsNames,
    /// Tokens without a vault that keeps what they stand for.
    #[error("tokens need a vault")]
    NoVault,
    /// Not a date and time as RFC 3339 has it.
    #[error("not an rfc 3339 date and time")]
    InvalidDate,
    /// A document that is only to be tried: see [`DryRun`](crate::DryRun).
    #[error("a dry run is no policy")]
    OnlyDryRun,
    /// One field both hashed and masked with characters showing: the two recombine (PCI DSS 3.5.1.1).
    #[error("one field both hashed and partly shown")]
    HashedAndShown,
    /// The rules together need more states, more memory or more work than the limit.
    #[error("rules that are too complex together")]
    TooComplex,
    /// No key could be derived.
    #[error("no key could be derived")]
    KeyDerivation,
}
