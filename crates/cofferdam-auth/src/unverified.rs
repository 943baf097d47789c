//! What a token says of itself, for choosing which keys to fetch.

use cofferdam_core::Reason;

use crate::{Algorithm, AuthFailure, json, jws::Compact};

/// The issuer, key id and algorithm that a token names. Nothing of it is proved.
///
/// After a refusal for [`Reason::UnknownKey`] this says whose key set may be out of date. It is for
/// that alone: anybody can write anything into a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    issuer: String,
    key_id: String,
    algorithm: Algorithm,
}

impl Unverified {
    /// Reads the form, the header and the issuer of `token`, and checks no signature.
    ///
    /// # Errors
    ///
    /// [`AuthFailure`] if the token's form is refused, or it names no issuer.
    pub fn inspect(token: &str) -> Result<Self, AuthFailure> {
        let token = Compact::parse(token).map_err(AuthFailure::anonymous)?;
        let claims = json::read(token.payload())
            .map_err(|_| AuthFailure::anonymous(Reason::CredentialMalformed))?;
        let issuer = claims.text("iss");
        let issuer = issuer.ok_or(AuthFailure::anonymous(Reason::ClaimMissing))?.to_owned();
        let header = token.header();
        Ok(Self { issuer, key_id: header.key_id.clone(), algorithm: header.algorithm })
    }

    /// The issuer that the token names.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key id that the token names.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The algorithm that the token names.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
