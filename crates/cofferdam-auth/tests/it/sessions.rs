//! When a session ends, and when one does not begin.

use std::time::Duration;

use cofferdam_auth::{
    Revoked,
    session::{Effect, FeedSilence, Input, Limits, Sessions, Target, Why},
};
use cofferdam_core::{
    Authority, ConnectionId, ContextParts, Epoch, Machine, Now, Scoped, TenantContext,
};

use crate::world::{ACME, tenant};

/// Wall time at the start of each test, in milliseconds.
pub(crate) const START: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

/// Acme's credential of ten minutes on one connection, and what a test changes of it.
pub(crate) fn context(connection: u64, change: impl FnOnce(&mut ContextParts)) -> TenantContext {
    let mut parts = ContextParts {
        issuer: ACME.into(),
        client: "dashboard".into(),
        token_id: format!("t{connection}"),
        key_id: "k1".into(),
        connection: ConnectionId(connection),
        epoch: Epoch(1),
        issued_at_ms: START,
        expires_at_ms: START + 10 * MINUTE,
        ..ContextParts::new(tenant("acme"), "ana")
    };
    change(&mut parts);
    #[expect(clippy::disallowed_methods, reason = "contexts without a token for each")]
    Authority::new([9; 16]).mint(parts)
}

/// A machine, what it did, and two clocks that move as a test likes.
pub(crate) struct Rig {
    pub(crate) sessions: Sessions,
    monotonic_ms: u64,
    wall_ms: i64,
    effects: Vec<Effect>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let sessions = Sessions::new(limits);
        Self { sessions, monotonic_ms: 0, wall_ms: START, effects: Vec::new() }
    }

    fn now(&self) -> Now {
        Now::from_millis(self.monotonic_ms, self.wall_ms)
    }

    pub(crate) fn tell(&mut self, input: Input) -> &mut Self {
        self.sessions.handle_input(input, self.now(), &mut self.effects);
        self
    }

    fn open(&mut self, context: TenantContext) -> &mut Self {
        self.tell(Input::Open { context })
    }

    /// Acme's sessions, one on each connection.
    fn open_all(&mut self, connections: impl IntoIterator<Item = u64>) -> &mut Self {
        for connection in connections {
            self.open(context(connection, |_| {}));
        }
        assert_eq!(self.effects, [], "all were opened");
        self
    }

    fn renew(&mut self, connection: u64, context: TenantContext) -> &mut Self {
        let connection = ConnectionId(connection);
        self.tell(Input::Renew { tenant: tenant("acme"), connection, context })
    }

    fn revoke(&mut self, of: &str, what: Revoked<'_>, before_ms: i64) -> &mut Self {
        let (tenant, target) = (tenant(of), what.into());
        self.tell(Input::Revoke { tenant, target, before_ms, as_of_now: false })
    }

    fn revoke_now(&mut self, of: &str, what: Revoked<'_>) -> &mut Self {
        let (tenant, target, before_ms) = (tenant(of), what.into(), self.wall_ms);
        self.tell(Input::Revoke { tenant, target, before_ms, as_of_now: true })
    }

    fn keys(&mut self, issuer: &str, keys: &[&str]) -> &mut Self {
        let keys = keys.iter().map(|key| (Box::from(*key), [0; 16])).collect();
        self.tell(Input::KeysChanged { tenant: tenant("acme"), issuer: issuer.into(), keys })
    }

    /// Both clocks move on, and every timeout that is asked for fires in its time.
    fn pass(&mut self, span: Duration) -> &mut Self {
        let end = self.now().after(span);
        while let Some(due) = self.sessions.poll_timeout().filter(|due| end.reached(*due)) {
            let step = due.since(self.now()).max(Duration::from_millis(1));
            self.step(step.min(end.since(self.now())));
        }
        self.step(end.since(self.now()));
        self
    }

    fn step(&mut self, span: Duration) {
        self.monotonic_ms += u64::try_from(span.as_millis()).unwrap();
        self.wall_ms += i64::try_from(span.as_millis()).unwrap();
        self.sessions.handle_timeout(self.now(), &mut self.effects);
    }

    fn jump(&mut self, by_ms: i64) -> &mut Self {
        self.wall_ms += by_ms;
        self
    }

    /// Sessions that ended since the last question.
    fn ended(&mut self) -> Vec<(u64, Why)> {
        let ended = self.effects.drain(..).map(|effect| match effect {
            Effect::End { connection, why, .. } => (connection.0, why),
            other => panic!("not an end: {other:?}"),
        });
        ended.collect()
    }

    /// The one refusal since the last question.
    fn refused(&mut self) -> Option<Why> {
        let mut refused = self.effects.drain(..).map(|effect| match effect {
            Effect::Refused { why, .. } => why,
            other => panic!("not a refusal: {other:?}"),
        });
        let first = refused.next();
        assert_eq!(refused.next(), None);
        first
    }
}

