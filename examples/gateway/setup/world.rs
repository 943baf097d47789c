//! What stands in for the world: the platform, the issuer, and the consumers.

use std::{net::SocketAddr, sync::Arc};

use cofferdam::{
    auth::{IssuerConfig, KeyRing, TokenCache, Verifier, session::Limits},
    core::TenantId,
};
use cofferdam_sim::generator::Profile;
use cofferdam_tokio::{
    JwksClient, KeyEvent, KeyKeeper, Networks, random_bytes,
    sessions::{SessionDriver, SessionRegistry},
};
use tokio::task;

use super::{Shared, Wires};
use crate::{
    config::Settings,
    demo::{Consumer, Ownership},
    issuer::{AUDIENCE, Issuer},
    upstream::{self, Source, Upstream, UpstreamConfig},
};

pub(super) async fn start_upstream(settings: &Settings) -> Result<Upstream, String> {
    let source = match &settings.replay {
        Some(folder) => Source::Replay(folder.clone()),
        None => Source::Generator(Profile::benchmark(1_600)),
    };
    let config = UpstreamConfig {
        seed: settings.seed,
        source,
        rate: settings.rate,
        faults: settings.faults.clone(),
        limit: settings.limit,
        ..UpstreamConfig::default()
    };
    upstream::start(config, settings.tenants).await.map_err(|error| match &settings.replay {
        Some(folder) => format!("--replay {}: {error}", folder.display()),
        None => format!("the simulated platform cannot start: {error}"),
    })
}

/// Starts the issuer, registers it for every tenant, and fetches its keys like any stranger's.
pub(super) async fn trust(
    upstream: &Upstream,
    shared: &Shared<'_>,
) -> Result<(Arc<Issuer>, KeyKeeper, (SessionRegistry, SessionDriver)), String> {
    let tenants: Vec<(TenantId, String)> = upstream
        .tenants()
        .iter()
        .map(|tenant| (tenant.id().clone(), tenant.organisation().to_owned()))
        .collect();
    let issuer = Issuer::start(&tenants, shared.clock)
        .await
        .map_err(|error| format!("the issuer cannot start: {error}"))?;
    let client =
        JwksClient::new(Networks::PublicAndThisMachine).map_err(|error| error.to_string())?;
    let cache = TokenCache::new(&random_bytes(), REMEMBERED);
    let verifier = Verifier::new(shared.authority.clone()).with_cache(cache);
    let ring = Arc::new(KeyRing::new(verifier));
    let (sessions, driver) =
        SessionRegistry::start(Arc::clone(&ring), shared.clock, Limits::default());
    let ending = sessions.clone();
    let on_event = move |event| report(&ending, event);
    let (keeper, _task) = KeyKeeper::start(Arc::clone(&ring), client, shared.clock, on_event);
    for (tenant, _) in &tenants {
        let config = IssuerConfig::new(&Issuer::name(tenant), tenant.clone(), AUDIENCE);
        let registered = keeper.register(&config, &issuer.key_set_address(tenant)).await;
        match registered {
            Ok(true) => {}
            Ok(false) => return Err(format!("the issuer of {tenant} does not publish its keys")),
            Err(error) => return Err(format!("the issuer of {tenant}: {error}")),
        }
    }
    Ok((Arc::new(issuer), keeper, (sessions, driver)))
}

/// Tokens that are remembered for when everybody reconnects.
const REMEMBERED: usize = 16_384;

/// Keys are fetched again by themselves; sessions of keys that were withdrawn end, and an operator
/// should hear of the rest.
fn report(sessions: &SessionRegistry, event: KeyEvent) {
    match event {
        KeyEvent::Published { tenant, issuer, keys, withdrawn } => {
            if !withdrawn.is_empty() {
                eprintln!("gateway: {tenant} withdrew {} keys", withdrawn.len());
            }
            sessions.keys_changed(&tenant, &issuer, &keys);
        }
        KeyEvent::Removed { tenant, issuer } => sessions.issuer_removed(&tenant, &issuer),
        KeyEvent::Alarm { tenant, alarm, .. } => {
            eprintln!("gateway: the keys of {tenant}: {alarm:?}");
        }
        _ => {}
    }
}

/// What consumers check against: who owns which id, read from the source and not from the gateway.
pub(super) async fn ownership(settings: &Settings) -> Result<Ownership, String> {
    let Some(folder) = settings.replay.clone() else {
        return Ok(Ownership::of_generated(settings.seed, settings.tenants));
    };
    let reading = task::spawn_blocking(move || upstream::recorded_frames(&folder));
    let frames = reading.await.map_err(|error| error.to_string())?;
    let frames = frames.map_err(|error| format!("the recording cannot be read: {error}"))?;
    Ok(Ownership::of_frames(frames.iter().map(|(tenant, frame)| (tenant, &frame[..]))))
}

pub(super) fn start_consumers(
    settings: &Settings,
    upstream: &Upstream,
    gateway: SocketAddr,
    wires: &Wires,
    ownership: Ownership,
) {
    let ownership = Arc::new(ownership);
    // The second tenant's consumer is the slow one: the first has the bursts.
    let slow = settings.slow_consumer.then_some(1);
    for (index, tenant) in upstream.tenants().iter().enumerate() {
        if let Some(stats) = wires.stats.tenant(tenant.id().as_str()) {
            stats.slow.store(slow == Some(index), std::sync::atomic::Ordering::Relaxed);
        }
        let consumer = Consumer {
            tenant: tenant.id().clone(),
            gateway,
            issuer: Arc::clone(&wires.issuer),
            ownership: Arc::clone(&ownership),
            stats: Arc::clone(&wires.stats),
            slow: slow == Some(index),
        };
        tokio::spawn(consumer.run());
    }
}
