//! The keys of one issuer, as it publishes them: a JWK set (RFC 7517 section 5).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    json::{self, Object, Value},
    jws::is_key_id,
    key::{Key, KeyPrint},
};

/// The largest set in bytes.
const MAX_BODY: usize = 50 * 1024;
/// The most keys of a set.
const MAX_KEYS: usize = 20;
/// Members that only a private or a shared key has (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
pub(crate) const PRIVATE_MEMBERS: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "k", "oth"];

/// The verifying keys of one issuer, each under its own key id. Never empty; cheap to clone.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Arc<BTreeMap<Box<str>, Arc<Key>>>,
}

impl KeySet {
    /// Reads a JWK set, all of it or nothing.
    ///
    /// Keys that are not for us (encryption keys, other curves and algorithms) are left out, as RFC
    /// 7517 asks. A key that *is* for us and is not sound refuses the whole set: half a set would
    /// look like a rotation, and end sessions.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySet`], which says what is wrong with the set.
    pub fn import(jwks: &[u8]) -> Result<Self, InvalidKeySet> {
        if jwks.len() > MAX_BODY {
            return Err(InvalidKeySet::TooLarge);
        }
        let set = json::read(jwks).map_err(|_| InvalidKeySet::Malformed)?;
        let members = members(&set)?;
        if members.iter().any(|jwk| jwk.has_any(PRIVATE_MEMBERS)) {
            return Err(InvalidKeySet::PrivateKey);
        }
        let mut seen = BTreeSet::new();
        let mut keys = BTreeMap::new();
        for jwk in members {
            let key_id = jwk.text("kid");
            if key_id.is_some_and(|own| !seen.insert(own)) {
                return Err(InvalidKeySet::DuplicateKeyId);
            }
            if let Some(key) = Key::import(jwk).map_err(|_| InvalidKeySet::UnsoundKey)? {
                let key_id = key_id.filter(|own| is_key_id(own)).ok_or(InvalidKeySet::KeyId)?;
                keys.insert(key_id.into(), Arc::new(key));
            }
        }
        if keys.is_empty() {
            return Err(InvalidKeySet::Empty);
        }
        Ok(Self { keys: Arc::new(keys) })
    }

    /// The ids of the keys, in order.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(AsRef::as_ref)
    }

    /// What a session is held against: the id of each key and its digest.
    #[must_use]
    pub fn prints(&self) -> Vec<(Box<str>, KeyPrint)> {
        self.keys.iter().map(|(id, key)| (id.clone(), key.print())).collect()
    }

    /// The ids whose keys `newer` does not have, or has another key for.
    pub(crate) fn withdrawn_by(&self, newer: &Self) -> Vec<Box<str>> {
        let stays = |id: &str, key: &Key| newer.get(id).is_some_and(|own| own.is(key));
        self.keys.iter().filter(|(id, key)| !stays(id, key)).map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn get(&self, key_id: &str) -> Option<&Arc<Key>> {
        self.keys.get(key_id)
    }
}

fn members<'s, 'a>(set: &'s Object<'a>) -> Result<Vec<&'s Object<'a>>, InvalidKeySet> {
    let Some(Value::Array(keys)) = set.get("keys") else { return Err(InvalidKeySet::Malformed) };
    if keys.len() > MAX_KEYS {
        return Err(InvalidKeySet::TooManyKeys);
    }
    let objects = keys.iter().map(|key| match key {
        Value::Object(jwk) => Ok(jwk),
        _ => Err(InvalidKeySet::Malformed),
    });
    objects.collect()
}

