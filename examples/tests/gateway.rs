//! The gateway from end to end: the binary is run, driven over its sockets, interrupted, killed.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "processes, sockets, files and clocks are what this is about"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say what it skips"
)]

#[allow(dead_code, reason = "the console's tests use the rest")]
mod support;

use std::{net::TcpListener, path::Path};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use support::{
    Ended, Gateway, Process, answer, bare, demo_wants, events, gateway, gateway_with, number,
    of_tenant, shared, wait_for,
};
use tempfile::TempDir;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest},
};

/// The tenant of the sample documents.
const ACME: &str = "acme-retail-na";
/// Everything goes well, but for what a test adds; nobody waits long at the end.
const QUIET: &str = "drain = \"2s\"\nslow_consumer = false\n[faults]\nresets_per_minute = 0\n\
    closings_per_minute = 0\nduplicate_rate = 0\nlate_rate = 0\n[faults.burst]\nfactor = 1\n";

fn folder() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    (folder, data)
}

/// The run ended well and says so in every line of its account.
fn assert_proven(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("everything is accounted for"), "{ended:?}");
    assert!(ended.out.contains("ok   events under a wrong tenant: 0\n"), "{ended:?}");
    for line in ["conservation", "arrival", "audit"] {
        assert!(ended.out.contains(&format!("ok   {line}: ")), "{line} {ended:?}");
    }
    assert!(!ended.err.contains("panicked"), "{ended:?}");
}

/// The number before a word in a run's account.
fn counted(ended: &Ended, word: &str) -> u64 {
    let before = ended.out.split(word).next().unwrap().trim_end();
    before.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{word} {ended:?}"))
}

/// The program refused to start: exit code 2, and one message that names what is wrong.
async fn assert_refuses(process: Process, names: &[&str]) {
    let ended = process.end().await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for name in names {
        assert!(ended.err.contains(name), "no {name} in {ended:?}");
    }
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    assert_eq!(ended.out, "");
}

#[tokio::test]
async fn a_run_with_faults_accounts_for_everything() {
    let (_folder, data) = folder();
    let settings = "drain = \"500ms\"\n[faults]\nresets_per_minute = 120\nclosings_per_minute = 60\n\
        duplicate_rate = 0.05\nlate_rate = 0.05\n";
    let run = gateway_with(&data, settings, &["--duration", "4s", "--rate", "4000"]);
    let ended = run.end().await;
    assert_proven(&ended);
    assert!(counted(&ended, " received = ") > 8_000, "{ended:?}");
    assert!(counted(&ended, " duplicates + ") > 0, "{ended:?}");
    assert!(counted(&ended, " resets and") > 0, "{ended:?}");
}

#[tokio::test]
async fn a_recording_of_many_platforms_is_played_once() {
    let Some(corpus) = shared("corpus") else { return };
    let (_folder, data) = folder();
    let replay = ["--replay", corpus.to_str().unwrap(), "--rate", "max", "--calm"];
    let ended = gateway(&data, &replay).end().await;
    assert_proven(&ended);
    assert!(counted(&ended, " delivered + ") > 4_000, "{ended:?}");
    assert!(counted(&ended, " refused + ") > 0, "the corpus has malformed frames: {ended:?}");
}

#[tokio::test]
async fn part_of_a_recording_is_played() {
    let Some(corpus) = shared("corpus/amazon-connect") else { return };
    let (_folder, data) = folder();
    let replay = ["--replay", corpus.to_str().unwrap(), "--rate", "max", "--calm", "--limit", "5"];
    let ended = gateway(&data, &replay).end().await;
    assert_proven(&ended);
    assert_eq!(counted(&ended, " received = "), 5, "{ended:?}");
}

#[tokio::test]
async fn every_mistake_in_the_settings_is_told_at_once_with_its_place() {
    let (_folder, data) = folder();
    let settings = "tenants = \"many\"\nrate = 100\n[queue]\nhihg = 3\n[faults]\nlate_rate = 7\n";
    let places = ["data.toml:1:11: ", "data.toml:4:1: ", "data.toml:6:13: ", "did you mean"];
    assert_refuses(gateway_with(&data, settings, &[]), &places).await;
    assert!(!data.exists(), "nothing is started before the settings are right");
}

