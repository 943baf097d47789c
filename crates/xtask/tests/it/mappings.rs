//! The tables of `docs/MAPPINGS.md`, held against the mapping files in both directions.

use std::collections::BTreeMap;

use serde_json::Value;

use super::workspace::{files, quoted, read, table};

const DOCUMENT: &str = "docs/MAPPINGS.md";
const FOLDER: &str = "crates/cofferdam-filter/mappings/";

/// The platforms that have tables, by their heading. The other file of Genesys is the same one a
/// level deeper, which a test beside `Mapping` holds.
const TABLES: [(&str, &str); 5] = [
    ("Genesys Cloud", "genesys-cloud.json"),
    ("NICE CXone", "nice-cxone.json"),
    ("Amazon Connect", "amazon-connect.json"),
    ("Twilio TaskRouter", "twilio-taskrouter.json"),
    ("GitHub", "github.json"),
];

fn mapping(file: &str) -> Value {
    serde_json::from_str(&read(&format!("{FOLDER}{file}"))).unwrap()
}

/// A cell's items, in the order in which the file has them.
fn items(cell: &str) -> Vec<String> {
    quoted(cell).into_iter().map(str::to_owned).collect()
}

/// Places as the tables write them.
fn places(value: &Value) -> Vec<String> {
    let place = |place: &Value| match place.as_str() {
        Some(path) => path.to_owned(),
        None => format!("typeSegment {}", place["typeSegment"]),
    };
    value.as_array().unwrap().iter().map(place).collect()
}

/// A member's entries by name.
fn entries(mapping: &Value, member: &str) -> BTreeMap<String, Vec<String>> {
    let members = mapping[member].as_object().into_iter().flatten();
    members.map(|(name, list)| (name.clone(), places(list))).collect()
}

#[test]
fn the_tables_of_keys_are_the_files() {
    for (platform, file) in TABLES {
        let mapping = mapping(file);
        let mut expected = entries(&mapping, "keys");
        expected.insert("event type".into(), places(&mapping["eventType"]));
        expected.insert("organisation".into(), places(&mapping["organisation"]));
        let mut found = BTreeMap::new();
        for row in table(DOCUMENT, &format!("### Keys of {platform}")) {
            let [key, place, checked, _] = row.as_slice() else {
                panic!("not four cells: {row:?}")
            };
            assert!(!checked.is_empty(), "{platform}: nobody has looked where {key} stands");
            let key = key.trim_matches('`').to_owned();
            assert!(found.insert(key, items(place)).is_none(), "twice: {row:?}");
        }
        assert_eq!(found, expected, "{platform}");
    }
}

#[test]
fn the_tables_of_types_are_the_files() {
    for (platform, file) in TABLES {
        let rows = table(DOCUMENT, &format!("### Types of {platform}"));
        let found: BTreeMap<String, Vec<String>> =
            rows.iter().map(|row| (row[0].trim_matches('`').to_owned(), items(&row[1]))).collect();
        assert_eq!(found.len(), rows.len(), "{platform}: a name stands twice");
        assert_eq!(found, entries(&mapping(file), "types"), "{platform}");
    }
}

#[test]
fn the_tables_of_values_are_the_files() {
    for (platform, file) in TABLES {
        let mapping = mapping(file);
        let mut expected = BTreeMap::new();
        for (key, names) in mapping["values"].as_object().into_iter().flatten() {
            for (name, also) in names.as_object().unwrap() {
                let also = also.as_array().unwrap().iter().map(Value::to_string);
                expected.insert((key.clone(), name.clone()), also.collect());
            }
        }
        let heading = format!("### Values of {platform}");
        let has_table = read(DOCUMENT).lines().any(|line| line == heading);
        let rows = if has_table { table(DOCUMENT, &heading) } else { Vec::new() };
        let name = |cell: &str| cell.trim_matches('`').to_owned();
        let found: BTreeMap<_, _> =
            rows.iter().map(|row| ((name(&row[0]), name(&row[1])), items(&row[2]))).collect();
        assert_eq!(found.len(), rows.len(), "{platform}: a name stands twice");
        assert_eq!(found, expected, "{platform}");
    }
}

/// A constructor and a row for every file, a file for every row.
#[test]
fn every_mapping_file_is_shipped_and_listed() {
    let source = read("crates/cofferdam-filter/src/mapping.rs");
    let mut listed = Vec::new();
    for row in table(DOCUMENT, "# Mappings: where each platform puts what users filter by") {
        let (constructor, file) = (row[1].trim_matches('`'), row[2].trim_matches('`'));
        let name = constructor.trim_start_matches("Mapping::").trim_end_matches("()");
        let body = format!(
            "fn {name}() -> Self {{\n        Self::shipped(include_str!(\"../mappings/{file}\"))"
        );
        assert!(source.contains(&body), "{constructor} does not ship {file}");
        listed.push(format!("{FOLDER}{file}"));
    }
    listed.sort();
    let there: Vec<String> = files().into_iter().filter(|f| f.starts_with(FOLDER)).collect();
    assert_eq!(listed, there);
}
