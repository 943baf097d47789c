//! Credentials from outside: attacks, rotation, the upgrade, and what other libraries make of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "it/attacks.rs"]
mod attacks;
#[path = "it/cache.rs"]
mod cache;
#[path = "it/dpop.rs"]
mod dpop;
#[path = "it/interleavings.rs"]
mod interleavings;
#[path = "it/mutations.rs"]
mod mutations;
#[path = "it/notices.rs"]
mod notices;
#[path = "it/oracles.rs"]
mod oracles;
#[path = "it/policy.rs"]
mod policy;
#[path = "it/readme.rs"]
mod readme;
#[path = "it/refresh.rs"]
mod refresh;
#[path = "it/rotation.rs"]
mod rotation;
#[path = "it/session_isolation.rs"]
mod session_isolation;
#[path = "it/sessions.rs"]
mod sessions;
#[path = "it/source/mod.rs"]
mod source;
#[path = "it/upgrade.rs"]
mod upgrade;
#[path = "it/world.rs"]
mod world;
