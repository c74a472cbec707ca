//! Opens a flow to one of a provider's edge proxies.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use actix::Recipient;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::actor::connection::{Client, Connection};
use crate::actor::message::{Close, UpstreamHeard};
use crate::actor::worker::Worker;
use crate::proto::recovery::Link;
use crate::proto::{NextHop, Profile, Source};
use crate::sip::Transport;
use crate::ua::resolver::{System, locate};

/// How long a proxy may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What flows may go over.
const TRANSPORTS: &[Transport] = &[Transport::Tcp];

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
    // RFC 5626 §4.2.1: a retry looks DNS up again and may choose another host.
    let first = attempt % hops.len();
    hops.rotate_left(first);
    let mut wrong = String::new();
    for hop in hops {
        match open(hop).await {
            Ok((stream, link)) => {
                let (flow, close) = Connection::start_client(
                    stream,
                    (link.transport, profile),
                    link.remote,
                    Client::new(owner),
                    worker,
                );
                return Ok(Opened { link, flow, close });
            }
            Err(error) => wrong = format!("{}: {error}", hop.address),
        }
    }
    Err(wrong)
}

async fn open(NextHop { transport, address }: NextHop) -> io::Result<(TcpStream, Link)> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    // A ping must not wait for more.
    let _ = stream.set_nodelay(true);
    let link = Link { transport, local: stream.local_addr()?, remote: address };
    Ok((stream, link))
}
