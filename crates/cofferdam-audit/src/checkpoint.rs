//! Checkpoints: a log's size and root over its operator's signature, as a C2SP signed note.
//!
//! ```text
//! audit.example.com/6f1c                               origin
//! 3                                                    size
//! rrbLznfwVZ+Vn4r9lpoi5y7t0yPYZFOK0sMpbRwoyhQ=         root
//!
//! — audit.example.com/6f1c UV0ZOx9D...                 key hash and Ed25519 signature
//! ```
//!
//! The signature covers the first three lines with their line ends. Reading is strict: what is read
//! would be written byte for byte the same, save for signature lines of keys that the reader does
//! not know (a witness's, or a successor's), which must be well formed and are passed over. The
//! format's extension lines are not accepted, as its newer signatures do not cover them.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::{Origin, SigningKey, VerifyingKey, tree::Hash};

/// What a note may have at most: other keys' signatures are read past, but not without end.
const MAX_SIGNATURES: usize = 16;
/// A signature line is an origin and, at the longest, an ML-DSA-44 signature of 2,420 bytes.
const MAX_LINE: usize = 4096;
const SIGNATURE_MARK: &str = "\u{2014} ";

/// How large a log was, and what was in it, at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many leaves the log had.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The signed note of this checkpoint.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let origin = key.verifying_key().origin();
        let text = self.text(origin);
        let signature = key.sign(&text);
        format!("{text}\n{SIGNATURE_MARK}{origin} {signature}\n")
    }

    /// Reads one note and nothing after it, and checks its signature.
    ///
    /// # Errors
    ///
    /// A [`NoteError`] if it is not a checkpoint of `key`'s log with a valid signature by `key`.
    pub fn open(note: &[u8], key: &VerifyingKey) -> Result<Self, NoteError> {
        match read(note, key)? {
            Note { checkpoint, rest: [] } => checkpoint,
            _ => Err(NoteError::Malformed),
        }
    }

    fn text(&self, origin: &Origin) -> String {
        format!("{origin}\n{}\n{}\n", self.size, BASE64.encode(self.root))
    }
}

/// Why a note is not a checkpoint of this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// It ends in the middle, as after a torn write.
    #[error("the note ends before its signature does")]
    Incomplete,
    /// It is not of the form, or not in the one spelling of it.
    #[error("not a checkpoint note")]
    Malformed,
    /// Its origin is another log's.
    #[error("the checkpoint is another log's")]
    ForeignOrigin,
    /// No line of it is signed with this key.
    #[error("the checkpoint is not signed with this key")]
    UnknownKey,
    /// This key's signature does not verify.
    #[error("the checkpoint's signature does not verify")]
    BadSignature,
}

/// One well-formed note, and what stands after it.
pub(crate) struct Note<'n> {
    /// The checkpoint, if the note is this log's and signed with this key.
    pub(crate) checkpoint: Result<Checkpoint, NoteError>,
    pub(crate) rest: &'n [u8],
}

/// Reads the first note of several, which stand one right after the other. An error here means that
/// the bytes have not the form of a note, so that nobody can say where the next one begins.
pub(crate) fn read<'n>(notes: &'n [u8], key: &VerifyingKey) -> Result<Note<'n>, NoteError> {
    let mut rest = notes;
    let (origin, size, root) = (line(&mut rest)?, line(&mut rest)?, line(&mut rest)?);
    if !line(&mut rest)?.is_empty() {
        return Err(NoteError::Malformed);
    }
    let origin = Origin::parse(origin).map_err(|_| NoteError::Malformed)?;
    let size: u64 = size.parse().map_err(|_| NoteError::Malformed)?;
    let root = BASE64.decode(root).ok().and_then(|root| Hash::try_from(root).ok());
    let checkpoint = Checkpoint { size, root: root.ok_or(NoteError::Malformed)? };
    let text = checkpoint.text(&origin);
    // Writing it again catches what a number has more than one spelling for: `007`, `+7`.
    if !notes.starts_with(text.as_bytes()) {
        return Err(NoteError::Malformed);
    }
    let own = own_signature(&mut rest, key)?;
    let checkpoint = if origin != *key.origin() {
        Err(NoteError::ForeignOrigin)
    } else {
        match own {
            None => Err(NoteError::UnknownKey),
            Some(signature) if key.verify(&text, &signature) => Ok(checkpoint),
            Some(_) => Err(NoteError::BadSignature),
        }
    };
    Ok(Note { checkpoint, rest })
}

