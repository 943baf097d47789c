//! R06, promise 4: secrets in every field that has any, and none of them in any output.
//!
//! The generator plants a mark in every personal value. Thousands of its frames go through a
//! compartment whose policy is the demo's, extended until it names every planted field; then every
//! byte that comes out, in every form that this project can give it, is searched.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use cofferdam::{
    Compartment, Effect, Fate, Input, Receipt, cursor, filter, json,
    queue::{
        self, ConsumerId, DeliveryId, LaneConfig,
        dead_letter::{Cause, DeadLetter, TenantSeal},
    },
    redact,
};
use cofferdam_core::{Denied, Machine, Now, pipeline::Redact};
use cofferdam_sim::{
    generator::{Fleet, FrameKind, Profile, SecretField, Secrets, TenantStream},
    rng,
};
use serde_json::{Value, json};

use super::world::{Disk, at, bound, context, graph, parts, policy};

const FRAMES: usize = 6_000;
const LANE: &str = "queue://all";

/// The demo's policy, in the gateway's example.
fn demo_rules() -> Vec<Value> {
    vec![
        json!({ "path": "$..caller.phoneNumber", "strategy": "mask", "format": "***-**-*XX" }),
        json!({ "path": "$..interaction.contactId", "strategy": "hash", "algorithm": "SHA-256" }),
        json!({ "path": "$..telephony.call.recordingUrl", "strategy": "omit" }),
        json!({ "path": "$..participants[*].name", "strategy": "mask" }),
        json!({ "path": "$..ani", "strategy": "mask", "format": "***-**-*XX" }),
        json!({ "path": "$..dnis", "strategy": "mask", "format": "***-**-*XX" }),
        json!({ "path": "$..address", "strategy": "mask" }),
        json!({ "path": "$..attributes", "strategy": "omit" }),
    ]
}

/// What the demo leaves to be said: the rest of the fields in which the generator plants.
fn covering_rules() -> Vec<Value> {
    let masked = [
        "name",
        "nameRaw",
        "addressRaw",
        "addressTo",
        "addressFrom",
        "callbackNumbers",
        "callbackUserName",
        "transcript",
    ];
    let masked = masked.iter().map(|n| json!({ "path": format!("$..{n}"), "strategy": "mask" }));
    let omitted = ["additionalProperties", "journeyContext"];
    let omitted = omitted.iter().map(|n| json!({ "path": format!("$..{n}"), "strategy": "omit" }));
    demo_rules().into_iter().chain(masked).chain(omitted).collect()
}

/// Everything that left the compartment, one text or byte string after the other.
struct Outputs {
    secrets: Secrets,
    bytes: u64,
    found: BTreeMap<&'static str, Vec<Option<SecretField>>>,
}

impl Outputs {
    fn search(&mut self, place: &'static str, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let found = self.secrets.all(bytes).map(|leak| leak.field);
        let found: Vec<_> = found.collect();
        if !found.is_empty() {
            self.found.entry(place).or_default().extend(found);
        }
    }

    fn debug(&mut self, place: &'static str, shown: &dyn std::fmt::Debug) {
        let mut text = String::new();
        write!(text, "{shown:?} {shown:#?}").unwrap();
        self.search(place, text.as_bytes());
    }
}

/// One run: what was found, and what went through.
struct Run {
    outputs: Outputs,
    planted: u64,
    queued: u64,
    letters: u64,
    refused: u64,
}

struct Rig {
    compartment: Compartment,
    disk: Disk,
    deliveries: Vec<(ConsumerId, DeliveryId)>,
    run: Run,
    now: Now,
    seal: TenantSeal,
}

impl Rig {
    fn new(rules: &[Value]) -> Self {
        let policy = policy("acme-retail-na", &Value::from(rules));
        let lane = LaneConfig {
            visibility: Duration::from_millis(30),
            max_attempts: 2,
            max_in_flight: 64,
            ..LaneConfig::new(LANE)
        };
        let graph = graph("acme-retail-na", &[(">", LANE)]);
        let parts = parts("acme-retail-na", vec![lane], graph, policy);
        let fleet = Fleet::new(97, 3);
        let secrets = Secrets::of(&fleet.tenants()[0]);
        let outputs = Outputs { secrets, bytes: 0, found: BTreeMap::new() };
        Self {
            compartment: bound("acme-retail-na", parts),
            disk: Disk::default(),
            deliveries: Vec::new(),
            run: Run { outputs, planted: 0, queued: 0, letters: 0, refused: 0 },
            now: at(0),
            seal: TenantSeal::new([9; 32]),
        }
    }

    fn tell(&mut self, input: Input) {
        self.run.outputs.debug("debug of an input", &input);
        let mut effects = Vec::new();
        self.compartment.handle_input(input, self.now, &mut effects);
        self.carry_out(effects);
    }

