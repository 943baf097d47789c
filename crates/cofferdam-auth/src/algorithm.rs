//! The signature algorithms that Cofferdam speaks, by their exact names.

/// A JWS signature algorithm. There is no `none`, no shared-secret algorithm and no RSA-PSS.
///
/// A name is compared byte for byte (RFC 7515 section 4.1.1: `alg` is case-sensitive). `EdDSA` and
/// `Ed25519` (RFC 9864) name the same mathematics but are two names: a key answers to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519 under its first registered name (RFC 8037).
    EdDsa,
    /// Ed25519 under its fully specified name (RFC 9864).
    Ed25519,
}

impl Algorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Rs256, Self::Es256, Self::EdDsa, Self::Ed25519];

    /// The name as it stands in a header and in a key.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
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
            ["", "none", "None", "nOnE", "HS256", "rs256", "RS256 ", "RS384", "PS256", "eddsa"]
        {
            assert_eq!(Algorithm::from_name(name), None, "{name:?}");
        }
    }
}
