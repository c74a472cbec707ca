//! Where a message came from, and where its response goes.

use std::net::{IpAddr, SocketAddr};

use flowhold_cluster::flow::Flow;

use super::Profile;
use crate::sip::{Transport, Via};

/// Where a message came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// The flow; its `remote` is the peer.
    pub flow: Flow,
    /// What the flow runs over.
    pub transport: Transport,
    /// Which text of SIP outbound is followed on it.
    pub profile: &'static Profile,
}

impl Source {
    /// Of a flow on which RFC 5626 is followed, or where that does not matter.
    pub const fn new(flow: Flow, transport: Transport) -> Source {
        Source { flow, transport, profile: &Profile::RFC5626 }
    }

    /// The peer's address.
    pub fn ip(&self) -> IpAddr {
        self.flow.remote.ip()
    }

    /// The peer's port.
    pub fn port(&self) -> u16 {
        self.flow.remote.port()
    }

    /// The flow on which the response to a request goes back, given the request's topmost Via.
    ///
    /// Departs from RFC 3261 §18.2.2 in that `maddr` is not followed: it would let a request choose whom its response hits.
    pub fn reply_to(&self, via: &Via<'_>) -> Flow {
        // RFC 3261 §18.2.2: over the connection that the request came on.
        // RFC 3581 §4: with rport, to the very address and port that it came from.
        if self.transport.is_reliable() || via.rport().is_some() {
            return self.flow;
        }
        // RFC 3261 §18.2.2: otherwise to the address that it came from and the port in sent-by.
        let port = via.port().unwrap_or(self.transport.default_port());
        Flow { remote: SocketAddr::new(self.ip(), port), ..self.flow }
    }
}