#[test]
fn ends_at_the_millisecond_of_its_expiry() {
    let mut rig = Rig::new();
    rig.open_all([1]).pass(Duration::from_millis(599_999));
    assert_eq!((rig.ended(), rig.sessions.len()), (vec![], 1));
    assert_eq!(rig.pass(Duration::from_millis(1)).ended(), [(1, Why::Expired)]);
    assert!(rig.sessions.is_empty() && rig.sessions.poll_timeout().is_none());
    rig.open(context(2, |_| {}));
    assert_eq!(rig.refused(), Some(Why::Expired), "an expired credential opens nothing");
}

/// Not at the next look at the wall clock, which would be half a second later.
#[test]
fn asks_to_be_woken_when_the_next_session_ends() {
    let mut rig = Rig::new();
    rig.open(context(1, |parts| parts.expires_at_ms = START + 1_500))
        .pass(Duration::from_millis(1_200));
    let due = rig.sessions.poll_timeout().unwrap();
    assert_eq!(due.monotonic_ns(), 1_500_000_000);
    assert_eq!(rig.pass(Duration::from_millis(300)).ended(), [(1, Why::Expired)]);
}

/// They are taken out together: nothing of them may be left behind, and nobody else's go with them.
#[test]
fn sessions_that_end_together_leave_nothing_behind() {
    let until = |connection, tenant_of: &'static str, left_ms| {
        context(connection, move |parts| {
            parts.tenant = tenant(tenant_of);
            parts.expires_at_ms = START + left_ms;
        })
    };
    let mut rig = Rig::new();
    rig.open(until(1, "acme", 300)).open(until(2, "acme", 400)).open(until(3, "acme", 400));
    rig.open(until(1, "globex", 700)).revoke_now("acme", Revoked::Everything);
    assert_eq!(rig.ended(), [1, 2, 3].map(|connection| (connection, Why::Revoked)));
    assert_eq!(rig.sessions.len(), 1);
    let next = |rig: &Rig| rig.sessions.poll_timeout().map(Now::monotonic_ns);
    assert_eq!(next(&rig), Some(700_000_000), "the other tenant's");
    assert_eq!(rig.revoke_now("acme", Revoked::Token("t2")).ended(), [], "no index has it");
    // By the clock: some of a tenant's, then the rest of both tenants'.
    let mut rig = Rig::new();
    rig.open(until(1, "acme", 300)).open(until(2, "acme", 400)).open(until(3, "acme", 400));
    rig.open(until(4, "globex", 400)).open(until(5, "globex", 700));
    assert_eq!(rig.pass(Duration::from_millis(300)).ended(), [(1, Why::Expired)]);
    assert_eq!(next(&rig), Some(400_000_000));
    let ended = [2, 3, 4].map(|connection| (connection, Why::Expired));
    assert_eq!(rig.pass(Duration::from_millis(100)).ended(), ended);
    assert_eq!(next(&rig), Some(700_000_000));
    assert_eq!(rig.pass(Duration::from_millis(300)).ended(), [(5, Why::Expired)]);
    assert_eq!(rig.sessions.len(), 0);
}

