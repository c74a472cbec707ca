//! This node's part in a cluster, as all its workers share it: who it is to other nodes, and which links are up.
//!
//! - `join`: it is made from the configuration
//! - `hello`: how a link begins, over its stream
//! - `accept`: links that other nodes open
//! - `dial`: links that this node opens
//! - `link_table`: which links are up

pub mod accept;
pub mod dial;
mod hello;
pub mod join;
pub mod link_table;

use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::Recipient;
use flowhold_cluster::clustered::Clustered;
use flowhold_cluster::directory::Directory;
use flowhold_cluster::flow::Flow;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsStream;

use self::link_table::LinkTable;
use super::connection::{Connection, Link};
use super::message::{Close, LookAgain};
use super::worker::Worker;
use crate::net::tls;
use crate::proto::hello::Me;
use crate::sip::Transport;

/// A node's part in a cluster.
pub struct Cluster {
    /// As it presents itself on links.
    pub me: Me,
    /// Certificates, where links are TLS.
    pub tls: Option<tls::Links>,
    /// Who holds which flow, and which nodes there are.
    pub location: Clustered,
    /// The links that are up.
    pub links: Arc<LinkTable>,
    /// How many connections may be without a hello.
    pub handshakes: Arc<Semaphore>,
    /// How long the beginning of a link may take.
    pub patience: Duration,
    /// Who looks again which nodes there are. Set before the first link is opened.
    pub look_again: OnceLock<Recipient<LookAgain>>,
}

impl Cluster {
    /// Which nodes there are.
    pub fn directory(&self) -> &Directory {
        self.location.directory()
    }

    /// Has the directory looked into before its time: something has changed here, or a node is there that it does not list.
    pub fn look_again(&self) {
        if let Some(directory) = self.look_again.get() {
            // If it has no room, it is about to look.
            let _ = directory.try_send(LookAgain);
        }
    }
}

/// What a link runs over.
enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Starts the link's connection.
    fn start(self, link: Link, worker: Rc<Worker>) -> std::io::Result<(Flow, Transport, Recipient<Close>)> {
        let (flow, transport, close) = match self {
            Self::Tcp(stream) => {
                let remote = stream.peer_addr()?;
                let (flow, close) = Connection::start_link(stream, Transport::Tcp, remote, link, worker);
                (flow, Transport::Tcp, close)
            }
            Self::Tls(stream) => {
                let remote = stream.get_ref().0.peer_addr()?;
                let (flow, close) = Connection::start_link(stream, Transport::Tls, remote, link, worker);
                (flow, Transport::Tls, close)
            }
        };
        Ok((flow, transport, close))
    }
}