    fn receive(&mut self, frame: &[u8]) {
        let marks = self.run.outputs.secrets.all(frame).count();
        self.run.planted += marks as u64;
        let mut effects = Vec::new();
        let context = context("acme-retail-na");
        let receipt = self.compartment.receive(&context, frame, self.now, &mut effects);
        self.run.outputs.debug("debug of a receipt", &receipt);
        match receipt {
            Receipt::Taken(Fate::Queued) => self.run.queued += 1,
            Receipt::Taken(Fate::Refused(reason)) => {
                self.run.refused += 1;
                self.run.outputs.search("display of a reason", reason.to_string().as_bytes());
                self.run
                    .outputs
                    .search("what a peer sees", Denied::default().to_string().as_bytes());
            }
            _ => {}
        }
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let outputs = &mut self.run.outputs;
        for effect in effects {
            outputs.debug("debug of an effect", &effect);
            match effect {
                Effect::Queue(queue::Effect::Deliver { consumer, delivery, event, .. }) => {
                    outputs.search("a delivery", event.body());
                    self.deliveries.push((consumer, delivery));
                }
                Effect::Queue(queue::Effect::DeadLetter {
                    lane, event, cause, attempts, ..
                }) => {
                    let lane = lane.and_then(|lane| self.compartment.queues().lane_name(lane));
                    let cause = Cause { lane, cause, attempts, first_ms: 0, last_ms: 0 };
                    let letter = DeadLetter::seal(&event, cause, &self.seal);
                    let (mut encoded, mut sealed) = (Vec::new(), Vec::new());
                    letter.encode(&mut encoded);
                    event.seal(&self.seal, &mut sealed);
                    outputs.search("a dead letter", &encoded);
                    outputs.search("a sealed event", &sealed);
                    outputs.debug("debug of a dead letter", &letter);
                    outputs.search("a replay", letter.open(&self.seal).unwrap().body());
                    self.run.letters += 1;
                }
                Effect::Queue(_) => {}
                Effect::Cursor(cursor::Effect::Write(write)) => {
                    outputs.debug("a cursor write", &write);
                    if let cursor::Write::Cursor(cursor) = write {
                        let keys = cursor::CursorKeys::new(1, &[7; 32]);
                        let token = keys.seal(&cursor, [9; 12]).unwrap();
                        outputs.search("a cursor token", token.to_string().as_bytes());
                    }
                }
                Effect::Cursor(stalled) => outputs.debug("a stall", &stalled),
                Effect::Audit(effect) => self.disk.take(effect),
            }
        }
    }

    /// Lets the disk write, time pass, and a consumer answer in every way.
    fn between(&mut self, rng: &mut fastrand::Rng) {
        while let Some(input) = self.disk.write() {
            self.tell(Input::Audit(input));
        }
        self.now = self.now.after(Duration::from_millis(rng.u64(0..20)));
        let mut effects = Vec::new();
        self.compartment.handle_timeout(self.now, &mut effects);
        self.carry_out(effects);
        let consumer = ConsumerId(1);
        self.tell(Input::Queue(queue::Input::Credit { consumer, n: 16 }));
        for (consumer, delivery) in std::mem::take(&mut self.deliveries) {
            let input = match rng.u8(..8) {
                0 => queue::Input::Nack { consumer, delivery },
                1 => continue, // its visibility timeout comes
                _ => queue::Input::Ack { consumer, delivery },
            };
            self.tell(Input::Queue(input));
        }
    }

    /// Everything that can be printed of the compartment's parts.
    fn print(&mut self) {
        let compartment = &self.compartment;
        let outputs = &mut self.run.outputs;
        outputs.debug("debug of the counts", &compartment.counts());
        outputs.debug("debug of the queues", compartment.queues());
        outputs.debug("debug of the log", compartment.log());
        outputs.debug("debug of the cursor", &compartment.cursor());
        let lane = compartment.queues().lane(LANE).unwrap();
        outputs.debug("debug of the gauges", &compartment.queues().gauges(lane, self.now));
        outputs.search("the audit file", &self.disk.leaves);
        outputs.search("the checkpoints", &self.disk.checkpoints);
    }
}