/// A tenant that gives each integration an issuer of its own, for a while.
#[test]
fn issuers_that_were_removed_make_room_for_others() {
    let mut rig = Rig::new();
    let name = |i: usize| format!("https://id.example.com/acme/{i}");
    let of = |connection: u64, i: usize| context(connection, |parts| parts.issuer = name(i));
    for i in 0..600 {
        rig.keys(&name(i), &["k1"]).open(of(1, i));
        assert_eq!(rig.refused(), None, "{i}");
        assert_eq!(rig.keys(&name(i), &[]).ended(), [(1, Why::KeyWithdrawn)]);
        rig.pass(Duration::from_millis(1));
    }
    rig.open(of(1, 599));
    assert_eq!(rig.refused(), Some(Why::KeyWithdrawn), "the newest are remembered");
    // Those that are there are not forgotten for others' sake.
    let mut rig = Rig::new();
    for i in 0..256 {
        rig.keys(&name(i), &["k1"]);
    }
    rig.keys(&name(256), &["k1"]).open(of(1, 256));
    assert_eq!(rig.refused(), Some(Why::KeyWithdrawn), "there is no room for more");
    rig.open(of(1, 0));
    assert_eq!(rig.refused(), None);
    // And those that were removed are, once no token of theirs can live.
    rig.keys(&name(1), &[]).pass(Duration::from_secs(25 * 60 * 60)).ended();
    rig.keys(&name(2), &["k1"]).open(context(2, |parts| {
        parts.issuer = name(300);
        parts.expires_at_ms = i64::MAX;
    }));
    assert_eq!(rig.refused(), None, "one is free");
}

/// A heartbeat is as old as it says: one that is played back hides no silence since.
#[test]
fn a_heartbeat_counts_from_when_it_was_sent() {
    let mut rig = with_feed();
    rig.pass(Duration::from_secs(20)).tell(Input::FeedHeard { sent_ms: START });
    rig.open(context(1, |_| {})).pass(Duration::from_millis(9_999)).open(context(2, |_| {}));
    assert_eq!(rig.refused(), None);
    rig.pass(Duration::from_millis(1)).open(context(3, |_| {}));
    assert_eq!(rig.refused(), Some(Why::FeedSilent));
    // A later one that says to be older takes nothing back.
    rig.tell(Input::FeedHeard { sent_ms: START + 30_000 });
    rig.tell(Input::FeedHeard { sent_ms: START + 1_000 }).open(context(3, |_| {}));
    assert_eq!(rig.refused(), None);
    assert_eq!(rig.pass(Duration::from_millis(59_999)).ended(), []);
    assert_eq!(rig.pass(Duration::from_millis(1)).ended().len(), 3);
}

/// S08: an hour back, before and after the opening, is no hour more.
#[test]
fn a_wall_clock_that_is_set_back_extends_no_session() {
    let mut rig = Rig::new();
    rig.open_all([1]).pass(Duration::from_secs(60)).jump(-60 * MINUTE);
    assert_eq!(rig.pass(Duration::from_millis(539_999)).ended(), []);
    assert_eq!(rig.pass(Duration::from_millis(1)).ended(), [(1, Why::Expired)]);

    let mut rig = Rig::new();
    rig.jump(-60 * MINUTE).open_all([1]);
    assert_eq!(rig.pass(Duration::from_millis(599_999)).ended(), []);
    let ended = rig.pass(Duration::from_millis(1)).ended();
    assert_eq!(ended, [(1, Why::Expired)], "a credential lasts no longer than it was issued for");
}

/// S08: an hour forward ends what has expired by it within a second, and nothing else.
#[test]
fn a_wall_clock_that_is_set_forward_ends_what_has_expired() {
    let mut rig = Rig::new();
    rig.open_all([1]).open(context(2, |parts| parts.expires_at_ms += 120 * MINUTE));
    rig.pass(Duration::from_millis(1_500)).jump(60 * MINUTE);
    assert_eq!(rig.pass(Duration::from_millis(499)).ended(), []);
    assert_eq!(rig.pass(Duration::from_millis(1)).ended(), [(1, Why::Expired)]);
    assert!(rig.sessions.is_open(&tenant("acme"), ConnectionId(2)));
}

