//! What compiles, what is refused, and how a refusal reads.

use cofferdam_core::Scoped;
use cofferdam_redact::{
    CompileFault, Policy, PolicyDocument, PolicyLimits, RedactionKey, Rule, Strategy,
};

use super::support::{compile_for, mask, policy, rule, with};

fn fault(rules: &[Rule]) -> (String, CompileFault) {
    let error = compile_for("acme", rules).unwrap_err();
    (error.pointer(), error.fault())
}

/// The document that operators post, field for field.
const DOCUMENT: &str = r#"{
  "tenantId": "acme-retail-na",
  "redactionRules": [
    { "path": "$..caller.phoneNumber", "strategy": "mask", "format": "***-**-*XX" },
    { "path": "$..interaction.contactId", "strategy": "hash", "algorithm": "SHA-256" },
    { "path": "$..telephony.call.recordingUrl", "strategy": "omit" }
  ]
}"#;

#[test]
fn the_document_of_the_interface_compiles_as_it_stands() {
    let mut json = cofferdam_json::Scratch::new([1; 16]);
    let document = PolicyDocument::parse(DOCUMENT.as_bytes(), &mut json).unwrap();
    let key = RedactionKey::new([7; 32], 1);
    let policy = Policy::compile(&document, &key, PolicyLimits::default()).unwrap();
    assert_eq!(policy.tenant().as_str(), "acme-retail-na");
}

#[test]
fn a_refusal_names_the_rule_and_the_member() {
    let good = rule("$.a", Strategy::Omit);
    for (bad, member, expected) in [
        (rule("$.a[?@.b]", Strategy::Omit), "path", CompileFault::FilterSelector),
        (rule("$.a[-1]", Strategy::Omit), "path", CompileFault::NegativeIndex),
        (rule("$.a[0:1]", Strategy::Omit), "path", CompileFault::SliceSelector),
        (rule("$..a..b", Strategy::Omit), "path", CompileFault::TooManyDescents),
        (rule("$", Strategy::Omit), "path", CompileFault::SelectsRoot),
        (rule("a.b", Strategy::Omit), "path", CompileFault::MalformedPath),
        (mask("$.a", ""), "format", CompileFault::InvalidFormat),
        (
            with(mask("$.a", "*"), |rule| rule.strategy = Strategy::Omit),
            "format",
            CompileFault::InvalidFormat,
        ),
        (
            with(rule("$.a", Strategy::Hash), |rule| rule.algorithm = Some("MD5".into())),
            "algorithm",
            CompileFault::InvalidAlgorithm,
        ),
        (
            with(rule("$.a", Strategy::Hash), |rule| rule.algorithm = Some("sha-256".into())),
            "algorithm",
            CompileFault::InvalidAlgorithm,
        ),
        (
            with(rule("$.a", Strategy::Mask), |rule| rule.algorithm = Some("SHA-256".into())),
            "algorithm",
            CompileFault::InvalidAlgorithm,
        ),
    ] {
        let error = compile_for("acme", &[good.clone(), good.clone(), bad]).unwrap_err();
        assert_eq!((error.rule(), error.fault()), (Some(2), expected));
        assert_eq!(error.pointer(), format!("/redactionRules/2/{member}"));
        assert_eq!(error.to_string(), format!("/redactionRules/2/{member}: {expected}"));
    }
    let error = compile_for("Acme", &[]).unwrap_err();
    assert_eq!((error.rule(), error.pointer().as_str()), (None, "/tenantId"));
}

#[test]
fn a_refusal_quotes_nothing_of_the_document() {
    for bad in [rule("$.SECRET[", Strategy::Omit), mask("$.a", "SECRET\n")] {
        let error = compile_for("acme", &[bad]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("SECRET"));
    }
}

/// D2: truncated and hashed, a card number is whole again.
#[test]
fn refuses_one_field_hashed_and_partly_shown() {
    let hash = || rule("$.card.number", Strategy::Hash);
    let shown = mask("$['card'][\"n\\u0075mber\"]", "****-XXXX");
    let expected = ("/redactionRules/0/format".to_owned(), CompileFault::HashedAndShown);
    assert_eq!(fault(&[shown.clone(), hash()]), expected);
    let expected = ("/redactionRules/1/format".to_owned(), CompileFault::HashedAndShown);
    assert_eq!(fault(&[hash(), shown.clone()]), expected);
    for other in [mask("$.card.number", "****"), mask("$.card.name", "XX"), shown] {
        let path = other.path.clone();
        let hash = if path.contains("n\\") { rule("$.card", Strategy::Hash) } else { hash() };
        assert!(compile_for("acme", &[hash, other]).is_ok(), "{path}");
    }
}

#[test]
fn limits_hold() {
    let document = |rules: Vec<Rule>| PolicyDocument::new("acme", rules);
    let compile = |rules, limits| {
        let compiled = Policy::compile(&document(rules), &RedactionKey::new([7; 32], 1), limits);
        compiled.map(drop).map_err(|error| error.fault())
    };
    let many = |n| (0..n).map(|n| rule(&format!("$..r{n}.s{n}"), Strategy::Omit)).collect();
    let limits = PolicyLimits::default();
    assert_eq!(compile(many(1_000), limits), Ok(()));
    assert_eq!(compile(many(1_001), limits), Err(CompileFault::TooManyRules));
    assert_eq!(compile(many(2), limits.with_max_rules(1)), Err(CompileFault::TooManyRules));
    assert_eq!(compile(many(9), limits.with_max_table(9, 9_999)), Err(CompileFault::TooComplex));
    assert_eq!(compile(many(9), limits.with_max_table(99, 99)), Err(CompileFault::TooComplex));
    assert_eq!(compile(many(1), limits.with_max_path_bytes(7)), Err(CompileFault::PathTooLong));
    assert_eq!(compile(many(1), limits.with_max_path_bytes(8)), Ok(()));
    let explode = rule(&format!("$..a{}", "[*]".repeat(15)), Strategy::Omit);
    assert_eq!(compile(vec![explode], limits), Err(CompileFault::TooComplex));
}

#[test]
fn a_version_is_that_of_the_rules_unless_given() {
    let one = policy(&[mask("$.a", "**")]);
    assert_eq!(
        one.version(),
        policy(&[with(mask("$['a']", "**"), |rule| rule.path = "$.a".into())]).version()
    );
    let others = [
        policy(&[mask("$.a", "*")]),
        policy(&[mask("$.b", "**")]),
        policy(&[rule("$.a", Strategy::Mask)]),
        policy(&[]),
        compile_for("other", &[mask("$.a", "**")]).unwrap(),
    ];
    assert!(others.iter().all(|other| other.version() != one.version()));
    assert_eq!(one.with_version(7).version(), 7);
}

#[test]
fn debug_shows_sizes_and_no_path() {
    let shown = format!("{:?}", policy(&[rule("$..SECRET", Strategy::Hash)]));
    assert!(shown.contains("acme") && !shown.contains("SECRET"), "{shown}");
}
