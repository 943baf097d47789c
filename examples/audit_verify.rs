//! Verifies stored audit logs with nothing but files and public keys.
//!
//! ```sh
//! cargo run --release --example audit_verify -- cofferdam-data/audit
//! ```
//!
//! For every `NAME.vkey` in the folder it reads `NAME.leaves` and `NAME.checkpoints`, and says what
//! they hold or how they were tampered with. It ends with 0 if all are intact, 1 if one was tampered
//! with, 2 if one cannot be decided, 3 for wrong usage. An auditor takes the keys from somewhere
//! else than the logs: who can write both can make a log that verifies.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program reads files and talks to a terminal"
)]

use std::{fs, path::Path, process::ExitCode};

use cofferdam::audit::{self, Stored, VerifyingKey};

const USAGE: u8 = 3;
const UNDECIDED: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: audit_verify FOLDER");
        return ExitCode::from(USAGE);
    };
    let folder = Path::new(&folder);
    let Ok(entries) = fs::read_dir(folder) else {
        eprintln!("{} is not a folder that can be read", folder.display());
        return ExitCode::from(USAGE);
    };
    let mut keys: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "vkey"))
        .collect();
    keys.sort();
    if keys.is_empty() {
        eprintln!("there is no .vkey file in {}", folder.display());
        return ExitCode::from(USAGE);
    }
    // Tampering outweighs doubt: 1 before 2.
    let codes: Vec<u8> = keys.iter().map(|key| verify(key)).collect();
    let worst = [1, UNDECIDED].into_iter().find(|code| codes.contains(code));
    println!("{} logs, {} intact", codes.len(), codes.iter().filter(|code| **code == 0).count());
    ExitCode::from(worst.unwrap_or(0))
}

/// Verifies the log beside one key, and returns its exit code.
fn verify(key_file: &Path) -> u8 {
    let name = key_file.file_stem().unwrap_or_default().to_string_lossy();
    let read = |extension: &str| fs::read(key_file.with_extension(extension));
    let key = fs::read_to_string(key_file).map(|text| VerifyingKey::parse(text.trim()));
    let (Ok(Ok(key)), Ok(leaves), Ok(checkpoints)) = (key, read("leaves"), read("checkpoints"))
    else {
        println!("{name}: key, leaves or checkpoints cannot be read");
        return UNDECIDED;
    };
    let stored = Stored { leaves: &leaves, checkpoints: &checkpoints, remembered: &[] };
    match audit::verify(&key, &stored) {
        Ok(report) => {
            println!(
                "{name}: intact, {} leaves, {} checkpoints, {} not under one yet",
                report.leaves,
                report.checkpoints,
                report.unsealed()
            );
            0
        }
        Err(error) => {
            println!("{name}: {error}");
            error.exit_code()
        }
    }
}