#[tokio::test]
async fn a_mistake_on_the_command_line_is_named() {
    for (arguments, names) in [
        (&["--bogus"][..], &["--bogus"][..]),
        (&["--duration", "soon"], &["--duration", "30s"]),
        (&["--rate", "fast"], &["--rate", "events a second"]),
        (&["--rate", "-1"], &["--rate", "more than 0"]),
        (&["--tenants", "0"], &["--tenants", "from 1"]),
        (&["--limit", "0"], &["--limit"]),
        (&["--listen", "here"], &["--listen"]),
        (&["--config", "/nonexistent/gateway.toml"], &["/nonexistent/gateway.toml"]),
    ] {
        assert_refuses(bare(arguments), names).await;
    }
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_one_is_refused() {
    let (folder, _) = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("data");
    assert_refuses(gateway(&below, &[]), &["data folder", below.to_str().unwrap()]).await;
}

#[tokio::test]
async fn a_data_folder_is_used_by_one_gateway_at_a_time() {
    let (_folder, data) = folder();
    let first = Gateway::up(gateway(&data, &["--rate", "10", "--calm"])).await;
    assert_refuses(gateway(&data, &[]), &["data folder", data.to_str().unwrap()]).await;
    assert_proven(&first.interrupt().await);
}

#[tokio::test]
async fn a_port_in_use_is_told_with_the_flag_that_chooses_another() {
    let (_folder, data) = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("--listen", "--consumers"), ("--consumers", "--listen")] {
        let data = data.to_str().unwrap();
        let process = bare(&["--data", data, flag, &address, other, "127.0.0.1:0"]);
        assert_refuses(process, &[&address, flag]).await;
    }
}

#[tokio::test]
async fn a_recording_that_is_not_there_is_named() {
    let (folder, data) = folder();
    let nowhere = folder.path().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    assert_refuses(gateway(&data, &["--replay", nowhere]), &["--replay", nowhere]).await;
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let empty = empty.to_str().unwrap();
    assert_refuses(gateway(&data, &["--replay", empty]), &["--replay", empty, "no frame"]).await;
}

