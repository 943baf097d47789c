//! Tokio drivers for Cofferdam: sockets that pause, timers, upgrades, JWKS over HTTP.
//!
//! The crates below this one decide and never wait; this one waits. It reads clocks and random
//! bytes once at the edge ([`Clock`], [`random_bytes`]), reads WebSockets in batches that end when
//! the reader is told to pause ([`FrameReader`]), sleeps until a machine wants to be woken
//! ([`sleep_until`]), accepts an upgrade only after the credential was checked
//! ([`accept_upgrade`], or an [`Acceptor`](upgrade::Acceptor) with rules and limits, which is a
//! `tower` layer as well), closes sessions when their credential ends ([`sessions`]), and keeps key
//! sets fresh and each tenant's own client in a valid token ([`KeyKeeper`], [`TokenClient`]).
//!
//! It holds no tenant state and makes no decisions: those stay in the machines, where they can be
//! simulated.
//!
//! # Example
//!
//! ```
//! use cofferdam_tokio::{Clock, sleep_until};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let clock = Clock::start();
//! let deadline = clock.now().after(Duration::from_millis(2));
//! sleep_until(&clock, Some(deadline)).await; // `None` would sleep for ever
//! assert!(clock.now().reached(deadline));
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
