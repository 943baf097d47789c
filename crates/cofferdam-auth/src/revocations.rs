//! What was withdrawn before its time: tokens, keys, and everything issued before a moment.
//!
//! Tokens live for minutes, so most entries may be forgotten soon: a token that is older than any
//! registration allows is refused for its age. Only a key stays revoked, since its issuer may go on
//! publishing it. All entries are a tenant's own: revoking A's token `7` leaves B's token `7`
//! alone, and A's list filling up leaves B's list room.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use cofferdam_core::{Now, TenantContext, TenantId};

use crate::issuer::{MAX_LEEWAY, MAX_LIFETIME};

/// What to revoke, of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked<'r> {
    /// The token with this `jti`.
    Token(&'r str),
    /// Whatever was, is or will be signed with the key of this id.
    Key(&'r str),
    /// The tokens of this `sub` that were issued until now.
    Subject(&'r str),
    /// The tokens of this `client_id` that were issued until now.
    Client(&'r str),
    /// Every token of the tenant that was issued until now.
    Everything,
}

/// The tenant's list is full: 10,000 entries that cannot be forgotten yet. Nothing was revoked.
///
/// [`Revoked::Everything`] needs no entry and always succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list of revocations of the tenant is full")]
#[non_exhaustive]
pub struct RevocationsFull;

/// The most entries of one tenant.
const MAX_ENTRIES: usize = 10_000;

/// After this long no token that an entry was about can be valid.
pub(crate) const FORGOTTEN_AFTER: Duration =
    MAX_LIFETIME.saturating_add(MAX_LEEWAY.saturating_mul(2));

/// The revocations of all tenants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revocations {
    /// Each list behind a pointer of its own: a new table copies the list that it changes.
    tenants: BTreeMap<TenantId, Arc<List>>,
}

/// The revocations of one tenant. It only grows: telling it again, late or in another order comes
/// to the same, which is what a feed that repeats and reorders needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    tokens: BTreeMap<Box<str>, Now>,
    subjects: BTreeMap<Box<str>, Now>,
    clients: BTreeMap<Box<str>, Now>,
    keys: BTreeSet<Box<str>>,
    everything: Option<Now>,
    /// There was no room for a key: nothing of the tenant is good any more.
    sealed: bool,
}

/// What of a credential a revocation is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks<'c> {
    pub(crate) key_id: &'c str,
    pub(crate) token_id: &'c str,
    pub(crate) subject: &'c str,
    pub(crate) client: &'c str,
    pub(crate) issued_at_ms: i64,
}

impl<'c> From<&'c TenantContext> for Marks<'c> {
    fn from(context: &'c TenantContext) -> Self {
        Self {
            key_id: context.key_id(),
            token_id: context.token_id(),
            subject: context.subject(),
            client: context.client(),
            issued_at_ms: context.issued_at_ms(),
        }
    }
}

impl Revocations {
    pub(crate) fn revoke(
        &mut self,
        tenant: &TenantId,
        what: Revoked<'_>,
        now: Now,
    ) -> Result<(), RevocationsFull> {
        self.list(tenant).revoke(what, now)
    }

    pub(crate) fn revoke_at_least(&mut self, tenant: &TenantId, what: Revoked<'_>, now: Now) {
        self.list(tenant).revoke_at_least(what, now);
    }

    fn list(&mut self, tenant: &TenantId) -> &mut List {
        Arc::make_mut(self.tenants.entry(tenant.clone()).or_default())
    }

    pub(crate) fn revokes(&self, tenant: &TenantId, marks: Marks<'_>) -> bool {
        self.tenants.get(tenant).is_some_and(|list| list.revokes(marks))
    }
}

impl List {
    /// The wall part of `now` is the cut of what is revoked by its time of issue, the monotonic part
    /// says when the entry may be forgotten.
    pub(crate) fn revoke(&mut self, what: Revoked<'_>, now: Now) -> Result<(), RevocationsFull> {
        if what == Revoked::Everything {
            self.everything = Some(later(self.everything, now));
            return Ok(());
        }
        // What is there already needs no room: a notice that comes twice must not fill a list.
        if self.len() >= MAX_ENTRIES && !self.has(what) {
            self.forget(now);
            if self.len() >= MAX_ENTRIES {
                return Err(RevocationsFull);
            }
        }
        let (entries, name) = match what {
            Revoked::Token(id) => (&mut self.tokens, id),
            Revoked::Subject(id) => (&mut self.subjects, id),
            Revoked::Client(id) => (&mut self.clients, id),
            Revoked::Key(id) => {
                self.keys.insert(id.into());
                return Ok(());
            }
            Revoked::Everything => return Ok(()),
        };
        let before = entries.get(name).copied();
        entries.insert(name.into(), later(before, now));
        Ok(())
    }

