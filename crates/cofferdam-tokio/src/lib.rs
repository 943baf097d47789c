//! Tokio drivers for Cofferdam: sockets that pause, timers, upgrades, sessions, JWKS over HTTP.
//!
//! The crates below this one decide and never wait; this one waits. It reads clocks and random
//! bytes once at the edge ([`Clock`], [`random_bytes`]), reads WebSockets in batches that end when
//! the reader is told to pause ([`FrameReader`]), sleeps until a machine wants to be woken
//! ([`sleep_until`]), accepts an upgrade only after the credential was checked
//! ([`accept_upgrade`], or an [`Acceptor`](upgrade::Acceptor) with rules and limits, which is a
//! `tower` layer as well), closes sessions when their credential ends ([`sessions`]), and keeps key
//! sets fresh and each tenant's own client in a valid token ([`KeyKeeper`], [`TokenClient`]).
//!
//! It makes no decisions: those stay in the machines, where they can be simulated.
//!
//! # Example
//!
//! Let a socket in, let it renew its credential, and close it when that ends:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use cofferdam_auth::{KeyRing, Route, Verifier, session, upgrade::Policy};
//! use cofferdam_core::{Authority, ConnectionId, Epoch};
//! use cofferdam_tokio::{
//!     Clock, JwksClient, KeyEvent, KeyKeeper, Networks, random_bytes,
//!     sessions::{SessionRegistry, close_session},
//!     upgrade::{Acceptor, Limits},
//! };
//! use futures_util::StreamExt;
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
//!
//! let clock = Clock::start();
//! let ring = Arc::new(KeyRing::new(Verifier::new(Authority::new(random_bytes()))));
//! let (live, driver) = SessionRegistry::start(Arc::clone(&ring), clock, session::Limits::default());
//! // Keys are fetched, and what is withdrawn ends sessions. Issuers: `keeper.register(..)`.
//! let ending = live.clone();
//! let on_event = move |event| match event {
//!     KeyEvent::Published { tenant, issuer, keys, .. } => {
//!         ending.keys_changed(&tenant, &issuer, &keys);
//!     }
//!     KeyEvent::Removed { tenant, issuer } => ending.issuer_removed(&tenant, &issuer),
//!     other => eprintln!("{other:?}"), // an operator should hear of it
//! };
//! let client = JwksClient::new(Networks::Public)?;
//! let (keeper, _task) = KeyKeeper::start(ring, client, clock, on_event);
//! let next = AtomicU64::new(1);
//! let bind = move || (ConnectionId(next.fetch_add(1, Ordering::Relaxed)), Epoch(1));
//! let route = || Route::any().needs_scopes(&["events:read"]);
//! let acceptor =
//!     Acceptor::new(keeper.clone(), Policy::default(), route(), Limits::default(), clock, bind);
//!
//! let serve = async |socket: tokio::net::TcpStream| {
//!     let Ok((mut socket, upgrade)) = acceptor.accept(socket).await else { return };
//!     let mut session = match live.open(upgrade.context) {
//!         Ok(session) => session,
//!         Err(why) => return close_session(&mut socket, why).await,
//!     };
//!     loop {
//!         tokio::select! {
//!             biased; // a session that is over is sent nothing more
//!             why = session.ended() => return close_session(&mut socket, why).await,
//!             message = socket.next() => {
//!                 let Some(Ok(message)) = message else { return };
//!                 // Say that a message that begins like this renews the session.
//!                 let text = message.to_text().unwrap_or_default();
//!                 let Some(token) = text.strip_prefix("renew ") else {
//!                     continue; // yours; `session.context()` says whose it is
//!                 };
//!                 let own = session.context();
//!                 let (route, connection, epoch) = (route().renewing(own), own.connection(), own.epoch());
//!                 if let Ok(context) = keeper.verify(token, &route, connection, epoch).await {
//!                     // Another tenant's credential ends the session, which the next turn sees.
//!                     let _ = session.renew(context);
//!                 }
//!             }
//!         }
//!     }
//! };
//! // For each socket: `serve(socket)`. To revoke: `live.revoke(&tenant, Revoked::Subject("ana"))`.
//! // To shut down, and end every session:
//! drop(driver);
//! # let _ = &serve;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "drivers are where clocks and sockets are"
)]

mod clock;
mod egress;
mod frames;
mod http;
mod jwks;
mod keys;
pub mod sessions;
mod token_client;
mod token_http;
pub mod upgrade;

pub use clock::{Clock, random_bytes, sleep_until};
pub use egress::Networks;
pub use frames::{Frame, FrameReader, ReadEnd};
pub use jwks::{JwksClient, JwksError};
pub use keys::{KeyEvent, KeyKeeper, RegisterError};
pub use token_client::TokenClient;
pub use token_http::NoTls;
pub use upgrade::{UpgradeError, accept_upgrade, socket_config};
