//! Row A14: tokens that are bound to a key of their holder, and the proofs that come with them.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use cofferdam_auth::{
    AuthFailure, IssuerConfig, Route, TokenCache, Verifier,
    dpop::{Proof, Proofs},
    upgrade::{self, Policy, Rules},
};
use cofferdam_core::{Authority, ConnectionId, Epoch, Now, Reason, Scoped, TenantContext};
use http::Request;
use serde_json::{Value, json};

use crate::world::{
    ACME, GLOBEX, NOW_S, WORLD, claims, config, ed25519_jwk, encode, header, key_set, mint, now,
    tenant,
};

const URI: &str = "https://events.example.com/stream";
const REFUSED: Option<Reason> = Some(Reason::ProofRefused);

/// A client with a key of its own, and a token that is bound to it.
struct Holder {
    pair: Ed25519KeyPair,
}

impl Holder {
    fn new(seed: u8) -> Self {
        Self { pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap() }
    }

    fn x(&self) -> String {
        encode(self.pair.public_key())
    }

    fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": self.x()})
    }

    fn thumbprint(&self) -> String {
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.x());
        encode(digest(&SHA256, members.as_bytes()))
    }

    fn token(&self) -> String {
        bound("acme", json!({"jkt": self.thumbprint()}))
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": self.jwk()})
    }

    /// A proof of these texts, signed with the key.
    fn prove(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        format!("{input}.{}", encode(self.pair.sign(input.as_bytes())))
    }

    /// A good proof of this id.
    fn proof(&self, id: &str) -> String {
        self.prove(&self.header(), &said(&self.token(), id))
    }
}

/// A token of `signer`'s with this confirmation.
fn bound(signer: &str, confirmation: Value) -> String {
    let mut claims = claims();
    claims["cnf"] = confirmation;
    if signer == "globex" {
        (claims["iss"], claims["tenant"]) = (GLOBEX.into(), "globex".into());
    }
    mint(signer, &header().to_string(), &claims.to_string())
}

/// What a proof for a token says.
fn said(token: &str, id: &str) -> Value {
    let ath = encode(digest(&SHA256, token.as_bytes()));
    json!({"jti": id, "htm": "GET", "htu": URI, "iat": NOW_S, "ath": ath})
}

/// A verifier that has seen no proof yet.
fn fresh() -> Verifier {
    WORLD.verifier.clone().with_proofs(Proofs::default())
}

fn held(
    verifier: &Verifier,
    token: &str,
    proof: &str,
    now: Now,
) -> Result<TenantContext, AuthFailure> {
    let proof = Proof::new(proof, "GET", URI);
    verifier.verify_held(token, &proof, &Route::any(), now, ConnectionId(1), Epoch(1))
}

fn reason<T>(checked: Result<T, AuthFailure>) -> Option<Reason> {
    checked.err().map(|failure| failure.reason())
}

