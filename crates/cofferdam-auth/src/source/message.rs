//! What a token source is told and what it asks for.

use std::{sync::Arc, time::Duration};

use cofferdam_core::{Scoped, TenantId};

use super::{
    AccessToken, Body, Client, Failure, NoToken, RefreshRate, ScopeDrift, TokenRequest, Unsound,
};

/// Names a caller that wants a token; the driver's own number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// How long a [`TokenSource`](super::TokenSource) waits, and for how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLimits {
    /// The most callers that wait at one time; 4,096 by default. More are refused as busy.
    pub most_waiters: usize,
    /// The longest that a caller waits; 10 s by default.
    pub longest_wait: Duration,
    /// How long a request may be under way before it counts as failed; 8 s by default. What comes
    /// later is not looked at.
    pub longest_flight: Duration,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            most_waiters: 4_096,
            longest_wait: Duration::from_secs(10),
            longest_flight: Duration::from_secs(8),
        }
    }
}

/// What a [`TokenSource`](super::TokenSource) is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// A caller wants a token now, for one use. Answered by exactly one [`Effect::Ready`] or
    /// [`Effect::Refused`], unless it is abandoned.
    Wanted {
        /// The caller; not the number of one that waits.
        request: RequestId,
    },
    /// A caller no longer wants a token. The request that is under way goes on for the others.
    Abandoned {
        /// The caller.
        request: RequestId,
    },
    /// The server answered with status 200.
    Obtained {
        /// Of the [`TokenRequest`].
        attempt: u64,
        /// The answer.
        answer: Body,
        /// What was answered to [`TokenRequest::witness`], if that asked something.
        witness: Option<Body>,
    },
    /// A request failed.
    Failed {
        /// Of the [`TokenRequest`].
        attempt: u64,
        /// Why.
        why: Failure,
        /// The server's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// A server refused a token as no longer good (status 401): it was revoked.
    Rejected {
        /// [`AccessToken::serial`].
        serial: u64,
    },
    /// The tenant's registration was replaced. A token stays if only the credential changed.
    Replaced {
        /// The new one, of the same tenant.
        client: Arc<Client>,
    },
    /// The tenant's registration was removed.
    Removed,
}

/// What a [`TokenSource`](super::TokenSource) asks for.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Send this request, and say how it went.
    Request(TokenRequest),
    /// Give the caller this token.
    Ready {
        /// The caller.
        request: RequestId,
        /// The token.
        token: AccessToken,
    },
    /// Tell the caller that there is none.
    Refused {
        /// Whose.
        tenant: TenantId,
        /// The caller.
        request: RequestId,
        /// Why.
        why: NoToken,
    },
    /// Tell the operator.
    Alert {
        /// Whose.
        tenant: TenantId,
        /// What.
        why: Alert,
    },
}

/// What an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Alert {
    /// Tokens are renewed more than twice as often as their lifetimes make necessary.
    #[error("tokens are renewed {} times where {} are usual", .0.seen, .0.usual)]
    RenewedTooOften(RefreshRate),
    /// The scopes of a new token are not the registered ones. It was dropped.
    #[error(transparent)]
    ScopeDrift(Arc<ScopeDrift>),
    /// Something else about an answer is not as registered. It was dropped.
    #[error("a token was refused: {0}")]
    Unsound(Unsound),
    /// The breaker opened.
    #[error("token requests stopped for a while: {0}")]
    BreakerOpened(Failure),
    /// The breaker closed: tokens come again.
    #[error("tokens come again")]
    BreakerClosed,
}

impl Scoped for Effect {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Request(request) => request.tenant(),
            Self::Ready { token, .. } => token.tenant(),
            Self::Refused { tenant, .. } | Self::Alert { tenant, .. } => tenant,
        }
    }
}
