//! The location service in this process's memory: one node, nothing to install.
//!
//! AORs are spread over shards, each behind a mutex that is held for one AOR's work only, so that workers seldom meet. An
//! index leads from a flow to the AORs with a binding on it. It changes only while the AOR's shard is locked (the lock
//! order is shard, then index) and so always tells the truth about an AOR that one holds.

mod apply;
mod entry;
mod index;
mod mirror;

use std::collections::HashMap;
use std::future::ready;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::binding::{Aor, Timestamp};
use crate::flow::{Flow, NodeRun};
use crate::location::{Bindings, Changes, Counts, Known, Location, Unavailable, Update, UpdateError};

use entry::Entry;
use index::Index;

/// How long and how much the store remembers.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long an AOR is known after its last binding ended.
    pub remember: Duration,
    /// How many AORs there may be. The first to go for a new one are those without bindings.
    pub max_aors: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { remember: Duration::from_secs(24 * 3600), max_aors: 1_000_000 }
    }
}

/// A location service in memory.
pub struct Memory {
    settings: Settings,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    index: Index,
    aors: AtomicUsize,
    bindings: AtomicUsize,
    next_purge: AtomicUsize,
}

impl Memory {
    /// How many calls of [`Location::purge`] go once through everything.
    pub const PURGES: usize = 64;

    /// An empty store.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            hasher: RandomState::new(),
            shards: (0..Self::PURGES).map(|_| Mutex::default()).collect(),
            index: Index::new(Self::PURGES),
            aors: AtomicUsize::new(0),
            bindings: AtomicUsize::new(0),
            next_purge: AtomicUsize::new(0),
        }
    }

    pub(crate) fn update_now(&self, update: Update) -> Result<Bindings, UpdateError> {
        let Update { aor, call_id, cseq, changes, max_bindings, now } = update;
        let mut shard = self.shard(&aor);
        if let Some(entry) = shard.aors.get_mut(aor.as_bytes()) {
            self.drop_expired(&aor, entry, now);
            if matches!(changes, Changes::None) {
                return Ok(entry.bindings.clone());
            }
            let next = apply::apply(&entry.bindings, &call_id, cseq, changes, max_bindings)?;
            self.replace(&aor, entry, next, now);
            return Ok(entry.bindings.clone());
        }
        let next = apply::apply(&[], &call_id, cseq, changes, max_bindings)?;
        // An AOR comes to be known by its first binding, not by being asked for.
        if !next.is_empty() {
            self.make_room(&mut shard, now)?;
            let mut entry = Entry::default();
            self.replace(&aor, &mut entry, next.clone(), now);
            shard.aors.insert(aor, entry);
        }
        Ok(next)
    }

    fn lookup_now(&self, aor: &Aor, now: Timestamp) -> Known {
        match self.shard(aor).aors.get(aor.as_bytes()) {
            Some(entry) if !entry.is_forgotten(now, self.settings.remember) => Known::Yes(entry.live(now)),
            _ => Known::No,
        }
    }

    fn flow_failed_now(&self, holder: &NodeRun, flow: &Flow, now: Timestamp) -> usize {
        let mut failed = 0;
        for aor in self.index.aors(flow) {
            let mut shard = self.shard(&aor);
            let Some(entry) = shard.aors.get_mut(aor.as_bytes()) else { continue };
            self.drop_expired(&aor, entry, now);
            let mut next = entry.bindings.clone();
            next.retain(|binding| !binding.is_on(holder, flow));
            failed += entry.bindings.len() - next.len();
            self.replace(&aor, entry, next, now);
        }
        failed
    }

    pub(crate) fn purge_now(&self, now: Timestamp) {
        let turn = self.next_purge.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        self.sweep(&mut lock(&self.shards[turn]), now, self.settings.remember);
    }

    /// Counts one AOR more, for which one without bindings may have to be forgotten before its time.
    fn make_room(&self, shard: &mut Shard, now: Timestamp) -> Result<(), UpdateError> {
        let max = self.settings.max_aors;
        let count_one = || {
            let add = |aors| (aors < max).then_some(aors + 1);
            self.aors.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
        };
        if count_one() {
            return Ok(());
        }
        if self.sweep_for_room(shard, now) && count_one() {
            return Ok(());
        }
        Err(UpdateError::TooManyAors)
    }

    /// Forgets AORs without bindings before their time, if that was not tried a moment ago.
    fn sweep_for_room(&self, shard: &mut Shard, now: Timestamp) -> bool {
        // A flood of new AORs must not buy a sweep with each.
        let is_due = now.since(shard.swept_for_room_at) >= Duration::from_secs(1);
        if is_due {
            shard.swept_for_room_at = now;
            self.sweep(shard, now, Duration::ZERO);
        }
        is_due
    }

    fn sweep(&self, shard: &mut Shard, now: Timestamp, remember: Duration) {
        let before = shard.aors.len();
        shard.aors.retain(|aor, entry| {
            self.drop_expired(aor, entry, now);
            !entry.is_forgotten(now, remember)
        });
        self.aors.fetch_sub(before - shard.aors.len(), Ordering::Relaxed);
        if shard.aors.capacity() / 4 > shard.aors.len() {
            shard.aors.shrink_to(shard.aors.len() * 2);
        }
    }

    fn drop_expired(&self, aor: &Aor, entry: &mut Entry, now: Timestamp) {
        if let Some(last) = entry.last_expired(now) {
            let live = entry.live(now);
            self.replace(aor, entry, live, last);
        }
    }

    /// Gives an AOR, whose shard is locked, its next bindings. If these are none, the last one ended at `now`.
    fn replace(&self, aor: &Aor, entry: &mut Entry, next: Bindings, now: Timestamp) {
        self.index.moved(aor, &entry.bindings, &next);
        self.bindings.fetch_add(next.len(), Ordering::Relaxed);
        self.bindings.fetch_sub(entry.bindings.len(), Ordering::Relaxed);
        if next.is_empty() && !entry.bindings.is_empty() {
            entry.ended_at = now;
        }
        entry.bindings = next;
    }

    fn shard(&self, aor: &Aor) -> MutexGuard<'_, Shard> {
        let shard = self.hasher.hash_one(aor) % self.shards.len() as u64;
        lock(&self.shards[usize::try_from(shard).expect("less than the number of shards")])
    }
}

impl Location for Memory {
    fn update(&self, update: Update) -> BoxFuture<'_, Result<Bindings, UpdateError>> {
        Box::pin(ready(self.update_now(update)))
    }

    fn lookup<'a>(&'a self, aor: &'a Aor, now: Timestamp) -> BoxFuture<'a, Result<Known, Unavailable>> {
        Box::pin(ready(Ok(self.lookup_now(aor, now))))
    }

    fn flow_failed<'a>(
        &'a self,
        holder: &'a NodeRun,
        flow: &'a Flow,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, Unavailable>> {
        Box::pin(ready(Ok(self.flow_failed_now(holder, flow, now))))
    }

    fn purge(&self, now: Timestamp) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.purge_now(now);
        Box::pin(ready(Ok(())))
    }

    fn counts(&self) -> Counts {
        Counts { aors: self.aors.load(Ordering::Relaxed), bindings: self.bindings.load(Ordering::Relaxed) }
    }
}

#[derive(Default)]
struct Shard {
    aors: HashMap<Aor, Entry>,
    swept_for_room_at: Timestamp,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics half-way through a change; a test that panics elsewhere must not take the store with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
