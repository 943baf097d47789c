//! The read loop: frames in batches, as many as are there, none while paused.
//!
//! Pausing is not reading. The kernel's socket buffer fills, TCP closes its window, and the peer's
//! sender waits: nothing is dropped and nobody else is slowed, as each tenant has a socket of its own.
//! While paused, WebSocket pings are not answered either; a peer that insists on pongs will close, and
//! that is then a reconnect with a gap record, not a silent loss.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message},
};

/// Frames of this many bytes together are a batch, however few they are.
const BATCH_BYTES: usize = 1 << 20;
/// How long a peer may take for our goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// One data frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// The payload.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A frame has not been redacted; only its length shows.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({} bytes)", self.0.len())
    }
}

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadEnd {
    /// The peer said goodbye.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection was reset")]
    Reset,
    /// The peer broke the WebSocket protocol or a size limit.
    #[error("the peer broke the protocol")]
    Protocol,
}

impl From<Error> for ReadEnd {
    fn from(error: Error) -> Self {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => Self::Closed,
            Error::Io(_) => Self::Reset,
            Error::Protocol(
                tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => Self::Reset,
            _ => Self::Protocol,
        }
    }
}

/// Reads one WebSocket.
#[derive(Debug)]
pub struct FrameReader<S> {
    socket: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameReader<S> {
    /// A reader of this socket.
    #[must_use]
    pub const fn new(socket: WebSocketStream<S>) -> Self {
        Self { socket }
    }

    /// Waits for at least one data frame and appends it and whatever else is there already, at most
    /// `max` frames and about a mebibyte, to `batch`. Not calling this is pausing. Cancel safe: a frame is either in
    /// `batch` or still in the socket.
    ///
    /// # Errors
    ///
    /// [`ReadEnd`] once the connection has ended; frames read before stand in `batch`.
    pub async fn read_batch(&mut self, batch: &mut Vec<Frame>, max: usize) -> Result<(), ReadEnd> {
        let already = batch.len();
        let mut bytes = 0;
        while batch.len() - already < max && bytes < BATCH_BYTES {
            let message = if batch.len() == already {
                self.socket.next().await
            } else {
                let Some(message) = self.socket.next().now_or_never() else { break };
                message
            };
            if let Err(end) = take(message, batch) {
                if matches!(end, ReadEnd::Closed) {
                    // Reading on is what sends our answer to the peer's goodbye.
                    let answered = async { while let Some(Ok(_)) = self.socket.next().await {} };
                    let _ = timeout(GOODBYE, answered).await;
                }
                return Err(end);
            }
            bytes += batch.get(already..).and_then(<[_]>::last).map_or(0, |frame| frame.0.len());
        }
        Ok(())
    }

    /// Sends one text frame, such as a platform's own ping.
    ///
    /// # Errors
    ///
    /// [`ReadEnd`] once the connection has ended.
    pub async fn send_text(&mut self, text: String) -> Result<(), ReadEnd> {
        self.socket.send(Message::text(text)).await.map_err(ReadEnd::from)
    }

    /// Says goodbye; a peer that does not take it is left after a second.
    pub async fn close(&mut self) {
        // A peer that is gone already needs no goodbye.
        let _ = timeout(GOODBYE, self.socket.close(None)).await;
    }
}

fn take(message: Option<Result<Message, Error>>, batch: &mut Vec<Frame>) -> Result<(), ReadEnd> {
    match message {
        None => Err(ReadEnd::Closed),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(Message::Text(text))) => {
            batch.push(Frame(text.into()));
            Ok(())
        }
        Some(Ok(Message::Binary(bytes))) => {
            batch.push(Frame(bytes));
            Ok(())
        }
        // A peer that says goodbye and keeps its socket open is gone all the same.
        Some(Ok(Message::Close(_))) => Err(ReadEnd::Closed),
        // The library answers pings.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
    }
}
