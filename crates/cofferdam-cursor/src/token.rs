//! The form in which a cursor leaves the process: sealed, of one length, good for one stream only.
//!
//! A client that is handed `{"stream":"calls","position":4711}` can edit it (C01), present it for
//! another tenant or stream (C02) and read volumes off the difference of two of them (C04). So a
//! cursor goes out as 48 bytes, 64 characters of base64url:
//!
//! ```text
//!  0       2        4            16                      32                 48
//!  | version | key id |   nonce    | sealed epoch, position |      tag        |
//! ```
//!
//! AES-256-GCM-SIV (RFC 8452) seals the two numbers with version, key id, tenant and stream as
//! associated data. Tenant and stream are not in the token at all: the reader supplies its own, and
//! a token made for any other fails the tag. SIV rather than GCM, because the nonce is the caller's:
//! one that repeats (a restored snapshot, a broken generator) shows that two cursors are equal and
//! nothing more, where GCM would give away the authentication key.
//!
//! Rejected: a MAC over readable numbers (C04), and a MAC plus a home-made keystream.
//!
//! A token names a place, not a permission. Whoever resumes from it does so through the rules and
//! scopes that hold then.

use std::fmt;

use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, KeyInit, Nonce, Tag};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cofferdam_core::{Epoch, Now, Scoped, TenantId};

use crate::{Cursor, StreamId};

const VERSION: u16 = 1;
const RAW_LEN: usize = 48;
const HEAD_LEN: usize = 4;
const NONCE_LEN: usize = 12;
const BODY_LEN: usize = 16;
/// Head, then each name behind its length.
const AAD_MAX: usize = HEAD_LEN + 1 + TenantId::MAX_LEN + 1 + StreamId::MAX_LEN;

/// The keys that seal and open cursors: one that seals, and older ones that only open.
///
/// Keys are shared by the nodes of a deployment and swapped whole. To rotate, give every node the
/// new key as a grace key, then make it the sealing one with the old as grace until the oldest token
/// in use was made with the new (C05).
pub struct CursorKeys {
    current: Key,
    grace: Vec<(Key, i64)>,
}

struct Key {
    id: u16,
    cipher: Aes256GcmSiv,
}

impl CursorKeys {
    /// Seals and opens with `key`, which must be random and secret.
    #[must_use]
    pub fn new(id: u16, key: &[u8; 32]) -> Self {
        Self { current: Key::new(id, key), grace: Vec::new() }
    }

    /// Also opens what `key` has sealed, until `until_ms` (milliseconds since the Unix epoch).
    ///
    /// Of two keys with one id the first named wins; ids are not to be reused.
    #[must_use]
    pub fn with_grace(mut self, id: u16, key: &[u8; 32], until_ms: i64) -> Self {
        self.grace.push((Key::new(id, key), until_ms));
        self
    }

    /// Seals `cursor`. `nonce` should be random; a repeated one only shows that two cursors are equal.
    ///
    /// # Errors
    ///
    /// [`CursorRefused`] if the cipher declines, which no cursor is long enough to make it do.
    pub fn seal(&self, cursor: &Cursor, nonce: [u8; 12]) -> Result<CursorToken, CursorRefused> {
        let mut head = [0; HEAD_LEN];
        head[..2].copy_from_slice(&VERSION.to_be_bytes());
        head[2..].copy_from_slice(&self.current.id.to_be_bytes());
        let mut body = [0; BODY_LEN];
        body[..8].copy_from_slice(&cursor.epoch().0.to_be_bytes());
        body[8..].copy_from_slice(&cursor.position().to_be_bytes());

        let mut aad = [0; AAD_MAX];
        let aad = associated_data(&mut aad, head, cursor.stream());
        let tag = self
            .current
            .cipher
            .encrypt_inout_detached(&Nonce::from(nonce), aad, body.as_mut_slice().into())
            .map_err(|_| CursorRefused(()))?;

        let mut raw = [0; RAW_LEN];
        raw[..4].copy_from_slice(&head);
        raw[4..16].copy_from_slice(&nonce);
        raw[16..32].copy_from_slice(&body);
        raw[32..].copy_from_slice(&tag);
        let mut text = [0; CursorToken::LEN];
        URL_SAFE_NO_PAD.encode_slice(raw, &mut text).map_err(|_| CursorRefused(()))?;
        Ok(CursorToken(text))
    }

