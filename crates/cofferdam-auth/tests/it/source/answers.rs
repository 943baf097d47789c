//! What a token endpoint answers, and what is taken for a token.

use std::time::Duration;

use cofferdam_auth::source::{
    Alert, Assertion, Body, ClientConfig, Credential, Expected, Failure, Input, NoToken,
    OAuthError, Secret, TokenForm, Unsound, Witness,
};
use serde_json::{Value, json};

use super::rig::{AUDIENCE, ISSUER, Rig, claims, config, jwt, response};

/// What `config`'s source says to this answer.
fn verdict_of(config: ClientConfig, answer: &str, witness: Option<&str>) -> Result<(), Failure> {
    let mut rig = Rig::new(config);
    rig.want();
    let attempt = rig.request().attempt();
    let witness = witness.map(Body::new);
    rig.tell(Input::Obtained { attempt, answer: Body::new(answer), witness });
    let alerts = rig.alerts();
    if !rig.ready().is_empty() {
        assert!(alerts.is_empty() && rig.refused().is_empty());
        return Ok(());
    }
    assert!(!alerts.is_empty(), "an answer that is refused is an alert");
    match rig.refused().pop() {
        Some(NoToken::Failed { why, .. }) => Err(why),
        // The caller waits for the next attempt.
        None => Err(Failure::Unsound(Unsound::Malformed)),
        other => panic!("{other:?}"),
    }
}

fn verdict(answer: &str) -> Result<(), Unsound> {
    match verdict_of(config("acme"), answer, None) {
        Ok(()) => Ok(()),
        Err(Failure::Unsound(unsound)) => Err(unsound),
        Err(other) => panic!("{other:?}"),
    }
}

fn with(member: &str, value: impl Into<Value>) -> String {
    let mut answer = response(&claims("acme"), 3600);
    answer[member] = value.into();
    answer.to_string()
}

fn with_claim(name: &str, value: impl Into<Value>) -> String {
    let mut claims = claims("acme");
    claims[name] = value.into();
    response(&claims, 3600).to_string()
}

fn without_claim(name: &str) -> String {
    let mut claims = claims("acme");
    claims.as_object_mut().unwrap().remove(name);
    response(&claims, 3600).to_string()
}

#[test]
fn takes_a_sound_response_in_every_lawful_spelling() {
    for answer in [
        response(&claims("acme"), 3600).to_string(),
        with("token_type", "bearer"),
        with("token_type", "BEARER"),
        with("scope", "b a"),
        with("refresh_token", "ignored"),
        with_claim("aud", json!(["https://other.example.com", AUDIENCE])),
        with_claim("scope", json!(["b", "a"])),
        with_claim("exp", 4_102_444_800_i64),
        without_claim("client_id"),
    ] {
        assert_eq!(verdict(&answer), Ok(()), "{answer}");
    }
}

