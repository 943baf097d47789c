//! The seal of a deployment: one secret, one key for each tenant.

use std::fmt;

use cofferdam_core::{TenantId, pipeline::Seal};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Seals stored events with HMAC-SHA-256, under a key of each tenant's own.
///
/// The tenant's key is `HMAC(deployment key, label ‖ length of the tenant id ‖ tenant id)` and the
/// tag is `HMAC(tenant key, message)`. The length stands before the id, so that no id can lend
/// bytes to the label or the message (SECURITY Q09).
///
/// What was sealed opens only under the same deployment key, so keep the key as long as the letters.
#[derive(Clone)]
pub struct TenantSeal {
    key: Zeroizing<[u8; 32]>,
}

impl TenantSeal {
    const LABEL: &'static [u8] = b"cofferdam tenant seal v1\0";

    /// A seal with the deployment's key. The bytes must be random and secret, and used for nothing
    /// else.
    #[must_use]
    pub fn new(deployment_key: [u8; 32]) -> Self {
        Self { key: Zeroizing::new(deployment_key) }
    }

    fn tenant_key(&self, tenant: &TenantId) -> Zeroizing<[u8; 32]> {
        let id = tenant.as_str().as_bytes();
        let length = (id.len() as u64).to_be_bytes();
        Zeroizing::new(tag(&self.key, &[Self::LABEL, &length, id]))
    }
}

impl Seal for TenantSeal {
    fn tag(&self, tenant: &TenantId, message: &[u8]) -> [u8; 32] {
        tag(&self.tenant_key(tenant), &[message])
    }
}

impl fmt::Debug for TenantSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantSeal(..)")
    }
}

/// HMAC-SHA-256 over the parts. RFC 2104 fills a key that is shorter than the hash's block of 64
/// bytes with zeros; doing so here makes the length right by type, and nothing can fail.
fn tag(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = Zeroizing::new([0; 64]);
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    /// RFC 4231, test case 2, with the short key filled up to 32 bytes, which HMAC cannot tell.
    #[test]
    fn the_mac_is_hmac_sha_256() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let hex = |tag: [u8; 32]| tag.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(tag(&key, &[b"what do ya want ", b"for nothing?"])), expected);
    }

    /// Q09: no two pairs of tenant and message are encoded alike.
    #[test]
    fn bytes_cannot_move_between_tenant_and_message() {
        let seal = TenantSeal::new([1; 32]);
        let tags = [
            seal.tag(&tenant("a"), b"bc"),
            seal.tag(&tenant("ab"), b"c"),
            seal.tag(&tenant("abc"), b""),
            seal.tag(&tenant("a.b"), b"c"),
            seal.tag(&tenant("a"), b".bc"),
        ];
        for (at, one) in tags.iter().enumerate() {
            assert!(!tags[at + 1..].contains(one));
        }
    }

    #[test]
    fn the_deployment_key_matters_and_is_not_shown() {
        let (one, other) = (TenantSeal::new([1; 32]), TenantSeal::new([2; 32]));
        assert_ne!(one.tag(&tenant("a"), b"m"), other.tag(&tenant("a"), b"m"));
        assert_eq!(format!("{one:?}"), "TenantSeal(..)");
    }
}