    /// Opens a token that was sealed for `stream`.
    ///
    /// # Errors
    ///
    /// [`CursorRefused`] if the token is not one of ours for exactly this tenant and stream: edited,
    /// cut, extended, of another tenant, stream, version or key, or sealed with a key whose grace
    /// has ended at `now`. All look alike.
    pub fn open(&self, token: &str, stream: &StreamId, now: Now) -> Result<Cursor, CursorRefused> {
        let raw = decode(token).ok_or(CursorRefused(()))?;
        let [v0, v1, k0, k1, ..] = raw;
        if u16::from_be_bytes([v0, v1]) != VERSION {
            return Err(CursorRefused(()));
        }
        let cipher = self.find(u16::from_be_bytes([k0, k1]), now).ok_or(CursorRefused(()))?;
        let nonce: [u8; NONCE_LEN] = part(&raw, 4);
        let mut body: [u8; BODY_LEN] = part(&raw, 16);
        let tag: [u8; 16] = part(&raw, 32);

        let mut aad = [0; AAD_MAX];
        let aad = associated_data(&mut aad, [v0, v1, k0, k1], stream);
        let sealed = body.as_mut_slice().into();
        cipher
            .decrypt_inout_detached(&Nonce::from(nonce), aad, sealed, &Tag::from(tag))
            .map_err(|_| CursorRefused(()))?;
        let epoch = Epoch(u64::from_be_bytes(part(&body, 0)));
        Ok(Cursor::new(stream.clone(), epoch, u64::from_be_bytes(part(&body, 8))))
    }

    fn find(&self, id: u16, now: Now) -> Option<&Aes256GcmSiv> {
        if self.current.id == id {
            return Some(&self.current.cipher);
        }
        let (key, until_ms) = self.grace.iter().find(|(key, _)| key.id == id)?;
        (now.wall_ms() < *until_ms).then_some(&key.cipher)
    }
}

impl fmt::Debug for CursorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKeys(..)")
    }
}

impl Key {
    fn new(id: u16, key: &[u8; 32]) -> Self {
        Self { id, cipher: Aes256GcmSiv::new(&(*key).into()) }
    }
}

/// A sealed cursor: always 64 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CursorToken([u8; Self::LEN]);

impl CursorToken {
    /// The length of every token, in bytes.
    pub const LEN: usize = 64;

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII, so this cannot fail.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for CursorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A token is a bearer's place in a stream; logs do not need it.
impl fmt::Debug for CursorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorToken(..)")
    }
}

/// The cursor was not sealed here for this tenant and stream. It does not say in what way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is refused")]
pub struct CursorRefused(());

/// 48 is a multiple of 3, so a token has neither padding nor spare bits: one token, one spelling.
fn decode(token: &str) -> Option<[u8; RAW_LEN]> {
    let mut raw = [0; RAW_LEN];
    if token.len() != CursorToken::LEN {
        return None;
    }
    let len = URL_SAFE_NO_PAD.decode_slice(token, &mut raw).ok()?;
    (len == RAW_LEN).then_some(raw)
}

/// Each name is preceded by its length, so that no (tenant, stream) reads like another.
fn associated_data<'b>(
    buffer: &'b mut [u8; AAD_MAX],
    head: [u8; HEAD_LEN],
    stream: &StreamId,
) -> &'b [u8] {
    let mut len = 0;
    let mut put = |bytes: &[u8]| {
        buffer[len..len + bytes.len()].copy_from_slice(bytes);
        len += bytes.len();
    };
    put(&head);
    for name in [stream.tenant().as_str(), stream.name()] {
        // Both are at most 128 bytes long.
        put(&[name.len() as u8]);
        put(name.as_bytes());
    }
    &buffer[..len]
}

/// `N` bytes of `from`, beginning at `at`; every caller's range is within a fixed layout.
fn part<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&from[at..at + N]);
    out
}
