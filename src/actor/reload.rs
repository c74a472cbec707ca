//! SIGHUP: what can change while the node runs is read again.

use std::convert::Infallible;

use tokio::signal::unix::Signal;
use tracing::{info, warn};

use super::cluster::join;
use super::expiry;
use super::worker::Node;
use crate::metrics::Reload;
use crate::net::tls::Fault;

/// Reads again whatever can be, each time that the node is told to. What is of no use is said, and what was there stays.
pub(super) async fn reload(mut hangup: Signal, node: &Node) -> Infallible {
    loop {
        if hangup.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        certificates(node);
    }
}

/// Those that the node shows, and the CAs that those of others have to be of.
fn certificates(node: &Node) {
    let config = &node.config;
    let of_listeners = node.tls.as_ref().map(|tls| ("listeners", tls.acceptor.reload(&config.tls)));
    let of_next_hops = node
        .connector
        .as_ref()
        .map(|connector| ("next hops", connector.reload(config.tls.ca.as_deref(), config.tls.own())));
    let of_links = node.cluster.as_ref().and_then(|cluster| cluster.tls.as_ref());
    let of_links = of_links.map(|links| ("links", join::read_again(links, &config.cluster)));
    let mut has_failed = false;
    for (connections, read) in [of_listeners, of_next_hops, of_links].into_iter().flatten() {
        has_failed |= read.is_err();
        say(connections, read);
    }
    node.metrics.reload_failed.set(Reload::Certificates, has_failed.into());
    expiry::look(node);
}

/// What came of those for these connections.
fn say(connections: &str, read: Result<(), Fault>) {
    match read {
        Ok(()) => info!(connections, "certificates read again, for connections from now on"),
        Err(fault) => warn!(connections, %fault, "certificates stay as they were"),
    }
}
