//! The counters of a node: what operators watch and tests assert.
//!
//! An increment is one atomic add to a place known beforehand: families are arrays indexed by an enum, so that nothing is
//! hashed, looked up or locked where messages pass. The text is made when somebody asks ([`Metrics::render`]).
//!
//! - `certificates`: when those end that the node shows
//! - `family`: a metric with one label, as an array
//! - `label`: the labels' values: why a flow was closed, why something was refused
//! - `notices`: what of this is said in the log, and how often
//! - `upstream`: flows to other providers, whose names the configuration has

mod certificates;
mod family;
mod label;
mod notices;
mod upstream;

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::sip::{Method, Transport};

pub use certificates::Certificates;
pub use family::{Counters, Gauges, Label};
pub use label::{
    Authentication, BranchFailed, FlowClosed, LinkSide, RedisFailure, Refused, Reload, Status, TlsFailed,
    TlsHandshake, TransactionKind,
};
pub use notices::{Notices, Summary};
pub use upstream::{UpstreamFailed, UpstreamState, Upstreams};

/// Every counter of a node, shared by its workers.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Connections that are up.
    pub connections: Gauges<Transport>,
    /// Connections that were accepted.
    pub accepted: Counters<Transport>,
    /// TLS handshakes of clients that were done, and how.
    pub tls_handshakes: Counters<TlsHandshake>,
    /// Those that are being done.
    pub tls_under_way: Gauge<i64, AtomicI64>,
    /// Those that were not, and why.
    pub tls_failed: Counters<TlsFailed>,
    /// Flows that ended, and why.
    pub flows_closed: Counters<FlowClosed>,
    /// What was not taken, and why.
    pub refused: Counters<Refused>,
    /// Requests that were asked who they are from, and what came of it.
    pub authentications: Counters<Authentication>,
    /// Requests that came in, each retransmission too.
    pub requests: Counters<Method>,
    /// Responses that went out, this node's own and forwarded ones.
    pub responses: Counters<Status>,
    /// Pings that were answered: CRLFCRLF over streams, STUN over UDP.
    pub pings: Counters<Transport>,
    /// The longest that what is done now had to wait for its worker, in seconds.
    pub queue_delay: Gauge<f64, AtomicU64>,
    /// 1 where what was read again last was of no use, and what was there stays.
    pub reload_failed: Gauges<Reload>,
    /// Flows over which a user has proved who it is.
    pub trusted_flows: Gauge<i64, AtomicI64>,
    /// How many of them can be remembered.
    pub trusted_flows_max: Gauge<i64, AtomicI64>,
    /// Next hops that could not be reached when they were needed last.
    pub next_hops_down: Gauge<i64, AtomicI64>,
    /// Attempts to reach one that failed.
    pub next_hop_failures: Counter<u64, AtomicU64>,
    /// 1 while the node drains.
    pub draining: Gauge<i64, AtomicI64>,
    /// UDP flows that were given a Flow-Timer and ping.
    pub udp_flows: Gauge<i64, AtomicI64>,
    /// Bindings that are live.
    pub bindings: Gauge<i64, AtomicI64>,
    /// AORs that are known.
    pub aors: Gauge<i64, AtomicI64>,
    /// Transactions that are open.
    pub transactions: Gauges<TransactionKind>,
    /// Branches that ended without a response from their UA, and why.
    pub branches_failed: Counters<BranchFailed>,
    /// Requests that went out once more, over another flow of the same instance.
    pub failovers: Counter<u64, AtomicU64>,
    /// Nodes that hold a lease, this one included.
    pub cluster_nodes: Gauge<i64, AtomicI64>,
    /// Links to and from other nodes that are up.
    pub cluster_links: Gauges<LinkSide>,
    /// Links that ended, and why.
    pub cluster_links_closed: Counters<FlowClosed>,
    /// Requests of other nodes that went on to flows of this one.
    pub cluster_relayed: Counter<u64, AtomicU64>,
    /// Leases of this node's own that it found lost.
    pub cluster_leases_lost: Counter<u64, AtomicU64>,
    /// How often all live bindings were written to Redis again.
    pub cluster_restores: Counter<u64, AtomicU64>,
    /// How often Redis became unavailable.
    pub redis_unavailable: Counter<u64, AtomicU64>,
    /// Commands to Redis that failed.
    pub redis_failures: Counters<RedisFailure>,
    /// Flows to other providers.
    pub upstream: Upstreams,
    /// When the certificates end that are shown.
    pub certificates: Certificates,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("flowhold");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", build);
        Metrics {
            connections: add(&mut registry, "connections", "Connections that are up"),
            accepted: add(&mut registry, "connections_accepted", "Connections that were accepted"),
            tls_handshakes: add(&mut registry, "tls_handshakes", "TLS handshakes of clients that were done"),
            tls_under_way: add(&mut registry, "tls_handshakes_under_way", "Those that are being done"),
            tls_failed: add(&mut registry, "tls_handshakes_failed", "Those that were not, by reason"),
            flows_closed: add(&mut registry, "flows_closed", "Flows that ended, by reason"),
            refused: add(&mut registry, "refused", "What was not taken, by reason"),
            authentications: add(
                &mut registry,
                "authentications",
                "Requests that were asked who they are from, by outcome",
            ),
            requests: add(&mut registry, "requests", "Requests that came in"),
            responses: add(&mut registry, "responses", "Responses that went out"),
            pings: add(&mut registry, "pings", "Pings that were answered"),
            queue_delay: add(
                &mut registry,
                "queue_delay_seconds",
                "The longest that what is done now had to wait for its worker",
            ),
            reload_failed: add(
                &mut registry,
                "reload_failed",
                "1 where what was read again last was of no use, and what was there stays",
            ),
            trusted_flows: add(
                &mut registry,
                "trusted_flows",
                "Flows over which a user has proved who it is",
            ),
            trusted_flows_max: add(&mut registry, "trusted_flows_max", "How many can be remembered"),
            next_hops_down: add(
                &mut registry,
                "next_hops_down",
                "Next hops that could not be reached when they were needed last",
            ),
            next_hop_failures: add(
                &mut registry,
                "next_hop_failures",
                "Attempts to reach a next hop that failed",
            ),
            draining: add(&mut registry, "draining", "1 while the node drains"),
            udp_flows: add(&mut registry, "udp_flows", "UDP flows that were given a Flow-Timer"),
            bindings: add(&mut registry, "bindings", "Bindings that are live"),
            aors: add(&mut registry, "aors", "Addresses-of-record that are known"),
            transactions: add(&mut registry, "transactions", "Transactions that are open"),
            branches_failed: add(&mut registry, "branches_failed", "Branches without a response, by reason"),
            failovers: add(&mut registry, "failovers", "Requests that went out over another flow of a UA"),
            cluster_nodes: add(&mut registry, "cluster_nodes", "Nodes that hold a lease, this one included"),
            cluster_links: add(&mut registry, "cluster_links", "Links to and from other nodes that are up"),
            cluster_links_closed: add(&mut registry, "cluster_links_closed", "Links that ended, by reason"),
            cluster_relayed: add(
                &mut registry,
                "cluster_relayed",
                "Requests of other nodes that went on to flows of this one",
            ),
            cluster_leases_lost: add(
                &mut registry,
                "cluster_leases_lost",
                "Leases of this node's own that it found lost",
            ),
            cluster_restores: add(
                &mut registry,
                "cluster_restores",
                "How often all live bindings were written to Redis again",
            ),
            redis_unavailable: add(&mut registry, "redis_unavailable", "How often Redis became unavailable"),
            redis_failures: add(&mut registry, "redis_failures", "Commands to Redis that failed, by reason"),
            upstream: Upstreams::new(&mut registry),
            certificates: Certificates::new(&mut registry),
            registry,
        }
    }

    /// All of them in the OpenMetrics text format, as [`CONTENT_TYPE`] says.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Registers a metric and hands out the other handle on it.
