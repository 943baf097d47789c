//! The shipped mappings on recordings that are not in the repository.

use std::{fs, path::Path};

use cofferdam_filter::Mapping;
use serde_json::{Value, json};

use super::platforms::{
    Event, Plain, at, compile, corpus, count, count_by_key, lines, matches, some_values,
};

/// Every place of every key matches what a plain reading finds there, and something. `is_absent`
/// tells the paths that the recording has nowhere; one that is found must not be among them.
fn every_place_matches(
    platform: &str,
    mapping: &Mapping,
    events: &[Event],
    is_absent: impl Fn(&str) -> bool,
) {
    let plain = Plain::new(platform);
    for (key, places) in plain.keys() {
        let flat = plain.flat(places, events);
        for place in places.as_array().unwrap() {
            let wanted = some_values(&plain.flat(&json!([place]), events));
            let absent = place.as_str().is_some_and(&is_absent);
            assert_eq!(wanted.is_empty(), absent, "{platform}: {key} at {place}");
            if !absent {
                let matched = count_by_key((&plain, mapping), (key, &flat), &wanted, events);
                println!("{platform}: {key} at {place} matches {matched} of {}", events.len());
                assert!(matched > 0, "{platform}: {key} at {place}");
            }
        }
    }
}

fn text<'v>(event: &'v Value, path: &str) -> &'v str {
    at(event, path).first().and_then(|value| value.as_str()).unwrap_or_default()
}

#[test]
fn genesys_notifications() {
    let Some(folder) = corpus("genesys-notifications") else { return };
    let events = lines(&folder.join("events.ndjson"));
    let mapping = Mapping::genesys_cloud();
    // A third of the recording has each of the places too, and takes a third of the time. Topics that
    // it has not: suggestions, activity of queues, states of agents, audits.
    let some = lines(&folder.join("events.ndjson")).into_iter().step_by(3);
    every_place_matches("genesys-cloud", &mapping, &some.collect::<Vec<_>>(), |path| {
        let path = path.trim_start_matches("eventBody.");
        path.starts_with("context.")
            || path.starts_with("results.")
            || matches!(
                path,
                "action" | "channelType" | "currentState" | "originatingDirection" | "state"
            )
            || path == "user.id"
    });

    // The project's sample document.
    let calls = json!({
        "eventType": "telephony.call",
        "filters": { "direction": "inbound", "channelType": "voice" },
        "targetQueue": "kafka://tenant-acme/telephony-events"
    });
    let matched = count(&mapping, &calls, &events, |event| {
        let topic: Vec<&str> = text(event, "topicName").split('.').collect();
        matches!(topic[..], ["v2", "users", _, "conversations", "calls"])
            && at(event, "eventBody.participants.direction").contains(&&json!("inbound"))
    });
    assert!(matched > 100, "{matched}");

    // Detail events write in capitals what the others write in small letters.
    let inbound = json!({
        "eventType": "conversation.detail",
        "filters": { "direction": "inbound" },
        "targetQueue": "queue://q"
    });
    let matched = count(&mapping, &inbound, &events, |event| {
        text(event, "topicName").starts_with("v2.detail.events.conversation.")
            && event["eventBody"]["direction"] == "INBOUND"
    });
    assert!(matched > 10, "{matched}");
}

/// A queue's conversations name the queue in their topic, and not always in their bodies.
#[test]
fn genesys_queues_and_users_are_found_by_their_topics() {
    let Some(folder) = corpus("genesys-notifications") else { return };
    let events = lines(&folder.join("events.ndjson"));
    for (kind, key, before, after) in [
        ("routing.queue.conversation", "queueIds", "v2.routing.queues.", ".conversations"),
        ("user.presence", "userIds", "v2.users.", ".presence"),
        ("user.routing", "userIds", "v2.users.", ".routingStatus"),
    ] {
        let own = |event: &Value| {
            let topic = text(event, "topicName").strip_prefix(before)?.strip_suffix(after)?;
            Some(topic.to_owned())
        };
        let id = events.iter().find_map(|event| own(&event.value)).unwrap();
        let rule = json!({
            "eventType": kind, "filters": { key: [id] }, "targetQueue": "queue://q"
        });
        let graph = compile(&Mapping::genesys_cloud(), &rule, None);
        let of_topic: Vec<&Event> =
            events.iter().filter(|event| own(&event.value).as_ref() == Some(&id)).collect();
        assert!(!of_topic.is_empty());
        assert!(of_topic.iter().all(|event| matches(&graph, event) == Ok(true)), "{kind}");
    }
}

