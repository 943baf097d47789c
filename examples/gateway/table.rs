//! The live table: redrawn in place on a terminal, plain lines elsewhere.

use std::{cmp::Reverse, io::IsTerminal, sync::Arc, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time;

use crate::stats::{Snapshot, Stats, TenantView};

/// How many tenants the table shows: those with the deepest queues first, then the busiest.
const ROWS: usize = 16;

/// Shows the run until it is dropped or aborted.
pub(crate) async fn show(stats: Arc<Stats>, plain: bool) {
    if plain || !std::io::stdout().is_terminal() {
        show_lines(&stats).await;
    } else {
        show_table(&stats).await;
    }
}

async fn show_lines(stats: &Stats) {
    let mut ticks = time::interval(Duration::from_secs(2));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let (rates, sums) = summary(&stats.snapshot());
        println!("{rates} | {sums}");
    }
}

async fn show_table(stats: &Stats) {
    let table = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(4));
    let style =
        ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let lines: Vec<ProgressBar> =
        (0..ROWS + 4).map(|_| table.add(ProgressBar::new(1).with_style(style.clone()))).collect();
    let mut ticks = time::interval(Duration::from_millis(500));
    loop {
        ticks.tick().await;
        let mut snapshot = stats.snapshot();
        snapshot.tenants.sort_by_key(|tenant| Reverse((tenant.queue.depth, tenant.received)));
        let header = format!(
            "{:24} {:>8} {:>8} {:>9} {:>9} {:>8} {:>7} {:>6} {:>6}",
            "tenant", "in/s", "out/s", "received", "delivered", "queue", "refused", "dead", "state"
        );
        let (rates, sums) = summary(&snapshot);
        let rows = snapshot.tenants.iter().take(ROWS).map(row);
        let hidden = snapshot.tenants.len().saturating_sub(ROWS);
        let rest = match hidden {
            0 => String::new(),
            more => format!("and {more} more with shorter queues; the console shows all"),
        };
        let all = [rates, sums, header].into_iter().chain(rows).chain([rest]);
        for (line, text) in lines.iter().zip(all) {
            line.set_message(text);
        }
    }
}

fn row(tenant: &TenantView) -> String {
    format!(
        "{:24} {:>8.0} {:>8.0} {:>9} {:>9} {:>8} {:>7} {:>6} {:>6}",
        tenant.tenant.chars().take(24).collect::<String>(),
        tenant.rate_in,
        tenant.rate_out,
        tenant.received,
        tenant.delivered,
        tenant.queue.depth,
        tenant.refused,
        tenant.dead_lettered,
        if tenant.paused { "paused" } else { "" },
    )
}

/// What goes on, and what came of it so far.
fn summary(snapshot: &Snapshot) -> (String, String) {
    let totals = &snapshot.totals;
    let paused = snapshot.tenants.iter().filter(|tenant| tenant.paused).count();
    let rates = format!(
        "{:.0} events/s in, {:.0} out | {} in flight, {paused} paused | p50 {} µs p99 {} µs | {} MiB",
        totals.rate_in,
        totals.rate_out,
        totals.in_flight,
        totals.latency_us.p50,
        totals.latency_us.p99,
        totals.memory_bytes >> 20,
    );
    let sums = format!(
        "{} received: {} delivered, {} filtered out, {} duplicates, {} refused, {} dead",
        totals.received,
        totals.delivered,
        totals.unmatched,
        totals.duplicates,
        totals.refused,
        totals.dead_lettered,
    );
    (rates, sums)
}
