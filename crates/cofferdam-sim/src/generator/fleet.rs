//! The tenants: who exists, how busy each is, and what each one calls its own.

use std::sync::Arc;

use cofferdam_core::TenantId;

use super::{
    rng::{Purpose, Rng, seed_for},
    text,
    words::{COMPANIES, REGIONS},
};

/// Rank's exponent: tenant `r` (from 1) weighs `1 / r^1.1`.
const ZIPF: f64 = 1.1;
/// How many conversations of a tenant are under way at a time.
const CONVERSATIONS: usize = 64;
/// The queues that the project's sample subscription names; they are the first tenant's.
const SAMPLE_QUEUES: [&str; 2] = ["q-12345", "q-67890"];

/// A fleet of invented tenants, the same for the same seed.
///
/// A longer fleet begins with the same tenants (ids and all) as a shorter one of the same seed;
/// only their weights and the neighbours that the trap points to differ.
#[derive(Debug, Clone)]
pub struct Fleet {
    tenants: Vec<DemoTenant>,
}

impl Fleet {
    /// A fleet of `tenants` tenants, of which the first is `acme-retail-na`. At most a million.
    #[must_use]
    pub fn new(seed: u64, tenants: usize) -> Self {
        let count = tenants.min(1_000_000);
        let organisations: Arc<[Box<str>]> = (0..count)
            .map(|index| text::uuid(&mut Rng::new(seed_for(seed, Purpose::Organisation, index))))
            .collect();
        let total: f64 = (1..=count).map(zipf).sum();
        let tenants = (0..count)
            .map(|index| DemoTenant(Arc::new(Inner::new(seed, index, total, &organisations))))
            .collect();
        Self { tenants }
    }

    /// The tenants, heaviest first.
    #[must_use]
    pub fn tenants(&self) -> &[DemoTenant] {
        &self.tenants
    }
}

/// One tenant of a [`Fleet`]. Cloning copies a pointer.
#[derive(Debug, Clone)]
pub struct DemoTenant(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: TenantId,
    index: usize,
    weight: f64,
    organisations: Arc<[Box<str>]>,
    queues: Vec<Box<str>>,
    users: Vec<Box<str>>,
    conversations: Vec<Box<str>>,
}

impl Inner {
    fn new(seed: u64, index: usize, total: f64, organisations: &Arc<[Box<str>]>) -> Self {
        let uuids = |purpose: Purpose, count: usize| -> Vec<Box<str>> {
            let mut rng = Rng::new(seed_for(seed, purpose, index));
            (0..count).map(|_| text::uuid(&mut rng)).collect()
        };
        // Big tenants have more people: 40 users and 12 queues at the top, 8 and 3 in the tail.
        let (users, queues) = (8 + 32 / (1 + index / 2), 3 + 9 / (1 + index / 4));
        let mut queues = uuids(Purpose::Queue, queues);
        if index == 0 {
            queues.splice(..SAMPLE_QUEUES.len(), SAMPLE_QUEUES.map(Box::from));
        }
        Self {
            id: slug(index),
            index,
            weight: zipf(index + 1) / total,
            organisations: Arc::clone(organisations),
            queues,
            users: uuids(Purpose::User, users),
            conversations: uuids(Purpose::Conversation, CONVERSATIONS),
        }
    }
}

impl DemoTenant {
    /// The tenant's id, a readable slug.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.0.id
    }

    /// The tenant's place in its fleet, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.0.index
    }

    /// The platform's own id of the tenant, a UUID: what a body's `organizationId` holds.
    #[must_use]
    pub fn organisation(&self) -> &str {
        self.0.organisations.get(self.0.index).map_or("", |id| id)
    }

    /// The tenant's share of all events; the shares of a fleet add up to 1.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.0.weight
    }

    /// The ids of the tenant's queues.
    #[must_use]
    pub fn queues(&self) -> &[Box<str>] {
        &self.0.queues
    }

    /// The ids of the tenant's users.
    #[must_use]
    pub fn users(&self) -> &[Box<str>] {
        &self.0.users
    }

    /// The ids of the tenant's conversations.
    #[must_use]
    pub fn conversations(&self) -> &[Box<str>] {
        &self.0.conversations
    }

    /// Another tenant's organisation, if there is another tenant: the bait of the trap.
    pub(crate) fn neighbour(&self, rng: &mut Rng) -> Option<&str> {
        let others = self.0.organisations.len().checked_sub(1)?;
        let pick = rng.below(u32::try_from(others).unwrap_or(u32::MAX)) as usize;
        // Skips its own place, so that the bait is never the tenant itself.
        let index = if pick < self.0.index { pick } else { pick + 1 };
        self.0.organisations.get(index).map(|id| &**id)
    }

    /// Six digits that name the tenant in planted secrets.
    pub(crate) fn code(&self) -> [u8; 6] {
        let mut rest = self.0.index;
        let mut code = [b'0'; 6];
        for digit in code.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        code
    }
}

fn zipf(rank: usize) -> f64 {
    (rank as f64).powf(-ZIPF)
}

/// The slug of the tenant at `index`: plain names first, then with a region, then with a number.
#[expect(clippy::expect_used, reason = "built from our own word lists; a test parses every form")]
fn slug(index: usize) -> TenantId {
    let company = COMPANIES[index % COMPANIES.len()];
    let slug = match index / COMPANIES.len() {
        0 => company.to_owned(),
        lap => match REGIONS.get(lap - 1) {
            Some(region) => format!("{company}-{region}"),
            None => format!("{company}-{lap}"),
        },
    };
    TenantId::parse(&slug).expect("a slug of lower-case words, hyphens and a number")
}
