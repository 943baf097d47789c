//! Rows A01, U02, U06, U10 and X01: what the rules of a listener add to the token's own.

use cofferdam_auth::{
    AuthFailure, Route,
    upgrade::{self, BEARER_PROTOCOL, Policy, Rules, TenantIn, Upgrade},
};
use cofferdam_core::{ConnectionId, Epoch, Reason, Scoped};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version, request::Parts};

use crate::world::{ACME, WORLD, claims, good, header, mint, now, tenant};

const OWN_ORIGIN: (&str, &str) = ("origin", "https://app.acme.example");

fn request(version: Version, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::get(uri).version(version).body(()).unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    request.into_parts().0
}

fn check(rules: &Rules, request: &Parts) -> Result<Upgrade, AuthFailure> {
    let policy = Policy::new(rules.clone()).unwrap();
    policy.check(&WORLD.verifier, request, &Route::any(), now(), ConnectionId(7), Epoch(1))
}

/// A request with a good `Authorization` of acme's.
fn ask(rules: &Rules, host: &str, uri: &str) -> Result<Upgrade, AuthFailure> {
    let bearer = format!("Bearer {}", good());
    let headers = [("host", host), ("authorization", &bearer)];
    check(rules, &request(Version::HTTP_11, uri, &headers))
}

fn reason(outcome: Result<Upgrade, AuthFailure>) -> Reason {
    outcome.unwrap_err().reason()
}

fn speaking() -> Rules {
    Rules {
        protocols: vec!["events.v2".into(), "events.v1".into()],
        token_in_protocol: true,
        ..Rules::default()
    }
}

/// A browser's request, with its offered sub-protocols and more headers.
fn browse(rules: &Rules, offered: &str, more: &[(&str, &str)]) -> Result<Upgrade, AuthFailure> {
    let mut headers = vec![("host", "events.example.com"), ("sec-websocket-protocol", offered)];
    headers.extend(more);
    check(rules, &request(Version::HTTP_11, "/stream", &headers))
}

fn offer(before: &str, after: &str) -> String {
    format!("{before}{BEARER_PROTOCOL}{}{after}", good())
}

#[test]
fn a_browser_may_show_its_token_as_a_sub_protocol() {
    for offered in [
        offer("events.v1, ", ""),
        offer("", ",events.v1"),
        offer("x, events.v1 ,", "\t, y"),
        offer("events.v1, events.v3,", ""),
    ] {
        let upgrade = browse(&speaking(), &offered, &[OWN_ORIGIN]).unwrap();
        assert_eq!(upgrade.context.tenant(), &tenant("acme"));
        assert_eq!(upgrade.protocol.as_ref().unwrap(), "events.v1");
    }
    // We prefer the one that we name first, whatever the client's order.
    let both = offer("events.v1, events.v2, ", "");
    let upgrade = browse(&speaking(), &both, &[OWN_ORIGIN]).unwrap();
    assert_eq!(upgrade.protocol.unwrap(), "events.v2");
}

/// U07: neither the answer nor what is handed on holds the token.
#[test]
fn the_token_is_never_answered_nor_handed_on() {
    let upgrade = browse(&speaking(), &offer("events.v1, ", ""), &[OWN_ORIGIN]).unwrap();
    assert!(!format!("{upgrade:?}").contains("eyJ"));
    let mut answer = HeaderMap::new();
    upgrade.answer(&mut answer);
    assert_eq!(answer.len(), 1);
    assert_eq!(answer["sec-websocket-protocol"], "events.v1");

    let bearer = format!("Bearer {}", good());
    let offered = offer("events.v1, ", "");
    let mut handed_on = request(
        Version::HTTP_11,
        "/",
        &[
            ("authorization", &bearer),
            ("sec-websocket-protocol", &offered),
            ("sec-websocket-protocol", "x"),
            ("x-other", "stays"),
        ],
    );
    upgrade.seal(&mut handed_on.headers);
    let left: Vec<_> =
        handed_on.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert!(!format!("{left:?}").contains("eyJ"), "{left:?}");
    assert_eq!(left.len(), 2);
    assert_eq!(handed_on.headers["sec-websocket-protocol"], "events.v1");
}

