//! Consumers: who may come in, and what goes over their sockets.
//!
//! A consumer opens a WebSocket at `/stream?queue=<target url>` with its tenant's token. The token
//! alone says whose events it gets; the queue is looked up among that tenant's lanes, and a queue
//! of another tenant looks exactly like one that does not exist. Each message is
//! `{"delivery","attempt","position","replay","event"}`; the consumer answers `{"ack":"…"}`, which
//! acknowledges that delivery and all before it, or `{"nack":"…"}`.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Write as _,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    core::{Scoped, TenantContext, TenantId},
    queue::{ConsumerId, DeliveryId},
};
use cofferdam_tokio::{
    Clock, UpgradeError,
    sessions::{SessionRegistry, close_session},
    upgrade::Acceptor,
};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message, Utf8Bytes,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::{
    stats::Stats,
    tenant::{Attach, Command, Delivery, Phase},
};

/// What every session needs.
pub(crate) struct Doorkeeper {
    pub(crate) acceptor: Acceptor,
    pub(crate) live: SessionRegistry,
    pub(crate) clock: Clock,
    pub(crate) tenants: BTreeMap<TenantId, mpsc::Sender<Command>>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) phase: watch::Receiver<Phase>,
}

/// Accepts consumers until the gateway closes.
pub(crate) async fn serve(listener: TcpListener, door: Arc<Doorkeeper>) {
    let mut phase = door.phase.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                match accepted {
                    Ok((socket, _)) => {
                        let _ = socket.set_nodelay(true);
                        tokio::spawn(session(socket, Arc::clone(&door)));
                    }
                    // Out of file descriptors: trying again at once would burn a core.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
            () = closing(&mut phase) => return,
        }
    }
}

/// Returns once the gateway closes.
async fn closing(phase: &mut watch::Receiver<Phase>) {
    // Without a sender the gateway is gone, which is as closed as can be.
    let _ = phase.wait_for(|phase| *phase == Phase::Closing).await;
}

async fn session(socket: TcpStream, door: Arc<Doorkeeper>) {
    let (mut socket, upgrade) = match door.acceptor.accept(socket).await {
        Ok(accepted) => accepted,
        Err(UpgradeError::Denied(failure)) => {
            // In the log of the tenant whose issuer the token names; a stranger's is nobody's.
            if let Some(commands) = failure.tenant().and_then(|tenant| door.tenants.get(tenant)) {
                // Not waited for: strangers must not hold up the tenant's own commands.
                let _ = commands.try_send(Command::Refused(failure.reason()));
            }
            return;
        }
        Err(_) => return,
    };
    let context = upgrade.context;
    // Before anything else is done for it: what was revoked since the check ends it here.
    let mut live = match door.live.open(context.clone()) {
        Ok(live) => live,
        Err(why) => return close_session(&mut socket, why).await,
    };
    let lane = upgrade.target.query().and_then(queue_name).unwrap_or_default();
    let consumer = ConsumerId(context.connection().0);
    let Some(commands) = door.tenants.get(context.tenant()).cloned() else { return };
    let mut phase = door.phase.clone();
    let serving = async {
        let Some(deliveries) = attach(&commands, consumer, lane, &context).await else {
            return CloseFrame { code: CloseCode::Policy, reason: Utf8Bytes::from("denied") };
        };
        let attached = Attached { consumer, commands: commands.clone(), deliveries };
        serve_one(&mut socket, &door, &context, attached).await;
        CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() }
    };
    let normal = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
    let outcome = tokio::select! {
        // Looked at first each time: a session that is over is sent nothing more.
        biased;
        why = live.ended() => Err(why),
        () = closing(&mut phase) => Ok(normal),
        frame = serving => Ok(frame),
    };
    let saying = async {
        match outcome {
            Err(why) => close_session(&mut socket, why).await,
            Ok(frame) => goodbye(&mut socket, frame).await,
        }
    };
    // At once: the tenant's task may be busy with something else. Whoever is not attached is not
    // detached either.
    let (_, ()) = tokio::join!(commands.send(Command::Detach { consumer }), saying);
}

/// A peer that does not read is not waited for.
async fn goodbye(socket: &mut WebSocketStream<TcpStream>, frame: CloseFrame) {
    let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(Some(frame))).await;
}

