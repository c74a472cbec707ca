//! What is known of an AOR: what Redis holds and lives, or what the mirror holds while Redis is away.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::binding::{Aor, Binding, Timestamp};
use crate::directory::{Verdict, View};
use crate::flow::NodeRun;
use crate::location::{Bindings, Known, Unavailable};

use super::Shared;
use super::update::of_runs;

impl Shared {
    pub(super) async fn lookup(self: &Arc<Self>, aor: &Aor, now: Timestamp) -> Result<Known, Unavailable> {
        // Asked before Redis is: what is written back meanwhile is in one of the two.
        let mine = if self.is_behind() { self.mirror.read(aor, now) } else { Bindings::new() };
        let stored = match self.store.lookup(aor, now).await {
            Ok(Known::Yes(bindings)) => bindings,
            Ok(Known::No) => {
                // What is removed leaves a trace for a while. So if this node knows better, Redis has lost it.
                let mine = self.mirror.read(aor, now);
                if mine.is_empty() {
                    return if self.is_filling() { Err(self.redis.unavailable()) } else { Ok(Known::No) };
                }
                self.put_back(aor.clone(), now);
                return Ok(Known::Yes(mine));
            }
            Err(error) => {
                // Other nodes may have bindings of it, but these will do. Of one without any nobody can say anything.
                let mine = self.mirror.read(aor, now);
                return if mine.is_empty() { Err(error) } else { Ok(Known::Yes(mine)) };
            }
        };
        let view = self.view_of(&stored).await;
        for holder in dead(&stored, &view) {
            self.clear(aor.clone(), holder, now);
        }
        Ok(Known::Yes(together(of_runs(stored, &view), mine)))
    }

    /// Removes what dead nodes left of an AOR. Returns whether there was any.
    pub(super) async fn clear_dead(&self, aor: &Aor, now: Timestamp) -> bool {
        let Ok(Known::Yes(stored)) = self.store.lookup(aor, now).await else { return false };
        let view = self.view_of(&stored).await;
        let mut has_gone = false;
        for holder in dead(&stored, &view) {
            has_gone |= self.store.remove_of(aor, &holder, now).await.is_ok_and(|count| count > 0);
        }
        has_gone
    }

    /// A view that can tell which of these bindings live.
    async fn view_of(&self, stored: &[Arc<Binding>]) -> Arc<View> {
        let view = self.directory.view();
        let is_unknown = |view: &View, holder: &NodeRun| matches!(view.judge(holder), Verdict::Unknown);
        if !stored.iter().any(|binding| is_unknown(&view, &binding.holder)) {
            return view;
        }
        let Ok(view) = self.directory.refresh().await else { return view };
        let mut is_buried = false;
        for binding in stored.iter().filter(|binding| is_unknown(&view, &binding.holder)) {
            // It was there before the view was asked for, and its holder holds no such lease after that.
            self.directory.bury(&binding.holder);
            is_buried = true;
        }
        if is_buried { self.directory.view() } else { view }
    }

    /// Writes an AOR back in the background.
    fn put_back(self: &Arc<Self>, aor: Aor, now: Timestamp) {
        let Ok(permit) = Arc::clone(&self.clearings).try_acquire_owned() else { return };
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // If it fails, catching up will come to it.
            let _ = shared.write_back(&aor, now).await;
            drop(permit);
        });
    }

    /// Removes in the background what a dead holder left of an AOR.
    fn clear(self: &Arc<Self>, aor: Aor, holder: NodeRun, now: Timestamp) {
        let Ok(permit) = Arc::clone(&self.clearings).try_acquire_owned() else { return };
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // If it fails, the next lookup tries it again.
            let _ = shared.store.remove_of(&aor, &holder, now).await;
            drop(permit);
        });
    }
}

/// The holders that are dead, each once.
fn dead(stored: &[Arc<Binding>], view: &View) -> Vec<NodeRun> {
    let mut dead: Vec<NodeRun> = Vec::new();
    for binding in stored.iter().filter(|binding| binding.direct) {
        if matches!(view.judge(&binding.holder), Verdict::Dead) && !dead.contains(&binding.holder) {
            dead.push(binding.holder.clone());
        }
    }
    dead
}

/// What is stored and what is mine, newest first; of two that are the same binding the newer.
fn together(mut stored: Bindings, mine: Bindings) -> Bindings {
    if mine.is_empty() {
        return stored;
    }
    for binding in mine {
        let is_same = |other: &Arc<Binding>| other.key.matches(&binding.key);
        if stored.iter().any(|other| is_same(other) && is_no_older(other, &binding)) {
            continue;
        }
        stored.retain(|other| !is_same(other));
        stored.push(binding);
    }
    stored.sort_by_key(|binding| Reverse(binding.updated_at));
    stored
}

fn is_no_older(there: &Binding, than: &Binding) -> bool {
    if there.call_id == than.call_id { there.cseq >= than.cseq } else { there.updated_at >= than.updated_at }
}
