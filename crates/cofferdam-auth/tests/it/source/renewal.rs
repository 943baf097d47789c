//! When a token is renewed, served, waited for and refused.

use std::time::Duration;

use cofferdam_auth::source::{
    Alert, ClientConfig, Credential, Effect, Failure, Input, NoToken, OAuthError, RequestId,
    Secret, SourceLimits, TokenSource, Unsound,
};
use cofferdam_core::Machine;
use proptest::prelude::*;

use super::rig::{Rig, claims, client, config, good, response};

#[test]
fn a_thousand_waiters_are_one_request() {
    let mut rig = Rig::acme();
    let wanted: Vec<_> = (0..1_000).map(|_| rig.want()).collect();
    assert_eq!(rig.source.waiting(), 1_000);
    rig.succeed(3600);
    let ready = rig.ready();
    let answered: Vec<_> = ready.iter().map(|(request, _)| *request).collect();
    assert_eq!(answered, wanted);
    assert!(ready.iter().all(|(_, token)| token.serial() == ready[0].1.serial()));
    assert!(rig.effects.is_empty() && rig.source.waiting() == 0);
}

#[test]
fn one_that_asks_twice_is_answered_once() {
    let mut rig = Rig::acme();
    for _ in 0..2 {
        rig.tell(Input::Wanted { request: RequestId(7) });
    }
    rig.succeed(3600);
    assert_eq!(rig.ready().len(), 1);
}

#[test]
fn the_number_of_waiters_is_bounded() {
    let limits = SourceLimits { most_waiters: 2, ..SourceLimits::default() };
    let mut rig = Rig::limited(config("acme"), limits);
    for _ in 0..3 {
        rig.want();
    }
    assert_eq!(rig.refused(), [NoToken::Busy]);
    rig.succeed(3600);
    assert_eq!(rig.ready().len(), 2);
}

/// S02: whoever goes away takes nothing along.
#[test]
fn an_abandoned_request_goes_on_for_the_others() {
    let mut rig = Rig::acme();
    let first = rig.want();
    let second = rig.want();
    rig.tell(Input::Abandoned { request: first });
    assert_eq!(rig.source.waiting(), 1);
    rig.succeed(3600);
    assert_eq!(rig.ready().iter().map(|(request, _)| *request).collect::<Vec<_>>(), [second]);
    // All have gone: the token that comes is kept.
    let mut rig = Rig::acme();
    let only = rig.want();
    rig.tell(Input::Abandoned { request: only });
    rig.succeed(3600);
    rig.want();
    assert!(rig.requests().is_empty() && rig.ready().len() == 1);
}

#[test]
fn a_token_with_thirty_seconds_left_is_renewed_before_it_is_used() {
    let mut rig = Rig::with_token(3600);
    rig.clock.advance(Duration::from_secs(3570));
    rig.want();
    assert!(rig.ready().is_empty(), "it waits");
    rig.succeed(3600);
    let (_, newer) = rig.ready().remove(0);
    assert_eq!((newer.serial(), newer.expires().since(rig.now()).as_secs()), (2, 3600));
    // The renewal fails: the token in hand is better than none.
    rig.clock.advance(Duration::from_secs(3580));
    rig.want();
    rig.fail(Failure::Unreachable);
    assert_eq!(rig.ready().remove(0).1.serial(), 2);
}

#[test]
fn with_more_than_thirty_seconds_left_nobody_waits() {
    let mut rig = Rig::with_token(3600);
    rig.clock.advance(Duration::from_secs(3570) - Duration::from_nanos(1));
    rig.want();
    assert_eq!(rig.ready().len(), 1);
    rig.clock.advance(Duration::from_nanos(1));
    rig.want();
    assert!(rig.ready().is_empty());
}

#[test]
fn a_used_token_is_renewed_ahead_and_an_unused_one_is_not() {
    let mut rig = Rig::with_token(3600);
    rig.until_request(Duration::from_secs(3240));
    rig.want();
    assert_eq!(rig.ready().len(), 1, "nobody waits for it");
    assert_eq!(rig.requests().len(), 1, "nor is it asked for twice");
    let mut rig = Rig::with_token(3600);
    rig.until_request(Duration::from_secs(3240));
    rig.succeed(3600);
    // Nobody has used the second one: there is no third.
    rig.seconds(10_000);
    assert!(rig.requests().is_empty() && rig.source.poll_timeout().is_none());
}

