//! The types: one struct per section, one field per key of `config/default.toml`, where each key's reason stands.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::auth::Auth;
use super::listen::Listen;
use super::next_hop::{self, NextHop, Route, RouteTo};
use super::secret::Secret;
use super::tls::Tls;
use super::units;
use super::upstream::Upstream;

/// What a node is told: all sections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the section of its name")]
pub struct Config {
    pub node: Node,
    pub listen: Listen,
    pub tls: Tls,
    pub websocket: WebSocket,
    pub outbound: Outbound,
    pub registrar: Registrar,
    pub proxy: Proxy,
    pub tokens: Tokens,
    pub auth: Auth,
    pub location: Location,
    pub cluster: Cluster,
    pub limits: Limits,
    pub admin: Admin,
    pub log: Log,
    pub upstream: Vec<Upstream>,
}

/// `[node]`: who this node is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Name of this node; after loading never empty (the host name stands in for `""`).
    pub id: String,
    /// The domains that this node is the registrar of, lower case, never empty.
    #[serde(deserialize_with = "units::domains")]
    pub domains: Vec<String>,
    /// Threads that serve flows, 0: one per core. See [`Node::worker_count`].
    pub workers: u16,
    /// How long the node takes to end on SIGTERM; zero: it ends at once.
    #[serde(deserialize_with = "units::duration")]
    pub drain: Duration,
}

impl Node {
    /// How many workers run: what is configured, or one per core.
    pub fn worker_count(&self) -> u16 {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        if self.workers > 0 { self.workers } else { u16::try_from(cores()).unwrap_or(u16::MAX) }
    }
}

/// `[websocket]`: which connections of browsers, and of others that speak SIP over WebSocket, are taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocket {
    /// Whose pages may open connections; none: everybody's.
    #[serde(deserialize_with = "units::origins")]
    pub origins: Vec<String>,
    /// The path of the URL, without a query; empty: any.
    #[serde(deserialize_with = "units::path_of_url")]
    pub path: String,
    /// Bytes of the longest request that opens one.
    #[serde(deserialize_with = "units::size")]
    pub max_request: usize,
    /// How long a flow may be silent before it is pinged; zero: for ever.
    #[serde(deserialize_with = "units::duration")]
    pub ping_every: Duration,
    /// How long a silent peer has to answer a Ping before its flow is closed; zero: it is closed unasked.
    #[serde(deserialize_with = "units::duration")]
    pub pong_timeout: Duration,
}

/// `[outbound]`: keep-alive at the server (RFC 5626 §5.4).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Which text of SIP outbound is followed.
    #[serde(deserialize_with = "units::profile")]
    pub profile: Profile,
    /// Flow-Timer over streams, whole seconds; none: no Flow-Timer is given.
    #[serde(deserialize_with = "units::seconds_or_none")]
    pub flow_timer: Option<Duration>,
    /// Flow-Timer over UDP, whole seconds; none: no Flow-Timer is given.
    #[serde(deserialize_with = "units::seconds_or_none")]
    pub flow_timer_udp: Option<Duration>,
    /// How much longer than Flow-Timer a ping is waited for.
    #[serde(deserialize_with = "units::duration")]
    pub grace: Duration,
    /// How long a flow with a Flow-Timer may be silent before it is closed.
    #[serde(deserialize_with = "units::ping_timeout")]
    pub ping_timeout: PingTimeout,
}

/// A text of SIP outbound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// RFC 5626.
    Rfc5626,
    /// draft-ietf-sip-outbound-03.
    Draft03,
}

/// How long a flow with a Flow-Timer may be silent before it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingTimeout {
    /// Flow-Timer and the grace.
    Auto,
    /// It is never closed for silence.
    Never,
    /// This long, whatever the Flow-Timer.
    After(Duration),
}