fn add<M>(registry: &mut Registry, name: &str, help: &str) -> M
where
    M: Default + Clone + prometheus_client::registry::Metric,
{
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_increment_shows_under_its_label_and_nowhere_else() {
        let metrics = Metrics::new();
        metrics.flows_closed.inc(FlowClosed::FlowTimer);
        metrics.flows_closed.inc(FlowClosed::FlowTimer);
        metrics.requests.inc(Method::Register);
        metrics.connections.inc(Transport::Tcp);
        let text = metrics.render();
        for line in [
            "flowhold_flows_closed_total{reason=\"flow_timer\"} 2",
            "flowhold_flows_closed_total{reason=\"peer_closed\"} 0",
            "flowhold_requests_total{method=\"REGISTER\"} 1",
            "flowhold_connections{transport=\"tcp\"} 1",
            "flowhold_build_info{version=\"0.1.0\"} 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "no line {line} in\n{text}");
        }
    }

    #[test]
    fn a_status_that_never_was_is_not_shown() {
        let metrics = Metrics::new();
        metrics.responses.inc(Status(200));
        metrics.responses.inc(Status(999));
        let text = metrics.render();
        assert!(text.contains("flowhold_responses_total{status=\"200\"} 1"), "{text}");
        assert!(!text.contains("status=\"404\""), "{text}");
        assert_eq!(metrics.responses.get(Status(999)), 1);
    }

    #[test]
    fn a_gauge_returns_to_zero() {
        let metrics = Metrics::new();
        metrics.transactions.inc(TransactionKind::InviteServer);
        metrics.transactions.dec(TransactionKind::InviteServer);
        assert_eq!(metrics.transactions.get(TransactionKind::InviteServer), 0);
    }

    #[test]
    fn the_text_ends_as_openmetrics_does() {
        assert!(Metrics::new().render().ends_with("# EOF\n"));
    }
}
