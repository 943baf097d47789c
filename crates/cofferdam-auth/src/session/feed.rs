//! How a revocation reaches the other nodes: the contract, and the form within one process.

use std::{
    fmt,
    sync::{Mutex, PoisonError, Weak},
};

use super::Notice;

/// Carries [`Notice`]s from every node to every node.
///
/// # Contract with the implementer
///
/// * Every notice that was published without an error reaches every listener of every node at least
///   once. It may come late, twice and in any order; it may come to its publisher as well.
/// * A listener that begins, or that lost its connection, first hears every notice that it may have
///   missed: all that revoke a key or a generation, whenever they were published, since an issuer
///   may go on publishing a key that was revoked; and what else was published in the last 25 hours
///   (the longest lifetime of a token, and some). Only then comes a [`Notice::Heartbeat`]. A heartbeat says "you know all that we know".
/// * A heartbeat reaches every listener at most 10 s after the one before, for as long as the feed
///   is whole, and none does while it is not. A feed that ends with its process needs none.
/// * `publish` does not wait for the network. It takes the notice into a bounded queue, or fails.
/// * Notices travel sealed ([`Notice::seal`]). Whoever can write to the broker and has no key can
///   repeat notices, which does nothing, and withhold all of them, which silences the feed. The
///   broker is trusted not to withhold some and let heartbeats pass: use one that keeps an order
///   and says so when it has lost something.
pub trait RevocationFeed: Send + Sync {
    /// Hands over a notice for every node.
    ///
    /// # Errors
    ///
    /// [`FeedDown`] if the notice was not taken. The caller has revoked at home already and asks
    /// again.
    fn publish(&self, notice: &Notice) -> Result<(), FeedDown>;

    /// Tells `listener` every notice from now on, until it is dropped.
    ///
    /// # Errors
    ///
    /// [`FeedDown`] if the feed takes no more listeners.
    fn subscribe(&self, listener: Weak<dyn RevocationListener>) -> Result<(), FeedDown>;
}

/// Hears what was published.
///
/// # Contract with the implementer
///
/// `hear` takes effect before it returns, and does not wait or fail. It may be called from any
/// thread, also from within a `publish` of its own.
pub trait RevocationListener: Send + Sync {
    /// Takes one notice.
    fn hear(&self, notice: &Notice);
}

/// The feed did not take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the feed of revocations does not take it now")]
pub struct FeedDown;

/// The most listeners of a [`LocalFeed`].
const MAX_LISTENERS: usize = 1_024;

/// The feed within one process: a notice was heard by all when `publish` returns.
#[derive(Default)]
pub struct LocalFeed {
    listeners: Mutex<Vec<Weak<dyn RevocationListener>>>,
}

impl LocalFeed {
    /// A feed that nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl RevocationFeed for LocalFeed {
    fn publish(&self, notice: &Notice) -> Result<(), FeedDown> {
        // Not under the lock: a listener may publish.
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.hear(notice);
        }
        Ok(())
    }

    fn subscribe(&self, listener: Weak<dyn RevocationListener>) -> Result<(), FeedDown> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|own| own.strong_count() > 0);
        if listeners.len() >= MAX_LISTENERS {
            return Err(FeedDown);
        }
        listeners.push(listener);
        Ok(())
    }
}

impl fmt::Debug for LocalFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalFeed(..)")
    }
}

// Integrators keep one behind `Arc<dyn ...>`; this stops compiling if that breaks.
const _: Option<&dyn RevocationFeed> = None;
