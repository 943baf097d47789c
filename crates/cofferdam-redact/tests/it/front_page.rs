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

/// The policy of docs/REDACTION.md is one, and uses every strategy.
#[test]
fn the_policy_of_the_documentation_compiles() {
    use std::sync::Arc;

    use cofferdam_redact::{
        MemoryVault, Policy, PolicyDocument, PolicyLimits, RedactionKey, Strategy, Vault,
    };

    let text = include_str!("../../../../docs/REDACTION.md");
    let policy = text.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut json = cofferdam_json::Scratch::new([1; 16]);
    let document = PolicyDocument::parse(policy.as_bytes(), &mut json).unwrap();
    let vault: Arc<dyn Vault> = Arc::new(MemoryVault::new(1));
    let key = RedactionKey::new([7; 32], 1);
    Policy::compile_with_vault(&document, &key, PolicyLimits::default(), &vault).unwrap();
    let mut strategies: Vec<Strategy> =
        document.redaction_rules.iter().map(|rule| rule.strategy).collect();
    strategies.sort_unstable();
    strategies.dedup();
    assert_eq!(strategies.len(), 7);
}
