//! Putting the parts together: one folder, one key, one verifier, and a compartment for each tenant.

mod world;

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use cofferdam::{
    Compartment, Parts,
    audit::{self, CommitmentKey, Log, Origin, SigningKey, Stored, VerifyingKey},
    auth::{Route, upgrade},
    core::{Authority, ConnectionId, Epoch, Now, TenantId},
    cursor::{Cursor, DedupKey, Deduplicator, StreamId, Tracker, TrackerLimits},
    filter::{Compiler, Mapping},
    queue::{LaneConfig, Queues, QueuesConfig, TokenBucket, dead_letter::TenantSeal},
    redact::{Policy, PolicyLimits, RedactionKey},
};
use cofferdam_tokio::{
    Clock, KeyKeeper, random_bytes,
    sessions::{SessionDriver, SessionRegistry},
    upgrade::{Acceptor, Limits},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task,
};

use crate::{
    config::Settings,
    control::{Control, ControlledTenant, router},
    demo,
    issuer::Issuer,
    keys::DeploymentKey,
    link::Link,
    sessions::{self, Doorkeeper},
    stats::Stats,
    storage::{Job, Storage, StorageThread, letter_count},
    tenant::{self, Command, Phase, Surroundings},
    upstream::{Upstream, UpstreamTenant},
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
    pub(crate) storage_thread: StorageThread,
    pub(crate) log_keys: Vec<(TenantId, VerifyingKey)>,
    /// Without it there are no sessions.
    _driver: SessionDriver,
}

/// One tenant's task, and how to reach it.
struct RunningTenant {
    id: TenantId,
    organisation: String,
    log_key: VerifyingKey,
    commands: mpsc::Sender<Command>,
    task: task::JoinHandle<()>,
}

/// What connects the tasks.
struct Wires {
    issuer: Arc<Issuer>,
    keeper: KeyKeeper,
    live: SessionRegistry,
    storage_jobs: mpsc::Sender<Job>,
    stats: Arc<Stats>,
    phase: watch::Receiver<Phase>,
    http: reqwest::Client,
    /// Numbers connections, upstream and downstream alike.
    connections: Arc<AtomicU64>,
}

impl Wires {
    fn doorkeeper(&self, tenants: &[RunningTenant], clock: Clock) -> Doorkeeper {
        let inboxes = tenants.iter().map(|one| (one.id.clone(), one.commands.clone()));
        let connections = Arc::clone(&self.connections);
        let acceptor = Acceptor::new(
            self.keeper.clone(),
            upgrade::Policy::default(),
            Route::any().needs_scopes(&["events:read"]),
            Limits::default(),
            clock,
            move || (ConnectionId(connections.fetch_add(1, Relaxed)), Epoch(1)),
        );
        Doorkeeper {
            acceptor,
            live: self.live.clone(),
            clock,
            tenants: inboxes.collect(),
            stats: Arc::clone(&self.stats),
            phase: self.phase.clone(),
        }
    }
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
        let shared = Shared::open(settings)?;
        let upstream = world::start_upstream(settings).await?;
        let ownership = world::ownership(settings).await?;
        let ids: Vec<TenantId> =
            upstream.tenants().iter().map(|tenant| tenant.id().clone()).collect();
        let stats = Arc::new(Stats::new(ids.iter().cloned()));

        // Compartments first: they verify the stored logs before anything is appended to them.
        let now = shared.clock.now();
        let compartments = upstream.tenants().iter().map(|tenant| shared.compartment(tenant, now));
        let compartments = compartments.collect::<Result<Vec<_>, _>>()?;
        let (storage_jobs, storage_thread) = shared
            .storage
            .start(&ids)
            .map_err(|error| format!("the data folder cannot be written: {error}"))?;
        let (issuer, keeper, (live, driver)) = world::trust(&upstream, &shared).await?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(5))
            .build();
        let http = http.map_err(|error| format!("no http client: {error}"))?;
        let connections = Arc::new(AtomicU64::new(1));
        let wires = Wires { issuer, keeper, live, storage_jobs, stats, phase, http, connections };
        let tenants = shared.run_tenants(&upstream, compartments, &wires)?;
        tokio::spawn(sessions::serve(door, Arc::new(wires.doorkeeper(&tenants, shared.clock))));
        world::start_consumers(settings, &upstream, consumers, &wires, ownership);
        let (operator_token, api) = shared.control(&tenants, &wires);
        tokio::spawn(async move { axum::serve(console, router(Arc::new(api))).await });
        let (tasks, log_keys) =
            tenants.into_iter().map(|one| (one.task, (one.id, one.log_key))).unzip();
        Ok(Self {
            control,
            consumers,
            operator_token,
            stats: wires.stats,
            upstream,
            tenants: tasks,
            storage: shared.storage,
            storage_jobs: wires.storage_jobs,
            storage_thread,
            log_keys,
            _driver: driver,
        })
    }

    /// The console with the operator's token in the fragment, which browsers do not send.
    pub(crate) fn console_address(&self) -> String {
        format!("http://{}/console#token={}", self.control, self.operator_token)
    }
}