/// U02: a token among the sub-protocols is a browser's, whatever the other headers say.
#[test]
fn a_token_as_a_sub_protocol_needs_an_origin() {
    let offered = offer("events.v1, ", "");
    assert_eq!(reason(browse(&speaking(), &offered, &[])), Reason::OriginRefused);
    for origin in ["null", "https://evil.example", "https://old.acme.example"] {
        let outcome = browse(&speaking(), &offered, &[("origin", origin)]);
        assert_eq!(reason(outcome), Reason::OriginRefused, "{origin}");
    }
}

/// U03: one credential, in one place, once, beside a protocol that can be answered.
#[test]
fn a_token_as_a_sub_protocol_stands_alone() {
    let bearer = format!("Bearer {}", good());
    let refused = |offered: &str, more: &[(&str, &str)]| {
        let more: Vec<_> = std::iter::once(OWN_ORIGIN).chain(more.iter().copied()).collect();
        reason(browse(&speaking(), offered, &more))
    };
    let one = offer("events.v1, ", "");
    let other = "events.v1, cofferdam.bearer.x, cofferdam.bearer.y";
    for (offered, more) in [
        (one.as_str(), vec![("authorization", bearer.as_str())]),
        (&one, vec![("authorization", "Basic x")]),
        (other, vec![]),
        (&offer("events.v1, cofferdam.bearer.x, ", ""), vec![]),
        (&one, vec![("sec-websocket-protocol", "cofferdam.bearer.x")]),
        // Nothing to answer with.
        (&offer("", ""), vec![]),
        (&offer("events.v3, ", ""), vec![]),
        (&offer("Events.v1, ", ""), vec![]),
        // No lists.
        (&offer("events.v1,, ", ""), vec![]),
        (&offer("events.v1, ", ","), vec![]),
        (&offer("events.v1 ", ""), vec![]),
        (&offer("events.v1, events.v1, ", ""), vec![]),
        (&offer("events.v1, ", "="), vec![]),
        (&offer(&"a,".repeat(17), ""), vec![]),
    ] {
        assert_eq!(refused(offered, &more), Reason::RequestMalformed, "{offered} {more:?}");
    }
    // Another case is another name, and no credential.
    let spelt = format!("events.v1, Cofferdam.Bearer.{}", good());
    assert_eq!(refused(&spelt, &[]), Reason::CredentialMalformed);
    assert_eq!(refused("events.v1, cofferdam.bearer.", &[]), Reason::CredentialMalformed);
}

#[test]
fn a_token_as_a_sub_protocol_is_refused_unless_the_rules_allow_it() {
    let rules = Rules { token_in_protocol: false, ..speaking() };
    let outcome = browse(&rules, &offer("events.v1, ", ""), &[OWN_ORIGIN]);
    assert_eq!(reason(outcome), Reason::CredentialMalformed);
}

#[test]
fn a_service_gets_the_sub_protocol_that_it_offers() {
    let bearer = format!("Bearer {}", good());
    let more = [("authorization", bearer.as_str())];
    let chosen = |offered: &str| browse(&speaking(), offered, &more).unwrap().protocol;
    assert_eq!(chosen("events.v1").unwrap(), "events.v1");
    assert_eq!(chosen("events.v3, mqtt"), None);
    assert_eq!(browse(&Rules::default(), "events.v1", &more).unwrap().protocol, None);
}

/// U06: the path that comes out is the one that was decided on.
#[test]
fn the_target_is_what_every_layer_goes_by() {
    let upgrade =
        ask(&Rules::default(), "Events.Example.com:8443", "/a%3ab?cursor=%2e%2f").unwrap();
    let target = upgrade.target;
    assert_eq!((target.host(), target.path()), ("events.example.com", "/a%3Ab"));
    assert_eq!(target.query(), Some("cursor=%2e%2f"));
    assert!(!format!("{target:?}").contains("cursor"));
}

