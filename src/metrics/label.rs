//! The labels' values.

use std::borrow::Cow;

use super::family::Label;
use crate::sip::{Method, Transport};

/// Declares an enum whose values are those of a label, each with the text that is shown.
macro_rules! label {
    ($(#[$doc:meta])* $label:ident = $name:literal { $($(#[$value_doc:meta])* $value:ident => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $label { $($(#[$value_doc])* $value,)+ }

        impl $label {
            /// As it is shown in the metrics and the log.
            pub const fn as_str(self) -> &'static str {
                match self { $($label::$value => $text,)+ }
            }
        }

        label!(existing $label = $name { $($value => $text,)+ });
    };
    // For an enum that is declared elsewhere, whose discriminants count from 0.
    (existing $label:ident = $name:literal { $($value:ident => $text:literal,)+ }) => {
        impl Label for $label {
            const NAME: &'static str = $name;
            const COUNT: usize = [$($label::$value),+].len();

            fn index(self) -> usize {
                // Spelt out so that a value which the table lacks does not compile.
                match self { $($label::$value => $label::$value as usize,)+ }
            }

            fn text(index: usize) -> Cow<'static, str> {
                const TEXTS: &[($label, &str)] = &[$(($label::$value, $text)),+];
                // The order of the table is that of the enum, or the index would name another value.
                const { let mut at = 0; while at < TEXTS.len() { assert!(TEXTS[at].0 as usize == at); at += 1; } }
                Cow::Borrowed(TEXTS[index].1)
            }
        }
    };
}

label! {
    /// Why a flow ended.
    FlowClosed = "reason" {
        /// The peer closed the connection.
        PeerClosed => "peer_closed",
        /// No ping in Flow-Timer and the grace (RFC 5626 §5.4).
        FlowTimer => "flow_timer",
        /// A message that had begun did not end within `limits.header_timeout`.
        HeaderTimeout => "header_timeout",
        /// The peer does not read: `limits.write_queue` is full.
        WriteQueueFull => "write_queue_full",
        /// A message above `limits.max_message`, answered 513.
        TooLarge => "too_large",
        /// A message on a stream without Content-Length, answered 400.
        NoContentLength => "no_content_length",
        /// A message on a stream whose Content-Length does not parse, answered 400.
        BadContentLength => "bad_content_length",
        /// Octets that are no SIP message.
        Garbage => "garbage",
        /// The actor that the flow's messages go to cannot keep up.
        MailboxFull => "mailbox_full",
        /// The node drains: its UA is to go elsewhere.
        Drain => "drain",
        /// The node stops.
        Shutdown => "shutdown",
        /// It led to another provider, and whoever keeps the registration has no more use for it.
        Released => "released",
        /// Reading or writing failed: reset by the peer, no route, timed out.
        IoError => "io_error",
        /// ICMP said that the peer of a UDP flow is not there.
        Unreachable => "unreachable",
        /// A ping of this node's own was not answered in time.
        NoPong => "no_pong",
        /// The node at the other end of a link has left the cluster, or is another run now.
        NodeGone => "node_gone",
        /// No ping and no message within `limits.first_message`.
        Silent => "silent",
        /// Nothing for `limits.idle_timeout`, where no Flow-Timer was given.
        Idle => "idle",
        /// More messages than `limits.messages_per_flow`, and no end of them.
        Flood => "flood",
    }
}

