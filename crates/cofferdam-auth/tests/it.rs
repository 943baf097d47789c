//! Credentials from outside: attacks, rotation, the upgrade, and what other libraries make of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "it/attacks.rs"]
mod attacks;
#[path = "it/mutations.rs"]
mod mutations;
#[path = "it/oracles.rs"]
mod oracles;
#[path = "it/readme.rs"]
mod readme;
#[path = "it/rotation.rs"]
mod rotation;
#[path = "it/source/mod.rs"]
mod source;
#[path = "it/upgrade.rs"]
mod upgrade;
#[path = "it/world.rs"]
mod world;
