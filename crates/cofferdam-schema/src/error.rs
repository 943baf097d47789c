//! Why a schema was not registered, and where in its document.

use std::fmt;

/// A schema was refused: why, and the place in its document.
///
/// The place is made of the document's own names, so it belongs to whoever wrote the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RegisterError {
    pub(crate) pointer: String,
    pub(crate) fault: RegisterFault,
}

impl RegisterError {
    pub(crate) fn new(pointer: impl Into<String>, fault: RegisterFault) -> Self {
        let mut pointer = pointer.into();
        // A pointer through a document that was made to have long ones is of no use to a reader.
        if pointer.len() > MAX_POINTER {
            let is_end = |at: &usize| pointer.is_char_boundary(*at);
            let end = (0..=MAX_POINTER).rev().find(is_end).unwrap_or(0);
            pointer.truncate(end);
            pointer.push('…');
        }
        Self { pointer, fault }
    }

    /// Why.
    #[must_use]
    pub fn fault(&self) -> RegisterFault {
        self.fault
    }

    /// The place as a JSON pointer (RFC 6901) into the document, empty for the whole of it; behind
    /// `uri#` where it is in a document that the schema refers to.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }
}

const MAX_POINTER: usize = 1_024;

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => write!(f, "the schema document: {}", self.fault),
            pointer => write!(f, "{pointer}: {}", self.fault),
        }
    }
}

/// The kinds of fault that keep a schema out of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterFault {
    /// Not sound JSON: see [`cofferdam_json::check`]. Schema documents are objects.
    #[error("{0}")]
    Json(cofferdam_json::Fault),
    /// More values than a document may have.
    #[error("a schema document of too many values")]
    TooLarge,
    /// `$schema` names no draft that is known (4, 6, 7, 2019-09, 2020-12).
    #[error("an unknown draft of json schema")]
    UnknownDraft,
    /// A keyword that no draft knows, which would be silently ignored. Names that begin with `x-` pass.
    #[error("an unknown keyword")]
    UnknownKeyword,
    /// A keyword's value is not of the form that the draft's meta-schema asks for.
    #[error("a keyword of the wrong form")]
    InvalidSchema,
    /// A `pattern` that the linear-time engine does not take (look-around, back references), or that
    /// grows too large.
    #[error("a pattern that is no linear-time regular expression of bounded size")]
    UnsupportedPattern,
    /// A reference to what is neither in the document nor among those given with it. Nothing is
    /// fetched and no file is read.
    #[error("a reference that leads nowhere: nothing is fetched")]
    UnresolvedReference,
    /// More patterns than a document may have.
    #[error("too many patterns")]
    TooManyPatterns,
    /// References that lead back to themselves without going into the event.
    #[error("references that go round in a circle")]
    ReferenceCycle,
    /// More subschemas than a document may have.
    #[error("too many subschemas")]
    TooManySubschemas,
    /// Subschemas that stand in each other so deeply that judging an event could exhaust a stack.
    #[error("subschemas that are nested too deeply, references followed")]
    TooNested,
    /// One value of an event could be judged more often than the price limit allows.
    #[error("a schema that takes too many steps for one value of an event")]
    TooCostly,
    /// The key holds another document already: a version never changes.
    #[error("the version is registered with another document")]
    AlreadyRegistered,
    /// The tenant, or everybody's shelf, has as many schemas as are allowed.
    #[error("too many schemas")]
    TooManySchemas,
    /// A critical field is not given as a JSON pointer of at most 32 segments and 256 bytes.
    #[error("a critical field that is no json pointer")]
    InvalidPointer,
    /// The document says nothing that can be taken for an event type and a version.
    #[error("a document that names no event type")]
    NoEventType,
}
