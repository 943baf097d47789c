//! Keys come and go, tokens are withdrawn, and nobody restarts or waits.

use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use cofferdam_auth::{
    InvalidIssuer, InvalidKeySet, IssuerConfig, KeyRing, Revoked, Route, Verifier,
};
use cofferdam_core::{Authority, ConnectionId, Epoch, Now, Reason};

use crate::world::{
    ACME, GLOBEX, WORLD, claims, config, ed25519_jwk, good, header, jwks, mint, now, tenant,
};

fn ring() -> KeyRing {
    KeyRing::new(WORLD.verifier.clone())
}

fn verify_at(ring: &KeyRing, token: &str, now: Now) -> Result<(), Reason> {
    let checked = ring.verify(token, &Route::any(), now, ConnectionId(1), Epoch(1));
    checked.map(drop).map_err(|failure| failure.reason())
}

fn verify(ring: &KeyRing, token: &str) -> Result<(), Reason> {
    verify_at(ring, token, now())
}

fn globex_token() -> String {
    let mut claims = claims();
    claims["iss"] = GLOBEX.into();
    claims["tenant"] = "globex".into();
    mint("globex", &header().to_string(), &claims.to_string())
}

/// V01: withdrawn is withdrawn at once, and only there.
#[test]
fn a_key_that_is_absent_from_a_replacement_dies_at_once() {
    let ring = ring();
    let before = ring.verifier();
    assert_eq!(verify(&ring, &good()), Ok(()));
    let next = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
    ring.replace_keys(ACME, jwks(&[ed25519_jwk("k5", "EdDSA", &next)]).as_bytes(), now()).unwrap();
    assert_eq!(verify(&ring, &good()), Err(Reason::UnknownKey));
    assert_eq!(verify(&ring, &globex_token()), Ok(()));
    // A table that somebody still holds does not change under them.
    let held = before.verify(&good(), &Route::any(), now(), ConnectionId(1), Epoch(1));
    assert!(held.is_ok());
    let back = jwks(&[ed25519_jwk("k1", "EdDSA", &WORLD.acme)]);
    ring.replace_keys(ACME, back.as_bytes(), now()).unwrap();
    assert_eq!(verify(&ring, &good()), Ok(()));
}

