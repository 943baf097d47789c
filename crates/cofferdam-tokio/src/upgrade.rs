//! Accepting a WebSocket: the credential is checked on the request's head, before the `101`.

use std::time::Duration;

use cofferdam_auth::{AuthFailure, Route, Verifier, upgrade};
use cofferdam_core::{ConnectionId, Epoch, TenantContext};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        handshake::server::{Request, Response},
        http,
        protocol::WebSocketConfig,
    },
};

use crate::Clock;

/// How long a peer may take for the head of its request (SECURITY N06).
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The credential was refused; the failure is for the audit log.
    #[error("the upgrade was denied")]
    Denied(AuthFailure),
    /// The peer did not complete a WebSocket handshake, or not in time.
    #[error("the handshake failed")]
    Handshake,
}

/// Answers one WebSocket handshake.
///
/// `route` says what the token must be good for. The context that comes back belongs to this socket
/// and to no other; beside it stands the address that was asked for, whose query a caller may read
/// (it held no token, or the upgrade had been refused).
///
/// # Errors
///
/// [`UpgradeError`]. The peer was told nothing but "denied", and its socket is closed.
pub async fn accept_upgrade<S>(
    socket: S,
    verifier: &Verifier,
    route: &Route<'_>,
    clock: &Clock,
    connection: ConnectionId,
    epoch: Epoch,
) -> Result<(WebSocketStream<S>, TenantContext, http::Uri), UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut decided: Option<Result<(TenantContext, http::Uri), AuthFailure>> = None;
    #[expect(clippy::result_large_err, reason = "the handshake's own error type")]
    let check = |request: &Request, response: Response| {
        let (parts, ()) = request.clone().into_parts();
        let outcome = upgrade::authorise(verifier, &parts, route, clock.now(), connection, epoch);
        match outcome {
            Ok(context) => {
                decided = Some(Ok((context, parts.uri)));
                Ok(response)
            }
            Err(failure) => {
                let refusal = upgrade::refuse(&failure).map(|body| Some(body.to_owned()));
                decided = Some(Err(failure));
                Err(refusal)
            }
        }
    };
    let config = socket_config();
    let accepting = accept_hdr_async_with_config(socket, check, Some(config));
    let accepted = tokio::time::timeout(HEAD_TIMEOUT, accepting).await;
    match (accepted, decided) {
        (Ok(Ok(socket)), Some(Ok((context, uri)))) => Ok((socket, context, uri)),
        (_, Some(Err(failure))) => Err(UpgradeError::Denied(failure)),
        _ => Err(UpgradeError::Handshake),
    }
}

/// What a socket may take: 1 MiB a message, and 16 KiB of buffer where the library's 128 would be
/// most of what an idle tenant costs.
#[must_use]
pub fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .max_message_size(Some(1 << 20))
        .max_frame_size(Some(1 << 20))
}
