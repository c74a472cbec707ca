//! The edge proxy's part of SIP outbound (RFC 5626 §5): which URIs carry a flow token, and what a request says that comes
//! along one.
//!
//! ```text
//!   REGISTER         Path          <sip:TOKEN@us;lr;ob>     the registrar reaches the UA by it
//!   INVITE and kin   Record-Route  <sip:TOKEN@us;lr>        the dialog's later requests travel by it, in both directions
//!
//!   Route values of ours at the top of a request:
//!     none with a token ──────────────────────────> Plain      as at any proxy
//!     one, of the flow that the request came over ─> Outgoing   from the UA: on by what follows in the request
//!     one, of another flow ───────────────────────> Incoming   to the UA, over the token's flow and no other
//!     several ────────────────────────────────────> Incoming   the first is the sender's side, the last the receiver's
//!     the one that counts is of another node ─────> Elsewhere  to the UA, over that node's flow and no other
//! ```
//!
//! Nothing is kept of any of this: a token is authentic, and that is all that has to be known of it. The nodes of a cluster
//! share the keys, so each understands the tokens of all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use flowhold_cluster::flow::{self, Flow, NodeRun};
use flowhold_cluster::token::{FlowToken, KeyRing, TokenError};

use super::{Profile, Source};
use crate::sip::{Message, Name, Transport};

/// What a node needs in order to make and to follow flow tokens.
#[derive(Clone, Copy, Debug)]
pub struct Edge<'n> {
    /// This run of this node.
    pub run: &'n NodeRun,
    /// What tokens are made and read with.
    pub tokens: &'n KeyRing,
}

/// What a request's own Route values say of its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// There is no token in them.
    Plain,
    /// It comes from the UA at the other end of its token's flow.
    Outgoing,
    /// It goes to the UA at the other end of this flow.
    Incoming(Source),
    /// It goes to the UA at the other end of this token's flow, which another node has, or had.
    Elsewhere(FlowToken),
}

/// Why a token leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Astray {
    /// 403: it is none of ours, or was changed.
    Forged,
    /// 430: its flow was one of another run of the node.
    FlowGone,
}

impl Edge<'_> {
    /// What the tokens of a request's own Route values, in order, say of its way. `from` is the flow that it came over.
    ///
    /// # Errors
    /// When one of them is forged, or when the flow of the one that counts was one of an earlier run of this node. Whether a
    /// flow of this run, or of another node, is still there is for its owner to tell.
    pub fn way(
        &self,
        tokens: impl IntoIterator<Item = Result<FlowToken, TokenError>>,
        from: Source,
    ) -> Result<Way, Astray> {
        let mut last = None;
        let mut count = 0;
        for token in tokens {
            // RFC 5626 §5.3.1: a token that was tampered with is answered 403.
            last = Some(token.map_err(|_| Astray::Forged)?);
            count += 1;
        }
        let Some(token) = last else { return Ok(Way::Plain) };
        // RFC 5626 §5.3: a request that came over the token's own flow is outgoing, any other is incoming.
        //
        // Departs from it where a second token of ours follows: they are the two sides of a dialog, so the request is the
        // first one's whatever flow it came over. A UA whose flow failed can so go on in its dialogs over a new flow, and
        // two UAs may share a flow.
        if count == 1 && token.names(self.run, &from.flow) {
            return Ok(Way::Outgoing);
        }
        if token.run == *self.run {
            return Ok(Way::Incoming(flow_of(&token)));
        }
        // RFC 5626 §5.3.1: a flow that no longer exists is answered 430. Those of an earlier run all ended with it.
        if token.run.node == self.run.node {
            return Err(Astray::FlowGone);
        }
        Ok(Way::Elsewhere(token))
    }

    /// The token of a flow of this run.
    pub fn token(&self, of: Source) -> String {
        self.tokens.seal(&FlowToken::of(self.run.clone(), &of.flow, cluster_transport(of.transport)))
    }

    /// A Path or Record-Route value, as [`value`] writes it, with the token of a flow of this run where there is one.
    pub fn value(&self, flow: Option<Source>, at: &[u8], transport: Transport, form: Form) -> Vec<u8> {
        let token = flow.map(|flow| self.token(flow));
        value(token.as_deref(), at, transport, form)
    }
}

