//! The contract of [`CursorStore`], clause by clause.
#![expect(clippy::expect_used, reason = "a conformance suite is made of assertions")]

use cofferdam_core::{Epoch, TenantId};
use cofferdam_cursor::{Cursor, CursorStore, GapCause, GapRecord, Outcome, StreamId, Write};

/// Checks that the stores which `make` makes keep the contract of [`CursorStore`]. Each call of
/// `make` must return an empty store.
///
/// # Panics
///
/// With the clause that is broken.
pub fn cursor_store<S: CursorStore>(make: impl Fn() -> S) {
    keeps_what_was_stored(&make());
    moves_forward_within_an_epoch(&make());
    fences_a_deposed_owner(&make());
    judges_each_write_by_itself(&make());
    keeps_apart_names_that_a_delimiter_would_merge(&make());
    keeps_gaps_until_they_are_reconciled(&make());
    pages_through_gaps_in_order(&make());
    keeps_the_extremes(&make());
}

fn stream(tenant: &str, name: &str) -> StreamId {
    let tenant = TenantId::parse(tenant).expect("a tenant id");
    StreamId::new(tenant, name).expect("a stream name")
}

fn cursor(stream: &StreamId, epoch: u64, position: u64) -> Cursor {
    Cursor::new(stream.clone(), Epoch(epoch), position)
}

fn gap(stream: &StreamId, epoch: u64, from: u64, to: Option<u64>) -> GapRecord {
    GapRecord::new(stream.clone(), Epoch(epoch), from, to, GapCause::Reset, 1_000)
}

fn apply<S: CursorStore>(store: &S, batch: &[Write]) -> Vec<Outcome> {
    let outcomes = store.apply(batch).expect("the store takes the batch");
    assert_eq!(outcomes.len(), batch.len(), "one outcome for each write");
    outcomes
}

fn put<S: CursorStore>(store: &S, cursor: Cursor) -> Outcome {
    apply(store, &[Write::Cursor(cursor)])[0]
}

fn load<S: CursorStore>(store: &S, stream: &StreamId) -> Option<Cursor> {
    store.load(stream).expect("the store can be read")
}

fn gaps<S: CursorStore>(store: &S, stream: &StreamId) -> Vec<GapRecord> {
    store.gaps(stream, None, usize::MAX).expect("the store can be read")
}

fn keeps_what_was_stored<S: CursorStore>(store: &S) {
    let s = stream("acme", "calls");
    assert_eq!(load(store, &s), None, "an empty store knows no stream");
    assert!(gaps(store, &s).is_empty(), "an empty store knows no gap");
    assert!(apply(store, &[]).is_empty(), "an empty batch has no outcome");
    assert_eq!(put(store, cursor(&s, 3, 17)), Outcome::Stored, "a first cursor is stored");
    assert_eq!(load(store, &s), Some(cursor(&s, 3, 17)), "what was stored is loaded");
    assert_eq!(load(store, &stream("acme", "chats")), None, "streams are apart");
    assert_eq!(load(store, &stream("globex", "calls")), None, "tenants are apart");
}

fn moves_forward_within_an_epoch<S: CursorStore>(store: &S) {
    let s = stream("acme", "calls");
    put(store, cursor(&s, 1, 10));
    assert_eq!(put(store, cursor(&s, 1, 11)), Outcome::Stored, "a cursor moves forward");
    assert_eq!(put(store, cursor(&s, 1, 11)), Outcome::Stale, "a repeated write changes nothing");
    assert_eq!(put(store, cursor(&s, 1, 5)), Outcome::Stale, "a cursor does not move back");
    assert_eq!(load(store, &s), Some(cursor(&s, 1, 11)), "a stale write changes nothing");
    let batch = [20, 15, 30].map(|position| Write::Cursor(cursor(&s, 1, position)));
    let outcomes = apply(store, &batch);
    let expected = [Outcome::Stored, Outcome::Stale, Outcome::Stored];
    assert_eq!(outcomes, expected, "a write sees those before it in its batch");
    assert_eq!(load(store, &s), Some(cursor(&s, 1, 30)), "the last of a batch stands");
}

fn fences_a_deposed_owner<S: CursorStore>(store: &S) {
    let s = stream("acme", "calls");
    put(store, cursor(&s, 1, 100));
    assert_eq!(put(store, cursor(&s, 2, 40)), Outcome::Stored, "a later epoch may go back");
    assert_eq!(put(store, cursor(&s, 1, 101)), Outcome::Fenced, "an older epoch is fenced");
    assert_eq!(put(store, cursor(&s, 0, u64::MAX)), Outcome::Fenced, "however far it claims to be");
    assert_eq!(load(store, &s), Some(cursor(&s, 2, 40)), "a fenced write changes nothing");
    let outcome = apply(store, &[Write::Gap(gap(&s, 1, 100, None))])[0];
    assert_eq!(outcome, Outcome::Fenced, "a deposed owner's gap is fenced");
    assert!(gaps(store, &s).is_empty(), "a fenced gap is not kept");
}