struct Attached {
    consumer: ConsumerId,
    commands: mpsc::Sender<Command>,
    deliveries: mpsc::Receiver<Vec<Delivery>>,
}

async fn attach(
    commands: &mpsc::Sender<Command>,
    consumer: ConsumerId,
    lane: String,
    context: &TenantContext,
) -> Option<mpsc::Receiver<Vec<Delivery>>> {
    // As many batches as there can be deliveries in flight: handing one over never waits.
    let (sender, deliveries) = mpsc::channel(1_024);
    let (answer, answered) = oneshot::channel();
    let command =
        Command::Attach { consumer, lane, context: context.clone(), deliveries: sender, answer };
    commands.send(command).await.ok()?;
    (answered.await.ok()? == Attach::Granted).then_some(deliveries)
}

/// The value of `queue` in a query, percent-decoded.
fn queue_name(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("queue="))?;
    let mut name = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            name.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            name.push(byte);
        }
    }
    String::from_utf8(name).ok()
}

/// What a consumer says.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Said {
    Ack(String),
    Nack(String),
}

async fn serve_one(
    socket: &mut WebSocketStream<TcpStream>,
    door: &Doorkeeper,
    context: &TenantContext,
    mut attached: Attached,
) {
    let Some(stats) = door.stats.tenant(context.tenant().as_str()) else { return };
    let mut outstanding: VecDeque<DeliveryId> = VecDeque::new();
    let mut batches: Vec<Vec<Delivery>> = Vec::new();
    loop {
        tokio::select! {
            count = attached.deliveries.recv_many(&mut batches, 64) => {
                if count == 0 {
                    return;
                }
                for delivery in batches.iter().flatten() {
                    outstanding.push_back(delivery.id);
                    if socket.feed(Message::Text(envelope(delivery))).await.is_err() {
                        return;
                    }
                }
                if socket.flush().await.is_err() {
                    return;
                }
                let now = door.clock.now();
                let first = batches.iter().flatten().filter(|d| d.attempt == 1 && !d.event.is_replay());
                stats.add_latencies(first.map(|d| now.since(d.event.received_at()).as_nanos() as u64));
                batches.clear();
            }
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let Some(command) = understand(&message, &attached, &mut outstanding) else { continue };
                if attached.commands.send(command).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn understand(
    message: &Message,
    attached: &Attached,
    outstanding: &mut VecDeque<DeliveryId>,
) -> Option<Command> {
    let said: Said = serde_json::from_str(message.to_text().ok()?).ok()?;
    let consumer = attached.consumer;
    match said {
        Said::Ack(id) => {
            let up_to = DeliveryId(id.parse().ok()?);
            let place = outstanding.iter().position(|own| *own == up_to)?;
            outstanding.drain(..=place);
            Some(Command::Ack { consumer, up_to, count: place as u32 + 1 })
        }
        Said::Nack(id) => {
            let delivery = DeliveryId(id.parse().ok()?);
            let place = outstanding.iter().position(|own| *own == delivery)?;
            outstanding.remove(place);
            Some(Command::Nack { consumer, delivery })
        }
    }
}

/// One message. The event is JSON already: it is put in as it is.
fn envelope(delivery: &Delivery) -> Utf8Bytes {
    let event = &delivery.event;
    let mut text = Vec::with_capacity(event.body().len() + 96);
    // Writing to a `Vec` does not fail.
    let _ = write!(
        text,
        r#"{{"delivery":"{}","attempt":{},"position":{},"replay":{},"event":"#,
        delivery.id.0,
        delivery.attempt,
        event.position(),
        event.is_replay(),
    );
    text.extend_from_slice(event.body());
    text.push(b'}');
    // The body passed the strict check, so it is UTF-8.
    Utf8Bytes::try_from(Bytes::from(text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::queue_name;

    #[test]
    fn a_queue_is_named_in_the_query() {
        assert_eq!(queue_name("a=b&queue=queue%3A%2F%2Fcalls"), Some("queue://calls".into()));
        assert_eq!(queue_name("queue=kafka://t/x"), Some("kafka://t/x".into()));
        assert_eq!(queue_name("queue=%zz"), None);
        assert_eq!(queue_name("other=1"), None);
    }
}
