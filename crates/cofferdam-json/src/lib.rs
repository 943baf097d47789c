//! A strict, non-recursive JSON reader: one meaning for every byte string, or a refusal.
//!
//! Two readers that disagree about one event are a hole between tenants: a filter that takes the
//! first `tenant` of an object and a store that takes the last deliver one customer's call to
//! another. This crate is the one reader that every stage of Cofferdam shares. What [`check`]
//! accepts means the same to every sound JSON reader; what common readers differ on (a name twice in one
//! object, lone surrogates, `1e400`, bytes after the end, a byte order mark, deep nesting) it
//! refuses.
//!
//! [`Structure`] passes over what nobody looks at 64 bytes at a time, for readers that want a few members
//! of many events.
//!
//! It builds no tree, never recurses, reads no file and knows nothing of tenants. It does not
//! repair, does not accept comments, and does not deserialize into your types: after `check`,
//! `serde_json` may.
//!
//! # Example
//!
//! ```
//! use cofferdam_json::{check, Fault, Limits, Reader, Scratch, Token};
//!
//! let mut scratch = Scratch::new([1; 16]); // a secret key, from your random source
//! let limits = Limits::default();
//! check(br#"{"tenant":"a"}"#, &limits, &mut scratch)?;
//!
//! // The second name is the first one, escaped.
//! let twice = br#"{"tenant":"a","\u0074enant":"b"}"#;
//! assert_eq!(check(twice, &limits, &mut scratch), Err(Fault::DuplicateName));
//!
//! let mut reader = Reader::new(br#"{"n":35.0}"#);
//! assert_eq!(reader.next()?, Some(Token::BeginObject));
//! # Ok::<(), Fault>(())
//! ```
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![deny(unsafe_code)]

extern crate alloc;

mod block;
mod check;
mod grammar;
mod names;
mod near;
mod number;
mod reader;
mod scalar;
mod simd;
mod structure;
mod text;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod vectors;
#[cfg(any(test, miri, not(target_arch = "x86_64")))]
mod words;

pub use check::{Limits, Scratch, check};
pub use number::Number;
pub use reader::{Reader, Token};
pub use structure::{Structure, Window};
pub use text::{Text, unescape, write_string};

/// Why bytes were refused. It names the kind and holds nothing of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not RFC 8259 JSON, or more than one document, or (in [`check`]) not an object.
    #[error("not one json value")]
    Malformed,
    /// Invalid UTF-8, a lone surrogate, or an escaped NUL.
    #[error("text that is not unicode")]
    InvalidText,
    /// One object holds one name twice, after unescaping (RFC 7493, section 2.3).
    #[error("one name twice in one object")]
    DuplicateName,
    /// Nested deeper than the limit.
    #[error("nested too deeply")]
    TooDeep,
    /// A number beyond what binary64 holds, on which readers disagree.
    #[error("a number out of range")]
    NumberOutOfRange,
    /// More bytes than the limit.
    #[error("too large")]
    TooLarge,
}
