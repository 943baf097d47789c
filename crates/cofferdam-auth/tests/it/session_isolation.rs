//! One tenant's sessions and revocations change nothing for another; and a reference to compare with.

use std::{collections::BTreeMap, time::Duration};

use cofferdam_auth::session::{Effect, FeedSilence, Input, Limits, Sessions, Target, Why};
use cofferdam_core::{ConnectionId, Machine, Now, Scoped, TenantContext, TenantId};
use cofferdam_sim::{Step, assert_noninterference, noninterference, rng};

use crate::{
    sessions::{START, context},
    world::tenant,
};

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

fn owner(input: &Input) -> TenantId {
    match input {
        Input::Open { context } => context.tenant().clone(),
        Input::Renew { tenant, .. }
        | Input::Closed { tenant, .. }
        | Input::Revoke { tenant, .. }
        | Input::KeysChanged { tenant, .. }
        | Input::Generation { tenant, .. } => tenant.clone(),
        other => panic!("nobody's own: {other:?}"),
    }
}

/// A credential with few different names, so that they meet.
fn credential(random: &mut fastrand::Rng, of: &str, wall_ms: i64) -> TenantContext {
    context(random.u64(1..6), |parts| {
        parts.tenant = tenant(of);
        parts.issuer = format!("https://id.example.com/{of}/{}", random.u8(0..2));
        parts.subject = format!("s{}", random.u8(0..3));
        parts.client = format!("c{}", random.u8(0..2));
        parts.token_id = format!("t{}", random.u8(0..60));
        parts.key_id = format!("k{}", random.u8(0..3));
        parts.key_print = [u8::from(random.u8(0..20) == 0); 16];
        parts.generation = u64::from(random.u8(0..200) == 0);
        parts.issued_at_ms = wall_ms - random.i64(0..120_000);
        parts.expires_at_ms = wall_ms + random.i64(-1_000..300_000);
    })
}

fn input(random: &mut fastrand::Rng, of: &str, wall_ms: i64) -> Input {
    let connection = ConnectionId(random.u64(1..6));
    let name =
        |random: &mut fastrand::Rng, kind: &str, n| Box::from(format!("{kind}{}", random.u8(0..n)));
    let tenant = tenant(of);
    match random.u8(0..20) {
        0..9 => Input::Open { context: credential(random, of, wall_ms) },
        9..12 => {
            let mut foreign = of;
            if random.u8(0..4) == 0 {
                foreign = TENANTS[random.usize(..3)];
            }
            Input::Renew { tenant, connection, context: credential(random, foreign, wall_ms) }
        }
        12..15 => Input::Closed { tenant, connection },
        15..18 => {
            let target = match random.u8(0..9) {
                0..4 => Target::Token(name(random, "t", 60)),
                4 => Target::Key(name(random, "k", 200)),
                5 | 6 => Target::Subject(name(random, "s", 3)),
                7 => Target::Client(name(random, "c", 2)),
                _ => Target::Everything,
            };
            // Within the leeway ahead, as a registry has it, or long ago.
            let as_of_now = random.u8(0..8) == 0;
            let cut = if as_of_now { 30_000 } else { -random.i64(0..120_000) };
            Input::Revoke { tenant, target, before_ms: wall_ms + cut, as_of_now }
        }
        18 => {
            let issuer = format!("https://id.example.com/{of}/{}", random.u8(0..2)).into();
            let kept: Vec<u8> = (0..3).filter(|_| random.u8(0..4) > 0).collect();
            let mut print = || [u8::from(random.u8(0..20) == 0); 16];
            let keys = kept.iter().map(|key| (format!("k{key}").into(), print())).collect();
            Input::KeysChanged { tenant, issuer, keys }
        }
        _ => Input::Generation { tenant, least: u64::from(random.u8(0..40) == 0) },
    }
}

/// Everybody's inputs, timeouts at any time, and a wall clock that jumps.
fn script(random: &mut fastrand::Rng, steps: usize) -> Vec<(Now, Step<Input>)> {
    let (mut monotonic_ms, mut wall_ms) = (0, START);
    let mut script = Vec::new();
    for _ in 0..steps {
        let passed = random.u64(0..1_500);
        monotonic_ms += passed;
        wall_ms += passed as i64;
        if random.u8(0..60) == 0 {
            wall_ms += random.i64(-600_000..600_000);
        }
        let step = if random.u8(0..10) == 0 {
            Step::Timeout
        } else {
            let of = TENANTS[random.usize(..3)];
            Step::Input(input(random, of, wall_ms))
        };
        script.push((Now::from_millis(monotonic_ms, wall_ms), step));
    }
    script.push((Now::from_millis(monotonic_ms + 900_000, wall_ms + 900_000), Step::Timeout));
    script
}

