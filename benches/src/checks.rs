//! What a check of a credential is held against: the bare signature, and another library.

use aws_lc_rs::signature::ParsedPublicKey;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use cofferdam::{
    auth::{Algorithm, Route, TokenCache, Verifier},
    core::{ConnectionId, Epoch, Now},
};
use jsonwebtoken as jwt;

use crate::{
    SetupError,
    tokens::{AUDIENCE, Mint, issuer},
};

const TENANT: &str = "acme";
/// How many different tokens each contender has.
pub const TOKENS: usize = 64;

/// One way to check a token.
pub struct Contender {
    /// What it is called.
    pub name: &'static str,
    /// Checks the token of this number, below [`TOKENS`]; all are good.
    pub check: Box<dyn FnMut(usize) -> bool>,
}

/// In this order: the bare signature, the full check, `jsonwebtoken` with every check that it has,
/// and the full check of a token that is remembered.
///
/// # Errors
///
/// [`SetupError`] if there is no such key.
pub fn contenders(
    mint: &Mint,
    algorithm: Algorithm,
    now: Now,
) -> Result<[Contender; 4], SetupError> {
    let tokens = (0..TOKENS as u64).map(|i| mint.token(algorithm, TENANT, i));
    let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
    let plain = mint.verifier(&[TENANT], now)?;
    let cached = plain.clone().with_cache(TokenCache::new(&[9; 32], 4_096));
    let bare = bare(mint.public_key(algorithm)?, &tokens)?;
    let peer = peer(&mint.jwks(), algorithm, &tokens)?;
    Ok([
        Contender { name: "bare signature", check: bare },
        Contender { name: "full check", check: full(plain, &tokens, now) },
        Contender { name: "jsonwebtoken", check: peer },
        Contender { name: "remembered", check: full(cached, &tokens, now) },
    ])
}

fn full(verifier: Verifier, tokens: &[String], now: Now) -> Box<dyn FnMut(usize) -> bool> {
    let tokens = tokens.to_vec();
    Box::new(move |i| {
        let route = Route::any().needs_scopes(&["events:read"]);
        verifier.verify(&tokens[i], &route, now, ConnectionId(1), Epoch(1)).is_ok()
    })
}

fn bare(
    key: ParsedPublicKey,
    tokens: &[String],
) -> Result<Box<dyn FnMut(usize) -> bool>, SetupError> {
    let mut pairs = Vec::new();
    for token in tokens {
        let (input, signature) = token.rsplit_once('.').ok_or("no token")?;
        pairs.push((input.as_bytes().to_vec(), BASE64.decode(signature)?));
    }
    Ok(Box::new(move |i| key.verify_sig(&pairs[i].0, &pairs[i].1).is_ok()))
}

fn peer(
    jwks: &str,
    algorithm: Algorithm,
    tokens: &[String],
) -> Result<Box<dyn FnMut(usize) -> bool>, SetupError> {
    let set: jwt::jwk::JwkSet = serde_json::from_str(jwks)?;
    let jwk = set.find(algorithm.name()).ok_or("no such key")?;
    let key = jwt::DecodingKey::from_jwk(jwk)?;
    let name = match algorithm {
        Algorithm::Rs256 => jwt::Algorithm::RS256,
        Algorithm::Es256 => jwt::Algorithm::ES256,
        _ => jwt::Algorithm::EdDSA,
    };
    let mut rules = jwt::Validation::new(name);
    rules.set_issuer(&[issuer(TENANT)]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    rules.validate_nbf = true;
    let tokens = tokens.to_vec();
    Ok(Box::new(move |i| jwt::decode::<serde_json::Value>(&tokens[i], &key, &rules).is_ok()))
}
