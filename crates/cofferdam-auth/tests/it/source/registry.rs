//! One tenant, one client, one credential.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use cofferdam_auth::{
    Algorithm,
    source::{
        Assertion, AssertionAudience, AssertionKey, ClientConfig, Clients, Credential, Expected,
        InvalidClient, Secret, TokenForm, Witness,
    },
};

use super::rig::{ENDPOINT, config};
use crate::world::tenant;

fn clients() -> Clients {
    let mut clients = Clients::new([1; 32]);
    clients.register(config("acme")).unwrap();
    clients
}

fn key() -> Arc<AssertionKey> {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    Arc::new(AssertionKey::from_pkcs8(Algorithm::Es256, "k1", document.as_ref()).unwrap())
}

#[test]
fn a_client_has_at_most_64_scopes() {
    for (count, good) in [(64, true), (65, false)] {
        let scopes = (0..count).map(|i: u32| i.to_string()).collect();
        let most = ClientConfig { scopes, ..config("acme") };
        assert_eq!(Clients::new([1; 32]).register(most).is_ok(), good, "{count}");
    }
}

#[test]
fn what_is_shown_is_no_secret_and_names_no_other_tenant() {
    let mut clients = Clients::new([1; 32]);
    let secret = ClientConfig {
        credential: Credential::Basic(Secret::new("hunter2")),
        parameters: vec![("api_key".to_owned(), "hunter2".to_owned())],
        ..config("acme")
    };
    let shown = format!("{secret:?}");
    assert!(shown.starts_with("ClientConfig { tenant:") && shown.contains("acme"), "{shown}");
    clients.register(secret).unwrap();
    let own = clients.get(&tenant("acme")).unwrap();
    let all = format!("{shown} {clients:?} {own:?} {:?}", key());
    assert!(all.contains("Client { tenant: "), "{all}");
    assert!(!all.contains("hunter2"), "{all}");
    assert_eq!(format!("{clients:?}"), "Clients { clients: 1, .. }");
    assert_eq!(format!("{:?}", key()), r#"AssertionKey { algorithm: Es256, key_id: "k1", .. }"#);
}

#[test]
fn refuses_one_client_id_of_one_server_under_two_tenants() {
    let refused = |endpoint: &str, client_id: &str| {
        let globex = ClientConfig {
            token_endpoint: endpoint.to_owned(),
            client_id: client_id.to_owned(),
            ..config("globex")
        };
        clients().register(globex).err()
    };
    let shared = Some(InvalidClient::ClientShared);
    assert_eq!(refused(ENDPOINT, "client-acme"), shared);
    // Other spellings of the same server and the same client.
    assert_eq!(refused("https://LOGIN.example.com:443/oauth/token/", "client-acme"), shared);
    assert_eq!(refused("https://login.example.com/realms/globex/token", "client-acme"), shared);
    assert_eq!(refused(ENDPOINT, "CLIENT-Acme"), shared);
    // Another server, another client.
    assert_eq!(refused("https://login.example.de/oauth/token", "client-acme"), None);
    assert_eq!(refused("https://login.example.com:8443/oauth/token", "client-acme"), None);
    assert_eq!(refused(ENDPOINT, "client-acme2"), None);
}

#[test]
fn refuses_one_secret_under_two_tenants_wherever_it_is_used() {
    let mut clients = clients();
    let secret = Secret::new("secret-of-acme");
    for credential in [Credential::Basic(secret.clone()), Credential::Post(secret)] {
        let endpoint = "https://elsewhere.example.org/token".to_owned();
        let globex = ClientConfig { credential, token_endpoint: endpoint, ..config("globex") };
        assert_eq!(clients.register(globex).err(), Some(InvalidClient::CredentialShared));
    }
    // Nothing was registered by a refusal.
    assert!(clients.get(&tenant("globex")).is_none());
    clients.register(config("globex")).unwrap();
}

#[test]
fn refuses_one_private_key_under_two_tenants() {
    let key = key();
    let with = |id: &str, key: &Arc<AssertionKey>| ClientConfig {
        credential: Credential::PrivateKey {
            key: Arc::clone(key),
            audience: AssertionAudience::Issuer,
        },
        ..config(id)
    };
    let mut clients = Clients::new([1; 32]);
    clients.register(with("acme", &key)).unwrap();
    let refused = clients.register(with("globex", &key)).err();
    assert_eq!(refused, Some(InvalidClient::CredentialShared));
    clients.register(with("globex", &self::key())).unwrap();
}

#[test]
fn a_tenant_has_one_client_which_can_be_replaced_and_removed() {
    let mut clients = clients();
    assert_eq!(clients.register(config("acme")).err(), Some(InvalidClient::TenantTaken));
    assert_eq!(clients.replace(config("globex")).err(), Some(InvalidClient::UnknownTenant));
    clients.register(config("globex")).unwrap();
    // A new secret frees the old one; a foreign one changes nothing.
    let with = |id: &str, secret: &str| ClientConfig {
        credential: Credential::Basic(Secret::new(secret)),
        ..config(id)
    };
    let foreign = clients.replace(with("globex", "secret-of-acme")).err();
    assert_eq!(foreign, Some(InvalidClient::CredentialShared));
    clients.replace(with("acme", "newer")).unwrap();
    assert_eq!(
        clients.replace(with("globex", "newer")).err(),
        Some(InvalidClient::CredentialShared)
    );
    clients.replace(with("globex", "secret-of-acme")).unwrap();
    // Removed, everything is free again.
    assert!(clients.remove(&tenant("acme")) && !clients.remove(&tenant("acme")));
    let heir = ClientConfig { client_id: "client-acme".into(), ..with("initech", "newer") };
    clients.register(heir).unwrap();
}

#[test]
fn refuses_a_registration_that_would_leave_something_unasserted() {
    type Spoil = fn(&mut ClientConfig);
    fn expected() -> Expected {
        Expected::new("https://login.example.com", "https://api.example.com", "org")
    }
    let cases: &[(InvalidClient, Spoil)] = &[
        (InvalidClient::Endpoint, |c| c.token_endpoint = "http://login.example.com/t".into()),
        (InvalidClient::Endpoint, |c| {
            let endpoint = "http://api.example.com/me".into();
            let expected = expected();
            c.token_form = TokenForm::Opaque(Witness::Identity { endpoint, expected });
        }),
        (InvalidClient::ClientId, |c| c.client_id.clear()),
        (InvalidClient::ClientId, |c| c.client_id = "a\nb".into()),
        (InvalidClient::ClientId, |c| c.client_id = "a".repeat(257)),
        (InvalidClient::Credential, |c| c.credential = Credential::Post(Secret::new(""))),
        (InvalidClient::Credential, |c| c.credential = Credential::Basic(Secret::new("é"))),
        (InvalidClient::Credential, |c| {
            let audience = AssertionAudience::Issuer;
            c.credential = Credential::PrivateKey { key: key(), audience };
            c.token_form = TokenForm::Opaque(Witness::Nobody);
        }),
        (InvalidClient::TokenForm, |c| {
            c.token_form = TokenForm::Jwt(Expected { issuer: Assertion::NotStated, ..expected() });
        }),
        (InvalidClient::TokenForm, |c| {
            c.token_form =
                TokenForm::Jwt(Expected { audience: Assertion::NotStated, ..expected() });
        }),
        (InvalidClient::TokenForm, |c| {
            c.token_form =
                TokenForm::Jwt(Expected { tenant: Assertion::claim("tenant", ""), ..expected() });
        }),
        (InvalidClient::TokenForm, |c| {
            let endpoint = "https://api.example.com/me".into();
            let expected = Expected { tenant: Assertion::NotStated, ..expected() };
            c.token_form = TokenForm::Opaque(Witness::Identity { endpoint, expected });
        }),
        (InvalidClient::TokenForm, |c| {
            let region = Assertion::at(&["a", "b", "c", "d", "e"], "eu");
            c.token_form = TokenForm::Jwt(Expected { region, ..expected() });
        }),
        (InvalidClient::Scopes, |c| c.scopes = ["a b".into()].into()),
        (InvalidClient::Scopes, |c| c.scopes = [String::new()].into()),
        (InvalidClient::Scopes, |c| c.scopes = (0..65).map(|i| i.to_string()).collect()),
        (InvalidClient::Parameters, |c| c.parameters.push(("scope".into(), "x".into()))),
        (InvalidClient::Parameters, |c| c.parameters.push(("grant_type".into(), "x".into()))),
        (InvalidClient::Parameters, |c| c.parameters = vec![("r".into(), "x".into()); 9]),
        (InvalidClient::Lifetime, |c| c.longest_lifetime = Duration::ZERO),
        (InvalidClient::Lifetime, |c| c.assumed_lifetime = Some(Duration::from_millis(999))),
        (InvalidClient::Lifetime, |c| c.usual_lifetime = Some(Duration::MAX)),
    ];
    for (error, spoil) in cases {
        let mut config = config("acme");
        spoil(&mut config);
        assert_eq!(
            Clients::new([1; 32]).register(config.clone()).err(),
            Some(*error),
            "{config:?}"
        );
    }
}

#[test]
fn nothing_shows_a_secret_or_another_tenant() {
    let mut clients = clients();
    let config = config("acme");
    let client = clients.get(&tenant("acme")).unwrap();
    let shown = format!("{config:?} {client:?} {clients:?} {:?}", key());
    assert!(!shown.contains("secret-of"), "{shown}");
    let same_id = ClientConfig { client_id: "client-acme".into(), ..self::config("globex") };
    let refusal = clients.register(same_id).unwrap_err();
    assert!(!refusal.to_string().contains("acme"), "{refusal}");
}
