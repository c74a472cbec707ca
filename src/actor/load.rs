//! How much a worker has to do: what waits for its registrar and its proxy, and how late it is.
//!
//! Whoever queues a message takes a [`Ticket`] for it, and whoever does it hands that back. The worker itself is asked to be
//! somewhere in time now and then, which shows the delay that is in no mailbox.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use actix::prelude::*;

use super::worker::Worker;
use crate::proto::overload::Overload;
use crate::proto::pace::Asker;

/// How often a worker is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Messages that an actor takes from its mailbox before others on its worker get their turn.
const MESSAGES_PER_TURN: u32 = 64;

/// The load of one worker.
#[derive(Debug)]
pub struct Load {
    started: Instant,
    /// Hardly ever waited for: other workers only have responses for this one's proxy.
    overload: Mutex<Overload>,
    /// Flows that its authenticator trusts, for the metrics.
    trusted: AtomicUsize,
}

/// When a message was queued.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(Duration);

impl Load {
    /// Of a worker that is to keep within this delay.
    pub fn new(max_delay: Duration) -> Self {
        Self {
            started: Instant::now(),
            overload: Mutex::new(Overload::new(max_delay)),
            trusted: AtomicUsize::new(0),
        }
    }

    /// A message is about to be queued.
    pub fn enter(&self) -> Ticket {
        let now = self.started.elapsed();
        self.lock().entered(now);
        Ticket(now)
    }

    /// There was no room for it.
    pub fn leave(&self) {
        self.lock().left();
    }

    /// It is about to be done.
    pub fn handle(&self, Ticket(entered): Ticket) {
        let now = self.started.elapsed();
        self.lock().handled(entered, now);
    }

    /// Whether there is something to do.
    pub fn is_busy(&self) -> bool {
        self.lock().is_busy()
    }

    /// Whether a request is refused that starts something.
    pub fn sheds(&self, asker: Asker) -> bool {
        let now = self.started.elapsed();
        self.lock().sheds(now, asker)
    }

    /// How long what it does now had to wait.
    pub fn delay(&self) -> Duration {
        let now = self.started.elapsed();
        self.lock().delay(now)
    }

    /// How many flows it trusts, as of a moment ago.
    pub fn trusted(&self) -> usize {
        self.trusted.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Overload> {
        self.overload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds out how late a worker is, for as long as it runs.
pub async fn watch(worker: Rc<Worker>) {
    loop {
        let due = Instant::now() + LOOK_EVERY;
        tokio::time::sleep_until(due.into()).await;
        worker.load().lock().late(due.elapsed());
        if let Some(authenticator) = &worker.authenticator {
            worker.load().trusted.store(authenticator.borrow().trust.len(), Ordering::Relaxed);
        }
    }
}

/// How many messages an actor has taken in its turn. Its context would have it take all that wait, however many they are.
#[derive(Debug, Default)]
pub struct Turn {
    taken: u32,
}

impl Turn {
    /// One more; others have their turn when it is the last.
    pub fn take<A>(&mut self, ctx: &mut Context<A>)
    where
        A: Actor<Context = Context<A>>,
    {
        self.taken += 1;
        if self.taken == MESSAGES_PER_TURN {
            self.taken = 0;
            ctx.wait(Others::default());
        }
    }
}

/// Over when the others have had their turn.
#[derive(Default)]
struct Others {
    had_their_turn: bool,
}

impl<A: Actor> ActorFuture<A> for Others {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut A, _: &mut A::Context, cx: &mut task::Context<'_>) -> Poll<()> {
        if self.had_their_turn {
            return Poll::Ready(());
        }
        self.had_their_turn = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