impl<'s> Shared<'s> {
    /// Opens the data folder and makes or derives every key.
    fn open(settings: &'s Settings) -> Result<Self, String> {
        let storage = Arc::new(Storage::open(&settings.data)?);
        let root = DeploymentKey::load(&settings.data)
            .map_err(|error| format!("the data folder's key cannot be used: {error}"))?;
        Ok(Self {
            settings,
            clock: Clock::start(),
            authority: Authority::new(random_bytes()),
            storage,
            mapping: demo::mapping(settings.replay.is_some()),
            hash_key: random_bytes(),
            redaction: RedactionKey::new(root.derive("redaction", None), 1),
            seal: Arc::new(TenantSeal::new(root.derive("seal", None))),
            dedup: DedupKey::new(random_bytes()),
            root,
        })
    }

    /// Starts each tenant's task and link.
    fn run_tenants(
        &self,
        upstream: &Upstream,
        compartments: Vec<(Compartment, VerifyingKey, bool)>,
        wires: &Wires,
    ) -> Result<Vec<RunningTenant>, String> {
        let mut running = Vec::with_capacity(compartments.len());
        for (tenant, (compartment, log_key, resumed)) in upstream.tenants().iter().zip(compartments)
        {
            let (link_events, links) = mpsc::channel(2);
            let (commands, inbox) = mpsc::channel(1_024);
            let around = self.surroundings(tenant, (&log_key, resumed), wires)?;
            let task = tokio::spawn(tenant::run(compartment, around, links, inbox));
            let link = Link {
                tenant: tenant.id().clone(),
                upstream: upstream.addr().to_string(),
                token: tenant.token().to_owned(),
                topics: tenant.topics(),
                issuer: Arc::clone(&wires.issuer),
                keys: Arc::clone(wires.keeper.ring()),
                clock: self.clock,
                http: wires.http.clone(),
                connections: Arc::clone(&wires.connections),
            };
            tokio::spawn(link.run(link_events));
            let (id, organisation) = (tenant.id().clone(), tenant.organisation().to_owned());
            running.push(RunningTenant { id, organisation, log_key, commands, task });
        }
        Ok(running)
    }

    /// The control API, and the token that opens it.
    fn control(&self, tenants: &[RunningTenant], wires: &Wires) -> (String, Control) {
        let operator_token = hex(&random_bytes::<16>());
        let controlled = tenants.iter().map(|one| {
            let (organisation, commands) = (one.organisation.clone(), one.commands.clone());
            (one.id.clone(), ControlledTenant { organisation, commands })
        });
        let api = Control {
            operator_token: operator_token.clone(),
            tenants: controlled.collect(),
            mapping: self.mapping.clone(),
            hash_key: self.hash_key,
            redaction: RedactionKey::new(self.root.derive("redaction", None), 1),
            seal: Arc::clone(&self.seal),
            storage: Arc::clone(&self.storage),
            stats: Arc::clone(&wires.stats),
            ready: AtomicBool::new(true),
            versions: AtomicU64::new(1),
        };
        (operator_token, api)
    }

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
        // Many tenants share a disk: fewer, larger batches than the default's.
        let config = audit::Config::new(id.clone(), signer, commitments, epoch)
            .with_max_waiting(65_536)
            .with_flush_after(Duration::from_millis(25));
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
        wires: &Wires,
    ) -> Result<Surroundings, String> {
        use std::sync::atomic::Ordering::Relaxed;
        let id = tenant.id();
        let stats = wires.stats.tenant(id.as_str()).cloned().ok_or("a tenant without numbers")?;
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
            storage: wires.storage_jobs.clone(),
            stats,
            bucket,
            resumed,
            phase: wires.phase.clone(),
        })
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
