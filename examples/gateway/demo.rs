//! The demo's own customers: what they subscribe to and redact, and the consumers that read for
//! them. Each consumer checks that every event it gets is its tenant's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use cofferdam::{
    core::TenantId,
    filter::{Mapping, SubscriptionDocument},
    json::{Reader, Token},
    redact::PolicyDocument,
};
use cofferdam_sim::generator::Fleet;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time;
use tokio_tungstenite::{
    connect_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, http::header::AUTHORIZATION},
};

use crate::{issuer::Issuer, stats::Stats};

/// The queue that demo consumers read.
pub(crate) const QUEUE: &str = "queue://events";
/// The slow consumer takes no more than fifty events a second.
const SLOW_PAUSE: Duration = Duration::from_millis(20);
/// How many events the slow consumer, who always finds another one waiting, acknowledges at once.
const SLOW_BATCH: u32 = 25;

/// Where the demo's events have their type. The platform's come first; a recording's other shapes
/// are found by the members that their platforms use.
pub(crate) fn mapping(replay: bool) -> Mapping {
    if replay {
        Mapping::generic(&[
            "topicName",
            "detail-type",
            "type",
            "Type",
            "EventType",
            "eventType",
            "object",
        ])
    } else {
        Mapping::genesys_cloud()
    }
}

/// What a demo tenant subscribes to.
///
/// Generated tenants take calls, queue conversations, presence and transcriptions, about half of
/// all events; a recording's tenants take every event that has a type.
pub(crate) fn subscriptions(tenant: &TenantId, replay: bool) -> Value {
    let wanted: &[&str] = if replay {
        &[">"]
    } else {
        &[
            "telephony.call",
            "routing.queue.conversation",
            "user.presence",
            "conversation.transcription",
        ]
    };
    let rules: Vec<Value> = wanted
        .iter()
        .map(|kind| json!({ "eventType": kind, "filters": {}, "targetQueue": QUEUE }))
        .collect();
    json!({ "tenantId": tenant.as_str(), "subscriptions": rules })
}

/// What a demo tenant has redacted.
pub(crate) fn policy(tenant: &TenantId) -> Value {
    json!({ "tenantId": tenant.as_str(), "redactionRules": [
        { "path": "$..caller.phoneNumber", "strategy": "mask", "format": "***-**-*XX" },
        { "path": "$..interaction.contactId", "strategy": "hash", "algorithm": "SHA-256" },
        { "path": "$..telephony.call.recordingUrl", "strategy": "omit" },
        { "path": "$..participants[*].name", "strategy": "mask" },
        { "path": "$..ani", "strategy": "mask", "format": "***-**-*XX" },
        { "path": "$..dnis", "strategy": "mask", "format": "***-**-*XX" },
        { "path": "$..address", "strategy": "mask" },
        { "path": "$..attributes", "strategy": "omit" },
    ] })
}

/// Parses a document that this module made, or one that was posted before.
pub(crate) fn parse_subscriptions(document: &[u8]) -> Result<SubscriptionDocument, String> {
    SubscriptionDocument::parse(document).map_err(|error| error.to_string())
}

/// As above.
pub(crate) fn parse_policy(document: &[u8]) -> Result<PolicyDocument, String> {
    let mut scratch = cofferdam::json::Scratch::new(cofferdam_tokio::random_bytes());
    PolicyDocument::parse(document, &mut scratch).map_err(|error| error.to_string())
}

/// Knows whose an event is, from outside the gateway: the ids in generated topics are unique to a
/// tenant.
pub(crate) struct Ownership {
    ids: BTreeMap<String, TenantId>,
}

impl Ownership {
    /// Whose the ids of this seed's tenants are; nothing is known of a recording's.
    pub(crate) fn of_generated(seed: u64, tenants: usize) -> Self {
        let mut ids = BTreeMap::new();
        for tenant in Fleet::new(seed, tenants).tenants() {
            let own = tenant.users().iter().chain(tenant.queues()).chain(tenant.conversations());
            ids.extend(own.map(|id| (id.to_string(), tenant.id().clone())));
        }
        Self { ids }
    }

