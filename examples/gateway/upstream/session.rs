//! One WebSocket: what it answers, what it sends, and the ways it ends.
//!
//! Everything goes out through one [`Writer`], whose work may be dropped at any await. So an order
//! (break, close, make way) is obeyed at once even while the peer has stopped reading and a write
//! hangs.

use std::{
    future::pending,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::{StreamExt, stream::SplitStream};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::{
    rest::expanded,
    shared::{Shared, Socket},
    tenant::UpstreamTenant,
    writer::Writer,
};

/// How long a socket has for its goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What others tell a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The channel has subscriptions, or has them no longer.
    Subscribed(bool),
    /// Another socket has the channel, or the channel is gone.
    Kick,
    /// Break without a word.
    Reset,
    /// Announce the end, then close.
    Close,
}

/// Why a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Peer,
    Kicked,
    Reset,
    Closed,
    Stopped,
}

/// Serves `socket`, a connection to the channel `id` of a tenant, to its end.
pub(super) async fn run(shared: Arc<Shared>, tenant: usize, id: String, socket: WebSocket) {
    let Some(owner) = shared.tenants.get(tenant).cloned() else { return };
    let number = shared.number();
    let (orders, inbox) = mpsc::unbounded_channel();
    let Some(subscribed) = shared.with_channel(tenant, &id, |channel| {
        let before = channel.socket.replace(Socket { number, orders });
        if let Some(before) = before {
            _ = before.orders.send(Order::Kick);
        }
        !channel.topics.is_empty()
    }) else {
        return;
    };
    shared.opened();
    let (sink, source) = socket.split();
    let writer = Writer::new(sink, owner, number);
    let mut session =
        Session { shared: Arc::clone(&shared), tenant, id, inbox, writer, subscribed: false };
    if subscribed {
        session.subscribed();
    }
    session.serve(source).await;
    session.leave();
    shared.closed();
}

/// Adds events that had no socket to a tenant's counter.
pub(super) fn count_lost(tenant: &UpstreamTenant, lost: u64) {
    tenant.counters().lost_while_down.fetch_add(lost, Relaxed);
}

struct Session {
    shared: Arc<Shared>,
    tenant: usize,
    id: String,
    inbox: mpsc::UnboundedReceiver<Order>,
    writer: Writer,
    subscribed: bool,
}

