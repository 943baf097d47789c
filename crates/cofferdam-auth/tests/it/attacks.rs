//! The catalogue's rows A01 to A13 as data: what is changed in a good token, and what comes of it.

use cofferdam_auth::{AuthFailure, Route, upgrade};
use cofferdam_core::{ConnectionId, Epoch, Reason, Scoped, TenantContext};
use http::{HeaderMap, Request};
use serde_json::Value;

use crate::world::{self, AUDIENCE, WORLD, claims, good, header, mint, now, tenant};

/// One line of `data/attacks.json`.
pub(crate) struct Attack {
    pub(crate) line: Value,
    pub(crate) token: String,
}

impl Attack {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.text("row").unwrap(), self.text("attack").unwrap())
    }

    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.line.get(member).and_then(Value::as_str)
    }
}

pub(crate) fn attacks() -> Vec<Attack> {
    let table: Value = serde_json::from_str(include_str!("data/attacks.json")).unwrap();
    table.as_array().unwrap().iter().cloned().map(attack).collect()
}

fn attack(line: Value) -> Attack {
    let text = |member: &str| line.get(member).and_then(Value::as_str);
    let header = changed(header(), &line, "header");
    let claims = changed(claims(), &line, "claims");
    let mut token = mint(text("signer").unwrap_or("acme"), &header, &claims);
    if let Some(replace) = line.get("token") {
        token = replace.as_str().unwrap().replace("{token}", &token);
        let parts: Vec<_> = good().split('.').map(str::to_owned).collect();
        for (name, part) in ["{header}", "{claims}", "{signature}"].iter().zip(parts) {
            token = token.replace(name, &part);
        }
    }
    Attack { line, token }
}

/// The object as text, with members set (`"header": {..}`), removed (null) and appended as raw text
/// (`"header+": ".."`), which is the only way to have one twice.
fn changed(mut object: Value, line: &Value, member: &str) -> String {
    for (name, value) in line.get(member).and_then(Value::as_object).into_iter().flatten() {
        let members = object.as_object_mut().unwrap();
        members.remove(name);
        if !value.is_null() {
            members.insert(name.clone(), value.clone());
        }
    }
    let mut text = object.to_string();
    if let Some(raw) = line.get(format!("{member}+")) {
        text.truncate(text.len() - 1);
        text = format!("{text},{}}}", raw.as_str().unwrap());
    }
    text
}

/// Presents a token as a server would, which sends no `Origin`.
pub(crate) fn present(token: &str, route: &Route<'_>) -> Result<TenantContext, AuthFailure> {
    let verifier = &WORLD.verifier;
    let direct = verifier.verify(token, route, now(), ConnectionId(1), Epoch(1));
    for _ in 0..2 {
        // The second time it may be remembered, and must come to the same.
        let cached = WORLD.cached.verify(token, route, now(), ConnectionId(1), Epoch(1));
        assert_eq!(cached.is_ok(), direct.is_ok());
        assert_eq!(cached.err(), direct.clone().err());
    }
    let mut headers = HeaderMap::new();
    headers.insert("host", "events.example.com".parse().unwrap());
    let Ok(value) = format!("Bearer {token}").parse() else { return direct };
    headers.insert("authorization", value);
    let mut request = Request::get("/stream").body(()).unwrap();
    *request.headers_mut() = headers;
    let (parts, ()) = request.into_parts();
    let upgraded = upgrade::authorise(verifier, &parts, route, now(), ConnectionId(1), Epoch(1));
    match (&direct, &upgraded) {
        (Ok(_), Ok(_)) => {}
        // A comma in a header is refused before the token is looked at (U03).
        (Err(_), Err(upgraded)) if token.contains(',') => {
            assert_eq!(upgraded.reason(), Reason::RequestMalformed);
        }
        (Err(direct), Err(upgraded)) => assert_eq!(direct, upgraded),
        _ => panic!("the two ways in disagree: {direct:?} {upgraded:?}"),
    }
    direct
}

#[test]
fn a_good_token_becomes_its_tenants_context() {
    for (signer, alg, kid) in [
        ("acme", "EdDSA", "k1"),
        ("acme", "Ed25519", "k4"),
        ("acme-p256", "ES256", "k2"),
        ("acme-rsa", "RS256", "k3"),
    ] {
        let header = serde_json::json!({"alg": alg, "typ": "application/at+jwt", "kid": kid});
        let token = mint(signer, &header.to_string(), &claims().to_string());
        let context = present(&token, &Route::any()).unwrap();
        assert_eq!(context.tenant(), &tenant("acme"));
        assert_eq!(context.subject(), "svc-7");
        assert_eq!(context.organisation(), Some("9dfb369b"));
        assert_eq!(context.region(), Some("eu-1"));
        assert_eq!(context.key_id(), kid);
        assert_eq!((context.issuer(), context.client()), (world::ACME, "dashboard"));
        assert_eq!((context.token_id(), context.generation()), ("b9c1", 0));
        assert_eq!(context.issued_at_ms(), world::NOW_S * 1_000);
        assert_eq!(context.connection(), ConnectionId(1));
        assert_eq!(context.epoch(), Epoch(1));
        assert_eq!(context.expires_at_ms(), (world::NOW_S + 600) * 1_000);
        assert!(context.has_scope("events:read") && !context.has_scope("events"));
    }
}

