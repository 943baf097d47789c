//! No tenant sees what another one does with its tokens.

use std::{sync::Arc, time::Duration};

use cofferdam_auth::source::{
    Client, Clients, Failure, Input, OAuthError, RequestId, SourceLimits, TokenSource,
};
use cofferdam_core::{Now, TenantId};
use cofferdam_sim::{PerTenant, Step, assert_noninterference, rng};

use super::rig::{config, good};
use crate::world::tenant;

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];

/// One registry, one client and one source for each tenant.
fn sources() -> PerTenant<TokenSource, impl FnMut(&TenantId) -> TokenSource> {
    let mut clients = Clients::new([1; 32]);
    let clients: Vec<Arc<Client>> =
        TENANTS.iter().map(|id| clients.register(config(id)).unwrap()).collect();
    PerTenant::new(move |tenant: &TenantId| {
        let at = TENANTS.iter().position(|id| *id == tenant.as_str()).unwrap();
        let seed = [u8::try_from(at).unwrap(); 32];
        TokenSource::new(Arc::clone(&clients[at]), SourceLimits::default(), seed)
    })
}

#[test]
fn no_tenants_tokens_depend_on_another_tenants() {
    let mut rng = rng::seeded("no_tenants_tokens_depend_on_another_tenants", 17);
    for _ in 0..50 {
        let mut now = Now::default();
        let mut script = Vec::new();
        let mut attempts = [0; 3];
        for request in 0..200 {
            now = now.after(Duration::from_millis(rng.u64(0..20_000)));
            let whose = rng.usize(0..3);
            let attempt = rng.u64(0..=attempts[whose] + 1);
            attempts[whose] = attempts[whose].max(attempt);
            let input = match rng.u8(0..8) {
                0..=3 => Input::Wanted { request: RequestId(request) },
                4 | 5 => {
                    let answer = good(TENANTS[whose], rng.u64(1..200));
                    Input::Obtained { attempt, answer, witness: None }
                }
                6 => {
                    let why = Failure::Refused(OAuthError::InvalidClient);
                    Input::Failed { attempt, why, retry_after: None }
                }
                _ => Input::Rejected { serial: attempt },
            };
            script.push((now, Step::Input((tenant(TENANTS[whose]), input))));
        }
        script.push((now.after(Duration::from_secs(600)), Step::Timeout));
        assert_noninterference(sources, |(owner, _)| owner.clone(), &script);
    }
}
