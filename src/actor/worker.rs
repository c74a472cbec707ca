//! What the actors share: the node's part that every worker sees, and the worker's own.

use std::cell::{OnceCell, RefCell};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use actix::Recipient;
use flowhold_cluster::binding::{Aor, Binding, Timestamp};
use flowhold_cluster::flow::{Flow, NodeRun};
use flowhold_cluster::location::{Change, Changes, Known, Location, Update, UpdateError};
use flowhold_cluster::token::KeyRing;
use futures_util::FutureExt;
use tracing::{debug, warn};

use super::auth::Auth;
use super::auth::look_up::Lookups;
use super::cluster::Cluster;
use super::flows::FlowTable;
use super::gate::Gate;
use super::load::Load;
use super::message::{FlowFailed, Inbound, PeerUnreachable, Register};
use super::next_hops::NextHops;
use super::notices::Said;
use super::reach::Reach;
use super::relayed::RelayedRequests;
use super::settings::RETRY_AFTER;
use super::tls::Tls;
use crate::config::Config;
use crate::metrics::{FlowClosed, Metrics};
use crate::net::admission::Admission;
use crate::net::tls::Connector;
use crate::proto::auth::Authenticator;
use crate::proto::drain::Course;
use crate::proto::keepalive::PingWait;
use crate::proto::registrar;
use crate::proto::relay::Relay;
use crate::proto::repeats::Repeats;
use crate::proto::stateless::Stateless;

/// What all workers of a node share.
pub struct Node {
    /// The configuration as it was read at the start.
    pub config: Config,
    /// This run of this node.
    pub run: NodeRun,
    /// How long a flow with a Flow-Timer may go without a ping.
    pub ping_wait: PingWait,
    /// What the registrars go by.
    pub registrar: registrar::Settings,
    /// Where requests go that are not for flows of this node.
    pub next_hops: NextHops,
    /// Which of them cannot be reached.
    pub reach: Reach,
    /// The counters.
    pub metrics: Metrics,
    /// What the log has said of what anybody can have happen.
    pub said: Said,
    /// The sockets and connections that are open.
    pub flows: FlowTable,
    /// Who is let in.
    pub admission: Arc<Admission>,
    /// How much each worker has to do.
    pub loads: Box<[Load]>,
    /// How often who is in may send.
    pub gate: Gate,
    /// What next hops and other providers over TLS have to prove, if there may be any.
    pub connector: Option<Connector>,
    /// What its TLS listeners show and ask for, if it has any.
    pub tls: Option<Tls>,
    /// What other nodes have under way on flows of this one.
    pub relayed: RelayedRequests,
    /// Which flow leads to which AOR.
    pub location: Arc<dyn Location>,
    /// What flow tokens are made and read with.
    pub tokens: Arc<KeyRing>,
    /// Who answers what goes no further than its flow.
    pub stateless: Stateless,
    /// Who has to prove who they are; none: nobody.
    pub auth: Option<Auth>,
    /// Its part in a cluster; none: it stands alone.
    pub cluster: Option<Arc<Cluster>>,
    /// The time that bindings are measured in.
    pub clock: Clock,
    /// Whether it serves, and is not still about to join its cluster.
    pub is_ready: AtomicBool,
    /// How the node goes, once it was told to.
    pub course: OnceLock<Course>,
}

impl Node {
    /// Whether the node is about to end.
    pub fn is_draining(&self) -> bool {
        self.course.get().is_some()
    }

    /// In how many seconds somebody may come back who is told 503.
    pub fn retry_after(&self) -> u64 {
        let drained = self.course.get().map(|course| course.retry_after(Instant::now(), rand::random()));
        drained.unwrap_or(RETRY_AFTER.as_secs())
    }

    /// Has the location service forget the bindings of a flow that delivers nothing any more.
    ///
    /// `reason` is given where nobody else counts the flow's end: it was a flow only if there are bindings.
    pub fn drop_bindings(self: &Arc<Self>, flow: Flow, reason: Option<FlowClosed>) {
        let node = Arc::clone(self);
        let removal = async move {
            match node.location.flow_failed(&node.run, &flow, node.clock.now()).await {
                Ok(0) => {}
                Ok(bindings) => {
                    debug!(flow = %flow.id, peer = %flow.remote, bindings, "bindings ended with their flow");
                    if let Some(reason) = reason {
                        node.flow_closed(&flow, reason, true);
                    }
                }
                Err(error) => {
                    warn!(flow = %flow.id, %error, "the bindings of a failed flow could not be removed");
                }
            }
        };
        finish(removal);
    }

