//! Two days of a platform that changes its events without a word: what the drift report says of it, and how a
//! new version of the schema comes into force.
//!
//! ```sh
//! cargo run -p cofferdam-examples --example schema_drift
//! ```
//!
//! The first day's events fit the schema. On the second the platform adds a field, sends a number as a text,
//! drops a field and has a new state. The schema is tolerant of what has grown, and refuses the number.
//! A first candidate for a new version is made in haste and rolled back by its rule; a second one is
//! promoted. Time is virtual, the events are drawn from a seed.
#![allow(clippy::print_stdout, reason = "a program that talks to a terminal")]

use std::{error::Error, time::Duration};

use cofferdam_core::{Machine, Now, TenantId};
use cofferdam_schema::{
    Checker, Effect, Envelope, Governor, Input, Policy, Registration, Registry, SchemaKey, Scratch,
    Share, Verdict,
    drift::{Drift, DriftLimits},
    governor::{Rule, Trial},
};
use serde_json::{Value, json};

/// What the platform documents.
const DOCUMENTED: &str = r#"{
  "type": "object",
  "properties": {
    "id": { "type": "string" },
    "state": { "enum": ["AVAILABLE", "BUSY", "AWAY"] },
    "waitSeconds": { "type": "integer" },
    "division": { "type": "string" },
    "user": {
      "type": "object",
      "properties": { "id": { "type": "string" }, "name": { "type": "string" } },
      "additionalProperties": false
    }
  },
  "additionalProperties": false
}"#;

/// One event of one hour; `day` is 1 or 2.
fn event(day: u32, rng: &mut fastrand::Rng) -> Vec<u8> {
    let id = format!("{:016x}", rng.u64(..));
    let states = ["AVAILABLE", "BUSY", "AWAY", "ON_QUEUE"];
    let mut body = json!({
        "id": id,
        "state": states[rng.usize(..if day == 1 { 3 } else { 4 })],
        "waitSeconds": rng.u32(0..90),
        "division": "north",
        "user": { "id": format!("u-{}", rng.u8(..)), "name": "Rosa Iglesias" },
    });
    if day == 2 {
        body["user"]["pronouns"] = json!("she/her");
        if rng.u8(0..20) == 0 {
            body["waitSeconds"] = json!(body["waitSeconds"].to_string());
        }
        if let Some(members) = body.as_object_mut() {
            members.remove("division");
        }
    }
    let topic = format!("v2.users.{id}.activity");
    json!({ "topicName": topic, "version": "2", "eventBody": body }).to_string().into()
}

/// The parts of a gateway that have to do with schemas.
struct Gateway {
    tenant: TenantId,
    key: SchemaKey,
    registry: Registry,
    checker: Checker,
    scratch: Scratch,
    governor: Governor,
    rng: fastrand::Rng,
    now: Now,
}

impl Gateway {
    fn new() -> Result<Self, Box<dyn Error>> {
        let key = SchemaKey::new("genesys-cloud", "v2.users.{id}.activity", "2")?;
        let mut registry = Registry::default();
        registry.register(
            &Registration::new(key.clone(), DOCUMENTED.as_bytes())
                .policy(Policy::Tolerant)
                .critical("/id"),
        )?;
        Ok(Self {
            tenant: TenantId::parse("acme-retail-na")?,
            key,
            checker: Checker::new(Envelope::genesys_cloud(), &registry, [7; 16]),
            registry,
            scratch: Scratch::new([1; 16]).with_drift(Drift::new(DriftLimits::default())),
            governor: Governor::new(),
            rng: fastrand::Rng::with_seed(7),
            now: Now::from_millis(0, 0),
        })
    }

