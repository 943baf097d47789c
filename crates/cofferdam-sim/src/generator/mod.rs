//! A seeded generator of contact-centre notification frames for many tenants.
//!
//! The frames have the shape and the habits of Genesys Cloud's notification stream: 13 topics in
//! realistic shares, bodies from 170 bytes to 22 KB, heartbeats and closing notices between them,
//! duplicates and late events, tenants that differ in size by Zipf's law (exponent 1.1). They also
//! have what goes wrong in practice: an `externalOrganizationId` (the customer's company) that is
//! another tenant's organisation, an own `organizationId` in one topic only, `CorrelationId`s that
//! two events share, raw U+2028 in texts, escapes, surrogate pairs, names that are not ASCII.
//!
//! Everything follows from the seed: the same seed gives the same bytes, on every machine. All
//! people, companies and numbers are invented.
//!
//! ```
//! use cofferdam_sim::generator::{Fleet, FrameKind, Profile, TenantStream};
//!
//! let fleet = Fleet::new(7, 40);
//! let acme = &fleet.tenants()[0];
//! assert_eq!(acme.id().as_str(), "acme-retail-na");
//!
//! let mut stream = TenantStream::new(7, acme, Profile::benchmark(1_600));
//! let mut frame = Vec::new();
//! assert_eq!(stream.next_frame(&mut frame), FrameKind::Event);
//! assert!(frame.starts_with(br#"{"topicName":"v2."#));
//! ```
//!
//! # Where things stand
//!
//! For those who write a mapping of this platform. Paths are from the frame's root; `q` stands for
//! one of the tenant's queues, `u` for a user, `c` for a conversation. "Ours" marks members that
//! the real platform does not send there and that the project's sample documents ask for; the other
//! members follow the platform's published schemas.
//!
//! | what | where | values |
//! |---|---|---|
//! | topic | `topicName` | always; `version` is `"2"` |
//! | **`routing.queue.occupancy`** | `topicName` = `v2.analytics.queues.{q}.observations` | 9 % of events |
//! | its queue | `eventBody.group.queueId` | always; the `{q}` of the topic |
//! | its state (ours) | `eventBody.state` | always; `available` and `busy` 2/6 each, `away`, `offline` |
//! | its medium | `eventBody.group.mediaType` | always; `voice`, `email`, `chat`, `message`, `callback` |
//! | **`telephony.call`** | `topicName` = `v2.users.{u}.conversations.calls` | 15 % of events |
//! | its direction (ours) | `eventBody.direction` | always; `inbound` 2/3, `outbound` |
//! | its channel (ours) | `eventBody.channelType` | always; `voice` 5/6, `callback` |
//! | its medium (ours) | `eventBody.mediaType` | always `voice` |
//! | its queue (ours) | `eventBody.queueId` | always one of the tenant's queues |
//! | its state (ours) | `eventBody.state` | always; `alerting`, `connected`, `disconnected`, `terminated` |
//! | caller (ours) | `eventBody.caller.phoneNumber`, `.caller.name` | always in calls; half of `conversations` |
//! | contact (ours) | `eventBody.interaction.contactId` | as the caller |
//! | recording (ours) | `eventBody.telephony.call.recordingUrl` | as the caller |
//! | numbers | `eventBody.participants[].ani`, `.dnis`, `.address` (`tel:+...`); the same names, `addressTo`, `addressFrom`, `callbackNumbers[]` in `v2.detail.events.*` | often |
//! | people | `eventBody.participants[].name`, `.attributes.customerName`, `.attributes.email`, `.attributes.ssn`, `.user.name` | often |
//! | own organisation | `eventBody.organizationId` in `v2.conversations.{c}.transcription` and `v2.system.*` | always there, nowhere else |
//! | the trap | `eventBody.participants[].externalOrganizationId`, `.externalOrganization.id`; `eventBody.externalOrganizationId` | [`Profile::foreign_rate`] of them another tenant's |
//! | sequence number, event id, tenant id | nowhere | |
//!
//! The first tenant, `acme-retail-na`, has the queues `q-12345` and `q-67890` among its own.

mod fleet;
mod mixer;
mod profile;
mod rng;
mod scene;
mod secrets;
mod stream;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod topics;
mod words;

pub use fleet::{DemoTenant, Fleet};
pub use mixer::FleetStream;
pub use profile::{Profile, Sizes};
pub use secrets::{Leak, SecretField, Secrets};
pub use stream::{FrameKind, TenantStream};
pub use template::Templates;
pub use text::rfc3339;
