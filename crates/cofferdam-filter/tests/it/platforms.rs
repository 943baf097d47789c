//! The shipped mappings, as a plain reading of `serde_json` values understands them, and the events
//! that they are tried on: our own samples beside this crate, and recordings that are not in the
//! repository.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cofferdam_core::pipeline::{Filter, Verdict};
use cofferdam_filter::{Compiler, FilterGraph, Mapping, Scratch, SubscriptionDocument};
use cofferdam_sim::fuzz::{Matcher, Rule};
use serde_json::{Map, Value, json};

/// A platform's name, which is its file's, and its constructor.
pub(crate) type Platform = (&'static str, fn() -> Mapping);

pub(crate) const PLATFORMS: [Platform; 6] = [
    ("genesys-cloud", Mapping::genesys_cloud),
    ("genesys-eventbridge", Mapping::genesys_eventbridge),
    ("nice-cxone", Mapping::nice_cxone),
    ("amazon-connect", Mapping::amazon_connect),
    ("twilio-taskrouter", Mapping::twilio_taskrouter),
    ("github", Mapping::github),
];

/// An event as it arrives, and as `serde_json` reads it.
pub(crate) struct Event {
    pub(crate) raw: String,
    pub(crate) value: Value,
}

impl Event {
    pub(crate) fn new(value: Value) -> Self {
        Self { raw: value.to_string(), value }
    }
}

/// The events of this crate's own sample of a platform; each is written after public documentation.
pub(crate) fn samples(platform: &str) -> Vec<Event> {
    let path = format!("{}/tests/data/mappings/{platform}.ndjson", env!("CARGO_MANIFEST_DIR"));
    lines(Path::new(&path))
}

/// A recording of the folder `corpus`; `None`, said loudly, if it is not there.
pub(crate) fn corpus(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("COFFERDAM_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = root.join("corpus").join(folder);
    if !path.is_dir() {
        eprintln!("SKIPPED: corpus/{folder} is not at $COFFERDAM_SHARED");
    }
    path.is_dir().then_some(path)
}

/// The events of a file. Only a newline ends a line: U+2028 stands inside of some.
pub(crate) fn lines(path: &Path) -> Vec<Event> {
    let content = fs::read_to_string(path).unwrap();
    let lines = content.split('\n').filter(|line| !line.is_empty());
    lines.map(|raw| Event { raw: raw.into(), value: serde_json::from_str(raw).unwrap() }).collect()
}

/// The mapping file, read by nothing of this crate.
pub(crate) struct Plain(Value);

impl Plain {
    pub(crate) fn new(platform: &str) -> Self {
        let path = format!("{}/mappings/{platform}.json", env!("CARGO_MANIFEST_DIR"));
        Self(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    }

    fn members(&self, name: &str) -> Vec<(&str, &Value)> {
        let members = self.0[name].as_object().into_iter().flatten();
        members.map(|(name, value)| (name.as_str(), value)).collect()
    }

    pub(crate) fn keys(&self) -> Vec<(&str, &Value)> {
        self.members("keys")
    }

    /// Short type names, with the patterns that each stands for.
    pub(crate) fn types(&self) -> Vec<(&str, Vec<&str>)> {
        self.members("types")
            .into_iter()
            .map(|(name, list)| {
                (name, list.as_array().unwrap().iter().filter_map(Value::as_str).collect())
            })
            .collect()
    }

    /// The names that a key's values have, with what the platform writes for each.
    pub(crate) fn names(&self, key: &str) -> Vec<(&str, &Vec<Value>)> {
        let names = self.0["values"][key].as_object().into_iter().flatten();
        names.map(|(name, also)| (name.as_str(), also.as_array().unwrap())).collect()
    }

    /// The keys whose values have names.
    pub(crate) fn named_keys(&self) -> Vec<&str> {
        self.members("values").into_iter().map(|(key, _)| key).collect()
    }

    /// The event's type: the first string at the first of the paths that leads to one.
    pub(crate) fn kind(&self, event: &Value) -> Option<String> {
        let paths = self.0["eventType"].as_array().unwrap();
        paths.iter().find_map(|path| {
            let found = at(event, path.as_str().unwrap());
            found.into_iter().find_map(|value| value.as_str().map(str::to_owned))
        })
    }

    /// The events as the plain matcher takes them: the type, and under `key` all that each event has
    /// at these places, which are paths or segments of its type.
    pub(crate) fn flat(&self, places: &Value, events: &[Event]) -> Vec<Value> {
        let flat = |event: &Event| {
            let kind = self.kind(&event.value);
            let found = |place: &Value| -> Vec<Value> {
                let Some(path) = place.as_str() else {
                    let segment = place["typeSegment"].as_u64().unwrap() as usize;
                    let kind = kind.as_deref().unwrap_or_default();
                    return kind.split('.').nth(segment).map(Value::from).into_iter().collect();
                };
                at(&event.value, path).into_iter().cloned().collect()
            };
            let values: Vec<Value> = places.as_array().unwrap().iter().flat_map(found).collect();
            let mut flat = Map::from_iter([("key".to_owned(), Value::from(values))]);
            flat.extend(kind.map(|kind| ("kind".to_owned(), Value::from(kind))));
            flat.into()
        };
        events.iter().map(flat).collect()
    }
}

/// The scalars at a path; lists on the way count as their items.
pub(crate) fn at<'v>(event: &'v Value, path: &str) -> Vec<&'v Value> {
    fn walk<'v>(value: &'v Value, path: &[&str], found: &mut Vec<&'v Value>) {
        match (value, path) {
            (Value::Array(items), _) => items.iter().for_each(|item| walk(item, path, found)),
            (Value::Object(members), [name, path @ ..]) => {
                members.get(*name).into_iter().for_each(|member| walk(member, path, found));
            }
            (Value::Object(_), []) => {}
            (scalar, []) => found.push(scalar),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(event, &path.split('.').collect::<Vec<_>>(), &mut found);
    found
}

pub(crate) fn compile(
    mapping: &Mapping,
    subscription: &Value,
    organisation: Option<&str>,
) -> FilterGraph {
    let document = json!({ "tenantId": "acme", "subscriptions": [subscription] }).to_string();
    let document = SubscriptionDocument::parse(document.as_bytes()).unwrap();
    Compiler::new([1; 16]).compile(&document, mapping, organisation).unwrap()
}

/// Whether an event matches; an error is the reason of a refusal.
pub(crate) fn matches(graph: &FilterGraph, event: &Event) -> Result<bool, String> {
    match graph.filter(event.raw.as_bytes(), &mut Scratch::default()) {
        Verdict::Matched(_) => Ok(true),
        Verdict::Unmatched => Ok(false),
        Verdict::Refused(reason) => Err(reason.to_string()),
    }
}

/// Compiles a subscription and compares every event's verdict with `expected`. How many matched.
pub(crate) fn count(
    mapping: &Mapping,
    subscription: &Value,
    events: &[Event],
    expected: impl Fn(&Value) -> bool,
) -> usize {
    compare(mapping, subscription, events, events.iter().map(|event| expected(&event.value)))
}

fn compare(
    mapping: &Mapping,
    subscription: &Value,
    events: &[Event],
    expected: impl Iterator<Item = bool>,
) -> usize {
    let graph = compile(mapping, subscription, None);
    let mut matched = 0;
    for (event, wanted) in events.iter().zip(expected) {
        assert_eq!(matches(&graph, event), Ok(wanted), "{subscription} on {}", event.raw);
        matched += usize::from(wanted);
    }
    matched
}

/// How many events a rule over one key matches, by the graph and by the plain matcher.
pub(crate) fn count_by_key(
    (plain, mapping): (&Plain, &Mapping),
    (key, flat): (&str, &[Value]),
    wanted: &[Value],
    events: &[Event],
) -> usize {
    let names: BTreeMap<&str, &Vec<Value>> = plain.names(key).into_iter().collect();
    let also = wanted.iter().filter_map(|value| names.get(value.as_str()?)).flat_map(|v| v.iter());
    let all: Vec<Value> = wanted.iter().chain(also).cloned().collect();
    let rule = Rule { pattern: ">".into(), filters: BTreeMap::from([("key".into(), all)]) };
    let matcher = Matcher::new("kind", vec![rule]);
    let subscription =
        json!({ "eventType": ">", "filters": { key: wanted }, "targetQueue": "queue://q" });
    compare(mapping, &subscription, events, flat.iter().map(|e| !matcher.routes(e).is_empty()))
}

/// How many events a short type name matches, by the graph and by the plain matcher.
pub(crate) fn count_by_type(
    (plain, mapping): (&Plain, &Mapping),
    (name, patterns): (&str, &[&str]),
    events: &[Event],
) -> usize {
    let rules = patterns
        .iter()
        .map(|pattern| Rule { pattern: (*pattern).into(), filters: BTreeMap::new() })
        .collect();
    let matcher = Matcher::new("kind", rules);
    let subscription = json!({ "eventType": name, "targetQueue": "queue://q" });
    let nowhere = json!([]);
    let flat = plain.flat(&nowhere, events);
    compare(mapping, &subscription, events, flat.iter().map(|e| !matcher.routes(e).is_empty()))
}

/// Of the values of events with a type: the most common, and the least common.
pub(crate) fn some_values(flat: &[Value]) -> Vec<Value> {
    let mut counts: BTreeMap<String, (usize, &Value)> = BTreeMap::new();
    let typed = flat.iter().filter(|event| event["kind"].is_string());
    for value in typed.flat_map(|event| event["key"].as_array().unwrap()) {
        if !value.is_null() {
            counts.entry(value.to_string()).or_insert((0, value)).0 += 1;
        }
    }
    let mut by_count: Vec<(usize, &Value)> = counts.into_values().collect();
    by_count.sort_by_key(|(count, _)| *count);
    let mut ends: Vec<Value> = [by_count.first(), by_count.last()]
        .into_iter()
        .flatten()
        .map(|(_, v)| (*v).clone())
        .collect();
    ends.dedup();
    ends
}
