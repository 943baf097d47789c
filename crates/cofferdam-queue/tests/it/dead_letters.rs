//! Letters: sealed, stored, brought back, and not brought back to anybody else.

use cofferdam_core::{
    Scoped, TenantId,
    pipeline::{Recorded, Seal},
};
use cofferdam_queue::{
    DeadCause, Input, LaneConfig, LaneId, Outcome,
    dead_letter::{
        Cause, DeadLetter, DeadLetterStore, LetterId, MemoryStore, StoreError, TenantSeal, redrive,
        store_key,
    },
};

use super::support::{Did, Rig, event_with, small_lane, tenant};

const LANE: &str = "queue://support";

fn seal() -> TenantSeal {
    TenantSeal::new([7; 32])
}

fn cause(lane: Option<&str>) -> Cause<'_> {
    Cause { lane, cause: DeadCause::Poison, attempts: 5, first_ms: -1, last_ms: 2_000 }
}

fn letter_of(event: &Recorded) -> DeadLetter {
    DeadLetter::seal(event, cause(Some(LANE)), &seal())
}

fn letter(id: &str, position: u64) -> DeadLetter {
    letter_of(&event_with(id, position, &[0], b"{\"secret\":\"canary\"}"))
}

fn encoded(letter: &DeadLetter) -> Vec<u8> {
    let mut bytes = Vec::new();
    letter.encode(&mut bytes);
    bytes
}

fn ids(store: &MemoryStore, id: &str) -> Vec<(u64, u64)> {
    let all = store.list(&tenant(id), None, usize::MAX).unwrap();
    all.iter().map(|stored| (stored.id.0, stored.letter.position())).collect()
}

#[test]
fn a_letter_comes_back_as_it_was_written() {
    for lane in [Some(LANE), Some(""), None] {
        let event = event_with("a", 9, &[0, 3], b"{\"k\":1}");
        let written = DeadLetter::seal(&event, cause(lane), &seal());
        let read = DeadLetter::decode(&tenant("a"), &encoded(&written)).unwrap();
        assert_eq!(read, written);
        assert_eq!((read.lane(), read.cause(), read.attempts()), (lane, DeadCause::Poison, 5));
        assert_eq!((read.first_ms(), read.last_ms(), read.position()), (-1, 2_000, 9));
        let back = read.open(&seal()).unwrap();
        assert!(back.is_replay());
        assert_eq!((back.routes(), back.body()), (event.routes(), event.body()));
    }
}

/// Q05: another tenant's name, another deployment's key, a renamed tenant.
#[test]
fn a_letter_opens_for_its_own_tenant_only() {
    let bytes = encoded(&letter("a", 0));
    let under =
        |id: &str, seal: &dyn Seal| DeadLetter::decode(&tenant(id), &bytes).unwrap().open(seal);
    assert!(under("a", &seal()).is_ok());
    for other in ["b", "operator", "a-renamed", "aa"] {
        assert!(under(other, &seal()).is_err(), "{other}");
    }
    assert!(under("a", &TenantSeal::new([8; 32])).is_err());
}

/// Q05: whoever can write to the store cannot change a letter: not its event, not its lane, not
/// its cause. Every bit counts, and so does every byte that is missing or too many.
#[test]
fn an_edited_letter_does_not_open() {
    let bytes = encoded(&letter("a", 0));
    let opens = |bytes: &[u8]| {
        DeadLetter::decode(&tenant("a"), bytes).is_ok_and(|letter| letter.open(&seal()).is_ok())
    };
    assert!(opens(&bytes));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut edited = bytes.clone();
            edited[at] ^= 1 << bit;
            assert!(!opens(&edited), "bit {bit} of byte {at}");
        }
        assert!(DeadLetter::decode(&tenant("a"), &bytes[..at]).is_err(), "cut at {at}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(DeadLetter::decode(&tenant("a"), &longer).is_err());
}

/// A letter has one encoding: whether it names a lane is 0 or 1, and 0 has no name.
#[test]
fn a_letter_is_read_strictly() {
    let bytes = encoded(&letter("a", 0));
    for flag in (0..=u8::MAX).filter(|flag| *flag != 1) {
        let mut edited = bytes.clone();
        edited[30] = flag;
        assert!(DeadLetter::decode(&tenant("a"), &edited).is_err(), "{flag}");
    }
}

