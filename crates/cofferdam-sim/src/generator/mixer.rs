//! A fleet's streams as one: whose turn it is follows the tenants' weights.

use super::{
    Fleet, FrameKind, Profile, Templates, TenantStream,
    rng::{Purpose, Rng, seed_for},
};

/// All tenants' frames in one sequence, as a shared ingest would see them.
///
/// Each tenant's own frames are the same, and in the same order, as those of a [`TenantStream`] of
/// the same seed alone.
#[derive(Debug, Clone)]
pub struct FleetStream {
    streams: Vec<TenantStream>,
    /// The weights' running sum.
    up_to: Vec<f64>,
    turns: Rng,
}

impl FleetStream {
    /// The stream of all of `fleet`'s tenants.
    #[must_use]
    pub fn new(seed: u64, fleet: &Fleet, profile: Profile) -> Self {
        let templates = Templates::new(seed, profile);
        let stream = |tenant| TenantStream::with_templates(seed, tenant, &templates);
        let sum = |so_far: &mut f64, weight: f64| {
            *so_far += weight;
            Some(*so_far)
        };
        Self {
            streams: fleet.tenants().iter().map(stream).collect(),
            up_to: fleet.tenants().iter().map(|one| one.weight()).scan(0.0, sum).collect(),
            turns: Rng::new(seed_for(seed, Purpose::Turns, 0)),
        }
    }

    /// Writes the next frame in place of whatever `out` holds; returns the tenant's index and what
    /// the frame is, or `None` if the fleet has no tenants.
    pub fn next_frame(&mut self, out: &mut Vec<u8>) -> Option<(usize, FrameKind)> {
        let turn = self.turns.unit();
        let index = self.up_to.partition_point(|up_to| *up_to <= turn);
        let index = index.min(self.streams.len().checked_sub(1)?);
        let kind = self.streams.get_mut(index)?.next_frame(out);
        Some((index, kind))
    }
}
