//! The store in memory.

use cofferdam_cursor::MemoryStore;

/// Q09, promise 9.
#[test]
fn the_store_in_memory_keeps_the_contract() {
    cofferdam_sim::conformance::cursor_store(MemoryStore::new);
}