#[test]
fn spurious_timeouts_change_nothing() {
    let mut rig = Rig::new();
    rig.open_all([1, 2]);
    for _ in 0..3 {
        rig.step(Duration::ZERO);
        let asked = rig.sessions.poll_timeout();
        rig.step(Duration::ZERO);
        assert_eq!((rig.ended(), rig.sessions.poll_timeout()), (vec![], asked));
    }
    let mut late = Rig::new();
    late.pass(Duration::from_millis(10_500)).open_all([1]);
    let next = late.sessions.poll_timeout().map(Now::monotonic_ns);
    assert_eq!(next, Some(11_000_000_000), "a first session asks for nothing that is past");
    // A monotonic clock that goes back is one that stands.
    rig.pass(Duration::from_secs(30));
    let asked = rig.sessions.poll_timeout();
    rig.monotonic_ms = 0;
    rig.step(Duration::ZERO);
    assert_eq!((rig.ended(), rig.sessions.poll_timeout()), (vec![], asked));
}

#[test]
fn a_revocation_ends_the_sessions_that_it_names_and_no_others() {
    for (what, hit) in [
        (Revoked::Token("t1"), vec![1]),
        (Revoked::Subject("bob"), vec![2]),
        (Revoked::Client("agent"), vec![3]),
        (Revoked::Key("k2"), vec![4]),
        (Revoked::Everything, vec![1, 2, 3, 4, 5]),
        (Revoked::Token("bob"), vec![]),
    ] {
        let mut rig = Rig::new();
        rig.open_all([1, 5]);
        rig.open(context(2, |parts| parts.subject = "bob".into()));
        rig.open(context(3, |parts| parts.client = "agent".into()));
        rig.open(context(4, |parts| parts.key_id = "k2".into()));
        // The same names at another tenant.
        let globex = |parts: &mut ContextParts| parts.tenant = tenant("globex");
        rig.open(context(1, globex));
        rig.revoke("acme", what, START);
        let expected: Vec<_> = hit.iter().map(|own| (*own, Why::Revoked)).collect();
        assert_eq!(rig.ended(), expected, "{what:?}");
        assert!(rig.sessions.is_open(&tenant("globex"), ConnectionId(1)), "{what:?}");
        assert_eq!(rig.sessions.len(), 6 - hit.len());
        // What is over ends once.
        assert_eq!(rig.revoke("acme", what, START).ended(), []);
    }
}

/// A client that was deleted and made again at `t` keeps what it was issued since.
#[test]
fn only_what_was_issued_before_the_cut_is_revoked() {
    for what in [Revoked::Subject("ana"), Revoked::Client("dashboard"), Revoked::Everything] {
        let mut rig = Rig::new();
        rig.open_all([1]).open(context(2, |parts| parts.issued_at_ms = START + 1));
        rig.pass(Duration::from_millis(2));
        assert_eq!(rig.revoke("acme", what, START).ended(), [(1, Why::Revoked)], "{what:?}");
        rig.open(context(3, |_| {}));
        assert_eq!(rig.refused(), Some(Why::Revoked), "{what:?}");
        rig.open(context(4, |parts| parts.issued_at_ms = START + 1));
        assert_eq!(rig.refused(), None, "{what:?}");
    }
    let mut rig = Rig::new();
    rig.open_all([1]).revoke("acme", Revoked::Key("k1"), i64::MIN);
    assert_eq!(rig.ended(), [(1, Why::Revoked)], "a key has no before");
}

/// V05: one as of now ends what is open, whatever the credential says of when it was issued.
#[test]
fn a_clock_that_was_set_back_saves_no_session() {
    for what in [Revoked::Subject("ana"), Revoked::Client("dashboard"), Revoked::Everything] {
        let mut rig = Rig::new();
        rig.open_all([1]).open(context(2, |parts| parts.tenant = tenant("globex")));
        rig.jump(-10 * MINUTE);
        assert_eq!(rig.revoke("acme", what, START - 10 * MINUTE).ended(), [], "{what:?}");
        let ended = rig.revoke_now("acme", what).ended();
        assert_eq!(ended, [(1, Why::Revoked)], "{what:?}");
    }
}

