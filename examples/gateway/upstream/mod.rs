//! A simulated contact-centre platform on loopback, for the gateway to be tried against.
//!
//! It speaks the notification protocol of Genesys Cloud: channels and subscriptions over REST, one
//! WebSocket a channel, heartbeats, closing notices, the second socket that puts out the first, and
//! no memory: what happens while a tenant has no socket is lost. Here the loss is counted, so that a
//! gateway's own account of its gaps can be checked.
//!
//! ```text
//! rest.rs     channels, subscriptions, per-topic results, 429
//! session.rs  one WebSocket: acknowledgements, pongs, heartbeats, events, the ways it ends
//! writer.rs   a socket's way out: many messages, one flush
//! feed.rs     one tenant's events: how many are due, the next ones as messages
//! replay.rs   recorded frames instead of generated ones
//! faults.rs   sockets that break or are closed, at random
//! ```
//!
//! Where it differs from the platform: a channel with any permitted subscription has all of its
//! tenant's events; of several open channels of one tenant the newest has them; tokens follow from
//! the seed and do not expire.

mod config;
mod faults;
mod feed;
mod replay;
mod rest;
mod session;
mod shared;
mod tenant;
mod writer;

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use cofferdam_core::TenantId;

use cofferdam_sim::generator::{Fleet, Profile, Templates, TenantStream};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::Instant};

pub(crate) use config::{Burst, Faults, Rate, Source, UpstreamConfig};
use feed::{Events, Feed, Pace};
use shared::Shared;
pub(crate) use tenant::{Totals, UpstreamTenant};

/// How often events without a socket are counted as lost.
const SWEEP: Duration = Duration::from_secs(1);
/// How long sockets have to close when the upstream stops.
const STOP: Duration = Duration::from_secs(3);

/// A running upstream. Dropping it without [`stop`](Self::stop) leaves its tasks running.
pub(crate) struct Upstream {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts an upstream with `tenants` generated tenants, or with the recording's own ones.
///
/// # Errors
///
/// If the port is taken or the recording cannot be read.
pub(crate) async fn start(config: UpstreamConfig, tenants: usize) -> io::Result<Upstream> {
    let reading = config.clone();
    let tenants = tokio::task::spawn_blocking(move || populate(&reading, tenants)).await??;
    let listener = TcpListener::bind(("127.0.0.1", config.port)).await?;
    let addr = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let shared = Arc::new(Shared::new(config, addr, tenants, stopped.clone()));

    let app = rest::router(Arc::clone(&shared));
    let mut until = stopped.clone();
    let serve = axum::serve(listener, app).with_graceful_shutdown(async move {
        _ = until.wait_for(|stop| *stop).await;
    });
    let tasks = vec![
        tokio::spawn(async move { _ = serve.await }),
        tokio::spawn(until_stopped(stopped.clone(), sweep(Arc::clone(&shared)))),
        tokio::spawn(until_stopped(stopped, faults::run(Arc::clone(&shared)))),
    ];
    Ok(Upstream { addr, shared, stop, tasks })
}

impl Upstream {
    /// Where it listens, for REST and WebSockets alike.
    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The tenants, heaviest first.
    pub(crate) fn tenants(&self) -> &[Arc<UpstreamTenant>] {
        &self.shared.tenants
    }

    /// The counters of all tenants together.
    pub(crate) fn totals(&self) -> Totals {
        self.tenants()
            .iter()
            .map(|tenant| tenant.counters().totals())
            .fold(Totals::default(), |a, b| a + b)
    }

    /// Whether every event that there will be is accounted for; never without a limit or an end.
    pub(crate) fn finished(&self) -> bool {
        self.tenants().iter().all(|tenant| {
            tenant.planned().is_some_and(|all| tenant.counters().totals().events() >= all)
        })
    }

