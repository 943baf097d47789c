//! Keys over HTTP from a server that rotates, fails, hangs and counts.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam_auth::{
    AuthFailure, IssuerConfig, KeyRing, Route, Verifier, session::Limits, upgrade::Policy,
};
use cofferdam_core::{Authority, ConnectionId, Epoch, Reason, Scoped, TenantContext, TenantId};
use cofferdam_tokio::{
    Clock, JwksClient, JwksError, KeyEvent, KeyKeeper, Networks, RegisterError,
    sessions::SessionRegistry,
    upgrade::{self, Acceptor},
};
use futures_util::{FutureExt, future::join_all};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::TcpListener,
};

use super::world::head;

/// What the server of one issuer does next.
#[derive(Clone)]
pub(crate) enum Does {
    Publish(Vec<u8>),
    Fail,
    Hang,
}

/// One issuer's key endpoint on loopback.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    does: Arc<Mutex<Does>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    /// Publishes the keys of these seeds, under the ids `k1`, `k2`...
    pub(crate) async fn start(seeds: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/jwks", listener.local_addr().unwrap());
        let does = Arc::new(Mutex::new(Does::Publish(seeds.to_vec())));
        let server = Self { address, does, asked: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    let mut request = [0; 2_048];
                    while let Ok(1..) = socket.read(&mut request).await {
                        serving.asked.fetch_add(1, SeqCst);
                        let does = serving.does.lock().unwrap().clone();
                        let answer = match does {
                            Does::Hang => std::future::pending().await,
                            Does::Fail => "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".into(),
                            Does::Publish(seeds) => {
                                let set = key_set(&seeds);
                                format!(
                                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{set}",
                                    set.len()
                                )
                            }
                        };
                        if socket.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    pub(crate) fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn key_set(seeds: &[u8]) -> String {
    let keys: Vec<_> = seeds
        .iter()
        .map(|seed| {
            let x = BASE64.encode(pair(*seed).public_key());
            json!({"kty": "OKP", "crv": "Ed25519", "kid": format!("k{seed}"), "x": x})
        })
        .collect();
    json!({ "keys": keys }).to_string()
}

pub(crate) struct World {
    pub(crate) keeper: KeyKeeper,
    pub(crate) clock: Clock,
    pub(crate) events: Arc<Mutex<Vec<KeyEvent>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Clock::start();
        let ring = Arc::new(KeyRing::new(Verifier::new(Authority::new([7; 16]))));
        let client = JwksClient::new(Networks::PublicAndThisMachine).unwrap();
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        let heard = move |event| seen.lock().unwrap().push(event);
        let (keeper, _task) = KeyKeeper::start(ring, client, clock, heard);
        Self { keeper, clock, events }
    }

    pub(crate) async fn register(&self, id: &str, server: &Server) -> Result<bool, RegisterError> {
        self.keeper.register(&config(id), &server.address).await
    }

    pub(crate) fn token(&self, id: &str, seed: u8, key_id: &str) -> String {
        let now = self.clock.now().wall_ms() / 1_000;
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": key_id});
        let claims = json!({
            "iss": issuer(id), "aud": "events", "sub": "svc", "client_id": "svc", "jti": "1",
            "iat": now, "exp": now + 600, "tenant": id,
        });
        let input =
            format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        format!("{input}.{}", BASE64.encode(pair(seed).sign(input.as_bytes())))
    }

    pub(crate) async fn verify(&self, token: &str) -> Result<TenantContext, AuthFailure> {
        self.keeper.verify(token, &Route::any(), ConnectionId(1), Epoch(1)).await
    }
}

pub(crate) fn issuer(id: &str) -> String {
    format!("https://id.example.com/{id}")
}

fn config(id: &str) -> IssuerConfig {
    IssuerConfig::new(&issuer(id), TenantId::parse(id).unwrap(), "events")
}

#[tokio::test]
async fn an_issuer_is_registered_with_its_keys() {
    let (world, server) = (World::new(), Server::start(&[1]).await);
    assert_eq!(world.register("acme", &server).await, Ok(true));
    let context = world.verify(&world.token("acme", 1, "k1")).await.unwrap();
    assert_eq!(context.tenant().as_str(), "acme");
    assert_eq!(server.asked(), 1);
    world.keeper.remove(&issuer("acme")).await;
    let refused = world.keeper.ring().verify(
        &world.token("acme", 1, "k1"),
        &Route::any(),
        world.clock.now(),
        ConnectionId(1),
        Epoch(1),
    );
    assert_eq!(refused.unwrap_err().reason(), Reason::UnknownIssuer);
}

/// The answer for an earlier registration comes when the issuer has changed hands.
#[tokio::test]
async fn a_late_answer_is_not_installed_under_a_later_registration() {
    let (world, first, second) =
        (World::new(), Server::start(&[1]).await, Server::start(&[2]).await);
    first.now(Does::Hang);
    let (late, ()) = tokio::join!(world.register("acme", &first), async {
        while first.asked() == 0 {
            tokio::task::yield_now().await;
        }
        world.keeper.remove(&issuer("acme")).await;
    });
    assert_eq!(late, Err(RegisterError::NotKept), "it is not registered any more");
    let theirs = IssuerConfig::new(&issuer("acme"), TenantId::parse("globex").unwrap(), "events");
    assert_eq!(world.keeper.register(&theirs, &second.address).await, Ok(true));
    // The first fetch fails after two seconds, which is about nobody.
    tokio::time::sleep(std::time::Duration::from_millis(2_200)).await;
    assert_eq!(
        world.keeper.register(&theirs, &second.address).await,
        Err(RegisterError::Issuer(cofferdam_auth::InvalidIssuer::Duplicate))
    );
    assert_eq!((first.asked(), second.asked()), (1, 1));
}

#[tokio::test]
async fn an_issuer_whose_server_fails_is_registered_without_keys() {
    let (world, server) = (World::new(), Server::start(&[1]).await);
    server.now(Does::Fail);
    assert_eq!(world.register("acme", &server).await, Ok(false));
    // The machine tries again within a second, by itself.
    server.now(Does::Publish(vec![1]));
    assert!(world.verify(&world.token("acme", 1, "k1")).await.is_ok());
}

#[tokio::test]
async fn an_address_that_is_not_connected_to_registers_nothing() {
    let world = World::new();
    for address in ["http://id.example.com/jwks", "https://169.254.169.254/", "ftp://127.0.0.1/"] {
        let refused = world.keeper.register(&config("acme"), address).await;
        assert_eq!(refused, Err(RegisterError::Address(JwksError::Address)), "{address}");
    }
    let token = world.token("acme", 1, "k1");
    assert_eq!(world.verify(&token).await.unwrap_err().reason(), Reason::UnknownIssuer);
}

/// V03: the token of the new key comes first; one fetch, and it is accepted.
#[tokio::test]
async fn a_token_that_is_newer_than_the_keys_is_accepted_after_one_fetch() {
    let (world, server) = (World::new(), Server::start(&[1]).await);
    world.register("acme", &server).await.unwrap();
    server.now(Does::Publish(vec![1, 2]));
    let token = world.token("acme", 2, "k2");
    let all = join_all((0..50).map(|_| world.verify(&token))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(server.asked(), 2);
}

/// V03: so it is at the upgrade, where it is the peer that waits.
#[tokio::test]
async fn an_upgrade_waits_for_a_key_that_is_fetched() {
    let (world, server) = (World::new(), Server::start(&[1]).await);
    world.register("acme", &server).await.unwrap();
    server.now(Does::Publish(vec![1, 2]));
    let limits = upgrade::Limits::default();
    let bind = || (ConnectionId(1), Epoch(1));
    let acceptor = Acceptor::new(
        world.keeper.clone(),
        Policy::default(),
        Route::any(),
        limits,
        world.clock,
        bind,
    );
    for (seed, key_id, accepted) in [(2, "k2", true), (1, "k1", true), (1, "k7", false)] {
        let bearer = format!("Bearer {}", world.token("acme", seed, key_id));
        let (mut peer, ours) = duplex(16 << 10);
        peer.write_all(head("/", &[("Authorization", &bearer)]).as_bytes()).await.unwrap();
        let outcome = acceptor.accept(ours).await;
        assert_eq!(outcome.is_ok(), accepted, "{key_id}");
    }
    assert_eq!(server.asked(), 2, "once for k2, and too soon after it for k7");
}

/// The layer holds nobody up: whoever comes back finds the key.
#[tokio::test]
async fn a_layer_has_a_key_fetched_that_is_not_there() {
    let (world, server) = (World::new(), Server::start(&[1]).await);
    world.register("acme", &server).await.unwrap();
    server.now(Does::Publish(vec![1, 2]));
    let token = world.token("acme", 2, "k2");
    let check = || {
        let (route, now) = (Route::any(), world.clock.now());
        world.keeper.ring().verify(&token, &route, now, ConnectionId(1), Epoch(1))
    };
    let failure = check().unwrap_err();
    world.keeper.ask_for_key(&token, &failure);
    while check().is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.asked(), 2);
}

/// V01: a key that its issuer no longer publishes is refused after the next fetch, and its sessions
/// are named.
#[tokio::test]
async fn a_withdrawn_key_is_refused_and_told() {
    let (world, server) = (World::new(), Server::start(&[1, 2]).await);
    world.register("acme", &server).await.unwrap();
    let old = world.token("acme", 1, "k1");
    assert!(world.verify(&old).await.is_ok());
    server.now(Does::Publish(vec![2, 3]));
    // A token of the newest key brings the fetch forward.
    assert!(world.verify(&world.token("acme", 3, "k3")).await.is_ok());
    assert_eq!(world.verify(&old).await.unwrap_err().reason(), Reason::UnknownKey);
    let events = world.events.lock().unwrap();
    let [_, KeyEvent::Published { tenant, keys, withdrawn, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((tenant.as_str(), &withdrawn[..]), ("acme", &[Box::from("k1")][..]));
    assert!(keys.key_ids().eq(["k2", "k3"]));
}

/// V01: the sessions of a withdrawn key end; those of another, and of another tenant, do not.
#[tokio::test]
async fn a_withdrawn_keys_sessions_end() {
    let clock = Clock::start();
    let ring = Arc::new(KeyRing::new(Verifier::new(Authority::new([7; 16]))));
    let (registry, _driver) = SessionRegistry::start(Arc::clone(&ring), clock, Limits::default());
    let heard = registry.clone();
    let on_event = move |event| match event {
        KeyEvent::Published { tenant, issuer, keys, .. } => {
            heard.keys_changed(&tenant, &issuer, &keys);
        }
        KeyEvent::Removed { tenant, issuer } => heard.issuer_removed(&tenant, &issuer),
        _ => {}
    };
    let client = JwksClient::new(Networks::PublicAndThisMachine).unwrap();
    let (keeper, _task) = KeyKeeper::start(ring, client, clock, on_event);
    let world = World { keeper, clock, events: Arc::default() };
    let (acme, globex) = (Server::start(&[1, 2]).await, Server::start(&[1]).await);
    world.register("acme", &acme).await.unwrap();
    world.register("globex", &globex).await.unwrap();
    let mut guards = Vec::new();
    for (number, (id, seed)) in (1..).zip([("acme", 1), ("acme", 2), ("globex", 1)]) {
        let token = world.token(id, seed, &format!("k{seed}"));
        let route = Route::any();
        let context = world.keeper.verify(&token, &route, ConnectionId(number), Epoch(1)).await;
        guards.push(registry.open(context.unwrap()).unwrap());
    }
    acme.now(Does::Publish(vec![2, 3]));
    assert!(world.verify(&world.token("acme", 3, "k3")).await.is_ok());
    let ended: Vec<_> = guards.iter_mut().map(|guard| guard.has_ended().is_some()).collect();
    assert_eq!(ended, [true, false, false]);
    // An issuer that is removed takes its sessions along.
    world.keeper.remove(&issuer("acme")).await;
    assert_eq!(world.register("acme", &acme).await, Ok(true));
    let ended: Vec<_> = guards.iter_mut().map(|guard| guard.has_ended().is_some()).collect();
    assert_eq!(ended, [true, true, false]);
    let token = world.token("acme", 2, "k2");
    let context = world.keeper.verify(&token, &Route::any(), ConnectionId(9), Epoch(1)).await;
    assert!(registry.open(context.unwrap()).is_ok(), "registered again it is as good as new");
}

/// V04: ten thousand ids that nobody has: one fetch, and nobody else notices.
#[tokio::test]
async fn a_spray_of_key_ids_causes_one_fetch_and_delays_nobody() {
    let (world, acme, globex) =
        (World::new(), Server::start(&[1]).await, Server::start(&[2]).await);
    world.register("acme", &acme).await.unwrap();
    world.register("globex", &globex).await.unwrap();
    let sprayed: Vec<_> =
        (0..10_000).map(|i| world.token("acme", 1, &format!("made-up-{i}"))).collect();
    let theirs = world.token("globex", 2, "k2");
    let spray = join_all(sprayed.iter().map(|token| world.verify(token)));
    let others = async {
        for _ in 0..1_000 {
            // Ready when it is asked: a key that is there waits for nothing.
            assert!(world.verify(&theirs).now_or_never().unwrap().is_ok());
            tokio::task::yield_now().await;
        }
    };
    let (refused, ()) = tokio::join!(spray, others);
    let is_unknown = |failure: &AuthFailure| failure.reason() == Reason::UnknownKey;
    assert!(refused.iter().all(|outcome| outcome.as_ref().is_err_and(is_unknown)));
    assert_eq!((acme.asked(), globex.asked()), (2, 1));
}

#[tokio::test]
async fn a_server_that_hangs_delays_no_token_whose_key_is_there() {
    let (world, acme, globex) =
        (World::new(), Server::start(&[1]).await, Server::start(&[2]).await);
    world.register("acme", &acme).await.unwrap();
    world.register("globex", &globex).await.unwrap();
    acme.now(Does::Hang);
    let waiting = world.token("acme", 3, "k3");
    let known = [world.token("acme", 1, "k1"), world.token("globex", 2, "k2")];
    let asks = world.verify(&waiting);
    let meanwhile = async {
        while acme.asked() < 2 {
            tokio::task::yield_now().await;
        }
        for token in &known {
            assert!(world.verify(token).now_or_never().unwrap().is_ok());
        }
    };
    let (waited, ()) = tokio::join!(asks, meanwhile);
    assert_eq!(waited.unwrap_err().reason(), Reason::UnknownKey);
}

/// X01: whatever anybody can make up is refused after one span, whether its issuer is there or not.
#[tokio::test(start_paused = true)]
async fn what_anybody_can_make_up_is_refused_after_one_span() {
    let world = World::new();
    let ring = world.keeper.ring();
    ring.register(&config("acme")).unwrap();
    ring.replace_keys(&issuer("acme"), key_set(&[1]).as_bytes(), world.clock.now()).unwrap();
    let good = |id: &str| world.token(id, 1, "k1");
    let of_type = |id: &str, header: &str| {
        let token = good(id);
        let (_, rest) = token.split_once('.').unwrap();
        format!("{}.{rest}", BASE64.encode(header))
    };
    let mut spans = Vec::new();
    for id in ["acme", "nobody"] {
        for (token, reason) in [
            (world.token(id, 1, "k2"), Reason::UnknownKey),
            (world.token(id, 2, "k1"), Reason::SignatureInvalid),
            (of_type(id, r#"{"alg":"EdDSA","typ":"x","kid":"k1"}"#), Reason::WrongTokenType),
            (of_type(id, r#"{"alg":"PS256","typ":"at+jwt","kid":"k1"}"#), Reason::AlgorithmRefused),
            (of_type(id, r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#), Reason::AlgorithmRefused),
        ] {
            let from = tokio::time::Instant::now();
            let failure = world.verify(&token).await.unwrap_err();
            let expected = if id == "nobody" { Reason::UnknownIssuer } else { reason };
            assert_eq!(failure.reason(), expected, "{id}");
            spans.push(from.elapsed());
        }
    }
    assert!(spans.iter().all(|span| *span == spans[0]) && spans[0].as_millis() >= 1_000);
    // And at once, whatever it is, if too many wait.
    let stranger = world.token("nobody", 1, "k1");
    let mut waiting: Vec<_> = (0..1_024).map(|_| Box::pin(world.verify(&stranger))).collect();
    for future in &mut waiting {
        assert!(future.now_or_never().is_none());
    }
    for token in [world.token("acme", 1, "k2"), world.token("acme", 2, "k1"), stranger.clone()] {
        assert!(world.verify(&token).now_or_never().unwrap().is_err());
    }
    // A good token never waits.
    assert!(world.verify(&good("acme")).now_or_never().unwrap().is_ok());
}

/// A ring that somebody has changed past the keeper: the keeper follows at the next registration.
#[tokio::test]
async fn an_issuer_that_was_removed_from_the_ring_alone_can_change_hands() {
    let (world, first, second) =
        (World::new(), Server::start(&[1]).await, Server::start(&[2]).await);
    world.register("acme", &first).await.unwrap();
    world.keeper.ring().remove(&issuer("acme"));
    let theirs = IssuerConfig::new(&issuer("acme"), TenantId::parse("globex").unwrap(), "events");
    assert_eq!(world.keeper.register(&theirs, &second.address).await, Ok(true));
    let events = world.events.lock().unwrap();
    let [_, KeyEvent::Removed { tenant: old, .. }, KeyEvent::Published { tenant, keys, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((old.as_str(), tenant.as_str()), ("acme", "globex"));
    assert!(keys.key_ids().eq(["k2"]));
}

#[tokio::test]
async fn keys_that_would_be_too_old_before_they_are_fetched_again_are_not_registered() {
    let (world, server) = (World::new(), Server::start(&[1]).await);
    let longest_key_age = std::time::Duration::from_secs(599);
    let short = IssuerConfig { longest_key_age, ..config("acme") };
    assert_eq!(world.keeper.register(&short, &server.address).await, Err(RegisterError::KeyAge));
    assert_eq!(server.asked(), 0);
}
