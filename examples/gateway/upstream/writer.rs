//! A socket's way out: what it sends, how far that got, and nothing twice.
//!
//! A [`Writer`] may be dropped at any await and run again. A message leaves the queue only when the
//! socket is ready for it, and counts as sent only when it is flushed.

use std::{
    collections::VecDeque,
    future::{pending, poll_fn},
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use axum::extract::ws::{Message, WebSocket};
use cofferdam_sim::generator::FrameKind;
use futures_util::{Sink, SinkExt, stream::SplitSink};
use tokio::time::Instant;

use super::{
    feed::{Outgoing, Taken},
    tenant::UpstreamTenant,
};

/// The way out: feeds many messages and flushes once.
pub(super) struct Writer {
    sink: SplitSink<WebSocket, Message>,
    pub(super) owner: Arc<UpstreamTenant>,
    pub(super) number: u64,
    waiting: VecDeque<Outgoing>,
    unflushed: Tally,
}

/// Events between the write buffer and the operating system.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    own: u64,
    duplicates: u64,
    late: u64,
}

impl Writer {
    pub(super) fn new(
        sink: SplitSink<WebSocket, Message>,
        owner: Arc<UpstreamTenant>,
        number: u64,
    ) -> Self {
        Self { sink, owner, number, waiting: VecDeque::new(), unflushed: Tally::default() }
    }

    /// Puts a message before the events that wait, after messages like it.
    pub(super) fn say(&mut self, message: Message) {
        let ahead = self.waiting.iter().take_while(|one| one.event.is_none()).count();
        self.waiting.insert(ahead, Outgoing { message, event: None });
    }

    /// Accounts for what was not sent, once the socket is gone.
    pub(super) fn leave(&mut self) {
        self.owner.feed().detach(self.number);
        let unsent = self.waiting.iter().filter(|one| one.event.is_some()).count() as u64;
        let counters = self.owner.counters();
        counters.lost_while_down.fetch_add(unsent, Relaxed);
        counters.in_doubt.fetch_add(self.unflushed.sent, Relaxed);
    }

    /// Sends what waits, then what the feed has, until the socket fails. May be dropped and run
    /// again at any time.
    pub(super) async fn run(&mut self, feeding: bool) -> Result<(), axum::Error> {
        loop {
            self.flush().await?;
            if !feeding {
                pending::<()>().await;
            }
            let taken = self.owner.feed().take(self.number, Instant::now(), &mut self.waiting);
            match taken {
                // With no rate to wait for, other sockets and requests would wait for this one.
                Taken::Some => tokio::task::yield_now().await,
                Taken::NotBefore(then) => tokio::time::sleep_until(then).await,
                Taken::Finished => pending::<()>().await,
            }
        }
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self) -> Result<(), axum::Error> {
        while !self.waiting.is_empty() {
            // Ready first, then taken from the queue: in between nothing can be dropped.
            poll_fn(|cx| Pin::new(&mut self.sink).poll_ready(cx)).await?;
            if let Some(Outgoing { message, event }) = self.waiting.pop_front() {
                self.unflushed.count(event, &message);
                self.sink.start_send_unpin(message)?;
            }
        }
        self.sink.flush().await?;
        self.unflushed.settle(&self.owner);
        Ok(())
    }
}

impl Tally {
    const fn count(&mut self, event: Option<FrameKind>, message: &Message) {
        let Some(kind) = event else {
            self.own += matches!(message, Message::Text(_)) as u64;
            return;
        };
        self.sent += 1;
        match kind {
            FrameKind::Duplicate => self.duplicates += 1,
            FrameKind::Late => self.late += 1,
            _ => {}
        }
    }

    fn settle(&mut self, owner: &UpstreamTenant) {
        let counters = owner.counters();
        let Self { sent, own, duplicates, late } = std::mem::take(self);
        if sent + own > 0 {
            counters.sent.fetch_add(sent, Relaxed);
            counters.own.fetch_add(own, Relaxed);
            counters.duplicates.fetch_add(duplicates, Relaxed);
            counters.late.fetch_add(late, Relaxed);
        }
    }
}
