//! What schemas cost beside the bare validator.

use super::{QUICK_SECONDS, table};

pub(crate) const TEXT: &str = "\
## Schemas

Generated events are judged by one schema, which is made of the events themselves, so that all of them fit. \"Bare\"
is what one would write without Cofferdam: `serde_json` to a tree, then `jsonschema` on it. Each contender takes its
turn over all events, again and again; a figure is the median of its turns, in CPU time of the thread.

";

pub(crate) fn measure(seconds: u32) -> Result<String, String> {
    println!("\n== schemas");
    let seconds = if seconds <= QUICK_SECONDS { "3" } else { "20" };
    Ok(format!("{}\n", table("schema_cost", &["--seconds", seconds])?))
}
