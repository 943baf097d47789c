//! Guards of live sessions: what wakes them, and that nothing slips between a check and a revocation.

use std::{
    sync::{Arc, Mutex, Weak, atomic::AtomicBool, atomic::Ordering::SeqCst},
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam_auth::{
    InvalidKeySet, IssuerConfig, KeyRing, KeySet, Revoked, Route, Verifier,
    session::{
        FeedDown, FeedSilence, Limits, LocalFeed, Notice, RevocationFeed, RevocationListener,
        Target, Why,
    },
};
use cofferdam_core::{
    Authority, ConnectionId, ContextParts, Epoch, Reason, Scoped, TenantContext, TenantId,
};
use cofferdam_tokio::{
    Clock,
    sessions::{
        RevokeError, SessionDriver, SessionGuard, SessionRegistry, close_frame, close_session,
    },
};
use serde_json::json;
use tokio::time::timeout;

const TENANTS: [&str; 2] = ["acme", "globex"];
/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(10);

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn issuer(of: &str) -> String {
    format!("https://id.example.com/{of}")
}

/// A process: two tenants with an issuer each, their keys, and the sessions.
struct Node {
    pair: Ed25519KeyPair,
    keys: Arc<KeyRing>,
    clock: Clock,
    registry: SessionRegistry,
}

fn jwks(pair: &Ed25519KeyPair, kid: &str) -> String {
    let x = BASE64.encode(pair.public_key());
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x}]}).to_string()
}

fn verifier(pair: &Ed25519KeyPair, clock: &Clock) -> Verifier {
    TENANTS.iter().fold(Verifier::new(Authority::new([7; 16])), |verifier, of| {
        let keys = KeySet::import(jwks(pair, "k1").as_bytes()).unwrap();
        let verifier = verifier.with_issuer(IssuerConfig::new(&issuer(of), tenant(of), "events"));
        verifier.unwrap().with_keys(&issuer(of), keys, clock.now()).unwrap()
    })
}

impl Node {
    /// A node whose driver runs.
    fn start() -> (Self, SessionDriver) {
        Self::new(Limits::default(), None, |verifier, _| verifier)
    }

    fn new(
        limits: Limits,
        feed: Option<Arc<dyn RevocationFeed>>,
        change: impl FnOnce(Verifier, &Clock) -> Verifier,
    ) -> (Self, SessionDriver) {
        let clock = Clock::start();
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let keys = Arc::new(KeyRing::new(change(verifier(&pair, &clock), &clock)));
        let (registry, driver) = match feed {
            Some(feed) => {
                SessionRegistry::start_with_feed(Arc::clone(&keys), clock, limits, feed).unwrap()
            }
            None => SessionRegistry::start(Arc::clone(&keys), clock, limits),
        };
        (Self { pair, keys, clock, registry }, driver)
    }

    /// Waits for the feed's first heartbeat.
    async fn heard_of(&self, connection: u64) {
        while self.registry.open(self.short(connection, 60_000)).is_err() {
            tokio::task::yield_now().await;
        }
    }

    fn token(&self, of: &str, id: &str, lasts_s: i64) -> String {
        self.token_at(of, id, 0, lasts_s)
    }

