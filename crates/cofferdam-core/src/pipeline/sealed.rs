//! A recorded event on its way through a store: sealed to its tenant, so that what comes back is
//! what went in, and comes back to the same tenant.
//!
//! The layout, all numbers little-endian: version `u8` = 1, position `u64`, leaf `u64`, received
//! wall clock `i64` (milliseconds), number of routes `u32`, each route `u32`, body (the rest),
//! tag `[u8; 32]`. The tag covers everything before it and the tenant's id; the tenant itself is not
//! stored, because a reader who does not already know whose record this is has no business with it.

use alloc::{sync::Arc, vec::Vec};

use super::{Recorded, RouteId};
use crate::{Now, Scoped, TenantId};

const VERSION: u8 = 1;
const TAG_LEN: usize = 32;

/// Makes the tag that ties a stored event to its tenant.
///
/// # Contract
///
/// A keyed MAC of at least 128 bits of strength over the tenant and the message, without any way
/// for two different pairs to be encoded alike. The key outlives the process.
pub trait Seal {
    /// The tag of `message` under `tenant`.
    fn tag(&self, tenant: &TenantId, message: &[u8]) -> [u8; TAG_LEN];
}

const _: Option<&dyn Seal> = None;

/// The stored bytes are not a recorded event of this tenant: edited, cut, moved from another
/// tenant, or sealed with another key. Which of these is not told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored event was not sealed for this tenant")]
#[non_exhaustive]
pub struct Unsealable;

impl Recorded {
    /// Appends the sealed form to `out`.
    pub fn seal(&self, seal: &dyn Seal, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(VERSION);
        out.extend_from_slice(&self.position.to_le_bytes());
        out.extend_from_slice(&self.leaf.to_le_bytes());
        out.extend_from_slice(&self.received_at.wall_ms().to_le_bytes());
        let routes = u32::try_from(self.routes.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&routes.to_le_bytes());
        for route in &self.routes[..routes as usize] {
            out.extend_from_slice(&route.0.to_le_bytes());
        }
        out.extend_from_slice(&self.body);
        let tag = seal.tag(&self.tenant, &out[start..]);
        out.extend_from_slice(&tag);
    }

    /// Reads back what [`seal`](Self::seal) wrote for the same tenant; the result is marked as a
    /// replay. The tag is compared in constant time, before anything else is believed.
    ///
    /// # Errors
    ///
    /// [`Unsealable`] for anything else.
    pub fn unseal(tenant: &TenantId, seal: &dyn Seal, stored: &[u8]) -> Result<Self, Unsealable> {
        let split = stored.len().checked_sub(TAG_LEN).ok_or(Unsealable)?;
        let (message, tag) = stored.split_at(split);
        let difference = seal
            .tag(tenant, message)
            .iter()
            .zip(tag)
            .fold(0, |difference, (ours, theirs)| difference | (ours ^ theirs));
        if difference != 0 {
            return Err(Unsealable);
        }
        let mut rest = message;
        if take::<1>(&mut rest)? != [VERSION] {
            return Err(Unsealable);
        }
        let position = u64::from_le_bytes(take(&mut rest)?);
        let leaf = u64::from_le_bytes(take(&mut rest)?);
        let wall_ms = i64::from_le_bytes(take(&mut rest)?);
        let count = u32::from_le_bytes(take(&mut rest)?) as usize;
        if count > rest.len() / size_of::<u32>() {
            return Err(Unsealable);
        }
        let mut routes = Vec::with_capacity(count);
        for _ in 0..count {
            routes.push(RouteId(u32::from_le_bytes(take(&mut rest)?)));
        }
        Ok(Self {
            tenant: tenant.clone(),
            position,
            received_at: Now::from_millis(0, wall_ms),
            leaf,
            replay: true,
            routes: Arc::from(routes),
            body: Arc::from(rest),
        })
    }

    /// Whether the event belongs to `tenant`.
    #[must_use]
    pub fn belongs_to(&self, tenant: &TenantId) -> bool {
        self.tenant().same(tenant)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Unsealable> {
    let (head, tail) = rest.split_first_chunk().ok_or(Unsealable)?;
    *rest = tail;
    Ok(*head)
}
