//! What a proxy is told about its node.

use std::sync::Arc;
use std::time::Duration;

use flowhold_cluster::flow::NodeRun;
use flowhold_cluster::token::KeyRing;

use super::{Exit, Upstream};
use crate::proto::edge::Edge;
use crate::proto::transaction::Timers;
use crate::proto::{NextHop, Source};
use crate::sip::{Scheme, Transport, Uri};

/// What a proxy is told about its node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This run of this node: which flow tokens are its own.
    pub run: NodeRun,
    /// What flow tokens are made and read with.
    pub tokens: Arc<KeyRing>,
    /// The registrar that this node is an edge proxy of; none: the bindings are here.
    pub registrar: Option<NextHop>,
    /// Where else UAs that registered here may go; the first that matches counts. Not with a `registrar`, which sees to that.
    pub routes: Vec<Route>,
    /// Where else the registrar is, or the next hops of the routes are: the other addresses of their names.
    pub further: Vec<NextHop>,
    /// Other providers that this node registers with. Not with a `registrar`, which would have to know of them.
    pub upstreams: Vec<Upstream>,
    /// The Flow-Timer given over a stream where the registrar gives none, in whole seconds; zero: none.
    pub flow_timer: Duration,
    /// The same over UDP.
    pub flow_timer_udp: Duration,
    /// Whether UAs have to prove who they are, so that it means something who the node says a request is from.
    pub proves_users: bool,
    /// Domains whose AORs are here, in lower case.
    pub domains: Vec<Box<[u8]>>,
    /// Hosts (addresses and names, in lower case, IPv6 in brackets) and ports at which this node is reached.
    pub hosts: Vec<(Box<[u8]>, u16)>,
    /// `host:port` for our Via, one for each transport that is served.
    pub sent_by: SentBy,
    /// `host:port` for our Via on links to other nodes; none: there is no cluster.
    pub cluster: Option<Box<[u8]>>,
    /// T1, T2 and T4; T1 and T2 above zero.
    pub timers: Timers,
    /// RFC 3261 §16.6 step 11: how long an INVITE may go without a new provisional response; over three minutes.
    pub timer_c: Duration,
    /// RFC 5626 §7: how long a flow may stay silent before the request goes out over another one of the same instance.
    pub flow_timeout: Duration,
    /// How many requests may be in hand at a time; more are answered 503.
    pub max_transactions: usize,
    /// What the Retry-After of a 503 of ours says, in whole seconds.
    pub retry_after: Duration,
    /// Which worker's proxy this is.
    pub worker: u16,
    /// The Server field of responses of ours; empty: none.
    pub server: Box<[u8]>,
}

/// Where requests for a domain or for numbers go.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which requests.
    pub matcher: Matcher,
    /// Where they go.
    pub to: Exit,
}

/// Which Request-URIs a route is for.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// Those with this host, in lower case.
    Domain(Box<[u8]>),
    /// Numbers that begin so: `+` and digits. In a `tel` URI, or as the user part in a domain of ours.
    Prefix(Box<[u8]>),
}

/// `host:port` for our Via by transport.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field is the transport of its name")]
pub struct SentBy {
    pub udp: Box<[u8]>,
    pub tcp: Box<[u8]>,
    pub tls: Box<[u8]>,
    pub ws: Box<[u8]>,
    pub wss: Box<[u8]>,
}

impl SentBy {
    /// From the value for each transport.
    pub fn each(of: impl Fn(Transport) -> Box<[u8]>) -> Self {
        Self {
            udp: of(Transport::Udp),
            tcp: of(Transport::Tcp),
            tls: of(Transport::Tls),
            ws: of(Transport::Ws),
            wss: of(Transport::Wss),
        }
    }

    /// The value for a transport; empty when it is not served.
    pub fn of(&self, transport: Transport) -> &[u8] {
        match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
            Transport::Ws => &self.ws,
            Transport::Wss => &self.wss,
        }
    }

    /// Whether it is one of these.
    pub fn contains(&self, sent_by: &[u8]) -> bool {
        [&self.udp, &self.tcp, &self.tls, &self.ws, &self.wss]
            .into_iter()
            .any(|ours| !ours.is_empty() && ours.eq_ignore_ascii_case(sent_by))
    }
}

