//! Accepts connections on one listener of one worker, and starts the actor of each.
//!
//! ```text
//!   accepted --- from a load balancer ---> reads the PROXY protocol header
//!      |                                       |                    |
//!      +--- from anybody else -----------------|--------------------+--- whose it is
//!                                              |                            |
//!                        none in time, fails,  v                            v
//!                                 refused ---> closed <--- [TLS handshake] ---> [WebSocket request] ---> Connection
//! ```

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::connection::Connection;
use super::listeners::Kind;
use super::worker::Worker;
use crate::config::Config;
use crate::metrics::Refused;
use crate::net::admission::{Permit, Refusal};
use crate::net::proxy_protocol::{self, Fault};
use crate::net::tls::Identities;
use crate::net::tls::Speaks;
use crate::net::websocket;
use crate::proto::Source;
use crate::sip::Transport;
use crate::sip::websocket::{Reject, Terms};

/// How long a listener pauses when the system has no descriptor or memory for another connection: trying again at
/// once would take the worker's time from the connections that are there.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a connection that was refused in HTTP may take to go.
const LINGER: Duration = Duration::from_secs(2);

/// The connections of a listener, one after the other. What the system refuses is counted, and said once until it is over.
pub struct Incoming {
    listener: TcpListener,
    /// What they are, for the log.
    what: &'static str,
    failing: bool,
}

impl Incoming {
    /// Of this listener.
    pub fn new(listener: TcpListener, what: &'static str) -> Self {
        Self { listener, what, failing: false }
    }

    /// The next one, however long it takes.
    pub async fn next(&mut self, worker: &Worker) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.failing = false;
                    return accepted;
                }
                // The peer was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    worker.node.metrics.refused.inc(Refused::AcceptFailed);
                    if !self.failing {
                        warn!(%error, "{} cannot be accepted", self.what);
                    }
                    self.failing = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// What every connection that a listener accepts is told.
#[derive(Clone)]
struct Door {
    kind: Kind,
    worker: Rc<Worker>,
}

/// Accepts until the worker ends, on a listener of this kind.
pub(super) async fn accept(listener: TcpListener, kind: Kind, worker: Rc<Worker>) {
    let door = Door { kind, worker: Rc::clone(&worker) };
    let mut incoming = Incoming::new(listener, "connections");
    loop {
        let (stream, remote) = incoming.next(&worker).await;
        match worker.node.admission.admit_unnamed() {
            Err(refusal) => worker.node.refuse(Refused::from(refusal), remote),
            Ok(permit) if worker.node.config.listen.is_load_balancer(remote.ip()) => {
                // Others are accepted while its header is on its way.
                actix_rt::spawn(pass_on(stream, remote, permit, door.clone()));
            }
            Ok(permit) => enter(stream, remote, permit, door.clone()),
        }
    }
}

/// Lets a connection in whose client is known.
fn enter(stream: TcpStream, client: SocketAddr, permit: Permit, Door { kind, worker }: Door) {
    match permit.named(client.ip()) {
        Ok(permit) => {
            // A pong is two octets that must not wait for more.
            let _ = stream.set_nodelay(true);
            let guest = Guest { client, permit, kind, worker, shown: Identities::default() };
            match kind.transport {
                // Others are accepted while it shakes hands, or its request is on its way.
                Transport::Tls | Transport::Wss => drop(actix_rt::spawn(guest.shake_hands(stream))),
                Transport::Ws => drop(actix_rt::spawn(guest.upgrade(stream))),
                _ => guest.enter(stream),
            }
        }
        Err(refusal) => worker.node.refuse(Refused::from(refusal), client),
    }
}

/// Who is let in.
struct Guest {
    client: SocketAddr,
    permit: Permit,
    kind: Kind,
    worker: Rc<Worker>,
    /// Whom the certificate that it has shown names.
    shown: Identities,
}

