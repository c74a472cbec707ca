//! The connection of one runtime, and what keeps it up.
//!
//! A connection is driven by the runtime that made it. Each worker has a runtime of its own, so each has a lane of its own:
//! no command wakes another thread, and those that a worker issues in one turn leave in one write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::breaker::{Admission, Breaker};
use super::client::Core;
use super::target::{Connection, OnLost, about};

pub(super) struct Lane {
    runtime: Id,
    state: Mutex<State>,
    /// The state is another: whoever waits for a connection looks again.
    changed: Notify,
    /// The keeper has something to do.
    wanted: Notify,
}

struct State {
    breaker: Breaker,
    /// There is one exactly while the breaker is closed.
    connection: Option<Connection>,
    /// Which connection of this lane it is, so that news of an older one is told apart.
    generation: u64,
}

/// A connection to send a command on.
pub(super) struct Use {
    pub(super) connection: Connection,
    pub(super) generation: u64,
}

/// There is no connection.
pub(super) struct NoConnection;

impl Lane {
    /// The lane of the current runtime, with its keeper started.
    pub(super) fn open(core: &Arc<Core>, runtime: &Handle) -> (Arc<Self>, AbortHandle) {
        let lane = Arc::new(Self {
            runtime: runtime.id(),
            state: Mutex::new(State { breaker: Breaker::new(core.breaker), connection: None, generation: 0 }),
            changed: Notify::new(),
            wanted: Notify::new(),
        });
        let keeper = runtime.spawn(keep(core.clone(), lane.clone()));
        (lane, keeper.abort_handle())
    }

    pub(super) fn runtime(&self) -> Id {
        self.runtime
    }

    /// Whether a command sent now would fail at once.
    pub(super) fn is_down(&self) -> bool {
        self.state().breaker.admit() == Admission::Refuse
    }

    /// The connection, which is waited for while it is likely to be there soon.
    pub(super) async fn connection(&self) -> Result<Use, NoConnection> {
        loop {
            if let Some(now) = self.admit() {
                return now;
            }
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(now) = self.admit() {
                return now;
            }
            changed.await;
        }
    }

    fn admit(&self) -> Option<Result<Use, NoConnection>> {
        let state = self.state();
        match (state.breaker.admit(), &state.connection) {
            (Admission::Send, Some(connection)) => {
                Some(Ok(Use { connection: connection.clone(), generation: state.generation }))
            }
            (Admission::Wait, _) => None,
            _ => Some(Err(NoConnection)),
        }
    }

    pub(super) fn answered(&self, generation: u64) {
        let mut state = self.state();
        if state.generation == generation {
            state.breaker.answered();
        }
    }

    /// Redis did not answer in time, or cannot serve now. True: the connection is given up.
    pub(super) fn failed(&self, generation: u64, now: Instant) -> bool {
        let mut state = self.state();
        if state.generation != generation || !state.breaker.failed(now) {
            return false;
        }
        state.connection = None;
        drop(state);
        self.look();
        true
    }

    /// The connection broke, or leads to a Redis that is no master. True: it is the one in use.
    pub(super) fn lost(&self, generation: u64) -> bool {
        let mut state = self.state();
        if state.generation != generation || state.connection.is_none() {
            return false;
        }
        state.connection = None;
        state.breaker.lost();
        drop(state);
        self.look();
        true
    }

    fn connected(&self, connection: Connection) {
        let mut state = self.state();
        state.connection = Some(connection);
        state.breaker.connected();
        drop(state);
        self.changed.notify_waiters();
    }

    fn not_connected(&self, now: Instant, random: u64) {
        self.state().breaker.not_connected(now, random);
        self.changed.notify_waiters();
    }

    fn look(&self) {
        self.changed.notify_waiters();
        self.wanted.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the lane's connection, and makes it again whenever it is lost.
async fn keep(core: Arc<Core>, lane: Arc<Lane>) {
    loop {
        let generation = {
            let mut state = lane.state();
            state.generation += 1;
            state.generation
        };
        let on_lost: OnLost = {
            let (core, lane) = (Arc::downgrade(&core), Arc::downgrade(&lane));
            Arc::new(move || {
                if let (Some(core), Some(lane)) = (core.upgrade(), lane.upgrade())
                    && lane.lost(generation)
                {
                    core.lost("the connection broke");
                }
            })
        };
        let deadline = core.connect_deadline();
        match tokio::time::timeout(deadline, core.target.connect(on_lost)).await {
            Ok(Ok(connection)) => {
                lane.connected(connection);
                core.connected();
            }
            failure => {
                let reason = match failure {
                    Ok(Err(error)) => about(&error),
                    _ => "no answer in time".to_owned(),
                };
                core.lost(&reason);
                lane.not_connected(Instant::now(), core.random());
            }
        }
        // Until another attempt is due.
        loop {
            let due = {
                let mut state = lane.state();
                state.breaker.attempt(Instant::now());
                match (&state.connection, state.breaker.next_attempt()) {
                    (Some(_), _) => None,
                    (None, Some(due)) => Some(due),
                    (None, None) => break,
                }
            };
            match due {
                None => lane.wanted.notified().await,
                Some(due) => {
                    let pause = due.saturating_duration_since(Instant::now());
                    tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
                }
            }
        }
    }
}