    /// By a clock that runs so far ahead of ours.
    fn token_at(&self, of: &str, id: &str, ahead_s: i64, lasts_s: i64) -> String {
        let now = self.clock.now().wall_ms() / 1_000 + ahead_s;
        let claims = json!({
            "iss": issuer(of), "aud": "events", "sub": "ana", "client_id": "dashboard", "jti": id,
            "iat": now, "exp": now + lasts_s, "tenant": of, "scope": "events:read",
        });
        let header = BASE64.encode(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#);
        let input = format!("{header}.{}", BASE64.encode(claims.to_string()));
        format!("{input}.{}", BASE64.encode(self.pair.sign(input.as_bytes())))
    }

    fn check(&self, token: &str, connection: u64) -> Result<TenantContext, Reason> {
        let (route, now) = (Route::any(), self.clock.now());
        let checked = self.keys.verify(token, &route, now, ConnectionId(connection), Epoch(1));
        checked.map_err(|failure| failure.reason())
    }

    fn open(&self, of: &str, connection: u64) -> SessionGuard {
        let token = self.token(of, &format!("t{connection}"), 600);
        self.registry.open(self.check(&token, connection).unwrap()).unwrap()
    }

    /// A context that ends in so many milliseconds: tokens count in seconds.
    fn short(&self, connection: u64, ms: i64) -> TenantContext {
        let now = self.clock.now().wall_ms();
        let parts = ContextParts {
            connection: ConnectionId(connection),
            issued_at_ms: now,
            expires_at_ms: now + ms,
            ..ContextParts::new(tenant("acme"), "ana")
        };
        #[expect(clippy::disallowed_methods, reason = "a credential that ends within a test")]
        Authority::new([7; 16]).mint(parts)
    }
}

#[tokio::test]
async fn a_session_ends_when_its_credential_does() {
    let (node, _driver) = Node::start();
    // The driver waits for ever by now, and must hear of what is opened.
    tokio::task::yield_now().await;
    let mut long = node.open("acme", 1);
    let context = node.short(2, 30);
    let mut short = node.registry.open(context.clone()).unwrap();
    assert_eq!(short.has_ended(), None);
    assert_eq!(timeout(SOON, short.ended()).await, Ok(Why::Expired));
    assert!(context.has_expired(node.clock.now()), "not before its time");
    assert_eq!(short.ended().await, Why::Expired, "the same again");
    assert_eq!((long.has_ended(), node.registry.len()), (None, 1));
    assert_eq!(close_frame(Why::Expired).code, 4401.into());
}

/// V05: no token of it opens a session, and no session of it is open, when `revoke` returns.
#[tokio::test]
async fn a_revocation_reaches_the_ring_and_the_live_sessions() {
    let (node, _driver) = Node::start();
    let token = node.token("acme", "t1", 600);
    let context = node.check(&token, 1).unwrap();
    let mut revoked = node.registry.open(context.clone()).unwrap();
    let (mut other, mut foreign) = (node.open("acme", 2), node.open("globex", 1));
    let waiting = tokio::spawn(async move { (revoked.ended().await, revoked) });
    tokio::task::yield_now().await;
    node.registry.revoke(&tenant("acme"), Revoked::Token("t1")).unwrap();
    assert_eq!(node.registry.len(), 2);
    assert_eq!(node.check(&token, 3).err(), Some(Reason::Revoked), "the ring refuses it");
    assert_eq!(node.registry.open(context).err(), Some(Why::Revoked), "whoever was on the way too");
    let (why, revoked) = timeout(SOON, waiting).await.unwrap().unwrap();
    assert_eq!(why, Why::Revoked);
    assert_eq!((other.has_ended(), foreign.has_ended()), (None, None));
    drop(revoked);
    assert_eq!(node.registry.len(), 2, "a guard of a session that is over closes no other");
    node.registry.revoke(&tenant("acme"), Revoked::Everything).unwrap();
    assert_eq!((other.has_ended(), foreign.has_ended()), (Some(Why::Revoked), None));
}

/// Q08: recipients that were picked before a revocation are asked again before each is sent to.
#[tokio::test]
async fn recipients_that_were_picked_before_a_revocation_are_sent_nothing() {
    let (node, _driver) = Node::start();
    let mut picked: Vec<_> = (1..=5).map(|connection| node.open("acme", connection)).collect();
    node.registry.revoke(&tenant("acme"), Revoked::Token("t4")).unwrap();
    let mut sent = Vec::new();
    for guard in &mut picked {
        if guard.has_ended().is_none() {
            sent.push(guard.context().connection().0);
        }
    }
    assert_eq!(sent, [1, 2, 3, 5]);
}

/// S05: another tenant's good token inside a session closes it with 4403, and its own renews it.
#[tokio::test]
async fn a_session_is_renewed_by_its_own_credential_alone() {
    let (node, _driver) = Node::start();
    let mut guard = node.open("acme", 1);
    let first = guard.context().expires_at_ms();
    let longer = node.check(&node.token("acme", "t9", 700), 1).unwrap();
    assert_eq!(guard.renew(longer.clone()), Ok(()));
    assert!(guard.context().expires_at_ms() > first && guard.context().token_id() == "t9");
    assert_eq!(guard.renew(longer), Err(Why::NotLater));
    assert_eq!(guard.has_ended(), None, "nothing was wrong with it");
    let foreign = node.check(&node.token("globex", "t10", 800), 1).unwrap();
    let why = guard.renew(foreign).unwrap_err();
    assert_eq!((why, guard.ended().await), (Why::ForeignRenewal, Why::ForeignRenewal));
    let frame = close_frame(why);
    assert_eq!((frame.code, frame.reason.as_str()), (4403.into(), "session ended"));
    assert_eq!(guard.tenant(), &tenant("acme"));
    let again = node.check(&node.token("acme", "t11", 800), 1).unwrap();
    assert_eq!(guard.renew(again), Err(Why::ForeignRenewal), "over is over");
    assert!(node.registry.is_empty());
}

#[tokio::test]
async fn a_guard_that_is_dropped_leaves_nothing() {
    let (node, _driver) = Node::start();
    let guard = node.open("acme", 1);
    let context = guard.context().clone();
    assert_eq!(node.registry.open(context.clone()).err(), Some(Why::InUse));
    drop(guard);
    assert!(node.registry.is_empty());
    let mut again = node.registry.open(context).unwrap();
    assert_eq!(again.has_ended(), None);
}

#[tokio::test]
async fn a_withdrawn_key_and_a_removed_tenant_end_sessions() {
    let (node, _driver) = Node::start();
    let (mut acme, mut globex) = (node.open("acme", 1), node.open("globex", 1));
    let before = node.check(&node.token("acme", "t2", 600), 2).unwrap();
    let broken = node.registry.replace_keys(&issuer("acme"), b"{}");
    assert!(broken.is_err() && acme.has_ended().is_none(), "an outage ends nothing");
    let left = jwks(&Ed25519KeyPair::from_seed_unchecked(&[2; 32]).unwrap(), "k2");
    node.registry.replace_keys(&issuer("acme"), left.as_bytes()).unwrap();
    assert_eq!((acme.has_ended(), globex.has_ended()), (Some(Why::KeyWithdrawn), None));
    assert_eq!(node.registry.open(before).err(), Some(Why::KeyWithdrawn));
    let late = node.token("acme", "t3", 600);
    assert_eq!(node.check(&late, 3).err(), Some(Reason::UnknownKey));
    node.registry.end_generations_before(&tenant("globex"), 1).unwrap();
    assert_eq!(globex.ended().await, Why::Generation);
}

#[tokio::test]
async fn without_a_driver_there_are_no_sessions() {
    let (node, driver) = Node::new(Limits::default(), None, |verifier, _| verifier);
    let mut waiting = node.open("acme", 1);
    let mut asked = node.open("acme", 2);
    drop(driver);
    assert_eq!(timeout(SOON, waiting.ended()).await, Ok(Why::Stopped));
    assert_eq!((asked.has_ended(), node.registry.len()), (Some(Why::Stopped), 0));
    assert_eq!(node.registry.open(waiting.context().clone()).err(), Some(Why::Stopped));
    drop((waiting, asked));
}

/// A registry that outlives the runtime that watched it opens nothing.
#[test]
fn without_a_runtime_there_are_no_sessions() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (node, _driver) = runtime.block_on(async { Node::start() });
    let mut open = node.open("acme", 1);
    drop(runtime);
    assert_eq!(open.has_ended(), Some(Why::Stopped));
    assert_eq!(node.registry.open(node.short(2, 1_000)).err(), Some(Why::Stopped));
}

