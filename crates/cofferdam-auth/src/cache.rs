//! Tokens that were checked already, for the minute in which everybody reconnects.
//!
//! After a restart or a network fault all clients come back at once, most with the token that they
//! had. Its signature does not have to be computed again, if it is certain that nothing the check
//! relied on has changed. So what is remembered is not a verdict but the *evidence*: the context, the
//! registration and the key. Whoever finds it asks the current table again whether the registration
//! is the same, the key still published and fresh, the token neither expired nor revoked, and the
//! place the right one. A rotation, a revocation or a change of registration needs no message to the
//! cache. It cannot be forgotten, as there is nothing to do.
//!
//! # The tag
//!
//! A token is known by HMAC-SHA-256 of all its bytes under a secret of the process. A hit is as good
//! as a signature, so the function must be one that nobody can find collisions of, and keyed, so that
//! nobody can choose where an entry goes. SipHash would be faster, and is not meant for the first;
//! the token itself would be a store of credentials, and a shortened one a way in (the header and
//! claims of a good token with another signature). Tags are compared in constant time.
//!
//! # The table
//!
//! Sets of eight, as in a processor's cache: the tag says which set, and everything that is bounded
//! is so by construction. A set has a lock of its own, held for as long as it takes to compare eight
//! tags; whoever finds it taken checks the token in full instead of waiting.
//!
//! Tenants share the table, and must not be able to empty it for each other by presenting thousands
//! of good tokens of their own. When a set is full, a newcomer takes the place of an entry of its own
//! tenant. If it has none there, it takes one from the tenant that has most, but only from one that
//! has two or more. So a flood of A's costs B the entries by which B had more than its share, down to
//! one in each set, and never that one.

