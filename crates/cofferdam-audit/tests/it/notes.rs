//! Checkpoints against another implementation of the signed note.

use cofferdam_audit::{SigningKey, VerifyingKey, checkpoint::Checkpoint};
use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};

use super::support::{SIGNING_SEED, key, origin};

#[test]
fn another_implementation_verifies_our_notes() {
    let signer = SigningKey::from_seed(origin("a"), &SIGNING_SEED);
    let note = Checkpoint { size: 12, root: [7; 32] }.sign(&signer);
    let verifier = StandardVerifier::new(&signer.verifying_key().to_string()).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier)]);
    let read = Note::from_bytes(note.as_bytes()).unwrap();
    let (verified, unknown) = read.verify(&known).unwrap();
    assert_eq!((verified.len(), unknown.len()), (1, 0));
    assert_eq!(read.to_bytes(), note.as_bytes());
    let edited = note.replacen("\n12\n", "\n13\n", 1);
    assert!(Note::from_bytes(edited.as_bytes()).unwrap().verify(&known).is_err());
}

#[test]
fn we_verify_another_implementations_notes() {
    // The key of the signed-note documentation, public and private.
    let private = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let key = VerifyingKey::parse(public).unwrap();
    let text = "PeterNeumann\n5\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
    let mut note = Note::new(text.as_bytes(), &[]).unwrap();
    note.add_sigs(&[&signed_note::StandardSigner::new(private).unwrap()]).unwrap();
    let opened = Checkpoint::open(&note.to_bytes(), &key);
    assert_eq!(opened, Ok(Checkpoint { size: 5, root: [7; 32] }));
}

const SEED: u64 = 0x00A0_D170;

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(SEED),
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    })]

    /// Failures print the seed's case; the seed is `SEED`.
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Checkpoint::open(&bytes, &key("a")).is_err(), "seed {SEED}");
    }

    #[test]
    fn every_checkpoint_reads_back(size: u64, root: [u8; 32]) {
        let signer = SigningKey::from_seed(origin("a"), &SIGNING_SEED);
        let checkpoint = Checkpoint { size, root };
        let note = checkpoint.sign(&signer);
        prop_assert_eq!(Checkpoint::open(note.as_bytes(), &key("a")), Ok(checkpoint));
        prop_assert!(Checkpoint::open(note.as_bytes(), &key("b")).is_err(), "seed {SEED}");
    }
}
