//! The end of a run: where every event went, and whether the audit logs prove it.

use std::{fmt::Write as _, sync::atomic::Ordering::Relaxed, time::Duration};

use cofferdam::{
    audit::{self, EventCode, Stored, VerifyingKey},
    core::TenantId,
};

use crate::{
    stats::{Stats, TenantStats, resident_bytes},
    storage::Storage,
    upstream::Totals,
};

/// What the run has to show.
pub(crate) struct Report {
    pub(crate) text: String,
    pub(crate) holds: bool,
}

/// Adds everything up.
pub(crate) fn conclude(
    stats: &Stats,
    storage: &Storage,
    keys: &[(TenantId, VerifyingKey)],
    upstream: Totals,
    ran: Duration,
) -> Report {
    let mut text = String::new();
    let conserved = conservation(stats, &mut text);
    let arrived = arrival(stats, upstream, &mut text);
    let audited = verification(stats, storage, keys, &mut text);
    let misdelivered: u64 = stats.iter().map(|(_, s)| s.misdelivered.load(Relaxed)).sum();
    line(&mut text, "events under a wrong tenant", misdelivered == 0, &misdelivered.to_string());
    let lost = storage.lost_letters.load(Relaxed);
    if lost > 0 {
        line(&mut text, "dead letters", false, &format!("{lost} found their tenant's share full"));
    }
    let latency = stats.latency();
    let received: u64 = stats.iter().map(|(_, s)| s.counts().received).sum();
    let (_, peak) = resident_bytes();
    let _ = writeln!(
        text,
        "  {:.0} events/s received over {:.1} s; socket to socket p50 {} µs, p99 {} µs, p99.9 {} µs; peak memory {} MiB",
        received as f64 / ran.as_secs_f64().max(1e-9),
        ran.as_secs_f64(),
        latency.p50,
        latency.p99,
        latency.p999,
        peak >> 20,
    );
    Report { text, holds: conserved && arrived && audited && misdelivered == 0 && lost == 0 }
}

fn line(text: &mut String, what: &str, holds: bool, detail: &str) {
    let mark = if holds { "ok  " } else { "FAIL" };
    let _ = writeln!(text, "  {mark} {what}: {detail}");
}

/// received = delivered + dead-lettered + filtered out + duplicates + refused + declared gaps.
fn conservation(stats: &Stats, text: &mut String) -> bool {
    let mut sum = [0u64; 7];
    let mut holds = true;
    for (_, tenant) in stats.iter() {
        let counts = tenant.counts();
        let parts = [
            counts.received,
            counts.delivered,
            counts.dead_lettered,
            counts.unmatched,
            counts.duplicates,
            counts.refused,
            counts.dropped,
        ];
        sum.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        holds &= counts.is_conserved(0) && tenant.unsettled.load(Relaxed) == 0;
    }
    let [received, delivered, dead, unmatched, duplicates, refused, dropped] = sum;
    let detail = format!(
        "{received} received = {delivered} delivered + {dead} dead-lettered + {unmatched} filtered out + {duplicates} duplicates + {refused} refused + {dropped} in declared gaps"
    );
    line(text, "conservation", holds, &detail);
    holds
}

/// Every frame that the platform sent came in, its own notices included, but for what was under way
/// when a socket broke or stood unread before a paused tenant; and wherever the platform lost events
/// for us, we have a gap on record.
fn arrival(stats: &Stats, upstream: Totals, text: &mut String) -> bool {
    let sum = |of: fn(&TenantStats) -> u64| stats.iter().map(|(_, tenant)| of(tenant)).sum::<u64>();
    let received = sum(|tenant| tenant.counts().received + tenant.control.load(Relaxed));
    let gaps = sum(|tenant| tenant.gaps.load(Relaxed));
    let sent = upstream.sent + upstream.own;
    let left_unread = stats.iter().any(|(_, tenant)| tenant.left_unread.load(Relaxed));
    let cut_short = upstream.resets + upstream.closings > 0 || left_unread;
    // What stood in a socket's buffer when it went may have arrived or not.
    let at_most = sent + upstream.in_doubt;
    let complete = (sent..=at_most).contains(&received);
    let holds = received <= at_most
        && (complete || cut_short)
        && (upstream.lost_while_down == 0 || gaps > 0);
    let detail = format!(
        "{sent} frames sent by the platform, {received} received; it lost {} events while a socket was down, over {} resets and {} closings; {gaps} gaps declared",
        upstream.lost_while_down, upstream.resets, upstream.closings,
    );
    line(text, "arrival", holds, &detail);
    holds
}

/// Each log against its key, from the files alone, and its leaves against the counts.
fn verification(
    stats: &Stats,
    storage: &Storage,
    keys: &[(TenantId, VerifyingKey)],
    text: &mut String,
) -> bool {
    let (mut leaves, mut checkpoints, mut failed) = (0, 0, Vec::new());
    for (tenant, key) in keys {
        let read = |path| std::fs::read(path).unwrap_or_default();
        let (leaf_file, checkpoint_file) =
            (read(storage.leaf_file(tenant)), read(storage.checkpoint_file(tenant)));
        let stored = Stored { leaves: &leaf_file, checkpoints: &checkpoint_file, remembered: &[] };
        match audit::verify(key, &stored) {
            Ok(report) => {
                leaves += report.leaves;
                checkpoints += report.checkpoints;
                let recorded = report.events.get(&EventCode::EventRecorded).copied().unwrap_or(0);
                let counts = stats.tenant(tenant.as_str()).map(|s| s.counts()).unwrap_or_default();
                let taken = counts.delivered + counts.dead_lettered + counts.dropped;
                if report.unsealed() > 0 {
                    failed.push(format!("{tenant}: {} leaves are not sealed", report.unsealed()));
                } else if recorded < taken {
                    failed.push(format!("{tenant}: {recorded} leaves for {taken} events"));
                }
            }
            Err(error) => failed.push(format!("{tenant}: {error}")),
        }
    }
    let detail = if failed.is_empty() {
        format!(
            "{} logs, {leaves} leaves, {checkpoints} checkpoints, all verified offline",
            keys.len()
        )
    } else {
        failed.join("; ")
    };
    line(text, "audit", failed.is_empty(), &detail);
    failed.is_empty()
}
