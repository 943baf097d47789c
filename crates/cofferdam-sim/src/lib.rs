//! Test instruments for tenant isolation: event generator, noninterference check, conformance suites, fuzz bodies.
//!
//! What Cofferdam's own tests are made of, for integrators to use on theirs:
//!
//! * [`assert_noninterference`] runs a machine with everybody's inputs and with each tenant's alone,
//!   and fails if anybody can tell the difference. [`PerTenant`] puts single-tenant machines under it.
//! * [`assert_scratch_carries_nothing`] does the same for buffers that are kept between events.
//! * [`conformance`] has one function for each storage trait; an adapter that passes keeps the
//!   trait's contract.
//! * [`Clock`] is time that moves when told to, and [`rng`] randomness that says its seed.
//! * [`generator`] makes contact-centre frames of many tenants, secrets planted if asked for, and
//!   [`recorded`] the events that come out at the pipeline's end.
//! * [`fuzz`] holds the bodies of the fuzz targets, so that `cargo test` replays their corpora.
//!
//! It is a development dependency: it panics where a contract is broken, and promises nothing about
//! speed. It finds interference in what machines *do*; what they cost (time, memory) is for benches.
//!
//! # Example
//!
//! A counter that numbers everybody's events looks harmless, and tells each tenant how busy the
//! others are:
//!
//! ```
//! use cofferdam_core::{Machine, Now, Scoped, TenantId};
//! use cofferdam_sim::noninterference::{Step, check};
//!
//! #[derive(Default)]
//! struct Numbering(u64);
//!
//! #[derive(Debug)]
//! struct Numbered(TenantId, u64);
//!
//! impl Scoped for Numbered {
//!     fn tenant(&self) -> &TenantId {
//!         &self.0
//!     }
//! }
//!
//! impl Machine for Numbering {
//!     type Input = TenantId;
//!     type Effect = Numbered;
//!     fn handle_input(&mut self, tenant: TenantId, _: Now, effects: &mut Vec<Numbered>) {
//!         effects.push(Numbered(tenant, self.0));
//!         self.0 += 1;
//!     }
//!     fn handle_timeout(&mut self, _: Now, _: &mut Vec<Numbered>) {}
//!     fn poll_timeout(&self) -> Option<Now> {
//!         None
//!     }
//! }
//!
//! let (acme, globex) = (TenantId::parse("acme")?, TenantId::parse("globex")?);
//! let at = |ms, tenant: &TenantId| (Now::from_millis(ms, 0), Step::Input(tenant.clone()));
//! let script = [at(1, &globex), at(2, &acme)];
//! let view = |_, effect: &Numbered| effect.1;
//! let found = check(Numbering::default, |tenant| tenant.clone(), view, &script).unwrap_err();
//! assert_eq!(found.tenant(), &acme);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod conformance;
pub mod fuzz;
pub mod generator;
pub mod noninterference;
mod per_tenant;
mod recorded;
pub mod rng;
pub mod scratch;
mod time;

pub use noninterference::{Step, assert_noninterference};
pub use per_tenant::PerTenant;
pub use recorded::recorded;
pub use scratch::assert_scratch_carries_nothing;
pub use time::Clock;