#[test]
fn a_token_in_hand_is_served_through_an_outage_until_it_expires() {
    let mut rig = Rig::with_token(3600);
    for second in 1..=3700_u64 {
        rig.seconds(1);
        if let Some(request) = rig.requests().pop() {
            let attempt = request.attempt();
            let why = Failure::Status(503);
            rig.tell(Input::Failed { attempt, why, retry_after: None });
        }
        let request = rig.want();
        if let Some(flight) = rig.requests().pop() {
            let attempt = flight.attempt();
            rig.tell(Input::Failed { attempt, why: Failure::Unreachable, retry_after: None });
        }
        let ready = rig.ready();
        if second < 3600 {
            assert_eq!(ready.len(), 1, "second {second}");
            assert_eq!(ready[0].0, request);
        } else {
            assert!(ready.is_empty(), "second {second}");
            let refused = rig.refused();
            assert!(matches!(&refused[..], [NoToken::Failed { .. }]), "{second} {refused:?}");
        }
    }
    // The outage is over: the probe closes the breaker.
    rig.effects.clear();
    rig.seconds(30);
    rig.want();
    rig.succeed(3600);
    assert_eq!(rig.alerts(), [Alert::BreakerClosed]);
    assert_eq!(rig.ready().len(), 1);
}

/// S08: only the monotonic clock ages a token.
#[test]
fn a_wall_clock_that_jumps_extends_no_token() {
    let mut rig = Rig::with_token(3600);
    rig.clock.jump_wall(-86_400_000);
    rig.clock.advance(Duration::from_secs(3600));
    rig.want();
    assert!(rig.ready().is_empty() && rig.requests().len() == 1);
    let mut rig = Rig::with_token(3600);
    rig.clock.jump_wall(86_400_000);
    rig.want();
    assert_eq!(rig.ready().len(), 1);
    // An `exp` that a slow wall clock puts far ahead does not lengthen `expires_in`.
    let mut rig = Rig::acme();
    rig.clock.jump_wall(-86_400_000);
    rig.want();
    let mut claims = claims("acme");
    claims["exp"] = (cofferdam_sim::Clock::EPOCH_MS / 1_000 + 3600).into();
    let attempt = rig.request().attempt();
    let answer = cofferdam_auth::source::Body::new(response(&claims, 60).to_string());
    rig.answer(attempt, answer);
    let (_, token) = rig.ready().remove(0);
    assert_eq!(token.expires().since(rig.now()), Duration::from_secs(60));
}

#[test]
fn a_lifetime_counts_from_when_the_request_was_sent() {
    let mut rig = Rig::acme();
    rig.want();
    let request = rig.request();
    let sent = rig.now();
    rig.seconds(5);
    rig.answer(request.attempt(), good("acme", 100));
    let (_, token) = rig.ready().remove(0);
    assert_eq!(token.expires().since(sent), Duration::from_secs(100));
    // Over before it came: not a token.
    let mut rig = Rig::acme();
    rig.want();
    let request = rig.request();
    rig.seconds(5);
    rig.answer(request.attempt(), good("acme", 5));
    assert!(rig.ready().is_empty());
    assert!(rig.alerts().contains(&Alert::Unsound(Unsound::Lifetime)));
}

#[test]
fn tokens_that_are_nearly_over_cost_a_request_a_second_at_most() {
    let mut rig = Rig::acme();
    let mut requests = 0;
    for _ in 0..1_000 {
        rig.pass(Duration::from_millis(10));
        rig.want();
        for request in rig.requests() {
            requests += 1;
            rig.answer(request.attempt(), good("acme", 20));
        }
        assert_eq!(rig.ready().len(), 1);
    }
    assert!((10..=11).contains(&requests), "{requests} in 10 seconds");
}

