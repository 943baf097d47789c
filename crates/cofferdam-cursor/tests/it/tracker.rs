//! The tracker: a cursor never runs ahead, and a gap is never silent.

use std::time::Duration;

use cofferdam_core::{Epoch, Machine, Now, Scoped, TenantId};
use cofferdam_cursor::{
    Cursor, CursorStore, Effect, GapCause, Input, MemoryStore, Numbering, Outcome, Tracker,
    TrackerLimits, Write,
};
use cofferdam_sim::{PerTenant, Step, assert_noninterference, noninterference, rng};

use super::support::{stream, tenant};

const LIMITS: TrackerLimits = TrackerLimits {
    window: 64,
    commit_every: 1_000,
    commit_after: Duration::from_millis(100),
    numbering: Numbering::Dense,
};

/// A tracker and what it asked for.
struct Rig {
    tracker: Tracker,
    effects: Vec<Effect>,
    now: Now,
}

impl Rig {
    fn new(limits: TrackerLimits) -> Self {
        Self::resume(limits, &Cursor::new(stream("a", "calls"), Epoch(1), 0))
    }

    /// Resumes and takes the claim out of the way.
    fn resume(limits: TrackerLimits, cursor: &Cursor) -> Self {
        let now = Now::from_millis(0, 5_000);
        let mut rig = Self { tracker: Tracker::resume(cursor, limits), effects: Vec::new(), now };
        rig.tracker.handle_timeout(now, &mut rig.effects);
        assert_eq!(rig.committed(), [cursor.position()], "the claim");
        rig
    }

    fn tell(&mut self, input: Input) -> &mut Self {
        self.tracker.handle_input(input, self.now, &mut self.effects);
        self
    }

    fn open(&mut self, positions: impl IntoIterator<Item = u64>) -> &mut Self {
        for position in positions {
            self.tell(Input::Opened { position });
        }
        self
    }

    fn settle(&mut self, positions: impl IntoIterator<Item = u64>) -> &mut Self {
        for position in positions {
            self.tell(Input::Settled { position });
        }
        self
    }

    fn gap(&mut self, from: u64, to: impl Into<Option<u64>>) -> &mut Self {
        self.tell(Input::Gap { from, to: to.into(), cause: GapCause::Reset })
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.now = Now::from_millis(ms, 5_000);
        self.tracker.handle_timeout(self.now, &mut self.effects);
        self
    }

    /// The positions committed since the last question, in order.
    fn committed(&mut self) -> Vec<u64> {
        let effects = self.effects.drain(..);
        let position = |effect| match effect {
            Effect::Write(Write::Cursor(cursor)) => Some(cursor.position()),
            _ => None,
        };
        effects.filter_map(position).collect()
    }

    fn flushed(&mut self) -> Vec<u64> {
        self.tell(Input::Flush).committed()
    }

    /// Gaps as (from, to, cause) since the last question.
    fn gaps(&mut self) -> Vec<(u64, Option<u64>, GapCause)> {
        let effects = self.effects.drain(..);
        let gap = |effect| match effect {
            Effect::Write(Write::Gap(gap)) => Some((gap.from(), gap.to(), gap.cause())),
            _ => None,
        };
        effects.filter_map(gap).collect()
    }

    fn stalls(&mut self) -> Vec<u64> {
        let effects = self.effects.drain(..);
        let stall = |effect| match effect {
            Effect::Stalled { position, .. } => Some(position),
            Effect::Write(_) => None,
        };
        effects.filter_map(stall).collect()
    }
}

/// Promise 9.
#[test]
fn commits_only_what_is_settled_without_a_hole() {
    let mut rig = Rig::new(LIMITS);
    assert_eq!(rig.open(0..5).settle([4, 1, 2]).flushed(), [0_u64; 0]);
    assert_eq!(rig.settle([0]).flushed(), [3]);
    assert_eq!(rig.settle([3]).flushed(), [5]);
    assert_eq!(rig.flushed(), [0_u64; 0], "nothing new, nothing written");
}