/// One tenant's events pass its own check, and the customer's company is not taken for it.
#[test]
fn genesys_organisations() {
    let Some(folder) = corpus("genesys-notifications") else { return };
    let events = lines(&folder.join("events.ndjson"));
    let own = events.iter().map(|e| text(&e.value, "eventBody.organizationId"));
    let own = own.filter(|id| !id.is_empty()).max().unwrap().to_owned();
    let rule = json!({ "eventType": ">", "targetQueue": "queue://q" });
    let graph = compile(&Mapping::genesys_cloud(), &rule, Some(&own));
    let (mut foreign, mut customers) = (0, 0);
    for event in &events {
        let named = at(&event.value, "eventBody.organizationId");
        let is_foreign = named.iter().any(|id| **id != json!(own));
        let names_customer = event.raw.contains("externalOrganization");
        assert_eq!(matches(&graph, event).is_err(), is_foreign, "{}", event.raw);
        foreign += usize::from(is_foreign);
        customers += usize::from(names_customer && !is_foreign);
    }
    assert!(foreign > 0 && customers > 0, "{foreign} {customers}");
}

#[test]
fn genesys_eventbridge() {
    let Some(folder) = corpus("genesys") else { return };
    let events = lines(&folder.join("events.ndjson"));
    let mapping = Mapping::genesys_eventbridge();
    every_place_matches("genesys-eventbridge", &mapping, &events, |path| {
        let path = path.trim_start_matches("detail.eventBody.");
        !matches!(path, "action" | "conversationId" | "direction" | "id" | "mediaType" | "userId")
    });
    let rule = json!({
        "eventType": "conversation.detail",
        "filters": { "channelType": "chat", "direction": "inbound" },
        "targetQueue": "queue://q"
    });
    let matched = count(&mapping, &rule, &events, |event| {
        event["detail"]["eventBody"]["mediaType"] == "CHAT"
    });
    assert_eq!(matched, 4);
}

#[test]
fn amazon_connect() {
    let Some(folder) = corpus("amazon-connect") else { return };
    let events = lines(&folder.join("events.ndjson"));
    let mapping = Mapping::amazon_connect();
    // The recording has no agent event: the published sample of one is not JSON.
    every_place_matches("amazon-connect", &mapping, &events, |path| {
        path.starts_with("CurrentAgentSnapshot.")
            || path.to_lowercase().ends_with("routingprofilearn")
            || matches!(path, "AgentARN" | "detail.agentInfo.agentArn" | "initialContactId")
    });

    let voice = json!({
        "eventType": "contact.lifecycle",
        "filters": { "channelType": "voice" },
        "targetQueue": "queue://q"
    });
    let matched = count(&mapping, &voice, &events, |event| {
        event["channel"] == "VOICE" || event["detail"]["channel"] == "Voice"
    });
    assert_eq!(matched, 2);

    let rule = json!({ "eventType": ">", "targetQueue": "queue://q" });
    let own = text(&events[1].value, "instanceArn").to_owned();
    let graph = compile(&mapping, &rule, Some(&own));
    for event in &events {
        let named = [at(&event.value, "instanceArn"), at(&event.value, "detail.instanceArn")];
        let is_foreign = named.concat().iter().any(|arn| **arn != json!(own));
        assert_eq!(matches(&graph, event).is_err(), is_foreign, "{}", event.raw);
    }
}

