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
        /// The node stops.
        Shutdown => "shutdown",
        /// Reading or writing failed: reset by the peer, no route, timed out.
        IoError => "io_error",
        /// ICMP said that the peer of a UDP flow is not there.
        Unreachable => "unreachable",
    }
}

label! {
    /// Why something was not taken.
    Refused = "reason" {
        /// A connection above `limits.max_connections`.
        MaxConnections => "max_connections",
        /// A connection above `limits.max_connections_per_address`.
        PerAddress => "max_connections_per_address",
        /// A message for an actor that cannot keep up, answered 503 where it was a request.
        MailboxFull => "mailbox_full",
        /// A request above `proxy.max_transactions`, answered 503.
        MaxTransactions => "max_transactions",
        /// A REGISTER above `registrar.max_bindings`.
        MaxBindings => "max_bindings",
        /// A REGISTER above `location.max_aors`.
        MaxAors => "max_aors",
        /// A REGISTER or a request while the location service cannot be asked, answered 503.
        LocationUnavailable => "location_unavailable",
        /// A datagram that is neither SIP nor STUN.
        Unintelligible => "unintelligible",
        /// A request that breaks a rule of SIP, answered 4xx.
        Malformed => "malformed",
        /// A response that no transaction waits for.
        StrayResponse => "stray_response",
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
