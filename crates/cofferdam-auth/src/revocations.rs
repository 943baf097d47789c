//! What was withdrawn before its time: tokens, keys, and everything issued before a moment.
//!
//! Tokens live for minutes, so most entries may be forgotten soon: a token that is older than any
//! registration allows is refused for its age. Only a key stays revoked, since its issuer may go on
//! publishing it. All entries are a tenant's own: revoking A's token `7` leaves B's token `7`
//! alone, and A's list filling up leaves B's list room.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cofferdam_core::{Now, TenantId};

use crate::{
    claims::Claims,
    issuer::{MAX_LEEWAY, MAX_LIFETIME},
};

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
const FORGOTTEN_AFTER: Duration = MAX_LIFETIME.saturating_add(MAX_LEEWAY.saturating_mul(2));

/// The revocations of all tenants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revocations {
    tenants: BTreeMap<TenantId, List>,
}

#[derive(Debug, Clone, Default)]
struct List {
    tokens: BTreeMap<Box<str>, Now>,
    subjects: BTreeMap<Box<str>, Now>,
    clients: BTreeMap<Box<str>, Now>,
    keys: BTreeSet<Box<str>>,
    everything: Option<Now>,
}

impl Revocations {
    pub(crate) fn revoke(
        &mut self,
        tenant: &TenantId,
        what: Revoked<'_>,
        now: Now,
    ) -> Result<(), RevocationsFull> {
        let list = self.tenants.entry(tenant.clone()).or_default();
        if what == Revoked::Everything {
            list.everything = Some(now);
            return Ok(());
        }
        if list.len() >= MAX_ENTRIES {
            list.forget(now);
        }
        if list.len() >= MAX_ENTRIES {
            return Err(RevocationsFull);
        }
        match what {
            Revoked::Token(id) => drop(list.tokens.insert(id.into(), now)),
            Revoked::Subject(id) => drop(list.subjects.insert(id.into(), now)),
            Revoked::Client(id) => drop(list.clients.insert(id.into(), now)),
            Revoked::Key(id) => drop(list.keys.insert(id.into())),
            Revoked::Everything => {}
        }
        Ok(())
    }

    pub(crate) fn revokes(&self, tenant: &TenantId, key_id: &str, claims: &Claims) -> bool {
        let Some(list) = self.tenants.get(tenant) else { return false };
        // At the same moment counts as before: `iat` has whole seconds.
        let before =
            |cut: Option<&Now>| cut.is_some_and(|cut| claims.issued_at_ms <= cut.wall_ms());
        list.tokens.contains_key(claims.token_id.as_str())
            || list.keys.contains(key_id)
            || before(list.subjects.get(claims.subject.as_str()))
            || before(list.clients.get(claims.client.as_str()))
            || before(list.everything.as_ref())
    }
}

impl List {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn claims(issued_at_ms: i64) -> Claims {
        Claims {
            subject: "ana".into(),
            client: "dashboard".into(),
            token_id: "t1".into(),
            organisation: None,
            scopes: Vec::new(),
            origins: Vec::new(),
            region: None,
            issued_at_ms,
            expires_at_ms: issued_at_ms + 1,
        }
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
            assert!(!revocations.revokes(&tenant("a"), "k1", &claims(5_000)));
            revocations.revoke(&tenant("a"), what, now).unwrap();
            assert!(revocations.revokes(&tenant("a"), "k1", &claims(5_000)), "{what:?}");
            assert_eq!(revocations.revokes(&tenant("a"), "k1", &claims(6_000)), later_too);
            assert!(!revocations.revokes(&tenant("b"), "k1", &claims(5_000)), "{what:?}");
        }
        let mut others = Revocations::default();
        for what in [Revoked::Token("t2"), Revoked::Key("k2"), Revoked::Subject("dashboard")] {
            others.revoke(&tenant("a"), what, now).unwrap();
        }
        assert!(!others.revokes(&tenant("a"), "k1", &claims(5_000)));
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
        assert!(revocations.revokes(&a, "k1", &claims(i64::MAX - 1)));
        assert_eq!(revocations.tenants[&a].len(), 2);
    }
}
