//! Which links are up, over all workers: a node is ready when every other one has its links to it, and it to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowhold_cluster::directory::View;
use tokio::sync::Notify;

use crate::metrics::LinkSide;

/// The links that are up.
#[derive(Debug, Default)]
pub struct LinkTable {
    nodes: Mutex<BTreeMap<Arc<str>, Count>>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    dialed: usize,
    accepted: usize,
    /// How many the other node says that it opens.
    announced: usize,
}

/// A link that is up: dropping it says that it is not.
#[derive(Debug)]
pub struct Up {
    table: Arc<LinkTable>,
    node: Arc<str>,
    side: LinkSide,
}

impl LinkTable {
    /// A link to or from `node` is up. Of one that was accepted the other node has said how many it opens.
    pub fn open(self: &Arc<Self>, node: &Arc<str>, side: LinkSide, announced: usize) -> Up {
        let mut nodes = self.lock();
        let count = nodes.entry(Arc::clone(node)).or_default();
        match side {
            LinkSide::Dialed => count.dialed += 1,
            LinkSide::Accepted => {
                count.accepted += 1;
                count.announced = announced;
            }
        }
        drop(nodes);
        self.changed.notify_waiters();
        Up { table: Arc::clone(self), node: Arc::clone(node), side }
    }

    /// The members are others now: whoever waits looks again.
    pub fn members_changed(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until every node of the view but `me` has all its links to this one, and this one has `links` to each.
    pub async fn whole(&self, view: impl Fn() -> Arc<View>, me: &str, links: usize) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_whole(&view(), me, links) {
                return;
            }
            changed.await;
        }
    }

    fn is_whole(&self, view: &View, me: &str, links: usize) -> bool {
        let nodes = self.lock();
        let others = view.members().map(|member| &member.run.node).filter(|node| &***node != me);
        others.into_iter().all(|node| {
            nodes
                .get(node)
                .is_some_and(|count| count.dialed >= links && count.accepted >= count.announced.max(1))
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Count>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let mut nodes = self.table.lock();
        if let Some(count) = nodes.get_mut(&self.node) {
            match self.side {
                LinkSide::Dialed => count.dialed -= 1,
                LinkSide::Accepted => count.accepted -= 1,
            }
            if count.dialed + count.accepted == 0 {
                nodes.remove(&self.node);
            }
        }
    }
}
