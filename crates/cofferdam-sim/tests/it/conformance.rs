//! The conformance suite accepts the store in memory and catches stores that break one clause each.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use cofferdam_core::{Scoped, TenantId};
use cofferdam_cursor::{
    Cursor, CursorStore, GapRecord, MemoryStore, Outcome, StoreError, StreamId, Write,
};
use cofferdam_queue::dead_letter::{self, DeadLetter, DeadLetterStore, LetterId, Stored};
use cofferdam_sim::conformance::{cursor_store, dead_letter_store};

#[test]
fn a_store_in_memory_keeps_the_contract() {
    cursor_store(MemoryStore::new);
}

/// The clause that a [`Faulty`] store breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    MovesBack,
    IgnoresEpochs,
    FencesTheWholeBatch,
    JoinsNamesWithADelimiter,
    ForgetsGaps,
    KeepsGapsOfTheDeposed,
    ListsGapsBackwards,
    IgnoresThePage,
    ReconcilesTheWholeStream,
}

struct Faulty {
    fault: Fault,
    cursors: Mutex<BTreeMap<String, Cursor>>,
    gaps: Mutex<BTreeMap<String, BTreeSet<GapRecord>>>,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        Self { fault, cursors: Mutex::default(), gaps: Mutex::default() }
    }

    fn key(&self, stream: &StreamId) -> String {
        let delimiter = if self.fault == Fault::JoinsNamesWithADelimiter { "." } else { "\n" };
        [stream.tenant().as_str(), stream.name()].join(delimiter)
    }

    fn judge(&self, write: &Write) -> Outcome {
        let cursors = self.cursors.lock().unwrap();
        match write {
            Write::Cursor(offered) => {
                let held = cursors.get(&self.key(offered.stream()));
                let ahead = held.is_none_or(|held| offered.position() > held.position());
                match Outcome::of_cursor(held, offered) {
                    Outcome::Stale if self.fault == Fault::MovesBack => Outcome::Stored,
                    _ if self.fault == Fault::IgnoresEpochs && ahead => Outcome::Stored,
                    _ if self.fault == Fault::IgnoresEpochs => Outcome::Stale,
                    judged => judged,
                }
            }
            Write::Gap(offered) => {
                let key = self.key(offered.stream());
                let fenced = Outcome::is_fenced(cursors.get(&key), offered);
                let gaps = self.gaps.lock().unwrap();
                if fenced && self.fault != Fault::KeepsGapsOfTheDeposed {
                    Outcome::Fenced
                } else if gaps.get(&key).is_some_and(|gaps| gaps.contains(offered)) {
                    Outcome::Stale
                } else {
                    Outcome::Stored
                }
            }
        }
    }

    fn keep(&self, write: &Write) {
        match write {
            Write::Cursor(cursor) => {
                let key = self.key(cursor.stream());
                self.cursors.lock().unwrap().insert(key, cursor.clone());
            }
            Write::Gap(_) if self.fault == Fault::ForgetsGaps => {}
            Write::Gap(gap) => {
                let key = self.key(gap.stream());
                self.gaps.lock().unwrap().entry(key).or_default().insert(gap.clone());
            }
        }
    }
}

impl CursorStore for Faulty {
    fn load(&self, stream: &StreamId) -> Result<Option<Cursor>, StoreError> {
        Ok(self.cursors.lock().unwrap().get(&self.key(stream)).cloned())
    }

    fn apply(&self, batch: &[Write]) -> Result<Vec<Outcome>, StoreError> {
        if self.fault == Fault::FencesTheWholeBatch
            && batch.iter().any(|write| self.judge(write) == Outcome::Fenced)
        {
            return Ok(vec![Outcome::Fenced; batch.len()]);
        }
        let judge_and_keep = |write| {
            let outcome = self.judge(write);
            if outcome == Outcome::Stored {
                self.keep(write);
            }
            outcome
        };
        Ok(batch.iter().map(judge_and_keep).collect())
    }

    fn gaps(
        &self,
        stream: &StreamId,
        after: Option<&GapRecord>,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        let limit = if self.fault == Fault::IgnoresThePage { usize::MAX } else { limit };
        let gaps = self.gaps.lock().unwrap();
        let kept = gaps.get(&self.key(stream)).into_iter().flatten();
        let past = kept.filter(|&gap| after.is_none_or(|after| gap > after));
        let mut page: Vec<_> = past.take(limit).cloned().collect();
        if self.fault == Fault::ListsGapsBackwards {
            page.reverse();
        }
        Ok(page)
    }

    fn reconcile(&self, reconciled: &[GapRecord]) -> Result<(), StoreError> {
        let mut gaps = self.gaps.lock().unwrap();
        for gap in reconciled {
            let Some(kept) = gaps.get_mut(&self.key(gap.stream())) else { continue };
            if self.fault == Fault::ReconcilesTheWholeStream {
                kept.clear();
            }
            kept.remove(gap);
        }
        Ok(())
    }
}