    /// The same where nobody can be told that the list is full: more is revoked then, never less.
    /// Whether it was just `what`.
    pub(crate) fn revoke_at_least(&mut self, what: Revoked<'_>, now: Now) -> bool {
        if self.revoke(what, now).is_ok() {
            return true;
        }
        if matches!(what, Revoked::Key(_)) {
            // What the key will sign has no time of issue to cut at.
            self.sealed = true;
        } else {
            // A token may be dated ahead of our clock by as much as the leeway. What is cut by its
            // date was to be cut there.
            let leeway =
                if matches!(what, Revoked::Token(_)) { MAX_LEEWAY } else { Duration::ZERO };
            self.everything = Some(later(self.everything, now.after(leeway)));
        }
        false
    }

    pub(crate) fn revokes(&self, marks: Marks<'_>) -> bool {
        // At the same moment counts as before: `iat` has whole seconds.
        let before = |cut: Option<&Now>| cut.is_some_and(|cut| marks.issued_at_ms <= cut.wall_ms());
        self.sealed
            || self.tokens.contains_key(marks.token_id)
            || self.keys.contains(marks.key_id)
            || before(self.subjects.get(marks.subject))
            || before(self.clients.get(marks.client))
            || before(self.everything.as_ref())
    }

    fn has(&self, what: Revoked<'_>) -> bool {
        match what {
            Revoked::Token(id) => self.tokens.contains_key(id),
            Revoked::Subject(id) => self.subjects.contains_key(id),
            Revoked::Client(id) => self.clients.contains_key(id),
            Revoked::Key(id) => self.keys.contains(id),
            Revoked::Everything => self.everything.is_some(),
        }
    }

    fn len(&self) -> usize {
        self.tokens.len() + self.subjects.len() + self.clients.len() + self.keys.len()
    }

    /// Monotonic time: a wall clock that jumps must not bring a revoked token back.
    fn forget(&mut self, now: Now) {
        for entries in [&mut self.tokens, &mut self.subjects, &mut self.clients] {
            entries.retain(|_, then| now.since(*then) <= FORGOTTEN_AFTER);
        }
    }
}

