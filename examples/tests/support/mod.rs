//! A gateway as a child process, and what to ask it.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// Looks again and again until there is something, or patience ends.
pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The example's binary, which Cargo puts beside the folder of the test's own. Built here, once in
/// a test's process, since Cargo builds an example that has tests as a test only.
fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let own = std::env::current_exe().unwrap();
        let profile = own.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "-p", "cofferdam-examples", "--example", "gateway"]);
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the gateway does not build");
        profile.join("examples").join("gateway")
    };
    BUILT.get_or_init(build).clone()
}

/// What a child has said so far, read by a thread of its own so that it never waits for us.
struct Said {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Said {
    fn by(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                shared.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far()
    }
}

/// A child process, ended when it is dropped.
pub(crate) struct Process {
    child: Child,
    out: Said,
    err: Said,
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let out = Said::by(child.stdout.take().unwrap());
        let err = Said::by(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    pub(crate) fn said(&self) -> String {
        self.out.so_far()
    }

    /// Sends a signal to this child and to nothing else.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let status = kill.arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn poll(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the end.
    pub(crate) async fn end(mut self) -> Ended {
        let status = wait_for("the child's end", async || self.poll()).await;
        Ended { code: status.code(), out: self.out.all(), err: self.err.all() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A gateway with free ports.
pub(crate) fn gateway(data: &Path, arguments: &[&str]) -> Process {
    let ports = ["--listen", "127.0.0.1:0", "--consumers", "127.0.0.1:0"];
    let mut command = Command::new(binary());
    Process::start(command.arg("--data").arg(data).args(ports).arg("--plain").args(arguments))
}

/// A gateway with these settings in a file in its data folder.
pub(crate) fn gateway_with(data: &Path, settings: &str, arguments: &[&str]) -> Process {
    let file = data.with_extension("toml");
    std::fs::write(&file, settings).unwrap();
    let mut all = vec!["--config", file.to_str().unwrap()];
    all.extend(arguments);
    gateway(data, &all)
}

/// The binary with nothing but these arguments.
pub(crate) fn bare(arguments: &[&str]) -> Process {
    Process::start(Command::new(binary()).args(arguments))
}

/// A gateway that listens.
pub(crate) struct Gateway {
    process: Process,
    /// `http://address` of the console and the control API.
    pub(crate) origin: String,
    pub(crate) token: String,
    /// `ws://address/stream?queue=...` of the consumers' door.
    pub(crate) door: String,
    pub(crate) http: reqwest::Client,
}

impl Gateway {
    /// Waits until the gateway has said where it listens.
    pub(crate) async fn up(mut process: Process) -> Self {
        let address = |said: &str, name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().to_owned())
        };
        let (console, door) = wait_for("the gateway's addresses", async || {
            let said = process.said();
            let ended = process.poll();
            assert!(ended.is_none(), "{ended:?} {said} {}", process.err.all());
            // The last of the lines is there once the ones before it are.
            address(&said, "data ")?;
            Some((address(&said, "console ")?, address(&said, "consumers ")?))
        })
        .await;
        let (origin, token) = console.split_once("/console#token=").unwrap();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { process, origin: origin.to_owned(), token: token.to_owned(), door, http }
    }

    /// The numbers of the console.
    pub(crate) async fn data(&self) -> Value {
        let url = format!("{}/console/data", self.origin);
        let answer = self.http.get(url).bearer_auth(&self.token).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// One tenant's numbers.
    pub(crate) async fn tenant(&self, id: &str) -> Value {
        of_tenant(&self.data().await, id)
    }

    /// Waits until the totals satisfy `enough`; returns the whole data.
    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, async || Some(self.data().await).filter(|data| enough(data))).await
    }

    /// Posts to the control API: the status, the content type, the body as it came.
    pub(crate) async fn post(&self, path: &str, body: impl Into<String>) -> (u16, String, String) {
        let url = format!("{}/api/v2/internal/{path}", self.origin);
        let request = self.http.post(url).bearer_auth(&self.token).body(body.into());
        answer(request.send().await.unwrap()).await
    }

    /// Kills it, as a crash would.
    pub(crate) async fn crash(self) {
        self.process.signal("KILL");
        self.process.end().await;
    }

    /// Ctrl-C, and waits for the end.
    pub(crate) async fn interrupt(self) -> Ended {
        self.end_by("INT").await
    }

    /// Sends a signal, and waits for the end.
    pub(crate) async fn end_by(self, signal: &str) -> Ended {
        self.process.signal(signal);
        self.process.end().await
    }

    /// Ctrl-C, and another one once the first was heard, and so on until the end.
    pub(crate) async fn interrupt_twice(mut self) -> Ended {
        self.process.signal("INT");
        let heard = async || self.process.said().contains("stopping").then_some(());
        wait_for("the gateway to stop reading", heard).await;
        wait_for("the end", async || {
            let ended = self.process.poll();
            if ended.is_none() {
                self.process.signal("INT");
            }
            ended
        })
        .await;
        self.process.end().await
    }
}

/// The status, the content type and the body.
pub(crate) async fn answer(answer: reqwest::Response) -> (u16, String, String) {
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").map_or("", |value| value.to_str().unwrap());
    let kind = kind.to_owned();
    (status, kind, answer.text().await.unwrap())
}

/// One tenant's part of the console's data.
pub(crate) fn of_tenant(data: &Value, id: &str) -> Value {
    let tenants = data["tenants"].as_array().unwrap();
    tenants.iter().find(|tenant| tenant["tenant"] == id).unwrap().clone()
}

/// A number somewhere in the data.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The events that a gateway of this seed gets: every tenant's share of `limit`, as they are sent
/// when nothing goes wrong. Not the gateway's code: this is what its numbers are held against.
pub(crate) fn events(seed: u64, tenants: usize, limit: u64) -> Vec<(String, Vec<Value>)> {
    use cofferdam_sim::generator::{Fleet, Profile, Templates, TenantStream};
    let fleet = Fleet::new(seed, tenants);
    let templates = Templates::new(seed, Profile::benchmark(1_600));
    let share = |weight: f64| (limit as f64 * weight) as u64;
    let shared: u64 = fleet.tenants().iter().map(|tenant| share(tenant.weight())).sum();
    let made = fleet.tenants().iter().map(|tenant| {
        // What rounding leaves over is the first tenant's.
        let left = if tenant.index() == 0 { limit - shared } else { 0 };
        let mut stream = TenantStream::with_templates(seed, tenant, &templates);
        let mut frame = Vec::new();
        let events = (0..share(tenant.weight()) + left).map(|_| {
            stream.next_frame(&mut frame);
            serde_json::from_slice(&frame).unwrap()
        });
        (tenant.id().to_string(), events.collect())
    });
    made.collect()
}

/// Whether the demo's subscriptions want an event, by its topic.
pub(crate) fn demo_wants(event: &Value) -> bool {
    let topic: Vec<&str> = event["topicName"].as_str().unwrap().split('.').collect();
    matches!(
        topic[..],
        ["v2", "users", _, "conversations", "calls"]
            | ["v2", "routing", "queues", _, "conversations"]
            | ["v2", "users", _, "presence"]
            | ["v2", "conversations", _, "transcription"]
    )
}

/// A folder of the data that is not in the repository; says so loudly if it is not there.
pub(crate) fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("COFFERDAM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = root.join(folder);
    if !path.is_dir() {
        eprintln!("SKIPPED: {folder} is not at {} (COFFERDAM_SHARED)", path.display());
    }
    path.is_dir().then_some(path)
}
