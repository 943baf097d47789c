//! Who may issue credentials for a tenant, and what of: the registration of one issuer.

use std::time::Duration;

use cofferdam_core::TenantId;

use crate::{Algorithm, origin};

/// The registration of one token issuer. It belongs to exactly one tenant (SECURITY K3).
///
/// A plain record, so that it can be written down with `..IssuerConfig::new(..)`;
/// [`Verifier::with_issuer`] checks it.
///
/// [`Verifier::with_issuer`]: crate::Verifier::with_issuer
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// The issuer's URL, compared byte for byte with the claim `iss`.
    pub issuer: String,
    /// The one tenant that the issuer speaks for.
    pub tenant: TenantId,
    /// Which registration of the tenant this is. A tenant that is deleted and made again gets a
    /// higher one, and sessions of the one before end (SECURITY S07). 0 by default.
    pub generation: u64,
    /// Who we are to the issuer; a token must name one of these in `aud`.
    pub audiences: Vec<String>,
    /// The algorithms that are accepted from the issuer; [`Algorithm::DEFAULT`].
    pub algorithms: Vec<Algorithm>,
    /// What a token's `typ` may be; `at+jwt` and `application/at+jwt` (RFC 9068).
    pub token_types: Vec<String>,
    /// The origins that the tenant's browsers may connect from, as a browser writes them.
    pub origins: Vec<String>,
    /// Whether every token must be bound to a key of its holder (DPoP, RFC 9449); `false` by default.
    /// A token that *is* bound needs its [`proof`](crate::dpop) either way.
    pub requires_dpop: bool,
    /// The names of the claims that are ours.
    pub claims: ClaimNames,
    /// How far the issuer's clock may run ahead of ours; at most, and by default, 30 s.
    ///
    /// It moves `iat`, `nbf` and the longest lifetime. It does not move `exp`: neither a token nor
    /// the session it opens outlives it.
    pub leeway: Duration,
    /// The longest time from `iat` to `exp`; 15 minutes by default, at most a day.
    pub longest_lifetime: Duration,
    /// How long keys are trusted without having been fetched again; a day by default.
    ///
    /// This is the ceiling for an outage of the issuer's key endpoint (SECURITY K8), after which
    /// the issuer's tokens are refused. For keys that come from a file, [`Duration::MAX`].
    pub longest_key_age: Duration,
}

impl IssuerConfig {
    /// A registration with the defaults, one audience, and no origins.
    #[must_use]
    pub fn new(issuer: &str, tenant: TenantId, audience: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            tenant,
            generation: 0,
            audiences: vec![audience.to_owned()],
            algorithms: Algorithm::DEFAULT.to_vec(),
            token_types: vec!["at+jwt".to_owned(), "application/at+jwt".to_owned()],
            origins: Vec::new(),
            requires_dpop: false,
            claims: ClaimNames::default(),
            leeway: MAX_LEEWAY,
            longest_lifetime: Duration::from_secs(15 * 60),
            longest_key_age: Duration::from_secs(24 * 60 * 60),
        }
    }

    pub(crate) fn check(&self) -> Result<(), InvalidIssuer> {
        let sound_url = self.issuer.strip_prefix("https://").is_some_and(|rest| {
            // RFC 8414 section 2: https, no query, no fragment.
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
        });
        let named = |texts: &[String]| !texts.is_empty() && texts.iter().all(|t| !t.is_empty());
        match () {
            () if !sound_url => Err(InvalidIssuer::Url),
            () if !named(&self.audiences) => Err(InvalidIssuer::Audiences),
            () if self.algorithms.is_empty() => Err(InvalidIssuer::Algorithms),
            () if !named(&self.token_types) => Err(InvalidIssuer::TokenTypes),
            () if !self.origins.iter().all(|own| origin::is_canonical(own)) => {
                Err(InvalidIssuer::Origins)
            }
            () if !self.claims.are_sound() => Err(InvalidIssuer::ClaimNames),
            () if self.leeway > MAX_LEEWAY => Err(InvalidIssuer::Leeway),
            () if !(Duration::from_secs(1)..=MAX_LIFETIME).contains(&self.longest_lifetime) => {
                Err(InvalidIssuer::Lifetime)
            }
            () => Ok(()),
        }
    }
}

