//! The keys of `[listen]`, and how a listener is written.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use super::model::{Profile, advertised};
use super::network::{self, Network};
use super::units;
use crate::sip::Transport;

/// `[listen]`: where UAs and other elements reach this node. At least one listener is there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// UDP listeners, for SIP and STUN. Port 0: any free port.
    #[serde(deserialize_with = "units::listeners")]
    pub udp: Vec<Listener>,
    /// TCP listeners. Port 0: any free port.
    #[serde(deserialize_with = "units::listeners")]
    pub tcp: Vec<Listener>,
    /// TLS listeners. Port 0: any free port.
    #[serde(deserialize_with = "units::listeners")]
    pub tls: Vec<Listener>,
    /// Listeners for SIP over WebSocket. Port 0: any free port.
    #[serde(deserialize_with = "units::listeners")]
    pub ws: Vec<Listener>,
    /// The same with TLS. Port 0: any free port.
    #[serde(deserialize_with = "units::listeners")]
    pub wss: Vec<Listener>,
    /// Host or host:port for Via and Path; empty: the listener's own address. See [`Listen::sent_by`].
    #[serde(deserialize_with = "units::advertise")]
    pub advertise: String,
    /// Load balancers, whose connections begin with a PROXY protocol header.
    #[serde(deserialize_with = "network::networks")]
    pub proxy_protocol_from: Vec<Network>,
}

/// A listener, written `IP:PORT` or `IP:PORT;profile=NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// Which text of SIP outbound is followed there; none: the node's.
    pub profile: Option<Profile>,
}

impl Listen {
    /// The listeners of each transport, with the key that names them.
    pub fn by_transport(&self) -> [(Transport, &'static str, &[Listener]); 5] {
        [
            (Transport::Udp, "listen.udp", &self.udp),
            (Transport::Tcp, "listen.tcp", &self.tcp),
            (Transport::Tls, "listen.tls", &self.tls),
            (Transport::Ws, "listen.ws", &self.ws),
            (Transport::Wss, "listen.wss", &self.wss),
        ]
    }

    /// All listeners, with the transport and the key of each.
    pub fn each(&self) -> impl Iterator<Item = (Transport, &'static str, &Listener)> {
        self.by_transport()
            .into_iter()
            .flat_map(|(transport, key, of)| of.iter().map(move |listener| (transport, key, listener)))
    }

    /// The key of the listener whose TCP socket has this address, if there is one; port 0 is another port each time.
    pub fn over_tcp_at(&self, address: SocketAddr) -> Option<&'static str> {
        let mut listeners = self.each();
        let has_it = |transport: Transport, listener: &Listener| {
            transport != Transport::Udp && address.port() != 0 && listener.address == address
        };
        listeners.find(|(transport, _, listener)| has_it(*transport, listener)).map(|(_, key, _)| key)
    }

    /// Whether a connection from this address has to begin with a PROXY protocol header.
    pub fn is_load_balancer(&self, address: IpAddr) -> bool {
        self.proxy_protocol_from.iter().any(|network| network.contains(address))
    }

    /// What this node calls itself, in Via and Path, on the listener bound to `local` (with the port that it got):
    /// `host:port`. A listener on all addresses without `advertise` is called by the address that the machine's routes
    /// choose towards the outside, since `0.0.0.0` is nothing that a peer could send to.
    pub fn sent_by(&self, local: SocketAddr) -> String {
        advertised(&self.advertise, local)
    }
}
