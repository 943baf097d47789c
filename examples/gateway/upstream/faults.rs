//! Sockets that break or are closed, at random times and at random.

use std::{sync::Arc, time::Duration};

use super::{
    session::Order,
    shared::{Shared, Socket},
};

/// Breaks and closes sockets as often as the configuration says, for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    let faults = &shared.config.faults;
    let (resets, closings) = (faults.resets_per_minute, faults.closings_per_minute);
    let seed = shared.config.seed;
    tokio::join!(
        strike(&shared, resets, Order::Reset, fastrand::Rng::with_seed(seed ^ 1)),
        strike(&shared, closings, Order::Close, fastrand::Rng::with_seed(seed ^ 2)),
    );
}

/// Gives `order` to a random socket, at exponential intervals.
async fn strike(shared: &Shared, per_minute: f64, order: Order, mut rng: fastrand::Rng) {
    if per_minute <= 0.0 {
        return;
    }
    loop {
        let seconds = -(1.0 - rng.f64()).ln() * 60.0 / per_minute;
        tokio::time::sleep(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).await;
        let channels = shared.channels();
        let open: Vec<&Socket> =
            channels.values().filter_map(|channel| channel.socket.as_ref()).collect();
        if let Some(socket) = rng.choice(open) {
            // A socket that is ending by itself no longer takes orders.
            _ = socket.orders.send(order);
        }
    }
}