/// `[registrar]`: bindings. `min_expires <= default_expires <= max_expires`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registrar {
    /// The shortest time a binding may be asked for, whole seconds, at least one.
    #[serde(deserialize_with = "units::seconds")]
    pub min_expires: Duration,
    /// The longest time a binding is given, whole seconds.
    #[serde(deserialize_with = "units::seconds")]
    pub max_expires: Duration,
    /// The time a binding is given that names none, whole seconds.
    #[serde(deserialize_with = "units::seconds")]
    pub default_expires: Duration,
    /// Bindings that one AOR may have at a time, at least one.
    pub max_bindings: usize,
    /// Whether a REGISTER without outbound is refused.
    pub require_outbound: bool,
}

/// `[proxy]`: where requests go, and transactions and their timers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// T1, the round-trip estimate (RFC 3261 §17.1.1.1).
    #[serde(deserialize_with = "units::duration")]
    pub t1: Duration,
    /// T2, the longest retransmission interval.
    #[serde(deserialize_with = "units::duration")]
    pub t2: Duration,
    /// T4, how long the network may keep a message.
    #[serde(deserialize_with = "units::duration")]
    pub t4: Duration,
    /// Timer C, how long an INVITE may ring (RFC 3261 §16.6).
    #[serde(deserialize_with = "units::duration")]
    pub timer_c: Duration,
    /// How long a flow may stay silent before a request goes out over another one of the same instance.
    #[serde(deserialize_with = "units::duration")]
    pub flow_timeout: Duration,
    /// The registrar that this node is an edge proxy of; none: this node is the registrar.
    #[serde(deserialize_with = "next_hop::next_hop_or_none")]
    pub registrar: Option<NextHop>,
    /// Where else UAs that registered here may go, in order.
    #[serde(deserialize_with = "next_hop::routes")]
    pub routes: Vec<Route>,
    /// Transactions at a time over the whole node, at least one.
    pub max_transactions: usize,
}

impl Proxy {
    /// All next hops, the registrar first.
    pub fn next_hops(&self) -> impl Iterator<Item = &NextHop> {
        let routes = self.routes.iter().filter_map(|route| match &route.to {
            RouteTo::NextHop(next) => Some(next),
            RouteTo::Upstream(_) => None,
        });
        self.registrar.iter().chain(routes)
    }
}

/// `[tokens]`: flow tokens (RFC 5626 §5.2).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The first makes tokens, all of them read them; at most 16, no id twice. Empty: a random key for one run.
    #[serde(deserialize_with = "units::token_keys")]
    pub keys: Vec<TokenKey>,
}

/// A key of flow tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// Stands in each token, and is no secret.
    pub id: u8,
    /// At least 16 octets.
    pub secret: Secret,
}

/// `[location]`: the location service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Where bindings are kept.
    #[serde(deserialize_with = "units::store")]
    pub store: Store,
    /// How long an AOR is remembered after its last binding ended.
    #[serde(deserialize_with = "units::duration")]
    pub remember: Duration,
    /// AORs kept at a time in this node's memory, at least one.
    pub max_aors: usize,
    /// One URL of Redis, or several that are separated by commas. It may hold a password.
    pub redis_url: Secret,
    /// How that Redis is run.
    #[serde(deserialize_with = "units::redis_mode")]
    pub redis_mode: RedisMode,
    /// What the sentinels call the master.
    pub redis_master: String,
    /// The sentinels' own user; empty: none.
    pub redis_sentinel_user: String,
    /// The sentinels' own password.
    #[serde(deserialize_with = "units::secret_or_none")]
    pub redis_sentinel_password: Option<Secret>,
    /// The certificate, in PEM, of the CA that Redis's own must be from; none: those that are widely trusted.
    #[serde(deserialize_with = "units::path_or_none")]
    pub redis_ca: Option<PathBuf>,
    /// What this node shows to Redis, in PEM; none: nothing.
    #[serde(deserialize_with = "units::path_or_none")]
    pub redis_certificate: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    #[serde(deserialize_with = "units::path_or_none")]
    pub redis_private_key: Option<PathBuf>,
    /// How long one command may take.
    #[serde(deserialize_with = "units::duration")]
    pub redis_deadline: Duration,
    /// What the names of all keys in Redis begin with.
    pub prefix: String,
    /// What becomes of a REGISTER while Redis cannot be reached.
    #[serde(deserialize_with = "units::when_down")]
    pub when_down: WhenDown,
}