/// The heads of two tenants' requests, as they come from the wire.
fn ask(verifier: &Verifier, headers: &[(&str, &str)]) -> Result<upgrade::Upgrade, AuthFailure> {
    let mut request = Request::get("/stream").header("host", "events.example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let route = Route::any();
    let rules = Rules { hosts: vec!["events.example.com".into()], ..Rules::default() };
    let policy = Policy::new(rules).unwrap();
    policy.check(verifier, &parts, &route, now(), ConnectionId(1), Epoch(1))
}

/// A14: the holder gets in, and the context says by which key.
#[test]
fn a_bound_token_and_its_proof_open_a_connection() {
    let holder = Holder::new(40);
    let context = held(&fresh(), &holder.token(), &holder.proof("1"), now()).unwrap();
    assert_eq!(context.tenant(), &tenant("acme"));
    assert_eq!(context.holder_key().map(encode), Some(holder.thumbprint()));
}

/// A14: a thief has the token and not the key; he cannot leave the proof out, nor make one.
#[test]
fn a_stolen_token_is_worth_nothing() {
    let (holder, thief) = (Holder::new(40), Holder::new(41));
    let (verifier, token) = (fresh(), holder.token());
    let bare = verifier.verify(&token, &Route::any(), now(), ConnectionId(1), Epoch(1));
    assert_eq!(reason(bare), REFUSED);
    let own = thief.prove(&thief.header(), &said(&token, "1"));
    let claimed = thief.prove(&holder.header(), &said(&token, "1"));
    for proof in [own, claimed, String::new(), holder.token(), "..".into()] {
        let failure = held(&verifier, &token, &proof, now()).unwrap_err();
        assert_eq!(failure.reason(), Reason::ProofRefused, "{proof}");
        // In the books of the tenant whose token it is, and 401 whatever the place.
        assert_eq!((failure.tenant(), failure.is_authenticated()), (Some(&tenant("acme")), false));
    }
    // With the key of another tenant's client, and with a proof that he saw for another token.
    let other = bound("acme", json!({"jkt": thief.thumbprint()}));
    assert_eq!(reason(held(&verifier, &other, &holder.proof("2"), now())), REFUSED);
    let seen = thief.prove(&thief.header(), &said(&token, "3"));
    assert_eq!(reason(held(&verifier, &other, &seen, now())), REFUSED);
}

/// What a log may show of it.
#[test]
fn debug_shows_nothing_of_a_proof() {
    let holder = Holder::new(40);
    let proof = holder.proof("1");
    let shown = format!("{:?}", Proof::new(&proof, "GET", URI));
    assert!(shown.contains("GET") && !shown.contains(&proof[..8]), "{shown}");
    let shown = format!("{:?}", Proofs::default().with_nonces(&[0x41; 32]));
    assert!(shown.contains("nonces: true") && !shown.contains("AAAA") && !shown.contains("65"));
}

/// A14: every proof is good once, and each tenant's are its own.
#[test]
fn a_proof_is_good_once() {
    let holder = Holder::new(40);
    for verifier in [fresh(), fresh().with_cache(TokenCache::new(&[4; 32], 100))] {
        let (token, proof) = (holder.token(), holder.proof("1"));
        assert!(held(&verifier, &token, &proof, now()).is_ok());
        for later in [0, 1, 59, 60] {
            let again = held(&verifier, &token, &proof, at(later));
            assert_eq!(reason(again), Some(Reason::ProofReplayed), "{later}");
        }
        // Also under another spelling of the same proof: other claims, the same id.
        let mut same = said(&token, "1");
        same["iat"] = (NOW_S + 1).into();
        let again = held(&verifier, &token, &holder.prove(&holder.header(), &same), now());
        assert_eq!(reason(again), Some(Reason::ProofReplayed));
        assert!(held(&verifier, &token, &holder.proof("2"), now()).is_ok());
        // Another tenant's client with the same key and the same id.
        let globex = bound("globex", json!({"jkt": holder.thumbprint()}));
        let proof = holder.prove(&holder.header(), &said(&globex, "1"));
        let context = held(&verifier, &globex, &proof, now()).unwrap();
        assert_eq!(context.tenant(), &tenant("globex"));
    }
}

/// A14: a change of the table (a rotation, a revocation) does not make a used proof good again.
#[test]
fn what_was_used_stays_used_when_the_table_changes() {
    let holder = Holder::new(40);
    let verifier = fresh();
    let (token, proof) = (holder.token(), holder.proof("1"));
    assert!(held(&verifier, &token, &proof, now()).is_ok());
    let keys = key_set(&[ed25519_jwk("k1", "EdDSA", &WORLD.acme)]);
    let changed = verifier.without_issuer(ACME).with_issuer(config(ACME, "acme")).unwrap();
    let changed = changed.with_keys(ACME, keys, now()).unwrap();
    assert_eq!(reason(held(&changed, &token, &proof, now())), Some(Reason::ProofReplayed));
}

fn at(seconds: i64) -> Now {
    let monotonic = u64::try_from(1_000 + seconds).unwrap() * 1_000;
    Now::from_millis(monotonic, (NOW_S + seconds) * 1_000)
}

#[test]
fn a_proof_is_good_for_a_minute_on_either_side() {
    let holder = Holder::new(40);
    for (second, expected) in [(-61, REFUSED), (-60, None), (60, None), (61, REFUSED)] {
        let mut claims = said(&holder.token(), "1");
        claims["iat"] = (NOW_S + second).into();
        let proof = holder.prove(&holder.header(), &claims);
        assert_eq!(reason(held(&fresh(), &holder.token(), &proof, now())), expected, "{second}");
    }
    let strict = fresh().with_proofs(Proofs::new(core::time::Duration::from_secs(5)));
    let token = holder.token();
    assert_eq!(reason(held(&strict, &token, &holder.proof("1"), at(6))), REFUSED);
    assert_eq!(reason(held(&strict, &token, &holder.proof("1"), at(5))), None);
}

/// A holder may say that a proof is good for less than its window.
#[test]
fn a_proof_keeps_to_its_own_limits() {
    let holder = Holder::new(40);
    for (name, seconds, expected) in [
        ("exp", 1, None),
        ("exp", 0, REFUSED),
        ("nbf", -1, None),
        ("nbf", 60, None),
        ("nbf", 61, REFUSED),
    ] {
        let mut claims = said(&holder.token(), "1");
        claims[name] = (NOW_S + seconds).into();
        let proof = holder.prove(&holder.header(), &claims);
        let checked = held(&fresh(), &holder.token(), &proof, now());
        assert_eq!(reason(checked), expected, "{name} {seconds}");
    }
}

/// A14: each of these differs from a good proof in one thing of its header.
#[test]
fn refuses_a_proof_that_is_of_another_kind_or_key() {
    let holder = Holder::new(40);
    let token = holder.token();
    let verifier = fresh();
    let private = json!({"kty": "OKP", "crv": "Ed25519", "x": holder.x(), "d": holder.x()});
    let oct = json!({"kty": "oct", "k": "AA"});
    let named = |alg: &str| json!({"kty": "OKP", "crv": "Ed25519", "x": holder.x(), "alg": alg});
    let encrypts = json!({"kty": "OKP", "crv": "Ed25519", "x": holder.x(), "use": "enc"});
    for (member, value) in [
        ("typ", json!("at+jwt")),
        ("typ", json!("JWT")),
        ("typ", json!("DPOP+JWT")),
        ("typ", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES256")),
        ("alg", json!("PS256")),
        ("jwk", Value::Null),
        ("jwk", private),
        ("jwk", oct),
        ("jwk", named("ES256")),
        ("jwk", named("Ed25519")),
        ("jwk", json!([holder.jwk()])),
        ("jwk", json!(holder.jwk().to_string())),
        ("jwk", encrypts),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("jku", json!("https://evil.example/keys")),
        ("x5c", json!([])),
        ("zip", json!("DEF")),
    ] {
        let mut header = holder.header();
        header[member] = value;
        let proof = holder.prove(&header, &said(&token, "1"));
        assert_eq!(reason(held(&verifier, &token, &proof, now())), REFUSED, "{header}");
    }
    // None of them used up the id.
    assert!(held(&verifier, &token, &holder.proof("1"), now()).is_ok());
}

/// A14: each of these differs from a good proof in one thing that it says.
#[test]
fn refuses_a_proof_of_anything_else() {
    let holder = Holder::new(40);
    let token = holder.token();
    let verifier = fresh();
    for (member, value) in [
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!(7)),
        ("jti", json!("x".repeat(257))),
        ("htm", json!("POST")),
        ("htm", json!("get")),
        ("htm", Value::Null),
        ("htu", json!("https://other.example.com/stream")),
        ("htu", json!("https://events.example.com/stream/")),
        ("htu", json!("https://events.example.com:8443/stream")),
        ("htu", json!("http://events.example.com/stream")),
        ("htu", Value::Null),
        ("ath", json!(encode(digest(&SHA256, b"another token")))),
        ("ath", json!("")),
        ("ath", Value::Null),
        ("iat", json!(NOW_S.to_string())),
        ("iat", json!(1.5)),
        ("iat", json!(-1)),
        ("iat", Value::Null),
        ("nonce", json!(7)),
        ("exp", json!(NOW_S)),
        ("exp", json!("never")),
        ("nbf", json!(NOW_S + 61)),
        ("nbf", json!(0.5)),
    ] {
        let mut claims = said(&token, "1");
        claims[member] = value;
        let proof = holder.prove(&holder.header(), &claims);
        assert_eq!(reason(held(&verifier, &token, &proof, now())), REFUSED, "{claims}");
    }
    // None of them used up the id.
    assert!(held(&verifier, &token, &holder.proof("1"), now()).is_ok());
}

/// The signature of every kind of key that a holder may have.
#[test]
fn takes_proofs_by_every_default_algorithm() {
    let random = SystemRandom::new();
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = p256.public_key().as_ref();
    let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
    let ec = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
    let public = aws_lc_rs::rsa::PublicKeyComponents::<Vec<u8>>::from(WORLD.acme_rsa.public_key());
    let rsa = json!({"kty": "RSA", "n": encode(public.n), "e": encode(public.e)});
    let ed = Holder::new(40);
    let sign_rsa = |pair: &RsaKeyPair, input: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature).unwrap();
        signature
    };
    for (alg, jwk) in
        [("ES256", &ec), ("RS256", &rsa), ("EdDSA", &ed.jwk()), ("Ed25519", &ed.jwk())]
    {
        // `serde_json` writes members in the order that RFC 7638 wants.
        let token =
            bound("acme", json!({"jkt": encode(digest(&SHA256, jwk.to_string().as_bytes()))}));
        let header = json!({"typ": "dpop+jwt", "alg": alg, "jwk": jwk});
        let claims = said(&token, "1");
        let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = match alg {
            "ES256" => p256.sign(&random, input.as_bytes()).unwrap().as_ref().to_vec(),
            "RS256" => sign_rsa(&WORLD.acme_rsa, input.as_bytes()),
            _ => ed.pair.sign(input.as_bytes()).as_ref().to_vec(),
        };
        let proof = format!("{input}.{}", encode(&signature));
        assert_eq!(reason(held(&fresh(), &token, &proof, now())), None, "{alg}");
        let forged = format!("{input}.{}", encode(vec![0; signature.len()]));
        assert_eq!(reason(held(&fresh(), &token, &forged, now())), REFUSED, "{alg}");
    }
}

