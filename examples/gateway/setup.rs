//! Putting the parts together: one folder, one key, one verifier, and a compartment for each tenant.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroU32,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    thread::JoinHandle,
    time::Duration,
};

use cofferdam::{
    Compartment, Parts,
    audit::{self, CommitmentKey, Log, Origin, SigningKey, Stored, VerifyingKey},
    auth::{IssuerConfig, KeyRing, Verifier},
    core::{Authority, Epoch, Now, TenantId},
    cursor::{Cursor, DedupKey, Deduplicator, StreamId, Tracker, TrackerLimits},
    filter::{Compiler, Mapping},
    queue::{LaneConfig, Queues, QueuesConfig, TokenBucket, dead_letter::TenantSeal},
    redact::{Policy, PolicyLimits, RedactionKey},
};
use cofferdam_sim::generator::Profile;
use cofferdam_tokio::{Clock, JwksClient, random_bytes};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task,
};

use crate::{
    config::Settings,
    control::{Control, ControlledTenant, router},
    demo::{self, Consumer, Ownership},
    issuer::{AUDIENCE, Issuer},
    keys::DeploymentKey,
    link::Link,
    sessions::{self, Doorkeeper},
    stats::Stats,
    storage::{Job, Storage, letter_count},
    tenant::{self, Phase, Surroundings},
    upstream::{self, Source, Upstream, UpstreamConfig, UpstreamTenant},
};

/// The upstream stream's name within each tenant.
const STREAM: &str = "notifications";

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) control: SocketAddr,
    pub(crate) consumers: SocketAddr,
    operator_token: String,
    pub(crate) stats: Arc<Stats>,
    pub(crate) upstream: Upstream,
    pub(crate) tenants: Vec<task::JoinHandle<()>>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) storage_jobs: mpsc::Sender<Job>,
    pub(crate) storage_thread: JoinHandle<Result<(), String>>,
    pub(crate) log_keys: Vec<(TenantId, VerifyingKey)>,
}

/// What all tenants' setups share.
struct Shared<'s> {
    settings: &'s Settings,
    clock: Clock,
    authority: Authority,
    root: DeploymentKey,
    storage: Arc<Storage>,
    mapping: Mapping,
    hash_key: [u8; 16],
    redaction: RedactionKey,
    seal: Arc<TenantSeal>,
    dedup: DedupKey,
}

impl Gateway {
    /// Starts everything; every mistake is one message.
    pub(crate) async fn start(
        settings: &Settings,
        phase: watch::Receiver<Phase>,
    ) -> Result<Self, String> {
        let console = bind(settings.listen, "--listen").await?;
        let door = bind(settings.consumers, "--consumers").await?;
        let (control, consumers) = (address(&console)?, address(&door)?);
        let storage = Arc::new(Storage::open(&settings.data)?);
        let root = DeploymentKey::load(&settings.data)
            .map_err(|error| format!("the data folder's key cannot be used: {error}"))?;
        let upstream = start_upstream(settings).await?;
        let ownership = ownership(settings).await?;
        let ids: Vec<TenantId> =
            upstream.tenants().iter().map(|tenant| tenant.id().clone()).collect();
        let stats = Arc::new(Stats::new(ids.iter().cloned()));
        let clock = Clock::start();
        let shared = Shared {
            settings,
            clock,
            authority: Authority::new(random_bytes()),
            storage: Arc::clone(&storage),
            mapping: demo::mapping(settings.replay.is_some()),
            hash_key: random_bytes(),
            redaction: RedactionKey::new(root.derive("redaction", None), 1),
            seal: Arc::new(TenantSeal::new(root.derive("seal", None))),
            dedup: DedupKey::new(random_bytes()),
            root,
        };

        // Compartments first: they verify the stored logs before anything is appended to them.
        let mut compartments = Vec::new();
        for tenant in upstream.tenants() {
            compartments.push(shared.compartment(tenant, clock.now())?);
        }
        let (storage_jobs, storage_thread) = storage
            .start(&ids)
            .map_err(|error| format!("the data folder cannot be written: {error}"))?;
        let (issuer, keys) = trust(&upstream, &shared).await?;
        let connections = Arc::new(AtomicU64::new(1));
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| format!("no http client: {error}"))?;

