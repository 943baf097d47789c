//! The check passes a scratch that is cleared, and fails those that are not in known ways.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cofferdam_sim::{
    assert_scratch_carries_nothing, rng,
    scratch::{Canary, MEMBERS, TYPES},
};

/// How a worker misuses its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leak {
    None,
    /// Does not clear it.
    Dirty,
    /// Clears it at the end, where an event that fails does not come to.
    OnSuccess,
    /// Answers with as much of it as the longest event had.
    TooLong,
}

struct Buffer(Vec<u8>, bool);

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.1 { write!(f, "{:?}", self.0) } else { f.write_str("Buffer(..)") }
    }
}

/// Copies an event, and fails if it is not sound.
fn work(leak: Leak, buffer: &mut Vec<u8>, event: &[u8]) -> Vec<u8> {
    let whole = serde_json::from_slice::<serde_json::Value>(event).is_ok();
    match leak {
        Leak::None => {
            buffer.clear();
            buffer.extend_from_slice(event);
        }
        Leak::TooLong => {
            buffer.resize(buffer.len().max(event.len()), 0);
            buffer[..event.len()].copy_from_slice(event);
        }
        Leak::Dirty | Leak::OnSuccess => buffer.extend_from_slice(event),
    }
    if !whole {
        return b"refused".to_vec();
    }
    let answer = buffer.clone();
    if leak == Leak::OnSuccess {
        buffer.clear();
    }
    answer
}

fn jobs() -> Vec<(Canary, Vec<u8>)> {
    let mut rng = rng::seeded("scratch", 5);
    let canaries = [Canary::new('7'), Canary::new('3')];
    let canary = |n: usize| canaries[n % 2];
    (0..40).map(|n| (canary(n), canary(n).event(&mut rng))).collect()
}

fn passes(leak: Leak, shows: bool) -> bool {
    let run = |buffer: &mut Buffer, event: &Vec<u8>| work(leak, &mut buffer.0, event);
    let check = || assert_scratch_carries_nothing(|| Buffer(Vec::new(), shows), &jobs(), run);
    catch_unwind(AssertUnwindSafe(check)).is_ok()
}

/// S04.
#[test]
fn a_buffer_that_is_cleared_passes_and_a_dirty_one_does_not() {
    assert!(passes(Leak::None, false));
    for leak in [Leak::Dirty, Leak::OnSuccess, Leak::TooLong] {
        assert!(!passes(leak, false), "{leak:?}");
    }
    assert!(!passes(Leak::None, true), "it shows what it holds");
}

/// A result that is the same with and without the others, as it knows them from elsewhere.
#[test]
fn another_tenants_canary_is_found_in_a_result() {
    let (seven, three) = (Canary::new('7'), Canary::new('3'));
    let jobs = [(seven, "7777777777"), (three, "3333333333")];
    let check = |told: &str| {
        let run = |(): &mut (), own: &&str| format!("{own} {told}").into_bytes();
        catch_unwind(AssertUnwindSafe(|| assert_scratch_carries_nothing(|| (), &jobs, run))).is_ok()
    };
    assert!(check("nothing") && check("7777777 and one more"));
    assert!(!check("77777777"));
}

#[test]
fn a_canarys_events_are_of_every_kind() {
    let mut rng = rng::seeded("a_canarys_events", 6);
    let canary = Canary::new('7');
    let events: Vec<_> = (0..400).map(|_| canary.event(&mut rng)).collect();
    let is_sound = |event: &&Vec<u8>| serde_json::from_slice::<serde_json::Value>(event).is_ok();
    let sound = events.iter().filter(is_sound).count();
    assert!((180..300).contains(&sound), "{sound} of 400 are sound");
    let large = events.iter().filter(|event| event.len() > 4_096).count();
    assert!(large > 10, "{large} are large");
    let marked = events.iter().filter(|event| canary.is_in(event)).count();
    assert!(marked > 300, "{marked} are marked");
    let holds =
        |text: &str| events.iter().any(|event| String::from_utf8_lossy(event).contains(text));
    let escaped = ["\\u0037", ":77777777", "[[[[", "\\ud800"];
    for text in TYPES.into_iter().chain(MEMBERS).chain(escaped) {
        assert!(holds(text), "{text} is in none");
    }
}
