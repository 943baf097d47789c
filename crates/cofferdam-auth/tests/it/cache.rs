//! A token that was checked before: quicker, and never another answer.

use std::time::Duration;

use cofferdam_auth::{IssuerConfig, KeyRing, Revoked, Route, TokenCache, Verifier, upgrade};
use cofferdam_core::{Authority, ConnectionId, Epoch, Now, Reason, Scoped, TenantContext};
use http::Request;

use crate::world::{ACME, GLOBEX, WORLD, claims, config, ed25519_jwk, good, header, jwks, mint};
use crate::world::{key_set, now, tenant};

/// A ring with a memory that has just seen acme's good token.
fn ring() -> KeyRing {
    let verifier = Verifier::new(Authority::new([9; 16]))
        .with_issuer(config(ACME, "acme"))
        .and_then(|verifier| verifier.with_issuer(config(GLOBEX, "globex")))
        .unwrap()
        .with_keys(ACME, key_set(&[ed25519_jwk("k1", "EdDSA", &WORLD.acme)]), now())
        .and_then(|verifier| {
            verifier.with_keys(GLOBEX, key_set(&[ed25519_jwk("k1", "EdDSA", &WORLD.globex)]), now())
        })
        .unwrap()
        .with_cache(TokenCache::new(&[5; 32], 64));
    let ring = KeyRing::new(verifier);
    assert!(verify(&ring, now()).is_ok());
    ring
}

fn verify(ring: &KeyRing, at: Now) -> Result<TenantContext, Reason> {
    let verified = ring.verify(&good(), &Route::any(), at, ConnectionId(1), Epoch(1));
    verified.map_err(|failure| failure.reason())
}

#[test]
fn a_remembered_token_opens_another_connection_as_itself() {
    let verifier = WORLD.cached.clone();
    let route = Route::any();
    let first = verifier.verify(&good(), &route, now(), ConnectionId(1), Epoch(1)).unwrap();
    let again = verifier.verify(&good(), &route, now(), ConnectionId(2), Epoch(5)).unwrap();
    assert_eq!((again.connection(), again.epoch()), (ConnectionId(2), Epoch(5)));
    assert_eq!((again.tenant(), again.subject()), (first.tenant(), first.subject()));
    assert_eq!(again.expires_at_ms(), first.expires_at_ms());
    // Each is bound to its own connection: the gate of one does not know the other.
    let gate = cofferdam_core::Gate::bind(&Authority::new([9; 16]), &first).unwrap();
    assert!(gate.receive(&first, b"{}", now(), 0).is_ok());
    assert!(gate.receive(&again, b"{}", now(), 0).is_err());
}

/// V01, V05, S07: whatever ends a token ends what is remembered of it, at once.
#[test]
fn what_ends_a_token_ends_its_memory() {
    let day = Duration::from_secs(86_401);
    let second = Now::new(Duration::from_secs(1_000), now().wall_ms() + 1_000);
    type Change = fn(&KeyRing);
    let changes: [(&str, Reason, Change, Now); 10] = [
        ("its key is withdrawn", Reason::UnknownKey, |ring| with_keys(ring, "k2", 1), second),
        ("its key is another", Reason::SignatureInvalid, |ring| with_keys(ring, "k1", 2), second),
        ("it is revoked", Reason::Revoked, |ring| revoke(ring, Revoked::Token("b9c1")), second),
        ("its key is revoked", Reason::Revoked, |ring| revoke(ring, Revoked::Key("k1")), second),
        ("so is its client", Reason::Revoked, |r| revoke(r, Revoked::Client("dashboard")), second),
        ("so is everything", Reason::Revoked, |ring| revoke(ring, Revoked::Everything), second),
        ("its issuer is gone", Reason::UnknownIssuer, |ring| ring.remove(ACME), second),
        ("it is registered anew", Reason::WrongAudience, register_for_others, second),
        ("it has expired", Reason::TokenExpired, |_| {}, now().after(Duration::from_secs(600))),
        (
            "its keys are old",
            Reason::UnknownKey,
            |_| {},
            Now::new(Duration::from_secs(1_000) + day, now().wall_ms()),
        ),
    ];
    for (what, reason, change, at) in changes {
        let ring = ring();
        change(&ring);
        assert_eq!(verify(&ring, at).err(), Some(reason), "{what}");
    }
}

