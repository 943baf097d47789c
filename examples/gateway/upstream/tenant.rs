//! One tenant as the upstream knows it: its credential, its topics, its feed and its counters.

use std::{
    hash::Hasher,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use cofferdam_core::TenantId;
use cofferdam_sim::generator::DemoTenant;
use siphasher::sip128::{Hasher128, SipHasher24};

use super::feed::Feed;

/// What happened to one tenant's events and sockets. Every event ends in exactly one of `sent`,
/// `lost_while_down` and `in_doubt`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Events handed to the operating system, duplicates included.
    pub(crate) sent: AtomicU64,
    /// Events that happened while the tenant had no socket. The platform does not send them again.
    pub(crate) lost_while_down: AtomicU64,
    /// Events of which part or all was still in the write buffer when the socket broke.
    pub(crate) in_doubt: AtomicU64,
    /// Frames of the platform's own beside the events: acknowledgements, heartbeats, notices.
    pub(crate) own: AtomicU64,
    /// Those of `sent` that were second copies.
    pub(crate) duplicates: AtomicU64,
    /// Those of `sent` that later ones had overtaken.
    pub(crate) late: AtomicU64,
    /// Sockets broken on purpose.
    pub(crate) resets: AtomicU64,
    /// Sockets closed after a notice.
    pub(crate) closings: AtomicU64,
    /// Sockets that a second one on the same channel put out.
    pub(crate) kicked: AtomicU64,
    /// Heartbeats sent.
    pub(crate) heartbeats: AtomicU64,
}

/// The counters at one moment, of one tenant or summed over several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) sent: u64,
    pub(crate) lost_while_down: u64,
    pub(crate) in_doubt: u64,
    pub(crate) own: u64,
    pub(crate) duplicates: u64,
    pub(crate) late: u64,
    pub(crate) resets: u64,
    pub(crate) closings: u64,
    pub(crate) kicked: u64,
}

impl Counters {
    /// The counters now.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            sent: self.sent.load(Relaxed),
            lost_while_down: self.lost_while_down.load(Relaxed),
            in_doubt: self.in_doubt.load(Relaxed),
            own: self.own.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            late: self.late.load(Relaxed),
            resets: self.resets.load(Relaxed),
            closings: self.closings.load(Relaxed),
            kicked: self.kicked.load(Relaxed),
        }
    }
}

impl Totals {
    /// How many events are accounted for.
    pub(crate) const fn events(&self) -> u64 {
        self.sent + self.lost_while_down + self.in_doubt
    }
}

impl std::ops::Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            lost_while_down: self.lost_while_down + other.lost_while_down,
            in_doubt: self.in_doubt + other.in_doubt,
            own: self.own + other.own,
            duplicates: self.duplicates + other.duplicates,
            late: self.late + other.late,
            resets: self.resets + other.resets,
            closings: self.closings + other.closings,
            kicked: self.kicked + other.kicked,
        }
    }
}

/// One tenant of the upstream.
#[derive(Debug)]
pub(crate) struct UpstreamTenant {
    id: TenantId,
    name: String,
    token: String,
    /// The invented tenant, unless its events are recorded.
    demo: Option<DemoTenant>,
    planned: Option<u64>,
    counters: Counters,
    feed: Mutex<Feed>,
}

impl UpstreamTenant {
    pub(super) fn new(
        seed: u64,
        id: TenantId,
        name: String,
        demo: Option<DemoTenant>,
        feed: Feed,
    ) -> Self {
        let token = token(seed, &id);
        let planned = feed.planned();
        let (counters, feed) = (Counters::default(), Mutex::new(feed));
        Self { id, name, token, demo, planned, counters, feed }
    }

    /// The tenant's id.
    pub(crate) fn id(&self) -> &TenantId {
        &self.id
    }

    /// The platform's own id of the tenant: what bodies name as `organizationId`. A recording's
    /// tenants go by their names.
    pub(crate) fn organisation(&self) -> &str {
        self.demo.as_ref().map_or(&self.name, DemoTenant::organisation)
    }

    /// The bearer token of the tenant's OAuth client.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// How many events the tenant will have, if that is limited.
    pub(crate) const fn planned(&self) -> Option<u64> {
        self.planned
    }

    /// What has happened so far.
    pub(crate) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Every topic that the tenant may subscribe to; fewer than the 1,000 of one channel.
    pub(crate) fn topics(&self) -> Vec<String> {
        let Some(demo) = &self.demo else { return vec![format!("v2.replay.{}", self.id)] };
        TOPICS
            .iter()
            .flat_map(|(before, whose, after)| {
                whose.ids(demo).iter().map(move |id| format!("{before}{id}{after}"))
            })
            .collect()
    }

    /// Whether the tenant may subscribe to `topic`: it is a known one, of an id of the tenant's own.
    pub(super) fn permits(&self, topic: &str) -> bool {
        let Some(demo) = &self.demo else { return true };
        topic.starts_with("v2.system.")
            || topic == "channel.metadata"
            || TOPICS.iter().any(|(before, whose, after)| {
                topic
                    .strip_prefix(before)
                    .and_then(|rest| rest.strip_suffix(after))
                    .is_some_and(|id| whose.ids(demo).iter().any(|own| **own == *id))
            })
    }

    pub(super) fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose id stands in a topic.
#[derive(Debug, Clone, Copy)]
enum Whose {
    User,
    Queue,
    Conversation,
}

impl Whose {
    fn ids(self, demo: &DemoTenant) -> &[Box<str>] {
        match self {
            Self::User => demo.users(),
            Self::Queue => demo.queues(),
            Self::Conversation => demo.conversations(),
        }
    }
}

/// The topics of the generator, around their ids.
const TOPICS: [(&str, Whose, &str); 13] = [
    ("v2.routing.queues.", Whose::Queue, ".conversations"),
    ("v2.analytics.queues.", Whose::Queue, ".observations"),
    ("v2.users.", Whose::User, ".conversations.calls"),
    ("v2.users.", Whose::User, ".conversations"),
    ("v2.users.", Whose::User, ".conversationsummary"),
    ("v2.users.", Whose::User, ".routingStatus"),
    ("v2.users.", Whose::User, ".activity"),
    ("v2.users.", Whose::User, ".presence"),
    ("v2.conversations.", Whose::Conversation, ".transcription"),
    ("v2.detail.events.conversation.", Whose::Conversation, ".customer.start"),
    ("v2.detail.events.conversation.", Whose::Conversation, ".customer.end"),
    ("v2.detail.events.conversation.", Whose::Conversation, ".user.start"),
    ("v2.detail.events.conversation.", Whose::Conversation, ".acd.start"),
];

/// A token that follows from the seed and the tenant. For loopback only: who knows the seed knows
/// every token.
fn token(seed: u64, id: &TenantId) -> String {
    let mut hasher = SipHasher24::new_with_keys(seed, 0x70_6B_6E);
    hasher.write(id.as_str().as_bytes());
    format!("upstream-{:032x}", u128::from(hasher.finish128()))
}
