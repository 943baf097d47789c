//! The body for upgrades: no head is let in that two readers could read in two ways.
#![expect(clippy::expect_used, reason = "a fuzz body is made of assertions")]

use std::sync::LazyLock;

use cofferdam_auth::{
    Route,
    upgrade::{Policy, Rules, TenantIn, Upgrade},
};
use cofferdam_core::{ConnectionId, Epoch, Scoped};
use http::{HeaderName, HeaderValue, Method, Request, Uri, request::Parts};

use super::{
    source::Source,
    token::{WORLD, now},
};

const HOST: &str = "events.example.com";
const TARGET: &str = "/tenants/acme/stream?queue=a";
/// Headers that say whose a request is, or how long, or for which protocol.
const NAMES: [&str; 15] = [
    "authorization",
    "host",
    "origin",
    "upgrade",
    "cookie",
    "content-length",
    "transfer-encoding",
    "x-tenant-id",
    "x-forwarded-host",
    "x-original-url",
    "sec-fetch-site",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "dpop",
];
const VALUES: [&str; 15] = [
    "",
    "0",
    "1",
    "13",
    "acme",
    "globex",
    "a,b",
    "chunked",
    "websocket",
    "h2c",
    "Bearer x",
    "EVENTS.example.com:443",
    "events.example.com, evil.example",
    "https://evil.example",
    "DPoP x",
];
const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::CONNECT, Method::HEAD, Method::OPTIONS];
/// What paths are bent with.
const PIECES: [&str; 16] = [
    "/",
    "//",
    ".",
    "..",
    "/../",
    "%2e",
    "%2F",
    "%5c",
    "%00",
    "\\",
    ";x",
    "?token=a",
    "&jwt=a",
    "%",
    "globex",
    "eyJhbGciOiJFZERTQSJ9",
];

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    Policy::new(Rules {
        hosts: vec![HOST.to_owned()],
        tenant: TenantIn::PathAfter("/tenants/".to_owned()),
        ..Rules::default()
    })
    .expect("sound rules")
});

/// Edits a good request by `data`, and takes `data` as the address of another.
///
/// # Panics
///
/// If a request is let in that says anything twice, names another tenant or host, comes from a page,
/// has a body, or an address that is not in its one spelling.
pub fn upgrade(data: &[u8]) {
    let mut source = Source::new(data);
    let mut request = good();
    assert!(!source.is_empty() || check(&request).is_some(), "what is edited is good");
    while !source.is_empty() {
        edit(&mut request, &mut source);
    }
    offer(&request);
    if let Ok(uri) = Uri::try_from(data) {
        let mut request = good();
        request.uri = uri;
        offer(&request);
    }
}

fn good() -> Parts {
    let request = Request::get(TARGET)
        .header("host", HOST)
        .header("authorization", format!("Bearer {}", WORLD.good))
        .body(());
    request.expect("a sound request").into_parts().0
}

fn edit(request: &mut Parts, source: &mut Source<'_>) {
    let name = HeaderName::from_static(pick(source, &NAMES));
    match source.below(6) {
        0 => request.method = source.pick(&METHODS).clone(),
        1 => drop(request.headers.remove(name)),
        2 => {
            let value = HeaderValue::from_static(pick(source, &VALUES));
            request.headers.append(name, value);
        }
        // The good token once more, wherever it does not belong.
        3 => {
            let value = HeaderValue::from_str(&format!("Bearer {}", WORLD.good));
            request.headers.append(name, value.expect("a token is plain"));
        }
        4 => {
            let value = source.byte();
            let changed = request.headers.get(&name).map(|own| {
                let mut bytes = own.as_bytes().to_vec();
                let at = source.below(bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
                bytes
            });
            if let Some(Ok(value)) = changed.as_deref().map(HeaderValue::from_bytes) {
                request.headers.insert(name, value);
            }
        }
        _ => {
            let mut text = request.uri.to_string();
            let at = source.below(text.len() + 1);
            if text.is_char_boundary(at) {
                text.insert_str(at, pick(source, &PIECES));
            }
            if let Ok(uri) = text.parse() {
                request.uri = uri;
            }
        }
    }
}

fn pick(source: &mut Source<'_>, from: &[&'static str]) -> &'static str {
    source.pick::<&'static str>(from)
}

/// Holds what is let in against a plain reading of the head.
fn offer(request: &Parts) {
    let Some(upgrade) = check(request) else { return };
    let headers = &request.headers;
    assert_eq!(request.method, Method::GET);
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().expect("let in, so it is text"));
        assert!(values.next().is_none(), "{name} stands twice");
        value
    };
    let token = one("authorization").and_then(|value| value.split_once(' '));
    assert_eq!(token.map(|(_, token)| token), Some(WORLD.good.as_str()));
    let host = one("host").unwrap_or_default().to_ascii_lowercase();
    assert_eq!(host.split(':').next(), Some(HOST), "{host}");
    // The registration allows no origin, so nothing that a page sent passes.
    assert!(one("origin").is_none() && one("sec-fetch-site").is_none());
    // The token is bound to no key: a proof beside it would prove nothing.
    assert!(!headers.contains_key("transfer-encoding") && !headers.contains_key("dpop"));
    assert!(one("content-length").is_none_or(|length| length == "0"));
    let (named, _) = (one("x-tenant-id"), one("sec-websocket-key"));
    assert!(named.is_none_or(|value| !value.contains(',')));

    let path = upgrade.target.path();
    assert_eq!(upgrade.context.tenant().as_str(), "acme");
    let segments: Vec<&str> = path.split('/').collect();
    assert_eq!(segments[..3], ["", "tenants", "acme"], "{path}");
    let is_plain = |segment: &&str| !segment.is_empty() && **segment != *"." && **segment != *"..";
    let last = segments.len() - 1;
    assert!(segments[1..last].iter().all(is_plain), "{path}");
    let lower = path.to_ascii_lowercase();
    for trick in ["%2e", "%2f", "%5c", "%00", "\\", ";"] {
        assert!(!lower.contains(trick), "{trick} in {path}");
    }
    let query = upgrade.target.query().unwrap_or_default();
    assert!(!query.split('&').any(|part| part.starts_with("token=") || part.starts_with("jwt=")));

    let mut again = good();
    again.uri = path.parse().expect("a path that was let in");
    let again = check(&again).expect("let in by its one spelling too");
    assert_eq!(again.target.path(), path);
}

fn check(request: &Parts) -> Option<Upgrade> {
    let route = Route::any();
    POLICY.check(&WORLD.verifier, request, &route, now(), ConnectionId(1), Epoch(1)).ok()
}
