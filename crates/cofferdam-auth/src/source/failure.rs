//! Why there is no token: what a server answered, what was wrong with it, and what a caller hears.

use std::{sync::Arc, time::Duration};

use super::ScopeDrift;
use crate::json;

/// An answer is not a token of this client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsound {
    /// More than 16 KiB.
    #[error("the answer is too large")]
    TooLarge,
    /// Not one sound JSON object, one name twice, or an error with a status of success.
    #[error("the answer is not a sound document")]
    Malformed,
    /// Not `bearer`.
    #[error("the token is not a bearer token")]
    TokenType,
    /// No token, or one that cannot stand in a header.
    #[error("the token has no sound syntax")]
    TokenSyntax,
    /// No lifetime, none left, longer than registered, or not a number.
    #[error("the lifetime is missing or not believable")]
    Lifetime,
    /// The token is registered as a JWT and is none.
    #[error("the token is not a jwt")]
    NotJwt,
    /// Another issuer than registered, or none.
    #[error("the issuer is not the registered one")]
    Issuer,
    /// Another audience than registered, or none.
    #[error("the audience is not the registered one")]
    Audience,
    /// Another tenant than registered, or none: this may be somebody else's token.
    #[error("the token is not this tenant's")]
    Tenant,
    /// Another region than registered, or none.
    #[error("the region is not the registered one")]
    Region,
    /// The token was issued to another client.
    #[error("the token is another client's")]
    Client,
    /// The registration wants an answer about the token, and there was none.
    #[error("nobody said whose the token is")]
    NoWitness,
    /// Introspection says that the token is not active.
    #[error("the token is not active")]
    Inactive,
    /// The scopes are not where they were registered to be, or not a list of scopes.
    #[error("the scopes are missing or have no sound syntax")]
    ScopeSyntax,
    /// Not exactly the registered scopes.
    #[error(transparent)]
    Scopes(Arc<ScopeDrift>),
}

/// An error code of RFC 6749 section 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OAuthError {
    /// `invalid_request`.
    InvalidRequest,
    /// `invalid_client`: the secret or key is wrong, or the client was removed.
    InvalidClient,
    /// `invalid_grant`.
    InvalidGrant,
    /// `unauthorized_client`: the client may not use this grant.
    UnauthorizedClient,
    /// `unsupported_grant_type`.
    UnsupportedGrantType,
    /// `invalid_scope`.
    InvalidScope,
    /// Any other, or none that can be read.
    Other,
}

impl OAuthError {
    fn read(answer: &[u8]) -> Self {
        let answer = answer.get(..super::response::MAX_ANSWER).unwrap_or(answer);
        let Ok(answer) = json::read(answer) else { return Self::Other };
        match answer.text("error") {
            Some("invalid_request") => Self::InvalidRequest,
            Some("invalid_client") => Self::InvalidClient,
            Some("invalid_grant") => Self::InvalidGrant,
            Some("unauthorized_client") => Self::UnauthorizedClient,
            Some("unsupported_grant_type") => Self::UnsupportedGrantType,
            Some("invalid_scope") => Self::InvalidScope,
            _ => Self::Other,
        }
    }
}

/// Why a request for a token failed. What the server said is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection, or it broke.
    #[error("the server does not answer")]
    Unreachable,
    /// No answer in time.
    #[error("the server does not answer in time")]
    TimedOut,
    /// 429: too many requests.
    #[error("the server asks for fewer requests")]
    Throttled,
    /// A status that is neither success nor a refusal.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// 400, 401 or 403: the server refuses this client.
    #[error("the server refused the client")]
    Refused(OAuthError),
    /// The platform refused tokens that the server had just given.
    #[error("fresh tokens are refused where they are used")]
    Rejected,
    /// The assertion could not be signed.
    #[error("the request could not be signed")]
    Signing,
    /// The answer is not a token of this client.
    #[error(transparent)]
    Unsound(#[from] Unsound),
}

impl Failure {
    /// What a status other than 200 means, and the answer that came with it.
    #[must_use]
    pub fn of_status(status: u16, answer: &[u8]) -> Self {
        match status {
            400 | 401 | 403 => Self::Refused(OAuthError::read(answer)),
            429 => Self::Throttled,
            _ => Self::Status(status),
        }
    }

    /// Whether asking again will very likely fail as well: a wrong secret, a wrong token. Asking
    /// again and again is then an attack on the own client, which servers answer by locking it.
    pub(super) const fn is_lasting(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Signing => true,
            Self::Status(status) => *status < 500 && *status != 408,
            Self::Unsound(unsound) => !matches!(unsound, Unsound::Malformed | Unsound::TooLarge),
            Self::Unreachable | Self::TimedOut | Self::Throttled | Self::Rejected => false,
        }
    }
}

/// Why a caller gets no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoToken {
    /// The tenant has no client, or no longer.
    #[error("the tenant has no client")]
    NoClient,
    /// Too many callers wait already.
    #[error("too many callers wait for this tenant's token")]
    Busy,
    /// There was no token within the longest wait.
    #[error("no token came in time")]
    TimedOut,
    /// Requests fail; the next one is made after a time.
    #[error("no token can be had: {why}")]
    Failed {
        /// How the newest request failed.
        why: Failure,
        /// When asking again may help.
        retry_after: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that asks again and again with what will not be taken is locked by its server; one
    /// that gives up on a server that is down gets no token when it is up again.
    #[test]
    fn what_is_the_clients_own_fault_lasts() {
        for (status, lasts) in [
            (300, true),
            (404, true),
            (407, true),
            (408, false),
            (409, true),
            (499, true),
            (500, false),
            (503, false),
        ] {
            assert_eq!(Failure::Status(status).is_lasting(), lasts, "{status}");
        }
        let lasting = [Failure::Signing, Failure::Refused(OAuthError::Other)];
        assert!(lasting.iter().all(Failure::is_lasting));
        let passing = [
            Failure::Unreachable,
            Failure::TimedOut,
            Failure::Throttled,
            Failure::Rejected,
            Failure::Unsound(Unsound::Malformed),
            Failure::Unsound(Unsound::TooLarge),
        ];
        assert!(!passing.iter().any(Failure::is_lasting));
    }

    /// RFC 6749 section 5.2.
    #[test]
    fn every_code_of_the_rfc_is_known() {
        for (code, error) in [
            ("invalid_request", OAuthError::InvalidRequest),
            ("invalid_client", OAuthError::InvalidClient),
            ("invalid_grant", OAuthError::InvalidGrant),
            ("unauthorized_client", OAuthError::UnauthorizedClient),
            ("unsupported_grant_type", OAuthError::UnsupportedGrantType),
            ("invalid_scope", OAuthError::InvalidScope),
            ("server_error", OAuthError::Other),
        ] {
            let answer = format!(r#"{{"error":"{code}"}}"#);
            assert_eq!(OAuthError::read(answer.as_bytes()), error, "{code}");
        }
    }
}
