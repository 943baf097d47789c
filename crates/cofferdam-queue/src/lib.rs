//! Bounded queues of one tenant: upstream is paused before memory fills, every event is accounted
//! for, and only the tenant's own consumers get any.
//!
//! * [`Queues`] is a sans-IO [`Machine`](cofferdam_core::Machine): lanes toward a tenant's targets,
//!   watermarks with hysteresis, acknowledgements, redelivery in order, expiry. Each event that is
//!   offered is settled exactly once, as delivered, dead-lettered or dropped into a declared gap.
//! * [`TokenBucket`] limits a rate, a tenant's own and the one that all share.
//! * [`dead_letter`] seals what could not be delivered, keeps it and drives it again.
//!
//! It deliberately does not keep queued events over a restart: a cursor that is committed only for
//! settled events has the upstream send them again, and a queue on disk would be a second truth. It
//! does not connect to anything or read a clock, and it does not schedule between tenants, as one
//! `Queues` knows one tenant.
//!
//! # Example
//!
//! ```
//! use cofferdam_core::{Machine, Now};
//! use cofferdam_queue::{ConsumerId, Effect, Input, LaneConfig, LaneId, Queues, QueuesConfig};
//! # use cofferdam_core::{pipeline::*, *};
//! # struct Stage(TenantId);
//! # impl Scoped for Stage {
//! #     fn tenant(&self) -> &TenantId {
//! #         &self.0
//! #     }
//! # }
//! # impl Filter for Stage {
//! #     type Scratch = [RouteId; 1];
//! #     fn filter<'s>(&self, _: &[u8], scratch: &'s mut [RouteId; 1]) -> Verdict<'s> {
//! #         Verdict::Matched(scratch)
//! #     }
//! # }
//! # impl Validate for Stage {
//! #     type Scratch = ();
//! #     fn validate(&self, _: &TenantId, _: &[u8], (): &mut ()) -> Result<(), Reason> {
//! #         Ok(())
//! #     }
//! # }
//! # impl Redact for Stage {
//! #     type Scratch = ();
//! #     fn redact(&self, e: &[u8], out: &mut Vec<u8>, (): &mut ()) -> Result<Redactions, Reason> {
//! #         out.extend_from_slice(e);
//! #         Ok(Redactions::default())
//! #     }
//! # }
//! # impl Record for Stage {
//! #     fn record(&mut self, entry: &Entry<'_>) -> Result<u64, Reason> {
//! #         Ok(entry.position)
//! #     }
//! # }
//! # let acme = TenantId::parse("acme-retail-na")?;
//! # let authority = Authority::new([7; 16]);
//! # #[allow(clippy::disallowed_methods)]
//! # let context = authority.mint(ContextParts {
//! #     scopes: vec!["events:read".into()],
//! #     expires_at_ms: i64::MAX,
//! #     ..ContextParts::new(acme.clone(), "client-17")
//! # });
//! # let gate = Gate::bind(&authority, &context)?;
//! # let recorded = |position| -> Result<Recorded, Refusal> {
//! #     let stage = Stage(acme.clone());
//! #     let (mut routes, mut out) = ([RouteId(0)], Vec::new());
//! #     let received = gate.receive(&context, b"{}", Now::default(), position)?;
//! #     let matched = received.filter(&stage, &mut routes)?.expect("the stage matches all");
//! #     let valid = matched.validate(&stage, &mut ())?;
//! #     valid.redact(&stage, &mut out, &mut ())?.record(&mut Stage(acme.clone()))
//! # };
//!
//! // One lane: upstream pauses at three events and resumes at one.
//! let lane = LaneConfig { capacity_events: 4, high: 3, low: 1, ..LaneConfig::new("queue://support") };
//! let mut config = QueuesConfig::new(vec![lane]);
//! config.routes.insert(RouteId(0), LaneId(0));
//! let mut queues = Queues::new(acme.clone(), config)?;
//!
//! // `recorded` runs the pipeline of `cofferdam-core`: only a redacted, audited event can be queued.
//! let (now, mut effects) = (Now::from_millis(0, 0), Vec::new());
//! for position in 0..3 {
//!     queues.handle_input(Input::Offer(recorded(position)?), now, &mut effects);
//! }
//! assert_eq!(effects, [Effect::Pause { tenant: acme.clone() }]);
//!
//! // A consumer proves that it may have the lane, says how much it can take, and acknowledges.
//! let consumer = ConsumerId(1);
//! let attach = Input::Attach { lane: "queue://support".into(), consumer, context: context.clone() };
//! queues.handle_input(attach, now, &mut effects);
//! queues.handle_input(Input::Credit { consumer, n: 2 }, now, &mut effects);
//! let Some(Effect::Deliver { delivery, event, .. }) = effects.last() else { unreachable!() };
//! assert_eq!(event.position(), 1);
//!
//! let ack = Input::AckUpTo { consumer, delivery: *delivery };
//! queues.handle_input(ack, now, &mut effects);
//! assert_eq!(effects.last(), Some(&Effect::Resume { tenant: acme }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod bucket;
mod config;
pub mod dead_letter;
mod deadlines;
mod lane;
mod ledger;
mod message;
mod queues;
mod window;

pub use bucket::{TokenBucket, take_both};
pub use config::{ConfigError, LaneConfig, Mistake, QueuesConfig, WhenFull};
pub use message::{ConsumerId, DeadCause, DeliveryId, Effect, Input, LaneId, Outcome};
pub use queues::{Gauges, Queues};
