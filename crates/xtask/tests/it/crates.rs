//! What every crate has: its name, its papers, its bounds.

use std::collections::BTreeMap;

use serde_json::Value;

use super::workspace::{files, list, members, read, resolved, root, text};

/// The most lines of a source file, tests not counted.
const MAX_LINES: usize = 400;

/// Files that are longer, and how long they may be. Whoever shortens one takes it off the list.
const LONGER: [(&str, usize); 1] = [("crates/cofferdam/src/compartment.rs", 500)];

/// The members that live in `crates/`.
fn crates() -> Vec<Value> {
    let folder = root().join("crates");
    let mut members = members();
    members.retain(|member| text(member, "manifest_path").starts_with(folder.to_str().unwrap()));
    assert!(members.len() > 10, "only {} crates were found", members.len());
    members
}

#[test]
fn a_folder_is_named_as_its_package() {
    for member in crates() {
        let name = text(&member, "name");
        let manifest = format!("crates/{name}/Cargo.toml");
        assert_eq!(text(&member, "manifest_path"), root().join(&manifest).to_str().unwrap());
    }
}

/// The one file with unsafe code in it.
const UNSAFE: &str = "crates/cofferdam-json/src/simd.rs";

#[test]
fn unsafe_code_stands_in_one_file() {
    for member in crates() {
        let path = format!("crates/{}/src/lib.rs", text(&member, "name"));
        if root().join(&path).exists() {
            // What is forbidden cannot be allowed again further down.
            let with_exception = UNSAFE.starts_with(path.trim_end_matches("lib.rs"));
            let level = if with_exception { "deny" } else { "forbid" };
            let attribute = format!("#![{level}(unsafe_code)]");
            assert!(read(&path).lines().any(|line| line == attribute), "{path}");
        }
    }
    let lifts = |file: &String| {
        ["allow", "expect", "warn"]
            .iter()
            .any(|lint| read(file).contains(&format!("{lint}(unsafe_code")))
    };
    let sources = files().into_iter().filter(|file| {
        file.starts_with("crates/cofferdam") && file.contains("/src/") && file.ends_with(".rs")
    });
    assert_eq!(sources.filter(lifts).collect::<Vec<_>>(), [UNSAFE]);
    // Each block says why it is sound.
    let source = read(UNSAFE);
    let blocks = source.matches("unsafe {").count();
    assert_eq!(blocks, source.matches("// SAFETY: ").count());
    assert!(blocks > 0);
}

/// What a registry asks of a crate, and a reader of one.
#[test]
fn every_published_crate_has_its_papers() {
    for member in crates() {
        let name = text(&member, "name");
        if list(&member, "publish").is_empty() && !member["publish"].is_null() {
            continue;
        }
        for paper in ["license", "description", "repository", "rust_version"] {
            assert!(!text(&member, paper).is_empty(), "{name} has no {paper}");
        }
        let readme = read(&format!("crates/{name}/README.md"));
        assert!(
            readme.starts_with(&format!("# {name}\n")),
            "the README of {name} has another title"
        );
    }
}

/// Lines before the tests of the file itself.
fn length(source: &str) -> usize {
    let tests = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    source[..tests].lines().count()
}

#[test]
fn a_source_file_holds_one_idea() {
    let longer = BTreeMap::from(LONGER);
    let mut wrong = Vec::new();
    for file in files() {
        let in_crate = file.strip_prefix("crates/").and_then(|file| file.split_once('/'));
        let is_source = in_crate.is_some_and(|(_, file)| file.starts_with("src/"));
        if !is_source || !file.ends_with(".rs") || file.ends_with("/tests.rs") {
            continue;
        }
        let lines = length(&read(&file));
        match longer.get(file.as_str()) {
            None if lines > MAX_LINES => wrong.push(format!("{file} has {lines} lines")),
            Some(_) if lines <= MAX_LINES => wrong.push(format!("{file} needs no exception")),
            Some(&most) if lines > most => wrong.push(format!("{file} grew to {lines} lines")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `1.90` as three numbers; a package that names none asks for nothing.
fn version(text: &str) -> [u32; 3] {
    let mut numbers = text.split(['.', '-']).map_while(|part| part.parse().ok());
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

#[test]
fn our_rust_version_is_the_highest_that_a_dependency_asks_for() {
    assert!(version("1.90") < version("1.90.1") && version("1.9") < version("1.10"));
    let metadata = resolved();
    let (own, foreign): (Vec<&Value>, Vec<&Value>) =
        list(&metadata, "packages").iter().partition(|package| package["source"].is_null());
    let highest = foreign.into_iter().max_by_key(|p| version(text(p, "rust_version"))).unwrap();
    let wanted = text(highest, "rust_version");
    println!("{} {} sets {wanted}", text(highest, "name"), text(highest, "version"));
    for package in own {
        let ours = text(package, "rust_version");
        let name = text(package, "name");
        assert!(version(ours) >= version(wanted), "{name}: {ours} is below {wanted}");
    }
}
