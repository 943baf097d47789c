//! The clients, in a process of their own: a socket has two ends, and a process may hold so many.
//!
//! Tokens come in, a line each; when all are connected `ready` goes out, and then a line for each
//! close frame: when it was seen, on the clock that all processes of the machine share, and its code.

use std::{
    future::pending,
    io::{BufRead, BufWriter, Write},
    net::SocketAddr,
    sync::mpsc,
    time::Duration,
};

use futures_util::StreamExt;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig,
    },
};

use crate::{Failure, now_ns};

/// Sockets that connect at once: a listener's queue is short.
const AT_ONCE: usize = 64;

/// How long a client waits before it answers.
const ALL_ARE_TOLD: Duration = Duration::from_millis(300);

/// How long closes are gathered after several were written down. They carry the time at which they
/// were seen, so this is in no figure.
const GATHERED: Duration = Duration::from_millis(1);

/// When a client saw the close frame, and its code.
type Closed = (u64, u16);

/// Runs until the last socket is closed, or the process that started this one is gone.
pub(crate) fn run(address: SocketAddr) -> Result<(), Failure> {
    let tokens = std::io::stdin().lock().lines().collect::<Result<Vec<_>, _>>()?;
    // One thread for all sockets: several would wake each other, on the cores that are being measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, closed) = mpsc::channel();
    runtime.block_on(connect_all(address, tokens, sender))?;
    std::thread::spawn(move || runtime.block_on(pending::<()>()));
    report(&closed)
}

/// Writes down what was closed, in batches: a line alone would be a wake-up and a system call each.
fn report(closed: &mpsc::Receiver<Closed>) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "ready")?;
    out.flush()?;
    while let Ok(first) = closed.recv() {
        let batch: Vec<Closed> = std::iter::once(first).chain(closed.try_iter()).collect();
        for (seen, code) in &batch {
            writeln!(out, "{seen} {code}")?;
        }
        out.flush()?;
        // After one alone the next call comes at once, and is not to find the cores asleep.
        if batch.len() > 1 {
            std::thread::sleep(GATHERED);
        }
    }
    Ok(())
}

async fn connect_all(
    address: SocketAddr,
    tokens: Vec<String>,
    closed: mpsc::Sender<Closed>,
) -> Result<(), Failure> {
    let mut connecting = JoinSet::new();
    for token in tokens {
        if connecting.len() >= AT_ONCE
            && let Some(connected) = connecting.join_next().await
        {
            connected??;
        }
        connecting.spawn(connect(address, token, closed.clone()));
    }
    while let Some(connected) = connecting.join_next().await {
        connected??;
    }
    Ok(())
}

/// Connects, and leaves a task behind that waits for the close frame.
async fn connect(
    address: SocketAddr,
    token: String,
    closed: mpsc::Sender<Closed>,
) -> Result<(), Failure> {
    let socket = TcpStream::connect(address).await?;
    let mut request = format!("ws://{address}/").into_client_request()?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
    request.headers_mut().insert("authorization", bearer);
    // They are told little; a large buffer would be zeroed for each first read.
    let config = Some(WebSocketConfig::default().read_buffer_size(1 << 10));
    let (mut socket, _) = client_async_with_config(request, socket, config).await?;
    tokio::spawn(async move {
        let message = socket.next().await;
        let seen = now_ns();
        let code = match message {
            Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
            // Whatever else it is, it is not what the server was to send.
            _ => 0,
        };
        let _ = closed.send((seen, code));
        // Reading on is what answers the server's goodbye. Ten thousand answers are the work of ten
        // thousand machines elsewhere; here they would take the cores from the server.
        tokio::time::sleep(ALL_ARE_TOLD).await;
        let answer = async { while let Some(Ok(_)) = socket.next().await {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), answer).await;
    });
    Ok(())
}
