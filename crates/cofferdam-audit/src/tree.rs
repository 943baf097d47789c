//! The Merkle tree of RFC 6962: its root while leaves are appended, and proofs about it.
//!
//! A leaf hashes to `SHA-256(0x00 || leaf)` and an inner node to `SHA-256(0x01 || left || right)`;
//! without the two prefixes a node could be passed off as a leaf (second preimage). A tree of `n`
//! leaves splits at the largest power of two below `n`, so that every left subtree is full and
//! never changes again.
//!
//! That last property is what makes appending cheap. The full subtrees of a tree of `n` leaves are
//! the one-bits of `n`: 13 leaves = `0b1101` are subtrees of 8, 4 and 1. [`Frontier`] keeps their
//! roots and nothing else: at most 64 hashes, however long the log. Appending a leaf is adding one
//! in binary, where each carry is one node hash:
//!
//! ```text
//! n = 11 = 0b1011   [8] [2] [1]      + leaf
//!                   [8] [2] [1 1]    carry: one hash
//!                   [8] [2 2]        carry: one hash
//! n = 12 = 0b1100   [8] [4]
//! ```
//!
//! Half of all appends carry not at all, a quarter once, so the mean is one node hash a leaf. The
//! root folds the frontier from the right.
//!
//! Proofs are made from the leaf hashes and cost O(n) hashes. That is for auditors and for export;
//! the running log never makes one. Proof making follows RFC 6962 section 2.1, verification RFC
//! 9162 sections 2.1.3.2 and 2.1.4.2.
//!
//! A proof says nothing about a tree's size by itself: take the size and the root from one signed
//! checkpoint. There is no hash chain beside the tree, as each further structure needs a proof rule
//! of its own, and a database was broken through such a seam (CVE-2022-36111).

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a leaf's bytes.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0x00]).chain_update(leaf).finalize().into()
}

/// The hash of an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut node = [0x01; 65];
    node[1..33].copy_from_slice(left);
    node[33..].copy_from_slice(right);
    Sha256::digest(node).into()
}

/// A growing tree of which only the full subtrees' roots are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of the full subtrees, the largest first: one for each one-bit of `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self { size: 0, peaks: Vec::with_capacity(u64::BITS as usize) }
    }

    /// How many leaves it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash. Does not allocate in a tree made by [`new`](Self::new).
    pub fn push(&mut self, leaf: Hash) {
        let mut subtree = leaf;
        for _ in 0..self.size.trailing_ones() {
            // There are as many peaks as one-bits, so the loop never runs out of them.
            let Some(left) = self.peaks.pop() else { break };
            subtree = node_hash(&left, &subtree);
        }
        self.peaks.push(subtree);
        self.size += 1;
    }

    /// The root of the tree as it stands; the hash of nothing if it is empty.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Sha256::digest([]).into(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// Takes over another tree's state without allocating.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.size = other.size;
        self.peaks.clone_from(&other.peaks);
    }
}

impl Extend<Hash> for Frontier {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

/// The root of the tree over these leaf hashes.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Frontier::new();
    tree.extend(leaves.iter().copied());
    tree.root()
}

/// The proof that leaf `index` is in the tree over `leaves`; `None` if there is no such leaf.
#[must_use]
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut subtree, mut index, mut path) = (leaves, index, Vec::new());
    while subtree.len() > 1 {
        let (left, right) = subtree.split_at(split(subtree.len()));
        if index < left.len() {
            path.push(root(right));
            subtree = left;
        } else {
            path.push(root(left));
            index -= left.len();
            subtree = right;
        }
    }
    path.reverse();
    Some(path)
}

/// The proof that the tree over `leaves` extends the tree over the first `old_size` of them; `None`
/// if `old_size` is zero (every tree extends the empty one, so a proof would say nothing) or larger
/// than the tree.
#[must_use]
pub fn consistency_proof(leaves: &[Hash], old_size: usize) -> Option<Vec<Hash>> {
    if old_size == 0 || old_size > leaves.len() {
        return None;
    }
    let (mut subtree, mut old, mut path) = (leaves, old_size, Vec::new());
    // While only left branches were taken, the old tree's root is a node that the verifier has.
    let mut verifier_has_it = true;
    while old < subtree.len() {
        let (left, right) = subtree.split_at(split(subtree.len()));
        if old <= left.len() {
            path.push(root(right));
            subtree = left;
        } else {
            path.push(root(left));
            old -= left.len();
            subtree = right;
            verifier_has_it = false;
        }
    }
    if !verifier_has_it {
        path.push(root(subtree));
    }
    path.reverse();
    Some(path)
}

/// The largest power of two below `n`, for `n` of at least two.
const fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

/// The proof does not lead to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead to the root")]
#[non_exhaustive]
pub struct BadProof;

/// Checks that `leaf` is leaf `index` of the tree with this size and root.
///
/// # Errors
///
/// [`BadProof`] if it is not, or if the proof has a hash too many or too few.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), BadProof> {
    if index >= size {
        return Err(BadProof);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(BadProof);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            skip_levels_without_sibling(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(BadProof) }
}

/// Checks that the tree of `size` leaves with `root` begins with the tree of `old_size` leaves with
/// `old_root`.
///
/// # Errors
///
/// [`BadProof`] if it does not, if the proof has a hash too many or too few, or if `old_size` is
/// zero, of which nothing can be proved.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), BadProof> {
    if old_size == 0 || old_size > size {
        return Err(BadProof);
    }
    if old_size == size {
        return if proof.is_empty() && old_root == root { Ok(()) } else { Err(BadProof) };
    }
    // A full old tree is itself the first node of the proof, and is left out of it.
    let (first, rest) = match proof.split_first() {
        _ if old_size.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (first, rest),
        None => return Err(BadProof),
    };
    let (mut node, mut last) = (old_size - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(BadProof);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            hash = node_hash(sibling, &hash);
            skip_levels_without_sibling(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && old_hash == *old_root && hash == *root { Ok(()) } else { Err(BadProof) }
}

/// On the right edge of the tree a node may be carried up several levels unchanged.
fn skip_levels_without_sibling(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}
