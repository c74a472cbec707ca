//! Opens a flow to one of a provider's edge proxies.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix::Recipient;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::socket::UpstreamSocket;
use crate::actor::connection::{Client, Connection};
use crate::actor::message::{Close, UpstreamHeard};
use crate::actor::worker::Worker;
use crate::proto::recovery::Link;
use crate::proto::{NextHop, Profile, Source};
use crate::sip::{Transport, Uri};
use crate::ua::resolver::{System, locate};

/// How long a proxy may take to accept a connection, and then to shake hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What flows may go over, the one that we like best first.
const TRANSPORTS: &[Transport] = &[Transport::Tls, Transport::Tcp, Transport::Udp];

/// A socket for one peer.
pub(super) type Datagrams = UdpSocket;

/// A flow that was opened.
pub(super) struct Opened {
    /// Its two ends.
    pub(super) link: Link,
    /// What it is as a flow.
    pub(super) flow: Source,
    /// Whom to tell that it is to be closed.
    pub(super) close: Recipient<Close>,
}

/// Looks up where the proxy is and opens a flow to the first of its addresses that takes one, beginning with another at
/// each attempt. `owner` is told what comes over it that is not for the proxy.
pub(super) async fn dial(
    (proxy, attempt, profile): (String, usize, &'static Profile),
    dns: &System,
    owner: Recipient<UpstreamHeard>,
    worker: Rc<Worker>,
) -> Result<Opened, String> {
    let mut hops = locate(dns, &proxy, TRANSPORTS).await?;
    let uri = Uri::parse(proxy.as_bytes()).map_err(|fault| fault.to_string())?;
    let host = String::from_utf8_lossy(uri.host);
    // RFC 5626 §4.2.1: a retry looks DNS up again and may choose another host.
    let first = attempt % hops.len();
    hops.rotate_left(first);
    let mut wrong = String::new();
    for hop in hops {
        match open(hop, &host, profile, Client::new(owner.clone()), Rc::clone(&worker)).await {
            Ok(opened) => return Ok(opened),
            Err(error) => wrong = format!("{}: {error}", hop.address),
        }
    }
    Err(wrong)
}

/// RFC 5922 §7.3: what a proxy over TLS has to prove is the host that the URI names, not one that DNS led to.
async fn open(
    NextHop { transport, address }: NextHop,
    host: &str,
    profile: &'static Profile,
    client: Client,
    worker: Rc<Worker>,
) -> io::Result<Opened> {
    let link = |local| Link { transport, local, remote: address };
    if transport == Transport::Udp {
        let any: SocketAddr =
            if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        // So that it hears nobody else, and what ICMP says of the proxy.
        socket.connect(address).await?;
        let link = link(socket.local_addr()?);
        let (flow, close) = UpstreamSocket::open(socket, profile, client, worker)?;
        return Ok(Opened { link, flow, close });
    }
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    // A ping must not wait for more.
    let _ = stream.set_nodelay(true);
    let link = link(stream.local_addr()?);
    let over = (transport, profile);
    let (flow, close) = if transport.is_secure() {
        let tls = worker.node.connector.as_ref();
        let tls = tls.ok_or_else(|| io::Error::other("nothing is known of TLS"))?;
        let stream = timeout(CONNECT_TIMEOUT, tls.connect(host, stream)).await??;
        Connection::start_client(stream, over, address, client, worker)
    } else {
        Connection::start_client(stream, over, address, client, worker)
    };
    Ok(Opened { link, flow, close })
}
