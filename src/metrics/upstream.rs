//! What becomes of the flows to other providers. Their names come from the configuration and little happens to them, so
//! these families are the library's own, with a label for the name.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::add;

type Labels = Vec<(&'static str, String)>;

/// The counters of all upstreams.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    flows: Family<Labels, Gauge<i64, AtomicI64>>,
    failed: Family<Labels, Counter<u64, AtomicU64>>,
    pings: Family<Labels, Counter<u64, AtomicU64>>,
    pongs: Family<Labels, Counter<u64, AtomicU64>>,
}

/// How a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamState {
    /// It is being opened.
    Connecting,
    /// The first REGISTER is on its way.
    Registering,
    /// The provider has the binding.
    Registered,
    /// It is formed anew later.
    Waiting,
}

/// Why a flow has failed or a REGISTER was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamFailed {
    /// No address, or nobody there.
    Unreachable,
    /// The provider closed it.
    Closed,
    /// It broke.
    Broken,
    /// A ping was not answered in time.
    NoPong,
    /// A STUN request was answered with an error.
    StunError,
    /// STUN showed another address than before.
    Moved,
    /// A REGISTER had no answer.
    NoAnswer,
    /// A REGISTER was refused for what only people can put right.
    Denied,
    /// A REGISTER was refused for something else.
    Refused,
}

const STATES: [UpstreamState; 4] = [
    UpstreamState::Connecting,
    UpstreamState::Registering,
    UpstreamState::Registered,
    UpstreamState::Waiting,
];

impl UpstreamState {
    const fn as_str(self) -> &'static str {
        match self {
            UpstreamState::Connecting => "connecting",
            UpstreamState::Registering => "registering",
            UpstreamState::Registered => "registered",
            UpstreamState::Waiting => "waiting",
        }
    }
}

impl UpstreamFailed {
    const fn as_str(self) -> &'static str {
        match self {
            UpstreamFailed::Unreachable => "unreachable",
            UpstreamFailed::Closed => "closed",
            UpstreamFailed::Broken => "broken",
            UpstreamFailed::NoPong => "no_pong",
            UpstreamFailed::StunError => "stun_error",
            UpstreamFailed::Moved => "moved",
            UpstreamFailed::NoAnswer => "no_answer",
            UpstreamFailed::Denied => "denied",
            UpstreamFailed::Refused => "refused",
        }
    }
}

impl Upstreams {
    pub(super) fn new(registry: &mut Registry) -> Self {
        Upstreams {
            flows: add(registry, "upstream_flows", "Flows to other providers, by state"),
            failed: add(registry, "upstream_failures", "Flows to other providers that failed, by reason"),
            pings: add(registry, "upstream_pings", "Pings that went out to other providers"),
            pongs: add(registry, "upstream_pongs", "Pings that other providers answered"),
        }
    }

    /// Shows an upstream before anything has become of it.
    pub fn begin(&self, upstream: &str) {
        for state in STATES {
            self.flows.get_or_create(&labels(upstream, "state", state.as_str())).set(0);
        }
        drop(self.pings.get_or_create(&label(upstream)));
        drop(self.pongs.get_or_create(&label(upstream)));
    }

    /// A flow is in another state.
    pub fn moves(&self, upstream: &str, from: Option<UpstreamState>, to: Option<UpstreamState>) {
        for (state, change) in [(from, -1), (to, 1)] {
            if let Some(state) = state {
                self.flows.get_or_create(&labels(upstream, "state", state.as_str())).inc_by(change);
            }
        }
    }

    /// A flow has failed, or a refresh was refused.
    pub fn failed(&self, upstream: &str, why: UpstreamFailed) {
        self.failed.get_or_create(&labels(upstream, "reason", why.as_str())).inc();
    }

    /// A ping went out.
    pub fn ping(&self, upstream: &str) {
        self.pings.get_or_create(&label(upstream)).inc();
    }

    /// One was answered.
    pub fn pong(&self, upstream: &str) {
        self.pongs.get_or_create(&label(upstream)).inc();
    }
}

fn label(upstream: &str) -> Labels {
    vec![("upstream", upstream.to_owned())]
}

fn labels(upstream: &str, name: &'static str, value: &str) -> Labels {
    vec![("upstream", upstream.to_owned()), (name, value.to_owned())]
}
