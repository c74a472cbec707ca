//! How a client keeps a flow alive: by which means, and how often where nobody says it.

use std::time::Duration;

/// What a ping is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// A double CRLF, over streams only.
    Crlf,
    /// A STUN Binding request, over UDP.
    Stun,
    /// A STUN Binding request between the messages of a stream, which a draft of RFC 5626 had.
    StunOverStream,
}

/// The pace of one flow's pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// What a ping is.
    pub means: Means,
    /// Shortest and longest interval where no Flow-Timer was given.
    pub discretion: (Duration, Duration),
    /// How long a pong may take over a stream.
    pub pong_within: Duration,
    /// The base of a STUN request's retransmissions (RFC 8489 §6.2.1).
    pub rto: Duration,
    /// Whether the peer is known to answer pings whatever its responses say (RFC 5626 §4.4: an explicit indication).
    pub is_supported_by_peer: bool,
}

impl Pace {
    /// TCP, TLS and WebSocket.
    pub const STREAM: Pace = Pace {
        means: Means::Crlf,
        // RFC 5626 §4.4.1: 95 to 120 s where battery power is not a concern.
        discretion: (Duration::from_secs(95), Duration::from_secs(120)),
        pong_within: Duration::from_secs(10),
        rto: Duration::from_millis(500),
        is_supported_by_peer: false,
    };

    /// The same for a UA that lives on a battery.
    pub const STREAM_ON_BATTERY: Pace = Pace {
        // RFC 5626 §4.4.1: 672 to 840 s where battery power is a concern.
        discretion: (Duration::from_secs(672), Duration::from_secs(840)),
        ..Pace::STREAM
    };

    /// UDP.
    pub const UDP: Pace = Pace {
        means: Means::Stun,
        // RFC 5626 §4.4.2: NATs forget a UDP mapping after as little as 30 s.
        discretion: (Duration::from_secs(24), Duration::from_secs(29)),
        ..Pace::STREAM
    };
}
