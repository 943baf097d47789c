//! What the queues are told, and what they ask of the world.

use cofferdam_core::{Now, Refusal, Scoped, TenantContext, TenantId, pipeline::Recorded};

/// One lane of one tenant: its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u32);

impl LaneId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One consumer, numbered by the driver; unique within its tenant while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(pub u64);

/// One delivery of one event to one consumer. A redelivery has an id of its own.
///
/// Ids ascend within a tenant. Where they begin depends on tenant and epoch, so that an
/// acknowledgement which strayed from another tenant, or from before a fail-over, names nothing
/// here even if the consumer's number is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// What the world tells the queues.
#[derive(Debug, Clone)]
pub enum Input {
    /// An event for every lane that its routes lead to.
    Offer(Recorded),
    /// A dead letter's event, for this lane alone: the others had theirs. The event's routes must
    /// still lead there.
    Redrive {
        /// The lane that the event died in.
        lane: LaneId,
        /// The event, as [`redrive`](crate::dead_letter::redrive) gave it back.
        event: Recorded,
    },
    /// A consumer asks for a lane by name. A consumer that has the lane already renews its context.
    Attach {
        /// The lane's name, compared byte by byte: no wildcards, no paths.
        lane: String,
        /// Who asks.
        consumer: ConsumerId,
        /// What the consumer's credential proved.
        context: TenantContext,
    },
    /// The consumer is ready for `n` more deliveries. One that lapses or is refused with `Nack` gives
    /// its credit back by itself.
    Credit {
        /// Who.
        consumer: ConsumerId,
        /// How many more.
        n: u32,
    },
    /// The consumer is done with this delivery.
    Ack {
        /// Who.
        consumer: ConsumerId,
        /// Which one.
        delivery: DeliveryId,
    },
    /// The consumer is done with this delivery, which must be in flight, and all before it.
    AckUpTo {
        /// Who.
        consumer: ConsumerId,
        /// Up to which one.
        delivery: DeliveryId,
    },
    /// The consumer could not use this delivery.
    Nack {
        /// Who.
        consumer: ConsumerId,
        /// Which one.
        delivery: DeliveryId,
    },
    /// The consumer is gone; what it did not acknowledge goes back to the front, in order.
    Detach {
        /// Who.
        consumer: ConsumerId,
    },
    /// The process is about to end: every consumer is detached, and every event that is still
    /// queued becomes a dead letter, since no upstream would send it again.
    Close,
}

/// Why an event died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum DeadCause {
    /// It waited longer than the lane's time to live.
    Expired = 1,
    /// It was delivered as often as the lane allows and never acknowledged.
    Attempts = 2,
    /// The lane was full.
    Full = 3,
    /// It was delivered as often as the lane allows, and refused by its consumer the last time.
    Poison = 4,
    /// A route of it leads to no lane.
    NoLane = 5,
    /// The queues were closed before it could be delivered.
    Closed = 6,
}

impl DeadCause {
    /// The stable number, as dead letters hold it.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The cause with this number, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Expired, Self::Attempts, Self::Full, Self::Poison, Self::NoLane, Self::Closed]
            .into_iter()
            .find(|cause| cause.code() == code)
    }
}

/// How an offered event ended, over all lanes that it went to: the worst of them, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Acknowledged in every lane.
    Delivered,
    /// Dead-lettered in at least one.
    DeadLettered,
    /// Dropped in at least one, and named in a gap.
    Dropped,
}

/// What the queues ask of the world. Carry effects out in their order: a dead letter is to be
/// stored before the `Settled` that follows it moves a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Hand the event to the consumer.
    Deliver {
        /// Whose it is.
        tenant: TenantId,
        /// From which lane.
        lane: LaneId,
        /// To whom.
        consumer: ConsumerId,
        /// What the consumer acknowledges.
        delivery: DeliveryId,
        /// 1 for the first delivery of the event from this lane.
        attempt: u32,
        /// The event.
        event: Recorded,
    },
    /// The consumer has the lane.
    Attached {
        /// Whose lane.
        tenant: TenantId,
        /// Which.
        lane: LaneId,
        /// Who has it.
        consumer: ConsumerId,
    },
    /// The consumer may have the lane, but another consumer does, or it has another lane itself.
    Busy {
        /// Whose lane.
        tenant: TenantId,
        /// Which.
        lane: LaneId,
        /// Who asked.
        consumer: ConsumerId,
    },
    /// The consumer may not have what it asked for, or no longer: answer
    /// [`Denied`](cofferdam_core::Denied), whatever the reason.
    Denied {
        /// Whose queues were asked.
        tenant: TenantId,
        /// Who asked.
        consumer: ConsumerId,
    },
    /// Something was refused: for the audit log only.
    Refused(Refusal),
    /// Stop reading upstream.
    Pause {
        /// For whom.
        tenant: TenantId,
    },
    /// Read upstream again.
    Resume {
        /// For whom.
        tenant: TenantId,
    },
    /// Store the event as a dead letter.
    DeadLetter {
        /// Whose it is.
        tenant: TenantId,
        /// In which lane it died; `None` if it found none.
        lane: Option<LaneId>,
        /// The event.
        event: Recorded,
        /// Why.
        cause: DeadCause,
        /// How often it was delivered.
        attempts: u32,
        /// When it was offered.
        queued_at: Now,
    },
    /// Events of this lane were dropped.
    Gap {
        /// Whose they were.
        tenant: TenantId,
        /// From which lane.
        lane: LaneId,
        /// The lowest position among them.
        from: u64,
        /// The highest position among them.
        to: u64,
        /// How many.
        count: u64,
    },
    /// The event is done in every lane that it went to: said exactly once for each offer.
    Settled {
        /// Whose it is.
        tenant: TenantId,
        /// Where it stood in its tenant's stream.
        position: u64,
        /// Whether it was a replay, whose position no cursor waits for.
        replay: bool,
        /// How it ended.
        outcome: Outcome,
    },
}

impl Scoped for Effect {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Deliver { tenant, .. }
            | Self::Attached { tenant, .. }
            | Self::Busy { tenant, .. }
            | Self::Denied { tenant, .. }
            | Self::Pause { tenant }
            | Self::Resume { tenant }
            | Self::DeadLetter { tenant, .. }
            | Self::Gap { tenant, .. }
            | Self::Settled { tenant, .. } => tenant,
            Self::Refused(refusal) => refusal.tenant(),
        }
    }
}
