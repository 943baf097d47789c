//! Whatever is not the token that was signed is refused, and nothing panics.

use cofferdam_auth::{Route, Unverified};
use cofferdam_core::{ConnectionId, Epoch, Reason};
use proptest::{prelude::*, sample::Index};

use crate::world::{WORLD, claims, encode, good, header, mint, now};

fn verify(token: &str) -> Result<(), Reason> {
    let checked = WORLD.verifier.verify(token, &Route::any(), now(), ConnectionId(1), Epoch(1));
    checked.map(drop).map_err(|failure| failure.reason())
}

fn token_of(signer: &str) -> String {
    let (alg, kid) = match signer {
        "acme-p256" => ("ES256", "k2"),
        "acme-rsa" => ("RS256", "k3"),
        _ => ("EdDSA", "k1"),
    };
    let header = serde_json::json!({"alg": alg, "typ": "at+jwt", "kid": kid});
    mint(signer, &header.to_string(), &claims().to_string())
}

/// A JSON text that is mostly not sound.
fn json_like() -> impl Strategy<Value = String> {
    prop_oneof![
        r#"[\{\}\[\]",:0-9a-z\\ ]{0,80}"#,
        r#"\{"[a-z]{1,3}":(null|true|-?[0-9]{1,30}(\.[0-9]{1,3})?|"[^"\\]{0,9}")\}"#,
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn refuses_a_token_with_any_one_character_changed(
        signer in prop_oneof![Just("acme"), Just("acme-p256"), Just("acme-rsa")],
        at in any::<Index>(),
        to in prop_oneof!["[A-Za-z0-9_-]", "[ -~]", any::<char>().prop_map(String::from)],
    ) {
        let token = token_of(signer);
        let at = at.index(token.len());
        prop_assume!(token[at..=at] != to);
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assert!(verify(&changed).is_err(), "{changed}");
    }

    #[test]
    fn refuses_a_token_cut_or_lengthened(at in any::<Index>(), more in "[A-Za-z0-9_.-]{1,9}") {
        let token = good();
        prop_assert!(verify(&token[..at.index(token.len())]).is_err());
        for longer in [format!("{token}{more}"), format!("{more}{token}")] {
            prop_assert!(verify(&longer).is_err());
        }
    }

    /// Signed by the right key, so that every reader behind the signature is reached.
    #[test]
    fn no_signed_nonsense_panics_or_passes(head in json_like(), body in json_like()) {
        for token in [
            mint("acme", &head, &body),
            mint("acme", &header().to_string(), &body),
            mint("acme", &head, &claims().to_string()),
        ] {
            prop_assert!(verify(&token).is_err());
            let _ = Unverified::inspect(&token);
        }
    }

    #[test]
    fn no_text_panics_or_passes(text in any::<String>(), dotted in "[A-Za-z0-9_.-]{0,64}") {
        prop_assert!(verify(&text).is_err());
        prop_assert!(verify(&dotted).is_err());
    }

    /// A03, A04: only the one issuer, only the one tenant.
    #[test]
    fn refuses_any_other_issuer_and_any_other_tenant(other in any::<String>()) {
        for claim in ["iss", "tenant"] {
            let mut claims = claims();
            prop_assume!(claims[claim] != other.as_str());
            claims[claim] = other.as_str().into();
            let token = mint("acme", &header().to_string(), &claims.to_string());
            let reason = verify(&token).unwrap_err();
            let expected = [Reason::UnknownIssuer, Reason::TenantMismatch];
            prop_assert!(expected.contains(&reason), "{reason:?}");
        }
    }

    /// A09: one more member of a name that is there, however its letters are escaped.
    #[test]
    fn refuses_a_claim_that_stands_twice(
        name in any::<Index>(),
        escaped in proptest::collection::vec(any::<bool>(), 16),
    ) {
        let mut claims = claims();
        let names: Vec<String> = claims.as_object_mut().unwrap().keys().cloned().collect();
        let name = name.get(&names);
        let spelt: String = name
            .chars()
            .zip(escaped)
            .map(|(letter, escape)| {
                if escape { format!("\\u{:04x}", u32::from(letter)) } else { letter.to_string() }
            })
            .collect();
        let mut text = claims.to_string();
        text.truncate(text.len() - 1);
        let text = format!("{text},\"{spelt}\":{}}}", claims[name.as_str()]);
        let token = mint("acme", &header().to_string(), &text);
        prop_assert_eq!(verify(&token), Err(Reason::CredentialMalformed));
    }
}

/// A12: the last character of a signature holds bits that decode to nothing.
#[test]
fn refuses_every_other_spelling_of_the_same_signature() {
    let token = good();
    let (rest, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted: Vec<_> = alphabet
        .split_inclusive(|_| true)
        .filter(|last| verify(&format!("{rest}{last}")).is_ok())
        .collect();
    assert_eq!(accepted, [last]);
}

#[test]
fn inspecting_a_token_says_whose_key_it_names() {
    let token = good();
    let seen = Unverified::inspect(&token).unwrap();
    assert_eq!(seen.issuer(), crate::world::ACME);
    assert_eq!((seen.key_id(), seen.algorithm().name()), ("k1", "EdDSA"));
    let unsigned = format!("{}.{}.", encode(header().to_string()), encode("{}"));
    assert_eq!(Unverified::inspect(&unsigned).unwrap_err().reason(), Reason::ClaimMissing);
}
