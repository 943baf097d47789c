//! A log with a driver that keeps its files in memory.

use cofferdam_audit::{
    CommitmentKey, Config, Effect, EventCode, Fact, Input, Log, Origin, SigningKey, Stored,
    VerifyingKey,
};
use cofferdam_core::{Epoch, Machine, Now, TenantId};

pub(crate) const SIGNING_SEED: [u8; 32] = *b"the signing seed, never shown to";
pub(crate) const COMMITMENT_SECRET: [u8; 32] = *b"the commitment secret, also kept";
/// The bytes of a framed leaf, as the format's description has it.
pub(crate) const FRAME_LEN: usize = 133;
pub(crate) const LEAF_LEN: usize = 129;

pub(crate) fn at(ms: u64) -> Now {
    Now::from_millis(ms, 1_790_000_000_000 + ms as i64)
}

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(crate) fn origin(id: &str) -> Origin {
    Origin::parse(&format!("audit.test/{id}")).unwrap()
}

pub(crate) fn config(id: &str) -> Config {
    let signer = SigningKey::from_seed(origin(id), &SIGNING_SEED);
    let commitments = CommitmentKey::derive(&COMMITMENT_SECRET, &origin(id));
    Config::new(tenant(id), signer, commitments, Epoch(1))
}

pub(crate) fn config_at_epoch(id: &str, epoch: u64) -> Config {
    let signer = SigningKey::from_seed(origin(id), &SIGNING_SEED);
    let commitments = CommitmentKey::derive(&COMMITMENT_SECRET, &origin(id));
    Config::new(tenant(id), signer, commitments, Epoch(epoch))
}

pub(crate) fn key(id: &str) -> VerifyingKey {
    SigningKey::from_seed(origin(id), &SIGNING_SEED).verifying_key().clone()
}

/// The files of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) leaves: Vec<u8>,
    pub(crate) checkpoints: Vec<u8>,
    /// Where each note ends.
    pub(crate) notes: Vec<usize>,
}

impl Files {
    pub(crate) fn stored(&self) -> Stored<'_> {
        Stored { leaves: &self.leaves, checkpoints: &self.checkpoints, remembered: &[] }
    }

    /// Carries out effects and what they lead to, at once.
    pub(crate) fn drive(&mut self, log: &mut Log, now: Now, effects: &mut Vec<Effect>) {
        while !effects.is_empty() {
            for effect in std::mem::take(effects) {
                match effect {
                    Effect::Append { size, bytes, .. } => {
                        self.leaves.extend_from_slice(&bytes);
                        log.handle_input(Input::Durable { size, spare: bytes }, now, effects);
                    }
                    Effect::Checkpoint { note, .. } => {
                        self.checkpoints.extend_from_slice(note.as_bytes());
                        self.notes.push(self.checkpoints.len());
                    }
                    other => panic!("an effect that this driver does not know: {other:?}"),
                }
            }
        }
    }

    pub(crate) fn tell(&mut self, log: &mut Log, input: Input, now: Now) {
        let mut effects = Vec::new();
        log.handle_input(input, now, &mut effects);
        self.drive(log, now, &mut effects);
    }

    /// Lets the log do what its timer asks for, until `now`.
    pub(crate) fn pass_time(&mut self, log: &mut Log, now: Now) {
        while let Some(due) = log.poll_timeout().filter(|due| now.reached(*due)) {
            let mut effects = Vec::new();
            log.handle_timeout(due, &mut effects);
            assert!(!effects.is_empty(), "a timeout that was due did nothing");
            self.drive(log, due, &mut effects);
        }
    }

    pub(crate) fn header_len(&self) -> usize {
        self.leaves.iter().position(|&byte| byte == b'\n').unwrap() + 1
    }

    /// Where leaf `index` begins.
    pub(crate) fn frame(&self, index: usize) -> usize {
        self.header_len() + index * FRAME_LEN
    }

    pub(crate) fn leaf_count(&self) -> usize {
        (self.leaves.len() - self.header_len()) / FRAME_LEN
    }
}

/// A log with a checkpoint after each of `batches` (numbers of leaves), and `tail` leaves after it.
pub(crate) fn files(id: &str, batches: &[u64], tail: u64) -> Files {
    let (mut log, mut files) = (Log::open(config(id), at(0)), Files::default());
    let mut position = 0;
    let mut facts = |files: &mut Files, log: &mut Log, count, now| {
        for _ in 0..count {
            position += 1;
            let fact = Fact::new(EventCode::Gap).at(position).with_detail(position * 7);
            files.tell(log, Input::Fact(fact), now);
        }
    };
    let mut now = 0;
    for &count in batches {
        facts(&mut files, &mut log, count, at(now));
        now += 5;
        files.tell(&mut log, Input::Seal, at(now));
    }
    facts(&mut files, &mut log, tail, at(now));
    files.pass_time(&mut log, at(now + 10));
    files
}

/// Makes a frame's check fit its leaf again, as an editor would.
pub(crate) fn fix_check(frame: &mut [u8]) {
    let hash = cofferdam_audit::tree::leaf_hash(&frame[..LEAF_LEN]);
    frame[LEAF_LEN..FRAME_LEN].copy_from_slice(&hash[..4]);
}