/// Marked frames through a compartment with this policy, and half as many damaged ones.
fn run(rules: &[Value]) -> Run {
    let mut rng = rng::seeded("canary", 97);
    let fleet = Fleet::new(97, 3);
    let mut stream = TenantStream::new(97, &fleet.tenants()[0], Profile::corpus().planted());
    let mut rig = Rig::new(rules);
    let (lane, consumer) = (String::from(LANE), ConsumerId(1));
    let attach = queue::Input::Attach { lane, consumer, context: context("acme-retail-na") };
    rig.tell(Input::Queue(attach));
    let mut frame = Vec::new();
    for number in 0..FRAMES {
        while stream.next_frame(&mut frame) != FrameKind::Event {}
        rig.receive(&frame);
        if number % 2 == 0 {
            // Cut, lengthened, or hit: errors on the way must not quote it.
            let mut damaged = frame.clone();
            match rng.u8(..3) {
                0 => damaged.truncate(rng.usize(..frame.len())),
                1 => damaged.extend_from_slice(&frame),
                _ => damaged[rng.usize(..frame.len())] = rng.u8(..),
            }
            // A hit on a name makes it another one, which no policy covers: not what is tested.
            if serde_json::from_slice::<Value>(&damaged).is_err() {
                rig.receive(&damaged);
                misused(&mut rig.run.outputs, &damaged);
            }
        }
        if number % 8 == 0 {
            rig.between(&mut rng);
            misused(&mut rig.run.outputs, &frame);
        }
    }
    rig.tell(Input::Queue(queue::Input::Close));
    rig.tell(Input::Flush);
    rig.between(&mut rng);
    rig.print();
    rig.run
}

/// An event where a document was expected: what the errors say of it.
fn misused(outputs: &mut Outputs, frame: &[u8]) {
    let mut scratch = json::Scratch::new([1; 16]);
    let mut errors: Vec<Box<dyn std::error::Error>> = Vec::new();
    errors.extend(filter::SubscriptionDocument::parse(frame).err().map(Into::into));
    errors.extend(redact::PolicyDocument::parse(frame, &mut scratch).err().map(Into::into));
    errors.extend(json::check(frame, &json::Limits::default(), &mut scratch).err().map(Into::into));
    for error in errors {
        outputs.search("display of an error", error.to_string().as_bytes());
        outputs.debug("debug of an error", &error);
    }
}

#[test]
fn no_planted_secret_is_in_any_output() {
    let run = run(&covering_rules());
    let Outputs { bytes, found, .. } = run.outputs;
    assert!(run.planted > 20_000, "{} marks went in", run.planted);
    assert!(run.queued >= FRAMES as u64 * 9 / 10, "{} of {FRAMES} queued", run.queued);
    assert!(run.letters > 20 && run.refused > 500, "{} {}", run.letters, run.refused);
    assert!(bytes > 5_000_000, "{bytes} bytes were searched");
    assert!(found.is_empty(), "{found:?}");
}

/// The test itself: leave any rule out, and the secrets of its field are found in the deliveries and
/// dead letters, and nowhere else.
#[test]
fn a_field_that_the_policy_misses_is_found() {
    let covering = covering_rules();
    for (missed, field) in [
        ("$..caller.phoneNumber", SecretField::CallerPhone),
        ("$..interaction.contactId", SecretField::ContactId),
        ("$..telephony.call.recordingUrl", SecretField::RecordingUrl),
        ("$..ani", SecretField::Ani),
        ("$..transcript", SecretField::Other),
    ] {
        let rules: Vec<_> =
            covering.iter().filter(|rule| rule["path"] != missed).cloned().collect();
        assert_eq!(rules.len() + 1, covering.len(), "{missed} is not a rule");
        let found = run(&rules).outputs.found;
        let places: Vec<_> = found.keys().copied().collect();
        assert_eq!(places, ["a dead letter", "a delivery", "a replay", "a sealed event"]);
        let fields: Vec<_> = found.into_values().flatten().flatten().collect();
        assert!(!fields.is_empty() && fields.iter().all(|own| *own == field), "{missed}");
    }
}

/// A policy that fails leaves nothing of the event, in any form.
#[test]
fn an_event_that_cannot_be_redacted_goes_nowhere() {
    let mut rig = Rig::new(&[json!({ "path": "$..n", "strategy": "hash" })]);
    let numbers = vec!["1"; 20_000].join("},{\"n\":");
    let frame =
        format!(r#"{{"topicName":"t","ssn":"zq00000088deadbeef","list":[{{"n":{numbers}}}]}}"#);
    rig.receive(frame.as_bytes());
    rig.tell(Input::Flush);
    rig.between(&mut fastrand::Rng::with_seed(1));
    rig.print();
    assert_eq!((rig.run.refused, rig.run.queued), (1, 0));
    assert!(rig.run.outputs.found.is_empty(), "{:?}", rig.run.outputs.found);
    // And the policy, called by hand, leaves its output as it was.
    let policy = policy("acme", &json!([{ "path": "$..n", "strategy": "hash" }]));
    let mut out = Vec::new();
    assert!(policy.redact(frame.as_bytes(), &mut out, &mut redact::Scratch::new()).is_err());
    assert!(out.is_empty());
}
