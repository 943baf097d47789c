//! Rows U01, U02, U03, U05 and U07: one request head, one context or one refusal.

use cofferdam_auth::{AuthFailure, Route, upgrade};
use cofferdam_core::{ConnectionId, Epoch, Reason, Scoped, TenantContext};
use http::{HeaderName, HeaderValue, Request};
use serde_json::Value;

use crate::world::{WORLD, claims, good, header, mint, now, tenant};

/// A request of method, address and headers, to a route of acme's.
fn ask(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<TenantContext, AuthFailure> {
    let acme = tenant("acme");
    let route = Route::any().of_tenant(&acme).needs_scopes(&["events:read"]);
    ask_at(&route, method, uri, headers)
}

fn ask_at(
    route: &Route<'_>,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
) -> Result<TenantContext, AuthFailure> {
    let mut request = Request::builder().method(method).uri(uri).body(()).unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let (parts, ()) = request.into_parts();
    upgrade::authorise(&WORLD.verifier, &parts, route, now(), ConnectionId(7), Epoch(1))
}

fn bearer() -> String {
    format!("Bearer {}", good())
}

const HOST: (&str, &str) = ("host", "events.example.com");

/// The table's lines: `[method, uri, [[name, value]..], outcome, why]`. `{bearer}` is a good
/// `Authorization`, `{token}` a good token; the outcome is a reason, or `ok`.
#[test]
fn decides_every_request_of_the_table() {
    let table: Value = serde_json::from_str(include_str!("data/upgrades.json")).unwrap();
    let mut accepted = 0;
    for line in table.as_array().unwrap() {
        let text = |value: &Value| {
            value.as_str().unwrap().replace("{bearer}", &bearer()).replace("{token}", &good())
        };
        let headers: Vec<(String, String)> = line["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect();
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let method = line.get("method").map_or("GET", |method| method.as_str().unwrap());
        let uri = line.get("uri").map_or_else(|| "/stream".to_owned(), text);
        let outcome = match ask(method, &uri, &headers) {
            Ok(context) => {
                assert_eq!(context.tenant(), &tenant("acme"), "{line}");
                accepted += 1;
                "ok".to_owned()
            }
            Err(failure) => {
                let status = match failure.reason() {
                    Reason::RequestMalformed => 400,
                    Reason::OriginRefused => 403,
                    _ => 401,
                };
                assert_eq!(upgrade::refuse(&failure).status(), status, "{line}");
                format!("{:?}", failure.reason())
            }
        };
        assert_eq!(outcome, line["outcome"].as_str().unwrap(), "{line}");
    }
    assert!(accepted >= 10);
}

/// U01: on the token's list and on the registration's; one of them is not enough.
#[test]
fn an_origin_must_be_the_tokens_and_the_tenants() {
    let bearer = bearer();
    let from =
        |origin: &str| ask("GET", "/", &[HOST, ("authorization", &bearer), ("origin", origin)]);
    assert!(from("https://app.acme.example").is_ok());
    // Registered, and not in the token; in the token, and not registered.
    for origin in ["https://old.acme.example", "https://app.globex.example"] {
        let failure = from(origin).unwrap_err();
        assert_eq!(failure.reason(), Reason::OriginRefused, "{origin}");
        assert_eq!(failure.tenant(), Some(&tenant("acme")));
    }
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("origins");
    let none = format!("Bearer {}", mint("acme", &header().to_string(), &claims.to_string()));
    let own = ("origin", "https://app.acme.example");
    let failure = ask("GET", "/", &[HOST, ("authorization", &none), own]).unwrap_err();
    assert_eq!(failure.reason(), Reason::OriginRefused);
    assert!(ask("GET", "/", &[HOST, ("authorization", &none)]).is_ok());
}

/// U05: nothing that a client or a proxy writes down selects the tenant.
#[test]
fn no_header_selects_the_tenant() {
    let bearer = bearer();
    let globex = tenant("globex");
    for name in [
        "x-tenant",
        "x-tenant-id",
        "x-forwarded-host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "forwarded",
        "x-original-url",
        "x-rewrite-url",
        "x-real-ip",
        "cookie",
    ] {
        for value in ["globex", "host=globex.example.com", "/globex/stream", "tenant=globex"] {
            let headers = [HOST, ("authorization", bearer.as_str()), (name, value)];
            let context = ask_at(&Route::any(), "GET", "/globex", &headers).unwrap();
            assert_eq!(context.tenant(), &tenant("acme"), "{name}: {value}");
            let route = Route::any().of_tenant(&globex);
            let failure = ask_at(&route, "GET", "/globex", &headers).unwrap_err();
            assert_eq!(failure.reason(), Reason::TenantMismatch, "{name}: {value}");
            assert_eq!(failure.tenant(), Some(&tenant("acme")));
        }
    }
}

/// K7, X01: what a peer sees of a refusal does not depend on why, beyond its three kinds.
#[test]
fn refusals_of_one_kind_are_the_same_bytes() {
    let bearer = bearer();
    let (globex, initech) = (tenant("globex"), tenant("initech"));
    let elsewhere = |id| {
        let headers = [HOST, ("authorization", bearer.as_str())];
        ask_at(&Route::any().of_tenant(id), "GET", "/", &headers).unwrap_err()
    };
    let seen = |failure: &AuthFailure| format!("{:?}", upgrade::refuse(failure));
    assert_eq!(seen(&elsewhere(&globex)), seen(&elsewhere(&initech)));
    let unsigned = |iss: &str| {
        let mut claims = claims();
        claims["iss"] = iss.into();
        let token = mint("nobody", &header().to_string(), &claims.to_string());
        ask("GET", "/", &[HOST, ("authorization", &format!("Bearer {token}"))]).unwrap_err()
    };
    let known = unsigned(crate::world::ACME);
    let unknown = unsigned("https://id.example.com/initech");
    assert_ne!(known.reason(), unknown.reason());
    assert_eq!(seen(&known), seen(&unknown));
    let shown = seen(&known);
    assert!(
        shown.contains("401") && !shown.contains("acme") && !shown.contains("ignature"),
        "{shown}"
    );
}

/// HTTP/2 has no `Host`; the authority stands in the address.
#[test]
fn http_2_names_its_host_in_the_address() {
    let ask = |version, uri: &str, host: Option<&str>| {
        let mut request = Request::get(uri).version(version).body(()).unwrap();
        request.headers_mut().insert("authorization", bearer().parse().unwrap());
        if let Some(host) = host {
            request.headers_mut().insert("host", host.parse().unwrap());
        }
        let (parts, ()) = request.into_parts();
        let route = Route::any();
        upgrade::authorise(&WORLD.verifier, &parts, &route, now(), ConnectionId(1), Epoch(1))
            .is_ok()
    };
    let absolute = "https://events.example.com/stream";
    assert!(ask(http::Version::HTTP_2, absolute, None));
    assert!(ask(http::Version::HTTP_2, absolute, Some("events.example.com")));
    assert!(!ask(http::Version::HTTP_2, absolute, Some("other.example.com")));
    assert!(!ask(http::Version::HTTP_2, "/stream", None));
    assert!(!ask(http::Version::HTTP_11, absolute, None));
}