/// A sealed event whose bytes read as a letter has a tag that is good for an event only.
#[test]
fn the_tag_of_an_event_does_not_pass_for_the_tag_of_a_letter() {
    // Times such that the letter's head is that of an event at position 0x504 without routes.
    let cause = Cause { first_ms: (5 << 32) | (4 << 24), last_ms: 1_000 << 24, ..cause(None) };
    let letter = DeadLetter::seal(&event_with("a", 0, &[0], b"{}"), cause, &seal());
    let letter = encoded(&letter);
    let message = &letter[..letter.len() - 32];
    let mut forged = Vec::new();
    event_with("a", 0x504, &[], &message[29..]).seal(&seal(), &mut forged);
    assert_eq!(&forged[..message.len()], message, "the forgery is well made");
    assert!(DeadLetter::decode(&tenant("a"), &forged).unwrap().open(&seal()).is_err());
}

#[test]
fn an_event_cannot_be_moved_into_another_letter() {
    let (one, other) = (encoded(&letter("a", 1)), encoded(&letter("a", 2)));
    // One length, so that head and tail of different letters are well formed together.
    assert_eq!(one.len(), other.len());
    for split in 1..one.len() {
        let mixed = [&one[..split], &other[split..]].concat();
        let opened = DeadLetter::decode(&tenant("a"), &mixed).map(|letter| letter.open(&seal()));
        let whole = mixed == one || mixed == other;
        assert_eq!(matches!(opened, Ok(Ok(_))), whole, "split at {split}");
    }
}

#[test]
fn a_letter_does_not_show_its_event() {
    let shown = format!("{:?}", letter("a", 0));
    assert!(!shown.contains("canary") && shown.contains("Poison"), "{shown}");
    let store = MemoryStore::new(9);
    store.append(&[letter("a", 0)]).unwrap();
    assert!(!format!("{store:?}").contains("canary"));
}

/// Q09: `a` + `b:c` and `a:b` + `c`, as far as ids can try.
#[test]
fn keys_of_two_tenants_never_merge() {
    let tenants = ["a", "ab", "a.b", "a-b", "a_b", "b", "aa", "a0"].map(tenant);
    let numbers = [0, 1, 0x61, 0x6261, u64::MAX].map(LetterId);
    let mut keys = Vec::new();
    for tenant in &tenants {
        keys.extend(numbers.map(|id| (store_key(tenant, id), tenant.clone())));
    }
    keys.sort();
    let runs = keys.chunk_by(|(_, one), (_, other)| one == other).count();
    assert_eq!(runs, tenants.len(), "one tenant's keys lie together");
    for (at, (key, _)) in keys.iter().enumerate() {
        assert!(keys[at + 1..].iter().all(|(other, _)| !other.starts_with(key)));
    }
}

/// Q09: tenants whose names begin alike share nothing in a flat key space.
#[test]
fn another_tenants_letters_look_absent() {
    let store = MemoryStore::new(100);
    store.append(&[letter("a", 0), letter("ab", 10), letter("a", 1), letter("a.b", 20)]).unwrap();
    assert_eq!(ids(&store, "a"), [(0, 0), (1, 1)]);
    assert_eq!(ids(&store, "ab"), [(0, 10)]);
    assert_eq!(store.remove(&tenant("ab"), &[LetterId(1), LetterId(7)]), Ok(0));
    assert_eq!(store.remove(&tenant("nobody"), &[LetterId(0)]), Ok(0));
    assert_eq!(store.list(&tenant("nobody"), None, 9), Ok(vec![]));
    assert_eq!(store.count(&tenant("nobody")), Ok(0));
    assert_eq!(store.count(&tenant("a")), Ok(2));
}

#[test]
fn ids_go_on_after_a_removal() {
    let store = MemoryStore::new(2);
    store.append(&[letter("a", 0), letter("a", 1)]).unwrap();
    let twice = [LetterId(0), LetterId(0), LetterId(1)];
    assert_eq!(store.remove(&tenant("a"), &twice), Ok(2));
    store.append(&[letter("a", 2)]).unwrap();
    assert_eq!(ids(&store, "a"), [(2, 2)]);
}

