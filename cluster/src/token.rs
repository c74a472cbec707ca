//! Flow tokens: a flow as the user part of a SIP URI, which only nodes with the key can make, read or tell apart.
//!
//! RFC 5626 §5.2 leaves the form of a token to the proxy: it is unique to a flow, the flow can be had back from it, and
//! nobody else can change it. Ours keeps nothing at the node. Octets, in base64url without padding:
//!
//! ```text
//! +---------+--------+-----------+----------------------------------------------------------------+
//! | version | key id | tag       | epoch    worker slot generation  remote address      node's id |
//! | 1 octet | 1      | 16        | 8        2      4    4           1, 7, 19 or 23      1 to 63   |
//! +---------+--------+-----------+----------------------------------------------------------------+
//!  authenticated                  authenticated and encrypted
//! ```
//!
//! A token travels to strangers in Record-Route and Path, so all that is ours to know is encrypted: where a UA is, and how
//! many nodes and flows there are. Only its length tells something, the kind of address.
//!
//! - `key_ring`: the keys, sealing and opening
//! - `octets`: what is encrypted, as octets

mod key_ring;
mod octets;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use crate::flow::{Flow, FlowId, NodeRun, Transport};

pub use key_ring::{KeyRing, KeyRingError, MIN_SECRET, key_id};
pub use octets::MAX_NODE;

/// The version of tokens that is made and read here, their first octet.
pub const VERSION: u8 = 1;

/// What a token says.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FlowToken {
    /// The run of the node that holds the flow. When that has ended, so has the flow.
    pub run: NodeRun,
    /// The connection; for UDP the node's own socket.
    pub flow: FlowId,
    /// The peer's address where it is part of the flow's identity, so for UDP alone: a connection is told by `flow`.
    pub remote: Option<SocketAddr>,
}

impl FlowToken {
    /// The token of a flow of `run`.
    pub fn of(run: NodeRun, flow: &Flow, transport: Transport) -> Self {
        let remote = (transport == Transport::Udp).then_some(flow.remote);
        Self { run, flow: flow.id, remote }
    }

    /// Whether it is the token of `flow`, held by `run`.
    // RFC 5626 §5.3: a request that comes over the token's own flow is outgoing, any other incoming.
    pub fn names(&self, run: &NodeRun, flow: &Flow) -> bool {
        self.flow == flow.id && self.remote.is_none_or(|remote| remote == flow.remote) && self.run == *run
    }
}

/// Why a token does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not base64url in its one canonical form, or not of a version and length that there is.
    #[error("it is not a flow token of this version")]
    NotAToken,
    /// It has the form of a token, and its key id is none of ours.
    #[error("it was made with a key that is not there")]
    UnknownKey,
    /// Authentication failed: it was changed, or made with another secret.
    #[error("it was changed, or made with another secret")]
    Forged,
}
