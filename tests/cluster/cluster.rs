//! The nodes of a cluster and their Redis.
#![allow(dead_code, reason = "there is more to do to a cluster than each test does")]

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

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
    /// As many nodes, named a, b, c and so on, with `extra` TOML: keys of `[location]`, then tables that this does not write.
    #[track_caller]
    pub(crate) fn start(nodes: usize, extra: &str) -> Self {
        let redis = RedisServer::start();
        let mut cluster = Self { redis, places: Vec::new() };
        for id in ('a'..).take(nodes) {
            let (sip, listen) = (free_port(), free_port());
            let links = FaultProxy::start(listen);
            let config = format!(
                "[node]\nid = \"{id}\"\ndrain = \"2s\"\n\
                 [listen]\nudp = [\"{sip}\"]\ntcp = [\"{sip}\"]\nws = [\"127.0.0.1:0\"]\n\
                 [cluster]\nlisten = \"{listen}\"\nadvertise = \"{}\"\nsecret = \"known to the nodes alone\"\n\
                 lease = \"{LEASE}\"\nlink_ping = \"300ms\"\nlink_pong = \"600ms\"\n\
                 [location]\nstore = \"redis\"\nredis_url = \"{}\"\n{extra}",
                links.address(),
                cluster.redis.url(),
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

    /// Asks a node to end, and gives it up: it ends when it is done.
    pub(crate) fn take_out(&mut self, place: usize) -> Node {
        let node = self.places[place].node.take().expect("it was not killed before");
        node.signal("-TERM");
        node
    }

    /// Starts the node of this place while the test goes on.
    pub(crate) fn start_beside(&self, place: usize) -> JoinHandle<Node> {
        let config = self.places[place].config.clone();
        std::thread::spawn(move || Node::start(&config))
    }

    /// The node of this place that was started beside.
    pub(crate) fn put_in(&mut self, place: usize, node: Node) {
        self.places[place].node = Some(node);
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

    /// Waits until each node has heard which of its bindings were replaced through another. It does with its next beat; if
    /// Redis loses everything before that, nobody is left who could tell it.
    #[track_caller]
    pub(crate) fn expect_moves_to_be_heard(&self) {
        let keys = ["a", "b", "c"].map(|node| format!("flowhold:moved:{node}"));
        wait_until("the nodes hear what has moved", || {
            keys.iter().all(|key| self.redis.command(&["SCARD", key]) == "0")
        });
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

/// An address of this host whose port is free over UDP and TCP, and none that the system gives to whoever connects: a node
/// that is started again must find it free.
fn free_port() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let ports = std::iter::repeat_with(|| {
        let place = std::process::id().wrapping_mul(61).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        10_000 + u16::try_from(place % 20_000).unwrap()
    });
    let is_free =
        |address: &SocketAddr| TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok();
    ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port))).find(is_free).unwrap()
}
