//! The loop that waits for what is due next.

use std::{fmt, sync::Arc, time::Duration};

use cofferdam_auth::session::Notice;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::shared::Shared;
use crate::sleep_until;

/// How often a node says that the feed is whole. The contract asks for 10 s.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Waits for expiry, for the feed's silence, and for its own end.
///
/// Dropping it ends every session and refuses all that come later.
#[must_use = "without a running driver there are no sessions"]
pub struct SessionDriver {
    shared: Arc<Shared>,
}

impl SessionDriver {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs until it is dropped.
    pub async fn run(self) {
        let shared = &*self.shared;
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = shared.time_out();
            tokio::select! {
                () = sleep_until(&shared.clock, next) => {}
                () = shared.sooner.notified() => {}
                () = beat(shared, &mut heartbeat) => {}
            }
        }
    }
}

/// Says once that the feed is whole, when it is time to; never where its silence does not matter.
async fn beat(shared: &Shared, heartbeat: &mut Interval) {
    let Some(feed) = shared.spoken_to() else {
        return std::future::pending().await;
    };
    heartbeat.tick().await;
    // A feed that does not take it is silent, and that is the alarm.
    let _ = feed.publish(&Notice::Heartbeat { sent_ms: shared.clock.now().wall_ms() });
}

impl Drop for SessionDriver {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl fmt::Debug for SessionDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionDriver(..)")
    }
}
