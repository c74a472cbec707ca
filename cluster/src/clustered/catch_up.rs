//! Catching up: what is to be done when Redis is back, or the lease was lost, and between times a little of it for safety.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use crate::binding::{Aor, Timestamp};
use crate::location::Unavailable;
use crate::memory::Memory;
use crate::redis::Redis;

use super::Shared;
use super::pending::Task;

/// AORs that are written at a time.
const AT_A_TIME: usize = 64;
/// AORs that are looked after with each purge, about once a second.
const LOOKED_AFTER: usize = 64;

/// How far this node is with writing to Redis.
pub(super) struct Progress {
    /// How often there was reason to write everything, and how many of these are dealt with.
    due: AtomicU64,
    done: AtomicU64,
    is_running: AtomicBool,
    /// Everything was written under this epoch.
    in_step: AtomicU64,
    /// How often Redis had come back when that was looked at last.
    reconnects: AtomicU64,
    /// Redis may have lost what other nodes are about to write back, until then.
    filling_until: Mutex<Option<Instant>>,
    /// What is looked after next, and which slice of the mirror follows.
    next: Mutex<Vec<Aor>>,
    next_slice: AtomicUsize,
}

impl Progress {
    pub(super) fn new(redis: &Redis) -> Self {
        Self {
            due: AtomicU64::new(0),
            done: AtomicU64::new(0),
            is_running: AtomicBool::new(false),
            in_step: AtomicU64::new(0),
            reconnects: AtomicU64::new(redis.reconnects()),
            filling_until: Mutex::default(),
            next: Mutex::default(),
            next_slice: AtomicUsize::new(0),
        }
    }

    fn set_filling(&self, lasts: Duration) {
        let mut until = self.filling_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + lasts);
    }

    /// Everything is to be written.
    pub(super) fn set_due(&self) {
        self.due.fetch_add(1, Ordering::SeqCst);
    }

    fn is_due(&self) -> bool {
        self.due.load(Ordering::SeqCst) != self.done.load(Ordering::SeqCst)
    }

    fn take_some(&self, mirror: &Memory, now: Timestamp) -> Vec<Aor> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_empty() {
            *next = mirror.slice(self.next_slice.fetch_add(1, Ordering::Relaxed), now);
        }
        let left = next.len().saturating_sub(LOOKED_AFTER);
        next.split_off(left)
    }
}

/// While it is there nobody else catches up.
struct Running<'p>(&'p Progress);

impl<'p> Running<'p> {
    fn begin(progress: &'p Progress) -> Option<Self> {
        (!progress.is_running.swap(true, Ordering::SeqCst)).then_some(Self(progress))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::SeqCst);
    }
}

impl Shared {
    /// Whether Redis may lack some of what the mirror has.
    pub(super) fn is_behind(&self) -> bool {
        let Progress { is_running, in_step, .. } = &self.progress;
        self.progress.is_due()
            || is_running.load(Ordering::SeqCst)
            || !self.pending.is_empty()
            || self.directory.epoch() != Some(in_step.load(Ordering::SeqCst))
    }

