//! Power cuts: the disk forgets what was not synced, or keeps any part of it, and the store opens
//! with every batch that was acknowledged and no part of any other.

use std::{
    io,
    sync::{Arc, Mutex},
};

use cofferdam_core::{Epoch, TenantId};
use cofferdam_cursor::{Cursor, CursorStore, GapCause, GapRecord, StreamId, Write};
use cofferdam_redb::RedbStore;
use cofferdam_sim::rng;
use redb::StorageBackend;

/// A disk that stops at a given operation.
#[derive(Debug, Clone)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What the store reads back while the power is on.
    seen: Vec<u8>,
    /// What is certain to be there after a cut.
    synced: Vec<u8>,
    /// What may be there in part: everything since the last sync.
    pending: Vec<Pending>,
    operations_left: u64,
}

#[derive(Debug)]
enum Pending {
    Length(u64),
    Bytes(u64, Vec<u8>),
}

impl Pending {
    fn put(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(len) => image.resize(*len as usize, 0),
            Self::Bytes(at, bytes) => {
                let (at, end) = (*at as usize, *at as usize + bytes.len());
                image.resize(image.len().max(end), 0);
                image[at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    fn new(image: Vec<u8>, operations: u64) -> Self {
        let (seen, synced) = (image.clone(), image);
        let state = State { seen, synced, pending: Vec::new(), operations_left: operations };
        Self(Arc::new(Mutex::new(state)))
    }

    fn change(&self, change: Pending) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.spend()?;
        change.put(&mut state.seen);
        state.pending.push(change);
        Ok(())
    }

    /// The image after the cut. Changes of length are kept, as journalling file systems order them;
    /// of the writes since the last sync any may be missing or torn.
    fn after_the_cut(&self, keeps: Keeps, rng: &mut fastrand::Rng) -> Vec<u8> {
        let state = self.0.lock().unwrap();
        let mut image = state.synced.clone();
        for change in &state.pending {
            match change {
                Pending::Length(_) => change.put(&mut image),
                Pending::Bytes(at, bytes) => match keeps.draw(rng) {
                    0 => {}
                    1 => {
                        let torn = bytes[..rng.usize(..=bytes.len())].to_vec();
                        Pending::Bytes(*at, torn).put(&mut image);
                    }
                    _ => change.put(&mut image),
                },
            }
        }
        image
    }
}

/// What the disk keeps of the writes that were not synced.
#[derive(Debug, Clone, Copy)]
enum Keeps {
    Nothing,
    Something,
    Everything,
}

impl Keeps {
    /// 0 for a write that is lost, 1 for a torn one, else it is kept.
    fn draw(self, rng: &mut fastrand::Rng) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Something => rng.u8(..4),
            Self::Everything => 2,
        }
    }
}

impl State {
    fn spend(&mut self) -> io::Result<()> {
        let off = || io::Error::other("the power is off");
        self.operations_left = self.operations_left.checked_sub(1).ok_or_else(off)?;
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let end = offset as usize + out.len();
        let bytes = state.seen.get(offset as usize..end);
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Pending::Length(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.spend()?;
        state.pending.clear();
        state.synced = state.seen.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Pending::Bytes(offset, data.to_vec()))
    }
}

const STREAMS: [&str; 3] = ["a", "b", "c"];

fn stream(tenant: &str) -> StreamId {
    StreamId::new(TenantId::parse(tenant).unwrap(), "calls").unwrap()
}

/// A gap and a cursor for each of three tenants, in one batch.
fn batch(n: u64) -> Vec<Write> {
    let of = |tenant: &&str| {
        let gap = GapRecord::new(stream(tenant), Epoch(1), n, Some(n + 1), GapCause::Reset, 0);
        [Write::Gap(gap), Write::Cursor(Cursor::new(stream(tenant), Epoch(1), n + 1))]
    };
    STREAMS.iter().flat_map(of).collect()
}

/// How many batches the store holds, all whole.
fn batches_in(store: &RedbStore) -> u64 {
    let held = STREAMS.map(|tenant| {
        let position = store.load(&stream(tenant)).unwrap().map_or(0, |cursor| cursor.position());
        let gaps = store.gaps(&stream(tenant), None, usize::MAX).unwrap();
        let from: Vec<_> = gaps.iter().map(GapRecord::from).collect();
        let expected: Vec<_> = (0..position).collect();
        assert_eq!(from, expected, "{tenant} has a cursor without its gaps, or gaps without it");
        position
    });
    assert!(held.iter().all(|&n| n == held[0]), "a batch was stored in part: {held:?}");
    held[0]
}

/// Promises 6 and 9.
#[test]
fn a_power_cut_at_any_write_loses_no_acknowledged_batch_and_tears_none() {
    let mut rng = rng::seeded("a_power_cut_at_any_write", 99);
    let (mut cuts, mut kept_unacknowledged) = (0, 0);
    let mut operations = 0;
    loop {
        let disk = Disk::new(Vec::new(), operations);
        let mut acknowledged = 0;
        let mut finished = false;
        if let Ok(store) = RedbStore::on(disk.clone()) {
            while acknowledged < 12 && store.apply(&batch(acknowledged)).is_ok() {
                acknowledged += 1;
            }
            finished = acknowledged == 12;
        }
        for keeps in [Keeps::Nothing, Keeps::Everything, Keeps::Something, Keeps::Something] {
            let image = disk.after_the_cut(keeps, &mut rng);
            match RedbStore::on(Disk::new(image, u64::MAX)) {
                Ok(store) => {
                    let held = batches_in(&store);
                    let may_hold = acknowledged..=acknowledged + 1;
                    assert!(may_hold.contains(&held), "{held} of {acknowledged} batches");
                    kept_unacknowledged += u64::from(held > acknowledged);
                    assert!(store.apply(&batch(held)).is_ok(), "and it goes on");
                }
                // A cut while the file is being made may leave one that is no store yet.
                Err(refused) => assert_eq!(acknowledged, 0, "after {operations}: {refused:?}"),
            }
            cuts += 1;
        }
        if finished {
            break;
        }
        operations += 1;
    }
    eprintln!("{cuts} cuts; {kept_unacknowledged} kept a batch whose answer was lost");
    assert!(kept_unacknowledged > 0, "no cut fell between a batch and its answer");
}

#[test]
fn a_disk_that_fails_is_unavailable_and_does_not_panic() {
    let disk = Disk::new(Vec::new(), u64::MAX);
    let store = RedbStore::on(disk.clone()).unwrap();
    store.apply(&batch(0)).unwrap();
    disk.0.lock().unwrap().operations_left = 0;
    for _ in 0..3 {
        let failed = store.apply(&batch(1)).unwrap_err();
        assert_eq!(failed.to_string(), "the cursor store is unavailable");
    }
    drop(store);
    disk.0.lock().unwrap().operations_left = u64::MAX;
    let image = disk.after_the_cut(Keeps::Something, &mut rng::seeded("a_disk_that_fails", 1));
    assert_eq!(batches_in(&RedbStore::on(Disk::new(image, u64::MAX)).unwrap()), 1);
}
