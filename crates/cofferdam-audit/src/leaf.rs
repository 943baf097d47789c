//! A leaf: one fact about one tenant in a fixed number of bytes.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | version, `1` |
//! | 1..33 | SHA-256 of the log's origin |
//! | 33..41 | index in the log |
//! | 41..49 | wall clock, milliseconds since the Unix epoch, signed |
//! | 49..51 | event code |
//! | 51..53 | reason code, `0` for none |
//! | 53..61 | position in the tenant's stream |
//! | 61..69 | fencing epoch |
//! | 69..77 | detail, whose meaning is the event code's |
//! | 77..81 | version of the redaction policy |
//! | 81..85, 85..89, 89..93 | values masked, hashed, omitted |
//! | 93..97 | how many subscriptions the event goes to |
//! | 97..129 | payload commitment, zero for none |
//!
//! All numbers are little-endian. Every field has its place and its length, so there is nothing to
//! escape and nothing to inject: a line break, a terminal escape or a forged entry in an event
//! cannot reach a leaf, because no text of an event ever does. Nor does a tenant id: the origin's
//! hash stands for the log. Since origin and index are *in* the leaf, and so under its hash, a leaf
//! that is copied to another place or to another tenant's log does not fit there.

use cofferdam_core::{Epoch, Reason, pipeline::Redactions};

use crate::tree::Hash;

/// How many bytes a leaf has.
pub const LEAF_LEN: usize = 129;
const VERSION: u8 = 1;

macro_rules! event_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)+) => {
        /// What a leaf says happened. The numbers never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum EventCode {
            $($(#[$doc])* $name = $code,)+
        }

        impl EventCode {
            /// Every code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable number.
            #[must_use]
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The event with this number, if there is one.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

event_codes! {
    /// A process opened the log. Detail: bytes of a torn write that it threw away.
    Opened = 1;
    /// A process closed the log.
    Closed = 2;
    /// Nothing happened, and somebody was there to see it.
    Heartbeat = 3;
    /// Leaves could not be taken. Detail: how many.
    Lost = 4;
    /// Signing or verification keys changed. Detail: the new generation.
    KeysRotated = 5;
    /// A connection was let in. Detail: the connection's number.
    ConnectionAccepted = 10;
    /// A connection was refused, for the leaf's reason.
    ConnectionRefused = 11;
    /// A connection ended. Detail: the connection's number.
    ConnectionClosed = 12;
    /// An event was redacted and is to be delivered; the commitment is to its redacted body.
    EventRecorded = 20;
    /// An event was refused, for the leaf's reason.
    EventRefused = 21;
    /// An event went to the dead letters. Detail: the index of its `EventRecorded` leaf.
    DeadLettered = 22;
    /// An event came back from the dead letters. Detail: as for `DeadLettered`.
    Replayed = 23;
    /// An event was handed over again. Detail: as for `DeadLettered`.
    Redelivered = 24;
    /// Events are missing upstream. Position: the first; detail: how many, 0 if nobody knows.
    Gap = 25;
    /// Another redaction policy is in force. Detail: its version.
    PolicyChanged = 30;
    /// Other subscriptions are in force. Detail: their version.
    RoutesChanged = 31;
}

/// One entry of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// SHA-256 of the log's origin.
    pub origin_hash: Hash,
    /// Where in the log it stands, from zero.
    pub index: u64,
    /// When, in milliseconds since the Unix epoch, as the host's clock had it.
    pub wall_ms: i64,
    /// What happened.
    pub code: EventCode,
    /// Why, where something was refused.
    pub reason: Option<Reason>,
    /// Where in the tenant's stream the event stood.
    pub position: u64,
    /// The fencing epoch of the process that wrote the leaf.
    pub epoch: Epoch,
    /// A number whose meaning the code defines.
    pub detail: u64,
    /// What redaction did.
    pub redactions: Redactions,
    /// How many subscriptions the event goes to.
    pub routes: u32,
    /// The commitment to the redacted body; zero if there is none.
    pub commitment: Hash,
}

impl Leaf {
    /// The leaf as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LEAF_LEN] {
        let mut bytes = [0; LEAF_LEN];
        let mut rest = bytes.as_mut_slice();
        put(&mut rest, [VERSION]);
        put(&mut rest, self.origin_hash);
        put(&mut rest, self.index.to_le_bytes());
        put(&mut rest, self.wall_ms.to_le_bytes());
        put(&mut rest, self.code.code().to_le_bytes());
        put(&mut rest, self.reason.map_or(0, Reason::code).to_le_bytes());
        put(&mut rest, self.position.to_le_bytes());
        put(&mut rest, self.epoch.0.to_le_bytes());
        put(&mut rest, self.detail.to_le_bytes());
        put(&mut rest, self.redactions.policy_version.to_le_bytes());
        put(&mut rest, self.redactions.masked.to_le_bytes());
        put(&mut rest, self.redactions.hashed.to_le_bytes());
        put(&mut rest, self.redactions.omitted.to_le_bytes());
        put(&mut rest, self.routes.to_le_bytes());
        put(&mut rest, self.commitment);
        bytes
    }

    /// Reads a leaf back. What decodes encodes to the same bytes.
    ///
    /// # Errors
    ///
    /// A [`LeafError`] for another length or version, and for codes that this version of the crate
    /// does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        let mut rest: &[u8] = <&[u8; LEAF_LEN]>::try_from(bytes)?;
        if take::<1>(&mut rest)? != [VERSION] {
            return Err(LeafError::Version);
        }
        let origin_hash = take(&mut rest)?;
        let index = u64::from_le_bytes(take(&mut rest)?);
        let wall_ms = i64::from_le_bytes(take(&mut rest)?);
        let code = EventCode::from_code(u16::from_le_bytes(take(&mut rest)?));
        let reason = match u16::from_le_bytes(take(&mut rest)?) {
            0 => None,
            code => Some(Reason::from_code(code).ok_or(LeafError::Reason)?),
        };
        let position = u64::from_le_bytes(take(&mut rest)?);
        let epoch = Epoch(u64::from_le_bytes(take(&mut rest)?));
        let detail = u64::from_le_bytes(take(&mut rest)?);
        let policy_version = u32::from_le_bytes(take(&mut rest)?);
        let masked = u32::from_le_bytes(take(&mut rest)?);
        let hashed = u32::from_le_bytes(take(&mut rest)?);
        let omitted = u32::from_le_bytes(take(&mut rest)?);
        let routes = u32::from_le_bytes(take(&mut rest)?);
        let commitment = take(&mut rest)?;
        Ok(Self {
            origin_hash,
            index,
            wall_ms,
            code: code.ok_or(LeafError::Code)?,
            reason,
            position,
            epoch,
            detail,
            redactions: Redactions { masked, hashed, omitted, policy_version },
            routes,
            commitment,
        })
    }
}