/// A14: bound to what is not checked here, a token is nobody's.
#[test]
fn refuses_a_token_whose_binding_it_does_not_know() {
    let holder = Holder::new(40);
    let jkt = holder.thumbprint();
    for confirmation in [
        json!({"x5t#S256": jkt}),
        json!({"jkt": jkt, "x5t#S256": jkt}),
        json!({"jkt": jkt[1..]}),
        json!({"jkt": 7}),
        json!({}),
        json!([]),
        json!(null),
        json!(jkt),
    ] {
        let token = bound("acme", confirmation.clone());
        let bare = fresh().verify(&token, &Route::any(), now(), ConnectionId(1), Epoch(1));
        assert_eq!(reason(bare), Some(Reason::ClaimMissing), "{confirmation}");
    }
}

/// A14: an issuer's registration can ask for bound tokens; nobody can talk it out of that.
#[test]
fn a_registration_may_refuse_bearer_tokens() {
    let keys = key_set(&[ed25519_jwk("k1", "EdDSA", &WORLD.acme)]);
    let issuer = IssuerConfig { requires_dpop: true, ..config(ACME, "acme") };
    let verifier = Verifier::new(Authority::new([9; 16])).with_issuer(issuer).unwrap();
    let verifier = verifier.with_keys(ACME, keys, now()).unwrap();
    let holder = Holder::new(40);
    let bearer = mint("acme", &header().to_string(), &claims().to_string());
    let bare = verifier.verify(&bearer, &Route::any(), now(), ConnectionId(1), Epoch(1));
    assert_eq!(reason(bare), REFUSED);
    let proof = holder.prove(&holder.header(), &said(&bearer, "1"));
    assert_eq!(reason(held(&verifier, &bearer, &proof, now())), REFUSED);
    assert!(held(&verifier, &holder.token(), &holder.proof("1"), now()).is_ok());
    // Without it, a proof beside a token that is bound to nothing proves nothing.
    assert_eq!(reason(held(&fresh(), &bearer, &proof, now())), REFUSED);
}

