//! What the console, the metrics and the live table read: numbers that each tenant's task writes.
//!
//! Writers never wait for readers: plain numbers are atomics, and the latency histogram's lock is
//! held by a reader only as long as a merge takes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use cofferdam::{Counts, core::TenantId};
use hdrhistogram::Histogram;
use serde::Serialize;

/// One tenant's numbers.
#[derive(Default)]
pub(crate) struct TenantStats {
    counts: Mutex<Counts>,
    pub(crate) control: AtomicU64,
    pub(crate) unsettled: AtomicU64,
    pub(crate) gaps: AtomicU64,
    /// The gateway stopped while this tenant's socket was not being read.
    pub(crate) left_unread: AtomicBool,
    pub(crate) dead_held: AtomicU64,
    pub(crate) depth: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) low: AtomicU64,
    pub(crate) high: AtomicU64,
    pub(crate) capacity: AtomicU64,
    pub(crate) cursor: AtomicU64,
    pub(crate) up: AtomicBool,
    pub(crate) paused: AtomicBool,
    pub(crate) throttled: AtomicBool,
    pub(crate) pauses: AtomicU64,
    /// Whether the demo made this tenant's consumer slow on purpose.
    pub(crate) slow: AtomicBool,
    pub(crate) misdelivered: AtomicU64,
    pub(crate) audit_size: AtomicU64,
    audit_head: Mutex<(String, Option<Instant>)>,
    latency: Mutex<Option<Histogram<u64>>>,
}

impl TenantStats {
    pub(crate) fn set_counts(&self, counts: Counts) {
        *lock(&self.counts) = counts;
    }

    pub(crate) fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    /// The newest checkpoint's root, as it stands in the note.
    pub(crate) fn set_audit_head(&self, root: &str) {
        *lock(&self.audit_head) = (root.to_owned(), Some(Instant::now()));
    }

    /// Adds the times from socket read to socket write, in nanoseconds.
    pub(crate) fn add_latencies(&self, latencies_ns: impl Iterator<Item = u64>) {
        let mut latency = lock(&self.latency);
        if latency.is_none() {
            *latency = histogram();
        }
        let Some(histogram) = &mut *latency else { return };
        for ns in latencies_ns {
            histogram.saturating_record(ns / 1_000);
        }
    }

    fn merge_latency(&self, into: &mut Histogram<u64>) {
        if let Some(histogram) = &*lock(&self.latency) {
            // Both have the same bounds, so adding cannot fail.
            let _ = into.add(histogram);
        }
    }
}

/// Microseconds up to an hour, in two significant digits: about 25 KB. It is there unless these
/// bounds are wrong.
fn histogram() -> Option<Histogram<u64>> {
    Histogram::new_with_max(3_600_000_000, 2).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All tenants' numbers, and what they were a moment ago, for the rates.
pub(crate) struct Stats {
    started: Instant,
    tenants: BTreeMap<TenantId, Arc<TenantStats>>,
    previous: Mutex<Previous>,
}

struct Previous {
    at: Instant,
    counts: BTreeMap<TenantId, (Counts, f64, f64)>,
}

/// The console's data.
#[derive(Serialize)]
pub(crate) struct Snapshot {
    version: &'static str,
    uptime_s: f64,
    pub(crate) totals: Totals,
    pub(crate) tenants: Vec<TenantView>,
}

/// Sums over all tenants.
#[derive(Serialize, Default)]
pub(crate) struct Totals {
    pub(crate) received: u64,
    pub(crate) delivered: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) unmatched: u64,
    pub(crate) refused: u64,
    pub(crate) duplicates: u64,
    pub(crate) gaps: u64,
    pub(crate) control: u64,
    pub(crate) in_flight: u64,
    pub(crate) rate_in: f64,
    pub(crate) rate_out: f64,
    pub(crate) latency_us: Latency,
    pub(crate) memory_bytes: u64,
    pub(crate) tenants: u64,
}

/// Microseconds from socket read to consumer socket write.
#[derive(Serialize, Default, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
}

/// One tenant, as the console shows it.
#[derive(Serialize)]
pub(crate) struct TenantView {
    pub(crate) tenant: String,
    link: &'static str,
    pub(crate) rate_in: f64,
    pub(crate) rate_out: f64,
    pub(crate) received: u64,
    pub(crate) delivered: u64,
    pub(crate) unmatched: u64,
    pub(crate) refused: u64,
    pub(crate) duplicates: u64,
    control: u64,
    pub(crate) dead_lettered: u64,
    dead_letters_held: u64,
    gaps: u64,
    redactions: u64,
    #[serde(skip)]
    unsettled: u64,
    pub(crate) queue: QueueView,
    pub(crate) paused: bool,
    throttled: bool,
    cursor: u64,
    audit: AuditView,
}

#[derive(Serialize)]
pub(crate) struct QueueView {
    pub(crate) depth: u64,
    bytes: u64,
    low: u64,
    high: u64,
    capacity: u64,
    in_flight: u64,
}

#[derive(Serialize)]
struct AuditView {
    size: u64,
    root: String,
    checkpoint_age_ms: u64,
}

