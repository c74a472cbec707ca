//! A node as a member of its cluster, from its first lease to the end of its last.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use super::cluster::Cluster;
use super::directory::Directory;
use super::message::{Leave, Members};
use super::worker::Node;

/// The node's membership, on a thread of its own.
pub struct Membership {
    cluster: Arc<Cluster>,
    directory: Addr<Directory>,
    arbiter: Arbiter,
    held: Mutex<oneshot::Receiver<()>>,
    /// How long Redis is waited for at the end.
    patience: Duration,
}

impl Membership {
    /// Asks for a lease, and has the workers open links.
    pub fn start(node: &Arc<Node>, cluster: &Arc<Cluster>, links: Vec<Recipient<Members>>) -> Self {
        let arbiter = Arbiter::new();
        let (hold, is_held) = oneshot::channel();
        let directory =
            Directory::start_on(&arbiter.handle(), Arc::clone(node), Arc::clone(cluster), links, hold);
        let _ = cluster.look_again.set(directory.clone().recipient());
        Self {
            cluster: Arc::clone(cluster),
            directory,
            arbiter,
            held: Mutex::new(is_held),
            patience: 2 * node.config.location.redis_deadline,
        }
    }

    /// Waits until this node can serve: for its lease as long as it takes, and then until it has its links to all others
    /// and they theirs to it, or until a lease's time has shown that one of them is not coming.
    pub async fn ready(&self) {
        let mut held = self.held.lock().await;
        if timeout(self.cluster.patience, &mut *held).await.is_err() {
            warn!("not ready: Redis has given this node no lease yet");
            let _ = (&mut *held).await;
        }
        let Cluster { links, me, patience, .. } = &*self.cluster;
        let whole = links.whole(|| self.cluster.directory().view(), &me.run.node, me.links);
        if timeout_at(Instant::now() + *patience, whole).await.is_err() {
            warn!("ready, and some node is a member that this one has no link to or from");
        }
    }

    /// Gives the lease up, so that others need not wait for its end.
    pub async fn end(self) {
        if timeout(self.patience, self.directory.send(Leave)).await.is_err() {
            warn!("the lease could not be given up in time: it ends by itself");
        }
        self.arbiter.stop();
        let _ = self.arbiter.join();
    }
}
