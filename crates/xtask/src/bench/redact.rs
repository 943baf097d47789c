//! What redaction costs beside trees of values.

use super::{QUICK_SECONDS, table};

pub(crate) const TEXT: &str = "\
## Redaction

Recorded notifications of a contact-centre platform go through a policy of three rules that find something (a
mask, a hash, a member left out) and of a hundred, of which the others find nothing. Cofferdam's figure
holds its strict check, which the pipeline makes anyway. The peers parse an event into a tree, look every path up
in it, write over what was found and write the tree out; they hash nothing. CPU time of the thread, the least of
five passes; what everyone wrote was the same.

";

pub(crate) fn measure(seconds: u32) -> Result<String, String> {
    let args: &[&str] = if seconds <= QUICK_SECONDS { &["--quick"] } else { &[] };
    println!("\n== redaction");
    Ok(format!("{}\n", table("redact_peers", args)?))
}