        let mut commands = BTreeMap::new();
        let mut controlled = BTreeMap::new();
        let mut tenants = Vec::new();
        let mut log_keys = Vec::new();
        for (tenant, (compartment, log_key, resumed)) in upstream.tenants().iter().zip(compartments)
        {
            let (link_events, links) = mpsc::channel(2);
            let (command, inbox) = mpsc::channel(1_024);
            let around =
                shared.surroundings(tenant, (&log_key, resumed), &storage_jobs, &stats, &phase)?;
            tenants.push(tokio::spawn(tenant::run(compartment, around, links, inbox)));
            let link = Link {
                tenant: tenant.id().clone(),
                upstream: upstream.addr().to_string(),
                token: tenant.token().to_owned(),
                topics: tenant.topics(),
                issuer: Arc::clone(&issuer),
                keys: Arc::clone(&keys),
                clock,
                http: http.clone(),
                connections: Arc::clone(&connections),
            };
            tokio::spawn(link.run(link_events));
            let organisation = tenant.organisation().to_owned();
            controlled.insert(
                tenant.id().clone(),
                ControlledTenant { organisation, commands: command.clone() },
            );
            commands.insert(tenant.id().clone(), command);
            log_keys.push((tenant.id().clone(), log_key));
        }
        let doorkeeper = Doorkeeper {
            keys,
            clock,
            tenants: commands,
            stats: Arc::clone(&stats),
            connections,
            phase,
        };
        tokio::spawn(sessions::serve(door, Arc::new(doorkeeper)));
        start_consumers(settings, &upstream, consumers, &issuer, &stats, ownership);
        let operator_token = hex(&random_bytes::<16>());
        let api = Control {
            operator_token: operator_token.clone(),
            tenants: controlled,
            mapping: shared.mapping.clone(),
            hash_key: shared.hash_key,
            redaction: RedactionKey::new(shared.root.derive("redaction", None), 1),
            seal: Arc::clone(&shared.seal),
            storage: Arc::clone(&storage),
            stats: Arc::clone(&stats),
            ready: AtomicBool::new(true),
            versions: AtomicU64::new(1),
        };
        let app = router(Arc::new(api));
        tokio::spawn(async move { axum::serve(console, app).await });
        Ok(Self {
            control,
            consumers,
            operator_token,
            stats,
            upstream,
            tenants,
            storage,
            storage_jobs,
            storage_thread,
            log_keys,
        })
    }

    /// The console with the operator's token in the fragment, which browsers do not send.
    pub(crate) fn console_address(&self) -> String {
        format!("http://{}/console#token={}", self.control, self.operator_token)
    }
}