#[tokio::test]
async fn the_control_api_tells_strangers_nothing_and_mistakes_exactly() {
    let (_folder, data) = folder();
    let gateway = Gateway::up(gateway_with(&data, QUIET, &["--rate", "200"])).await;
    let compile = format!("{}/api/v2/internal/routing/filters/compile", gateway.origin);
    let letters = format!("{}/api/v2/internal/dead-letters/{ACME}/redrive", gateway.origin);
    let rules =
        json!([{ "eventType": "telephony.call", "filters": {}, "targetQueue": "queue://x" }]);
    let document = json!({ "tenantId": ACME, "subscriptions": rules });

    // Without the operator's token there is one answer, whatever is asked.
    let mut refusals = Vec::new();
    for token in [None, Some("0".repeat(32)), Some(String::new())] {
        for url in [&compile, &letters, &format!("{}/metrics", gateway.origin)] {
            let request = match url.ends_with("metrics") {
                true => gateway.http.get(url),
                false => gateway.http.post(url).body(document.to_string()),
            };
            let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
            refusals.push(answer(request.send().await.unwrap()).await);
        }
    }
    assert_eq!((refusals[0].0, &*refusals[0].1), (401, "application/problem+json"));
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");

    // A tenant that is not here and an id that is none are answered with the same bytes.
    let mut missing = Vec::new();
    for tenant in ["somebody-else", "Not An Id", "../acme-retail-na", ""] {
        let document = json!({ "tenantId": tenant, "subscriptions": rules });
        missing.push(gateway.post("routing/filters/compile", document.to_string()).await);
    }
    for path in ["dead-letters/somebody-else/redrive", "dead-letters/Not%20An%20Id/redrive"] {
        missing.push(gateway.post(path, "").await);
    }
    assert_eq!((missing[0].0, &*missing[0].1), (404, "application/problem+json"), "{missing:?}");
    assert!(missing.iter().all(|one| *one == missing[0]), "{missing:?}");

    // A mistake is told with the place where it stands.
    let mut bad = document.clone();
    bad["subscriptions"][0]["filters"] = json!({ "direction": "inbound", "a..b": 1 });
    let (status, kind, body) = gateway.post("routing/filters/compile", bad.to_string()).await;
    assert_eq!((status, &*kind), (422, "application/problem+json"), "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["pointer"], "/subscriptions/0/filters/a..b", "{body}");
    for (path, body) in [
        ("routing/filters/compile", "{"),
        ("routing/filters/compile", r#"{"tenantId":"acme-retail-na"}"#),
        ("security/redaction/policy", r#"{"tenantId":"acme-retail-na","redactionRules":[{}]}"#),
        (
            "security/redaction/policy",
            r#"{"tenantId":"acme-retail-na","redactionRules":[{"path":"$[","strategy":"omit"}]}"#,
        ),
    ] {
        let (status, kind, answer) = gateway.post(path, body).await;
        assert_eq!((status, &*kind), (422, "application/problem+json"), "{body} {answer}");
    }
    // None of that changed anything.
    let acme = gateway.tenant(ACME).await;
    gateway
        .until("acme to be served still", |data| {
            number(&of_tenant(data, ACME)["delivered"]) > number(&acme["delivered"])
        })
        .await;
    assert_proven(&gateway.interrupt().await);
}

/// Whether the sample subscriptions want an event. The platform has each of these values in several
/// places, and any of them counts.
fn sample_wants(event: &Value) -> bool {
    let topic: Vec<&str> = event["topicName"].as_str().unwrap().split('.').collect();
    let body = &event["eventBody"];
    let people = body["participants"].as_array().map_or(&[][..], Vec::as_slice);
    let any = |own: &[&Value], name: &str, allowed: &[&str]| {
        let values = own.iter().copied().chain(people.iter().map(|person| &person[name]));
        values.filter_map(Value::as_str).any(|value| allowed.contains(&value))
    };
    match topic[..] {
        ["v2", "analytics", "queues", _, "observations"] => {
            any(&[&body["group"]["queueId"]], "queueId", &["q-12345", "q-67890"])
                && any(&[&body["state"]], "state", &["available", "busy"])
        }
        ["v2", "users", _, "conversations", "calls"] => {
            // That it is voice the topic says, as no body of the platform does.
            any(&[&body["direction"]], "direction", &["inbound"])
        }
        _ => false,
    }
}

/// How many values the sample policy redacts in `value`.
fn sample_redactions(value: &Value) -> u64 {
    let own = match value {
        Value::Object(members) => [
            &["caller", "phoneNumber"][..],
            &["interaction", "contactId"],
            &["telephony", "call", "recordingUrl"],
        ]
        .iter()
        .filter(|path| {
            let (first, rest) = path.split_first().unwrap();
            let found = members.get(*first);
            found.and_then(|from| rest.iter().try_fold(from, |at, name| at.get(name))).is_some()
        })
        .count() as u64,
        _ => 0,
    };
    let below: u64 = match value {
        Value::Object(members) => members.values().map(sample_redactions).sum(),
        Value::Array(items) => items.iter().map(sample_redactions).sum(),
        _ => 0,
    };
    own + below
}

#[tokio::test]
async fn the_sample_documents_come_into_force_and_stay_so_after_a_restart() {
    let Some(api) = shared("api") else { return };
    let read = |name: &str| std::fs::read_to_string(api.join(name)).unwrap();
    let (_folder, data) = folder();
    let first = Gateway::up(gateway_with(&data, QUIET, &["--rate", "2000"])).await;
    first.until("the first events", |data| number(&of_tenant(data, ACME)["delivered"]) > 0).await;
    let (status, _, body) =
        first.post("routing/filters/compile", read("filters-compile.json")).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["tenantId"], &body["rules"]), (200, &json!(ACME), &json!(2)));
    let targets = body["targets"].as_array().unwrap().iter().map(|one| one["target"].as_str());
    let mut targets: Vec<&str> = targets.map(Option::unwrap).collect();
    targets.sort_unstable();
    let wanted = ["kafka://tenant-acme/routing-events", "kafka://tenant-acme/telephony-events"];
    assert_eq!(targets, wanted, "{body}");
    let (status, _, body) =
        first.post("security/redaction/policy", read("redaction-policy.json")).await;
    assert_eq!(status, 200, "{body}");
    // Nobody reads the new queues, so they fill, and the old one's consumer has nothing to do.
    first.until("new queues", |data| number(&of_tenant(data, ACME)["queue"]["depth"]) > 20).await;
    assert_proven(&first.interrupt().await);

    // From here on every number is known beforehand.
    let limit = 4_000;
    let again = ["--rate", "max", "--limit", "4000", "--stay"];
    let second = Gateway::up(gateway_with(&data, QUIET, &again)).await;
    let data =
        second.until("all events", |data| number(&data["totals"]["received"]) == limit).await;
    let acme = of_tenant(&data, ACME);
    let (_, sent) = &events(1, 24, limit)[0];
    let matching: Vec<&Value> = sent.iter().filter(|event| sample_wants(event)).collect();
    assert!(matching.len() > 10, "{}", matching.len());
    assert_eq!(number(&acme["received"]), sent.len() as u64);
    assert_eq!(number(&acme["unmatched"]), (sent.len() - matching.len()) as u64);
    assert_eq!(number(&acme["delivered"]), 0, "nobody reads these queues");
    let redactions: u64 = matching.iter().map(|event| sample_redactions(event)).sum();
    assert!(redactions > 0);
    assert_eq!(number(&acme["redactions"]), redactions);
    // What stood in the new queues at the end of the first run was kept.
    assert!(number(&acme["dead_letters_held"]) > 20, "{acme}");
    let ended = second.interrupt().await;
    assert_proven(&ended);
    assert_eq!(counted(&ended, " dead-lettered + "), matching.len() as u64);
}

/// A token that is right in everything but the key it is signed with.
fn forged(tenant: &str) -> String {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "demo-0" });
    let claims = json!({
        "iss": format!("https://issuer.demo.invalid/{tenant}"), "aud": "cofferdam-gateway",
        "sub": "forger", "client_id": "forger", "jti": "1", "iat": now, "exp": now + 600,
        "tenant": tenant, "scope": "events:read",
    });
    let message =
        format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64.encode(signature))
}

