//! Key sets over time: fresh, stale, withdrawn, and asked for by strangers. All time is virtual.

use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use cofferdam_auth::{
    InvalidKeySet,
    refresh::{
        ASKED_AGAIN, Alarm, Answer, Effect, FRESH, Flight, Input, MAX_ISSUERS, MAX_WAITING,
        Refresher, SHORTEST, STALE, Waiter,
    },
};
use cofferdam_core::{Machine, Now, Scoped, TenantId};
use cofferdam_sim::{Step, assert_noninterference, rng};

use crate::world::{ACME, GLOBEX, ed25519_jwk, jwks, tenant};

/// A set with a key for each name; the same name is always the same key.
fn set(names: &[&str]) -> Answer {
    let keys: Vec<_> = names
        .iter()
        .map(|name| {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[name.as_bytes()[1]; 32]).unwrap();
            ed25519_jwk(name, "EdDSA", &pair)
        })
        .collect();
    Answer::Set { body: jwks(&keys).into_bytes(), validator: None, max_age: None }
}

fn body(text: &str) -> Answer {
    Answer::Set { body: text.as_bytes().to_vec(), validator: None, max_age: None }
}

struct Rig {
    machine: Refresher,
    now: Now,
    effects: Vec<Effect>,
}

impl Rig {
    /// With ACME registered, its first fetch under way.
    fn new() -> Self {
        let now = Now::from_millis(0, 1_000);
        let mut rig = Self { machine: Refresher::new([3; 16]), now, effects: Vec::new() };
        rig.register(ACME, "acme");
        rig
    }

    /// With ACME's keys there.
    fn with_keys(names: &[&str]) -> Self {
        let mut rig = Self::new();
        rig.answer(set(names));
        rig.effects.clear();
        rig
    }

    fn give(&mut self, input: Input) {
        self.machine.handle_input(input, self.now, &mut self.effects);
    }

    fn register(&mut self, issuer: &str, id: &str) {
        self.give(Input::Register { issuer: issuer.to_owned(), tenant: tenant(id) });
    }

    fn ask(&mut self, key_id: &str, waiter: u64) {
        let (issuer, key_id) = (ACME.to_owned(), key_id.to_owned());
        self.give(Input::UnknownKey { issuer, key_id, waiter: Waiter(waiter) });
    }

    /// Answers the fetch that was asked for last.
    fn answer(&mut self, answer: Answer) {
        let flight = self.flights().pop().unwrap();
        self.effects.clear();
        self.give(Input::Fetched { issuer: ACME.to_owned(), flight, answer });
    }

    /// Lets time pass, the machine being woken whenever it asks for it.
    fn pass(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(due) = self.machine.poll_timeout().filter(|due| end.reached(*due)) {
            self.now = self.now.after(due.since(self.now));
            self.machine.handle_timeout(self.now, &mut self.effects);
        }
        self.now = self.now.after(end.since(self.now));
    }

    /// Lets time pass until a fetch is asked for: how long that took.
    fn wait_for_fetch(&mut self) -> Duration {
        let from = self.now;
        while self.flights().is_empty() {
            let due = self.machine.poll_timeout().unwrap();
            self.now = self.now.after(due.since(self.now));
            self.machine.handle_timeout(self.now, &mut self.effects);
        }
        self.now.since(from)
    }

    fn flights(&self) -> Vec<Flight> {
        let fetch = |effect: &Effect| match effect {
            Effect::Fetch { flight, .. } => Some(*flight),
            _ => None,
        };
        self.effects.iter().filter_map(fetch).collect()
    }

    fn alarms(&self) -> Vec<Alarm> {
        let alarm = |effect: &Effect| match effect {
            Effect::Alarm { alarm, .. } => Some(*alarm),
            _ => None,
        };
        self.effects.iter().filter_map(alarm).collect()
    }

    fn resumed(&self) -> Vec<(u64, bool)> {
        let resumed = |effect: &Effect| match effect {
            Effect::Resume { waiter, found, .. } => Some((waiter.0, *found)),
            _ => None,
        };
        self.effects.iter().filter_map(resumed).collect()
    }

