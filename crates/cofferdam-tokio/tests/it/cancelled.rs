//! Futures that are dropped half-way, at every place where they wait (SECURITY S02).

use std::{future::poll_fn, task::Poll};

/// When a future is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// As soon as it waits.
    AtOnce,
    /// When that which it waits for has come, and it has not looked yet.
    Woken,
}

/// Where a future is dropped: after so many polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut(pub(crate) usize, pub(crate) When);

impl Cut {
    /// Polls a future as often as it asks for it, and drops it when its time has come: `Some` if it
    /// was done before.
    pub(crate) async fn of<F: Future>(self, future: F) -> Option<F::Output> {
        let Self(polls, when) = self;
        let mut future = Box::pin(future);
        let mut left = polls;
        poll_fn(|task| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            match future.as_mut().poll(task) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if left == 0 && when == When::AtOnce => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

/// Calls `attempt` with each cut there is, until a future was done before it was cut. How many polls
/// that took, so that a test can say that there was something to cut.
pub(crate) async fn at_every_await(mut attempt: impl AsyncFnMut(Cut) -> bool) -> usize {
    let mut most = 0;
    for when in [When::AtOnce, When::Woken] {
        let mut polls = 0;
        while !attempt(Cut(polls, when)).await {
            polls += 1;
            assert!(polls < 10_000, "it is never done");
        }
        most = most.max(polls);
    }
    most
}