#[test]
fn waiters_outlast_single_failures_and_hear_of_the_breaker() {
    let mut rig = Rig::acme();
    rig.want();
    rig.fail(Failure::Unreachable);
    assert!(rig.refused().is_empty(), "it waits for the next attempt");
    rig.until_request(Duration::from_secs(1));
    rig.succeed(3600);
    assert_eq!(rig.ready().len(), 1);

    let limits = SourceLimits { longest_wait: Duration::from_secs(600), ..SourceLimits::default() };
    let mut rig = Rig::limited(config("acme"), limits);
    rig.want();
    for _ in 0..5 {
        rig.until_request(Duration::from_secs(16));
        rig.fail(Failure::Unreachable);
    }
    let refused = rig.refused();
    let [NoToken::Failed { why: Failure::Unreachable, retry_after }] = &refused[..] else {
        panic!("{refused:?}")
    };
    assert!((15..=30).contains(&retry_after.as_secs()));
    assert_eq!(rig.alerts(), [Alert::BreakerOpened(Failure::Unreachable)]);
    // Half-open: one probe, and its failure opens it again without another alert.
    rig.seconds(30);
    rig.want();
    rig.want();
    rig.fail(Failure::Unreachable);
    assert_eq!(rig.refused().len(), 2);
    rig.want();
    assert!(rig.requests().is_empty() && rig.refused().len() == 1 && rig.alerts().is_empty());
}

#[test]
fn a_wrong_secret_is_not_tried_again_and_again() {
    let mut rig = Rig::acme();
    rig.want();
    let why = Failure::Refused(OAuthError::InvalidClient);
    rig.fail(why.clone());
    assert_eq!(rig.alerts(), [Alert::BreakerOpened(why)]);
    assert!(matches!(&rig.refused()[..], [NoToken::Failed { .. }]));
    let mut requests = 0;
    for _ in 0..6_000 {
        rig.pass(Duration::from_millis(10));
        rig.want();
        for request in rig.requests() {
            requests += 1;
            let why = Failure::Refused(OAuthError::InvalidClient);
            rig.tell(Input::Failed { attempt: request.attempt(), why, retry_after: None });
        }
    }
    assert!((1..=4).contains(&requests), "{requests} in a minute");
}

#[test]
fn a_request_that_hangs_is_given_up_and_its_answer_is_late() {
    let mut rig = Rig::acme();
    rig.want();
    let first = rig.request();
    rig.seconds(9);
    let second = rig.request();
    rig.answer(first.attempt(), good("acme", 3600));
    assert!(rig.ready().is_empty());
    rig.answer(second.attempt(), good("acme", 3600));
    assert_eq!(rig.ready().len(), 1);
}

#[test]
fn a_caller_waits_no_longer_than_its_longest_wait() {
    let mut rig = Rig::acme();
    rig.want();
    rig.seconds(4);
    rig.want();
    rig.seconds(6);
    assert_eq!(rig.refused(), [NoToken::TimedOut]);
    assert_eq!(rig.source.waiting(), 1);
}

#[test]
fn retry_after_is_waited_for() {
    let mut rig = Rig::acme();
    rig.want();
    let attempt = rig.request().attempt();
    let retry_after = Some(Duration::from_secs(20));
    rig.tell(Input::Failed { attempt, why: Failure::Throttled, retry_after });
    rig.seconds(15);
    rig.want();
    rig.pass(Duration::from_millis(4_999));
    assert!(rig.requests().is_empty());
    rig.until_request(Duration::from_millis(1_001));
}

#[test]
fn a_revoked_token_is_renewed_at_once_and_a_series_is_paced() {
    let mut rig = Rig::with_token(3600);
    rig.seconds(60);
    rig.want();
    let (_, token) = rig.ready().remove(0);
    rig.tell(Input::Rejected { serial: token.serial() });
    rig.want();
    rig.succeed(3600);
    let (_, newer) = rig.ready().remove(0);
    // A late word about the old one does not touch the new one.
    rig.tell(Input::Rejected { serial: token.serial() });
    rig.want();
    assert_eq!(rig.ready().len(), 1);
    // The new one as well, and again: that is a failure.
    rig.tell(Input::Rejected { serial: newer.serial() });
    let mut requests = 0;
    for _ in 0..3_000 {
        rig.pass(Duration::from_millis(10));
        rig.want();
        for request in rig.requests() {
            requests += 1;
            rig.answer(request.attempt(), good("acme", 3600));
        }
        for (_, token) in rig.ready() {
            rig.tell(Input::Rejected { serial: token.serial() });
        }
    }
    assert!((4..=10).contains(&requests), "{requests} in 30 seconds");
    assert!(rig.alerts().contains(&Alert::BreakerOpened(Failure::Rejected)));
}

