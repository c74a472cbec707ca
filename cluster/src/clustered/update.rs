//! A REGISTER: into Redis in one step, then into the mirror.

use std::sync::Arc;
use std::time::Instant;

use crate::binding::{Binding, Timestamp};
use crate::directory::{Verdict, View};
use crate::flow::NodeRun;
use crate::location::{Bindings, Change, Changes, Update, UpdateError};
use crate::redis::{Settled, UpdateFailed, Updated};

use super::pending::Task;
use super::{SLACK, Shared, WhenDown};

impl Shared {
    pub(super) async fn update(&self, update: Update) -> Result<Bindings, UpdateError> {
        let mut update = Settled::from(update);
        if update.is_query() {
            return self.query(&update).await;
        }
        let _turn = self.turns.take(&update.aor).await;
        if !update.put.is_empty() && !self.mirror.has_room(&update.aor, update.now) {
            return Err(UpdateError::TooManyAors);
        }
        let Some(epoch) = self.directory.epoch() else {
            return self.away(update, UpdateFailed::from(self.redis.unavailable()));
        };
        self.hold(&mut update.put, epoch);
        let mut made = self.write(&update).await;
        if matches!(&made, Err(UpdateFailed { error: UpdateError::TooManyBindings, .. }))
            && self.clear_dead(&update.aor, update.now).await
        {
            made = self.write(&update).await;
        }
        match made {
            Ok(updated) => Ok(self.made(update, updated, epoch).await),
            Err(failed) => self.away(update, failed),
        }
    }

    async fn query(&self, update: &Settled) -> Result<Bindings, UpdateError> {
        match self.write(update).await {
            Ok(updated) => Ok(of_runs(updated.kept, &self.directory.view())),
            Err(failed) => match self.when_down {
                WhenDown::Accept => Ok(self.mirror.read(&update.aor, update.now)),
                WhenDown::Reject => Err(failed.error),
            },
        }
    }

    pub(super) async fn write(&self, update: &Settled) -> Result<Updated, UpdateFailed> {
        self.store.update(update, &self.directory.run().node, self.not_after()).await
    }

    /// Redis has made an update under this epoch.
    pub(super) async fn made(&self, update: Settled, updated: Updated, epoch: u64) -> Bindings {
        let Settled { aor, mut put, removed, now, .. } = update;
        for binding in &mut put {
            let binding = Arc::make_mut(binding);
            binding.updated_at = updated.updated_at.unwrap_or(binding.updated_at);
            binding.holder = self.directory.run().clone();
        }
        let mut gone = self.mirror.repeat(&aor, &put, removed.as_deref(), now);
        if !gone.is_empty() {
            self.hold(&mut gone, epoch);
            let from = Instant::now();
            self.pending.remember(Task::Doubt { aor: aor.clone(), put: gone, from }, from);
        }
        for displaced in updated.displaced.into_iter().filter(|displaced| self.is_told(displaced)) {
            let is_told = self.store.tell_moved(&aor, &displaced, now).await.is_ok();
            let task = Task::Moved { aor: aor.clone(), binding: displaced };
            if is_told {
                self.pending.remember(task, Instant::now());
            } else {
                self.later(task);
            }
        }
        // The epoch is looked at after the mirror has the binding: who changes it looks into the mirror after that.
        let mut written_under = epoch;
        while let Some(epoch) = self.directory.epoch()
            && epoch != written_under
        {
            written_under = epoch;
            if self.write_back_in_turn(&aor, now).await.is_err() {
                self.progress.set_due();
                break;
            }
        }
        put.extend(of_runs(updated.kept, &self.directory.view()));
        put
    }

    /// Redis has not made an update, or did not say so.
    pub(super) fn away(&self, mut update: Settled, failed: UpdateFailed) -> Result<Bindings, UpdateError> {
        let UpdateFailed { error, is_doubtful } = failed;
        let UpdateError::Unavailable { .. } = error else { return Err(error) };
        // What it would remove is for Redis to say.
        if self.when_down == WhenDown::Accept && update.removed.as_ref().is_some_and(Vec::is_empty) {
            self.hold(&mut update.put, self.directory.run().epoch);
            let Settled { aor, call_id, cseq, put, max_bindings, now, .. } = update;
            let change = |binding: Arc<Binding>| Change::Put(Arc::unwrap_or_clone(binding));
            let changes = Changes::Each(put.into_iter().map(change).collect());
            let kept = self.mirror.update_now(Update { aor, call_id, cseq, changes, max_bindings, now });
            self.progress.set_due();
            return kept;
        }
        if is_doubtful && !update.put.is_empty() {
            let Settled { aor, put, .. } = update;
            self.later(Task::GivenUp { aor, put, from: self.settled_at() });
        }
        Err(error)
    }

    /// Bindings that this node holds, as they are stored under an epoch.
    pub(super) fn hold(&self, bindings: &mut [Arc<Binding>], epoch: u64) {
        let me = self.directory.run();
        for binding in bindings.iter_mut().filter(|binding| binding.holder.node == me.node) {
            if binding.holder.epoch != epoch {
                Arc::make_mut(binding).holder = NodeRun { node: Arc::clone(&me.node), epoch };
            }
        }
    }

    /// Whether a process may have this binding in its mirror.
    fn is_told(&self, displaced: &Binding) -> bool {
        let view = self.directory.view();
        view.member(&displaced.holder.node).is_none_or(|member| displaced.holder.epoch >= member.run.epoch)
    }

    /// Until when a command that is sent now may put bindings, by Redis's clock.
    pub(super) fn not_after(&self) -> Option<Timestamp> {
        self.directory.redis_time().map(|time| time + self.redis.deadline() + SLACK)
    }

    /// When a command that was sent before now is past that.
    pub(super) fn settled_at(&self) -> Instant {
        // Redis's time is known as exactly as an answer takes, which is a deadline at most.
        Instant::now() + self.redis.deadline() * 2 + SLACK
    }
}

/// Bindings as they are stored, without the dead; those of members are held by their runs.
pub(super) fn of_runs(bindings: Bindings, view: &View) -> Bindings {
    let of_run = |mut binding: Arc<Binding>| {
        match view.judge(&binding.holder) {
            Verdict::Live(member) if binding.holder != member.run => {
                Arc::make_mut(&mut binding).holder = member.run.clone();
            }
            // RFC 5626 §6: one that came by a proxy is reached by its Path, whoever took its REGISTER.
            Verdict::Dead if binding.direct => return None,
            _ => {}
        }
        Some(binding)
    };
    bindings.into_iter().filter_map(of_run).collect()
}
