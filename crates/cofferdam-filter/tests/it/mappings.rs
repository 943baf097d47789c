//! The shipped mappings on this crate's own samples, which need nothing that is not here.

use cofferdam_filter::Mapping;
use serde_json::{Value, json};

use super::platforms::{
    Event, PLATFORMS, Plain, at, compile, count, count_by_key, count_by_type, matches, samples,
    some_values,
};

/// A path that leads nowhere in the sample would be a path that nothing holds.
#[test]
fn every_place_of_every_key_is_found_and_matched() {
    for (platform, mapping) in PLATFORMS {
        let (plain, mapping, events) = (Plain::new(platform), mapping(), samples(platform));
        for (key, places) in plain.keys() {
            let flat = plain.flat(places, &events);
            for place in places.as_array().unwrap() {
                let wanted = some_values(&plain.flat(&json!([place]), &events));
                assert!(!wanted.is_empty(), "{platform}: {key} is nowhere at {place}");
                let matched = count_by_key((&plain, &mapping), (key, &flat), &wanted, &events);
                assert!(matched > 0, "{platform}: {key} at {place}");
            }
        }
    }
}

#[test]
fn every_short_type_name_matches_its_types_and_no_other() {
    for (platform, mapping) in PLATFORMS {
        let (plain, mapping, events) = (Plain::new(platform), mapping(), samples(platform));
        for (name, patterns) in plain.types() {
            let matched = count_by_type((&plain, &mapping), (name, &patterns), &events);
            assert!(matched > 0 && matched < events.len(), "{platform}: {name} matches {matched}");
        }
    }
}

/// Each spelling by itself is found, so that none of them is a guess that nothing holds.
#[test]
fn every_name_of_a_value_matches_each_of_its_spellings() {
    for (platform, mapping) in PLATFORMS {
        let (plain, mapping, events) = (Plain::new(platform), mapping(), samples(platform));
        for (key, places) in plain.keys() {
            let flat = plain.flat(places, &events);
            for (name, spellings) in plain.names(key) {
                let rule = (key, flat.as_slice());
                let by = |wanted| count_by_key((&plain, &mapping), rule, &[wanted], &events);
                let by_name = by(Value::from(name));
                for spelling in spellings {
                    let matched = by(spelling.clone());
                    assert!(matched > 0 && matched <= by_name, "{platform}: {key} {spelling}");
                }
            }
        }
        let keys: Vec<&str> = plain.keys().into_iter().map(|(key, _)| key).collect();
        assert!(plain.named_keys().iter().all(|key| keys.contains(key)), "{platform}");
    }
}

/// The document of the project's API, on bodies as the platform's schemas have them: the call says
/// nowhere but in its topic that it is voice, and the queue's agents are `IDLE`.
#[test]
fn the_sample_document_matches_what_genesys_sends() {
    let events = samples("genesys-cloud");
    let calls = json!({
        "eventType": "telephony.call",
        "filters": { "direction": "inbound", "channelType": "voice" },
        "targetQueue": "kafka://tenant-acme/telephony-events"
    });
    let matched = count(&Mapping::genesys_cloud(), &calls, &events, |event| {
        let is_call =
            event["topicName"].as_str().is_some_and(|t| t.ends_with("conversations.calls"));
        let of_users = event["topicName"].as_str().is_some_and(|t| t.starts_with("v2.users."));
        let inbound = |path| at(event, path).contains(&&json!("inbound"));
        let is_inbound =
            inbound("eventBody.direction") || inbound("eventBody.participants.direction");
        is_call && of_users && is_inbound
    });
    assert_eq!(matched, 2);
    let occupancy = json!({
        "eventType": "routing.queue.occupancy",
        "filters": { "queueIds": ["q-1", "q-2"], "state": ["available", "busy"] },
        "targetQueue": "kafka://tenant-acme/routing-events"
    });
    let matched = count(&Mapping::genesys_cloud(), &occupancy, &events, |event| {
        let queue = at(event, "eventBody.group.queueId").contains(&&json!("q-1"))
            || at(event, "eventBody.group.queueId").contains(&&json!("q-2"));
        queue && !at(event, "eventBody.data.metrics.qualifier").is_empty()
    });
    assert_eq!(matched, 2);
}

/// What no body of the topic holds stands in the topic: presence does not say whose it is.
#[test]
fn a_user_is_found_by_the_topic_of_a_presence() {
    let rule = json!({
        "eventType": "user.presence",
        "filters": { "userIds": "u-1" },
        "targetQueue": "queue://q"
    });
    let events = samples("genesys-cloud");
    let matched = count(&Mapping::genesys_cloud(), &rule, &events, |event| {
        event["topicName"] == "v2.users.u-1.presence"
    });
    assert_eq!(matched, 1);
}

/// For each platform: who the tenant is, where another is refused, and who else is named in an
/// event without being the tenant.
#[test]
fn the_tenants_own_organisation_is_checked_and_nobody_elses() {
    let instance = "arn:aws:connect:us-west-2:111122223333:instance/i-1";
    for (platform, own, other) in [
        ("genesys-cloud", "org-1", "org-of-the-customer"),
        ("genesys-eventbridge", "org-1", "123456789012"),
        ("nice-cxone", "7700", "t-uuid-1"),
        ("amazon-connect", instance, "111122223333"),
        ("twilio-taskrouter", "AC1", "AC0"),
        ("github", "9001", "acme"),
    ] {
        let (_, mapping) = PLATFORMS.into_iter().find(|(name, _)| *name == platform).unwrap();
        let rule = json!({ "eventType": ">", "targetQueue": "queue://q" });
        let graph = compile(&mapping(), &rule, Some(own));
        for event in samples(platform) {
            assert!(matches(&graph, &event).is_ok(), "{platform}: {}", event.raw);
        }
        let graph = compile(&mapping(), &rule, Some(other));
        let refused = samples(platform).iter().filter(|e| matches(&graph, e).is_err()).count();
        assert!(refused > 0, "{platform}: nothing is refused");
    }
}

/// CXone writes its business unit as a string in one stream and as a number in another.
#[test]
fn a_number_is_the_organisation_that_its_digits_are() {
    let rule = json!({ "eventType": ">", "targetQueue": "queue://q" });
    let graph = compile(&Mapping::nice_cxone(), &rule, Some("7700"));
    let event = |unit: Value| Event::new(json!({ "Type": "AgentSessionStart", "BusNo": unit }));
    for own in [json!("7700"), json!(7700), json!(7700.0)] {
        assert_eq!(matches(&graph, &event(own.clone())), Ok(true), "{own}");
    }
    for other in [json!("7701"), json!(7701), json!("7700.0"), json!(7700.5), Value::Null] {
        assert!(matches(&graph, &event(other.clone())).is_err(), "{other}");
    }
}

/// A webhook's type is a header. Its body alone has none, so that it matches nothing; wrapped, it
/// matches, and the members of whoever wrote the body stay below `payload`.
#[test]
fn a_webhook_is_matched_in_its_wrapper_alone() {
    let rule = json!({ "eventType": "push", "targetQueue": "queue://q" });
    let graph = compile(&Mapping::github(), &rule, None);
    let body = json!({ "ref": "refs/heads/main", "repository": { "name": "push" } });
    assert_eq!(matches(&graph, &Event::new(body.clone())), Ok(false));
    let wrapped = Event::new(json!({ "name": "push", "payload": body }));
    assert_eq!(matches(&graph, &wrapped), Ok(true));
    let forged = json!({ "name": "issues", "payload": { "name": "push", "type": "PushEvent" } });
    assert_eq!(matches(&graph, &Event::new(forged)), Ok(false));
}
