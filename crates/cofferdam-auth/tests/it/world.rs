//! Two tenants with an issuer each, and the means to mint any token in their name.

use std::sync::LazyLock;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use cofferdam_auth::{IssuerConfig, KeySet, TokenCache, Verifier};
use cofferdam_core::{Authority, Now, TenantId};
use serde_json::{Value, json};

/// The first second of the year 2100: other libraries read the real clock, and find these tokens
/// unexpired without one of ours being read.
pub(crate) const NOW_S: i64 = 4_102_444_800;
pub(crate) const ACME: &str = "https://id.example.com/acme";
pub(crate) const GLOBEX: &str = "https://id.example.com/globex";
pub(crate) const AUDIENCE: &str = "https://events.example.com";

pub(crate) struct World {
    pub(crate) verifier: Verifier,
    /// The same with a memory, which must never make a difference.
    pub(crate) cached: Verifier,
    pub(crate) acme: Ed25519KeyPair,
    pub(crate) acme_p256: EcdsaKeyPair,
    pub(crate) acme_rsa: RsaKeyPair,
    pub(crate) globex: Ed25519KeyPair,
}

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    let acme = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let globex = Ed25519KeyPair::from_seed_unchecked(&[2; 32]).unwrap();
    let acme_p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let acme_rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let acme_keys = [
        ed25519_jwk("k1", "EdDSA", &acme),
        ed25519_jwk("k4", "Ed25519", &acme),
        p256_jwk("k2", &acme_p256),
        rsa_jwk("k3", &acme_rsa),
    ];
    // A05: globex has a `k1` too.
    let globex_keys = [ed25519_jwk("k1", "EdDSA", &globex)];
    let verifier = Verifier::new(Authority::new([9; 16]))
        .with_issuer(config(ACME, "acme"))
        .and_then(|verifier| verifier.with_issuer(config(GLOBEX, "globex")))
        .unwrap()
        .with_keys(ACME, key_set(&acme_keys), now())
        .and_then(|verifier| verifier.with_keys(GLOBEX, key_set(&globex_keys), now()))
        .unwrap();
    let cached = verifier.clone().with_cache(TokenCache::new(&[4; 32], 1_000));
    World { verifier, cached, acme, acme_p256, acme_rsa, globex }
});

pub(crate) fn now() -> Now {
    Now::from_millis(1_000_000, NOW_S * 1_000)
}

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(crate) fn config(issuer: &str, id: &str) -> IssuerConfig {
    IssuerConfig {
        origins: vec![format!("https://app.{id}.example"), format!("https://old.{id}.example")],
        ..IssuerConfig::new(issuer, tenant(id), AUDIENCE)
    }
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn ed25519_jwk(kid: &str, alg: &str, pair: &Ed25519KeyPair) -> Value {
    let x = encode(pair.public_key());
    json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": alg, "kid": kid, "x": x})
}

fn p256_jwk(kid: &str, pair: &EcdsaKeyPair) -> Value {
    let point = pair.public_key().as_ref();
    let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y})
}

fn rsa_jwk(kid: &str, pair: &RsaKeyPair) -> Value {
    let public: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
    json!({"kty": "RSA", "kid": kid, "n": encode(public.n), "e": encode(public.e)})
}

pub(crate) fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

pub(crate) fn key_set(keys: &[Value]) -> KeySet {
    KeySet::import(jwks(keys).as_bytes()).unwrap()
}

pub(crate) fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"})
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": ACME,
        "sub": "svc-7",
        "aud": AUDIENCE,
        "exp": NOW_S + 600,
        "iat": NOW_S,
        "jti": "b9c1",
        "client_id": "dashboard",
        "tenant": "acme",
        "org": "9dfb369b",
        "scope": "events:read events:write",
        "origins": ["https://app.acme.example", "https://app.globex.example"],
        "region": "eu-1",
    })
}

/// A token of these very texts.
pub(crate) fn mint(signer: &str, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(signer, input.as_bytes());
    format!("{input}.{}", encode(signature))
}

/// A good token of acme's.
pub(crate) fn good() -> String {
    mint("acme", &header().to_string(), &claims().to_string())
}

fn sign(signer: &str, input: &[u8]) -> Vec<u8> {
    let world = &*WORLD;
    let random = SystemRandom::new();
    match signer {
        "acme" => world.acme.sign(input).as_ref().to_vec(),
        "globex" => world.globex.sign(input).as_ref().to_vec(),
        "acme-p256" => world.acme_p256.sign(&random, input).unwrap().as_ref().to_vec(),
        "acme-rsa" => {
            let mut signature = vec![0; world.acme_rsa.public_modulus_len()];
            world.acme_rsa.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature).unwrap();
            signature
        }
        // The public key as an HMAC secret.
        "hmac" => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, world.acme.public_key().as_ref());
            hmac::sign(&key, input).as_ref().to_vec()
        }
        "nobody" => Vec::new(),
        "zeros" => vec![0; 64],
        other => panic!("no such signer: {other}"),
    }
}
