//! Rows U06, U07, U09, U10 and X01: the check as a middleware, before a service that tells on it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use cofferdam_auth::{
    AuthFailure, Route,
    upgrade::{Policy, Rules, Target, TenantIn},
};
use cofferdam_core::{ConnectionId, Epoch, Reason, Scoped, TenantContext};
use cofferdam_tokio::upgrade::{Acceptor, Limits};
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use tower_layer::Layer;
use tower_service::Service;

use super::world::{ORIGIN, World, tenant};

/// Answers `101` with what it saw, and echoes every sub-protocol as no service should.
#[derive(Clone)]
struct Careless;

struct Seen {
    headers: HeaderMap,
    uri: Uri,
    context: TenantContext,
    target: Target,
}

enum Body {
    Seen(Box<Seen>),
    Text(&'static str),
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl Service<Request<()>> for Careless {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let (parts, ()) = request.into_parts();
        let seen = Seen {
            context: parts.extensions.get::<TenantContext>().unwrap().clone(),
            target: parts.extensions.get::<Target>().unwrap().clone(),
            headers: parts.headers,
            uri: parts.uri,
        };
        let echo = "events.v1, cofferdam.bearer.eyJ";
        let answer = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("sec-websocket-protocol", echo)
            .body(Body::Seen(Box::new(seen)));
        ready(Ok(answer.unwrap()))
    }
}

struct Server {
    world: World,
    acceptor: Acceptor,
}

impl Server {
    fn new(rules: Rules) -> Self {
        Self::limited(rules, Limits::default())
    }

    fn limited(rules: Rules, limits: Limits) -> Self {
        let world = World::new();
        let connections = AtomicU64::new(1);
        let acceptor = Acceptor::new(
            Arc::clone(&world.keys),
            Policy::new(rules).unwrap(),
            Route::any().needs_scopes(&["events:read"]),
            limits,
            world.clock,
            move || (ConnectionId(connections.fetch_add(1, Relaxed)), Epoch(1)),
        );
        Self { world, acceptor }
    }

    async fn send(&self, version: Version, uri: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::get(uri).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut service = self.acceptor.layer().layer(Careless);
        service.call(request.body(()).unwrap()).await.unwrap()
    }

    async fn ask(&self, uri: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let headers: Vec<_> =
            [("host", "events.example.com")].iter().chain(headers).copied().collect();
        self.send(Version::HTTP_11, uri, &headers).await
    }

