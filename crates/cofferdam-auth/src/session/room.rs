//! The sessions of one tenant, found by whatever may be revoked, and what was revoked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use cofferdam_core::{ConnectionId, Now, TenantContext};

use super::{
    Target, Why,
    queue::{Deadline, Queue},
};
use crate::{
    KeyPrint,
    revocations::{FORGOTTEN_AFTER, List, Marks},
};

/// The most issuers of one tenant whose key sets are remembered.
const MAX_ISSUERS: usize = 256;

/// One tenant.
#[derive(Default)]
pub(super) struct Room {
    sessions: BTreeMap<ConnectionId, Session>,
    pub(super) queue: Queue<ConnectionId>,
    tokens: Index,
    subjects: Index,
    clients: Index,
    keys: Index,
    revoked: List,
    /// The current keys of each issuer, once it was heard of.
    key_sets: BTreeMap<Box<str>, Published>,
    least_generation: u64,
    /// Until when there is something to remember, on the monotonic clock.
    remembers_until_ns: u64,
    /// Where the machine has the room in its queue.
    pub(super) queued_at: Option<Deadline>,
    /// Under which time the machine has noted the room to be forgotten.
    pub(super) quiet_at_ns: Option<u64>,
}

/// What an issuer publishes, and since when; nothing, if it was removed.
struct Published {
    keys: BTreeMap<Box<str>, KeyPrint>,
    at: Now,
}

pub(super) struct Session {
    pub(super) context: TenantContext,
    pub(super) deadline: Deadline,
}

/// The connections under each name. Names are kept once, however many sessions share one.
type Index = BTreeMap<Box<str>, BTreeSet<ConnectionId>>;