/// V06: threads that accept as fast as they can while one revokes; whoever got in is ended.
#[tokio::test]
async fn nobody_slips_in_while_a_revocation_is_registered() {
    for round in 0..50 {
        let (node, _driver) = Node::new(Limits::default(), None, |verifier, _| verifier);
        let token = node.token("acme", "t1", 600);
        let (guards, done) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (node, token, guards, done) = (&node, &token, &guards, &done);
                scope.spawn(move || {
                    for attempt in 0.. {
                        let Ok(context) = node.check(token, thread * 1_000_000 + attempt) else {
                            return;
                        };
                        let was_done = done.load(SeqCst);
                        match node.registry.open(context) {
                            Ok(guard) => {
                                assert!(!was_done, "round {round}: opened after the revocation");
                                guards.lock().unwrap().push(guard);
                            }
                            Err(why) => assert_eq!(why, Why::Revoked, "round {round}"),
                        }
                    }
                });
            }
            while guards.lock().unwrap().len() < 3 {
                std::thread::yield_now();
            }
            node.registry.revoke(&tenant("acme"), Revoked::Token("t1")).unwrap();
            done.store(true, SeqCst);
        });
        assert!(node.registry.is_empty(), "round {round}");
        for mut guard in guards.into_inner().unwrap() {
            assert_eq!(guard.has_ended(), Some(Why::Revoked), "round {round}");
        }
    }
}