/// A few tenants at their limits lock nobody else out.
#[test]
fn the_last_tenth_of_all_room_is_for_those_who_hold_little() {
    let mut rig = Rig::with(Limits { per_tenant: 200, in_all: 200, feed: None });
    rig.open_all(1..=180);
    rig.open(context(181, |_| {}));
    assert_eq!(rig.refused(), Some(Why::Full));
    for connection in 1..=2 {
        rig.open(context(connection, |parts| parts.tenant = tenant("globex")));
    }
    assert_eq!(rig.refused(), None);
    rig.open(context(3, |parts| parts.tenant = tenant("globex")));
    assert_eq!(rig.refused(), Some(Why::Full), "a hundredth");
    for other in 0..18 {
        rig.open(context(1, |parts| parts.tenant = tenant(&format!("other-{other}"))));
    }
    assert_eq!(rig.refused(), None);
    rig.open(context(1, |parts| parts.tenant = tenant("late")));
    assert_eq!(rig.refused(), Some(Why::Full), "full is full");
}

/// V06: a revocation that comes first refuses the session when it is opened.
#[test]
fn what_is_revoked_is_not_opened_later() {
    let mut rig = Rig::new();
    rig.revoke("acme", Revoked::Token("t1"), START);
    rig.open(context(1, |_| {}));
    assert_eq!(rig.refused(), Some(Why::Revoked));
    // For as long as any token can live, and nobody's sessions keep the memory in place.
    rig.pass(Duration::from_secs(24 * 60 * 60)).jump(-24 * 60 * MINUTE);
    rig.open(context(1, |_| {}));
    assert_eq!(rig.refused(), Some(Why::Revoked));
    rig.open(context(2, |_| {}));
    assert_eq!(rig.refused(), None);
}

#[test]
fn a_tenant_is_forgotten_when_no_token_can_be_about_it() {
    let mut rig = Rig::new();
    rig.open(context(1, |parts| parts.generation = 3)).revoke("acme", Revoked::Everything, 0);
    rig.keys(ACME, &["k1"]);
    rig.tell(Input::Closed { tenant: tenant("acme"), connection: ConnectionId(1) });
    assert!(rig.sessions.poll_timeout().is_some(), "remembered");
    rig.pass(Duration::from_secs(25 * 60 * 60));
    assert_eq!((rig.ended(), rig.sessions.poll_timeout()), (vec![], None));
    assert!(format!("{:?}", rig.sessions).contains("rooms: {}"), "nothing is left");
}

/// K13: a withdrawn key ends its sessions and refuses those that were on their way.
#[test]
fn a_key_that_its_issuer_withdraws_ends_the_sessions_that_it_opened() {
    let other = "https://id.example.com/acme-2";
    let mut rig = Rig::new();
    rig.open_all([1]).open(context(2, |parts| parts.key_id = "k2".into()));
    rig.open(context(3, |parts| parts.issuer = other.into()));
    assert_eq!(rig.keys(ACME, &["k1", "k2", "k3"]).ended(), []);
    assert_eq!(rig.keys(ACME, &["k2", "k3"]).ended(), [(1, Why::KeyWithdrawn)]);
    rig.open(context(4, |_| {}));
    assert_eq!(rig.refused(), Some(Why::KeyWithdrawn));
    rig.open(context(5, |parts| parts.issuer = other.into()));
    assert_eq!(rig.refused(), None, "another issuer's k1 is another key");
    rig.keys(ACME, &["k1"]);
    assert_eq!(rig.ended(), [(2, Why::KeyWithdrawn)]);
    rig.open(context(6, |_| {}));
    assert_eq!(rig.refused(), None, "published again");
}

