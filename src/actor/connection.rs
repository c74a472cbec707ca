//! One connection: frames what its peer sends, answers pings, enforces the deadlines, and writes what is delivered.
//!
//! ```text
//!   Open --- peer closed, deadline passed, queue full, rule broken ---> Closing --- written, peer closed or
//!    |  reads, frames, answers pings                                       |        LINGER over ---> stopped
//!    +--- its flow is in the flow table                                    +--- its flow has failed; what was
//!                                                                               still to be said is written
//! ```
//!
//! All reading and writing happens in one place, `Connection::poll`, which the actor's context polls after its
//! mailbox: whatever was delivered since the last time leaves in one system call.
//!
//! - `receive`: what comes over a byte stream: frames, and what becomes of them
//! - `websocket`: what comes over WebSocket, and how messages leave over it
//! - `actor`: what it is told, and when it reads and writes
//! - `link`: what is different where another node is at the other end
//! - `client`: what is different where another provider is, with which this node has registered
//! - `timer`: the one timer

mod actor;
mod client;
mod link;
mod receive;
mod timer;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use actix::prelude::*;
use bytes::Bytes;
use flowhold_cluster::flow::Flow;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, info};

use self::timer::Timer;
use self::websocket::WebSocket;
use super::gate::Standing;
use super::message::Close;
use super::worker::Worker;
use crate::config::{self, Config};
use crate::metrics::{FlowClosed, LinkSide};
use crate::net::admission::Permit;
use crate::net::writer::Writer;
use crate::proto::keepalive::client::Due;
use crate::proto::keepalive::{self, Assign, Expiry, PingWait, Silence};
use crate::proto::{Profile, Source};
use crate::sip::{Framer, Transport, Wire};

pub use self::client::Client;
pub use self::link::Link;

/// How long a connection that was closed here waits for its peer to close too, so that a last response is not
/// lost to a reset.
const LINGER: Duration = Duration::from_secs(2);

/// A ping.
static PING: &[u8] = b"\r\n\r\n";

/// The actor of one connection over a stream `S`, of messages or of frames that hold them.
pub struct Connection<S> {
    stream: S,
    source: Source,
    worker: Rc<Worker>,
    framing: Framing,
    writer: Writer,
    keepalive: keepalive::Server,
    silence: Silence,
    standing: Standing,
    /// When the message that was begun has to be complete.
    message_due: Option<Instant>,
    /// Set once the flow has failed: when to stop waiting for the peer's own close.
    closing: Option<Instant>,
    timer: Timer,
    role: Role,
}

/// What messages are framed in. A byte stream takes no more memory for there being WebSocket.
enum Framing {
    /// A byte stream: Content-Length tells where a message ends.
    Stream(Framer),
    /// Messages of their own.
    WebSocket(Box<WebSocket>),
}

const _: () = assert!(size_of::<Framing>() == size_of::<Framer>());

impl Framing {
    fn of(transport: Transport, profile: &Profile, config: &Config) -> Self {
        let max_message = config.limits.max_message;
        match transport {
            Transport::Ws | Transport::Wss => {
                Self::WebSocket(Box::new(WebSocket::new(max_message, config.websocket.ping_every)))
            }
            _ if profile.has_stun_on_streams => Self::Stream(Framer::with_stun(max_message)),
            _ => Self::Stream(Framer::new(max_message)),
        }
    }

    /// When a peer may have to be pinged that does not by itself.
    fn ping_due(&self) -> Option<Instant> {
        match self {
            Self::Stream(_) => None,
            Self::WebSocket(websocket) => websocket.ping_due(),
        }
    }

    /// Whether a message has begun and not ended.
    fn in_message(&self) -> bool {
        match self {
            Self::Stream(framer) => framer.in_message(),
            Self::WebSocket(websocket) => websocket.in_message(),
        }
    }
}

/// Who is at the other end. A UA's connection takes no more memory for there being links.
enum Role {
    /// A UA, or a next hop: held as long as the connection is there.
    Ua(#[expect(dead_code, reason = "dropping it makes room for another")] Permit),
    /// Another node.
    Link(Box<Link>),
    /// Another provider, whose UA this node is.
    Client(Box<Client>),
}

impl Role {
    fn link(&self) -> Option<&Link> {
        match self {
            Self::Link(link) => Some(link),
            Self::Ua(_) | Self::Client(_) => None,
        }
    }

    fn link_mut(&mut self) -> Option<&mut Link> {
        match self {
            Self::Link(link) => Some(link),
            Self::Ua(_) | Self::Client(_) => None,
        }
    }

    fn client(&self) -> Option<&Client> {
        match self {
            Self::Client(client) => Some(client),
            Self::Ua(_) | Self::Link(_) => None,
        }
    }

