//! Redaction again, on a tree, with another JSONPath implementation: slow, and plain to see right.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use cofferdam_redact::{Rule, Strategy};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::support::{EPOCH, ROOT};

/// A mask that stands in no event.
pub(crate) const MARK: &str = "⌧";

/// The normalized path (RFC 9535 section 2.7) of a child.
fn child(parent: &str, name: &str) -> String {
    let mut path = format!("{parent}['");
    for char in name.chars() {
        match char {
            '\u{8}' => path.push_str("\\b"),
            '\t' => path.push_str("\\t"),
            '\n' => path.push_str("\\n"),
            '\u{c}' => path.push_str("\\f"),
            '\r' => path.push_str("\\r"),
            '\'' => path.push_str("\\'"),
            '\\' => path.push_str("\\\\"),
            char if char < ' ' => path.push_str(&format!("\\u{:04x}", char as u32)),
            char => path.push(char),
        }
    }
    path + "']"
}

/// Where a value is marked.
pub(crate) fn marked(value: &Value) -> BTreeSet<String> {
    fn collect(value: &Value, path: String, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) if text == MARK => _ = found.insert(path),
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    collect(element, format!("{path}[{index}]"), found);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    collect(member, child(&path, name), found);
                }
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(value, "$".to_owned(), &mut found);
    found
}

/// The paths with no other above them: what is below a redacted value is gone with it.
pub(crate) fn outermost(paths: &BTreeSet<String>) -> BTreeSet<String> {
    let below = |path: &String| {
        paths.iter().any(|other| {
            path.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('['))
        })
    };
    paths.iter().filter(|path| !below(path)).cloned().collect()
}

/// Redacts a tree under rules whose formats are literals.
pub(crate) fn redact(tenant: &str, rules: &[Rule], event: &Value) -> Value {
    let mut fires: BTreeMap<String, &Rule> = BTreeMap::new();
    for rule in rules {
        let path = jsonpath_rfc9535::JsonPath::parse(&rule.path).unwrap();
        for node in path.query(event).paths() {
            let strongest = fires.entry(node.to_string()).or_insert(rule);
            if rule.strategy > strongest.strategy {
                *strongest = rule;
            }
        }
    }
    tree(tenant, &fires, "$".to_owned(), event).unwrap()
}

fn tree(
    tenant: &str,
    fires: &BTreeMap<String, &Rule>,
    path: String,
    value: &Value,
) -> Option<Value> {
    if let Some(rule) = fires.get(&path) {
        return match rule.strategy {
            Strategy::Omit => None,
            Strategy::Mask => Some(rule.format.as_deref().unwrap_or("****").into()),
            Strategy::Hash => Some(digest(tenant, &rule.path, value).into()),
            Strategy::Replace => Some(rule.value.clone().unwrap_or(Value::Null)),
            other => panic!("no model of {other:?}"),
        };
    }
    Some(match value {
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            elements.filter_map(|(i, e)| tree(tenant, fires, format!("{path}[{i}]"), e)).collect()
        }
        Value::Object(members) => {
            let members = members.iter();
            let redacted = members.filter_map(|(name, member)| {
                Some((name.clone(), tree(tenant, fires, child(&path, name), member)?))
            });
            Value::Object(redacted.collect())
        }
        scalar => scalar.clone(),
    })
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// RFC 5869, written out for one block.
fn hkdf(key: &[u8], info: &[u8]) -> Vec<u8> {
    hmac(&hmac(&[0; 32], key), &[info, &[1]].concat())
}

/// The digest of a value under a path of the form `$...name` (the last `.name` is the field).
fn digest(tenant: &str, path: &str, value: &Value) -> String {
    let text = |text: &str| [&(text.len() as u64).to_be_bytes()[..], text.as_bytes()].concat();
    let field = path.rsplit('.').find(|part| !part.is_empty() && *part != "*").unwrap();
    let tenant_root = hkdf(&ROOT, &[&b"cofferdam/redact/v1/tenant"[..], &text(tenant)].concat());
    let info = [&b"cofferdam/redact/v1"[..], &text(field), &EPOCH.to_be_bytes()].concat();
    let input = match value {
        Value::String(text) => format!("\"{text}"),
        Value::Number(number) => format!("0{}", canonical(&number.to_string())),
        Value::Bool(bool) => format!("b{bool}"),
        Value::Null => "nnull".to_owned(),
        Value::Array(_) => format!("[{value}"),
        Value::Object(_) => format!("{{{value}"),
    };
    let digest = hmac(&hkdf(&tenant_root, &info), input.as_bytes());
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&digest[..16]);
    format!("h1.{}.{encoded}", EPOCH)
}

/// Of an integer: its trailing zeros as an exponent.
fn canonical(integer: &str) -> String {
    let digits = integer.trim_end_matches('0');
    match integer.len() - digits.len() {
        _ if matches!(digits, "" | "-") => "0".to_owned(),
        0 => integer.to_owned(),
        zeros => format!("{digits}e{zeros}"),
    }
}
