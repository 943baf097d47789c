//! R01: an object that turns into a list of objects keeps none of its secrets.

use cofferdam_redact::Strategy;

use super::support::{policy, redacted, rule, usual_policy};

const SECRET: &str = "5558675309";

fn rules() -> Vec<cofferdam_redact::Rule> {
    ["$..caller.phoneNumber", "$.eventBody.customer.email", "$.eventBody.*.ssn"]
        .map(|path| rule(path, Strategy::Omit))
        .to_vec()
}

/// The event, with each `<` and `>` around a value become `count` brackets.
fn wrapped(event: &str, count: usize) -> String {
    event.replace('<', &"[".repeat(count)).replace('>', &"]".repeat(count))
}

#[test]
fn names_look_through_arrays_at_every_level() {
    let policy = usual_policy(&rules());
    for event in [
        r#"{"eventBody":{"caller":<{"phoneNumber":"5558675309"}>}}"#,
        r#"{"eventBody":<{"caller":{"phoneNumber":<"5558675309">}}>}"#,
        r#"{"a":<{"b":<{"caller":<{"x":1,"phoneNumber":"5558675309"}>}>}>}"#,
        r#"{"eventBody":<{"customer":<{"email":"5558675309"}>}>}"#,
        r#"{"eventBody":<{"someone":{"ssn":"5558675309"}}>}"#,
        r#"{"eventBody":{"caller":[1,<{"y":[],"phoneNumber":"5558675309"}>,null]}}"#,
    ] {
        for count in 0..4 {
            let event = wrapped(event, count);
            let out = redacted(&policy, &event);
            assert!(!out.contains(SECRET), "{event} -> {out}");
            assert_eq!(policy.residue(out.as_bytes()), 0, "{out}");
        }
    }
}

#[test]
fn what_a_path_does_not_name_stays() {
    let policy = usual_policy(&rules());
    for event in [
        r#"{"eventBody":[{"customer":[{"phone":"5558675309"}]}]}"#,
        r#"{"other":[{"customer":{"email":"5558675309"}}]}"#,
        r#"{"caller":[{"x":{"phoneNumber":"5558675309"}}]}"#,
    ] {
        assert_eq!(redacted(&policy, event), event);
    }
}

/// An index says which element is meant, so a name beside it does not look further.
#[test]
fn an_index_means_its_own_element() {
    let policy = usual_policy(&[rule("$.list[0].name", Strategy::Omit)]);
    let event = r#"{"list":[{"name":"a"},{"name":"b"}]}"#;
    assert_eq!(redacted(&policy, event), r#"{"list":[{},{"name":"b"}]}"#);
}

/// What the letter of RFC 9535 says, for those who ask for it.
#[test]
fn exact_paths_do_not_look_through_arrays() {
    let exact = policy(&rules());
    let event = r#"{"eventBody":{"caller":[{"phoneNumber":"5558675309"}]}}"#;
    assert_eq!(redacted(&exact, event), event);
}
