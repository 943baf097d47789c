//! Events judged together are judged as each alone.

use cofferdam_core::pipeline::Filter;
use cofferdam_filter::{Compiler, LiveRules, Mapping, Scratch, Subscription, SubscriptionDocument};
use serde_json::{Value, json};

const MAPPING: &str = r#"{
    "platform": "x",
    "eventType": ["first", "second"],
    "keys": { "kind": [{ "typeSegment": 1 }], "v": ["v", "o.v"] },
    "organisation": ["org"]
}"#;

fn rules(rng: &mut fastrand::Rng, with_patterns: bool) -> LiveRules {
    let mut subscription = |n: usize| -> Value {
        let target = format!("queue://{n}");
        match rng.u8(..if with_patterns { 5 } else { 4 }) {
            0 => json!({"eventType": "t.*", "targetQueue": target}),
            1 => json!({"eventType": "t.a", "filters": {"v": rng.u8(..9)}, "targetQueue": target}),
            2 => {
                json!({"eventType": ">", "filters": {"kind": ["a", "b"], "v": [rng.u8(..9), "x"]}, "targetQueue": target})
            }
            3 => json!({"eventType": "u", "filters": {"v": "y"}, "targetQueue": target}),
            _ => json!({"eventPattern": {"v": [rng.u8(..9)]}, "targetQueue": target}),
        }
    };
    let all: Vec<Value> = (0..12).map(&mut subscription).collect();
    let document = json!({"tenantId": "acme", "subscriptions": all[..9]}).to_string();
    let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
    let mapping = Mapping::parse(MAPPING).unwrap();
    let mut rules = Compiler::new([4; 16]).compile_live(&document, mapping, Some("ours")).unwrap();
    for added in &all[9..] {
        rules.add(&Subscription::parse(added.to_string().as_bytes()).unwrap()).unwrap();
    }
    rules
}

fn event(rng: &mut fastrand::Rng) -> String {
    let kind = *rng.choice(&["t.a", "t.b", "u", "z", "t.a.b"]).unwrap();
    let member = *rng.choice(&["first", "second"]).unwrap();
    let value = [json!(rng.u8(..9)), json!("x"), json!("y"), json!([1, 2, 2])];
    let value = rng.choice(&value).unwrap();
    let organisation = if rng.u8(..8) == 0 { "theirs" } else { "ours" };
    match rng.u8(..12) {
        0 => format!(r#"{{"{member}":"{kind}","v":{value},"v":{value}}}"#),
        1 => format!(r#"{{"{member}":"{kind}","v":{value}"#),
        2 => String::from("[]"),
        3 => format!(r#"{{"v":{value},"{member}":"{kind}"}}"#),
        4 => format!(r#"{{"o":{{"\u0076":{value}}},"{member}":"\u0074.a"}}"#),
        _ => format!(r#"{{"{member}":"{kind}","org":"{organisation}","o":[{{"v":{value}}}]}}"#),
    }
}

#[test]
fn a_batch_is_judged_as_its_events_alone() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rules = rules(&mut rng, seed % 4 == 0);
        let graph = rules.graph();
        let (mut one, mut many) = (Scratch::default(), Scratch::default());
        for _ in 0..3 {
            let events: Vec<String> = (0..rng.usize(..40)).map(|_| event(&mut rng)).collect();
            let bytes: Vec<&[u8]> = events.iter().map(String::as_bytes).collect();
            let mut judged = Vec::new();
            graph.filter_batch(&bytes, &mut many, |number, verdict| {
                judged.push((number, format!("{verdict:?}")));
            });
            let alone = bytes.iter().map(|event| format!("{:?}", graph.filter(event, &mut one)));
            let alone: Vec<(usize, String)> = alone.enumerate().collect();
            assert_eq!(judged, alone, "seed {seed}: {events:?}");
        }
    }
}
