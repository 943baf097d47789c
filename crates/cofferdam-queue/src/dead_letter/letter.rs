//! One dead letter, and its bytes.
//!
//! The layout, all numbers little-endian: version `u8` = 1, cause `u8`, attempts `u32`, first and
//! last time `i64` each (milliseconds since the Unix epoch), position `u64`, whether a lane is named
//! `u8` (0 or 1), length of the lane's name `u64` and the name, length of the sealed event `u64` and
//! the sealed event, tag `[u8; 32]`, and nothing after it.
//!
//! There are two tags. The sealed event carries one, made by `cofferdam-core` over what the event
//! is; the letter's own covers everything before it, the sealed event included, so that nobody who
//! can write to the store can send an event to another lane or change why it died. The letter's
//! message begins with a label that a sealed event cannot begin with, so neither tag can pass for
//! the other. The tenant is not among the bytes: as with a sealed event, a reader must already know
//! whose letter it is.

use std::fmt;

use cofferdam_core::{
    Scoped, TenantId,
    pipeline::{Recorded, Seal},
};

use crate::DeadCause;

const VERSION: u8 = 1;
/// Sealed events begin with their version, a small number.
const LABEL: &[u8] = b"letter\0";

/// How an event died: what the queues' effect says, in the words of a store.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// The name of the lane; `None` if the event found none.
    pub lane: Option<&'a str>,
    /// Why.
    pub cause: DeadCause,
    /// How often it was delivered.
    pub attempts: u32,
    /// When it was offered, in milliseconds since the Unix epoch.
    pub first_ms: i64,
    /// When it died, in milliseconds since the Unix epoch.
    pub last_ms: i64,
}

/// A sealed event, with how it died.
///
/// One that was [`decode`](Self::decode)d says what its bytes say; only [`open`](Self::open) proves
/// that they were written for this tenant.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    tenant: TenantId,
    lane: Option<String>,
    cause: DeadCause,
    attempts: u32,
    first_ms: i64,
    last_ms: i64,
    position: u64,
    event: Vec<u8>,
    tag: [u8; 32],
}

impl DeadLetter {
    /// Seals `event` for its tenant.
    #[must_use]
    pub fn seal(event: &Recorded, cause: Cause<'_>, seal: &dyn Seal) -> Self {
        let mut sealed = Vec::with_capacity(event.body().len() + 128);
        event.seal(seal, &mut sealed);
        let mut letter = Self {
            tenant: event.tenant().clone(),
            lane: cause.lane.map(String::from),
            cause: cause.cause,
            attempts: cause.attempts,
            first_ms: cause.first_ms,
            last_ms: cause.last_ms,
            position: event.position(),
            event: sealed,
            tag: [0; 32],
        };
        letter.tag = letter.expected_tag(seal);
        letter
    }

    /// Gives the event back, marked as a replay.
    ///
    /// # Errors
    ///
    /// [`ForeignLetter`] if letter or event was not sealed for this letter's tenant with this key.
    pub fn open(&self, seal: &dyn Seal) -> Result<Recorded, ForeignLetter> {
        let ours = self.expected_tag(seal);
        let difference =
            ours.iter().zip(&self.tag).fold(0, |difference, (a, b)| difference | (a ^ b));
        // Both are looked at whatever the first says: the time shows no more than the answer.
        let event = Recorded::unseal(&self.tenant, seal, &self.event);
        if difference == 0 { event.map_err(|_| ForeignLetter(())) } else { Err(ForeignLetter(())) }
    }

    /// Appends the letter's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_untagged(out);
        out.extend_from_slice(&self.tag);
    }

    /// Reads what [`encode`](Self::encode) wrote, as a letter of `tenant`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for bytes that `encode` does not write. Bytes of another tenant's letter are
    /// well formed; they do not [`open`](Self::open).
    pub fn decode(tenant: &TenantId, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        if take(&mut rest)? != [VERSION] {
            return Err(Malformed(()));
        }
        let [cause] = take(&mut rest)?;
        let cause = DeadCause::from_code(cause).ok_or(Malformed(()))?;
        let attempts = u32::from_le_bytes(take(&mut rest)?);
        let first_ms = i64::from_le_bytes(take(&mut rest)?);
        let last_ms = i64::from_le_bytes(take(&mut rest)?);
        let position = u64::from_le_bytes(take(&mut rest)?);
        let [names_a_lane] = take(&mut rest)?;
        let name = std::str::from_utf8(take_counted(&mut rest)?).map_err(|_| Malformed(()))?;
        let lane = match (names_a_lane, name) {
            (1, name) => Some(String::from(name)),
            (0, "") => None,
            _ => return Err(Malformed(())),
        };
        let event = take_counted(&mut rest)?.to_vec();
        let tag = take(&mut rest)?;
        if !rest.is_empty() {
            return Err(Malformed(()));
        }
        let tenant = tenant.clone();
        Ok(Self { tenant, lane, cause, attempts, first_ms, last_ms, position, event, tag })
    }

    /// The name of the lane that the event died in; `None` if it found none.
    #[must_use]
    pub fn lane(&self) -> Option<&str> {
        self.lane.as_deref()
    }

    /// Why the event died.
    #[must_use]
    pub fn cause(&self) -> DeadCause {
        self.cause
    }

    /// How often it was delivered.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When it was offered, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn first_ms(&self) -> i64 {
        self.first_ms
    }

    /// When it died, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn last_ms(&self) -> i64 {
        self.last_ms
    }

    /// Where the event stood in its tenant's stream.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    fn encode_untagged(&self, out: &mut Vec<u8>) {
        let name = self.lane.as_deref().unwrap_or_default();
        out.extend_from_slice(&[VERSION, self.cause.code()]);
        out.extend_from_slice(&self.attempts.to_le_bytes());
        out.extend_from_slice(&self.first_ms.to_le_bytes());
        out.extend_from_slice(&self.last_ms.to_le_bytes());
        out.extend_from_slice(&self.position.to_le_bytes());
        out.push(u8::from(self.lane.is_some()));
        out.extend_from_slice(&(name.len() as u64).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&(self.event.len() as u64).to_le_bytes());
        out.extend_from_slice(&self.event);
    }

    fn expected_tag(&self, seal: &dyn Seal) -> [u8; 32] {
        let mut message = Vec::with_capacity(self.event.len() + 128);
        message.extend_from_slice(LABEL);
        self.encode_untagged(&mut message);
        seal.tag(&self.tenant, &message)
    }
}

impl Scoped for DeadLetter {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// Shows how the event died, not what it says.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("tenant", &self.tenant)
            .field("position", &self.position)
            .field("cause", &self.cause)
            .field("attempts", &self.attempts)
            .field("bytes", &self.event.len())
            .finish_non_exhaustive()
    }
}

/// The letter was edited, or was sealed for another tenant or with another key. Which of these is
/// not told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the dead letter was not sealed for this tenant")]
pub struct ForeignLetter(());

/// The bytes are not a dead letter's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored bytes are not a dead letter")]
pub struct Malformed(());

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (head, tail) = rest.split_first_chunk().ok_or(Malformed(()))?;
    *rest = tail;
    Ok(*head)
}

fn take_counted<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(u64::from_le_bytes(take(rest)?)).map_err(|_| Malformed(()))?;
    let (head, tail) = rest.split_at_checked(length).ok_or(Malformed(()))?;
    *rest = tail;
    Ok(head)
}