use std::{
    cmp::Reverse,
    fmt,
    sync::{
        Arc, Mutex, TryLockError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use cofferdam_core::{Now, Scoped, TenantContext, TenantId};

use crate::{IssuerConfig, key::Key};

/// Entries of one set.
const WAYS: usize = 8;
/// The longest token that is remembered: with the bound on its lists, an entry takes some 12 KiB at
/// the very most.
const LONGEST: usize = 2 * 1024;
/// The most sets: a million tokens.
const MAX_SETS: usize = 1 << 17;

/// Remembers tokens that were checked; see [`Verifier::with_cache`](crate::Verifier::with_cache).
///
/// It never makes a check say anything else than it would say without it. Nothing of a token is
/// stored but a keyed hash and what its claims said.
pub struct TokenCache {
    key: hmac::Key,
    sets: Box<[Mutex<Set>]>,
    hits: AtomicU64,
}

/// The evidence of a check.
#[derive(Clone)]
pub(crate) struct Checked {
    pub(crate) context: TenantContext,
    pub(crate) issuer: Arc<IssuerConfig>,
    pub(crate) key: Arc<Key>,
    /// The leeway aside.
    pub(crate) valid_from_ms: i64,
}

/// A token's keyed hash.
#[derive(Clone, Copy)]
pub(crate) struct Tag(hmac::Tag);

struct Entry {
    tag: Tag,
    checked: Checked,
}

#[derive(Default)]
struct Set([Option<Entry>; WAYS]);

impl TokenCache {
    /// Room for about `tokens` tokens, between 8 and a million, rounded up to a power of two.
    ///
    /// An entry takes about 100 bytes, and its context what the claims are long: half a kilobyte for
    /// most tokens, and 12 KiB for the most that 2 KiB of token can hold. Longer tokens are not
    /// remembered. The secret must be random, and the process's own.
    #[must_use]
    pub fn new(secret: &[u8; 32], tokens: usize) -> Self {
        let sets = tokens.div_ceil(WAYS).clamp(1, MAX_SETS).next_power_of_two();
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            sets: (0..sets).map(|_| Mutex::default()).collect(),
            hits: AtomicU64::new(0),
        }
    }

    /// How many checks needed no signature, since the start; for a metric.
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    pub(crate) fn count_hit(&self) {
        self.hits.fetch_add(1, Relaxed);
    }

    /// Whether a token is remembered at all.
    pub(crate) const fn takes(token: &str) -> bool {
        token.len() <= LONGEST
    }

    pub(crate) fn tag(&self, token: &str) -> Tag {
        Tag(hmac::sign(&self.key, token.as_bytes()))
    }

    pub(crate) fn find(&self, tag: &Tag) -> Option<Checked> {
        self.with_set(tag, |set| {
            let own = |entry: &&Entry| entry.tag.is(tag);
            set.0.iter().flatten().find(own).map(|entry| entry.checked.clone())
        })?
    }

    pub(crate) fn remember(&self, tag: Tag, checked: Checked, now: Now) {
        let evicted = self.with_set(&tag, |set| {
            let place = set.place_for(&tag, checked.context.tenant(), now)?;
            set.0[place].replace(Entry { tag, checked })
        });
        // Dropped here, after the lock.
        drop(evicted);
    }

    /// Does `work` with the tag's set, unless somebody else is at it.
    fn with_set<T>(&self, tag: &Tag, work: impl FnOnce(&mut Set) -> T) -> Option<T> {
        match self.sets[tag.index(self.sets.len())].try_lock() {
            Ok(mut set) => Some(work(&mut set)),
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => None,
        }
    }
}

impl Set {
    /// Where a new entry of `tenant` goes; `None` if everybody here has one place and no more.
    fn place_for(&self, tag: &Tag, tenant: &TenantId, now: Now) -> Option<usize> {
        let is_free = |entry: &Option<Entry>| match entry {
            None => true,
            Some(entry) => entry.tag.is(tag) || entry.checked.context.has_expired(now),
        };
        if let Some(free) = self.0.iter().position(is_free) {
            return Some(free);
        }
        let of = |tenant: &TenantId| {
            let own = self.0.iter().flatten();
            own.filter(|entry| entry.checked.context.tenant().same(tenant)).count()
        };
        let own = of(tenant);
        let candidates = self.0.iter().enumerate().filter_map(|(at, entry)| {
            let context = &entry.as_ref()?.checked.context;
            let held = of(context.tenant());
            let may_go = if own > 0 { context.tenant().same(tenant) } else { held >= 2 };
            may_go.then_some((held, Reverse(context.expires_at_ms()), at))
        });
        // Of those who hold most, what expires first.
        candidates.max().map(|(_, _, at)| at)
    }
}

impl Tag {
    fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_ref(), other.0.as_ref()).is_ok()
    }

    /// A set's number, of a power of two of sets.
    fn index(&self, sets: usize) -> usize {
        let first = self.0.as_ref().first_chunk::<8>().copied().unwrap_or_default();
        u64::from_le_bytes(first) as usize & (sets - 1)
    }
}

