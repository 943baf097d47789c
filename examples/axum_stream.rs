//! An `axum` server whose streams are behind the upgrade check, and seven clients that try it.
//!
//! ```sh
//! cargo run --example axum_stream
//! ```
//!
//! It serves `/tenants/{tenant}/stream` on loopback for two tenants, connects to itself, prints what
//! came of each attempt, and ends with an error if one came out otherwise than it must.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that talks to a terminal"
)]

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::{
    Extension, Router,
    extract::ws::{Message, WebSocketUpgrade},
    middleware,
    response::Response,
    routing::any,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam::{
    auth::{
        AuthFailure, IssuerConfig, KeyRing, KeySet, Route, Verifier,
        upgrade::{BEARER_PROTOCOL, Policy, Rules, Target, TenantIn},
    },
    core::{Authority, ConnectionId, Epoch, Scoped, TenantContext, TenantId},
};
use cofferdam_tokio::{
    Clock, random_bytes,
    upgrade::{Acceptor, Limits},
};
use futures_util::StreamExt;
use serde_json::json;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, client::IntoClientRequest, http::HeaderValue},
};
use tower_layer::Layer;

const AUDIENCE: &str = "events";
const TENANTS: [&str; 2] = ["acme", "globex"];

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    run().await
}

async fn run() -> Result<(), Failed> {
    let clock = Clock::start();
    let issuers = Issuers::new()?;
    let acceptor = acceptor(&issuers, clock)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // A server on the internet also needs a time limit for heads, which `axum::serve` has not:
    // build it with `hyper-util`, and set `http1().header_read_timeout(…)`.
    tokio::spawn(async move { axum::serve(listener, app(&acceptor)).await });
    for attempt in attempts(&issuers, clock) {
        attempt.make(address).await?;
    }
    println!("all as it must be");
    Ok(())
}

/// The router stands behind the check, so it sees the path that the check went by, and no
/// credential. What was refused passes the audit on its way out.
fn app(acceptor: &Acceptor) -> Router {
    let streams = Router::new().route("/tenants/{tenant}/stream", any(stream));
    let checked = acceptor.layer().layer(streams);
    Router::new().fallback_service(checked).layer(middleware::map_response(audit))
}

/// Nothing here has to look at the path to know whose stream it is: the context says it.
async fn stream(
    Extension(context): Extension<TenantContext>,
    Extension(target): Extension<Target>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let hello = format!("{} of {}", target.path(), context.tenant());
        // A client that is gone needs no greeting.
        let _ = socket.send(Message::text(hello)).await;
    })
}

/// The place for an audit log: the failure goes along with the answer and is not sent.
async fn audit(answer: Response) -> Response {
    if let Some(failure) = answer.extensions().get::<AuthFailure>() {
        let whose = failure.tenant().map_or("nobody", TenantId::as_str);
        println!("    audit of {whose}: {failure}");
    }
    answer
}

fn acceptor(issuers: &Issuers, clock: Clock) -> Result<Acceptor, Failed> {
    let policy = Policy::new(Rules {
        hosts: vec!["127.0.0.1".to_owned()],
        tenant: TenantIn::PathAfter("/tenants/".to_owned()),
        protocols: vec!["events.v1".to_owned()],
        token_in_protocol: true,
        ..Rules::default()
    })?;
    let keys = KeyRing::new(issuers.verifier(clock)?);
    let route = Route::any().needs_scopes(&["events:read"]);
    let connections = AtomicU64::new(1);
    let bind = move || (ConnectionId(connections.fetch_add(1, Relaxed)), Epoch(1));
    Ok(Acceptor::new(Arc::new(keys), policy, route, Limits::default(), clock, bind))
}

