//! Looks up the next hops that the configuration names, once, when the node starts.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

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
    /// What those over TLS are called, whose certificates have to say the same.
    names: Vec<(NextHop, Box<str>)>,
}

impl NextHops {
    /// Asks the system's resolver, and waits for it.
    pub fn look_up(config: &config::Proxy, upstreams: &[config::Upstream]) -> Result<Self, NotFound> {
        let registrar = config.registrar.as_ref().map(|next| look_up("proxy.registrar", next)).transpose()?;
        let route = |route: &config::Route| {
            let matcher = match &route.matcher {
                config::Matcher::Domain(domain) => Matcher::Domain(domain.as_bytes().into()),
                config::Matcher::Prefix(prefix) => Matcher::Prefix(prefix.as_bytes().into()),
            };
            let to = match &route.to {
                RouteTo::NextHop(next) => look_up("proxy.routes", next)?.into(),
                RouteTo::Upstream(name) => {
                    let place = upstreams.iter().position(|upstream| upstream.name == *name);
                    Exit::Upstream(place.expect("the configuration was checked"))
                }
            };
            Ok(Route { matcher, to })
        };
        let routes: Vec<Route> = config.routes.iter().map(route).collect::<Result<_, _>>()?;
        let of_routes = config.routes.iter().zip(&routes).filter_map(|pair| match pair {
            (config::Route { to: RouteTo::NextHop(named), .. }, Route { to: Exit::NextHop(next), .. }) => {
                Some((named, *next))
            }
            _ => None,
        });
        let all = config.registrar.iter().zip(registrar).chain(of_routes);
        let names = all
            .filter(|(_, next)| next.transport == Transport::Tls)
            .map(|(named, next)| (next, named.host.as_str().into()))
            .collect();
        Ok(Self { registrar, routes, names })
    }

    /// What a next hop over TLS is called.
    pub fn name_of(&self, next: &NextHop) -> Option<&str> {
        self.names.iter().find(|(named, _)| named == next).map(|(_, name)| &**name)
    }

    /// Whether a certificate that was verified is one of them's.
    pub fn has_certificate(&self, shown: &Identities) -> bool {
        self.names.iter().any(|(_, name)| shown.has_domain(name))
    }

    /// The addresses of all of them. Those of upstreams are not known beforehand.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let routes = self.routes.iter().filter_map(|route| match &route.to {
            Exit::NextHop(next) => Some(next),
            Exit::Upstream(_) => None,
        });
        self.registrar.iter().chain(routes).map(|next| next.address.ip())
    }
}

fn look_up(key: &'static str, next: &config::NextHop) -> Result<NextHop, NotFound> {
    let failed = |error| NotFound { key, host: next.host.clone(), error };
    // An IPv6 address in brackets is not what the resolver takes as a host by itself.
    let mut found = format!("{}:{}", next.host, next.port).to_socket_addrs().map_err(failed)?;
    let address = found.next().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let transport = match next.transport {
        NextHopTransport::Udp => Transport::Udp,
        NextHopTransport::Tcp => Transport::Tcp,
        NextHopTransport::Tls => Transport::Tls,
    };
    Ok(NextHop { transport, address })
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
    fn a_name_without_an_address_is_named_with_its_key() {
        let error = NextHops::look_up(&configured("sip:no-such-host.invalid"), &[]).unwrap_err();
        assert!(error.to_string().starts_with("proxy.registrar: no-such-host.invalid: "), "{error}");
    }
}
