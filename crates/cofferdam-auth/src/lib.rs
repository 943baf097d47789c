//! Credential to tenant context: strict JWT checks, key sets per issuer, origins and upgrades.
//!
//! A [`Verifier`] holds the registered issuers, each of exactly one tenant, with their published
//! keys. It turns a compact JWT (by default RS256, ES256 or Ed25519) into a [`TenantContext`], or
//! refuses it. Nothing is optional: a token without audience, expiry, key id or tenant is refused
//! like a forged one, a claim that stands twice is refused at any depth, and a key is found by issuer
//! *and* key id, so that no tenant's key can speak for another.
//!
//! * [`KeyRing`] swaps verifiers while they are in use: rotation and revocation without a restart,
//!   checks without a lock.
//! * [`TokenCache`] spares a token that was checked before its signature, and nothing else.
//! * [`dpop`] checks that whoever presents a token has the key that it is bound to (RFC 9449).
//! * [`refresh`] decides when key sets are fetched, what an answer means, and who waits for it.
//! * [`upgrade`] does the same from the head of an HTTP request, before the WebSocket upgrade: one
//!   bearer token, one host, the browser's origin, and one answer to every refusal.
//! * [`session`] knows every live session and ends it at `exp`, at a revocation, at the withdrawal of
//!   its key and when its tenant is made again.
//! * [`source`] is the client side: tokens of our own toward a platform, one client per tenant.
//! * [`AuthFailure`] is for the audit log of the tenant that it belongs to; the peer learns
//!   nothing.
//!
//! # What it does not do
//!
//! It fetches no keys, reads no clock and opens no socket: `cofferdam-tokio` does, and hands over
//! the bytes and the time. It issues no tokens. It decrypts none (JWE), and knows no shared-secret
//! algorithms and no `none`, so that a public key can never be taken for a secret. It follows no key
//! or certificate that a token brings along. It closes no socket: [`session`] says which session must
//! end and when, and a driver closes it.
//!
//! # Example
//!
//! ```
//! use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
//! use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
//! use cofferdam_auth::{IssuerConfig, KeySet, Route, Verifier};
//! use cofferdam_core::{Authority, ConnectionId, Epoch, Now, Reason, Scoped, TenantId};
//!
//! // The tenant's issuer, and the keys that it publishes.
//! let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32])?;
//! let x = BASE64.encode(pair.public_key());
//! let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"{x}"}}]}}"#);
//!
//! let now = Now::from_millis(0, 1_700_000_000_000);
//! let acme = TenantId::parse("acme")?;
//! let issuer = IssuerConfig::new("https://id.example.com/acme", acme.clone(), "events");
//! let verifier = Verifier::new(Authority::new([7; 16]))
//!     .with_issuer(issuer)?
//!     .with_keys("https://id.example.com/acme", KeySet::import(jwks.as_bytes())?, now)?;
//!
//! // A token, as that issuer mints it.
//! let header = BASE64.encode(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#);
//! let claims = BASE64.encode(
//!     r#"{"iss":"https://id.example.com/acme","aud":"events","sub":"svc-7","client_id":"svc-7",
//!         "jti":"42","iat":1700000000,"exp":1700000600,"tenant":"acme","scope":"events:read"}"#,
//! );
//! let signature = BASE64.encode(pair.sign(format!("{header}.{claims}").as_bytes()));
//! let token = format!("{header}.{claims}.{signature}");
//!
//! // At its own tenant's route it becomes a context.
//! let route = Route::any().of_tenant(&acme).needs_scopes(&["events:read"]);
//! let context = verifier.verify(&token, &route, now, ConnectionId(1), Epoch(1))?;
//! assert_eq!((context.tenant(), context.subject()), (&acme, "svc-7"));
//!
//! // At another tenant's it is refused, and only its own tenant's log hears of it.
//! let globex = TenantId::parse("globex")?;
//! let route = Route::any().of_tenant(&globex);
//! let failure = verifier.verify(&token, &route, now, ConnectionId(2), Epoch(1)).unwrap_err();
//! assert_eq!((failure.tenant(), failure.reason()), (Some(&acme), Reason::TenantMismatch));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`TenantContext`]: cofferdam_core::TenantContext
#![forbid(unsafe_code)]

mod algorithm;
mod cache;
mod claims;
mod decoy;
pub mod dpop;
mod failure;
mod issuer;
mod json;
mod jws;
mod key;
mod key_ring;
mod key_set;
mod origin;
mod place;
pub mod refresh;
mod revocations;
mod route;
pub mod session;
pub mod source;
mod unverified;
pub mod upgrade;
#[cfg(test)]
mod vectors;
mod verifier;

pub use algorithm::Algorithm;
pub use cache::TokenCache;
pub use failure::AuthFailure;
pub use issuer::{ClaimNames, InvalidIssuer, IssuerConfig};
pub use key::KeyPrint;
pub use key_ring::KeyRing;
pub use key_set::{InvalidKeySet, KeySet};
pub use revocations::{RevocationsFull, Revoked};
pub use route::Route;
pub use unverified::Unverified;
pub use verifier::Verifier;
