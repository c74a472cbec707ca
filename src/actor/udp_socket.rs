//! One UDP socket: SIP and STUN on the same port, and the flows of the peers that send to it.
//!
//! A flow is this socket and a remote address. It needs no state of its own: only where a Flow-Timer was assigned
//! does the socket watch the remote address, to notice that its pings (STUN Binding requests, RFC 5626 §3.5.2)
//! cease. Who has registered lately is remembered so that refreshes are let in before strangers.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use actix::prelude::*;
use bytes::Bytes;
use flowhold_cluster::flow::{Flow, FlowId};
use tokio::net::UdpSocket as Socket;
use tokio::time::Sleep;
use tracing::{debug, warn};

use super::message::Deliver;
use super::worker::Worker;
use crate::config::Config;
use crate::metrics::{FlowClosed, Refused};
use crate::net::icmp;
use crate::proto::keepalive::{self, Assign, Expiry};
use crate::proto::lately::Lately;
use crate::proto::slack::Slack;
use crate::proto::stateless::Reply;
use crate::proto::{Profile, Source};
use crate::sip::{Message, Transport, stun};

/// The largest datagram there is.
const LARGEST_DATAGRAM: usize = 64 << 10;

/// The socket is read this often before others on its worker get their turn.
const READS_PER_TURN: usize = 64;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; LARGEST_DATAGRAM].into_boxed_slice());
}

/// The actor of one UDP socket.
pub struct UdpSocket {
    socket: Rc<Socket>,
    /// Which text of SIP outbound is followed.
    profile: &'static Profile,
    id: FlowId,
    worker: Rc<Worker>,
    /// Datagrams that the kernel had no room for, and how many octets they are.
    waiting: VecDeque<(SocketAddr, Bytes)>,
    waiting_octets: usize,
    /// The flows with a Flow-Timer, and when to look at each of them next.
    watched: HashMap<SocketAddr, Watched>,
    look_at: BTreeSet<(Instant, SocketAddr)>,
    timer: Pin<Box<Sleep>>,
    /// The peers that have registered, with a Flow-Timer or without.
    registered: Lately<SocketAddr>,
}

/// The keep-alive of one flow, and when `look_at` has it.
struct Watched {
    keepalive: keepalive::Server,
    look_at: Instant,
}

impl UdpSocket {
    /// Starts the actor of a bound socket on this thread's worker, and names it.
    pub fn start(
        socket: std::net::UdpSocket,
        profile: &'static Profile,
        worker: Rc<Worker>,
    ) -> io::Result<FlowId> {
        let socket = Rc::new(Socket::from_std(socket)?);
        let mut id = None;
        Self::create(|ctx| {
            let Config { limits, registrar, .. } = &worker.node.config;
            ctx.set_mailbox_capacity(limits.socket_mailbox);
            Self {
                registered: Lately::new(limits.udp_peers, registrar.max_expires),
                socket,
                profile,
                id: *id.insert(worker.node.flows.open(worker.index, ctx.address().recipient())),
                worker,
                waiting: VecDeque::new(),
                waiting_octets: 0,
                watched: HashMap::new(),
                look_at: BTreeSet::new(),
                timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            }
        });
        Ok(id.expect("the actor is made at once"))
    }

    fn poll(&mut self, cx: &mut task::Context<'_>) {
        self.poll_read(cx);
        self.poll_send(cx);
        self.poll_timer(cx);
    }

    fn poll_read(&mut self, cx: &mut task::Context<'_>) {
        BUFFER.with_borrow_mut(|buffer| {
            let mut reads = 0;
            while self.socket.poll_recv_ready(cx).is_ready() {
                match self.socket.try_recv_from(buffer) {
                    Ok((length, remote)) => self.receive(&buffer[..length], remote),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    // An ICMP error of some peer, whose address the error queue tells (`icmp::unreachable`).
                    Err(error) => debug!(%error, "receiving failed"),
                }
                reads += 1;
                if reads == READS_PER_TURN {
                    cx.waker().wake_by_ref();
                    return;
                }
            }
        });
    }