#[tokio::test]
async fn the_consumers_door_refuses_all_strangers_alike_and_nothing_is_lost() {
    let (_folder, data) = folder();
    let gateway = Gateway::up(gateway_with(&data, QUIET, &["--rate", "1000"])).await;
    let before = gateway.until("events", |data| number(&data["totals"]["delivered"]) > 0).await;
    let mut refusals = Vec::new();
    for (token, origin) in [
        (None, None),
        (Some(forged(ACME)), None),
        (Some(forged("somebody-else")), None),
        (Some("not a token".to_owned()), None),
        (None, Some("https://elsewhere.example")),
        (Some(forged(ACME)), Some("https://elsewhere.example")),
    ] {
        let mut request = gateway.door.as_str().into_client_request().unwrap();
        if let Some(token) = &token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert("authorization", value);
        }
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let Err(Error::Http(response)) = connect_async(request).await else {
            panic!("{token:?} {origin:?} was let in")
        };
        let header =
            |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").unwrap(), "application/problem+json");
        let body = String::from_utf8(response.body().clone().unwrap_or_default()).unwrap();
        refusals.push((response.status().as_u16(), header("www-authenticate"), body));
    }
    assert!([401, 403].contains(&refusals[0].0), "{refusals:?}");
    assert!(refusals.iter().all(|one| *one == refusals[0]), "{refusals:?}");
    let wanted = number(&before["totals"]["delivered"]) + 200;
    gateway.until("more events", |data| number(&data["totals"]["delivered"]) >= wanted).await;
    let ended = gateway.interrupt().await;
    assert_proven(&ended);
    assert_eq!(counted(&ended, " dead-lettered + "), 0, "{ended:?}");
}

/// A run that leaves dead letters: one consumer is slow, and nobody waits for it.
async fn leave_dead_letters(data: &Path) -> (String, u64) {
    let slow = "drain = \"0s\"\n[faults]\nresets_per_minute = 0\nclosings_per_minute = 0\n";
    let gateway = Gateway::up(gateway_with(data, slow, &["--rate", "8000"])).await;
    let waiting = |data: &Value| {
        let tenants = data["tenants"].as_array().unwrap().clone();
        tenants.into_iter().find(|tenant| number(&tenant["queue"]["depth"]) > 300)
    };
    let data = gateway.until("a slow consumer's queue", |data| waiting(data).is_some()).await;
    let tenant = waiting(&data).unwrap()["tenant"].as_str().unwrap().to_owned();
    let ended = gateway.interrupt().await;
    assert_proven(&ended);
    (tenant, counted(&ended, " dead-lettered + "))
}