/// The bytes are not a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// Not exactly [`LEAF_LEN`] bytes.
    #[error("not the length of a leaf")]
    Length,
    /// Another version of the layout.
    #[error("a leaf of an unknown version")]
    Version,
    /// An event code that this version of the crate does not know.
    #[error("a leaf with an unknown event code")]
    Code,
    /// A reason code that this version of the crate does not know.
    #[error("a leaf with an unknown reason code")]
    Reason,
}

impl From<core::array::TryFromSliceError> for LeafError {
    fn from(_: core::array::TryFromSliceError) -> Self {
        Self::Length
    }
}

/// Writes the next `N` bytes. The fields add up to `LEAF_LEN`, which a test checks.
fn put<const N: usize>(rest: &mut &mut [u8], field: [u8; N]) {
    if let Some((head, tail)) = core::mem::take(rest).split_first_chunk_mut() {
        *head = field;
        *rest = tail;
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], LeafError> {
    let (head, tail) = rest.split_first_chunk().ok_or(LeafError::Length)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Leaf {
        Leaf {
            origin_hash: [0xAA; 32],
            index: 0x0102_0304_0506_0708,
            wall_ms: -2,
            code: EventCode::EventRefused,
            reason: Some(Reason::TooDeep),
            position: 3,
            epoch: Epoch(4),
            detail: 5,
            redactions: Redactions { masked: 6, hashed: 7, omitted: 8, policy_version: 9 },
            routes: 10,
            commitment: [0xBB; 32],
        }
    }

    /// The table in the module's documentation, byte by byte: other programs read this layout.
    #[test]
    fn every_field_stands_where_the_table_says() {
        let bytes = leaf().encode();
        assert_eq!(bytes[0], 1);
        assert_eq!(bytes[1..33], [0xAA; 32]);
        assert_eq!(bytes[33..41], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[41..49], (-2_i64).to_le_bytes());
        assert_eq!(bytes[49..53], [21, 0, 13, 0]);
        assert_eq!(bytes[53..61], 3_u64.to_le_bytes());
        assert_eq!(bytes[61..69], 4_u64.to_le_bytes());
        assert_eq!(bytes[69..77], 5_u64.to_le_bytes());
        for (at, value) in [(77, 9_u32), (81, 6), (85, 7), (89, 8), (93, 10)] {
            assert_eq!(bytes[at..at + 4], value.to_le_bytes());
        }
        assert_eq!(bytes[97..], [0xBB; 32]);
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        for &code in EventCode::ALL {
            for reason in Reason::ALL.iter().copied().map(Some).chain([None]) {
                let leaf = Leaf { code, reason, ..leaf() };
                assert_eq!(Leaf::decode(&leaf.encode()), Ok(leaf));
            }
        }
    }

    #[test]
    fn what_decodes_encodes_to_itself_and_the_rest_is_refused() {
        let sound = leaf().encode();
        for bit in 0..LEAF_LEN * 8 {
            let mut bytes = sound;
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(leaf) = Leaf::decode(&bytes) {
                assert_eq!(leaf.encode(), bytes, "bit {bit}");
            }
        }
        assert_eq!(Leaf::decode(&sound[1..]), Err(LeafError::Length));
        assert_eq!(Leaf::decode(&[sound.as_slice(), &[0]].concat()), Err(LeafError::Length));
        for (at, value, error) in
            [(0, 2, LeafError::Version), (50, 0xFF, LeafError::Code), (52, 0xFF, LeafError::Reason)]
        {
            let mut bytes = sound;
            bytes[at] = value;
            assert_eq!(Leaf::decode(&bytes), Err(error));
        }
    }

    #[test]
    fn codes_ascend_and_round_trip() {
        for pair in EventCode::ALL.windows(2) {
            assert!(pair[0].code() < pair[1].code());
        }
        for &code in EventCode::ALL {
            assert_eq!(EventCode::from_code(code.code()), Some(code));
        }
        assert_eq!(EventCode::from_code(0), None);
    }
}