/// The later of both on either clock: an older notice that arrives late moves nothing back.
fn later(before: Option<Now>, now: Now) -> Now {
    let Some(before) = before else { return now };
    let monotonic_ns = before.monotonic_ns().max(now.monotonic_ns());
    Now::new(Duration::from_nanos(monotonic_ns), before.wall_ms().max(now.wall_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn marks(issued_at_ms: i64) -> Marks<'static> {
        Marks { key_id: "k1", token_id: "t1", subject: "ana", client: "dashboard", issued_at_ms }
    }

    #[test]
    fn revokes_by_token_key_subject_client_and_all_within_one_tenant() {
        let now = Now::from_millis(0, 5_000);
        for (what, later_too) in [
            (Revoked::Token("t1"), true),
            (Revoked::Key("k1"), true),
            (Revoked::Subject("ana"), false),
            (Revoked::Client("dashboard"), false),
            (Revoked::Everything, false),
        ] {
            let mut revocations = Revocations::default();
            assert!(!revocations.revokes(&tenant("a"), marks(5_000)));
            revocations.revoke(&tenant("a"), what, now).unwrap();
            assert!(revocations.revokes(&tenant("a"), marks(5_000)), "{what:?}");
            assert_eq!(revocations.revokes(&tenant("a"), marks(6_000)), later_too);
            assert!(!revocations.revokes(&tenant("b"), marks(5_000)), "{what:?}");
        }
        let mut others = Revocations::default();
        for what in [Revoked::Token("t2"), Revoked::Key("k2"), Revoked::Subject("dashboard")] {
            others.revoke(&tenant("a"), what, now).unwrap();
        }
        assert!(!others.revokes(&tenant("a"), marks(5_000)));
    }

    #[test]
    fn a_full_list_forgets_what_has_expired_and_keeps_keys() {
        let mut revocations = Revocations::default();
        let (a, b) = (tenant("a"), tenant("b"));
        let start = Now::from_millis(0, 0);
        revocations.revoke(&a, Revoked::Key("k1"), start).unwrap();
        for i in 1..MAX_ENTRIES {
            revocations.revoke(&a, Revoked::Token(&i.to_string()), start).unwrap();
        }
        let soon = start.after(FORGOTTEN_AFTER);
        assert_eq!(revocations.revoke(&a, Revoked::Token("x"), soon), Err(RevocationsFull));
        assert_eq!(revocations.revoke(&a, Revoked::Everything, soon), Ok(()));
        assert_eq!(revocations.revoke(&b, Revoked::Token("x"), soon), Ok(()));
        let later = soon.after(Duration::from_millis(1));
        assert_eq!(revocations.revoke(&a, Revoked::Token("x"), later), Ok(()));
        assert!(revocations.revokes(&a, marks(i64::MAX - 1)));
        assert_eq!(revocations.tenants[&a].len(), 2);
    }

    #[test]
    fn every_entry_counts_once() {
        let mut list = List::default();
        let now = Now::from_millis(0, 0);
        for i in 0..2 {
            list.revoke(Revoked::Subject(&i.to_string()), now).unwrap();
        }
        for i in 0..3 {
            list.revoke(Revoked::Client(&i.to_string()), now).unwrap();
        }
        for i in 0..5 {
            list.revoke(Revoked::Key(&i.to_string()), now).unwrap();
        }
        list.revoke(Revoked::Everything, now).unwrap();
        for i in 0..MAX_ENTRIES - 10 {
            assert_eq!(list.revoke(Revoked::Token(&i.to_string()), now), Ok(()), "{i}");
        }
        for what in [Revoked::Token("x"), Revoked::Subject("x"), Revoked::Client("x")] {
            assert_eq!(list.revoke(what, now), Err(RevocationsFull), "{what:?}");
        }
        let there = [Revoked::Token("7"), Revoked::Subject("1"), Revoked::Client("2")];
        for what in there.into_iter().chain([Revoked::Key("4"), Revoked::Everything]) {
            assert_eq!(list.revoke(what, now), Ok(()), "{what:?}");
        }
    }

    #[test]
    fn an_older_revocation_that_arrives_late_takes_nothing_back() {
        let (early, late) = (Now::from_millis(9, 5_000), Now::from_millis(3, 9_000));
        for what in [Revoked::Subject("ana"), Revoked::Client("dashboard"), Revoked::Everything] {
            for order in [[early, late], [late, early]] {
                let mut revocations = Revocations::default();
                for now in order {
                    revocations.revoke(&tenant("a"), what, now).unwrap();
                }
                assert!(revocations.revokes(&tenant("a"), marks(9_000)), "{what:?}");
                assert!(!revocations.revokes(&tenant("a"), marks(9_001)), "{what:?}");
            }
        }
    }

    #[test]
    fn a_full_list_that_may_not_refuse_revokes_more() {
        let mut list = List::default();
        let now = Now::from_millis(0, 5_000);
        for i in 0..MAX_ENTRIES {
            assert!(list.revoke_at_least(Revoked::Key(&i.to_string()), now));
        }
        let marks = |issued_at_ms| Marks {
            key_id: "other",
            token_id: "t",
            subject: "s",
            client: "c",
            issued_at_ms,
        };
        assert!(list.revoke_at_least(Revoked::Key("7"), now), "it is there already");
        assert!(!list.revokes(marks(0)));
        assert!(!list.revoke_at_least(Revoked::Token("t"), now));
        assert!(list.revokes(marks(35_000)) && !list.revokes(marks(35_001)));
        assert!(!list.revoke_at_least(Revoked::Subject("x"), now.after(MAX_LEEWAY)));
        assert!(list.revokes(marks(35_000)) && !list.revokes(marks(35_001)), "cut where it was");
        assert!(!list.revoke_at_least(Revoked::Key("other"), now));
        assert!(list.revokes(marks(i64::MAX)));
    }
}
