//! A log's name and its Ed25519 keys, in the text forms of the C2SP signed note.
//!
//! A key's name *is* its log's origin. So a key signs checkpoints of one log and no other, and a
//! verifier needs one line of text to know both what to trust and what for:
//!
//! ```text
//! audit.example.com/6f1c+<key hash, 8 hex digits>+<base64 of 0x01 || public key>
//! ```
//!
//! Honest verifiers of Ed25519 disagree on odd signatures: of 914 edge cases, common libraries
//! accept from 43 to 208. The rule here, fixed so that nobody can show a signature to one auditor
//! that another refuses: `verify_strict`, and keys of small order or in a second spelling are
//! refused when they are loaded.

use core::fmt;
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer};
use sha2::{Digest, Sha256};

use crate::tree::Hash;

/// The signed note's number for Ed25519.
const ED25519: u8 = 0x01;

/// The name of a log: the first line of its checkpoints and the name of its key.
///
/// 1 to 128 printable ASCII characters without space and `+`. Customary is
/// `audit.<deployment>/<opaque log id>`; as it is shown to auditors, it should not name the tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(Arc<str>);

impl Origin {
    /// The longest origin in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `origin` and keeps a copy.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`] for anything else than the above.
    pub fn parse(origin: &str) -> Result<Self, InvalidOrigin> {
        let is_sound = |b: u8| b.is_ascii_graphic() && b != b'+';
        if (1..=Self::MAX_LEN).contains(&origin.len()) && origin.bytes().all(is_sound) {
            Ok(Self(Arc::from(origin)))
        } else {
            Err(InvalidOrigin(()))
        }
    }

    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text: what leaves hold.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Sha256::digest(self.as_str().as_bytes()).into()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an origin: want 1 to 128 printable ascii characters without space and plus")]
pub struct InvalidOrigin(());

/// What signs the checkpoints of one log. `Debug` does not show it; dropping it erases it.
#[derive(Clone)]
pub struct SigningKey {
    secret: ed25519_dalek::SigningKey,
    public: VerifyingKey,
}

impl SigningKey {
    /// The key of the log with this origin, from 32 random secret bytes.
    #[must_use]
    pub fn from_seed(origin: Origin, seed: &[u8; 32]) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = VerifyingKey::new(origin, secret.verifying_key());
        Self { secret, public }
    }

    /// What verifies its signatures.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// The payload of a signature line: key hash and signature, in base64.
    pub(crate) fn sign(&self, text: &str) -> String {
        let signature = self.secret.sign(text.as_bytes()).to_bytes();
        BASE64.encode([self.public.hash.as_slice(), &signature].concat())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.public.origin)
    }
}

/// What verifies the checkpoints of one log. Its text form is the signed note's verifier key.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    origin: Origin,
    hash: [u8; 4],
    public: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    fn new(origin: Origin, public: ed25519_dalek::VerifyingKey) -> Self {
        let digest = Sha256::new()
            .chain_update(origin.as_str())
            .chain_update([b'\n', ED25519])
            .chain_update(public.as_bytes())
            .finalize();
        let [a, b, c, d, ..] = Hash::from(digest);
        Self { origin, hash: [a, b, c, d], public }
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if it is not one, if the key hash is not the key's, or if the key is weak.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or(InvalidKey(()));
        let (origin, hash, material) = (part()?, part()?, part()?);
        let origin = Origin::parse(origin).map_err(|_| InvalidKey(()))?;
        let material = BASE64.decode(material).map_err(|_| InvalidKey(()))?;
        let Some((&ED25519, public)) = material.split_first() else { return Err(InvalidKey(())) };
        let public = public.try_into().map_err(|_| InvalidKey(()))?;
        let public = ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| InvalidKey(()))?;
        let canonical = public.to_edwards().compress().to_bytes();
        let key = Self::new(origin, public);
        if public.is_weak() || canonical != *public.as_bytes() || key.hash_text() != hash {
            return Err(InvalidKey(()));
        }
        Ok(key)
    }

    /// The log that it verifies.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What signature lines name the key by, beside the origin.
    pub(crate) const fn hash(&self) -> &[u8; 4] {
        &self.hash
    }

    pub(crate) fn verify(&self, text: &str, signature: &[u8; 64]) -> bool {
        self.public.verify_strict(text.as_bytes(), &Signature::from_bytes(signature)).is_ok()
    }

    fn hash_text(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.hash))
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [[ED25519].as_slice(), self.public.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.origin, self.hash_text(), BASE64.encode(material))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a usable verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a verifier key of ed25519, or a weak one")]
pub struct InvalidKey(());

#[cfg(test)]
mod tests {
    use super::*;

    fn vkey(public: [u8; 32]) -> String {
        let public = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
        VerifyingKey::new(Origin::parse("audit.a").unwrap(), public).to_string()
    }

    #[test]
    fn a_key_reads_back_from_its_text() {
        let key = SigningKey::from_seed(Origin::parse("audit.a").unwrap(), &[1; 32]);
        let text = key.verifying_key().to_string();
        assert_eq!(VerifyingKey::parse(&text).as_ref(), Ok(key.verifying_key()));
        assert!(!format!("{key:?}").contains("1, 1"));
    }

    /// Under a key of small order some signature verifies for every message.
    #[test]
    fn refuses_weak_keys_and_second_spellings() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut second_spelling_of_identity = [0xFF; 32];
        second_spelling_of_identity[0] = 0xEE;
        second_spelling_of_identity[31] = 0x7F;
        // y = p + 3, which is y = 3 again: not of small order.
        let mut second_spelling_of_three = second_spelling_of_identity;
        second_spelling_of_three[0] = 0xF0;
        let mut three = [0; 32];
        three[0] = 3;
        assert!(VerifyingKey::parse(&vkey(three)).is_ok());
        for weak in [[0; 32], identity, second_spelling_of_identity, second_spelling_of_three] {
            assert_eq!(VerifyingKey::parse(&vkey(weak)), Err(InvalidKey(())), "{weak:?}");
        }
    }

    #[test]
    fn refuses_every_changed_character_of_a_key() {
        let key = SigningKey::from_seed(Origin::parse("audit.a/1").unwrap(), &[1; 32]);
        let text = key.verifying_key().to_string();
        for at in 0..text.len() {
            for other in ['0', 'A', 'f', '+', ' ', '='] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, &other.to_string());
                if changed != text {
                    assert!(VerifyingKey::parse(&changed).is_err(), "{changed}");
                }
            }
        }
    }

    #[test]
    fn an_origin_is_one_word_of_one_line() {
        for origin in ["", "a b", "a\nb", "a+b", "é", "a\u{1b}[2J", &"a".repeat(129)] {
            assert!(Origin::parse(origin).is_err(), "{origin:?}");
        }
        assert!(Origin::parse("audit.example.com/6f1c").is_ok());
    }
}
