//! The control API, the console, metrics and health.
//!
//! Everything that names tenants needs the operator's token, which is made at the start and printed
//! with the console's address. The console page itself holds nothing and is served to anybody.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use cofferdam::{
    core::TenantId,
    filter::{Compiler, Mapping, SubscriptionDocument},
    queue::dead_letter::{TenantSeal, redrive},
    redact::{Policy, PolicyDocument, PolicyLimits, RedactionKey},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{stats::Stats, storage::Storage, tenant::Command};

/// Letters that one call offers again.
const REDRIVE_BATCH: usize = 500;

/// What the handlers share.
pub(crate) struct Control {
    pub(crate) operator_token: String,
    pub(crate) tenants: BTreeMap<TenantId, ControlledTenant>,
    pub(crate) mapping: Mapping,
    pub(crate) hash_key: [u8; 16],
    pub(crate) redaction: RedactionKey,
    pub(crate) seal: Arc<TenantSeal>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) ready: AtomicBool,
    pub(crate) versions: AtomicU64,
}

/// One tenant, as the control API reaches it.
pub(crate) struct ControlledTenant {
    pub(crate) organisation: String,
    pub(crate) commands: mpsc::Sender<Command>,
}

/// All routes.
pub(crate) fn router(control: Arc<Control>) -> Router {
    let operator = Router::new()
        .route("/console/data", get(console_data))
        .route("/metrics", get(metrics))
        .route("/api/v2/internal/routing/filters/compile", post(compile_filters))
        .route("/api/v2/internal/security/redaction/policy", post(set_policy))
        .route("/api/v2/internal/dead-letters/{tenant}/redrive", post(redrive_letters))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&control), require_operator))
        .layer(DefaultBodyLimit::max(1 << 20));
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/console") }))
        .route("/console", get(|| asset("text/html; charset=utf-8", include_str!("console.html"))))
        .route(
            "/console/console.css",
            get(|| asset("text/css; charset=utf-8", include_str!("console.css"))),
        )
        .route(
            "/console/console.js",
            get(|| asset("text/javascript; charset=utf-8", include_str!("console.js"))),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .merge(operator)
        .with_state(control)
}

/// A file of the console. Nothing but this origin's own files may run or load.
async fn asset(kind: &'static str, body: &'static str) -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body)
}

/// Compares in constant time: a token is not to be guessed byte by byte.
async fn require_operator(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    let own = control.operator_token.as_bytes();
    let equal = given.len() == own.len()
        && given.iter().zip(own).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0;
    if equal {
        next.run(request).await
    } else {
        problem(StatusCode::UNAUTHORIZED, "denied", json!({}))
    }
}

