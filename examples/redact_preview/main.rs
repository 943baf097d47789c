//! Shows what a redaction policy makes of events, side by side.
//!
//! ```sh
//! cargo run -p cofferdam-examples --example redact_preview
//! cargo run -p cofferdam-examples --example redact_preview -- policy.json events.ndjson
//! cargo run -p cofferdam-examples --example redact_preview -- policy.json events.ndjson --html preview.html
//! ```
//!
//! Without a policy and events it shows a sample. Events stand one on a line. In a terminal what goes is red and
//! what stands there instead is green, unless `NO_COLOR` is set. Hashes and tokens are made with a key of this run:
//! equal values are equal in it, and nowhere else. It ends with 0; with 1 if an event was refused, and 3
//! for wrong usage.
//!
//! **It shows what redaction hides.** Use it on events that you may see.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program reads files and talks to a terminal"
)]

mod html;
mod rows;
mod terminal;

use std::{fs, io::IsTerminal, process::ExitCode, sync::Arc};

use clap::Parser;
use cofferdam::{
    json,
    redact::{
        MemoryVault, Policy, PolicyDocument, PolicyLimits, RedactionKey, Report, Scratch, Vault,
    },
};
use rows::Row;

const USAGE: u8 = 3;
/// So many places are named for each event.
const PLACES: usize = 64;

const SAMPLE_POLICY: &str = r#"{
  "tenantId": "acme-retail-na",
  "redactionRules": [
    { "id": "caller", "path": "$..caller.phoneNumber", "strategy": "mask", "format": "***-**-*XX" },
    { "id": "contact", "path": "$..contactId", "strategy": "hash" },
    { "id": "born", "path": "$..birthDate", "strategy": "generalize", "to": "year" },
    { "id": "recording", "path": "$..recordingUrl", "strategy": "omit" },
    { "id": "card", "path": "$.payload..card", "strategy": "replace", "value": "[card]", "decode": "json" },
    { "id": "callbacks", "path": "$..callbacks", "strategy": "hash", "target": "names" }
  ]
}"#;

const SAMPLE_EVENTS: &str = r#"{"topic":"interaction.started","interaction":{"contactId":"c-1","caller":{"phoneNumber":"+15558675309","birthDate":"1984-07-01"}}}
{"topic":"interaction.ended","interaction":{"contactId":"c-1","recordingUrl":"https://records.example/1","callbacks":{"+15558675309":1,"+15552368000":2}},"payload":"{\"order\":7,\"items\":[{\"card\":\"4111 1111 1111 1111\"}]}"}
"#;

/// Shows what a redaction policy makes of events.
#[derive(Parser)]
struct Arguments {
    /// The policy's file; a sample without it.
    #[arg(requires = "events")]
    policy: Option<String>,
    /// The events' file, one event on a line.
    events: Option<String>,
    /// Write a page instead.
    #[arg(long)]
    html: Option<String>,
    /// Show at most so many events.
    #[arg(long, default_value_t = 20)]
    most: usize,
}

/// One event, before and after.
struct Preview {
    rows: Vec<Row>,
    /// Which rules fired, and where.
    fired: Vec<(String, String)>,
    /// Why there is no after.
    refused: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match run(&arguments) {
        Ok(refused) => ExitCode::from(u8::from(refused)),
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(USAGE)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let read = |path: &String| fs::read(path).map_err(|error| format!("{path}: {error}"));
    let (policy, events) = match (&arguments.policy, &arguments.events) {
        (Some(policy), Some(events)) => (read(policy)?, read(events)?),
        _ => (SAMPLE_POLICY.as_bytes().to_vec(), SAMPLE_EVENTS.as_bytes().to_vec()),
    };
    let lines = events.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let mut previewer = Previewer::new(&policy)?;
    let previews: Vec<Preview> =
        lines.take(arguments.most).map(|event| previewer.preview(event)).collect();
    match &arguments.html {
        Some(path) => {
            let page = html::page(&previews);
            fs::write(path, page).map_err(|error| format!("{path}: {error}"))?;
            println!("{} events in {path}", previews.len());
        }
        None => {
            let coloured =
                std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            print!("{}", terminal::text(&previews, coloured));
        }
    }
    Ok(previews.iter().any(|preview| preview.refused.is_some()))
}

struct Previewer {
    policy: Policy,
    checked: json::Scratch,
    scratch: Scratch,
    report: Report,
}

impl Previewer {
    fn new(document: &[u8]) -> Result<Self, String> {
        let mut checked = json::Scratch::new(random()?);
        let mut document =
            PolicyDocument::parse(document, &mut checked).map_err(|error| error.to_string())?;
        // A dry run is tried here; what it would do is what is shown.
        document.dry_run = false;
        let mut root = [0; 32];
        root[..16].copy_from_slice(&random()?);
        root[16..].copy_from_slice(&random()?);
        let vault: Arc<dyn Vault> = Arc::new(MemoryVault::new(1 << 16));
        let (key, limits) = (RedactionKey::new(root, 1), PolicyLimits::default());
        let policy = Policy::compile_with_vault(&document, &key, limits, &vault)
            .map_err(|error| error.to_string())?;
        Ok(Self { policy, checked, scratch: Scratch::new(), report: Report::with_places(PLACES) })
    }

    fn preview(&mut self, event: &[u8]) -> Preview {
        let refused =
            |why: String| Preview { rows: Vec::new(), fired: Vec::new(), refused: Some(why) };
        if let Err(fault) = json::check(event, &json::Limits::default(), &mut self.checked) {
            return refused(fault.to_string());
        }
        let mut after = Vec::new();
        let done =
            self.policy.redact_and_report(event, &mut after, &mut self.scratch, &mut self.report);
        if let Err(reason) = done {
            return refused(reason.to_string());
        }
        let trees = (serde_json::from_slice(event), serde_json::from_slice(&after));
        let (Ok(before), Ok(after)) = trees else {
            return refused(String::from("not to be shown as a tree"));
        };
        let name = |rule: usize| match self.policy.rule_id(rule) {
            Some(id) => id.to_owned(),
            None => format!("rule {rule}"),
        };
        let fired = self.report.places().map(|(rule, place)| (name(rule), place.to_owned()));
        Preview { rows: rows::side_by_side(&before, &after), fired: fired.collect(), refused: None }
    }
}

fn random() -> Result<[u8; 16], String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| String::from("no random bytes to be had"))?;
    Ok(bytes)
}
