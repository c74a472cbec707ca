//! Which branches are out on which hop, so that a hop's end is known to them at once.

use std::collections::HashMap;
use std::net::SocketAddr;

use flowhold_cluster::flow::{Flow, FlowId};
use smallvec::SmallVec;

use super::context::BranchId;
use super::keys::{Keys, Seeded};
use crate::proto::slack::Slack;
use crate::proto::{Hop, NextHop};
use crate::sip::Transport;

/// Branches without a final response, by the hop that they are out on.
#[derive(Debug)]
pub(super) struct Outstanding {
    by_hop: HashMap<Key, Branches, Seeded>,
}

type Branches = SmallVec<[BranchId; 2]>;

/// A connection is told by its id alone, because a flow token says no more of it; a UDP flow by its peer too.
#[derive(PartialEq, Eq, Hash, Debug)]
enum Key {
    Stream(FlowId),
    Udp(FlowId, SocketAddr),
    Address(NextHop),
}

impl Key {
    fn of(hop: Hop, transport: Transport) -> Key {
        match hop {
            Hop::Flow(flow) if transport.is_reliable() => Key::Stream(flow.id),
            Hop::Flow(flow) => Key::Udp(flow.id, flow.remote),
            Hop::Address(next) => Key::Address(next),
        }
    }
}

impl Outstanding {
    pub(super) fn new(keys: Keys) -> Outstanding {
        Outstanding { by_hop: HashMap::with_hasher(Seeded(keys)) }
    }

    /// Gives back what it holds for hops that have no branches out any more.
    pub(super) fn give_back(&mut self) {
        self.by_hop.give_back();
    }

    pub(super) fn add(&mut self, hop: Hop, transport: Transport, branch: BranchId) {
        self.by_hop.entry(Key::of(hop, transport)).or_default().push(branch);
    }

    pub(super) fn remove(&mut self, hop: Hop, transport: Transport, branch: BranchId) {
        let key = Key::of(hop, transport);
        let Some(branches) = self.by_hop.get_mut(&key) else { return };
        if let Some(at) = branches.iter().position(|out| *out == branch) {
            branches.swap_remove(at);
        }
        if branches.is_empty() {
            self.by_hop.remove(&key);
        }
    }

    /// All that are out on a flow that is gone.
    pub(super) fn take_flow(&mut self, flow: Flow) -> Branches {
        let stream = self.by_hop.remove(&Key::Stream(flow.id));
        stream.or_else(|| self.by_hop.remove(&Key::Udp(flow.id, flow.remote))).unwrap_or_default()
    }

    /// All that are out to a next hop that cannot be reached.
    pub(super) fn take_next_hop(&mut self, next: NextHop) -> Branches {
        self.by_hop.remove(&Key::Address(next)).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_hop.is_empty()
    }
}
