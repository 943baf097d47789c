//! Keys that verify nothing, for the time that it takes.
//!
//! A token that names an issuer nobody registered could be refused at once, while one that names a
//! registered issuer costs a signature check first. The difference, 20 to 60 microseconds, answers
//! the question "is this company your customer?" (SECURITY X01). So where no key is found, one of
//! these is used, and what it says is thrown away. Different sizes of RSA keys still differ.
//!
//! A key that does exist may be the faster one: an RSA signature that is no number below its modulus
//! is refused before anything is computed. The modulus here is the largest of its length, so it
//! takes the longer way with every such number, and the verifier sends what the key refused at once
//! this way as well. (`side_channel` in `benches/` found that, 17 microseconds.)

use aws_lc_rs::{
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};

use crate::{Algorithm, jws::Compact};

pub(crate) struct Decoys {
    rsa: Option<ParsedPublicKey>,
    p256: Option<ParsedPublicKey>,
    ed25519: Option<ParsedPublicKey>,
}

impl Decoys {
    pub(crate) fn new() -> Self {
        // Public constants: 2^2048 - 1, and the keys of RFC 6979 section A.2.5 and RFC 8032 section
        // 7.1. Everybody knows their private keys, and it does not matter. They are points like any
        // other; a curve's generator is the one that code may treat apart.
        let modulus = [0xff; 256];
        let components = rsa::PublicKeyComponents { n: &modulus[..], e: &[1, 0, 1][..] };
        Self {
            rsa: components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok(),
            p256: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, P256_POINT).ok(),
            ed25519: ParsedPublicKey::new(&ED25519, ED25519_POINT).ok(),
        }
    }

    /// Takes the time of a signature check.
    pub(crate) fn spend(&self, token: &Compact<'_>) {
        let key = match token.header().algorithm {
            // The hash of a few hundred bytes is lost in the time of a signature.
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 | Algorithm::Ps256 => &self.rsa,
            Algorithm::Es256 => &self.p256,
            Algorithm::EdDsa | Algorithm::Ed25519 => &self.ed25519,
        };
        if let Some(key) = key {
            // A call into C, which no optimiser removes. What it says means nothing.
            let _ = key.verify_sig(token.signing_input(), token.signature());
        }
    }
}

const ED25519_POINT: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

const P256_POINT: [u8; 65] = [
    0x04, 0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d,
    0x68, 0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f,
    0xb6, 0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc,
    0x64, 0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22,
    0x99,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_decoy_for_every_algorithm() {
        let decoys = Decoys::new();
        assert!(decoys.rsa.is_some() && decoys.p256.is_some() && decoys.ed25519.is_some());
    }
}
