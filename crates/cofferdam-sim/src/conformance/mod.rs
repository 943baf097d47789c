//! Conformance suites: what an adapter's own tests call to show that it keeps a trait's contract.
//!
//! Each function takes a closure that makes an empty store and panics with a sentence where the
//! contract is broken. An adapter's test is one line:
//!
//! ```
//! use cofferdam_cursor::MemoryStore;
//!
//! # // In a real test file this is a `#[test]` function.
//! fn keeps_the_contract_of_a_cursor_store() {
//!     cofferdam_sim::conformance::cursor_store(MemoryStore::new);
//! }
//! # keeps_the_contract_of_a_cursor_store();
//! ```

mod cursor_store;
mod dead_letter_store;

pub use cursor_store::cursor_store;
pub use dead_letter_store::dead_letter_store;
