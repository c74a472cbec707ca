//! From the configuration, and the listeners that were opened for it, to what the protocol's parts go by.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use flowhold_cluster::token::KeyRing;
use tracing::warn;

use super::upstream;
use super::worker::Node;
use crate::config::{self, AuthMode, Config, PingTimeout};
use crate::net::interfaces;
use crate::proto::Profile;
use crate::proto::keepalive::PingWait;
use crate::proto::repeats::{Patience, Repeats};
use crate::proto::transaction::Timers;
use crate::proto::{proxy, registrar};
use crate::sip::Transport;

/// What the Server field of this node's own responses says.
pub(super) const SERVER: &str = concat!("Flowhold/", env!("CARGO_PKG_VERSION"));

/// After how many seconds a peer may come back that was turned away for want of room: long enough to let a burst
/// pass, short enough not to be noticed.
pub const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Which text of SIP outbound is followed on a listener.
pub fn profile(config: &Config, listener: Option<config::Profile>) -> &'static Profile {
    match listener.unwrap_or(config.outbound.profile) {
        config::Profile::Rfc5626 => &Profile::RFC5626,
        config::Profile::Draft03 => &Profile::DRAFT03,
    }
}

/// How long the server waits for the next ping.
pub fn ping_wait(config: &Config) -> PingWait {
    match config.outbound.ping_timeout {
        PingTimeout::Auto => PingWait::FlowTimerAnd(config.outbound.grace),
        PingTimeout::Never => PingWait::Unlimited,
        PingTimeout::After(wait) => PingWait::Fixed(wait),
    }
}

/// How long a transaction may last.
pub fn transaction(config: &Config) -> Duration {
    config.proxy.t1 * 64
}

/// What one worker remembers of what came over UDP, where the whole node remembers so many requests.
pub fn repeats(config: &Config, of_node: usize) -> Repeats {
    let patience = Patience { transaction: transaction(config), acked: config.proxy.t4 };
    // Rounded up, so that a small limit leaves every worker something.
    let limit = of_node.div_ceil(usize::from(config.node.worker_count()));
    Repeats::new(limit, patience, (rand::random(), rand::random()))
}

/// What every worker's registrar goes by.
pub fn registrar(config: &Config) -> registrar::Settings {
    let Config { registrar, outbound, .. } = config;
    registrar::Settings {
        domains: domains(config),
        min_expires: registrar.min_expires,
        max_expires: registrar.max_expires,
        default_expires: registrar.default_expires,
        max_bindings: registrar.max_bindings,
        require_outbound: registrar.require_outbound,
        flow_timer: outbound.flow_timer.unwrap_or_default(),
        flow_timer_udp: outbound.flow_timer_udp.unwrap_or_default(),
    }
}

/// What one worker's proxy goes by, where the node is `served`.
pub fn proxy(
    node: &Node,
    tokens: Arc<KeyRing>,
    worker: u16,
    served: &[(Transport, SocketAddr)],
) -> proxy::Settings {
    let Node { config, run, next_hops, .. } = node;
    // Of several listeners that speak the same, the first.
    let sent_by = |transport: Transport| {
        let listener = |of| served.iter().find(|(served, _)| *served == of);
        // Flows to other providers may be over TLS where nothing listens for it.
        let instead = || listener(Transport::Tcp).filter(|_| transport == Transport::Tls);
        let first = listener(transport).or_else(instead);
        let sent_by = first.map(|(_, local)| config.listen.sent_by(*local));
        sent_by.unwrap_or_default().into_bytes().into_boxed_slice()
    };
    proxy::Settings {
        run: run.clone(),
        tokens,
        registrar: next_hops.registrar,
        routes: next_hops.routes.clone(),
        further: next_hops.further().collect(),
        upstreams: config.upstream.iter().map(upstream::proxy).collect(),
        flow_timer: config.outbound.flow_timer.unwrap_or_default(),
        flow_timer_udp: config.outbound.flow_timer_udp.unwrap_or_default(),
        proves_users: config.auth.mode == Some(AuthMode::Digest),
        domains: domains(config),
        hosts: served
            .iter()
            .flat_map(|(transport, local)| {
                hosts(config, *local).into_iter().chain(certified(node, *transport, *local))
            })
            .collect(),
        cluster: node.cluster.as_ref().map(|cluster| cluster.me.at.as_bytes().into()),
        sent_by: proxy::SentBy::each(sent_by),
        timers: Timers { t1: config.proxy.t1, t2: config.proxy.t2, t4: config.proxy.t4 },
        timer_c: config.proxy.timer_c,
        flow_timeout: config.proxy.flow_timeout,
        // Rounded up, so that a small limit leaves every worker something.
        max_transactions: config.proxy.max_transactions.div_ceil(usize::from(config.node.worker_count())),
        retry_after: RETRY_AFTER,
        worker,
        server: SERVER.as_bytes().into(),
    }
}

fn domains(config: &Config) -> Vec<Box<[u8]>> {
    config.node.domains.iter().map(|domain| domain.as_bytes().into()).collect()
}

/// The names under which a listener is reached: its own addresses, and what it is advertised as.
fn hosts(config: &Config, local: SocketAddr) -> Vec<(Box<[u8]>, u16)> {
    let host = |address| match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let addresses = interfaces::reached_at(local.ip()).unwrap_or_else(|error| {
        warn!(%error, "the addresses of this machine are not known: Routes with others than the advertised one are refused");
        vec![local.ip()]
    });
    let hosts = addresses.into_iter().map(|address| (host(address).into_bytes().into(), local.port()));
    let advertised = config.listen.sent_by(local);
    let (name, port) = advertised.rsplit_once(':').expect("a sent-by has a port");
    let port = port.parse().expect("a sent-by has a number for a port");
    hosts.chain([(name.as_bytes().into(), port)]).collect()
}

/// The names by which a listener over TLS is asked for: those of the node's certificates, which its UAs write into Route as
/// they have dialed them.
fn certified(node: &Node, transport: Transport, local: SocketAddr) -> Vec<(Box<[u8]>, u16)> {
    let tls = node.tls.as_ref().filter(|_| transport.is_secure());
    let domains = tls.map_or(&[][..], |tls| tls.acceptor.domains());
    domains.iter().map(|domain| (domain.as_bytes().into(), local.port())).collect()
}
