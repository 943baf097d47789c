//! The contract of [`DeadLetterStore`], clause by clause.
#![expect(clippy::expect_used, reason = "a conformance suite is made of assertions")]

use cofferdam_core::{Now, TenantId};
use cofferdam_queue::{
    DeadCause,
    dead_letter::{
        Cause, DeadLetter, DeadLetterStore, LetterId, StoreError, Stored, TenantSeal, redrive,
    },
};

use crate::recorded;

/// A share that no clause but the one about shares fills.
const AMPLE: u64 = 10_000;

/// Checks that the stores which `make` makes keep the contract of [`DeadLetterStore`]. Each call of
/// `make` must return an empty store that holds as many letters of each tenant as it is given.
///
/// # Panics
///
/// With the clause that is broken.
pub fn dead_letter_store<S: DeadLetterStore>(make: impl Fn(u64) -> S) {
    keeps_what_was_appended(&make(AMPLE));
    pages_in_ascending_order(&make(AMPLE));
    keeps_tenants_apart(&make(AMPLE));
    keeps_apart_names_that_begin_alike(&make(AMPLE));
    numbers_each_tenant_by_itself(&make(AMPLE), &make(AMPLE));
    never_uses_an_id_again(&make(AMPLE));
    is_full_for_one_tenant_only(&make(3));
    appends_all_or_nothing(&make(3));
    letters_come_back_to_their_tenant(&make(AMPLE));
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).expect("a tenant id")
}

fn seal() -> TenantSeal {
    TenantSeal::new([7; 32])
}

