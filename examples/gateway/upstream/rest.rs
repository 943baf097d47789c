//! The REST side: channels and subscriptions, each tenant's for itself.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, RawQuery, State, WebSocketUpgrade},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cofferdam_sim::generator::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    session::{self, Order},
    shared::{CHANNEL_LIFE_MS, Channel, Shared},
};

/// Topics that a channel may have.
const TOPICS: usize = 1_000;
/// Characters that a topic may have.
const TOPIC_LENGTH: usize = 200;

type Host = State<Arc<Shared>>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    const CHANNEL: &str = "/api/v2/notifications/channels/{id}";
    const SUBSCRIPTIONS: &str = "/api/v2/notifications/channels/{id}/subscriptions";
    Router::new()
        .route("/api/v2/notifications/channels", post(create).get(list))
        .route(CHANNEL, get(exists))
        .route(SUBSCRIPTIONS, get(topics).post(add).put(replace).delete(clear))
        .route("/channels/{id}", get(connect))
        .with_state(shared)
}

/// The tenant whose token a request carries, and who has requests left.
struct Client(usize);

impl FromRequestParts<Arc<Shared>> for Client {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let Some(tenant) = bearer(&parts.headers).and_then(|token| shared.tenant_of(token)) else {
            return Err(problem(StatusCode::UNAUTHORIZED, "bad.credentials"));
        };
        shared.admit(tenant, Instant::now()).map_err(|seconds| {
            let mut refused = problem(StatusCode::TOO_MANY_REQUESTS, "too.many.requests");
            refused.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            refused
        })?;
        Ok(Self(tenant))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn create(State(shared): Host, Client(tenant): Client) -> Json<Value> {
    let now_ms = now_ms();
    let id = shared.create_channel(tenant, now_ms);
    Json(described(&shared, &id, now_ms + CHANNEL_LIFE_MS))
}

async fn list(State(shared): Host, Client(tenant): Client) -> Json<Value> {
    let channels = shared.channels();
    let own = channels.iter().filter(|(_, channel)| channel.tenant == tenant);
    let entities: Vec<Value> =
        own.map(|(id, channel)| described(&shared, id, channel.expires_ms)).collect();
    Json(json!({ "entities": entities }))
}

fn described(shared: &Shared, id: &str, expires_ms: u64) -> Value {
    let uri = format!("ws://{}/channels/{id}", shared.addr);
    json!({ "connectUri": uri, "id": id, "expires": rfc3339(expires_ms) })
}

async fn exists(State(shared): Host, Client(tenant): Client, Path(id): Path<String>) -> Response {
    match shared.with_channel(tenant, &id, |channel| channel.expires_ms) {
        Some(expires_ms) => Json(described(&shared, &id, expires_ms)).into_response(),
        None => not_found(),
    }
}

/// A topic in a request.
#[derive(Debug, Deserialize)]
struct Topic {
    id: String,
}

async fn topics(State(shared): Host, Client(tenant): Client, Path(id): Path<String>) -> Response {
    let entities =
        |channel: &mut Channel| channel.topics.iter().map(|id| json!({ "id": id })).collect();
    match shared.with_channel(tenant, &id, entities) {
        Some(entities) => Json(json!({ "entities": Value::Array(entities) })).into_response(),
        None => not_found(),
    }
}

async fn clear(State(shared): Host, Client(tenant): Client, Path(id): Path<String>) -> Response {
    let cleared = shared.with_channel(tenant, &id, |channel| {
        channel.topics.clear();
        if let Some(socket) = &channel.socket {
            _ = socket.orders.send(Order::Subscribed(false));
        }
    });
    match cleared {
        Some(()) => StatusCode::OK.into_response(),
        None => not_found(),
    }
}

async fn add(
    State(shared): Host,
    Client(tenant): Client,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Json(topics): Json<Vec<Topic>>,
) -> Response {
    let ignoring =
        query.is_some_and(|query| query.split('&').any(|one| one == "ignoreErrors=true"));
    subscribe(&shared, tenant, &id, &topics, Change { keeping: true, ignoring })
}

async fn replace(
    State(shared): Host,
    Client(tenant): Client,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Json(topics): Json<Vec<Topic>>,
) -> Response {
    let ignoring =
        query.is_some_and(|query| query.split('&').any(|one| one == "ignoreErrors=true"));
    subscribe(&shared, tenant, &id, &topics, Change { keeping: false, ignoring })
}

/// How a request changes a channel's topics.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// The topics that the channel has stay.
    keeping: bool,
    /// Refused topics do not stop the others.
    ignoring: bool,
}

fn subscribe(
    shared: &Shared,
    tenant: usize,
    id: &str,
    topics: &[Topic],
    change: Change,
) -> Response {
    let Some(owner) = shared.tenants.get(tenant) else { return not_found() };
    let permitted = |topic: &str| {
        topic.len() <= TOPIC_LENGTH && expanded(topic).iter().all(|one| owner.permits(one))
    };
    let (good, bad): (Vec<&Topic>, Vec<&Topic>) =
        topics.iter().partition(|topic| permitted(&topic.id));
    if !bad.is_empty() && !change.ignoring {
        return problem(StatusCode::BAD_REQUEST, "notification.topic.rejected");
    }
    let subscribed = shared.with_channel(tenant, id, |channel| {
        let mut wanted: BTreeSet<String> =
            if change.keeping { channel.topics.clone() } else { BTreeSet::new() };
        wanted.extend(good.iter().flat_map(|topic| expanded(&topic.id)));
        if wanted.len() > TOPICS {
            return false;
        }
        channel.topics = wanted;
        channel.expires_ms = now_ms() + CHANNEL_LIFE_MS;
        if let Some(socket) = &channel.socket {
            _ = socket.orders.send(Order::Subscribed(!channel.topics.is_empty()));
        }
        true
    });
    match subscribed {
        None => not_found(),
        Some(false) => problem(StatusCode::BAD_REQUEST, "notification.too.many.topics"),
        Some(true) => {
            let good = good.iter().map(|topic| json!({ "id": topic.id, "state": "Permitted" }));
            let bad = bad.iter().map(|topic| {
                let reason = "the topic is unknown or not yours";
                json!({ "id": topic.id, "state": "Rejected", "rejectionReason": reason })
            });
            Json(json!({ "entities": good.chain(bad).collect::<Vec<_>>() })).into_response()
        }
    }
}

/// The topics that a combined one (`prefix?a&b`) stands for.
pub(super) fn expanded(topic: &str) -> Vec<String> {
    match topic.split_once('?') {
        Some((prefix, rest)) => rest.split('&').map(|last| format!("{prefix}.{last}")).collect(),
        None => vec![topic.to_owned()],
    }
}

/// The WebSocket. The channel id is its credential, as on the platform.
async fn connect(
    State(shared): Host,
    Path(id): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(tenant) = shared.channels().get(&id).map(|channel| channel.tenant) else {
        return not_found();
    };
    // The library's 128 KiB of buffer would be most of what an idle tenant costs.
    upgrade
        .read_buffer_size(8 << 10)
        .on_upgrade(move |socket| session::run(shared, tenant, id, socket))
}

fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "not.found")
}

fn problem(status: StatusCode, code: &str) -> Response {
    let body =
        json!({ "status": status.as_u16(), "code": code, "message": code.replace('.', " ") });
    (status, Json(body)).into_response()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
