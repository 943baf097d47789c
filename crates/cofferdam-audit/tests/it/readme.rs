//! The README and the crate's front page say the same.

const README: &str = include_str!("../../README.md");
const FRONT_PAGE: &str = include_str!("../../src/lib.rs");

/// The front page as text, without what only rustdoc sees.
fn front_page() -> String {
    let doc = FRONT_PAGE.lines().take_while(|line| line.starts_with("//!"));
    let text = doc.map(|line| line.strip_prefix("//! ").unwrap_or_default());
    text.filter(|line| !line.starts_with("# Ok::")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_has_the_front_pages_opening_and_example() {
    let page = front_page();
    let opening = &page[..page.find("* [`Log`]").unwrap()];
    let example = page.split("```").nth(1).unwrap();
    assert!(README.contains(opening.trim()), "the opening differs");
    assert_eq!(README.split("```rust").nth(1).unwrap().split("```").next().unwrap(), example);
}