/// What is unusual and not wrong must be accepted, or the table below proves nothing.
#[test]
fn a_good_token_may_look_different() {
    for (member, value) in [
        ("aud", serde_json::json!(["elsewhere", AUDIENCE])),
        ("nbf", world::NOW_S.into()),
        ("exp", (world::NOW_S + 900).into()),
        ("iat", (world::NOW_S + 30).into()),
        ("scope", serde_json::json!(["events:read"])),
        ("anything", serde_json::json!({"deep": [[["er"]]], "n": 1.5e300, "no": null})),
    ] {
        let mut claims = claims();
        claims[member] = value;
        let token = mint("acme", &header().to_string(), &claims.to_string());
        assert!(present(&token, &Route::any()).is_ok(), "{member}");
    }
}

/// A01 to A13.
#[test]
fn refuses_every_attack_of_the_table() {
    let attacks = attacks();
    let own_route = tenant("acme");
    for attack in &attacks {
        let name = attack.name();
        let route = Route::any().of_tenant(&own_route).needs_scopes(&["events:read"]);
        let failure = present(&attack.token, &route).expect_err(&name);
        assert_eq!(format!("{:?}", failure.reason()), attack.text("reason").unwrap(), "{name}");
        let tenant = failure.tenant().map(ToString::to_string);
        assert_eq!(tenant.as_deref(), attack.text("tenant"), "{name}");
        let status = u64::from(upgrade::refuse(&failure).status().as_u16());
        assert_eq!(Some(status), attack.line["status"].as_u64(), "{name}");
        let shown = format!("{failure} {failure:?}");
        assert!(attack.token.len() < 20 || !shown.contains(&attack.token[..20]), "{name}");
    }
    for row in ["A02", "A03", "A04", "A05", "A06", "A07", "A08", "A09", "A10", "A11", "A12", "A13"]
    {
        assert!(attacks.iter().any(|attack| attack.text("row") == Some(row)), "no case of {row}");
    }
}

/// A01: a neighbour's route and one that leads nowhere are the same wall.
#[test]
fn refuses_a_token_of_another_tenant() {
    for id in ["globex", "nobody-s"] {
        let other = tenant(id);
        let failure = present(&good(), &Route::any().of_tenant(&other)).unwrap_err();
        assert_eq!(failure.tenant(), Some(&tenant("acme")));
        assert_eq!(format!("{:?}", failure.reason()), "TenantMismatch");
        assert_eq!(upgrade::refuse(&failure).status(), 403);
    }
    assert!(present(&good(), &Route::any().of_tenant(&tenant("acme"))).is_ok());
}

/// A05.
#[test]
fn one_key_id_of_two_tenants_is_two_keys() {
    let mut theirs = claims();
    theirs["iss"] = world::GLOBEX.into();
    theirs["tenant"] = "globex".into();
    let token = mint("globex", &header().to_string(), &theirs.to_string());
    assert_eq!(present(&token, &Route::any()).unwrap().tenant(), &tenant("globex"));
    let token = mint("acme", &header().to_string(), &theirs.to_string());
    let failure = present(&token, &Route::any()).unwrap_err();
    assert_eq!(format!("{:?}", failure.reason()), "SignatureInvalid");
}

/// A11: more than any honest token holds, in every dimension.
#[test]
fn refuses_bombs() {
    let header = header().to_string();
    let padded = |filler: String| {
        let mut claims = claims().to_string();
        claims.truncate(claims.len() - 1);
        mint("acme", &header, &format!("{claims},\"x\":{filler}}}"))
    };
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let members = |count: usize| {
        let list: Vec<_> = (0..count).map(|i| format!("\"{i}\":0")).collect();
        format!("{{{}}}", list.join(","))
    };
    assert!(present(&padded(nested(7)), &Route::any()).is_ok());
    assert!(present(&padded(members(64)), &Route::any()).is_ok());
    for bomb in [
        nested(8),
        nested(2_000),
        nested(10_000),
        members(65),
        members(500),
        members(1_000_000),
        format!("\"{}\"", "x".repeat(2_700_000)),
    ] {
        let failure = present(&padded(bomb), &Route::any()).unwrap_err();
        assert_eq!(format!("{:?}", failure.reason()), "CredentialMalformed");
    }
}

/// A13: asked for exactly, granted exactly.
#[test]
fn a_scope_is_granted_to_exactly_its_own_name() {
    let with = |scope: &str| {
        let mut claims = claims();
        claims["scope"] = scope.into();
        mint("acme", &header().to_string(), &claims.to_string())
    };
    let needs = ["events:read"];
    let route = Route::any().needs_scopes(&needs);
    assert!(present(&with("a events:read"), &route).is_ok());
    let both = ["events:read", "a"];
    let route_of_two = Route::any().needs_scopes(&both);
    assert!(present(&with("a events:read"), &route_of_two).is_ok());
    for one in both {
        assert!(present(&with(one), &route_of_two).is_err());
    }
    for scope in [
        "",
        "events",
        "events:",
        "events:*",
        "events:rea",
        "events:read2",
        "EVENTS:READ",
        "a\tevents:read",
        "a\u{a0}events:read",
        "a\u{2003}events:read",
        "a,events:read",
        "events:read\n",
        "events:re\u{200b}ad",
    ] {
        let failure = present(&with(scope), &route).unwrap_err();
        assert_eq!(format!("{:?}", failure.reason()), "ScopeMissing", "{scope:?}");
    }
    let failure = present(&good(), &Route::any().in_region("us-1")).unwrap_err();
    assert_eq!(format!("{:?}", failure.reason()), "WrongRegion");
    assert!(present(&good(), &Route::any().in_region("eu-1")).is_ok());
}
