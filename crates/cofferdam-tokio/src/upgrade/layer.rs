//! The upgrade check as a middleware of [`tower`](https://docs.rs/tower), for `axum` and `hyper`.
//!
//! A request that passes goes on with its [`TenantContext`] and its [`Target`] among the request's
//! extensions, its address in the one spelling that was decided on, and without its credential:
//! nothing behind the layer can log, forward or answer what it does not have. A request that does
//! not pass is answered here, and the [`AuthFailure`] stands among the *answer's* extensions, where
//! a layer around this one finds it for the audit log; extensions are never sent.
//!
//! Put it around the router, not inside: a router that chose the handler before has read the raw
//! address. Identity goes by the request: over HTTP/2 each stream is checked by its own authority
//! and its own token (SECURITY U10), and nothing of it is kept on the connection.
//!
//! Nobody is held up for a key that is not there yet: the request is refused, the
//! [`KeyKeeper`](crate::KeyKeeper) fetches the key if the acceptor has one, and the client's next try
//! finds it.
//!
//! The limit of handshakes in progress is not the layer's: an HTTP server has read the head before.
//! Give the server a header timeout and a connection limit (N06).
//!
//! [`TenantContext`]: cofferdam_core::TenantContext
//! [`Target`]: cofferdam_auth::upgrade::Target
//! [`AuthFailure`]: cofferdam_auth::AuthFailure

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use cofferdam_auth::{AuthFailure, upgrade::Upgrade};
use http::{
    Request, Response, StatusCode, Uri, header::SEC_WEBSOCKET_EXTENSIONS, uri::PathAndQuery,
};
use pin_project_lite::pin_project;
use tokio_tungstenite::tungstenite::http;
use tower_layer::Layer;
use tower_service::Service;

use super::{Acceptor, UpgradeError};

/// Puts the upgrade check before a service. Made by [`Acceptor::layer`].
#[derive(Debug, Clone)]
pub struct UpgradeLayer {
    acceptor: Acceptor,
}

impl UpgradeLayer {
    pub(super) fn new(acceptor: Acceptor) -> Self {
        Self { acceptor }
    }
}

impl<S> Layer<S> for UpgradeLayer {
    type Service = UpgradeService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        UpgradeService { acceptor: self.acceptor.clone(), inner }
    }
}

/// A service behind the upgrade check.
#[derive(Debug, Clone)]
pub struct UpgradeService<S> {
    acceptor: Acceptor,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for UpgradeService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<&'static str>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = UpgradeFuture<S::Future, R>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let decided = self.acceptor.decide_now(&parts).and_then(|upgrade| {
            hand_on(&upgrade, &mut parts)
                .map_err(|_| UpgradeError::Denied(AuthFailure::malformed_request()))?;
            Ok(upgrade)
        });
        let state = match decided {
            Ok(upgrade) => {
                let inner = self.inner.call(Request::from_parts(parts, body));
                State::Accepted { inner, upgrade }
            }
            Err(error) => State::Refused { answer: Some(refusal(error)) },
        };
        UpgradeFuture { state }
    }
}

/// Makes of the request what the service behind gets to see.
fn hand_on(upgrade: &Upgrade, parts: &mut http::request::Parts) -> Result<(), http::Error> {
    let target = &upgrade.target;
    if parts.uri.path() != target.path() {
        parts.uri = with_path(&parts.uri, target.path())?;
    }
    upgrade.seal(&mut parts.headers);
    // U09: whoever is behind cannot agree on compression.
    parts.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    parts.extensions.insert(upgrade.context.clone());
    parts.extensions.insert(target.clone());
    Ok(())
}

fn with_path(uri: &Uri, path: &str) -> Result<Uri, http::Error> {
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text)?);
    Ok(Uri::from_parts(parts)?)
}

/// The failure goes along with the answer, for whoever keeps the audit log.
fn refusal<R: From<&'static str>>(error: UpgradeError) -> Response<R> {
    let mut answer = error.answer().map(R::from);
    if let UpgradeError::Denied(failure) = error {
        answer.extensions_mut().insert(failure);
    }
    answer
}

pin_project! {
    /// The answer of an [`UpgradeService`].
    #[derive(Debug)]
    pub struct UpgradeFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = Projected]
    #[derive(Debug)]
    enum State<F, R> {
        Accepted { #[pin] inner: F, upgrade: Upgrade },
        // `None` once it was taken.
        Refused { answer: Option<Response<R>> },
    }
}

impl<F, R, E> Future for UpgradeFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Accepted { inner, upgrade } => {
                let mut answer = ready!(inner.poll(task))?;
                // Over HTTP/2 a stream is open with any success (RFC 8441 section 5).
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS
                    || answer.status().is_success()
                {
                    upgrade.answer(answer.headers_mut());
                }
                Poll::Ready(Ok(answer))
            }
            // Polling again after it is ready is the caller's fault; waiting is the mildest answer.
            Projected::Refused { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer)),
                None => Poll::Pending,
            },
        }
    }
}