#[tokio::test]
async fn a_killed_gateway_goes_on_where_it_was() {
    let (_folder, data) = folder();
    let (slow, letters) = leave_dead_letters(&data).await;
    assert!(letters > 200, "{letters}");

    let second = Gateway::up(gateway_with(&data, QUIET, &["--rate", "4000"])).await;
    let tenant = second.tenant(&slow).await;
    let (held, cursor) = (number(&tenant["dead_letters_held"]), number(&tenant["cursor"]));
    let leaves = number(&tenant["audit"]["size"]);
    assert!(held > 200 && held <= letters && cursor > held && leaves > held, "{tenant}");
    second
        .until("the second run to be under way", |data| {
            let tenant = of_tenant(data, &slow);
            number(&tenant["cursor"]) > cursor + 50 && number(&tenant["delivered"]) > 50
        })
        .await;
    second.crash().await;

    let third = Gateway::up(gateway_with(&data, QUIET, &["--rate", "1000"])).await;
    let tenant = third.tenant(&slow).await;
    assert_eq!(number(&tenant["dead_letters_held"]), held, "{tenant}");
    assert!(number(&tenant["cursor"]) >= cursor, "{cursor} {tenant}");
    assert!(number(&tenant["audit"]["size"]) > leaves, "{leaves} {tenant}");
    assert!(number(&tenant["gaps"]) > 0, "what came meanwhile is lost, and said to be: {tenant}");

    // The letters of the first run are delivered by the third, each once.
    let path = format!("dead-letters/{slow}/redrive");
    let mut redriven = 0;
    let left = wait_for("the letters to be gone", async || {
        let (status, _, body) = third.post(&path, "").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["quarantined"]), (200, &json!(0)), "{body}");
        redriven += number(&body["redriven"]);
        let left = number(&third.tenant(&slow).await["dead_letters_held"]);
        (left == 0).then_some(left)
    })
    .await;
    assert_eq!(left, 0);
    assert!(redriven >= held, "{redriven} {held}");
    let ended = third.interrupt().await;
    assert_proven(&ended);
    assert_eq!(counted(&ended, " dead-lettered + "), 0, "{ended:?}");
}

#[tokio::test]
async fn an_altered_audit_log_is_refused_and_named() {
    let (_folder, data) = folder();
    let run = ["--rate", "max", "--limit", "2000"];
    assert_proven(&gateway_with(&data, QUIET, &run).end().await);
    let leaves = data.join("audit").join(format!("{ACME}.leaves"));
    let whole = std::fs::read(&leaves).unwrap();
    let mut altered = whole.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    std::fs::write(&leaves, &altered).unwrap();
    assert_refuses(gateway_with(&data, QUIET, &run), &["audit log", ACME]).await;
    assert_eq!(std::fs::read(&leaves).unwrap(), altered, "the evidence is left as it is");
    // It was that byte and nothing else.
    std::fs::write(&leaves, &whole).unwrap();
    assert_proven(&gateway_with(&data, QUIET, &run).end().await);
}

#[tokio::test]
async fn an_interrupt_drains_what_is_under_way() {
    // Ctrl-C, and what a service manager sends.
    for signal in ["INT", "TERM"] {
        let (_folder, data) = folder();
        let gateway = Gateway::up(gateway_with(&data, QUIET, &["--rate", "4000"])).await;
        gateway.until("events", |data| number(&data["totals"]["delivered"]) > 500).await;
        let ended = gateway.end_by(signal).await;
        assert_proven(&ended);
        assert!(ended.out.contains("stopping"), "{ended:?}");
        assert_eq!(counted(&ended, " dead-lettered + "), 0, "consumers had time: {ended:?}");
    }
}

#[tokio::test]
async fn a_second_interrupt_does_not_wait_for_consumers() {
    let (_folder, data) = folder();
    let slow = "drain = \"10m\"\n";
    let gateway = Gateway::up(gateway_with(&data, slow, &["--rate", "8000"])).await;
    let slow = |data: &Value| {
        let tenants = data["tenants"].as_array().unwrap();
        tenants.iter().any(|tenant| number(&tenant["queue"]["depth"]) > 300)
    };
    gateway.until("a slow consumer's queue", slow).await;
    let ended = gateway.interrupt_twice().await;
    assert_proven(&ended);
    assert!(counted(&ended, " dead-lettered + ") > 0, "{ended:?}");
}

#[tokio::test]
async fn a_limited_run_ends_by_itself_with_the_numbers_that_the_seed_gives() {
    let (_folder, data) = folder();
    let ended =
        gateway(&data, &["--rate", "max", "--limit", "3000", "--seed", "9", "--calm"]).end().await;
    assert_proven(&ended);
    let all: Vec<Value> = events(9, 24, 3_000).into_iter().flat_map(|(_, events)| events).collect();
    let wanted = all.iter().filter(|event| demo_wants(event)).count() as u64;
    assert_eq!(counted(&ended, " received = "), 3_000);
    assert_eq!(counted(&ended, " delivered + "), wanted);
    assert_eq!(counted(&ended, " filtered out + "), 3_000 - wanted);
}