/// A stand-in for the tenants' identity providers: a key each.
struct Issuers(Vec<(&'static str, Ed25519KeyPair)>);

fn issuer(tenant: &str) -> String {
    format!("https://id.example.com/{tenant}")
}

impl Issuers {
    fn new() -> Result<Self, Failed> {
        let pair = |tenant| Ok((tenant, Ed25519KeyPair::generate()?));
        Ok(Self(TENANTS.into_iter().map(pair).collect::<Result<_, Failed>>()?))
    }

    fn verifier(&self, clock: Clock) -> Result<Verifier, Failed> {
        let mut verifier = Verifier::new(Authority::new(random_bytes()));
        for (tenant, pair) in &self.0 {
            let x = BASE64.encode(pair.public_key());
            let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x}]});
            let registration = IssuerConfig {
                origins: vec![format!("https://app.{tenant}.example")],
                ..IssuerConfig::new(&issuer(tenant), TenantId::parse(tenant)?, AUDIENCE)
            };
            let keys = KeySet::import(jwks.to_string().as_bytes())?;
            verifier = verifier.with_issuer(registration)?;
            verifier = verifier.with_keys(&issuer(tenant), keys, clock.now())?;
        }
        Ok(verifier)
    }

    fn token(&self, tenant: &str, clock: Clock) -> String {
        let now = clock.now().wall_ms() / 1_000;
        let claims = json!({
            "iss": issuer(tenant), "aud": AUDIENCE, "sub": "svc", "client_id": "svc", "jti": "1",
            "iat": now, "exp": now + 600, "tenant": tenant, "scope": "events:read",
            "origins": [format!("https://app.{tenant}.example")],
        });
        let header = BASE64.encode(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#);
        let input = format!("{header}.{}", BASE64.encode(claims.to_string()));
        let signed = self.0.iter().find(|(own, _)| *own == tenant);
        let signature = signed.map(|(_, pair)| BASE64.encode(pair.sign(input.as_bytes())));
        format!("{input}.{}", signature.unwrap_or_default())
    }
}

/// One client, and what must come of it.
struct Attempt {
    name: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    /// The status, and what a stream that was opened says first.
    expected: (u16, &'static str),
}

const REFUSED: &str = r#"{"type":"about:blank","title":"Denied"}"#;

fn attempts(issuers: &Issuers, clock: Clock) -> Vec<Attempt> {
    let token = issuers.token("acme", clock);
    let bearer = || vec![("authorization", format!("Bearer {token}"))];
    let browser = |origin: &str| {
        vec![
            ("sec-websocket-protocol", format!("events.v1, {BEARER_PROTOCOL}{token}")),
            ("origin", origin.to_owned()),
        ]
    };
    let own = "/tenants/acme/stream";
    let attempt = |name, path, headers, expected| Attempt { name, path, headers, expected };
    let hello = "/tenants/acme/stream of acme";
    vec![
        attempt("a good token", own, bearer(), (101, hello)),
        attempt("a browser's token", own, browser("https://app.acme.example"), (101, hello)),
        attempt("from a foreign page", own, browser("https://evil.example"), (403, REFUSED)),
        attempt("at another tenant's", "/tenants/globex/stream", bearer(), (403, REFUSED)),
        attempt("at nobody's", "/tenants/initech/stream", bearer(), (403, REFUSED)),
        attempt("with a path trick", "/tenants/acme/%2e%2e/x", bearer(), (400, REFUSED)),
        attempt("without a token", own, vec![], (401, REFUSED)),
    ]
}

impl Attempt {
    async fn make(self, address: SocketAddr) -> Result<(), Failed> {
        let mut request = format!("ws://{address}{}", self.path).into_client_request()?;
        for (name, value) in self.headers {
            request.headers_mut().insert(name, HeaderValue::from_str(&value)?);
        }
        let (status, said) = match connect_async(request).await {
            Ok((mut socket, answer)) => {
                let first = socket.next().await.ok_or("the stream is silent")??;
                (answer.status().as_u16(), first.into_text()?.to_string())
            }
            Err(tungstenite::Error::Http(answer)) => {
                let (answer, body) = answer.into_parts();
                (answer.status.as_u16(), String::from_utf8(body.unwrap_or_default())?)
            }
            Err(other) => return Err(other.into()),
        };
        println!("{}: {status} {said}", self.name);
        if (status, said.as_str()) == self.expected {
            Ok(())
        } else {
            Err(format!("{}: want {:?}", self.name, self.expected).into())
        }
    }
}

#[cfg(test)]
mod tests {
    /// The attempts name what must come of them.
    #[tokio::test]
    async fn every_attempt_comes_out_as_it_must() {
        super::run().await.unwrap();
    }
}
