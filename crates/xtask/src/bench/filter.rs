//! What the filter costs beside other engines, in time and in memory.

use super::{QUICK_SECONDS, table};

pub(crate) const TEXT: &str = "\
## The event filter

Three programs of `benches/`. A hundred thousand events of 1.0 to 2.3 KB, 1,555 bytes on average, with
one to three participants that have a queue, a state and a direction of their own; the members that
rules ask for stand after them. Shape A is what users write: one of four event types, two queues of
as many as there are rules, one or two of six states, one or two directions. Shape B is what suits
engines that look at one field after the other: one event type, a queue that no other rule names,
one state. Of the events that match nothing one half has a queue that rules name, in a state that
they do not name for it, and the other half a queue that nobody named.

";

/// A quick run leaves out what takes the peers gigabytes or seconds.
pub(crate) fn measure(seconds: u32) -> Result<String, String> {
    let args: &[&str] = if seconds <= QUICK_SECONDS { &["--quick"] } else { &[] };
    let mut text = String::new();
    for (title, about, bin) in [
        ("Time", TIME, "filter_peers"),
        ("Memory", MEMORY, "filter_memory"),
        ("Changes", CHANGES, "filter_live"),
    ] {
        println!("\n== the filter: {title}");
        text.push_str(&format!("### {title}\n\n{about}\n{}\n", table(bin, args)?));
    }
    Ok(text)
}

const TIME: &str = "\
CPU time of the thread, the median of five passes over the whole stream, which is larger than the
caches; those who are compared take turns, and everyone was right about every event before it was
timed. \"Hot\" is 400 events round and round. GB/s, hot and the ratio are of 1 % matched. Rows
without rules only read the events and are held against the filter with 1,000 rules of shape A.

`quamina` panics at 256 rules that share a value, which is why its shape A ends at 10 rules.
";

const CHANGES: &str = "\
Rules of shape A, to which others are added and from which some are taken out, one by one: from the call
to the graph that judges by it, by the wall's clock. The last two columns are what an event cost
before and after, the fastest of five passes over 20,000 events of which 1 % match.
";

const MEMORY: &str = "\
Bytes that stay allocated once the rules are compiled, their text is gone and one event was matched,
counted by the allocator; the most that was allocated at one time meanwhile; and allocations while a
thousand events are matched.
";
