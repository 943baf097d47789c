//! Redaction policies compiled to one automaton and one pass over the bytes.
#![forbid(unsafe_code)]
