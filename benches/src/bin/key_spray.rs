//! Ten thousand key ids that nobody has, in ten seconds: how many fetches, and what others notice.
//!
//! ```text
//! cargo run --release -p cofferdam-benches --bin key_spray
//! ```
//!
//! Two tenants with a key endpoint each on loopback. Tenant B's tokens are checked a thousand times
//! a second, each check timed; meanwhile nothing else happens, or somebody presents a thousand
//! tokens a second that name tenant A and key ids made up, or A's endpoint hangs as well. The three
//! take turns, and B's figures are over all turns. B and the sprayer have a thread each, as on a
//! server with a core to spare; what is measured is what the *keys* share, not the processor.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cofferdam::{
    auth::{Algorithm, KeyRing, Route, Verifier},
    core::{Authority, ConnectionId, Epoch},
};
use cofferdam_benches::{
    SetupError,
    tokens::{Mint, registration},
};
use cofferdam_tokio::{Clock, JwksClient, KeyKeeper, Networks};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};

/// Key ids in ten seconds, as the bar has it.
const SPRAY: u64 = 10_000;
const TURN: Duration = Duration::from_secs(10);
const TURNS: usize = 2;
/// By how much B's p99 may move.
const BAR: f64 = 1.05;

fn main() -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("key_spray: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), SetupError> {
    let clock = Clock::start();
    let mint = Arc::new(Mint::new(clock.now())?);
    let (a, b) = (Endpoint::start(&mint).await?, Endpoint::start(&mint).await?);
    let ring = Arc::new(KeyRing::new(Verifier::new(Authority::new([7; 16]))));
    let (keeper, _task) =
        KeyKeeper::start(ring, JwksClient::new(Networks::PublicAndThisMachine)?, clock, |_| {});
    for (id, endpoint) in [("a", &a), ("b", &b)] {
        if !keeper.register(&registration(id)?, &endpoint.address).await? {
            return Err("an endpoint does not answer".into());
        }
    }
    let mut names = 0;
    let mut times = [const { Vec::new() }; 3];
    // Of the turns in which the endpoint answers, and of those in which it hangs.
    let mut fetches = [const { Vec::new() }; 2];
    for _ in 0..TURNS {
        for (at, times) in times.iter_mut().enumerate() {
            a.hangs.store(at == 2, SeqCst);
            let before = a.asked.load(SeqCst);
            let spray = (at > 0).then(|| spray(keeper.clone(), Arc::clone(&mint), names));
            names += SPRAY;
            let spraying = spray.map(tokio::spawn);
            times.extend(check_others(&keeper, &mint).await?);
            if let Some(spraying) = spraying {
                spraying.await??;
                fetches[usize::from(at == 2)].push(a.asked.load(SeqCst) - before);
            }
            // The next turn begins where a fetch may be asked for again.
            tokio::time::sleep(Duration::from_secs(31)).await;
        }
    }
    report(times, &fetches);
    Ok(())
}

fn report(times: [Vec<Duration>; 3], [answering, hanging]: &[Vec<usize>; 2]) {
    println!("| meanwhile, at tenant A | checks of B | p50 | p99 | p99.9 | p99 against calm |");
    println!("|---|---:|---:|---:|---:|---:|");
    let names = ["nothing", "10,000 unknown key ids in 10 s", "the same, and its endpoint hangs"];
    let mut calm = None;
    let mut worst = 0f64;
    for (name, mut times) in names.into_iter().zip(times) {
        times.sort_unstable();
        let at =
            |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        let p99 = at(0.99);
        let against = p99 / *calm.get_or_insert(p99);
        worst = worst.max(against);
        println!(
            "| {name} | {} | {:.1} us | {p99:.1} us | {:.1} us | {against:.2} |",
            times.len(),
            at(0.5),
            at(0.999),
        );
    }
    let most = |fetches: &[usize]| fetches.iter().max().copied().unwrap_or(0);
    let (most, hung) = (most(answering), most(hanging));
    println!();
    let verdict = |reached| if reached { "reached" } else { "**missed**" };
    println!("- {}: one fetch for {SPRAY} unknown key ids: {most} at most", verdict(most <= 1));
    println!("- while the endpoint hangs, with the tries after each failure: {hung} at most");
    println!("- {}: B's p99 moves by less than 5 %: {worst:.2}", verdict(worst < BAR));
}

/// B's tokens, a thousand a second for a turn: how long each check took.
async fn check_others(keeper: &KeyKeeper, mint: &Mint) -> Result<Vec<Duration>, SetupError> {
    let tokens = (0..64).map(|i| mint.token(Algorithm::Es256, "b", i));
    let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (end, mut times) = (Instant::now() + TURN, Vec::new());
    while Instant::now() < end {
        ticks.tick().await;
        let token = &tokens[times.len() % tokens.len()];
        let began = Instant::now();
        let checked = keeper.verify(token, &Route::any(), ConnectionId(1), Epoch(1)).await;
        times.push(began.elapsed());
        checked?;
    }
    Ok(times)
}

/// Tokens of A that name keys made up, a thousand a second, whatever comes of the earlier ones.
async fn spray(keeper: KeyKeeper, mint: Arc<Mint>, from: u64) -> Result<(), String> {
    let told = |error: SetupError| error.to_string();
    let tokens = (from..from + SPRAY)
        .map(|i| mint.token_of_key(Algorithm::EdDsa, &format!("made-up-{i}"), "a", i));
    let tokens = tokens.collect::<Result<Vec<_>, _>>().map_err(told)?;
    let mut ticks = interval(TURN / SPRAY as u32);
    let mut checks = tokio::task::JoinSet::new();
    for token in tokens {
        ticks.tick().await;
        let keeper = keeper.clone();
        checks.spawn(async move {
            keeper.verify(&token, &Route::any(), ConnectionId(2), Epoch(1)).await.is_err()
        });
    }
    let refused = checks.join_all().await;
    if refused.iter().all(|refused| *refused) { Ok(()) } else { Err("a made-up key passed".into()) }
}

/// A key endpoint that counts.
struct Endpoint {
    address: String,
    asked: Arc<AtomicUsize>,
    hangs: Arc<AtomicBool>,
}

impl Endpoint {
    async fn start(mint: &Mint) -> Result<Self, SetupError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/jwks", listener.local_addr()?);
        let set = mint.jwks();
        let answer = Arc::<str>::from(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{set}",
            set.len()
        ));
        let (asked, hangs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, hanging) = (Arc::clone(&asked), Arc::clone(&hangs));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                counted.fetch_add(1, SeqCst);
                let (answer, hanging) = (Arc::clone(&answer), hanging.load(SeqCst));
                tokio::spawn(async move {
                    let mut request = [0; 2_048];
                    let read = socket.read(&mut request).await;
                    if hanging {
                        // Until the client gives up.
                        let _ = socket.read(&mut request).await;
                    } else if read.is_ok() {
                        let _ = socket.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        Ok(Self { address, asked, hangs })
    }
}