impl Stats {
    pub(crate) fn new(tenants: impl Iterator<Item = TenantId>) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            tenants: tenants.map(|id| (id, Arc::default())).collect(),
            previous: Mutex::new(Previous { at: now, counts: BTreeMap::new() }),
        }
    }

    pub(crate) fn tenant(&self, id: &str) -> Option<&Arc<TenantStats>> {
        self.tenants.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TenantId, &Arc<TenantStats>)> {
        self.tenants.iter()
    }

    /// The latency over everything delivered so far, but for the consumer that is slow on purpose:
    /// what it is to show is that the others' latency is not its own.
    pub(crate) fn latency(&self) -> Latency {
        let Some(mut all) = histogram() else { return Latency::default() };
        let brisk = self.tenants.values().filter(|tenant| !tenant.slow.load(Relaxed));
        brisk.for_each(|tenant| tenant.merge_latency(&mut all));
        let at = |quantile| all.value_at_quantile(quantile);
        Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }

    /// Everything, with rates over the time since they were last computed (at least half a second).
    pub(crate) fn snapshot(&self) -> Snapshot {
        let rates = self.rates();
        let mut totals = Totals {
            latency_us: self.latency(),
            memory_bytes: resident_bytes().0,
            tenants: self.tenants.len() as u64,
            ..Totals::default()
        };
        let view = |(id, stats): (&TenantId, &Arc<TenantStats>)| {
            let (rate_in, rate_out) = rates.get(id).copied().unwrap_or_default();
            let view = stats.view(id, rate_in, rate_out);
            totals.add(&view);
            view
        };
        let tenants = self.tenants.iter().map(view).collect();
        let version = env!("CARGO_PKG_VERSION");
        Snapshot { version, uptime_s: self.started.elapsed().as_secs_f64(), totals, tenants }
    }

    fn rates(&self) -> BTreeMap<TenantId, (f64, f64)> {
        let mut previous = lock(&self.previous);
        let elapsed = previous.at.elapsed().as_secs_f64();
        if elapsed >= 0.5 {
            previous.at = Instant::now();
            for (id, stats) in &self.tenants {
                let now = stats.counts();
                let was = previous.counts.get(id).map_or_else(Counts::default, |(was, ..)| *was);
                let rate = |now: u64, was: u64| now.saturating_sub(was) as f64 / elapsed;
                let rates =
                    (now, rate(now.received, was.received), rate(now.delivered, was.delivered));
                previous.counts.insert(id.clone(), rates);
            }
        }
        previous
            .counts
            .iter()
            .map(|(id, &(_, rate_in, rate_out))| (id.clone(), (rate_in, rate_out)))
            .collect()
    }
}

impl TenantStats {
    fn view(&self, id: &TenantId, rate_in: f64, rate_out: f64) -> TenantView {
        let counts = self.counts();
        let (paused, throttled) = (self.paused.load(Relaxed), self.throttled.load(Relaxed));
        let link = match (self.up.load(Relaxed), paused, throttled) {
            (false, ..) => "down",
            (true, true, _) => "paused",
            (true, false, true) => "throttled",
            (true, false, false) => "up",
        };
        let (root, checkpoint) = lock(&self.audit_head).clone();
        let age = checkpoint.map_or(0, |at| at.elapsed().as_millis() as u64);
        TenantView {
            tenant: id.to_string(),
            link,
            rate_in,
            rate_out,
            received: counts.received,
            delivered: counts.delivered,
            unmatched: counts.unmatched,
            refused: counts.refused,
            duplicates: counts.duplicates,
            control: self.control.load(Relaxed),
            dead_lettered: counts.dead_lettered,
            dead_letters_held: self.dead_held.load(Relaxed),
            gaps: self.gaps.load(Relaxed),
            redactions: counts.redactions,
            unsettled: self.unsettled.load(Relaxed),
            queue: QueueView {
                depth: self.depth.load(Relaxed),
                bytes: self.bytes.load(Relaxed),
                low: self.low.load(Relaxed),
                high: self.high.load(Relaxed),
                capacity: self.capacity.load(Relaxed),
                in_flight: self.in_flight.load(Relaxed),
            },
            paused,
            throttled,
            cursor: self.cursor.load(Relaxed),
            audit: AuditView { size: self.audit_size.load(Relaxed), root, checkpoint_age_ms: age },
        }
    }
}

impl Totals {
    fn add(&mut self, tenant: &TenantView) {
        self.received += tenant.received;
        self.delivered += tenant.delivered;
        self.dead_lettered += tenant.dead_lettered;
        self.unmatched += tenant.unmatched;
        self.refused += tenant.refused;
        self.duplicates += tenant.duplicates;
        self.gaps += tenant.gaps;
        self.control += tenant.control;
        self.in_flight += tenant.unsettled;
        self.rate_in += tenant.rate_in;
        self.rate_out += tenant.rate_out;
    }
}

/// The process's resident memory now, and at its peak, in bytes; zero where `/proc` is absent.
pub(crate) fn resident_bytes() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let kib = |name| field(name).map_or(0, |kib| kib * 1_024);
    (kib("VmRSS:"), kib("VmHWM:"))
}