#[test]
fn no_tenant_notices_another() {
    let mut random = rng::seeded("no_tenant_notices_another", 0x5e55);
    let limits = Limits { per_tenant: 3, ..Limits::default() };
    for _ in 0..60 {
        assert_noninterference(|| Sessions::new(limits), owner, &script(&mut random, 400));
    }
}

/// The machine with a feed whose heartbeat comes every ten seconds, for a while.
struct Fed {
    sessions: Sessions,
    next: Option<Now>,
    until: Now,
}

impl Fed {
    fn new() -> Self {
        let limits = Limits { feed: Some(FeedSilence::default()), ..Limits::default() };
        let until = Now::from_millis(100_000, 0);
        Self { sessions: Sessions::new(limits), next: Some(Now::default()), until }
    }
}

impl Machine for Fed {
    type Input = Input;
    type Effect = Effect;

    fn handle_input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        self.sessions.handle_input(input, now, effects);
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some(at) = self.next.filter(|at| now.reached(*at)) {
            let heard = Input::FeedHeard { sent_ms: now.wall_ms() };
            self.sessions.handle_input(heard, now, effects);
            self.next =
                Some(at.after(Duration::from_secs(10))).filter(|at| !at.reached(self.until));
        }
        self.sessions.handle_timeout(now, effects);
    }

    fn poll_timeout(&self) -> Option<Now> {
        let both = [self.next, self.sessions.poll_timeout()];
        both.into_iter().flatten().min_by_key(|at| at.monotonic_ns())
    }
}

/// The feed is everybody's: it speaks and falls silent for all alike, and that is all.
#[test]
fn no_tenant_notices_another_while_the_feed_speaks_or_is_silent() {
    let mut random = rng::seeded("no_tenant_notices_another_while_the_feed_speaks", 0xfeed);
    for _ in 0..20 {
        assert_noninterference(Fed::new, owner, &script(&mut random, 400));
    }
}

/// Sharing one bound is the point of it: who came late is refused, and nothing else differs.
#[test]
fn the_bound_of_all_refuses_and_does_nothing_more() {
    let of = |who: &str, connection: u64| {
        let context = context(connection, |parts| {
            parts.tenant = tenant(who);
            // Whoever came later ends sooner, so that a refusal and an end stand in one place.
            parts.expires_at_ms -= 1_000 * connection as i64;
        });
        Step::Input(Input::Open { context })
    };
    let at = |ms| Now::from_millis(ms, START);
    let script = [
        (at(0), of("globex", 1)),
        (at(1), of("globex", 2)),
        (at(2), of("acme", 3)),
        (at(3), of("acme", 4)),
        (at(700_000), Step::Timeout),
    ];
    let limits = Limits { per_tenant: 2, in_all: 3, feed: None };
    let make = || Sessions::new(limits);
    let exact = |at: Now, effect: &Effect| format!("{at:?} {effect:?}");
    let found = noninterference::check(make, owner, exact, &script).unwrap_err();
    assert_eq!((found.tenant(), found.index()), (&tenant("acme"), 0));
    // But for the session that was refused, acme's trace is what it is alone.
    let view = |at: Now, effect: &Effect| match effect {
        Effect::End { connection: ConnectionId(3), .. } => format!("{at:?} {effect:?}"),
        _ => String::new(),
    };
    noninterference::check(make, owner, view, &script).unwrap();
}

/// What a list of all that was ever said makes of a session: the slow way.
#[derive(Default)]
struct Reference {
    facts: Vec<Input>,
    open: BTreeMap<(TenantId, ConnectionId), TenantContext>,
}