/// The most that clocks may differ.
pub(crate) const MAX_LEEWAY: Duration = Duration::from_secs(30);
/// The longest lifetime that a registration may allow.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What an issuer calls the claims that are not registered names everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// The tenant; required in every token. `tenant` by default.
    pub tenant: String,
    /// The platform's own id of the tenant. `org` by default.
    pub organisation: String,
    /// The scopes: a string with single spaces, or an array of strings. `scope` by default.
    pub scope: String,
    /// The origins that a browser may connect from, an array of strings. `origins` by default.
    pub origins: String,
    /// The region that the token is for. `region` by default.
    pub region: String,
}

impl ClaimNames {
    /// Whether the names are there, differ, and take none that already has a meaning.
    fn are_sound(&self) -> bool {
        let own = [&self.tenant, &self.organisation, &self.scope, &self.origins, &self.region];
        let taken = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "cnf"];
        own.iter().enumerate().all(|(at, name)| {
            !name.is_empty() && !taken.contains(&name.as_str()) && !own[..at].contains(name)
        })
    }
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            tenant: "tenant".to_owned(),
            organisation: "org".to_owned(),
            scope: "scope".to_owned(),
            origins: "origins".to_owned(),
            region: "region".to_owned(),
        }
    }
}

/// Why a registration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIssuer {
    /// Another registration has this issuer already.
    #[error("the issuer is registered already, and an issuer belongs to one tenant")]
    Duplicate,
    /// Not an https URL, or one with a query or a fragment.
    #[error("the issuer is not an https url without query and fragment")]
    Url,
    /// No audience, or an empty one.
    #[error("the audiences are not a list of names")]
    Audiences,
    /// No algorithm.
    #[error("no algorithm is allowed")]
    Algorithms,
    /// No token type, or an empty one.
    #[error("the token types are not a list of names")]
    TokenTypes,
    /// An origin that no browser writes like that.
    #[error("an origin is not spelt as a browser spells it")]
    Origins,
    /// A claim name that is empty, stands twice, or has another meaning.
    #[error("the claim names are not five different names of their own")]
    ClaimNames,
    /// More than 30 s.
    #[error("the leeway is longer than 30 seconds")]
    Leeway,
    /// Under a second or over a day.
    #[error("the longest lifetime is not between a second and a day")]
    Lifetime,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> IssuerConfig {
        let tenant = TenantId::parse("acme").unwrap();
        IssuerConfig::new("https://id.example.com/acme", tenant, "https://events.example.com")
    }

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(config().check(), Ok(()));
    }

    #[test]
    fn refuses_a_registration_that_would_leave_something_unchecked() {
        type Spoil = fn(&mut IssuerConfig);
        let cases: [(InvalidIssuer, Spoil); 15] = [
            (InvalidIssuer::Url, |c| c.issuer = String::new()),
            (InvalidIssuer::Url, |c| c.issuer = "http://id.example.com".into()),
            (InvalidIssuer::Url, |c| c.issuer = "https://id.example.com?t=a".into()),
            (InvalidIssuer::Url, |c| c.issuer = "https://id.example.com/é".into()),
            (InvalidIssuer::Audiences, |c| c.audiences.clear()),
            (InvalidIssuer::Audiences, |c| c.audiences.push(String::new())),
            (InvalidIssuer::Algorithms, |c| c.algorithms.clear()),
            (InvalidIssuer::TokenTypes, |c| c.token_types.clear()),
            (InvalidIssuer::Origins, |c| c.origins.push("https://*.example.com".into())),
            (InvalidIssuer::ClaimNames, |c| c.claims.tenant = "iss".into()),
            (InvalidIssuer::ClaimNames, |c| c.claims.tenant = c.claims.organisation.clone()),
            (InvalidIssuer::ClaimNames, |c| c.claims.region.clear()),
            (InvalidIssuer::Leeway, |c| c.leeway = Duration::from_secs(31)),
            (InvalidIssuer::Lifetime, |c| c.longest_lifetime = Duration::ZERO),
            (InvalidIssuer::Lifetime, |c| c.longest_lifetime = Duration::from_secs(86_401)),
        ];
        for (error, spoil) in cases {
            let mut config = config();
            spoil(&mut config);
            assert_eq!(config.check(), Err(error), "{config:?}");
        }
    }
}
