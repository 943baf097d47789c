//! Benchmarks, with their peers measured in the same run.
//!
//! [`Rig`] is one tenant's whole pipeline with a driver around it that answers at once, so that what
//! is measured is the pipeline and no socket or disk. [`events`] makes the events that it is fed,
//! and writes them to a file for the design that Cofferdam replaces (`node/pipeline.mjs`).
//! [`measure`] counts events per second of CPU time. [`stream`] and [`engines`] are the filter's own:
//! events and rules drawn to fit each other, and whoever matches them.
//!
//! `cargo xtask bench` runs everything and writes `docs/BENCHMARKS.md`; `cargo bench -p
//! cofferdam-benches` runs the stages one by one.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark reads clocks and writes files"
)]

pub mod checks;
pub mod engines;
pub mod events;
mod measure;
mod rig;
mod setup;
pub mod stream;
pub mod tokens;

pub use events::Share;
pub use measure::{Figures, cpu_time, measure, thread_cpu_time};
pub use rig::Rig;
pub use setup::{Setup, SetupError, policy};
