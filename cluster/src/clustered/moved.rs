//! Bindings of this node that were replaced or removed through another one.

use std::sync::Arc;

use crate::binding::{Binding, Timestamp};
use crate::location::Unavailable;
use crate::redis::Moved;

use super::Shared;
use super::pending::Task;

impl Shared {
    /// Takes in what others have told this node; up to so many times as much as comes at a time.
    pub(super) async fn hear(&self, now: Timestamp, times: usize) -> Result<(), Unavailable> {
        let me = &self.directory.run().node;
        let mut told = self.store.take_moved(me, &[]).await?;
        for _ in 0..times {
            if told.is_empty() {
                break;
            }
            for moved in &told {
                self.act_on(moved, now).await;
            }
            told = self.store.take_moved(me, &told).await?;
        }
        Ok(())
    }

    async fn act_on(&self, moved: &Moved, now: Timestamp) {
        let Some(named) = &moved.binding else {
            if self.write_back(&moved.aor, now).await.is_err() {
                self.progress.set_due();
            }
            return;
        };
        // Not while an update is under way: it may be the one that put what moved, and the mirror has yet to see it.
        let _turn = self.turns.take(&moved.aor).await;
        let mut gone: Vec<Arc<Binding>> = Vec::new();
        self.mirror.retain(&moved.aor, now, |binding| {
            let is_gone = named.is(binding);
            if is_gone {
                gone.push(Arc::clone(binding));
            }
            !is_gone
        });
        // It may have been written back before this was heard, or Redis may have been rolled back.
        let Some(epoch) = self.directory.epoch() else { return };
        self.hold(&mut gone, epoch);
        let mut is_removed = self.store.remove_named(moved, now).await.is_ok();
        for binding in &gone {
            is_removed &= self.store.remove_one(&moved.aor, binding, now).await.is_ok();
        }
        if !is_removed {
            let (aor, put, from) = (moved.aor.clone(), gone.into_iter().collect(), self.settled_at());
            self.later(Task::Doubt { aor, put, from });
        }
    }
}