impl Shared<'_> {
    fn compartment(
        &self,
        tenant: &UpstreamTenant,
        now: Now,
    ) -> Result<(Compartment, VerifyingKey, bool), String> {
        let id = tenant.id();
        let about = |error: String| format!("tenant {id}: {error}");
        let organisation = Some(tenant.organisation());
        let routes =
            self.document(id, "filters", demo::subscriptions(id, self.settings.replay.is_some()))?;
        let graph = Compiler::new(self.hash_key)
            .compile(
                &demo::parse_subscriptions(&routes).map_err(about)?,
                &self.mapping,
                organisation,
            )
            .map_err(|error| about(error.to_string()))?;
        let rules = self.document(id, "policy", demo::policy(id))?;
        let policy = Policy::compile(
            &demo::parse_policy(&rules).map_err(about)?,
            &self.redaction,
            PolicyLimits::default(),
        )
        .map_err(|error| about(error.to_string()))?;

        let stream = StreamId::new(id.clone(), STREAM).map_err(|error| about(error.to_string()))?;
        let stored = self.storage.cursor(&stream).map_err(about)?;
        let resumed = stored.is_some();
        let epoch = Epoch(stored.as_ref().map_or(0, |cursor| cursor.epoch().0) + 1);
        let cursor = stored.unwrap_or_else(|| Cursor::new(stream, epoch, 0)).under(epoch);
        let (log, log_key) = self.log(id, epoch, now)?;
        let lane = LaneConfig {
            capacity_events: self.settings.queue.capacity,
            high: self.settings.queue.high,
            low: self.settings.queue.low,
            ..LaneConfig::new(demo::QUEUE)
        };
        let (window, retention) = match self.settings.dedup {
            Duration::ZERO => (1, Duration::ZERO),
            retention => (4_096, retention),
        };
        let config = QueuesConfig { epoch, ..QueuesConfig::new(Vec::new()) };
        let parts = Parts {
            filter: Arc::new(graph),
            policy: Arc::new(policy),
            log,
            queues: Queues::new(id.clone(), config).map_err(|error| about(error.to_string()))?,
            new_lanes: lane,
            tracker: Tracker::resume(&cursor, TrackerLimits::default()),
            dedup: Deduplicator::new(id.clone(), &self.dedup, window, retention),
            json_key: random_bytes(),
        };
        let compartment = Compartment::new(parts).map_err(|error| about(error.to_string()))?;
        Ok((compartment, log_key, resumed))
    }

    /// A posted document of an earlier run, or the demo's own.
    fn document(
        &self,
        id: &TenantId,
        name: &str,
        demo: serde_json::Value,
    ) -> Result<Vec<u8>, String> {
        let path = self.storage.document_file(id, name);
        match std::fs::read(&path) {
            Ok(document) => Ok(document),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(demo.to_string().into_bytes())
            }
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        }
    }

    /// Opens a tenant's log, or goes on with it once it has verified.
    fn log(&self, id: &TenantId, epoch: Epoch, now: Now) -> Result<(Log, VerifyingKey), String> {
        let about = |error: String| format!("the audit log of {id}: {error}");
        // The origin is public, so it does not name the tenant.
        let opaque =
            hex(self.root.derive("origin", Some(id)).first_chunk::<8>().unwrap_or(&[0; 8]));
        let origin = Origin::parse(&format!("audit.gateway.example/{opaque}"))
            .map_err(|error| about(error.to_string()))?;
        let signer = SigningKey::from_seed(origin.clone(), &self.root.derive("audit", Some(id)));
        let log_key = signer.verifying_key().clone();
        let commitments = CommitmentKey::derive(&self.root.derive("commitment", Some(id)), &origin);
        let config =
            audit::Config::new(id.clone(), signer, commitments, epoch).with_max_waiting(65_536);
        self.storage.publish_key(id, &log_key).map_err(|error| about(error.to_string()))?;
        let (leaf_file, checkpoint_file) =
            (self.storage.leaf_file(id), self.storage.checkpoint_file(id));
        let (leaves, checkpoints) = (read(&leaf_file)?, read(&checkpoint_file)?);
        if leaves.is_empty() && checkpoints.is_empty() {
            return Ok((Log::open(config, now), log_key));
        }
        let stored = Stored { leaves: &leaves, checkpoints: &checkpoints, remembered: &[] };
        let (log, recovery) =
            Log::resume(config, &stored, now).map_err(|error| about(error.to_string()))?;
        truncate(&leaf_file, recovery.leaf_bytes)?;
        truncate(&checkpoint_file, recovery.checkpoint_bytes)?;
        Ok((log, log_key))
    }

    fn surroundings(
        &self,
        tenant: &UpstreamTenant,
        (log_key, resumed): (&VerifyingKey, bool),
        storage: &mpsc::Sender<Job>,
        stats: &Stats,
        phase: &watch::Receiver<Phase>,
    ) -> Result<Surroundings, String> {
        use std::sync::atomic::Ordering::Relaxed;
        let id = tenant.id();
        let stats = stats.tenant(id.as_str()).cloned().ok_or("a tenant without numbers")?;
        let queue = self.settings.queue;
        stats.low.store(queue.low as u64, Relaxed);
        stats.high.store(queue.high as u64, Relaxed);
        stats.capacity.store(queue.capacity as u64, Relaxed);
        stats.dead_held.store(letter_count(&self.storage.store, id), Relaxed);
        let bucket = self.settings.throttle.and_then(|(rate, burst)| {
            Some(TokenBucket::new(NonZeroU32::new(rate)?, NonZeroU32::new(burst)?))
        });
        Ok(Surroundings {
            authority: self.authority.clone(),
            clock: self.clock,
            seal: Arc::clone(&self.seal),
            log_key: log_key.clone(),
            storage: storage.clone(),
            stats,
            bucket,
            resumed,
            phase: phase.clone(),
        })
    }
}

