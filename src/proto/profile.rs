//! The texts of SIP outbound that peers follow: RFC 5626, and a draft on the way to it.
//!
//! Each difference is a switch of [`Profile`], and the two texts are values of it. The source of [`Profile::DRAFT03`] is
//! indirect: the text of draft-ietf-sip-outbound-03 is not at hand, and what is here is concluded from its successors and
//! from what they say had changed. A peer that shows one of these to be wrong is the better source: change the switch.

/// A text of SIP outbound, by what it does differently from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a difference of its own")]
pub struct Profile {
    /// How it is called in the configuration.
    pub name: &'static str,
    /// Which field of a 2xx to REGISTER has the option tag `outbound` when the registrar has applied it.
    pub shown_in: ShownIn,
    /// Whether the registrar sets a Flow-Timer.
    pub has_flow_timer: bool,
    /// Whether a double CRLF is a ping, which is answered by a CRLF. Otherwise line ends between messages mean nothing (RFC
    /// 3261 §7.5).
    pub has_crlf_keepalive: bool,
    /// Whether STUN may stand between the messages of a stream: an octet of 0 or 1 begins it, its length ends it.
    pub has_stun_on_streams: bool,
    /// Whether `keepalive=stun` in a URI says that the element there answers STUN, on every transport.
    pub announces_stun: bool,
    /// Whether the first hop marks its Path with `ob`, so that a Path without it is none of an edge proxy.
    pub marks_first_hop: bool,
}

/// Where a registrar shows that outbound is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShownIn {
    /// RFC 5626 §6.
    Require,
    /// The draft.
    Supported,
}

impl Profile {
    /// RFC 5626.
    pub const RFC5626: Profile = Profile {
        name: "rfc5626",
        shown_in: ShownIn::Require,
        has_flow_timer: true,
        has_crlf_keepalive: true,
        has_stun_on_streams: false,
        announces_stun: false,
        marks_first_hop: true,
    };

    /// draft-ietf-sip-outbound-03, as far as it is known.
    pub const DRAFT03: Profile = Profile {
        name: "draft03",
        shown_in: ShownIn::Supported,
        has_flow_timer: false,
        has_crlf_keepalive: false,
        has_stun_on_streams: true,
        announces_stun: true,
        marks_first_hop: false,
    };

    /// The profile of that name.
    pub fn of(name: &str) -> Option<&'static Profile> {
        [&Profile::RFC5626, &Profile::DRAFT03].into_iter().find(|profile| profile.name == name)
    }
}
