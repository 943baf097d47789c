//! A revocation as it travels: versioned, bounded, and sealed with the deployment's key.
//!
//! ```text
//! version u8 = 1 | kind u8 | time i64 | tenant length u8 | tenant | name length u16 | name | tag [32]
//! ```
//!
//! Integers are big-endian. `time` is a heartbeat's date, a revocation's cut or a generation's
//! number. Lengths stand before what they count, so that no two notices have one spelling; a kind
//! that has no tenant or no name has the length 0, and nothing may follow. The tag is HMAC-SHA-256
//! (RFC 2104) over a context string and all that stands before it. It is checked before anything is
//! read: a broker, or whoever writes to it, can neither change a notice nor move one to another
//! tenant.
//!
//! There is no nonce, since every notice may come twice by contract: a revocation that is played
//! back revokes what is revoked. A heartbeat that is played back would hide a silence, so
//! [`Sessions`](super::Sessions) looks at its date.

use std::{fmt, time::Duration};

use aws_lc_rs::hmac;
use cofferdam_core::TenantId;

use super::{Input, Target};
use crate::revocations::FORGOTTEN_AFTER;

const VERSION: u8 = 1;
const TAG_LEN: usize = 32;
/// Makes the key's other uses, if there are any, useless here.
const CONTEXT: &[u8] = b"cofferdam revocation notice";
/// The longest name, in bytes: as long as a token, so that whatever one can hold can be revoked.
const MAX_NAME: usize = 8 * 1024;
/// What is always there: version, kind, time, two lengths and the tag.
const FRAME: usize = 1 + 1 + 8 + 1 + 2 + TAG_LEN;

/// What nodes tell each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The feed is whole.
    Heartbeat {
        /// When it was sent, in milliseconds since the Unix epoch.
        sent_ms: i64,
    },
    /// Something of a tenant is revoked.
    Revoked {
        /// The tenant.
        tenant: TenantId,
        /// What.
        target: Target,
        /// See [`Input::Revoke`].
        before_ms: i64,
    },
    /// Earlier registrations of a tenant are over.
    Generation {
        /// The tenant.
        tenant: TenantId,
        /// See [`Input::Generation`].
        least: u64,
    },
}

impl Notice {
    /// How long after its date a revocation can matter, but for one of a key: no token lives longer.
    pub const SPENT_AFTER: Duration = FORGOTTEN_AFTER;

    /// The longest notice, in bytes.
    pub const MAX_LEN: usize = FRAME + TenantId::MAX_LEN + MAX_NAME;

    /// The notice as it is sent.
    ///
    /// # Errors
    ///
    /// [`NoticeTooLarge`] if the name is longer than any token's.
    pub fn seal(&self, key: &NoticeKey) -> Result<Vec<u8>, NoticeTooLarge> {
        let (kind, time, tenant, name) = self.parts();
        if name.len() > MAX_NAME {
            return Err(NoticeTooLarge);
        }
        let tenant_len = u8::try_from(tenant.len()).map_err(|_| NoticeTooLarge)?;
        let name_len = u16::try_from(name.len()).map_err(|_| NoticeTooLarge)?;
        let mut bytes = Vec::with_capacity(FRAME + tenant.len() + name.len());
        bytes.extend([VERSION, kind]);
        bytes.extend(time);
        bytes.push(tenant_len);
        bytes.extend(tenant.as_bytes());
        bytes.extend(name_len.to_be_bytes());
        bytes.extend(name.as_bytes());
        let tag = key.sign(&bytes);
        bytes.extend(tag.as_ref());
        Ok(bytes)
    }

    /// Reads a notice that was sent.
    ///
    /// # Errors
    ///
    /// [`InvalidNotice`] if it is not one that a holder of the key sealed, to the byte.
    pub fn open(bytes: &[u8], key: &NoticeKey) -> Result<Self, InvalidNotice> {
        if bytes.len() > Self::MAX_LEN {
            return Err(InvalidNotice);
        }
        let (content, tag) = bytes.split_last_chunk::<TAG_LEN>().ok_or(InvalidNotice)?;
        if !key.verify(content, tag) {
            return Err(InvalidNotice);
        }
        Self::read(content).ok_or(InvalidNotice)
    }

