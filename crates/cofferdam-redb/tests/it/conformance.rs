//! The contracts of both traits, in memory and in a file.

use std::cell::Cell;

use cofferdam_redb::RedbStore;
use cofferdam_sim::conformance;

/// Q09, promise 9.
#[test]
fn keeps_the_contract_of_a_cursor_store_in_memory() {
    conformance::cursor_store(|| RedbStore::in_memory().unwrap());
}

/// Q05, Q09.
#[test]
fn keeps_the_contract_of_a_dead_letter_store_in_memory() {
    let make = |share| RedbStore::in_memory().unwrap().with_letters_per_tenant(share);
    conformance::dead_letter_store(make);
}

#[test]
fn keeps_both_contracts_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let made = Cell::new(0);
    let make = || {
        made.set(made.get() + 1);
        RedbStore::open(folder.path().join(format!("{}.redb", made.get()))).unwrap()
    };
    conformance::cursor_store(make);
    conformance::dead_letter_store(|share| make().with_letters_per_tenant(share));
}
