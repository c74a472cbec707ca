//! What happens to the flows of an upstream, for the log and the counters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::actor::worker::Node;
use crate::config;
use crate::metrics::{UpstreamFailed, UpstreamState};
use crate::proto::Source;
use crate::proto::keepalive::client::Failure;
use crate::proto::recovery::{Event, Why};

/// Says what happens, in the log and by the counters.
pub(super) struct Teller {
    name: String,
    proxies: Vec<String>,
    node: Arc<Node>,
    /// What the gauge shows of each flow.
    states: BTreeMap<u32, UpstreamState>,
}

impl Teller {
    pub(super) fn new(upstream: &config::Upstream, node: &Arc<Node>) -> Self {
        let (name, proxies) = (upstream.name.clone(), upstream.proxies.clone());
        node.metrics.upstream.begin(&name);
        Self { name, proxies, node: Arc::clone(node), states: BTreeMap::new() }
    }

    pub(super) fn connecting(&mut self, reg_id: u32) {
        self.show(reg_id, Some(UpstreamState::Connecting));
        debug!(upstream = self.name, reg_id, proxy = self.proxy(reg_id), "upstream flow is being opened");
    }

    pub(super) fn opened(&mut self, reg_id: u32, over: Source) {
        self.show(reg_id, Some(UpstreamState::Registering));
        let (flow, peer) = (over.flow.id, over.flow.remote);
        debug!(upstream = self.name, reg_id, %flow, %peer, "upstream flow is open");
    }

    pub(super) fn ping(&self, reg_id: u32) {
        self.node.metrics.upstream.ping(&self.name);
        debug!(upstream = self.name, reg_id, "upstream flow: ping");
    }

    pub(super) fn tell(&mut self, reg_id: u32, event: &Event) {
        let proxy = self.proxy(reg_id).to_owned();
        let upstream = &self.name;
        match event {
            Event::Registered { registered, is_refresh } => {
                let expires = shown(registered.expires);
                let flow_timer = registered.keepalive.flow_timer.map(shown).unwrap_or_default();
                let outbound = registered.is_outbound;
                if *is_refresh {
                    debug!(
                        upstream,
                        reg_id, expires, outbound, flow_timer, "upstream flow: registered again"
                    );
                } else {
                    info!(upstream, reg_id, proxy, expires, outbound, flow_timer, "upstream flow registered");
                }
                self.show(reg_id, Some(UpstreamState::Registered));
            }
            Event::Pong { round_trip } => {
                self.node.metrics.upstream.pong(upstream);
                debug!(upstream, reg_id, ?round_trip, "upstream flow: pong");
            }
            Event::Refused { refused, retry_in } => {
                self.node.metrics.upstream.failed(upstream, UpstreamFailed::Refused);
                let (status, reason, retry_in) = (refused.status, &refused.reason, shown(*retry_in));
                warn!(upstream, reg_id, proxy, status, reason, retry_in, "upstream flow: REGISTER refused");
            }
            Event::Failed { why, failures, retry_in } => {
                self.node.metrics.upstream.failed(upstream, label(why));
                let retry_in = shown(*retry_in);
                match why {
                    Why::Refused(refused) if refused.is_denied() => {
                        error!(upstream, reg_id, proxy, reason = %why, failures, retry_in, "upstream flow denied");
                    }
                    _ => {
                        warn!(upstream, reg_id, proxy, reason = %why, failures, retry_in, "upstream flow failed");
                    }
                }
                self.show(reg_id, Some(UpstreamState::Waiting));
            }
            Event::Removed => {
                info!(upstream, reg_id, proxy, "upstream flow: binding removed, closed");
                self.show(reg_id, None);
            }
        }
    }

    fn show(&mut self, reg_id: u32, state: Option<UpstreamState>) {
        let before = match state {
            Some(state) => self.states.insert(reg_id, state),
            None => self.states.remove(&reg_id),
        };
        self.node.metrics.upstream.moves(&self.name, before, state);
    }

    fn proxy(&self, reg_id: u32) -> &str {
        let place = usize::try_from(reg_id).expect("a small number").saturating_sub(1);
        self.proxies.get(place).map_or("", String::as_str)
    }
}

fn label(why: &Why) -> UpstreamFailed {
    match why {
        Why::Unreachable(_) => UpstreamFailed::Unreachable,
        Why::Closed => UpstreamFailed::Closed,
        Why::Broken(_) => UpstreamFailed::Broken,
        Why::KeepAlive(Failure::NoPong) => UpstreamFailed::NoPong,
        Why::KeepAlive(Failure::StunError(_)) => UpstreamFailed::StunError,
        Why::KeepAlive(Failure::Moved { .. }) => UpstreamFailed::Moved,
        Why::NoAnswer => UpstreamFailed::NoAnswer,
        Why::Refused(refused) if refused.is_denied() => UpstreamFailed::Denied,
        Why::Refused(_) => UpstreamFailed::Refused,
    }
}

/// A time as people read it, to the millisecond.
fn shown(time: Duration) -> String {
    humantime::format_duration(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
        .to_string()
}