label! {
    /// Why something was not taken.
    Refused = "reason" {
        /// A connection above `limits.max_connections`.
        MaxConnections => "max_connections",
        /// A connection above `limits.max_connections_per_address`.
        PerAddress => "max_connections_per_address",
        /// A connection of a load balancer without a PROXY protocol header in time.
        NoProxyHeader => "no_proxy_header",
        /// A connection of a load balancer whose PROXY protocol header does not parse or is too long.
        BadProxyHeader => "bad_proxy_header",
        /// A request that starts something while messages wait for `limits.max_queue_delay`, answered 503.
        Overload => "overload",
        /// A message above `limits.max_headers`, answered 513 where it was a request.
        MaxHeaders => "max_headers",
        /// A message above `limits.max_header_length`, answered 513 where it was a request.
        MaxHeaderLength => "max_header_length",
        /// A message above `limits.max_vias`, answered 483 where it was a request.
        MaxVias => "max_vias",
        /// A message above `limits.max_routes`, answered 400 where it was a request.
        MaxRoutes => "max_routes",
        /// A REGISTER above `limits.registers_per_second`, answered 503.
        RegisterRate => "registers_per_second",
        /// A REGISTER above `limits.registers_per_address`, answered 503.
        RegisterRateOfAddress => "registers_per_address",
        /// A request above `limits.messages_per_flow`, answered 503.
        MessageRate => "messages_per_flow",
        /// A datagram above `limits.datagrams_per_address`: dropped.
        DatagramRate => "datagrams_per_address",
        /// STUN above `limits.stun_per_address`: dropped.
        StunRate => "stun_per_address",
        /// A connection to a WebSocket listener without a whole request in time.
        NoUpgrade => "no_upgrade",
        /// A request to a WebSocket listener that is no HTTP or asks for something else, answered 400, 426 or 431.
        NotWebSocket => "not_websocket",
        /// The same that does not ask for the subprotocol `sip`, answered 400.
        NotSip => "not_sip",
        /// The same for another path than `websocket.path`, answered 404.
        Path => "path",
        /// The same of a page whose origin is not among `websocket.origins`, answered 403.
        Origin => "origin",
        /// A connection whose turn among `limits.tls_handshakes` did not come in time.
        TlsHandshakes => "tls_handshakes",
        /// A message for an actor that cannot keep up, answered 503 where it was a request.
        MailboxFull => "mailbox_full",
        /// A request above `proxy.max_transactions`, answered 503.
        MaxTransactions => "max_transactions",
        /// A request whose user was not looked up because `auth.user_lookups` others waited for that, answered 503.
        UserLookups => "user_lookups",
        /// A REGISTER older than the binding it would change.
        OutOfOrder => "out_of_order",
        /// A REGISTER above `registrar.max_bindings`.
        MaxBindings => "max_bindings",
        /// A REGISTER above `location.max_aors`.
        MaxAors => "max_aors",
        /// A REGISTER for a binding while the node drains, answered 503.
        Draining => "draining",
        /// A REGISTER or a request while the location service cannot be asked, answered 503.
        LocationUnavailable => "location_unavailable",
        /// A request for which no flow to its upstream was up, answered 503.
        UpstreamDown => "upstream_down",
        /// A datagram that is neither SIP nor STUN.
        Unintelligible => "unintelligible",
        /// A request that breaks a rule of SIP, answered 4xx or 505.
        Malformed => "malformed",
        /// A request without a Via that can be read: dropped.
        Unanswerable => "unanswerable",
        /// 416
        UnsupportedScheme => "unsupported_scheme",
        /// 483
        TooManyHops => "too_many_hops",
        /// 482: the request was here before.
        Loop => "loop",
        /// 482: the request came on two ways.
        Merged => "merged",
        /// 400: a branch that is another request's.
        BranchReused => "branch_reused",
        /// 420
        BadExtension => "bad_extension",
        /// 403: neither for an AOR nor along a route of this node.
        NotOurs => "not_ours",
        /// 403: a flow token that is none of ours, or was changed.
        ForgedToken => "forged_token",
        /// 430: a flow token of an earlier run of a node, or of a node that no link leads to.
        FlowGone => "flow_gone",
        /// 403: a route for UAs that are registered here, and the sender is not.
        NotRegistered => "not_registered",
        /// 440: more UAs at a time than Max-Breadth allows.
        MaxBreadth => "max_breadth",
        /// 405 or 501: the node itself was asked for what it does not do.
        NotServed => "not_served",
        /// 404
        NotFound => "not_found",
        /// 480
        NoBinding => "no_binding",
        /// 480 to a request for a sips URI that no flow over TLS leads to; 403 to a REGISTER of one without TLS.
        NotSecure => "not_secure",
        /// 481: a CANCEL that cancels nothing.
        NothingToCancel => "nothing_to_cancel",
        /// An ACK that belongs to nothing here.
        StrayAck => "stray_ack",
        /// A response whose topmost Via is not of this node.
        StrayResponse => "stray_response",
        /// A response whose transaction is over.
        LateResponse => "late_response",
        /// A response that came on another flow than its request went.
        ResponseOnOtherFlow => "response_on_other_flow",
        /// STUN that is no Binding request, or is damaged.
        Stun => "stun",
        /// A datagram above `limits.max_message`, answered 513 where it was a request.
        TooLarge => "too_large",
        /// A message for which the connection to its next hop had no room.
        NextHopBusy => "next_hop_busy",
        /// A datagram for which `limits.write_queue` had no room: lost.
        SendQueueFull => "send_queue_full",
        /// A connection that the system had no descriptor or memory for.
        AcceptFailed => "accept_failed",
        /// A connection to `cluster.listen` that did not prove that it comes from a node, or a node that did not.
        LinkRefused => "link_refused",
    }
}