/// A kind of location service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// In this node's memory.
    Memory,
    /// In a Redis that the nodes of a cluster share.
    Redis,
}

/// How the Redis is run that `location.redis_url` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisMode {
    /// One server, or what looks like one.
    Single,
    /// A Redis Cluster.
    Cluster,
    /// Sentinels, which say where the master is.
    Sentinel,
}

/// What becomes of a REGISTER while Redis cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenDown {
    /// 503.
    Reject,
    /// It is taken by this node alone, and written when Redis is back.
    Accept,
}

/// `[cluster]`: this node's part in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Where other nodes reach this one; none: it stands alone.
    #[serde(deserialize_with = "units::address_or_none")]
    pub listen: Option<SocketAddr>,
    /// Host or host:port that other nodes reach it at; empty: the listener's own address. See [`Cluster::at`].
    #[serde(deserialize_with = "units::advertise")]
    pub advertise: String,
    /// What every node of the cluster knows and nobody else does; after loading also what the file held.
    #[serde(deserialize_with = "units::secret_or_none")]
    pub secret: Option<Secret>,
    /// A file with the secret.
    #[serde(deserialize_with = "units::path_or_none")]
    pub secret_file: Option<PathBuf>,
    /// How long a node that says nothing may count as alive.
    #[serde(deserialize_with = "units::duration")]
    pub lease: Duration,
    /// This node's certificate; with `private_key` and `ca`, or none of the three.
    #[serde(deserialize_with = "units::path_or_none")]
    pub certificate: Option<PathBuf>,
    /// The key of `certificate`.
    #[serde(deserialize_with = "units::path_or_none")]
    pub private_key: Option<PathBuf>,
    /// The CA that the certificates of all nodes are of.
    #[serde(deserialize_with = "units::path_or_none")]
    pub ca: Option<PathBuf>,
    /// How often a link is pinged.
    #[serde(deserialize_with = "units::duration")]
    pub link_ping: Duration,
    /// How long the pong may take.
    #[serde(deserialize_with = "units::duration")]
    pub link_pong: Duration,
}

impl Cluster {
    /// Whether links are TLS.
    pub fn is_tls(&self) -> bool {
        self.certificate.is_some()
    }

    /// Where other nodes reach this one, whose listener is bound to `local`: `host:port`.
    pub fn at(&self, local: SocketAddr) -> String {
        advertised(&self.advertise, local)
    }
}