    /// Has the location service forget one binding that leads nowhere, unless its UA has renewed it meanwhile.
    pub fn drop_binding(self: &Arc<Self>, aor: Aor, dead: Arc<Binding>) {
        let node = Arc::clone(self);
        let removal = async move {
            let now = node.clock.now();
            let Known::Yes(bindings) = node.location.lookup(&aor, now).await? else { return Ok(()) };
            if !bindings.iter().any(|binding| **binding == *dead) {
                return Ok(());
            }
            // As if its UA had removed it with its next REGISTER: one that comes meanwhile wins by its own CSeq.
            let update = Update {
                aor,
                call_id: dead.call_id.clone(),
                cseq: dead.cseq.saturating_add(1),
                changes: Changes::Each(vec![Change::Remove(dead.key.clone())]),
                max_bindings: node.config.registrar.max_bindings,
                now,
            };
            node.location.update(update).await.map(|_| ())
        };
        let removal = removal.map(|outcome: Result<(), UpdateError>| {
            if let Err(error) = outcome {
                debug!(%error, "a binding that leads nowhere stays until it expires");
            }
        });
        finish(removal);
    }
}

/// Runs it as far as it goes at once, which with a store in memory is to its end, and the rest beside everything else.
fn finish(removal: impl Future<Output = ()> + 'static) {
    let mut removal = Box::pin(removal);
    if (&mut removal).now_or_never().is_none() {
        actix_rt::spawn(removal);
    }
}

/// The actors that a message from any flow may have to reach.
#[derive(Clone)]
pub struct Peers {
    /// The worker's own registrar.
    pub registrar: Recipient<Register>,
    /// The proxies of all workers, by worker.
    pub proxies: Vec<Recipient<Inbound>>,
    /// Who ends the bindings of a UDP peer that cannot be reached.
    pub unreachable: Recipient<PeerUnreachable>,
    /// Who ends the bindings of a flow of this worker that failed.
    pub bindings_of: Recipient<FlowFailed>,
    /// Who ends the branches on it: the proxies of all workers.
    pub branches_on: Vec<Recipient<FlowFailed>>,
}

/// One worker: a thread with its own listeners, flows, registrar and proxy.
pub struct Worker {
    /// Its number, counted from 0.
    pub index: u16,
    /// The node it is part of.
    pub node: Arc<Node>,
    /// The actors its flows talk to.
    pub peers: Peers,
    /// What becomes of other nodes' requests.
    pub relay: Relay,
    /// Who has proved who they are; none: nobody has to.
    pub authenticator: Option<RefCell<Authenticator>>,
    /// What came over UDP and is served.
    pub repeats: RefCell<Repeats>,
    /// Which users are being looked up.
    pub lookups: Lookups,
    /// Whoever keeps connections to next hops, and has to know when one fails.
    pub dialer: OnceCell<Recipient<FlowFailed>>,
}

impl Worker {
    /// How much it has to do.
    pub fn load(&self) -> &Load {
        &self.node.loads[usize::from(self.index)]
    }

    /// Tells everyone who has to know that a flow failed.
    pub fn flow_failed(&self, flow: Flow) {
        if let Some(authenticator) = &self.authenticator {
            authenticator.borrow_mut().trust.end(&flow);
        }
        let Peers { bindings_of, branches_on, .. } = &self.peers;
        for watcher in std::iter::once(bindings_of).chain(branches_on).chain(self.dialer.get()) {
            // Not `try_send`: a full mailbox must not keep a dead flow's bindings alive. What can queue up is
            // bounded all the same, because a flow fails once.
            watcher.do_send(FlowFailed(flow));
        }
    }

    /// Tells the same of a UDP peer that may have no flow here, as far as there is room: a binding of it that stays
    /// is noticed with the next datagram that is lost.
    pub fn peer_unreachable(&self, flow: Flow) {
        let _ = self.peers.unreachable.try_send(PeerUnreachable(flow));
        for proxy in &self.peers.branches_on {
            let _ = proxy.try_send(FlowFailed(flow));
        }
    }
}

/// A tag that nobody can guess (RFC 3261 §19.3).
pub fn to_tag() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// Wall-clock time that never steps back: read once at the start, and counted on from there.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_at: Timestamp,
}

impl Clock {
    /// Reads the wall clock.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Self { started: Instant::now(), started_at: Timestamp(millis) }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.started_at + self.started.elapsed()
    }
}