impl Guest {
    /// Starts the actor of its connection.
    fn enter<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Self { client, permit, kind: Kind { transport, profile }, worker, shown } = self;
        worker.node.metrics.accepted.inc(transport);
        let flow = Connection::start(stream, (transport, profile), client, permit, Rc::clone(&worker));
        let source = Source { flow, transport, profile };
        worker.certified(&source, &shown.users);
        if worker.node.next_hops.has_certificate(&shown) {
            worker.certified_peer(&source);
        }
    }

    /// Lets it in once it has shaken hands, as TLS asks.
    async fn shake_hands(mut self, stream: TcpStream) {
        let is_web_socket = self.kind.transport == Transport::Wss;
        let speaks = if is_web_socket { Speaks::WebSocket } else { Speaks::Sip };
        let shaken = self.worker.node.shake_hands(stream, self.client, speaks).await;
        let Some(stream) = shaken else { return };
        // Verified when it was shown.
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        self.shown = shown.map(Identities::of).unwrap_or_default();
        if is_web_socket { self.upgrade(stream).await } else { self.enter(stream) }
    }

    /// Lets it in once it has asked for WebSocket as RFC 7118 wants it.
    async fn upgrade<S>(self, mut stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Config { limits, websocket: asked, .. } = &self.worker.node.config;
        let terms = Terms { path: &asked.path, origins: &asked.origins };
        let received = websocket::receive(&mut stream, asked.max_request, terms);
        let refused = match timeout(limits.header_timeout, received).await {
            Ok(Ok(())) => return self.enter(stream),
            Ok(Err(websocket::Fault::Closed(error))) => {
                return debug!(peer = %self.client, %error, "closed before it asked for WebSocket");
            }
            Ok(Err(websocket::Fault::Rejected(reject))) => {
                debug!(peer = %self.client, %reject, "connection refused");
                Refused::from(reject)
            }
            Err(_) => Refused::NoUpgrade,
        };
        self.worker.node.refuse(refused, self.client);
        // A reset could overtake the answer.
        let _ = timeout(LINGER, tokio::io::copy(&mut stream, &mut tokio::io::sink())).await;
    }
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        match reject {
            Reject::Malformed | Reject::NotWebSocket | Reject::Version | Reject::TooLong => {
                Self::NotWebSocket
            }
            Reject::NotSip => Self::NotSip,
            Reject::Origin => Self::Origin,
            Reject::Path => Self::Path,
        }
    }
}

/// Lets a connection in that a load balancer passes on, once it has said whose it is.
async fn pass_on(mut stream: TcpStream, balancer: SocketAddr, permit: Permit, door: Door) {
    let worker = &door.worker;
    let within = worker.node.config.limits.header_timeout;
    let header = timeout(within, proxy_protocol::receive(&mut stream)).await;
    let refused = match &header {
        Ok(Ok(client)) => {
            // Version 1 has no word for a balancer's own connection: HAProxy then names itself.
            return match client.filter(|client| *client != balancer) {
                Some(client) => enter(stream, client, permit, door),
                None => own(stream, balancer, permit, door).await,
            };
        }
        Ok(Err(Fault::Silent | Fault::Io(_))) => {
            debug!(%balancer, "closed before a PROXY protocol header");
            return;
        }
        Err(_) | Ok(Err(Fault::Missing | Fault::BreaksOff)) => Refused::NoProxyHeader,
        Ok(Err(Fault::TooLong | Fault::Malformed(_))) => Refused::BadProxyHeader,
    };
    worker.node.refuse(refused, balancer);
    if let Ok(Err(fault)) = header {
        debug!(%balancer, %fault, "connection refused");
    }
}

/// A balancer's own connection: as a rule a health check, which says no more and is gone.
async fn own(stream: TcpStream, balancer: SocketAddr, permit: Permit, door: Door) {
    let worker = &door.worker;
    let within = worker.node.config.limits.header_timeout;
    match timeout(within, stream.peek(&mut [0])).await {
        Ok(Ok(0) | Err(_)) => debug!(%balancer, "health check"),
        Ok(Ok(_)) | Err(_) => enter(stream, balancer, permit, door),
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Total => Self::MaxConnections,
            Refusal::Address => Self::PerAddress,
        }
    }
}