fn with_keys(ring: &KeyRing, key_id: &str, seed: u8) {
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let set = jwks(&[ed25519_jwk(key_id, "EdDSA", &pair)]);
    ring.replace_keys(ACME, set.as_bytes(), now()).unwrap();
}

fn revoke(ring: &KeyRing, what: Revoked<'_>) {
    ring.revoke(&tenant("acme"), what, now()).unwrap();
}

/// The same issuer, and another registration: what was checked against the first is worth nothing.
fn register_for_others(ring: &KeyRing) {
    ring.remove(ACME);
    let audiences = vec!["https://elsewhere.example.com".to_owned()];
    ring.register(&IssuerConfig { audiences, ..config(ACME, "acme") }).unwrap();
    with_keys(ring, "k1", 1);
}

/// A refresh that brings the same keys is no withdrawal: the memory outlives it.
#[test]
fn a_refresh_of_the_same_keys_forgets_nothing() {
    let cache = TokenCache::new(&[5; 32], 64);
    let ring = KeyRing::new(WORLD.verifier.clone().with_cache(cache));
    for _ in 0..3 {
        assert!(verify(&ring, now()).is_ok());
        ring.replace_keys(ACME, jwks(&[ed25519_jwk("k1", "EdDSA", &WORLD.acme)]).as_bytes(), now())
            .unwrap();
    }
    assert_eq!(ring.verifier().cache().map(TokenCache::hits), Some(2));
}

/// S08: a token that was good, at a time before it was.
#[test]
fn a_clock_set_back_makes_a_remembered_token_too_young_again() {
    let ring = ring();
    let earlier = Now::new(Duration::from_secs(1_001), now().wall_ms() - 3_600_000);
    assert_eq!(verify(&ring, earlier).err(), Some(Reason::TokenNotYetValid));
    assert!(verify(&ring, now()).is_ok());
}

/// A01, A13, U01: the place is asked of every token, remembered or not.
#[test]
fn a_remembered_token_is_still_held_against_its_place() {
    let ring = ring();
    let (globex, scopes) = (tenant("globex"), ["admin"]);
    for (route, reason) in [
        (Route::any().of_tenant(&globex), Reason::TenantMismatch),
        (Route::any().needs_scopes(&scopes), Reason::ScopeMissing),
        (Route::any().in_region("us-1"), Reason::WrongRegion),
    ] {
        let refused = ring.verify(&good(), &route, now(), ConnectionId(1), Epoch(1)).unwrap_err();
        assert_eq!((refused.reason(), refused.is_authenticated()), (reason, true));
        assert_eq!(refused.tenant(), Some(&tenant("acme")));
    }
    let request = Request::get("/stream")
        .header("host", "events.example.com")
        .header("authorization", format!("Bearer {}", good()))
        .header("origin", "https://evil.example");
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let verifier = ring.verifier();
    let (route, connection) = (Route::any(), ConnectionId(1));
    let refused = upgrade::authorise(&verifier, &parts, &route, now(), connection, Epoch(1));
    assert_eq!(refused.unwrap_err().reason(), Reason::OriginRefused);
}

/// A token is all of its bytes: the same claims under another signature are another one.
#[test]
fn a_token_that_differs_in_its_signature_is_not_remembered() {
    let ring = ring();
    let (input, signature) = {
        let token = good();
        let (input, signature) = token.rsplit_once('.').unwrap();
        (input.to_owned(), signature.to_owned())
    };
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{input}.{flipped}{}", &signature[1..]);
    let refused = ring.verify(&forged, &Route::any(), now(), ConnectionId(1), Epoch(1));
    assert_eq!(refused.unwrap_err().reason(), Reason::SignatureInvalid);
    // What was refused is not remembered either.
    let unsigned = mint("nobody", &header().to_string(), &claims().to_string());
    for _ in 0..2 {
        let refused = ring.verify(&unsigned, &Route::any(), now(), ConnectionId(1), Epoch(1));
        assert_eq!(refused.unwrap_err().reason(), Reason::SignatureInvalid);
    }
}

#[test]
fn a_hit_allocates_nothing() {
    let ring = ring();
    let token = good();
    let route = Route::any();
    let mut context = None;
    let counted = allocation_counter::measure(|| {
        context = ring.verify(&token, &route, now(), ConnectionId(2), Epoch(1)).ok();
    });
    assert!(context.is_some());
    assert_eq!(counted.count_total, 0);
    assert_eq!(ring.verifier().cache().map(TokenCache::hits), Some(1));
}
