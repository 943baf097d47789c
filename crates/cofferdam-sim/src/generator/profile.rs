//! What a stream is like: how big its events are, and what else comes with them.

/// How big events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// As in the synthetic Genesys corpus, topic by topic: a median near 500 bytes and a mean near
    /// 2,100 over events, a tenth above 6 KB, the largest about 22 KB.
    Corpus,
    /// Evenly spread from 5/8 to 11/8 of this mean, in bytes, whatever the topic. The smallest
    /// bodies are about 550 bytes, so that a mean under 900 is not kept.
    Around(usize),
}

/// The traits of a stream. Rates are chances per frame.
///
/// ```
/// use cofferdam_sim::generator::Profile;
///
/// let hard = Profile { duplicate_rate: 0.2, late_rate: 0.2, ..Profile::benchmark(1_600) };
/// # let _ = hard;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// How big events are.
    pub sizes: Sizes,
    /// An event is sent again, byte for byte, within the next two frames.
    pub duplicate_rate: f64,
    /// An event is overtaken by up to eight later ones.
    pub late_rate: f64,
    /// `channel.metadata` with "WebSocket Heartbeat".
    pub heartbeat_rate: f64,
    /// `channel.metadata` with "pong".
    pub pong_rate: f64,
    /// `v2.system.socket_closing`.
    pub closing_rate: f64,
    /// `v2.system.no_longer_subscribed.{channel}`.
    pub no_longer_subscribed_rate: f64,
    /// An `externalOrganizationId` is another tenant's organisation. The rest are nobody's.
    pub foreign_rate: f64,
    /// An event has the `CorrelationId` of the event before it.
    pub shared_correlation_rate: f64,
    /// The first frame acknowledges a subscription.
    pub subscribe_ack: bool,
    /// Personal values carry marks (see [`Secrets`](super::Secrets)).
    pub planted: bool,
}

impl Profile {
    /// The synthetic corpus: its sizes, its control frames, its faults.
    #[must_use]
    pub const fn corpus() -> Self {
        Self {
            sizes: Sizes::Corpus,
            duplicate_rate: 0.010,
            late_rate: 0.012,
            heartbeat_rate: 0.213,
            pong_rate: 0.008,
            closing_rate: 0.003,
            no_longer_subscribed_rate: 0.001,
            foreign_rate: 0.05,
            shared_correlation_rate: 0.02,
            subscribe_ack: true,
            planted: false,
        }
    }

    /// Events only, each once and in order, of `mean_bytes` on average.
    #[must_use]
    pub const fn benchmark(mean_bytes: usize) -> Self {
        Self {
            sizes: Sizes::Around(mean_bytes),
            duplicate_rate: 0.0,
            late_rate: 0.0,
            heartbeat_rate: 0.0,
            pong_rate: 0.0,
            closing_rate: 0.0,
            no_longer_subscribed_rate: 0.0,
            subscribe_ack: false,
            ..Self::corpus()
        }
    }

    /// The same with marks in every personal value.
    #[must_use]
    pub const fn planted(self) -> Self {
        Self { planted: true, ..self }
    }
}
