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
            if self.is_whole(view().members().map(|member| &member.run.node), me, links) {
                return;
            }
            changed.await;
        }
    }

    fn is_whole<'n>(&self, members: impl Iterator<Item = &'n Arc<str>>, me: &str, links: usize) -> bool {
        let nodes = self.lock();
        members.filter(|node| &***node != me).all(|node| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_all_its_links_when_both_ends_have_as_many_as_they_open() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let table = Arc::new(LinkTable::default());
        let is_whole = || table.is_whole([&a, &b].into_iter(), "a", 1);
        assert!(table.is_whole([&a].into_iter(), "a", 1), "it is alone");
        assert!(!is_whole());
        let dialed = table.open(&b, LinkSide::Dialed, 0);
        assert!(!is_whole(), "none comes from there");
        let first = table.open(&b, LinkSide::Accepted, 2);
        assert!(!is_whole(), "the other has said that it opens two");
        let second = table.open(&b, LinkSide::Accepted, 2);
        assert!(is_whole());
        drop(first);
        assert!(!is_whole());
        drop((dialed, second));
        assert!(table.lock().is_empty(), "a node without links is forgotten");
    }
}