/// S07: deleted and made again is another tenant, whoever tells first.
#[test]
fn sessions_of_an_earlier_registration_end() {
    let of = |connection, generation| context(connection, |parts| parts.generation = generation);
    let mut rig = Rig::new();
    rig.open(of(1, 4)).open(of(2, 4));
    rig.tell(Input::Generation { tenant: tenant("acme"), least: 5 });
    assert_eq!(rig.ended(), [(1, Why::Generation), (2, Why::Generation)]);
    rig.open(of(3, 4));
    assert_eq!(rig.refused(), Some(Why::Generation));
    rig.open(of(4, 5));
    assert_eq!(rig.ended(), []);
    // The first session of the next registration says it as well.
    rig.open(of(5, 6));
    assert_eq!(rig.ended(), [(4, Why::Generation)]);
    // Told late: nothing becomes good again.
    rig.tell(Input::Generation { tenant: tenant("acme"), least: 5 }).open(of(6, 5));
    assert_eq!(rig.refused(), Some(Why::Generation));
    assert!(rig.sessions.is_open(&tenant("acme"), ConnectionId(5)));
}

fn longer(parts: &mut ContextParts) {
    parts.token_id = "renewed".into();
    parts.issued_at_ms += 5 * MINUTE;
    parts.expires_at_ms += 5 * MINUTE;
}

#[test]
fn a_renewal_moves_the_end_and_the_token_it_stands_on() {
    let mut rig = Rig::new();
    rig.open_all([1]).pass(Duration::from_secs(300)).renew(1, context(1, longer));
    assert_eq!(rig.refused(), None);
    rig.revoke("acme", Revoked::Token("t1"), START);
    assert_eq!(rig.pass(Duration::from_millis(599_999)).ended(), []);
    assert_eq!(rig.pass(Duration::from_millis(1)).ended(), [(1, Why::Expired)]);

    let mut rig = Rig::new();
    rig.open_all([1]).renew(1, context(1, longer)).revoke("acme", Revoked::Token("renewed"), 0);
    assert_eq!(rig.ended(), [(1, Why::Revoked)]);
}

/// S05: whatever of the session's identity differs, it ends with 4403.
#[test]
fn a_renewal_that_is_not_of_the_session_ends_it() {
    type Spoil = fn(&mut ContextParts);
    let spoils: [Spoil; 9] = [
        |parts| parts.organisation = Some("another".into()),
        |parts| parts.holder_key = Some([7; 32]),
        |parts| parts.tenant = tenant("globex"),
        |parts| parts.generation = 1,
        |parts| parts.issuer = "https://id.example.com/acme-2".into(),
        |parts| parts.subject = "bob".into(),
        |parts| parts.client = "agent".into(),
        |parts| parts.connection = ConnectionId(2),
        |parts| parts.epoch = Epoch(2),
    ];
    for (at, spoil) in spoils.into_iter().enumerate() {
        let mut rig = Rig::new();
        rig.open_all([1, 2]);
        rig.open(context(1, |parts| parts.tenant = tenant("globex")));
        rig.renew(
            1,
            context(1, |parts| {
                longer(parts);
                spoil(parts);
            }),
        );
        let ended = std::mem::take(&mut rig.effects);
        let why = Why::ForeignRenewal;
        let end = Effect::End { tenant: tenant("acme"), connection: ConnectionId(1), why };
        assert_eq!((ended, why.close_code()), (vec![end], 4403), "{at}");
        assert!(!rig.sessions.is_open(&tenant("acme"), ConnectionId(1)), "{at}");
        assert_eq!(rig.sessions.len(), 2, "{at}: nobody else's session ends");
    }
}

#[test]
fn a_renewal_with_what_is_no_longer_accepted_ends_the_session() {
    let mut rig = Rig::new();
    rig.open_all([1]).revoke("acme", Revoked::Token("renewed"), START).renew(1, context(1, longer));
    assert_eq!(rig.ended(), [(1, Why::Revoked)]);
    let mut rig = Rig::new();
    rig.keys(ACME, &["k1"]).open_all([1]);
    rig.renew(
        1,
        context(1, |parts| {
            longer(parts);
            parts.key_id = "k2".into();
        }),
    );
    assert_eq!(rig.ended(), [(1, Why::KeyWithdrawn)]);
}

