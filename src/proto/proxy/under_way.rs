//! What is under way, for a node that is about to end: which flows to leave open for a while yet.

use std::collections::HashSet;
use std::ops::AddAssign;
use std::time::Instant;

use flowhold_cluster::flow::FlowId;

use super::Proxy;
use super::context::{Branch, Context, Server};
use crate::proto::Hop;

/// What a proxy has in hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnderWay {
    /// Requests.
    pub requests: usize,
    /// Those of the flows that were asked about which a request came over or went out on. A flow may stand there twice.
    pub flows: Vec<FlowId>,
}

impl AddAssign for UnderWay {
    fn add_assign(&mut self, other: UnderWay) {
        self.requests += other.requests;
        self.flows.extend(other.flows);
    }
}

impl Proxy {
    /// What would be lost if the node ended now, and which of these flows it is on. Goes through all that is in hand.
    pub fn under_way(&self, now: Instant, flows: &HashSet<FlowId>) -> UnderWay {
        let mut under_way = UnderWay::default();
        for context in self.contexts.iter() {
            let open = !context.is_answered() || self.awaits_ack(now, context);
            let is_out = |branch: &&Branch| branch.is_pending() || (open && context.is_answered());
            let branches = context.branches.iter().filter(is_out).map(|branch| branch.leaves_over().0);
            let came_over = open.then_some(Hop::Flow(context.from.flow));
            let mut hops = branches.chain(came_over).peekable();
            under_way.requests += usize::from(hops.peek().is_some());
            under_way.flows.extend(hops.filter_map(|hop| match hop {
                Hop::Flow(flow) => flows.get(&flow.id),
                Hop::Address(_) => None,
            }));
        }
        under_way
    }

    /// A 2xx has just gone back to a caller, whose ACK has yet to travel to the UA that answered.
    fn awaits_ack(&self, now: Instant, context: &Context) -> bool {
        let timers = &self.settings.timers;
        match &context.server {
            Server::Invite(server) if server.is_accepted() => {
                server.deadline().is_some_and(|end| now + timers.patience() < end + timers.ack_travels())
            }
            Server::Invite(_) | Server::NonInvite(_) | Server::Ack => false,
        }
    }
}
