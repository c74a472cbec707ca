//! A flow and the node that holds it (RFC 5626 §2.1).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// A socket or connection of one run of a node: found without a hash, and never equal to a later one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct FlowId {
    /// The worker that owns it.
    pub worker: u16,
    /// Its place in that worker's table.
    pub slot: u32,
    /// How often that place was taken before.
    pub generation: u32,
}

/// `worker.slot.generation`
impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.worker, self.slot, self.generation)
    }
}

/// A flow: the connection, or the local UDP socket and the address of its peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// A stream's connection; for UDP the local socket, which many flows share.
    pub id: FlowId,
    /// The peer's address as this node sees it, so the outside of the NAT.
    pub remote: SocketAddr,
}

/// One run of a node: after a restart its epoch is another, and none of its older flows lives.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NodeRun {
    /// The node's name in the cluster.
    pub node: Arc<str>,
    /// Which of its runs.
    pub epoch: u64,
}

/// What a flow runs over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Its name, in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The transport of this name.
    pub fn of(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.as_str().as_bytes() == name)
    }
}
