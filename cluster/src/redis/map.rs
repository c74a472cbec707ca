//! The map of a Redis Cluster: which master holds which slots, looked up again whenever it may have changed.
//!
//! A master that answers `MOVED`, or is lost, is a reason to look again. The old map is used until the new one is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::breaker::{self, Admission, Breaker};
use super::hub::Hub;
use super::slots::Slots;
use super::target::{Endpoint, about};

/// How long after one look the next may follow: a change of the cluster is heard of from many commands at once.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) struct Map {
    state: Mutex<State>,
    /// The map is another, or could not be had.
    changed: Notify,
    /// Somebody has found that it is out of date.
    wanted: Notify,
}

struct State {
    slots: Arc<Slots>,
    breaker: Breaker,
    /// What keeps it up to date. It ends with the runtime that it was started in.
    keeper: Option<AbortHandle>,
}

impl Map {
    pub(super) fn new(settings: breaker::Settings) -> Self {
        let state = State { slots: Arc::default(), breaker: Breaker::new(settings), keeper: None };
        Self { state: Mutex::new(state), changed: Notify::new(), wanted: Notify::new() }
    }

    /// The master that holds a slot; none: nobody does, or nobody has said.
    pub(super) async fn master(&self, hub: &Arc<Hub>, slot: u16) -> Option<Endpoint> {
        if let Some(master) = self.find(slot) {
            return Some(master);
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(master) = self.find(slot) {
                return Some(master);
            }
            if self.look_again(hub) != Admission::Wait {
                return None;
            }
            changed.await;
        }
    }

    fn find(&self, slot: u16) -> Option<Endpoint> {
        self.state().slots.master(slot).cloned().map(Endpoint::Master)
    }

    /// Has the map looked up again; says whether it is there, likely to be there soon, or not to be had.
    pub(super) fn look_again(&self, hub: &Arc<Hub>) -> Admission {
        let mut state = self.state();
        if state.keeper.as_ref().is_none_or(AbortHandle::is_finished) {
            state.keeper = Some(Handle::current().spawn(keep(hub.clone())).abort_handle());
        } else {
            self.wanted.notify_one();
        }
        state.breaker.admit()
    }

    pub(super) fn slots(&self) -> Arc<Slots> {
        self.state().slots.clone()
    }

    /// Whether a command would fail for want of a map.
    pub(super) fn is_down(&self) -> bool {
        self.state().breaker.admit() == Admission::Refuse
    }

    pub(super) fn close(&self) {
        if let Some(keeper) = self.state().keeper.take() {
            keeper.abort();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keep(hub: Arc<Hub>) {
    let map = &hub.map;
    loop {
        let known = map.slots();
        match timeout(hub.connect_deadline(), hub.target.slots(&known)).await {
            Ok(Ok(slots)) => {
                hub.masters_are(&slots);
                let mut state = map.state();
                state.slots = Arc::new(slots);
                state.breaker.connected();
            }
            failure => {
                let reason = match failure {
                    Ok(Err(error)) => about(&error),
                    _ => "no answer in time".to_owned(),
                };
                tracing::debug!(reason, "no server of the Redis Cluster tells its slots");
                map.state().breaker.not_connected(Instant::now(), hub.random());
            }
        }
        map.changed.notify_waiters();
        let due = map.state().breaker.next_attempt();
        if let Some(due) = due {
            sleep(due.saturating_duration_since(Instant::now())).await;
        } else {
            sleep(LOOK_AGAIN).await;
            map.wanted.notified().await;
        }
    }
}
