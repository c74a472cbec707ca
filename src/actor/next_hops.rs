//! Looks up the next hops that the configuration names, once, when the node starts.

use std::io;
use std::net::ToSocketAddrs;

use crate::config::{self, NextHopTransport, RouteTo};
use crate::net::tls::Identities;
use crate::proto::NextHop;
use crate::proto::proxy::{Exit, Matcher, Route};
use crate::sip::Transport;

/// A name that the system's resolver has no address for.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {host}: {error}")]
pub struct NotFound {
    key: &'static str,
    host: String,
    error: io::Error,
}

/// The next hops of a node, with their addresses.
#[derive(Clone, Debug, Default)]
pub struct NextHops {
    /// The registrar that the node is an edge proxy of.
    pub registrar: Option<NextHop>,
    /// Where else UAs may go.
    pub routes: Vec<Route>,
    /// All of them, as the configuration names them.
    named: Vec<Named>,
}

/// A name, and where it leads.
#[derive(Clone, Debug)]
struct Named {
    /// What a certificate has to say over TLS.
    host: Box<str>,
    /// At least one; requests go to the first.
    at: Box<[NextHop]>,
}

impl NextHops {
    /// Asks the system's resolver, and waits for it.
    pub fn look_up(config: &config::Proxy, upstreams: &[config::Upstream]) -> Result<Self, NotFound> {
        let mut named = Vec::new();
        let mut first = |key, next: &config::NextHop| {
            let at = look_up(key, next)?;
            let first = at[0];
            named.push(Named { host: next.host.as_str().into(), at });
            Ok(first)
        };
        let registrar = config.registrar.as_ref().map(|next| first("proxy.registrar", next)).transpose()?;
        let route = |route: &config::Route| {
            let matcher = match &route.matcher {
                config::Matcher::Domain(domain) => Matcher::Domain(domain.as_bytes().into()),
                config::Matcher::Prefix(prefix) => Matcher::Prefix(prefix.as_bytes().into()),
            };
            let to = match &route.to {
                RouteTo::NextHop(next) => first("proxy.routes", next)?.into(),
                RouteTo::Upstream(name) => {
                    let place = upstreams.iter().position(|upstream| upstream.name == *name);
                    Exit::Upstream(place.expect("the configuration was checked"))
                }
            };
            Ok(Route { matcher, to })
        };
        let routes: Vec<Route> = config.routes.iter().map(route).collect::<Result<_, _>>()?;
        Ok(Self { registrar, routes, named })
    }

    /// What a next hop over TLS is called.
    pub fn name_of(&self, next: &NextHop) -> Option<&str> {
        self.over_tls().find(|named| named.at.contains(next)).map(|named| &*named.host)
    }

    /// Whether a certificate that was verified is one of them's.
    pub fn has_certificate(&self, shown: &Identities) -> bool {
        self.over_tls().any(|named| shown.has_domain(&named.host))
    }

    fn over_tls(&self) -> impl Iterator<Item = &Named> {
        self.named.iter().filter(|named| named.at[0].transport == Transport::Tls)
    }

    /// Where all of them are. Where upstreams are is not known beforehand.
    pub fn all(&self) -> impl Iterator<Item = NextHop> {
        self.named.iter().flat_map(|named| named.at.iter().copied())
    }

    /// Where they are besides their first addresses.
    pub fn further(&self) -> impl Iterator<Item = NextHop> {
        self.named.iter().flat_map(|named| named.at[1..].iter().copied())
    }

    /// Where a next hop may be reached, itself first: the others are those of the same name.
    pub fn ways_to(&self, next: NextHop) -> impl Iterator<Item = NextHop> {
        let named = self.named.iter().find(|named| named.at[0] == next);
        let others = named.map_or(&[][..], |named| &named.at[1..]);
        std::iter::once(next).chain(others.iter().copied())
    }
}

/// Each address once, in the resolver's order.
fn look_up(key: &'static str, next: &config::NextHop) -> Result<Box<[NextHop]>, NotFound> {
    let failed = |error| NotFound { key, host: next.host.clone(), error };
    let transport = match next.transport {
        NextHopTransport::Udp => Transport::Udp,
        NextHopTransport::Tcp => Transport::Tcp,
        NextHopTransport::Tls => Transport::Tls,
    };
    // An IPv6 address in brackets is not what the resolver takes as a host by itself.
    let found = format!("{}:{}", next.host, next.port).to_socket_addrs().map_err(failed)?;
    let mut at: Vec<NextHop> = Vec::new();
    for address in found {
        let hop = NextHop { transport, address };
        if !at.contains(&hop) {
            at.push(hop);
        }
    }
    if at.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    Ok(at.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn configured(registrar: &str) -> config::Proxy {
        let environment = [("FLOWHOLD__PROXY__REGISTRAR".into(), registrar.into())];
        let Config { proxy, .. } = config::load(&[], environment).unwrap().config;
        proxy
    }

    #[test]
    fn an_address_is_itself_and_a_name_is_looked_up() {
        for (text, address) in [
            ("sip:192.0.2.7", "192.0.2.7:5060"),
            ("sip:[2001:db8::7]:5070", "[2001:db8::7]:5070"),
            ("sip:localhost:5080;transport=tcp", "127.0.0.1:5080"),
        ] {
            let found = NextHops::look_up(&configured(text), &[]).unwrap().registrar.unwrap();
            let expected: std::net::SocketAddr = address.parse().unwrap();
            assert!(found.address == expected || found.address.ip().is_loopback(), "{text}: {found:?}");
            assert_eq!(found.address.port(), expected.port());
        }
    }

    #[test]
    fn every_address_of_a_name_is_its_own_and_the_first_is_dialed() {
        let hop = |text: &str| NextHop { transport: Transport::Tls, address: text.parse().unwrap() };
        let at = ["192.0.2.1:5061", "192.0.2.2:5061", "192.0.2.3:5061"].map(hop);
        let named = vec![Named { host: "trunk.example.com".into(), at: at.into() }];
        let next_hops = NextHops { named, ..NextHops::default() };
        assert_eq!(next_hops.all().collect::<Vec<_>>(), at);
        assert_eq!(next_hops.further().collect::<Vec<_>>(), at[1..]);
        assert_eq!(next_hops.ways_to(at[0]).collect::<Vec<_>>(), at);
        // A Route that names another of them means that one.
        assert_eq!(next_hops.ways_to(at[1]).collect::<Vec<_>>(), [at[1]]);
        assert_eq!(next_hops.name_of(&at[2]), Some("trunk.example.com"));
        assert_eq!(next_hops.name_of(&hop("192.0.2.4:5061")), None);
    }

    #[test]
    fn a_name_without_an_address_is_named_with_its_key() {
        let error = NextHops::look_up(&configured("sip:no-such-host.invalid"), &[]).unwrap_err();
        assert!(error.to_string().starts_with("proxy.registrar: no-such-host.invalid: "), "{error}");
    }
}
