//! README and crate documentation say the same.

const README: &str = include_str!("../../README.md");
const LIB: &str = include_str!("../../src/lib.rs");

/// The first code block, without the lines that rustdoc hides.
fn example<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines
        .skip_while(|line| !line.starts_with("```"))
        .skip(1)
        .take_while(|line| !line.starts_with("```"))
        .filter(|line| *line != "#" && !line.starts_with("# "))
        .collect()
}

fn lib_docs() -> impl Iterator<Item = &'static str> {
    let docs = LIB.lines().map_while(|line| line.strip_prefix("//!"));
    docs.map(|line| line.strip_prefix(' ').unwrap_or(line))
}

#[test]
fn readme_shows_the_example_of_the_crate_documentation() {
    let ours = example(lib_docs());
    assert!(ours.len() > 10, "{ours:#?}");
    assert_eq!(example(README.lines()), ours);
}

#[test]
fn readme_opens_with_the_sentence_of_the_crate_documentation() {
    let first = |lines: Vec<&str>| {
        let paragraph =
            lines.into_iter().skip_while(|line| line.is_empty() || line.starts_with('#'));
        paragraph.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(first(README.lines().collect()), first(lib_docs().collect()));
}