/// Shows how large it is, and nothing of what it holds.
impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("room", &(self.sets.len() * WAYS))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json, key::Key};
    use cofferdam_core::{Authority, ContextParts};

    const NOW: Now = Now::from_millis(0, 1_000);

    fn checked(id: &str, expires_at_ms: i64) -> Checked {
        let tenant = TenantId::parse(id).unwrap();
        let jwk = r#"{"kty":"OKP","crv":"Ed25519",
            "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = Key::import(&json::read(jwk.as_bytes()).unwrap()).unwrap().unwrap();
        let parts = ContextParts { expires_at_ms, ..ContextParts::new(tenant.clone(), "s") };
        #[expect(clippy::disallowed_methods, reason = "a test of what holds contexts")]
        let context = Authority::new([1; 16]).mint(parts);
        let issuer = IssuerConfig::new("https://id.example.com", tenant, "events");
        Checked { context, issuer: Arc::new(issuer), key: Arc::new(key), valid_from_ms: 0 }
    }

    /// One set.
    fn small() -> TokenCache {
        TokenCache::new(&[7; 32], 1)
    }

    fn store(cache: &TokenCache, id: &str, tokens: std::ops::Range<u32>) {
        for i in tokens {
            let tag = cache.tag(&format!("{id}.{i}"));
            cache.remember(tag, checked(id, 10_000 + i64::from(i)), NOW);
        }
    }

    fn held(cache: &TokenCache, id: &str, tokens: std::ops::Range<u32>) -> usize {
        tokens.filter(|i| cache.find(&cache.tag(&format!("{id}.{i}"))).is_some()).count()
    }

    #[test]
    fn finds_what_it_was_given_and_nothing_else() {
        let cache = TokenCache::new(&[7; 32], 1_000);
        store(&cache, "acme", 0..100);
        assert_eq!(held(&cache, "acme", 0..100), 100);
        assert_eq!(held(&cache, "acme", 100..1_000), 0);
        assert_eq!(cache.find(&cache.tag("acme.7")).unwrap().context.expires_at_ms(), 10_007);
        // Under another secret the same tokens are others.
        assert!(TokenCache::new(&[8; 32], 1_000).find(&cache.tag("acme.7")).is_none());
    }

    #[test]
    fn is_as_large_as_it_was_asked_to_be() {
        for (tokens, room) in [(0, 8), (8, 8), (9, 16), (1_000, 1_024), (usize::MAX, 1 << 20)] {
            let shown = format!("{:?}", TokenCache::new(&[7; 32], tokens));
            assert_eq!(shown, format!("TokenCache {{ room: {room}, .. }}"));
        }
    }

    /// X02: one tenant's flood of good tokens.
    #[test]
    fn a_flood_takes_no_tenants_last_place() {
        let cache = small();
        store(&cache, "acme", 0..3);
        store(&cache, "globex", 0..1);
        store(&cache, "flood", 0..1_000);
        assert_eq!(held(&cache, "acme", 0..3), 3);
        assert_eq!(held(&cache, "globex", 0..1), 1);
        assert_eq!(held(&cache, "flood", 0..1_000), 4);
        // A newcomer gets its place from whoever has most.
        store(&cache, "initech", 0..1);
        assert_eq!(held(&cache, "flood", 0..1_000), 3);
        assert_eq!(held(&cache, "initech", 0..1), 1);
        // Its second one takes the place of its first.
        store(&cache, "initech", 1..2);
        assert_eq!(held(&cache, "flood", 0..1_000), 3);
        assert_eq!((held(&cache, "initech", 0..1), held(&cache, "initech", 1..2)), (0, 1));
    }

    #[test]
    fn a_set_of_eight_tenants_has_no_place_for_a_ninth() {
        let cache = small();
        for id in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
            store(&cache, id, 0..1);
        }
        assert_eq!(held(&cache, "a", 0..1), 1);
        assert_eq!(held(&cache, "i", 0..1), 0);
        // But what has expired is nobody's place.
        let later = Now::from_millis(0, 20_000);
        cache.remember(cache.tag("i.0"), checked("i", 30_000), later);
        assert_eq!(held(&cache, "i", 0..1), 1);
    }

    #[test]
    fn of_its_own_a_tenant_loses_what_expires_first() {
        let cache = small();
        store(&cache, "acme", 0..9);
        assert_eq!(held(&cache, "acme", 0..1), 0);
        assert_eq!(held(&cache, "acme", 1..9), 8);
    }

    #[test]
    fn a_token_that_is_checked_again_keeps_its_place() {
        let cache = small();
        store(&cache, "acme", 0..8);
        cache.remember(cache.tag("acme.3"), checked("acme", 99_000), NOW);
        assert_eq!(held(&cache, "acme", 0..8), 8);
        assert_eq!(cache.find(&cache.tag("acme.3")).unwrap().context.expires_at_ms(), 99_000);
    }

    #[test]
    fn a_set_that_somebody_holds_is_not_waited_for() {
        let cache = small();
        store(&cache, "acme", 0..1);
        let tag = cache.tag("acme.0");
        let found = cache.with_set(&tag, |_| cache.find(&tag).is_some());
        assert_eq!(found, Some(false));
        assert!(cache.find(&tag).is_some());
    }
}