/// Why a key set was refused. The set that was there before stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeySet {
    /// More than 50 KiB.
    #[error("the key set is larger than 50 KiB")]
    TooLarge,
    /// Not strict JSON, or not of the form of a set.
    #[error("the key set is not one sound json object with a list of keys")]
    Malformed,
    /// More than 20 keys.
    #[error("the key set holds more than 20 keys")]
    TooManyKeys,
    /// A private or shared key: the issuer has published a secret. Raise the alarm.
    #[error("the key set holds private key material")]
    PrivateKey,
    /// Two keys under one id.
    #[error("two keys of the set have one key id")]
    DuplicateKeyId,
    /// A key without an id, or with one that no token of ours can name.
    #[error("a key has no key id of 1 to 128 letters, digits, - and _")]
    KeyId,
    /// A key that is too short, weak, or contradicts itself.
    #[error("a key is weak, malformed or contradicts its own type")]
    UnsoundKey,
    /// No key to verify with is left. An outage, not a withdrawal of all keys.
    #[error("the key set holds no key to verify with")]
    Empty,
    /// The issuer is not registered.
    #[error("no issuer of this name is registered")]
    UnknownIssuer,
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

    fn import(keys: &str) -> Result<Vec<String>, InvalidKeySet> {
        let set = KeySet::import(format!(r#"{{"keys":[{keys}]}}"#).as_bytes())?;
        Ok(set.key_ids().map(str::to_owned).collect())
    }

    #[test]
    fn keeps_what_verifies_and_leaves_out_the_rest() {
        let keys = format!(
            r#"{{"kid":"b",{KEY}}},{{"kid":"e","use":"enc",{KEY}}},{{"kty":"?"}},{{"kid":"a",{KEY}}}"#
        );
        assert_eq!(import(&keys).unwrap(), ["a", "b"]);
    }

    /// V02: an empty set, an error page, a set with secrets.
    #[test]
    fn refuses_a_set_that_is_empty_broken_or_secret() {
        let one = |rest: &str| format!(r#"{{"kid":"a",{KEY}{rest}}}"#);
        for (keys, error) in [
            (String::new(), InvalidKeySet::Empty),
            (one(r#","use":"enc""#), InvalidKeySet::Empty),
            (format!("{},{}", one(""), one("")), InvalidKeySet::DuplicateKeyId),
            (format!("{},{}", one(""), one(r#","use":"enc""#)), InvalidKeySet::DuplicateKeyId),
            (format!("{{{KEY}}}"), InvalidKeySet::KeyId),
            (format!(r#"{{"kid":"a.b",{KEY}}}"#), InvalidKeySet::KeyId),
            (format!(r#"{{"kid":1,{KEY}}}"#), InvalidKeySet::KeyId),
            (
                r#"{"kid":"a","kty":"OKP","crv":"Ed25519","x":"AA"}"#.into(),
                InvalidKeySet::UnsoundKey,
            ),
            (format!(r#"{},{{"kty":"oct","k":"AA"}}"#, one("")), InvalidKeySet::PrivateKey),
            ("7".into(), InvalidKeySet::Malformed),
            (vec![one(""); 21].join(","), InvalidKeySet::TooManyKeys),
            (" ".repeat(MAX_BODY), InvalidKeySet::TooLarge),
            (one(r#","x":"AA""#), InvalidKeySet::Malformed),
        ] {
            assert_eq!(import(&keys), Err(error), "{keys:.200}");
        }
        for member in PRIVATE_MEMBERS {
            let keys = format!(r#"{{"kid":"o",{KEY}}},{}"#, one(&format!(r#","{member}":"AA""#)));
            assert_eq!(import(&keys), Err(InvalidKeySet::PrivateKey), "{member}");
        }
        // To the key, and to the byte.
        let keys = (0..20).map(|i| format!(r#"{{"kid":"{i}",{KEY}}}"#)).collect::<Vec<_>>();
        assert_eq!(import(&keys.join(",")).unwrap().len(), 20);
        let body = format!(r#"{{"keys":[{}]}}"#, one(""));
        let padded = |len: usize| format!("{body}{}", " ".repeat(len - body.len()));
        assert!(KeySet::import(padded(MAX_BODY).as_bytes()).is_ok());
        let larger = KeySet::import(padded(MAX_BODY + 1).as_bytes());
        assert_eq!(larger.unwrap_err(), InvalidKeySet::TooLarge);
        for body in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]} x"#] {
            assert!(KeySet::import(body.as_bytes()).is_err(), "{body}");
        }
    }
}