    /// So many hours of events, 500 each; the counts go to the governor every ten minutes.
    fn run(&mut self, day: u32, hours: u32) -> Result<(), Box<dyn Error>> {
        let (mut fit, mut tolerated, mut refused) = (0, 0, 0);
        for _ in 0..hours * 6 {
            for _ in 0..83 {
                let event = event(day, &mut self.rng);
                match self.checker.judge(&self.tenant, &event, &mut self.scratch) {
                    Verdict::Conforms => fit += 1,
                    Verdict::Tolerated { .. } => tolerated += 1,
                    _ => refused += 1,
                }
            }
            self.now = self.now.after(Duration::from_secs(600));
            for report in self.scratch.take_reports() {
                self.tell(Input::Report(report))?;
            }
            let mut effects = Vec::new();
            self.governor.handle_timeout(self.now, &mut effects);
            self.carry_out(effects)?;
        }
        println!("day {day}, {hours} h: {fit} fit, {tolerated} tolerated, {refused} refused");
        Ok(())
    }

    fn tell(&mut self, input: Input) -> Result<(), Box<dyn Error>> {
        let mut effects = Vec::new();
        self.governor.handle_input(input, self.now, &mut effects);
        self.carry_out(effects)
    }

    /// What a driver does: installs courses, and writes facts into the audit log.
    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Box<dyn Error>> {
        for effect in effects {
            match effect {
                Effect::Install { tenant, key, course } => {
                    self.registry.install(&tenant, &key, &course)?;
                    self.checker = self.checker.with_registry(&self.registry);
                }
                Effect::Happened { tenant, key, fact } => {
                    let hours = self.now.since(Now::default()).as_secs() / 3_600;
                    println!("  {hours:2} h  audit {tenant}: {key}: {fact}");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn report(&self) {
        if let Some(drift) = self.scratch.drift() {
            println!("\n{}", drift.report(&self.tenant));
        }
    }

    /// Tries a document as a new version on a fifth of the events.
    fn try_out(&mut self, version: &str, document: &Value) -> Result<(), Box<dyn Error>> {
        let key = self.key.with_version(version)?;
        let document = document.to_string();
        let registration = Registration::new(key, document.as_bytes());
        self.registry.register(&registration.policy(Policy::Tolerant).critical("/id"))?;
        let rule = Rule { at_least: 200, ..Rule::default() };
        let trial = Trial::new(version, Share::percent(20), rule);
        let (tenant, key) = (self.tenant.clone(), self.key.clone());
        self.tell(Input::Begin { tenant, key, trial })
    }

    fn differences(&self) {
        if let Some(comparison) = self.governor.comparison(&self.tenant, &self.key) {
            println!("  compared so far: {}", comparison.compared);
            for (path, kind, count) in comparison.differences() {
                println!(
                    "    {path} ({}): the version in force alone {}, the candidate alone {}",
                    kind.as_str(),
                    count.in_force_alone,
                    count.candidate_alone
                );
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut gateway = Gateway::new()?;
    gateway.run(1, 24)?;
    gateway.report();
    if let Some(drift) = gateway.scratch.drift_mut() {
        drift.turn();
    }

    gateway.run(2, 2)?;
    gateway.report();

    println!("a candidate, made in haste: the new field and state, and the number as a text");
    let mut hasty: Value = serde_json::from_str(DOCUMENTED)?;
    hasty["properties"]["state"]["enum"] = json!(["AVAILABLE", "BUSY", "AWAY", "ON_QUEUE"]);
    hasty["properties"]["user"]["properties"]["pronouns"] = json!({ "type": "string" });
    hasty["properties"]["waitSeconds"]["type"] = json!("string");
    gateway.try_out("2-hasty", &hasty)?;
    gateway.run(2, 1)?;
    gateway.differences();
    gateway.run(2, 2)?;

    println!("\nanother one, which takes the number as both");
    hasty["properties"]["waitSeconds"]["type"] = json!(["integer", "string"]);
    gateway.try_out("2-both", &hasty)?;
    gateway.run(2, 1)?;
    gateway.differences();
    gateway.run(2, 3)?;
    Ok(())
}
