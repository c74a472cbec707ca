//! Why a REGISTER is refused: one variant per rule that it breaks, and the response to it.

use std::time::Duration;

use flowhold_cluster::location::UpdateError;

use crate::proto::Source;
use crate::sip::{Fault, Message, Name, Response};

use super::answer::{Answer, SUPPORTED};

/// When to try again with an AOR for which there is no room.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(60);

/// Why a REGISTER is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{} {}", self.status(), self.reason())]
pub enum Reject {
    /// A field that every request has cannot be read.
    Malformed(Fault),
    /// RFC 3261 §10.3 step 1: the Request-URI's domain is not ours. A proxy may forward the request instead.
    ForeignDomain,
    /// RFC 3261 §10.3 step 2, RFC 3327 §5.3: it needs extensions that are not to be had.
    BadExtension {
        /// Their option tags, joined with `, `.
        unsupported: Box<[u8]>,
    },
    /// RFC 3261 §10.3 step 5: To names no AOR of a domain of ours.
    UnknownAor,
    /// RFC 3327 §4: a Path value is not a name-addr with a URI.
    BadPath,
    /// RFC 3261 §20.10: a Contact value cannot be read.
    BadContact,
    /// RFC 3261 §25.1: a q that is not 0 to 1 with at most three decimals.
    BadQ,
    /// RFC 5626 §4.2.1: a reg-id that is not 1 to 2^31-1.
    BadRegId,
    /// RFC 3261 §10.3 step 6: `*` beside other Contact values.
    StarNotAlone,
    /// RFC 3261 §10.3 step 6: `*` without `Expires: 0`.
    StarWithoutZeroExpires,
    /// RFC 5626 §6: several Contact values to be bound, and one with a reg-id among them.
    SeveralFlows,
    /// RFC 3261 §10.3 step 7: the time asked for is too short.
    TooBrief {
        /// The shortest that is accepted.
        min_expires: Duration,
    },
    /// RFC 5626 §6: the UA counts on outbound, and the proxy next to it cannot do it.
    FirstHopLacksOutbound,
    /// RFC 5626 §6: by configuration only registrations with outbound are accepted.
    OutboundRequired,
    /// RFC 3261 §26.2.2: a sips URI is asked to be bound to a flow that is not over TLS.
    NotSecure,
    /// RFC 3261 §10.3 steps 6 and 7: the same Call-ID with a CSeq that is not higher.
    OutOfOrder,
    /// The AOR has as many bindings as it may have.
    TooManyBindings,
    /// There is no room for another AOR.
    TooManyAors,
    /// The location service cannot be reached.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

impl Reject {
    /// The status code that tells it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(fault) => fault.status(),
            Self::BadPath
            | Self::BadContact
            | Self::BadQ
            | Self::BadRegId
            | Self::StarNotAlone
            | Self::StarWithoutZeroExpires
            | Self::SeveralFlows => 400,
            // 403 stops a UA from trying again at once, and RFC 3263 from trying the next node, which would say the same
            // (503 does neither). A UA with outbound still comes back in its own time: RFC 5626 §4.5.
            Self::TooManyBindings | Self::NotSecure => 403,
            Self::ForeignDomain | Self::UnknownAor => 404,
            Self::BadExtension { .. } => 420,
            Self::OutboundRequired => 421,
            Self::TooBrief { .. } => 423,
            Self::FirstHopLacksOutbound => 439,
            Self::OutOfOrder => 500,
            Self::TooManyAors | Self::Unavailable { .. } => 503,
        }
    }

    /// The reason phrase that tells it.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(fault) => fault.reason(),
            Self::ForeignDomain => "Domain Not Served Here",
            Self::BadExtension { .. } => "Bad Extension",
            Self::UnknownAor => "Not Found",
            Self::BadPath => "Malformed Path",
            Self::BadContact => "Malformed Contact",
            Self::BadQ => "Malformed q",
            Self::BadRegId => "Invalid reg-id",
            Self::StarNotAlone => "Contact * with Others",
            Self::StarWithoutZeroExpires => "Contact * without Expires 0",
            Self::SeveralFlows => "Several Contacts with a reg-id",
            Self::TooBrief { .. } => "Interval Too Brief",
            Self::FirstHopLacksOutbound => "First Hop Lacks Outbound Support",
            Self::OutboundRequired => "Extension Required",
            Self::NotSecure => "TLS Required",
            Self::OutOfOrder => "CSeq Out of Order",
            Self::TooManyBindings => "Too Many Bindings",
            Self::TooManyAors => "Too Many Addresses of Record",
            Self::Unavailable { .. } => "Location Service Unavailable",
        }
    }

    /// The response that tells it. `to_tag` is used where To has none.
    pub fn answer(&self, request: &Message, source: &Source, to_tag: &str) -> Answer {
        let response = Response::to(request, self.status(), self.reason())
            .to_tag(to_tag)
            .source(source.ip(), source.port())
            .header(Name::Supported, SUPPORTED);
        let response = match self {
            // RFC 3261 §8.2.2.3: what is not supported is listed.
            Self::BadExtension { unsupported } => response.header(Name::Unsupported, unsupported),
            // RFC 3261 §21.4.16: what is required is listed.
            Self::OutboundRequired => response.header(Name::Require, "outbound"),
            // RFC 3261 §10.3 step 7: 423 states the minimum.
            Self::TooBrief { min_expires } => response.header(Name::MinExpires, seconds(*min_expires)),
            Self::TooManyAors => response.header(Name::RetryAfter, seconds(RETRY_WHEN_FULL)),
            Self::Unavailable { retry_after } => response.header(Name::RetryAfter, seconds(*retry_after)),
            _ => response,
        };
        Answer { status: self.status(), wire: response.finish(), keepalive: None }
    }
}

impl From<UpdateError> for Reject {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::OutOfOrder => Self::OutOfOrder,
            UpdateError::TooManyBindings => Self::TooManyBindings,
            UpdateError::TooManyAors => Self::TooManyAors,
            UpdateError::Unavailable { retry_after } => Self::Unavailable { retry_after },
        }
    }
}

/// Rounded up: a second too late is accepted, one too early is not.
fn seconds(duration: Duration) -> String {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).to_string()
}