/// A Path, Record-Route or Route value: the URI under which `at` (`host:port`) is reached over `transport`, with a token
/// where there is one.
pub fn value(token: Option<&str>, at: &[u8], transport: Transport, form: Form) -> Vec<u8> {
    let mut value = Vec::with_capacity(160);
    // RFC 3261 §16.6 step 4: a sips Request-URI asks for a sips URI here.
    value.extend_from_slice(if form == Form::SecureRecordRoute { b"<sips:" } else { b"<sip:" });
    if let Some(token) = token {
        value.extend_from_slice(token.as_bytes());
        value.push(b'@');
    }
    value.extend_from_slice(at);
    if transport != Transport::Udp {
        value.extend_from_slice(b";transport=");
        // RFC 7118 §5.2: `ws`, whether or not there is TLS below.
        let named = if transport == Transport::Wss { Transport::Ws } else { transport };
        value.extend_from_slice(named.as_uri_str().as_bytes());
    }
    value.extend_from_slice(match form {
        Form::FirstHopPath => b";lr;ob>",
        Form::StunPath => b";lr;keepalive=stun>",
        Form::Path | Form::RecordRoute | Form::SecureRecordRoute => b";lr>",
    });
    value
}

/// What a value of ours is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Path, where the UA itself is at the other end of the flow.
    FirstHopPath,
    /// The same in a text of outbound that has no `ob`: it announces STUN.
    StunPath,
    /// Path, where another proxy is.
    Path,
    /// Record-Route, and Route.
    RecordRoute,
    /// Record-Route in a request with a sips Request-URI.
    SecureRecordRoute,
}

impl Form {
    /// RFC 5626 §5.1: the first hop, and no other, writes `ob`; the Via tells who that is.
    pub fn of_path(request: &Message, profile: &Profile) -> Form {
        match (is_first_hop(request), profile.marks_first_hop) {
            (false, _) => Form::Path,
            (true, true) => Form::FirstHopPath,
            (true, false) => Form::StunPath,
        }
    }
}

/// What a 2xx to a REGISTER means for the keep-alive of the UA's flow, when another registrar gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowTimer {
    /// The response is none that the UA's keep-alive depends on.
    Untouched,
    /// What the response says, if it says something, holds.
    Theirs(Option<Duration>),
    /// This is written into the response.
    Ours(Duration),
}

impl FlowTimer {
    /// Of the response to `request`, where ours would be `ours`; zero: none.
    pub fn of(request: &Message, response: &Message, ours: Duration) -> FlowTimer {
        // RFC 5626 §5.4: for the last proxy to forward the response to give. A REGISTER without Contact only asks.
        if !is_first_hop(request) || request.first(Name::Contact).is_none() {
            return FlowTimer::Untouched;
        }
        // RFC 5626 §5.4: only where the response has `outbound` in Require.
        if !response.has_tag(Name::Require, "outbound") {
            return FlowTimer::Theirs(None);
        }
        match response.number(Name::FlowTimer) {
            None if ours.is_zero() => FlowTimer::Theirs(None),
            None => FlowTimer::Ours(ours),
            // One that is no number leaves as it came, and nobody can hold the UA to it.
            Some(seconds) => {
                let seconds = seconds.ok().filter(|seconds| *seconds > 0);
                FlowTimer::Theirs(seconds.map(|seconds| Duration::from_secs(seconds.into())))
            }
        }
    }
}

/// RFC 5626 §5.1: the Via is the UA's own and the only one.
fn is_first_hop(request: &Message) -> bool {
    request.values(Name::Via).nth(1).is_none()
}

/// For the peer's address of a connection, which is found, and told from every other, by its id alone.
pub(super) const NOT_SAID: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The flow that a token names.
pub(super) fn flow_of(token: &FlowToken) -> Source {
    let flow = Flow { id: token.flow, remote: token.over.remote().unwrap_or(NOT_SAID) };
    Source::new(flow, transport_of(token.over.transport()))
}

/// What a flow runs over, in SIP's words.
pub(super) fn transport_of(transport: flow::Transport) -> Transport {
    match transport {
        flow::Transport::Udp => Transport::Udp,
        flow::Transport::Tcp => Transport::Tcp,
        flow::Transport::Tls => Transport::Tls,
        flow::Transport::Ws => Transport::Ws,
        flow::Transport::Wss => Transport::Wss,
    }
}

/// What a flow runs over, in the words of the location service.
pub fn cluster_transport(transport: Transport) -> flow::Transport {
    match transport {
        Transport::Udp => flow::Transport::Udp,
        Transport::Tcp => flow::Transport::Tcp,
        Transport::Tls => flow::Transport::Tls,
        Transport::Ws => flow::Transport::Ws,
        Transport::Wss => flow::Transport::Wss,
    }
}
