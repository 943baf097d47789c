//! The upstream connection of one tenant: a channel, a socket, and another one when that ends.
//!
//! The frames of a socket carry no tenant. Whose they are is known because this task opened the
//! socket with that tenant's token, and proved it before: the tenant's own credential is checked by
//! the same verifier as everybody's, and the context that comes of it goes ahead of the frames.
//! Genesys keeps nothing while a socket is down, so every new connection begins with a gap.

use std::{sync::Arc, time::Duration};

use cofferdam::{
    auth::{KeyRing, Route},
    core::{ConnectionId, Epoch, Now, TenantContext, TenantId},
    cursor::GapCause,
    json::{Reader, Token},
};
use cofferdam_tokio::{Clock, Frame, FrameReader, ReadEnd, socket_config};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc, time};
use tokio_tungstenite::{MaybeTlsStream, connect_async_with_config};

use crate::issuer::Issuer;

/// What a link tells its tenant's task.
pub(crate) enum LinkEvent {
    /// Connected: frames from now on are this context's.
    Up(TenantContext),
    /// Frames, when they were read, and how many of the platform's own were taken out.
    Frames { frames: Vec<Frame>, read_at: Now, control: u64 },
    /// The connection ended; whatever the platform had to say meanwhile is lost.
    Down(GapCause),
}

/// Where a link goes, and as whom.
pub(crate) struct Link {
    pub(crate) tenant: TenantId,
    pub(crate) upstream: String,
    pub(crate) token: String,
    pub(crate) topics: Vec<String>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Clock,
    pub(crate) http: reqwest::Client,
    pub(crate) connections: Arc<std::sync::atomic::AtomicU64>,
}

type Socket = FrameReader<MaybeTlsStream<TcpStream>>;

/// Silence for this long means that the connection is dead: heartbeats come every 30 s.
const TRAFFIC_DEADLINE: Duration = Duration::from_secs(35);
/// How long a connection may take to stand.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The scope that lets events in.
const SCOPE: &str = "events:ingest";
/// How many frames are handed over at a time.
const BATCH: usize = 128;

impl Link {
    /// Connects, reads and reconnects until nobody listens any more.
    pub(crate) async fn run(self, events: mpsc::Sender<LinkEvent>) {
        let mut epoch = 0;
        let mut failures = 0u32;
        while !events.is_closed() {
            epoch += 1;
            let connected = self.connect().await;
            let context = self.context(Epoch(epoch));
            if let (Ok(mut socket), Some(context)) = (connected, context) {
                failures = 0;
                if events.send(LinkEvent::Up(context)).await.is_err() {
                    return;
                }
                let Some(cause) = self.read(&mut socket, Epoch(epoch), &events).await else {
                    socket.close().await;
                    return;
                };
                if events.send(LinkEvent::Down(cause)).await.is_err() {
                    return;
                }
            } else {
                failures = (failures + 1).min(6);
            }
            time::sleep(backoff(failures)).await;
        }
    }

    /// Proves to ourselves whose connection this is.
    fn context(&self, epoch: Epoch) -> Option<TenantContext> {
        let token = self.issuer.mint(&self.tenant, "platform-link", SCOPE)?;
        let scopes = [SCOPE];
        let route = Route::any().of_tenant(&self.tenant).needs_scopes(&scopes);
        let number = self.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.keys.verify(&token, &route, self.clock.now(), ConnectionId(number), epoch).ok()
    }

    async fn connect(&self) -> Result<Socket, Box<dyn std::error::Error + Send + Sync>> {
        let channels = format!("http://{}/api/v2/notifications/channels", self.upstream);
        let channel: Value = self
            .http
            .post(&channels)
            .bearer_auth(&self.token)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let id = channel["id"].as_str().unwrap_or_default();
        let topics: Vec<Value> = self.topics.iter().map(|topic| json!({ "id": topic })).collect();
        self.http
            .put(format!("{channels}/{id}/subscriptions"))
            .bearer_auth(&self.token)
            .json(&topics)
            .send()
            .await?
            .error_for_status()?;
        let address = channel["connectUri"].as_str().unwrap_or_default();
        let connecting = connect_async_with_config(address, Some(socket_config()), true);
        let (socket, _) = time::timeout(CONNECT_DEADLINE, connecting).await??;
        Ok(FrameReader::new(socket))
    }

