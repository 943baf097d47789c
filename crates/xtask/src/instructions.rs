//! How many instructions the filter takes for an event, held against `benches/instructions.txt`.
//!
//! Times are noisy on a shared machine, instructions are not: the same program on the same events takes
//! the same number of them, to a few in a thousand. So a change that makes the filter slower shows here,
//! before anybody measures. What makes it faster shows too: write the new counts down with
//! `cargo xtask instructions`.

use std::fs;

use crate::tools::{command, debian, output, root, run as run_command};

const BIN: &str = "filter_instructions";
/// By how many of a hundred a count may be off: another patch release of the compiler or the C library.
const MARGIN: u64 = 5;

/// A case, and the instructions of one event.
struct Count {
    case: String,
    instructions: u64,
}

/// Compares.
pub(crate) fn check() -> Result<(), String> {
    let Some(counts) = count()? else { return Ok(()) };
    let path = root().join("benches/instructions.txt");
    let text = fs::read_to_string(path).map_err(|error| format!("instructions.txt: {error}"))?;
    let mut wrong = Vec::new();
    for Count { case, instructions } in &counts {
        let known =
            text.lines().find_map(|line| line.strip_prefix(case.as_str())?.strip_prefix(": "));
        let known: u64 = known
            .and_then(|known| known.parse().ok())
            .ok_or_else(|| format!("benches/instructions.txt does not have {case:?}"))?;
        println!("{case}: {instructions} instructions an event, {known} written down");
        if instructions.abs_diff(known) * 100 > known * MARGIN {
            wrong.push(case.as_str());
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more than {MARGIN} % off: {}. If that is meant, `cargo xtask instructions` writes it down",
        wrong.join("; ")
    ))
}

/// Writes down what is counted now.
pub(crate) fn write() -> Result<(), String> {
    let Some(counts) = count()? else { return Ok(()) };
    let mut text = String::from(
        "Instructions an event, of the stream of docs/BENCHMARKS.md, with AVX2; see `cargo xtask instructions`.\n\n",
    );
    for Count { case, instructions } in counts {
        text.push_str(&format!("{case}: {instructions}\n"));
    }
    print!("{text}");
    let path = root().join("benches/instructions.txt");
    fs::write(path, text).map_err(|error| format!("instructions.txt: {error}"))
}

/// `None` where nothing can be counted, which was said then.
fn count() -> Result<Option<Vec<Count>>, String> {
    if !debian("valgrind", &["valgrind"])? {
        return Ok(None);
    }
    let build = ["build", "--release", "-p", "cofferdam-benches", "--bin", BIN];
    run_command(&mut command("cargo", &build))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let program = target.join("release").join(BIN);
    let program = program.to_str().ok_or("the target folder's name is not text")?;
    let cases = output(&mut command(program, &[]))?;
    if cases.is_empty() {
        println!("SKIPPED: this machine has no AVX2, which the counts are of");
        return Ok(None);
    }
    cases.lines().map(|case| one(program, case)).collect::<Result<Vec<_>, _>>().map(Some)
}

fn one(program: &str, case: &str) -> Result<Count, String> {
    let mut valgrind = command(
        "valgrind",
        &[
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*counted*",
            program,
            case,
        ],
    );
    let ran = valgrind.output().map_err(|error| format!("valgrind did not start: {error}"))?;
    let (said, counted) =
        (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let instructions = counted.lines().find_map(|line| line.split_once("Collected :"));
    let instructions = instructions.and_then(|(_, count)| count.trim().parse::<u64>().ok());
    match (said.trim().parse::<u64>(), instructions) {
        (Ok(events), Some(all)) if events > 0 && all > 0 => {
            Ok(Count { case: case.to_owned(), instructions: all / events })
        }
        _ => Err(format!("{case}: {said}{counted}")),
    }
}
