//! The way to next hops that are not flows of UAs: an upstream registrar, a configured route.
//!
//! ```text
//!           forward                      connected
//!   (none) ---------> Connecting(queue) ----------> Up(flow) --- its flow fails ---> (none)
//!                          |
//!                          +--- refused, or CONNECT_TIMEOUT over, at each of its addresses:
//!                               all that waited is undeliverable ---> (none)
//! ```
//!
//! Over UDP a next hop is reached from the worker's own UDP socket, so that its responses come back there. Over TCP
//! or TLS one connection to each next hop is opened when it is first needed, and kept.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use flowhold_cluster::flow::{Flow, FlowId};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tracing::{debug, info};

use super::connection::Connection;
use super::flows::Undelivered;
use super::message::{Deliver, FlowFailed, Forward, NextHopFailed, Unforwarded};
use super::worker::{Node, Worker};
use crate::metrics::Refused;
use crate::proto::proxy::BranchId;
use crate::proto::{NextHop, Profile, Source};

/// How long each address of a next hop may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Messages that may wait for one connection while it is opened.
const MAX_WAITING: usize = 256;

/// The actor that knows the way to next hops, for one worker.
pub struct Dialer {
    worker: Rc<Worker>,
    /// The sockets that datagrams leave from.
    udp: Vec<(SocketAddr, FlowId)>,
    links: HashMap<NextHop, Link>,
    failed: Recipient<NextHopFailed>,
    unforwarded: Recipient<Unforwarded>,
}

/// A connection to a next hop.
enum Link {
    Connecting(Vec<Forward>),
    Up(Flow),
}

impl Dialer {
    /// For this thread's worker, whose UDP sockets are `udp`. It says what failed to whoever asks it to forward.
    pub fn new(
        worker: Rc<Worker>,
        udp: Vec<(SocketAddr, FlowId)>,
        failed: Recipient<NextHopFailed>,
        unforwarded: Recipient<Unforwarded>,
    ) -> Self {
        Self { worker, udp, links: HashMap::new(), failed, unforwarded }
    }

    fn forward_over_udp(&self, forward: Forward) {
        let to = forward.to.address;
        match self.udp.iter().find(|(local, _)| local.is_ipv4() == to.is_ipv4()) {
            Some((_, id)) => self.deliver(Flow { id: *id, remote: to }, forward),
            None => self.cannot_be_reached(forward.to, "no UDP listener of this address family"),
        }
    }

    fn forward_over_stream(&mut self, forward: Forward, ctx: &mut Context<Self>) {
        let to = forward.to;
        match self.links.get_mut(&to) {
            Some(Link::Up(flow)) => {
                let flow = *flow;
                self.deliver(flow, forward);
            }
            Some(Link::Connecting(waiting)) if waiting.len() < MAX_WAITING => waiting.push(forward),
            Some(Link::Connecting(_)) => self.undeliverable(forward.branch),
            None => {
                self.links.insert(to, Link::Connecting(vec![forward]));
                let stream = connect(to, Arc::clone(&self.worker.node)).into_actor(self);
                ctx.spawn(stream.map(move |stream, dialer, _| dialer.connected(to, stream)));
            }
        }
    }

    fn connected(&mut self, to: NextHop, stream: io::Result<Opened>) {
        let Some(Link::Connecting(waiting)) = self.links.remove(&to) else { return };
        let opened = stream.and_then(|stream| {
            let permit = self.worker.node.admission.admit(to.address.ip()).map_err(io::Error::other)?;
            // A next hop is no UA.
            let over = (to.transport, &Profile::RFC5626);
            let worker = Rc::clone(&self.worker);
            Ok(match stream {
                Opened::Tcp(stream) => Connection::start_dialed(stream, over, to.address, permit, worker),
                Opened::Tls(stream) => {
                    let flow = Connection::start_dialed(*stream, over, to.address, permit, worker);
                    // Or it would not be there.
                    self.worker.certified_peer(&Source::new(flow, to.transport));
                    flow
                }
            })
        });
        match opened {
            Ok(flow) => {
                self.worker.node.reach.reached(to);
                self.links.insert(to, Link::Up(flow));
                for forward in waiting {
                    self.deliver(flow, forward);
                }
            }
            // Whatever waited ends with the next hop.
            Err(error) => self.cannot_be_reached(to, error),
        }
    }

    fn deliver(&self, flow: Flow, forward: Forward) {
        let Forward { to, wire, branch } = forward;
        match self.worker.node.flows.deliver(Deliver { flow, wire, assign: None }) {
            Ok(()) => {}
            Err(Undelivered::Gone) => self.next_hop_failed(to),
            Err(Undelivered::Full) => self.undeliverable(branch),
        }
    }

    fn undeliverable(&self, branch: Option<BranchId>) {
        self.worker.node.metrics.refused.inc(Refused::NextHopBusy);
        if let Some(branch) = branch {
            self.unforwarded.do_send(Unforwarded(branch));
        }
    }

    fn cannot_be_reached(&self, to: NextHop, error: impl Display) {
        self.worker.node.reach.failed(to, error, &self.worker.node.metrics);
        self.next_hop_failed(to);
    }

    fn next_hop_failed(&self, to: NextHop) {
        // Not `try_send`, for the reason that `Worker::flow_failed` gives.
        self.failed.do_send(NextHopFailed(to));
    }
}

impl Actor for Dialer {
    type Context = Context<Self>;
}

impl Handler<Forward> for Dialer {
    type Result = ();

    fn handle(&mut self, forward: Forward, ctx: &mut Self::Context) {
        if forward.to.transport.is_reliable() {
            self.forward_over_stream(forward, ctx);
        } else {
            self.forward_over_udp(forward);
        }
    }
}

impl Handler<FlowFailed> for Dialer {
    type Result = ();

    fn handle(&mut self, FlowFailed(flow): FlowFailed, _: &mut Self::Context) {
        let is_it = |link: &Link| matches!(link, Link::Up(up) if *up == flow);
        let failed = self.links.extract_if(|_, link| is_it(link)).next();
        if let Some((to, _)) = failed {
            info!(next_hop = %to.address, "the connection to the next hop is over");
            self.next_hop_failed(to);
        }
    }
}

/// A connection to a next hop that has just been opened.
enum Opened {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// To the first of its addresses that takes a connection.
async fn connect(to: NextHop, node: Arc<Node>) -> io::Result<Opened> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for way in node.next_hops.ways_to(to) {
        match timeout(CONNECT_TIMEOUT, open(way, &node)).await.unwrap_or_else(|late| Err(late.into())) {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                debug!(next_hop = %to.address, address = %way.address, %error, "no connection");
                failed = error;
            }
        }
    }
    Err(failed)
}

async fn open(to: NextHop, node: &Node) -> io::Result<Opened> {
    let stream = TcpStream::connect(to.address).await?;
    let _ = stream.set_nodelay(true);
    if !to.transport.is_secure() {
        return Ok(Opened::Tcp(stream));
    }
    let (Some(connector), Some(name)) = (&node.connector, node.next_hops.name_of(&to)) else {
        return Err(io::Error::other("there is no name that it could prove"));
    };
    Ok(Opened::Tls(Box::new(connector.connect(name, stream).await?)))
}
