//! The link of one worker to one other node: opened, kept, opened again for as long as the node is a member.
//!
//! ```text
//!              dialed, hello                          member gone
//!   Dialing ------------------> Up ------------+-----------------------> stopped, the link closed
//!    |  ^                        |             |
//!    |  | at once, if the link   | closed      |
//!    |  | was up for long, or    |             |
//!    |  | after a pause          |             |
//!    |  +------------------------+             |
//!    |  |                                      |
//!    | failed: a pause, from 100 ms to 2 s ----+
//! ```
//!
//! A link that breaks is dialed again at once: a connection may have been lost and the node still be there. Only when that
//! fails too is the node taken for away, until a later try succeeds.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use flowhold_cluster::directory::Member;
use flowhold_cluster::flow::Flow;
use tracing::{debug, info, warn};

use super::cluster::Cluster;
use super::cluster::dial::{Failure, Opened, dial};
use super::message::{Close, FlowFailed, LinkChanged, MemberGone};
use super::worker::Worker;
use crate::metrics::{FlowClosed, Refused};
use crate::proto::edge::cluster_transport;
use crate::proto::hello::Refusal;
use crate::proto::proxy::{Peer, SentBy};

/// The first pause between two tries, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A link that was up for less has not worked: it is not opened again without a pause.
const STEADY: Duration = Duration::from_secs(1);

/// The actor of one link.
struct NodeLink {
    member: Arc<Member>,
    cluster: Arc<Cluster>,
    worker: Rc<Worker>,
    /// The proxy that sends requests over it.
    proxy: Recipient<LinkChanged>,
    up: Option<Up>,
    /// How often in a row it could not be opened, or did not last.
    failures: u32,
    /// It was said in the log that it could not be opened.
    is_away: bool,
}

struct Up {
    flow: Flow,
    close: Recipient<Close>,
    since: Instant,
}

/// Starts the link of this thread's worker to a member.
pub fn start(
    member: Arc<Member>,
    cluster: Arc<Cluster>,
    worker: Rc<Worker>,
    proxy: Recipient<LinkChanged>,
) -> Recipient<MemberGone> {
    NodeLink { member, cluster, worker, proxy, up: None, failures: 0, is_away: false }.start().recipient()
}

impl NodeLink {
    fn dial(&mut self, ctx: &mut Context<Self>) {
        let (cluster, member, worker) =
            (Arc::clone(&self.cluster), Arc::clone(&self.member), Rc::clone(&self.worker));
        let owner = ctx.address().recipient();
        let dialed = async move { dial(&cluster, &member, owner, worker).await }.into_actor(self);
        ctx.spawn(dialed.map(|dialed, link, ctx| match dialed {
            Ok(opened) => link.opened(opened),
            Err(failure) => link.failed(&failure, ctx),
        }));
    }

    fn opened(&mut self, Opened { link, close }: Opened) {
        let Member { run, at, .. } = &*self.member;
        let flow = link.flow;
        info!(node = %run.node, run = run.epoch, flow = %flow.id, peer = %flow.remote, "link up");
        self.is_away = false;
        self.up = Some(Up { flow, close, since: Instant::now() });
        let peer = Peer { run: run.clone(), link, sent_by: sent_by(&self.member), at: at.as_bytes().into() };
        // Not `try_send`, for the reason that `Worker::flow_failed` gives.
        self.proxy.do_send(LinkChanged::Up(Box::new(peer)));
    }

    fn failed(&mut self, failure: &Failure, ctx: &mut Context<Self>) {
        let (node, at) = (&self.member.run.node, &self.member.at);
        match failure {
            // It has started again, or another has its address: the directory knows, or soon will.
            Failure::Refused(Refusal::AnotherRun(_)) => self.cluster.look_again(),
            Failure::Refused(_) => self.worker.node.metrics.refused.inc(Refused::LinkRefused),
            _ => {}
        }
        // Once for as long as it is away.
        if std::mem::replace(&mut self.is_away, true) {
            debug!(%node, %at, reason = %failure, "the node is still out of reach");
        } else {
            // Whether it has left is known sooner than with the next beat.
            self.cluster.look_again();
            warn!(%node, %at, reason = %failure, "no link to a node");
        }
        self.pause(ctx);
    }

    fn pause(&mut self, ctx: &mut Context<Self>) {
        let pause = pause(self.failures, rand::random());
        self.failures = self.failures.saturating_add(1);
        ctx.run_later(pause, Self::dial);
    }

    /// The link is no more, and what was under way on it has to go another way.
    fn down(&mut self) -> Option<Up> {
        let up = self.up.take()?;
        let node = Arc::clone(&self.member.run.node);
        self.proxy.do_send(LinkChanged::Down { node, link: up.flow });
        Some(up)
    }
}

impl Actor for NodeLink {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.dial(ctx);
    }
}

impl Handler<FlowFailed> for NodeLink {
    type Result = ();

    fn handle(&mut self, FlowFailed(flow): FlowFailed, ctx: &mut Self::Context) {
        if self.up.as_ref().is_none_or(|up| up.flow != flow) {
            return;
        }
        let lasted = self.down().is_some_and(|up| up.since.elapsed() >= STEADY);
        if lasted {
            self.failures = 0;
            self.dial(ctx);
        } else {
            self.pause(ctx);
        }
    }
}

impl Handler<MemberGone> for NodeLink {
    type Result = ();

    fn handle(&mut self, _: MemberGone, ctx: &mut Self::Context) {
        if let Some(up) = self.down() {
            up.close.do_send(Close(FlowClosed::NodeGone));
        }
        ctx.stop();
    }
}

/// How long to wait after so many failures in a row before: twice as long each time, and up to half less, so that the
/// workers of all nodes do not come at once. `random` is uniform.
fn pause(failures: u32, random: u32) -> Duration {
    let (first, longest) = PAUSES;
    let pause = first.saturating_mul(1 << failures.min(16)).min(longest);
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

fn sent_by(member: &Member) -> SentBy {
    SentBy::each(|transport| {
        member.sip_at(cluster_transport(transport)).unwrap_or_default().as_bytes().into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_limit_and_are_not_alike() {
        let millis = Duration::from_millis;
        let longest: Vec<Duration> = (0..7).map(|failures| pause(failures, u32::MAX)).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 2000, 2000].map(millis));
        assert_eq!(pause(0, 0), millis(50));
        assert_eq!(pause(u32::MAX, 0), millis(1000));
    }
}
