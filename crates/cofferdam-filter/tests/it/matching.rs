//! Which events reach which targets.

use cofferdam_core::pipeline::{Filter, RouteId, Verdict};
use cofferdam_filter::{Compiler, FilterGraph, Mapping, Scratch, SubscriptionDocument};

fn graph(subscriptions: &str) -> FilterGraph {
    let document = format!(r#"{{"tenantId":"acme","subscriptions":[{subscriptions}]}}"#);
    let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
    Compiler::new([1; 16]).compile(&document, &Mapping::genesys_cloud(), Some("org-1")).unwrap()
}

fn routes(graph: &FilterGraph, event: &str) -> Vec<u32> {
    match graph.filter(event.as_bytes(), &mut Scratch::default()) {
        Verdict::Matched(routes) => routes.iter().map(|route| route.0).collect(),
        Verdict::Unmatched => Vec::new(),
        Verdict::Refused(reason) => panic!("refused: {reason}"),
    }
}

const CALLS: &str = r#"{"eventType":"telephony.call","filters":{"direction":"inbound","queueIds":["q1","q2"]},"targetQueue":"queue://calls"}"#;

#[test]
fn every_condition_must_hold_and_one_value_of_each_suffices() {
    let graph = graph(CALLS);
    let event = |direction, queue| {
        format!(
            r#"{{"topicName":"v2.users.7.conversations.calls","eventBody":{{"participants":[{{"direction":"{direction}"}},{{"queueId":"{queue}"}}]}}}}"#
        )
    };
    assert_eq!(routes(&graph, &event("inbound", "q1")), [0]);
    assert_eq!(routes(&graph, &event("inbound", "q2")), [0]);
    assert!(routes(&graph, &event("outbound", "q1")).is_empty());
    assert!(routes(&graph, &event("inbound", "q3")).is_empty());
    assert!(routes(&graph, &event("Inbound", "q1")).is_empty(), "no case folding");
}

/// F07: what is missing does not match.
#[test]
fn a_missing_field_never_matches() {
    let graph = graph(CALLS);
    for body in ["{}", "null", r#"{"direction":null,"queueId":"q1"}"#, r#"{"queueId":"q1"}"#] {
        let event =
            format!(r#"{{"topicName":"v2.users.7.conversations.calls","eventBody":{body}}}"#);
        assert!(routes(&graph, &event).is_empty(), "{body}");
    }
    assert!(routes(&graph, r#"{"eventBody":{"direction":"inbound","queueId":"q1"}}"#).is_empty());
}

#[test]
fn an_event_goes_to_each_target_once() {
    let any = r#"{"eventType":">","targetQueue":"queue://all"}"#;
    let users = r#"{"eventType":"v2.users.>","targetQueue":"queue://users"}"#;
    let again = r#"{"eventType":"v2.users.*.presence","targetQueue":"queue://all"}"#;
    let graph = graph(&[any, users, again].join(","));
    assert_eq!(graph.targets().collect::<Vec<_>>(), ["queue://all", "queue://users"]);
    assert_eq!(routes(&graph, r#"{"topicName":"v2.users.1.presence"}"#), [0, 1]);
    assert_eq!(routes(&graph, r#"{"topicName":"v2.queues.1"}"#), [0]);
}

/// F09: typed, exact comparison.
#[test]
fn values_compare_by_type_and_exactly() {
    let rule = |value: &str| {
        graph(&format!(
            r#"{{"eventType":"t","filters":{{"v":{value}}},"targetQueue":"queue://q"}}"#
        ))
    };
    let event = |value: &str| format!(r#"{{"topicName":"t","v":{value}}}"#);
    for (wanted, same) in [
        ("35", "35.0"),
        ("35", "3.5e1"),
        ("0", "-0"),
        ("9007199254740993", "9007199254740993"),
        ("true", "true"),
        ("null", "null"),
        (r#""a""#, r#""\u0061""#),
        (r#""1""#, r#""1""#),
        ("35", "[1,[35]]"),
        (r#"["x","y"]"#, r#""y""#),
    ] {
        assert_eq!(routes(&rule(wanted), &event(same)), [0], "{wanted} {same}");
    }
    for (wanted, other) in [
        ("1", r#""1""#),
        (r#""1""#, "1"),
        ("true", r#""true""#),
        ("null", r#""null""#),
        ("9007199254740993", "9007199254740992"),
        ("0", "null"),
        ("0", "false"),
        (r#""a""#, r#""A""#),
        ("1", r#"{"v":1}"#),
        (r#""""#, "[]"),
        ("null", "{}"),
    ] {
        assert!(routes(&rule(wanted), &event(other)).is_empty(), "{wanted} {other}");
    }
}

#[test]
fn the_order_of_members_white_space_and_escapes_mean_nothing() {
    let graph = graph(CALLS);
    for event in [
        r#"{"eventBody":{"queueId":"q1","direction":"inbound"},"topicName":"v2.users.7.conversations.calls"}"#,
        " { \"topicName\" :\t\"v2.users.7.conversations.calls\" ,\n\"eventBody\" : { \"direction\":\"inbound\" , \"queueId\" : [ \"q1\" ] } } ",
        r#"{"topic\u004eame":"v2.users.7.conversations.c\u0061lls","event\u0042ody":{"direct\u0069on":"\u0069nbound","queueId":"q\u0031"}}"#,
    ] {
        assert_eq!(routes(&graph, event), [0], "{event}");
    }
}

#[test]
fn a_decoy_in_an_unwatched_subtree_does_not_match() {
    let graph = graph(CALLS);
    let event = r#"{"topicName":"v2.users.7.conversations.calls","eventBody":{"x":{"direction":"inbound","queueId":"q1"},"note":"\"queueId\":\"q1\"","direction":"inbound"}}"#;
    assert!(routes(&graph, event).is_empty());
}

#[test]
fn a_segment_of_the_event_type_can_be_filtered_by() {
    let graph = graph(
        r#"{"eventType":"v2.users.*.presence","filters":{"topicId":["u1"]},"targetQueue":"queue://q"}"#,
    );
    assert_eq!(routes(&graph, r#"{"topicName":"v2.users.u1.presence"}"#), [0]);
    assert!(routes(&graph, r#"{"topicName":"v2.users.u2.presence"}"#).is_empty());
}

#[test]
fn many_rules_that_share_a_value_do_not_disturb_each_other() {
    let rules: Vec<String> = (0..2_000)
        .map(|n| {
            format!(
                r#"{{"eventType":"t","filters":{{"kind":["x","y"],"id":"v{n}"}},"targetQueue":"queue://q{n}"}}"#
            )
        })
        .collect();
    let graph = graph(&rules.join(","));
    assert_eq!(graph.rule_count(), 2_000);
    assert_eq!(routes(&graph, r#"{"topicName":"t","kind":"y","id":"v1234"}"#), [1234]);
    assert!(routes(&graph, r#"{"topicName":"t","kind":"z","id":"v1234"}"#).is_empty());
}

/// N05 and trap 9: three arrays of 200 equal items cost a walk, not a product.
#[test]
fn repeated_values_are_looked_at_once() {
    let graph =
        graph(r#"{"eventType":"t","filters":{"a":"x","b":"x","c":"x"},"targetQueue":"queue://q"}"#);
    let items = vec![r#""x""#; 200].join(",");
    let event = format!(r#"{{"topicName":"t","a":[{items}],"b":[{items}],"c":[{items}]}}"#);
    assert_eq!(routes(&graph, &event), [0]);
}

#[test]
fn one_scratch_serves_graphs_of_any_size_in_turn() {
    let small = graph(CALLS);
    let rules: Vec<String> = (0..50)
        .map(|n| {
            format!(r#"{{"eventType":"t{n}","filters":{{"k":"{n}"}},"targetQueue":"queue://{n}"}}"#)
        })
        .collect();
    let large = graph(&rules.join(","));
    let mut scratch = Scratch::default();
    let call = br#"{"topicName":"v2.users.7.conversations.calls","eventBody":{"direction":"inbound","queueId":"q1"}}"#;
    for n in 0..50 {
        let event = format!(r#"{{"topicName":"t{n}","k":"{n}"}}"#);
        assert_eq!(large.filter(event.as_bytes(), &mut scratch), Verdict::Matched(&[RouteId(n)]));
        assert_eq!(small.filter(call, &mut scratch), Verdict::Matched(&[RouteId(0)]));
        assert_eq!(small.filter(event.as_bytes(), &mut scratch), Verdict::Unmatched);
    }
}

/// The order of members means nothing for the type either.
#[test]
fn of_several_type_members_the_first_of_the_mapping_counts() {
    let document = br#"{"tenantId":"acme","subscriptions":[{"eventType":"a","targetQueue":"queue://a"},{"eventType":"b","targetQueue":"queue://b"}]}"#;
    let document = SubscriptionDocument::parse(document).unwrap();
    let mapping = Mapping::generic(&["type", "detail-type"]);
    let graph = Compiler::new([1; 16]).compile(&document, &mapping, None).unwrap();
    assert_eq!(routes(&graph, r#"{"detail-type":"b","type":"a"}"#), [0]);
    assert_eq!(routes(&graph, r#"{"type":"a","detail-type":"b"}"#), [0]);
    assert_eq!(routes(&graph, r#"{"type":7,"detail-type":"b"}"#), [1]);
}