fn in_path() -> Rules {
    Rules { tenant: TenantIn::PathAfter("/tenants/".into()), ..Rules::default() }
}

fn in_host() -> Rules {
    Rules { tenant: TenantIn::HostBefore("events.example.com".into()), ..Rules::default() }
}

/// A01, U06: the tenant that a path names is the token's, in every spelling or none.
#[test]
fn a_path_names_the_tokens_tenant() {
    let at = |path: &str| ask(&in_path(), "events.example.com", path);
    for path in ["/tenants/acme", "/tenants/acme/", "/tenants/acme/stream?tenant=globex"] {
        assert_eq!(at(path).unwrap().context.tenant(), &tenant("acme"), "{path}");
    }
    for path in [
        "/tenants/globex",
        "/tenants/globex/acme",
        "/tenants/Acme",
        "/tenants/acmee",
        "/tenants/acm",
        "/tenants/",
        "/tenants",
        "/",
        "/Tenants/acme",
        "/x/tenants/acme",
        "/tenants/acme:globex",
        "/tenants/acme%20",
    ] {
        let failure = at(path).unwrap_err();
        assert_eq!(failure.reason(), Reason::TenantMismatch, "{path}");
        assert_eq!(failure.tenant(), Some(&tenant("acme")), "{path}");
    }
    for path in [
        "/tenants/globex/../acme",
        "/tenants/acme/../globex",
        "/tenants//acme",
        "/tenants/acme;globex",
        "/tenants/%61cme",
        "/tenants%2facme",
        "/tenants/acme%2f..%2fglobex",
        "/tenants/acme%00",
    ] {
        assert_eq!(reason(at(path)), Reason::RequestMalformed, "{path}");
    }
}

/// A01, U10: the tenant that a host names is the token's, and what is not a tenant's host is not
/// served at all.
#[test]
fn a_host_names_the_tokens_tenant() {
    let at = |host: &str| ask(&in_host(), host, "/stream");
    for host in ["acme.events.example.com", "ACME.events.example.com:8443"] {
        assert_eq!(at(host).unwrap().context.tenant(), &tenant("acme"), "{host}");
    }
    let failure = at("globex.events.example.com").unwrap_err();
    assert_eq!(failure.reason(), Reason::TenantMismatch);
    assert_eq!(failure.tenant(), Some(&tenant("acme")));
    for host in ["events.example.com", "x.acme.events.example.com", "acme.events.example.org"] {
        let failure = at(host).unwrap_err();
        assert_eq!(failure.reason(), Reason::HostNotServed, "{host}");
        assert_eq!(failure.tenant(), None);
    }
    assert_eq!(reason(at("acme.events.example.com.")), Reason::RequestMalformed);
}

/// U10: a client may send one host's request over a connection that it opened for another. Each
/// request is answered by its own authority, and one that is not ours gets 421.
#[test]
fn a_request_goes_by_its_own_authority() {
    let rules = Rules { hosts: vec!["events.example.com".into()], ..Rules::default() };
    let bearer = format!("Bearer {}", good());
    let over_h2 = |rules: &Rules, uri: &str| {
        check(rules, &request(Version::HTTP_2, uri, &[("authorization", &bearer)]))
    };
    assert!(over_h2(&rules, "https://events.example.com/stream").is_ok());
    let failure = over_h2(&rules, "https://admin.example.com/stream").unwrap_err();
    assert_eq!(upgrade::refuse(&failure).status(), 421);
    // A's connection, reused for B's authority.
    assert!(over_h2(&in_host(), "https://acme.events.example.com/stream").is_ok());
    let failure = over_h2(&in_host(), "https://globex.events.example.com/stream").unwrap_err();
    assert_eq!(upgrade::refuse(&failure).status(), 403);
    assert_eq!(failure.tenant(), Some(&tenant("acme")));
}

