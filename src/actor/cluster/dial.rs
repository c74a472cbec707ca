//! Opens links to other nodes.

use std::rc::Rc;
use std::sync::Arc;

use actix::Recipient;
use flowhold_cluster::directory::Member;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Cluster, Stream, hello};
use crate::actor::connection::Link;
use crate::actor::message::{Close, FlowFailed};
use crate::actor::worker::Worker;
use crate::metrics::LinkSide;
use crate::proto::Source;

pub use super::hello::Failure;

/// A link that was opened.
#[derive(Debug)]
pub struct Opened {
    /// What it is as a flow.
    pub link: Source,
    /// Whom to tell that it is to be closed.
    pub close: Recipient<Close>,
}

/// Opens a link from this worker to a member. `owner` is told of its end.
pub async fn dial(
    cluster: &Cluster,
    member: &Member,
    owner: Recipient<FlowFailed>,
    worker: Rc<Worker>,
) -> Result<Opened, Failure> {
    let max_message = worker.node.config.limits.max_message;
    let stream = timeout(cluster.patience, connect(cluster, member, max_message)).await??;
    let config = &worker.node.config.cluster;
    let node = &member.run.node;
    let up = cluster.links.open(node, LinkSide::Dialed, 0);
    let link = Link::dialed(Arc::clone(node), config.link_ping, config.link_pong, owner, up);
    let (flow, transport, close) = stream.start(link, worker)?;
    Ok(Opened { link: Source::new(flow, transport), close })
}

async fn connect(cluster: &Cluster, member: &Member, max_message: usize) -> Result<Stream, Failure> {
    let Member { run, at, .. } = member;
    let mut stream = TcpStream::connect(&**at).await?;
    let _ = stream.set_nodelay(true);
    let Some(tls) = &cluster.tls else {
        hello::dial(&mut stream, &cluster.me, (run, at), max_message).await?;
        return Ok(Stream::Tcp(stream));
    };
    let mut stream = tls.connect(&run.node, stream).await?;
    hello::dial(&mut stream, &cluster.me, (run, at), max_message).await?;
    Ok(Stream::Tls(Box::new(stream)))
}
