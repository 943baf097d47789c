//! Running commands, and installing the few that a machine may lack.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A command in the workspace's folder.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Runs a command to its end, its output shown.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown} ended with {status}")),
        Err(error) => Err(format!("{shown} did not start: {error}")),
    }
}

/// Runs a command and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{shown} did not start: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("{shown} ended with {}\n{stderr}", output.status))
    }
}

/// Whether `program --version` runs.
pub(crate) fn present(program: &str) -> bool {
    command(program, &["--version"]).output().is_ok_and(|output| output.status.success())
}

/// Installs Debian packages unless `program` runs already. `Ok(false)`: it cannot be had here, and
/// the caller may skip, loudly; under `CI=true` that is an error.
pub(crate) fn debian(program: &str, packages: &[&str]) -> Result<bool, String> {
    if present(program) {
        return Ok(true);
    }
    let root = output(&mut command("id", &["-u"])).is_ok_and(|id| id.trim() == "0");
    if root && present("apt-get") {
        println!("installing {}", packages.join(" "));
        run(&mut command("apt-get", &["update", "-qq"]))?;
        let mut install = command("apt-get", &["install", "-y", "-qq", "--no-install-recommends"]);
        run(install.args(packages).env("DEBIAN_FRONTEND", "noninteractive"))?;
        return Ok(true);
    }
    let wanted = format!("{program} is missing: install {}", packages.join(" "));
    if std::env::var("CI").is_ok_and(|ci| ci == "true") {
        return Err(wanted);
    }
    println!("SKIPPED: {wanted}");
    Ok(false)
}

/// Installs a cargo subcommand unless it runs already.
pub(crate) fn cargo_tool(name: &str, version: &str) -> Result<(), String> {
    let subcommand = name.trim_start_matches("cargo-");
    if command("cargo", &[subcommand, "--version"]).output().is_ok_and(|o| o.status.success()) {
        return Ok(());
    }
    let exact = format!("{name}@{version}");
    run(&mut command("cargo", &["install", "--locked", &exact]))
}
