//! Keyed hashes: equal values of one tenant and field stay equal, and nobody without the key can
//! find out what they were.
//!
//! ```text
//! tenant root = HKDF-SHA-256(ikm = deployment root, info = "cofferdam/redact/v1/tenant" | tenant)
//! field key   = HKDF-SHA-256(ikm = tenant root,     info = "cofferdam/redact/v1" | field | epoch)
//! digest      = "h1." epoch "." base64url(HMAC-SHA-256(field key, type tag | value)[..16])
//! token key   = HKDF-SHA-256(ikm = tenant root,     info = "cofferdam/redact/v1/token" | field | epoch)
//! token       = "t1." epoch "." base64url(HMAC-SHA-256(token key, type tag | value)[..16])
//! ```
//!
//! Texts are preceded by their length, so that no two inputs run together. A plain SHA-256 of a
//! telephone number is undone by hashing all telephone numbers (10^10 are a matter of minutes);
//! with a key there is nothing to compare with. Under two tenants, two fields or two epochs one
//! value gives unrelated digests. Within one of each it gives equal ones: that is what hashing is
//! for, and what it leaks.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cofferdam_core::TenantId;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::CompileFault;

const TENANT_LABEL: &[u8] = b"cofferdam/redact/v1/tenant";
const FIELD_LABEL: &[u8] = b"cofferdam/redact/v1";
const TOKEN_LABEL: &[u8] = b"cofferdam/redact/v1/token";
const DIGEST_LEN: usize = 16;
const ENCODED_LEN: usize = 22;

/// The root of every tenant's redaction keys in one deployment, and its epoch.
///
/// It must be random and secret, and it is not shown. A new epoch ends linkability with everything
/// hashed before; a forgotten root makes all of it meaningless for good.
pub struct RedactionKey {
    root: Zeroizing<[u8; 32]>,
    epoch: u32,
}

impl RedactionKey {
    /// The key of a deployment.
    #[must_use]
    pub fn new(root: [u8; 32], epoch: u32) -> Self {
        Self { root: Zeroizing::new(root), epoch }
    }

    /// The epoch, as it stands in every digest.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The hasher of one field of one tenant; a field is its names.
    pub(crate) fn hasher(&self, tenant: &TenantId, field: &[&str]) -> Result<Hasher, CompileFault> {
        self.keyed(tenant, field, FIELD_LABEL, 'h')
    }

    /// That which makes tokens: nothing of them is to be had from a digest of the same value.
    pub(crate) fn tokenizer(
        &self,
        tenant: &TenantId,
        field: &[&str],
    ) -> Result<Hasher, CompileFault> {
        self.keyed(tenant, field, TOKEN_LABEL, 't')
    }

    fn keyed(
        &self,
        tenant: &TenantId,
        field: &[&str],
        label: &[u8],
        letter: char,
    ) -> Result<Hasher, CompileFault> {
        let mut info = TENANT_LABEL.to_vec();
        push_text(tenant.as_str(), &mut info);
        let tenant_root = derive(&self.root, &info)?;
        info.clear();
        info.extend_from_slice(label);
        field.iter().for_each(|name| push_text(name, &mut info));
        info.extend_from_slice(&self.epoch.to_be_bytes());
        let field_key = derive(&tenant_root, &info)?;
        // RFC 2104: a key shorter than the block is filled up with zeros.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&*field_key);
        let keyed = Hmac::new((&*block).into());
        Ok(Hasher { keyed, prefix: format!("{letter}1.{}.", self.epoch).into() })
    }
}

/// Shows the epoch only.
impl std::fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedactionKey").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

fn derive(key: &[u8; 32], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, CompileFault> {
    let mut derived = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(None, key).expand(info, &mut *derived);
    expanded.map_err(|_| CompileFault::KeyDerivation)?;
    Ok(derived)
}

pub(crate) fn push_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u64).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What kind of JSON value is hashed: `1` and `"1"` are two values.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Kind {
    Object = b'{',
    Array = b'[',
    String = b'"',
    Number = b'0',
    Bool = b'b',
    Null = b'n',
}