    /// Closes every socket with a proper goodbye and stops listening. Returns the final counters.
    pub(crate) async fn stop(self) -> Totals {
        self.stop.send_replace(true);
        _ = tokio::time::timeout(STOP, self.shared.idle()).await;
        for task in &self.tasks {
            task.abort();
        }
        self.totals()
    }
}

/// Every frame of a recording and whose it is, for those who check what arrives. Reads files: not
/// for an async thread.
pub(crate) fn recorded_frames(folder: &Path) -> io::Result<Vec<(TenantId, Bytes)>> {
    let owned = |recording: replay::Recording| {
        let id = recording.id;
        recording.frames.into_iter().map(move |frame| (id.clone(), frame.bytes))
    };
    Ok(replay::load(folder)?.into_iter().flat_map(owned).collect())
}

/// The tenants with their feeds. Reads files: not for an async thread.
fn populate(config: &UpstreamConfig, tenants: usize) -> io::Result<Vec<Arc<UpstreamTenant>>> {
    match &config.source {
        Source::Generator(profile) => Ok(generated(config, *profile, tenants)),
        Source::Replay(folder) => recorded(config, replay::load(folder)?),
    }
}

fn generated(
    config: &UpstreamConfig,
    profile: Profile,
    tenants: usize,
) -> Vec<Arc<UpstreamTenant>> {
    let fleet = Fleet::new(config.seed, tenants);
    let weights: Vec<f64> = fleet.tenants().iter().map(|one| one.weight()).collect();
    let planned = config.limit.map(|limit| share_out(limit, &weights));
    let templates = Templates::new(
        config.seed,
        Profile {
            sizes: profile.sizes,
            foreign_rate: profile.foreign_rate,
            shared_correlation_rate: profile.shared_correlation_rate,
            planted: profile.planted,
            duplicate_rate: config.faults.duplicate_rate,
            late_rate: config.faults.late_rate,
            ..Profile::benchmark(0)
        },
    );
    let tenant = |(index, demo): (usize, &cofferdam_sim::generator::DemoTenant)| {
        let stream = TenantStream::with_templates(config.seed, demo, &templates);
        let events = Events::Made { stream, scratch: Vec::with_capacity(4_096) };
        let pace = Pace::new(config.rate, config.faults.burst, index, demo.weight());
        let planned = planned.as_ref().and_then(|planned| planned.get(index)).copied();
        let feed = Feed::new(events, pace, planned);
        let (id, name) = (demo.id().clone(), demo.id().to_string());
        Arc::new(UpstreamTenant::new(config.seed, id, name, Some(demo.clone()), feed))
    };
    fleet.tenants().iter().enumerate().map(tenant).collect()
}

fn recorded(
    config: &UpstreamConfig,
    recordings: Vec<replay::Recording>,
) -> io::Result<Vec<Arc<UpstreamTenant>>> {
    let counts: Vec<u64> = recordings.iter().map(|one| one.frames.len() as u64).collect();
    let all: u64 = counts.iter().sum();
    let weights: Vec<f64> = counts.iter().map(|count| *count as f64 / all as f64).collect();
    let planned = match config.limit {
        Some(limit) => share_out(limit, &weights),
        None => counts,
    };
    let tenant = |(index, one): (usize, replay::Recording)| {
        let pace = Pace::new(config.rate, config.faults.burst, index, weights[index]);
        let feed =
            Feed::new(Events::Recorded(one.frames.into_iter().cycle()), pace, Some(planned[index]));
        Arc::new(UpstreamTenant::new(config.seed, one.id, one.name, None, feed))
    };
    Ok(recordings.into_iter().enumerate().map(tenant).collect())
}

/// `limit` in whole parts by weight, adding up to `limit`: every part is rounded down, and what is
/// left over goes to the heaviest.
fn share_out(limit: u64, weights: &[f64]) -> Vec<u64> {
    let mut parts: Vec<u64> = weights.iter().map(|weight| (limit as f64 * weight) as u64).collect();
    let left = limit.saturating_sub(parts.iter().sum());
    if let Some(first) = parts.first_mut() {
        *first += left;
    }
    parts
}

/// Counts what happens to tenants without a socket, so that their counters stay current.
async fn sweep(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        for tenant in &shared.tenants {
            let lost = tenant.feed().lose(Instant::now());
            session::count_lost(tenant, lost);
        }
    }
}

async fn until_stopped(mut stopped: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}
