//! The guard of one session: it says when the socket must close, and lets go when dropped.

use std::{fmt, sync::Arc, time::Duration};

use cofferdam_auth::session::Why;
use cofferdam_core::{Scoped, TenantContext, TenantId};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Utf8Bytes,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::shared::Shared;

/// One live session. Keep it beside the socket; dropping it says that the connection is gone.
pub struct SessionGuard {
    shared: Arc<Shared>,
    context: TenantContext,
    channel: oneshot::Receiver<Why>,
    over: Option<Why>,
}

impl SessionGuard {
    pub(super) const fn new(
        shared: Arc<Shared>,
        context: TenantContext,
        channel: oneshot::Receiver<Why>,
    ) -> Self {
        Self { shared, context, channel, over: None }
    }

    /// What the session stands on: the credential that opened it, or the last that renewed it.
    #[must_use]
    pub const fn context(&self) -> &TenantContext {
        &self.context
    }

    /// Waits until the session must end. Close the socket then, with [`close_frame`].
    ///
    /// Cancel safe. Once it has answered it answers the same again, at once.
    pub async fn ended(&mut self) -> Why {
        if let Some(why) = self.over {
            return why;
        }
        // Without a sender nobody watches.
        let why = (&mut self.channel).await.unwrap_or(Why::Stopped);
        self.over = Some(why);
        why
    }

    /// Why the session has ended, if it has: to be asked right before something is sent that was
    /// meant for it earlier.
    pub fn has_ended(&mut self) -> Option<Why> {
        if self.over.is_none() {
            self.over = match self.channel.try_recv() {
                Ok(why) => Some(why),
                Err(oneshot::error::TryRecvError::Empty) => None,
                Err(oneshot::error::TryRecvError::Closed) => Some(Why::Stopped),
            };
        }
        self.over
    }

    /// Puts a newer credential in place of the one that the session stands on. It must be of the same
    /// tenant, registration, issuer, subject and client, checked for this connection and epoch, and
    /// end later.
    ///
    /// # Errors
    ///
    /// [`Why`] it was not renewed. After [`Why::NotLater`] the session goes on until its old end;
    /// after anything else it is over, and [`ended`](Self::ended) says so too.
    pub fn renew(&mut self, context: TenantContext) -> Result<(), Why> {
        let tenant = self.context.tenant();
        let renewed = self.shared.renew(tenant, self.context.connection(), context.clone());
        // Woken before `renew` came back, if the renewal ended the session.
        if let Some(why) = self.has_ended() {
            return Err(why);
        }
        renewed?;
        self.context = context;
        Ok(())
    }
}

impl Scoped for SessionGuard {
    fn tenant(&self) -> &TenantId {
        self.context.tenant()
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        if self.has_ended().is_none() {
            self.shared.close(self.context.tenant(), self.context.connection());
        }
    }
}

impl fmt::Debug for SessionGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionGuard")
            .field("context", &self.context)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// How long the peers that have been told may wait for the others to be told.
const ALL_ARE_TOLD: Duration = Duration::from_millis(200);
/// How long a peer may take for our goodbye, and then for its own.
const GOODBYE: Duration = Duration::from_secs(1);

/// Closes the socket of a session that ended: sends the close frame at once, and waits for the peer's
/// answer, a second at most.
///
/// The answer is not looked at for a fifth of a second. When thousands of sessions end together, the
/// goodbyes of those who were told first must not stand before those who are still to be told.
pub async fn close_session<S>(socket: &mut WebSocketStream<S>, why: Why)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // A peer that does not read is not waited for. A timer is set for those only.
    let told = timeout(GOODBYE, socket.close(Some(close_frame(why)))).await;
    if matches!(told, Ok(Ok(()))) {
        sleep(ALL_ARE_TOLD).await;
        let answer = async { while let Some(Ok(_)) = socket.next().await {} };
        let _ = timeout(GOODBYE, answer).await;
    }
}

/// The close frame for a session that ended: the code of [`Why::close_code`], and one text for all.
#[must_use]
pub fn close_frame(why: Why) -> CloseFrame {
    let reason = Utf8Bytes::from_static(Why::CLOSE_TEXT);
    CloseFrame { code: CloseCode::from(why.close_code()), reason }
}