    /// The ids of the set that was put in force, and of the keys that were withdrawn by it.
    fn installed(&self) -> Option<(Vec<String>, Vec<String>)> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Install { keys, withdrawn, .. } => {
                let ids = keys.key_ids().map(str::to_owned).collect();
                Some((ids, withdrawn.iter().map(ToString::to_string).collect()))
            }
            _ => None,
        })
    }
}

#[test]
fn a_new_issuer_is_fetched_at_once_and_again_before_its_set_is_old() {
    let mut rig = Rig::new();
    assert_eq!(rig.flights().len(), 1);
    rig.answer(set(&["k1"]));
    assert_eq!(rig.installed(), Some((vec!["k1".into()], vec![])));
    rig.effects.clear();
    let after = rig.wait_for_fetch();
    assert!((FRESH.mul_f64(0.80)..=FRESH.mul_f64(0.95)).contains(&after), "{after:?}");
    rig.pass(Duration::from_secs(9));
    assert_eq!(rig.flights().len(), 1, "one at a time, however long the answer takes");
}

/// Two hundred issuers that were registered together are not fetched together again.
#[test]
fn issuers_are_fetched_at_different_times() {
    let mut rig = Rig::new();
    let names: Vec<_> = (0..200).map(|i| format!("https://id.example.com/{i}")).collect();
    for (i, name) in names.iter().enumerate() {
        rig.register(name, &format!("t{i}"));
        let flight = *rig.flights().last().unwrap();
        let issuer = name.clone();
        rig.give(Input::Fetched { issuer, flight, answer: set(&["k1"]) });
    }
    rig.effects.clear();
    let mut busiest = 0;
    for _ in 0..450 {
        rig.pass(Duration::from_millis(100));
        rig.effects.clear();
    }
    for _ in 0..3_000 {
        rig.pass(Duration::from_millis(100));
        busiest = busiest.max(rig.flights().len());
        rig.effects.clear();
    }
    assert!((1..=8).contains(&busiest), "{busiest} in one tenth of a second");
}

#[test]
fn an_answer_shortens_its_time_within_bounds_and_never_lengthens_it() {
    for (max_age, expected) in [
        (Some(Duration::ZERO), SHORTEST),
        (Some(Duration::from_secs(60)), Duration::from_secs(60)),
        (Some(Duration::from_secs(86_400)), FRESH),
        (None, FRESH),
    ] {
        let mut rig = Rig::new();
        let Answer::Set { body, .. } = set(&["k1"]) else { unreachable!() };
        rig.answer(Answer::Set { body, validator: None, max_age });
        rig.effects.clear();
        let after = rig.wait_for_fetch();
        let allowed = expected.mul_f64(0.80)..=expected.mul_f64(0.95);
        assert!(allowed.contains(&after), "{max_age:?}: {after:?}");
    }
}

#[test]
fn a_set_that_was_not_modified_is_fresh_again_and_keeps_its_validator() {
    let mut rig = Rig::new();
    let Answer::Set { body, max_age, .. } = set(&["k1"]) else { unreachable!() };
    rig.answer(Answer::Set { body, validator: Some("\"7\"".into()), max_age });
    rig.effects.clear();
    for _ in 0..3 {
        rig.wait_for_fetch();
        let sent = rig.effects.iter().find_map(|effect| match effect {
            Effect::Fetch { validator, .. } => validator.clone(),
            _ => None,
        });
        assert_eq!(sent.as_deref(), Some("\"7\""));
        rig.answer(Answer::NotModified { max_age: None });
        assert_eq!(rig.installed(), Some((vec!["k1".into()], vec![])));
        rig.effects.clear();
    }
}

#[test]
fn not_modified_without_a_set_is_a_failure() {
    let mut rig = Rig::new();
    rig.answer(Answer::NotModified { max_age: None });
    assert_eq!(rig.installed(), None);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.flights().len(), 1);
}