#[test]
fn a_renewal_that_brings_nothing_or_comes_too_late_extends_nothing() {
    let mut rig = Rig::new();
    rig.open_all([1]).renew(1, context(1, |_| {}));
    assert_eq!(rig.refused(), Some(Why::NotLater));
    rig.renew(2, context(2, longer));
    assert_eq!(rig.refused(), Some(Why::Unknown));
    // Past the end by the wall clock, before any timeout: the session is over.
    rig.jump(10 * MINUTE).renew(1, context(1, longer));
    assert_eq!(rig.ended(), [(1, Why::Expired)]);
    assert_eq!(rig.pass(Duration::from_secs(600)).ended(), []);
}

#[test]
fn a_connection_that_is_gone_is_forgotten() {
    let mut rig = Rig::new();
    rig.open_all([1, 2]);
    rig.tell(Input::Closed { tenant: tenant("globex"), connection: ConnectionId(1) });
    assert_eq!(rig.sessions.len(), 2, "another tenant's connection is not ours to close");
    rig.tell(Input::Closed { tenant: tenant("acme"), connection: ConnectionId(1) });
    assert_eq!(rig.revoke("acme", Revoked::Everything, START).ended(), [(2, Why::Revoked)]);
    assert_eq!(rig.pass(Duration::from_secs(600)).ended(), []);
}

#[test]
fn there_are_so_many_sessions_and_no_more() {
    let globex = |parts: &mut ContextParts| parts.tenant = tenant("globex");
    let mut rig = Rig::with(Limits { per_tenant: 2, in_all: 3, feed: None });
    rig.open_all([1, 2]).open(context(3, |_| {}));
    assert_eq!(rig.refused(), Some(Why::Full));
    rig.open(context(4, globex)).open(context(5, globex));
    assert_eq!(rig.refused(), Some(Why::Full));
    rig.tell(Input::Closed { tenant: tenant("acme"), connection: ConnectionId(1) });
    rig.open(context(5, globex));
    assert_eq!((rig.refused(), rig.sessions.len()), (None, 3));
    rig.open(context(2, |_| {}));
    assert_eq!(rig.refused(), Some(Why::InUse), "one connection has one session");
    // A tenant that is full with sessions of an earlier registration has room for the next.
    let mut rig = Rig::with(Limits { per_tenant: 1, ..Limits::default() });
    rig.open_all([1]).open(context(2, |parts| parts.generation = 1));
    assert_eq!(rig.ended(), [(1, Why::Generation)]);
}

fn with_feed() -> Rig {
    Rig::with(Limits { feed: Some(FeedSilence::default()), ..Limits::default() })
}

/// V05: a node that the feed does not reach takes nobody after 30 s and has nobody after 60 s.
#[test]
fn a_silent_feed_stops_new_sessions_and_then_ends_all() {
    let mut rig = with_feed();
    rig.open(context(1, |_| {}));
    assert_eq!(rig.refused(), Some(Why::FeedSilent), "never heard is silent");
    rig.tell(Input::FeedHeard { sent_ms: START }).open_all([1]).pass(Duration::from_millis(29_999));
    rig.open_all([2]).pass(Duration::from_millis(1)).open(context(3, |_| {}));
    assert_eq!(rig.refused(), Some(Why::FeedSilent));
    assert_eq!(rig.pass(Duration::from_millis(29_999)).ended(), []);
    let ended = rig.pass(Duration::from_millis(1)).ended();
    assert_eq!(ended, [(1, Why::FeedSilent), (2, Why::FeedSilent)]);
    rig.tell(Input::FeedHeard { sent_ms: START + MINUTE }).open_all([3]);
    assert_eq!(rig.pass(Duration::from_secs(59)).ended(), []);
}

/// V05: a heartbeat that was recorded and is played back does not hide a silence.
#[test]
fn an_old_heartbeat_does_not_count() {
    let mut rig = with_feed();
    rig.tell(Input::FeedHeard { sent_ms: START }).open_all([1]);
    for second in 1..60 {
        rig.pass(Duration::from_secs(1));
        if second > 30 {
            rig.tell(Input::FeedHeard { sent_ms: START });
        }
    }
    assert_eq!(rig.pass(Duration::from_secs(1)).ended(), [(1, Why::FeedSilent)]);
    rig.tell(Input::FeedHeard { sent_ms: START + 120_000 }).open(context(2, |_| {}));
    assert_eq!(rig.refused(), Some(Why::FeedSilent), "nor one of the future");
}

