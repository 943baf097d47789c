//! Many single-tenant machines as one: routes each input to its tenant's own machine.

use std::collections::{BTreeMap, btree_map::Entry};

use cofferdam_core::{Machine, Now, TenantId};

/// One `M` for each tenant, made when the tenant is first heard of.
///
/// It is the least that a process does to hold several compartments, so that a machine of one tenant
/// can be put under the [noninterference check](crate::assert_noninterference), where it shows
/// whether machines that are apart as values share anything behind their backs (a static, a cache, a
/// store behind an `Arc`).
#[derive(Debug)]
pub struct PerTenant<M, F> {
    make: F,
    machines: BTreeMap<TenantId, M>,
}

impl<M, F: FnMut(&TenantId) -> M> PerTenant<M, F> {
    /// No machines yet; `make` makes a tenant's.
    pub const fn new(make: F) -> Self {
        Self { make, machines: BTreeMap::new() }
    }

    /// A tenant's machine, if it was heard of.
    #[must_use]
    pub fn get(&self, tenant: &TenantId) -> Option<&M> {
        self.machines.get(tenant)
    }
}

impl<M: Machine, F: FnMut(&TenantId) -> M> Machine for PerTenant<M, F> {
    type Input = (TenantId, M::Input);
    type Effect = M::Effect;

    fn handle_input(
        &mut self,
        (tenant, input): Self::Input,
        now: Now,
        effects: &mut Vec<Self::Effect>,
    ) {
        let machine = match self.machines.entry(tenant) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let machine = (self.make)(new.key());
                new.insert(machine)
            }
        };
        machine.handle_input(input, now, effects);
    }

    fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Self::Effect>) {
        for machine in self.machines.values_mut() {
            machine.handle_timeout(now, effects);
        }
    }

    fn poll_timeout(&self) -> Option<Now> {
        self.machines.values().filter_map(M::poll_timeout).min()
    }
}
