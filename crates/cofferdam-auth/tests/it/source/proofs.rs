//! How a client proves itself: the requests as they are sent.

use std::sync::Arc;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use cofferdam_auth::{
    Algorithm,
    source::{
        AssertionAudience, AssertionKey, Body, ClientConfig, Credential, Expected, Secret,
        TokenForm, Witness,
    },
};
use serde_json::{Value, json};

use super::rig::{AUDIENCE, ENDPOINT, ISSUER, Rig, config};

#[test]
fn a_secret_goes_into_the_header_or_the_form() {
    let mut rig = Rig::acme();
    rig.want();
    let http = rig.request().http(rig.now()).unwrap();
    assert_eq!(http.endpoint(), ENDPOINT);
    assert_eq!(http.form(), Some("grant_type=client_credentials&scope=a+b"));
    let pair = http.authorization().unwrap().strip_prefix("Basic ").unwrap();
    let pair = base64::prelude::BASE64_STANDARD.decode(pair).unwrap();
    assert_eq!(pair, b"client-acme:secret-of-acme");

    let mut rig = Rig::new(ClientConfig {
        credential: Credential::Post(Secret::new("p&q")),
        scopes: [].into(),
        parameters: vec![("audience".into(), AUDIENCE.into())],
        ..config("acme")
    });
    rig.want();
    let http = rig.request().http(rig.now()).unwrap();
    assert_eq!(http.authorization(), None);
    let form = "grant_type=client_credentials&audience=https%3A%2F%2Fapi.example.com\
                &client_id=client-acme&client_secret=p%26q";
    assert_eq!(http.form(), Some(form));
}

struct Pair {
    algorithm: Algorithm,
    pkcs8: Vec<u8>,
    public: Vec<u8>,
    verifies: &'static dyn VerificationAlgorithm,
}

fn pairs() -> [Pair; 3] {
    let random = SystemRandom::new();
    let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref()).unwrap();
    let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let ed_pair = Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    [
        Pair {
            algorithm: Algorithm::Es256,
            pkcs8: p256.as_ref().to_vec(),
            public: pair.public_key().as_ref().to_vec(),
            verifies: &ECDSA_P256_SHA256_FIXED,
        },
        Pair {
            algorithm: Algorithm::EdDsa,
            pkcs8: ed25519.as_ref().to_vec(),
            public: ed_pair.public_key().as_ref().to_vec(),
            verifies: &ED25519,
        },
        Pair {
            algorithm: Algorithm::Rs256,
            pkcs8: rsa.as_der().unwrap().as_ref().to_vec(),
            public: rsa.public_key().as_ref().to_vec(),
            verifies: &RSA_PKCS1_2048_8192_SHA256,
        },
    ]
}

fn part(token: &str, at: usize) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()
}

/// The assertion in a form; base64url needs no decoding there.
fn assertion(form: &str) -> String {
    let value = form.split('&').find_map(|pair| pair.strip_prefix("client_assertion="));
    value.unwrap().to_owned()
}

fn signed_rig(pair: &Pair, audience: AssertionAudience) -> Rig {
    let key = AssertionKey::from_pkcs8(pair.algorithm, "k1", &pair.pkcs8).unwrap();
    let credential = Credential::PrivateKey { key: Arc::new(key), audience };
    let mut rig = Rig::new(ClientConfig { credential, ..config("acme") });
    rig.want();
    rig
}

#[test]
fn an_assertion_is_signed_short_lived_and_for_one_audience() {
    for pair in pairs() {
        let mut ids = Vec::new();
        for (audience, expected) in
            [(AssertionAudience::Issuer, ISSUER), (AssertionAudience::TokenEndpoint, ENDPOINT)]
        {
            let mut rig = signed_rig(&pair, audience);
            let http = rig.request().http(rig.now()).unwrap();
            assert_eq!(http.authorization(), None);
            let form = http.form().unwrap();
            assert!(form.contains("client_id=client-acme&client_assertion_type=urn%3Aietf%3A"));
            let token = assertion(form);
            let (input, _) = token.rsplit_once('.').unwrap();
            let key = UnparsedPublicKey::new(pair.verifies, &pair.public);
            key.verify(input.as_bytes(), &part(&token, 2)).unwrap();
            let header: Value = serde_json::from_slice(&part(&token, 0)).unwrap();
            assert_eq!(header, json!({"alg": pair.algorithm.name(), "kid": "k1", "typ": "JWT"}));
            let mut claims: Value = serde_json::from_slice(&part(&token, 1)).unwrap();
            let id = claims["jti"].take();
            assert_eq!(id.as_str().unwrap().len(), 22);
            ids.push(id);
            let issued = rig.now().wall_ms() / 1_000;
            let expected = json!({
                "iss": "client-acme", "sub": "client-acme", "aud": expected, "jti": null,
                "iat": issued, "exp": issued + 60,
            });
            assert_eq!(claims, expected);
        }
        // One seed, one sequence: both rigs drew the first id of it.
        assert_eq!(ids[0], ids[1]);
    }
}