#[test]
fn renewals_without_end_are_an_alert() {
    let mut rig = Rig::acme();
    for _ in 0..40 {
        rig.want();
        rig.succeed(31);
        rig.clock.advance(Duration::from_secs(2));
    }
    // A server that shortens lifetimes moves its own baseline.
    assert_eq!(rig.alerts(), []);
    let usual_lifetime = Some(Duration::from_secs(3600));
    let mut rig = Rig::new(ClientConfig { usual_lifetime, ..config("acme") });
    for _ in 0..40 {
        rig.want();
        rig.succeed(31);
        rig.clock.advance(Duration::from_secs(2));
    }
    let alerts = rig.alerts();
    assert!(matches!(&alerts[..], [Alert::RenewedTooOften(_)]), "{alerts:?}");
    let ratio = rig.source.refresh_rate(rig.now()).ratio();
    assert!((2.0..3.0).contains(&ratio), "{ratio}");
}

#[test]
fn a_new_secret_keeps_the_token_and_new_scopes_do_not() {
    let mut rig = Rig::with_token(3600);
    let credential = Credential::Basic(Secret::new("newer"));
    let newer = ClientConfig { credential, ..config("acme") };
    rig.tell(Input::Replaced { client: client(newer.clone()) });
    rig.want();
    assert_eq!(rig.ready().len(), 1);
    let wider = ClientConfig { scopes: ["a".to_owned()].into(), ..newer };
    rig.tell(Input::Replaced { client: client(wider.clone()) });
    rig.want();
    let old = rig.request();
    // Another tenant's registration changes nothing.
    rig.tell(Input::Replaced { client: client(config("globex")) });
    assert!(rig.requests().is_empty());
    // Replaced while a request is under way: its answer is nobody's.
    rig.tell(Input::Replaced { client: client(config("acme")) });
    let new = rig.request();
    rig.answer(old.attempt(), good("acme", 3600));
    assert!(rig.ready().is_empty());
    rig.answer(new.attempt(), good("acme", 3600));
    assert_eq!(rig.ready().len(), 1);
    rig.want();
    rig.ready();
    rig.tell(Input::Removed);
    rig.want();
    assert_eq!(rig.refused(), [NoToken::NoClient]);
    assert!(rig.source.poll_timeout().is_none());
}