    fn bearer(&self, id: &str) -> String {
        format!("Bearer {}", self.world.token_of(id))
    }
}

fn seen(answer: Response<Body>) -> Seen {
    match answer.into_body() {
        Body::Seen(seen) => *seen,
        Body::Text(text) => panic!("refused: {text}"),
    }
}

fn refused(answer: &Response<Body>) -> (u16, Reason) {
    assert!(matches!(answer.body(), Body::Text(r#"{"type":"about:blank","title":"Denied"}"#)));
    let failure = answer.extensions().get::<AuthFailure>().unwrap();
    (answer.status().as_u16(), failure.reason())
}

/// U07: the service behind gets the context, and the credential no more.
#[tokio::test]
async fn what_passes_has_a_context_and_no_credential() {
    let server = Server::new(Rules::default());
    let bearer = server.bearer("acme");
    let headers = [("authorization", bearer.as_str()), ("x-other", "stays")];
    let answer = server.ask("/stream?a=b", &headers).await;
    assert_eq!(answer.status(), 101);
    let seen = seen(answer);
    assert_eq!(seen.context.tenant(), &tenant("acme"));
    assert_eq!((seen.target.path(), seen.target.query()), ("/stream", Some("a=b")));
    let left: Vec<_> = seen.headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(left, ["host", "x-other"]);
}

/// U06: the router behind sees the path that was decided on.
#[tokio::test]
async fn the_address_goes_on_in_its_one_spelling() {
    let server = Server::new(Rules::default());
    let bearer = server.bearer("acme");
    let headers = [("authorization", bearer.as_str())];
    let seen = seen(server.ask("/a%3ab%7b?c=%3a", &headers).await);
    assert_eq!(seen.uri, "/a%3Ab%7B?c=%3a");
    assert_eq!(seen.target.path(), seen.uri.path());
    let answer = server.ask("/a/../b", &headers).await;
    assert_eq!(refused(&answer), (400, Reason::RequestMalformed));
}

/// U07, U09: the answer names the application's protocol, however careless the service is, and the
/// service hears of no extension.
#[tokio::test]
async fn a_browsers_token_is_neither_handed_on_nor_answered() {
    let rules =
        Rules { protocols: vec!["events.v1".into()], token_in_protocol: true, ..Rules::default() };
    let server = Server::new(rules);
    let offer = format!("cofferdam.bearer.{}, events.v1", server.world.token());
    let headers = [
        ("origin", ORIGIN),
        ("sec-websocket-protocol", offer.as_str()),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    let answer = server.ask("/stream", &headers).await;
    let echoed: Vec<_> = answer.headers().get_all("sec-websocket-protocol").iter().collect();
    assert_eq!(echoed, ["events.v1"]);
    let seen = seen(answer);
    assert_eq!(seen.headers["sec-websocket-protocol"], "events.v1");
    assert!(!seen.headers.contains_key("sec-websocket-extensions"));
    // A service's answer to a client that offered nothing names nothing.
    let bearer = server.bearer("acme");
    let answer = server.ask("/stream", &[("authorization", &bearer)]).await;
    assert!(!answer.headers().contains_key("sec-websocket-protocol"));
}

/// U10: streams of one HTTP/2 connection are told apart by their own authority and token; an
/// authority that is not served is misdirected.
#[tokio::test]
async fn identity_goes_by_the_stream() {
    let rules = Rules { tenant: TenantIn::HostBefore("example.com".into()), ..Rules::default() };
    let server = Server::new(rules);
    let (acme, globex) = (server.bearer("acme"), server.bearer("globex"));
    let ask = async |host: &str, bearer: Option<&str>| {
        let headers: Vec<_> = bearer.map(|bearer| ("authorization", bearer)).into_iter().collect();
        server.send(Version::HTTP_2, &format!("https://{host}/stream"), &headers).await
    };
    let first = seen(ask("acme.example.com", Some(&acme)).await).context;
    let second = seen(ask("globex.example.com", Some(&globex)).await).context;
    assert_eq!((first.tenant(), second.tenant()), (&tenant("acme"), &tenant("globex")));
    assert_ne!(first.connection(), second.connection());
    // What one stream showed does not hold for the next.
    let answer = ask("acme.example.com", None).await;
    assert_eq!(refused(&answer), (401, Reason::CredentialMalformed));
    let answer = ask("globex.example.com", Some(&acme)).await;
    assert_eq!(refused(&answer), (403, Reason::TenantMismatch));
    let answer = ask("acme.example.org", Some(&acme)).await;
    assert_eq!(refused(&answer), (421, Reason::HostNotServed));
}

/// X01: through the layer too, a tenant that exists looks like one that does not.
#[tokio::test]
async fn a_tenant_that_exists_looks_like_one_that_does_not() {
    let rules = Rules { tenant: TenantIn::PathAfter("/tenants/".into()), ..Rules::default() };
    let server = Server::new(rules);
    let bearer = server.bearer("acme");
    let mut answers = Vec::new();
    for id in ["globex", "initech"] {
        let uri = format!("/tenants/{id}/stream");
        let answer = server.ask(&uri, &[("authorization", &bearer)]).await;
        answers.push((refused(&answer), answer.headers().clone()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, (403, Reason::TenantMismatch));
}

/// N03.
#[tokio::test]
async fn a_tenant_that_storms_is_told_when_to_come_back() {
    let one = NonZeroU32::MIN;
    let limits = Limits { per_tenant_rate: one, per_tenant_burst: one, ..Limits::default() };
    let server = Server::limited(Rules::default(), limits);
    let bearer = server.bearer("acme");
    let mut busy = 0;
    // One a second is let in, and these take far less than twenty.
    for _ in 0..20 {
        let answer = server.ask("/", &[("authorization", &bearer)]).await;
        if answer.status() == 429 {
            assert!(answer.headers().contains_key("retry-after"));
            busy += 1;
        }
    }
    assert!(busy > 0);
    let other = server.bearer("globex");
    assert_eq!(server.ask("/", &[("authorization", &other)]).await.status(), 101);
}
