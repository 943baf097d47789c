use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use cofferdam_auth::source::{
    Body, Credential, Failure, HttpRequest, Secret, TokenForm, Unsound, Witness,
};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::token_http::Outcome;

type Behaviour = Box<dyn Fn(usize, &str) -> (Duration, Outcome) + Send + Sync>;

/// A server without a network: what it does with the n-th request, and to which tenant's endpoint.
struct Fake {
    sent: Arc<AtomicUsize>,
    behaviour: Behaviour,
}

impl Exchange for Fake {
    fn send<'a>(&'a self, request: &'a HttpRequest) -> BoxFuture<'a, Outcome> {
        let (delay, outcome) =
            (self.behaviour)(self.sent.fetch_add(1, Ordering::SeqCst), request.endpoint());
        Box::pin(async move {
            sleep(delay).await;
            outcome
        })
    }
}

struct Rig {
    client: TokenClient,
    sent: Arc<AtomicUsize>,
    alerts: Arc<Mutex<Vec<(TenantId, Alert)>>>,
}

impl Rig {
    fn new(behaviour: impl Fn(usize, &str) -> (Duration, Outcome) + Send + Sync + 'static) -> Self {
        let mut clients = Clients::new([1; 32]);
        clients.register(config("acme", "secret-a")).unwrap();
        clients.register(config("globex", "secret-g")).unwrap();
        let sent = Arc::new(AtomicUsize::new(0));
        let fake = Fake { sent: Arc::clone(&sent), behaviour: Box::new(behaviour) };
        let alerts = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&alerts);
        let hook: AlertHook = Box::new(move |tenant, why| {
            heard.lock().unwrap().push((tenant.clone(), why.clone()));
        });
        let client = TokenClient::over(Box::new(fake), clients, SourceLimits::default(), hook);
        Self { client, sent, alerts }
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn config(id: &str, secret: &str) -> ClientConfig {
    ClientConfig::new(
        tenant(id),
        &format!("https://{id}.example.com/token"),
        "client",
        Credential::Basic(Secret::new(secret)),
        TokenForm::Opaque(Witness::Nobody),
    )
}

fn good(n: usize, lifetime: u64) -> Outcome {
    Ok(Body::new(format!(
        r#"{{"access_token":"t{n}","token_type":"bearer","expires_in":{lifetime}}}"#
    )))
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_are_one_request() {
    let rig = Rig::new(|n, _| (SECOND, good(n, 3600)));
    let acme = tenant("acme");
    let callers = (0..1_000).map(|_| {
        let (client, acme) = (rig.client.clone(), acme.clone());
        tokio::spawn(async move { client.token(&acme).await.unwrap().expose().to_owned() })
    });
    let tokens = future::try_join_all(callers.collect::<Vec<_>>()).await.unwrap();
    assert!(tokens.iter().all(|token| token == "t0"));
    assert_eq!(rig.sent(), 1);
    // From now on nobody waits at all.
    let before = Instant::now();
    assert_eq!(rig.client.token(&acme).await.unwrap().expose(), "t0");
    assert_eq!((before.elapsed(), rig.sent()), (Duration::ZERO, 1));
}

/// S02: the caller that began the request is dropped at its await; the others get its token.
#[tokio::test(start_paused = true)]
async fn a_dropped_caller_leaves_the_request_to_the_others() {
    let rig = Rig::new(|n, _| (SECOND, good(n, 3600)));
    let acme = tenant("acme");
    let mut first = Box::pin(rig.client.token(&acme));
    assert!(first.as_mut().now_or_never().is_none());
    let mut second = Box::pin(rig.client.token(&acme));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    let lane = rig.client.0.known_lane(&acme).unwrap();
    let waiting = |state: &State| (state.source.waiting(), state.waiting.len());
    assert_eq!(waiting(&lane.lock()), (1, 1));
    assert_eq!(second.await.unwrap().expose(), "t0");

    // All are dropped, each after another number of polls: the token is kept all the same.
    let rig = Rig::new(|n, _| (SECOND, good(n, 3600)));
    for polls in 0..5 {
        let mut caller = Box::pin(rig.client.token(&acme));
        for _ in 0..polls {
            let _: Option<Answer> = caller.as_mut().now_or_never();
            tokio::task::yield_now().await;
        }
    }
    sleep(2 * SECOND).await;
    assert_eq!(rig.sent(), 1);
    assert_eq!(rig.client.token(&acme).await.unwrap().expose(), "t0");
    assert_eq!(rig.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_in_use_is_renewed_in_the_background() {
    let rig = Rig::new(|n, _| (SECOND, good(n, 100)));
    let acme = tenant("acme");
    rig.client.token(&acme).await.unwrap();
    sleep(68 * SECOND).await;
    assert_eq!(rig.sent(), 1);
    sleep(4 * SECOND).await;
    assert_eq!(rig.sent(), 2);
    let before = Instant::now();
    assert_eq!(rig.client.token(&acme).await.unwrap().expose(), "t1");
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(rig.client.refresh_rate(&acme).unwrap().seen, 2);
    assert_eq!(rig.client.refresh_rate(&tenant("globex")), None);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_bridged_by_the_token_in_hand() {
    let rig = Rig::new(|n, _| match n {
        0 => (Duration::ZERO, good(n, 100)),
        _ => (SECOND, Err(Failure::Status(503).into())),
    });
    let acme = tenant("acme");
    let started = Instant::now();
    while started.elapsed() < 99 * SECOND {
        let token = timeout(2 * SECOND, rig.client.token(&acme)).await.unwrap().unwrap();
        assert_eq!(token.expose(), "t0");
        sleep(SECOND).await;
    }
    sleep(2 * SECOND).await;
    let refused = rig.client.token(&acme).await.unwrap_err();
    assert!(matches!(refused, NoToken::Failed { why: Failure::Status(503), .. }), "{refused:?}");
    assert!((5..=12).contains(&rig.sent()), "{} requests", rig.sent());
    let alerts = rig.alerts.lock().unwrap();
    assert!(matches!(&alerts[..], [(who, Alert::BreakerOpened(_))] if *who == acme));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_delays_no_other_tenant() {
    let rig = Rig::new(|n, endpoint| match endpoint {
        "https://acme.example.com/token" => (1_000 * SECOND, good(n, 100)),
        _ => (Duration::ZERO, good(n, 100)),
    });
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let client = rig.client.clone();
    let hangs = tokio::spawn(async move { client.token(&acme).await.unwrap_err() });
    tokio::task::yield_now().await;
    let before = Instant::now();
    assert_eq!(rig.client.token(&globex).await.unwrap().tenant(), &globex);
    assert!(before.elapsed() <= Duration::from_millis(1));
    assert_eq!(hangs.await.unwrap(), NoToken::TimedOut);
    assert!(before.elapsed() <= 11 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn registrations_come_change_and_go_while_callers_wait() {
    let rig = Rig::new(|n, _| (SECOND, good(n, 3600)));
    let acme = tenant("acme");
    let nobody = rig.client.token(&tenant("initech")).await.unwrap_err();
    assert_eq!(nobody, NoToken::NoClient);
    rig.client.register(config("initech", "secret-i")).unwrap();
    rig.client.token(&tenant("initech")).await.unwrap();
    let shared = rig.client.register(config("umbrella", "secret-i")).unwrap_err();
    assert_eq!(shared, InvalidClient::CredentialShared);

    // Replaced under a waiting caller: the answer to the old request is not taken.
    let mut waits = Box::pin(rig.client.token(&acme));
    assert!(waits.as_mut().now_or_never().is_none());
    rig.client.replace(config("acme", "newer")).unwrap();
    assert_eq!(waits.await.unwrap().expose(), "t2");

    // Removed under a waiting caller.
    let token = rig.client.token(&acme).await.unwrap();
    rig.client.reject(&token);
    let mut waits = Box::pin(rig.client.token(&acme));
    assert!(waits.as_mut().now_or_never().is_none());
    assert!(rig.client.remove(&acme) && !rig.client.remove(&acme));
    assert_eq!(waits.await.unwrap_err(), NoToken::NoClient);
    assert_eq!(rig.client.token(&acme).await.unwrap_err(), NoToken::NoClient);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_answer_is_an_alert_and_no_token() {
    let wide = r#"{"access_token":"t","token_type":"bearer","expires_in":60,"scope":"admin"}"#;
    let rig = Rig::new(move |_, _| (Duration::ZERO, Ok(Body::new(wide))));
    let acme = tenant("acme");
    let refused = rig.client.token(&acme).await.unwrap_err();
    let drifted = |why: &Failure| matches!(why, Failure::Unsound(Unsound::Scopes(_)));
    assert!(matches!(&refused, NoToken::Failed { why, .. } if drifted(why)), "{refused:?}");
    let alerts = rig.alerts.lock().unwrap();
    assert!(alerts.iter().any(|(who, why)| *who == acme && matches!(why, Alert::ScopeDrift(_))));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_client_ends_its_tasks() {
    let rig = Rig::new(|n, _| (Duration::ZERO, good(n, 3600)));
    rig.client.token(&tenant("acme")).await.unwrap();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    sleep(SECOND).await;
    assert_eq!(tasks(), 1);
    drop(rig);
    sleep(SECOND).await;
    assert_eq!(tasks(), 0);
}
