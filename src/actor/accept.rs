//! Accepts connections on one listener of one worker, and starts the actor of each.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::warn;

use super::connection::Connection;
use super::worker::Worker;
use crate::metrics::Refused;
use crate::net::admission::Refusal;
use crate::sip::Transport;

/// How long a listener pauses when the system has no descriptor or memory for another connection: trying again at
/// once would take the worker's time from the connections that are there.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the worker ends.
pub async fn accept(listener: TcpListener, worker: Rc<Worker>) {
    let mut failing = false;
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The peer was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                worker.node.metrics.refused.inc(Refused::AcceptFailed);
                if !failing {
                    warn!(%error, "connections cannot be accepted");
                }
                failing = true;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        failing = false;
        match worker.node.admission.admit(remote.ip()) {
            Ok(permit) => {
                worker.node.metrics.accepted.inc(Transport::Tcp);
                // A pong is two octets that must not wait for more.
                let _ = stream.set_nodelay(true);
                Connection::start(stream, Transport::Tcp, remote, permit, Rc::clone(&worker));
            }
            Err(refusal) => {
                worker.node.metrics.refused.inc(Refused::from(refusal));
                warn!(peer = %remote, %refusal, "connection refused");
            }
        }
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
