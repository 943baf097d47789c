//! The task that drives one tenant's compartment: it waits, calls, and carries out effects.
//!
//! A compartment has one owner, this task, so nothing here is locked and nothing is shared with
//! another tenant's task but the storage thread's mailbox. What the compartment asks for is carried
//! out in order; what it asks to wait for (a full queue, a full audit buffer, an empty token bucket)
//! is waited for by not reading from the link, which then does not read from its socket.

mod carry_out;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroU32,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use cofferdam::{
    Compartment, Effect, Input, Receipt,
    audit::{self, EventCode, Fact},
    core::{Authority, Machine, Now, Scoped, TenantContext, TenantId},
    cursor::GapCause,
    filter::FilterGraph,
    queue::{
        self, ConsumerId, DeliveryId, LaneId, TokenBucket,
        dead_letter::{LetterId, Ready, TenantSeal},
    },
    redact::Policy,
};
use cofferdam_tokio::{Clock, Frame, sleep_until};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    link::LinkEvent,
    stats::TenantStats,
    storage::{Done, Job},
};

/// Something for a tenant's task to do.
pub(crate) enum Command {
    /// A consumer was let in and asks for a lane.
    Attach {
        consumer: ConsumerId,
        lane: String,
        context: TenantContext,
        deliveries: mpsc::Sender<Vec<Delivery>>,
        answer: oneshot::Sender<Attach>,
    },
    /// A consumer acknowledges everything up to a delivery, `count` of them, and is ready for as
    /// many more.
    Ack { consumer: ConsumerId, up_to: DeliveryId, count: u32 },
    /// A consumer could not use a delivery.
    Nack { consumer: ConsumerId, delivery: DeliveryId },
    /// A consumer is gone.
    Detach { consumer: ConsumerId },
    /// An upgrade was refused in this tenant's name.
    Refused(cofferdam::core::Reason),
    /// Other subscriptions.
    SetFilter { filter: Arc<FilterGraph>, version: u64 },
    /// Another redaction policy.
    SetPolicy { policy: Arc<Policy>, version: u64 },
    /// Dead letters to offer again.
    Redrive(Vec<Ready>),
}

/// The answer to a consumer that asks for a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attach {
    Granted,
    Denied,
    Busy,
}

/// One event on its way to a consumer.
pub(crate) struct Delivery {
    pub(crate) id: DeliveryId,
    pub(crate) attempt: u32,
    pub(crate) event: cofferdam::core::pipeline::Recorded,
}

/// How far shutting down has come; every tenant's task follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    /// Nothing more is read upstream; consumers finish what is queued.
    Draining,
    /// What is still queued is dead-lettered, cursors and logs are closed.
    Closing,
}

/// What the task needs besides the compartment.
pub(crate) struct Surroundings {
    pub(crate) authority: Authority,
    pub(crate) clock: Clock,
    pub(crate) seal: Arc<TenantSeal>,
    pub(crate) log_key: audit::VerifyingKey,
    pub(crate) storage: mpsc::Sender<Job>,
    pub(crate) stats: Arc<TenantStats>,
    pub(crate) bucket: Option<TokenBucket>,
    /// Whether the stream goes on from an earlier run.
    pub(crate) resumed: bool,
    pub(crate) phase: watch::Receiver<Phase>,
}

struct Consumer {
    deliveries: mpsc::Sender<Vec<Delivery>>,
    batch: Vec<Delivery>,
    answer: Option<oneshot::Sender<Attach>>,
}

/// A consumer that waits for its acceptance to be durable in the audit log.
struct Waiting {
    audited_at: u64,
    input: queue::Input,
}

/// Leaves a second for refused upgrades, and how many at once.
const REFUSALS_PER_SECOND: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
const REFUSALS_AT_ONCE: NonZeroU32 = NonZeroU32::new(20).expect("not zero");

