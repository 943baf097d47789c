//! Cursors and gap records: [`CursorStore`] on redb.

use std::ops::Bound;

use cofferdam_core::Epoch;
use cofferdam_cursor::{Cursor, CursorStore, GapRecord, Outcome, StoreError, StreamId, Write};
use redb::{ReadableTable, Table};

use crate::{
    RedbStore,
    error::Fault,
    keys,
    store::{CURSORS, GAPS},
};

impl CursorStore for RedbStore {
    fn load(&self, stream: &StreamId) -> Result<Option<Cursor>, StoreError> {
        let load = || {
            let table = self.read()?.open_table(CURSORS)?;
            held(&table, stream)
        };
        Ok(load()?)
    }

    fn apply(&self, batch: &[Write]) -> Result<Vec<Outcome>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = self.write(|transaction| {
            let mut cursors = transaction.open_table(CURSORS)?;
            let mut gaps = transaction.open_table(GAPS)?;
            batch.iter().map(|write| apply(&mut cursors, &mut gaps, write)).collect()
        })?;
        Ok(outcomes)
    }

    fn gaps(
        &self,
        stream: &StreamId,
        after: Option<&GapRecord>,
        limit: usize,
    ) -> Result<Vec<GapRecord>, StoreError> {
        let first = match after {
            None => keys::of_stream(stream),
            // What sorts before all of the stream's gaps or after them bounds nothing or everything.
            Some(after) if after.stream() < stream => keys::of_stream(stream),
            Some(after) if after.stream() > stream => return Ok(Vec::new()),
            Some(after) => keys::of_gap(after),
        };
        let last = keys::after_gaps_of(stream);
        let list = || {
            let table = self.read()?.open_table(GAPS)?;
            let bounds = (Bound::Excluded(first.as_slice()), Bound::Included(last.as_slice()));
            let mut gaps = Vec::new();
            for entry in table.range::<&[u8]>(bounds)?.take(limit) {
                let (key, ()) = entry.map(|(key, value)| (key, value.value()))?;
                gaps.push(keys::read_gap(stream, key.value()).ok_or(Fault::Corrupt)?);
            }
            Ok::<_, Fault>(gaps)
        };
        Ok(list()?)
    }

    fn reconcile(&self, gaps: &[GapRecord]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(GAPS)?;
            for gap in gaps {
                table.remove(keys::of_gap(gap).as_slice())?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn held(
    cursors: &impl ReadableTable<&'static [u8], (u64, u64)>,
    stream: &StreamId,
) -> Result<Option<Cursor>, Fault> {
    let entry = cursors.get(keys::of_stream(stream).as_slice())?;
    Ok(entry.map(|entry| {
        let (epoch, position) = entry.value();
        Cursor::new(stream.clone(), Epoch(epoch), position)
    }))
}

fn apply(
    cursors: &mut Table<'_, &'static [u8], (u64, u64)>,
    gaps: &mut Table<'_, &'static [u8], ()>,
    write: &Write,
) -> Result<Outcome, Fault> {
    match write {
        Write::Cursor(cursor) => {
            let outcome = Outcome::of_cursor(held(cursors, cursor.stream())?.as_ref(), cursor);
            if outcome == Outcome::Stored {
                let key = keys::of_stream(cursor.stream());
                cursors.insert(key.as_slice(), (cursor.epoch().0, cursor.position()))?;
            }
            Ok(outcome)
        }
        Write::Gap(gap) => {
            if Outcome::is_fenced(held(cursors, gap.stream())?.as_ref(), gap) {
                return Ok(Outcome::Fenced);
            }
            let known = gaps.insert(keys::of_gap(gap).as_slice(), ())?.is_some();
            Ok(if known { Outcome::Stale } else { Outcome::Stored })
        }
    }
}
