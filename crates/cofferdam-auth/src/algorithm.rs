//! The signature algorithms that Cofferdam speaks, by their exact names.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RsaParameters,
};

/// A JWS signature algorithm. There is no `none` and no shared-secret algorithm.
///
/// [`DEFAULT`](Self::DEFAULT) is what a registration accepts unless it says otherwise. RS384, RS512
/// and PS256 are there for issuers that speak nothing else, and are named one by one.
///
/// A name is compared byte for byte (RFC 7515 section 4.1.1: `alg` is case-sensitive). `EdDSA` and
/// `Ed25519` (RFC 9864) name the same mathematics but are two names: a key answers to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384; not by default.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512; not by default.
    Rs512,
    /// RSASSA-PSS with SHA-256, and a salt as long as the hash (RFC 7518 section 3.5); not by
    /// default.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519 under its first registered name (RFC 8037).
    EdDsa,
    /// Ed25519 under its fully specified name (RFC 9864).
    Ed25519,
}

impl Algorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Es256,
        Self::EdDsa,
        Self::Ed25519,
    ];

    /// What is accepted where a registration does not say.
    pub const DEFAULT: &'static [Self] = &[Self::Rs256, Self::Es256, Self::EdDsa, Self::Ed25519];

    /// The name as it stands in a header and in a key.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// How a modulus is used, if the algorithm is one of RSA.
    pub(crate) const fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Self::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
            Self::Es256 | Self::EdDsa | Self::Ed25519 => None,
        }
    }

    /// Whether a key whose type implies `self` may serve `named`. RFC 8017 would let one modulus
    /// serve all of RSA's; a key of ours serves the one that it names.
    pub(crate) fn serves(self, named: Self) -> bool {
        match self {
            Self::Rs256 => named.rsa().is_some(),
            Self::EdDsa => matches!(named, Self::EdDsa | Self::Ed25519),
            own => own == named,
        }
    }

    /// The algorithm of exactly this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A06: names are bytes; nothing is folded, trimmed or guessed.
    #[test]
    fn knows_exactly_its_own_names() {
        for &algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        for name in
            ["", "none", "None", "nOnE", "HS256", "rs256", "RS256 ", "PS384", "PS512", "eddsa"]
        {
            assert_eq!(Algorithm::from_name(name), None, "{name:?}");
        }
    }

    /// A06.
    #[test]
    fn three_are_accepted_only_where_a_registration_names_them() {
        let by_name = [Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256];
        for &algorithm in Algorithm::ALL {
            let is_default = Algorithm::DEFAULT.contains(&algorithm);
            assert_eq!(is_default, !by_name.contains(&algorithm), "{algorithm:?}");
        }
    }
}