    fn receive(&mut self, datagram: &[u8], remote: SocketAddr) {
        // RFC 5626 §8: the first octet tells STUN from SIP.
        if stun::is_stun(datagram) {
            self.receive_stun(datagram, remote);
        } else if !datagram.iter().all(u8::is_ascii_whitespace) {
            // RFC 5626 §4.4.1: CRLF is no keep-alive over UDP. Some UAs send it all the same: it is let pass.
            self.receive_sip(datagram, remote);
        }
    }

    fn receive_stun(&mut self, datagram: &[u8], remote: SocketAddr) {
        let node = &self.worker.node;
        if !node.gate.admits_stun(remote.ip()) {
            return node.refuse(Refused::StunRate, remote);
        }
        let Some(request) = stun::parse(datagram) else {
            node.metrics.refused.inc(Refused::Stun);
            return;
        };
        let now = Instant::now();
        if let Some(watched) = self.watched.get_mut(&remote) {
            watched.keepalive.ping(now);
        }
        if node.course.get().is_some_and(|course| course.ignores_pings_of(remote, now)) {
            return;
        }
        node.metrics.pings.inc(Transport::Udp);
        self.send(remote, Bytes::copy_from_slice(&stun::binding_response(&request, remote)));
    }

    fn receive_sip(&mut self, datagram: &[u8], remote: SocketAddr) {
        let node = &self.worker.node;
        if !node.gate.admits_datagram(remote.ip()) {
            return node.refuse(Refused::DatagramRate, remote);
        }
        let source = Source { flow: self.flow(remote), transport: Transport::Udp, profile: self.profile };
        match Message::parse(Bytes::copy_from_slice(datagram)) {
            Ok(message) if datagram.len() <= node.config.limits.max_message => {
                if let Some(reply) = self.dispatch(message, source) {
                    self.send(reply.to.remote, reply.wire.to_bytes());
                }
            }
            Ok(message) => {
                self.worker.node.refuse(Refused::TooLarge, remote);
                if let Some(reply) = self.worker.answer(&message, source, 513, "Message Too Large") {
                    self.send(reply.to.remote, reply.wire.to_bytes());
                }
            }
            Err(error) => {
                self.worker.node.metrics.refused.inc(Refused::Unintelligible);
                debug!(peer = %remote, %error, "not a SIP message");
            }
        }
    }

    fn dispatch(&self, message: Message, source: Source) -> Option<Reply> {
        let is_known = self.registered.has(self.worker.node.clock.now(), &source.flow.remote);
        match self.worker.admit(&message, source, is_known) {
            Ok(let_in) => self.worker.dispatch(message, source, let_in),
            Err(stopped) => self.worker.turn_away(&message, source, stopped),
        }
    }

    fn flow(&self, remote: SocketAddr) -> Flow {
        Flow { id: self.id, remote }
    }

    fn send(&mut self, remote: SocketAddr, datagram: Bytes) {
        if self.waiting.is_empty() && self.try_send(remote, &datagram) {
            return;
        }
        if self.waiting_octets + datagram.len() > self.worker.node.config.limits.write_queue {
            // UDP loses datagrams, and SIP sends again what matters.
            self.worker.node.metrics.refused.inc(Refused::SendQueueFull);
            return;
        }
        self.waiting_octets += datagram.len();
        self.waiting.push_back((remote, datagram));
    }

    /// False when the kernel has no room for it now.
    fn try_send(&self, remote: SocketAddr, datagram: &[u8]) -> bool {
        // A send reports, once, the ICMP error of an earlier datagram to whichever peer: so a failed send is tried
        // once more before it counts as this datagram's own failure.
        for _ in 0..2 {
            match self.socket.try_send_to(datagram, remote) {
                Ok(_) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => debug!(peer = %remote, %error, "sending failed"),
            }
        }
        true
    }

