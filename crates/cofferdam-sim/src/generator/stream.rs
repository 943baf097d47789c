//! One tenant's stream: frame after frame, each a pure function of the seed and a sequence number.
//!
//! Because an event can be written again from its number alone, a duplicate is the same number
//! written twice and a late event is a number that waits; no frame is ever kept or copied.

use super::{
    DemoTenant, Templates,
    profile::Profile,
    rng::{Chance, Purpose, Rng, seed_for},
    scene::Scene,
};

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameKind {
    /// An event, seen for the first time, in order.
    Event,
    /// An event again, byte for byte.
    Duplicate,
    /// An event, seen for the first time, after later ones.
    Late,
    /// The platform's sign of life.
    Heartbeat,
    /// The answer to a client's ping.
    Pong,
    /// The platform will close this socket within a minute.
    Closing,
    /// Another socket took this channel over.
    NoLongerSubscribed,
    /// The answer to a client's subscription.
    SubscribeAck,
}

impl FrameKind {
    /// Whether the frame is business (an event in any of its three ways) rather than protocol.
    #[must_use]
    pub const fn is_event(self) -> bool {
        matches!(self, Self::Event | Self::Duplicate | Self::Late)
    }
}

/// The frames of one tenant, without end.
///
/// A clone goes on as the original does.
#[derive(Debug, Clone)]
pub struct TenantStream {
    tenant: DemoTenant,
    templates: Templates,
    rates: Rates,
    seed: u64,
    /// Draws what comes next; what an event says is drawn from its own number.
    order: Rng,
    next: u64,
    echo: Option<Waiting>,
    held: Option<Waiting>,
    opened: bool,
}

/// An event's number, and how many more frames go before it.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    event: u64,
    frames: u32,
}

#[derive(Debug, Clone, Copy)]
struct Rates {
    duplicate: Chance,
    late: Chance,
    /// Anything but an event: the sum of `kinds`.
    control: Chance,
    controls: f64,
    kinds: [f64; 4],
}

impl Rates {
    fn new(profile: &Profile) -> Self {
        let kinds = [
            profile.heartbeat_rate,
            profile.pong_rate,
            profile.closing_rate,
            profile.no_longer_subscribed_rate,
        ];
        let sum = kinds.iter().sum();
        Self {
            duplicate: Chance::of(profile.duplicate_rate),
            late: Chance::of(profile.late_rate),
            control: Chance::of(sum),
            controls: sum,
            kinds,
        }
    }

    /// One of the control frames.
    fn kind(&self, rng: &mut Rng) -> FrameKind {
        const KINDS: [FrameKind; 4] = [
            FrameKind::Heartbeat,
            FrameKind::Pong,
            FrameKind::Closing,
            FrameKind::NoLongerSubscribed,
        ];
        let mut draw = rng.unit() * self.controls;
        for (kind, rate) in KINDS.into_iter().zip(self.kinds) {
            if draw < rate {
                return kind;
            }
            draw -= rate;
        }
        FrameKind::Heartbeat
    }
}

impl TenantStream {
    /// The stream of `tenant`. Draws its own templates; for many tenants share one set with
    /// [`with_templates`](Self::with_templates), or memory and start-up time go by their number.
    #[must_use]
    pub fn new(seed: u64, tenant: &DemoTenant, profile: Profile) -> Self {
        Self::with_templates(seed, tenant, &Templates::new(seed, profile))
    }

    /// The stream of `tenant` in the profile that `templates` were drawn for.
    #[must_use]
    pub fn with_templates(seed: u64, tenant: &DemoTenant, templates: &Templates) -> Self {
        Self {
            tenant: tenant.clone(),
            templates: templates.clone(),
            rates: Rates::new(templates.profile()),
            seed,
            order: Rng::new(seed_for(seed, Purpose::Order, tenant.index())),
            next: 0,
            echo: None,
            held: None,
            opened: false,
        }
    }

    /// Whose stream this is.
    #[must_use]
    pub const fn tenant(&self) -> &DemoTenant {
        &self.tenant
    }

    /// How many events have been numbered so far; duplicates have no number of their own.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.next
    }

    /// Writes the next frame, one JSON object, in place of whatever `out` holds.
    ///
    /// Allocates only if `out` is too small.
    pub fn next_frame(&mut self, out: &mut Vec<u8>) -> FrameKind {
        out.clear();
        match self.decide() {
            Decision::Event(kind, event) => {
                self.scene(event).event(&self.templates, out);
                kind
            }
            Decision::Control(kind) => {
                let draw = self.order.next();
                self.scene(draw).control(kind, out);
                kind
            }
        }
    }

    /// Goes past the next frame without writing it: it was sent while nobody listened.
    pub fn skip_frame(&mut self) -> FrameKind {
        match self.decide() {
            Decision::Event(kind, _) => kind,
            Decision::Control(kind) => {
                self.order.next();
                kind
            }
        }
    }

    /// What the next frame is.
    fn decide(&mut self) -> Decision {
        let profile = self.templates.profile();
        if !self.opened && profile.subscribe_ack {
            self.opened = true;
            return Decision::Control(FrameKind::SubscribeAck);
        }
        if let Some(event) = due(&mut self.echo) {
            return Decision::Event(FrameKind::Duplicate, event);
        }
        if self.order.happens(self.rates.control) {
            return Decision::Control(self.rates.kind(&mut self.order));
        }
        if let Some(event) = due(&mut self.held) {
            return Decision::Event(FrameKind::Late, event);
        }
        let mut event = self.number();
        if self.order.happens(self.rates.late) && self.held.is_none() {
            self.held = Some(Waiting { event, frames: 1 + self.order.below(8) });
            event = self.number();
        }
        if self.order.happens(self.rates.duplicate) {
            self.echo = Some(Waiting { event, frames: u32::from(self.order.below(8) == 0) });
        }
        Decision::Event(FrameKind::Event, event)
    }

    const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn scene(&self, event: u64) -> Scene<'_> {
        Scene::new(&self.tenant, self.templates.profile(), self.seed, event)
    }
}

enum Decision {
    Event(FrameKind, u64),
    Control(FrameKind),
}

/// The waiting event, once the frames before it are gone.
fn due(waiting: &mut Option<Waiting>) -> Option<u64> {
    match waiting {
        Some(one) if one.frames > 0 => {
            one.frames -= 1;
            None
        }
        _ => waiting.take().map(|one| one.event),
    }
}