label! {
    /// What came of asking a request who it is from.
    Authentication = "outcome" {
        /// Its credentials were right.
        Proved => "proved",
        /// Its flow was trusted.
        Trusted => "trusted",
        /// A retransmission.
        Repeated => "repeated",
        /// 401 or 407: it had no credentials.
        Challenged => "challenged",
        /// 401 or 407: its nonce had aged.
        Stale => "stale",
        /// 401 or 407: its nonce was used for another request.
        Replayed => "replayed",
        /// 401 or 407: the password was wrong.
        WrongPassword => "wrong_password",
        /// 401 or 407: there is no such user.
        UnknownUser => "unknown_user",
        /// 401 or 407: the user has no hash for the algorithm.
        NoHash => "no_hash",
        /// 403: it spoke for another than its user.
        NotOwn => "not_own",
        /// 403: it came from another domain.
        Stranger => "stranger",
        /// 400: its credentials cannot be read, or are for another URI.
        Malformed => "malformed",
        /// 503: too many wrong passwords from its address.
        Throttled => "throttled",
        /// 503: the users cannot be asked.
        Unavailable => "unavailable",
    }
}

label! {
    /// What is read again while the node runs.
    Reload = "what" {
        /// The files of `[tls]`, on SIGHUP.
        Certificates => "certificates",
        /// The file of `auth.users`, when it changes.
        Users => "users",
    }
}

label! {
    /// Why a TLS handshake that a client began was not done.
    TlsFailed = "reason" {
        /// What came was no TLS, or broke its rules.
        Garbage => "garbage",
        /// No version, cipher or protocol (ALPN) that both have.
        NothingInCommon => "nothing_in_common",
        /// `tls.client_certificates` is "required", and the client showed none.
        NoCertificate => "no_certificate",
        /// The client's certificate is not of `tls.client_ca`, is out of date, or not for this.
        BadCertificate => "bad_certificate",
        /// The client said that it goes no further: it may not trust this node's certificate.
        RefusedByPeer => "refused_by_peer",
        /// Not done within `limits.tls_handshake_timeout`.
        Timeout => "timeout",
        /// The client closed the connection.
        Closed => "closed",
        /// Reading or writing failed.
        IoError => "io_error",
        /// Anything else.
        Other => "other",
    }
}

label! {
    /// How a TLS handshake was done.
    TlsHandshake = "kind" {
        /// From the beginning.
        Full => "full",
        /// By what was kept of an earlier one.
        Resumed => "resumed",
    }
}

label! {
    /// Why a branch of a request ended without a response from its UA.
    BranchFailed = "reason" {
        /// Its flow failed.
        FlowFailed => "flow_failed",
        /// Its flow is on a node that no link leads to, or was in an earlier run of a node.
        NoLink => "no_link",
        /// Its flow had no room for the request.
        Undeliverable => "undeliverable",
        /// Nobody answered in time.
        TimedOut => "timed_out",
        /// An INVITE rang for too long.
        TimerC => "timer_c",
        /// A final response to an INVITE was never acknowledged.
        NoAck => "no_ack",
    }
}

label! {
    /// Which end of a link between nodes.
    LinkSide = "side" {
        /// The other node opened it.
        Accepted => "accepted",
        /// This node opened it, and pings.
        Dialed => "dialed",
    }
}

label! {
    /// Why a command to Redis failed.
    RedisFailure = "reason" {
        /// There was no connection.
        NotConnected => "not_connected",
        /// The connection broke before the answer came.
        Lost => "lost",
        /// No answer within `location.redis_deadline`.
        Late => "late",
        /// Redis answered that it does not do it: it has no memory left, is no master, loads its data.
        Refused => "refused",
    }
}

label! {
    /// A kind of transaction (RFC 3261 §17).
    TransactionKind = "kind" {
        /// §17.1.1
        InviteClient => "invite_client",
        /// §17.1.2
        NonInviteClient => "non_invite_client",
        /// §17.2.1
        InviteServer => "invite_server",
        /// §17.2.2
        NonInviteServer => "non_invite_server",
    }
}

label!(existing Transport = "transport" {
    Udp => "udp", Tcp => "tcp", Tls => "tls", Ws => "ws", Wss => "wss",
});

label!(existing Method = "method" {
    Ack => "ACK", Bye => "BYE", Cancel => "CANCEL", Info => "INFO", Invite => "INVITE", Message => "MESSAGE",
    Notify => "NOTIFY", Options => "OPTIONS", Prack => "PRACK", Publish => "PUBLISH", Refer => "REFER",
    Register => "REGISTER", Subscribe => "SUBSCRIBE", Update => "UPDATE", Other => "other",
});

/// A status code; one outside of 100 to 699 is counted as `other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Label for Status {
    const NAME: &'static str = "status";
    const COUNT: usize = 601;
    const SHOW_ZERO: bool = false;

    fn index(self) -> usize {
        if (100..700).contains(&self.0) { usize::from(self.0) - 100 } else { 600 }
    }

    fn text(index: usize) -> Cow<'static, str> {
        if index < 600 { Cow::Owned((index + 100).to_string()) } else { Cow::Borrowed("other") }
    }
}