/// RFC 8441: a WebSocket over HTTP/2 is a `CONNECT` with a scheme and a path; a tunnel has neither.
#[test]
fn http_2_asks_for_a_stream_with_an_extended_connect() {
    let bearer = format!("Bearer {}", good());
    let connect = |version, uri: &str| {
        let request = Request::connect(uri).version(version).header("authorization", &bearer);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&Rules::default(), &parts).map(|upgrade| upgrade.target.path().to_owned())
    };
    assert_eq!(connect(Version::HTTP_2, "https://events.example.com/stream").unwrap(), "/stream");
    for (version, uri) in [
        (Version::HTTP_2, "events.example.com:443"),
        (Version::HTTP_11, "https://events.example.com/stream"),
        (Version::HTTP_10, "https://events.example.com/stream"),
    ] {
        assert_eq!(connect(version, uri).unwrap_err().reason(), Reason::RequestMalformed);
    }
    // Nor is any other method a stream because it has a scheme and a path.
    let post = Request::post("https://events.example.com/stream").version(Version::HTTP_2);
    let (parts, ()) = post.header("authorization", &bearer).body(()).unwrap().into_parts();
    let refused = check(&Rules::default(), &parts);
    assert_eq!(reason(refused), Reason::RequestMalformed);
}

/// U07: three parts between dots that begin like a token, and nothing less.
#[test]
fn a_path_that_is_like_a_token_in_part_is_a_path() {
    let rules = Rules::default();
    for path in ["/eyJ", "/eyJhbGciOiJub25lIn0", "/eyJ.x", "/v1.2.3/stream", "/a.b.c"] {
        assert!(ask(&rules, "a", path).is_ok(), "{path}");
    }
    assert_eq!(reason(ask(&rules, "a", "/x/eyJh.e30.c2ln")), Reason::RequestMalformed);
}

#[test]
fn a_token_of_another_region_is_refused() {
    let rules = |region: &str| Rules { region: Some(region.into()), ..Rules::default() };
    assert!(ask(&rules("eu-1"), "a", "/").is_ok());
    for region in ["us-1", "eu", "eu-10", "EU-1"] {
        let failure = ask(&rules(region), "a", "/").unwrap_err();
        assert_eq!(failure.reason(), Reason::WrongRegion, "{region}");
        assert_eq!(upgrade::refuse(&failure).status(), 403);
    }
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("region");
    let bearer = format!("Bearer {}", mint("acme", &header().to_string(), &claims.to_string()));
    let headers = [("host", "a"), ("authorization", bearer.as_str())];
    let failure = check(&rules("eu-1"), &request(Version::HTTP_11, "/", &headers)).unwrap_err();
    assert_eq!(failure.reason(), Reason::WrongRegion);
    // A route's region holds beside the node's.
    let policy = Policy::new(rules("us-1")).unwrap();
    let own = Route::any().in_region("eu-1");
    let bearer = format!("Bearer {}", good());
    let request = request(Version::HTTP_11, "/", &[("host", "a"), ("authorization", &bearer)]);
    let outcome = policy.check(&WORLD.verifier, &request, &own, now(), ConnectionId(1), Epoch(1));
    assert_eq!(reason(outcome), Reason::WrongRegion);
}

