//! The server: tenants with an issuer each, a token for each session, and sockets as a gateway has.

use std::{process::Stdio, sync::Arc, time::Duration};

use cofferdam::{
    auth::{Algorithm, KeyRing, Route, session::Limits},
    core::{ConnectionId, Epoch, TenantId},
};
use cofferdam_benches::tokens::Mint;
use cofferdam_tokio::{
    Clock, accept_upgrade,
    sessions::{SessionDriver, SessionRegistry, close_session},
};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
    time::timeout,
};

use crate::{Failure, PATIENCE};

/// A server with all its sessions open, and the clients at their other ends.
pub(crate) struct Stage {
    /// Dropped first: clients that are still connected have nobody to tell what the end looks like.
    _process: Child,
    pub(crate) registry: SessionRegistry,
    pub(crate) tenants: Vec<TenantId>,
    clients: Lines<BufReader<ChildStdout>>,
    _driver: SessionDriver,
    /// Dropped, they end accepting, and every session.
    _tasks: JoinSet<()>,
}

impl Stage {
    /// Opens `sessions` sessions, dealt out to so many tenants.
    pub(crate) async fn set(tenants: usize, sessions: usize) -> Result<Self, Failure> {
        let clock = Clock::start();
        let mint = Mint::new(clock.now())?;
        let names = (0..tenants).map(|tenant| format!("tenant-{tenant}")).collect::<Vec<_>>();
        let ids = names.iter().map(String::as_str).collect::<Vec<_>>();
        let keys = Arc::new(KeyRing::new(mint.verifier(&ids, clock.now())?));
        let limits = Limits { per_tenant: sessions, in_all: 2 * sessions, feed: None };
        let (registry, driver) = SessionRegistry::start(Arc::clone(&keys), clock, limits);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, keys, clock, registry.clone()));

        let mut process = Command::new(std::env::current_exe()?)
            .args(["--clients", &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut tokens = String::new();
        for session in 0..sessions {
            tokens += &mint.token(Algorithm::EdDsa, ids[session % tenants], session as u64)?;
            tokens.push('\n');
        }
        let mut stdin = process.stdin.take().ok_or("no pipe")?;
        stdin.write_all(tokens.as_bytes()).await?;
        drop(stdin);
        let mut clients = BufReader::new(process.stdout.take().ok_or("no pipe")?).lines();
        let ready = timeout(PATIENCE, clients.next_line()).await??;
        if ready.as_deref() != Some("ready") {
            return Err("the clients did not all connect".into());
        }
        // A client has its answer an instant before the server has registered it.
        let registered = async {
            while registry.len() < sessions {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, registered).await.map_err(|_| "not all sessions were opened")?;
        let tenants = ids.iter().map(|id| TenantId::parse(id)).collect::<Result<_, _>>()?;
        Ok(Self { registry, _driver: driver, tenants, clients, _tasks: tasks, _process: process })
    }

    /// The next close frame that a client saw: when, and its code.
    pub(crate) async fn closed(&mut self) -> Result<(u64, u16), Failure> {
        let line = timeout(PATIENCE, self.clients.next_line()).await??;
        let line = line.ok_or("the clients are gone")?;
        let (seen, code) = line.split_once(' ').ok_or("not a line of a client")?;
        Ok((seen.parse()?, code.parse()?))
    }
}

/// The `jti` of a session's token.
pub(crate) fn jti(session: usize) -> String {
    format!("{session:016x}")
}

async fn serve(listener: TcpListener, keys: Arc<KeyRing>, clock: Clock, registry: SessionRegistry) {
    let mut sessions = JoinSet::new();
    let mut connection = 0;
    while let Ok((socket, _)) = listener.accept().await {
        connection += 1;
        let (keys, registry) = (Arc::clone(&keys), registry.clone());
        sessions.spawn(session(socket, keys, clock, registry, ConnectionId(connection)));
    }
}

/// One session, as a gateway has it.
async fn session(
    socket: TcpStream,
    keys: Arc<KeyRing>,
    clock: Clock,
    registry: SessionRegistry,
    connection: ConnectionId,
) {
    let route = Route::any();
    let accepted = accept_upgrade(socket, &keys, &route, &clock, connection, Epoch(1)).await;
    let Ok((mut socket, context, _)) = accepted else { return };
    let why = match registry.open(context) {
        Ok(mut guard) => {
            tokio::select! {
                biased; // as users are told: a session that is over is sent nothing more
                why = guard.ended() => why,
                _ = socket.next() => return,
            }
        }
        Err(why) => why,
    };
    close_session(&mut socket, why).await;
}