struct Task {
    tenant: TenantId,
    compartment: Compartment,
    around: Surroundings,
    context: Option<TenantContext>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    waiting: VecDeque<Waiting>,
    /// Letters that were offered again, by their position (an event may have died in several lanes);
    /// to forget once they are settled.
    redriven: BTreeMap<u64, Vec<LetterId>>,
    /// Every letter that this run offered again. Delivered ones stay, as a read of the store that
    /// began before they were forgotten there brings them once more.
    offered: BTreeSet<LetterId>,
    frames: VecDeque<(Frame, Now)>,
    throttled_until: Option<Now>,
    /// Refused upgrades that no leaf speaks of yet.
    refusals: u64,
    refusal_bucket: TokenBucket,
    /// The audit log's disk failed: nothing more is taken, and there is no seal to wait for.
    log_failed: bool,
    effects: Vec<Effect>,
    done: mpsc::UnboundedSender<Done>,
    was_paused: bool,
}

/// Drives a compartment until the phase is [`Phase::Closing`] and everything is on disk.
pub(crate) async fn run(
    compartment: Compartment,
    around: Surroundings,
    mut link: mpsc::Receiver<LinkEvent>,
    mut commands: mpsc::Receiver<Command>,
) {
    let (done, mut finished) = mpsc::unbounded_channel();
    let mut phase = around.phase.clone();
    let clock = around.clock;
    let mut task = Task {
        tenant: compartment.tenant().clone(),
        compartment,
        around,
        context: None,
        consumers: BTreeMap::new(),
        waiting: VecDeque::new(),
        redriven: BTreeMap::new(),
        offered: BTreeSet::new(),
        frames: VecDeque::new(),
        throttled_until: None,
        refusals: 0,
        refusal_bucket: TokenBucket::new(REFUSALS_PER_SECOND, REFUSALS_AT_ONCE),
        log_failed: false,
        effects: Vec::new(),
        done,
        was_paused: false,
    };
    if task.around.resumed {
        // The platform keeps nothing for us: whatever it sent since the last run is missing.
        task.around.stats.gaps.fetch_add(1, Relaxed);
        task.input(Input::UpstreamGap(GapCause::NoReplay));
    }
    let mut batch = Vec::new();
    loop {
        let reading = task.is_reading() && *phase.borrow() == Phase::Running;
        let wake = task.next_wake();
        tokio::select! {
            _ = phase.changed() => {}
            Some(written) = finished.recv() => task.written(written),
            _ = commands.recv_many(&mut batch, 256) => {
                batch.drain(..).for_each(|command| task.command(command));
            }
            Some(event) = link.recv(), if reading => task.link(event),
            () = sleep_until(&clock, wake) => task.wake(),
        }
        task.take_frames();
        task.carry_out().await;
        task.publish();
        if *phase.borrow() == Phase::Closing {
            break task.close(&mut link, &mut finished).await;
        }
    }
}

impl Task {
    fn now(&self) -> Now {
        self.around.clock.now()
    }

    fn is_reading(&self) -> bool {
        self.frames.is_empty() && !self.compartment.is_paused() && self.throttled_until.is_none()
    }

    fn next_wake(&self) -> Option<Now> {
        [self.compartment.poll_timeout(), self.throttled_until].into_iter().flatten().min()
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        self.compartment.handle_input(input, now, &mut self.effects);
    }

    fn fact(&mut self, fact: Fact) {
        self.input(Input::Audit(audit::Input::Fact(fact)));
    }

    fn wake(&mut self) {
        let now = self.now();
        if self.throttled_until.is_some_and(|until| now.reached(until)) {
            self.throttled_until = None;
        }
        self.compartment.handle_timeout(now, &mut self.effects);
    }

