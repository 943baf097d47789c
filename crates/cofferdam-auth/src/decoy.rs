//! Keys that verify nothing, for the time that it takes.
//!
//! A token that names an issuer nobody registered could be refused at once, while one that names a
//! registered issuer costs a signature check first. The difference, 20 to 60 microseconds, answers
//! the question "is this company your customer?" (SECURITY X01). So where no key is found, one of
//! these is used, and what it says is thrown away. Different sizes of RSA keys still differ.

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
        // Public constants: 2^2048 - 1, and the two curves' generators (SEC 2 section 2.4.2, RFC
        // 8032 section 5.1). Nobody needs to know a private key, and if somebody did, no harm.
        let modulus = [0xff; 256];
        let components = rsa::PublicKeyComponents { n: &modulus[..], e: &[1, 0, 1][..] };
        let mut base_point = [0x66; 32];
        base_point[0] = 0x58;
        Self {
            rsa: components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok(),
            p256: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, P256_GENERATOR).ok(),
            ed25519: ParsedPublicKey::new(&ED25519, base_point).ok(),
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

const P256_GENERATOR: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
    0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2,
    0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e,
    0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51,
    0xf5,
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
