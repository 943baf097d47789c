//! The clients, in a process of their own: a socket has two ends, and a process may hold so many.
//!
//! Tokens come in, a line each; when all are connected `ready` goes out, and then a line for each
//! close frame: when it was seen, on the clock that all processes of the machine share, and its code.

use std::{
    io::{BufRead, BufWriter, Write},
    net::SocketAddr,
    time::Duration,
};

use futures_util::StreamExt;
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet};
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

/// Runs until the last socket is closed, or the process that started this one is gone.
pub(crate) async fn run(address: SocketAddr) -> Result<(), Failure> {
    let tokens = std::io::stdin().lock().lines().collect::<Result<Vec<_>, _>>()?;
    let (sender, mut closed) = mpsc::unbounded_channel();
    let mut connecting = JoinSet::new();
    for token in tokens {
        if connecting.len() >= AT_ONCE
            && let Some(connected) = connecting.join_next().await
        {
            connected??;
        }
        connecting.spawn(connect(address, token, sender.clone()));
    }
    while let Some(connected) = connecting.join_next().await {
        connected??;
    }
    drop(sender);
    // A line alone would be a system call each, on the cores that are being measured.
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "ready")?;
    out.flush()?;
    let mut lines = Vec::new();
    while closed.recv_many(&mut lines, 1_000).await > 0 {
        for (seen, code) in lines.drain(..) {
            writeln!(out, "{seen} {code}")?;
        }
        out.flush()?;
    }
    Ok(())
}

/// Connects, and leaves a task behind that waits for the close frame.
async fn connect(
    address: SocketAddr,
    token: String,
    closed: mpsc::UnboundedSender<(u64, u16)>,
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
