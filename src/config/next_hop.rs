//! How next hops and routes are written: `"sip:HOST[:PORT][;transport=tcp|tls]"` or `"sips:HOST[:PORT]"`, `"MATCH = NEXT
//! HOP"` and `"MATCH = upstream:NAME"`.

use serde::{Deserialize, Deserializer, de::Error};

use super::units::{is_host, split_port};

/// An element that requests may be sent to. Its host is not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// A name, an IPv4 address or an IPv6 address in brackets, in lower case.
    pub host: String,
    /// 5060 where none is written, over TLS 5061.
    pub port: u16,
    /// Over what it is reached.
    pub transport: NextHopTransport,
}

/// Over what a next hop is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

/// Where requests for a domain or for numbers go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which requests.
    pub matcher: Matcher,
    /// Where they go.
    pub to: RouteTo,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTo {
    /// To an element.
    NextHop(NextHop),
    /// Over a flow to the upstream of this name.
    Upstream(String),
}

/// Which requests a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// Those for this domain, in lower case.
    Domain(String),
    /// Those for numbers that begin so: `+` and digits.
    Prefix(String),
}

/// A next hop; `""` is none.
pub(super) fn next_hop_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NextHop>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() { Ok(None) } else { parse_next_hop(&text).map(Some).map_err(D::Error::custom) }
}

/// A list of `"MATCH = NEXT HOP"` and `"MATCH = upstream:NAME"`.
pub(super) fn routes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Route>, D::Error> {
    let routes = Vec::<String>::deserialize(from)?;
    routes.iter().map(|text| parse_route(text).map_err(D::Error::custom)).collect()
}

fn parse_route(text: &str) -> Result<Route, String> {
    let wrong = || {
        format!(
            "`{text}` is not a route such as \"example.net = sip:192.0.2.7\" or \"+49 = sip:gateway.example.com;transport=tcp\""
        )
    };
    let (matcher, to) = text.split_once('=').ok_or_else(wrong)?;
    let matcher = match matcher.trim() {
        prefix if prefix.starts_with('+') => {
            let is_number = prefix[1..].bytes().all(|digit| digit.is_ascii_digit());
            is_number.then(|| Matcher::Prefix(prefix.to_owned()))
        }
        domain => is_host(domain).then(|| Matcher::Domain(domain.to_ascii_lowercase())),
    };
    let to = match to.trim().strip_prefix("upstream:") {
        Some(name) => RouteTo::Upstream(name.to_owned()),
        None => RouteTo::NextHop(parse_next_hop(to.trim())?),
    };
    Ok(Route { matcher: matcher.ok_or_else(wrong)?, to })
}

fn parse_next_hop(text: &str) -> Result<NextHop, String> {
    let wrong = || {
        format!(
            "`{text}` is not a next hop such as \"sip:192.0.2.7\", \"sip:host.example.com:5070;transport=tcp\" or \"sips:host.example.com\""
        )
    };
    let (is_secure, rest) = match (text.strip_prefix("sips:"), text.strip_prefix("sip:")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err(wrong()),
    };
    let (place, named) = rest.split_once(";transport=").map_or((rest, None), |(at, name)| (at, Some(name)));
    let named = named.map(str::to_ascii_lowercase);
    let transport = match (is_secure, named.as_deref()) {
        // RFC 3261 §26.2.2: with `sips`, TCP is what TLS is over.
        (true, None | Some("tls" | "tcp")) | (false, Some("tls")) => NextHopTransport::Tls,
        (false, None | Some("udp")) => NextHopTransport::Udp,
        (false, Some("tcp")) => NextHopTransport::Tcp,
        _ => return Err(wrong()),
    };
    let (host, port) = split_port(place);
    let port = match port {
        // RFC 3261 §19.1.2
        None if transport == NextHopTransport::Tls => 5061,
        None => 5060,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?,
    };
    if !is_host(host) {
        return Err(wrong());
    }
    Ok(NextHop { host: host.to_ascii_lowercase(), port, transport })
}
