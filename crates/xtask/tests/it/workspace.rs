//! The workspace as cargo and the file system have it, and tables as the documents write them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Folders that hold what was made, not what was written.
const MADE: [&str; 5] = [".git", "target", "node_modules", "cofferdam-data", "artifacts"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// A file of the workspace, by its path from the root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file that git tracks or would add, and that is still there; without git, every file.
pub(crate) fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let mut files: Vec<String> = match listed {
        Ok(listed) if listed.status.success() && !listed.stdout.is_empty() => {
            let names = String::from_utf8(listed.stdout).unwrap();
            names.split_terminator('\0').map(str::to_owned).collect()
        }
        _ => {
            let mut found = Vec::new();
            walk(&root(), &mut found);
            found
        }
    };
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        if path.is_dir() && !MADE.contains(&name) {
            walk(&path, found);
        } else if path.is_file() {
            let below = path.strip_prefix(root()).unwrap();
            found.push(below.to_str().unwrap().replace('\\', "/"));
        }
    }
}

/// The packages of the workspace, without looking at what they depend on.
pub(crate) fn members() -> Vec<Value> {
    let mut metadata = metadata(&["--no-deps", "--offline"]).unwrap();
    metadata["packages"].as_array_mut().map(std::mem::take).unwrap()
}

/// Everything: the packages of the lock file, and who depends on whom.
pub(crate) fn resolved() -> Value {
    // Offline when all packages are here already; a build fetches those of its own platform only.
    metadata(&["--offline"]).or_else(|_| metadata(&["--locked"])).unwrap()
}

fn metadata(more: &[&str]) -> Result<Value, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1"]).args(more).current_dir(root());
    let output = cargo.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

pub(crate) fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

pub(crate) fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

/// The rows of the first table under a heading, without its head.
pub(crate) fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let content = read(document);
    let rows: Vec<Vec<String>> = content
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "{document} has no table under {heading:?}");
    rows
}

/// What stands between single backticks.
pub(crate) fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn a_table_is_read_row_by_row_and_cell_by_cell() {
    assert_eq!(quoted("`a`, and `b-c`."), ["a", "b-c"]);
    assert!(quoted("none").is_empty());
    let rows = table("docs/ARCHITECTURE.md", "## Floors");
    assert!(rows.iter().all(|row| row.len() == 4), "{rows:?}");
}