#[test]
fn refuses_a_response_of_another_form() {
    let sound = response(&claims("acme"), 3600).to_string();
    let twice = sound.replacen('{', r#"{"access\u005ftoken":"x","#, 1);
    let large = with("padding", " ".repeat(16 * 1024));
    for (answer, unsound) in [
        (String::new(), Unsound::Malformed),
        ("<html>".to_owned(), Unsound::Malformed),
        ("[]".to_owned(), Unsound::Malformed),
        (format!("{sound}{sound}"), Unsound::Malformed),
        (twice, Unsound::Malformed),
        (with("error", "invalid_client"), Unsound::Malformed),
        (with("token_type", "mac"), Unsound::TokenType),
        (with("token_type", " bearer"), Unsound::TokenType),
        (with("token_type", Value::Null), Unsound::TokenType),
        (with("access_token", ""), Unsound::TokenSyntax),
        (with("access_token", "a b"), Unsound::TokenSyntax),
        (with("access_token", "a\r\nb"), Unsound::TokenSyntax),
        (with("access_token", "a=b"), Unsound::TokenSyntax),
        (with("access_token", "=="), Unsound::TokenSyntax),
        (with("access_token", 7), Unsound::TokenSyntax),
        (with("access_token", "a".repeat(8 * 1024 + 1)), Unsound::TokenSyntax),
        (with("access_token", "a".repeat(8 * 1024)), Unsound::NotJwt),
        (with("access_token", "opaque"), Unsound::NotJwt),
        (with("access_token", "a.b"), Unsound::NotJwt),
        (with("scope", "a  b"), Unsound::ScopeSyntax),
        (with("scope", json!({})), Unsound::ScopeSyntax),
    ] {
        assert_eq!(verdict(&answer), Err(unsound), "{answer}");
    }
    assert_eq!(verdict(&large), Err(Unsound::Malformed), "too large, and worth another attempt");
}

#[test]
fn refuses_a_lifetime_that_nobody_can_believe() {
    let day = 86_400;
    for value in [json!(0), json!(-1), json!("3600"), json!(3600.5), json!(1e9), json!(null)] {
        assert_eq!(verdict(&with("expires_in", value.clone())), Err(Unsound::Lifetime), "{value}");
    }
    for (seconds, verdict_is) in [
        (1, Ok(())),
        (2 * day, Ok(())),
        (2 * day + 1, Err(Unsound::Lifetime)),
        (i64::MAX, Err(Unsound::Lifetime)),
    ] {
        assert_eq!(verdict(&with("expires_in", seconds)), verdict_is, "{seconds}");
    }
    let mut absent = response(&claims("acme"), 1);
    absent.as_object_mut().unwrap().remove("expires_in");
    assert_eq!(verdict(&absent.to_string()), Err(Unsound::Lifetime));
    let assumed =
        ClientConfig { assumed_lifetime: Some(Duration::from_secs(60)), ..config("acme") };
    assert_eq!(verdict_of(assumed, &absent.to_string(), None), Ok(()));
    // A JWT that is over already, whatever the response says.
    assert_eq!(verdict(&with_claim("exp", 1_700_000_000)), Err(Unsound::Lifetime));
    assert_eq!(verdict(&with_claim("exp", "4102444800")), Err(Unsound::Lifetime));
}

/// The server, a proxy or a swapped secret gives acme the token of globex.
#[test]
fn refuses_a_token_of_another_tenant() {
    let foreign = response(&claims("globex"), 3600).to_string();
    assert_eq!(verdict(&foreign), Err(Unsound::Client));
    for (answer, unsound) in [
        (with_claim("tenant", "org-globex"), Unsound::Tenant),
        (with_claim("tenant", "org-acme "), Unsound::Tenant),
        (with_claim("tenant", json!(["org-acme"])), Unsound::Tenant),
        (without_claim("tenant"), Unsound::Tenant),
        (with_claim("iss", "https://login.example.com/"), Unsound::Issuer),
        (with_claim("iss", json!([ISSUER])), Unsound::Issuer),
        (without_claim("iss"), Unsound::Issuer),
        (with_claim("aud", "https://api.example.org"), Unsound::Audience),
        (with_claim("aud", json!([AUDIENCE, 7])), Unsound::Audience),
        (without_claim("aud"), Unsound::Audience),
        (with_claim("client_id", "client-globex"), Unsound::Client),
        (with_claim("client_id", Value::Null), Unsound::Client),
    ] {
        assert_eq!(verdict(&answer), Err(unsound), "{answer}");
    }
}

#[test]
fn a_region_is_asserted_where_it_is_registered() {
    let expected = Expected {
        region: Assertion::at(&["place", "region"], "7"),
        ..Expected::new(ISSUER, AUDIENCE, "org-acme")
    };
    let config = ClientConfig { token_form: TokenForm::Jwt(expected), ..config("acme") };
    let verdict = |answer: &str| verdict_of(config.clone(), answer, None);
    assert_eq!(verdict(&with_claim("place", json!({"region": "7"}))), Ok(()));
    assert_eq!(verdict(&with_claim("place", json!({"region": 7}))), Ok(()));
    for place in [json!({"region": 7.0}), json!({"region": "8"}), json!("7")] {
        let refused = verdict(&with_claim("place", place));
        assert_eq!(refused, Err(Failure::Unsound(Unsound::Region)));
    }
}

#[test]
fn scope_drift_is_an_error_that_names_the_difference() {
    for (answer, added, missing) in [
        (with_claim("scope", "a b admin"), vec!["admin"], vec![]),
        (with_claim("scope", "a"), vec![], vec!["b"]),
        (with_claim("scope", "a B"), vec!["B"], vec!["b"]),
        (with_claim("scope", ""), vec![], vec!["a", "b"]),
        // The response's own, although the claims are as they should be.
        (with("scope", "a b admin"), vec!["admin"], vec![]),
        (with("scope", "b"), vec![], vec!["a"]),
    ] {
        let Err(Unsound::Scopes(drift)) = verdict(&answer) else { panic!("{answer}") };
        assert_eq!((drift.added(), drift.missing()), (&*strings(&added), &*strings(&missing)));
        for name in added.iter().chain(&missing) {
            assert!(drift.to_string().contains(name), "{drift}");
        }
    }
    assert_eq!(verdict(&without_claim("scope")), Err(Unsound::ScopeSyntax));
    let mut rig = Rig::acme();
    rig.want();
    let attempt = rig.request().attempt();
    rig.answer(attempt, Body::new(with_claim("scope", "a b c")));
    assert!(matches!(&rig.alerts()[..], [Alert::ScopeDrift(_), Alert::BreakerOpened(_)]));
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn an_opaque_token_is_what_its_response_says_if_nobody_else_is_asked() {
    let config = ClientConfig { token_form: TokenForm::Opaque(Witness::Nobody), ..config("acme") };
    let mut answer =
        json!({"access_token": "opaque", "token_type": "bearer", "expires_in": 86_400});
    assert_eq!(verdict_of(config.clone(), &answer.to_string(), None), Ok(()));
    answer["scope"] = "a b c".into();
    let refused = verdict_of(config, &answer.to_string(), None);
    assert!(matches!(refused, Err(Failure::Unsound(Unsound::Scopes(_)))));
}

#[test]
fn an_opaque_token_needs_its_witness() {
    let answer = json!({"access_token": "opaque", "token_type": "bearer", "expires_in": 60});
    let answer = answer.to_string();
    let expected = Expected {
        issuer: Assertion::NotStated,
        audience: Assertion::NotStated,
        tenant: Assertion::at(&["organization", "id"], "org-acme"),
        region: Assertion::NotStated,
        scopes: vec!["authorizedScope".into()],
    };
    let endpoint = "https://api.example.com/api/v2/tokens/me".to_owned();
    let witness = Witness::Identity { endpoint, expected: expected.clone() };
    let identity = ClientConfig { token_form: TokenForm::Opaque(witness), ..config("acme") };
    let verdict = |witness: Option<&str>| verdict_of(identity.clone(), &answer, witness);
    let good = r#"{"organization":{"id":"org-acme"},"authorizedScope":["b","a"]}"#;
    assert_eq!(verdict(Some(good)), Ok(()));
    let refused = |unsound| Err(Failure::Unsound(unsound));
    assert_eq!(verdict(None), refused(Unsound::NoWitness));
    let foreign = good.replace("acme", "globex");
    assert_eq!(verdict(Some(&foreign)), refused(Unsound::Tenant));
    assert_eq!(verdict(Some(r#"{"id":"org-acme"}"#)), refused(Unsound::Tenant));
    assert_eq!(verdict(Some("{")), refused(Unsound::Malformed));
    let wide = good.replace("\"b\"", "\"b\",\"c\"");
    assert!(matches!(verdict(Some(&wide)), Err(Failure::Unsound(Unsound::Scopes(_)))));

    let endpoint = "https://login.example.com/introspect".to_owned();
    let expected = Expected { tenant: Assertion::claim("org", "org-acme"), ..expected };
    let expected = Expected { scopes: vec!["scope".into()], ..expected };
    let witness = Witness::Introspection { endpoint, expected };
    let introspected = ClientConfig { token_form: TokenForm::Opaque(witness), ..config("acme") };
    let verdict = |witness: &str| verdict_of(introspected.clone(), &answer, Some(witness));
    let good = r#"{"active":true,"org":"org-acme","scope":"a b","client_id":"client-acme"}"#;
    assert_eq!(verdict(good), Ok(()));
    assert_eq!(verdict(&good.replace("true", "false")), refused(Unsound::Inactive));
    assert_eq!(verdict(&good.replace("true", "\"true\"")), refused(Unsound::Inactive));
    assert_eq!(verdict(&good.replace("client-acme", "client-x")), refused(Unsound::Client));
}

#[test]
fn a_refusals_code_is_read_and_its_text_is_not_repeated() {
    for (answer, code) in [
        (r#"{"error":"invalid_client","error_description":"SECRET"}"#, OAuthError::InvalidClient),
        (r#"{"error":"invalid_scope"}"#, OAuthError::InvalidScope),
        (r#"{"error":"SECRET"}"#, OAuthError::Other),
        (r#"{"error":"invalid_client","error":"invalid_scope"}"#, OAuthError::Other),
        ("<html>SECRET", OAuthError::Other),
    ] {
        let failure = Failure::of_status(400, answer.as_bytes());
        assert_eq!(failure, Failure::Refused(code), "{answer}");
        assert!(!format!("{failure} {failure:?}").contains("SECRET"));
    }
    assert_eq!(Failure::of_status(429, b""), Failure::Throttled);
    assert_eq!(Failure::of_status(503, b""), Failure::Status(503));
}

#[test]
fn no_effect_shows_a_token() {
    let token = jwt(&claims("acme"));
    let mut rig = Rig::acme();
    rig.want();
    let attempt = rig.request().attempt();
    let input = Input::Obtained {
        attempt,
        answer: Body::new(response(&claims("acme"), 60).to_string()),
        witness: None,
    };
    let mut shown = format!("{input:?}");
    rig.tell(input);
    shown.push_str(&format!("{:?} {:?}", rig.effects, rig.source));
    assert!(!shown.contains(&token) && !shown.contains(&token[40..60]), "{shown}");
    let credential = Credential::Post(Secret::new("hunter2"));
    let mut rig = Rig::new(ClientConfig { credential, ..config("acme") });
    rig.want();
    let request = rig.request();
    let shown = format!("{request:?}");
    assert!(shown.contains("attempt") && !shown.contains("hunter2"), "{shown}");
    let http = request.http(rig.now()).unwrap();
    assert!(http.form().unwrap().contains("client_secret=hunter2"));
    assert!(!format!("{http:?} {:?}", rig.source).contains("hunter2"));
}
