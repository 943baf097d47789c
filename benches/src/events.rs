//! The events that every pipeline is measured with.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use cofferdam_sim::generator::{DemoTenant, Fleet, Profile, TenantStream};

/// The mean size of an event in bytes.
pub const MEAN_BYTES: usize = 1_600;
/// How many events there are. They go round and round; together they are larger than most caches.
pub const COUNT: usize = 10_000;
const SEED: u64 = 7;

/// How many of a hundred events somebody subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(pub u32);

/// The tenant that the events are of.
#[must_use]
pub fn tenant() -> Option<DemoTenant> {
    Fleet::new(SEED, 1).tenants().first().cloned()
}

/// The events: the same bytes on every machine.
#[must_use]
pub fn generate(count: usize) -> Vec<Vec<u8>> {
    let Some(tenant) = tenant() else { return Vec::new() };
    let mut stream = TenantStream::new(SEED, &tenant, Profile::benchmark(MEAN_BYTES));
    let event = |_| {
        let mut frame = Vec::new();
        stream.next_frame(&mut frame);
        frame
    };
    (0..count).map(event).collect()
}

/// Writes the events as lines.
///
/// # Errors
///
/// Whatever the file system says.
pub fn write(path: &Path, events: &[Vec<u8>]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for event in events {
        file.write_all(event)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

/// The topic of an event, which is its first member.
#[must_use]
pub fn topic(event: &[u8]) -> Option<&str> {
    let rest = event.strip_prefix(br#"{"topicName":""#)?;
    let end = rest.iter().position(|&b| b == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// Every topic, once.
#[must_use]
pub fn topics(events: &[Vec<u8>]) -> BTreeSet<String> {
    events.iter().filter_map(|event| topic(event)).map(str::to_owned).collect()
}

/// The same events with `share` of a hundred, evenly spread, under topics that are subscribed to.
/// The others have the `v2.` of their topic overwritten by `v0.`, as `node/pipeline.mjs` does it, so
/// that events of the same sizes and shapes are read whatever the share.
#[must_use]
pub fn under_share(events: &[Vec<u8>], Share(share): Share) -> Vec<Vec<u8>> {
    const VERSION_AT: usize = br#"{"topicName":"v"#.len();
    let wanted = |index: usize| {
        let upto = |count: usize| count * share as usize / 100;
        upto(index + 1) > upto(index)
    };
    let rewrite = |(index, event): (usize, &Vec<u8>)| {
        let mut event = event.clone();
        if !wanted(index)
            && let Some(version) = event.get_mut(VERSION_AT)
        {
            *version = b'0';
        }
        event
    };
    events.iter().enumerate().map(rewrite).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_begins_with_a_topic_that_can_be_subscribed_to() {
        for event in generate(200) {
            assert!(topic(&event).is_some_and(|topic| topic.starts_with("v2.")));
        }
    }

    #[test]
    fn one_in_a_hundred_keeps_its_topic() {
        let events = generate(1_000);
        let count = |share| {
            let events = under_share(&events, share);
            events.iter().filter(|e| topic(e).is_some_and(|t| t.starts_with("v2."))).count()
        };
        assert_eq!((count(Share(1)), count(Share(100))), (10, 1_000));
    }
}
