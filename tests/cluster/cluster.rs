//! The nodes of a cluster and their Redis.
#![allow(dead_code, reason = "there is more to do to a cluster than each test does")]

use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::fault_proxy::{Fault, FaultProxy};
use crate::support::{Node, RedisServer, wait_until};

/// Times that make a test short: a dead node is dead after this.
pub(crate) const LEASE: &str = "1s";

/// A cluster. It ends when this is dropped.
pub(crate) struct Cluster {
    pub(crate) redis: RedisServer,
    places: Vec<Place>,
}

/// A node, or where one was and will be again.
struct Place {
    config: String,
    node: Option<Node>,
    /// In front of its cluster listener.
    links: FaultProxy,
    frozen: bool,
}

impl Cluster {
    /// As many nodes, named a, b, c and so on, with `extra` keys of TOML, which must not be of the tables that this writes.
    #[track_caller]
    pub(crate) fn start(nodes: usize, extra: &str) -> Self {
        let redis = RedisServer::start();
        let mut cluster = Self { redis, places: Vec::new() };
        for id in ('a'..).take(nodes) {
            let (sip, listen) = (free_port(), free_port());
            let links = FaultProxy::start(listen);
            let config = format!(
                "[node]\nid = \"{id}\"\ndrain = \"2s\"\n\
                 [listen]\nudp = [\"{sip}\"]\ntcp = [\"{sip}\"]\n\
                 [location]\nstore = \"redis\"\nredis_url = \"{}\"\n\
                 [cluster]\nlisten = \"{listen}\"\nadvertise = \"{}\"\nsecret = \"known to the nodes alone\"\n\
                 lease = \"{LEASE}\"\nlink_ping = \"300ms\"\nlink_pong = \"600ms\"\n{extra}",
                cluster.redis.url(),
                links.address(),
            );
            cluster.places.push(Place { config, node: None, links, frozen: false });
        }
        for place in 0..nodes {
            cluster.restart(place);
        }
        cluster.expect_whole();
        cluster
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The node at this place, which must be up.
    #[track_caller]
    pub(crate) fn node(&self, place: usize) -> &Node {
        self.places[place].node.as_ref().expect("it was not killed")
    }

    /// Whether a node is there and runs.
    pub(crate) fn runs(&self, place: usize) -> bool {
        self.places[place].node.is_some() && !self.places[place].frozen
    }

    /// Ends a node as `kill -9` does.
    pub(crate) fn kill(&mut self, place: usize) {
        self.places[place].node.take().expect("it was not killed before").kill();
        self.places[place].frozen = false;
    }

    /// Asks a node to end and waits until it has. Returns its exit status.
    #[track_caller]
    pub(crate) fn terminate(&mut self, place: usize) -> Option<i32> {
        self.node(place).signal("-TERM");
        self.ended(place)
    }

    /// Waits until a node that was asked to end has. Returns its exit status.
    #[track_caller]
    pub(crate) fn ended(&mut self, place: usize) -> Option<i32> {
        self.places[place].node.take().expect("it was not killed before").ended()
    }

    /// Starts the node of this place, with the same addresses as before.
    #[track_caller]
    pub(crate) fn restart(&mut self, place: usize) {
        let place = &mut self.places[place];
        place.node = Some(Node::start(&place.config));
    }

    /// The node no longer runs, but its connections stay up: SIGSTOP.
    pub(crate) fn freeze(&mut self, place: usize) {
        self.node(place).signal("-STOP");
        self.places[place].frozen = true;
    }

    /// It runs again: SIGCONT.
    pub(crate) fn thaw(&mut self, place: usize) {
        self.node(place).signal("-CONT");
        self.places[place].frozen = false;
    }

    /// No other node reaches this one.
    pub(crate) fn cut(&self, place: usize, fault: Fault) {
        self.places[place].links.cut(fault);
    }

    /// They do again.
    pub(crate) fn heal(&self, place: usize) {
        self.places[place].links.heal();
    }

    /// Waits until every node that runs knows of every other that runs, and of no more.
    #[track_caller]
    pub(crate) fn expect_whole(&self) {
        let running: Vec<usize> = (0..self.len()).filter(|place| self.runs(*place)).collect();
        for &place in &running {
            wait_until("the nodes know each other", || {
                self.node(place).metric("cluster_nodes") == running.len() as u64
            });
        }
    }
}

/// A port of this host that is free over UDP and TCP.
fn free_port() -> SocketAddr {
    let free = std::iter::repeat_with(|| {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        UdpSocket::bind(address).map(|_| address)
    });
    free.flatten().next().unwrap()
}