async fn start_upstream(settings: &Settings) -> Result<Upstream, String> {
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
async fn trust(
    upstream: &Upstream,
    shared: &Shared<'_>,
) -> Result<(Arc<Issuer>, Arc<KeyRing>), String> {
    let tenants: Vec<(TenantId, String)> = upstream
        .tenants()
        .iter()
        .map(|tenant| (tenant.id().clone(), tenant.organisation().to_owned()))
        .collect();
    let issuer = Issuer::start(&tenants, shared.clock)
        .await
        .map_err(|error| format!("the issuer cannot start: {error}"))?;
    let client = JwksClient::new().map_err(|error| error.to_string())?;
    let keys = KeyRing::new(Verifier::new(shared.authority.clone()));
    for (tenant, _) in &tenants {
        let about = |error: String| format!("the issuer of {tenant}: {error}");
        keys.register(&IssuerConfig::new(&Issuer::name(tenant), tenant.clone(), AUDIENCE))
            .map_err(|error| about(error.to_string()))?;
        fetch_keys(&client, &issuer, &keys, tenant, shared.clock).await.map_err(about)?;
    }
    let (issuer, keys) = (Arc::new(issuer), Arc::new(keys));
    tokio::spawn(refresh_keys(
        client,
        Arc::clone(&issuer),
        Arc::clone(&keys),
        tenants,
        shared.clock,
    ));
    Ok((issuer, keys))
}

async fn fetch_keys(
    client: &JwksClient,
    issuer: &Issuer,
    keys: &KeyRing,
    tenant: &TenantId,
    clock: Clock,
) -> Result<(), String> {
    let fetched =
        client.fetch(&issuer.key_set_address(tenant)).await.map_err(|error| error.to_string())?;
    keys.replace_keys(&Issuer::name(tenant), &fetched, clock.now())
        .map_err(|error| error.to_string())
}

/// Key sets are fresh for five minutes; a failed fetch keeps the last good set.
async fn refresh_keys(
    client: JwksClient,
    issuer: Arc<Issuer>,
    keys: Arc<KeyRing>,
    tenants: Vec<(TenantId, String)>,
    clock: Clock,
) {
    let mut ticks = tokio::time::interval(Duration::from_secs(240));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        for (tenant, _) in &tenants {
            if let Err(error) = fetch_keys(&client, &issuer, &keys, tenant, clock).await {
                eprintln!("gateway: the keys of {tenant} were not refreshed: {error}");
            }
        }
    }
}

/// What consumers check against: who owns which id, read from the source and not from the gateway.
async fn ownership(settings: &Settings) -> Result<Ownership, String> {
    let Some(folder) = settings.replay.clone() else {
        return Ok(Ownership::of_generated(settings.seed, settings.tenants));
    };
    let reading = task::spawn_blocking(move || upstream::recorded_frames(&folder));
    let frames = reading.await.map_err(|error| error.to_string())?;
    let frames = frames.map_err(|error| format!("the recording cannot be read: {error}"))?;
    Ok(Ownership::of_frames(frames.iter().map(|(tenant, frame)| (tenant, &frame[..]))))
}

fn start_consumers(
    settings: &Settings,
    upstream: &Upstream,
    gateway: SocketAddr,
    issuer: &Arc<Issuer>,
    stats: &Arc<Stats>,
    ownership: Ownership,
) {
    let ownership = Arc::new(ownership);
    // The second tenant's consumer is the slow one: the first has the bursts.
    let slow = settings.slow_consumer.then_some(1);
    for (index, tenant) in upstream.tenants().iter().enumerate() {
        if let Some(stats) = stats.tenant(tenant.id().as_str()) {
            stats.slow.store(slow == Some(index), std::sync::atomic::Ordering::Relaxed);
        }
        let consumer = Consumer {
            tenant: tenant.id().clone(),
            gateway,
            issuer: Arc::clone(issuer),
            ownership: Arc::clone(&ownership),
            stats: Arc::clone(stats),
            slow: slow == Some(index),
        };
        tokio::spawn(consumer.run());
    }
}

async fn bind(at: SocketAddr, flag: &str) -> Result<TcpListener, String> {
    TcpListener::bind(at)
        .await
        .map_err(|error| format!("{at} cannot be listened on: {error}; choose another with {flag}"))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

fn truncate(path: &Path, len: usize) -> Result<(), String> {
    let cut = || -> std::io::Result<()> {
        if path.exists() {
            let file = std::fs::OpenOptions::new().write(true).open(path)?;
            file.set_len(len as u64)?;
            file.sync_all()?;
        }
        Ok(())
    };
    cut().map_err(|error| format!("{} cannot be cut: {error}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
