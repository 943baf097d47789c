//! Events that could not be delivered, kept for somebody to look into and send again.
//!
//! The driver makes a [`DeadLetter`] of each [`Effect::DeadLetter`](crate::Effect::DeadLetter),
//! appends it to a [`DeadLetterStore`], and later turns letters back into events with [`redrive`].
//! A letter is sealed for its tenant when it is made and opened under a tenant's name when it is
//! read: a letter that a store, an operator or a renamed tenant moved elsewhere does not open there,
//! and is quarantined (SECURITY Q05).

mod letter;
mod memory;
mod seal;
mod store;

pub use letter::{Cause, DeadLetter, ForeignLetter, Malformed};
pub use memory::MemoryStore;
pub use seal::TenantSeal;
pub use store::{
    DeadLetterStore, LetterId, Quarantined, Ready, Redriven, StoreError, Stored, redrive, store_key,
};
