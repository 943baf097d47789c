//! Where and with what the figures were measured.

use std::{fmt::Write as _, fs};

use crate::tools::{command, output};

/// A short list for a section of this name: command, machine, kernel, date, tools.
pub(crate) fn describe(section: &str) -> String {
    let said = |program: &str, args: &[&str]| {
        output(&mut command(program, args))
            .map_or_else(|_| "none".to_owned(), |s| s.trim().to_owned())
    };
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&cpuinfo, "model name").unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = field(&meminfo, "MemTotal")
        .and_then(|total| total.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    let lines = [
        ("Command", format!("`cargo xtask bench {section}`")),
        ("Machine", format!("{model}, {cores} cores, {:.0} GiB", kib as f64 / f64::from(1 << 20))),
        ("Kernel", said("uname", &["-sr"])),
        ("Date", said("date", &["-u", "+%F"])),
        (
            "Tools",
            format!("{}, Node {}", said("rustc", &["--version"]), said("node", &["--version"])),
        ),
    ];
    let mut text = String::from("| | |\n|---|---|\n");
    for (what, value) in lines {
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "| {what} | {value} |");
    }
    text.push('\n');
    text
}

/// The value of the first `name: value` line.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}