/// Reads the signature lines; the next note begins where the lines no longer have the mark.
fn own_signature(rest: &mut &[u8], key: &VerifyingKey) -> Result<Option<[u8; 64]>, NoteError> {
    let (mut own, mut count) = (None, 0);
    while count == 0 || rest.starts_with(SIGNATURE_MARK.as_bytes()) {
        let signature = line(rest)?.strip_prefix(SIGNATURE_MARK).ok_or(NoteError::Malformed)?;
        let (name, encoded) = signature.split_once(' ').ok_or(NoteError::Malformed)?;
        let payload = BASE64.decode(encoded).map_err(|_| NoteError::Malformed)?;
        let (hash, payload) = payload.split_first_chunk::<4>().ok_or(NoteError::Malformed)?;
        count += 1;
        if Origin::parse(name).is_err() || payload.is_empty() || count > MAX_SIGNATURES {
            return Err(NoteError::Malformed);
        }
        if name == key.origin().as_str() && hash == key.hash() {
            let payload = payload.try_into().map_err(|_| NoteError::Malformed)?;
            // Two signatures by one key: at most one of them says what its owner meant.
            if own.replace(payload).is_some() {
                return Err(NoteError::Malformed);
            }
        }
    }
    Ok(own)
}

fn line<'n>(rest: &mut &'n [u8]) -> Result<&'n str, NoteError> {
    let window = rest.get(..MAX_LINE).unwrap_or(rest);
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        let torn = window.len() < MAX_LINE;
        return Err(if torn { NoteError::Incomplete } else { NoteError::Malformed });
    };
    let (line, tail) = rest.split_at(end);
    *rest = tail.get(1..).unwrap_or_default();
    core::str::from_utf8(line).map_err(|_| NoteError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(origin: &str) -> SigningKey {
        SigningKey::from_seed(Origin::parse(origin).unwrap(), &[3; 32])
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { size: 7, root: [0xFB; 32] }
    }

    fn open(note: &str) -> Result<Checkpoint, NoteError> {
        Checkpoint::open(note.as_bytes(), key("audit.a").verifying_key())
    }

    #[test]
    fn a_note_reads_back() {
        let note = checkpoint().sign(&key("audit.a"));
        assert_eq!(open(&note), Ok(checkpoint()));
        assert_eq!(open(&(note.clone() + &note)), Err(NoteError::Malformed));
    }

    #[test]
    fn refuses_another_logs_checkpoint() {
        let note = checkpoint().sign(&key("audit.b"));
        assert_eq!(open(&note), Err(NoteError::ForeignOrigin));
        // The same secret under another name is another key.
        let renamed = note.replace("audit.b", "audit.a");
        assert_eq!(open(&renamed), Err(NoteError::UnknownKey));
        let relabelled = note.replacen("audit.b", "audit.a", 1);
        assert_eq!(open(&relabelled), Err(NoteError::UnknownKey));
    }

    #[test]
    fn passes_over_signatures_of_keys_that_it_does_not_know() {
        let note = checkpoint().sign(&key("audit.a"));
        let witness = format!("{SIGNATURE_MARK}witness.example {}\n", BASE64.encode([9; 76]));
        assert_eq!(open(&(note.clone() + &witness)), Ok(checkpoint()));
        assert_eq!(open(&(note.clone() + &witness.repeat(16))), Err(NoteError::Malformed));
        let own = &note[note.find(SIGNATURE_MARK).unwrap()..];
        assert_eq!(open(&(note.clone() + own)), Err(NoteError::Malformed));
    }

    /// D07: one spelling, no extension lines, no smuggled lines.
    #[test]
    fn refuses_every_other_spelling() {
        let note = checkpoint().sign(&key("audit.a"));
        let root = BASE64.encode([0xFB; 32]);
        for (from, to) in [
            ("\n7\n", "\n07\n"),
            ("\n7\n", "\n+7\n"),
            ("\n7\n", "\n7 \n"),
            ("\n7\n", "\n7\r\n"),
            ("\n7\n", "\n18446744073709551616\n"),
            ("\n7\n", "\n\n"),
            (root.as_str(), root.trim_end_matches('=')),
            ("=\n\n", "=\nextension\n\n"),
            ("=\n\n", "=\n\n\n"),
            ("\u{2014} ", "- "),
            ("\u{2014} ", "\u{2014}  "),
            ("audit.a\n", "audit.a \n"),
            ("audit.a\n", "\naudit.a\n"),
        ] {
            let changed = note.replacen(from, to, 1);
            assert_ne!(changed, note, "{from:?}");
            assert_eq!(open(&changed), Err(NoteError::Malformed), "{from:?} -> {to:?}");
        }
        let signed_seven = note.replacen("\n7\n", "\n8\n", 1);
        assert_eq!(open(&signed_seven), Err(NoteError::BadSignature));
    }

    #[test]
    fn a_note_cut_anywhere_is_incomplete() {
        let note = checkpoint().sign(&key("audit.a"));
        for cut in 0..note.len() {
            let opened = Checkpoint::open(&note.as_bytes()[..cut], key("audit.a").verifying_key());
            assert_eq!(opened, Err(NoteError::Incomplete), "cut at {cut}");
        }
        let endless = "a".repeat(MAX_LINE);
        assert_eq!(open(&endless), Err(NoteError::Malformed));
    }
}
