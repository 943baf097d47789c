//! Event patterns, as Amazon EventBridge has them.
//!
//! * [`syntax`] reads a pattern and says what it asks, with `$or` multiplied out.
//! * [`condition`] is what one value is asked: a prefix, a range, anything but.
//! * [`field_tests`] asks one value of an event all that the rules ask of its field.
//! * [`scopes`] puts the answers together, object by object.
//!
//! # What a pattern means
//!
//! Under a name stands a list of conditions, of which one must hold for one of the *leaves* there (a
//! scalar is one; an array has those of its elements; an object has none), or a pattern, which must hold
//! for one of the *objects* there. All that one object pattern asks it asks of one and the same object:
//! that is array consistency, and it follows from the shape of the pattern alone.
//!
//! `{"exists": false}` asks that there is no leaf. Where there is no object either, a pattern for objects
//! is asked of an empty one.
//!
//! `$or` is a list of patterns for the same object, and what they ask is merged, name by name, with what
//! stands beside it. The sum of products may have a thousand terms, which is EventBridge's own bound.
//!
//! # What is not taken over
//!
//! * Regular expressions: EventBridge has none either. One that a tenant brings costs what the tenant
//!   likes, in states or in steps, and a set of them has no index. `wildcard` covers what they are used
//!   for.
//! * A name with a dot is that name. event-ruler takes it for a path, which makes two different events
//!   one.
//! * Numbers are compared exactly, and not as binary64.

pub(crate) mod condition;
pub(crate) mod field_tests;
pub(crate) mod scopes;
pub(crate) mod syntax;
