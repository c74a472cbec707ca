//! The end of a flow: its bindings go from the mirror at once, and from Redis as soon as that can be.

use std::time::Instant;

use futures_util::{StreamExt, stream};

use crate::binding::{Aor, Timestamp};
use crate::flow::{Flow, NodeRun};
use crate::location::Unavailable;

use super::Shared;
use super::pending::Task;

/// Removals at a time: a trunk's flow may have thousands of AORs.
const AT_A_TIME: usize = 64;

impl Shared {
    pub(super) async fn flow_failed(
        &self,
        holder: &NodeRun,
        flow: &Flow,
        now: Timestamp,
    ) -> Result<usize, Unavailable> {
        self.pending.flow_failed(flow);
        let (count, taken) = self.mirror.take_flow(holder, flow, now);
        let removals = taken.into_iter().map(|(aor, last)| {
            // Its last update may be later than now: stored as later than one by a clock that is ahead.
            let until = last.max(now);
            async move {
                let is_removed = self.remove_failed(&aor, flow, until).await.is_ok();
                let task = Task::Failed { aor, flow: *flow, until };
                if is_removed {
                    self.pending.remember(task, Instant::now());
                } else {
                    self.later(task);
                }
            }
        });
        stream::iter(removals).buffer_unordered(AT_A_TIME).for_each(|()| std::future::ready(())).await;
        Ok(count)
    }

    /// Removes from Redis what this node holds of an AOR over a flow and was updated until then.
    ///
    /// Under the epoch that is held: what is there under an older one is dead already.
    pub(super) async fn remove_failed(
        &self,
        aor: &Aor,
        flow: &Flow,
        until: Timestamp,
    ) -> Result<(), Unavailable> {
        let epoch = self.directory.epoch().ok_or_else(|| self.redis.unavailable())?;
        let holder = NodeRun { node: self.directory.run().node.clone(), epoch };
        self.store.remove_on(aor, &holder, flow, until).await.map(|_| ())
    }

    /// Remembers what could not be carried out.
    pub(super) fn later(&self, task: Task) {
        if !self.pending.push(task) {
            tracing::warn!(
                "too much failed while Redis is away: this node takes a new epoch when it is back"
            );
            self.directory.renounce();
            self.progress.set_due();
        }
    }
}