#[test]
fn lists_in_pages() {
    let store = MemoryStore::new(100);
    let letters = (0..5).map(|position| letter("a", position)).collect::<Vec<_>>();
    store.append(&letters).unwrap();
    let page = |after: Option<u64>, limit| {
        let page = store.list(&tenant("a"), after.map(LetterId), limit).unwrap();
        page.iter().map(|stored| stored.id.0).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2), [0, 1]);
    assert_eq!(page(Some(1), 2), [2, 3]);
    assert_eq!(page(Some(3), 2), [4]);
    assert_eq!(
        (page(Some(4), 2), page(Some(u64::MAX), 2), page(None, 0)),
        (vec![], vec![], vec![])
    );
}

/// N02: a full share refuses the whole batch, and is nobody else's trouble.
#[test]
fn a_full_share_refuses_a_batch_whole_and_leaves_other_tenants_alone() {
    let store = MemoryStore::new(2);
    store.append(&[letter("a", 0)]).unwrap();
    let batch = [letter("b", 5), letter("a", 1), letter("a", 2)];
    assert_eq!(store.append(&batch), Err(StoreError::Full));
    assert_eq!((ids(&store, "a"), ids(&store, "b")), (vec![(0, 0)], vec![]));
    store.append(&[letter("b", 5), letter("a", 1)]).unwrap();
    assert_eq!(store.append(&[letter("a", 2)]), Err(StoreError::Full));
    assert_eq!(ids(&store, "b"), [(0, 5)]);
}

#[test]
fn a_dead_event_can_be_driven_again_through_its_lane() {
    let lane = LaneConfig { max_attempts: 1, ..small_lane(LANE) };
    let mut rig = Rig::of(lane);
    rig.consume(LANE, 100);
    rig.offer(4);
    assert_eq!(rig.nack(4)[0], Did::Dead(Some(0), 4, DeadCause::Poison, 1));
    let store = MemoryStore::new(10);
    store.append(&[letter_of(&super::support::event(4))]).unwrap();
    let redriven = redrive(&store, &tenant("a"), &seal(), None, 10).unwrap();
    assert_eq!((redriven.quarantined.len(), redriven.last), (0, Some(LetterId(0))));
    let ready = &redriven.ready[0];
    let lane = rig.queues.lane(ready.lane.as_deref().unwrap()).unwrap();
    assert_eq!(lane, LaneId(0));
    let did = rig.tell(Input::Redrive { lane, event: ready.event.clone() });
    assert_eq!(did, [Did::Deliver(0, 4, 1)]);
    assert_eq!(rig.ack(4), [Did::Settled(4, Outcome::Delivered)]);
    assert_eq!(store.remove(&tenant("a"), &[ready.id]), Ok(1));
}

/// A store that files A's letters under B too, as a bad restore or a rename would.
struct Misfiled(MemoryStore);

impl DeadLetterStore for Misfiled {
    fn append(&self, letters: &[DeadLetter]) -> Result<(), StoreError> {
        self.0.append(letters)
    }
    fn list(
        &self,
        asked: &TenantId,
        after: Option<LetterId>,
        limit: usize,
    ) -> Result<Vec<cofferdam_queue::dead_letter::Stored>, StoreError> {
        let mut page = self.0.list(&tenant("a"), after, limit)?;
        // The first as it was read under A, the others decoded as B's own.
        for stored in page.iter_mut().skip(1) {
            stored.letter = DeadLetter::decode(asked, &encoded(&stored.letter)).unwrap();
        }
        Ok(page)
    }
    fn remove(&self, tenant: &TenantId, ids: &[LetterId]) -> Result<usize, StoreError> {
        self.0.remove(tenant, ids)
    }
    fn count(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        self.0.count(tenant)
    }
}

/// Q05: what was not sealed for the tenant is quarantined under the tenant that asked, and stays.
#[test]
fn a_misfiled_letter_is_quarantined() {
    let store = Misfiled(MemoryStore::new(10));
    store.append(&[letter("a", 0), letter("a", 1)]).unwrap();
    let redriven = redrive(&store, &tenant("b"), &seal(), None, 10).unwrap();
    assert!(redriven.ready.is_empty());
    let quarantined = redriven.quarantined.iter();
    let quarantined = quarantined.map(|q| (q.tenant().as_str(), q.id().0)).collect::<Vec<_>>();
    assert_eq!(quarantined, [("b", 0), ("b", 1)]);
    assert_eq!(store.count(&tenant("a")), Ok(2));
}