    fn link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up(context) => {
                if self.compartment.bind(&self.around.authority, &context).is_ok() {
                    self.around.stats.up.store(true, Relaxed);
                    self.fact(
                        Fact::new(EventCode::ConnectionAccepted)
                            .with_detail(context.connection().0),
                    );
                    self.context = Some(context);
                }
            }
            LinkEvent::Frames { frames, read_at, control } => {
                self.around.stats.control.fetch_add(control, Relaxed);
                self.frames.extend(frames.into_iter().map(|frame| (frame, read_at)));
            }
            LinkEvent::Down(cause) => {
                self.around.stats.up.store(false, Relaxed);
                self.around.stats.gaps.fetch_add(1, Relaxed);
                self.input(Input::UpstreamGap(cause));
            }
        }
    }

    /// Takes frames through the pipeline until one does not fit or the bucket is empty.
    fn take_frames(&mut self) {
        let Some(context) = self.context.clone() else { return };
        while let Some((frame, read_at)) = self.frames.front() {
            if self.throttled_until.is_some() || self.compartment.is_paused() {
                return;
            }
            if let Some(bucket) = &mut self.around.bucket
                && let Err(wait) = bucket.try_take(1, self.around.clock.now())
            {
                self.throttled_until = Some(self.around.clock.now().after(wait));
                return;
            }
            let receipt =
                self.compartment.receive(&context, frame.bytes(), *read_at, &mut self.effects);
            if receipt == Receipt::Stalled {
                return;
            }
            self.frames.pop_front();
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Attach { consumer, lane, context, deliveries, answer } => {
                let accepted =
                    Fact::new(EventCode::ConnectionAccepted).with_detail(context.connection().0);
                self.fact(accepted);
                let audited_at = self.compartment.log().size();
                self.consumers.insert(
                    consumer,
                    Consumer { deliveries, batch: Vec::new(), answer: Some(answer) },
                );
                let input = queue::Input::Attach { lane, consumer, context };
                self.waiting.push_back(Waiting { audited_at, input });
            }
            Command::Ack { consumer, up_to, count } => {
                self.input(Input::Queue(queue::Input::AckUpTo { consumer, delivery: up_to }));
                self.input(Input::Queue(queue::Input::Credit { consumer, n: count }));
            }
            Command::Nack { consumer, delivery } => {
                self.input(Input::Queue(queue::Input::Nack { consumer, delivery }));
            }
            Command::Detach { consumer } => self.detach(consumer),
            Command::Refused(reason) => self.refused(reason),
            Command::SetFilter { filter, version } => {
                let now = self.now();
                // The control API compiled it for this tenant; a foreign one is refused and changes nothing.
                let _ = self.compartment.set_filter(filter, version, now, &mut self.effects);
            }
            Command::SetPolicy { policy, version } => {
                let now = self.now();
                let _ = self.compartment.set_policy(policy, version, now, &mut self.effects);
            }
            Command::Redrive(letters) => {
                letters.into_iter().for_each(|letter| self.redrive(letter));
            }
        }
    }

    /// An upgrade was refused in this tenant's name. Whoever knows the issuer's name can bring that
    /// about, so only so many a second have a leaf of their own; the next one counts the others.
    fn refused(&mut self, reason: cofferdam::core::Reason) {
        self.refusals += 1;
        if self.refusal_bucket.try_take(1, self.now()).is_ok() {
            let count = std::mem::take(&mut self.refusals);
            self.fact(Fact::new(EventCode::ConnectionRefused).because(reason).with_detail(count));
        }
    }

    fn detach(&mut self, consumer: ConsumerId) {
        // One that goes before its leaf is durable is not attached afterwards.
        self.waiting.retain(|waiting| {
            !matches!(&waiting.input, queue::Input::Attach { consumer: own, .. } if *own == consumer)
        });
        if self.consumers.remove(&consumer).is_some() {
            self.input(Input::Queue(queue::Input::Detach { consumer }));
        }
    }

    fn redrive(&mut self, letter: Ready) {
        if !self.offered.insert(letter.id) {
            return;
        }
        self.redriven.entry(letter.event.position()).or_default().push(letter.id);
        let lane = letter.lane.as_deref().and_then(|name| self.compartment.queues().lane(name));
        let event = letter.event;
        self.input(Input::Queue(match lane {
            Some(lane) => queue::Input::Redrive { lane, event },
            None => queue::Input::Offer(event),
        }));
    }

    /// A batch of the audit log is on disk, or is known not to be.
    fn written(&mut self, written: Done) {
        match written {
            Done::Durable { size, spare } => {
                self.input(Input::Audit(audit::Input::Durable { size, spare }));
                // No audit, no decision: consumers get their lane once their leaf is durable.
                while self.waiting.front().is_some_and(|waiting| waiting.audited_at <= size) {
                    if let Some(waiting) = self.waiting.pop_front() {
                        self.input(Input::Queue(waiting.input));
                    }
                }
            }
            Done::Failed => {
                self.log_failed = true;
                self.input(Input::Audit(audit::Input::AppendFailed));
            }
        }
    }

    fn publish(&mut self) {
        let stats = &self.around.stats;
        let paused = self.compartment.is_paused();
        stats.set_counts(self.compartment.counts());
        stats.unsettled.store(self.compartment.unsettled(), Relaxed);
        stats.paused.store(paused, Relaxed);
        stats.throttled.store(self.throttled_until.is_some(), Relaxed);
        if paused && !self.was_paused {
            stats.pauses.fetch_add(1, Relaxed);
        }
        self.was_paused = paused;
        let now = self.now();
        let lanes = (0..).map(LaneId).map_while(|lane| self.compartment.queues().gauges(lane, now));
        // The console shows the lane that is nearest to its watermark.
        let (mut depth, mut bytes, mut in_flight) = (0, 0, 0);
        for lane in lanes {
            depth = lane.depth.max(depth);
            bytes += lane.bytes;
            in_flight += lane.in_flight;
        }
        stats.depth.store(depth as u64, Relaxed);
        stats.bytes.store(bytes as u64, Relaxed);
        stats.in_flight.store(in_flight as u64, Relaxed);
    }

    /// Waits for the disk's next answer; `false` if there will be none that helps.
    async fn wait_for_disk(&mut self, finished: &mut mpsc::UnboundedReceiver<Done>) -> bool {
        if !self.log_failed && !self.around.storage.is_closed() {
            match finished.recv().await {
                Some(written) => self.written(written),
                None => return false,
            }
        }
        !self.log_failed && !self.around.storage.is_closed()
    }

    /// Closes down: what was read still goes through the pipeline, what is queued becomes dead
    /// letters, the cursor moves past both, and the log is sealed.
    async fn close(
        &mut self,
        link: &mut mpsc::Receiver<LinkEvent>,
        finished: &mut mpsc::UnboundedReceiver<Done>,
    ) {
        let is_held_back = self.compartment.is_paused() || self.throttled_until.is_some();
        self.around.stats.left_unread.store(is_held_back, Relaxed);
        self.consumers.clear();
        self.around.bucket = None;
        self.throttled_until = None;
        link.close();
        while let Ok(event) = link.try_recv() {
            self.link(event);
        }
        loop {
            // Emptying the queues makes room for what a full one kept waiting.
            self.input(Input::Queue(queue::Input::Close));
            self.take_frames();
            self.carry_out().await;
            if self.frames.is_empty() {
                break;
            }
            // The other thing frames wait for is the audit log's disk.
            if !self.compartment.log().is_available() && !self.wait_for_disk(finished).await {
                break;
            }
        }
        self.input(Input::Queue(queue::Input::Close));
        self.fact(Fact::new(EventCode::Closed));
        self.input(Input::Flush);
        self.carry_out().await;
        while self.compartment.log().sealed() < self.compartment.log().size() {
            if !self.wait_for_disk(finished).await {
                break;
            }
            self.carry_out().await;
        }
        self.publish();
    }
}
