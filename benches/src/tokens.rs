//! Tenants' issuers with a key of each algorithm, and any number of good tokens.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam::{
    auth::{Algorithm, IssuerConfig, KeySet, Verifier},
    core::{Authority, Now, TenantId},
};
use serde_json::json;

use crate::SetupError;

/// Who tokens are for.
pub const AUDIENCE: &str = "https://events.example.com";

/// One set of keys, with which all issuers of a measurement sign.
pub struct Mint {
    ed25519: Ed25519KeyPair,
    p256: EcdsaKeyPair,
    rsa: RsaKeyPair,
    random: SystemRandom,
    issued_at_s: i64,
}

impl Mint {
    /// Fresh keys (RSA of 2,048 bits), whose tokens are issued at `now` and live for 15 minutes.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the system has no random bytes.
    pub fn new(now: Now) -> Result<Self, SetupError> {
        let random = SystemRandom::new();
        let seed = Ed25519KeyPair::generate_pkcs8(&random)?;
        Ok(Self {
            ed25519: Ed25519KeyPair::from_pkcs8(seed.as_ref())?,
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            rsa: RsaKeyPair::generate(KeySize::Rsa2048)?,
            random,
            issued_at_s: now.wall_ms() / 1_000,
        })
    }

    /// The public keys as a JWK set; each key's id is its algorithm's name.
    #[must_use]
    pub fn jwks(&self) -> String {
        let point = self.p256.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
        let rsa: PublicKeyComponents<Vec<u8>> = self.rsa.public_key().into();
        json!({ "keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "EdDSA", "x": BASE64.encode(self.ed25519.public_key())},
            {"kty": "EC", "crv": "P-256", "kid": "ES256", "x": x, "y": y},
            {"kty": "RSA", "kid": "RS256", "n": BASE64.encode(rsa.n), "e": BASE64.encode(rsa.e)},
        ]})
        .to_string()
    }

    /// The public key of an algorithm, parsed by the backend.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the algorithm is none of the three default ones.
    pub fn public_key(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, SetupError> {
        Ok(match algorithm {
            Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, self.ed25519.public_key())?,
            Algorithm::Es256 => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.p256.public_key())?
            }
            Algorithm::Rs256 => {
                let parts: PublicKeyComponents<Vec<u8>> = self.rsa.public_key().into();
                parts.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?
            }
            other => return Err(format!("no key for {}", other.name()).into()),
        })
    }

    /// The `number`th good token of a tenant.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the algorithm is none of the three default ones.
    pub fn token(&self, algorithm: Algorithm, id: &str, number: u64) -> Result<String, SetupError> {
        self.token_of_key(algorithm, algorithm.name(), id, number)
    }

    /// The same under any key id.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn token_of_key(
        &self,
        algorithm: Algorithm,
        key_id: &str,
        id: &str,
        number: u64,
    ) -> Result<String, SetupError> {
        let header = json!({"alg": algorithm.name(), "typ": "at+jwt", "kid": key_id});
        let claims = json!({
            "iss": issuer(id), "aud": AUDIENCE, "sub": "dashboard", "client_id": "dashboard",
            "jti": format!("{number:016x}"), "iat": self.issued_at_s, "exp": self.issued_at_s + 900,
            "tenant": id, "org": "9dfb369b-ab13-4fae-a276-55daa05f1119",
            "scope": "events:read events:ack", "region": "eu-1",
        });
        let input =
            format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let bytes = input.as_bytes();
        let signature = match algorithm {
            Algorithm::EdDsa => self.ed25519.sign(bytes).as_ref().to_vec(),
            Algorithm::Es256 => self.p256.sign(&self.random, bytes)?.as_ref().to_vec(),
            Algorithm::Rs256 => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, bytes, &mut signature)?;
                signature
            }
            other => return Err(format!("no key for {}", other.name()).into()),
        };
        Ok(format!("{input}.{}", BASE64.encode(signature)))
    }

    /// A verifier of these tenants' tokens.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if an id is none.
    pub fn verifier(&self, ids: &[&str], now: Now) -> Result<Verifier, SetupError> {
        let mut verifier = Verifier::new(Authority::new([7; 16]));
        for id in ids {
            let keys = KeySet::import(self.jwks().as_bytes())?;
            verifier =
                verifier.with_issuer(registration(id)?)?.with_keys(&issuer(id), keys, now)?;
        }
        Ok(verifier)
    }
}

/// A tenant's issuer.
#[must_use]
pub fn issuer(id: &str) -> String {
    format!("https://id.example.com/{id}")
}

/// Its registration.
///
/// # Errors
///
/// [`SetupError`] if the id is none.
pub fn registration(id: &str) -> Result<IssuerConfig, SetupError> {
    Ok(IssuerConfig::new(&issuer(id), TenantId::parse(id)?, AUDIENCE))
}
