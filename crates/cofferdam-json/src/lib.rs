//! A strict, non-recursive JSON reader: one meaning for every byte string, or a refusal.
#![forbid(unsafe_code)]
