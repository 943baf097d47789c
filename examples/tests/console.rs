//! The console in a real browser, with every figure held against what the seed says it must be.
//!
//! Needs `chromedriver` and Chromium. The run that takes the README's pictures is made only if
//! `COFFERDAM_SCREENSHOTS` is set.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "processes, sockets, files and clocks are what this is about"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say what it skips"
)]

#[allow(dead_code, reason = "the gateway's tests use the rest")]
mod support;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use support::{
    Gateway, PATIENCE, Process, demo_wants, events, gateway, gateway_with, number, wait_for,
};
use tempfile::TempDir;

/// A chromedriver and one browser of it.
struct Browser {
    page: Client,
    /// The driver's own address of the session, for what the protocol leaves to each browser.
    session: String,
    _driver: Process,
    _profile: TempDir,
}

impl Browser {
    /// A browser, unless there is none on this machine; continuous integration must have one.
    async fn start() -> Option<Self> {
        let driver = "chromedriver";
        if Command::new(driver).arg("--version").output().is_err() {
            let demanded = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!demanded, "continuous integration needs {driver}");
            eprintln!("SKIPPED: the console was not tried, as there is no {driver}");
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        // Another process may take the port in between; then the next one is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut process = Process::start(Command::new(driver).arg(format!("--port={port}")));
            let up = wait_for("chromedriver", async || {
                let started = process.said().contains("started successfully");
                started.then_some(true).or_else(|| process.poll().map(|_| false))
            });
            if up.await {
                return Some(Self::open(process, port, profile).await);
            }
        }
        panic!("chromedriver found no port");
    }

    async fn open(driver: Process, port: u16, profile: TempDir) -> Self {
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1440,900",
        ];
        let folder = format!("--user-data-dir={}", profile.path().display());
        let flags: Vec<&str> = flags.into_iter().chain([&*folder]).collect();
        let mut wanted = serde_json::Map::new();
        wanted.insert("goog:chromeOptions".to_owned(), json!({ "args": flags }));
        let address = format!("http://127.0.0.1:{port}");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let page = builder.capabilities(wanted).connect(&address).await.unwrap();
        let id = page.session_id().await.unwrap().unwrap();
        let session = format!("{address}/session/{id}");
        let browser = Self { page, session, _driver: driver, _profile: profile };
        let listen = "window.violations = [];\
            document.addEventListener('securitypolicyviolation', e => violations.push(e.blockedURI));";
        browser.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": listen })).await;
        browser
    }

    /// A command of Chromium's own protocol.
    async fn tell(&self, command: &str, parameters: Value) -> Value {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let body = json!({ "cmd": command, "params": parameters });
        let address = format!("{}/goog/cdp/execute", self.session);
        let answer = http.post(address).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{command}: {}", answer.status());
        answer.json().await.unwrap()
    }

    async fn dark(&self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tell("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    async fn size(&self, (width, height): (u32, u32), scale: f64, mobile: bool) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile });
        self.tell("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// The value of a script.
    async fn run(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until a script gives something true, and returns it.
    async fn until(&self, what: &str, script: &str) -> Value {
        let truthy = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
        wait_for(what, async || Some(self.run(script).await).filter(truthy)).await
    }

    async fn click(&self, selector: &str) {
        self.page.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    async fn type_into(&self, selector: &str, text: &str) {
        let field = self.page.find(Locator::Css(selector)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    async fn open_console(&self, gateway: &Gateway) {
        let address = format!("{}/console#token={}", gateway.origin, gateway.token);
        self.page.goto(&address).await.unwrap();
        self.until("the console to be live", "return document.body.dataset.state === 'live'").await;
    }

    /// Every row's figures by their fields, as the page shows them exactly.
    async fn rows(&self) -> Vec<Value> {
        let script = "return [...document.querySelectorAll('#rows tr[data-tenant]')].map(row => {\
            const of = field => row.querySelector(`td[data-field=${field}]`);\
            return { tenant: row.dataset.tenant, name: of('tenant').textContent,\
                link: of('link').dataset.value, meter: of('queue').querySelector('.meter').getAttribute('aria-valuetext'),\
                ...Object.fromEntries(['received', 'delivered', 'unmatched', 'refused', 'duplicates', 'dead_letters_held']\
                    .map(field => [field, Number(of(field).dataset.value)])) };\
        })";
        self.run(script).await.as_array().unwrap().clone()
    }
}

impl Drop for Browser {
    /// Asks the driver to end its browser, which would outlive it otherwise; also when a test fails.
    fn drop(&mut self) {
        let Some((address, path)) = self.session.trim_start_matches("http://").split_once('/')
        else {
            return;
        };
        let Ok(mut driver) = TcpStream::connect(address) else { return };
        let request =
            format!("DELETE /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        let _ = driver.set_read_timeout(Some(PATIENCE));
        let _ = driver.write_all(request.as_bytes());
        let _ = driver.read(&mut [0; 1]);
    }
}

fn data(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("data")
}

/// Nothing goes wrong and everything is known beforehand; the console stays when all is done.
async fn known(folder: &TempDir, limit: &str) -> Gateway {
    let run = ["--seed", "1", "--rate", "max", "--limit", limit, "--calm", "--stay"];
    Gateway::up(gateway(&data(folder), &run)).await
}

#[tokio::test]
async fn the_console_shows_exactly_what_happened() {
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let gateway = known(&folder, "6000").await;
    browser.open_console(&gateway).await;

    let made = events(1, 24, 6_000);
    let wanted: Vec<Value> = made
        .iter()
        .map(|(tenant, events)| {
            let matching = events.iter().filter(|event| demo_wants(event)).count();
            json!({ "tenant": tenant, "name": tenant, "link": "up",
                "meter": "0 of 2,000, pauses at 1,500, resumes at 1,000",
                "received": events.len(), "delivered": matching,
                "unmatched": events.len() - matching, "refused": 0, "duplicates": 0,
                "dead_letters_held": 0 })
        })
        .collect();
    let sum = |field: &str| wanted.iter().map(|row| number(&row[field])).sum::<u64>();
    let delivered = sum("delivered");
    assert!(delivered > 2_000 && sum("received") == 6_000, "{delivered}");
    let quiet = "const of = name => document.getElementById(`total-${name}`).dataset.value;\
        return of('received') === '6000' && of('in-flight') === '0'";
    browser.until("the last event", quiet).await;
    let by_name = |rows: &[Value]| {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row["tenant"].to_string());
        rows
    };
    assert_eq!(by_name(&browser.rows().await), by_name(&wanted));
    let totals = "return Object.fromEntries(['received', 'delivered', 'unmatched', 'duplicates', 'refused', 'dead-lettered', 'in-flight', 'tenants']\
        .map(name => [name, document.getElementById(`total-${name}`).textContent]))";
    let group = |n: u64| format!("{},{:03}", n / 1_000, n % 1_000);
    assert_eq!(
        browser.run(totals).await,
        json!({ "received": "6,000", "delivered": group(delivered),
            "unmatched": group(6_000 - delivered), "duplicates": "0", "refused": "0",
            "dead-lettered": "0", "in-flight": "0", "tenants": "24" })
    );
    let unaccounted = "return document.getElementById('unaccounted').hidden";
    assert_eq!(browser.run(unaccounted).await, true);

    // The search shows the tenants with that in their names, and says how many those are.
    browser.type_into("#search", "bank").await;
    let found: Vec<&Value> =
        wanted.iter().filter(|row| row["tenant"].as_str().unwrap().contains("bank")).collect();
    assert!(!found.is_empty() && found.len() < 24);
    let shown: Vec<Value> = browser.rows().await;
    assert_eq!(shown.len(), found.len(), "{shown:?}");
    assert!(shown.iter().all(|row| found.contains(&row)), "{shown:?}");
    let says = browser.run("return document.getElementById('shown').textContent").await;
    assert_eq!(says, json!(format!("{} of 24 shown", found.len())));
}

#[tokio::test]
async fn the_page_keeps_to_its_origin_and_the_token_out_of_sight() {
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let gateway = known(&folder, "500").await;

    // A wrong token, and none, ask for one; the right one opens the console.
    browser.page.goto(&format!("{}/console#token=wrong", gateway.origin)).await.unwrap();
    let asked = "return !document.getElementById('sign-in').hidden && document.getElementById('console').hidden";
    browser.until("the sign-in form", asked).await;
    let says = browser.run("return document.getElementById('sign-in-text').textContent").await;
    assert!(says.as_str().unwrap().contains("does not accept"), "{says}");
    browser.type_into("#token", &gateway.token).await;
    browser.click("#sign-in-form button").await;
    browser.until("the console", "return document.body.dataset.state === 'live'").await;
    let address = browser.page.current_url().await.unwrap();
    assert_eq!(address.as_str(), format!("{}/console", gateway.origin));
    browser.open_console(&gateway).await;
    let address = browser.page.current_url().await.unwrap();
    assert_eq!(address.as_str(), format!("{}/console", gateway.origin), "the token is taken out");
    browser
        .until("rows", "return document.querySelectorAll('#rows tr[data-tenant]').length === 24")
        .await;

    // Everything that was loaded is this origin's, and the policy had nothing to stop.
    let loaded = "return performance.getEntriesByType('resource').map(entry => entry.name)";
    let loaded = browser.run(loaded).await;
    let loaded: Vec<&str> = loaded.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let own = |path: &str| loaded.iter().any(|url| *url == format!("{}{path}", gateway.origin));
    assert!(own("/console/console.js") && own("/console/console.css") && own("/console/data"));
    for url in &loaded {
        let own = url.starts_with(&format!("{}/", gateway.origin)) || url.starts_with("data:");
        assert!(own, "{url}");
    }
    assert_eq!(browser.run("return violations").await, json!([]));
    // Had the page tried, it would have been stopped and noticed.
    let attempt = "const image = new Image(); image.src = 'http://127.0.0.1:1/x.png'; document.body.append(image);";
    browser.run(attempt).await;
    browser.until("the violation", "return violations.length === 1").await;

    // It follows the reader's choice of dark or light, and fits a phone without scrolling sideways.
    let page = "return getComputedStyle(document.body).backgroundColor";
    browser.dark(false).await;
    let light = browser.run(page).await;
    browser.dark(true).await;
    let dark = browser.run(page).await;
    assert_eq!((light, dark), (json!("rgb(243, 245, 246)"), json!("rgb(14, 20, 24)")));
    browser.size((390, 844), 2.0, true).await;
    let fits = "return document.documentElement.scrollWidth <= innerWidth && innerWidth === 390";
    browser.until("the page to fit a phone", fits).await;
}

#[tokio::test]
async fn dead_letters_are_redriven_from_the_console_once_confirmed() {
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (tenant, held) = leave_dead_letters(&data(&folder)).await;
    let gateway = Gateway::up(gateway(&data(&folder), &["--rate", "100", "--calm"])).await;
    browser.open_console(&gateway).await;

    let row = format!("#rows tr[data-tenant={tenant}] td[data-field=dead_letters_held]");
    let shown = format!("return Number(document.querySelector('{row}')?.dataset.value)");
    assert_eq!(browser.until("the letters", &shown).await, json!(held));
    let button = format!("{row} button");
    let is_open = "return document.getElementById('redrive-dialog').open";
    browser.click(&button).await;
    assert_eq!(browser.run(is_open).await, true);
    let says = browser.run("return document.getElementById('redrive-text').textContent").await;
    assert!(says.as_str().unwrap().contains(&format!("{held} dead letters of {tenant}")), "{says}");
    browser.click("#redrive-dialog button[value=cancel]").await;
    assert_eq!(browser.run(is_open).await, false);
    assert_eq!(browser.run(&shown).await, json!(held), "cancelling does nothing");

    browser.click(&button).await;
    browser.click("#redrive-confirm").await;
    browser.until("the letters to be gone", &format!("{shown} === 0")).await;
    let hidden = format!("return document.querySelector('{button}').hidden");
    browser.until("the button to be gone", &hidden).await;

    // When the gateway goes away, the console says so and keeps the last figures.
    let received = "return Number(document.getElementById('total-received').dataset.value) > 0";
    browser.until("figures", received).await;
    gateway.crash().await;
    let lost = "return document.body.dataset.state === 'lost' && document.getElementById('banner').textContent";
    let says = browser.until("the loss to be shown", lost).await;
    assert!(says.as_str().unwrap().contains("cannot be reached"), "{says}");
    assert_eq!(browser.run(received).await, true);
}

/// A run with a slow consumer that nobody waits for: the tenant, and how many letters it has.
async fn leave_dead_letters(data: &Path) -> (String, u64) {
    let settings = "drain = \"0s\"\n[faults]\nresets_per_minute = 0\nclosings_per_minute = 0\n";
    let run = ["--rate", "max", "--limit", "4000"];
    let ended = gateway_with(data, settings, &run).end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let gateway = Gateway::up(gateway(data, &["--rate", "1", "--calm"])).await;
    let data = gateway.data().await;
    let holds = |tenant: &&Value| number(&tenant["dead_letters_held"]) > 0;
    let tenant = data["tenants"].as_array().unwrap().iter().find(holds).unwrap();
    let held = number(&tenant["dead_letters_held"]);
    assert_eq!(gateway.interrupt().await.code, Some(0));
    (tenant["tenant"].as_str().unwrap().to_owned(), held)
}

/// The README's pictures, from a lively run: bursts, resets, duplicates, a slow consumer's tenant
/// that is paused, another run's dead letters.
#[tokio::test]
async fn the_pictures_are_taken() {
    if std::env::var_os("COFFERDAM_SCREENSHOTS").is_none() {
        return;
    }
    let Some(browser) = Browser::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    leave_dead_letters(&data(&folder)).await;
    let settings = "rate = 20_000\n[queue]\ncapacity = 4_000\nhigh = 3_000\nlow = 2_000\n";
    let gateway = Gateway::up(gateway_with(&data(&folder), settings, &[])).await;
    browser.size((1_440, 900), 1.0, false).await;
    browser.open_console(&gateway).await;
    gateway
        .until("a lively minute", |data| {
            let tenants = data["tenants"].as_array().unwrap();
            let paused = tenants.iter().any(|tenant| tenant["paused"] == true);
            paused && data["uptime_s"].as_f64().unwrap() > 66.0
        })
        .await;
    browser.click("th[data-sort=queue] button").await;
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let paused =
        "return document.querySelector('#rows td[data-field=link][data-value=paused]') !== null";
    for (name, dark, size, scale) in [
        ("console-light.png", false, (1_440, 900), 1.0),
        ("console-dark.png", true, (1_440, 900), 1.0),
        ("console-phone.png", false, (390, 844), 2.0),
    ] {
        browser.dark(dark).await;
        browser.size(size, scale, scale > 1.0).await;
        browser.until("a paused tenant on the page", paused).await;
        let picture = browser.page.screenshot().await.unwrap();
        assert!(picture.len() < 300_000, "{name} has {} bytes", picture.len());
        std::fs::write(docs.join(name), picture).unwrap();
    }
}