/// HMAC with the key of one field already absorbed.
#[derive(Clone)]
pub(crate) struct Hasher {
    keyed: Hmac<Sha256>,
    prefix: Box<str>,
}

impl Hasher {
    /// The longest digest with its quotes.
    #[cfg(test)]
    const MAX_LEN: usize = "\"h1.4294967295.\"".len() + ENCODED_LEN;

    /// Appends the digest of `value` to `out` as a JSON string.
    pub(crate) fn write(&self, kind: Kind, value: &[u8], out: &mut Vec<u8>) {
        let mut mac = self.keyed.clone();
        mac.update(&[kind as u8]);
        mac.update(value);
        let digest = mac.finalize().into_bytes();
        let mut encoded = [0; ENCODED_LEN];
        // 16 bytes are always 22 characters.
        let written = URL_SAFE_NO_PAD.encode_slice(&digest[..DIGEST_LEN], &mut encoded);
        debug_assert_eq!(written, Ok(ENCODED_LEN));
        out.push(b'"');
        out.extend_from_slice(self.prefix.as_bytes());
        out.extend_from_slice(&encoded);
        out.push(b'"');
    }

    /// Whether `text` looks like a digest of this epoch.
    pub(crate) fn fits(&self, text: &[u8]) -> bool {
        text.strip_prefix(self.prefix.as_bytes()).is_some_and(|digest| {
            let encodes = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            digest.len() == ENCODED_LEN && digest.iter().all(encodes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(
        root: u8,
        epoch: u32,
        tenant: &str,
        field: &[&str],
        kind: Kind,
        value: &str,
    ) -> String {
        let key = RedactionKey::new([root; 32], epoch);
        let tenant = TenantId::parse(tenant).unwrap();
        let hasher = key.hasher(&tenant, field).unwrap();
        let mut out = Vec::new();
        hasher.write(kind, value.as_bytes(), &mut out);
        let text: String = serde_json::from_slice(&out).unwrap();
        assert!(hasher.fits(text.as_bytes()));
        assert!(out.len() <= Hasher::MAX_LEN);
        text
    }

    /// R07: nothing but the same tenant, field, epoch, type and value gives the same digest.
    #[test]
    fn a_digest_is_bound_to_everything_around_its_value() {
        let one = || digest(1, 7, "a", &["phone"], Kind::String, "5");
        assert_eq!(one(), one());
        assert!(one().starts_with("h1.7."));
        let others = [
            digest(2, 7, "a", &["phone"], Kind::String, "5"),
            digest(1, 8, "a", &["phone"], Kind::String, "5"),
            digest(1, 7, "b", &["phone"], Kind::String, "5"),
            digest(1, 7, "a", &["phones"], Kind::String, "5"),
            digest(1, 7, "a", &["phon", "e"], Kind::String, "5"),
            digest(1, 7, "a", &[], Kind::String, "5"),
            digest(1, 7, "a", &["phone"], Kind::Number, "5"),
            digest(1, 7, "a", &["phone"], Kind::String, "6"),
        ];
        let tail = |text: &str| text.rsplit('.').next().unwrap().to_owned();
        let mut all: Vec<String> = others.iter().map(|text| tail(text)).collect();
        all.push(tail(&one()));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 9);
    }

    /// Computed once with Python's `hmac` and the HKDF of RFC 5869 written out.
    #[test]
    fn digests_are_what_the_formula_says() {
        assert_eq!(
            digest(1, 7, "acme", &["contactId"], Kind::String, "c-1"),
            "h1.7.vP9mvn6MPgrmfT1_AMC3-g"
        );
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", RedactionKey::new([0xAB; 32], 3));
        assert_eq!(shown, "RedactionKey { epoch: 3, .. }");
    }
}
