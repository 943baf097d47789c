//! Files: what a restart finds, and what is refused when a store is opened.
#![expect(clippy::disallowed_methods, reason = "files are what is tested")]

use std::{error::Error, path::Path};

use cofferdam_core::{Epoch, Now, TenantId};
use cofferdam_cursor::{Cursor, CursorStore, GapCause, GapRecord, StreamId, Write};
use cofferdam_queue::{
    DeadCause,
    dead_letter::{Cause, DeadLetter, DeadLetterStore, LetterId, TenantSeal},
};
use cofferdam_redb::{OpenError, RedbStore};
use cofferdam_sim::recorded;
use redb::{Database, TableDefinition};

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn stream() -> StreamId {
    StreamId::new(tenant(), "calls").unwrap()
}

fn letter(position: u64) -> DeadLetter {
    let event = recorded(&tenant(), position, &[1], b"{}", Now::from_millis(0, 0));
    let cause = Cause { lane: None, cause: DeadCause::Full, attempts: 0, first_ms: 0, last_ms: 0 };
    DeadLetter::seal(&event, cause, &TenantSeal::new([7; 32]))
}

#[test]
fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let cursor = Cursor::new(stream(), Epoch(2), 17);
    let gap = GapRecord::new(stream(), Epoch(2), 10, None, GapCause::Reset, 5);
    {
        let store = RedbStore::open(&path).unwrap();
        store.apply(&[Write::Cursor(cursor.clone()), Write::Gap(gap.clone())]).unwrap();
        store.append(&[letter(1), letter(2), letter(3)]).unwrap();
        store.remove(&tenant(), &[LetterId(2)]).unwrap();
    }
    let store = RedbStore::open(&path).unwrap();
    assert_eq!(store.load(&stream()).unwrap(), Some(cursor));
    assert_eq!(store.gaps(&stream(), None, 9).unwrap(), [gap]);
    assert_eq!(store.count(&tenant()).unwrap(), 2);
    store.append(&[letter(4)]).unwrap();
    let listed = store.list(&tenant(), None, 9).unwrap();
    let ids: Vec<_> = listed.iter().map(|stored| stored.id.0).collect();
    assert_eq!(ids, [0, 1, 3], "an id is not used again, not even after a restart");
}

#[test]
fn a_file_that_is_open_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let first = RedbStore::open(&path).unwrap();
    assert!(matches!(RedbStore::open(&path), Err(OpenError::InUse)));
    drop(first);
    assert!(RedbStore::open(&path).is_ok());
}

#[test]
fn a_path_that_cannot_be_written_is_inaccessible() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let no_folder = folder.path().join("none").join("store.redb");
    for path in [folder.path(), &no_folder, &file.join("store.redb")] {
        let refused = RedbStore::open(path).unwrap_err();
        assert!(matches!(refused, OpenError::Inaccessible(_)), "{refused:?}");
        assert_eq!(refused.to_string(), "the store cannot be opened for reading and writing");
        assert!(refused.source().is_some(), "the cause is there for the operator");
    }
}

#[test]
fn a_file_of_something_else_is_foreign_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for content in [vec![b'x'; 3], vec![b'x'; 10_000], vec![0; 4_096]] {
        std::fs::write(&path, &content).unwrap();
        let refused = RedbStore::open(&path).unwrap_err();
        assert!(matches!(refused, OpenError::Foreign), "{} bytes: {refused:?}", content.len());
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("cofferdam.meta");
const FOREIGN: TableDefinition<'_, u64, u64> = TableDefinition::new("theirs");

fn with_database(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn another_programs_database_is_foreign_and_gets_no_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.redb");
    with_database(&path, |transaction| {
        transaction.open_table(FOREIGN).unwrap();
    });
    assert!(matches!(RedbStore::open(&path), Err(OpenError::Foreign)));
    with_database(&path, |transaction| {
        assert_eq!(transaction.list_tables().unwrap().count(), 1);
    });
}

#[test]
fn another_format_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    drop(RedbStore::open(&path).unwrap());
    with_database(&path, |transaction| {
        transaction.open_table(META).unwrap().insert("format", 2).unwrap();
    });
    let refused = RedbStore::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Format { found: 2, expected: 1 }));
    let text = "the store has table format 2 and this release reads format 1";
    assert_eq!(refused.to_string(), text);
}

#[test]
fn debug_shows_nothing_of_what_is_stored() {
    assert_eq!(format!("{:?}", RedbStore::in_memory().unwrap()), "RedbStore { .. }");
}