    fn parts(&self) -> (u8, [u8; 8], &str, &str) {
        match self {
            Self::Heartbeat { sent_ms } => (0, sent_ms.to_be_bytes(), "", ""),
            Self::Generation { tenant, least } => (1, least.to_be_bytes(), tenant.as_str(), ""),
            Self::Revoked { tenant, target, before_ms } => {
                let (kind, name) = match target {
                    Target::Everything => (2, ""),
                    Target::Token(id) => (3, &**id),
                    Target::Key(id) => (4, &**id),
                    Target::Subject(id) => (5, &**id),
                    Target::Client(id) => (6, &**id),
                };
                (kind, before_ms.to_be_bytes(), tenant.as_str(), name)
            }
        }
    }

    fn read(content: &[u8]) -> Option<Self> {
        let ([version, kind], rest) = content.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (&[tenant_len], rest) = rest.split_first_chunk()?;
        let (tenant, rest) = rest.split_at_checked(usize::from(tenant_len))?;
        let (name_len, name) = rest.split_first_chunk::<2>()?;
        let fits = name.len() == usize::from(u16::from_be_bytes(*name_len));
        if *version != VERSION || !fits || name.len() > MAX_NAME {
            return None;
        }
        let name = str::from_utf8(name).ok()?;
        if *kind == 0 {
            let sent_ms = i64::from_be_bytes(*time);
            return (tenant.is_empty() && name.is_empty()).then_some(Self::Heartbeat { sent_ms });
        }
        let tenant = TenantId::parse(str::from_utf8(tenant).ok()?).ok()?;
        let target = match kind {
            1 if name.is_empty() => {
                return Some(Self::Generation { tenant, least: u64::from_be_bytes(*time) });
            }
            2 if name.is_empty() => Target::Everything,
            3 => Target::Token(name.into()),
            4 => Target::Key(name.into()),
            5 => Target::Subject(name.into()),
            6 => Target::Client(name.into()),
            _ => return None,
        };
        Some(Self::Revoked { tenant, target, before_ms: i64::from_be_bytes(*time) })
    }
}

/// What a node makes of what it hears.
impl From<Notice> for Input {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Heartbeat { sent_ms } => Self::FeedHeard { sent_ms },
            Notice::Revoked { tenant, target, before_ms } => {
                Self::Revoke { tenant, target, before_ms, as_of_now: false }
            }
            Notice::Generation { tenant, least } => Self::Generation { tenant, least },
        }
    }
}

/// The deployment's key for notices: the same on every node, random, 32 bytes.
#[derive(Clone)]
pub struct NoticeKey {
    current: hmac::Key,
    previous: Option<hmac::Key>,
}

impl NoticeKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self { current: hmac::Key::new(hmac::HMAC_SHA256, bytes), previous: None }
    }

    /// The same, which also opens what was sealed with the key before it: every node gets the pair
    /// in which the new key is the previous one, then the pair the other way round, then the new key
    /// alone.
    #[must_use]
    pub fn and_opens(self, previous: &[u8; 32]) -> Self {
        Self { previous: Some(hmac::Key::new(hmac::HMAC_SHA256, previous)), ..self }
    }

    fn sign(&self, content: &[u8]) -> hmac::Tag {
        let mut signing = hmac::Context::with_key(&self.current);
        signing.update(CONTEXT);
        signing.update(content);
        signing.sign()
    }

    fn verify(&self, content: &[u8], tag: &[u8]) -> bool {
        let signed = [CONTEXT, content].concat();
        let keys = [Some(&self.current), self.previous.as_ref()];
        keys.into_iter().flatten().any(|key| hmac::verify(key, &signed, tag).is_ok())
    }
}

impl fmt::Debug for NoticeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoticeKey(..)")
    }
}

/// Not a notice that a holder of the key has sealed. Which part is wrong is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sealed notice of this deployment")]
#[non_exhaustive]
pub struct InvalidNotice;

/// A name of more than 8 KiB, which no token can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name is longer than a token can be")]
#[non_exhaustive]
pub struct NoticeTooLarge;