#[test]
fn a_store_that_breaks_a_clause_is_caught_by_that_clause() {
    cursor_store(|| Faulty::new(Fault::None));
    let faults = [
        (Fault::MovesBack, "a repeated write changes nothing"),
        (Fault::IgnoresEpochs, "a later epoch may go back"),
        (Fault::FencesTheWholeBatch, "one tenant's fence is not another's"),
        (Fault::JoinsNamesWithADelimiter, "is its own stream"),
        (Fault::ForgetsGaps, "the other tenant's gap is stored"),
        (Fault::KeepsGapsOfTheDeposed, "a deposed owner's gap is fenced"),
        (Fault::ListsGapsBackwards, "gaps are kept in ascending order"),
        (Fault::IgnoresThePage, "a page is not longer than asked for"),
        (Fault::ReconcilesTheWholeStream, "exactly the reconciled gap is forgotten"),
    ];
    for (fault, clause) in faults {
        let text = caught(|| cursor_store(|| Faulty::new(fault)));
        assert!(text.contains(clause), "{fault:?} was caught by another clause: {text}");
    }
}

#[test]
fn dead_letters_in_memory_keep_the_contract() {
    dead_letter_store(dead_letter::MemoryStore::new);
}

/// The clause that a [`Careless`] store breaks, in one call each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lapse {
    AppendsLetterByLetter,
    NumbersEverybodyTogether,
    ForgetsItsLimit,
    CountsEverybody,
    ListsFromTheCursorItself,
}

struct Careless {
    lapse: Lapse,
    inner: dead_letter::MemoryStore,
    appended: Mutex<BTreeMap<TenantId, u64>>,
}

impl Careless {
    fn new(lapse: Lapse, share: u64) -> Self {
        let share = if lapse == Lapse::ForgetsItsLimit { u64::MAX } else { share };
        let inner = dead_letter::MemoryStore::new(share);
        Self { lapse, inner, appended: Mutex::default() }
    }

    /// How many letters all others have appended.
    fn foreign(&self, tenant: &TenantId) -> u64 {
        let appended = self.appended.lock().unwrap();
        let others = appended.iter().filter(|(other, _)| *other != tenant);
        others.map(|(_, count)| count).sum()
    }

    fn shift(&self, tenant: &TenantId) -> u64 {
        if self.lapse == Lapse::NumbersEverybodyTogether { self.foreign(tenant) } else { 0 }
    }
}

impl DeadLetterStore for Careless {
    fn append(&self, letters: &[DeadLetter]) -> Result<(), dead_letter::StoreError> {
        for letter in letters {
            *self.appended.lock().unwrap().entry(letter.tenant().clone()).or_default() += 1;
        }
        if self.lapse == Lapse::AppendsLetterByLetter {
            return letters.iter().try_for_each(|one| self.inner.append(std::slice::from_ref(one)));
        }
        self.inner.append(letters)
    }

    fn list(
        &self,
        tenant: &TenantId,
        after: Option<LetterId>,
        limit: usize,
    ) -> Result<Vec<Stored>, dead_letter::StoreError> {
        let shift = self.shift(tenant);
        let after = after.map(|LetterId(id)| LetterId(id.saturating_sub(shift)));
        let after = match (self.lapse, after) {
            (Lapse::ListsFromTheCursorItself, Some(LetterId(id))) => {
                id.checked_sub(1).map(LetterId)
            }
            (_, after) => after,
        };
        let mut listed = self.inner.list(tenant, after, limit)?;
        listed.iter_mut().for_each(|stored| stored.id.0 += shift);
        Ok(listed)
    }

    fn remove(
        &self,
        tenant: &TenantId,
        ids: &[LetterId],
    ) -> Result<usize, dead_letter::StoreError> {
        let shift = self.shift(tenant);
        let ids: Vec<_> =
            ids.iter().map(|LetterId(id)| LetterId(id.saturating_sub(shift))).collect();
        self.inner.remove(tenant, &ids)
    }

    fn count(&self, tenant: &TenantId) -> Result<u64, dead_letter::StoreError> {
        if self.lapse == Lapse::CountsEverybody {
            return Ok(self.inner.count(tenant)? + self.foreign(tenant));
        }
        self.inner.count(tenant)
    }
}

#[test]
fn a_dead_letter_store_that_breaks_a_clause_is_caught_by_that_clause() {
    let lapses = [
        (Lapse::AppendsLetterByLetter, "nothing of a refused batch is stored"),
        (Lapse::NumbersEverybodyTogether, "ids show nothing of other tenants"),
        (Lapse::ForgetsItsLimit, "a full share is said to be full"),
        (Lapse::CountsEverybody, "counts are one tenant's"),
        (Lapse::ListsFromTheCursorItself, "pages cover every letter once"),
    ];
    for (lapse, clause) in lapses {
        let text = caught(|| dead_letter_store(|share| Careless::new(lapse, share)));
        assert!(text.contains(clause), "{lapse:?} was caught by another clause: {text}");
    }
}

fn caught(suite: impl FnOnce()) -> String {
    let caught = catch_unwind(AssertUnwindSafe(suite)).expect_err("a faulty store passed");
    let text = caught.downcast_ref::<String>().cloned();
    text.or_else(|| caught.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap()
}
