//! Accepts connections from other nodes on one worker's cluster listener: each becomes a link when it has proved that it
//! comes from a node.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::hello::{self, Failure};
use super::{Cluster, Stream};
use crate::actor::accept::Incoming;
use crate::actor::connection::Link;
use crate::actor::worker::Worker;
use crate::metrics::{LinkSide, Refused};
use crate::net::tls;
use crate::proto::hello::Peer;

/// Accepts until the worker ends.
pub async fn accept(listener: TcpListener, cluster: Arc<Cluster>, worker: Rc<Worker>) {
    let mut incoming = Incoming::new(listener, "links");
    loop {
        let (stream, remote) = incoming.next(&worker).await;
        match Arc::clone(&cluster.handshakes).try_acquire_owned() {
            Ok(permit) => {
                actix_rt::spawn(greet(stream, remote, permit, Arc::clone(&cluster), Rc::clone(&worker)));
            }
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                worker.node.metrics.refused.inc(Refused::LinkRefused);
                warn!(peer = %remote, "link refused: limits.link_handshakes are under way");
            }
        }
    }
}

/// Hears who it is, and starts the link.
async fn greet(
    stream: TcpStream,
    remote: SocketAddr,
    permit: OwnedSemaphorePermit,
    cluster: Arc<Cluster>,
    worker: Rc<Worker>,
) {
    let _ = stream.set_nodelay(true);
    let max_message = worker.node.config.limits.max_message;
    let heard = timeout(cluster.patience, hear(stream, &cluster, max_message)).await;
    drop(permit);
    let (stream, peer) = match heard.map_err(Failure::from).and_then(|heard| heard) {
        Ok(heard) => heard,
        // Whoever looks whether the port is open.
        Err(Failure::Silent) => return debug!(peer = %remote, "closed without a word"),
        Err(failure) => {
            worker.node.metrics.refused.inc(Refused::LinkRefused);
            return warn!(peer = %remote, reason = %failure, "link refused");
        }
    };
    let Peer { run, version, links } = peer;
    let is_known = cluster.directory().view().member(&run.node).is_some_and(|member| member.run == run);
    let up = cluster.links.open(&run.node, LinkSide::Accepted, links);
    match stream.start(Link::accepted(Arc::clone(&run.node), up), worker) {
        Ok((flow, _, _)) => {
            info!(node = %run.node, run = run.epoch, version, flow = %flow.id, peer = %remote, "link accepted");
        }
        Err(error) => debug!(peer = %remote, %error, "closed after its hello"),
    }
    if !is_known {
        // It has its lease, or is about to: so that requests find their way back, and not only with the next beat.
        cluster.look_again();
    }
}

async fn hear(
    mut stream: TcpStream,
    cluster: &Cluster,
    max_message: usize,
) -> Result<(Stream, Peer), Failure> {
    let Some(tls) = &cluster.tls else {
        let peer = hello::accept(&mut stream, &cluster.me, |_, _| true, max_message).await?;
        return Ok((Stream::Tcp(stream), peer));
    };
    let mut stream = tls.accept(stream).await?;
    let peer = hello::accept(&mut stream, &cluster.me, tls::names, max_message).await?;
    Ok((Stream::Tls(Box::new(stream)), peer))
}