/// V06: revoked at one node, gone at the other, and not let in there again.
#[tokio::test]
async fn nodes_on_one_feed_end_each_others_sessions() {
    let feed: Arc<dyn RevocationFeed> = Arc::new(LocalFeed::new());
    let node = || Node::new(Limits::default(), Some(Arc::clone(&feed)), |verifier, _| verifier);
    let ((east, _east), (west, _west)) = (node(), node());
    west.heard_of(1).await;
    let token = west.token("acme", "t1", 600);
    let context = west.check(&token, 1).unwrap();
    let (mut hit, mut foreign) =
        (west.registry.open(context.clone()).unwrap(), west.open("globex", 1));
    east.registry.revoke(&tenant("acme"), Revoked::Client("dashboard")).unwrap();
    assert_eq!((hit.has_ended(), foreign.has_ended()), (Some(Why::Revoked), None));
    assert_eq!(west.check(&token, 2).err(), Some(Reason::Revoked));
    assert_eq!(west.registry.open(context).err(), Some(Why::Revoked));
    east.registry.end_generations_before(&tenant("globex"), 1).unwrap();
    assert_eq!(foreign.has_ended(), Some(Why::Generation));
}

/// What a peer's notice revokes is not dropped for want of room.
#[tokio::test]
async fn a_notice_that_finds_the_list_full_revokes_more() {
    let feed = Arc::new(LocalFeed::new());
    let fill = |verifier: Verifier, clock: &Clock| {
        (0..10_000).fold(verifier, |verifier, i| {
            let id = format!("other-{i}");
            verifier.with_revoked(&tenant("acme"), Revoked::Token(&id), clock.now()).unwrap()
        })
    };
    let (node, _driver) = Node::new(Limits::default(), Some(feed.clone()), fill);
    let (token, foreign) = (node.token("acme", "t1", 600), node.token("globex", "t1", 600));
    let own = node.registry.revoke(&tenant("acme"), Revoked::Token("t1"));
    assert!(matches!(own, Err(RevokeError::Full(_))), "who can be told is told");
    assert!(node.check(&token, 1).is_ok(), "and nothing was revoked");
    let before_ms = node.clock.now().wall_ms();
    let told =
        |target| feed.publish(&Notice::Revoked { tenant: tenant("acme"), target, before_ms });
    told(Target::Token("other-7".into())).unwrap();
    assert!(node.check(&token, 1).is_ok(), "what is there already needs no room");
    told(Target::Token("t1".into())).unwrap();
    assert_eq!(node.check(&token, 1).err(), Some(Reason::Revoked));
    assert!(node.check(&foreign, 1).is_ok());
    told(Target::Key("k2".into())).unwrap();
    assert_eq!(node.check(&node.token("acme", "t2", 900), 1).err(), Some(Reason::Revoked));
}

/// What a broker plays back from long ago takes no room.
#[tokio::test]
async fn a_notice_that_can_matter_no_more_is_not_kept() {
    let feed = Arc::new(LocalFeed::new());
    let (node, _driver) = Node::new(Limits::default(), Some(feed.clone()), |verifier, _| verifier);
    let told = |target, before_ms| {
        feed.publish(&Notice::Revoked { tenant: tenant("acme"), target, before_ms }).unwrap();
    };
    let now = node.clock.now().wall_ms();
    let spent = now - i64::try_from(Notice::SPENT_AFTER.as_millis()).unwrap() - 1;
    let token = node.token("acme", "t1", 600);
    told(Target::Token("t1".into()), spent);
    assert!(node.check(&token, 1).is_ok());
    told(Target::Key("k1".into()), spent);
    assert_eq!(node.check(&token, 1).err(), Some(Reason::Revoked), "a key is good for ever");
}

/// V05: the issuer's clock is ahead of ours by as much as may be.
#[tokio::test]
async fn a_token_that_is_dated_ahead_is_revoked_like_any_other() {
    let (node, _driver) = Node::start();
    let token = node.token_at("acme", "t1", 29, 600);
    let mut open = node.registry.open(node.check(&token, 1).unwrap()).unwrap();
    node.registry.revoke(&tenant("acme"), Revoked::Subject("ana")).unwrap();
    assert_eq!(open.has_ended(), Some(Why::Revoked));
    assert_eq!(node.check(&token, 2).err(), Some(Reason::Revoked));
    // Whoever knows better when it was draws the line there.
    let (node, _driver) = Node::start();
    let until = node.clock.now().wall_ms() + 10_000;
    let what = Revoked::Subject("ana");
    node.registry.revoke_issued_until(&tenant("acme"), what, until).unwrap();
    assert!(node.check(&node.token_at("acme", "t2", 29, 600), 1).is_ok());
}

