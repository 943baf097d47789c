//! Accepting a WebSocket: the credential is checked on the request's head, before the `101`.
//!
//! The head is read here, not by the WebSocket library, for three reasons. What two parsers could
//! read in two ways is refused before it is parsed (SECURITY U04). A head has a limit in bytes and
//! in time (N06). And what a peer sends before it was let in is never a frame: it is discarded and
//! the socket closed (U08), whether it came along with the head or a moment later.

mod acceptor;
mod head;
mod layer;

use std::{fmt, time::Duration};

use cofferdam_auth::{
    AuthFailure, KeyRing, Route,
    upgrade::{self, Policy, Upgrade},
};
use cofferdam_core::{ConnectionId, Epoch, TenantContext, TenantId};
use http::{Response, header, request::Parts};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::server::{create_response, write_response},
        http,
        protocol::{Role, WebSocketConfig},
    },
};

pub use self::{
    acceptor::{Acceptor, Keys, Limits},
    layer::{UpgradeFuture, UpgradeLayer, UpgradeService},
};
use crate::Clock;

/// How long a peer may take for the head of its request, and to take its answer (SECURITY N06).
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// What a peer is told that comes while the node takes nobody.
const OVERLOAD_PAUSE: Duration = Duration::from_secs(1);

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The request or its credential was refused; the failure is for the audit log.
    #[error("the upgrade was denied")]
    Denied(AuthFailure),
    /// The tenant opens connections faster than it may; it was told to come back later.
    #[error("the tenant opens connections too fast")]
    Busy {
        /// Whose token it was.
        tenant: TenantId,
        /// What it was told.
        retry_after: Duration,
    },
    /// There are too many handshakes in progress; the request was not read.
    #[error("too many handshakes are in progress")]
    Overloaded,
    /// The peer did not complete a WebSocket handshake, or not in time.
    #[error("the handshake failed")]
    Handshake,
}

impl UpgradeError {
    /// What the peer is told, if it is still there.
    fn answer(&self) -> Response<&'static str> {
        match self {
            Self::Denied(failure) => upgrade::refuse(failure),
            Self::Busy { retry_after, .. } => upgrade::busy(*retry_after),
            Self::Overloaded => upgrade::unavailable(OVERLOAD_PAUSE),
            Self::Handshake => upgrade::refuse(&AuthFailure::malformed_request()),
        }
    }
}

/// Answers one WebSocket handshake by the default rules. An [`Acceptor`] has rules and limits.
///
/// `route` says what the token must be good for. The context that comes back belongs to this socket
/// and to no other; beside it stands the address that was asked for, whose query a caller may read
/// (it held no token, or the upgrade had been refused).
///
/// # Errors
///
/// [`UpgradeError`]. The peer was told nothing but "denied", and its socket is closed.
pub async fn accept_upgrade<S>(
    mut socket: S,
    keys: &KeyRing,
    route: &Route<'_>,
    clock: &Clock,
    connection: ConnectionId,
    epoch: Epoch,
) -> Result<(WebSocketStream<S>, TenantContext, http::Uri), UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut address = http::Uri::default();
    let asked = in_time(ask(&mut socket)).await;
    let decided = asked.and_then(|Asked { parts, response }| {
        // The table of this moment: the head took its time.
        let (verifier, policy) = (keys.verifier(), Policy::default());
        let checked = policy.check(&verifier, &parts, route, clock.now(), connection, epoch);
        address = parts.uri;
        checked.map(|upgrade| (upgrade, response)).map_err(UpgradeError::Denied)
    });
    let upgrade = in_time(answer(&mut socket, decided)).await?;
    Ok((open(socket).await, upgrade.context, address))
}

/// What a socket may take: 1 MiB a message, and 16 KiB of buffer where the library's 128 would be
/// most of what an idle tenant costs.
///
/// There is no compression to configure: the library has none, so no extension is ever agreed on,
/// and a frame that claims to be compressed closes the socket (SECURITY U09).
#[must_use]
pub fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .max_message_size(Some(1 << 20))
        .max_frame_size(Some(1 << 20))
}

/// A request that is a WebSocket's, and the `101` for it if it is let in.
struct Asked {
    parts: Parts,
    response: Response<()>,
}

/// Reads a head.
async fn ask<S: AsyncRead + Unpin>(socket: &mut S) -> Result<Asked, UpgradeError> {
    let request = head::read(socket).await?;
    let malformed = |_| UpgradeError::Denied(AuthFailure::malformed_request());
    let response = create_response(&request).map_err(malformed)?;
    let (parts, ()) = request.into_parts();
    Ok(Asked { parts, response })
}

/// Tells the peer what was decided.
async fn answer<S>(
    socket: &mut S,
    decided: Result<(Upgrade, Response<()>), UpgradeError>,
) -> Result<Upgrade, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = decided.and_then(|(upgrade, mut response)| {
        upgrade.answer(response.headers_mut());
        Ok((upgrade, bytes(&response).map_err(gone)?))
    });
    match head {
        // U08: nobody who waited for the answer has sent anything by now.
        Ok(_) if head::has_more(socket).await => {
            refuse(socket, UpgradeError::Denied(AuthFailure::malformed_request())).await
        }
        Ok((upgrade, head)) => {
            socket.write_all(&head).await.map_err(gone)?;
            socket.flush().await.map_err(gone)?;
            Ok(upgrade)
        }
        Err(error) => refuse(socket, error).await,
    }
}

async fn in_time<T>(
    answering: impl Future<Output = Result<T, UpgradeError>>,
) -> Result<T, UpgradeError> {
    tokio::time::timeout(HEAD_TIMEOUT, answering).await.unwrap_or(Err(UpgradeError::Handshake))
}

async fn open<S: AsyncRead + AsyncWrite + Unpin>(socket: S) -> WebSocketStream<S> {
    WebSocketStream::from_raw_socket(socket, Role::Server, Some(socket_config())).await
}

/// Tells the peer as much as it may know, and closes.
async fn refuse<S, T>(socket: &mut S, error: UpgradeError) -> Result<T, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut response = error.answer();
    let length = response.body().len();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CONNECTION, http::HeaderValue::from_static("close"));
    if let Ok(mut answer) = bytes(&response) {
        answer.extend_from_slice(response.body().as_bytes());
        // A peer that is gone does not change why it was refused.
        let _ = socket.write_all(&answer).await;
    }
    // Unread bytes would turn the close into a reset, which takes the answer away from the peer.
    head::discard(socket).await;
    let _ = socket.shutdown().await;
    Err(error)
}

fn bytes<B>(response: &Response<B>) -> Result<Vec<u8>, tokio_tungstenite::tungstenite::Error> {
    let mut bytes = Vec::with_capacity(256);
    write_response(&mut bytes, response)?;
    Ok(bytes)
}

fn gone(_: impl fmt::Debug) -> UpgradeError {
    UpgradeError::Handshake
}
