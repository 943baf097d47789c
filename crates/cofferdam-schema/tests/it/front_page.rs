//! The README is the crate's front page in short.

/// The lines of the first code block, without those that documentation hides.
fn example(lines: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let code = lines.skip_while(|line| !line.starts_with("```")).skip(1);
    let code = code.take_while(|line| !line.starts_with("```"));
    code.filter(|line| !line.starts_with("# ")).collect()
}

#[test]
fn the_readme_says_what_the_front_page_says() {
    let readme = include_str!("../../README.md");
    let front = include_str!("../../src/lib.rs").lines().map_while(|line| line.strip_prefix("//!"));
    let mut front = front.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let sentence = front.next().unwrap();
    assert_eq!(readme.lines().nth(2), Some(sentence));
    let shown = example(front);
    assert!(shown.len() > 10);
    assert_eq!(example(readme.lines()), shown);
}