    /// A link that another node has opened is pinged from the start; a UA is watched when it is given a Flow-Timer.
    fn watched(&self, cluster: &config::Cluster) -> keepalive::Server {
        let mut server = keepalive::Server::default();
        if self.link().is_some_and(|link| link.side() == LinkSide::Accepted) {
            // The node that dialed finds a link that is stuck first, and dials again.
            let silence = PingWait::Fixed(2 * (cluster.link_ping + cluster.link_pong));
            server.assign(Instant::now(), Assign { flow_timer: Some(cluster.link_ping) }, silence);
        }
        server
    }
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    /// Starts the actor of a UA's connection on this thread's worker, and names its flow.
    pub fn start(
        stream: S,
        (transport, profile): (Transport, &'static Profile),
        remote: SocketAddr,
        permit: Permit,
        worker: Rc<Worker>,
    ) -> Flow {
        worker.node.metrics.connections.inc(transport);
        let silence = Silence::new(Instant::now(), true);
        Self::launch(stream, (transport, profile, remote), (Role::Ua(permit), silence), worker).0
    }

    /// The same of a connection that this node has opened to a next hop, which answers and need not speak first.
    pub fn start_dialed(
        stream: S,
        (transport, profile): (Transport, &'static Profile),
        remote: SocketAddr,
        permit: Permit,
        worker: Rc<Worker>,
    ) -> Flow {
        worker.node.metrics.connections.inc(transport);
        let silence = Silence::new(Instant::now(), false);
        Self::launch(stream, (transport, profile, remote), (Role::Ua(permit), silence), worker).0
    }

    /// Starts the actor of a link on this thread's worker; names its flow, and whom to tell that it is to be closed.
    pub fn start_link(
        stream: S,
        transport: Transport,
        remote: SocketAddr,
        link: Link,
        worker: Rc<Worker>,
    ) -> (Flow, Recipient<Close>) {
        worker.node.metrics.cluster_links.inc(link.side());
        let role = Role::Link(Box::new(link));
        let over = (transport, &Profile::RFC5626, remote);
        let silence = Silence::new(Instant::now(), false);
        let (flow, address) = Self::launch(stream, over, (role, silence), worker);
        (flow, address.recipient())
    }

    /// Starts the actor of a connection to another provider on this thread's worker; names its flow, and whom to tell that
    /// it is to be closed.
    pub fn start_client(
        stream: S,
        (transport, profile): (Transport, &'static Profile),
        remote: SocketAddr,
        client: Client,
        worker: Rc<Worker>,
    ) -> (Source, Recipient<Close>) {
        worker.node.metrics.connections.inc(transport);
        let role = Role::Client(Box::new(client));
        let silence = Silence::new(Instant::now(), false);
        let over = (transport, profile, remote);
        let (flow, address) = Self::launch(stream, over, (role, silence), worker);
        (Source { flow, transport, profile }, address.recipient())
    }

    fn launch(
        stream: S,
        (transport, profile, remote): (Transport, &'static Profile, SocketAddr),
        (role, silence): (Role, Silence),
        worker: Rc<Worker>,
    ) -> (Flow, Addr<Self>) {
        let mut flow = None;
        let address = Self::create(|ctx| {
            let (flows, config) = (&worker.node.flows, &worker.node.config);
            let (id, mailbox, queue) = match &role {
                Role::Ua(_) => {
                    let id = flows.open_connection(worker.index, ctx.address());
                    (id, config.limits.connection_mailbox, config.limits.write_queue)
                }
                // The registration is removed when the node ends, so a drain leaves a flow to another provider open.
                Role::Client(_) => {
                    let id = flows.open(worker.index, ctx.address().recipient());
                    (id, config.limits.connection_mailbox, config.limits.write_queue)
                }
                // Requests in dialogs come over links until the node ends, so a drain leaves them open. What is in the queue is
                // bounded by not taking more from the mailbox.
                Role::Link(_) => {
                    let id = flows.open(worker.index, ctx.address().recipient());
                    (id, config.limits.link_mailbox, usize::MAX)
                }
            };
            ctx.set_mailbox_capacity(mailbox);
            debug!(flow = %id, peer = %remote, "connected");
            Self {
                stream,
                source: Source { flow: *flow.insert(Flow { id, remote }), transport, profile },
                framing: Framing::of(transport, profile, config),
                writer: Writer::new(queue),
                keepalive: role.watched(&config.cluster),
                silence,
                standing: Standing::default(),
                message_due: None,
                closing: None,
                timer: Timer::default(),
                worker,
                role,
            }
        });
        (flow.expect("the actor is made at once"), address)
    }

    /// Reads, writes and watches the deadlines; ready when the connection is over.
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let paused = self.is_paused();
        let read = if paused { Poll::Pending } else { self.poll_read(cx) };
        let flushed = self.poll_flush(cx);
        if paused && !self.is_paused() {
            cx.waker().wake_by_ref();
        }
        if read.is_ready() && flushed.is_ready() {
            return Poll::Ready(());
        }
        self.poll_timer(cx)
    }

    /// Writes a message, or what stands between messages.
    fn push(&mut self, wire: Wire) {
        let wire = match &self.framing {
            Framing::Stream(_) => wire,
            Framing::WebSocket(websocket) => websocket.frame(wire),
        };
        self.push_framed(wire);
    }

    fn push_framed(&mut self, wire: Wire) {
        if self.closing.is_none() && self.writer.push(wire).is_err() {
            // What waits was not read so far and will not be.
            self.writer.clear();
            self.fail(FlowClosed::WriteQueueFull);
        }
    }

    /// Ready when all is written; a connection that is closing is then shut down for writing.
    fn poll_flush(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut flushed = self.writer.poll_flush(&mut self.stream, cx);
        if self.closing.is_some() && matches!(flushed, Poll::Ready(Ok(()))) {
            flushed = Pin::new(&mut self.stream).poll_shutdown(cx);
        }
        flushed.map(|result| {
            if let Err(error) = result {
                self.writer.clear();
                self.fail_with(FlowClosed::IoError, &error);
            }
        })
    }

    /// Ready when the time to wait for the peer's close is over.
    fn poll_timer(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        while self.timer.poll_fired(self.deadline(), cx).is_ready() {
            let now = Instant::now();
            if self.closing.is_some_and(|until| until <= now) {
                return Poll::Ready(());
            }
            if self.closing.is_some() {
                continue;
            }
            if self.message_due.is_some_and(|due| due <= now) {
                self.fail(FlowClosed::HeaderTimeout);
            } else if self.keepalive.expire(now) == Expiry::Failed {
                if !self.ask_for_pong(now) {
                    self.fail(FlowClosed::FlowTimer);
                }
            } else if self.silence_due().is_some_and(|due| due <= now) {
                self.fail(if self.silence.has_spoken() { FlowClosed::Idle } else { FlowClosed::Silent });
            } else {
                self.keep_alive(now);
            }
            // A ping leaves. If the flow has failed, the stream is shut down.
            if self.closing.is_some() || !self.writer.is_empty() {
                let _ = self.poll_flush(cx);
            }
        }
        Poll::Pending
    }

    /// Pings, at the end of a link that does, and over WebSocket.
    fn keep_alive(&mut self, now: Instant) {
        self.prompt(now);
        match self.role.link_mut().map(|link| link.expire(now)) {
            Some(Due::Ping(_)) => self.push(Wire::from(Bytes::from_static(PING))),
            Some(Due::Failed(_)) => self.fail(FlowClosed::NoPong),
            Some(Due::NotBefore(_) | Due::Idle) | None => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let link = self.role.link().and_then(Link::deadline);
        let prompt = self.framing.ping_due();
        let each = [self.message_due, self.keepalive.deadline(), self.silence_due(), link, prompt];
        self.closing.or_else(|| each.into_iter().flatten().min())
    }

    /// When its silence has lasted too long, if neither a Flow-Timer nor another node's pings are there to tell.
    fn silence_due(&self) -> Option<Instant> {
        if self.keepalive.deadline().is_some() || self.role.link().is_some() {
            return None;
        }
        self.silence.deadline(self.worker.node.gate.patience)
    }

    fn is_dialed(&self) -> bool {
        self.role.link().is_some_and(|link| link.side() == LinkSide::Dialed)
    }

    /// Whether a link has more to write than it should keep.
    fn is_congested(&self) -> bool {
        self.role.link().is_some() && self.writer.queued() > self.worker.node.config.limits.link_write_queue
    }

    /// Whether nothing is read, so that the peer is slowed down.
    fn is_paused(&self) -> bool {
        self.is_congested() && !self.is_dialed() && self.closing.is_none()
    }

    /// The flow has failed: from now on nothing is delivered over it and nothing that comes over it counts.
    fn fail(&mut self, reason: FlowClosed) {
        if self.closing.is_some() {
            return;
        }
        self.say_why(reason);
        self.closing = Some(Instant::now() + LINGER);
        let flow = self.source.flow;
        let metrics = &self.worker.node.metrics;
        self.worker.node.flows.close(flow.id);
        if let Some(client) = self.role.client() {
            // What is out on it has to go another way.
            self.worker.flow_failed(flow);
            client.end(flow, reason);
            debug!(flow = %flow.id, peer = %flow.remote, reason = reason.as_str(), "upstream flow closed");
            return;
        }
        let Some(link) = self.role.link_mut() else {
            // RFC 5626 §7: every binding that uses the flow is invalid, whichever its AOR.
            self.worker.flow_failed(flow);
            self.worker.node.flow_closed(&flow, reason, self.standing.is_known);
            return;
        };
        // No binding is on a link, and requests only on one that was opened here.
        link.end(flow);
        metrics.cluster_links.dec(link.side());
        metrics.cluster_links_closed.inc(reason);
        let (node, side) = (link.node(), link.side().as_str());
        info!(%node, side, flow = %flow.id, peer = %flow.remote, reason = reason.as_str(), "link closed");
    }

    fn fail_with(&mut self, reason: FlowClosed, error: &io::Error) {
        if self.closing.is_none() {
            debug!(flow = %self.source.flow.id, %error, "stream failed");
        }
        self.fail(reason);
    }
}
