//! SIGHUP: what can change while the node runs is read again.

use std::convert::Infallible;

use tokio::signal::unix::Signal;
use tracing::{info, warn};

use super::worker::Node;

/// Reads again whatever can be, each time that the node is told to. What is of no use is said, and what was there stays.
pub(super) async fn reload(mut hangup: Signal, node: &Node) -> Infallible {
    loop {
        if hangup.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        certificates(node);
    }
}

fn certificates(node: &Node) {
    let Some(tls) = &node.tls else { return };
    match tls.acceptor.reload(&node.config.tls) {
        Ok(()) => info!("certificates read again, for connections from now on"),
        Err(fault) => warn!(%fault, "certificates stay as they were"),
    }
}
