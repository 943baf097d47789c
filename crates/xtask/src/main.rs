//! `cargo xtask test` proves the workspace, `cargo xtask bench` measures it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool reads clocks and files and talks to a terminal"
)]

mod bench;
mod instructions;
mod prove;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test [STEP...]   run every check, or only the named steps
cargo xtask bench [--quick] [SECTION...]
                             measure, and write the tables of docs/BENCHMARKS.md
cargo xtask instructions     count the filter's instructions, and write them down
cargo xtask steps            list the steps of `test`
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let outcome = match command.as_str() {
        "test" => prove::run(&rest),
        "bench" => bench::run(&rest),
        "instructions" => instructions::write(),
        "steps" => {
            prove::list();
            Ok(())
        }
        _ => Err(HELP.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
