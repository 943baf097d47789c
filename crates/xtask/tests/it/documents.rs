//! Links that lead somewhere, and nothing of the machine that a file was written on.

use super::workspace::{files, read, root};

/// The targets of a document's links, code blocks left out.
fn links(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let after = line.split("](").skip(1);
            found.extend(after.filter_map(|rest| rest.split(')').next()).map(str::to_owned));
        }
    }
    found
}

/// A heading as GitHub makes an anchor of it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn has_anchor(document: &str, wanted: &str) -> bool {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).any(|anchor| anchor == wanted)
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files().iter().filter(|file| file.ends_with(".md")) {
        let content = read(file);
        for link in links(&content) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (path, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let from = root().join(file);
            let target = if path.is_empty() { from } else { from.parent().unwrap().join(path) };
            if !target.exists() {
                wrong.push(format!("{file}: {link}"));
            } else if !fragment.is_empty() && target.extension().is_some_and(|ext| ext == "md") {
                let below = target.canonicalize().unwrap();
                let below = below.strip_prefix(root().canonicalize().unwrap()).unwrap().to_owned();
                if !has_anchor(&read(below.to_str().unwrap()), fragment) {
                    wrong.push(format!("{file}: {link} has no such heading"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 50, "only {seen} links were found");
}

#[test]
fn a_link_is_found_where_it_stands() {
    let document = "See [a](b.md#c), [d](e).\n```text\n[no](link)\n```\n[`x`](y)";
    assert_eq!(links(document), ["b.md#c", "e", "y"]);
    assert!(has_anchor("## The way of an event\n", "the-way-of-an-event"));
    assert!(!has_anchor("The way\n", "the-way"));
}

/// Places of a machine, in two halves, so that this file holds none.
const PLACES: [(&str, &str); 5] =
    [("/ro", "ot/"), ("/ho", "me/"), ("/wo", "rk/"), ("/Use", "rs/"), ("\\Use", "rs\\")];

/// Whether `place` begins a path there, and is not a part of a longer one.
fn names_place(content: &str, place: &str) -> bool {
    content.match_indices(place).any(|(at, _)| {
        let before = content[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | '/' | '~'))
    })
}

#[test]
fn no_file_names_a_place_of_somebodys_machine() {
    let mut wrong = Vec::new();
    for file in files() {
        // What is not text holds no prose.
        let Ok(content) = std::fs::read_to_string(root().join(&file)) else { continue };
        for (half, other) in PLACES {
            if names_place(&content, &format!("{half}{other}")) {
                wrong.push(format!("{file}: {half}{other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_place_is_known_by_where_it_begins() {
    assert!(names_place("cd /a/b", "/a/") && names_place("(/a/b)", "/a/"));
    assert!(!names_place("https://example.com/a/b", "/a/") && !names_place("~/a/b", "/a/"));
}
