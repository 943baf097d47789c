//! Why a session ended or did not begin, and the little of it that its peer may learn.

/// Why a session ended, was not opened, or was not renewed.
///
/// For the tenant's audit log. Its peer gets [`close_code`](Self::close_code) and
/// [`CLOSE_TEXT`](Self::CLOSE_TEXT); what happened to a key, a client or a tenant is all one there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// The credential reached its `exp`, by either clock.
    #[error("the credential has expired")]
    Expired,
    /// The token, its client, its subject or everything of the tenant was revoked.
    #[error("the credential is revoked")]
    Revoked,
    /// The issuer no longer publishes the key that the token was signed with.
    #[error("the key of the credential was withdrawn")]
    KeyWithdrawn,
    /// The tenant was removed, or removed and made again, since the credential was checked.
    #[error("the credential is of an earlier registration of the tenant")]
    Generation,
    /// A renewal of another tenant, generation, issuer, organisation, subject, client, holder's key,
    /// connection or epoch.
    #[error("the renewal is not of the session")]
    ForeignRenewal,
    /// The feed of revocations has been silent for too long to know what is revoked.
    #[error("the feed of revocations is silent")]
    FeedSilent,
    /// The tenant, or the process, has as many sessions as it may.
    #[error("there are too many sessions")]
    Full,
    /// The connection has a session already.
    #[error("the connection has a session already")]
    InUse,
    /// A renewal that would not end later than the session does. The session goes on as it was.
    #[error("the renewal does not end later than the session")]
    NotLater,
    /// There is no such session.
    #[error("there is no such session")]
    Unknown,
    /// The process stops watching its sessions, so it must not keep any.
    #[error("sessions are no longer watched")]
    Stopped,
}

impl Why {
    /// The reason text of every close frame.
    pub const CLOSE_TEXT: &'static str = "session ended";

    /// The code of the WebSocket close frame (RFC 6455 section 7.4).
    ///
    /// | code | tells the peer |
    /// |---|---|
    /// | 4401 | get a new token and come back |
    /// | 4403 | this credential is no longer accepted; do not come back with it |
    /// | 1013 | try again later, also with the same token |
    /// | 1001 | this process goes away |
    /// | 1011 | a mistake of ours |
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Expired | Self::NotLater => 4401,
            Self::Revoked | Self::KeyWithdrawn | Self::Generation | Self::ForeignRenewal => 4403,
            Self::FeedSilent | Self::Full => 1013,
            Self::Stopped => 1001,
            Self::InUse | Self::Unknown => 1011,
        }
    }
}