/// A14: at the upgrade the proof names the request that it came with.
#[test]
fn an_upgrade_takes_the_proof_from_its_header() {
    let holder = Holder::new(40);
    let authorization = format!("DPoP {}", holder.token());
    let bearer = format!("Bearer {}", holder.token());
    let unbound = mint("acme", &header().to_string(), &claims().to_string());
    let verifier = fresh();
    let mut claims = said(&holder.token(), "0");
    claims["htu"] = json!("wss://events.example.com/stream");
    for proof in [holder.prove(&holder.header(), &claims), holder.proof("1")] {
        let asked = ask(&verifier, &[("authorization", &authorization), ("dpop", &proof)]);
        let mut headers = http::HeaderMap::new();
        headers.insert("dpop", proof.parse().unwrap());
        asked.unwrap().seal(&mut headers);
        assert!(headers.is_empty(), "the proof is handed on");
    }
    let proof = holder.proof("2");
    let unproved = format!("DPoP {unbound}");
    for (headers, expected) in [
        (vec![("authorization", &authorization)], Reason::ProofRefused),
        (vec![("authorization", &bearer)], Reason::ProofRefused),
        (vec![("authorization", &bearer), ("dpop", &proof)], Reason::ProofRefused),
        (vec![("authorization", &unproved), ("dpop", &proof)], Reason::ProofRefused),
        (
            vec![("authorization", &authorization), ("dpop", &proof), ("dpop", &proof)],
            Reason::RequestMalformed,
        ),
    ] {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let failure = ask(&verifier, &headers).unwrap_err();
        assert_eq!(failure.reason(), expected, "{headers:?}");
        let status = if expected == Reason::RequestMalformed { 400 } else { 401 };
        assert_eq!(upgrade::refuse(&failure).status(), status);
    }
    assert!(ask(&verifier, &[("authorization", &authorization), ("dpop", &proof)]).is_ok());
}