impl Room {
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn get(&self, connection: ConnectionId) -> Option<&Session> {
        self.sessions.get(&connection)
    }

    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        self.sessions.keys().copied().collect()
    }

    /// When the room may be forgotten, on the monotonic clock; `None` while it has sessions.
    pub(super) fn forgotten_at_ns(&self) -> Option<u64> {
        self.sessions.is_empty().then_some(self.remembers_until_ns)
    }

    /// Whether nothing that was told of the tenant speaks against the credential.
    pub(super) fn admits(&self, context: &TenantContext) -> Result<(), Why> {
        if context.generation() < self.least_generation {
            return Err(Why::Generation);
        }
        if !self.publishes(context) {
            return Err(Why::KeyWithdrawn);
        }
        if self.revoked.revokes(Marks::from(context)) { Err(Why::Revoked) } else { Ok(()) }
    }

    /// Whether the credential's key is its issuer's, as far as we were told. If there were too many
    /// issuers to remember, only those that are remembered are good.
    fn publishes(&self, context: &TenantContext) -> bool {
        match self.key_sets.get(context.issuer()) {
            Some(published) => has_key(&published.keys, context),
            None => self.key_sets.len() < MAX_ISSUERS,
        }
    }

    pub(super) fn insert(&mut self, context: TenantContext, deadline: Deadline) {
        let connection = context.connection();
        for (index, name) in self.indexes(&context) {
            match index.get_mut(name) {
                Some(connections) => drop(connections.insert(connection)),
                None => drop(index.insert(name.into(), BTreeSet::from([connection]))),
            }
        }
        self.queue.insert(&connection, deadline);
        self.sessions.insert(connection, Session { context, deadline });
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) -> Option<Session> {
        let session = self.sessions.remove(&connection)?;
        self.queue.remove(&connection, session.deadline);
        for (index, name) in self.indexes(&session.context) {
            let Some(connections) = index.get_mut(name) else { continue };
            connections.remove(&connection);
            if connections.is_empty() {
                index.remove(name);
            }
        }
        Some(session)
    }

    /// Takes all sessions out, which is cheaper than one by one: nothing is looked for.
    pub(super) fn clear(&mut self) -> BTreeMap<ConnectionId, Session> {
        self.queue = Queue::default();
        for index in [&mut self.tokens, &mut self.subjects, &mut self.clients, &mut self.keys] {
            index.clear();
        }
        std::mem::take(&mut self.sessions)
    }

    fn indexes<'c>(&mut self, context: &'c TenantContext) -> [(&mut Index, &'c str); 4] {
        [
            (&mut self.tokens, context.token_id()),
            (&mut self.subjects, context.subject()),
            (&mut self.clients, context.client()),
            (&mut self.keys, context.key_id()),
        ]
    }

    /// Remembers a revocation; the sessions that it ends.
    pub(super) fn revoke(
        &mut self,
        target: &Target,
        cut: Now,
        as_of_now: bool,
    ) -> Vec<ConnectionId> {
        self.remember(cut);
        let all = !self.revoked.revoke_at_least(target.as_revoked(), cut);
        let named = match target {
            _ if all => None,
            Target::Token(id) => Some(self.tokens.get(id)),
            Target::Key(id) => Some(self.keys.get(id)),
            Target::Subject(id) => Some(self.subjects.get(id)),
            Target::Client(id) => Some(self.clients.get(id)),
            Target::Everything => None,
        };
        let revoked =
            |session: &Session| as_of_now || self.revoked.revokes(Marks::from(&session.context));
        match named {
            Some(connections) => {
                let connections = connections.into_iter().flatten().copied();
                let is_hit = |own: &ConnectionId| self.sessions.get(own).is_some_and(revoked);
                connections.filter(is_hit).collect()
            }
            None => self.matching(revoked),
        }
    }

    /// Takes an issuer's key set; the sessions whose key is not in it.
    pub(super) fn change_keys(
        &mut self,
        issuer: &str,
        keys: BTreeMap<Box<str>, KeyPrint>,
        now: Now,
    ) -> Vec<ConnectionId> {
        self.remember(now);
        let ended = self.matching(|session| {
            session.context.issuer() == issuer && !has_key(&keys, &session.context)
        });
        self.make_room(now);
        if self.key_sets.len() < MAX_ISSUERS || self.key_sets.contains_key(issuer) {
            self.key_sets.insert(issuer.into(), Published { keys, at: now });
        }
        ended
    }

    /// Forgets issuers that were removed, once no token of theirs can live; if there are too many, the
    /// one that was removed first.
    fn make_room(&mut self, now: Now) {
        let is_spent = |at: Now| now.since(at) > FORGOTTEN_AFTER;
        self.key_sets.retain(|_, set| !set.keys.is_empty() || !is_spent(set.at));
        if self.key_sets.len() >= MAX_ISSUERS {
            let removed = self.key_sets.iter().filter(|(_, set)| set.keys.is_empty());
            let oldest = removed.min_by_key(|(_, set)| set.at.monotonic_ns());
            if let Some(issuer) = oldest.map(|(issuer, _)| issuer.clone()) {
                self.key_sets.remove(&issuer);
            }
        }
    }

    /// Takes the first generation that is good; the sessions of those before.
    pub(super) fn begin(&mut self, least: u64, now: Now) -> Vec<ConnectionId> {
        if least <= self.least_generation {
            return Vec::new();
        }
        self.remember(now);
        self.least_generation = least;
        self.matching(|session| session.context.generation() < least)
    }

    fn matching(&self, is_hit: impl Fn(&Session) -> bool) -> Vec<ConnectionId> {
        let hit = self.sessions.iter().filter(|(_, session)| is_hit(session));
        hit.map(|(connection, _)| *connection).collect()
    }

    fn remember(&mut self, now: Now) {
        let until = now.after(FORGOTTEN_AFTER).monotonic_ns();
        self.remembers_until_ns = self.remembers_until_ns.max(until);
    }
}

/// Whether the credential's key is among them: that key, and not another one under its id.
fn has_key(keys: &BTreeMap<Box<str>, KeyPrint>, context: &TenantContext) -> bool {
    keys.get(context.key_id()).is_some_and(|print| *print == context.key_print())
}

/// Shows how many sessions there are, not whose: names of subjects and tokens stand in the indexes.
impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}
