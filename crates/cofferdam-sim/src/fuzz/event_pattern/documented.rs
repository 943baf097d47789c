//! What the user guide of `EventBridge` and the notes of its rule engine show for each operator.

use serde_json::{Value, json};

use super::event_pattern_holds as holds;

/// Holds if `value` is under `name`: whether one list of conditions, a member of a pattern, holds.
#[track_caller]
fn assert_list(conditions: Value, fulfilling: Value, failing: Value) {
    let pattern = json!({ "detail": { "field": conditions } });
    for (values, expected) in [(fulfilling, true), (failing, false)] {
        for value in values.as_array().expect("values in a list") {
            let event = json!({ "source": "acme.calls", "detail": { "field": value, "more": 1 } });
            assert_eq!(holds(&pattern, &event), expected, "{pattern} on {value}");
        }
    }
}

fn instance(state: &str) -> Value {
    json!({
        "version": "0",
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "time": "2017-12-22T18:43:48Z",
        "resources": ["arn:aws:ec2:us-west-1:1234:instance/i-12", "arn:aws:ec2:group/two"],
        "detail": { "instance-id": "i-12", "state": state },
    })
}

#[test]
fn fields_that_are_named_must_be_there_and_others_do_not_matter() {
    let pattern = json!({
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": { "state": ["terminated", "stopped"] },
    });
    assert!(holds(&pattern, &instance("terminated")));
    assert!(holds(&pattern, &instance("stopped")));
    assert!(!holds(&pattern, &instance("running")));
    assert!(!holds(&pattern, &json!({ "source": "aws.ec2", "detail": { "state": "stopped" } })));
    // The same values in another place are not the same fields.
    let flat = json!({
        "source": "aws.ec2",
        "detail-type": "EC2 Instance State-change Notification",
        "state": "terminated",
    });
    assert!(!holds(&pattern, &flat));
}

#[test]
fn an_array_in_the_event_needs_one_value_of_the_list() {
    let wanted = |list: Value| holds(&json!({ "resources": list }), &instance("running"));
    assert!(wanted(json!(["arn:aws:ec2:us-east-1:9:instance/i-9", "arn:aws:ec2:group/two"])));
    assert!(wanted(json!([{ "prefix": "arn:aws:ec2:us-west-1:" }])));
    assert!(!wanted(json!(["arn:aws:ec2:us-east-1:9:instance/i-9", "arn:aws:ec2:group"])));
    assert!(!wanted(json!([])));
}

#[test]
fn prefix_and_suffix() {
    assert_list(
        json!([{ "prefix": "2017-10-02" }]),
        json!(["2017-10-02T18:43:48Z", "2017-10-02"]),
        json!(["2017-10-03", "12017-10-02", "", 2017, null]),
    );
    assert_list(
        json!([{ "suffix": ".png" }]),
        json!(["picture.png", ".png"]),
        json!(["picture.jpg", "picture.png ", "picture.PNG", "png", 1, null]),
    );
    assert_list(
        json!([{ "prefix": { "equals-ignore-case": "EventB" } }]),
        json!(["EventBridge", "eventbridge", "EVENTB"]),
        json!(["event-b", "anEventB", "even"]),
    );
    assert_list(
        json!([{ "suffix": { "equals-ignore-case": "tBridge" } }]),
        json!(["EventBridge", "eventbridge", "TBRIDGE"]),
        json!(["bridge", "tbridges"]),
    );
}

#[test]
fn equals_ignore_case() {
    assert_list(
        json!([{ "equals-ignore-case": "alice" }]),
        json!(["alice", "Alice", "ALICE"]),
        json!(["alic", "alices", "bob", true]),
    );
}

#[test]
fn wildcard() {
    assert_list(
        json!([{ "wildcard": "dir/*.png" }]),
        json!(["dir/a.png", "dir/sub/a.png", "dir/.png"]),
        json!(["dir.png", "dir/a.jpg", "a/dir/a.png", "dir/png"]),
    );
    assert_list(
        json!([{ "wildcard": "arn:aws:s3:::bucket-*/AWSLogs/*/Rejected/*" }]),
        json!(["arn:aws:s3:::bucket-7/AWSLogs/1234/eu/Rejected/x.gz"]),
        json!(["arn:aws:s3:::bucket-7/AWSLogs/Rejected", "arn:aws:s3:::bucket-7"]),
    );
    assert_list(json!([{ "wildcard": "*" }]), json!(["", "all"]), json!([1, null, false]));
    assert_list(
        json!([{ "wildcard": "2\\*3\\\\*" }]),
        json!(["2*3\\", "2*3\\6"]),
        json!(["213\\", "2*3", "2\\*3\\"]),
    );
}