/// V01: a key whose id its issuer gives to another key.
#[tokio::test]
async fn the_sessions_of_a_key_whose_id_is_given_away_end() {
    let (node, _driver) = Node::start();
    let (mut acme, mut globex) = (node.open("acme", 1), node.open("globex", 1));
    let before = node.check(&node.token("acme", "t2", 600), 2).unwrap();
    let other = jwks(&Ed25519KeyPair::from_seed_unchecked(&[2; 32]).unwrap(), "k1");
    node.registry.replace_keys(&issuer("acme"), other.as_bytes()).unwrap();
    assert_eq!((acme.has_ended(), globex.has_ended()), (Some(Why::KeyWithdrawn), None));
    assert_eq!(node.registry.open(before).err(), Some(Why::KeyWithdrawn), "nor of one on its way");
    let unknown = node.registry.replace_keys("https://id.example.com/nobody", other.as_bytes());
    assert_eq!(unknown, Err(InvalidKeySet::UnknownIssuer));
}

/// A feed that can be cut.
#[derive(Default)]
struct Cuttable {
    inner: LocalFeed,
    cut: AtomicBool,
}

impl RevocationFeed for Cuttable {
    fn publish(&self, notice: &Notice) -> Result<(), FeedDown> {
        if self.cut.load(SeqCst) {
            return Err(FeedDown);
        }
        self.inner.publish(notice)
    }

    fn subscribe(&self, listener: Weak<dyn RevocationListener>) -> Result<(), FeedDown> {
        self.inner.subscribe(listener)
    }
}

/// V05: heard of, open; cut off, closed.
#[tokio::test]
async fn a_node_whose_feed_falls_silent_ends_its_sessions() {
    let feed = Arc::new(Cuttable::default());
    let (refuse, close) = (Duration::from_millis(500), Duration::from_millis(500));
    let limits = Limits { feed: Some(FeedSilence::within(refuse, close)), ..Limits::default() };
    let (node, _driver) = Node::new(limits, Some(feed.clone()), |verifier, _| verifier);
    let context = node.short(1, 60_000);
    assert_eq!(node.registry.open(context.clone()).err(), Some(Why::FeedSilent), "not heard yet");
    let mut guard = loop {
        tokio::task::yield_now().await;
        if let Ok(guard) = node.registry.open(context.clone()) {
            break guard;
        }
    };
    feed.cut.store(true, SeqCst);
    let told = node.registry.revoke(&tenant("globex"), Revoked::Everything);
    assert!(matches!(told, Err(RevokeError::NotSpread(_))));
    let foreign = node.check(&node.token("globex", "t1", 600), 2);
    assert_eq!(foreign.err(), Some(Reason::Revoked), "at home it is");
    assert_eq!(timeout(SOON, guard.ended()).await, Ok(Why::FeedSilent));
    assert_eq!(close_frame(Why::FeedSilent).code, 1013.into());
}

/// The peer sees the code at once, and one that does not read holds nobody up for ever.
#[tokio::test]
async fn a_session_that_ended_is_closed_with_its_code() {
    use futures_util::StreamExt;
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{Message, protocol::Role},
    };
    for reads in [true, false] {
        let (peer, ours) = tokio::io::duplex(if reads { 1_024 } else { 4 });
        let mut ours = WebSocketStream::from_raw_socket(ours, Role::Server, None).await;
        let mut peer = WebSocketStream::from_raw_socket(peer, Role::Client, None).await;
        // It takes the socket along: the peer waits for its end.
        let closing = async move { timeout(SOON, close_session(&mut ours, Why::Revoked)).await };
        let (closed, ()) = tokio::join!(closing, async {
            if reads {
                let Some(Ok(Message::Close(Some(frame)))) = peer.next().await else {
                    panic!("not a close frame");
                };
                assert_eq!((frame.code, frame.reason.as_str()), (4403.into(), "session ended"));
                assert!(peer.next().await.is_none(), "the answer is sent, and that is all");
            }
        });
        assert_eq!(closed, Ok(()));
    }
}
