//! What the machine of sessions is told, and what it asks for.

use std::fmt;

use cofferdam_core::{ConnectionId, Scoped, TenantContext, TenantId};

use super::Why;
use crate::{KeyPrint, Revoked};

/// What [`Sessions`](super::Sessions) is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// A credential was accepted on a connection. The session is open unless [`Effect::Refused`]
    /// comes back.
    Open {
        /// What the check of the credential proved.
        context: TenantContext,
    },
    /// A session presents a newer credential. It is renewed unless [`Effect::Refused`] or
    /// [`Effect::End`] comes back.
    Renew {
        /// The session's tenant, as its own context has it.
        tenant: TenantId,
        /// The session's connection.
        connection: ConnectionId,
        /// What the check of the newer credential proved.
        context: TenantContext,
    },
    /// The connection is gone.
    Closed {
        /// The session's tenant.
        tenant: TenantId,
        /// The session's connection.
        connection: ConnectionId,
    },
    /// Something of a tenant is revoked.
    Revoke {
        /// The tenant.
        tenant: TenantId,
        /// What.
        target: Target,
        /// Subjects, clients and everything: credentials issued until here, in milliseconds since
        /// the Unix epoch. Tokens and keys are revoked whenever they were issued.
        before_ms: i64,
        /// Whether every session of it that is open ends, whatever its credential says of when it was
        /// issued: an issuer's clock may run ahead, and ours may have been set back. For who revokes
        /// here and now; what another node has revoked goes by its date, as it may come twice.
        as_of_now: bool,
    },
    /// These are all the keys that an issuer publishes now. A session of another key of the issuer
    /// ends.
    KeysChanged {
        /// The issuer's tenant.
        tenant: TenantId,
        /// The issuer.
        issuer: Box<str>,
        /// The ids of its keys, and which key each stands for: [`KeySet::prints`](crate::KeySet::prints).
        keys: Vec<(Box<str>, KeyPrint)>,
    },
    /// The tenant was removed, or made again: registrations before this one are over. For a tenant
    /// that was removed, its last generation and one.
    Generation {
        /// The tenant.
        tenant: TenantId,
        /// The first generation that is still good.
        least: u64,
    },
    /// The feed's heartbeat came. It is everybody's.
    FeedHeard {
        /// When it was sent, in milliseconds since the Unix epoch.
        sent_ms: i64,
    },
}

/// What [`Sessions`](super::Sessions) asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Close this session's connection now. The machine has forgotten it.
    End {
        /// The session's tenant.
        tenant: TenantId,
        /// The session's connection.
        connection: ConnectionId,
        /// Why.
        why: Why,
    },
    /// What was asked for was not done: there is no new session, or the old one goes on as it was.
    Refused {
        /// The session's tenant.
        tenant: TenantId,
        /// The session's connection.
        connection: ConnectionId,
        /// Why.
        why: Why,
    },
}

impl Scoped for Effect {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::End { tenant, .. } | Self::Refused { tenant, .. } => tenant,
        }
    }
}

/// [`Revoked`] that owns its name: to be kept, and to be sent to other nodes.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The token with this `jti`.
    Token(Box<str>),
    /// Whatever was, is or will be signed with the key of this id.
    Key(Box<str>),
    /// The tokens of this `sub`.
    Subject(Box<str>),
    /// The tokens of this `client_id`.
    Client(Box<str>),
    /// Every token of the tenant.
    Everything,
}

impl Target {
    /// The same, borrowed.
    #[must_use]
    pub fn as_revoked(&self) -> Revoked<'_> {
        match self {
            Self::Token(id) => Revoked::Token(id),
            Self::Key(id) => Revoked::Key(id),
            Self::Subject(id) => Revoked::Subject(id),
            Self::Client(id) => Revoked::Client(id),
            Self::Everything => Revoked::Everything,
        }
    }
}

impl From<Revoked<'_>> for Target {
    fn from(what: Revoked<'_>) -> Self {
        match what {
            Revoked::Token(id) => Self::Token(id.into()),
            Revoked::Key(id) => Self::Key(id.into()),
            Revoked::Subject(id) => Self::Subject(id.into()),
            Revoked::Client(id) => Self::Client(id.into()),
            Revoked::Everything => Self::Everything,
        }
    }
}

/// Shows the kind. A subject may be a person.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(..)",
            Self::Key(_) => "Key(..)",
            Self::Subject(_) => "Subject(..)",
            Self::Client(_) => "Client(..)",
            Self::Everything => "Everything",
        })
    }
}
