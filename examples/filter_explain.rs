//! Says of each rule of a subscription document why an event matches it or does not.
//!
//! ```sh
//! cargo run -p cofferdam-examples --example filter_explain
//! cargo run -p cofferdam-examples --example filter_explain -- rules.json genesys-cloud event.json 2
//! ```
//!
//! Without arguments it explains a sample. Otherwise they are a document, a platform or a mapping's
//! file, an event, and the rule to explain, counted from 0, if it is to be one alone. It ends with 0 if some
//! rule matches, 1 if none does, 3 for wrong usage. What it shows of the event is where things stand.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program reads files and talks to a terminal"
)]

use std::{fs, process::ExitCode};

use cofferdam::filter::{Mapping, SubscriptionDocument, explain};

const USAGE: u8 = 3;

const DOCUMENT: &str = r#"{
  "tenantId": "acme-retail-na",
  "subscriptions": [
    {
      "eventType": "v2.users.*.presence",
      "targetQueue": "queue://presence"
    },
    {
      "eventType": "routing.queue.conversation",
      "filters": { "direction": "inbound", "state": ["connected", "alerting"] },
      "targetQueue": "queue://calls"
    },
    {
      "eventPattern": {
        "eventBody": {
          "participants": { "purpose": ["customer"], "state": [{ "anything-but": "disconnected" }] },
          "$or": [{ "waitSeconds": [{ "numeric": [">=", 30] }] }, { "priority": ["high"] }]
        }
      },
      "targetQueue": "queue://waiting"
    }
  ]
}"#;

const EVENT: &str = r#"{
  "topicName": "v2.routing.queues.6f1c.conversations",
  "eventBody": {
    "participants": [
      { "purpose": "agent", "state": "connected", "direction": "inbound" },
      { "purpose": "customer", "state": "disconnected" }
    ],
    "waitSeconds": 45
  }
}"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let explained = match *arguments {
        [] => {
            println!("{DOCUMENT}\n\n{EVENT}\n");
            report(DOCUMENT.as_bytes(), "genesys-cloud", EVENT.as_bytes(), None)
        }
        [document, platform, event] => files(document, platform, event, None),
        [document, platform, event, rule] => match rule.parse() {
            Ok(rule) => files(document, platform, event, Some(rule)),
            Err(_) => Err(format!("{rule} is not the number of a rule")),
        },
        _ => Err(String::from("usage: filter_explain DOCUMENT PLATFORM EVENT [RULE]")),
    };
    match explained {
        Ok(matches) => ExitCode::from(u8::from(!matches)),
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(USAGE)
        }
    }
}

fn files(document: &str, platform: &str, event: &str, rule: Option<usize>) -> Result<bool, String> {
    let read = |path: &str| fs::read(path).map_err(|error| format!("{path}: {error}"));
    report(&read(document)?, platform, &read(event)?, rule)
}

/// Explains the rules, or the one. Whether one of them matches.
fn report(
    document: &[u8],
    platform: &str,
    event: &[u8],
    rule: Option<usize>,
) -> Result<bool, String> {
    let document = SubscriptionDocument::parse(document).map_err(|error| error.to_string())?;
    let mapping = mapping(platform)?;
    if let Some(rule) = rule.filter(|rule| *rule >= document.subscriptions.len()) {
        return Err(format!("there is no rule {rule}"));
    }
    let mut matches = false;
    for (number, subscription) in document.subscriptions.iter().enumerate() {
        if rule.is_some_and(|rule| rule != number) {
            continue;
        }
        // Whose event it is, only a connection's context can say.
        let explanation = explain(subscription, &mapping, None, event)
            .map_err(|error| format!("rule {number}: {error}"))?;
        matches |= explanation.matches();
        let text = explanation.to_string().replace('\n', "\n  ");
        println!("rule {number} to {}: {text}", subscription.target_queue);
    }
    Ok(matches)
}

fn mapping(platform: &str) -> Result<Mapping, String> {
    Ok(match platform {
        "genesys-cloud" => Mapping::genesys_cloud(),
        "genesys-eventbridge" => Mapping::genesys_eventbridge(),
        "nice-cxone" => Mapping::nice_cxone(),
        "amazon-connect" => Mapping::amazon_connect(),
        "twilio-taskrouter" => Mapping::twilio_taskrouter(),
        "github" => Mapping::github(),
        path => {
            let text = fs::read_to_string(path).map_err(|error| {
                format!("{path} is no platform of ours, and as a file: {error}")
            })?;
            Mapping::parse(&text).map_err(|error| format!("{path}: {error}"))?
        }
    })
}
