//! A storm of connections: upgrades a second of one core, beside an accept loop that checks nothing.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin upgrade_storm -- [--seconds N]
//! ```
//!
//! The server is a thread of its own with one single-threaded runtime; its CPU time is read off the
//! thread's own clock, so the clients, which share the machine, do not count. Clients open a
//! connection on loopback, send the head of an upgrade, read the answer and go. The contenders take
//! turns of a second.
//!
//! * *bare*: `tokio_tungstenite::accept_async`, which looks at no credential;
//! * *full check*: `Acceptor` with ES256, every connection with a token that was never seen before;
//! * *reconnect*: the same with a memory of tokens, the clients coming back with what they had.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

use std::{
    num::{NonZeroU32, NonZeroUsize},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use cofferdam::{
    auth::{
        Algorithm, KeyRing, Route, TokenCache,
        upgrade::{Policy, Rules},
    },
    core::{ConnectionId, Epoch},
};
use cofferdam_benches::{SetupError, tokens::Mint};
use cofferdam_tokio::{
    Clock,
    upgrade::{Acceptor, Limits},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
};

const TENANT: &str = "acme";
/// The share of the bare loop's rate that a full check is to reach.
const BAR: f64 = 0.70;
/// Connections in progress.
const CLIENTS: usize = 32;
/// Tokens of the clients that come back.
const COMING_BACK: usize = 10_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("upgrade_storm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), SetupError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seconds: usize = match args.as_slice() {
        [] => 12,
        [name, seconds] if name == "--seconds" => seconds.parse()?,
        _ => return Err("usage: upgrade_storm [--seconds N]".into()),
    };
    let rounds = seconds.div_ceil(3).max(1);
    let clock = Clock::start();
    let mint = Arc::new(Mint::new(clock.now())?);
    let verifier = mint.verifier(&[TENANT], clock.now())?;
    let remembering = verifier.clone().with_cache(TokenCache::new(&[9; 32], 2 * COMING_BACK));
    let old = (0..COMING_BACK as u64).map(|i| mint.token(Algorithm::Es256, TENANT, i));
    let old = Arc::new(old.collect::<Result<Vec<_>, _>>()?);
    let contenders = [
        ("bare accept loop", Door::Bare, Tokens::Old(Arc::clone(&old))),
        ("full check, ES256", Door::checked(verifier, clock)?, Tokens::Fresh),
        ("reconnect, remembered", Door::checked(remembering, clock)?, Tokens::Old(old)),
    ];
    let mut best = [0f64; 3];
    for round in 0..=rounds {
        for (at, (_, door, tokens)) in contenders.iter().enumerate() {
            // Signing is the clients' work, and done before.
            let tokens = tokens.take(&mint, round)?;
            let rate = storm(door.clone(), tokens)?;
            if round > 0 {
                best[at] = best[at].max(rate);
            }
        }
    }
    println!("| accepting | upgrades a second of one core | of the bare loop |");
    println!("|---|---:|---:|");
    for ((name, ..), rate) in contenders.iter().zip(best) {
        println!("| {name} | {rate:.0} | {:.0} % |", 100.0 * rate / best[0]);
    }
    println!();
    for (at, what) in [(1, "a full check of ES256"), (2, "clients that come back")] {
        let share = best[at] / best[0];
        let verdict = if share >= BAR { "reached" } else { "**missed**" };
        println!(
            "- {verdict}: {what} at {:.0} % or more of the bare loop: {:.0} %",
            BAR * 100.0,
            share * 100.0
        );
    }
    Ok(())
}

enum Tokens {
    Fresh,
    Old(Arc<Vec<String>>),
}

impl Tokens {
    fn take(&self, mint: &Mint, round: usize) -> Result<Arc<Vec<String>>, SetupError> {
        let Self::Old(tokens) = self else {
            let from = 1_000_000 * (round as u64 + 1);
            let fresh = (from..from + 40_000).map(|i| mint.token(Algorithm::Es256, TENANT, i));
            return Ok(Arc::new(fresh.collect::<Result<_, _>>()?));
        };
        Ok(Arc::clone(tokens))
    }
}

#[derive(Clone)]
enum Door {
    Bare,
    Checked(Acceptor),
}

