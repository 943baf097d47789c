//! The simulated upstream keeps the platform's protocol and its own accounts.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "sockets, files and clocks are what this is about"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop"
)]

#[path = "../gateway/upstream/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the gateway uses the rest")]
mod upstream;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use cofferdam_sim::generator::Profile;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, error::ProtocolError},
};
use upstream::{Burst, Faults, Rate, Source, Upstream, UpstreamConfig, UpstreamTenant};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PATIENCE: Duration = Duration::from_secs(20);
const CHANNELS: &str = "/api/v2/notifications/channels";

fn config() -> UpstreamConfig {
    UpstreamConfig {
        seed: 11,
        rate: Rate::Unlimited,
        limit: Some(400),
        requests_per_minute: 10_000,
        ..UpstreamConfig::default()
    }
}

async fn started(config: UpstreamConfig, tenants: usize) -> Upstream {
    upstream::start(config, tenants).await.unwrap()
}

/// A request over a connection of its own: the status, the head and the body.
async fn request(
    upstream: &Upstream,
    token: &str,
    line: &str,
    body: &Value,
) -> (u16, String, Value) {
    let mut socket = TcpStream::connect(upstream.addr()).await.unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{line} HTTP/1.1\r\nhost: upstream\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A channel with everything subscribed: its id.
async fn channel(upstream: &Upstream, tenant: &UpstreamTenant) -> String {
    let (status, _, made) =
        request(upstream, tenant.token(), &format!("POST {CHANNELS}"), &Value::Null).await;
    assert_eq!(status, 200, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(made["connectUri"].as_str().unwrap().ends_with(&id));
    let topics: Vec<Value> = tenant.topics().iter().map(|id| json!({ "id": id })).collect();
    let line = format!("PUT {CHANNELS}/{id}/subscriptions");
    let (status, _, results) = request(upstream, tenant.token(), &line, &topics.into()).await;
    assert_eq!(status, 200, "{results}");
    let results = results["entities"].as_array().unwrap();
    assert_eq!(results.len(), tenant.topics().len());
    assert!(results.iter().all(|one| one["state"] == "Permitted"));
    id
}

async fn socket(upstream: &Upstream, channel: &str) -> Client {
    let uri = format!("ws://{}/channels/{channel}", upstream.addr());
    connect_async(uri).await.unwrap().0
}

async fn connected(upstream: &Upstream, tenant: usize) -> Client {
    socket(upstream, &channel(upstream, &upstream.tenants()[tenant]).await).await
}

async fn next(client: &mut Client) -> Result<Message, Error> {
    tokio::time::timeout(PATIENCE, client.next()).await.expect("a frame in time").unwrap()
}

async fn text(client: &mut Client) -> String {
    match next(client).await.unwrap() {
        Message::Text(text) => text.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Reads until `wanted` comes by; the events before it.
async fn until(client: &mut Client, wanted: &str) -> (Vec<String>, String) {
    let mut before = Vec::new();
    loop {
        let frame = text(client).await;
        if frame.contains(wanted) {
            return (before, frame);
        }
        before.push(frame);
    }
}

/// Reads to the end: the events, and how it ended.
async fn to_the_end(client: &mut Client) -> (Vec<String>, Result<Message, Error>) {
    let mut events = Vec::new();
    loop {
        match next(client).await {
            Ok(Message::Text(text)) => events.push(text.as_str().to_owned()),
            Ok(Message::Ping(_)) => {}
            end => return (events, end),
        }
    }
}

async fn read(client: &mut Client, events: u64) -> Vec<String> {
    let mut read = Vec::new();
    for _ in 0..events {
        read.push(text(client).await);
    }
    read
}

#[tokio::test]
async fn every_tenant_gets_its_planned_events_and_nobody_elses() {
    let upstream = started(config(), 3).await;
    let mut counts = BTreeMap::new();
    for (index, tenant) in upstream.tenants().iter().enumerate() {
        let planned = tenant.planned().unwrap();
        let mut client = connected(&upstream, index).await;
        for event in read(&mut client, planned).await {
            let event: Value = serde_json::from_str(&event).unwrap();
            let topic = event["topicName"].as_str().unwrap().to_owned();
            assert!(tenant.topics().contains(&topic), "{topic} is not of {}", tenant.id());
        }
        counts.insert(tenant.id().to_string(), planned);
    }
    assert_eq!(counts.values().sum::<u64>(), 400);
    assert!(counts["acme-retail-na"] > 200, "{counts:?}");
    while !upstream.finished() {
        tokio::task::yield_now().await;
    }
    let totals = upstream.stop().await;
    assert_eq!((totals.sent, totals.lost_while_down, totals.in_doubt), (400, 0, 0));
}

/// A token, a channel and a topic are worth something to their own tenant only.
#[tokio::test]
async fn rest_keeps_tenants_apart() {
    let upstream = started(config(), 2).await;
    let [acme, other] = [&upstream.tenants()[0], &upstream.tenants()[1]];
    let id = channel(&upstream, acme).await;
    let own = json!([{ "id": acme.topics()[0] }]);

    let (status, ..) = request(&upstream, "guess", &format!("POST {CHANNELS}"), &Value::Null).await;
    assert_eq!(status, 401);
    for line in ["GET", "POST", "PUT", "DELETE"] {
        let line = format!("{line} {CHANNELS}/{id}/subscriptions");
        let body = json!([{ "id": other.topics()[0] }]);
        let foreign = request(&upstream, other.token(), &line, &body).await;
        let unknown =
            request(&upstream, other.token(), &line.replace(&id, "streaming-0-none"), &body).await;
        assert_eq!((foreign.0, &foreign.2), (404, &unknown.2));
    }
    let (_, _, list) =
        request(&upstream, other.token(), &format!("GET {CHANNELS}"), &Value::Null).await;
    assert_eq!(list["entities"], json!([]));

    let subscriptions = format!("{CHANNELS}/{id}/subscriptions");
    let mixed = json!([{ "id": acme.topics()[0] }, { "id": other.topics()[0] }]);
    let (status, ..) =
        request(&upstream, acme.token(), &format!("PUT {subscriptions}"), &mixed).await;
    assert_eq!(status, 400);
    let line = format!("PUT {subscriptions}?ignoreErrors=true");
    let (status, _, results) = request(&upstream, acme.token(), &line, &mixed).await;
    assert_eq!(status, 200);
    assert_eq!(results["entities"][0]["state"], "Permitted");
    assert_eq!(results["entities"][1]["state"], "Rejected");
    let (_, _, now) =
        request(&upstream, acme.token(), &format!("GET {subscriptions}"), &Value::Null).await;
    assert_eq!(now["entities"], own);
    assert!(
        connect_async(format!("ws://{}/channels/streaming-0-none", upstream.addr())).await.is_err()
    );
    upstream.stop().await;
}

#[tokio::test]
async fn rest_has_the_platforms_limits() {
    let upstream = started(UpstreamConfig { requests_per_minute: 26, ..config() }, 2).await;
    let acme = &upstream.tenants()[0];
    let first = channel(&upstream, acme).await;
    let second = channel(&upstream, acme).await;
    let mut client = socket(&upstream, &first).await;
    text(&mut client).await;

    let many: Vec<Value> =
        (0..1_001).map(|n| json!({ "id": format!("v2.system.token_revoked.{n}") })).collect();
    let line = format!("POST {CHANNELS}/{second}/subscriptions");
    assert_eq!(request(&upstream, acme.token(), &line, &many.into()).await.0, 400);
    // The 21st channel takes the place of the one that is not connected.
    for _ in 0..19 {
        let made =
            request(&upstream, acme.token(), &format!("POST {CHANNELS}"), &Value::Null).await;
        assert_eq!(made.0, 200);
    }
    for (id, status) in [(&second, 404), (&first, 200)] {
        let line = format!("GET {CHANNELS}/{id}");
        assert_eq!(request(&upstream, acme.token(), &line, &Value::Null).await.0, status);
    }
    let (status, head, _) =
        request(&upstream, acme.token(), &format!("GET {CHANNELS}"), &Value::Null).await;
    assert_eq!(status, 429);
    assert!(head.contains("retry-after: "), "{head}");
    let other = upstream.tenants()[1].token();
    assert_eq!(request(&upstream, other, &format!("GET {CHANNELS}"), &Value::Null).await.0, 200);
    upstream.stop().await;
}

#[tokio::test]
async fn a_socket_answers_pings_and_subscriptions_and_beats() {
    let config = UpstreamConfig {
        heartbeat: Duration::from_millis(50),
        rate: Rate::PerSecond(10.0),
        ..config()
    };
    let upstream = started(config, 1).await;
    let acme = &upstream.tenants()[0];
    let (_, _, made) =
        request(&upstream, acme.token(), &format!("POST {CHANNELS}"), &Value::Null).await;
    let mut client = socket(&upstream, made["id"].as_str().unwrap()).await;

    client.send(Message::text(r#"{"message":"ping"}"#)).await.unwrap();
    let (before, _) = until(&mut client, r#"{"message":"pong"}"#).await;
    assert!(before.iter().all(|frame| frame.contains("Heartbeat")), "no events yet: {before:?}");
    until(&mut client, "WebSocket Heartbeat").await;

    for (topics, answer) in [
        (json!(["v2.users.nobody.presence"]), r#""result":"400","status":"failure""#),
        (json!([acme.topics()[0]]), r#""result":"200","status":"subscribed""#),
    ] {
        let request = json!({ "message": "subscribe", "topics": topics, "correlationId": "c-1" });
        client.send(Message::text(request.to_string())).await.unwrap();
        let (_, frame) = until(&mut client, r#""result""#).await;
        assert!(frame.contains(answer) && frame.contains(r#""correlationId":"c-1""#), "{frame}");
    }
    until(&mut client, r#""topicName":"v2."#).await;
    client.send(Message::text("nonsense")).await.unwrap();
    until(&mut client, r#""result":"400""#).await;
    upstream.stop().await;
}

#[tokio::test]
async fn a_second_socket_on_a_channel_puts_out_the_first() {
    let upstream = started(UpstreamConfig { rate: Rate::PerSecond(50.0), ..config() }, 1).await;
    let id = channel(&upstream, &upstream.tenants()[0]).await;
    let mut first = socket(&upstream, &id).await;
    text(&mut first).await;
    let mut second = socket(&upstream, &id).await;
    let (_, notice) = until(&mut first, "no_longer_subscribed").await;
    assert!(notice.contains("another_channel_subscribed"));
    let (_, end) = to_the_end(&mut first).await;
    assert!(matches!(end, Ok(Message::Close(Some(_)))), "{end:?}");
    text(&mut second).await;
    let totals = upstream.stop().await;
    assert_eq!((totals.kicked, totals.resets), (1, 0));
}

#[tokio::test]
async fn a_socket_that_is_to_close_says_so_and_a_new_channel_misses_nothing() {
    let config = UpstreamConfig {
        rate: Rate::PerSecond(200.0),
        limit: Some(300),
        faults: Faults { closings_per_minute: 600.0, ..Faults::default() },
        closing_grace: Duration::from_millis(200),
        ..config()
    };
    let upstream = started(config, 1).await;
    let mut events = BTreeSet::new();
    let mut old = connected(&upstream, 0).await;
    // With the last event nothing is left to say, a closing neither.
    while events.len() < 300 {
        let frame = text(&mut old).await;
        if !frame.contains("v2.system.socket_closing") {
            events.insert(frame);
            continue;
        }
        let new = connected(&upstream, 0).await;
        let (rest, end) = to_the_end(&mut old).await;
        assert!(matches!(end, Ok(Message::Close(Some(_)))), "{end:?}");
        events.extend(rest.into_iter().filter(|frame| !frame.contains("socket_closing")));
        old = new;
    }
    let totals = upstream.stop().await;
    assert_eq!((totals.sent, totals.lost_while_down, totals.in_doubt), (300, 0, 0));
    assert!(totals.closings >= 1);
}

/// What happens while a tenant is down is lost, and every event is accounted for.
#[tokio::test]
async fn a_reset_is_abrupt_and_its_losses_are_counted() {
    let config = UpstreamConfig {
        rate: Rate::PerSecond(2_000.0),
        limit: Some(4_000),
        faults: Faults { resets_per_minute: 600.0, ..Faults::default() },
        ..config()
    };
    let upstream = started(config, 1).await;
    let mut events = BTreeSet::new();
    let mut breaks = 0;
    while !upstream.finished() {
        let mut client = connected(&upstream, 0).await;
        loop {
            match tokio::time::timeout(Duration::from_millis(100), client.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => _ = events.insert(text.as_str().to_owned()),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => {
                    let abrupt = Error::Protocol(ProtocolError::ResetWithoutClosingHandshake);
                    assert_eq!(error.to_string(), abrupt.to_string());
                    breaks += 1;
                    break;
                }
                Ok(None) => break,
                Err(_) if upstream.finished() => break,
                Err(_) => {}
            }
        }
    }
    let totals = upstream.stop().await;
    assert_eq!(totals.events(), 4_000, "{totals:?}");
    assert!(breaks > 0 && totals.resets >= breaks && totals.lost_while_down > 0, "{totals:?}");
    let read = events.len() as u64;
    assert!(totals.sent <= read && read <= totals.sent + totals.in_doubt, "{read} {totals:?}");
}

#[tokio::test]
async fn a_reader_that_stops_holds_up_nobody_else() {
    let upstream = started(UpstreamConfig { limit: None, ..config() }, 2).await;
    let _stuck = connected(&upstream, 0).await;
    let mut other = connected(&upstream, 1).await;
    let stuck = upstream.tenants()[0].counters();
    // Until the sockets' buffers are full, the first tenant goes on as well.
    let mut before = u64::MAX;
    while before != stuck.sent.load(Relaxed) {
        before = stuck.sent.load(Relaxed);
        read(&mut other, 10_000).await;
    }
    let held = stuck.sent.load(Relaxed);
    read(&mut other, 5_000).await;
    assert_eq!(stuck.sent.load(Relaxed), held);
    upstream.stop().await;
}

#[tokio::test]
async fn duplicates_and_late_events_are_counted() {
    let config = UpstreamConfig {
        faults: Faults { duplicate_rate: 0.1, late_rate: 0.1, ..Faults::default() },
        source: Source::Generator(Profile::corpus()),
        limit: Some(2_000),
        ..config()
    };
    let upstream = started(config, 1).await;
    let events = read(&mut connected(&upstream, 0).await, 2_000).await;
    let distinct: BTreeSet<_> = events.iter().collect();
    while !upstream.finished() {
        tokio::task::yield_now().await;
    }
    let totals = upstream.stop().await;
    assert_eq!(totals.duplicates, (events.len() - distinct.len()) as u64);
    assert!(totals.duplicates > 100 && totals.late > 50, "{totals:?}");
}

#[tokio::test]
async fn a_flood_is_its_tenants_own() {
    let burst = Burst {
        every: Duration::from_millis(1),
        lasting: Duration::from_millis(1),
        factor: 8.0,
        tenant: Some(1),
    };
    let config = UpstreamConfig {
        rate: Rate::PerSecond(100.0),
        faults: Faults { burst: Some(burst), ..Faults::default() },
        limit: None,
        ..config()
    };
    let upstream = started(config, 2).await;
    let mut flooded = connected(&upstream, 1).await;
    let _quiet = connected(&upstream, 0).await;
    read(&mut flooded, 300).await;
    let sent = |index: usize| upstream.tenants()[index].counters().sent.load(Relaxed);
    // 8 times 32 events a second against 68; it would be half as many without the flood.
    assert!(sent(1) > 2 * sent(0), "{} {}", sent(1), sent(0));
    upstream.stop().await;
}

#[tokio::test]
async fn a_recording_is_sent_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let lines = ["{\"a\":1}", "{\"text\":\"\u{2028}\"}", "not json", "\u{feff}{}", "{\"a\":1}"];
    std::fs::write(folder.path().join("events.ndjson"), lines.join("\n")).unwrap();
    let index =
        "line\ttenant\tkind\n1\tacme\t\n2\tacme\tlate\n3\tacme\t\n4\tacme\t\n5\tacme\tduplicate\n";
    std::fs::write(folder.path().join("index.tsv"), index).unwrap();
    std::fs::create_dir(folder.path().join("Odd One")).unwrap();
    std::fs::write(folder.path().join("Odd One/1.txt"), b"\xFF\xFE not even text").unwrap();

    let source = Source::Replay(folder.path().into());
    let upstream = started(UpstreamConfig { source, limit: None, ..config() }, 0).await;
    let names: Vec<_> =
        upstream.tenants().iter().map(|one| one.organisation().to_owned()).collect();
    assert_eq!(names, ["acme", "Odd One"]);
    assert_eq!(read(&mut connected(&upstream, 0).await, 5).await, lines);
    let odd = next(&mut connected(&upstream, 1).await).await.unwrap();
    assert_eq!(odd, Message::binary(&b"\xFF\xFE not even text"[..]));
    while !upstream.finished() {
        tokio::task::yield_now().await;
    }
    let totals = upstream.stop().await;
    assert_eq!((totals.sent, totals.duplicates, totals.late), (6, 1, 1));
}

/// Every published corpus there is, each tenant over its own socket, byte for byte.
#[tokio::test]
async fn the_shared_corpora_are_replayed_whole() {
    let shared = std::env::var_os("COFFERDAM_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let corpus = shared.join("corpus");
    if !corpus.is_dir() {
        eprintln!("SKIPPED: the corpora are not at $COFFERDAM_SHARED/corpus");
        return;
    }
    let source = Source::Replay(corpus);
    let upstream = started(UpstreamConfig { source, limit: None, ..config() }, 0).await;
    assert!(upstream.tenants().len() > 500, "{}", upstream.tenants().len());
    let all: u64 = upstream.tenants().iter().filter_map(|tenant| tenant.planned()).sum();
    assert!(all > 5_000, "{all}");
    for (index, tenant) in upstream.tenants().iter().enumerate().take(60) {
        let mut client = connected(&upstream, index).await;
        for _ in 0..tenant.planned().unwrap() {
            assert!(!next(&mut client).await.unwrap().is_empty());
        }
    }
    upstream.stop().await;
}
