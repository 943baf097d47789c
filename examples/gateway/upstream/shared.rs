//! What REST handlers, sockets and faults share: tenants, tokens, channels.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hasher,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use siphasher::sip128::{Hasher128, SipHasher24};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{config::UpstreamConfig, session::Order, tenant::UpstreamTenant};

/// Channels that one OAuth client may have; one more takes the place of the least recently used.
const CHANNELS: usize = 20;
/// How long a channel lives, in milliseconds; subscribing makes it live that long from then.
pub(super) const CHANNEL_LIFE_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: UpstreamConfig,
    pub(super) addr: SocketAddr,
    pub(super) tenants: Vec<Arc<UpstreamTenant>>,
    pub(super) stopped: watch::Receiver<bool>,
    by_token: BTreeMap<String, usize>,
    channels: Mutex<BTreeMap<String, Channel>>,
    budgets: Mutex<Vec<Budget>>,
    numbers: AtomicU64,
    open: watch::Sender<usize>,
}

/// A notification channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) tenant: usize,
    pub(super) topics: BTreeSet<String>,
    pub(super) expires_ms: u64,
    /// The last time that anything was done with it, as a running number.
    used: u64,
    pub(super) socket: Option<Socket>,
}

/// The channel's socket, while it is open.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) number: u64,
    pub(super) orders: mpsc::UnboundedSender<Order>,
}

/// A tenant's requests in the current minute.
#[derive(Debug, Clone, Copy)]
struct Budget {
    minute: Instant,
    used: u32,
}

impl Shared {
    pub(super) fn new(
        config: UpstreamConfig,
        addr: SocketAddr,
        tenants: Vec<Arc<UpstreamTenant>>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let tokens = tenants.iter().enumerate();
        let by_token = tokens.map(|(index, one)| (one.token().to_owned(), index)).collect();
        let budgets = vec![Budget { minute: Instant::now(), used: 0 }; tenants.len()];
        Self {
            config,
            addr,
            tenants,
            stopped,
            by_token,
            channels: Mutex::default(),
            budgets: Mutex::new(budgets),
            numbers: AtomicU64::new(0),
            open: watch::Sender::new(0),
        }
    }

    /// Whose token this is.
    pub(super) fn tenant_of(&self, token: &str) -> Option<usize> {
        self.by_token.get(token).copied()
    }

    /// A number that nobody else has.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Relaxed)
    }

    pub(super) fn channels(&self) -> MutexGuard<'_, BTreeMap<String, Channel>> {
        lock(&self.channels)
    }

    /// Takes one request from a tenant's minute, or says how many seconds are left of it.
    pub(super) fn admit(&self, tenant: usize, now: Instant) -> Result<(), u64> {
        let mut budgets = lock(&self.budgets);
        let Some(budget) = budgets.get_mut(tenant) else { return Ok(()) };
        let elapsed = (now - budget.minute).as_secs();
        if elapsed >= 60 {
            *budget = Budget { minute: now, used: 0 };
        } else if budget.used >= self.config.requests_per_minute {
            return Err(60 - elapsed);
        }
        budget.used += 1;
        Ok(())
    }

    /// Opens a channel and returns its id.
    pub(super) fn create_channel(&self, tenant: usize, now_ms: u64) -> String {
        let used = self.number();
        let mut hasher = SipHasher24::new_with_keys(self.config.seed, used);
        hasher.write_u64(tenant as u64);
        let id = format!("streaming-{}-{:032x}", used % 10, u128::from(hasher.finish128()));
        let mut channels = self.channels();
        let own = channels.iter().filter(|(_, channel)| channel.tenant == tenant);
        if own.clone().count() >= CHANNELS {
            // Those without a socket go first.
            let first = own.min_by_key(|(_, channel)| (channel.socket.is_some(), channel.used));
            if let Some(evicted) = first.map(|(id, _)| id.clone())
                && let Some(channel) = channels.remove(&evicted)
                && let Some(socket) = channel.socket
            {
                _ = socket.orders.send(Order::Kick);
            }
        }
        let expires_ms = now_ms + CHANNEL_LIFE_MS;
        let topics = BTreeSet::new();
        channels.insert(id.clone(), Channel { tenant, topics, expires_ms, used, socket: None });
        id
    }

    /// Runs `change` on a tenant's own channel. Somebody else's does not exist for it.
    pub(super) fn with_channel<T>(
        &self,
        tenant: usize,
        id: &str,
        change: impl FnOnce(&mut Channel) -> T,
    ) -> Option<T> {
        let used = self.number();
        let mut channels = self.channels();
        let channel = channels.get_mut(id).filter(|channel| channel.tenant == tenant)?;
        channel.used = used;
        Some(change(channel))
    }

    /// A socket was opened or closed.
    pub(super) fn opened(&self) {
        self.open.send_modify(|open| *open += 1);
    }

    pub(super) fn closed(&self) {
        self.open.send_modify(|open| *open = open.saturating_sub(1));
    }

    /// Returns once no socket is open.
    pub(super) async fn idle(&self) {
        _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
