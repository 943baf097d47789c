//! Commitments: a leaf binds a payload without holding it.
//!
//! Leaf `i` holds `SHA-256(salt_i || body)`, where
//!
//! ```text
//! K      = HMAC-SHA-256(secret, "cofferdam/audit/commitment/v1\n" || origin)
//! salt_i = HMAC-SHA-256(K, i as eight bytes, little-endian)
//! ```
//!
//! What that gives:
//!
//! * **Binding.** Salts have one length, so a second body (or a second salt and body) under the
//!   same commitment is a collision of SHA-256.
//! * **Hiding.** A body with few possible values (a phone number, a yes or no) cannot be found by
//!   trying them all without the salt, as it could be with a plain hash (17 million tries a second
//!   on one core). Equal bodies have unequal commitments, since every leaf has its own salt.
//! * **One at a time.** [`opening`](CommitmentKey::opening) gives an auditor the salt of one leaf,
//!   which opens that leaf and no other.
//! * **Erasure.** Payloads live elsewhere. Erase a body and its leaf still verifies and says nothing
//!   of it as long as `K` stays secret; erase `K` and every body of the log is out of reach, even
//!   for those who kept the leaves. (Salts that were handed out stay handed out.)
//!
//! The salt costs four compressions of SHA-256, about a tenth of a 1.6 KB body's own hash.
//! Rejected: HMAC over the body with one key for all leaves, as opening one leaf would then have
//! meant opening them all; and HMAC keyed with the salt, which costs three compressions more and
//! adds nothing here: what HMAC guards against is forging tags, and a commitment stands under the
//! log's signature.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::{Origin, tree::Hash};

const DOMAIN: &[u8] = b"cofferdam/audit/commitment/v1\n";

/// A log's secret for commitments. `Debug` does not show it; dropping it erases it.
#[derive(Clone)]
pub struct CommitmentKey {
    mac: Hmac<Sha256>,
}

impl CommitmentKey {
    /// The key of one log, from 32 random secret bytes. Two logs that are given the same bytes by
    /// mistake still have two keys.
    #[must_use]
    pub fn derive(secret: &[u8; 32], origin: &Origin) -> Self {
        let mut derived = mac_of(keyed(secret), &[DOMAIN, origin.as_str().as_bytes()]);
        let mac = keyed(&derived);
        derived.zeroize();
        Self { mac }
    }

    /// The salt of one leaf: what an auditor needs to check a body against that leaf.
    #[must_use]
    pub fn opening(&self, index: u64) -> Opening {
        Opening { salt: mac_of(self.mac.clone(), &[&index.to_le_bytes()]) }
    }

    /// The commitment that leaf `index` holds for `body`.
    #[must_use]
    pub fn commit(&self, index: u64, body: &[u8]) -> Hash {
        self.opening(index).commit(body)
    }
}

impl fmt::Debug for CommitmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommitmentKey(..)")
    }
}

/// The salt of one leaf. `Debug` does not show it; dropping it erases it.
#[derive(Clone)]
pub struct Opening {
    salt: [u8; 32],
}

impl Opening {
    /// An opening from the bytes that [`to_bytes`](Self::to_bytes) gave.
    #[must_use]
    pub const fn from_bytes(salt: [u8; 32]) -> Self {
        Self { salt }
    }

    /// The salt, to be handed to an auditor.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.salt
    }

    /// Whether `commitment` is to `body`.
    #[must_use]
    pub fn opens(&self, commitment: &Hash, body: &[u8]) -> bool {
        self.commit(body) == *commitment
    }

    fn commit(&self, body: &[u8]) -> Hash {
        Sha256::new().chain_update(self.salt).chain_update(body).finalize().into()
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening(..)")
    }
}

/// HMAC pads a key of less than a block with zeros, so this is HMAC under the 32 bytes.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mac = Hmac::new(&block.into());
    block.zeroize();
    mac
}

fn mac_of(mut mac: Hmac<Sha256>, message: &[&[u8]]) -> Hash {
    message.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(origin: &str) -> CommitmentKey {
        CommitmentKey::derive(&[7; 32], &Origin::parse(origin).unwrap())
    }

    /// Computed with Python's `hmac` and `hashlib` from the formulas above.
    #[test]
    fn is_what_the_formulas_say() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(key("audit.a").opening(1).to_bytes()),
            "b0939e66efd14e2baaba672b1eeff8b21f1d46cd33d7ef47f775076f8fc0e253"
        );
        assert_eq!(
            hex(key("audit.a").commit(1, b"body")),
            "19c30679810df580cac0c8da257e988d2cc38cd32c4aa90712c3c8f336a9ae30"
        );
    }

    #[test]
    fn a_commitment_is_to_one_body_at_one_place_of_one_log() {
        let base = key("audit.a").commit(1, b"body");
        assert_eq!(base, key("audit.a").commit(1, b"body"));
        assert_ne!(base, key("audit.a").commit(1, b"bodY"));
        assert_ne!(base, key("audit.a").commit(2, b"body"));
        assert_ne!(base, key("audit.b").commit(1, b"body"));
    }

    #[test]
    fn an_opening_opens_its_own_leaf_only() {
        let key = key("audit.a");
        let opening = Opening::from_bytes(key.opening(1).to_bytes());
        assert!(opening.opens(&key.commit(1, b"yes"), b"yes"));
        assert!(!opening.opens(&key.commit(1, b"yes"), b"no"));
        assert!(!opening.opens(&key.commit(2, b"yes"), b"yes"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = key("audit.a");
        assert_eq!(format!("{key:?} {:?}", key.opening(0)), "CommitmentKey(..) Opening(..)");
    }
}