/// A14: with nonces, a proof that was made beforehand is no good, and its holder is told what would be.
#[test]
fn a_nonce_is_told_to_the_holder_alone() {
    let (holder, thief) = (Holder::new(40), Holder::new(41));
    let verifier = fresh().with_proofs(Proofs::default().with_nonces(&[6; 32]));
    let authorization = format!("DPoP {}", holder.token());
    let asked = |proof: &str| {
        let failure = ask(&verifier, &[("authorization", &authorization), ("dpop", proof)]);
        upgrade::refuse(&failure.unwrap_err())
    };
    let forged = asked(&thief.prove(&holder.header(), &said(&holder.token(), "1")));
    assert!(!forged.headers().contains_key("dpop-nonce"));
    let answer = asked(&holder.proof("1"));
    assert_eq!((answer.status(), answer.body()), (forged.status(), forged.body()));
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("DPoP error=\"use_dpop_nonce\""), "{challenge}");
    let nonce = answer.headers()["dpop-nonce"].to_str().unwrap();
    let mut claims = said(&holder.token(), "1");
    claims["nonce"] = nonce.into();
    let proof = holder.prove(&holder.header(), &claims);
    let headers = [("authorization", authorization.as_str()), ("dpop", &proof)];
    assert!(ask(&verifier, &headers).is_ok());
    assert_eq!(reason(ask(&verifier, &headers)), Some(Reason::ProofReplayed));
    // One tenant's nonce is not another's.
    let globex = bound("globex", json!({"jkt": holder.thumbprint()}));
    let mut claims = said(&globex, "1");
    claims["nonce"] = nonce.into();
    let other = held(&verifier, &globex, &holder.prove(&holder.header(), &claims), now());
    assert_eq!(reason(other), Some(Reason::ProofNonceMissing));
}

/// A14: a proof is for this service: not for one that the request names, nor for one on another port.
#[test]
fn a_proof_is_for_the_address_that_is_ours() {
    let holder = Holder::new(40);
    let authorization = format!("DPoP {}", holder.token());
    let asked = |rules: Rules, host: &str, htu: &str| {
        let mut claims = said(&holder.token(), "1");
        claims["htu"] = htu.into();
        let proof = holder.prove(&holder.header(), &claims);
        let request = Request::get("/stream").header("host", host).header("dpop", proof);
        let (parts, ()) =
            request.header("authorization", &authorization).body(()).unwrap().into_parts();
        let policy = Policy::new(rules).unwrap();
        let checked =
            policy.check(&fresh(), &parts, &Route::any(), now(), ConnectionId(1), Epoch(1));
        reason(checked)
    };
    let own = || Rules { hosts: vec!["events.example.com".into()], ..Rules::default() };
    let at = |port| Rules { public_port: Some(port), ..own() };
    // Played on by whoever it was for, with the host that it names.
    assert_eq!(asked(Rules::default(), "evil.example", "https://evil.example/stream"), REFUSED);
    assert_eq!(asked(Rules::default(), "events.example.com", URI), REFUSED);
    let other = "https://events.example.com:8443/stream";
    assert_eq!(asked(own(), "events.example.com:8443", other), REFUSED);
    assert_eq!(asked(own(), "events.example.com:8443", URI), None);
    assert_eq!(asked(at(8443), "events.example.com", other), None);
    assert_eq!(asked(at(8443), "events.example.com:8443", URI), REFUSED);
    assert_eq!(asked(at(443), "events.example.com", URI), None);
}