fn judges_each_write_by_itself<S: CursorStore>(store: &S) {
    let (a, b) = (stream("acme", "calls"), stream("globex", "calls"));
    put(store, cursor(&a, 5, 0));
    let batch = [
        Write::Cursor(cursor(&a, 4, 9)),
        Write::Cursor(cursor(&b, 1, 9)),
        Write::Gap(gap(&a, 4, 9, Some(10))),
        Write::Gap(gap(&b, 1, 9, Some(10))),
    ];
    let expected = [Outcome::Fenced, Outcome::Stored, Outcome::Fenced, Outcome::Stored];
    assert_eq!(apply(store, &batch), expected, "one tenant's fence is not another's");
    assert_eq!(load(store, &b), Some(cursor(&b, 1, 9)), "the other tenant's cursor is stored");
    assert_eq!(gaps(store, &b).len(), 1, "the other tenant's gap is stored");
}

/// Q09.
fn keeps_apart_names_that_a_delimiter_would_merge<S: CursorStore>(store: &S) {
    let pairs = [
        ("a", "b:c"),
        ("a.b", "c"),
        ("a", "b.c"),
        ("a-b", "c"),
        ("a", "-b-c"),
        ("ab", "c"),
        ("a", "bc"),
        ("a", "b"),
        ("a", "b/c"),
    ];
    let streams: Vec<_> = pairs.iter().map(|(tenant, name)| stream(tenant, name)).collect();
    for (s, position) in streams.iter().zip(1..) {
        assert_eq!(put(store, cursor(s, 1, position)), Outcome::Stored, "{s:?} is its own stream");
        apply(store, &[Write::Gap(gap(s, 1, position, None))]);
    }
    for (s, position) in streams.iter().zip(1..) {
        assert_eq!(load(store, s), Some(cursor(s, 1, position)), "{s:?} kept its own cursor");
        assert_eq!(gaps(store, s), [gap(s, 1, position, None)], "{s:?} kept its own gaps");
    }
}

fn keeps_gaps_until_they_are_reconciled<S: CursorStore>(store: &S) {
    let s = stream("acme", "calls");
    let (first, second) = (gap(&s, 1, 5, Some(9)), gap(&s, 1, 20, None));
    let batch = [Write::Gap(first.clone()), Write::Gap(second.clone())];
    assert_eq!(apply(store, &batch), [Outcome::Stored; 2], "gaps need no cursor before them");
    assert_eq!(apply(store, &batch), [Outcome::Stale; 2], "a gap is kept once");
    let later = gap(&s, 2, 5, Some(9));
    let outcome = apply(store, &[Write::Gap(later.clone())])[0];
    assert_eq!(outcome, Outcome::Stored, "another epoch's gap is another gap");
    put(store, cursor(&s, 1, 50));
    let all = [first.clone(), second.clone(), later.clone()];
    assert_eq!(gaps(store, &s), all, "gaps are kept in ascending order, whatever the cursor does");

    let foreign = gap(&stream("globex", "calls"), 1, 20, None);
    store.reconcile(&[first.clone(), foreign]).expect("the store can be written");
    assert_eq!(gaps(store, &s), [second, later], "exactly the reconciled gap is forgotten");
    store.reconcile(&[first]).expect("reconciling twice is no error");
}

fn pages_through_gaps_in_order<S: CursorStore>(store: &S) {
    let s = stream("acme", "calls");
    let mut all: Vec<_> =
        (0..50).map(|n: u64| gap(&s, 1 + n % 3, n * 300, Some(n * 301 + 1))).collect();
    for &cause in GapCause::ALL {
        all.push(GapRecord::new(s.clone(), Epoch(2), 7, None, cause, -1));
        all.push(GapRecord::new(s.clone(), Epoch(2), 7, Some(8), cause, 1));
    }
    let batch: Vec<_> = all.iter().rev().cloned().map(Write::Gap).collect();
    apply(store, &batch);
    all.sort();
    assert_eq!(gaps(store, &s), all, "gaps are listed in ascending order");

    let mut paged = Vec::new();
    // Bounded, as a store that does not move on must fail here rather than hang.
    while paged.len() <= all.len() {
        let page = store.gaps(&s, paged.last(), 7).expect("the store can be read");
        assert!(page.len() <= 7, "a page is not longer than asked for");
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all, "pages cover every gap once");
    assert!(store.gaps(&s, None, 0).expect("the store can be read").is_empty(), "none means none");
}

fn keeps_the_extremes<S: CursorStore>(store: &S) {
    let longest = "x".repeat(StreamId::MAX_LEN);
    let s = stream(&"t".repeat(TenantId::MAX_LEN), &longest);
    assert_eq!(put(store, cursor(&s, 0, 0)), Outcome::Stored, "zero is a position and an epoch");
    assert_eq!(put(store, cursor(&s, u64::MAX, u64::MAX)), Outcome::Stored, "so is the largest");
    assert_eq!(load(store, &s), Some(cursor(&s, u64::MAX, u64::MAX)), "and it is kept");
    let at = [i64::MIN, -1, 0, i64::MAX];
    let kept: Vec<_> = at
        .iter()
        .map(|&at| {
            GapRecord::new(s.clone(), Epoch(u64::MAX), 0, Some(u64::MAX), GapCause::Reset, at)
        })
        .collect();
    let batch: Vec<_> = kept.iter().cloned().map(Write::Gap).collect();
    apply(store, &batch);
    assert_eq!(gaps(store, &s), kept, "times before 1970 keep their order");
}
