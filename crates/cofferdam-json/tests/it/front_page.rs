//! The README and the crate's front page say the same.

#[test]
fn the_readme_has_the_front_pages_sentence_and_example() {
    let readme = include_str!("../../README.md");
    let front = include_str!("../../src/lib.rs");
    let docs: Vec<_> = front.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let docs: Vec<_> = docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let first: Vec<_> = docs.iter().copied().take_while(|line| !line.is_empty()).collect();
    assert!(readme.contains(&first.join("\n")), "the first paragraph differs");
    let example = |lines: &[&str]| -> Vec<String> {
        let heading = lines.iter().position(|line| *line == "# Example").unwrap_or(0);
        let lines = lines[heading..].iter().skip_while(|line| !line.starts_with("```")).skip(1);
        let code = lines.take_while(|line| !line.starts_with("```"));
        code.filter(|line| !line.starts_with("# ")).map(|line| (*line).to_owned()).collect()
    };
    assert!(example(&docs).len() > 3, "no example");
    assert_eq!(example(&readme.lines().collect::<Vec<_>>()), example(&docs));
}