    /// Whose the ids in a recording's topics are: those that only one tenant's frames name.
    pub(crate) fn of_frames<'f>(frames: impl Iterator<Item = (&'f TenantId, &'f [u8])>) -> Self {
        let mut ids: BTreeMap<String, TenantId> = BTreeMap::new();
        let mut shared = BTreeSet::new();
        for (tenant, frame) in frames {
            for id in topic_ids(frame) {
                if ids.get(&id).is_some_and(|owner| owner != tenant) {
                    shared.insert(id);
                } else {
                    ids.insert(id, tenant.clone());
                }
            }
        }
        ids.retain(|id, _| !shared.contains(id));
        Self { ids }
    }

    /// Whether `event` names an id that belongs to somebody else than `tenant`.
    pub(crate) fn is_foreign(&self, tenant: &TenantId, event: &[u8]) -> bool {
        topic_ids(event).iter().any(|id| self.ids.get(id).is_some_and(|owner| owner != tenant))
    }
}

/// The segments of an event's topic that are long enough to be ids.
fn topic_ids(event: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(event);
    let mut in_topic = false;
    let mut scratch = Vec::new();
    while let Ok(Some(token)) = reader.next() {
        match token {
            Token::Name(name) if name.raw() == b"topicName" => in_topic = true,
            Token::Name(_) if reader.skip_value().is_err() => break,
            Token::String(topic) if in_topic => {
                let topic = topic.decode(&mut scratch);
                return String::from_utf8_lossy(topic)
                    .split('.')
                    .filter(|segment| segment.len() >= 7 && segment.contains('-'))
                    .map(str::to_owned)
                    .collect();
            }
            _ => {}
        }
    }
    Vec::new()
}

/// One consumer of one tenant.
pub(crate) struct Consumer {
    pub(crate) tenant: TenantId,
    pub(crate) gateway: SocketAddr,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) slow: bool,
}

impl Consumer {
    /// Reads and acknowledges until the gateway closes for good.
    pub(crate) async fn run(self) {
        loop {
            if self.session().await.is_none() {
                time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    async fn session(&self) -> Option<()> {
        let token = self.issuer.mint(&self.tenant, "demo-consumer", "events:read")?;
        let address = format!("ws://{}/stream?queue={QUEUE}", self.gateway);
        let mut request = address.into_client_request().ok()?;
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().ok()?);
        let config = Some(cofferdam_tokio::socket_config());
        let (mut socket, _) = connect_async_with_config(request, config, true).await.ok()?;
        let (mut last, mut unacknowledged): (Option<String>, u32) = (None, 0);
        loop {
            // Acknowledge once for whatever has come: that is what cumulative means.
            let message = match futures_util::FutureExt::now_or_never(socket.next()) {
                Some(message) => message?,
                None => {
                    if let Some(delivery) = last.take() {
                        socket.send(acknowledgement(&delivery)).await.ok()?;
                    }
                    socket.next().await?
                }
            };
            let Message::Text(text) = message.ok()? else { continue };
            let (delivery, event) = open(text.as_bytes())?;
            if self.ownership.is_foreign(&self.tenant, event) {
                self.stats.tenant(self.tenant.as_str())?.misdelivered.fetch_add(1, Relaxed);
            }
            if self.slow {
                time::sleep(SLOW_PAUSE).await;
                unacknowledged += 1;
                if unacknowledged >= SLOW_BATCH {
                    socket.send(acknowledgement(&delivery)).await.ok()?;
                    (last, unacknowledged) = (None, 0);
                    continue;
                }
            }
            last = Some(delivery);
        }
    }
}

/// Says that a delivery and all before it are done with.
fn acknowledgement(delivery: &str) -> Message {
    Message::text(format!(r#"{{"ack":"{delivery}"}}"#))
}

/// The delivery's id and the event of a message. The gateway writes the event last.
fn open(message: &[u8]) -> Option<(String, &[u8])> {
    let mut reader = Reader::new(message);
    let mut delivery = None;
    while let Ok(Some(token)) = reader.next() {
        let Token::Name(name) = token else { continue };
        match name.raw() {
            b"delivery" => {
                let Ok(Some(Token::String(id))) = reader.next() else { return None };
                delivery = Some(String::from_utf8_lossy(id.raw()).into_owned());
            }
            b"event" => {
                let event = message.get(reader.offset()..message.len() - 1)?;
                return Some((delivery?, event));
            }
            _ => reader.skip_value().ok()?,
        }
    }
    None
}