impl Session {
    /// Answers, beats and sends until something ends it, then ends as that demands.
    async fn serve(&mut self, mut source: SplitStream<WebSocket>) {
        let end = self.live(&mut source).await;
        let counters = self.writer.owner.counters();
        let (counter, code) = match end {
            End::Peer => return,
            End::Reset => {
                counters.resets.fetch_add(1, Relaxed);
                return;
            }
            End::Stopped => (None, close_code::AWAY),
            End::Closed => (Some(&counters.closings), close_code::RESTART),
            End::Kicked => (Some(&counters.kicked), close_code::POLICY),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Relaxed);
        }
        let goodbye = Message::Close(Some(CloseFrame { code, reason: "".into() }));
        self.writer.say(goodbye);
        _ = tokio::time::timeout(GOODBYE, async {
            self.writer.flush().await?;
            // The peer's own close frame; until then it may still be reading.
            while let Some(Ok(_)) = source.next().await {}
            Ok::<_, axum::Error>(())
        })
        .await;
    }

    async fn live(&mut self, source: &mut SplitStream<WebSocket>) -> End {
        let mut stopped = self.shared.stopped.clone();
        let every = self.shared.config.heartbeat;
        let mut heartbeat = tokio::time::interval_at(Instant::now() + every, every);
        let mut closing = None;
        loop {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop) => return End::Stopped,
                order = self.inbox.recv() => match order {
                    Some(Order::Subscribed(true)) => self.subscribed(),
                    Some(Order::Subscribed(false)) => self.unsubscribed(),
                    Some(Order::Reset) => return End::Reset,
                    Some(Order::Kick) | None => {
                        self.say(&self.no_longer_subscribed());
                        return End::Kicked;
                    }
                    Some(Order::Close) => if closing.is_none() {
                        self.say(&self.socket_closing());
                        closing = Some(Instant::now() + self.shared.config.closing_grace);
                    },
                },
                message = source.next() => match message {
                    Some(Ok(Message::Text(text))) => self.answer(&text),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Peer,
                    Some(Ok(_)) => {}
                },
                () = at(closing) => return End::Closed,
                _ = heartbeat.tick() => {
                    self.say(HEARTBEAT);
                    self.writer.owner.counters().heartbeats.fetch_add(1, Relaxed);
                },
                failed = self.writer.run(self.subscribed) => {
                    if failed.is_err() {
                        return End::Peer;
                    }
                },
            }
        }
    }

    /// Sends `text` before the events that wait.
    fn say(&mut self, text: &str) {
        self.writer.say(Message::Text(text.into()));
    }

    fn subscribed(&mut self) {
        self.subscribed = true;
        let owner = &self.writer.owner;
        let lost = owner.feed().attach(self.writer.number, Instant::now());
        count_lost(owner, lost);
    }

    fn unsubscribed(&mut self) {
        self.subscribed = false;
        self.writer.owner.feed().detach(self.writer.number);
    }

    /// Answers a client's message.
    fn answer(&mut self, text: &str) {
        let Ok(request) = serde_json::from_str::<Request>(text) else {
            return self.say(r#"{"result":"400","status":"error"}"#);
        };
        if request.message == "ping" {
            return self.say(r#"{"topicName":"channel.metadata","eventBody":{"message":"pong"}}"#);
        }
        let (result, status) = self.subscribe(&request);
        let correlation = request.correlation_id;
        let mut answer = json!({ "result": result, "status": status });
        if let Some(correlation) = correlation {
            answer["correlationId"] = correlation.into();
        }
        self.say(&answer.to_string());
    }

    /// Subscribes over the socket: all topics or none.
    fn subscribe(&mut self, request: &Request) -> (&'static str, &'static str) {
        let topics: Vec<String> = request.topics.iter().flat_map(|topic| expanded(topic)).collect();
        let owner = &self.writer.owner;
        if request.message != "subscribe" || topics.is_empty() {
            return ("400", "error");
        }
        if !topics.iter().all(|topic| owner.permits(topic)) {
            return ("400", "failure");
        }
        let added = self.shared.with_channel(self.tenant, &self.id, |channel| {
            channel.topics.extend(topics);
        });
        match added {
            None => ("404", "failure"),
            Some(()) => {
                self.subscribed();
                ("200", "subscribed")
            }
        }
    }

    fn no_longer_subscribed(&self) -> String {
        json!({
            "topicName": format!("v2.system.no_longer_subscribed.{}", self.id),
            "version": "2",
            "eventBody": {
                "channelId": self.id,
                "systemTopicType": "no_longer_subscribed",
                "organizationId": self.writer.owner.organisation(),
                "reason": "another_channel_subscribed",
            },
            "metadata": { "CorrelationId": self.id },
        })
        .to_string()
    }

    fn socket_closing(&self) -> String {
        json!({
            "topicName": "v2.system.socket_closing",
            "version": "2",
            "eventBody": {
                "message": "This socket will be closed; open another channel",
                "channelId": self.id,
                "organizationId": self.writer.owner.organisation(),
            },
            "metadata": { "CorrelationId": self.id },
        })
        .to_string()
    }

    /// Gives the channel back, unless another socket has it, and accounts for what was not sent.
    fn leave(&mut self) {
        let number = self.writer.number;
        self.shared.with_channel(self.tenant, &self.id, |channel| {
            channel.socket.take_if(|socket| socket.number == number);
        });
        self.writer.leave();
    }
}

const HEARTBEAT: &str =
    r#"{"topicName":"channel.metadata","eventBody":{"message":"WebSocket Heartbeat"}}"#;

/// What clients say.
#[derive(Debug, Deserialize)]
struct Request {
    message: String,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(rename = "correlationId")]
    correlation_id: Option<String>,
}

/// Waits until then, or for ever.
async fn at(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => pending().await,
    }
}