/// A letter that differs from every other by its position.
fn letter(of: &str, position: u64) -> DeadLetter {
    let body = format!(r#"{{"position":{position}}}"#);
    let event = recorded(&tenant(of), position, &[1, 2], body.as_bytes(), Now::from_millis(5, 50));
    let cause = Cause {
        lane: (position % 2 == 1).then_some("queue://support"),
        cause: DeadCause::Attempts,
        attempts: 3,
        first_ms: -1,
        last_ms: i64::MAX,
    };
    DeadLetter::seal(&event, cause, &seal())
}

fn letters(of: &str, positions: impl IntoIterator<Item = u64>) -> Vec<DeadLetter> {
    positions.into_iter().map(|position| letter(of, position)).collect()
}

fn append(store: &impl DeadLetterStore, letters: &[DeadLetter]) {
    store.append(letters).expect("the store takes the letters");
}

fn list(store: &impl DeadLetterStore, of: &str) -> Vec<Stored> {
    store.list(&tenant(of), None, usize::MAX).expect("the store can be read")
}

fn ids(store: &impl DeadLetterStore, of: &str) -> Vec<LetterId> {
    list(store, of).iter().map(|stored| stored.id).collect()
}

fn positions(store: &impl DeadLetterStore, of: &str) -> Vec<u64> {
    list(store, of).iter().map(|stored| stored.letter.position()).collect()
}

fn count(store: &impl DeadLetterStore, of: &str) -> u64 {
    store.count(&tenant(of)).expect("the store can be read")
}

fn remove(store: &impl DeadLetterStore, of: &str, ids: &[LetterId]) -> usize {
    store.remove(&tenant(of), ids).expect("the store can be written")
}

fn keeps_what_was_appended(store: &impl DeadLetterStore) {
    assert!(list(store, "acme").is_empty(), "an empty store has no letters");
    assert_eq!(count(store, "acme"), 0, "an empty store counts none");
    assert_eq!(remove(store, "acme", &[LetterId(0)]), 0, "an empty store removes none");
    append(store, &[]);
    let kept = letters("acme", 0..5);
    append(store, &kept[..2]);
    append(store, &kept[2..]);
    let stored: Vec<_> = list(store, "acme").into_iter().map(|stored| stored.letter).collect();
    assert_eq!(stored, kept, "letters come back as they went in, in the order of appends");
    assert_eq!(count(store, "acme"), 5, "every letter is counted");
}

fn pages_in_ascending_order(store: &impl DeadLetterStore) {
    append(store, &letters("acme", 0..300));
    let all = ids(store, "acme");
    assert!(all.is_sorted_by(|a, b| a < b), "ids ascend");
    let mut paged = Vec::new();
    // Bounded, as a store that does not move on must fail here rather than hang.
    while paged.len() <= all.len() {
        let page = store.list(&tenant("acme"), paged.last().copied(), 7);
        let page = page.expect("the store can be read");
        assert!(page.len() <= 7, "a page is not longer than asked for");
        if page.is_empty() {
            break;
        }
        paged.extend(page.iter().map(|stored| stored.id));
    }
    assert_eq!(paged, all, "pages cover every letter once");
    let at =
        |after, limit| store.list(&tenant("acme"), after, limit).expect("the store can be read");
    assert!(at(None, 0).is_empty(), "none means none");
    assert!(at(Some(LetterId(u64::MAX)), 7).is_empty(), "nothing is above the last id");
}

fn keeps_tenants_apart(store: &impl DeadLetterStore) {
    let mixed = [letter("acme", 1), letter("globex", 2), letter("acme", 3), letter("globex", 4)];
    append(store, &mixed);
    assert_eq!(positions(store, "acme"), [1, 3], "a tenant sees its own letters");
    assert_eq!(positions(store, "globex"), [2, 4], "and so does the other");
    assert!(positions(store, "initech").is_empty(), "and a third sees none");
    let of_acme = ids(store, "acme");
    remove(store, "acme", &of_acme);
    assert_eq!(remove(store, "initech", &of_acme), 0, "another tenant's id is absent");
    assert_eq!(positions(store, "globex"), [2, 4], "a removal is one tenant's");
    let both = (count(store, "acme"), count(store, "globex"));
    assert_eq!(both, (0, 2), "counts are one tenant's");
}

/// Q09.
fn keeps_apart_names_that_begin_alike(store: &impl DeadLetterStore) {
    let names = ["a", "a.", "a-", "a0", "aa", "aaa", "b", "1", "10", "a.b", "a-b"];
    for (name, position) in names.iter().zip(0..) {
        append(store, &letters(name, [position]));
    }
    for (name, position) in names.iter().zip(0..) {
        assert_eq!(positions(store, name), [position], "{name} sees its own letter only");
        assert_eq!(count(store, name), 1, "{name} counts its own letter only");
    }
}

fn numbers_each_tenant_by_itself(alone: &impl DeadLetterStore, shared: &impl DeadLetterStore) {
    for position in 0..5 {
        append(alone, &letters("acme", [position]));
        append(shared, &letters("globex", 0..position));
        append(shared, &[letter("globex", 0), letter("acme", position), letter("globex", 1)]);
    }
    assert_eq!(ids(alone, "acme"), ids(shared, "acme"), "ids show nothing of other tenants");
}

fn never_uses_an_id_again(store: &impl DeadLetterStore) {
    append(store, &letters("acme", 0..4));
    let before = ids(store, "acme");
    assert_eq!(remove(store, "acme", &before[2..]), 2, "a removal says how many there were");
    assert_eq!(remove(store, "acme", &before[2..]), 0, "what is gone is not removed twice");
    assert_eq!(
        remove(store, "acme", &[before[0], before[0]]),
        1,
        "an id named twice is one letter"
    );
    assert_eq!(ids(store, "acme"), before[1..2], "the others stay");
    assert_eq!(count(store, "acme"), 1, "a removal is counted");
    append(store, &letters("acme", [9]));
    let after = ids(store, "acme");
    assert!(after[1] > before[3], "an id is not used again");
}

fn is_full_for_one_tenant_only(store: &impl DeadLetterStore) {
    append(store, &letters("acme", 0..3));
    let refused = store.append(&letters("acme", [3]));
    assert_eq!(refused, Err(StoreError::Full), "a full share is said to be full");
    append(store, &letters("globex", 0..3));
    assert_eq!(positions(store, "acme"), [0, 1, 2], "room is not made by itself");
    let first = ids(store, "acme")[0];
    remove(store, "acme", &[first]);
    append(store, &letters("acme", [3]));
    assert_eq!(positions(store, "acme"), [1, 2, 3], "a removal makes room");
}

fn appends_all_or_nothing(store: &impl DeadLetterStore) {
    append(store, &letters("acme", 0..2));
    let batch = [letter("globex", 0), letter("acme", 2), letter("acme", 3), letter("globex", 1)];
    assert_eq!(store.append(&batch), Err(StoreError::Full), "a batch that does not fit is refused");
    assert_eq!(positions(store, "acme"), [0, 1], "nothing of a refused batch is stored");
    assert!(positions(store, "globex").is_empty(), "not even another tenant's letters");
    assert_eq!((count(store, "acme"), count(store, "globex")), (2, 0), "nor are they counted");
    append(store, &batch[..2]);
    assert_eq!(positions(store, "acme"), [0, 1, 2], "what fits is stored afterwards");
}

/// Q05.
fn letters_come_back_to_their_tenant(store: &impl DeadLetterStore) {
    append(store, &letters("acme", 0..3));
    let back = redrive(store, &tenant("acme"), &seal(), None, 2).expect("the store can be read");
    let came: Vec<_> = back.ready.iter().map(|ready| ready.event.position()).collect();
    assert_eq!((came, back.quarantined.len()), (vec![0, 1], 0), "letters open for their tenant");
    let foreign = TenantSeal::new([8; 32]);
    let back = redrive(store, &tenant("acme"), &foreign, back.last, 2);
    let back = back.expect("the store can be read");
    assert_eq!((back.ready.len(), back.quarantined.len()), (0, 1), "and with their key only");
    assert_eq!(count(store, "acme"), 3, "reading removes nothing");
}
