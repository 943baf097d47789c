//! One scratch for the events of several tenants, under graphs of every size.

use cofferdam_core::pipeline::{Filter, Verdict};
use cofferdam_filter::{Compiler, FilterGraph, Mapping, Scratch, SubscriptionDocument};
use cofferdam_sim::{
    assert_scratch_carries_nothing, rng,
    scratch::{Canary, MEMBERS, TYPES},
};
use serde_json::{Value, json};

/// A graph of so many rules, which watch what this tenant's events hold and other tenants' too.
fn graph(id: &str, canary: Canary, rules: usize, rng: &mut fastrand::Rng) -> FilterGraph {
    // Some have event patterns too, which keep what each object held.
    let has_patterns = rng.u8(..3) == 0;
    let subscriptions: Vec<_> = (0..rules)
        .map(|number| {
            let pattern = *rng.choice(&["t.a", "t.b", "t.*", "u", ">", "t.>"]).unwrap();
            let wanted = [Value::Null, json!(true), json!(7), json!(""), json!(canary.text(rng))];
            let mut filters = serde_json::Map::new();
            for _ in 0..rng.usize(..3) {
                let member = *rng.choice(&MEMBERS).unwrap();
                let values: Vec<_> = wanted.iter().filter(|_| rng.bool()).cloned().collect();
                if !values.is_empty() {
                    filters.insert(member.to_owned(), values.into());
                }
            }
            if has_patterns && rng.bool() && !filters.is_empty() {
                let missing = *rng.choice(&MEMBERS).unwrap();
                filters.entry(missing).or_insert_with(|| json!([{ "exists": false }]));
                return json!({ "eventPattern": filters, "targetQueue": format!("queue://{number}") });
            }
            json!({ "eventType": pattern, "filters": filters, "targetQueue": format!("queue://{number}") })
        })
        .collect();
    let document = json!({ "tenantId": id, "subscriptions": subscriptions }).to_string();
    let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
    // A second member for the type has it looked up at the event's end, as the first has not.
    let mapping = Mapping::generic(&["type", "topicName"]);
    let mapping = if rng.bool() { mapping } else { Mapping::genesys_cloud() };
    Compiler::new([1; 16]).compile(&document, &mapping, None).unwrap()
}

/// An event whose members are few and often what a rule wants, in any order: the first that is read
/// finds the buffers as another event left them.
fn plain(rng: &mut fastrand::Rng) -> Vec<u8> {
    let kind = format!("\"topicName\":\"{}\"", rng.choice(TYPES).unwrap());
    let mut members = vec![kind];
    for member in MEMBERS.into_iter().filter(|_| rng.bool()).collect::<Vec<_>>() {
        let value = *rng.choice(&["true", "null", "7", "7.0", "\"\"", "\"\\u0078\""]).unwrap();
        let (first, rest) = member.split_at(1);
        let first = match rng.bool() {
            true => format!("\\u{:04x}", first.as_bytes()[0]),
            false => first.to_owned(),
        };
        members.push(format!("\"{first}{rest}\":{value}"));
    }
    rng.shuffle(&mut members);
    // Whatever was seen so far must be forgotten, also where nothing came of it.
    let end = *rng.choice(&["}", "}", "}", "}", ",", "}x"]).unwrap();
    format!("{{{}{end}", members.join(",")).into_bytes()
}

/// S04: the routes of an event are its own, whatever another tenant's events had under another
/// graph: types, classes, text, and how far the one that failed had come.
#[test]
fn one_tenants_routes_are_the_same_whoevers_event_came_before() {
    let mut rng = rng::seeded("one_tenants_routes_are_the_same", 2);
    for _ in 0..20 {
        let tenants = [("acme", Canary::new('7')), ("globex", Canary::new('3'))];
        let graphs: Vec<_> = tenants
            .iter()
            .flat_map(|&(id, canary)| [60, 5, 1].map(|rules| (id, canary, rules)))
            .map(|(id, canary, rules)| (canary, graph(id, canary, rules, &mut rng)))
            .collect();
        let jobs: Vec<_> = (0..80)
            .map(|_| {
                let (canary, graph) = rng.choice(&graphs).unwrap();
                let event = if rng.bool() { plain(&mut rng) } else { canary.event(&mut rng) };
                (*canary, (graph, event))
            })
            .collect();
        let matched = jobs.iter().filter(|(_, (graph, event))| {
            matches!(graph.filter(event, &mut Scratch::default()), Verdict::Matched(_))
        });
        assert!((10..70).contains(&matched.count()), "events that match, and that do not");
        assert_scratch_carries_nothing(Scratch::default, &jobs, |scratch, (graph, event)| {
            let mut said = format!("{:?}", graph.filter(event, scratch));
            graph.filter_batch(&[event, event], scratch, |_, verdict| {
                said.push_str(&format!("{verdict:?}"));
            });
            said.into_bytes()
        });
    }
}
