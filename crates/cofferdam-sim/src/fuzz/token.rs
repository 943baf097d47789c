//! The body for tokens: whatever was not signed as it stands is refused, and no bytes panic.
#![expect(clippy::expect_used, reason = "a fuzz body is made of assertions")]

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam_auth::{IssuerConfig, KeySet, Route, Unverified, Verifier};
use cofferdam_core::{Authority, ConnectionId, Epoch, Now, Reason, TenantId};
use serde_json::{Value, json};

use super::source::Source;

const ISSUER: &str = "https://id.example.com/acme";
const AUDIENCE: &str = "https://events.example.com";
const NOW_S: i64 = 1_790_000_000;
/// Claims of which no other value is right.
const FIXED: [&str; 3] = ["iss", "aud", "tenant"];
/// Claims that every token has.
const REQUIRED: [&str; 8] = ["iss", "aud", "tenant", "exp", "iat", "sub", "jti", "client_id"];

pub(super) static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// Offers `data` as a token and as a key set, edits a good token with it, and signs claims that it
/// has spoiled.
///
/// # Panics
///
/// If a token passes that is not the one that was signed, or whose claims are not all right; or if
/// a key set with private keys is imported.
pub fn token(data: &[u8]) {
    random_token(data);
    random_keys(data);
    edited_token(&mut Source::new(data));
    spoiled_claims(&mut Source::new(data));
    signed_nonsense(data);
}

pub(super) struct World {
    pair: Ed25519KeyPair,
    pub(super) verifier: Verifier,
    pub(super) good: String,
}

impl World {
    fn new() -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("any seed makes a key");
        let x = BASE64.encode(pair.public_key());
        let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
        let keys = KeySet::import(jwks.to_string().as_bytes()).expect("a sound key set");
        let tenant = TenantId::parse("acme").expect("a tenant id");
        let verifier = Verifier::new(Authority::new([9; 16]))
            .with_issuer(IssuerConfig::new(ISSUER, tenant, AUDIENCE))
            .expect("a sound registration")
            .with_keys(ISSUER, keys, now())
            .expect("the issuer is registered");
        let good = mint(&pair, &header().to_string(), &claims().to_string());
        Self { pair, verifier, good }
    }

    fn verify(&self, token: &str) -> Result<(), Reason> {
        let verified = self.verifier.verify(token, &Route::any(), now(), ConnectionId(1), Epoch(1));
        verified.map(drop).map_err(|failure| failure.reason())
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        mint(&self.pair, header, claims)
    }
}

pub(super) fn now() -> Now {
    Now::from_millis(1_000, NOW_S * 1_000)
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"})
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "tenant": "acme", "sub": "svc-7", "client_id": "svc-7",
        "jti": "b9c1", "iat": NOW_S, "exp": NOW_S + 600, "scope": "events:read",
    })
}

fn mint(pair: &Ed25519KeyPair, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let signature = BASE64.encode(pair.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn random_token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // It says what a token names, and so may read anything.
    let _ = Unverified::inspect(&text);
    assert!(text == WORLD.good || WORLD.verify(&text).is_err(), "a random token passed");
}

fn random_keys(data: &[u8]) {
    let Ok(keys) = KeySet::import(data) else { return };
    assert!(keys.key_ids().next().is_some(), "an empty key set was imported");
    let set: Value = serde_json::from_slice(data).expect("serde_json reads what was imported");
    let members = set.get("keys").and_then(Value::as_array).expect("a list of keys");
    let is_private = |key: &Value| ["d", "p", "q", "k"].iter().any(|own| key.get(own).is_some());
    assert!(!members.iter().any(is_private), "private keys were imported");
}

/// Each pair of bytes chooses a byte of the token and what replaces it.
fn edited_token(source: &mut Source<'_>) {
    let mut bytes = WORLD.good.clone().into_bytes();
    while !source.is_empty() {
        let at = (source.below(256) << 8 | source.below(256)) % bytes.len();
        bytes[at] = source.byte();
        let edited = String::from_utf8_lossy(&bytes);
        let _ = Unverified::inspect(&edited);
        assert_eq!(WORLD.verify(&edited).is_ok(), edited == WORLD.good, "edited: {edited}");
    }
}

/// The right key signs claims of which one is missing, wrong, or there twice.
fn spoiled_claims(source: &mut Source<'_>) {
    let mut claims = claims();
    let right = claims.clone();
    let name = *source.pick(&REQUIRED);
    let spoiled = match source.byte() % 3 {
        0 => {
            claims.as_object_mut().and_then(|claims| claims.remove(name));
            claims.to_string()
        }
        1 => {
            let name = *source.pick(&FIXED);
            claims[name] = wrong(source);
            if claims == right {
                return;
            }
            claims.to_string()
        }
        _ => {
            let again = format!(",\"{name}\":{}}}", right[name]);
            right.to_string().trim_end_matches('}').to_owned() + &again
        }
    };
    let token = WORLD.sign(&header().to_string(), &spoiled);
    assert!(WORLD.verify(&token).is_err(), "passed with these claims: {spoiled}");
}

/// No value of any of the [`FIXED`] claims but by chance.
fn wrong(source: &mut Source<'_>) -> Value {
    match source.byte() % 6 {
        0 => Value::Null,
        1 => json!(NOW_S),
        2 => json!(["acme"]),
        3 => json!({"acme": ISSUER}),
        4 => json!(source.pick(&["acme ", "ACME", "acm", "", "*", "globex"])),
        _ => {
            let text: String = (0..source.below(24)).map(|_| char::from(source.byte())).collect();
            Value::from(text)
        }
    }
}

/// The right key signs the data itself: as claims, and as a header with the right claims.
fn signed_nonsense(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let as_claims = WORLD.sign(&header().to_string(), &text);
    if WORLD.verify(&as_claims).is_ok() {
        let read: Value = serde_json::from_str(&text).expect("serde_json reads what passed");
        let right = claims();
        let names_us = |audience: &Value| match audience {
            Value::Array(audiences) => audiences.iter().any(|own| own == AUDIENCE),
            one => one == AUDIENCE,
        };
        assert!(read["iss"] == right["iss"] && names_us(&read["aud"]), "passed: {text}");
        assert!(read["tenant"] == right["tenant"], "passed: {text}");
        assert!(REQUIRED.iter().all(|name| !read[name].is_null()), "passed: {text}");
        assert!(read["exp"].as_i64().is_some_and(|exp| exp > NOW_S), "passed: {text}");
    }
    let as_header = WORLD.sign(&text, &claims().to_string());
    if WORLD.verify(&as_header).is_ok() {
        let read: Value = serde_json::from_str(&text).expect("serde_json reads what passed");
        assert!(read["kid"] == "k1" && read.get("crit").is_none(), "passed: {text}");
        assert!(["EdDSA", "Ed25519"].iter().any(|alg| read["alg"] == *alg), "passed: {text}");
    }
}
