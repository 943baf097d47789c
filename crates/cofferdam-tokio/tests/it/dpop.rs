//! A14 over the wire: a token that is bound to its holder's key, at an acceptor that wants nonces.

use std::sync::Arc;

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam_auth::{
    KeyRing, Route, Verifier,
    dpop::Proofs,
    upgrade::{Policy, Rules},
};
use cofferdam_core::{ConnectionId, Epoch};
use cofferdam_tokio::upgrade::{Acceptor, Limits};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::world::{World, head};

struct Holder {
    pair: Ed25519KeyPair,
    token: String,
}

impl Holder {
    fn new(world: &World) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
        let x = BASE64.encode(pair.public_key());
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let token = world.bound_token(&BASE64.encode(digest(&SHA256, members.as_bytes())));
        Self { pair, token }
    }

    fn proof(&self, world: &World, id: &str, nonce: Option<&str>) -> String {
        let jwk =
            json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(self.pair.public_key())});
        let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk}).to_string();
        let mut claims = json!({
            "jti": id, "htm": "GET", "htu": "wss://events.example.com/stream",
            "iat": world.clock.now().wall_ms() / 1_000,
            "ath": BASE64.encode(digest(&SHA256, self.token.as_bytes())),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let input = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims.to_string()));
        format!("{input}.{}", BASE64.encode(self.pair.sign(input.as_bytes())))
    }
}

fn acceptor(world: &World) -> Acceptor {
    let verifier = Verifier::clone(&world.keys.verifier());
    let proofs = Proofs::default().with_nonces(&[5; 32]);
    let ring = Arc::new(KeyRing::new(verifier.with_proofs(proofs)));
    let rules = Rules { hosts: vec!["events.example.com".into()], ..Rules::default() };
    let bind = || (ConnectionId(1), Epoch(1));
    let policy = Policy::new(rules).unwrap();
    Acceptor::new(ring, policy, Route::any(), Limits::default(), world.clock, bind)
}

/// The head of the answer to a request with this token and this proof.
async fn ask(acceptor: &Acceptor, scheme: &str, token: &str, proof: Option<&str>) -> String {
    let (mut peer, ours) = duplex(16 << 10);
    let authorization = format!("{scheme} {token}");
    let mut headers = vec![("Authorization", authorization.as_str())];
    headers.extend(proof.map(|proof| ("DPoP", proof)));
    peer.write_all(head("/stream", &headers).as_bytes()).await.unwrap();
    drop(acceptor.accept(ours).await);
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The value of a header of an answer.
fn value<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| {
        let (own, value) = line.split_once(": ")?;
        own.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// A14.
#[tokio::test]
async fn a_holder_gets_in_with_a_nonce_and_a_thief_does_not() {
    let world = World::new();
    let (holder, acceptor) = (Holder::new(&world), acceptor(&world));
    // The first try lacks a nonce and brings one home.
    let first = holder.proof(&world, "1", None);
    let answer = ask(&acceptor, "DPoP", &holder.token, Some(&first)).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let challenge = value(&answer, "WWW-Authenticate").unwrap();
    assert!(challenge.starts_with("DPoP error=\"use_dpop_nonce\""), "{challenge}");
    let nonce = value(&answer, "DPoP-Nonce").unwrap();

    let proof = holder.proof(&world, "1", Some(nonce));
    let answer = ask(&acceptor, "DPoP", &holder.token, Some(&proof)).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(!answer.contains(&holder.token) && !answer.contains(&proof), "{answer}");

    // Whoever saw all of that on the way has the token and a proof that was used.
    for (scheme, proof) in [("DPoP", Some(&*proof)), ("DPoP", None), ("Bearer", None)] {
        let answer = ask(&acceptor, scheme, &holder.token, proof).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{scheme}: {answer}");
        assert_eq!(value(&answer, "DPoP-Nonce"), None);
    }
}