/// A14, S08: neither a clock that is set back nor a second clock makes a used proof good again.
#[test]
fn a_clock_that_is_set_back_makes_no_proof_good_again() {
    let holder = Holder::new(40);
    let (token, proof) = (holder.token(), holder.proof("1"));
    let verifier = fresh();
    assert!(held(&verifier, &token, &proof, at(0)).is_ok());
    // Five minutes later the wall clock says what it said then.
    let set_back = Now::from_millis(1_300_000, NOW_S * 1_000);
    assert_eq!(reason(held(&verifier, &token, &proof, set_back)), Some(Reason::ProofReplayed));
    // By another clock, which began earlier, the first use is far ahead.
    let verifier = fresh();
    assert!(held(&verifier, &token, &proof, Now::from_millis(10_000, NOW_S * 1_000)).is_ok());
    let elsewhere = Now::from_millis(9_000_000, NOW_S * 1_000);
    assert_eq!(reason(held(&verifier, &token, &proof, elsewhere)), Some(Reason::ProofReplayed));
}

/// A14, S05: a live session is renewed by a token that is bound to the key which opened it.
#[test]
fn a_session_is_renewed_without_another_proof_by_the_same_key_alone() {
    let (holder, other) = (Holder::new(40), Holder::new(41));
    let verifier = fresh();
    let session = held(&verifier, &holder.token(), &holder.proof("1"), now()).unwrap();
    let (connection, epoch) = (session.connection(), session.epoch());
    let renew = |token: &str, session: &TenantContext, now, connection, epoch| {
        reason(verifier.verify(token, &Route::any().renewing(session), now, connection, epoch))
    };
    let token = holder.token();
    assert_eq!(renew(&token, &session, now(), connection, epoch), None);
    assert_eq!(renew(&other.token(), &session, now(), connection, epoch), REFUSED);
    let foreign = bound("globex", json!({"jkt": holder.thumbprint()}));
    assert_eq!(renew(&foreign, &session, now(), connection, epoch), REFUSED);
    // Another connection, another epoch, a session that is over: a thief may be there.
    assert_eq!(renew(&token, &session, now(), ConnectionId(9), epoch), REFUSED);
    assert_eq!(renew(&token, &session, now(), connection, Epoch(9)), REFUSED);
    let mut longer = claims();
    (longer["cnf"], longer["exp"]) = (json!({"jkt": holder.thumbprint()}), (NOW_S + 900).into());
    let longer = mint("acme", &header().to_string(), &longer.to_string());
    assert_eq!(renew(&longer, &session, at(599), connection, epoch), None);
    assert_eq!(renew(&longer, &session, at(600), connection, epoch), REFUSED);
    // A session that no key opened is renewed by none.
    let bearer = mint("acme", &header().to_string(), &claims().to_string());
    let unbound = verifier.verify(&bearer, &Route::any(), now(), connection, epoch).unwrap();
    assert_eq!(renew(&token, &unbound, now(), connection, epoch), REFUSED);
}

/// A14: an upgrade is a new connection, whatever session its route may name.
#[test]
fn an_upgrade_renews_nothing() {
    let holder = Holder::new(40);
    let verifier = fresh();
    let session = held(&verifier, &holder.token(), &holder.proof("1"), now()).unwrap();
    let bearer = format!("Bearer {}", holder.token());
    let request = Request::get("/stream").header("host", "a").header("authorization", bearer);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let route = Route::any().renewing(&session);
    let (connection, epoch) = (session.connection(), session.epoch());
    let upgraded = Policy::default().check(&verifier, &parts, &route, now(), connection, epoch);
    assert_eq!(reason(upgraded), REFUSED);
}
