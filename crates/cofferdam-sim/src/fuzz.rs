//! Fuzz bodies: what each fuzz target runs on its input, here so that tests replay the corpora too.
//!
//! A body is made of assertions and panics where one fails. Bodies are pure functions of their
//! input, so that a finding is its bytes and nothing else.

mod check;
mod cursor;
mod document;
mod event_pattern;
mod event_patterns;
mod explained;
mod filter;
mod matcher;
mod pattern_document;
mod redact;
mod source;
mod structure;
mod token;
mod tree;
mod upgrade;

pub use check::check;
pub use cursor::cursor;
pub use event_pattern::event_pattern_holds;
pub use event_patterns::event_patterns;
pub use filter::filter;
pub use matcher::{Matcher, Rule};
pub use redact::redact;
pub use structure::structure;
pub use token::token;
pub use upgrade::upgrade;
