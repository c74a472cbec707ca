//! What the log says of things that anybody can have happen any number of times a second: the first of its kind at once, and
//! what more of it came to every ten seconds.

use std::net::SocketAddr;

use flowhold_cluster::flow::Flow;
use tracing::{debug, info, warn};

use super::event_log;
use super::worker::Node;
use crate::metrics::{Counters, FlowClosed, Label, Notices, Refused, Status, Summary, TlsFailed};
use crate::net::tls::Failure;
use crate::proto::Source;
use crate::sip::Message;

/// What has been said.
#[derive(Debug, Default)]
pub struct Said {
    refused: Notices<Refused>,
    handshakes: Notices<TlsFailed>,
    registers: Counted<Status>,
    strays: Counted<FlowClosed>,
}

/// What is counted for the log alone.
#[derive(Debug)]
struct Counted<L> {
    counters: Counters<L>,
    notices: Notices<L>,
}

impl<L: Label> Default for Counted<L> {
    fn default() -> Self {
        Self { counters: Counters::default(), notices: Notices::default() }
    }
}

impl<L: Label> Counted<L> {
    /// One more; whether it is the first.
    fn is_first(&self, label: L) -> bool {
        self.counters.inc(label);
        self.notices.is_first(label, &self.counters)
    }

    fn sum_up(&self) -> Vec<Summary> {
        self.notices.sum_up(&self.counters)
    }
}

impl Node {
    /// Counts what is refused, and says it when it is the first of its kind.
    pub fn refuse(&self, why: Refused, peer: SocketAddr) {
        self.metrics.refused.inc(why);
        if self.said.refused.is_first(why, &self.metrics.refused) {
            warn!(reason = why.as_str(), %peer, "refused; more of it is counted, and summed up each 10s");
        }
    }

    /// Says how a REGISTER was answered.
    pub fn registered(&self, request: &Message, source: &Source, status: u16) {
        let is_said = status != 200 && self.said.registers.is_first(Status(status));
        event_log::register(request, source, status, is_said);
    }

    /// Says that a flow ended. Of one that nobody registered over only the first: anybody can open as many as they like.
    pub fn flow_closed(&self, flow: &Flow, reason: FlowClosed, had_bindings: bool) {
        self.metrics.flows_closed.inc(reason);
        let (id, peer, why) = (flow.id, flow.remote, reason.as_str());
        if had_bindings {
            info!(flow = %id, %peer, reason = why, "flow closed");
        } else if self.said.strays.is_first(reason) {
            info!(flow = %id, %peer, reason = why, "flow closed that nobody registered over; more are summed up each 10s");
        } else {
            debug!(flow = %id, %peer, reason = why, "flow closed that nobody registered over");
        }
    }

    /// Counts a handshake that failed, and says it when it is the first of its kind.
    pub(super) fn tls_failed(&self, failure: &Failure, peer: SocketAddr) {
        self.metrics.tls_failed.inc(failure.reason);
        let reason = failure.reason.as_str();
        // Who checks whether the node listens says nothing else.
        if failure.reason != TlsFailed::Closed
            && self.said.handshakes.is_first(failure.reason, &self.metrics.tls_failed)
        {
            warn!(reason, %peer, error = %failure, "TLS handshake failed; more of it is counted, and summed up each 10s");
        } else {
            debug!(reason, %peer, error = %failure, "TLS handshake failed");
        }
    }

    /// Says what all of it has come to.
    pub fn sum_up(&self) {
        let said = &self.said;
        for Summary { what, more } in said.refused.sum_up(&self.metrics.refused) {
            if more > 0 {
                warn!(reason = %what, more, "refused in the last 10s");
            } else {
                info!(reason = %what, "none refused in the last 10s");
            }
        }
        for Summary { what, more } in said.handshakes.sum_up(&self.metrics.tls_failed) {
            if more > 0 {
                warn!(reason = %what, more, "TLS handshakes failed in the last 10s");
            } else {
                info!(reason = %what, "no TLS handshake failed in the last 10s");
            }
        }
        for Summary { what, more } in going_on(said.registers.sum_up()) {
            info!(status = %what, more, "REGISTERs refused in the last 10s");
        }
        for Summary { what, more } in going_on(said.strays.sum_up()) {
            info!(reason = %what, more, "flows closed in the last 10s that nobody registered over");
        }
    }
}

/// Of what happens on any day, that it is over is no news.
fn going_on(summaries: Vec<Summary>) -> impl Iterator<Item = Summary> {
    summaries.into_iter().filter(|summary| summary.more > 0)
}
