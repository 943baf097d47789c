//! The task that drives one tenant's compartment: it waits, calls, and carries out effects.
//!
//! A compartment has one owner, this task, so nothing here is locked and nothing is shared with
//! another tenant's task but the storage thread's mailbox. What the compartment asks for is carried
//! out in order; what it asks to wait for (a full queue, a full audit buffer, an empty token bucket)
//! is waited for by not reading from the link, which then does not read from its socket.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use cofferdam::{
    Compartment, Effect, Input, Receipt,
    audit::{self, EventCode, Fact, checkpoint::Checkpoint},
    core::{Authority, Machine, Now, Scoped, TenantContext, TenantId},
    cursor::{self, GapCause},
    filter::FilterGraph,
    queue::{
        self, ConsumerId, DeliveryId, LaneId, TokenBucket,
        dead_letter::{Cause, DeadLetter, LetterId, Ready, TenantSeal},
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
    frames: VecDeque<(Frame, Now)>,
    throttled_until: Option<Now>,
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
        frames: VecDeque::new(),
        throttled_until: None,
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
                self.input(Input::Queue(queue::Input::Credit { consumer, n: 1 }));
            }
            Command::Detach { consumer } => self.detach(consumer),
            Command::Refused(reason) => {
                self.fact(Fact::new(EventCode::ConnectionRefused).because(reason));
            }
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
                letters.into_iter().for_each(|letter| self.redrive(letter))
            }
        }
    }

    fn detach(&mut self, consumer: ConsumerId) {
        if self.consumers.remove(&consumer).is_some() {
            self.input(Input::Queue(queue::Input::Detach { consumer }));
        }
    }

    fn redrive(&mut self, letter: Ready) {
        let under_way = self.redriven.entry(letter.event.position()).or_default();
        if under_way.contains(&letter.id) {
            return;
        }
        under_way.push(letter.id);
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
            Done::Failed => self.input(Input::Audit(audit::Input::AppendFailed)),
        }
    }

    async fn carry_out(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Queue(effect) => self.queue_effect(effect).await,
                Effect::Cursor(cursor::Effect::Write(write)) => {
                    if let cursor::Write::Cursor(cursor) = &write {
                        self.around.stats.cursor.store(cursor.position(), Relaxed);
                    }
                    self.store(Job::Cursor(write)).await;
                }
                // The compartment stops taking frames by itself.
                Effect::Cursor(cursor::Effect::Stalled { .. }) => {}
                Effect::Audit(effect) => self.audit_effect(effect).await,
            }
        }
        if self.effects.is_empty() {
            self.effects = effects;
        }
        self.hand_out();
    }

    async fn store(&self, job: Job) {
        // The storage thread outlives every task; if it died, the end of the run says so.
        let _ = self.around.storage.send(job).await;
    }

    async fn queue_effect(&mut self, effect: queue::Effect) {
        match effect {
            queue::Effect::Deliver { consumer, delivery, attempt, event, .. } => {
                if let Some(consumer) = self.consumers.get_mut(&consumer) {
                    consumer.batch.push(Delivery { id: delivery, attempt, event });
                }
            }
            queue::Effect::Attached { consumer, .. } => self.answer(consumer, Attach::Granted),
            queue::Effect::Busy { consumer, .. } => self.answer(consumer, Attach::Busy),
            queue::Effect::Denied { consumer, .. } => self.answer(consumer, Attach::Denied),
            queue::Effect::DeadLetter { lane, event, cause, attempts, queued_at, .. } => {
                self.dead_letter(lane, &event, (cause, attempts, queued_at)).await;
            }
            queue::Effect::Settled { position, .. } => self.forget(position).await,
            queue::Effect::Gap { .. } => {
                self.around.stats.gaps.fetch_add(1, Relaxed);
            }
            // Pausing is not reading, which `is_reading` decides; refusals are in the audit log.
            _ => {}
        }
    }

    /// A replay is settled: delivered, or dead again under a letter of its own. One letter goes.
    async fn forget(&mut self, position: u64) {
        let Some(letters) = self.redriven.get_mut(&position) else { return };
        let letter = letters.pop();
        if letters.is_empty() {
            self.redriven.remove(&position);
        }
        if let Some(id) = letter {
            self.around.stats.dead_held.fetch_sub(1, Relaxed);
            self.store(Job::Forget { tenant: self.tenant.clone(), id }).await;
        }
    }

    async fn dead_letter(
        &mut self,
        lane: Option<LaneId>,
        event: &cofferdam::core::pipeline::Recorded,
        (cause, attempts, queued_at): (queue::DeadCause, u32, Now),
    ) {
        let lane = lane.and_then(|lane| self.compartment.queues().lane_name(lane));
        let cause = Cause {
            lane,
            cause,
            attempts,
            first_ms: queued_at.wall_ms(),
            last_ms: self.now().wall_ms(),
        };
        let letter = DeadLetter::seal(event, cause, &*self.around.seal);
        self.around.stats.dead_held.fetch_add(1, Relaxed);
        self.store(Job::DeadLetter(letter)).await;
    }

    async fn audit_effect(&mut self, effect: audit::Effect) {
        match effect {
            audit::Effect::Append { tenant, size, bytes, .. } => {
                self.around.stats.audit_size.store(size, Relaxed);
                let done = self.done.clone();
                self.store(Job::Leaves { tenant, size, bytes, done }).await;
            }
            audit::Effect::Checkpoint { tenant, note, .. } => {
                if let Ok(head) = Checkpoint::open(note.as_bytes(), &self.around.log_key) {
                    self.around.stats.set_audit_head(&base64(&head.root));
                }
                self.store(Job::Checkpoint { tenant, note }).await;
            }
            _ => {}
        }
    }

    fn answer(&mut self, consumer: ConsumerId, answer: Attach) {
        if let Some(found) = self.consumers.get_mut(&consumer)
            && let Some(waiting) = found.answer.take()
        {
            // The session may be gone already; its end is a command of its own.
            let _ = waiting.send(answer);
        }
        if answer == Attach::Granted {
            let n = Self::CREDIT;
            self.input(Input::Queue(queue::Input::Credit { consumer, n }));
        } else {
            self.consumers.remove(&consumer);
        }
    }

    /// How many deliveries a consumer may hold unacknowledged.
    pub(crate) const CREDIT: u32 = 1_024;

    /// Gives each consumer what it was dealt. A channel holds as many batches as there is credit,
    /// so it is full never, and closed if the session is gone.
    fn hand_out(&mut self) {
        let mut gone = Vec::new();
        for (id, consumer) in &mut self.consumers {
            if !consumer.batch.is_empty()
                && consumer.deliveries.try_send(std::mem::take(&mut consumer.batch)).is_err()
            {
                gone.push(*id);
            }
        }
        gone.into_iter().for_each(|consumer| self.detach(consumer));
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
            if !self.compartment.log().is_available() {
                match finished.recv().await {
                    Some(Done::Failed) | None => break,
                    Some(written) => self.written(written),
                }
            }
        }
        self.input(Input::Queue(queue::Input::Close));
        self.fact(Fact::new(EventCode::Closed));
        self.input(Input::Flush);
        self.carry_out().await;
        while self.compartment.log().sealed() < self.compartment.log().size() {
            match finished.recv().await {
                Some(Done::Failed) | None => break,
                Some(written) => self.written(written),
            }
            self.carry_out().await;
        }
        self.publish();
    }
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(bytes)
}