impl Reference {
    /// Whether anything that was said speaks against the credential.
    fn speaks_against(&self, context: &TenantContext) -> bool {
        let own = context.tenant();
        let mut keys: Option<&Vec<(Box<str>, [u8; 16])>> = None;
        let mut hit = false;
        for fact in &self.facts {
            hit |= match fact {
                Input::Revoke { tenant, target, before_ms, .. } if tenant == own => {
                    let before = context.issued_at_ms() <= *before_ms;
                    match target {
                        Target::Token(id) => **id == *context.token_id(),
                        Target::Key(id) => **id == *context.key_id(),
                        Target::Subject(id) => before && **id == *context.subject(),
                        Target::Client(id) => before && **id == *context.client(),
                        _ => before,
                    }
                }
                Input::Generation { tenant, least } if tenant == own => {
                    context.generation() < *least
                }
                Input::KeysChanged { tenant, issuer, keys: told }
                    if tenant == own && **issuer == *context.issuer() =>
                {
                    keys = Some(told);
                    false
                }
                _ => false,
            };
        }
        hit || keys.is_some_and(|keys| {
            !keys
                .iter()
                .any(|(key, print)| **key == *context.key_id() && *print == context.key_print())
        })
    }
}

/// After every step, what is open is exactly what was opened, not closed, and not spoken against.
#[test]
fn agrees_with_a_list_of_all_that_was_ever_said() {
    let mut random = rng::seeded("agrees_with_a_list_of_all_that_was_ever_said", 0x11);
    let mut ends = 0;
    for _ in 0..100 {
        let mut sessions = Sessions::new(Limits::default());
        let mut reference = Reference::default();
        let mut effects = Vec::new();
        let mut wall_ms = START;
        for ms in (0..300_000).step_by(1_000) {
            wall_ms += 1_000;
            let now = Now::from_millis(ms, wall_ms);
            sessions.handle_timeout(now, &mut effects);
            reference.open.retain(|_, context| !context.has_expired(now));
            for _ in 0..2 {
                let of = TENANTS[random.usize(..2)];
                let input = input(&mut random, of, wall_ms);
                follow(&mut reference, &input, &mut sessions, now, &mut effects);
            }
            for of in TENANTS {
                for connection in (1..6).map(ConnectionId) {
                    let expected = reference.open.contains_key(&(tenant(of), connection));
                    assert_eq!(sessions.is_open(&tenant(of), connection), expected, "{of} {ms}");
                }
            }
            assert_eq!(sessions.len(), reference.open.len());
        }
        ends += effects.iter().filter(|effect| matches!(effect, Effect::End { .. })).count();
    }
    assert!(ends > 2_000, "only {ends} sessions ended");
}

fn follow(
    reference: &mut Reference,
    input: &Input,
    sessions: &mut Sessions,
    now: Now,
    effects: &mut Vec<Effect>,
) {
    let before = effects.len();
    sessions.handle_input(input.clone(), now, effects);
    let refused = |effect: &Effect| match effect {
        Effect::Refused { why, .. } => Some(*why),
        Effect::End { .. } => None,
    };
    let answer = effects[before..].iter().find_map(refused);
    match input {
        Input::Open { context } => {
            let key = (context.tenant().clone(), context.connection());
            let admitted = !context.has_expired(now) && !reference.speaks_against(context);
            if admitted {
                let least = context.generation();
                reference.facts.push(Input::Generation { tenant: key.0.clone(), least });
            }
            assert_eq!(answer.is_none(), admitted && !reference.open_after().contains_key(&key));
            if answer.is_none() {
                reference.open.insert(key, context.clone());
            }
        }
        Input::Renew { tenant, connection, context } => {
            let key = (tenant.clone(), *connection);
            let Some(old) = reference.open.get(&key) else {
                assert_eq!(answer, Some(Why::Unknown));
                return;
            };
            let is_same = (old.tenant(), old.connection())
                == (context.tenant(), context.connection())
                && (old.issuer(), old.subject()) == (context.issuer(), context.subject())
                && (old.client(), old.generation()) == (context.client(), context.generation());
            if !is_same || reference.speaks_against(context) {
                reference.open.remove(&key);
            } else if context.expires_at_ms() > old.expires_at_ms() {
                reference.open.insert(key, context.clone());
            } else {
                assert_eq!(answer, Some(Why::NotLater));
            }
        }
        Input::Closed { tenant, connection } => {
            reference.open.remove(&(tenant.clone(), *connection));
        }
        fact => reference.facts.push(fact.clone()),
    }
    reference.open = reference.open_after();
}

impl Reference {
    fn open_after(&self) -> BTreeMap<(TenantId, ConnectionId), TenantContext> {
        let open = self.open.iter().filter(|(_, context)| !self.speaks_against(context));
        open.map(|(key, context)| (key.clone(), context.clone())).collect()
    }
}
