//! Stream ids and cursors: which upstream stream of which tenant, and how far it has been handed on.

use std::{fmt, sync::Arc};

use cofferdam_core::{Epoch, Scoped, TenantId};

/// One upstream stream of one tenant.
///
/// The tenant is part of the name, so there is no call in this crate that takes a tenant and a
/// stream apart, and none that can be given one tenant's stream and another's position. Two tenants
/// may both have a stream called `conversations`; the two ids are different.
///
/// A name is 1 to [`MAX_LEN`](Self::MAX_LEN) bytes of ASCII letters, digits and `- _ . : / + = ~`,
/// which holds channel ids, topics, partitions and base64. Cloning copies two pointers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    tenant: TenantId,
    name: Arc<str>,
}

impl StreamId {
    /// The longest name in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `name` and keeps a copy.
    ///
    /// # Errors
    ///
    /// [`InvalidStreamId`] if `name` is empty, too long, or holds any other byte than those above.
    pub fn new(tenant: TenantId, name: &str) -> Result<Self, InvalidStreamId> {
        let holds_only = |b: &u8| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=' | b'~')
        };
        let bytes = name.as_bytes();
        if (1..=Self::MAX_LEN).contains(&bytes.len()) && bytes.iter().all(holds_only) {
            Ok(Self { tenant, name: Arc::from(name) })
        } else {
            Err(InvalidStreamId(()))
        }
    }

    /// The name, which is unique only within its tenant.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Scoped for StreamId {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// `tenant|name`; for people. No key is ever made of this text.
impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.tenant, self.name)
    }
}

/// The text is not a stream name. It is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a stream name: want 1 to 128 ascii letters, digits and - _ . : / + = ~")]
pub struct InvalidStreamId(());

/// How far a stream has been handed over durably.
///
/// `position` is the first one still owed: every event before it was delivered, dead-lettered,
/// refused or named in a gap record, and a resumed connection asks the upstream for it. A stream of
/// which nothing was read yet has position 0, so no "none yet" is needed.
///
/// Cursors of one stream are ordered by epoch first: what a deposed owner says never wins over what
/// its successor said, however far it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    stream: StreamId,
    epoch: Epoch,
    position: u64,
}

impl Cursor {
    /// A cursor of `stream`, held under `epoch`, that owes `position` and everything after it.
    #[must_use]
    pub const fn new(stream: StreamId, epoch: Epoch, position: u64) -> Self {
        Self { stream, epoch, position }
    }

    /// The stream.
    #[must_use]
    pub const fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// The fencing epoch of the owner that said so.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The first position that is still owed.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The same place, held by the owner of `epoch`.
    #[must_use]
    pub fn under(mut self, epoch: Epoch) -> Self {
        self.epoch = epoch;
        self
    }
}

impl Scoped for Cursor {
    fn tenant(&self) -> &TenantId {
        self.stream.tenant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    #[test]
    fn accepts_what_platforms_call_their_streams() {
        for name in ["c", "v2.users.9dfb.conversations", "orders-3:12", "a/b", "dGVzdA==", "A_~+"] {
            assert_eq!(StreamId::new(tenant("a"), name).unwrap().name(), name);
        }
        assert!(StreamId::new(tenant("a"), &"x".repeat(128)).is_ok());
    }

    #[test]
    fn refuses_every_other_name() {
        let long = "x".repeat(129);
        for name in ["", " ", "a b", "a\n", "a\0", "é", "a|b", "\"", "\\", "a%2f", &long] {
            assert!(StreamId::new(tenant("a"), name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn one_name_under_two_tenants_is_two_streams() {
        let of = |id| StreamId::new(tenant(id), "conversations").unwrap();
        assert_ne!(of("a"), of("b"));
    }

    #[test]
    fn a_later_epoch_outranks_a_later_position() {
        let stream = StreamId::new(tenant("a"), "s").unwrap();
        let deposed = Cursor::new(stream.clone(), Epoch(1), 1_000);
        assert!(Cursor::new(stream, Epoch(2), 10) > deposed);
    }
}
