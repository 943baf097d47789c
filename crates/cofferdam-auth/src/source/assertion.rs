//! `private_key_jwt`: a client that proves itself with a signature instead of a secret (RFC 7523
//! sections 2.2 and 3).
//!
//! The assertion names the client as issuer and subject, one audience, a random id, and dies a
//! minute after it was made. Which audience is a choice of the registration: RFC 7523 suggests the
//! token endpoint, but a client of several servers can be tricked by one of them into making an
//! assertion for another (CVE-2025-27370), so newer servers want the issuer's own name.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use cofferdam_core::Now;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{Algorithm, jws};

/// How long an assertion is good for, in seconds.
const LIFETIME_S: i64 = 60;

/// The private key of a client, for signing assertions. Erased when dropped, never shown.
pub struct AssertionKey {
    algorithm: Algorithm,
    key_id: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The bytes are not a private key of the algorithm, or the key id is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a private key of this algorithm, or not a key id")]
pub struct InvalidAssertionKey(());

impl AssertionKey {
    /// Reads a private key from PKCS#8 in DER. RSA keys have at least 2,048 bits.
    ///
    /// `key_id` is the name under which the server knows the public key: 1 to 128 of
    /// `A-Z a-z 0-9 _ -`. The copy of the bytes that the caller has is the caller's to erase.
    ///
    /// # Errors
    ///
    /// [`InvalidAssertionKey`] if the bytes are not a sound key of `algorithm`, or `key_id` has
    /// another form.
    pub fn from_pkcs8(
        algorithm: Algorithm,
        key_id: &str,
        pkcs8: &[u8],
    ) -> Result<Self, InvalidAssertionKey> {
        let refused = |_| InvalidAssertionKey(());
        let rsa = |encoding| match RsaKeyPair::from_pkcs8(pkcs8) {
            Ok(pair) => Ok(Pair::Rsa(pair, encoding)),
            Err(error) => Err(refused(error)),
        };
        let pair = match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256)?,
            Algorithm::Rs384 => rsa(&RSA_PKCS1_SHA384)?,
            Algorithm::Rs512 => rsa(&RSA_PKCS1_SHA512)?,
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256)?,
            Algorithm::Es256 => Pair::P256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                    .map_err(refused)?,
            ),
            Algorithm::EdDsa | Algorithm::Ed25519 => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(refused)?)
            }
        };
        if !jws::is_key_id(key_id) {
            return Err(InvalidAssertionKey(()));
        }
        Ok(Self { algorithm, key_id: key_id.to_owned(), pair })
    }

    /// The public half, by which one key under two names is known for the same.
    pub(super) fn public(&self) -> &[u8] {
        match &self.pair {
            Pair::Rsa(pair, _) => pair.public_key().as_ref(),
            Pair::P256(pair) => pair.public_key().as_ref(),
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    /// An assertion of `client_id` toward `audience`, as a compact JWT.
    pub(super) fn assert(
        &self,
        client_id: &str,
        audience: &str,
        token_id: [u8; 16],
        now: Now,
    ) -> Result<Zeroizing<String>, SigningFailed> {
        let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
        let header = json!({"alg": self.algorithm.name(), "kid": self.key_id, "typ": "JWT"});
        let issued = now.wall_ms().div_euclid(1_000);
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": BASE64_URL_SAFE_NO_PAD.encode(token_id),
            "iat": issued,
            "exp": issued.saturating_add(LIFETIME_S),
        });
        let mut token = encode(header.to_string());
        token.push('.');
        token.push_str(&encode(claims.to_string()));
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(Zeroizing::new(token))
    }

    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        // What is random in a signature is the library's business; it takes no generator of ours.
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, input, &mut signature)
                    .map_err(|_| SigningFailed(()))?;
                Ok(signature)
            }
            Pair::P256(pair) => {
                let signature = pair.sign(&random, input).map_err(|_| SigningFailed(()))?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(input).as_ref().to_vec()),
        }
    }
}

/// The library that signs gave no signature.
#[derive(Debug)]
pub(super) struct SigningFailed(());

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}