/// X01: a tenant that exists and one that does not get the same bytes in all three places where a
/// tenant can be named: the token's issuer, the path, the host. With a valid token and without.
#[test]
fn a_tenant_that_exists_looks_like_one_that_does_not() {
    let seen = |outcome: Result<Upgrade, AuthFailure>| {
        let response = upgrade::refuse(&outcome.unwrap_err());
        let body = *response.body();
        (response.status(), format!("{:?}", response.headers()), body, body.len())
    };
    let in_path_of = |id: &str, headers: &[(&str, &str)]| {
        let uri = format!("/tenants/{id}/stream");
        seen(check(&in_path(), &request(Version::HTTP_11, &uri, headers)))
    };
    let in_host_of = |id: &str, credential: &[(&str, &str)]| {
        let host = format!("{id}.events.example.com");
        let headers: Vec<_> = [("host", host.as_str())].iter().chain(credential).copied().collect();
        seen(check(&in_host(), &request(Version::HTTP_11, "/stream", &headers)))
    };
    let good = format!("Bearer {}", good());
    let forged = |issuer: &str| {
        let mut claims = claims();
        claims["iss"] = issuer.into();
        format!("Bearer {}", mint("zeros", &header().to_string(), &claims.to_string()))
    };
    let unknown_issuer = "https://id.example.com/initech";
    let (of_known, of_unknown) = (forged(ACME), forged(unknown_issuer));
    let credentials: [(&[(&str, &str)], u16); 4] = [
        (&[("authorization", &good)], 403),
        (&[], 401),
        (&[("authorization", &of_known)], 401),
        (&[("authorization", &of_unknown)], 401),
    ];
    for (credential, status) in credentials {
        let mut headers = vec![("host", "events.example.com")];
        headers.extend(credential);
        let known = in_path_of("globex", &headers);
        assert_eq!(known.0, status);
        assert_eq!(known, in_path_of("initech", &headers));
        assert_eq!(known, in_host_of("globex", credential));
        assert_eq!(known, in_host_of("initech", credential));
    }
    let by_issuer = |bearer: &str| {
        let headers = [("host", "events.example.com"), ("authorization", bearer)];
        seen(check(&Rules::default(), &request(Version::HTTP_11, "/stream", &headers)))
    };
    assert_eq!(by_issuer(&of_known), by_issuer(&of_unknown));
}

/// What a driver asks a key for is the token that a check would look at.
#[test]
fn the_token_of_a_request_is_the_one_that_is_checked() {
    let policy = Policy::new(speaking()).unwrap();
    let token_of = |headers: &[(&str, &str)]| {
        let headers = [&[("host", "events.example.com")], headers].concat();
        let parts = request(Version::HTTP_11, "/stream", &headers);
        policy.token(&parts).map(str::to_owned)
    };
    let offered = offer("events.v1, ", "");
    assert_eq!(token_of(&[("authorization", "Bearer a.b.c")]).as_deref(), Some("a.b.c"));
    let proved = [("authorization", "DPoP a.b.c"), ("dpop", "d.e.f")];
    assert_eq!(token_of(&proved).as_deref(), Some("a.b.c"));
    assert_eq!(token_of(&[("sec-websocket-protocol", &offered)]), Some(good()));
    assert_eq!(token_of(&[]), None);
    assert_eq!(token_of(&[("authorization", "Basic abc")]), None);
    let two = [("authorization", "Bearer a.b.c"), ("sec-websocket-protocol", &*offered)];
    assert_eq!(token_of(&two), None);
}

/// A list is read up to a bound, and refused there, not cut.
#[test]
fn offers_sixteen_sub_protocols_at_most_beside_a_token() {
    let offered = |count: usize| {
        let more: Vec<String> = (1..count).map(|n| format!("other.v{n}")).collect();
        let names = [&["events.v1".to_owned()], more.as_slice()].concat().join(", ");
        browse(&speaking(), &offer(&format!("{names}, "), ""), &[OWN_ORIGIN])
    };
    assert!(offered(16).is_ok());
    assert_eq!(reason(offered(17)), Reason::RequestMalformed);
}

#[test]
fn a_query_has_a_longest_length_and_is_not_shown() {
    let asked = |length: usize| ask(&Rules::default(), "a", &format!("/?{}", "q".repeat(length)));
    let target = asked(4_096).unwrap().target;
    let shown = format!("{target:?}");
    assert!(shown.contains("path") && !shown.contains("qq"), "{shown}");
    assert_eq!(reason(asked(4_097)), Reason::RequestMalformed);
}