/// The recording holds the payloads of a worker's socket and, beside them, the names that its test
/// suite gives them; the socket's own names are those of `twilio-taskrouter.js`.
fn twilio(folder: &Path) -> Vec<Event> {
    let index = fs::read_to_string(folder.join("index.tsv")).unwrap();
    let names = index.lines().skip(1).map(|line| line.split('\t').nth(1).unwrap_or_default());
    let payloads = lines(&folder.join("events.ndjson"));
    let wire = |name: &str| match name.trim_start_matches("events.") {
        "worker.activityUpdated" => "worker.activity.update".into(),
        "worker.attributesUpdated" => "worker.attributes.update".into(),
        "channel.capacityUpdated" => "worker.capacity.update".into(),
        "channel.availabilityUpdated" => "worker.channel.availability.update".into(),
        "reservation.timedOut" => "reservation.timeout".into(),
        "reservation.wrapping" => "reservation.wrapup".into(),
        "reservation.createdByColdTransfer" => "reservation.created".into(),
        "task.wrappedUp" => "task.wrapup".into(),
        "task.transferAttemptFailed" => "task.transfer-attempt-failed".into(),
        name if name.starts_with("reservation.canceled") => "reservation.canceled".into(),
        name => name.replace("task.transfer", "task.transfer-").to_lowercase(),
    };
    names
        .zip(payloads)
        .map(|(name, payload)| {
            Event::new(json!({ "event_type": wire(name), "payload": payload.value }))
        })
        .collect()
}

#[test]
fn twilio_taskrouter() {
    let Some(folder) = corpus("twilio-taskrouter") else { return };
    let events = twilio(&folder);
    let mapping = Mapping::twilio_taskrouter();
    every_place_matches("twilio-taskrouter", &mapping, &events, |p| !p.starts_with("payload."));

    let rule = json!({
        "eventType": "reservation",
        "filters": { "queueIds": "WQxxx", "channelType": "voice" },
        "targetQueue": "queue://q"
    });
    let matched = count(&mapping, &rule, &events, |event| {
        let task = &event["payload"]["task"];
        task["queue_sid"] == "WQxxx" && task["task_channel_unique_name"] == "voice"
    });
    assert_eq!(matched, 3);

    let any = json!({ "eventType": ">", "targetQueue": "queue://q" });
    let graph = compile(&mapping, &any, Some("ACxxx"));
    let refused = events.iter().filter(|event| matches(&graph, event).is_err());
    let refused: Vec<&str> =
        refused.map(|event| text(&event.value, "payload.account_sid")).collect();
    assert_eq!(refused, ["account"]);
}

#[test]
fn github_archive() {
    let Some(folder) = corpus("gharchive-2021") else { return };
    let events = lines(&folder.join("events.ndjson"));
    let mapping = Mapping::github();
    // What webhooks alone have.
    every_place_matches("github", &mapping, &events, |path| {
        let path = path.trim_start_matches("payload.");
        let (member, _) = path.split_once('.').unwrap_or((path, ""));
        let hooks = ["check_run", "check_suite", "workflow_run", "deployment", "installation"];
        hooks.contains(&member)
            || ["organization", "repository", "sender", "label"].contains(&member)
    });

    let rule = json!({
        "eventType": "pull_request",
        "filters": { "action": "closed", "merged": true },
        "targetQueue": "queue://q"
    });
    let matched = count(&mapping, &rule, &events, |event| {
        event["type"] == "PullRequestEvent"
            && event["payload"]["action"] == "closed"
            && event["payload"]["pull_request"]["merged"] == true
    });
    assert!(matched > 0);

    let pushes = json!({
        "eventType": "PushEvent",
        "filters": { "refs": ["refs/heads/main", "refs/heads/master"] },
        "targetQueue": "queue://q"
    });
    let matched = count(&mapping, &pushes, &events, |event| {
        let branch = text(event, "payload.ref");
        event["type"] == "PushEvent" && matches!(branch, "refs/heads/main" | "refs/heads/master")
    });
    assert!(matched > 100, "{matched}");
}