#[test]
fn a_feeds_silence_can_be_shortened_only() {
    let day = Duration::from_secs(86_400);
    assert_eq!(FeedSilence::within(day, day).with_skew(day), FeedSilence::default());
    let (ten, twenty) = (Duration::from_secs(10), Duration::from_secs(20));
    let limits = Limits { feed: Some(FeedSilence::within(ten, twenty)), ..Limits::default() };
    let mut rig = Rig::with(limits);
    rig.tell(Input::FeedHeard { sent_ms: START }).open_all([1]).pass(ten).open(context(2, |_| {}));
    assert_eq!(rig.refused(), Some(Why::FeedSilent));
    assert_eq!(rig.pass(ten).ended(), [(1, Why::FeedSilent)]);
    // As can the age of a heartbeat.
    let five = Duration::from_secs(5);
    let limits = Limits { feed: Some(FeedSilence::default().with_skew(five)), ..limits };
    for (age_ms, counts) in [(5_000, true), (5_001, false)] {
        let mut rig = Rig::with(limits);
        // An hour old, so that it could have heard it.
        rig.monotonic_ms = 3_600_000;
        rig.tell(Input::FeedHeard { sent_ms: START - age_ms }).open(context(1, |_| {}));
        assert_eq!(rig.refused().is_none(), counts, "{age_ms}");
    }
    // Closing before refusing would let sessions in to be ended at once.
    assert_eq!(FeedSilence::within(twenty, ten), FeedSilence::within(twenty, twenty));
}

#[test]
fn a_process_of_its_own_needs_no_heartbeat() {
    let mut rig = Rig::new();
    rig.open_all([1]).tell(Input::FeedHeard { sent_ms: START });
    assert_eq!(rig.pass(Duration::from_secs(599)).ended(), []);
}

/// K19: one text, and no code that tells a revoked token from a removed tenant.
#[test]
fn a_peer_learns_only_whether_to_come_back() {
    let code = |all: &[Why]| all.iter().map(|why| why.close_code()).collect::<Vec<_>>();
    assert_eq!(code(&[Why::Expired, Why::NotLater]), [4401; 2]);
    let gone = [Why::Revoked, Why::KeyWithdrawn, Why::Generation, Why::ForeignRenewal];
    assert_eq!(code(&gone), [4403; 4]);
    assert_eq!(code(&[Why::FeedSilent, Why::Full]), [1013; 2]);
    assert_eq!(code(&[Why::Stopped, Why::InUse, Why::Unknown]), [1001, 1011, 1011]);
    assert_eq!(Why::CLOSE_TEXT, "session ended");
}

#[test]
fn debug_shows_no_person_and_no_token() {
    let mut rig = Rig::new();
    rig.open_all([1]).revoke("acme", Revoked::Subject("bob"), START);
    let input = Input::Revoke {
        tenant: tenant("acme"),
        target: Target::Subject("bob".into()),
        before_ms: 0,
        as_of_now: true,
    };
    let open = Input::Open { context: context(1, |_| {}) };
    let shown = format!("{:?} {input:?} {open:?}", rig.sessions);
    for secret in ["ana", "bob", "t1"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(rig.sessions.is_open(context(1, |_| {}).tenant(), ConnectionId(1)));
}

/// Nobody is woken for the moment that has just passed.
#[test]
fn the_first_session_is_looked_at_later_and_not_at_once() {
    let mut rig = Rig::new();
    assert!(rig.sessions.is_empty());
    // With nobody there, nobody looks at the time.
    rig.monotonic_ms += 100_000;
    rig.open_all([1]);
    assert!(!rig.sessions.is_empty());
    let due = rig.sessions.poll_timeout().unwrap();
    assert!(!rig.now().reached(due), "{due:?} is due at {:?}", rig.now());
}
