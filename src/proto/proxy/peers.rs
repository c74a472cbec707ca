//! The other nodes of the cluster, as far as a link leads to them.
//!
//! A link is a flow like any other: what is out on it ends with it ([`Proxy::flow_failed`]). A node is known by its run,
//! so a flow of an earlier run is never taken for one of the present.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowhold_cluster::flow::{FlowId, NodeRun};

use super::{Proxy, SentBy, Source};

/// Another node that a link leads to.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its run: which flow tokens and bindings are its own.
    pub run: NodeRun,
    /// The link, over which requests go there and their responses come.
    pub link: Source,
    /// `host:port` at which its UAs reach it, by transport.
    pub sent_by: SentBy,
    /// `host:port` of its listener for links.
    pub at: Box<[u8]>,
}

/// The nodes that links lead to, by name.
#[derive(Debug, Default)]
pub(super) struct Peers {
    by_node: BTreeMap<Arc<str>, Arc<Peer>>,
}

impl Peers {
    /// That run of a node, where a link leads to it.
    pub(super) fn get(&self, run: &NodeRun) -> Option<&Arc<Peer>> {
        self.by_node.get(&run.node).filter(|peer| peer.run == *run)
    }

    fn open(&mut self, peer: Peer) {
        let later = self.by_node.get(&peer.run.node).is_some_and(|known| known.run.epoch > peer.run.epoch);
        if !later {
            self.by_node.insert(Arc::clone(&peer.run.node), Arc::new(peer));
        }
    }

    /// The link has ended, whichever node it led to.
    pub(super) fn close(&mut self, link: FlowId) {
        self.by_node.retain(|_, peer| peer.link.flow.id != link);
    }
}

impl Proxy {
    /// A link leads to that run of a node from now on, in place of the link that did before. A run that is older than the
    /// one that is known changes nothing, nor does any where the settings have no sent-by for links.
    pub fn link_up(&mut self, peer: Peer) {
        if self.settings.cluster.is_some() {
            self.peers.open(peer);
        }
    }

    /// That link leads to the node no more. One that another took the place of changes nothing. What is out on the link
    /// goes on until [`Proxy::flow_failed`] says that it ended, which closes the link too.
    pub fn link_down(&mut self, node: &str, link: FlowId) {
        if self.peers.by_node.get(node).is_some_and(|peer| peer.link.flow.id == link) {
            self.peers.by_node.remove(node);
        }
    }
}