/// V02: an outage is not a withdrawal.
#[test]
fn a_broken_or_empty_set_keeps_the_last_good_one() {
    let ring = ring();
    for (answer, error) in [
        (r#"{"keys":[]}"#, InvalidKeySet::Empty),
        ("<html>503</html>", InvalidKeySet::Malformed),
        ("", InvalidKeySet::Malformed),
        (r#"{"keys":[{"kty":"oct","kid":"k1","k":"AA"}]}"#, InvalidKeySet::PrivateKey),
    ] {
        assert_eq!(ring.replace_keys(ACME, answer.as_bytes(), now()), Err(error), "{answer}");
        assert_eq!(verify(&ring, &good()), Ok(()), "{answer}");
    }
    let good_set = jwks(&[ed25519_jwk("k1", "EdDSA", &WORLD.acme)]);
    let unknown = ring.replace_keys("https://id.example.com/initech", good_set.as_bytes(), now());
    assert_eq!(unknown, Err(InvalidKeySet::UnknownIssuer));
}

/// K8: the ceiling for serving stale keys.
#[test]
fn keys_that_were_not_fetched_for_too_long_are_not_trusted() {
    let ring = ring();
    let day = Duration::from_secs(86_400);
    // Only the monotonic clock moves: the wall clock may have been set back.
    let later = Now::new(Duration::from_secs(1_000) + day, now().wall_ms());
    assert_eq!(verify_at(&ring, &good(), later), Ok(()));
    let too_late = Now::new(Duration::from_secs(1_001) + day, now().wall_ms());
    assert_eq!(verify_at(&ring, &good(), too_late), Err(Reason::UnknownKey));
    let set = jwks(&[ed25519_jwk("k1", "EdDSA", &WORLD.acme)]);
    ring.replace_keys(ACME, set.as_bytes(), too_late).unwrap();
    assert_eq!(verify_at(&ring, &good(), too_late), Ok(()));
}

#[test]
fn an_issuer_without_keys_or_removed_verifies_nothing() {
    let fresh = KeyRing::new(Verifier::new(Authority::new([1; 16])));
    assert_eq!(verify(&fresh, &good()), Err(Reason::UnknownIssuer));
    fresh.register(&config(ACME, "acme")).unwrap();
    assert_eq!(verify(&fresh, &good()), Err(Reason::UnknownKey));
    let ring = ring();
    ring.remove(ACME);
    assert_eq!(verify(&ring, &good()), Err(Reason::UnknownIssuer));
    assert_eq!(verify(&ring, &globex_token()), Ok(()));
}

/// K3: whoever registers an issuer twice would share it between two tenants.
#[test]
fn an_issuer_belongs_to_one_tenant() {
    let ring = ring();
    assert_eq!(ring.register(&config(ACME, "globex")), Err(InvalidIssuer::Duplicate));
    let open = IssuerConfig { audiences: Vec::new(), ..config("https://id.example.com/x", "x") };
    assert_eq!(ring.register(&open), Err(InvalidIssuer::Audiences));
    assert_eq!(verify(&ring, &good()), Ok(()));
}

#[test]
fn what_an_issuer_may_sign_with_is_registered() {
    let only_es256 =
        IssuerConfig { algorithms: vec![cofferdam_auth::Algorithm::Es256], ..config(ACME, "acme") };
    let ring =
        KeyRing::new(Verifier::new(Authority::new([1; 16])).with_issuer(only_es256).unwrap());
    let set = jwks(&[ed25519_jwk("k1", "EdDSA", &WORLD.acme)]);
    ring.replace_keys(ACME, set.as_bytes(), now()).unwrap();
    assert_eq!(verify(&ring, &good()), Err(Reason::AlgorithmRefused));
}

#[test]
fn a_revoked_token_is_refused_and_a_neighbours_is_not() {
    for what in [
        Revoked::Token("b9c1"),
        Revoked::Key("k1"),
        Revoked::Subject("svc-7"),
        Revoked::Client("dashboard"),
        Revoked::Everything,
    ] {
        let ring = ring();
        ring.revoke(&tenant("globex"), what, now()).unwrap();
        assert_eq!(verify(&ring, &good()), Ok(()), "{what:?}");
        assert_eq!(verify(&ring, &globex_token()), Err(Reason::Revoked), "{what:?}");
        ring.revoke(&tenant("acme"), what, now()).unwrap();
        assert_eq!(verify(&ring, &good()), Err(Reason::Revoked), "{what:?}");
    }
}

/// Two writers at once: each change is built on the other's, or built again.
#[test]
fn no_change_is_lost_when_writers_collide() {
    let ring = KeyRing::new(Verifier::new(Authority::new([1; 16])));
    let url = |writer: u32, i: u32| format!("https://id.example.com/{writer}/{i}");
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (ring, url) = (&ring, &url);
            scope.spawn(move || {
                for i in 0..200 {
                    ring.register(&config(&url(writer, i), "acme")).unwrap();
                }
            });
        }
    });
    for (writer, i) in (0..2).flat_map(|writer| (0..200).map(move |i| (writer, i))) {
        let again = ring.register(&config(&url(writer, i), "acme"));
        assert_eq!(again, Err(InvalidIssuer::Duplicate), "{writer} {i}");
    }
}

#[test]
fn a_ring_shows_how_many_issuers_it_has() {
    let ring = KeyRing::new(WORLD.verifier.clone());
    assert_eq!(format!("{ring:?}"), "KeyRing(Verifier { issuers: 2, .. })");
}