proptest! {
    /// Renewal ahead of time lies between 80 and 90 % of the life, and before the last 30 s.
    #[test]
    fn renewal_ahead_is_jittered_within_its_bounds(seed: [u8; 32], lifetime in 31_u64..172_800) {
        let source = TokenSource::new(client(config("acme")), SourceLimits::default(), seed);
        let mut rig = Rig::acme();
        rig.source = source;
        rig.want();
        rig.succeed(lifetime);
        let due = rig.source.poll_timeout().unwrap().since(rig.now()).as_secs_f64();
        let life = lifetime as f64;
        prop_assert!(due <= life * 0.9 + 1e-6 && due <= life - 30.0 + 1e-6);
        prop_assert!(due >= (life * 0.8).min(life - 30.0) - 1e-6);
    }

    /// Whatever happens in whatever order: one flight, no expired token, one answer each, nothing
    /// that spins, and a spurious timeout changes nothing.
    #[test]
    fn a_random_script_keeps_the_promises(
        seed: [u8; 32],
        script in prop::collection::vec((0_u8..10, 0_u64..60_000), 1..200),
    ) {
        let mut rig = Rig::acme();
        rig.source = TokenSource::new(client(config("acme")), SourceLimits::default(), seed);
        let (mut flight, mut serial) = (None, 0);
        let (mut asked, mut answered, mut gone) = (0_u64, 0_u64, 0_u64);
        for (what, amount) in script {
            match (what, flight) {
                (0..=3, _) => { rig.want(); asked += 1; }
                (4, Some(attempt)) => rig.answer(attempt, good("acme", amount % 400)),
                (5, Some(attempt)) => {
                    let retry_after = Some(Duration::from_millis(amount));
                    rig.tell(Input::Failed { attempt, why: Failure::Throttled, retry_after });
                }
                (6, Some(attempt)) => {
                    let why = Failure::Refused(OAuthError::Other);
                    rig.tell(Input::Failed { attempt, why, retry_after: None });
                }
                (7, _) => {
                    let before = rig.source.waiting();
                    rig.tell(Input::Abandoned { request: RequestId(amount % (asked + 1)) });
                    gone += (before - rig.source.waiting()) as u64;
                }
                (8, _) => rig.tell(Input::Rejected { serial }),
                _ => rig.pass(Duration::from_millis(amount)),
            }
            let now = rig.now();
            if rig.source.poll_timeout().is_none_or(|due| !now.reached(due)) {
                let before = rig.effects.len();
                rig.source.handle_timeout(now, &mut rig.effects);
                prop_assert_eq!(rig.effects.len(), before, "spurious");
            }
            // A newer request under way means that the older one's outcome is nobody's.
            if let Some(request) = rig.requests().pop() {
                flight = Some(request.attempt());
            }
            for (_, token) in rig.ready() {
                answered += 1;
                serial = token.serial();
            }
            answered += rig.refused().len() as u64;
        }
        prop_assert_eq!(asked, answered + gone + rig.source.waiting() as u64);
        rig.seconds(700);
        answered += (rig.ready().len() + rig.refused().len()) as u64;
        prop_assert_eq!(asked, answered + gone);
    }

    /// A token is never given out at or past its expiry.
    #[test]
    fn no_token_is_given_out_expired(
        lifetime in 1_u64..200,
        steps in prop::collection::vec(0_u64..40_000, 1..50),
    ) {
        let mut rig = Rig::acme();
        rig.want();
        rig.succeed(lifetime);
        rig.effects.clear();
        for step in steps {
            rig.pass(Duration::from_millis(step));
            rig.effects.retain(|effect| matches!(effect, Effect::Request(_)));
            rig.want();
            // Every request fails.
            for request in rig.requests() {
                let attempt = request.attempt();
                rig.tell(Input::Failed { attempt, why: Failure::TimedOut, retry_after: None });
            }
            let now = rig.now();
            for (_, token) in rig.ready() {
                prop_assert!(!now.reached(token.expires()));
            }
        }
    }
}

/// A token that is too short to be used for long is used for a second, so that callers at one moment
/// do not each send a request.
#[test]
fn a_token_of_few_seconds_is_shared_for_one() {
    let mut rig = Rig::with_token(20);
    rig.pass(Duration::from_millis(999));
    rig.want();
    assert_eq!(rig.ready().len(), 1);
    rig.pass(Duration::from_millis(1));
    rig.want();
    assert_eq!(rig.ready().len(), 0, "renewed before it is used again");
}

/// One rejection is a revocation. So is the next, if a token lived out its time in between.
#[test]
fn a_token_that_lived_to_its_renewal_makes_good_for_one_that_was_rejected() {
    let mut rig = Rig::with_token(3600);
    rig.want();
    let (_, first) = rig.ready().remove(0);
    rig.tell(Input::Rejected { serial: first.serial() });
    rig.want();
    rig.succeed(600);
    assert_eq!(rig.ready().len(), 1);
    rig.until_request(Duration::from_secs(600));
    rig.succeed(3600);
    rig.want();
    let (_, third) = rig.ready().remove(0);
    rig.tell(Input::Rejected { serial: third.serial() });
    rig.want();
    assert_eq!(rig.requests().len(), 1, "asked at once, as after the first");
}

/// A registered lifetime of 1,000 s makes a renewal each 800 s usual, and eight of them a window.
#[test]
fn a_registered_lifetime_says_what_is_usual() {
    let usual_lifetime = Some(Duration::from_secs(1_000));
    let mut rig = Rig::new(ClientConfig { usual_lifetime, ..config("acme") });
    rig.want();
    rig.succeed(31);
    rig.clock.advance(Duration::from_secs(6_399));
    assert_eq!(rig.source.refresh_rate(rig.now()).seen, 1);
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.source.refresh_rate(rig.now()).seen, 0);
}
