//! Upgrades over an in-memory pipe, byte by byte as a peer sees them.

use cofferdam_auth::Route;
use cofferdam_core::{ConnectionId, Epoch, Reason, Scoped, TenantContext};
use cofferdam_tokio::{UpgradeError, accept_upgrade};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::world::{ORIGIN, World, head};

/// Sends one request, and gives what came of it on both sides.
async fn ask(world: &World, target: &str, headers: &[(&str, &str)]) -> (Accepted, String) {
    let (mut peer, ours) = duplex(16 << 10);
    peer.write_all(head(target, headers).as_bytes()).await.unwrap();

    let route = Route::any().needs_scopes(&["events:read"]);
    let (connection, epoch) = (ConnectionId(7), Epoch(3));
    let accepting = accept_upgrade(ours, &world.keys, &route, &world.clock, connection, epoch);
    let accepted = accepting.await.map(|(socket, context, uri)| {
        drop(socket);
        (context, uri.to_string())
    });
    // Our end is dropped by now, so that the peer's reading ends.
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.unwrap();
    (accepted, answer)
}

type Accepted = Result<(TenantContext, String), UpgradeError>;

fn reason(accepted: Accepted) -> Reason {
    match accepted {
        Err(UpgradeError::Denied(failure)) => failure.reason(),
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn accepts_a_good_token_and_binds_it_to_this_connection() {
    let world = World::new();
    let bearer = format!("Bearer {}", world.token());
    let (accepted, answer) = ask(&world, "/stream?queue=a", &[("Authorization", &bearer)]).await;
    let (context, uri) = accepted.unwrap();
    assert_eq!(context.tenant().as_str(), "acme");
    assert_eq!((context.connection(), context.epoch()), (ConnectionId(7), Epoch(3)));
    assert_eq!(uri, "/stream?queue=a");
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    // The RFC's own example of key and answer (RFC 6455 section 1.3).
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
}

#[tokio::test]
async fn accepts_a_browser_from_its_own_origin() {
    let world = World::new();
    let bearer = format!("Bearer {}", world.token());
    let headers = [("Authorization", bearer.as_str()), ("Origin", ORIGIN)];
    assert!(ask(&world, "/stream", &headers).await.0.is_ok());
}

/// U01 to U07, A04, A13, X01: every refusal is the same bytes, but for the status, which says no
/// more than what the peer knows: no request, no valid token, a token that is not for here.
#[tokio::test]
async fn refuses_everything_else_with_uniform_bytes() {
    let world = World::new();
    let good = format!("Bearer {}", world.token());
    let bearer = |token: String| format!("Bearer {token}");
    let issuer = bearer(world.token_with("iss", "https://id.example.com/initech"));
    let scope = bearer(world.token_with("scope", "events:rea"));
    let tenant = bearer(world.token_with("tenant", "globex"));
    let in_query = format!("/stream?access_token={}", world.token());
    let disguised = format!("/stream?x={}", world.token());
    let authorization = "Authorization";
    type Case<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, Reason, u16);
    let cases: Vec<Case<'_>> = vec![
        ("no token", "/stream", vec![], Reason::CredentialMalformed, 401),
        ("garbage", "/stream", vec![(authorization, "x")], Reason::CredentialMalformed, 401),
        ("another issuer", "/stream", vec![(authorization, &issuer)], Reason::UnknownIssuer, 401),
        ("another tenant", "/stream", vec![(authorization, &tenant)], Reason::TenantMismatch, 401),
        ("another scope", "/stream", vec![(authorization, &scope)], Reason::ScopeMissing, 403),
        (
            "two headers",
            "/stream",
            vec![(authorization, &good), (authorization, &good)],
            Reason::RequestMalformed,
            400,
        ),
        (
            "a token in the query",
            &in_query,
            vec![(authorization, &good)],
            Reason::RequestMalformed,
            400,
        ),
        ("a token in disguise", &disguised, vec![], Reason::RequestMalformed, 400),
        (
            "a foreign origin",
            "/stream",
            vec![(authorization, &good), ("Origin", "https://app.globex.example")],
            Reason::OriginRefused,
            403,
        ),
        (
            "a browser without an origin",
            "/stream",
            vec![(authorization, &good), ("Sec-Fetch-Site", "cross-site")],
            Reason::OriginRefused,
            403,
        ),
    ];
    let mut answers = Vec::new();
    for (name, target, headers, why, status) in cases {
        let (accepted, answer) = ask(&world, target, &headers).await;
        assert_eq!(reason(accepted), why, "{name}");
        answers.push((name, without_status(&answer, status)));
    }
    for (name, rest) in &answers {
        assert_eq!(rest, &answers[0].1, "{name} is told apart");
        assert!(rest.ends_with(r#"{"type":"about:blank","title":"Denied"}"#), "{rest}");
    }
}

/// The answer from its second line on.
fn without_status(answer: &str, status: u16) -> String {
    let (line, rest) = answer.split_once("\r\n").unwrap();
    assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{line}");
    rest.to_owned()
}

/// N06: a peer that does not finish its request's head is not waited for. Time is virtual.
#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_given_up() {
    let world = World::new();
    let (mut peer, ours) = duplex(1_024);
    peer.write_all(b"GET /stream HTTP/1.1\r\nHost: ").await.unwrap();
    let route = Route::any();
    let accepting =
        accept_upgrade(ours, &world.keys, &route, &world.clock, ConnectionId(1), Epoch(1));
    assert!(matches!(accepting.await, Err(UpgradeError::Handshake)));
}
