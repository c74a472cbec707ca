//! The node's lease and its eye on the others: says in time that this node lives, and tells the workers who else does.
//!
//! ```text
//!   beat, every fifth of `cluster.lease`; and when somebody is there that the directory does not list
//!     | Redis answers            | Redis does not             | another node has this one's name
//!     v                          v                            v
//!   members to the workers     the members stay as they     said in the log; this node is no member
//!   the lease was lost:        were, tried again with the     until that one is gone
//!   live bindings are          next beat
//!   written anew
//! ```
//!
//! It has a thread of its own: a worker with too much to do must not cost the node its lease.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use flowhold_cluster::directory::{Beat, BeatError, Changes, Load, Member, State};
use flowhold_cluster::redis::Failures;
use tokio::sync::oneshot;
use tracing::{debug, error, info, warn};

use super::cluster::Cluster;
use super::message::{Leave, LookAgain, Members};
use super::worker::Node;
use crate::metrics::RedisFailure;

/// Clocks that are further apart are said to be.
const SKEW: Duration = Duration::from_secs(1);

/// The actor that keeps the lease.
pub struct Directory {
    node: Arc<Node>,
    cluster: Arc<Cluster>,
    /// Those who open links, one for each worker.
    links: Vec<Recipient<Members>>,
    /// A beat is under way; another was asked for meanwhile.
    beating: bool,
    again: bool,
    /// Told of the first lease.
    held: Option<oneshot::Sender<()>>,
    /// Redis may have lacked some of this node's bindings.
    is_behind: bool,
    trouble: Trouble,
}

/// What was said in the log and is still so.
#[derive(Default)]
struct Trouble {
    unavailable: bool,
    name_taken: bool,
    skewed: bool,
}

impl Directory {
    /// Starts it on its own arbiter. `held` is told when this node holds its first lease.
    pub fn start_on(
        arbiter: &ArbiterHandle,
        node: Arc<Node>,
        cluster: Arc<Cluster>,
        links: Vec<Recipient<Members>>,
        held: oneshot::Sender<()>,
    ) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, |_| Self {
            node,
            cluster,
            links,
            beating: false,
            again: false,
            held: Some(held),
            is_behind: false,
            trouble: Trouble::default(),
        })
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        if self.beating {
            self.again = true;
            return;
        }
        self.beating = true;
        let flows = u64::try_from(self.node.admission.total()).unwrap_or(u64::MAX);
        let state = if self.node.is_draining() { State::Draining } else { State::Up };
        let load = Load { flows, state };
        let cluster = Arc::clone(&self.cluster);
        let now = self.node.clock.now();
        let beat = async move { cluster.location.tend(load, now).await }.into_actor(self);
        ctx.spawn(beat.map(|beat, directory, ctx| {
            directory.beating = false;
            directory.count_failures();
            match beat {
                Ok(beat) => directory.answered(beat),
                Err(error) => directory.failed(&error),
            }
            if std::mem::take(&mut directory.again) {
                directory.beat(ctx);
            }
        }));
    }

    fn count_failures(&self) {
        let Failures { not_connected, lost, late, refused } = self.cluster.location.redis().failures();
        let metric = &self.node.metrics.redis_failures;
        metric.rise_to(RedisFailure::NotConnected, not_connected);
        metric.rise_to(RedisFailure::Lost, lost);
        metric.rise_to(RedisFailure::Late, late);
        metric.rise_to(RedisFailure::Refused, refused);
    }

    fn answered(&mut self, beat: Beat) {
        let Beat { lost, changes, view, skew, .. } = beat;
        let metrics = &self.node.metrics;
        if std::mem::take(&mut self.trouble.unavailable) {
            info!("leases are looked at again");
        }
        if std::mem::take(&mut self.trouble.name_taken) {
            info!("this node has its name");
        }
        if let Some(found) = lost {
            metrics.cluster_leases_lost.inc();
            warn!(
                reason = found.as_str(),
                "the lease was lost: there is a new one, and bindings are written anew"
            );
        }
        let first = self.held.take();
        // With the first lease there is nothing that is written again.
        let is_behind = first.is_none() && self.cluster.location.is_behind();
        if std::mem::replace(&mut self.is_behind, is_behind) && !is_behind {
            metrics.cluster_restores.inc();
        }
        let skewed = skew > SKEW;
        if skewed != self.trouble.skewed {
            self.trouble.skewed = skewed;
            if skewed {
                warn!(
                    ?skew,
                    "this node's clock and that of Redis differ: bindings will expire too early or too late"
                );
            } else {
                info!("this node's clock and that of Redis agree again");
            }
        }
        log(&changes);
        let members = view.members().count();
        metrics.cluster_nodes.set(i64::try_from(members).unwrap_or(i64::MAX));
        if first.is_some() || !changes.is_empty() {
            for links in &self.links {
                // Not `try_send`: who is a member must be known, and it changes seldom.
                links.do_send(Members(Arc::clone(&view)));
            }
            self.cluster.links.members_changed();
        }
        if let Some(held) = first {
            info!(members, "this node is a member of the cluster");
            let _ = held.send(());
        }
    }

    fn failed(&mut self, error: &BeatError) {
        match error {
            BeatError::Unavailable(unavailable) => {
                if !std::mem::replace(&mut self.trouble.unavailable, true) {
                    self.node.metrics.redis_unavailable.inc();
                    warn!(error = %unavailable, "leases cannot be looked at: nobody is taken for dead meanwhile");
                }
            }
            BeatError::NameTaken { at } => {
                if !std::mem::replace(&mut self.trouble.name_taken, true) {
                    error!(%at, "another node has this one's node.id: this one is no member of the cluster");
                }
            }
            BeatError::Left => debug!("this node has left the cluster"),
        }
    }
}

fn log(changes: &Changes) {
    let Changes { joined, restarted, renewed, left } = changes;
    let each = |members: &[Arc<Member>], what: &str| {
        for Member { run, epoch, at, .. } in members.iter().map(|member| &**member) {
            info!(node = %run.node, run = run.epoch, epoch, %at, "{what}");
        }
    };
    each(joined, "a node joined");
    each(restarted, "a node was started again");
    each(renewed, "a node lost its lease and has a new one");
    each(left, "a node is gone");
}

impl Actor for Directory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.beat(ctx);
        ctx.run_interval(self.cluster.directory().beat_every(), Self::beat);
    }
}

impl Handler<LookAgain> for Directory {
    type Result = ();

    fn handle(&mut self, _: LookAgain, ctx: &mut Self::Context) {
        self.beat(ctx);
    }
}

impl Handler<Leave> for Directory {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Leave, _: &mut Self::Context) -> Self::Result {
        let cluster = Arc::clone(&self.cluster);
        Box::pin(async move {
            if let Err(error) = cluster.location.leave().await {
                warn!(%error, "the lease could not be given up: it ends by itself");
            }
        })
    }
}