/// `[limits]`: what one peer, and all of them, may take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of the longest message.
    #[serde(deserialize_with = "units::size")]
    pub max_message: usize,
    /// Connections at a time over the whole node, at least one.
    pub max_connections: usize,
    /// Connections at a time from one remote IP address; 0: no limit.
    pub max_connections_per_address: usize,
    /// How long a message that has begun may take to arrive whole.
    #[serde(deserialize_with = "units::duration")]
    pub header_timeout: Duration,
    /// How long a message may wait for a worker before others are refused; zero: none is.
    #[serde(deserialize_with = "units::duration")]
    pub max_queue_delay: Duration,
    /// How long a connection may take to its first ping or message; zero: for ever.
    #[serde(deserialize_with = "units::duration")]
    pub first_message: Duration,
    /// How long nothing may come over a connection that was given no Flow-Timer; zero: for ever.
    #[serde(deserialize_with = "units::duration")]
    pub idle_timeout: Duration,
    /// Header fields of a message, at least one.
    pub max_headers: usize,
    /// Bytes of one header field.
    #[serde(deserialize_with = "units::size")]
    pub max_header_length: usize,
    /// Values of Via in a message, at least one.
    pub max_vias: usize,
    /// Values of Route in a message, and of Record-Route, and of Path, at least one.
    pub max_routes: usize,
    /// REGISTERs in a second over the whole node; 0: no limit.
    pub registers_per_second: u32,
    /// Those of them in a second that come from one remote IP address over flows that nobody registered over; 0: no limit.
    pub registers_per_address: u32,
    /// Messages in a second over one connection; 0: no limit.
    pub messages_per_flow: u32,
    /// Datagrams with SIP in a second from one remote IP address; 0: no limit.
    pub datagrams_per_address: u32,
    /// Datagrams with STUN in a second from one remote IP address; 0: no limit.
    pub stun_per_address: u32,
    /// Addresses that have registered over UDP which one listener of one worker remembers, at least one.
    pub udp_peers: usize,
    /// How long a TLS handshake may take.
    #[serde(deserialize_with = "units::duration")]
    pub tls_handshake_timeout: Duration,
    /// TLS handshakes under way at a time over the whole node, at least one.
    pub tls_handshakes: usize,
    /// Those of them from one address; 0: no limit.
    pub tls_handshakes_per_address: usize,
    /// Bytes that may wait to be sent over one connection, or by one UDP listener of one worker.
    #[serde(deserialize_with = "units::size")]
    pub write_queue: usize,
    /// Messages that may wait for one connection, at least one.
    pub connection_mailbox: usize,
    /// Messages that may wait for one UDP listener of one worker, at least one.
    pub socket_mailbox: usize,
    /// REGISTERs that may wait for the registrar of one worker, at least one.
    pub registrar_mailbox: usize,
    /// Messages that may wait for the proxy of one worker, at least one.
    pub proxy_mailbox: usize,
    /// Messages that may wait for one link, at least one.
    pub link_mailbox: usize,
    /// Bytes that may wait to be sent over one link before its messages wait in its mailbox.
    #[serde(deserialize_with = "units::size")]
    pub link_write_queue: usize,
    /// Connections at a time to the cluster's listener that have not said who they are, at least one.
    pub link_handshakes: usize,
}

/// `[admin]`: for operators.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The HTTP listener with metrics and health; none: it is off.
    #[serde(deserialize_with = "units::address_or_none")]
    pub listen: Option<SocketAddr>,
}

/// `[log]`: what is said on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// For people or for a collector.
    #[serde(deserialize_with = "units::log_format")]
    pub format: LogFormat,
    /// Directives as `RUST_LOG` takes them.
    pub filter: String,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object to a line.
    Json,
}

/// What a listener bound to `local` is called by others: `advertise`, with the listener's port where it has none.
pub(super) fn advertised(advertise: &str, local: SocketAddr) -> String {
    if advertise.is_empty() {
        let ip = if local.ip().is_unspecified() { outward_address(local) } else { local.ip() };
        return SocketAddr::new(ip, local.port()).to_string();
    }
    match units::split_port(advertise) {
        (_, Some(_)) => advertise.to_owned(),
        (host, None) => format!("{host}:{}", local.port()),
    }
}

/// The address from which this machine would send to the outside, in `local`'s family: connecting a UDP socket asks the
/// routes and sends nothing. Without a route out: loopback.
fn outward_address(local: SocketAddr) -> IpAddr {
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
    let (loopback, documentation): (IpAddr, IpAddr) = if local.is_ipv4() {
        (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(192, 0, 2, 1).into())
    } else {
        (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
    };
    UdpSocket::bind(SocketAddr::new(local.ip(), 0))
        .and_then(|socket| {
            socket.connect(SocketAddr::new(documentation, 9))?;
            socket.local_addr()
        })
        .map_or(loopback, |address| address.ip())
}
