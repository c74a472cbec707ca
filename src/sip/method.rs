//! Methods and transports: the two short words that every decision begins with.

/// A request's method. RFC 3261 §7.1: methods are case-sensitive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "each variant is the method of its name")]
pub enum Method {
    Ack,
    Bye,
    Cancel,
    Info,
    Invite,
    Message,
    Notify,
    Options,
    Prack,
    Publish,
    Refer,
    Register,
    Subscribe,
    Update,
    /// Any other method; its octets are in the message.
    Other,
}

impl Method {
    /// The method that these octets are.
    pub fn of(octets: &[u8]) -> Method {
        match octets {
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"INFO" => Method::Info,
            b"INVITE" => Method::Invite,
            b"MESSAGE" => Method::Message,
            b"NOTIFY" => Method::Notify,
            b"OPTIONS" => Method::Options,
            b"PRACK" => Method::Prack,
            b"PUBLISH" => Method::Publish,
            b"REFER" => Method::Refer,
            b"REGISTER" => Method::Register,
            b"SUBSCRIBE" => Method::Subscribe,
            b"UPDATE" => Method::Update,
            _ => Method::Other,
        }
    }
}

/// A transport as Via and URIs name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// RFC 3261 §18
    Udp,
    /// RFC 3261 §18
    Tcp,
    /// TLS over TCP, RFC 3261 §26
    Tls,
    /// WebSocket, RFC 7118
    Ws,
    /// WebSocket over TLS, RFC 7118
    Wss,
}

impl Transport {
    /// The transport that these octets name, in any case.
    pub fn of(octets: &[u8]) -> Option<Transport> {
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss]
            .into_iter()
            .find(|transport| transport.as_via_str().as_bytes().eq_ignore_ascii_case(octets))
    }

    /// As a Via field writes it.
    pub const fn as_via_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// As a URI's `transport` parameter writes it.
    pub const fn as_uri_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// Whether the transport itself delivers or reports, so that nothing is retransmitted.
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// Whether the octets travel encrypted.
    pub const fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// RFC 3261 §19.1.2: the port that is meant where none is written.
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            // RFC 7118 §5.2.2: WebSocket's own default ports.
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
}