    fn poll_send(&mut self, cx: &mut task::Context<'_>) {
        while let Some((remote, datagram)) = self.waiting.front() {
            if self.socket.poll_send_ready(cx).is_pending() {
                return;
            }
            if self.try_send(*remote, datagram) {
                self.waiting_octets -= datagram.len();
                self.waiting.pop_front();
            }
        }
    }

    fn assign(&mut self, remote: SocketAddr, assign: Assign) {
        let mut keepalive = keepalive::Server::default();
        keepalive.assign(Instant::now(), assign, self.worker.node.ping_wait);
        self.unwatch(remote);
        if let Some(look_at) = keepalive.deadline() {
            self.look_at.insert((look_at, remote));
            self.watched.insert(remote, Watched { keepalive, look_at });
            self.worker.node.metrics.udp_flows.inc();
        }
    }

    fn unwatch(&mut self, remote: SocketAddr) {
        if let Some(watched) = self.watched.remove(&remote) {
            self.look_at.remove(&(watched.look_at, remote));
            self.watched.give_back();
            self.worker.node.metrics.udp_flows.dec();
        }
    }

    fn poll_timer(&mut self, cx: &mut task::Context<'_>) {
        while let Some((due, remote)) = self.look_at.first().copied() {
            if self.timer.deadline() != due.into() {
                self.timer.as_mut().reset(due.into());
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.look_at.remove(&(due, remote));
            let watched = self.watched.get_mut(&remote).expect("what is to be looked at is watched");
            match watched.keepalive.expire(Instant::now()) {
                Expiry::NotBefore(later) => {
                    watched.look_at = later;
                    self.look_at.insert((later, remote));
                }
                Expiry::Failed => self.fail(remote, FlowClosed::FlowTimer),
                Expiry::Unwatched => self.unwatch(remote),
            }
        }
    }

    /// What ICMP says may be about a stranger, who can have any number of datagrams answered to addresses that are
    /// not there: that is passed on where there is room, and counts where a flow was watched.
    fn unreachable(&mut self, remote: SocketAddr) {
        if self.watched.contains_key(&remote) {
            self.fail(remote, FlowClosed::Unreachable);
        } else {
            debug!(peer = %remote, "unreachable");
            self.worker.peer_unreachable(self.flow(remote));
        }
    }

    fn fail(&mut self, remote: SocketAddr, reason: FlowClosed) {
        self.unwatch(remote);
        self.worker.flow_failed(self.flow(remote));
        self.worker.node.flow_closed(&self.flow(remote), reason, true);
    }
}

impl Actor for UdpSocket {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Io);
        ctx.add_stream(icmp::unreachable(Rc::clone(&self.socket)));
    }
}

/// RFC 5626 §7: an ICMP error that says that a peer is unreachable is the end of its flow.
impl StreamHandler<io::Result<SocketAddr>> for UdpSocket {
    fn handle(&mut self, unreachable: io::Result<SocketAddr>, _: &mut Self::Context) {
        match unreachable {
            Ok(remote) => self.unreachable(remote),
            Err(error) => {
                warn!(%error, "ICMP errors can no longer be read: a dead UDP flow is found by its timer");
            }
        }
    }

    fn finished(&mut self, _: &mut Self::Context) {
        // The socket serves on without it.
    }
}

impl Handler<Deliver> for UdpSocket {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
        let remote = deliver.flow.remote;
        if let Some((flow, assign)) = deliver.assign {
            self.registered.add(self.worker.node.clock.now(), flow.remote);
            self.assign(flow.remote, assign);
        }
        self.send(remote, deliver.wire.to_bytes());
    }
}

/// The socket's reading and writing, as the context's one future.
struct Io;

impl ActorFuture<UdpSocket> for Io {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        socket: &mut UdpSocket,
        _: &mut Context<UdpSocket>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        socket.poll(cx);
        Poll::Pending
    }
}