impl Door {
    fn checked(verifier: cofferdam::auth::Verifier, clock: Clock) -> Result<Self, SetupError> {
        let limits = Limits {
            handshakes: NonZeroUsize::new(4_096).ok_or("zero")?,
            per_tenant_rate: NonZeroU32::MAX,
            per_tenant_burst: NonZeroU32::MAX,
        };
        let numbers = AtomicU64::new(1);
        let bind = move || (ConnectionId(numbers.fetch_add(1, Relaxed)), Epoch(1));
        let route = Route::any().needs_scopes(&["events:read"]);
        let policy = Policy::new(Rules::default())?;
        let keys = Arc::new(KeyRing::new(verifier));
        Ok(Self::Checked(Acceptor::new(keys, policy, route, limits, clock, bind)))
    }

    async fn accept(&self, socket: TcpStream) -> bool {
        match self {
            Self::Bare => tokio_tungstenite::accept_async(socket).await.is_ok(),
            Self::Checked(acceptor) => acceptor.accept(socket).await.is_ok(),
        }
    }
}

/// Upgrades per second of the server's CPU time.
fn storm(door: Door, tokens: Arc<Vec<String>>) -> Result<f64, SetupError> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let done = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&done);
    let server = thread::spawn(move || serve(listener, door, &over));
    let clients = runtime::Builder::new_current_thread().enable_all().build()?;
    let next = Arc::new(AtomicU64::new(0));
    clients.block_on(async {
        let lasting = tokio::time::sleep(Duration::from_secs(1));
        tokio::pin!(lasting);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..CLIENTS {
            tasks.spawn(client(address, Arc::clone(&tokens), Arc::clone(&next)));
        }
        tokio::select! {
            () = &mut lasting => Ok(()),
            ended = tasks.join_next() => match ended {
                // All tokens were used before the second was over.
                Some(Ok(Ok(()))) => Ok(()),
                Some(Ok(Err(error))) => Err(error),
                _ => Err("a client ended".to_owned()),
            },
        }
    })?;
    drop(clients);
    done.store(true, Relaxed);
    // Wakes the accept.
    drop(std::net::TcpStream::connect(address));
    let (upgrades, cpu) = server.join().map_err(|_| "the server ended")??;
    Ok(upgrades as f64 / cpu.as_secs_f64())
}

/// Accepts until it is over: how many upgrades, in how much time of this thread.
fn serve(
    listener: std::net::TcpListener,
    door: Door,
    over: &AtomicBool,
) -> Result<(u64, Duration), String> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let upgrades = Arc::new(AtomicU64::new(0));
    let began = thread_time();
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
        while !over.load(Relaxed) {
            let (socket, _) = listener.accept().await.map_err(|error| error.to_string())?;
            let (door, upgrades) = (door.clone(), Arc::clone(&upgrades));
            tokio::spawn(async move {
                if door.accept(socket).await {
                    upgrades.fetch_add(1, Relaxed);
                }
            });
        }
        Ok::<(), String>(())
    })?;
    Ok((upgrades.load(Relaxed), thread_time().saturating_sub(began)))
}

/// The CPU time of this thread so far.
fn thread_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(spent.tv_nsec).unwrap_or(0))
}

/// Connects, asks, reads the answer, goes; with one token after the other.
async fn client(
    address: std::net::SocketAddr,
    tokens: Arc<Vec<String>>,
    next: Arc<AtomicU64>,
) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let mut answer = [0; 1_024];
    loop {
        let at = next.fetch_add(1, Relaxed) as usize;
        let token = &tokens[at % tokens.len()];
        let mut socket = TcpStream::connect(address).await.map_err(told)?;
        // Closed with a reset, or the ports in TIME_WAIT would run out.
        socket.set_zero_linger().map_err(told)?;
        let head = format!(
            "GET /stream HTTP/1.1\r\nHost: events.example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.map_err(told)?;
        let read = socket.read(&mut answer).await.map_err(told)?;
        if !answer[..read].starts_with(b"HTTP/1.1 101 ") {
            return Err(String::from_utf8_lossy(&answer[..read]).into_owned());
        }
    }
}