    /// Whether an AOR that Redis does not know may be one that another node has yet to write back.
    pub(super) fn is_filling(&self) -> bool {
        let until = *self.progress.filling_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// A beat succeeded: Redis is there.
    pub(super) async fn beaten(self: &Arc<Self>, is_first: bool, is_lost: bool, now: Timestamp) {
        // By then every node has found that, and most have written all they have.
        let lease = self.directory.beat_every() * 5;
        if is_first {
            // What is not forgotten names nothing of this run.
            let _ = self.store.forget_moved(&self.directory.run().node).await;
            self.progress.set_due();
        }
        let reconnects = self.redis.reconnects();
        let is_back = self.progress.reconnects.swap(reconnects, Ordering::SeqCst) != reconnects;
        if is_back || is_lost {
            self.pending.repeat_recent();
            self.progress.set_due();
            self.progress.set_filling(lease);
        }
        // If it fails, the next beat hears of it.
        let _ = self.hear(now, 4).await;
        let is_needed = self.progress.is_due() || self.pending.is_ready(Instant::now());
        if is_needed && !self.progress.is_running.load(Ordering::SeqCst) {
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.catch_up(now).await });
        }
    }

    async fn catch_up(&self, began_at: Timestamp) {
        let Some(_running) = Running::begin(&self.progress) else { return };
        let began = Instant::now();
        let now = || began_at + began.elapsed();
        let due = self.progress.due.load(Ordering::SeqCst);
        let is_due = due != self.progress.done.load(Ordering::SeqCst);
        let epoch = self.directory.epoch();
        let done = async {
            // First what others moved: it is not to be written back.
            self.hear(now(), usize::MAX).await?;
            self.carry_out(&now).await?;
            if is_due { self.write_all_back(&now).await } else { Ok(0) }
        };
        // If it fails, or ends with its runtime, the next beat begins it anew.
        if let Ok(aors) = done.await
            && is_due
        {
            self.progress.in_step.store(epoch.unwrap_or(0), Ordering::SeqCst);
            self.progress.done.store(due, Ordering::SeqCst);
            let took = began.elapsed();
            tracing::info!(aors, ?took, "the bindings of this node are in Redis");
        }
    }

    /// Carries out what is pending and can be.
    async fn carry_out(&self, now: &impl Fn() -> Timestamp) -> Result<(), Unavailable> {
        let tasks = self.pending.take(Instant::now());
        let carried_out = stream::iter(tasks)
            .map(|task| async {
                match self.carry_out_one(&task, now()).await {
                    Ok(()) => {
                        self.pending.done(&task);
                        self.pending.remember(task, Instant::now());
                        None
                    }
                    Err(_) => Some(task),
                }
            })
            // In their order, if they cannot be carried out.
            .buffered(AT_A_TIME);
        let undone: Vec<Option<Task>> = carried_out.collect().await;
        let undone: VecDeque<Task> = undone.into_iter().flatten().collect();
        if undone.is_empty() {
            return Ok(());
        }
        self.pending.put_back(undone);
        Err(self.redis.unavailable())
    }

    async fn carry_out_one(&self, task: &Task, now: Timestamp) -> Result<(), Unavailable> {
        match task {
            Task::Failed { aor, flow, until } => self.remove_failed(aor, flow, *until).await,
            Task::Moved { aor, binding } => self.store.tell_moved(aor, binding, now).await,
            Task::Doubt { aor, put, .. } => self.settle(aor, put, now).await,
            Task::GivenUp { aor, put, .. } => {
                self.settle_given_up(aor, put, now).await?;
                // Bindings of other nodes may have been displaced that could not be named.
                let (me, view) = (self.directory.run(), self.directory.view());
                for other in view.members().filter(|member| member.run.node != me.node) {
                    self.store.tell_to_look(&other.run.node, aor, me, now).await?;
                }
                Ok(())
            }
        }
    }

    /// Writes all of the mirror. Returns how many AORs.
    async fn write_all_back(&self, now: &impl Fn() -> Timestamp) -> Result<usize, Unavailable> {
        let mut count = 0;
        for slice in 0..Memory::PURGES {
            let aors = self.mirror.slice(slice, now());
            count += aors.len();
            self.write_some_back(aors, now).await?;
        }
        Ok(count)
    }

    async fn write_some_back(&self, aors: Vec<Aor>, now: &impl Fn() -> Timestamp) -> Result<(), Unavailable> {
        let written = stream::iter(aors).map(|aor| async move { self.write_back(&aor, now()).await });
        // All are waited for, also when one has failed: what is under way may be carried out.
        let results: Vec<Result<(), Unavailable>> = written.buffer_unordered(AT_A_TIME).collect().await;
        results.into_iter().collect()
    }

    /// Clears the mirror up, and looks after a few of its AORs: whatever was lost without a trace is written again.
    pub(super) async fn purge(&self, now: Timestamp) -> Result<(), Unavailable> {
        self.mirror.purge_now(now);
        if !self.is_behind() && self.redis.is_available() {
            let some = self.progress.take_some(&self.mirror, now);
            // Those that fail are in the mirror still.
            let _ = self.write_some_back(some, &|| now).await;
        }
        Ok(())
    }
}