/// V01: and a key that is another one under the same id is withdrawn too.
#[test]
fn a_key_that_is_missing_from_an_answer_is_named() {
    let mut rig = Rig::with_keys(&["k1", "k2", "k3"]);
    rig.wait_for_fetch();
    let other = Ed25519KeyPair::from_seed_unchecked(&[0xee; 32]).unwrap();
    let swapped = ed25519_jwk("k3", "EdDSA", &other);
    let kept = Ed25519KeyPair::from_seed_unchecked(&[b'1'; 32]).unwrap();
    rig.answer(body(&jwks(&[ed25519_jwk("k1", "EdDSA", &kept), swapped])));
    let expected = (vec!["k1".into(), "k3".into()], vec!["k2".into(), "k3".into()]);
    assert_eq!(rig.installed(), Some(expected));
}

/// V02: an outage, an error page, an empty set, a set with secrets: none is a withdrawal.
#[test]
fn a_bad_answer_changes_nothing_and_is_told_once() {
    for (answer, alarm) in [
        (Answer::Failed, None),
        (body("<html>503</html>"), Some(InvalidKeySet::Malformed)),
        (body(r#"{"keys":[]}"#), Some(InvalidKeySet::Empty)),
        (body(r#"{"keys":[{"kty":"oct","k":"AA"}]}"#), Some(InvalidKeySet::PrivateKey)),
        (body(&" ".repeat(60_000)), Some(InvalidKeySet::TooLarge)),
    ] {
        let mut rig = Rig::with_keys(&["k1"]);
        let expected: Vec<_> = alarm.map(Alarm::Broken).into_iter().collect();
        for told in [expected, vec![]] {
            rig.wait_for_fetch();
            rig.answer(answer.clone());
            assert_eq!((rig.installed(), rig.alarms()), (None, told), "{answer:?}");
        }
    }
}

#[test]
fn failures_are_tried_again_less_and_less_often() {
    let mut rig = Rig::with_keys(&["k1"]);
    rig.wait_for_fetch();
    let mut spans = Vec::new();
    for _ in 0..12 {
        rig.answer(Answer::Failed);
        spans.push(rig.wait_for_fetch().as_secs_f64());
    }
    for (at, span) in spans.iter().enumerate() {
        let most = f64::from(1 << at.min(6)).min(60.0);
        assert!((most / 2.0..=most).contains(span), "{at}: {span}");
    }
}

#[test]
fn an_operator_hears_after_an_hour_of_failures_and_once() {
    let mut rig = Rig::with_keys(&["k1"]);
    let mut told = Vec::new();
    while rig.now.since(Now::from_millis(0, 0)) < 3 * STALE {
        rig.pass(Duration::from_secs(1));
        if let Some(flight) = rig.flights().pop() {
            rig.give(Input::Fetched { issuer: ACME.to_owned(), flight, answer: Answer::Failed });
        }
        told.extend(rig.alarms().into_iter().map(|alarm| (alarm, rig.now)));
        rig.effects.clear();
    }
    let [(alarm, at)] = told[..] else { panic!("{told:?}") };
    assert_eq!(alarm, Alarm::Stale);
    let after = at.since(Now::from_millis(0, 0));
    assert!((STALE..STALE + Duration::from_secs(61)).contains(&after), "{after:?}");
}

/// A driver that loses an answer must not stop an issuer's keys for ever.
#[test]
fn a_fetch_that_never_comes_back_is_given_up() {
    let mut rig = Rig::with_keys(&["k1"]);
    rig.wait_for_fetch();
    let lost = rig.flights()[0];
    rig.effects.clear();
    rig.pass(Duration::from_secs(12));
    let next = rig.flights()[0];
    assert_ne!(lost, next);
    rig.effects.clear();
    // The lost answer comes after all: it is older than what is under way.
    rig.give(Input::Fetched { issuer: ACME.to_owned(), flight: lost, answer: set(&["k9"]) });
    assert!(rig.effects.is_empty());
}

/// V03: the token comes before the cache knows its key.
#[test]
fn a_token_that_is_newer_than_the_keys_waits_for_one_fetch() {
    let mut rig = Rig::with_keys(&["k1"]);
    for waiter in 0..10 {
        rig.ask("k2", waiter);
    }
    assert_eq!(rig.flights().len(), 1);
    assert!(rig.resumed().is_empty());
    rig.answer(set(&["k1", "k2"]));
    let installed = rig.effects.iter().position(|e| matches!(e, Effect::Install { .. })).unwrap();
    let resumed = rig.effects.iter().position(|e| matches!(e, Effect::Resume { .. })).unwrap();
    assert!(installed < resumed, "in force before anybody hears of it");
    assert_eq!(rig.resumed(), (0..10).map(|waiter| (waiter, true)).collect::<Vec<_>>());
    // Asked for again: it is there.
    rig.effects.clear();
    rig.ask("k2", 99);
    assert_eq!(rig.resumed(), [(99, true)]);
}

/// V04: ten thousand ids that nobody has, in ten seconds.
#[test]
fn a_spray_of_key_ids_causes_one_fetch() {
    let mut rig = Rig::with_keys(&["k1"]);
    let (mut flights, mut refused) = (Vec::new(), 0);
    for i in 0..10_000u64 {
        rig.ask(&format!("made-up-{i}"), i);
        rig.pass(Duration::from_millis(1));
        if i == 100 {
            let (issuer, flight) = (ACME.to_owned(), flights[0]);
            rig.give(Input::Fetched { issuer, flight, answer: set(&["k1"]) });
        }
        assert!(rig.resumed().iter().all(|(_, found)| !found));
        refused += rig.resumed().len();
        flights.extend(rig.flights());
        rig.effects.clear();
    }
    assert_eq!((flights.len(), refused), (1, 10_000));
    rig.pass(ASKED_AGAIN);
    rig.effects.clear();
    rig.ask("made-up", 0);
    assert_eq!(rig.flights().len(), 1, "half a minute later there is another");
    rig.answer(set(&["k1"]));
    for (later, fetches) in
        [(ASKED_AGAIN - Duration::from_millis(1), 0), (Duration::from_millis(1), 1)]
    {
        rig.pass(later);
        rig.effects.clear();
        rig.ask("made-up", 0);
        assert_eq!(rig.flights().len(), fetches, "to the millisecond");
    }
}

/// V04: and it fills no memory.
#[test]
fn those_who_wait_are_bounded() {
    let mut rig = Rig::with_keys(&["k1"]);
    let more = 100;
    for i in 0..(MAX_WAITING + more) as u64 {
        rig.ask("k2", i);
    }
    assert_eq!(rig.resumed().len(), more);
    rig.answer(Answer::Failed);
    assert_eq!(rig.resumed().len(), MAX_WAITING);
    rig.effects.clear();
    rig.ask("k2", 0);
    assert_eq!(rig.resumed(), [(0, false)], "a failed fetch is not asked for again at once");
}

#[test]
fn a_tenant_has_a_bounded_number_of_issuers() {
    let mut rig = Rig::new();
    rig.effects.clear();
    let name = |i: usize| format!("https://id.example.com/acme/{i}");
    for i in 1..=MAX_ISSUERS {
        rig.register(&name(i), "acme");
    }
    assert_eq!(rig.flights().len(), MAX_ISSUERS - 1);
    assert_eq!(rig.alarms(), [Alarm::TooManyIssuers]);
    rig.effects.clear();
    rig.register(GLOBEX, "globex");
    assert_eq!(rig.flights().len(), 1);
    rig.give(Input::Remove { issuer: name(1) });
    rig.register(&name(MAX_ISSUERS), "acme");
    assert_eq!(rig.flights().len(), 2);
    // A place is free for each that goes, and for no more.
    rig.effects.clear();
    rig.register(&name(1), "acme");
    assert_eq!(rig.alarms(), [Alarm::TooManyIssuers]);
}

/// The answer to an earlier registration's fetch comes after the issuer has changed hands.
#[test]
fn what_an_earlier_registration_asked_for_is_nobodys() {
    let mut rig = Rig::new();
    let late = rig.flights()[0];
    rig.give(Input::Remove { issuer: ACME.to_owned() });
    rig.effects.clear();
    rig.register(ACME, "globex");
    let own = rig.flights()[0];
    rig.effects.clear();
    rig.give(Input::Fetched { issuer: ACME.to_owned(), flight: late, answer: set(&["k1"]) });
    assert!(rig.effects.is_empty(), "{:?}", rig.effects);
    rig.give(Input::Fetched { issuer: ACME.to_owned(), flight: own, answer: set(&["k2"]) });
    let [Effect::Install { tenant: whose, keys, .. }] = &rig.effects[..] else {
        panic!("{:?}", rig.effects)
    };
    assert_eq!(*whose, tenant("globex"));
    assert!(keys.key_ids().eq(["k2"]));
}

/// The most that it shows of anybody is how many there are.
#[test]
fn its_debug_text_names_nobody() {
    assert_eq!(format!("{:?}", Rig::new().machine), "Refresher { issuers: 1, .. }");
    let answers = [body("secret"), Answer::NotModified { max_age: None }, Answer::Failed];
    assert_eq!(format!("{answers:?}"), "[Set(6 bytes), NotModified, Failed]");
}

#[test]
fn an_issuer_that_is_removed_is_not_fetched_and_nobody_waits_for_it() {
    let mut rig = Rig::with_keys(&["k1"]);
    rig.ask("k2", 1);
    rig.effects.clear();
    rig.give(Input::Remove { issuer: ACME.to_owned() });
    assert_eq!(rig.resumed(), [(1, false)]);
    assert_eq!(rig.machine.poll_timeout(), None);
    rig.effects.clear();
    rig.ask("k2", 2);
    assert!(rig.effects.is_empty(), "the driver knows no such issuer either");
}

#[test]
fn a_spurious_timeout_changes_nothing() {
    let mut rig = Rig::with_keys(&["k1"]);
    let due = rig.machine.poll_timeout();
    for _ in 0..3 {
        rig.machine.handle_timeout(rig.now, &mut rig.effects);
    }
    assert!(rig.effects.is_empty());
    assert_eq!(rig.machine.poll_timeout(), due);
}

/// What two tenants do at random, each with an issuer of its own.
fn everybody(seed: u64) -> Vec<(Now, Step<Input>)> {
    let mut random = rng::seeded("key sets", seed);
    let mut now = Now::from_millis(0, 0);
    let mut script = Vec::new();
    for (issuer, id) in [(ACME, "acme"), (GLOBEX, "globex")] {
        let input = Input::Register { issuer: issuer.to_owned(), tenant: tenant(id) };
        script.push((now, Step::Input(input)));
    }
    let mut flights = [1u64; 2];
    for waiter in 0..400 {
        now = now.after(Duration::from_millis(random.u64(0..20_000)));
        let who = random.usize(0..2);
        let issuer = [ACME, GLOBEX][who].to_owned();
        let input = if random.bool() {
            let key_id = format!("k{}", random.u8(1..5));
            Input::UnknownKey { issuer, key_id, waiter: Waiter(waiter) }
        } else {
            let answer = match random.u8(0..4) {
                0 => Answer::Failed,
                1 => Answer::NotModified { max_age: None },
                2 => body("{}"),
                _ => set(&["k1", "k2"][..random.usize(1..3)]),
            };
            // Often the one that is under way; the count of the machine is as good as a guess.
            flights[who] += random.u64(0..2);
            Input::Fetched { issuer, flight: Flight(flights[who]), answer }
        };
        script.push((now, Step::Input(input)));
    }
    script.push((now.after(Duration::from_secs(600)), Step::Timeout));
    script
}

fn owner(input: &Input) -> TenantId {
    let (Input::Register { issuer, .. }
    | Input::Remove { issuer }
    | Input::Fetched { issuer, .. }
    | Input::UnknownKey { issuer, .. }) = input
    else {
        panic!("a new kind of input: {input:?}")
    };
    tenant(if issuer == ACME { "acme" } else { "globex" })
}

/// V04: whatever one tenant's issuers and strangers do, another's keys are fetched when they would
/// have been.
#[test]
fn no_tenants_keys_depend_on_anothers() {
    for seed in 0..40 {
        assert_noninterference(|| Refresher::new([5; 16]), owner, &everybody(seed));
    }
    let effect_tenant = |effects: &[Effect]| effects[0].tenant().clone();
    assert_eq!(effect_tenant(&Rig::new().effects), tenant("acme"));
}
