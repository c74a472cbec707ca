//! One armed timer, re-armed when it fires rather than whenever its deadline moves.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// The timer of a connection: none as long as there is no deadline.
#[derive(Default)]
pub(super) struct Timer {
    armed: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Ready when `deadline`, or the one that the timer was armed for before, has passed.
    pub(super) fn poll_fired(&mut self, deadline: Option<Instant>, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.armed = None;
            return Poll::Pending;
        };
        let sleep = self.armed.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        if sleep.deadline() > deadline.into() || sleep.is_elapsed() {
            sleep.as_mut().reset(deadline.into());
        }
        sleep.as_mut().poll(cx)
    }
}