impl Matcher {
    /// Whether a request with this Request-URI, or Route, is one of those.
    fn matches(&self, uri: &Uri<'_>, is_ours: bool) -> bool {
        match self {
            Matcher::Domain(domain) => domain.eq_ignore_ascii_case(uri.host),
            Matcher::Prefix(prefix) if is_ours || uri.scheme == Scheme::Tel => {
                uri.user.is_some_and(|user| number_starts_with(user, prefix))
            }
            Matcher::Prefix(_) => false,
        }
    }
}

/// Whether a number begins so.
///
/// RFC 3966 §5.1.1: visual separators count for nothing, and parameters are no part of the number.
pub fn number_starts_with(user: &[u8], prefix: &[u8]) -> bool {
    let number = user.iter().take_while(|octet| **octet != b';');
    let mut digits = number.filter(|octet| !matches!(octet, b'-' | b'.' | b'(' | b')'));
    prefix.iter().all(|expected| digits.next() == Some(expected))
}

impl Settings {
    /// What makes flow tokens and follows them.
    pub fn edge(&self) -> Edge<'_> {
        Edge { run: &self.run, tokens: &self.tokens }
    }

    /// Whether a Via with this sent-by was put there by us.
    pub(super) fn is_own_sent_by(&self, sent_by: &[u8]) -> bool {
        self.sent_by.contains(sent_by)
            || self.cluster.as_ref().is_some_and(|ours| ours.eq_ignore_ascii_case(sent_by))
    }

    /// Where the routes lead a request with this Request-URI.
    pub fn route(&self, uri: &Uri<'_>) -> Option<Exit> {
        let is_ours = self.is_domain(uri.host);
        self.routes.iter().find(|route| route.matcher.matches(uri, is_ours)).map(|route| route.to)
    }

    /// Whether it came from an element at the end of a route.
    pub(super) fn is_from_route(&self, from: Source) -> bool {
        self.ends_of_routes().any(|next| next.is_source(from))
    }

    /// The element at the end of a route that a URI names by its address.
    pub fn at_end_of_route(&self, uri: &Uri<'_>) -> Option<Exit> {
        self.ends_of_routes().find(|next| next.is_at(uri)).map(Exit::NextHop)
    }

    fn ends_of_routes(&self) -> impl Iterator<Item = NextHop> {
        let first = self.routes.iter().filter_map(|route| match route.to {
            Exit::NextHop(next) => Some(next),
            Exit::Upstream(_) => None,
        });
        // Where there is a registrar there are no routes.
        let further = self.further.iter().copied().filter(|_| self.registrar.is_none());
        first.chain(further)
    }

    /// The addresses of the registrar.
    pub(super) fn registrars(&self) -> impl Iterator<Item = NextHop> {
        let further = self.further.iter().copied().filter(|_| self.registrar.is_some());
        self.registrar.into_iter().chain(further)
    }

    /// Whether a URI with this host and port means this node: one of its addresses, or one of its domains without a port
    /// or with a port of ours.
    pub fn is_us(&self, host: &[u8], port: Option<u16>, default_port: u16) -> bool {
        let at = port.unwrap_or(default_port);
        self.hosts.iter().any(|(ours, ours_at)| *ours_at == at && ours.eq_ignore_ascii_case(host))
            || (self.is_domain(host) && port.is_none_or(|port| self.is_port(port)))
    }

    /// Whether the host is a domain whose AORs are here, or at the registrar that this node is the edge proxy of.
    pub fn is_domain(&self, host: &[u8]) -> bool {
        self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(host))
    }

    fn is_port(&self, port: u16) -> bool {
        matches!(port, 5060 | 5061) || self.hosts.iter().any(|(_, ours)| *ours == port)
    }
}