#[test]
fn numeric() {
    assert_list(
        json!([{ "numeric": [">", 0, "<=", 5] }]),
        json!([5, 1, 0.1, 5.0, 1e-3]),
        json!([0, -0.0, 5.000_001, -3, "3", null, true]),
    );
    assert_list(json!([{ "numeric": ["<", 10] }]), json!([9.99, -1e9]), json!([10, 11]));
    assert_list(json!([{ "numeric": ["=", 3.018e2] }]), json!([301.8]), json!([301, "301.8"]));
    assert_list(json!([{ "numeric": [">=", 10] }]), json!([10, 10.0, 11]), json!([9.999]));
    assert_list(json!([{ "numeric": ["<", 20, ">", 10] }]), json!([11, 19.5]), json!([10, 20]));
}

#[test]
fn numbers_are_compared_by_value() {
    assert_list(json!([35]), json!([35, 35.0, 3.5e1]), json!(["35", 35.5, 3.5]));
    assert_list(json!([0]), json!([0, -0.0, 0.0]), json!([false, null, "", "0"]));
    // One float stands for both.
    assert_list(
        json!([9_007_199_254_740_993_u64]),
        json!([9_007_199_254_740_993_u64]),
        json!([9_007_199_254_740_992_u64, 9_007_199_254_740_992.0]),
    );
}

#[test]
fn addresses_in_blocks() {
    assert_list(
        json!([{ "cidr": "10.0.0.0/24" }]),
        json!(["10.0.0.0", "10.0.0.33", "10.0.0.255"]),
        json!(["10.0.1.0", "9.255.255.255", "10.0.0", "10.0.0.1/32", "", 10, "::ffff:10.0.0.1"]),
    );
    assert_list(
        json!([{ "cidr": "2001:db8::/33" }]),
        json!(["2001:db8::", "2001:DB8:7fff::1"]),
        json!(["2001:db8:8000::1", "::1", "10.0.0.1", "[2001:db8::]"]),
    );
    assert_list(json!([{ "cidr": "0.0.0.0/0" }]), json!(["255.0.0.1"]), json!(["::", "x"]));
    assert_list(json!([{ "cidr": "::/0" }]), json!(["::", "::1.2.3.4"]), json!(["0.0.0.0"]));
}

#[test]
fn exists() {
    assert_list(
        json!([{ "exists": true }]),
        json!(["", 0, false, null, [1], [[null]]]),
        json!([[], {}, { "c1": 100 }, [[], {}]]),
    );
    assert_list(
        json!([{ "exists": false }]),
        json!([[], {}, { "c1": 100 }, [[], {}]]),
        json!(["", 0, false, null, [1], [[null]]]),
    );
    let missing = json!({ "detail": { "c-count": [{ "exists": false }] } });
    assert!(holds(&missing, &instance("running")));
    assert!(holds(&missing, &json!({ "source": "acme" })));
    let there = json!({ "detail": { "c-count": [{ "exists": true }] } });
    assert!(!holds(&there, &instance("running")));
}

#[test]
fn null_and_the_empty_text_are_two_values() {
    assert_list(json!([null]), json!([null, [1, null]]), json!(["", "null", 0, [], {}, false]));
    assert_list(json!([""]), json!(["", ["x", ""]]), json!([null, " ", [], {}]));
    assert_list(json!([true]), json!([true]), json!(["true", 1, false]));
}

#[test]
fn anything_but_values() {
    assert_list(
        json!([{ "anything-but": "initializing" }]),
        json!(["running", "", "Initializing", 1, null, true, ["initializing", "x"]]),
        json!(["initializing", ["initializing"], [], {}]),
    );
    assert_list(json!([{ "anything-but": 123 }]), json!([124, "123"]), json!([123, 123.0]));
    assert_list(
        json!([{ "anything-but": ["stopped", "overloaded"] }]),
        json!(["running", 100]),
        json!(["stopped", "overloaded", ["stopped", "overloaded"]]),
    );
    assert_list(
        json!([{ "anything-but": [100, 200, 300] }]),
        json!([150, "100", null]),
        json!([100, 200.0, 3e2]),
    );
    let missing = json!({ "detail": { "missing": [{ "anything-but": "x" }] } });
    assert!(!holds(&missing, &instance("running")));
}

#[test]
fn anything_but_operators() {
    assert_list(
        json!([{ "anything-but": { "prefix": "init" } }]),
        json!(["running", "INIT", 1, null]),
        json!(["init", "initializing"]),
    );
    assert_list(
        json!([{ "anything-but": { "suffix": [".png", ".jpg"] } }]),
        json!(["a.txt", "png", false]),
        json!(["a.png", ".jpg"]),
    );
    assert_list(
        json!([{ "anything-but": { "equals-ignore-case": ["initializing", "stopped"] } }]),
        json!(["running", 7]),
        json!(["INITIALIZING", "Stopped"]),
    );
    assert_list(
        json!([{ "anything-but": { "wildcard": ["*/lib/*", "*/bin/*"] } }]),
        json!(["/usr/share/x", "lib/x", 1]),
        json!(["/usr/lib/x", "/bin/"]),
    );
}