    /// Reads until the connection ends: why it did, or `None` if nobody listens any more.
    async fn read(
        &self,
        socket: &mut Socket,
        epoch: Epoch,
        events: &mpsc::Sender<LinkEvent>,
    ) -> Option<GapCause> {
        let mut announced = false;
        let mut renew = Box::pin(time::sleep(RENEW_AFTER));
        loop {
            let mut frames = Vec::with_capacity(BATCH);
            let read = tokio::select! {
                read = time::timeout(TRAFFIC_DEADLINE, socket.read_batch(&mut frames, BATCH)) => read,
                () = events.closed() => return None,
                () = &mut renew => {
                    let context = self.context(epoch);
                    renew.set(time::sleep(if context.is_some() { RENEW_AFTER } else { RETRY_AFTER }));
                    if let Some(context) = context {
                        events.send(LinkEvent::Up(context)).await.ok()?;
                    }
                    continue;
                }
            };
            let read_at = self.clock.now();
            let before = frames.len() as u64;
            frames.retain(|frame| match control(frame.bytes()) {
                Control::No => true,
                Control::Closing => {
                    announced = true;
                    false
                }
                Control::Yes => false,
            });
            let control = before - frames.len() as u64;
            if before > 0 {
                events.send(LinkEvent::Frames { frames, read_at, control }).await.ok()?;
            }
            match read {
                Ok(Ok(())) => {}
                Ok(Err(_)) if announced => return Some(GapCause::Closing),
                Ok(Err(ReadEnd::Closed | ReadEnd::Reset | _)) | Err(_) => {
                    return Some(GapCause::Reset);
                }
            }
        }
    }
}

/// Tokens live for 15 minutes; the next one is minted well before.
const RENEW_AFTER: Duration = Duration::from_secs(600);
/// Between two tries if there was none; the gate refuses events once the old one has expired.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Full jitter over an exponential, from 50 ms to 3 s: many links that lost one platform do not come
/// back in step.
fn backoff(failures: u32) -> Duration {
    let ceiling_ms = 50u64 << failures;
    let random = u64::from_le_bytes(cofferdam_tokio::random_bytes());
    Duration::from_millis(10 + random % ceiling_ms)
}

enum Control {
    No,
    Yes,
    Closing,
}

/// Tells the platform's own frames from events: acknowledgements (a `result`, and no topic),
/// heartbeats and pongs (`channel.metadata`), and notices (`v2.system.`). They say nothing of a
/// customer's calls. Whatever cannot be read is an event, for the pipeline to refuse.
fn control(frame: &[u8]) -> Control {
    let mut reader = Reader::new(frame);
    let mut acknowledges = false;
    let mut scratch = Vec::new();
    while let Ok(Some(token)) = reader.next() {
        let Token::Name(name) = token else { continue };
        match name.decode(&mut scratch) {
            b"topicName" => {
                let Ok(Some(Token::String(topic))) = reader.next() else { return Control::No };
                return match topic.decode(&mut scratch) {
                    b"v2.system.socket_closing" => Control::Closing,
                    b"channel.metadata" => Control::Yes,
                    topic if topic.starts_with(b"v2.system.") => Control::Yes,
                    _ => Control::No,
                };
            }
            b"result" => acknowledges = true,
            b"status" | b"correlationId" | b"message" => {}
            _ if acknowledges => return Control::No,
            _ => {}
        }
        if reader.skip_value().is_err() {
            return Control::No;
        }
    }
    let is_whole = reader.next() == Ok(None);
    if acknowledges && is_whole { Control::Yes } else { Control::No }
}
