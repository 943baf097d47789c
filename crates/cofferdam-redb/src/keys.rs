//! Keys: every name behind its length, every number in big-endian, so that byte order is key order.
//!
//! ```text
//! cursor   | tenant len | tenant | stream len | stream |
//! gap      |            as above                       | epoch | from | to | cause | at |
//! letter   | tenant len | tenant | id |                  (cofferdam-queue's `store_key`)
//! tally    | tenant len | tenant |
//! ```
//!
//! A name that stands behind its length cannot lend bytes to its neighbour: `a` + `b:c` and `a:b` +
//! `c` differ in their first byte, whatever characters names may hold (Q09).

use cofferdam_core::{Epoch, Scoped, TenantId};
use cofferdam_cursor::{GapCause, GapRecord, StreamId};

/// Epoch, from, to behind a tag, cause, time.
const GAP_LEN: usize = 8 + 8 + 9 + 1 + 8;
/// Turns the order of two's complement into that of unsigned numbers.
const SIGN: u64 = 1 << 63;

pub(crate) fn of_tenant(tenant: &TenantId) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + tenant.as_str().len());
    push_name(&mut key, tenant.as_str());
    key
}

pub(crate) fn of_stream(stream: &StreamId) -> Vec<u8> {
    let (tenant, name) = (stream.tenant().as_str(), stream.name());
    let mut key = Vec::with_capacity(2 + tenant.len() + name.len() + GAP_LEN);
    push_name(&mut key, tenant);
    push_name(&mut key, name);
    key
}

pub(crate) fn of_gap(gap: &GapRecord) -> Vec<u8> {
    let mut key = of_stream(gap.stream());
    key.extend_from_slice(&gap.epoch().0.to_be_bytes());
    key.extend_from_slice(&gap.from().to_be_bytes());
    // `None` sorts first, as it does in `Option`.
    key.push(u8::from(gap.to().is_some()));
    key.extend_from_slice(&gap.to().unwrap_or(0).to_be_bytes());
    key.push(gap.cause().code());
    key.extend_from_slice(&(gap.at_ms().cast_unsigned() ^ SIGN).to_be_bytes());
    key
}

/// No gap of the stream has a greater key.
pub(crate) fn after_gaps_of(stream: &StreamId) -> Vec<u8> {
    let mut key = of_stream(stream);
    key.resize(key.len() + GAP_LEN, u8::MAX);
    key
}

/// Reads a gap of `stream` back from its key.
pub(crate) fn read_gap(stream: &StreamId, key: &[u8]) -> Option<GapRecord> {
    let mut rest = key.strip_prefix(of_stream(stream).as_slice())?;
    let epoch = Epoch(u64::from_be_bytes(take(&mut rest)?));
    let from = u64::from_be_bytes(take(&mut rest)?);
    let [ends] = take(&mut rest)?;
    let to = u64::from_be_bytes(take(&mut rest)?);
    let to = match ends {
        0 => None,
        1 => Some(to),
        _ => return None,
    };
    let [cause] = take(&mut rest)?;
    let cause = GapCause::from_code(cause)?;
    let at_ms = (u64::from_be_bytes(take(&mut rest)?) ^ SIGN).cast_signed();
    rest.is_empty().then(|| GapRecord::new(stream.clone(), epoch, from, to, cause, at_ms))
}

/// Tenant ids have at most 63 bytes and stream names at most 128.
fn push_name(key: &mut Vec<u8>, name: &str) {
    key.push(name.len() as u8);
    key.extend_from_slice(name.as_bytes());
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(tenant: &str, name: &str) -> StreamId {
        StreamId::new(TenantId::parse(tenant).unwrap(), name).unwrap()
    }

    #[test]
    fn keys_of_gaps_sort_as_gaps_do_and_read_back() {
        let s = stream("a", "calls");
        let mut gaps = Vec::new();
        for epoch in [0, 1, 256, u64::MAX] {
            for from in [0, 1, 256] {
                for to in [None, Some(257), Some(u64::MAX)] {
                    for &cause in GapCause::ALL {
                        for at in [i64::MIN, -1, 0, 1, i64::MAX] {
                            gaps.push(GapRecord::new(s.clone(), Epoch(epoch), from, to, cause, at));
                        }
                    }
                }
            }
        }
        gaps.sort();
        let keys: Vec<_> = gaps.iter().map(of_gap).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| *key > of_stream(&s) && *key <= after_gaps_of(&s)));
        for (gap, key) in gaps.iter().zip(&keys) {
            assert_eq!(read_gap(&s, key).as_ref(), Some(gap));
        }
    }

    /// Q09: every pair of different streams, and no key of one within the range of another.
    #[test]
    fn no_stream_lies_in_the_range_of_another() {
        let names = ["a", "aa", "ab", "b", "a.b", "a-b", "a_b", "1", "11"];
        let all: Vec<_> =
            names.iter().flat_map(|tenant| names.iter().map(|name| stream(tenant, name))).collect();
        for one in &all {
            for other in &all {
                let gap = GapRecord::new(other.clone(), Epoch(1), 0, None, GapCause::Reset, 0);
                let key = of_gap(&gap);
                let inside = key >= of_stream(one) && key <= after_gaps_of(one);
                assert_eq!(inside, one == other, "{other:?} in the range of {one:?}");
                assert_eq!(read_gap(one, &key).is_some(), one == other);
            }
        }
    }

    #[test]
    fn refuses_a_key_that_no_gap_has() {
        let s = stream("a", "calls");
        let key = of_gap(&GapRecord::new(s.clone(), Epoch(1), 0, None, GapCause::Reset, 0));
        let end = of_stream(&s).len();
        assert!(read_gap(&s, &key[..key.len() - 1]).is_none());
        assert!(read_gap(&s, &[key.as_slice(), &[0]].concat()).is_none());
        for (at, bad) in [(end + 16, 2), (end + 25, 0), (end + 25, 99)] {
            let mut edited = key.clone();
            edited[at] = bad;
            assert!(read_gap(&s, &edited).is_none(), "{bad} at {at}");
        }
    }
}
