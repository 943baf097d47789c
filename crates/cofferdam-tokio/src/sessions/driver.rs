//! The task that waits for what is due next.

use std::{fmt, sync::Arc, time::Duration};

use cofferdam_auth::session::Notice;
use tokio::{
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval},
};

use super::shared::Shared;
use crate::sleep_until;

/// How often a node says that the feed is whole. The contract asks for 10 s.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The task that watches the sessions: their expiry, and the feed's silence.
///
/// Dropping it ends every session and refuses all that come later; so does whatever else ends the
/// task, as the end of its runtime.
#[must_use = "without a running driver there are no sessions"]
pub struct SessionDriver {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl SessionDriver {
    pub(super) fn start(shared: Arc<Shared>) -> Self {
        let watch = Watch { shared: Arc::clone(&shared) };
        Self { shared, task: tokio::spawn(watch.run()) }
    }
}

/// The task's own. Its end, whatever it is, is the end of all sessions: nobody would watch them.
struct Watch {
    shared: Arc<Shared>,
}

impl Watch {
    async fn run(self) {
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

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Drop for SessionDriver {
    fn drop(&mut self) {
        self.task.abort();
        // The task is dropped when its runtime comes to it; sessions end now.
        self.shared.stop();
    }
}

impl fmt::Debug for SessionDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionDriver(..)")
    }
}
