//! De-duplication: bounded, tenant-scoped, and right about what it remembers.

use std::{collections::VecDeque, time::Duration};

use cofferdam_core::Now;
use cofferdam_cursor::{DedupKey, Deduplicator, Seen};
use cofferdam_sim::rng;

use super::support::tenant;

const KEY: DedupKey = DedupKey::new([5; 16]);
const MINUTE: Duration = Duration::from_secs(60);

fn at(ms: u64) -> Now {
    Now::from_millis(ms, 0)
}

#[test]
fn the_same_bytes_twice_are_a_duplicate() {
    let mut window = Deduplicator::new(tenant("a"), &KEY, 8, MINUTE);
    assert_eq!(window.check(b"event", at(0)), Seen::Fresh);
    assert_eq!(window.check(b"event", at(1)), Seen::Duplicate);
    assert_eq!(window.check(b"event ", at(2)), Seen::Fresh);
    assert_eq!(window.check(b"", at(3)), Seen::Fresh);
    assert_eq!(window.check(b"", at(4)), Seen::Duplicate);
}

/// I01, promise 10.
#[test]
fn identical_bytes_under_two_tenants_are_two_events() {
    let mut of_a = Deduplicator::new(tenant("a"), &KEY, 8, MINUTE);
    let mut of_b = Deduplicator::new(tenant("b"), &KEY, 8, MINUTE);
    assert_eq!(of_a.check(b"event", at(0)), Seen::Fresh);
    assert_eq!(of_b.check(b"event", at(0)), Seen::Fresh);
    assert_eq!(of_a.check(b"event", at(1)), Seen::Duplicate);
    assert_eq!(of_b.check(b"event", at(1)), Seen::Duplicate);
}

/// I01: however much another tenant sends, A's memory is A's.
#[test]
fn a_flood_by_one_tenant_does_not_shorten_anothers_window() {
    let mut of_a = Deduplicator::new(tenant("a"), &KEY, 8, MINUTE);
    let mut of_b = Deduplicator::new(tenant("b"), &KEY, 8, MINUTE);
    of_a.check(b"event", at(0));
    for n in 0..10_000_u32 {
        of_b.check(&n.to_be_bytes(), at(1));
    }
    assert_eq!(of_a.check(b"event", at(2)), Seen::Duplicate);
    assert_eq!((of_a.evicted_early(), of_b.evicted_early()), (0, 9_992));
}

#[test]
fn forgets_the_oldest_when_full_and_counts_it() {
    let mut window = Deduplicator::new(tenant("a"), &KEY, 3, MINUTE);
    for id in [b"1", b"2", b"3", b"4"] {
        assert_eq!(window.check(id, at(0)), Seen::Fresh);
    }
    assert_eq!((window.len(), window.evicted_early()), (3, 1));
    assert_eq!(window.check(b"2", at(0)), Seen::Duplicate);
    assert_eq!(window.check(b"1", at(0)), Seen::Fresh);
}

#[test]
fn forgets_after_the_retention_counted_from_the_first_sighting() {
    let mut window = Deduplicator::new(tenant("a"), &KEY, 8, Duration::from_millis(100));
    window.check(b"event", at(0));
    assert_eq!(window.check(b"event", at(99)), Seen::Duplicate);
    assert_eq!(window.check(b"event", at(100)), Seen::Fresh);
    assert_eq!((window.len(), window.evicted_early()), (1, 0));
}

#[test]
fn a_clock_that_goes_back_forgets_nothing() {
    let mut window = Deduplicator::new(tenant("a"), &KEY, 8, Duration::from_millis(100));
    window.check(b"event", at(1_000));
    assert_eq!(window.check(b"event", at(0)), Seen::Duplicate);
}

#[test]
fn a_window_of_nothing_still_remembers_one() {
    let mut window = Deduplicator::new(tenant("a"), &KEY, 0, MINUTE);
    assert_eq!(window.check(b"1", at(0)), Seen::Fresh);
    assert_eq!(window.check(b"1", at(0)), Seen::Duplicate);
    assert_eq!(window.check(b"2", at(0)), Seen::Fresh);
    assert_eq!(window.check(b"1", at(0)), Seen::Fresh);
}

/// The index with its backward shifts, against a list that is searched from end to end.
#[test]
fn agrees_with_a_plain_list() {
    let mut rng = rng::seeded("agrees_with_a_plain_list", 17);
    for capacity in [1, 2, 3, 7, 8, 64, 100] {
        let retention = Duration::from_millis(200);
        let mut window = Deduplicator::new(tenant("a"), &KEY, capacity, retention);
        let mut model: VecDeque<(u16, u64)> = VecDeque::new();
        let mut ms = 0;
        for _ in 0..20_000 {
            ms += rng.u64(..5);
            let id = rng.u16(..200);
            while model.front().is_some_and(|(_, seen)| ms - seen >= 200) {
                model.pop_front();
            }
            let expected = if model.iter().any(|&(known, _)| known == id) {
                Seen::Duplicate
            } else {
                model.push_back((id, ms));
                while model.len() > capacity as usize {
                    model.pop_front();
                }
                Seen::Fresh
            };
            assert_eq!(window.check(&id.to_be_bytes(), at(ms)), expected);
            assert_eq!(window.len(), model.len());
        }
    }
}

#[test]
fn debug_shows_no_key() {
    let window = Deduplicator::new(tenant("a"), &KEY, 8, MINUTE);
    assert_eq!(format!("{KEY:?}"), "DedupKey(..)");
    assert_eq!(format!("{window:?}"), "Deduplicator { tenant: a, len: 0, .. }");
}