#[test]
fn no_two_assertions_of_a_source_have_one_id() {
    let [pair, ..] = pairs();
    let endpoint = "https://login.example.com/introspect".to_owned();
    let expected = Expected::new(ISSUER, AUDIENCE, "org-acme");
    let form = TokenForm::Opaque(Witness::Introspection { endpoint: endpoint.clone(), expected });
    let key = AssertionKey::from_pkcs8(pair.algorithm, "k1", &pair.pkcs8).unwrap();
    let audience = AssertionAudience::Issuer;
    let credential = Credential::PrivateKey { key: Arc::new(key), audience };
    let mut rig = Rig::new(ClientConfig { credential, token_form: form, ..config("acme") });
    let mut ids = std::collections::BTreeSet::new();
    for n in 1..=4 {
        rig.want();
        rig.seconds(8); // the flight is over, the backoff too
        for request in rig.requests() {
            let answer = json!({"access_token": "t0k", "token_type": "bearer", "expires_in": 60});
            let witness = request.witness(&Body::new(answer.to_string()), rig.now()).unwrap();
            let witness = witness.unwrap();
            assert_eq!(witness.endpoint(), endpoint);
            let form = witness.form().unwrap();
            assert!(form.starts_with("token=t0k&token_type_hint=access_token&client_id="));
            for form in [form, request.http(rig.now()).unwrap().form().unwrap()] {
                let claims: Value = serde_json::from_slice(&part(&assertion(form), 1)).unwrap();
                assert!(ids.insert(claims["jti"].to_string()), "{n}");
            }
        }
    }
    assert!(ids.len() >= 8);
}

#[test]
fn an_identity_is_asked_with_the_token_itself() {
    let endpoint = "https://api.example.com/api/v2/tokens/me".to_owned();
    let expected = Expected::new(ISSUER, AUDIENCE, "org-acme");
    let form = TokenForm::Opaque(Witness::Identity { endpoint: endpoint.clone(), expected });
    let mut rig = Rig::new(ClientConfig { token_form: form, ..config("acme") });
    rig.want();
    let request = rig.request();
    let answer =
        Body::new(r#"{"access_token":"t0k","token_type":"bearer","expires_in":60}"#.to_owned());
    let witness = request.witness(&answer, rig.now()).unwrap().unwrap();
    assert_eq!((witness.endpoint(), witness.form()), (&*endpoint, None));
    assert_eq!(witness.authorization(), Some("Bearer t0k"));
    assert!(request.witness(&Body::new("{}"), rig.now()).is_err());
    // A JWT is asked nobody about.
    let mut rig = Rig::acme();
    rig.want();
    assert!(rig.request().witness(&answer, rig.now()).unwrap().is_none());
}

#[test]
fn refuses_what_is_not_a_key_of_its_algorithm() {
    let [p256, ed25519, rsa] = pairs();
    for (algorithm, pkcs8) in [
        (Algorithm::Rs256, &p256.pkcs8),
        (Algorithm::Es256, &ed25519.pkcs8),
        (Algorithm::EdDsa, &rsa.pkcs8),
        (Algorithm::Es256, &p256.public),
        (Algorithm::Es256, &Vec::new()),
    ] {
        assert!(AssertionKey::from_pkcs8(algorithm, "k1", pkcs8).is_err());
    }
    for key_id in ["", "a b", "a\"b", "../k"] {
        assert!(AssertionKey::from_pkcs8(Algorithm::Es256, key_id, &p256.pkcs8).is_err());
    }
}
