//! Where a message goes: over a flow, or to an element that has an address and no flow.

use std::net::SocketAddr;

use flowhold_cluster::flow::Flow;

use super::Source;
use crate::sip::{Transport, Uri};

/// Where a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hop {
    /// Over this flow and no other: if it is gone, the message goes nowhere.
    Flow(Flow),
    /// To an element that a connection may be opened to.
    Address(NextHop),
}

/// An element that the operator named: the upstream registrar, or where a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NextHop {
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// Where it listens.
    pub address: SocketAddr,
}

impl NextHop {
    /// Whether what came over `from` came from this element.
    ///
    /// RFC 3261 §18.1.2: over UDP from the address and port that it was sent to. Of a connection only the address is known: it
    /// may be one that the element opened. One that is reached over TLS speaks nothing else.
    pub fn is_source(&self, from: Source) -> bool {
        match self.transport {
            Transport::Udp => from.transport == Transport::Udp && from.flow.remote == self.address,
            Transport::Tls => from.transport == Transport::Tls && from.ip() == self.address.ip(),
            _ => from.transport.is_reliable() && from.ip() == self.address.ip(),
        }
    }

    /// Whether a URI with this host and port means this element.
    pub fn is_at(&self, uri: &Uri<'_>) -> bool {
        uri.host_addr() == Some(self.address.ip())
            && uri.port.unwrap_or(self.transport.default_port()) == self.address.port()
    }
}

impl Hop {
    /// Whether a response that came over `from` may be the answer to a request that went here over `transport`.
    pub fn is_source(&self, transport: Transport, from: Source) -> bool {
        match self {
            // A connection is told by its id alone.
            Hop::Flow(flow) if transport.is_reliable() => flow.id == from.flow.id,
            Hop::Flow(flow) => *flow == from.flow,
            Hop::Address(next) => next.is_source(from),
        }
    }
}
