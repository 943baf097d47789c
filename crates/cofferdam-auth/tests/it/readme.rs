//! The README is the crate's front page, shortened: the same first sentence and the same example.

#[test]
fn the_readme_and_the_crate_docs_say_the_same() {
    let readme = include_str!("../../README.md");
    let docs: String = include_str!("../../src/lib.rs")
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    let example = |text: &str| text.split("```").nth(1).unwrap().to_owned();
    let shown: String = example(&docs)
        .lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(example(readme).strip_prefix("rust"), Some(shown.as_str()));
    let first = docs.lines().next().unwrap();
    assert!(readme.contains(first), "{first}");
}