/// RFC 9457.
fn problem(status: StatusCode, title: &str, mut more: Value) -> Response {
    more["type"] = json!("about:blank");
    more["title"] = json!(title);
    more["status"] = json!(status.as_u16());
    let mut response = (status, Json(more)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

impl Control {
    /// The tenant with this id; the same answer for an id that is not one and for one not served.
    #[expect(clippy::result_large_err, reason = "the error is the response")]
    fn tenant(&self, id: &str) -> Result<(TenantId, &ControlledTenant), Response> {
        TenantId::parse(id)
            .ok()
            .and_then(|id| self.tenants.get(&id).map(|tenant| (id, tenant)))
            .ok_or_else(|| problem(StatusCode::NOT_FOUND, "no such tenant", json!({})))
    }

    /// Keeps a document for the next start. Written beside and renamed: it is there whole or not at all.
    fn keep(&self, tenant: &TenantId, name: &str, document: &[u8]) -> std::io::Result<()> {
        let path = self.storage.document_file(tenant, name);
        let beside = path.with_extension("new");
        std::fs::write(&beside, document)?;
        std::fs::rename(beside, path)
    }
}

async fn readyz(State(control): State<Arc<Control>>) -> (StatusCode, &'static str) {
    if control.ready.load(Relaxed) {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}

async fn console_data(State(control): State<Arc<Control>>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(control.stats.snapshot()))
}

/// `POST …/routing/filters/compile`
async fn compile_filters(
    State(control): State<Arc<Control>>,
    body: Bytes,
) -> Result<Json<Value>, Response> {
    let refused = |title: String, pointer: &str| {
        problem(StatusCode::UNPROCESSABLE_ENTITY, &title, json!({ "pointer": pointer }))
    };
    let document =
        SubscriptionDocument::parse(&body).map_err(|error| refused(error.to_string(), ""))?;
    let (id, tenant) = control.tenant(&document.tenant_id)?;
    // One tenant's large document must not hold up the threads that carry the others' events.
    let graph = tokio::task::block_in_place(|| {
        Compiler::new(control.hash_key).compile(
            &document,
            &control.mapping,
            Some(&tenant.organisation),
        )
    })
    .map_err(|error| refused(error.fault().to_string(), error.pointer()))?;
    let unavailable = || problem(StatusCode::SERVICE_UNAVAILABLE, "not stored", json!({}));
    control.keep(&id, "filters", &body).map_err(|_| unavailable())?;
    let version = control.versions.fetch_add(1, Relaxed) + 1;
    let targets: Vec<Value> = graph
        .targets()
        .map(|target| json!({ "target": target, "servedBy": "embedded queue" }))
        .collect();
    let answer = json!({ "tenantId": id.as_str(), "version": version, "rules": graph.rule_count(), "targets": targets });
    let command = Command::SetFilter { filter: Arc::new(graph), version };
    tenant.commands.send(command).await.map_err(|_| unavailable())?;
    Ok(Json(answer))
}

/// `POST …/security/redaction/policy`
async fn set_policy(
    State(control): State<Arc<Control>>,
    body: Bytes,
) -> Result<Json<Value>, Response> {
    let refused = |error: cofferdam::redact::CompileError| {
        problem(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string(), json!({}))
    };
    let mut scratch = cofferdam::json::Scratch::new(control.hash_key);
    let document = PolicyDocument::parse(&body, &mut scratch).map_err(refused)?;
    let (id, tenant) = control.tenant(&document.tenant_id)?;
    let policy = tokio::task::block_in_place(|| {
        Policy::compile(&document, &control.redaction, PolicyLimits::default())
    })
    .map_err(refused)?;
    let unavailable = || problem(StatusCode::SERVICE_UNAVAILABLE, "not stored", json!({}));
    control.keep(&id, "policy", &body).map_err(|_| unavailable())?;
    let version = u64::from(policy.version());
    let command = Command::SetPolicy { policy: Arc::new(policy), version };
    tenant.commands.send(command).await.map_err(|_| unavailable())?;
    Ok(Json(json!({ "tenantId": id.as_str(), "version": version })))
}

/// `POST …/dead-letters/{tenant}/redrive`
async fn redrive_letters(
    State(control): State<Arc<Control>>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, Response> {
    let (id, tenant) = control.tenant(&tenant)?;
    let (store, seal) = (Arc::clone(&control.storage.store), Arc::clone(&control.seal));
    let reading =
        tokio::task::spawn_blocking(move || redrive(&*store, &id, &*seal, None, REDRIVE_BATCH));
    let unavailable = || problem(StatusCode::SERVICE_UNAVAILABLE, "not read", json!({}));
    let redriven = reading.await.map_err(|_| unavailable())?.map_err(|_| unavailable())?;
    let (ready, quarantined) = (redriven.ready.len(), redriven.quarantined.len());
    tenant.commands.send(Command::Redrive(redriven.ready)).await.map_err(|_| unavailable())?;
    Ok(Json(json!({ "redriven": ready, "quarantined": quarantined })))
}

/// Prometheus text. Tenants are labels, as only the operator gets here; the busiest twenty by name
/// and the rest together, so that the number of series is bounded.
async fn metrics(State(control): State<Arc<Control>>) -> impl IntoResponse {
    const NAMED: usize = 20;
    let mut snapshot = control.stats.snapshot();
    snapshot.tenants.sort_by_key(|tenant| std::cmp::Reverse(tenant.received));
    let mut text = String::new();
    for name in ["received", "delivered", "unmatched", "refused", "duplicates", "dead_lettered"] {
        let _ = writeln!(text, "# TYPE cofferdam_{name}_total counter");
        let value = |tenant: &crate::stats::TenantView| match name {
            "received" => tenant.received,
            "delivered" => tenant.delivered,
            "unmatched" => tenant.unmatched,
            "refused" => tenant.refused,
            "duplicates" => tenant.duplicates,
            _ => tenant.dead_lettered,
        };
        for tenant in snapshot.tenants.iter().take(NAMED) {
            let id = &tenant.tenant;
            let _ = writeln!(text, "cofferdam_{name}_total{{tenant=\"{id}\"}} {}", value(tenant));
        }
        if snapshot.tenants.len() > NAMED {
            let rest: u64 = snapshot.tenants.iter().skip(NAMED).map(value).sum();
            let _ = writeln!(text, "cofferdam_{name}_total{{tenant=\"other\"}} {rest}");
        }
    }
    let latency = snapshot.totals.latency_us;
    let _ = writeln!(text, "# TYPE cofferdam_latency_seconds summary");
    for (quantile, us) in [("0.5", latency.p50), ("0.99", latency.p99), ("0.999", latency.p999)] {
        let seconds = us as f64 / 1e6;
        let _ = writeln!(text, "cofferdam_latency_seconds{{quantile=\"{quantile}\"}} {seconds}");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
