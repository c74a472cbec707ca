//! SIGHUP: what can change while the node runs is read again.

use std::convert::Infallible;

use tokio::signal::unix::Signal;
use tracing::{info, warn};

use super::cluster::join;
use super::expiry;
use super::worker::Node;
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
    if let Some(tls) = &node.tls {
        say("listeners", tls.acceptor.reload(&config.tls));
    }
    if let Some(connector) = &node.connector {
        say("next hops", connector.reload(config.tls.ca.as_deref(), config.tls.own()));
    }
    if let Some(links) = node.cluster.as_ref().and_then(|cluster| cluster.tls.as_ref()) {
        say("links", join::read_again(links, &config.cluster));
    }
    expiry::look(node);
}

/// What came of those for these connections.
fn say(connections: &str, read: Result<(), Fault>) {
    match read {
        Ok(()) => info!(connections, "certificates read again, for connections from now on"),
        Err(fault) => warn!(connections, %fault, "certificates stay as they were"),
    }
}
