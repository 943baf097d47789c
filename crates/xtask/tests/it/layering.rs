//! The floors table of `docs/ARCHITECTURE.md`, held against the manifests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::workspace::{list, members, quoted, resolved, table, text};

/// What floors 0 and 1 may not reach, directly or through others: runtimes, sockets, stores.
const RUNTIMES: [&str; 16] = [
    "async-std",
    "axum",
    "etcd-client",
    "fred",
    "futures-util",
    "hyper",
    "mio",
    "rdkafka",
    "redb",
    "redis",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tokio-tungstenite",
];

struct Floor {
    number: u8,
    may_use: BTreeSet<String>,
}

/// The table: crate, floor, and what else the crate may use.
fn floors() -> BTreeMap<String, Floor> {
    let mut floors = BTreeMap::new();
    for row in table("docs/ARCHITECTURE.md", "## Floors") {
        let [number, name, _, may_use] = row.as_slice() else { panic!("not four cells: {row:?}") };
        let [name] = quoted(name)[..] else { panic!("not one crate: {row:?}") };
        let may_use = quoted(may_use).into_iter().map(str::to_owned).collect();
        let floor = Floor { number: number.parse().unwrap(), may_use };
        assert!(floors.insert(name.to_owned(), floor).is_none(), "{name} stands twice");
    }
    floors
}

/// The names of a package's own dependencies of one kind.
fn dependencies(package: &Value, kind: Option<&str>) -> Vec<String> {
    let of_kind = list(package, "dependencies").iter().filter(|d| d["kind"].as_str() == kind);
    of_kind.map(|dependency| text(dependency, "name").to_owned()).collect()
}

#[test]
fn the_table_names_every_crate_of_the_workspace_and_no_other() {
    let packages = members();
    let there: BTreeSet<&str> = packages.iter().map(|package| text(package, "name")).collect();
    let floors = floors();
    let named: BTreeSet<&str> = floors.keys().map(String::as_str).collect();
    assert_eq!(named, there);
}

#[test]
fn a_crate_depends_on_lower_floors_only() {
    let floors = floors();
    let mut wrong = Vec::new();
    for package in members() {
        let name = text(&package, "name");
        let own = &floors[name];
        for used in dependencies(&package, None) {
            let Some(below) = floors.get(&used) else { continue };
            if below.number >= own.number && !own.may_use.contains(&used) {
                wrong.push(format!("{name} (floor {}) uses {used} ({})", own.number, below.number));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_exception_in_the_table_is_in_use() {
    let floors = floors();
    for package in members() {
        let used = dependencies(&package, None);
        let stale = floors[text(&package, "name")].may_use.iter().find(|name| !used.contains(name));
        assert_eq!(stale, None, "{} no longer uses it", text(&package, "name"));
    }
}

#[test]
fn floors_0_and_1_name_no_runtime() {
    let floors = floors();
    for package in members() {
        let name = text(&package, "name");
        if floors[name].number <= 1 {
            let used = dependencies(&package, None);
            let runtime = used.iter().find(|used| RUNTIMES.contains(&used.as_str()));
            assert_eq!(runtime, None, "{name} depends on it");
        }
    }
}

/// Whether an edge of the graph is a normal dependency on a platform that we run on. On WebAssembly
/// random bytes come through JavaScript's futures.
fn is_built(edge: &Value) -> bool {
    list(edge, "dep_kinds").iter().any(|dependency| {
        let target = text(dependency, "target");
        let is_web = ["target_family = \"wasm\"", "target_arch = \"wasm32\""]
            .iter()
            .any(|web| target.contains(web) && !target.contains("not("));
        dependency["kind"].is_null() && !is_web
    })
}

#[test]
fn floors_0_and_1_reach_no_runtime_through_others() {
    let metadata = resolved();
    let named: BTreeMap<&str, &str> =
        list(&metadata, "packages").iter().map(|p| (text(p, "id"), text(p, "name"))).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"], "nodes").iter().map(|node| (text(node, "id"), node)).collect();
    let floors = floors();
    for member in list(&metadata, "workspace_members").iter().filter_map(Value::as_str) {
        let name = named[member];
        if floors[name].number > 1 {
            continue;
        }
        let (mut seen, mut left) = (BTreeSet::new(), vec![member]);
        while let Some(id) = left.pop() {
            if !seen.insert(id) {
                continue;
            }
            assert!(!RUNTIMES.contains(&named[id]), "{name} reaches {}", named[id]);
            let deps = list(nodes[id], "deps").iter().filter(|edge| is_built(edge));
            left.extend(deps.map(|edge| text(edge, "pkg")));
        }
        assert!(seen.len() > 1, "{name} depends on nothing, so nothing was looked at");
    }
}
