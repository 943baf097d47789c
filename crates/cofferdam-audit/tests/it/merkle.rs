//! The tree against vectors and against another implementation.
#![expect(clippy::disallowed_methods, reason = "the suite is read from its files")]

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use cofferdam_audit::tree::{
    BadProof, Frontier, Hash, consistency_proof, inclusion_proof, leaf_hash, root,
    verify_consistency, verify_inclusion,
};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use serde_json::Value;
use sha2::Sha256;

fn suite() -> Option<PathBuf> {
    let shared = std::env::var_os("COFFERDAM_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let suite = shared.unwrap_or_else(beside).join("suites/merkle-rfc6962");
    if suite.is_dir() {
        return Some(suite);
    }
    eprintln!("SKIPPED: merkle-rfc6962 is not at $COFFERDAM_SHARED/suites or ../shared/suites");
    None
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn hex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn hex_hash(text: &Value) -> Hash {
    hex(text).try_into().unwrap()
}

fn hex_hashes(list: &Value) -> Vec<Hash> {
    list.as_array().unwrap().iter().map(hex_hash).collect()
}

/// `None` where a case's hash has another length than SHA-256's.
fn base64_hash(text: &Value) -> Option<Hash> {
    BASE64.decode(text.as_str()?).ok()?.try_into().ok()
}

fn base64_hashes(list: &Value) -> Option<Vec<Hash>> {
    match list {
        Value::Null => Some(Vec::new()),
        list => list.as_array()?.iter().map(base64_hash).collect(),
    }
}

fn hashes(count: usize) -> Vec<Hash> {
    (0..count).map(|i| leaf_hash(&i.to_le_bytes())).collect()
}

#[test]
fn agrees_with_the_roots_of_certificate_transparency() {
    let Some(suite) = suite() else { return };
    let constants = json(&suite.join("constants.json"));
    let leaves: Vec<_> = constants["leaf_inputs_hex"].as_array().unwrap().iter().map(hex).collect();
    let roots = hex_hashes(&constants["root_hashes_hex_by_size"]);
    let mut tree = Frontier::new();
    assert_eq!(tree.root(), roots[0]);
    for (leaf, expected) in leaves.iter().zip(&roots[1..]) {
        tree.push(leaf_hash(leaf));
        assert_eq!(tree.root(), *expected, "size {}", tree.size());
    }
}

#[test]
fn makes_and_accepts_every_proof_of_every_tree_up_to_33() {
    let Some(suite) = suite() else { return };
    let all = json(&suite.join("exhaustive33.json"));
    let leaves = all["leaves_hex"].as_array().unwrap().iter().map(|leaf| leaf_hash(&hex(leaf)));
    let leaves: Vec<_> = leaves.collect();
    let roots = hex_hashes(&all["roots_hex"]);
    let number = |case: &Value, name: &str| case[name].as_u64().unwrap();
    let mut checked = 0;
    for case in all["inclusion"].as_array().unwrap() {
        let (index, size) = (number(case, "index"), number(case, "size"));
        let proof = hex_hashes(&case["proof"]);
        let made = inclusion_proof(&leaves[..size as usize], index as usize);
        assert_eq!(made.as_ref(), Some(&proof), "{index} of {size}");
        let root = &roots[size as usize];
        assert_eq!(verify_inclusion(&leaves[index as usize], index, size, root, &proof), Ok(()));
        checked += 1;
    }
    for case in all["consistency"].as_array().unwrap() {
        let (old, size) = (number(case, "m"), number(case, "n"));
        let proof = hex_hashes(&case["proof"]);
        let made = consistency_proof(&leaves[..size as usize], old as usize);
        assert_eq!(made.as_ref(), Some(&proof), "{old} to {size}");
        let (old_root, root) = (&roots[old as usize], &roots[size as usize]);
        assert_eq!(verify_consistency(old, old_root, size, root, &proof), Ok(()));
        checked += 1;
    }
    assert_eq!(checked, 1122);
}

/// The one case that cannot be loaded has 12 bytes of text for roots; it is labelled valid.
const UNLOADABLE: &str = "sizes are equal (one) and proof is empty";

#[test]
fn judges_every_case_of_the_suite_as_it_says() {
    let Some(suite) = suite() else { return };
    let (mut valid, mut invalid) = (0, 0);
    for (path, case) in cases(&suite.join("testdata")) {
        let wants_error = case["wantErr"].as_bool().unwrap();
        let Some(verdict) = judge(&path, &case) else {
            assert!(wants_error || case["desc"] == UNLOADABLE, "{}", path.display());
            continue;
        };
        assert_eq!(verdict.is_err(), wants_error, "{}", path.display());
        *(if wants_error { &mut invalid } else { &mut valid }) += 1;
    }
    assert_eq!(
        (valid, invalid),
        (11, 132),
        "of 196, 52 do not fit the types and one is unloadable"
    );
}

fn cases(testdata: &Path) -> Vec<(PathBuf, Value)> {
    let (mut folders, mut cases) =
        (vec![testdata.join("inclusion"), testdata.join("consistency")], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let case = json(&path);
                cases.push((path, case));
            }
        }
    }
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

/// `None` if the case does not fit our types, which is a refusal as well.
fn judge(path: &Path, case: &Value) -> Option<Result<(), BadProof>> {
    let proof = base64_hashes(&case["proof"])?;
    if path.to_string_lossy().contains("inclusion") {
        let (leaf, root) = (base64_hash(&case["leafHash"])?, base64_hash(&case["root"])?);
        let (index, size) = (case["leafIdx"].as_u64()?, case["treeSize"].as_u64()?);
        Some(verify_inclusion(&leaf, index, size, &root, &proof))
    } else {
        let (old_root, root) = (base64_hash(&case["root1"])?, base64_hash(&case["root2"])?);
        let (old, size) = (case["size1"].as_u64()?, case["size2"].as_u64()?);
        Some(verify_consistency(old, &old_root, size, &root, &proof))
    }
}

#[test]
fn agrees_with_another_implementation_on_roots_and_proofs() {
    let (mut ours, mut theirs) = (Vec::new(), MemoryBackedTree::<Sha256, Vec<u8>>::new());
    for size in 1..=130_usize {
        let leaf = (size * size).to_le_bytes().to_vec();
        ours.push(leaf_hash(&leaf));
        theirs.push(leaf);
        assert_eq!(root(&ours)[..], theirs.root().as_bytes()[..], "size {size}");
        for index in 0..size {
            let proof = inclusion_proof(&ours, index).unwrap().concat();
            assert_eq!(proof, theirs.prove_inclusion(index).as_bytes(), "{index} of {size}");
        }
        for old in 1..size {
            let proof = consistency_proof(&ours, old).unwrap().concat();
            assert_eq!(proof, theirs.prove_consistency(size - old).as_bytes(), "{old} to {size}");
        }
    }
}

#[test]
fn refuses_every_changed_proof() {
    for size in 1..=20_usize {
        let leaves = hashes(size);
        let root_now = root(&leaves);
        for index in 0..size {
            let proof = inclusion_proof(&leaves, index).unwrap();
            for wrong in changed(&proof) {
                let verdict =
                    verify_inclusion(&leaves[index], index as u64, size as u64, &root_now, &wrong);
                assert!(verdict.is_err(), "{index} of {size}");
            }
            let elsewhere = (index + 1) as u64 % size as u64;
            let moved = verify_inclusion(&leaves[index], elsewhere, size as u64, &root_now, &proof);
            assert_eq!(moved.is_ok(), size == 1);
        }
        for old in 1..size {
            let old_root = root(&leaves[..old]);
            let proof = consistency_proof(&leaves, old).unwrap();
            let check = |proof: &[Hash], old_root: &Hash, root: &Hash| {
                verify_consistency(old as u64, old_root, size as u64, root, proof)
            };
            assert_eq!(check(&proof, &old_root, &root_now), Ok(()));
            assert!(check(&proof, &root_now, &root_now).is_err());
            assert!(check(&proof, &old_root, &old_root).is_err());
            for wrong in changed(&proof) {
                assert!(check(&wrong, &old_root, &root_now).is_err(), "{old} to {size}");
            }
        }
    }
}

/// Each hash changed, each left out, one added before or after.
fn changed(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..proof.len() {
        let (mut flipped, mut shortened) = (proof.to_vec(), proof.to_vec());
        flipped[at][at % 32] ^= 1;
        shortened.remove(at);
        all.extend([flipped, shortened]);
    }
    let one = [[0; 32]];
    all.extend([[proof, &one].concat(), [&one, proof].concat()]);
    all
}

#[test]
fn proves_nothing_of_what_is_not_there() {
    let leaves = hashes(3);
    assert_eq!(inclusion_proof(&leaves, 3), None);
    assert_eq!(inclusion_proof(&[], 0), None);
    assert_eq!(consistency_proof(&leaves, 0), None);
    assert_eq!(consistency_proof(&leaves, 4), None);
    assert!(verify_inclusion(&leaves[0], 0, 0, &leaves[0], &[]).is_err());
    assert!(verify_consistency(0, &root(&[]), 3, &root(&leaves), &[]).is_err());
    // Sizes at the edge of the number's range neither panic nor loop.
    let proof = [[0; 32]; 64];
    assert!(verify_inclusion(&leaves[0], u64::MAX - 1, u64::MAX, &leaves[0], &proof).is_err());
    assert!(verify_consistency(u64::MAX - 1, &leaves[0], u64::MAX, &leaves[0], &proof).is_err());
}
