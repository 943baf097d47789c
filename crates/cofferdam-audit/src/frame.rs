//! The leaf file: a header line that names format and log, then frames of one length.
//!
//! ```text
//! cofferdam-audit/v1 audit.example.com/6f1c\n
//! leaf 0 [129] check [4]
//! leaf 1 [129] check [4]
//! ...
//! ```
//!
//! The check is the first four bytes of the leaf's Merkle hash. That hash is computed anyway, so
//! the check costs nothing where a CRC would cost a pass; it is there to tell a torn write from a
//! written leaf. It is no defence against an editor, who can compute it as well: that is the
//! checkpoint's work. Frames of one length need no length field, and so have none to lie.

use crate::{
    Origin,
    leaf::LEAF_LEN,
    tree::{Hash, leaf_hash},
};

const CHECK_LEN: usize = 4;
/// How many bytes a framed leaf has.
pub(crate) const FRAME_LEN: usize = LEAF_LEN + CHECK_LEN;

/// The first line of the leaf file.
pub(crate) fn header(origin: &Origin) -> String {
    format!("cofferdam-audit/v1 {origin}\n")
}

/// Appends a leaf's frame to `out`; the leaf's hash goes into the tree.
pub(crate) fn append(leaf: &[u8; LEAF_LEN], out: &mut Vec<u8>) -> Hash {
    let hash = leaf_hash(leaf);
    out.extend_from_slice(leaf);
    out.extend_from_slice(&hash[..CHECK_LEN]);
    hash
}

/// The leaf of a frame and its hash; `None` if the check does not fit.
pub(crate) fn read(frame: &[u8; FRAME_LEN]) -> Option<(&[u8], Hash)> {
    let (leaf, check) = frame.split_at(LEAF_LEN);
    let hash = leaf_hash(leaf);
    hash.starts_with(check).then_some((leaf, hash))
}
