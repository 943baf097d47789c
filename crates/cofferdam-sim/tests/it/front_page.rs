//! The README and the crate's front page say the same.

#[test]
fn the_readme_has_the_front_pages_sentence_and_example() {
    let readme = include_str!("../../README.md");
    let front = include_str!("../../src/lib.rs");
    let docs: Vec<_> = front.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let docs: Vec<_> = docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    assert!(readme.contains(docs[0]), "the first sentence differs");
    let example = |lines: &[&str]| -> Vec<String> {
        let from = lines.iter().position(|line| line.starts_with("```")).unwrap();
        let code = lines[from + 1..].iter().take_while(|line| !line.starts_with("```"));
        code.filter(|line| !line.starts_with("# ")).map(|line| (*line).to_owned()).collect()
    };
    assert_eq!(example(&readme.lines().collect::<Vec<_>>()), example(&docs));
}
