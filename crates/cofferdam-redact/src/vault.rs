//! Where tokens lead back to values, for those who may ask.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use cofferdam_core::TenantId;
use zeroize::Zeroizing;

/// Keeps what tokens stand for.
///
/// # Contract
///
/// * A value that was kept for one tenant is never revealed for another, whatever the token.
/// * `keep` is called in the middle of an event: it must not wait. A vault on another machine keeps the
///   pair in a bounded buffer and is full when that is. Of one tenant, field and epoch the
///   same value comes with the same token, again and again; to keep it once is enough.
/// * What a vault keeps is what redaction hides: seal it at rest, and ask who may reveal.
pub trait Vault: Send + Sync {
    /// Keeps a value under its token. A value is its JSON text: strings stand in quotes.
    ///
    /// # Errors
    ///
    /// [`VaultFull`] refuses the whole event: a token that leads nowhere is a loss.
    fn keep(&self, tenant: &TenantId, token: &str, value: &[u8]) -> Result<(), VaultFull>;
}

/// The vault has no room, or cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the vault takes no more")]
pub struct VaultFull;

/// A vault in memory, with room for so many values: for tests, and for what may end with the process.
pub struct MemoryVault {
    room: usize,
    kept: Mutex<BTreeMap<Key, Zeroizing<Vec<u8>>>>,
}

/// A tenant and a token of its own.
type Key = (TenantId, Box<str>);

impl MemoryVault {
    /// An empty one.
    #[must_use]
    pub const fn new(room: usize) -> Self {
        Self { room, kept: Mutex::new(BTreeMap::new()) }
    }

    /// The value that was kept for `tenant` under `token`.
    #[must_use]
    pub fn reveal(&self, tenant: &TenantId, token: &str) -> Option<Zeroizing<Vec<u8>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&(tenant.clone(), token.into())).cloned()
    }
}

impl Vault for MemoryVault {
    fn keep(&self, tenant: &TenantId, token: &str, value: &[u8]) -> Result<(), VaultFull> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.clone(), token.into());
        if kept.contains_key(&key) {
            return Ok(());
        }
        if kept.len() >= self.room {
            return Err(VaultFull);
        }
        kept.insert(key, Zeroizing::new(value.to_vec()));
        Ok(())
    }
}

/// Shows neither tokens nor values.
impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryVault").field("room", &self.room).finish_non_exhaustive()
    }
}
