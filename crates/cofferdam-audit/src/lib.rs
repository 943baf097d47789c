//! A Merkle-proved, signed audit log per tenant, verified offline.
#![forbid(unsafe_code)]
