//! Which keywords hold subschemas, and how these are applied; and which keywords there are.

use referencing::Draft;
use serde_json::{Map, Value};

use crate::{
    error::{RegisterError, RegisterFault},
    pointer::push_escaped,
};

/// How a keyword's subschema is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Applied<'v> {
    /// To the same value.
    InPlace,
    /// To the member of one name.
    Named(&'v str),
    /// To some or all members.
    Members,
    /// To the element at one position.
    Prefix,
    /// To some or all elements.
    Items,
    /// Only where a reference leads to it.
    Never,
}

/// Finds a keyword that no draft knows, anywhere in a document.
pub(crate) fn lint(schema: &Value, draft: Draft, at: &str) -> Result<(), RegisterError> {
    let Value::Object(keywords) = schema else { return Ok(()) };
    let is_known = |keyword: &str| {
        draft.is_known_keyword(keyword)
            || ANNOTATIONS.contains(&keyword)
            || keyword.starts_with("x-")
    };
    if let Some(unknown) = keywords.keys().find(|keyword| !is_known(keyword)) {
        let mut place = format!("{at}/");
        push_escaped(&mut place, unknown);
        return Err(RegisterError::new(place, RegisterFault::UnknownKeyword));
    }
    subschemas(keywords, draft, at)
        .into_iter()
        .try_for_each(|(_, subschema, place)| lint(subschema, draft.detect(subschema), &place))
}

/// Keywords that judge nothing.
const ANNOTATIONS: [&str; 14] = [
    "$comment",
    "$id",
    "$vocabulary",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "deprecated",
    "description",
    "examples",
    "id",
    "readOnly",
    "title",
    "writeOnly",
];

/// The subschemas that stand in a subschema, and how each is applied.
pub(crate) fn subschemas<'v>(
    keywords: &'v Map<String, Value>,
    draft: Draft,
    at: &str,
) -> Vec<(Applied<'v>, &'v Value, String)> {
    let mut found = Vec::new();
    // Before 2019-09 nothing beside a reference counts.
    let hides = draft <= Draft::Draft7 && keywords.contains_key("$ref");
    for (keyword, value) in keywords {
        let Some(mut applied) = applied(keyword, value) else { continue };
        if hides {
            applied = Applied::Never;
        }
        match (keyword.as_str(), value) {
            (
                "properties" | "patternProperties" | "dependentSchemas" | "dependencies"
                | "definitions" | "$defs",
                Value::Object(members),
            ) => {
                for (name, subschema) in members {
                    let applied =
                        if applied == Applied::Named("") { Applied::Named(name) } else { applied };
                    found.push((applied, subschema, place(at, keyword, Some(name))));
                }
            }
            (_, Value::Array(list)) => {
                for (n, subschema) in list.iter().enumerate() {
                    found.push((applied, subschema, place(at, keyword, Some(&n.to_string()))));
                }
            }
            _ => found.push((applied, value, place(at, keyword, None))),
        }
    }
    found.retain(|(_, subschema, _)| subschema.is_object() || subschema.is_boolean());
    found
}

fn place(at: &str, keyword: &str, segment: Option<&str>) -> String {
    let mut place = format!("{at}/{keyword}");
    if let Some(segment) = segment {
        place.push('/');
        push_escaped(&mut place, segment);
    }
    place
}

fn applied<'v>(keyword: &str, value: &Value) -> Option<Applied<'v>> {
    Some(match keyword {
        "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas"
        | "dependencies" => Applied::InPlace,
        "properties" => Applied::Named(""),
        "patternProperties"
        | "additionalProperties"
        | "unevaluatedProperties"
        | "propertyNames" => Applied::Members,
        "prefixItems" => Applied::Prefix,
        "items" if value.is_array() => Applied::Prefix,
        "items" | "additionalItems" | "contains" | "unevaluatedItems" => Applied::Items,
        "definitions" | "$defs" => Applied::Never,
        _ => return None,
    })
}
