//! Second opinions: two well-known libraries mint tokens for us, and judge the attacks.
//!
//! Both are set as strictly as they can be. Where one of them accepts an attack that we refuse, the
//! table names it (`"accepted_by"`), so that it says why this crate has a parser of its own.

use std::collections::{BTreeSet, HashSet};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use cofferdam_auth::{Route, Verifier};
use cofferdam_core::{Authority, ConnectionId, Epoch, Scoped};
use jsonwebtoken as jwt;
use jwt_simple::prelude::{
    ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ES256KeyPair, Ed25519PublicKey,
    EdDSAPublicKeyLike, HeaderOptions, JWTClaims, UnixTimeStamp, VerificationOptions,
};
use serde_json::{Value, json};

use crate::{
    attacks::{Attack, attacks},
    world::{ACME, AUDIENCE, NOW_S, WORLD, claims, config, encode, good, key_set, now, tenant},
};

fn jsonwebtoken_accepts(token: &str) -> bool {
    let mut rules = jwt::Validation::new(jwt::Algorithm::EdDSA);
    rules.set_issuer(&[ACME]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    rules.validate_nbf = true;
    rules.leeway = 30;
    let key = jwt::DecodingKey::from_ed_der(WORLD.acme.public_key().as_ref());
    jwt::decode::<Value>(token, &key, &rules).is_ok()
}

fn jwt_simple_accepts(token: &str) -> bool {
    let rules = VerificationOptions {
        allowed_issuers: Some(HashSet::from([ACME.to_owned()])),
        allowed_audiences: Some(HashSet::from([AUDIENCE.to_owned()])),
        required_signature_type: Some("at+jwt".to_owned()),
        required_key_id: Some("k1".to_owned()),
        time_tolerance: Some(jwt_simple::prelude::Duration::from_secs(30)),
        max_validity: Some(jwt_simple::prelude::Duration::from_secs(930)),
        max_token_length: Some(8 * 1024),
        max_header_length: Some(1024),
        artificial_time: Some(UnixTimeStamp::from_secs(NOW_S.unsigned_abs())),
        ..VerificationOptions::default()
    };
    let key = Ed25519PublicKey::from_bytes(WORLD.acme.public_key().as_ref()).unwrap();
    key.verify_token::<Value>(token, Some(rules)).is_ok()
}

#[test]
fn both_oracles_accept_the_good_token() {
    assert!(jsonwebtoken_accepts(&good()));
    assert!(jwt_simple_accepts(&good()));
}

/// Everything in the table is refused here (`attacks.rs`); this is who accepts it elsewhere. Some
/// of it the libraries cannot know (the tenant, the scopes, how long a token may live); some they
/// could.
#[test]
fn the_table_says_which_attacks_other_libraries_accept() {
    let mut wrong = Vec::new();
    for attack in attacks() {
        let mut accepted_by = BTreeSet::new();
        // jsonwebtoken reads the real clock, by which no token of 2100 has expired.
        let is_timed = attack.text("reason").is_some_and(|reason| reason.starts_with("Token"));
        if !is_timed && jsonwebtoken_accepts(&attack.token) {
            accepted_by.insert("jsonwebtoken");
        }
        if jwt_simple_accepts(&attack.token) {
            accepted_by.insert("jwt-simple");
        }
        let listed = attack.line.get("accepted_by").and_then(Value::as_array);
        let listed: BTreeSet<&str> =
            listed.into_iter().flatten().filter_map(Value::as_str).collect();
        if accepted_by != listed {
            wrong.push(format!("{}: {accepted_by:?}", attack.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `docs/CREDENTIALS.md` counts them.
#[test]
fn the_documents_table_counts_as_the_attacks_say() {
    let document = include_str!("../../../../docs/CREDENTIALS.md");
    let attacks = attacks();
    let rows: BTreeSet<_> = attacks.iter().map(|attack| attack.text("row").unwrap()).collect();
    for row in rows {
        let of_row = || attacks.iter().filter(|attack| attack.text("row") == Some(row));
        let accepted_by = |library: &str| {
            let names = |attack: &&Attack| {
                let listed = attack.line.get("accepted_by").and_then(Value::as_array);
                listed.is_some_and(|listed| listed.iter().any(|own| own == library))
            };
            of_row().filter(names).count()
        };
        let line = document.lines().find(|line| line.starts_with(&format!("| {row} |"))).unwrap();
        let cells: Vec<_> = line.split(" | ").collect();
        let counted = [of_row().count(), accepted_by("jsonwebtoken"), accepted_by("jwt-simple")];
        assert_eq!([cells[1], cells[3], cells[4]], counted.map(|n| n.to_string()), "{row}");
    }
}

#[test]
fn accepts_what_jsonwebtoken_mints() {
    let pair = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let key = jwt::EncodingKey::from_ed_der(pair.as_ref());
    let public = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
    let keys = key_set(&[crate::world::ed25519_jwk("j1", "EdDSA", &public)]);
    let header = jwt::Header {
        typ: Some("at+jwt".to_owned()),
        kid: Some("j1".to_owned()),
        ..jwt::Header::new(jwt::Algorithm::EdDSA)
    };
    let token = jwt::encode(&header, &claims(), &key).unwrap();
    assert_accepted(keys, &token);
}

#[test]
fn accepts_what_jwt_simple_mints() {
    let pair = ES256KeyPair::generate().with_key_id("s1");
    let point = pair.public_key().public_key().to_bytes_uncompressed();
    let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
    let keys = key_set(&[json!({"kty": "EC", "crv": "P-256", "kid": "s1", "x": x, "y": y})]);
    let claims: JWTClaims<Value> = serde_json::from_value(claims()).unwrap();
    let options = HeaderOptions { signature_type: Some("at+jwt".into()), content_type: None };
    let token = pair.sign_with_options(claims, &options).unwrap();
    assert_accepted(keys, &token);
}

fn assert_accepted(keys: cofferdam_auth::KeySet, token: &str) {
    let verifier = Verifier::new(Authority::new([3; 16]))
        .with_issuer(config(ACME, "acme"))
        .unwrap()
        .with_keys(ACME, keys, now())
        .unwrap();
    let context = verifier.verify(token, &Route::any(), now(), ConnectionId(1), Epoch(1)).unwrap();
    assert_eq!(context.tenant(), &tenant("acme"));
}
