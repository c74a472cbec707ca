//! The connection of one runtime to one endpoint, and what keeps it up.
//!
//! A connection is driven by the runtime that made it. Each worker has a runtime of its own, so each has lanes of its own:
//! no command wakes another thread, and those that a worker issues in one turn leave in one write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::breaker::{Admission, Breaker};
use super::hub::Hub;
use super::target::{Endpoint, OnLost, about};

pub(super) struct Lane {
    runtime: Id,
    endpoint: Endpoint,
    state: Mutex<State>,
    /// The state is another: whoever waits for a connection looks again.
    changed: Notify,
    /// The keeper has something to do.
    wanted: Notify,
}

struct State {
    breaker: Breaker,
    /// There is one exactly while the breaker is closed.
    connection: Option<MultiplexedConnection>,
    /// Which connection of this lane it is, so that news of an older one is told apart.
    generation: u64,
}

/// A connection to send a command on.
pub(super) struct Use {
    pub(super) connection: MultiplexedConnection,
    pub(super) generation: u64,
}

/// There is no connection.
pub(super) struct NoConnection;

impl Lane {
    /// The lane of a runtime to an endpoint, with its keeper started.
    pub(super) fn open(hub: &Arc<Hub>, runtime: &Handle, endpoint: Endpoint) -> (Arc<Self>, AbortHandle) {
        let breaker = Breaker::new(hub.settings.breaker);
        let lane = Arc::new(Self {
            runtime: runtime.id(),
            endpoint,
            state: Mutex::new(State { breaker, connection: None, generation: 0 }),
            changed: Notify::new(),
            wanted: Notify::new(),
        });
        let keeper = runtime.spawn(keep(hub.clone(), lane.clone()));
        (lane, keeper.abort_handle())
    }

    pub(super) fn leads(&self, runtime: Id, endpoint: &Endpoint) -> bool {
        self.runtime == runtime && self.endpoint == *endpoint
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
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

    /// Redis did not answer in time.
    pub(super) fn late(&self, hub: &Arc<Hub>, generation: u64, now: Instant) {
        let mut state = self.state();
        if state.generation == generation && state.breaker.failed(now) {
            state.connection = None;
            drop(state);
            self.note_lost(hub, "no answer in time");
        }
    }

    /// The connection broke, or leads to a Redis that is no master.
    pub(super) fn lost(&self, hub: &Arc<Hub>, generation: u64, reason: &str) {
        let mut state = self.state();
        if state.generation == generation && state.connection.is_some() {
            state.connection = None;
            state.breaker.lost();
            drop(state);
            self.note_lost(hub, reason);
        }
    }

    /// Its keys cannot be served. The hub learns it before the keeper, and so before the end of it.
    pub(super) fn note_lost(&self, hub: &Arc<Hub>, reason: &str) {
        hub.lost(&self.endpoint, reason);
        if let Endpoint::Master(_) = self.endpoint {
            // Another may be the master by now.
            hub.map.look_again(hub);
        }
        self.changed.notify_waiters();
        self.wanted.notify_one();
    }

    fn connected(&self, connection: MultiplexedConnection) {
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

    /// Whether it has no connection and leads to a server that is no master any more.
    fn is_of_no_use(&self, hub: &Hub) -> bool {
        let Endpoint::Master(address) = &self.endpoint else { return false };
        self.state().connection.is_none() && !hub.map.slots().has(address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the lane's connection, and makes it again whenever it is lost.
async fn keep(hub: Arc<Hub>, lane: Arc<Lane>) {
    loop {
        let generation = {
            let mut state = lane.state();
            state.generation += 1;
            state.generation
        };
        let on_lost: OnLost = {
            let (hub, lane) = (Arc::downgrade(&hub), Arc::downgrade(&lane));
            Arc::new(move || {
                if let (Some(hub), Some(lane)) = (hub.upgrade(), lane.upgrade()) {
                    lane.lost(&hub, generation, "the connection broke");
                }
            })
        };
        let deadline = hub.connect_deadline();
        match tokio::time::timeout(deadline, hub.target.connect(&lane.endpoint, on_lost)).await {
            Ok(Ok(connection)) => {
                lane.connected(connection);
                hub.serves(&lane.endpoint);
            }
            failure => {
                let reason = match failure {
                    Ok(Err(error)) => about(&error),
                    _ => "no answer in time".to_owned(),
                };
                lane.note_lost(&hub, &reason);
                lane.not_connected(Instant::now(), hub.random());
            }
        }
        // Until another attempt is due.
        loop {
            if lane.is_of_no_use(&hub) {
                // Nobody is to wait for it.
                lane.not_connected(Instant::now(), hub.random());
                return;
            }
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
