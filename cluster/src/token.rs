//! Flow tokens: a flow as the user part of a SIP URI, which only nodes with the key can make, read or tell apart.
//!
//! RFC 5626 §5.2 leaves the form of a token to the proxy: it is unique to a flow, the flow can be had back from it, and
//! nobody else can change it. Ours keeps nothing at the node. Octets, in base64url without padding:
//!
//! ```text
//! +---------+--------+-----------+----------------------------------------------------------------+
//! | version | key id | tag       | epoch    worker slot generation  runs over           node's id |
//! | 1 octet | 1      | 16        | 8        2      4    4           1, 7, 19 or 23      1 to 63   |
//! +---------+--------+-----------+----------------------------------------------------------------+
//!  authenticated                  authenticated and encrypted
//! ```
//!
//! A token travels to strangers in Record-Route and Path, so all that is ours to know is encrypted: where a UA is, and how
//! many nodes and flows there are. Only its length tells something: whether the flow is over UDP, and then the family of
//! the address.
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
    /// What the flow runs over.
    pub over: Over,
}

/// What a flow runs over, with the peer's address where that is part of the flow's identity: a connection is told by its
/// id alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Over {
    /// UDP, to this address.
    Udp(SocketAddr),
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Over {
    /// The transport.
    pub fn transport(self) -> Transport {
        match self {
            Self::Udp(_) => Transport::Udp,
            Self::Tcp => Transport::Tcp,
            Self::Tls => Transport::Tls,
            Self::Ws => Transport::Ws,
            Self::Wss => Transport::Wss,
        }
    }

    /// The peer's address, over UDP.
    pub fn remote(self) -> Option<SocketAddr> {
        match self {
            Self::Udp(remote) => Some(remote),
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => None,
        }
    }
}

impl FlowToken {
    /// The token of a flow of `run`.
    pub fn of(run: NodeRun, flow: &Flow, transport: Transport) -> Self {
        let over = match transport {
            Transport::Udp => Over::Udp(flow.remote),
            Transport::Tcp => Over::Tcp,
            Transport::Tls => Over::Tls,
            Transport::Ws => Over::Ws,
            Transport::Wss => Over::Wss,
        };
        Self { run, flow: flow.id, over }
    }

    /// Whether it is the token of `flow`, held by `run`.
    // RFC 5626 §5.3: a request that comes over the token's own flow is outgoing, any other incoming.
    pub fn names(&self, run: &NodeRun, flow: &Flow) -> bool {
        self.flow == flow.id
            && self.over.remote().is_none_or(|remote| remote == flow.remote)
            && self.run == *run
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
