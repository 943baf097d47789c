//! Pictures of graphs: what they show, and that nothing in a rule can break them.

use std::path::Path;

use cofferdam_filter::{Compiler, FilterGraph, Mapping, Subscription, SubscriptionDocument};
use serde_json::{Value, json};

fn graph(subscriptions: &Value) -> FilterGraph {
    let document = json!({"tenantId": "acme", "subscriptions": subscriptions}).to_string();
    let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
    Compiler::new([5; 16]).compile(&document, &Mapping::generic(&["topicName"]), None).unwrap()
}

/// The two pictures in the document are those of the two documents beside them.
#[test]
fn the_document_shows_what_is_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FILTER_GRAPH.md");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("SKIPPED: a package has no docs");
        return;
    };
    let blocks = |language: &str| -> Vec<String> {
        let fence = format!("```{language}\n");
        let blocks = text.split(&fence).skip(1);
        blocks.map(|block| String::from(block.split("```").next().unwrap())).collect()
    };
    let (documents, pictures) = (blocks("json"), blocks("dot"));
    assert_eq!((documents.len(), pictures.len()), (2, 2));
    for (document, picture) in documents.iter().zip(&pictures) {
        let drawn = graph(&serde_json::from_str(document).unwrap()).to_dot();
        assert!(drawn == *picture, "docs/FILTER_GRAPH.md should show\n{drawn}");
    }
}

/// Takes a picture apart as Graphviz does: outside of texts there are words and signs alone.
fn is_sound(dot: &str) -> bool {
    let mut outside = String::new();
    let mut chars = dot.chars();
    while let Some(char) = chars.next() {
        if char != '"' {
            outside.push(char);
            continue;
        }
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => _ = chars.next(),
                Some('\n') | None => return false,
                Some(_) => {}
            }
        }
    }
    outside.chars().all(|char| char.is_ascii_alphanumeric() || " \n_->[]=,;{}".contains(char))
        && outside.starts_with("digraph filter {\n")
        && outside.ends_with("}\n")
}

#[test]
fn texts_of_rules_stay_texts() {
    let long = "y".repeat(10_000);
    let odd = "\"];a->b\\";
    let dot = graph(&json!([
        {"eventType": format!("{odd}.*"), "filters": {odd: [odd, "a\nb\u{1}\u{7f}", "&lt;&\\N", long]}, "targetQueue": "queue://\"q\\"},
        {"eventPattern": {odd: [{"prefix": odd}, {"wildcard": "a\\\\*"}], "\n": {"&": [long]}}, "targetQueue": "queue://p"},
    ]))
    .to_dot();
    assert!(is_sound(&dot), "{dot}");
    assert!(dot.len() < 5_000, "a long text is cut");
    for shown in [
        r#"label="\"\"];a->b\\\"""#,
        r#"label="\"a\\nb\\u0001\\u007f\"""#,
        r#"label="\"&amp;lt;&amp;\\N\"""#,
        "…",
        r#"label="queue://\"q\\""#,
    ] {
        assert!(dot.contains(shown), "{shown} in\n{dot}");
    }
}

#[test]
fn of_a_large_graph_the_beginning_is_drawn() {
    let rules = |count: u32| -> Value {
        let rule = |n| json!({"eventType": format!("a.{n}"), "filters": {"q": n}, "targetQueue": format!("queue://{n}")});
        (0..count).map(rule).collect()
    };
    let note = "more [shape=note";
    let (small, large) = (graph(&rules(20)).to_dot(), graph(&rules(5_000)).to_dot());
    assert!(is_sound(&small) && !small.contains(note), "{small}");
    assert!(is_sound(&large) && large.contains(note));
    assert!(large.matches("[shape=").count() <= 201 && large.len() < 100_000);
    let values: Vec<u32> = (0..150).collect();
    let dense: Value = (0..20).map(|n| json!({"eventPattern": {"a": values, "b": values[n..]}, "targetQueue": format!("queue://{n}")})).collect();
    let dense = graph(&dense).to_dot();
    assert!(dense.contains(note) && dense.matches("->").count() <= 1_001);
}

/// A rule that was taken out is not drawn, and one that was added is.
#[test]
fn rules_are_drawn_as_they_are_now() {
    let rule = |n: u32| json!({"eventType": "a", "filters": {"q": n}, "targetQueue": format!("queue://{n}")});
    let parse = |n| Subscription::parse(rule(n).to_string().as_bytes()).unwrap();
    let document = json!({"tenantId": "acme", "subscriptions": [rule(1), rule(2)]}).to_string();
    let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
    let mapping = Mapping::generic(&["topicName"]);
    let mut live = Compiler::new([5; 16]).compile_live(&document, mapping, None).unwrap();
    live.add(&parse(3)).unwrap();
    assert!(live.remove(&parse(1)));
    let dot = live.graph().to_dot();
    let is_drawn = |n: u32| dot.contains(&format!("label=\"queue://{n}\""));
    assert!(!is_drawn(1) && is_drawn(2) && is_drawn(3), "{dot}");
}