#[test]
fn commits_when_enough_events_have_gathered() {
    let mut rig = Rig::new(TrackerLimits { commit_every: 4, ..LIMITS });
    assert_eq!(rig.open(0..10).settle(0..3).committed(), [0_u64; 0]);
    assert_eq!(rig.settle([3]).committed(), [4]);
    assert_eq!(rig.settle(4..10).committed(), [8]);
}

#[test]
fn commits_when_enough_time_has_passed() {
    let mut rig = Rig::new(LIMITS);
    rig.at(10).open(0..3).settle([0]);
    assert_eq!(rig.tracker.poll_timeout(), Some(rig.now.after(LIMITS.commit_after)));
    rig.now = Now::from_millis(60, 5_000);
    rig.settle([1]);
    assert_eq!(rig.at(109).committed(), [0_u64; 0], "not before it is due");
    assert_eq!(rig.at(110).committed(), [2], "counted from the first uncommitted position");
    assert_eq!(rig.at(10_000).committed(), [0_u64; 0], "a spurious timeout changes nothing");
    assert_eq!(rig.tracker.poll_timeout(), None);
}

#[test]
fn a_restart_goes_on_where_the_store_stands_and_fences_the_previous_owner() {
    let store = MemoryStore::new();
    let s = stream("a", "calls");
    let mut first = Tracker::resume(&Cursor::new(s.clone(), Epoch(1), 0), LIMITS);
    let (now, mut effects) = (Now::default(), Vec::new());
    for input in [Input::Opened { position: 0 }, Input::Settled { position: 0 }, Input::Flush] {
        first.handle_input(input, now, &mut effects);
    }
    let apply = |effects: &mut Vec<Effect>| -> Vec<Outcome> {
        let writes = effects.drain(..).map(|effect| match effect {
            Effect::Write(write) => write,
            Effect::Stalled { .. } => panic!("stalled"),
        });
        store.apply(&writes.collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(apply(&mut effects), [Outcome::Stored]);

    let stored = store.load(&s).unwrap().unwrap();
    assert_eq!(stored.position(), 1);
    let mut second = Tracker::resume(&stored.under(Epoch(2)), LIMITS);
    assert_eq!(second.poll_timeout(), Some(Now::default()), "the claim is due at once");
    second.handle_timeout(now, &mut effects);
    assert_eq!(apply(&mut effects), [Outcome::Stored], "the claim");

    for input in [Input::Opened { position: 1 }, Input::Settled { position: 1 }, Input::Flush] {
        first.handle_input(input, now, &mut effects);
    }
    assert_eq!(apply(&mut effects), [Outcome::Fenced], "the first owner learns that it is deposed");
}

/// An upstream that replays from a committed cursor repeats what lies before it.
#[test]
fn what_was_committed_before_the_restart_is_not_owed_again() {
    let cursor = Cursor::new(stream("a", "calls"), Epoch(1), 10);
    let mut rig = Rig::resume(LIMITS, &cursor);
    assert_eq!(rig.open(7..12).flushed(), [0_u64; 0]);
    assert_eq!(rig.tracker.outstanding(), 2);
    assert_eq!(rig.settle(7..12).flushed(), [12]);
}

#[test]
fn an_event_opened_twice_is_owed_until_it_is_settled() {
    let mut rig = Rig::new(LIMITS);
    rig.open([0, 1, 2]).settle([1, 2]).open([1]);
    assert_eq!(rig.settle([0]).flushed(), [1]);
    assert_eq!(rig.settle([1]).flushed(), [3]);
}

#[test]
fn settling_what_was_never_opened_changes_nothing() {
    let mut rig = Rig::new(LIMITS);
    assert_eq!(rig.settle([0, 1, 63, 64, u64::MAX]).flushed(), [0_u64; 0]);
    assert_eq!(rig.open([0]).settle([64, 128, u64::MAX]).flushed(), [0_u64; 0]);
    assert_eq!(rig.tracker.outstanding(), 1, "nor does what shares its place in the window");
}

/// Promise 6.
#[test]
fn a_skipped_number_becomes_a_gap_record_before_the_cursor_passes_it() {
    let mut rig = Rig::new(TrackerLimits { commit_every: 1, ..LIMITS });
    rig.open([0]).settle([0]).effects.clear();
    rig.open([5]).settle([5]);
    let Effect::Write(Write::Gap(gap)) = &rig.effects[0] else { panic!("{:?}", rig.effects) };
    assert_eq!((gap.from(), gap.to(), gap.cause()), (1, Some(5), GapCause::Skipped));
    assert_eq!((gap.at_ms(), gap.epoch(), gap.tenant()), (5_000, Epoch(1), &tenant("a")));
    assert_eq!(rig.committed(), [5, 6]);
}

#[test]
fn a_hole_in_sparse_numbers_is_no_gap() {
    let mut rig = Rig::new(TrackerLimits { numbering: Numbering::Sparse, ..LIMITS });
    rig.open([3, 10]);
    assert_eq!(rig.gaps(), []);
    assert_eq!(rig.settle([3]).flushed(), [10]);
    assert_eq!(
        rig.settle([10]).open([900]).settle([900]).flushed(),
        [901],
        "however wide the hole"
    );
}

/// Promise 6: what was open when the connection broke counts as lost, and is said to be.
#[test]
fn a_declared_gap_settles_what_it_covers_and_nothing_else() {
    let mut rig = Rig::new(LIMITS);
    rig.open(0..6).gap(2, 5);
    assert_eq!(rig.gaps(), [(2, Some(5), GapCause::Reset)]);
    assert_eq!(rig.tracker.outstanding(), 3);
    assert_eq!(rig.settle([0, 1]).flushed(), [5]);
    assert_eq!(rig.settle([5]).flushed(), [6]);
}

#[test]
fn a_gap_without_an_end_is_recorded_and_moves_nothing() {
    let mut rig = Rig::new(LIMITS);
    rig.open(0..3).gap(3, None);
    assert_eq!(rig.gaps(), [(3, None, GapCause::Reset)]);
    assert_eq!((rig.tracker.cursor().position(), rig.tracker.outstanding()), (0, 3));
}

#[test]
fn a_gap_of_any_size_costs_no_more_than_the_window() {
    let mut rig = Rig::new(LIMITS);
    rig.open(0..3).gap(1, u64::MAX);
    assert_eq!(rig.settle([0]).flushed(), [u64::MAX]);
    rig.open([u64::MAX]).settle([u64::MAX]).gap(0, u64::MAX).gap(u64::MAX, u64::MAX);
    assert_eq!(rig.flushed(), [0_u64; 0], "there is no position after the last");
}

/// In sparse numbers a gap far ahead says nothing of what lies before it.
#[test]
fn a_gap_ahead_does_not_carry_the_cursor_over_what_may_still_come() {
    let mut rig = Rig::new(TrackerLimits { numbering: Numbering::Sparse, ..LIMITS });
    rig.open([0]).settle([0]).gap(10, 20);
    assert_eq!(rig.flushed(), [1]);
    assert_eq!(rig.open([5]).flushed(), [5], "only what precedes the event that came");
}

/// Promise 5, promise 9: bounded, and held back rather than run ahead.
#[test]
fn a_full_window_stalls_and_lets_nothing_past() {
    let mut rig = Rig::new(LIMITS);
    assert_eq!(rig.open(0..64).stalls(), [0_u64; 0]);
    assert!(!rig.tracker.has_room(64));
    assert_eq!(rig.open([64, 65, 66]).stalls(), [64, 64, 64]);
    rig.settle(0..64);
    assert_eq!(rig.open([66]).stalls(), [64], "there is room again, but 64 and 65 are missing");
    assert_eq!(rig.settle([66]).flushed(), [64]);
    assert!(rig.tracker.has_room(64) && !rig.tracker.has_room(65));
    assert_eq!(rig.open(64..67).stalls(), [0_u64; 0]);
    assert_eq!(rig.settle(64..67).flushed(), [67]);
}

#[test]
fn a_gap_over_the_stalled_position_ends_the_stall() {
    let mut rig = Rig::new(LIMITS);
    rig.open(0..65).gap(64, 70);
    rig.effects.clear();
    assert_eq!(rig.settle(0..64).flushed(), [70]);
    assert_eq!(rig.open([70]).stalls(), [0_u64; 0]);
}

#[test]
fn a_gap_before_the_stalled_position_does_not() {
    let mut rig = Rig::new(LIMITS);
    rig.open(0..65).gap(10, 20);
    rig.effects.clear();
    assert_eq!(rig.settle(0..64).flushed(), [64]);
    assert_eq!(rig.open([65]).stalls(), [64]);
}

#[test]
fn a_window_is_never_smaller_than_64_nor_larger_than_asked_for_by_much() {
    for (asked, held) in [(0, 64), (1, 64), (64, 64), (65, 128), (100, 128)] {
        let mut rig = Rig::new(TrackerLimits { window: asked, ..LIMITS });
        assert_eq!(rig.open(0..=held).stalls(), [held], "{asked}");
    }
}

type Script = Vec<(Now, Step<(TenantId, Input)>)>;

/// Three tenants at once: opening, settling out of order, losing and flushing.
fn everybody(seed: u64) -> Script {
    let mut rng = rng::seeded("everybody", seed);
    let mut next = [0_u64; 3];
    let (mut ms, mut script) = (0, Vec::new());
    for _ in 0..3_000 {
        ms += rng.u64(..20);
        let who = rng.usize(..3);
        let position = next[who];
        let input = match rng.u8(..20) {
            0..=8 => Input::Opened { position },
            9..=17 => Input::Settled { position: position.saturating_sub(rng.u64(..12)) },
            18 => Input::Gap { from: position, to: Some(position + 3), cause: GapCause::Reset },
            _ => Input::Flush,
        };
        match input {
            Input::Opened { .. } => next[who] += 1,
            Input::Gap { .. } => next[who] += 3,
            _ => {}
        }
        let step = Step::Input((tenant(["a", "b", "c"][who]), input));
        script.push((Now::from_millis(ms, 0), step));
    }
    script.push((Now::from_millis(ms + 10_000, 0), Step::Timeout));
    script
}

fn tracker_of(tenant: &TenantId) -> Tracker {
    let limits = TrackerLimits { commit_every: 7, ..LIMITS };
    Tracker::resume(&Cursor::new(stream(tenant.as_str(), "calls"), Epoch(1), 0), limits)
}

#[test]
fn trackers_do_not_interfere() {
    for seed in 0..8 {
        let make = || PerTenant::new(tracker_of);
        assert_noninterference(make, |(tenant, _)| tenant.clone(), &everybody(seed));
    }
}

/// One tracker behind everybody's back.
struct Shared(Tracker);

impl Machine for Shared {
    type Input = (TenantId, Input);
    type Effect = Effect;

    fn handle_input(&mut self, input: Self::Input, now: Now, effects: &mut Vec<Effect>) {
        self.0.handle_input(input.1, now, effects);
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.0.handle_timeout(now, effects);
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.0.poll_timeout()
    }
}

/// The test above can fail.
#[test]
fn a_tracker_that_tenants_share_is_found_out() {
    let make = || Shared(tracker_of(&tenant("a")));
    let view = |at: Now, effect: &Effect| (at, effect.clone());
    let owner = |(tenant, _): &(TenantId, Input)| tenant.clone();
    assert!(noninterference::check(make, owner, view, &everybody(0)).is_err());
}
